/* How fast the kernels are, beside what the machine allows: read bandwidth; decode (one token) as a share of it, the
 * two measured in turns so that a drift of the machine meets both; several tokens at the cost of one; prefill (512
 * tokens) in multiply-adds; attention over 8,192 and 32,768 positions. Shapes are those of Qwen3-4B. RUNG_CPU chooses
 * the level; names of types as arguments choose these alone, and any other word attention alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/pool.h"
#include "kernels/kernels.h"
#include "tensor/types.h"

#define WEIGHT_BYTES ((size_t)1280 << 20) /* far beyond any cache */
#define SLICES 20                         /* what one timing reads; short, so that some meet a quiet machine */
#define SLICE_BYTES (WEIGHT_BYTES / SLICES)
#define ROUNDS 60
#define PREFILL_TOKENS 512
#define HUGE_PAGE_BYTES ((size_t)2 << 20)
#define CACHE_BYTES ((size_t)192 << 20) /* of several layers at 8,192 positions, of one at 32,768 */
#define MAX_THREADS 2

static const enum tensor_type types[] = {
    TENSOR_Q4_K, TENSOR_Q5_K, TENSOR_Q6_K,   TENSOR_Q2_K,  TENSOR_Q3_K, TENSOR_IQ4_XS, TENSOR_Q4_0, TENSOR_Q4_1,
    TENSOR_Q5_0, TENSOR_Q5_1, TENSOR_IQ4_NL, TENSOR_MXFP4, TENSOR_Q8_0, TENSOR_F16,    TENSOR_BF16, TENSOR_F32,
};
#define N_TYPES (sizeof types / sizeof types[0])

struct bench {
    const struct kernels *kernels;
    struct pool *pool;
    char *weights, *cache;
    char *act; /* prepared rows */
    float *x, *y;
    float *q;
    char *scratch[MAX_THREADS], *attention_scratch[MAX_THREADS];
    const char *slice;          /* what read_lines reads */
    uint64_t sums[MAX_THREADS]; /* what it found; nobody asks */
    const char *threads;        /* how many, in words */
};

static void *allocate(size_t n)
{
    void *p = NULL;
    if (posix_memalign(&p, HUGE_PAGE_BYTES, n) != 0) {
        fprintf(stderr, "bench: no memory for %zu bytes\n", n);
        exit(1);
    }
    if (n == CACHE_BYTES) /* as the engine has it; weights are mapped from files, in small pages */
        madvise(p, n, MADV_HUGEPAGE);
    memset(p, 0, n);
    return p;
}

/* About 1 / 100, for a subnormal number could cost more than a real one. */
static void set_scale(char *block, enum tensor_type type)
{
    const uint16_t d[2] = {0x211f, 0x211f};
    const float f = 0.01f;
    switch (type) {
    case TENSOR_F32:
        memcpy(block, &f, 4);
        break;
    case TENSOR_MXFP4:
        *block = 121;
        break;
    case TENSOR_Q2_K:
        memcpy(block + offsetof(struct block_q2_k, d), d, 4);
        break;
    case TENSOR_Q3_K:
        memcpy(block + offsetof(struct block_q3_k, d), d, 2);
        break;
    case TENSOR_Q6_K:
        memcpy(block + offsetof(struct block_q6_k, d), d, 2);
        break;
    case TENSOR_Q4_1:
    case TENSOR_Q5_1:
    case TENSOR_Q4_K:
    case TENSOR_Q5_K:
        memcpy(block, d, 4);
        break;
    default:
        memcpy(block, d, 2);
        break;
    }
}

/* Random quants. */
static void fill_weights(struct bench *b, enum tensor_type type)
{
    const struct tensor_type_info *info = tensor_type_info(type);
    size_t chunk = (size_t)info->block_bytes << 16, blocks = chunk / (size_t)info->block_bytes;
    uint64_t seed = 1;
    for (size_t i = 0; i < chunk; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        b->weights[i] = (char)(seed >> 56);
    }
    for (size_t i = 0; i < blocks; i++)
        set_scale(b->weights + i * (size_t)info->block_bytes, type);
    for (size_t done = chunk; done < WEIGHT_BYTES; done += chunk)
        memcpy(b->weights + done, b->weights, WEIGHT_BYTES - done < chunk ? WEIGHT_BYTES - done : chunk);
}

static void prepare(struct bench *b, enum tensor_type type, int64_t k, int tokens)
{
    enum act_format format = act_format_of(type);
    for (int64_t i = 0; i < k; i++)
        b->x[i] = (float)(i % 97 - 48);
    for (int t = 0; t < tokens; t++)
        b->kernels->matmul.act_prepare[format](b->x, b->act + (size_t)t * act_row_bytes(format, k), k);
}

/* ---- the things timed ---- */

static void read_lines(void *ctx, int64_t begin, int64_t end, int thread)
{
    struct bench *b = ctx;
    const uint64_t *p = (const uint64_t *)b->slice + begin * 8;
    uint64_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (int64_t i = begin; i < end; i++, p += 8) {
        s0 += p[0] + p[4];
        s1 += p[1] + p[5];
        s2 += p[2] + p[6];
        s3 += p[3] + p[7];
    }
    b->sums[thread] += s0 + s1 + s2 + s3;
}

