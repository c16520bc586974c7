/* Tiny random models of each architecture as GGUF files, sound or spoilt in one place. */
#include "base/rng.h"
#include "tests/engine/support_engine.h"
#include "model/gguf_write.h"

#define TINY_MAX_TENSORS 1024

const struct tiny tinies[TINIES] = {
    {.arch = "llama", .n_layer = 2, .n_embd = 48, .n_head = 4, .n_kv_head = 2, .head_dim = 16, .n_ff = 80,
     .n_vocab = 97, .untied = true, .rope_factors = true, .interleaved = true},
    {.arch = "qwen2", .n_layer = 2, .n_embd = 64, .n_head = 4, .n_kv_head = 1, .head_dim = 16, .n_ff = 96,
     .n_vocab = 101, .biases = true, .rope_scale = 2},
    {.arch = "qwen3", .n_layer = 3, .n_embd = 32, .n_head = 6, .n_kv_head = 3, .head_dim = 20, .n_ff = 72,
     .n_vocab = 103, .qk_norm = true},
    {.arch = "gemma3", .n_layer = 7, .n_embd = 48, .n_head = 4, .n_kv_head = 2, .head_dim = 16, .n_ff = 80,
     .n_vocab = 97, .qk_norm = true, .post_norms = true, .gelu = true, .root_embedding = true, .rope_scale = 8,
     .window = 40, .windowed = 5, .of = 6, .window_base = 100, .logit_cap = 20},
    {.arch = "phi3", .n_layer = 2, .n_embd = 48, .n_head = 4, .n_kv_head = 2, .head_dim = 12, .n_ff = 88,
     .n_vocab = 99, .untied = true, .fused = true, .window = 70, .windowed = 1, .of = 1, .original_context = 100,
     .attention_factor = 1.19f},
    {.arch = "qwen3moe", .n_layer = 2, .n_embd = 48, .n_head = 4, .n_kv_head = 2, .head_dim = 16, .n_ff = 80,
     .n_vocab = 97, .qk_norm = true, .n_expert = 9, .n_expert_used = 3, .n_ff_expert = 40},
    {.arch = "gemma2", .n_layer = 3, .n_embd = 48, .n_head = 4, .n_kv_head = 2, .head_dim = 16, .n_ff = 80,
     .n_vocab = 97, .post_norms = true, .gelu = true, .root_embedding = true, .window = 33, .windowed = 1, .of = 2,
     .attention_cap = 5, .logit_cap = 10},
    {.arch = "mistral3", .n_layer = 2, .n_embd = 48, .n_head = 4, .n_kv_head = 2, .head_dim = 16, .n_ff = 80,
     .n_vocab = 97, .untied = true, .interleaved = true, .yarn = true, .rope_scale = 4, .yarn_log = 0.7f,
     .original_context = 40, .temperature = 0.1f},
    {.arch = "smollm3", .n_layer = 5, .n_embd = 48, .n_head = 4, .n_kv_head = 2, .head_dim = 16, .n_ff = 80,
     .n_vocab = 97, .interleaved = true, .unroped = 4},
    {.arch = "granite", .n_layer = 2, .n_embd = 48, .n_head = 4, .n_kv_head = 2, .head_dim = 16, .n_ff = 80,
     .n_vocab = 97, .interleaved = true, .embedding_scale = 3, .residual_scale = 0.3f, .attention_scale = 0.1f,
     .logit_scale = 2},
    {.arch = "olmo2", .n_layer = 2, .n_embd = 48, .n_head = 4, .n_kv_head = 2, .head_dim = 16, .n_ff = 80,
     .n_vocab = 97, .untied = true, .wide_qk_norm = true, .post_norms = true, .no_pre_norms = true},
    {.arch = "gpt-oss", .n_layer = 3, .n_embd = 48, .n_head = 4, .n_kv_head = 2, .head_dim = 16, .n_ff = 48,
     .n_vocab = 97, .untied = true, .biases = true, .output_bias = true, .window = 30, .windowed = 1, .of = 2,
     .yarn = true, .rope_scale = 16, .original_context = 64, .n_expert = 6, .n_expert_used = 4, .n_ff_expert = 36,
     .gpt_oss = true},
};

const struct tiny *tiny_of(const char *arch)
{
    for (int i = 0; i < TINIES; i++)
        if (strcmp(tinies[i].arch, arch) == 0)
            return &tinies[i];
    fail_msg("no tiny %s", arch);
    return NULL;
}

