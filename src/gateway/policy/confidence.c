/* Confidence scores from token records. Nothing here knows a threshold; the plan does. */
#include "gateway/policy/confidence.h"

#include <math.h>

const char *const confidence_score_names[SCORE_COUNT] = {"geomean", "minimum", "entropy"};

bool confidence_score_from_name(struct str name, enum confidence_score *ret)
{
    for (int i = 0; i < SCORE_COUNT; i++) {
        if (str_is(name, confidence_score_names[i])) {
            *ret = (enum confidence_score)i;
            return true;
        }
    }
    return false;
}

void confidence_add(struct confidence *c, const struct token_record *record)
{
    /* An upstream may send -9999 for "outside the list", or nothing sensible at all: both mean "very unsure". */
    double logprob = record->logprob <= 0 ? record->logprob : record->logprob > 0 ? 0 : -100;
    double entropy = record->entropy >= 0 ? record->entropy : 0;
    if (c->n == 0 || logprob < c->min_logprob)
        c->min_logprob = logprob;
    if (c->n == 0 || entropy > c->max_entropy)
        c->max_entropy = entropy;
    c->sum_logprob += logprob;
    c->sum_entropy += entropy;
    c->n++;
}

double confidence_score(const struct confidence *c, enum confidence_score score)
{
    if (c->n == 0)
        return -1;
    switch (score) {
    case SCORE_MINIMUM:
        return exp(c->min_logprob);
    case SCORE_ENTROPY:
        return exp(-(c->sum_entropy / (double)c->n + c->max_entropy) / 2);
    default:
        return exp(c->sum_logprob / (double)c->n);
    }
}
