/* Choosing a token. The logits pass, in this order, the mask, the biases and the penalties; the largest is taken at
 * temperature 0, else what top-k, top-p and min-p leave is drawn from with one random number. All sums run in a fixed
 * order, so a choice can be repeated. What the raw logits say stands in the record (record.c). */
#include "engine/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "engine/internal.h"

#define MARK_SEEN 1
#define MARK_GENERATED 2
#define BIAS_FORBIDS (-100.0f)
#define SUM_LANES 8
#define DRAW_BLOCK 1024
#define NEAR_BEST 8.0f        /* candidates so far below the best are sorted first, ... */
#define FAR_FROM_BEST 64.0f   /* ... twice as far if these do not reach, and beyond this all */

struct sample_scratch {
    float *adjusted;   /* [n_vocab] logits after biases and penalties */
    float *x;          /* [n_vocab] of the candidates, by ascending id */
    int32_t *ids;      /* [n_vocab] theirs */
    float *t, *w;      /* [n_vocab] logarithm of the weight, 0 for the best, and the weight */
    int32_t *heap;     /* [n_vocab] candidates near the best, by number */
    uint8_t *marks;    /* [n_vocab] zero between calls */
};

/* Tokens that may still be chosen; ids NULL: candidate i is token i. */
struct candidates {
    const float *x;
    const int32_t *ids;
    int64_t n;
};

bool sample_scratch_open(int64_t n_vocab, struct sample_scratch **ret, struct err *err)
{
    size_t n = (size_t)n_vocab;
    struct sample_scratch *s = malloc(sizeof *s);
    if (!s)
        return err_nomem(err, "the sampler");
    *s = (struct sample_scratch){
        .adjusted = calloc(n, sizeof(float)),
        .x = calloc(n, sizeof(float)),
        .ids = calloc(n, sizeof(int32_t)),
        .t = calloc(n, sizeof(float)),
        .w = calloc(n, sizeof(float)),
        .heap = calloc(n, sizeof(int32_t)),
        .marks = calloc(n, 1),
    };
    if (!s->adjusted || !s->x || !s->ids || !s->t || !s->w || !s->heap || !s->marks) {
        sample_scratch_close(s);
        return err_nomem(err, "the sampler");
    }
    *ret = s;
    return true;
}

void sample_scratch_close(struct sample_scratch *s)
{
    if (!s)
        return;
    free(s->adjusted);
    free(s->x);
    free(s->ids);
    free(s->t);
    free(s->w);
    free(s->heap);
    free(s->marks);
    free(s);
}

/* ---- is the sampler sound ---- */

static bool in_range(const char *name, float v, float low, float high, struct err *err)
{
    if (v >= low && v <= high)
        return true;
    return err_set(err, ERR_INVALID, "%s is %g but must be from %g to %g", name, v, low, high);
}

static bool penalises(const struct sampler *s)
{
    return s->repetition_penalty != 1 || s->presence_penalty != 0 || s->frequency_penalty != 0;
}

bool sampler_check(const struct sampler *s, int64_t n_vocab, struct err *err)
{
    if (!in_range("temperature", s->temperature, 0, 1e6f, err) || !in_range("min_p", s->min_p, 0, 1, err) ||
        !in_range("repetition_penalty", s->repetition_penalty, 1e-3f, 1e3f, err) ||
        !in_range("presence_penalty", s->presence_penalty, -100, 100, err) ||
        !in_range("frequency_penalty", s->frequency_penalty, -100, 100, err))
        return false;
    if (!(s->top_p > 0 && s->top_p <= 1))
        return err_set(err, ERR_INVALID, "top_p is %g but must be above 0 and at most 1", s->top_p);
    if (s->top_k < 0)
        return err_set(err, ERR_INVALID, "top_k is %d but must be 0 (off) or more", s->top_k);
    if (s->n_bias < 0 || s->n_bias > SAMPLER_MAX_BIAS)
        return err_set(err, ERR_LIMIT, "%d logit biases are more than %d", s->n_bias, SAMPLER_MAX_BIAS);
    for (int i = 0; i < s->n_bias; i++) {
        if (s->bias[i].id < 0 || s->bias[i].id >= n_vocab)
            return err_set(err, ERR_INVALID, "logit bias for token %d: the vocabulary has %lld tokens", s->bias[i].id,
                           (long long)n_vocab);
        if (!(s->bias[i].bias <= 1e6f) || isinf(s->bias[i].bias))
            return err_set(err, ERR_INVALID, "the logit bias of token %d is no number a logit can take",
                           s->bias[i].id);
    }
    if (!penalises(s))
        return true;
    if (s->n_prompt < 0 || s->n_history < s->n_prompt)
        return err_set(err, ERR_INVALID, "a history of %lld tokens cannot begin with a prompt of %lld",
                       (long long)s->n_history, (long long)s->n_prompt);
    for (int64_t i = 0; i < s->n_history; i++)
        if (s->history[i] < 0 || s->history[i] >= n_vocab)
            return err_set(err, ERR_INVALID, "token %d of the history: the vocabulary has %lld tokens", s->history[i],
                           (long long)n_vocab);
    return true;
}

