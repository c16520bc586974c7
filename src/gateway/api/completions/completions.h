/* Beside conversations: text that is gone on with, vectors, and tokens, in OpenAI's shapes and those of the servers
 * that speak them (llama-server, vLLM). Fields that are not honoured are refused by name. (Sources: OpenAI API
 * reference, completions and embeddings; llama.cpp's server; vLLM's tokenizer API.) */
#ifndef RUNG_GATEWAY_API_COMPLETIONS_H
#define RUNG_GATEWAY_API_COMPLETIONS_H

#include "data/json.h"
#include "gateway/api/dialect.h"
#include "gateway/http/pages.h"

#define COMPLETIONS_MAX_PROMPTS 1024
#define COMPLETIONS_MAX_TOKENS (1 << 20)      /* of one prompt or text given as tokens */

extern const struct dialect completions;      /* POST /v1/completions */

/* Body of POST /v1/completions; as openai_parse_chat. */
bool completions_parse(struct str body, struct arena *arena, struct request *ret, struct err *err);

struct embed_call;
struct embed_reply;
/* Body of POST /v1/embeddings; everything lives in the arena or the body. */
bool embeddings_parse(struct str body, struct arena *arena, struct embed_call *ret, bool *ret_base64, struct err *err);

/* Asks for what the body said, with what came beside it, and writes the reply's headers: everything but its body. *ret
 * as of gateway_embed. */
void embeddings_ask(struct gateway *g, struct http_exchange *x, const struct caller *caller, struct embed_call *call,
                    struct embed_reply *ret);
/* A vector as an array of numbers. */
void embeddings_write(struct json_writer *w, const float *v, int64_t n);

void page_embeddings(struct gateway *g, struct http_exchange *x, const struct caller *caller);
void page_tokenize(struct gateway *g, struct http_exchange *x, const struct caller *caller);
void page_detokenize(struct gateway *g, struct http_exchange *x, const struct caller *caller);

#endif
