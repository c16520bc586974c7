/* Texts to vectors, as the gateway does it: one model, named (no routing: vectors of two models cannot be compared),
 * here or an upstream of OpenAI's kind, with the same privacy, budget and ledger (kind "embed") as an answer. */
#ifndef RUNG_GATEWAY_EMBED_H
#define RUNG_GATEWAY_EMBED_H

#include "gateway/gateway.h"

#define EMBED_MAX_INPUTS 2048
#define EMBED_MAX_DECIMAL 128             /* vectors that an upstream is asked for in decimals */

struct embed_input {
    struct str text;
    const int32_t *tokens;                /* [n_tokens] in its place; NULL: text */
    int64_t n_tokens;
};

struct embed_call {
    struct str model;                     /* as asked: a name or an alias */
    const struct embed_input *inputs;     /* [n], at most EMBED_MAX_INPUTS, none empty */
    int n;
    int64_t dimensions;                   /* 0: the model's own */
    bool truncate;                        /* what is longer than the context is cut at its end; else it is an error */
    enum privacy privacy;
    struct str privacy_class;             /* as in struct request; or empty */
    struct str metadata, conversation_id; /* raw object; or empty */
    struct str user;                      /* passed on to an upstream; or empty */
    const struct caller *caller;          /* NULL: nobody in particular */
    bool (*gone)(void *ctx);              /* as in struct request; NULL: never */
    void *gone_ctx;
    bool has_keep_alive;
    int64_t keep_alive_ms;
    int64_t arrived_ns;                   /* clock_ns; 0: now */
    int64_t deadline_ns;                  /* as in struct request; 0: never */
    struct trace_context trace;           /* empty: none */
    /* Told what it became as a request, before that is gone; NULL: nobody. */
    void (*answered)(void *ctx, const struct request *req, const struct reply *reply);
    void *answered_ctx;
};

struct embed_reply {
    bool ok;
    struct err err;                       /* not ok: the sentence, begins with the field in single quotes where one is
                                           * to blame */
    int http_status;
    int64_t retry_after_s;                /* 0: not known */
    const char *code;                     /* as in struct reply; NULL: none */
    const char *tier, *model;             /* who answered */
    bool local;
    float *vectors;                       /* [n, dimensions], of length 1 each where the model is here */
    int64_t dimensions;
    int64_t prompt_tokens;                /* over all inputs */
    int64_t cost_pico_usd;
    int64_t total_us;
};

/* An upstream's answer to req->embed, read; false and *err where it is none. In provider/openai_embed.c. */
bool embed_read_reply(const struct request *req, const json_t *object, struct reply *ret, struct err *err);

/* *ret is filled in any case, until embed_reply_free. Any thread; it waits. */
void gateway_embed(struct gateway *g, const struct embed_call *call, struct embed_reply *ret);
void embed_reply_free(struct embed_reply *r);

#endif
