/* Runs stages over a batch: each stage is one run of the thread pool over tokens, rows of weights, or attention's units
 * (some tokens of one kv head). What is computed never depends on where a piece begins or ends. Which operations come
 * in which order is the plan's business; the numbers are the kernels'. */
#include <math.h>
#include <string.h>

#include "engine/run.h"

#define CACHE_LINE 64
#define TOKENS_TOGETHER 32   /* whose keys are stored head by head */

/* ---- tokens ---- */

static void run_head_norm(const struct run *r, const struct op *op, int64_t t)
{
    const struct hparams *h = &r->e->model.h;
    const float *w = weight_of(r, op->w)->vector, *x = row_of(r, op->a, t, 0);
    float *y = row_of(r, op->dst, t, 0);
    for (int64_t i = 0; i < width_of(r, op->a); i += h->head_dim)
        r->e->k->vector.rms_norm(x + i, w, y + i, h->head_dim, h->norm_eps);
}

static void run_rope(const struct run *r, const struct op *op, int64_t t)
{
    const struct hparams *h = &r->e->model.h;
    const struct arch *arch = r->e->model.arch;
    const float *rotations = r->b->rotations[layers_have(arch->windowed, r->layer)];
    if (layers_have(arch->roped, r->layer))
        r->e->k->vector.rope(row_of(r, op->dst, t, 0), rotations + t * h->n_rot,
                             (int)(width_of(r, op->dst) / h->head_dim), h->head_dim, h->n_rot,
                             arch->rope == ROPE_NEOX);
}

static void run_split(const struct run *r, const struct op *op, int64_t t)
{
    const enum slot parts[] = {op->dst, op->b, op->c};
    const float *from = row_of(r, op->a, t, 0);
    for (int i = 0; i < 3 && parts[i] != SLOT_NONE; i++) {
        int64_t n = width_of(r, parts[i]);
        memcpy(row_of(r, parts[i], t, 0), from, (size_t)n * sizeof *from);
        from += n;
    }
}

static int64_t position_of(const struct batch *b, int64_t t)
{
    const struct batch_item *item = &b->items[b->item_of[t]];
    return item->pos0 + t - item->first;
}

/* ("Llama 4" and Ministral 3: queries grow with the logarithm of whole original contexts gone by.) */
static float position_scale(const struct run *r, int64_t t)
{
    const struct hparams *h = &r->e->model.h;
    return 1 + h->position_temperature * logf(1 + (float)(position_of(r->b, t) / h->n_ctx_original));
}

static void run_gate(const struct run *r, const struct op *op, int64_t t, int choice)
{
    const struct vector_kernels *v = &r->e->k->vector;
    const float *gate = row_of(r, op->a, t, choice), *up = row_of(r, op->b, t, choice);
    float *dst = row_of(r, op->dst, t, choice);
    int64_t n = width_of(r, op->dst);
    switch (op->gate) {
    case GATE_SILU: v->silu_mul(gate, up, dst, n); break;
    case GATE_GELU: v->gelu_mul(gate, up, dst, n); break;
    case GATE_CLAMPED: v->clamped_mul(gate, up, dst, n); break;
    }
}

static void run_token_op(const struct run *r, const struct op *op, int64_t t)
{
    const struct kernels *k = r->e->k;
    const struct hparams *h = &r->e->model.h;
    int choices = arch_slot_per_expert(op->dst) ? h->n_expert_used : 1;
    float *dst = row_of(r, op->dst, t, 0);
    int64_t n = width_of(r, op->dst);
    switch (op->kind) {
    case OP_EMBED: {
        const struct tensor *w = weight_of(r, op->w)->tensor;
        k->matmul.unpack[w->type](tensor_row(w, r->b->ids[t]), dst, n);
        break;
    }
    case OP_NORM:
        k->vector.rms_norm(row_of(r, op->a, t, 0), weight_of(r, op->w)->vector, dst, n, h->norm_eps);
        break;
    case OP_HEAD_NORM:
        run_head_norm(r, op, t);
        break;
    case OP_SPLIT:
        run_split(r, op, t);
        break;
    case OP_ROPE:
        run_rope(r, op, t);
        break;
    case OP_POSITION_SCALE:
        k->vector.scale(row_of(r, op->a, t, 0), position_scale(r, t), dst, n);
        break;
    case OP_GATE:
        for (int choice = 0; choice < choices; choice++)
            run_gate(r, op, t, choice);
        break;
    case OP_ADD:
        k->vector.add(row_of(r, op->a, t, 0), row_of(r, op->b, t, 0), dst, n);
        break;
    case OP_SCALE:
        k->vector.scale(row_of(r, op->a, t, 0), h->factors[op->factor], dst, n);
        break;
    case OP_CAP:
        if (h->logit_cap > 0)
            k->vector.soft_cap(row_of(r, op->a, t, 0), h->logit_cap, dst, n);
        break;
    case OP_ROUTE:
        experts_choose(k, row_of(r, op->a, t, 0), h->n_expert, h->n_expert_used, dst);
        break;
    case OP_COMBINE:
        experts_combine(r, op, t);
        break;
    default:
        break;
    }
}

