/* How one answer is held to its rule, token by token. The rule speaks of what a user sees: with a model that thinks it
 * begins when the reasoning has ended, and until then the answer is free, but may not end.
 *
 * Invariants: what a binding does depends on the rule and on the answer's tokens alone, so the same answer comes out
 * however its tokens were cut into steps; every mask admits a token at least. Of one answer, one thread at a time. */
#ifndef RUNG_RUNTIME_CONSTRAIN_BINDING_H
#define RUNG_RUNTIME_CONSTRAIN_BINDING_H

#include "runtime/answer.h"
#include "runtime/constrain/words.h"

#define FORCED_MAX_BYTES 1024        /* of text that is appended at a time */
#define FORCED_MAX_TOKENS 64         /* after one sampled token; what is left of the text is sampled */
#define BINDING_TAIL_TOKENS 8        /* of the answer, that forced text is tokenised behind */
#define BINDING_MAX_WHITE 2          /* tokens of white space between reasoning and answer */
#define BINDING_MAX_OPENER 16        /* tokens of the marker that opens the reasoning */

struct binding_spec {
    const struct words *words;
    struct constraint *constraint;   /* a reference, taken in any case */
    const struct reasoning_format *reasoning;   /* NULL: none can come */
    bool space;                      /* the answer's text begins with a space that its user does not see */
    bool headers;                    /* where answers come in channels, the rule writes the headers itself */
};

struct binding {
    struct constraint *constraint;   /* NULL: the answer is free, and nothing else here means anything */
    /* private */
    const struct words *words;
    const struct reasoning_format *reasoning;
    struct matcher *matcher;
    enum {
        BINDING_POSSIBLE,            /* reasoning or answer begins here */
        BINDING_REASONING,
        BINDING_LEAD,                /* white space or answer */
        BINDING_HELD,
    } state;
    int32_t opener[BINDING_MAX_OPENER];   /* what opens the reasoning ... */
    int n_opener, opened;            /* ... and how much of it is there, while it may be */
    bool answers;                    /* POSSIBLE: what is there may be the answer's beginning */
    bool space, headers;
    bool ended;                      /* an end token came */
    bool between;                    /* channels: a message of reasoning ended */
    int n_white;
    int64_t n_held;                  /* tokens that the rule took, the last ones of the answer */
    struct buf forced, behind;       /* text at hand */
    struct token_ids encoded;
    uint64_t *scratch;               /* a mask; NULL: none was needed yet */
};

/* answer: open, and as it is before its first token. */
bool binding_open(struct binding *b, const struct binding_spec *spec, const struct answer_state *answer,
                  struct err *err);
void binding_close(struct binding *b);

/* The answer's next token, before answer_take has it; *ret_settles: from this one on all is answer (answer_settle). */
bool binding_take(struct binding *b, int32_t id, bool *ret_settles, struct err *err);
/* What the answer is in, after answer_take had it. */
bool binding_follow(struct binding *b, enum answer_phase phase, struct err *err);
/* The masks after the tokens so far and after each of n drafted ones, which are admitted: mask[1 + n], each of
 * words->n_words. ERR_LIMIT: the rule met a ceiling. */
bool binding_masks(struct binding *b, const int32_t *draft, int n, uint64_t *masks, struct err *err);
/* How many of the n drafted tokens the masks admit, as far as that is known beforehand. */
int binding_admits(const struct binding *b, const int32_t *draft, int n);
/* The tokens that must come next: appended to *ids, the answer's tokens so far (and any before them), at most `most`,
 * and taken. Their text is the only one that can follow, and they are the tokens that the model would be given for it:
 * the last ones are left open where they could be others, depending on what comes. More may be forced after them. */
bool binding_force(struct binding *b, struct token_ids *ids, int64_t most, struct err *err);
bool binding_must_end(struct binding *b);        /* only an end token can come */
bool binding_whole(const struct binding *b);     /* the answer is one of the rule's texts */

#endif
