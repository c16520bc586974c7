/* How fast the kernels are, beside what the machine allows: read bandwidth; decode (one token) as a share of it, the
 * two measured in turns so that a drift of the machine meets both; several tokens at the cost of one; prefill (512
 * tokens) in multiply-adds; attention over a long context. Shapes are those of Qwen3-4B. RUNG_CPU chooses the level;
 * names of types as arguments choose these alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/pool.h"
#include "kernels/kernels.h"
#include "tensor/types.h"

#define WEIGHT_BYTES ((size_t)1280 << 20) /* far beyond any cache */
#define SLICES 20                         /* what one timing reads; short, so that some meet a quiet machine */
#define SLICE_BYTES (WEIGHT_BYTES / SLICES)
#define ROUNDS 60
#define PREFILL_TOKENS 512
#define MAX_THREADS 2

static const enum tensor_type types[] = {
    TENSOR_Q4_K, TENSOR_Q5_K, TENSOR_Q6_K,   TENSOR_Q2_K,  TENSOR_Q3_K, TENSOR_IQ4_XS, TENSOR_Q4_0, TENSOR_Q4_1,
    TENSOR_Q5_0, TENSOR_Q5_1, TENSOR_IQ4_NL, TENSOR_MXFP4, TENSOR_Q8_0, TENSOR_F16,    TENSOR_BF16, TENSOR_F32,
};
#define N_TYPES (sizeof types / sizeof types[0])

struct bench {
    const struct kernels *kernels;
    struct pool *pool;
    char *weights;
    char *act; /* prepared rows */
    float *x, *y;
    char *scratch[MAX_THREADS];
    const char *slice;          /* what read_lines reads */
    uint64_t sums[MAX_THREADS]; /* what it found; nobody asks */
    const char *threads;        /* how many, in words */
};

static void *allocate(size_t n)
{
    void *p = NULL;
    if (posix_memalign(&p, 4096, n) != 0) {
        fprintf(stderr, "bench: no memory for %zu bytes\n", n);
        exit(1);
    }
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

static void attend(void *ctx, int64_t begin, int64_t end, int thread)
{
    const struct product *p = ctx;
    struct bench *b = p->b;
    enum {
        PAGES = 64
    };
    const char *pages[PAGES];
    size_t half = (size_t)8 * KV_PAGE * 128 * 2;
    for (int i = 0; i < PAGES; i++)
        pages[i] = b->weights + (size_t)i * 2 * half;
    struct attention a = {.q = b->x,
                          .out = b->y + thread * 4096,
                          .q_stride = 4096,
                          .out_stride = 4096,
                          .pages = pages,
                          .v_offset = half,
                          .kv_type = TENSOR_F16,
                          .n_head = 32,
                          .n_kv_head = 8,
                          .head_dim = 128,
                          .pos0 = PAGES * KV_PAGE - 1,
                          .scale = 0.088f,
                          .tokens = 1};
    b->kernels->attention.attention(&a, begin, end);
}

/* One token of one layer at 4,096 positions; the layer's cache (16 MiB) stays in the last-level cache. */
static void report_attention(struct bench *b)
{
    struct product p = {.b = b};
    double best = 1e9, bytes = 2.0 * 8 * 4096 * 128 * 2;
    memset(b->weights, 0x2c, (size_t)bytes);
    for (int round = 0; round < ROUNDS; round++)
        best = smaller(best, seconds_of(b, 8, 1, attend, &p));
    printf("  attention, 4096 positions, %s  %6.1f GB/s of cache, %.0f us a layer\n", b->threads, bytes / best * 1e-9,
           best * 1e6);
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
    b.act = allocate((size_t)PREFILL_TOKENS * act_row_bytes(ACT_F32, 9728));
    b.x = allocate(9728 * sizeof *b.x);
    b.y = allocate((size_t)WEIGHT_BYTES / 64);
    for (int t = 0; t < MAX_THREADS; t++)
        b.scratch[t] = allocate(MATMUL_SCRATCH_BYTES);
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
