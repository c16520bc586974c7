/* Token records -> the probability that the answer is right (uncalibrated here: a score in [0, 1]).
 *   geomean   exp of the mean raw token log-probability, end token included
 *   minimum   the least token probability
 *   entropy   exp(-(mean + maximum token entropy) / 2)
 * Reasoning tokens stay outside. Fed token by token, so that it can be read while the answer is being written. */
#ifndef RUNG_GATEWAY_POLICY_CONFIDENCE_H
#define RUNG_GATEWAY_POLICY_CONFIDENCE_H

#include "gateway/config.h"

struct confidence {
    int64_t n;
    double sum_logprob, min_logprob, sum_entropy, max_entropy;
};

void confidence_add(struct confidence *c, const struct token_record *record);
double confidence_score(const struct confidence *c, enum confidence_score score);   /* -1 when n is 0 */

#endif