struct product {
    struct bench *b;
    struct matmul mm;
};

static void multiply(void *ctx, int64_t begin, int64_t end, int thread)
{
    struct product *p = ctx;
    p->b->kernels->matmul.matmul[p->mm.type](&p->mm, begin, end, p->b->scratch[thread]);
}

static double seconds_of(struct bench *b, int64_t n, int64_t grain, pool_fn *fn, void *ctx)
{
    int64_t start = clock_ns();
    pool_run(b->pool, n, grain, fn, ctx);
    return (double)(clock_ns() - start) * 1e-9;
}

static double smaller(double a, double b)
{
    return a < b ? a : b;
}

/* ---- reports ---- */

static void report_decode(struct bench *b, enum tensor_type type)
{
    const int64_t k = 2560, n = (int64_t)(SLICE_BYTES / tensor_row_bytes(type, k));
    double bytes = (double)n * (double)tensor_row_bytes(type, k);
    double read = 1e9, decode = 1e9;
    prepare(b, type, k, 1);
    for (int round = 0; round < ROUNDS; round++) {
        b->slice = b->weights + (size_t)(2 * round % SLICES) * SLICE_BYTES;
        read = smaller(read, seconds_of(b, SLICE_BYTES / 64, 4096, read_lines, b));
        const char *w = b->weights + (size_t)((2 * round + 1) % SLICES) * SLICE_BYTES;
        struct product p = {b, {type, w, b->act, b->y, n, k, 1, false}};
        decode = smaller(decode, seconds_of(b, n, 64, multiply, &p));
    }
    double gb_read = (double)SLICE_BYTES / read * 1e-9, gb_decode = bytes / decode * 1e-9;
    printf("  decode %-6s %s  %6.1f GB/s of %6.1f GB/s read: share %.2f\n", tensor_type_name(type), b->threads,
           gb_decode, gb_read, gb_decode / gb_read);
}

/* Time of 2 to 16 tokens over that of one, weights from memory. */
static void report_few_tokens(struct bench *b, enum tensor_type type)
{
    const int64_t k = 2560, n = (int64_t)(SLICE_BYTES / tensor_row_bytes(type, k));
    static const int tokens[] = {1, 2, 3, 4, 6, 8, 16};
    double best[7] = {1e9, 1e9, 1e9, 1e9, 1e9, 1e9, 1e9};
    prepare(b, type, k, 16);
    for (int round = 0; round < 7 * 11; round++) {
        int i = round % 7;
        const char *w = b->weights + (size_t)(3 * round % SLICES) * SLICE_BYTES;
        struct product p = {b, {type, w, b->act, b->y, n, k, tokens[i], false}};
        best[i] = smaller(best[i], seconds_of(b, n, 64, multiply, &p));
    }
    printf("  tokens %-6s %s ", tensor_type_name(type), b->threads);
    for (int i = 1; i < 7; i++)
        printf("  %d: %.2fx", tokens[i], best[i] / best[0]);
    printf("\n");
}

static void report_prefill(struct bench *b, enum tensor_type type)
{
    static const int64_t shapes[][2] = {{2560, 9728}, {9728, 2560}, {2560, 4096}, {4096, 2560}};
    printf("  prefill %-6s %s", tensor_type_name(type), b->threads);
    for (size_t i = 0; i < 4; i++) {
        int64_t k = shapes[i][0], n = shapes[i][1];
        struct product p = {b, {type, b->weights, b->act, b->y, n, k, PREFILL_TOKENS, false}};
        double best = 1e9;
        prepare(b, type, k, PREFILL_TOKENS);
        for (int round = 0; round < 12; round++)
            best = smaller(best, seconds_of(b, n, 64, multiply, &p));
        printf("  %dx%d: %6.1f", (int)k, (int)n, (double)n * (double)k * PREFILL_TOKENS / best * 1e-9);
    }
    printf(" G multiply-adds/s\n");
}

/* ---- attention ---- */

#define HEADS 32
#define KV_HEADS 8
#define HEAD_DIM 128
#define MAX_POSITIONS 32768

struct attending {
    struct bench *b;
    struct attention a;
};

static void attend(void *ctx, int64_t begin, int64_t end, int thread)
{
    const struct attending *p = ctx;
    p->b->kernels->attention.attention(&p->a, begin, end, p->b->attention_scratch[thread]);
}

