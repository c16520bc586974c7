/* Mixtures of experts: which experts a token takes, and their matrix products. Tokens of a batch are grouped by expert,
 * so that a step reads each expert's weights once however many tokens chose it. A token's rows are its own and are
 * summed best expert first: its result does not depend on who else chose the same. The products themselves are
 * run.c's. */
#include <math.h>

#include "engine/run.h"

#define GATHER_GRAIN 64   /* rows in the smallest piece */

/* ---- routing ---- */

/* The largest not taken, the first of equals; NaN never wins, yet some expert always does. */
static int best_expert(const float *logits, int n_expert, const uint64_t *taken)
{
    int best = -1;
    for (int e = 0; e < n_expert; e++)
        if (!(taken[e / 64] >> (e % 64) & 1) && (best < 0 || logits[e] > logits[best]))
            best = e;
    return best;
}

void experts_choose(const struct kernels *k, const float *logits, int n_expert, int n_used, float *routes)
{
    uint64_t taken[HPARAMS_MAX_EXPERTS / 64] = {0};
    float *shares = routes, *numbers = routes + n_used, sum = 0;
    for (int j = 0; j < n_used; j++) {
        int e = best_expert(logits, n_expert, taken);
        taken[e / 64] |= UINT64_C(1) << (e % 64);
        numbers[j] = (float)e;
        shares[j] = logits[e] - logits[(int)numbers[0]];
    }
    k->vector.exp(shares, shares, n_used);
    for (int j = 0; j < n_used; j++)
        sum += shares[j];
    for (int j = 0; j < n_used; j++)
        shares[j] /= sum;
}

void experts_combine(const struct run *r, const struct op *op, int64_t token)
{
    const struct vector_kernels *v = &r->e->k->vector;
    const float *shares = row_of(r, op->b, token, 0);
    float *dst = row_of(r, op->dst, token, 0);
    int64_t n = width_of(r, op->dst);
    v->scale(row_of(r, op->a, token, 0), shares[0], dst, n);
    for (int j = 1; j < r->e->model.h.n_expert_used; j++) {
        float *part = row_of(r, op->a, token, j);
        v->scale(part, shares[j], part, n);
        v->add(dst, part, dst, n);
    }
}

/* ---- grouping ---- */

/* Rows of per-expert slots, sorted by expert and by token within. */
static void group_by_expert(const struct run *r)
{
    const struct hparams *h = &r->e->model.h;
    struct routes *routes = r->b->routes;
    int64_t n = (int64_t)r->b->tokens * h->n_expert_used;
    int next[HPARAMS_MAX_EXPERTS] = {0};
    for (int64_t i = 0; i < n; i++) {
        const float *numbers = row_of(r, SLOT_ROUTES, i / h->n_expert_used, 0) + h->n_expert_used;
        routes->expert_of[i] = (int32_t)numbers[i % h->n_expert_used];
        next[routes->expert_of[i]]++;
    }
    for (int e = 0, first = 0; e < h->n_expert; e++) {
        routes->first[e] = first;
        first += next[e];
        next[e] = routes->first[e];
    }
    routes->first[h->n_expert] = (int)n;
    for (int64_t i = 0; i < n; i++) {
        routes->row_of[i] = next[routes->expert_of[i]]++;
        routes->token_of[routes->row_of[i]] = (int32_t)(i / h->n_expert_used);
    }
}

/* The rows that the stage's experts read, one behind the other. */
static void gather_piece(void *ctx, int64_t begin, int64_t end, int thread)
{
    const struct run *r = ctx;
    const struct batch *b = r->b;
    int64_t k = width_of(r, r->stage->ops[0].a);
    bool done[ACT_FORMATS] = {false};
    (void)thread;
    for (int i = 0; i < r->stage->n; i++) {
        enum act_format f = act_format_of(weight_of(r, r->stage->ops[i].w)->tensor->type);
        size_t bytes = act_row_bytes(f, k);
        for (int64_t row = begin; !done[f] && row < end; row++)
            memcpy(b->expert_act[f] + (size_t)row * bytes, b->act[f] + (size_t)b->routes->token_of[row] * bytes, bytes);
        done[f] = true;
    }
}

/* ---- products ---- */

/* Of each expert that was chosen, the rows of the stage's products one behind the other: rows [begin, end) of all. */
static void products_piece(void *ctx, int64_t begin, int64_t end, int thread)
{
    const struct run *r = ctx;
    const int *first = r->b->routes->first;
    int64_t at = 0, k = width_of(r, r->stage->ops[0].a);
    for (int e = 0; e < r->e->model.h.n_expert && at < end; e++) {
        if (first[e] == first[e + 1])
            continue;
        for (int i = 0; i < r->stage->n; i++) {
            const struct op *op = &r->stage->ops[i];
            enum act_format f = act_format_of(weight_of(r, op->w)->tensor->type);
            int64_t n = width_of(r, op->dst);
            struct product p = {
                .op = op,
                .expert = e,
                .act = r->b->expert_act[f] + (size_t)first[e] * act_row_bytes(f, k),
                .y = r->b->slots[op->dst] + first[e] * n,
                .tokens = first[e + 1] - first[e],
                .begin = begin > at ? begin - at : 0,
                .end = end - at < n ? end - at : n,
            };
            if (p.begin < p.end)
                run_product(r, &p, thread);
            at += n;
        }
    }
}

static int64_t rows_of_chosen(const struct run *r)
{
    const int *first = r->b->routes->first;
    int64_t n = 0, chosen = 0;
    for (int i = 0; i < r->stage->n; i++)
        n += width_of(r, r->stage->ops[i].dst);
    for (int e = 0; e < r->e->model.h.n_expert; e++)
        chosen += first[e] < first[e + 1];
    return n * chosen;
}

void experts_run(const struct run *r)
{
    int64_t rows = (int64_t)r->b->tokens * r->e->model.h.n_expert_used;
    if (!arch_slot_per_expert(r->stage->ops[0].a)) {
        group_by_expert(r);
        pool_run(r->e->pool, rows, GATHER_GRAIN, gather_piece, (void *)r);
    }
    pool_run(r->e->pool, rows_of_chosen(r), RUN_ROWS_GRAIN, products_piece, (void *)r);
}
