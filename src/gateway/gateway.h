/* The gateway: who answers. Holds the configuration, the runtime with its local models, the HTTP client and the ledger, and takes
 * a request down its plan. Any thread may call; the answer is made on the caller's thread. */
#ifndef RUNG_GATEWAY_GATEWAY_H
#define RUNG_GATEWAY_GATEWAY_H

#include "gateway/config.h"
#include "gateway/policy/route.h"
#include "net/server.h"

struct gateway;

struct gateway_options {
    struct str starter;            /* the embedded model's bytes; empty when there is none */
    bool load_models;              /* false: plans and estimates only (--dry-run) */
    bool no_ledger;
};

/* Takes the configuration (freed by gateway_close; on failure too). */
bool gateway_open(struct config *c, const struct gateway_options *o, struct gateway **ret, struct err *err);
void gateway_close(struct gateway *g);
const struct config *gateway_config(const struct gateway *g);

/* Plan only. */
void gateway_plan(struct gateway *g, const struct request *r, struct plan *ret);
/* The whole life: plan, attempts, climbing, ledger. *r is filled in any case; text lives until reply_free. sink NULL: not streamed. */
void gateway_answer(struct gateway *g, struct request *req, const struct answer_sink *sink, struct reply *ret);
void reply_free(struct reply *r);

/* The HTTP side: all routes of the API (give it to http_server_options.handle with the gateway as ctx). */
void gateway_handle(void *gateway, struct http_exchange *x);
void gateway_error_body(int status, const char *message, struct buf *out);

#endif
