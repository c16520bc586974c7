/* A vocabulary small enough to reason about: the 256 bytes (ids 0 to 255), a few merges, user-defined and control
 * tokens. Shared by the tests of this floor and the fuzzer, which link no common object. */
#ifndef RUNG_TESTS_TINY_VOCAB_H
#define RUNG_TESTS_TINY_VOCAB_H

#include <stdio.h>

#include "text/tokenizer.h"

#define TINY_MAX_TOKENS 512
#define TINY_MAX_MERGES 128

struct tiny_vocab {
    struct str tokens[TINY_MAX_TOKENS];
    int32_t types[TINY_MAX_TOKENS];
    struct str merges[TINY_MAX_MERGES];
    int32_t n_tokens, n_merges;
    char bytes[256][3]; /* the characters that stand for bytes */
};

static inline void tiny_add_token(struct tiny_vocab *v, const char *name, enum token_type type)
{
    v->tokens[v->n_tokens] = str_of(name);
    v->types[v->n_tokens++] = type;
}

/* merge is "left right", both in the byte-level alphabet; token is what they make. */
static inline void tiny_add_merge(struct tiny_vocab *v, const char *merge, const char *token)
{
    v->merges[v->n_merges++] = str_of(merge);
    tiny_add_token(v, token, TOKEN_NORMAL);
}

static inline void tiny_add_bytes(struct tiny_vocab *v)
{
    uint32_t others = 0;
    for (uint32_t c = 0; c < 256; c++) {
        bool own = (c >= '!' && c <= '~') || (c >= 0xA1 && c <= 0xAC) || c >= 0xAE;
        int len = utf8_encode(own ? c : 0x100 + others++, v->bytes[c]);
        v->bytes[c][len] = 0;
        tiny_add_token(v, v->bytes[c], TOKEN_NORMAL);
    }
}

enum {
    TINY_HE = 256, TINY_LL, TINY_HELL, TINY_HELLO, TINY_SPACE_HELLO, TINY_IN, TINY_ACUTE, TINY_THINK, TINY_START,
        TINY_END,
    TINY_TEXT_END, TINY_COUNT,
};

static inline void tiny_vocab_init(struct tiny_vocab *v)
{
    memset(v, 0, sizeof *v);
    tiny_add_bytes(v);
    tiny_add_merge(v, "h e", "he");
    tiny_add_merge(v, "l l", "ll");
    tiny_add_merge(v, "he ll", "hell");
    tiny_add_merge(v, "hell o", "hello");
    tiny_add_merge(v, "Ġ hello", "Ġhello");
    tiny_add_merge(v, "i n", "in");
    tiny_add_merge(v, "Ã ©", "Ã©"); /* é */
    tiny_add_token(v, "<think>", TOKEN_USER_DEFINED);
    tiny_add_token(v, "<|im_start|>", TOKEN_CONTROL);
    tiny_add_token(v, "<|im_end|>", TOKEN_CONTROL);
    tiny_add_token(v, "<|endoftext|>", TOKEN_CONTROL);
}

static inline struct tokenizer_spec tiny_spec(const struct tiny_vocab *v, const char *pre)
{
    struct tokenizer_spec spec = tokenizer_spec_of(STR("gpt2"), str_of(pre));
    spec.tokens = v->tokens;
    spec.types = v->types;
    spec.n_tokens = v->n_tokens;
    spec.merges = v->merges;
    spec.n_merges = v->n_merges;
    return spec;
}

#endif
