/* mkmodel [--layers N] [--pure] SHAPE TYPE OUT.gguf: a model file of a real shape with random weights, for measuring.
 * Shapes and metadata are those of published files, and so is what a mixture gives each tensor (quantize's own rules);
 * --pure gives every matrix the one type, --layers cuts the model. The vocabulary is 256 bytes, a few merges and names
 * nobody uses, padded to the real size. Weights stand at about N(0, 0.02), so that logits are finite; what the model
 * says is noise. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/rng.h"
#include "model/gguf_write.h"
#include "model/quantize/mixture.h"

#define WEIGHT_STD 0.02
#define POOL_ROWS 4093           /* prime, so that tiles do not fall in step with rows */
#define POOL_ROW 256             /* weights: a whole block of every type */
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

/* What was asked for. */
struct wish {
    struct shape shape;
    struct mixture mixture;
    uint32_t file_type;
    enum tensor_type pure;       /* TENSOR_TYPES: the mixture decides */
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

static void write_metadata(struct gguf_writer *w, const struct shape *s, uint32_t file_type)
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
    gguf_write_u32(w, "general.file_type", file_type);
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

/* ---- random rows of each type ---- */
struct pool {
    char *bytes;
    size_t row_bytes;
};

static uint64_t drawn; /* how many numbers were taken so far */

/* About normal: the sum of four uniform ones, whose deviation is 1 / sqrt(3). */
static float random_weight(void)
{
    double sum = 0;
    for (int i = 0; i < 4; i++)
        sum += rng_unit(SEED, 0, drawn++) - 0.5;
    return (float)(sum * WEIGHT_STD * 1.732);
}

static bool make_pool(enum tensor_type type, struct pool *ret, struct err *err)
{
    size_t row_bytes = tensor_row_bytes(type, POOL_ROW);
    char *bytes = malloc(POOL_ROWS * row_bytes);
    float x[POOL_ROW];
    if (!bytes)
        return err_nomem(err, "a pool of random rows");
    for (size_t row = 0; row < POOL_ROWS; row++) {
        for (int i = 0; i < POOL_ROW; i++)
            x[i] = random_weight();
        quantize_row(type, x, NULL, bytes + row * row_bytes, POOL_ROW);
    }
    *ret = (struct pool){bytes, row_bytes};
    return true;
}

/* ---- tensors ---- */
struct planned {
    enum tensor_type type;
    uint64_t bytes;
    bool is_vector;
    float first, step;           /* of vectors: first + i * step */
};

struct plan {
    struct gguf_writer *w;
    struct wish *wish;
    struct planned *tensors;
    int n;
};

static enum tensor_type type_of(struct wish *wish, const struct tensor *t)
{
    if (!mixture_quantises(t))
        return TENSOR_F32;
    enum tensor_type type = wish->pure < TENSOR_TYPES ? wish->pure : mixture_type(&wish->mixture, t);
    return mixture_fallback(type, t->ne[0]);
}

/* `count` matrices of `rows` rows of k in one tensor. */
static void add_matrices(struct plan *p, const char *name, uint32_t k, uint32_t rows, uint32_t count)
{
    struct tensor t = {.name = name, .n_dims = count > 1 ? 3 : 2, .ne = {k, rows, count, 1}};
    enum tensor_type type = type_of(p->wish, &t);
    gguf_write_tensor(p->w, name, type, t.n_dims, t.ne);
    p->tensors[p->n++] = (struct planned){.type = type, .bytes = (uint64_t)count * rows * tensor_row_bytes(type, k)};
}

static void add_matrix(struct plan *p, const char *name, uint32_t k, uint32_t rows)
{
    add_matrices(p, name, k, rows, 1);
}

static void add_vector(struct plan *p, const char *name, uint32_t n, float first, float step)
{
    gguf_write_tensor(p->w, name, TENSOR_F32, 1, (const int64_t[]){n});
    p->tensors[p->n++] = (struct planned){TENSOR_F32, n * sizeof(float), true, first, step};
}

/* "blk.I.SUFFIX.weight", good until the next call. */
static const char *in_layer(uint32_t i, const char *suffix)
{
    static char name[64];
    snprintf(name, sizeof name, "blk.%u.%s.weight", i, suffix);
    return name;
}

static void add_attention(struct plan *p, const struct shape *s, uint32_t i)
{
    uint32_t q = s->heads * s->head_dim, kv = s->kv_heads * s->head_dim;
    add_vector(p, in_layer(i, "attn_norm"), s->embd, 1, 0);
    if (s->fused) {
        add_matrix(p, in_layer(i, "attn_qkv"), s->embd, q + 2 * kv);
    } else {
        add_matrix(p, in_layer(i, "attn_q"), s->embd, q);
        add_matrix(p, in_layer(i, "attn_k"), s->embd, kv);
        add_matrix(p, in_layer(i, "attn_v"), s->embd, kv);
    }
    add_matrix(p, in_layer(i, "attn_output"), q, s->embd);
    if (s->qk_norm) {
        add_vector(p, in_layer(i, "attn_q_norm"), s->head_dim, 1, 0);
        add_vector(p, in_layer(i, "attn_k_norm"), s->head_dim, 1, 0);
    }
    if (s->post_norms)
        add_vector(p, in_layer(i, "post_attention_norm"), s->embd, 1, 0);
}

static void add_experts(struct plan *p, const struct shape *s, uint32_t i)
{
    add_matrix(p, in_layer(i, "ffn_gate_inp"), s->embd, s->experts);
    add_matrices(p, in_layer(i, "ffn_gate_exps"), s->embd, s->expert_ffn, s->experts);
    add_matrices(p, in_layer(i, "ffn_up_exps"), s->embd, s->expert_ffn, s->experts);
    add_matrices(p, in_layer(i, "ffn_down_exps"), s->expert_ffn, s->embd, s->experts);
}

static void add_layer(struct plan *p, const struct shape *s, uint32_t i)
{
    add_attention(p, s, i);
    add_vector(p, in_layer(i, "ffn_norm"), s->embd, 1, 0);
    if (s->experts > 0) {
        add_experts(p, s, i);
    } else {
        if (!s->fused)
            add_matrix(p, in_layer(i, "ffn_gate"), s->embd, s->ffn);
        add_matrix(p, in_layer(i, "ffn_up"), s->embd, s->fused ? 2 * s->ffn : s->ffn);
        add_matrix(p, in_layer(i, "ffn_down"), s->ffn, s->embd);
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

/* Pieces of the pool from random rows on: no two stretches of the file repeat in step. */
static bool write_matrix(struct gguf_writer *w, const struct planned *t, const struct pool *pool, struct err *err)
{
    for (uint64_t left = t->bytes; left > 0;) {
        size_t first = (size_t)(rng_u64(SEED, 1, drawn++) % POOL_ROWS);
        size_t n = (POOL_ROWS - first) * pool->row_bytes < left ? (POOL_ROWS - first) * pool->row_bytes : (size_t)left;
        if (!gguf_write_data(w, pool->bytes + first * pool->row_bytes, n, err))
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
        if (t->is_vector)
            ok = write_vector(p->w, t, err);
        else
            ok = (pool->bytes || make_pool(t->type, pool, err)) && write_matrix(p->w, t, pool, err);
    }
    for (int i = 0; i < TENSOR_TYPES; i++)
        free(pools[i].bytes);
    return ok;
}

static bool make_model(struct wish *wish, const char *path, struct err *err)
{
    const struct shape *s = &wish->shape;
    struct arena arena = ARENA_INIT(256u << 20);
    struct plan p = {.wish = wish, .tensors = calloc(4 + 13 * (size_t)s->layers, sizeof *p.tensors)};
    bool ok = false;
    if (!p.tensors) {
        err_nomem(err, "the tensor plan");
        goto out;
    }
    if (!gguf_writer_open(path, &p.w, err))
        goto out;
    write_metadata(p.w, s, wish->file_type);
    if (!write_vocabulary(p.w, s, &arena, err))
        goto out;
    add_matrix(&p, "token_embd.weight", s->embd, s->vocab);
    if (s->untied)
        add_matrix(&p, "output.weight", s->embd, s->vocab);
    if (s->rope_factors)
        add_vector(&p, "rope_freqs.weight", s->head_dim / 2, 1, 1);
    for (uint32_t i = 0; i < s->layers; i++)
        add_layer(&p, s, i);
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
    fprintf(stderr, "usage: mkmodel [--layers N] [--pure] SHAPE TYPE OUT.gguf\n  SHAPE:");
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        fprintf(stderr, " %s", shapes[i].name);
    fprintf(stderr, "\n  TYPE:");
    for (int i = 0; i < QUANTIZE_MIXES; i++)
        fprintf(stderr, " %s", quantize_mix_info((enum quantize_mix)i)->name);
    fprintf(stderr, "; an element type with --pure\n");
    return 2;
}

static bool find_shape(const char *name, struct shape *ret, struct err *err)
{
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        if (strcmp(name, shapes[i].name) == 0) {
            *ret = shapes[i];
            return true;
        }
    }
    return err_set(err, ERR_INVALID, "there is no shape '%s'", name);
}

static bool read_wish(const char *shape, const char *type, bool pure, int64_t layers, struct wish *ret, struct err *err)
{
    enum quantize_mix mix;
    *ret = (struct wish){.pure = TENSOR_TYPES};
    if (!find_shape(shape, &ret->shape, err) || !quantize_mix_find(type, &mix, err) ||
        (pure && !quantize_type_find(type, &ret->pure, err)))
        return false;
    struct shape *s = &ret->shape;
    if (layers > 0 && layers < s->layers)
        s->layers = (uint32_t)layers;
    ret->file_type = quantize_mix_info(mix)->file_type;
    ret->mixture = (struct mixture){.mix = mix, .tied = !s->untied, .n_layers = (int)s->layers,
                                    .n_experts = (int)s->experts, .queries_per_kv = (int)(s->heads / s->kv_heads),
                                    .n_values = (int)s->layers};
    return true;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"layers", required_argument, NULL, 'l'}, {"pure", no_argument, NULL, 'p'},
                                            {0}};
    struct wish wish;
    struct err err = ERR_INIT;
    int64_t layers = 0;
    bool pure = false;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (o == 'l' && (!str_to_i64(str_of(optarg), &layers) || layers < 1))
            return usage();
        if (o == '?')
            return usage();
        pure = pure || o == 'p';
    }
    if (argc - optind != 3)
        return usage();
    bool ok = read_wish(argv[optind], argv[optind + 1], pure, layers, &wish, &err) &&
              make_model(&wish, argv[optind + 2], &err);
    if (ok)
        return 0;
    char text[900];
    fprintf(stderr, "mkmodel: %s\n", err_format(&err, text, sizeof text));
    return 1;
}
