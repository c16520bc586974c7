/* Holds an adapter's matrices and applies them behind a stage of matrix products, token by token. Reading files is
 * gguf.c's and peft.c's business. */
#include "engine/adapter.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/adapter/private.h"
#include "engine/run.h"

/* ---- what there is to adapt ---- */

/* The block's product with this weight; NULL: there is none. */
static const struct op *product_of(const struct arch *arch, int layer, struct str module)
{
    for (int i = 0; i < arch->block.n; i++) {
        const struct op *op = &arch->block.ops[i];
        char name[GGUF_MAX_NAME_BYTES], wanted[GGUF_MAX_NAME_BYTES];
        if (op->kind != OP_MATMUL)
            continue;
        snprintf(name, sizeof name, arch_weight(op->w)->name, layer);
        snprintf(wanted, sizeof wanted, "blk.%d." STR_FMT ".weight", layer, STR_ARG(utf8_clip(module, 100)));
        if (strcmp(name, wanted) == 0)
            return op;
    }
    return NULL;
}

static struct delta *delta_of(const struct adapter *a, int layer, enum weight_role role)
{
    return &a->deltas[(int64_t)layer * WEIGHT_ROLES + role];
}

/* ---- taking a part ---- */

static bool bad(const struct lora_part *p, enum err_code code, struct err *err, const char *what)
{
    return err_at_offset(err, code, p->path, -1, "tensor %.200s %s", p->name, what);
}

static float *unpack(struct adapter *a, const struct tensor *t)
{
    size_t bytes = tensor_row_bytes(t->type, t->ne[0]);
    float *v = arena_array(&a->arena, (size_t)(t->ne[0] * t->ne[1]), sizeof *v);
    void *row = malloc(bytes);
    for (int64_t i = 0; v && row && i < t->ne[1]; i++) {
        memcpy(row, tensor_row(t, i), bytes);   /* safetensors need not be aligned */
        a->engine->k->matmul.unpack[t->type](row, v + i * t->ne[0], t->ne[0]);
    }
    bool ok = v && row;
    free(row);
    return ok ? v : NULL;
}

static bool all_finite(const float *v, int64_t n)
{
    bool ok = true;
    for (int64_t i = 0; i < n; i++)
        ok &= isfinite(v[i]) != 0;
    return ok;
}

/* Where pairs of a head turn as neighbours (2 i, 2 i + 1), models were made from files with (i, i + half); their rows
 * moved, and these must follow. */
static bool unpermute_rows(struct adapter *a, float *b, int64_t n, int64_t rank, struct err *err)
{
    int64_t head = a->engine->model.h.head_dim, half = head / 2;
    float *copy = malloc((size_t)(n * rank) * sizeof *copy);
    if (!copy)
        return err_nomem(err, "an adapter");
    memcpy(copy, b, (size_t)(n * rank) * sizeof *copy);
    for (int64_t row = 0; row < n; row++) {
        int64_t in_head = row % head, from = row - in_head + in_head % 2 * half + in_head / 2;
        memcpy(b + row * rank, copy + from * rank, (size_t)rank * sizeof *b);
    }
    free(copy);
    return true;
}

static bool check_part(const struct adapter *a, const struct lora_part *p, const struct op *op, struct err *err)
{
    const struct hparams *h = &a->engine->model.h;
    const struct tensor *t = p->tensor;
    int64_t k = arch_width(h, arch_slot_width(op->a)), n = arch_width(h, arch_slot_width(op->dst));
    int64_t rank = p->is_b ? t->ne[0] : t->ne[1], other = p->is_b ? t->ne[1] : t->ne[0];
    if (t->type >= TENSOR_TYPES || !a->engine->k->matmul.unpack[t->type])
        return bad(p, ERR_UNSUPPORTED, err, "has an element type that Rung cannot compute with");
    if (t->ne[2] != 1 || t->ne[3] != 1 || t->n_dims != 2)
        return bad(p, ERR_UNSUPPORTED, err, "is no matrix; adapters of convolutions and experts are not supported");
    if (rank < 1 || rank > ADAPTER_MAX_RANK)
        return bad(p, ERR_LIMIT, err, "has a rank outside 1 to 1024");
    if (other != (p->is_b ? n : k))
        return bad(p, ERR_INVALID, err, "does not have the model's width; the adapter was made for another model");
    return true;
}

bool adapter_add(struct adapter *a, const struct lora_part *p, struct err *err)
{
    const struct hparams *h = &a->engine->model.h;
    const struct op *op = p->layer < h->n_layer ? product_of(a->engine->model.arch, p->layer, p->module) : NULL;
    const struct tensor *t = p->tensor;
    if (!op)
        return bad(p, ERR_UNSUPPORTED, err, "adapts nothing that this model has in its layers");
    if (!check_part(a, p, op, err))
        return false;
    struct delta *d = delta_of(a, p->layer, op->w);
    if (p->is_b ? d->b != NULL : d->a != NULL)
        return bad(p, ERR_CORRUPT, err, "is there twice");
    float *v = unpack(a, t);
    if (!v)
        return err_nomem(err, "an adapter");
    int64_t count = t->ne[0] * t->ne[1];
    if (!all_finite(v, count))
        return bad(p, ERR_CORRUPT, err, "holds numbers that are not finite");
    for (int64_t i = 0; p->is_b && i < count; i++)
        v[i] *= p->scale;
    a->fingerprint = a->fingerprint * 31 + str_hash((struct str){(const char *)v, (size_t)count * sizeof *v});
    if (p->is_b)
        d->b = v;
    else
        d->a = v;
    *(p->is_b ? &d->rank : &d->rank_a) = (int)(p->is_b ? t->ne[0] : t->ne[1]);
    return !p->unpermute || !p->is_b || unpermute_rows(a, v, t->ne[1], t->ne[0], err);
}

