/* The compute pool. A job is a row of units (grains); every thread begins with a contiguous share of it, takes pieces
 * from its front, so that what it reads lies one behind the other, and then takes over half of what the slowest has
 * left. One word, the gate, says whether a job is open and how many workers are inside: a job is over when nothing is
 * left, the gate is shut and the last worker has gone. What the pieces compute, and that it does not depend on their
 * borders, is the callers' business; how many threads are worth using on a busy machine crowd.c's. */
#include "base/pool.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crowd.h"
#include "base/machine.h"

#define POOL_PIECES_PER_THREAD 16  /* of its share; the last ones even out threads of uneven speed */
#define POOL_SPIN_NS 40000         /* between the steps of a decode; longer than waking a parked thread */
#define POOL_SPINS_PER_CLOCK 32

/* The gate: the job's number, a bit while it is open, the workers inside. */
#define GATE_INSIDE 0x1ffu
#define GATE_OPEN 0x200u
#define GATE_JOB 0x400u

/* Units not yet taken: from the low half to before the high half. */
struct share {
    _Alignas(64) _Atomic uint64_t left;
};

struct pool {
    int threads;
    /* the job: changes only while the gate is shut and nobody inside */
    pool_fn *fn;
    void *ctx;
    int64_t n, grain, piece;
    struct share *shares; /* [threads] */
    pthread_t *handles;   /* [threads - 1] */
    struct crowd crowd;   /* the caller's */
    /* apart, so that polling one does not slow the other */
    _Alignas(64) _Atomic uint32_t gate;
    _Alignas(64) _Atomic uint32_t parked;
    _Atomic uint32_t active; /* threads below it take part in jobs */
    _Atomic uint32_t caller_parked;
    atomic_bool preempted; /* a worker that was waited for had been taken off its CPU */
    atomic_bool stop;
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

/* ---- shares ---- */

static uint64_t share_of(int64_t begin, int64_t end)
{
    return (uint64_t)begin | (uint64_t)end << 32;
}

static int64_t share_begin(uint64_t share)
{
    return (int64_t)(share & UINT32_MAX);
}

static int64_t share_end(uint64_t share)
{
    return (int64_t)(share >> 32);
}

static void run_units(const struct pool *p, int64_t begin, int64_t end, int thread)
{
    begin *= p->grain;
    end *= p->grain;
    p->fn(p->ctx, begin, end < p->n ? end : p->n, thread);
}

/* Take pieces from the front of one's own share until it is empty, smaller ones towards the end. */
static void work_share(struct pool *p, int thread)
{
    _Atomic uint64_t *left = &p->shares[thread].left;
    uint64_t now = atomic_load_explicit(left, memory_order_acquire);
    while (share_begin(now) < share_end(now)) {
        int64_t begin = share_begin(now), end = share_end(now), units = (end - begin + 3) / 4;
        int64_t to = begin + (units < p->piece ? units : p->piece);
        if (!atomic_compare_exchange_weak_explicit(left, &now, share_of(to, end), memory_order_acq_rel,
                                                   memory_order_acquire))
            continue;
        run_units(p, begin, to, thread);
        now = atomic_load_explicit(left, memory_order_acquire);
    }
}

/* Take over the back half of the largest share; false when none is left. */
static bool take_over(struct pool *p, int thread)
{
    for (;;) {
        uint64_t most = 0;
        int victim = -1;
        for (int i = 0; i < p->threads; i++) {
            uint64_t now = atomic_load_explicit(&p->shares[i].left, memory_order_acquire);
            int64_t units = share_end(now) - share_begin(now);
            if (units > 0 && (victim < 0 || units > share_end(most) - share_begin(most))) {
                victim = i;
                most = now;
            }
        }
        if (victim < 0)
            return false;
        int64_t begin = share_begin(most), end = share_end(most), middle = begin + (end - begin) / 2;
        if (!atomic_compare_exchange_strong(&p->shares[victim].left, &most, share_of(begin, middle)))
            continue;
        /* one's own is empty, and nobody else touches an empty share */
        atomic_store_explicit(&p->shares[thread].left, share_of(middle, end), memory_order_release);
        return true;
    }
}

static void pool_work(struct pool *p, int thread)
{
    do
        work_share(p, thread);
    while (take_over(p, thread));
}

/* ---- the gate ---- */

/* A job is open that came after the one that `seen` was read from. */
static bool is_new_job(uint32_t gate, uint32_t seen)
{
    return (gate & GATE_OPEN) && (gate ^ seen) >= GATE_JOB;
}

/* Nothing keeps a worker from coming late: it goes in only while the job is open. */
static bool enter(struct pool *p, uint32_t gate)
{
    while (gate & GATE_OPEN)
        if (atomic_compare_exchange_weak(&p->gate, &gate, gate + 1))
            return true;
    return false;
}

/* A worker that comes last looks whether the system is why. */
static void explain_lateness(struct pool *p, long *preemptions)
{
    struct rusage used;
    if (!atomic_load_explicit(&p->caller_parked, memory_order_relaxed) || getrusage(RUSAGE_THREAD, &used) != 0)
        return;
    if (used.ru_nivcsw > *preemptions)
        atomic_store(&p->preempted, true);
    *preemptions = used.ru_nivcsw;
}

static void leave(struct pool *p)
{
    uint32_t before = atomic_fetch_sub(&p->gate, 1);
    if ((before & (GATE_OPEN | GATE_INSIDE)) == 1 && atomic_load(&p->caller_parked))
        futex_wake(&p->gate, INT_MAX);
}

/* A wait that polls; all zero at its start. */
struct spin {
    int polls;
    int64_t until_ns;
};

/* Between two polls; false when the spin time is over. */
static bool spin_on(struct spin *s)
{
    relax();
    if (++s->polls % POOL_SPINS_PER_CLOCK != 0)
        return true;
    int64_t now = clock_ns();
    if (s->until_ns == 0)
        s->until_ns = now + POOL_SPIN_NS;
    return now < s->until_ns;
}

/* Polls for a new job; false when the spin time is over. */
static bool spin_for_job(struct pool *p, uint32_t seen, uint32_t *ret_gate)
{
    struct spin spin = {0};
    while (!is_new_job(*ret_gate = atomic_load_explicit(&p->gate, memory_order_acquire), seen))
        if (!spin_on(&spin))
            return false;
    return true;
}

static uint32_t park_for_job(struct pool *p, uint32_t seen)
{
    uint32_t gate;
    atomic_fetch_add(&p->parked, 1);
    while (!is_new_job(gate = atomic_load(&p->gate), seen) && !atomic_load(&p->stop))
        futex_wait(&p->gate, gate);
    atomic_fetch_sub(&p->parked, 1);
    return gate;
}

/* Sleeps, apart from those that jobs wake, until this thread takes part. */
static void park_until_active(struct pool *p, int thread)
{
    uint32_t active;
    while ((active = atomic_load(&p->active)) <= (uint32_t)thread && !atomic_load(&p->stop))
        futex_wait(&p->active, active);
}

static void *pool_thread(void *arg)
{
    struct pool_worker worker = *(struct pool_worker *)arg;
    free(arg);
    struct pool *p = worker.pool;
    uint32_t seen = 0, gate;
    long preemptions = 0;
    while (!atomic_load_explicit(&p->stop, memory_order_acquire)) {
        park_until_active(p, worker.thread);
        if (!spin_for_job(p, seen, &gate))
            gate = park_for_job(p, seen);
        seen = gate;
        if (atomic_load(&p->active) <= (uint32_t)worker.thread || !enter(p, gate))
            continue;
        pool_work(p, worker.thread);
        explain_lateness(p, &preemptions);
        leave(p);
    }
    return NULL;
}

static void wake_parked(struct pool *p)
{
    if (atomic_load(&p->parked) > 0)
        futex_wake(&p->gate, INT_MAX);
}

/* Polls until nobody is inside; false when the spin time is over. */
static bool spin_for_workers(struct pool *p)
{
    struct spin spin = {0};
    while (atomic_load_explicit(&p->gate, memory_order_acquire) & GATE_INSIDE)
        if (!spin_on(&spin))
            return false;
    return true;
}

static void park_for_workers(struct pool *p)
{
    uint32_t gate;
    atomic_store(&p->caller_parked, 1);
    while ((gate = atomic_load(&p->gate)) & GATE_INSIDE)
        futex_wait(&p->gate, gate);
    atomic_store(&p->caller_parked, 0);
}

/* Shuts the gate and waits for those inside. */
static void finish(struct pool *p, int64_t began_ns)
{
    atomic_fetch_and(&p->gate, ~GATE_OPEN);
    if (spin_for_workers(p))
        return;
    int64_t waits_ns = clock_ns() - POOL_SPIN_NS;
    park_for_workers(p);
    if (!atomic_exchange(&p->preempted, false))
        return;
    int64_t now = clock_ns();
    crowd_late(&p->crowd, waits_ns - began_ns, now - waits_ns, now);
    atomic_store(&p->active, (uint32_t)p->crowd.active);
}

/* Units as large as the words of a share allow. */
static int64_t units_of(int64_t n, int64_t *grain)
{
    int64_t units = (n - 1) / *grain + 1, fold = (units - 1) / INT32_MAX + 1;
    *grain *= fold;
    return (n - 1) / *grain + 1;
}

/* Threads for the next job. */
static int muster(struct pool *p, int64_t now)
{
    if (crowd_grow(&p->crowd, now)) {
        atomic_store(&p->active, (uint32_t)p->crowd.active);
        futex_wake(&p->active, INT_MAX);
    }
    return p->crowd.active;
}

void pool_run(struct pool *p, int64_t n, int64_t grain, pool_fn *fn, void *ctx)
{
    if (n <= 0)
        return;
    if (grain < 1)
        grain = 1;
    int64_t units = units_of(n, &grain), now = clock_ns();
    int threads = units == 1 ? 1 : muster(p, now);
    if (threads == 1) {
        fn(ctx, 0, n, 0);
        return;
    }
    p->fn = fn;
    p->ctx = ctx;
    p->n = n;
    p->grain = grain;
    p->piece = (units - 1) / (threads * POOL_PIECES_PER_THREAD) + 1;
    for (int i = 0; i < threads; i++)
        atomic_store_explicit(&p->shares[i].left, share_of(units * i / threads, units * (i + 1) / threads),
                              memory_order_relaxed);
    uint32_t gate = atomic_load_explicit(&p->gate, memory_order_relaxed);
    atomic_store(&p->gate, gate + GATE_JOB + GATE_OPEN);
    wake_parked(p);
    pool_work(p, 0);
    finish(p, now);
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

static void pool_let_work(struct pool *p, int threads)
{
    p->crowd = crowd_of(threads);
    atomic_store(&p->active, (uint32_t)p->crowd.active);
    futex_wake(&p->active, INT_MAX);
}

bool pool_open(int threads, struct pool **ret_pool, struct err *err)
{
    struct machine machine;
    machine_read(&machine);
    int cpus = machine.cpus < POOL_THREADS_MAX ? machine.cpus : POOL_THREADS_MAX;
    if (threads == 0)
        threads = cpus;
    if (threads < 1 || threads > POOL_THREADS_MAX)
        return err_set(err, ERR_INVALID, "%d threads are not between 1 and %d", threads, POOL_THREADS_MAX);
    struct pool *p = aligned_alloc(_Alignof(struct pool), sizeof *p);
    pthread_t *handles = calloc((size_t)threads, sizeof *handles);
    struct share *shares = aligned_alloc(_Alignof(struct share), (size_t)threads * sizeof *shares);
    if (!p || !handles || !shares) {
        free(p);
        free(handles);
        free(shares);
        return err_nomem(err, "the compute pool");
    }
    *p = (struct pool){.threads = 1, .handles = handles, .shares = shares};
    for (int i = 0; i < threads; i++)
        atomic_init(&shares[i].left, share_of(0, 0));
    for (int i = 1; i < threads; i++) {
        if (!pool_start(p, i, err)) {
            pool_close(p);
            return false;
        }
        p->threads++;
    }
    /* Threads beyond the CPUs would only take these from each other: they sleep. */
    pool_let_work(p, threads < cpus ? threads : cpus);
    *ret_pool = p;
    return true;
}

void pool_use_all(struct pool *p)
{
    pool_let_work(p, p->threads);
}

void pool_close(struct pool *p)
{
    if (!p)
        return;
    atomic_store(&p->stop, true);
    /* nobody falls asleep over a word that changed */
    atomic_fetch_add(&p->gate, GATE_JOB);
    atomic_fetch_add(&p->active, 1);
    futex_wake(&p->gate, INT_MAX);
    futex_wake(&p->active, INT_MAX);
    for (int i = 1; i < p->threads; i++)
        pthread_join(p->handles[i - 1], NULL);
    free(p->handles);
    free(p->shares);
    free(p);
}

int pool_threads(const struct pool *p)
{
    return p->threads;
}
