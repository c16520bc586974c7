/* How long a model stays loaded when nobody asks for it, as people write it: "5m", "1h30m", "45s", "500ms"; a plain
 * number is seconds; 0 not at all; anything negative for ever. (As Ollama's API.) */
#ifndef RUNG_GATEWAY_KEEP_ALIVE_H
#define RUNG_GATEWAY_KEEP_ALIVE_H

#include "data/json.h"

#define KEEP_ALIVE_MAX_MS (INT64_C(366) * 86400 * 1000)

/* *ret_ms: milliseconds, or RUNTIME_KEEP_FOREVER. The sentence begins with 'keep_alive'. */
bool keep_alive_parse(struct str text, int64_t *ret_ms, struct err *err);
/* A string or a number. */
bool keep_alive_of_json(const json_t *value, int64_t *ret_ms, struct err *err);

#endif
