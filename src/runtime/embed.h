/* Texts as vectors: the hidden states of its tokens behind the model's last norm, pooled, and scaled to length 1.
 *
 * Invariants: the vector depends on the model and the tokens alone, bit for bit, whatever else the engine does. Texts
 * are encoded without a template, with the tokens before and behind them that the tokenizer adds. Threads: any; it
 * waits, while the engine thread feeds the texts beside the generations. */
#ifndef RUNG_RUNTIME_EMBED_H
#define RUNG_RUNTIME_EMBED_H

#include "runtime/generate.h"

struct embed_text {
    struct str text;
    const int32_t *tokens;           /* [n_tokens] in its place; NULL: text */
    int64_t n_tokens;
};

struct embed_request {
    const struct embed_text *texts;  /* [n]; some are fed side by side */
    int n;
    /* What is longer than the context is cut at its end, but for the token that the tokenizer puts there; else it is
     * an error. */
    bool truncate;
    bool (*gone)(void *ctx);         /* as in struct generation_request */
    void *gone_ctx;
    struct load_wait load;
};

/* ret_vectors[n, engine.n_embd of the model's info], *ret_tokens of all texts. Pooled as the model's file says
 * (info.pooling). Errors as generation_start has them, of several texts with the one's number; ERR_UNSUPPORTED for a
 * pooling that is not known here; ERR_CORRUPT where the states are not finite. */
bool embed(struct runtime *rt, struct local_model *m, const struct embed_request *r, float *ret_vectors,
           int64_t *ret_tokens, struct err *err);

#endif