struct tiny_tensor {
    char name[64];
    int64_t ne[3];                 /* 0 past the last dimension */
};

struct tiny_tensors {
    struct tiny_tensor list[TINY_MAX_TENSORS];
    int n;
};

static void add(struct tiny_tensors *t, int layer, const char *name, int64_t k, int64_t n, int64_t experts)
{
    struct tiny_tensor *tensor = &t->list[t->n++];
    assert_true(t->n <= TINY_MAX_TENSORS);
    if (layer >= 0)
        snprintf(tensor->name, sizeof tensor->name, "blk.%d.%s", layer, name);
    else
        snprintf(tensor->name, sizeof tensor->name, "%s", name);
    tensor->ne[0] = k;
    tensor->ne[1] = n;
    tensor->ne[2] = experts;
}

static void add_attention(struct tiny_tensors *list, const struct tiny *t, int l)
{
    int heads = t->n_head * t->head_dim, kv = t->n_kv_head * t->head_dim;
    if (!t->no_pre_norms)
        add(list, l, "attn_norm.weight", t->n_embd, 0, 0);
    if (t->fused) {
        add(list, l, "attn_qkv.weight", t->n_embd, heads + 2 * kv, 0);
    } else {
        add(list, l, "attn_q.weight", t->n_embd, heads, 0);
        add(list, l, "attn_k.weight", t->n_embd, kv, 0);
        add(list, l, "attn_v.weight", t->n_embd, kv, 0);
    }
    add(list, l, "attn_output.weight", heads, t->n_embd, 0);
    if (t->biases) {
        add(list, l, "attn_q.bias", heads, 0, 0);
        add(list, l, "attn_k.bias", kv, 0, 0);
        add(list, l, "attn_v.bias", kv, 0, 0);
    }
    if (t->output_bias)
        add(list, l, "attn_output.bias", t->n_embd, 0, 0);
    if (t->qk_norm || t->wide_qk_norm) {
        add(list, l, "attn_q_norm.weight", t->qk_norm ? t->head_dim : heads, 0, 0);
        add(list, l, "attn_k_norm.weight", t->qk_norm ? t->head_dim : kv, 0, 0);
    }
    if (t->gpt_oss)
        add(list, l, "attn_sinks.weight", t->n_head, 0, 0);
    if (t->post_norms || t->gpt_oss)
        add(list, l, "post_attention_norm.weight", t->n_embd, 0, 0);
}

static void add_experts(struct tiny_tensors *list, const struct tiny *t, int l)
{
    add(list, l, "ffn_gate_inp.weight", t->n_embd, t->n_expert, 0);
    add(list, l, "ffn_gate_exps.weight", t->n_embd, t->n_ff_expert, t->n_expert);
    add(list, l, "ffn_up_exps.weight", t->n_embd, t->n_ff_expert, t->n_expert);
    add(list, l, "ffn_down_exps.weight", t->n_ff_expert, t->n_embd, t->n_expert);
    if (!t->gpt_oss)
        return;
    add(list, l, "ffn_gate_inp.bias", t->n_expert, 0, 0);
    add(list, l, "ffn_gate_exps.bias", t->n_ff_expert, t->n_expert, 0);
    add(list, l, "ffn_up_exps.bias", t->n_ff_expert, t->n_expert, 0);
    add(list, l, "ffn_down_exps.bias", t->n_embd, t->n_expert, 0);
}

static void add_layer(struct tiny_tensors *list, const struct tiny *t, int l)
{
    add_attention(list, t, l);
    if (!t->no_pre_norms && !t->gpt_oss)
        add(list, l, "ffn_norm.weight", t->n_embd, 0, 0);
    if (t->n_expert > 0) {
        add_experts(list, t, l);
    } else {
        if (!t->fused)
            add(list, l, "ffn_gate.weight", t->n_embd, t->n_ff, 0);
        add(list, l, "ffn_up.weight", t->n_embd, t->fused ? 2 * t->n_ff : t->n_ff, 0);
        add(list, l, "ffn_down.weight", t->n_ff, t->n_embd, 0);
    }
    if (t->post_norms)
        add(list, l, "post_ffw_norm.weight", t->n_embd, 0, 0);
}

