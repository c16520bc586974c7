/* One question and its answer over HTTP, plain or streamed, in any dialect: what is answered is decided in
 * gateway_answer, how it is written, by the dialect. */
#ifndef RUNG_GATEWAY_HTTP_CONVERSE_H
#define RUNG_GATEWAY_HTTP_CONVERSE_H

#include "gateway/api/dialect.h"
#include "gateway/gateway.h"

/* Replies to x in any case. */
void converse(struct gateway *g, struct http_exchange *x, const struct dialect *dialect, const struct caller *caller);

#endif
