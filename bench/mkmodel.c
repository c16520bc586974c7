/* mkmodel SHAPE TYPE OUT.gguf: a model file of a real shape with random weights, for measuring. Shapes, metadata and
 * the mixture of element types are those of published files; the vocabulary is 256 bytes, a few merges and names
 * nobody uses, padded to the real size. Weights stand at about N(0, 0.02), so that logits are finite; what the model
 * says is noise. */
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/rng.h"
#include "model/gguf_write.h"

#define WEIGHT_STD 0.02
#define POOL_BLOCKS 16381        /* prime, so that tiles do not fall in step with rows */
#define SEED 2026
#define MAX_FLOATS 8192          /* the longest norm or factor vector */

struct shape {
    const char *name, *arch, *pre;
    uint32_t layers, embd, ffn, heads, kv_heads, head_dim, vocab, context, first_special;
    float rope_base, norm_eps;
    bool qk_norm, rope_factors, post_norms, untied;
    bool fused;                  /* one weight for q, k, v and one for gate and up */
    uint32_t window;
    uint32_t experts, experts_used, expert_ffn;
    const char *specials[5];     /* control tokens from id first_special on, <|im_end|> among them */
};

#define CHATML                                                                                                         \
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"                       \
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"

static const struct shape shapes[] = {
    {.name = "qwen3-4b", .arch = "qwen3", .pre = "qwen2", .layers = 36, .embd = 2560, .ffn = 9728, .heads = 32,
     .kv_heads = 8, .head_dim = 128, .vocab = 151936, .context = 40960, .rope_base = 1e6f, .norm_eps = 1e-6f,
     .qk_norm = true, .first_special = 151643, .specials = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}},
    {.name = "qwen3-0.6b", .arch = "qwen3", .pre = "qwen2", .layers = 28, .embd = 1024, .ffn = 3072, .heads = 16,
     .kv_heads = 8, .head_dim = 128, .vocab = 151936, .context = 40960, .rope_base = 1e6f, .norm_eps = 1e-6f,
     .qk_norm = true, .first_special = 151643, .specials = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}},
    {.name = "qwen3-30b-a3b", .arch = "qwen3moe", .pre = "qwen2", .layers = 48, .embd = 2048, .ffn = 6144,
     .heads = 32, .kv_heads = 4, .head_dim = 128, .vocab = 151936, .context = 40960, .rope_base = 1e6f,
     .norm_eps = 1e-6f, .qk_norm = true, .untied = true, .experts = 128, .experts_used = 8, .expert_ffn = 768,
     .first_special = 151643, .specials = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}},
    {.name = "llama-3.2-1b", .arch = "llama", .pre = "llama-bpe", .layers = 16, .embd = 2048, .ffn = 8192,
     .heads = 32, .kv_heads = 8, .head_dim = 64, .vocab = 128256, .context = 131072, .rope_base = 5e5f,
     .norm_eps = 1e-5f, .rope_factors = true, .first_special = 128000,
     .specials = {"<|begin_of_text|>", "<|end_of_text|>", "<|im_start|>", "<|im_end|>"}},
    {.name = "llama-3.2-3b", .arch = "llama", .pre = "llama-bpe", .layers = 28, .embd = 3072, .ffn = 8192,
     .heads = 24, .kv_heads = 8, .head_dim = 128, .vocab = 128256, .context = 131072, .rope_base = 5e5f,
     .norm_eps = 1e-5f, .rope_factors = true, .first_special = 128000,
     .specials = {"<|begin_of_text|>", "<|end_of_text|>", "<|im_start|>", "<|im_end|>"}},
    {.name = "gemma-3-4b", .arch = "gemma3", .pre = "llama-bpe", .layers = 34, .embd = 2560, .ffn = 10240, .heads = 8,
     .kv_heads = 4, .head_dim = 256, .vocab = 262208, .context = 131072, .rope_base = 1e6f, .norm_eps = 1e-6f,
     .qk_norm = true, .post_norms = true, .window = 1024, .first_special = 262144,
     .specials = {"<|begin_of_text|>", "<|im_start|>", "<|im_end|>"}},
    {.name = "phi-4", .arch = "phi3", .pre = "llama-bpe", .layers = 40, .embd = 5120, .ffn = 17920, .heads = 40,
     .kv_heads = 10, .head_dim = 128, .vocab = 100352, .context = 16384, .rope_base = 250000, .norm_eps = 1e-5f,
     .fused = true, .untied = true, .first_special = 100264,
     .specials = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}},
};

