/* The generation that answers now. A request keeps the one it came to until its end, however often the configuration
 * changes meanwhile; what it no longer says goes with the last request that was promised it. Any thread. */
#ifndef RUNG_GATEWAY_GENERATIONS_H
#define RUNG_GATEWAY_GENERATIONS_H

#include "gateway/gateway.h"

struct generations;

bool generations_open(struct config *c, const struct gateway_options *o, struct generations **ret, struct err *err);
void generations_close(struct generations *gs);   /* no request may be running; NULL allowed */
/* To be given back by gateway_close. */
struct gateway *generations_take(struct generations *gs);
/* For http_server_options.handle, with the generations as ctx. */
void generations_handle(void *generations, struct http_exchange *x);
/* From now on requests are answered by `c` (taken). What cannot change without a restart stays as it is, and is told in
 * *notes, a line each. On failure nothing has changed. One thread at a time. */
bool generations_renew(struct generations *gs, struct config *c, struct buf *notes, struct err *err);

#endif
