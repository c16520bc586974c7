/* The compute pool: as many threads as asked for, the caller being one of them. pool_run splits [0, n) and returns
 * when all of it is done. Workers spin briefly between jobs, then park: an idle pool uses no CPU. Threads beyond the
 * CPUs of the process sleep, and so does, for a while, one that a busy machine keeps off its CPU; which threads take
 * part never changes a result. Not re-entrant; one caller at a time. */
#ifndef RUNG_BASE_POOL_H
#define RUNG_BASE_POOL_H

#include "base/err.h"

#define POOL_THREADS_MAX 256

struct pool;
/* [begin, end) of the work, on worker `thread` (0 .. threads-1). */
typedef void pool_fn(void *ctx, int64_t begin, int64_t end, int thread);

bool pool_open(int threads, struct pool **ret_pool, struct err *err);  /* threads 0: one per CPU of this process */
void pool_close(struct pool *p);
int pool_threads(const struct pool *p);
/* Lets those beyond the CPUs work too. Slower: for proofs that results do not depend on how many take part. */
void pool_use_all(struct pool *p);
/* Split n units into pieces that are multiples of `grain` (the last may be shorter). Each thread begins with a
 * contiguous share and goes through it in order; one that is done takes over from the slowest. */
void pool_run(struct pool *p, int64_t n, int64_t grain, pool_fn *fn, void *ctx);

#endif
