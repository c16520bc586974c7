/* The compute pool. A job is a number of pieces not yet handed out (`left`) and not yet finished (`open`). Whoever
 * lowers `left` owns a piece; the job's fields change only while `open` is 0, so a worker that comes late simply
 * takes a piece of the next job. What the pieces compute, and that it does not depend on their borders, is the
 * callers' business. */
#include "base/pool.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"

#define POOL_PIECES_PER_THREAD 4   /* evens out threads of uneven speed; each begins with a wait for memory */
#define POOL_SPIN_NS 40000         /* between the steps of a decode; longer than waking a parked thread */
#define POOL_SPINS_PER_CLOCK 32

struct pool {
    int threads;
    /* the job */
    pool_fn *fn;
    void *ctx;
    int64_t n, piece, pieces;
    /* shared counters, apart so that polling one does not slow the other */
    _Alignas(64) _Atomic uint32_t left;
    _Alignas(64) _Atomic uint32_t open;
    _Atomic uint32_t caller_parked;
    _Alignas(64) _Atomic uint32_t epoch; /* one more for every job, and for the end */
    _Atomic uint32_t parked;
    atomic_bool stop;
    pthread_t *handles; /* [threads - 1] */
};

struct pool_worker {
    struct pool *pool;
    int thread;
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void futex_wait(_Atomic uint32_t *word, uint32_t while_it_is)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, while_it_is, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word, int threads)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, threads, NULL, NULL, 0);
}

/* Poll until *word differs from `from`; false when the spin time is over. */
static bool spin_while(_Atomic uint32_t *word, uint32_t from)
{
    int64_t until = 0;
    for (;;) {
        for (int i = 0; i < POOL_SPINS_PER_CLOCK; i++) {
            if (atomic_load_explicit(word, memory_order_acquire) != from)
                return true;
            relax();
        }
        int64_t now = clock_ns();
        if (until == 0)
            until = now + POOL_SPIN_NS;
        else if (now >= until)
            return false;
    }
}

/* Take pieces until none is left. */
static void pool_work(struct pool *p, int thread)
{
    uint32_t left = atomic_load_explicit(&p->left, memory_order_acquire);
    while (left > 0) {
        if (!atomic_compare_exchange_weak_explicit(&p->left, &left, left - 1, memory_order_acq_rel,
                                                   memory_order_acquire))
            continue;
        int64_t begin = (p->pieces - left) * p->piece;
        int64_t end = p->n - begin < p->piece ? p->n : begin + p->piece;
        p->fn(p->ctx, begin, end, thread);
        if (atomic_fetch_sub(&p->open, 1) == 1 && atomic_load(&p->caller_parked))
            futex_wake(&p->open, 1);
        left = atomic_load_explicit(&p->left, memory_order_acquire);
    }
}

static void *pool_thread(void *arg)
{
    struct pool_worker worker = *(struct pool_worker *)arg;
    free(arg);
    struct pool *p = worker.pool;
    uint32_t seen = 0;
    while (!atomic_load_explicit(&p->stop, memory_order_acquire)) {
        pool_work(p, worker.thread);
        if (!spin_while(&p->epoch, seen)) {
            atomic_fetch_add(&p->parked, 1);
            while (atomic_load(&p->epoch) == seen)
                futex_wait(&p->epoch, seen);
            atomic_fetch_sub(&p->parked, 1);
        }
        seen = atomic_load_explicit(&p->epoch, memory_order_acquire);
    }
    return NULL;
}

static void pool_call(struct pool *p)
{
    atomic_fetch_add(&p->epoch, 1);
    if (atomic_load(&p->parked) > 0)
        futex_wake(&p->epoch, INT_MAX);
}

/* All pieces are handed out; wait for those still being worked on. */
static void pool_wait(struct pool *p)
{
    uint32_t open;
    while ((open = atomic_load_explicit(&p->open, memory_order_acquire)) != 0) {
        if (spin_while(&p->open, open))
            continue;
        atomic_store(&p->caller_parked, 1);
        while ((open = atomic_load(&p->open)) != 0)
            futex_wait(&p->open, open);
        atomic_store(&p->caller_parked, 0);
    }
}

void pool_run(struct pool *p, int64_t n, int64_t grain, pool_fn *fn, void *ctx)
{
    if (n <= 0)
        return;
    if (grain < 1)
        grain = 1;
    int64_t grains = (n - 1) / grain + 1;
    int64_t most = (int64_t)p->threads * POOL_PIECES_PER_THREAD;
    int64_t piece = grain * ((grains - 1) / most + 1);
    int64_t pieces = (n - 1) / piece + 1;
    if (p->threads == 1 || pieces == 1) {
        fn(ctx, 0, n, 0);
        return;
    }
    p->fn = fn;
    p->ctx = ctx;
    p->n = n;
    p->piece = piece;
    p->pieces = pieces;
    atomic_store_explicit(&p->open, (uint32_t)pieces, memory_order_relaxed);
    atomic_store_explicit(&p->left, (uint32_t)pieces, memory_order_release);
    pool_call(p);
    pool_work(p, 0);
    pool_wait(p);
}

static int cpus_of_process(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    long n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > POOL_THREADS_MAX ? POOL_THREADS_MAX : (int)n;
}

static bool pool_start(struct pool *p, int thread, struct err *err)
{
    struct pool_worker *worker = malloc(sizeof *worker);
    if (!worker)
        return err_nomem(err, "the compute pool");
    *worker = (struct pool_worker){p, thread};
    /* Signals belong to the main thread, but a fault (a shrunk file map) must reach its handler where it hits. */
    sigset_t most, before;
    sigfillset(&most);
    sigdelset(&most, SIGBUS);
    sigdelset(&most, SIGSEGV);
    sigdelset(&most, SIGFPE);
    sigdelset(&most, SIGILL);
    pthread_sigmask(SIG_SETMASK, &most, &before);
    int rc = pthread_create(&p->handles[thread - 1], NULL, pool_thread, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        free(worker);
        return err_set(err, ERR_IO, "cannot start compute thread %d: the system allows no more threads", thread + 1);
    }
    return true;
}

bool pool_open(int threads, struct pool **ret_pool, struct err *err)
{
    if (threads == 0)
        threads = cpus_of_process();
    if (threads < 1 || threads > POOL_THREADS_MAX)
        return err_set(err, ERR_INVALID, "%d threads are not between 1 and %d", threads, POOL_THREADS_MAX);
    struct pool *p = aligned_alloc(_Alignof(struct pool), sizeof *p);
    pthread_t *handles = calloc((size_t)threads, sizeof *handles);
    if (!p || !handles) {
        free(p);
        free(handles);
        return err_nomem(err, "the compute pool");
    }
    *p = (struct pool){.threads = 1, .handles = handles};
    for (int i = 1; i < threads; i++) {
        if (!pool_start(p, i, err)) {
            pool_close(p);
            return false;
        }
        p->threads++;
    }
    *ret_pool = p;
    return true;
}

void pool_close(struct pool *p)
{
    if (!p)
        return;
    atomic_store_explicit(&p->stop, true, memory_order_release);
    pool_call(p);
    for (int i = 1; i < p->threads; i++)
        pthread_join(p->handles[i - 1], NULL);
    free(p->handles);
    free(p);
}

int pool_threads(const struct pool *p)
{
    return p->threads;
}
