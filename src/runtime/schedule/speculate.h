/* Speculation without a second model: what followed the same words before is drafted, verified in the step that takes
 * the next token anyway, and taken as far as the model says the same. Exact, because what is taken is what the model
 * chose at each place, with the sampler it would have had there.
 *
 * How far to draft is decided by what is learnt: of each model how often drafts come true, by the length of the match
 * and the kind of token; of each generation whether it copies more or less than that; and what a larger step costs
 * (step_cost.h). Drafts that are not verified are compared with what came all the same, so that a text that begins to
 * copy is noticed. The engine thread's alone. */
#ifndef RUNG_RUNTIME_SCHEDULE_SPECULATE_H
#define RUNG_RUNTIME_SCHEDULE_SPECULATE_H

#include "runtime/schedule/lookup.h"
#include "runtime/schedule/step_cost.h"

#define SPECULATE_MAX_DRAFT 16       /* tokens of a generation in a step */
#define SPECULATE_MAX_STEP 64        /* of all generations together */
#define SPECULATE_MATCHES 7          /* lengths of matches told apart */
#define SPECULATE_KINDS 3            /* of tokens */

enum speculate_mode {
    SPECULATE_WHERE_IT_PAYS,
    SPECULATE_OFF,
    SPECULATE_ALWAYS,                /* whatever can be drafted: for tests of exactness */
};

/* Of a model and its adapters. */
struct speculator {
    enum speculate_mode mode;
    struct step_cost cost;
    int64_t drafted, accepted;       /* tokens verified, and those of them that came true */
    /* private */
    struct speculate_odds {
        float hits, tries;
    } odds[SPECULATE_MATCHES][SPECULATE_KINDS];
};

void speculator_open(struct speculator *m, enum speculate_mode mode);

/* Of a generation. */
struct speculation {
    int32_t draft[SPECULATE_MAX_DRAFT];
    int n;                           /* tokens drafted ... */
    int take;                        /* ... of which so many are worth verifying now */
    /* private */
    struct lookup lookup;
    int64_t known;                   /* tokens that there were when the draft was made */
    float trust;                     /* how much more than its model's average it copies, as a logit */
    float reached[SPECULATE_MAX_DRAFT];      /* how likely all drafted tokens up to here come true */
    uint8_t match[SPECULATE_MAX_DRAFT], kind[SPECULATE_MAX_DRAFT];
    bool failed;                     /* no memory: this one goes without */
};

void speculation_open(struct speculation *s, const struct tokenizer *tokenizer);
void speculation_close(struct speculation *s);

/* Makes the next draft, of at most `most` tokens. ids [n] are all tokens so far, of prompt and answer; s->take is 0
 * until speculate_choose. */
void speculation_follow(const struct speculator *m, struct speculation *s, const int32_t *ids, int64_t n, int64_t most);
/* Chooses for the generations of one step, each with a token of its own, how much of their drafts the step takes, so
 * that it brings the most tokens a second. tokens: that the step holds without drafts; room: that it can hold more. */
void speculate_choose(const struct speculator *m, struct speculation *const *all, int n, int tokens, int room);
/* Learns from what came: ids [n] with the tokens that the step brought, at least one. The draft is done with. */
void speculation_settle(struct speculator *m, struct speculation *s, const int32_t *ids, int64_t n);

#endif
