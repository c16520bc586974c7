/* What the machine allows: a plain read loop over the very bytes that decoding reads, and the integer products that the
 * level in use can do. Both with the threads of the test. */
#include "base/clock.h"
#include "cli/bench/bench.h"
#include "kernels/peak.h"

#define READ_GRAIN (1 << 17)                      /* words of 8 bytes */
#define PEAK_PIECE ((int64_t)1 << 28)             /* multiply-adds: half a millisecond of AVX-512 */
#define PEAK_PIECES 16                            /* a thread */

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

static void multiply_range(void *ctx, int64_t begin, int64_t end, int thread)
{
    int64_t *done = ctx;
    for (int64_t i = begin; i < end; i++)
        done[thread] += kernels_peak(PEAK_PIECE);
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
