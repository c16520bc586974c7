/* Opening and closing an engine: binds a model file, plans its lists, sorts its layers into groups of session state,
 * and sets the memory aside that every thread needs. What a step does is step.c's business. */
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"

/* Models that were trained on differ in most tensors, but in few bytes of the first and the last. */
#define FINGERPRINT_TENSORS 64
#define FINGERPRINT_SAMPLE_BYTES 4096   /* of each */

static int group_named(struct engine *e, enum state_kind kind)
{
    for (int i = 0; i < e->n_groups; i++)
        if (e->groups[i].kind == kind)
            return i;
    e->groups[e->n_groups].kind = kind;
    return e->n_groups++;
}

static bool make_groups(struct engine *e, struct err *err)
{
    const struct hparams *h = &e->model.h;
    e->group_of = arena_array(&e->arena, (size_t)h->n_layer, sizeof *e->group_of);
    e->index_in_group = arena_array(&e->arena, (size_t)h->n_layer, sizeof *e->index_in_group);
    if (!e->group_of || !e->index_in_group)
        return err_nomem(err, "the engine");
    for (int layer = 0; layer < h->n_layer; layer++) {
        enum state_kind state = arch_state(e->model.arch, h, layer);
        if (state == STATE_NONE)
            continue;
        int group = group_named(e, state);
        e->group_of[layer] = group;
        e->index_in_group[layer] = e->groups[group].n_layer++;
    }
    for (int i = 0; i < e->n_groups; i++) {
        size_t layers = 2 * (size_t)e->groups[i].n_layer;
        e->groups[i].heaps[KV_F16].page_bytes = layers * kv_layer_bytes(h, TENSOR_F16);
        e->groups[i].heaps[KV_F32].page_bytes = layers * kv_layer_bytes(h, TENSOR_F32);
        e->groups[i].heaps[KV_Q8_0].page_bytes = layers * kv_layer_bytes(h, TENSOR_Q8_0);
    }
    return true;
}

static bool make_scratch(struct engine *e, struct err *err)
{
    e->threads = pool_threads(e->pool);
    e->matmul_scratch = arena_array(&e->arena, (size_t)e->threads, sizeof *e->matmul_scratch);
    e->attention_scratch = arena_array(&e->arena, (size_t)e->threads, sizeof *e->attention_scratch);
    e->sample_scratch = arena_array(&e->arena, (size_t)e->threads, sizeof *e->sample_scratch);
    if (!e->matmul_scratch || !e->attention_scratch || !e->sample_scratch)
        return err_nomem(err, "the engine");
    for (int i = 0; i < e->threads; i++) {
        e->matmul_scratch[i] = arena_alloc_aligned(&e->arena, MATMUL_SCRATCH_BYTES, 64);
        e->attention_scratch[i] = arena_alloc_aligned(&e->arena, ATTENTION_SCRATCH_BYTES, 64);
        if (!e->matmul_scratch[i] || !e->attention_scratch[i])
            return err_nomem(err, "the engine");
        if (!sample_scratch_open(e->model.h.n_vocab, &e->sample_scratch[i], err))
            return false;
    }
    return true;
}

static uint64_t hash_tensor(const struct tensor *t)
{
    size_t n = t->bytes < FINGERPRINT_SAMPLE_BYTES ? t->bytes : FINGERPRINT_SAMPLE_BYTES;
    return str_hash((struct str){(const char *)t->data + t->bytes - n, n});
}

/* What the header makes of the weights: files of the same weights may differ in it, as when a rope's base was put
 * right. */
static uint64_t hash_numbers(const struct model *m)
{
    const struct hparams *h = &m->h;
    const double numbers[] = {
        h->n_head, h->n_expert_used, h->norm_eps, h->rope_magnitude, (double)h->n_ctx_original, (double)h->window,
        h->attention_scale, h->attention_cap, h->position_temperature, h->logit_cap,
    };
    uint64_t parts[2 + ROPE_TABLES] = {str_hash((struct str){(const char *)numbers, sizeof numbers}),
                                       str_hash((struct str){(const char *)h->factors, sizeof h->factors})};
    for (int i = 0; i < ROPE_TABLES; i++)
        if (m->rope_freq[i])
            parts[2 + i] = str_hash((struct str){(const char *)m->rope_freq[i],
                                                 (size_t)h->n_rot / 2 * sizeof *m->rope_freq[i]});
    return str_hash((struct str){(const char *)parts, sizeof parts});
}

