/* OpenAI's pages about models: which may be asked for, and what each can do. */
#ifndef RUNG_GATEWAY_API_OPENAI_PAGES_H
#define RUNG_GATEWAY_API_OPENAI_PAGES_H

#include "gateway/gateway.h"

void page_models(struct gateway *g, struct http_exchange *x, const struct caller *caller);   /* GET /v1/models */
/* GET /v1/models/NAME; a name may hold slashes and colons. */
void page_model(struct gateway *g, struct http_exchange *x, const struct caller *caller, struct str name);

#endif
