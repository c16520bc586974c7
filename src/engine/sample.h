/* Choosing a token from logits, deterministically: the same logits, sampler and position give the same token. Order:
 * raw statistics into the record; then bitset, logit bias, penalties, temperature, top-k, top-p, min-p; then one draw
 * from rng (seed, choice, position). Temperature 0 takes the largest (the lowest id of equals). */
#ifndef RUNG_ENGINE_SAMPLE_H
#define RUNG_ENGINE_SAMPLE_H

#include "engine/record.h"
#include "kernels/kernels.h"

#define SAMPLER_MAX_BIAS 1024

struct logit_bias {
    int32_t id;
    float bias;                    /* added; -100 and below forbids */
};

struct sampler {
    float temperature;             /* >= 0 */
    int top_k;                     /* 0: off */
    float top_p;                   /* 1: off */
    float min_p;                   /* 0: off */
    float repetition_penalty;      /* 1: off; divides positive and multiplies negative logits of tokens in `history` */
    float presence_penalty, frequency_penalty;   /* 0: off; over the generated part of `history` */
    uint64_t seed;
    uint32_t choice;               /* which of n parallel answers */
    const struct logit_bias *bias;
    int n_bias;
    const int32_t *history;        /* tokens so far; may be NULL when no penalty is on */
    int64_t n_history, n_prompt;   /* history[n_prompt..] was generated */
};

#define SAMPLER_GREEDY ((struct sampler){.top_p = 1, .repetition_penalty = 1})

/* Room that sampling needs for a vocabulary of n_vocab; the engine holds one per thread. */
struct sample_scratch;
struct logits_row;
bool sample_scratch_open(int64_t n_vocab, struct sample_scratch **ret, struct err *err);
void sample_scratch_close(struct sample_scratch *scratch);

/* Every number in range, every id inside the vocabulary. */
bool sampler_check(const struct sampler *s, int64_t n_vocab, struct err *err);
/* The next token and its record. The row's logits stay as they are; allowed is a bitset of so many bits or NULL;
 * position is where the token will stand. s has passed sampler_check. ERR_CORRUPT when a logit is NaN or infinitely
 * large, ERR_INVALID when mask and bias leave no token. */
bool sample_token(const struct kernels *k, const struct logits_row *row, const struct sampler *s,
                  const uint64_t *allowed, int64_t position, struct sample_scratch *scratch, struct token_record *ret,
                  struct err *err);

#endif
