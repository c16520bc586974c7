/* The Ollama dialect: its questions, and its pages about models. A question is translated into a chat-completions body
 * and read by that parser; fields and options that are not honoured are refused by name. (Source: Ollama API
 * reference.) */
#ifndef RUNG_GATEWAY_API_OLLAMA_OLLAMA_H
#define RUNG_GATEWAY_API_OLLAMA_OLLAMA_H

#include "data/json.h"
#include "gateway/api/dialect.h"
#include "gateway/gateway.h"

/* {"error": message}: its clients read a plain text. */
void ollama_write_error(int status, const char *message, const char *param, const char *code, struct buf *out);

extern const struct dialect ollama_chat;       /* POST /api/chat */
extern const struct dialect ollama_generate;   /* POST /api/generate */

/* The same paths: what asks nothing (no messages, no prompt) loads the model, or drops it where keep_alive is 0. */
void page_ollama_chat(struct gateway *g, struct http_exchange *x, const struct caller *caller);
void page_ollama_generate(struct gateway *g, struct http_exchange *x, const struct caller *caller);

void page_tags(struct gateway *g, struct http_exchange *x, const struct caller *caller);      /* GET /api/tags */
void page_ps(struct gateway *g, struct http_exchange *x, const struct caller *caller);        /* GET /api/ps */
void page_version(struct gateway *g, struct http_exchange *x, const struct caller *caller);   /* GET /api/version */

void page_show(struct gateway *g, struct http_exchange *x, const struct caller *caller);      /* POST /api/show */
void page_pull(struct gateway *g, struct http_exchange *x, const struct caller *caller);      /* POST /api/pull */
void page_copy(struct gateway *g, struct http_exchange *x, const struct caller *caller);      /* POST /api/copy */
void page_delete(struct gateway *g, struct http_exchange *x, const struct caller *caller);    /* DELETE /api/delete */
void page_embed(struct gateway *g, struct http_exchange *x, const struct caller *caller);     /* POST /api/embed */
/* POST /api/embeddings: one text, as older clients ask. */
void page_old_embeddings(struct gateway *g, struct http_exchange *x, const struct caller *caller);
/* /api/create, /api/push */
void page_not_made_here(struct gateway *g, struct http_exchange *x, const struct caller *caller);
/* The index of a model that this caller may use, aliases followed; -1 and no error: `auto`. ERR_NOT_FOUND. */
bool ollama_find(struct gateway *g, const struct caller *caller, struct str name, int *ret, struct err *err);
/* "model", or "name" as older clients say it. */
bool ollama_model_name(const json_t *body, struct str *ret, struct err *err);

#endif
