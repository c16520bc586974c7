/* Runs stages over a batch: each stage is one run of the thread pool over tokens, rows of weights, or (token, head)
 * pairs. What is computed never depends on where a piece begins or ends. Which operations come in which order is the
 * plan's business; the numbers are the kernels'. */
#include <math.h>

#include "engine/internal.h"

#define RUN_ROWS_GRAIN 32   /* rows of weights in the smallest piece: whole tiles of every kernel */

struct run {
    const struct engine *e;
    const struct batch *b;
    const struct stage *stage;
    const struct stage *next;          /* what a STAGE_TOKENS prepares for; NULL at the end */
    int layer;
};

static int64_t width_of(const struct run *r, enum slot slot)
{
    return arch_width(&r->e->model.h, arch_slot_width(slot));
}

static float *row_of(const struct run *r, enum slot slot, int64_t token)
{
    return r->b->slots[slot] + token * width_of(r, slot);
}

static const struct weight *weight_of(const struct run *r, enum weight_role role)
{
    return model_weight(&r->e->model, r->layer, role);
}

/* ---- tokens ---- */

static void run_head_norm(const struct run *r, const struct op *op, int64_t t)
{
    const struct hparams *h = &r->e->model.h;
    const float *w = weight_of(r, op->w)->vector, *x = row_of(r, op->a, t);
    float *y = row_of(r, op->dst, t);
    for (int64_t i = 0; i < width_of(r, op->a); i += h->head_dim)
        r->e->k->vector.rms_norm(x + i, w, y + i, h->head_dim, h->norm_eps);
}

static void run_token_op(const struct run *r, const struct op *op, int64_t t)
{
    const struct kernels *k = r->e->k;
    const struct hparams *h = &r->e->model.h;
    float *dst = row_of(r, op->dst, t);
    int64_t n = width_of(r, op->dst);
    switch (op->kind) {
    case OP_EMBED: {
        const struct tensor *w = weight_of(r, op->w)->tensor;
        k->matmul.unpack[w->type](tensor_row(w, r->b->ids[t]), dst, n);
        break;
    }
    case OP_NORM:
        k->vector.rms_norm(row_of(r, op->a, t), weight_of(r, op->w)->vector, dst, n, h->norm_eps);
        break;
    case OP_HEAD_NORM:
        run_head_norm(r, op, t);
        break;
    case OP_ROPE:
        k->vector.rope(dst, r->b->rotations + t * h->n_rot, (int)(n / h->head_dim), h->head_dim, h->n_rot,
                       r->e->model.arch->rope == ROPE_NEOX);
        break;
    case OP_GATE:
        k->vector.silu_mul(row_of(r, op->a, t), row_of(r, op->b, t), dst, n);
        break;
    case OP_ADD:
        k->vector.add(row_of(r, op->a, t), row_of(r, op->b, t), dst, n);
        break;
    default:
        break;
    }
}

/* Where a layer's keys start inside a page of its group; its values follow. */
static size_t page_offset(const struct run *r, enum tensor_type kv_type, bool values)
{
    size_t bytes = (size_t)arch_width(&r->e->model.h, WIDTH_KV) * KV_PAGE * kv_element_bytes(kv_type);
    return bytes * (2 * (size_t)r->e->index_in_group[r->layer] + values);
}

static void store_kv(const struct run *r, const struct op *op, int64_t t)
{
    const struct hparams *h = &r->e->model.h;
    const struct batch_item *item = &r->b->items[r->b->item_of[t]];
    const struct session *s = item->session;
    int64_t pos = item->pos0 + t - item->first;
    int slot = (int)(pos % KV_PAGE);
    /* session_reserve made this page the session's own */
    char *page = (char *)s->groups[r->e->group_of[r->layer]].pages[pos / KV_PAGE];
    void (*store)(const float *, char *, enum tensor_type, int, int, int) = r->e->k->attention.kv_store;
    store(row_of(r, op->b, t), page + page_offset(r, s->kv_type, false), s->kv_type, h->n_kv_head, h->head_dim, slot);
    store(row_of(r, op->c, t), page + page_offset(r, s->kv_type, true), s->kv_type, h->n_kv_head, h->head_dim, slot);
}

/* The formats that the products of a stage read, each prepared once for all of them. */
static void prepare(const struct run *r, int64_t t)
{
    const struct op *ops = r->next->ops;
    int64_t k = width_of(r, ops[0].a);
    bool done[ACT_FORMATS] = {false};
    for (int i = 0; i < r->next->n; i++) {
        enum act_format f = act_format_of(weight_of(r, ops[i].w)->tensor->type);
        if (!done[f])
            r->e->k->matmul.act_prepare[f](row_of(r, ops[0].a, t), r->b->act[f] + (size_t)t * act_row_bytes(f, k), k);
        done[f] = true;
    }
}