/* ---- mask, biases, penalties ---- */

static void apply_biases(const struct sampler *s, float *x)
{
    for (int i = 0; i < s->n_bias; i++)
        x[s->bias[i].id] = s->bias[i].bias <= BIAS_FORBIDS ? -INFINITY : x[s->bias[i].id] + s->bias[i].bias;
}

/* Repetition as in CTRL (Keskar et al. 2019), once a token; presence and frequency as OpenAI documents them. */
static void apply_penalties(const struct sampler *s, float *x, uint8_t *marks)
{
    for (int64_t i = 0; i < s->n_history; i++) {
        int32_t id = s->history[i];
        if (!(marks[id] & MARK_SEEN))
            x[id] = x[id] > 0 ? x[id] / s->repetition_penalty : x[id] * s->repetition_penalty;
        marks[id] |= MARK_SEEN;
    }
    for (int64_t i = s->n_prompt; i < s->n_history; i++) {
        int32_t id = s->history[i];
        x[id] -= s->frequency_penalty;
        if (!(marks[id] & MARK_GENERATED))
            x[id] -= s->presence_penalty;
        marks[id] |= MARK_GENERATED;
    }
    for (int64_t i = 0; i < s->n_history; i++)
        marks[s->history[i]] = 0;
}

static const float *adjust(const struct sampler *s, const float *logits, int64_t n, struct sample_scratch *scratch)
{
    if (s->n_bias == 0 && !penalises(s))
        return logits;
    memcpy(scratch->adjusted, logits, (size_t)n * sizeof *logits);
    apply_biases(s, scratch->adjusted);
    if (penalises(s))
        apply_penalties(s, scratch->adjusted, scratch->marks);
    return scratch->adjusted;
}

/* The word of a bitset that begins at `base`, with the bits of n tokens only; the other ones where not `admitted`. */
static uint64_t word_at(const uint64_t *allowed, int64_t n, int64_t base, bool admitted)
{
    uint64_t word = admitted ? allowed[base / 64] : ~allowed[base / 64];
    return n - base < 64 ? word & (((uint64_t)1 << (n - base)) - 1) : word;
}

static int64_t count_admitted(const uint64_t *allowed, int64_t n)
{
    int64_t count = 0;
    for (int64_t base = 0; base < n; base += 64) {
        uint64_t word = word_at(allowed, n, base, true);
        count += word == 0 ? 0 : ~word == 0 ? 64 : __builtin_popcountll(word);   /* most words are one or the other */
    }
    return count;
}

/* Tokens that the bitset admits, or those that it does not, in ascending order; their number. */
static int64_t list_ids(const uint64_t *allowed, int64_t n, bool admitted, int32_t *ids)
{
    int64_t count = 0;
    for (int64_t base = 0; base < n; base += 64)
        for (uint64_t word = word_at(allowed, n, base, admitted); word != 0; word &= word - 1)
            ids[count++] = (int32_t)(base + __builtin_ctzll(word));
    return count;
}

static void gather(const float *x, const int32_t *ids, int64_t n, float *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = x[ids[i]];
}

/* ---- the choice ---- */

static int64_t first_of_largest(const struct candidates *c, float max)
{
    int64_t i = 0;
    while (c->x[i] != max)
        i++;
    return i;
}

/* Candidate a goes before b: the heavier first, of equals the lower id. */
static bool before(const float *t, int32_t a, int32_t b)
{
    return t[a] > t[b] || (t[a] == t[b] && a < b);
}

static void heap_sink(const float *t, int32_t *heap, int64_t n, int64_t i)
{
    int32_t item = heap[i];
    for (int64_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && before(t, heap[child + 1], heap[child]))
            child++;
        if (!before(t, heap[child], item))
            break;
        heap[i] = heap[child];
    }
    heap[i] = item;
}

static void heap_build(const float *t, int32_t *heap, int64_t n)
{
    for (int64_t i = n / 2 - 1; i >= 0; i--)
        heap_sink(t, heap, n, i);
}

