/* Choosing a token from logits, deterministically: the same logits, sampler and position give the same token.
 * Order: raw statistics into the record; then bitset, logit bias, penalties, temperature, top-k, top-p, min-p; then one draw from
 * rng (seed, choice, position). Temperature 0 takes the largest (the lowest id of equals). */
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

#endif
