/* How fast this machine reads memory: the best of a few passes of all threads over more bytes than any cache holds.
 * The limit of decoding, which reads every weight for every token. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/pool.h"
#include "cli/fit/fit.h"

#define READ_BYTES ((size_t)512 << 20)
#define READ_GRAIN ((int64_t)1 << 20)
#define PASSES 4
#define LINE 64

struct reading {
    const char *bytes;
    uint64_t sums[POOL_THREADS_MAX];
};

/* Four chains, so that adding does not hold up the loads. */
static void read_piece(void *ctx, int64_t begin, int64_t end, int thread)
{
    struct reading *r = ctx;
    const uint64_t *p = (const uint64_t *)(r->bytes + begin), *stop = (const uint64_t *)(r->bytes + end);
    uint64_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (; p < stop; p += LINE / sizeof *p) {
        s0 += p[0] ^ p[4];
        s1 += p[1] ^ p[5];
        s2 += p[2] ^ p[6];
        s3 += p[3] ^ p[7];
    }
    r->sums[thread] += s0 + s1 + s2 + s3;
}

double fit_measure_bandwidth(int threads)
{
    struct reading r = {0};
    struct pool *pool;
    double best = 0;
    void *bytes = mmap(NULL, READ_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED)
        return 0;
    madvise(bytes, READ_BYTES, MADV_HUGEPAGE);
    if (pool_open(threads, &pool, NULL)) {
        memset(bytes, 1, READ_BYTES);
        r.bytes = bytes;
        for (int pass = 0; pass < PASSES; pass++) {
            int64_t start = clock_ns();
            pool_run(pool, (int64_t)READ_BYTES, READ_GRAIN, read_piece, &r);
            double rate = (double)READ_BYTES / ((double)(clock_ns() - start) / 1e9);
            best = rate > best ? rate : best;
        }
        pool_close(pool);
    }
    munmap(bytes, READ_BYTES);
    return best;
}