/* Takes the best of the n left and parks it behind them. */
static int32_t heap_pop(const float *t, int32_t *heap, int64_t n)
{
    int32_t best = heap[0];
    heap[0] = heap[n - 1];
    heap[n - 1] = best;
    heap_sink(t, heap, n - 1, 0);
    return best;
}

/* In lanes, so that additions overlap, folded in one order. */
static double sum_of(const float *w, int64_t n)
{
    double lane[SUM_LANES] = {0}, sum = 0;
    int64_t i = 0;
    for (; i + SUM_LANES <= n; i += SUM_LANES)
        for (int j = 0; j < SUM_LANES; j++)
            lane[j] += w[i + j];
    for (; i < n; i++)
        lane[i % SUM_LANES] += w[i];
    for (int j = 0; j < SUM_LANES; j++)
        sum += lane[j];
    return sum;
}

/* What top-k, top-p and min-p keep of the n best ones in the heap, which holds every candidate as good as the worst of
 * them. Afterwards heap[n - 1], heap[n - 2], ... are the kept ones, best first. False: they might keep more than n. */
static bool keep(const struct sampler *s, const struct sample_scratch *scratch, int64_t n, int64_t most, double total,
                 int64_t *ret_kept, double *ret_sum)
{
    const float *t = scratch->t, *w = scratch->w;
    int64_t popped = 0, kept = 0;
    double sum = 0, least_t = s->min_p > 0 ? log(s->min_p) : -INFINITY;
    if (total < 0)
        for (total = 0; popped < most;)
            total += w[heap_pop(t, scratch->heap, n - popped++)];
    while (kept < most && (kept == 0 || sum < s->top_p * total)) {
        if (kept == popped && popped == n)
            return false;
        if (kept == popped)
            heap_pop(t, scratch->heap, n - popped++);
        int32_t i = scratch->heap[n - 1 - kept];
        if (kept > 0 && t[i] < least_t)
            break;
        sum += w[i];
        kept++;
    }
    *ret_kept = kept;
    *ret_sum = sum;
    return true;
}

static int64_t at_least(const float *t, int64_t n, float bound, int32_t *ret)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        ret[count] = (int32_t)i;
        count += t[i] >= bound;
    }
    return count;
}

/* Top-k, then top-p of what it left, then min-p. Few candidates carry nearly all the weight: only those near the best
 * are sorted, and more of them when these do not reach. Afterwards heap[*ret_n - 1], heap[*ret_n - 2], ... are the kept
 * ones, best first. */
static int64_t filter(const struct sampler *s, const struct sample_scratch *scratch, int64_t n, int64_t *ret_n,
                      double *ret_sum)
{
    bool is_top_k = s->top_k > 0 && s->top_k < n;
    double total = is_top_k ? -1 : sum_of(scratch->w, n);
    int64_t most = is_top_k ? s->top_k : n, kept = 0;
    for (float bound = -NEAR_BEST;; bound = bound > -FAR_FROM_BEST ? 2 * bound : -INFINITY) {
        int64_t near = at_least(scratch->t, n, bound, scratch->heap);
        if (is_top_k && near < most && near < n)
            continue;
        heap_build(scratch->t, scratch->heap, near);
        *ret_n = near;
        if (keep(s, scratch, near, most, total, &kept, ret_sum) || near == n)
            return kept;
    }
}

static int64_t block_end(int64_t begin, int64_t n)
{
    return n - begin < DRAW_BLOCK ? n : begin + DRAW_BLOCK;
}

/* Where the running sum passes this share of the whole: by blocks, then inside the last block that weighs anything. */
static int64_t draw_from_all(const float *w, int64_t n, double share)
{
    double sum = 0, reached = 0, before = 0;
    int64_t block = 0, chosen = -1;
    for (int64_t begin = 0; begin < n; begin += DRAW_BLOCK)
        sum += sum_of(w + begin, block_end(begin, n) - begin);
    for (int64_t begin = 0; begin < n && !(share * sum < reached); begin += DRAW_BLOCK) {
        double weight = sum_of(w + begin, block_end(begin, n) - begin);
        if (weight > 0) {
            block = begin;
            before = reached;
        }
        reached += weight;
    }
    for (int64_t i = block; i < block_end(block, n) && !(chosen >= 0 && share * sum < before); i++) {
        before += w[i];
        if (w[i] > 0)
            chosen = i;
    }
    return chosen;
}

/* The same among the kept ones, which stand at the end of the heap of n. */
static int64_t draw_from_kept(const struct sample_scratch *scratch, int64_t n, int64_t kept, double goal)
{
    double reached = 0;
    int64_t chosen = -1;
    for (int64_t j = 0; j < kept && !(goal < reached); j++) {
        int64_t i = scratch->heap[n - 1 - j];
        reached += scratch->w[i];
        if (scratch->w[i] > 0)
            chosen = i;
    }
    return chosen;
}