/* A quantisation: what most matrices are, what the sensitive ones are, and what the (tied) embedding is. */
struct mixture {
    const char *name;
    uint32_t file_type;          /* general.file_type of the format */
    enum tensor_type base, more, embd;
};

static const struct mixture mixtures[] = {
    {"Q4_K_M", 15, TENSOR_Q4_K, TENSOR_Q6_K, TENSOR_Q6_K}, {"Q5_K_M", 17, TENSOR_Q5_K, TENSOR_Q6_K, TENSOR_Q6_K},
    {"Q8_0", 7, TENSOR_Q8_0, TENSOR_Q8_0, TENSOR_Q8_0},    {"Q4_0", 2, TENSOR_Q4_0, TENSOR_Q4_0, TENSOR_Q6_K},
    {"F16", 1, TENSOR_F16, TENSOR_F16, TENSOR_F16},
};

/* ---- vocabulary ---- */
static const char *const merges[][2] = {
    {"\xc4\xa0", "t"}, {"h", "e"},  {"\xc4\xa0t", "he"}, {"i", "n"},   {"e", "r"},          {"\xc4\xa0", "a"},
    {"o", "n"},        {"r", "e"},  {"n", "d"},          {"in", "g"},  {"\xc4\xa0" "a", "nd"}, {"o", "r"},
    {"e", "s"},        {"a", "t"},  {"\xc4\xa0", "o"},   {"\xc4\xa0o", "f"},
};
#define MERGES ((uint32_t)(sizeof merges / sizeof merges[0]))

