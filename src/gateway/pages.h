/* The pages beside the answers: which models there are, which are loaded, and loading and dropping them; and how every
 * page replies. Shapes: OpenAI's for /v1, Ollama's for /api. */
#ifndef RUNG_GATEWAY_PAGES_H
#define RUNG_GATEWAY_PAGES_H

#include "gateway/gateway.h"

#define PAGE_MAX_BYTES (96u << 20)

void page_json(struct http_exchange *x, int status, const struct buf *body);
/* An error in the API's shape; 503 comes with Retry-After. */
void page_fail(struct http_exchange *x, int status, const char *message, const char *param, const char *code);

void page_health(struct gateway *g, struct http_exchange *x);
void page_models(struct gateway *g, struct http_exchange *x);                   /* GET /v1/models */
void page_model(struct gateway *g, struct http_exchange *x, struct str name);   /* GET /v1/models/NAME */
void page_tags(struct gateway *g, struct http_exchange *x);                     /* GET /api/tags */
void page_ps(struct gateway *g, struct http_exchange *x);                       /* GET /api/ps */
/* POST /api/generate without a prompt: loads the model, or drops it where keep_alive is 0. */
void page_generate(struct gateway *g, struct http_exchange *x);

#endif
