/* The Ollama dialect: its pages about models. (Source: Ollama API reference.) */
#ifndef RUNG_GATEWAY_API_OLLAMA_OLLAMA_H
#define RUNG_GATEWAY_API_OLLAMA_OLLAMA_H

#include "gateway/gateway.h"

/* {"error": message}: its clients read a plain text. */
void ollama_write_error(int status, const char *message, const char *param, const char *code, struct buf *out);

void page_tags(struct gateway *g, struct http_exchange *x, const struct caller *caller);   /* GET /api/tags */
void page_ps(struct gateway *g, struct http_exchange *x, const struct caller *caller);     /* GET /api/ps */
/* POST /api/generate without a prompt: loads the model, or drops it where keep_alive is 0. */
void page_generate(struct gateway *g, struct http_exchange *x, const struct caller *caller);

#endif