/* Byte-level BPE writes a byte as a character: printable ones as themselves, the others from U+0100 on. */
static bool byte_is_printable(int b)
{
    return (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
}

static struct str byte_token(struct arena *a, int byte)
{
    uint32_t cp = (uint32_t)byte, next = 256;
    for (int b = 0; !byte_is_printable(byte) && b <= byte; b++)
        if (!byte_is_printable(b))
            cp = next++;
    char text[4];
    return arena_str(a, (struct str){text, (size_t)utf8_encode(cp, text)});
}

static struct str joined(struct arena *a, const char *left, const char *between, const char *right)
{
    return str_of(arena_printf(a, "%s%s%s", left, between, right));
}

static bool write_vocabulary(struct gguf_writer *w, const struct shape *s, struct arena *a, struct err *err)
{
    enum { NORMAL = 1, CONTROL = 3, UNUSED = 5 };
    struct str *tokens = arena_array(a, s->vocab, sizeof *tokens), rules[MERGES];
    int32_t *types = arena_array(a, s->vocab, sizeof *types);
    if (!tokens || !types)
        return err_nomem(err, "a vocabulary");
    for (uint32_t i = 0; i < s->vocab; i++) {
        bool special = i >= s->first_special && i < s->first_special + 5 && s->specials[i - s->first_special];
        types[i] = i < 256 + MERGES ? NORMAL : special ? CONTROL : UNUSED;
        if (i < 256)
            tokens[i] = byte_token(a, (int)i);
        else if (i < 256 + MERGES)
            tokens[i] = joined(a, merges[i - 256][0], "", merges[i - 256][1]);
        else if (special)
            tokens[i] = str_of(s->specials[i - s->first_special]);
        else
            tokens[i] = str_of(arena_printf(a, "[unused%u]", i));
    }
    for (uint32_t i = 0; i < MERGES; i++)
        rules[i] = joined(a, merges[i][0], " ", merges[i][1]);
    gguf_write_str(w, "tokenizer.ggml.model", STR("gpt2"));
    gguf_write_str(w, "tokenizer.ggml.pre", str_of(s->pre));
    gguf_write_strs(w, "tokenizer.ggml.tokens", tokens, s->vocab);
    gguf_write_i32s(w, "tokenizer.ggml.token_type", types, s->vocab);
    gguf_write_strs(w, "tokenizer.ggml.merges", rules, MERGES);
    for (uint32_t i = 0; i < 5; i++)
        if (s->specials[i] && strcmp(s->specials[i], "<|im_end|>") == 0)
            gguf_write_u32(w, "tokenizer.ggml.eos_token_id", s->first_special + i);
    gguf_write_u32(w, "tokenizer.ggml.bos_token_id", s->first_special);
    gguf_write_bool(w, "tokenizer.ggml.add_bos_token", false);
    gguf_write_str(w, "tokenizer.chat_template", STR(CHATML));
    return true;
}

static void write_metadata(struct gguf_writer *w, const struct shape *s, const struct mixture *mix)
{
    const struct {
        const char *name;
        uint32_t v;
    } numbers[] = {
        {"block_count", s->layers}, {"context_length", s->context}, {"embedding_length", s->embd},
        {"feed_forward_length", s->ffn}, {"vocab_size", s->vocab}, {"attention.head_count", s->heads},
        {"attention.head_count_kv", s->kv_heads}, {"attention.key_length", s->head_dim},
        {"attention.value_length", s->head_dim}, {"rope.dimension_count", s->head_dim},
        {"attention.sliding_window", s->window}, {"expert_count", s->experts},
        {"expert_used_count", s->experts_used}, {"expert_feed_forward_length", s->expert_ffn},
    };
    char key[64];
    gguf_write_str(w, "general.architecture", str_of(s->arch));
    gguf_write_str(w, "general.name", str_of(s->name));
    gguf_write_u32(w, "general.file_type", mix->file_type);
    gguf_write_u32(w, "general.quantization_version", 2);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        snprintf(key, sizeof key, "%s.%s", s->arch, numbers[i].name);
        if (numbers[i].v > 0)
            gguf_write_u32(w, key, numbers[i].v);
    }
    snprintf(key, sizeof key, "%s.rope.freq_base", s->arch);
    gguf_write_f32(w, key, s->rope_base);
    snprintf(key, sizeof key, "%s.attention.layer_norm_rms_epsilon", s->arch);
    gguf_write_f32(w, key, s->norm_eps);
}

/* ---- random blocks ---- */
struct pool {
    char *bytes;
    size_t n;
};

static uint64_t drawn; /* how many numbers the pools took so far */

static uint64_t draw(void)
{
    return rng_u64(SEED, 0, drawn++);
}

static void fill_random(void *p, size_t n)
{
    for (size_t at = 0; at < n; at += sizeof(uint64_t)) {
        uint64_t v = draw();
        memcpy((char *)p + at, &v, n - at < sizeof v ? n - at : sizeof v);
    }
}

/* Either sign, so that the half-step bias of symmetric codes cancels. */
static uint16_t signed_scale(double d)
{
    return f32_to_f16((float)(draw() & 1 ? d : -d));
}

/* Standard deviation of the uniform codes 0 .. n - 1. */
#define CODES_STD_16 4.61
#define CODES_STD_32 9.23
#define CODES_STD_64 18.47
#define CODES_STD_255 73.6