static int64_t draw(const struct kernels *k, const struct candidates *c, const struct sampler *s, float max,
                    int64_t position, struct sample_scratch *scratch)
{
    for (int64_t i = 0; i < c->n; i++)
        scratch->t[i] = (c->x[i] - max) / s->temperature;
    k->vector.exp(scratch->t, scratch->w, c->n);
    double share = rng_unit(s->seed, s->choice, (uint64_t)position), sum;
    if (s->top_k <= 0 && s->top_p >= 1 && s->min_p <= 0)
        return draw_from_all(scratch->w, c->n, share);
    int64_t near, kept = filter(s, scratch, c->n, &near, &sum);
    return draw_from_kept(scratch, near, kept, share * sum);
}

/* What the admitted tokens weigh of the whole: summed over them, or over the others where these are fewer. */
static float admitted_mass(const struct kernels *k, const struct logits_row *row, const struct logits_norm *norm,
                           const uint64_t *allowed, int64_t n_admitted, struct sample_scratch *scratch)
{
    float sum = 0, weighted;
    bool few = n_admitted <= row->n / 2;
    int64_t n = list_ids(allowed, row->n, few, scratch->ids);
    gather(row->x, scratch->ids, n, scratch->x);
    if (n > 0)
        k->vector.sum_exp(scratch->x, n, norm->max, &sum, &weighted);
    double share = sum < norm->sum ? sum / norm->sum : 1;
    return (float)(few ? share : 1 - share);
}

/* The first of the record's top that is admitted, which is the largest of all that are; -1: none of them is. */
static int32_t best_admitted(const struct token_record *record, const uint64_t *allowed)
{
    for (int i = 0; i < record->n_top; i++)
        if (allowed[record->top[i].id / 64] >> (record->top[i].id % 64) & 1)
            return record->top[i].id;
    return -1;
}

/* max: the largest of the candidates. */
static bool choose(const struct kernels *k, const struct candidates *c, float max, const struct sampler *s,
                   int64_t position, struct sample_scratch *scratch, int32_t *ret_id, struct err *err)
{
    if (!isfinite(max))
        return err_set(err, ERR_INVALID, "mask, logit biases and penalties leave no token to choose");
    int64_t i = s->temperature > 0 ? draw(k, c, s, max, position, scratch) : first_of_largest(c, max);
    *ret_id = c->ids ? c->ids[i] : (int32_t)i;
    return true;
}

/* The token among the admitted ones, and in the record what they weigh. */
static bool choose_admitted(const struct kernels *k, const struct logits_row *row, const struct logits_norm *norm,
                            const struct sampler *s, const uint64_t *allowed, int64_t position,
                            struct sample_scratch *scratch, struct token_record *record, struct err *err)
{
    int64_t n = count_admitted(allowed, row->n);
    if (n == 0)
        return err_set(err, ERR_INVALID, "the mask admits no token");
    record->admitted = admitted_mass(k, row, norm, allowed, n, scratch);
    const float *x = adjust(s, row->x, row->n, scratch);
    record->id = s->temperature > 0 || x != row->x ? -1 : best_admitted(record, allowed);
    if (record->id >= 0)
        return true;
    struct candidates c = {scratch->x, scratch->ids, list_ids(allowed, row->n, true, scratch->ids)};
    gather(x, c.ids, c.n, scratch->x);
    return choose(k, &c, k->vector.max(c.x, c.n), s, position, scratch, &record->id, err);
}

bool sample_token(const struct kernels *k, const struct logits_row *row, const struct sampler *s,
                  const uint64_t *allowed, int64_t position, struct sample_scratch *scratch, struct token_record *ret,
                  struct err *err)
{
    struct logits_norm norm;
    struct token_record record = {.admitted = 1};
    if (!logits_normalise(row, &norm, err))
        return false;
    record_fill(row, &norm, &record);
    if (allowed) {
        if (!choose_admitted(k, row, &norm, s, allowed, position, scratch, &record, err))
            return false;
    } else {
        struct candidates c = {adjust(s, row->x, row->n, scratch), NULL, row->n};
        bool is_raw = c.x == row->x;   /* then its largest is known, the first of the top */
        record.id = record.top[0].id;
        if ((s->temperature > 0 || !is_raw) && !choose(k, &c, is_raw ? norm.max : k->vector.max(c.x, c.n), s, position,
                                                       scratch, &record.id, err))
            return false;
    }
    record.logprob = logits_logprob(&norm, row->x[record.id]);
    *ret = record;
    return true;
}
