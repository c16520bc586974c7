/* What a row of logits says by itself: its normaliser, its largest entries and its entropy. Which token is taken is the
 * sampler's business. */
#include <math.h>
#include <string.h>

#include "engine/internal.h"

#define RECORD_BLOCK 64   /* logits looked at together: most blocks hold nothing that reaches the top */

int64_t logits_parts(int64_t n)
{
    return (n - 1) / LOGITS_PART + 1;
}

/* Puts an entry where it belongs; equals keep the order in which they came, so the lower id stands first. */
static void top_insert(struct logits_part *p, int32_t id, float logit)
{
    int i = p->n_top < RECORD_TOP ? p->n_top++ : RECORD_TOP - 1;
    for (; i > 0 && p->top[i - 1].logit < logit; i--)
        p->top[i] = p->top[i - 1];
    p->top[i].id = id;
    p->top[i].logit = logit;
}

/* What the next entry must pass. */
static float top_least(const struct logits_part *p)
{
    return p->n_top == RECORD_TOP ? p->top[RECORD_TOP - 1].logit : -INFINITY;
}

void logits_scan(const struct kernels *k, const float *x, int64_t n, int64_t part, struct logits_part *ret)
{
    int64_t first = part * LOGITS_PART, last = n - first < LOGITS_PART ? n : first + LOGITS_PART;
    float weighted, least = -INFINITY;
    *ret = (struct logits_part){.max = -INFINITY};
    for (int64_t begin = first; begin < last; begin += RECORD_BLOCK) {
        int64_t end = last - begin < RECORD_BLOCK ? last : begin + RECORD_BLOCK;
        float max = k->vector.max(x + begin, end - begin);
        if (isnan(max)) {
            ret->max = max;
            return;
        }
        ret->max = max > ret->max ? max : ret->max;
        for (int64_t i = begin; max > least && i < end; i++) {
            if (!(x[i] > least))
                continue;
            top_insert(ret, (int32_t)i, x[i]);
            least = top_least(ret);
        }
    }
    if (isfinite(ret->max))
        k->vector.sum_exp(x + first, last - first, ret->max, &ret->sum, &weighted);
}

bool logits_normalise(const struct logits_row *row, struct logits_norm *ret, struct err *err)
{
    struct logits_norm norm = {.max = -INFINITY};
    int64_t n = logits_parts(row->n);
    for (int64_t i = 0; i < n && !isnan(norm.max); i++)
        if (!(row->parts[i].max <= norm.max))
            norm.max = row->parts[i].max;
    if (!isfinite(norm.max))
        return err_set(err, ERR_CORRUPT, "the model produced %s; its weights are damaged or its metadata is wrong",
                       isnan(norm.max) ? "NaN" : "infinite logits");
    for (int64_t i = 0; i < n; i++)
        norm.sum += row->parts[i].sum * exp((double)row->parts[i].max - norm.max);
    norm.log_sum = log(norm.sum);
    *ret = norm;
    return true;
}

float logits_logprob(const struct logits_norm *norm, float logit)
{
    return (float)((double)logit - norm->max - norm->log_sum);
}

/* The best of all parts. These ascend, so the lower id still stands first. */
static struct logits_part top_of_parts(const struct logits_row *row)
{
    struct logits_part top = row->parts[0];
    for (int64_t i = 1; i < logits_parts(row->n); i++)
        for (int j = 0; j < row->parts[i].n_top && row->parts[i].top[j].logit > top_least(&top); j++)
            top_insert(&top, row->parts[i].top[j].id, row->parts[i].top[j].logit);
    return top;
}

void record_fill(const struct logits_row *row, const struct logits_norm *norm, struct token_record *ret)
{
    struct logits_part top = top_of_parts(row);
    double entropy = 0, rest = 1;
    ret->n_top = top.n_top;
    for (int i = 0; i < ret->n_top; i++) {
        ret->top[i].id = top.top[i].id;
        ret->top[i].logprob = logits_logprob(norm, top.top[i].logit);
        double p = exp(ret->top[i].logprob);
        entropy -= p * ret->top[i].logprob;
        rest -= p;
    }
    /* Below this the remainder is rounding error of the sum, not mass. */
    if (row->n > ret->n_top && rest > 1e-6)
        entropy -= rest * log(rest);
    ret->entropy = (float)(entropy > 0 ? entropy : 0);
}