/* Eight 6-bit scales, with the minima equal to them: then dmin = d * (mean code) centres the weights. */
static void pack_k_scales(uint8_t scales[12])
{
    uint8_t sc[8];
    for (int j = 0; j < 8; j++)
        sc[j] = (uint8_t)(32 + draw() % 32);
    for (int j = 0; j < 4; j++) {
        scales[j] = scales[j + 4] = (uint8_t)(sc[j] | sc[j + 4] >> 4 << 6);
        scales[j + 8] = (uint8_t)((sc[j + 4] & 15) | sc[j + 4] << 4);
    }
}
#define K_SCALE_MEAN 47.5

static void fill_q4_k(struct block_q4_k *b)
{
    const double d = WEIGHT_STD / CODES_STD_16 / K_SCALE_MEAN;
    fill_random(b->qs, sizeof b->qs);
    pack_k_scales(b->scales);
    b->d = f32_to_f16((float)d);
    b->dmin = f32_to_f16((float)(d * 7.5));
}

static void fill_q5_k(struct block_q5_k *b)
{
    const double d = WEIGHT_STD / CODES_STD_32 / K_SCALE_MEAN;
    fill_random(b->qh, sizeof b->qh);
    fill_random(b->qs, sizeof b->qs);
    pack_k_scales(b->scales);
    b->d = f32_to_f16((float)d);
    b->dmin = f32_to_f16((float)(d * 15.5));
}

static void fill_q6_k(struct block_q6_k *b)
{
    fill_random(b->ql, sizeof b->ql);
    fill_random(b->qh, sizeof b->qh);
    for (int j = 0; j < 16; j++)
        b->scales[j] = (int8_t)((8 + (int)(draw() % 24)) * (draw() & 1 ? 1 : -1));
    b->d = f32_to_f16((float)(WEIGHT_STD / CODES_STD_64 / 19.5));
}

static void fill_block(enum tensor_type type, void *p)
{
    struct block_q8_0 *q8 = p;
    struct block_q4_0 *q4 = p;
    uint16_t *half = p;
    switch (type) {
    case TENSOR_Q4_K: fill_q4_k(p); break;
    case TENSOR_Q5_K: fill_q5_k(p); break;
    case TENSOR_Q6_K: fill_q6_k(p); break;
    case TENSOR_Q8_0:
        fill_random(q8->qs, sizeof q8->qs);
        q8->d = signed_scale(WEIGHT_STD / CODES_STD_255);
        break;
    case TENSOR_Q4_0:
        fill_random(q4->qs, sizeof q4->qs);
        q4->d = signed_scale(WEIGHT_STD / CODES_STD_16);
        break;
    default: /* F16: uniform of the same deviation */
        *half = f32_to_f16((float)((rng_unit(SEED, 1, drawn++) * 2 - 1) * WEIGHT_STD * 1.732));
    }
}

static bool make_pool(enum tensor_type type, struct pool *ret, struct err *err)
{
    size_t size = (size_t)tensor_type_info(type)->block_bytes;
    size_t blocks = type == TENSOR_F16 ? (size_t)POOL_BLOCKS * 64 : POOL_BLOCKS;
    char *bytes = malloc(blocks * size);
    if (!bytes)
        return err_nomem(err, "a pool of random blocks");
    for (size_t i = 0; i < blocks; i++)
        fill_block(type, bytes + i * size);
    *ret = (struct pool){bytes, blocks * size};
    return true;
}

/* ---- tensors ---- */
struct planned {
    enum tensor_type type;
    uint64_t bytes;
    float first, step;           /* of F32 vectors: first + i * step */
};

struct plan {
    struct gguf_writer *w;
    struct planned *tensors;
    int n;
};

static void add_matrices(struct plan *p, const char *name, enum tensor_type type, uint32_t k, uint32_t rows,
                         uint32_t count)
{
    gguf_write_tensor(p->w, name, type, count > 1 ? 3 : 2, (const int64_t[]){k, rows, count});
    p->tensors[p->n++] = (struct planned){.type = type, .bytes = (uint64_t)count * rows * tensor_row_bytes(type, k)};
}