/* The last `tokens` of so many positions of one layer; the caches of several layers lie one behind the other. */
static double attention_seconds(struct bench *b, enum tensor_type type, int tokens, int positions, int layer)
{
    static const char *pages[MAX_POSITIONS / KV_PAGE];
    size_t half = KV_HEADS * kv_head_bytes(type, HEAD_DIM), n = (size_t)positions / KV_PAGE;
    for (size_t i = 0; i < n; i++)
        pages[i] = b->cache + ((size_t)layer * n + i) * 2 * half;
    struct attending p = {b,
                          {.q = b->q,
                           .out = b->y,
                           .q_stride = HEADS * HEAD_DIM,
                           .out_stride = HEADS * HEAD_DIM,
                           .pages = pages,
                           .v_offset = half,
                           .kv_type = type,
                           .n_head = HEADS,
                           .n_kv_head = KV_HEADS,
                           .head_dim = HEAD_DIM,
                           .pos0 = positions - tokens,
                           .scale = 0.088f,
                           .tokens = tokens}};
    return seconds_of(b, attention_units(HEADS, KV_HEADS, HEAD_DIM, tokens), 1, attend, &p);
}

/* One token, the caches from memory, beside the read loop. */
static void report_attention_decode(struct bench *b, enum tensor_type type, int positions)
{
    size_t layer_bytes = 2 * KV_HEADS * kv_head_bytes(type, HEAD_DIM) * (size_t)positions / KV_PAGE;
    int layers = (int)(CACHE_BYTES / layer_bytes);
    double best = 1e9, read = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        best = smaller(best, attention_seconds(b, type, 1, positions, round % layers));
        b->slice = b->weights + (size_t)(2 * round % SLICES) * SLICE_BYTES;
        read = smaller(read, seconds_of(b, SLICE_BYTES / 64, 4096, read_lines, b));
    }
    double gb = (double)layer_bytes / best * 1e-9, gb_read = (double)SLICE_BYTES / read * 1e-9;
    printf("  attention %-4s %s  one token at %5d: %6.0f us a layer, %5.1f GB/s of %5.1f read: share %.2f\n",
           tensor_type_name(type), b->threads, positions, best * 1e6, gb, gb_read, gb / gb_read);
}

static void report_attention_prefill(struct bench *b, enum tensor_type type, int positions)
{
    double best = 1e9, pairs = PREFILL_TOKENS * (positions - PREFILL_TOKENS + (PREFILL_TOKENS + 1) / 2.0);
    for (int round = 0; round < 5; round++)
        best = smaller(best, attention_seconds(b, type, PREFILL_TOKENS, positions, 0));
    printf("  attention %-4s %s  %d tokens to %5d: %7.2f ms a layer, %6.1f G multiply-adds/s\n",
           tensor_type_name(type), b->threads, PREFILL_TOKENS, positions, best * 1e3,
           2 * pairs * HEADS * HEAD_DIM / best * 1e-9);
}

static void report_attention(struct bench *b)
{
    static const enum tensor_type kv_types[] = {TENSOR_F16, TENSOR_Q8_0};
    memset(b->cache, 0x2c, CACHE_BYTES);
    for (int64_t i = 0; i < PREFILL_TOKENS * HEADS * HEAD_DIM; i++)
        b->q[i] = (float)(i % 97 - 48) * 0.02f;
    for (int i = 0; i < 2; i++) {
        for (int positions = 8192; positions <= MAX_POSITIONS; positions *= 4)
            report_attention_decode(b, kv_types[i], positions);
        report_attention_prefill(b, kv_types[i], PREFILL_TOKENS);
        for (int positions = 8192; positions <= MAX_POSITIONS; positions *= 4)
            report_attention_prefill(b, kv_types[i], positions);
    }
}

static bool is_wanted(enum tensor_type type, int argc, char **argv)
{
    bool wanted = argc < 2;
    for (int i = 1; i < argc; i++)
        wanted = wanted || strcmp(argv[i], tensor_type_name(type)) == 0;
    return wanted;
}

int main(int argc, char **argv)
{
    static struct bench b;
    b.kernels = kernels_get();
    b.weights = allocate(WEIGHT_BYTES);
    b.cache = allocate(CACHE_BYTES);
    b.act = allocate((size_t)PREFILL_TOKENS * act_row_bytes(ACT_F32, 9728));
    b.x = allocate(9728 * sizeof *b.x);
    b.y = allocate((size_t)WEIGHT_BYTES / 64);
    b.q = allocate(PREFILL_TOKENS * HEADS * HEAD_DIM * sizeof *b.q);
    for (int t = 0; t < MAX_THREADS; t++) {
        b.scratch[t] = allocate(MATMUL_SCRATCH_BYTES);
        b.attention_scratch[t] = allocate(ATTENTION_SCRATCH_BYTES);
    }
    printf("kernels: %s\n", b.kernels->level);
    for (int threads = 1; threads <= MAX_THREADS; threads++) {
        struct err err = ERR_INIT;
        if (!pool_open(threads, &b.pool, &err)) {
            fprintf(stderr, "bench: %s\n", err.msg);
            return 1;
        }
        b.threads = threads == 1 ? "1 thread " : "2 threads";
        for (size_t i = 0; i < N_TYPES; i++) {
            if (!is_wanted(types[i], argc, argv))
                continue;
            fill_weights(&b, types[i]);
            report_decode(&b, types[i]);
            report_few_tokens(&b, types[i]);
            report_prefill(&b, types[i]);
        }
        report_attention(&b);
        pool_close(b.pool);
    }
    return 0;
}
