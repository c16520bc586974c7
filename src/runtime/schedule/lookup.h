/* Where the end of a text stood before in it, and which tokens came next: the drafts that speculation verifies.
 *
 * Places are found by bytes, not by tokens: what stands inside a sentence as " Denver" begins an answer as "D",
 * "enver". Work for a token is bounded whatever the text holds. Invariant: bytes of all tokens added, in order, up to
 * LOOKUP_MAX_BYTES; past that nothing is found any more. The engine thread's alone. */
#ifndef RUNG_RUNTIME_SCHEDULE_LOOKUP_H
#define RUNG_RUNTIME_SCHEDULE_LOOKUP_H

#include "text/tokenizer.h"

#define LOOKUP_MAX_BYTES (1 << 20)   /* of text; the tables take at most 17 times as much */
#define LOOKUP_MAX_MATCH 64          /* bytes compared */
#define LOOKUP_MAX_PLACES 64         /* looked at for one draft, the latest ones */
#define LOOKUP_CHAINS 2

/* For every place the one before it whose last bytes have the same hash. Places are counts of bytes; 0: none. */
struct lookup_chain {
    uint32_t *heads;                 /* [capacity] by hash */
    uint32_t *before;                /* [capacity] by place */
};

struct lookup {
    /* private */
    const struct tokenizer *tokenizer;
    char *text;
    uint32_t n, capacity;            /* capacity: a power of two */
    uint32_t *ends;                  /* [n_tokens] where the token's bytes end */
    int64_t n_tokens, cap_tokens;
    struct lookup_chain chains[LOOKUP_CHAINS];
    bool full;
};

/* The tokenizer must outlive it. Nothing is allocated yet. */
void lookup_open(struct lookup *l, const struct tokenizer *tokenizer);
void lookup_close(struct lookup *l);
/* ids [n] are all tokens so far; those not known yet are taken in. */
bool lookup_add(struct lookup *l, const int32_t *ids, int64_t n, struct err *err);
/* What may come next: at most `most` tokens that followed the place with the longest equal bytes before it (of equals
 * the first), their number, and of how many bytes the match is. ids are those of the last lookup_add. */
int lookup_draft(const struct lookup *l, const int32_t *ids, int most, int32_t *draft, int *ret_match);

#endif