static void add_matrix(struct plan *p, const char *name, enum tensor_type type, uint32_t k, uint32_t rows)
{
    add_matrices(p, name, type, k, rows, 1);
}

static void add_vector(struct plan *p, const char *name, uint32_t n, float first, float step)
{
    gguf_write_tensor(p->w, name, TENSOR_F32, 1, (const int64_t[]){n});
    p->tensors[p->n++] = (struct planned){TENSOR_F32, n * sizeof(float), first, step};
}

/* The rule of published K-mixtures: the first and last eighth of the layers, and every third between. */
static bool use_more_bits(uint32_t layer, uint32_t layers)
{
    return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
}

/* "blk.I.SUFFIX.weight", good until the next call. */
static const char *in_layer(uint32_t i, const char *suffix)
{
    static char name[64];
    snprintf(name, sizeof name, "blk.%u.%s.weight", i, suffix);
    return name;
}

static void add_attention(struct plan *p, const struct shape *s, enum tensor_type base, enum tensor_type more,
                          uint32_t i)
{
    uint32_t q = s->heads * s->head_dim, kv = s->kv_heads * s->head_dim;
    add_vector(p, in_layer(i, "attn_norm"), s->embd, 1, 0);
    if (s->fused) {
        add_matrix(p, in_layer(i, "attn_qkv"), base, s->embd, q + 2 * kv);
    } else {
        add_matrix(p, in_layer(i, "attn_q"), base, s->embd, q);
        add_matrix(p, in_layer(i, "attn_k"), base, s->embd, kv);
        add_matrix(p, in_layer(i, "attn_v"), more, s->embd, kv);
    }
    add_matrix(p, in_layer(i, "attn_output"), base, q, s->embd);
    if (s->qk_norm) {
        add_vector(p, in_layer(i, "attn_q_norm"), s->head_dim, 1, 0);
        add_vector(p, in_layer(i, "attn_k_norm"), s->head_dim, 1, 0);
    }
    if (s->post_norms)
        add_vector(p, in_layer(i, "post_attention_norm"), s->embd, 1, 0);
}

static void add_experts(struct plan *p, const struct shape *s, enum tensor_type base, enum tensor_type more, uint32_t i)
{
    add_matrix(p, in_layer(i, "ffn_gate_inp"), TENSOR_F16, s->embd, s->experts);
    add_matrices(p, in_layer(i, "ffn_gate_exps"), base, s->embd, s->expert_ffn, s->experts);
    add_matrices(p, in_layer(i, "ffn_up_exps"), base, s->embd, s->expert_ffn, s->experts);
    add_matrices(p, in_layer(i, "ffn_down_exps"), more, s->expert_ffn, s->embd, s->experts);
}

static void add_layer(struct plan *p, const struct shape *s, const struct mixture *mix, uint32_t i)
{
    enum tensor_type more = use_more_bits(i, s->layers) ? mix->more : mix->base;
    add_attention(p, s, mix->base, more, i);
    add_vector(p, in_layer(i, "ffn_norm"), s->embd, 1, 0);
    if (s->experts > 0) {
        add_experts(p, s, mix->base, more, i);
    } else {
        if (!s->fused)
            add_matrix(p, in_layer(i, "ffn_gate"), mix->base, s->embd, s->ffn);
        add_matrix(p, in_layer(i, "ffn_up"), mix->base, s->embd, s->fused ? 2 * s->ffn : s->ffn);
        add_matrix(p, in_layer(i, "ffn_down"), more, s->ffn, s->embd);
    }
    if (s->post_norms)
        add_vector(p, in_layer(i, "post_ffw_norm"), s->embd, 1, 0);
}

static bool write_vector(struct gguf_writer *w, const struct planned *t, struct err *err)
{
    float v[MAX_FLOATS];
    size_t n = (size_t)t->bytes / sizeof *v;
    for (size_t i = 0; i < n; i++)
        v[i] = t->first + (float)i * t->step;
    return gguf_write_data(w, v, n * sizeof *v, err);
}