/* Where a layer's keys start inside a page of its group; its values follow. */
static size_t page_offset(const struct run *r, enum tensor_type kv_type, bool values)
{
    return kv_layer_bytes(&r->e->model.h, kv_type) * (2 * (size_t)r->e->index_in_group[r->layer] + values);
}

static void store_head(const struct run *r, const struct op *op, int64_t t, int head)
{
    const struct hparams *h = &r->e->model.h;
    const struct attention_kernels *kernels = &r->e->k->attention;
    const struct session *s = r->b->items[r->b->item_of[t]].session;
    int64_t pos = position_of(r->b, t), at = (int64_t)head * h->head_dim;
    int slot = (int)(pos % KV_PAGE);
    /* session_reserve made this page the session's own */
    char *page = (char *)s->groups[r->e->group_of[r->layer]].pages[pos / KV_PAGE];
    char *k = page + page_offset(r, s->kv_type, false), *v = page + page_offset(r, s->kv_type, true);
    size_t bytes = kv_head_bytes(s->kv_type, h->head_dim) * (size_t)head;
    kernels->store_k(row_of(r, op->b, t, 0) + at, k + bytes, s->kv_type, 1, h->head_dim, slot);
    kernels->store_v(row_of(r, op->c, t, 0) + at, v + bytes, s->kv_type, 1, h->head_dim, slot);
}

/* Head by head: the keys of neighbouring positions share cache lines. */
static void store_kv(const struct run *r, const struct op *op, int64_t begin, int64_t end)
{
    for (int head = 0; head < r->e->model.h.n_kv_head; head++)
        for (int64_t t = begin; t < end; t++)
            store_head(r, op, t, head);
}

/* The formats that the products of a stage read, each prepared once for all of them. */
static void prepare(const struct run *r, int64_t t)
{
    const struct op *ops = r->next->ops;
    int64_t k = width_of(r, ops[0].a);
    bool per_expert = arch_slot_per_expert(ops[0].a), done[ACT_FORMATS] = {false};
    for (int i = 0; i < r->next->n; i++) {
        enum act_format f = act_format_of(weight_of(r, ops[i].w)->tensor->type);
        char *act = per_expert ? r->b->expert_act[f] : r->b->act[f];
        for (int choice = 0; !done[f] && choice < (per_expert ? r->e->model.h.n_expert_used : 1); choice++) {
            const float *x = row_of(r, ops[0].a, t, choice);
            int64_t row = (x - r->b->slots[ops[0].a]) / k;
            r->e->k->matmul.act_prepare[f](x, act + (size_t)row * act_row_bytes(f, k), k);
        }
        done[f] = true;
    }
}

/* Rows that the stage reads and did not write itself. They lie far apart and end soon, and what a step's matrix
 * products wrote has left the near caches: no hardware prefetcher brings them in time. */
static void fetch_rows(const struct run *r, int64_t t)
{
    bool known[SLOTS] = {[SLOT_NONE] = true};
    for (int i = 0; i < r->stage->n; i++) {
        const struct op *op = &r->stage->ops[i];
        const enum slot reads[] = {op->a, op->b};
        for (int j = 0; j < 2; j++) {
            int64_t bytes = known[reads[j]] ? 0 : width_of(r, reads[j]) * (int64_t)sizeof(float);
            const char *row = bytes > 0 ? (const char *)row_of(r, reads[j], t, 0) : NULL;
            for (int64_t at = 0; at < bytes; at += CACHE_LINE)
                __builtin_prefetch(row + at, 0, 2);
            known[reads[j]] = true;
        }
        known[op->dst] = true;
    }
}

static void run_token(const struct run *r, int64_t t)
{
    for (int i = 0; i < r->stage->n; i++)
        run_token_op(r, &r->stage->ops[i], t);
    if (r->next && r->next->kind != STAGE_ATTENTION)
        prepare(r, t);
}