static void list_tensors(const struct tiny *t, const struct tiny_spoil *spoil, struct tiny_tensors *list)
{
    list->n = 0;
    add(list, -1, "token_embd.weight", t->n_embd, t->n_vocab, 0);
    add(list, -1, "output_norm.weight", t->n_embd, 0, 0);
    if (t->untied)
        add(list, -1, "output.weight", t->n_embd, t->n_vocab, 0);
    if (t->rope_factors)
        add(list, -1, "rope_freqs.weight", t->head_dim / 2, 0, 0);
    if (t->fused) {
        add(list, -1, "rope_factors_short.weight", t->head_dim / 2, 0, 0);
        add(list, -1, "rope_factors_long.weight", t->head_dim / 2, 0, 0);
    }
    for (int l = 0; l < t->n_layer; l++)
        add_layer(list, t, l);
    if (spoil->kind == SPOIL_EXTRA_TENSOR)
        add(list, -1, spoil->name, spoil->ne[0], spoil->ne[1], spoil->ne[2]);
    for (int i = 0; i < list->n; i++) {
        if (!spoil->name || strcmp(list->list[i].name, spoil->name) != 0)
            continue;
        if (spoil->kind == SPOIL_SHAPE)
            memcpy(list->list[i].ne, spoil->ne, sizeof spoil->ne);
        if (spoil->kind == SPOIL_DROP_TENSOR)
            list->list[i--] = list->list[--list->n];
    }
}

/* A key of the model unless the spoil drops or replaces it. */
static bool spoilt(const struct tiny_spoil *spoil, const char *name)
{
    bool key = spoil->kind == SPOIL_KEY_U32 || spoil->kind == SPOIL_KEY_F32 || spoil->kind == SPOIL_KEY_STR ||
               spoil->kind == SPOIL_DROP_KEY;
    return key && strcmp(spoil->name, name) == 0;
}

static void key_u32(struct gguf_writer *w, const struct tiny *t, const struct tiny_spoil *spoil, const char *name,
                    int v)
{
    char key[96];
    snprintf(key, sizeof key, "%s.%s", t->arch, name);
    if (!spoilt(spoil, name))
        gguf_write_u32(w, key, (uint32_t)v);
}

static void key_f32(struct gguf_writer *w, const struct tiny *t, const struct tiny_spoil *spoil, const char *name,
                    float v)
{
    char key[96];
    snprintf(key, sizeof key, "%s.%s", t->arch, name);
    if (!spoilt(spoil, name))
        gguf_write_f32(w, key, v);
}

/* Numbers that a family has or has not: 0 means no key. */
static void write_traits(struct gguf_writer *w, const struct tiny *t, const struct tiny_spoil *spoil)
{
    const struct {
        const char *name;
        int v;
    } counts[] = {
        {"attention.sliding_window", t->window}, {"expert_count", t->n_expert}, {"expert_used_count", t->n_expert_used},
        {"expert_feed_forward_length", t->n_ff_expert}, {"rope.scaling.original_context_length", t->original_context},
    };
    const struct {
        const char *name;
        float v;
    } factors[] = {
        {"attn_logit_softcapping", t->attention_cap}, {"final_logit_softcapping", t->logit_cap},
        {"embedding_scale", t->embedding_scale}, {"residual_scale", t->residual_scale},
        {"attention.scale", t->attention_scale}, {"logit_scale", t->logit_scale},
        {"rope.scaling.yarn_log_multiplier", t->yarn_log}, {"attention.temperature_scale", t->temperature},
        {"rope.scaling.attn_factor", t->attention_factor}, {"rope.freq_base_swa", t->window_base},
    };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        if (counts[i].v > 0)
            key_u32(w, t, spoil, counts[i].name, counts[i].v);
    for (size_t i = 0; i < sizeof factors / sizeof factors[0]; i++)
        if (factors[i].v > 0)
            key_f32(w, t, spoil, factors[i].name, factors[i].v);
}