/* ---- opening ---- */

/* Every A has its B, of one rank. */
static bool check_whole(const struct adapter *a, const char *path, struct err *err)
{
    int found = 0;
    for (int64_t i = 0; i < (int64_t)a->engine->model.h.n_layer * WEIGHT_ROLES; i++) {
        const struct delta *d = &a->deltas[i];
        found += d->rank > 0;
        if (d->rank != d->rank_a)
            return err_at_offset(err, ERR_CORRUPT, path, -1,
                                 "in layer %lld a matrix has an A of rank %d and a B of rank %d",
                                 (long long)i / WEIGHT_ROLES, d->rank_a, d->rank);
    }
    return found > 0 || err_at_offset(err, ERR_CORRUPT, path, -1, "the adapter holds no matrices");
}

static int64_t widest_input(const struct adapter *a)
{
    const struct arch *arch = a->engine->model.arch;
    int64_t widest = ADAPTER_MAX_RANK;
    for (int i = 0; i < arch->block.n; i++) {
        int64_t k = arch_width(&a->engine->model.h, arch_slot_width(arch->block.ops[i].a));
        if (arch->block.ops[i].kind == OP_MATMUL && k > widest)
            widest = k;
    }
    return widest;
}

static bool take_scratch(struct adapter *a, struct err *err)
{
    a->act_bytes = act_row_bytes(ACT_F32, widest_input(a));
    size_t bytes = a->act_bytes + ADAPTER_MAX_RANK * sizeof(float);
    a->scratch = arena_array(&a->arena, (size_t)a->engine->threads, sizeof *a->scratch);
    for (int i = 0; a->scratch && i < a->engine->threads; i++)
        if (!(a->scratch[i] = arena_alloc_aligned(&a->arena, bytes, 64)))
            return err_nomem(err, "an adapter");
    return a->scratch || err_nomem(err, "an adapter");
}

bool adapter_open(struct engine *e, const char *path, struct adapter **ret, struct err *err)
{
    struct stat st;
    struct adapter *a = calloc(1, sizeof *a);
    if (!a)
        return err_nomem(err, "an adapter");
    a->engine = e;
    a->arena = ARENA_INIT(SIZE_MAX);
    a->deltas = arena_array(&a->arena, (size_t)e->model.h.n_layer * WEIGHT_ROLES, sizeof *a->deltas);
    bool folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    bool ok = a->deltas ? (folder ? adapter_read_peft : adapter_read_gguf)(a, path, err) : err_nomem(err, "an adapter");
    if (!ok || !check_whole(a, path, err) || !take_scratch(a, err)) {
        adapter_close(a);
        return false;
    }
    *ret = a;
    return true;
}

void adapter_close(struct adapter *a)
{
    if (!a)
        return;
    arena_free(&a->arena);
    free(a);
}

int64_t adapter_bytes(const struct adapter *a)
{
    return (int64_t)arena_used(&a->arena);
}

bool session_set_adapter(struct session *s, const struct adapter *a, struct err *err)
{
    if (s->length > 0 || (a && a->engine != s->engine))
        return err_set(err, ERR_INVALID, s->length > 0 ? "the session holds tokens made without this adapter"
                                                       : "the adapter belongs to another engine");
    s->adapter = a;
    return true;
}

uint64_t adapter_fingerprint(const struct adapter *a)
{
    return a ? a->fingerprint : 0;
}

/* ---- applying ---- */

static bool adapter_in_batch(const struct batch *b)
{
    for (int i = 0; i < b->n_items; i++)
        if (b->items[i].session->adapter)
            return true;
    return false;
}

static void apply(const struct run *r, const struct adapter *a, const struct op *op, int64_t t, int thread)
{
    const struct matmul_kernels *m = &r->e->k->matmul;
    const struct delta *d = delta_of(a, r->layer, op->w);
    int64_t k = width_of(r, op->a), n = width_of(r, op->dst);
    if (d->rank == 0)
        return;
    char *act = a->scratch[thread];
    float *low = (float *)(void *)(act + a->act_bytes);
    struct matmul down = {.type = TENSOR_F32, .w = d->a, .act = act, .k = k, .y = low, .y_stride = d->rank,
                          .tokens = 1};
    struct matmul up = {.type = TENSOR_F32, .w = d->b, .act = act, .k = d->rank, .y = row_of(r, op->dst, t, 0),
                        .y_stride = n, .tokens = 1, .accumulate = true};
    m->act_prepare[ACT_F32](row_of(r, op->a, t, 0), act, k);
    m->matmul[TENSOR_F32](&down, 0, d->rank, r->e->matmul_scratch[thread]);
    m->act_prepare[ACT_F32](low, act, d->rank);
    m->matmul[TENSOR_F32](&up, 0, n, r->e->matmul_scratch[thread]);
}

static void adapt_piece(void *ctx, int64_t begin, int64_t end, int thread)
{
    const struct run *r = ctx;
    for (int64_t t = begin; t < end; t++) {
        const struct adapter *a = r->b->items[r->b->item_of[t]].session->adapter;
        for (int i = 0; a && i < r->stage->n; i++)
            apply(r, a, &r->stage->ops[i], t, thread);
    }
}

void adapter_run(const struct run *r)
{
    if (r->layer >= 0 && adapter_in_batch(r->b))
        pool_run(r->e->pool, r->b->tokens, 1, adapt_piece, (void *)(uintptr_t)r);
}
