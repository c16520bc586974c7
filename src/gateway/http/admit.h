/* Who may ask: the Host header (DNS rebinding), the Origin of a web page, the API key. */
#ifndef RUNG_GATEWAY_HTTP_ADMIT_H
#define RUNG_GATEWAY_HTTP_ADMIT_H

#include "gateway/people/people.h"
#include "gateway/http/pages.h"

/* The API key that comes with the request (Authorization: Bearer, or x-api-key); empty: none. */
struct str presented_key(const struct http_exchange *x);
/* Replies with a refusal and gives false, or lets the request pass, says in *caller what its key may (*record is memory
 * for that) and adds the headers a web page needs. */
bool admit(struct gateway *g, struct http_exchange *x, bool needs_key, write_error error, struct key_record *record,
           struct caller *caller);

#endif