static void tokens_piece(void *ctx, int64_t begin, int64_t end, int thread)
{
    const struct run *r = ctx;
    (void)thread;
    for (int64_t from = begin; from < end; from += TOKENS_TOGETHER) {
        int64_t to = end - from < TOKENS_TOGETHER ? end : from + TOKENS_TOGETHER;
        for (int64_t t = from; t < to; t++) {
            if (t + 1 < end)
                fetch_rows(r, t + 1);
            run_token(r, t);
        }
        if (r->next && r->next->kind == STAGE_ATTENTION)
            store_kv(r, r->next->ops, from, to);
    }
}

/* ---- matrix products ---- */

void run_product(const struct run *r, const struct product *p, int thread)
{
    const struct kernels *k = r->e->k;
    const struct tensor *w = weight_of(r, p->op->w)->tensor;
    const float *bias = p->op->bias == WEIGHT_NONE ? NULL : weight_of(r, p->op->bias)->vector;
    int64_t n = width_of(r, p->op->dst), begin = p->begin;
    struct matmul mm = {
        .type = w->type,
        .w = tensor_row(w, p->expert * n),
        .act = p->act,
        .y = p->y,
        .y_stride = n,
        .k = w->ne[0],
        .tokens = p->tokens,
    };
    k->matmul.matmul[w->type](&mm, begin, p->end, r->e->matmul_scratch[thread]);
    if (!bias)
        return;
    bias += p->expert * n + begin;
    for (int t = 0; t < p->tokens; t++)
        k->vector.add(mm.y + t * n + begin, bias, mm.y + t * n + begin, p->end - begin);
}

/* The products of a stage lie one behind the other: rows [begin, end) of the whole. */
static void matmuls_piece(void *ctx, int64_t begin, int64_t end, int thread)
{
    const struct run *r = ctx;
    int64_t first = 0;
    for (int i = 0; i < r->stage->n; i++) {
        const struct op *op = &r->stage->ops[i];
        int64_t n = width_of(r, op->dst);
        struct product p = {
            .op = op,
            .act = r->b->act[act_format_of(weight_of(r, op->w)->tensor->type)],
            .y = r->b->slots[op->dst],
            .tokens = r->b->tokens,
            .begin = begin > first ? begin - first : 0,
            .end = end - first < n ? end - first : n,
        };
        if (p.begin < p.end)
            run_product(r, &p, thread);
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

static void attention_item(const struct run *r, const struct batch_item *item, int64_t begin, int64_t end,
                           int thread)
{
    const struct hparams *h = &r->e->model.h;
    const struct op *op = r->stage->ops;
    const struct session *s = item->session;
    const struct group_info *group = &r->e->groups[r->e->group_of[r->layer]];
    struct attention a = {
        .q = row_of(r, op->a, item->first, 0),
        .out = row_of(r, op->dst, item->first, 0),
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
        .window = group->kind == STATE_WINDOW ? h->window : 0,
        .scale = h->attention_scale,
        .softcap = h->attention_cap,
        .sinks = op->w == WEIGHT_NONE ? NULL : weight_of(r, op->w)->vector,
        .tokens = item->n,
    };
    r->e->k->attention.attention(&a, begin, end, r->e->attention_scratch[thread]);
}

static void attention_piece(void *ctx, int64_t begin, int64_t end, int thread)
{
    const struct run *r = ctx;
    const int64_t *units = r->b->attention_units;
    for (int i = 0; i < r->b->n_items && units[i] < end; i++) {
        int64_t from = begin > units[i] ? begin - units[i] : 0;
        int64_t to = (end < units[i + 1] ? end : units[i + 1]) - units[i];
        if (from < to)
            attention_item(r, &r->b->items[i], from, to, thread);
    }
}

void run_plan(const struct engine *e, const struct plan *plan, int first, int end, int layer, const struct batch *b)
{
    for (int i = first; i < end; i++) {
        struct run r = {e, b, &plan->stages[i], i + 1 < plan->n ? &plan->stages[i + 1] : NULL, layer};
        switch (r.stage->kind) {
        case STAGE_TOKENS: pool_run(e->pool, b->tokens, 1, tokens_piece, &r); break;
        case STAGE_MATMULS:
            pool_run(e->pool, matmul_rows_of(&r), RUN_ROWS_GRAIN, matmuls_piece, &r);
            adapter_run(&r);
            break;
        case STAGE_EXPERTS: experts_run(&r); break;
        case STAGE_ATTENTION: pool_run(e->pool, b->attention_units[b->n_items], 1, attention_piece, &r); break;
        }
    }
}