/* Pieces of the pool from random blocks on: no two stretches of the file repeat in step. */
static bool write_matrix(struct gguf_writer *w, const struct planned *t, const struct pool *pool, struct err *err)
{
    size_t size = (size_t)tensor_type_info(t->type)->block_bytes;
    for (uint64_t left = t->bytes; left > 0;) {
        size_t at = (size_t)(draw() % (pool->n / size)) * size;
        size_t n = pool->n - at < left ? pool->n - at : (size_t)left;
        if (!gguf_write_data(w, pool->bytes + at, n, err))
            return false;
        left -= n;
    }
    return true;
}

static bool write_tensors(const struct plan *p, struct err *err)
{
    struct pool pools[TENSOR_TYPES] = {0};
    bool ok = true;
    for (int i = 0; ok && i < p->n; i++) {
        const struct planned *t = &p->tensors[i];
        struct pool *pool = &pools[t->type];
        if (t->type == TENSOR_F32)
            ok = write_vector(p->w, t, err);
        else
            ok = (pool->bytes || make_pool(t->type, pool, err)) && write_matrix(p->w, t, pool, err);
    }
    for (int i = 0; i < TENSOR_TYPES; i++)
        free(pools[i].bytes);
    return ok;
}

static bool make_model(const struct shape *s, const struct mixture *mix, const char *path, struct err *err)
{
    struct arena arena = ARENA_INIT(256u << 20);
    struct plan p = {.tensors = calloc(4 + 13 * (size_t)s->layers, sizeof *p.tensors)};
    bool ok = false;
    if (!p.tensors) {
        err_nomem(err, "the tensor plan");
        goto out;
    }
    if (!gguf_writer_open(path, &p.w, err))
        goto out;
    write_metadata(p.w, s, mix);
    if (!write_vocabulary(p.w, s, &arena, err))
        goto out;
    add_matrix(&p, "token_embd.weight", s->untied ? mix->base : mix->embd, s->embd, s->vocab);
    if (s->untied)
        add_matrix(&p, "output.weight", mix->embd, s->embd, s->vocab);
    if (s->rope_factors)
        add_vector(&p, "rope_freqs.weight", s->head_dim / 2, 1, 1);
    for (uint32_t i = 0; i < s->layers; i++)
        add_layer(&p, s, mix, i);
    add_vector(&p, "output_norm.weight", s->embd, 1, 0);
    ok = write_tensors(&p, err) && gguf_writer_finish(p.w, err);
out:
    gguf_writer_close(p.w);
    free(p.tensors);
    arena_free(&arena);
    return ok;
}

static int usage(void)
{
    fprintf(stderr, "usage: mkmodel SHAPE TYPE OUT.gguf\n  SHAPE:");
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        fprintf(stderr, " %s", shapes[i].name);
    fprintf(stderr, "\n  TYPE:");
    for (size_t i = 0; i < sizeof mixtures / sizeof mixtures[0]; i++)
        fprintf(stderr, " %s", mixtures[i].name);
    fprintf(stderr, "\n");
    return 2;
}

int main(int argc, char **argv)
{
    const struct shape *s = NULL;
    const struct mixture *mix = NULL;
    for (size_t i = 0; argc == 4 && i < sizeof shapes / sizeof shapes[0]; i++)
        if (strcmp(argv[1], shapes[i].name) == 0)
            s = &shapes[i];
    for (size_t i = 0; argc == 4 && i < sizeof mixtures / sizeof mixtures[0]; i++)
        if (strcmp(argv[2], mixtures[i].name) == 0)
            mix = &mixtures[i];
    if (!s || !mix)
        return usage();
    struct err err = ERR_INIT;
    if (make_model(s, mix, argv[3], &err))
        return 0;
    char text[900];
    fprintf(stderr, "mkmodel: %s\n", err_format(&err, text, sizeof text));
    return 1;
}
