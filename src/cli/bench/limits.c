/* What the machine allows: a plain read loop over the very bytes that decoding reads, and the integer products that the
 * level in use can do. Both with the threads of the test. */
#include <string.h>

#include "base/clock.h"
#include "cli/bench/bench.h"

#define READ_GRAIN (1 << 17)                      /* words of 8 bytes */
#define PEAK_PIECE ((int64_t)1 << 28)             /* multiply-adds: half a millisecond of AVX-512 */
#define PEAK_PIECES 16                            /* a thread */
#define REF_LANES 64

/* One word of every half line, four chains: what the memory gives, not what an adder does. */
static void read_range(void *ctx, int64_t begin, int64_t end, int thread)
{
    const uint64_t *p = ctx;
    uint64_t a = 0, b = 0, c = 0, d = 0;
    (void)thread;
    for (int64_t i = begin; i + 32 <= end; i += 32) {
        a += p[i];
        b += p[i + 8];
        c += p[i + 16];
        d += p[i + 24];
    }
    __asm__ volatile("" ::"r"(a), "r"(b), "r"(c), "r"(d));
}

double bench_read_bytes_per_s(const struct gguf *g, struct pool *pool)
{
    double bytes = 0;
    int64_t start = clock_ns();
    for (int64_t i = 0; i < gguf_tensor_count(g); i++) {
        const struct tensor *t = gguf_tensor_at(g, i);
        pool_run(pool, (int64_t)(t->bytes / 8), READ_GRAIN, read_range, (void *)(uintptr_t)t->data);
        bytes += (double)t->bytes;
    }
    return bytes / ((double)(clock_ns() - start) / 1e9);
}

/* The reference: as many lanes as any machine has, for the compiler to make of what it can. */
int64_t bench_peak_ref(int64_t multiply_adds)
{
    int32_t sums[REF_LANES] = {0};
    uint8_t weights[REF_LANES];
    int8_t tokens[REF_LANES];
    int64_t steps = multiply_adds / REF_LANES + 1;
    memset(weights, 3, sizeof weights);
    memset(tokens, 5, sizeof tokens);
    for (int64_t step = 0; step < steps; step++) {
        __asm__ volatile("" : "+m"(weights));
        for (int i = 0; i < REF_LANES; i++)
            sums[i] += weights[i] * tokens[i];
    }
    __asm__ volatile("" ::"m"(sums));
    return steps * REF_LANES;
}

static int64_t peak_of_level(int64_t multiply_adds)
{
#if defined(__x86_64__)
    const char *level = kernels_get()->level;
    if (strcmp(level, "avx512") == 0)
        return bench_peak_avx512(multiply_adds);
    if (strcmp(level, "avxvnni") == 0)
        return bench_peak_avxvnni(multiply_adds);
    if (strcmp(level, "avxvnni") == 0)
        return bench_peak_avxvnni(multiply_adds);
    if (strcmp(level, "avx2") == 0)
        return bench_peak_avx2(multiply_adds);
#endif
    return bench_peak_ref(multiply_adds);
}

static void multiply_range(void *ctx, int64_t begin, int64_t end, int thread)
{
    int64_t *done = ctx;
    for (int64_t i = begin; i < end; i++)
        done[thread] += peak_of_level(PEAK_PIECE);
}

double bench_multiply_adds_per_s(struct pool *pool)
{
    int64_t done[POOL_THREADS_MAX] = {0}, sum = 0, start = clock_ns();
    pool_run(pool, (int64_t)PEAK_PIECES * pool_threads(pool), 1, multiply_range, done);
    double seconds = (double)(clock_ns() - start) / 1e9;
    for (int i = 0; i < POOL_THREADS_MAX; i++)
        sum += done[i];
    return (double)sum / seconds;
}