static void tokens_piece(void *ctx, int64_t begin, int64_t end, int thread)
{
    const struct run *r = ctx;
    (void)thread;
    for (int64_t t = begin; t < end; t++) {
        for (int i = 0; i < r->stage->n; i++)
            run_token_op(r, &r->stage->ops[i], t);
        if (r->next && r->next->kind == STAGE_ATTENTION)
            store_kv(r, r->next->ops, t);
        else if (r->next)
            prepare(r, t);
    }
}

/* ---- matrix products ---- */

static void matmul_rows(const struct run *r, const struct op *op, int64_t begin, int64_t end, int thread)
{
    const struct kernels *k = r->e->k;
    const struct tensor *w = weight_of(r, op->w)->tensor;
    const float *bias = op->bias == WEIGHT_NONE ? NULL : weight_of(r, op->bias)->vector;
    int64_t n = width_of(r, op->dst);
    struct matmul mm = {
        .type = w->type,
        .w = w->data,
        .act = r->b->act[act_format_of(w->type)],
        .y = r->b->slots[op->dst],
        .y_stride = n,
        .k = w->ne[0],
        .tokens = r->b->tokens,
    };
    k->matmul.matmul[w->type](&mm, begin, end, r->e->matmul_scratch[thread]);
    for (int64_t t = 0; bias && t < r->b->tokens; t++)
        k->vector.add(mm.y + t * n + begin, bias + begin, mm.y + t * n + begin, end - begin);
}

/* The products of a stage lie one behind the other: rows [begin, end) of the whole. */
static void matmuls_piece(void *ctx, int64_t begin, int64_t end, int thread)
{
    const struct run *r = ctx;
    int64_t first = 0;
    for (int i = 0; i < r->stage->n; i++) {
        const struct op *op = &r->stage->ops[i];
        int64_t n = width_of(r, op->dst);
        int64_t from = begin > first ? begin - first : 0, to = end - first < n ? end - first : n;
        if (from < to)
            matmul_rows(r, op, from, to, thread);
        first += n;
    }
}

static int64_t matmul_rows_of(const struct run *r)
{
    int64_t n = 0;
    for (int i = 0; i < r->stage->n; i++)
        n += width_of(r, r->stage->ops[i].dst);
    return n;
}

/* ---- attention ---- */

static void attention_item(const struct run *r, const struct batch_item *item, int64_t begin, int64_t end)
{
    const struct hparams *h = &r->e->model.h;
    const struct op *op = r->stage->ops;
    const struct session *s = item->session;
    struct attention a = {
        .q = row_of(r, op->a, item->first),
        .out = row_of(r, op->dst, item->first),
        .q_stride = width_of(r, op->a),
        .out_stride = width_of(r, op->dst),
        .pages = s->groups[r->e->group_of[r->layer]].pages,
        .k_offset = page_offset(r, s->kv_type, false),
        .v_offset = page_offset(r, s->kv_type, true),
        .kv_type = s->kv_type,
        .n_head = h->n_head,
        .n_kv_head = h->n_kv_head,
        .head_dim = h->head_dim,
        .pos0 = item->pos0,
        .scale = (float)(1 / sqrt(h->head_dim)),
        .tokens = item->n,
    };
    r->e->k->attention.attention(&a, begin, end);
}

static void attention_piece(void *ctx, int64_t begin, int64_t end, int thread)
{
    const struct run *r = ctx;
    const int64_t *units = r->b->attention_units;
    (void)thread;
    for (int i = 0; i < r->b->n_items && units[i] < end; i++) {
        int64_t from = begin > units[i] ? begin - units[i] : 0;
        int64_t to = (end < units[i + 1] ? end : units[i + 1]) - units[i];
        if (from < to)
            attention_item(r, &r->b->items[i], from, to);
    }
}

void run_plan(const struct engine *e, const struct plan *plan, int first, int end, int layer, const struct batch *b)
{
    for (int i = first; i < end; i++) {
        struct run r = {e, b, &plan->stages[i], i + 1 < plan->n ? &plan->stages[i + 1] : NULL, layer};
        switch (r.stage->kind) {
        case STAGE_TOKENS: pool_run(e->pool, b->tokens, 1, tokens_piece, &r); break;
        case STAGE_MATMULS: pool_run(e->pool, matmul_rows_of(&r), RUN_ROWS_GRAIN, matmuls_piece, &r); break;
        case STAGE_ATTENTION: pool_run(e->pool, b->attention_units[b->n_items], 1, attention_piece, &r); break;
        }
    }
}