static void write_keys(struct gguf_writer *w, const struct tiny *t, const struct tiny_spoil *spoil)
{
    char key[96];
    gguf_write_str(w, "general.architecture", str_of(t->arch));
    key_u32(w, t, spoil, "block_count", t->n_layer);
    key_u32(w, t, spoil, "context_length", 256);
    key_u32(w, t, spoil, "embedding_length", t->n_embd);
    key_u32(w, t, spoil, "feed_forward_length", t->n_ff);
    key_u32(w, t, spoil, "attention.head_count", t->n_head);
    key_u32(w, t, spoil, "attention.head_count_kv", t->n_kv_head);
    key_u32(w, t, spoil, "attention.key_length", t->head_dim);
    key_u32(w, t, spoil, "attention.value_length", t->head_dim);
    key_f32(w, t, spoil, "attention.layer_norm_rms_epsilon", 1e-5f);
    key_f32(w, t, spoil, "rope.freq_base", 10000);
    if (t->rope_scale > 0) {
        snprintf(key, sizeof key, "%s.rope.scaling.type", t->arch);
        gguf_write_str(w, key, t->yarn ? STR("yarn") : STR("linear"));
        key_f32(w, t, spoil, "rope.scaling.factor", t->rope_scale);
    }
    write_traits(w, t, spoil);
    snprintf(key, sizeof key, "%s.%s", t->arch, spoil->name ? spoil->name : "");
    if (spoil->kind == SPOIL_KEY_U32)
        gguf_write_u32(w, key, spoil->u32);
    else if (spoil->kind == SPOIL_KEY_F32)
        gguf_write_f32(w, key, spoil->f32);
    else if (spoil->kind == SPOIL_KEY_STR)
        gguf_write_str(w, key, str_of(spoil->str));
}

/* Norms and frequency divisors around 1, matrices such that activations keep their size. */
static float weight_value(const struct tiny_tensor *tensor, uint64_t i)
{
    double u = rng_unit(str_hash(str_of(tensor->name)), 7, i);
    if (strstr(tensor->name, "norm") || strstr(tensor->name, "rope"))
        return (float)(0.75 + 0.5 * u);
    return (float)((u - 0.5) * 4 / 7);
}

const char *tiny_write(const struct tiny *t, const struct tiny_spoil *spoil)
{
    static char path[64];
    static struct tiny_tensors list;
    static const struct tiny_spoil nothing;
    struct err err = ERR_INIT;
    struct gguf_writer *w;
    spoil = spoil ? spoil : &nothing;
    snprintf(path, sizeof path, "/tmp/rung-tiny-%d.gguf", (int)getpid());
    list_tensors(t, spoil, &list);
    assert_ok(gguf_writer_open(path, &w, &err), err);
    write_keys(w, t, spoil);
    for (int i = 0; i < list.n; i++)
        gguf_write_tensor(w, list.list[i].name, TENSOR_F32, list.list[i].ne[2] ? 3 : list.list[i].ne[1] ? 2 : 1,
                          list.list[i].ne);
    for (int i = 0; i < list.n; i++) {
        const struct tiny_tensor *tensor = &list.list[i];
        bool flat = spoil->kind == SPOIL_WEIGHTS && strcmp(spoil->name, tensor->name) == 0;
        int64_t n = tensor->ne[0] * (tensor->ne[1] ? tensor->ne[1] : 1) * (tensor->ne[2] ? tensor->ne[2] : 1);
        for (int64_t j = 0; j < n; j++) {
            float v = flat ? spoil->f32 : weight_value(tensor, (uint64_t)j);
            assert_ok(gguf_write_data(w, &v, sizeof v, &err), err);
        }
    }
    assert_ok(gguf_writer_finish(w, &err), err);
    gguf_writer_close(w);
    return path;
}

static bool no_progress(void *ctx, int64_t items, int64_t bytes)
{
    (void)ctx;
    (void)items;
    (void)bytes;
    return true;
}

const char *tiny_write_quantised(const char *arch, enum quantize_mix mix)
{
    static char path[64];
    struct tiny t = *tiny_of(arch);
    struct quantize_options options = QUANTIZE_OPTIONS(mix);
    struct quantize_plan plan;
    struct err err = ERR_INIT;
    struct gguf *g;
    t.n_embd = t.n_ff = 256;
    t.n_head = 8;
    t.n_kv_head = 4;
    t.head_dim = 32;
    t.n_ff_expert = t.n_expert > 0 ? 256 : 0;
    const char *plain = tiny_write(&t, NULL);
    snprintf(path, sizeof path, "/tmp/rung-tiny-quantised-%d.gguf", (int)getpid());
    assert_ok(gguf_open(plain, &g, &err), err);
    unlink(plain);
    assert_ok(quantize_plan_make(g, &options, &plan, &err), err);
    assert_ok(quantize_write(&plan, path, 1, no_progress, NULL, &err), err);
    quantize_plan_free(&plan);
    gguf_close(g);
    return path;
}
