/* One call to a running `rung serve`: where it listens, with the key it asks for. */
#ifndef RUNG_CLI_SERVER_H
#define RUNG_CLI_SERVER_H

#include <jansson.h>

#include "base/err.h"

struct cli_server {
    const char *config_path;   /* NULL: where config_load looks; its `listen`, the key of its `tls`, and RUNG_API_KEY or
                                * the first of `api_keys` count */
    const char *url;           /* "http://HOST:PORT" in place of the configuration's; NULL: none. It gets the key on
                                * loopback, or where config_path is given too */
};

/* body NULL: GET. The reply's JSON object, to json_decref. A refusal is an error with the server's own sentence; when
 * nobody answers, the error says where it was looked for. */
bool cli_server_call(const struct cli_server *server, const char *path, const char *body, json_t **ret,
                     struct err *err);

#endif
