/* A model's vocabulary as its rules need it, made once for all of them: the trie that masks walk
 * (grammar/constraint.h), sets of tokens that no rule decides on, and an order in which tokens that begin alike stand
 * together.
 *
 * Immutable after opening, any thread. The tokenizer must outlive it. */
#ifndef RUNG_RUNTIME_CONSTRAIN_WORDS_H
#define RUNG_RUNTIME_CONSTRAIN_WORDS_H

#include "grammar/constraint.h"
#include "runtime/reasoning.h"
#include "text/tokenizer.h"
#include "text/toolcall.h"

/* Memory of an open one: so much, and so much for a token. Measured. */
#define WORDS_BYTES (1 << 20)
#define WORDS_TOKEN_BYTES 72

struct words {
    const struct tokenizer *tokenizer;
    struct vocabulary *vocabulary;
    size_t n_words;                  /* of a bitset */
    uint64_t *no_ends;               /* every token but those that end an answer */
    uint64_t *white;                 /* white space alone, a few characters of it */
    struct str *markers;             /* [n_markers] names of control tokens that rules may write */
    int n_markers;
    /* private */
    int32_t *sorted;                 /* [n_sorted] tokens with a text, by their bytes */
    int32_t n_sorted;
};

/* Control tokens that are words too: of calls, and of the headers of channels; NULL: none. */
struct word_markers {
    const struct toolcall_syntax *calls;
    const struct reasoning_format *reasoning;
};
/* n_vocab: bits of a mask; at least the tokenizer's tokens. */
bool words_open(const struct tokenizer *t, int64_t n_vocab, const struct word_markers *markers, struct words **ret,
                struct err *err);
void words_close(struct words *w);   /* NULL allowed */
/* Tokens whose bytes begin with the text and go on: their number, *ret the first of them. */
int32_t words_longer(const struct words *w, struct str text, const int32_t **ret);

static inline bool words_has(const uint64_t *set, int32_t id) { return set[id / 64] >> (id % 64) & 1; }
static inline void words_add(uint64_t *set, int32_t id) { set[id / 64] |= (uint64_t)1 << (id % 64); }

#endif
