/* What a row of logits says by itself: its normaliser, its largest entries and its entropy. Which token is taken is the
 * sampler's business. */
#include <math.h>
#include <string.h>

#include "engine/internal.h"

#define RECORD_BLOCK 256   /* logits looked at together: most blocks hold nothing that reaches the top */

bool logits_normalise(const struct kernels *k, const float *logits, int64_t n, struct logits_norm *ret,
                      struct err *err)
{
    struct logits_norm norm = {.max = k->vector.max(logits, n)};
    float weighted;
    if (!isfinite(norm.max))
        return err_set(err, ERR_CORRUPT, "the model produced %s; its weights are damaged or its metadata is wrong",
                       isnan(norm.max) ? "NaN" : "infinite logits");
    k->vector.sum_exp(logits, n, norm.max, &norm.sum, &weighted);
    norm.log_sum = log(norm.sum);
    *ret = norm;
    return true;
}

float logits_logprob(const struct logits_norm *norm, float logit)
{
    return (float)((double)logit - norm->max - norm->log_sum);
}

/* Puts an entry where it belongs; equals keep the order in which they came, so the lower id stands first. */
static void top_insert(struct token_record *r, int32_t id, float logit)
{
    int i = r->n_top < RECORD_TOP ? r->n_top++ : RECORD_TOP - 1;
    for (; i > 0 && r->top[i - 1].logprob < logit; i--)
        r->top[i] = r->top[i - 1];
    r->top[i].id = id;
    r->top[i].logprob = logit;
}

void record_fill(const struct kernels *k, const float *logits, int64_t n, const struct logits_norm *norm,
                 struct token_record *ret)
{
    float least = -INFINITY;   /* what the next entry must pass; the top holds raw logits until the end */
    ret->n_top = 0;
    for (int64_t begin = 0; begin < n; begin += RECORD_BLOCK) {
        int64_t end = n - begin < RECORD_BLOCK ? n : begin + RECORD_BLOCK;
        if (!(k->vector.max(logits + begin, end - begin) > least))
            continue;
        for (int64_t i = begin; i < end; i++) {
            if (!(logits[i] > least))
                continue;
            top_insert(ret, (int32_t)i, logits[i]);
            if (ret->n_top == RECORD_TOP)
                least = ret->top[RECORD_TOP - 1].logprob;
        }
    }
    double entropy = 0, rest = 1;
    for (int i = 0; i < ret->n_top; i++) {
        ret->top[i].logprob = logits_logprob(norm, ret->top[i].logprob);
        double p = exp(ret->top[i].logprob);
        entropy -= p * ret->top[i].logprob;
        rest -= p;
    }
    /* Below this the remainder is rounding error of the sum, not mass. */
    if (n > ret->n_top && rest > 1e-6)
        entropy -= rest * log(rest);
    ret->entropy = (float)(entropy > 0 ? entropy : 0);
}
