/* Sums over a header: weights by the part of them that a token reads, cache by layer group, memory of a step as the
 * engine will take it. The figures of the tokenizer are measured rules (bytes a token and a merge). */
#include "engine/fit.h"

#include "engine/internal.h"

/* What a token and a merge take in the tokenizer's tables and the opened file's, and their text in both. */
#define TOKEN_TABLE_BYTES 96
#define MERGE_TABLE_BYTES 56
/* The sampler's arrays, per thread and token of the vocabulary. */
#define SAMPLER_TOKEN_BYTES 25

/* A stack of experts, of which a token passes through a few. */
static bool is_stack(const struct tensor *t)
{
    return t->n_dims == 3 && t->ne[2] > 1;
}

static void sum_weights(const struct model *m, struct engine_needs *n)
{
    bool tied = !gguf_tensor(m->g, arch_weight(WEIGHT_OUTPUT)->name);
    for (int64_t i = 0; i < gguf_tensor_count(m->g); i++) {
        const struct tensor *t = gguf_tensor_at(m->g, i);
        if (tensor_left_aside(t))
            continue;
        int64_t elements = t->ne[0] * tensor_rows(t), bytes = (int64_t)t->bytes;
        bool embedding = strcmp(t->name, arch_weight(WEIGHT_TOKEN_EMBD)->name) == 0 && !tied;
        bool some = is_stack(t) && m->h.n_expert > 0;
        n->active_parameters += some ? elements / m->h.n_expert * m->h.n_expert_used : elements;
        if (embedding) {
            n->embedding_bytes += bytes;
            continue;
        }
        n->weight_bytes += bytes;
        n->read_bytes += some ? bytes / m->h.n_expert * m->h.n_expert_used : bytes;
        /* norms and biases are kept as floats beside the file */
        if (tensor_rows(t) == 1)
            n->compute_bytes += elements * (int64_t)sizeof(float);
    }
}

static bool sum_vocabulary(const struct gguf *g, struct engine_needs *n, struct err *err)
{
    static const char *const lists[] = {"tokenizer.ggml.tokens", "tokenizer.ggml.merges"};
    static const int64_t table_bytes[] = {TOKEN_TABLE_BYTES, MERGE_TABLE_BYTES};
    for (int i = 0; i < 2; i++) {
        struct gguf_array list;
        if (!gguf_get_array(g, lists[i], GGUF_STRING, &list, err))
            return false;
        n->vocabulary_bytes += list.n * table_bytes[i];
        for (int64_t j = 0; j < list.n; j++)
            n->vocabulary_bytes += (int64_t)list.strings[j].n * 2;
    }
    return true;
}

bool engine_needs_of(const struct gguf *g, int threads, struct engine_needs *ret, struct err *err)
{
    struct engine e = {.threads = threads};
    if (!model_describe(g, &e.model, err))
        return false;
    struct engine_needs n = {
        .parameters = e.model.info.parameters,
        .kv_bytes_per_token = e.model.info.kv_bytes_per_token,
        .window_bytes_per_token = e.model.info.window_bytes_per_token,
        .window = e.model.info.window,
        .compute_bytes = engine_step_bytes(&e) + (int64_t)threads * e.model.h.n_vocab * SAMPLER_TOKEN_BYTES,
        .n_ctx_train = e.model.info.n_ctx_train,
    };
    sum_weights(&e.model, &n);
    if (!sum_vocabulary(g, &n, err))
        return false;
    *ret = n;
    return true;
}

int64_t engine_needs_kv(const struct engine_needs *n, enum tensor_type kv_type, int64_t context)
{
    struct engine_info info = {
        .kv_bytes_per_token = n->kv_bytes_per_token,
        .window_bytes_per_token = n->window_bytes_per_token,
        .window = n->window,
    };
    return engine_session_bytes(&info, kv_type, context);
}