/* Tells models apart, not forgeries. */
static uint64_t fingerprint_of(const struct model *m)
{
    const struct engine_info *i = &m->info;
    int64_t tensors = gguf_tensor_count(m->g), step = tensors / FINGERPRINT_TENSORS + 1;
    uint64_t parts[7 + FINGERPRINT_TENSORS + 1] = {
        str_hash(str_of(i->architecture)), (uint64_t)i->n_layer, (uint64_t)i->n_kv_head, (uint64_t)i->head_dim,
        (uint64_t)i->parameters, (uint64_t)i->weight_bytes, hash_numbers(m),
    };
    int n = 7;
    for (int64_t t = tensors - 1; t >= 0; t -= step)
        parts[n++] = hash_tensor(gguf_tensor_at(m->g, t));
    return str_hash((struct str){(const char *)parts, (size_t)n * sizeof *parts});
}

static bool make_plans(struct engine *e, struct err *err)
{
    const struct arch *arch = e->model.arch;
    if (!plan_make(arch->input, &e->arena, &e->input, err) || !plan_make(arch->block, &e->arena, &e->block, err) ||
        !plan_make(arch->output, &e->arena, &e->output, err))
        return false;
    while (e->output.stages[e->logits_stage].kind != STAGE_MATMULS)
        e->logits_stage++;
    return true;
}

bool engine_open(const struct gguf *g, struct pool *pool, struct engine **ret, struct err *err)
{
    struct engine *e = calloc(1, sizeof *e);
    if (!e)
        return err_nomem(err, "the engine");
    e->pool = pool;
    e->k = kernels_get();
    e->arena = ARENA_INIT(SIZE_MAX);
    e->memory.arena = ARENA_INIT(SIZE_MAX);
    if (!model_bind(g, e->k, &e->arena, &e->model, err) || !make_plans(e, err) || !make_groups(e, err) ||
        !make_scratch(e, err)) {
        engine_close(e);
        return false;
    }
    e->fingerprint = fingerprint_of(&e->model);
    if (gguf_broken(g)) {
        engine_close(e);
        return err_at_offset(err, ERR_CORRUPT, gguf_path(g), -1, "the model file shrank while it was being opened");
    }
    *ret = e;
    return true;
}

void engine_close(struct engine *e)
{
    if (!e)
        return;
    for (int i = 0; i < e->n_groups; i++)
        for (int kind = 0; kind < KV_HEAPS; kind++)
            kv_heap_close(&e->groups[i].heaps[kind]);
    for (int i = 0; e->sample_scratch && i < e->threads; i++)
        sample_scratch_close(e->sample_scratch[i]);
    arena_free(&e->memory.arena);
    arena_free(&e->arena);
    free(e);
}

const struct engine_info *engine_info(const struct engine *e)
{
    return &e->model.info;
}

int64_t engine_session_bytes(const struct engine_info *info, enum tensor_type kv_type, int64_t tokens)
{
    int64_t held = info->window + ENGINE_WINDOW_SLACK + ENGINE_MAX_STEP_TOKENS;
    tokens = (tokens + KV_PAGE - 1) / KV_PAGE * KV_PAGE;
    held = (held + KV_PAGE - 1) / KV_PAGE * KV_PAGE + KV_PAGE;
    int64_t bytes =
        info->kv_bytes_per_token * tokens + info->window_bytes_per_token * (tokens < held ? tokens : held);
    /* a block of one position takes 64 bytes in F16: pages of 64 positions leave no remainder, whatever the head */
    int64_t in_f16 = (int64_t)kv_head_bytes(TENSOR_F16, KV_BLOCK) / KV_PAGE;
    return bytes / in_f16 * ((int64_t)kv_head_bytes(kv_type, KV_BLOCK) / KV_PAGE);
}
