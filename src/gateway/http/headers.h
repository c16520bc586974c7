/* What stands beside the bodies: what a client asks for by headers, and what every reply says by them. */
#ifndef RUNG_GATEWAY_HTTP_HEADERS_H
#define RUNG_GATEWAY_HTTP_HEADERS_H

#include "gateway/gateway.h"

/* Until when an answer is of use: `deadline_ms` of the configuration, or what x-rung-deadline-ms says where that is
 * earlier; 0: there is no end. */
bool headers_deadline(const struct gateway *g, const struct http_exchange *x, int64_t *ret_ns, struct err *err);

/* Ids, who answered and why, which classes held, what is left of the key's minute. asked: what r answers; id: the
 * question's. */
void headers_put(struct http_exchange *x, const char *id, const struct request *asked, const struct reply *r);
/* Once all is known that it cost. */
void headers_put_cost(struct http_exchange *x, int64_t pico_usd);

#endif
