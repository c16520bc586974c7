/* The token record: what confidence is made of. The engine fills one per sampled token; for an upstream's tokens the
 * gateway fills what the upstream gives. Log-probabilities are natural, raw (before temperature, penalties and bias),
 * over the whole vocabulary. */
#ifndef RUNG_ENGINE_RECORD_H
#define RUNG_ENGINE_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#define RECORD_TOP 20

struct token_record {
    int32_t id;          /* -1 for an upstream's token */
    float logprob;       /* of the chosen token */
    float admitted;      /* mass the mask admitted, 1 without a mask; local only */
    bool forced;         /* a rule left no choice and the model was not asked: logprob is 0, nothing else is known, and
                          * confidence must not count it; local only */
    float entropy;       /* nats, over the top entries and the remainder as one more */
    int n_top;
    struct {
        int32_t id;
        float logprob;
    } top[RECORD_TOP];   /* descending */
};

#endif
