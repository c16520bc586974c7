/* Pool, queue and random numbers: every unit of work is done once, nothing is lost between threads, an idle pool
 * sleeps. */
#include "../support.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "base/pool.h"
#include "base/queue.h"
#include "base/rng.h"

#define UNITS 1000

struct tally {
    _Atomic int times[UNITS];
    int64_t n, grain;
    int threads;
    atomic_bool bad_piece;
};

static void tally_piece(void *ctx, int64_t begin, int64_t end, int thread)
{
    struct tally *t = ctx;
    bool good = begin >= 0 && begin < end && end <= t->n && begin % t->grain == 0 && thread >= 0 && thread < t->threads &&
                (end == t->n || end % t->grain == 0);
    if (!good)
        atomic_store(&t->bad_piece, true);
    for (int64_t i = begin; good && i < end; i++)
        atomic_fetch_add(&t->times[i], 1);
}

static void test_pool_does_every_unit_once_for_all_sizes(void **state)
{
    (void)state;
    static const int64_t sizes[] = {0, 1, 2, 3, 7, 64, 255, 999, 1000};
    static const int64_t grains[] = {1, 2, 3, 16, 64, 999, 1000, 5000};
    static struct tally t;
    for (int threads = 1; threads <= 3; threads++) {
        struct err err = ERR_INIT;
        struct pool *pool = NULL;
        assert_ok(pool_open(threads, &pool, &err), err);
        assert_int_equal(pool_threads(pool), threads);
        pool_use_all(pool);
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
            for (size_t g = 0; g < sizeof grains / sizeof *grains; g++) {
                memset(&t, 0, sizeof t);
                t.n = sizes[s];
                t.grain = grains[g];
                t.threads = threads;
                pool_run(pool, t.n, t.grain, tally_piece, &t);
                assert_false(t.bad_piece);
                for (int64_t i = 0; i < UNITS; i++)
                    assert_int_equal(t.times[i], i < t.n ? 1 : 0);
            }
        pool_close(pool);
    }
}

static void test_pool_survives_many_short_jobs_and_parking_between(void **state)
{
    (void)state;
    static struct tally t;
    struct err err = ERR_INIT;
    struct pool *pool = NULL;
    assert_ok(pool_open(3, &pool, &err), err);
    t.n = 48;
    t.grain = 1;
    t.threads = 3;
    for (int i = 0; i < 3000; i++) {
        pool_run(pool, t.n, t.grain, tally_piece, &t);
        if (i % 100 == 99)
            usleep(300); /* longer than the spin: the workers are parked now */
    }
    for (int64_t i = 0; i < t.n; i++)
        assert_int_equal(t.times[i], 3000);
    pool_close(pool);
}

struct delay {
    _Atomic int64_t done;
    int64_t n;
    atomic_bool in_vain;
};

/* The piece that holds unit 0 waits for all others. */
static void delay_piece(void *ctx, int64_t begin, int64_t end, int thread)
{
    struct delay *d = ctx;
    (void)thread;
    for (int i = 0; begin == 0 && atomic_load(&d->done) < d->n - end; i++) {
        usleep(100);
        if (i == 100000) {
            atomic_store(&d->in_vain, true);
            break;
        }
    }
    atomic_fetch_add(&d->done, end - begin);
}

static void test_pool_takes_over_the_share_of_a_thread_that_hangs(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct pool *pool = NULL;
    assert_ok(pool_open(3, &pool, &err), err);
    for (int64_t n = 2; n <= 2000; n *= 10) {
        struct delay d = {.n = n};
        pool_run(pool, n, 1, delay_piece, &d);
        assert_false(d.in_vain);
        assert_int_equal(d.done, n);
    }
    pool_close(pool);
}

static void one_thread_piece(void *ctx, int64_t begin, int64_t end, int thread)
{
    _Atomic int64_t *units = ctx;
    if (thread == 0)
        atomic_fetch_add(units, end - begin);
}

static void test_pool_uses_no_more_threads_than_there_are_cpus(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct pool *pool = NULL;
    _Atomic int64_t units = 0;
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    for (int cpu = 0; CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_ok(pool_open(8, &pool, &err), err);
    assert_int_equal(pool_threads(pool), 8);
    pool_run(pool, UNITS, 1, one_thread_piece, &units);
    assert_int_equal(units, UNITS);
    pool_close(pool);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

static int64_t cpu_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void test_pool_uses_no_cpu_when_idle(void **state)
{
    (void)state;
    static struct tally t;
    struct err err = ERR_INIT;
    struct pool *pool = NULL;
    assert_ok(pool_open(3, &pool, &err), err);
    t.n = UNITS;
    t.grain = 1;
    t.threads = 3;
    pool_run(pool, t.n, t.grain, tally_piece, &t);
    usleep(50000);
    int64_t before = cpu_ns();
    usleep(200000);
    assert_true(cpu_ns() - before < 20000000);
    pool_close(pool);
}

static void test_pool_refuses_absurd_thread_counts(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct pool *pool = NULL;
    assert_false(pool_open(-1, &pool, &err));
    assert_false(pool_open(100000, &pool, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_null(pool);
    assert_ok(pool_open(0, &pool, &err), err);
    assert_true(pool_threads(pool) >= 1);
    pool_close(pool);
}

static void test_queue_is_bounded_and_in_order(void **state)
{
    (void)state;
    int items[4];
    struct err err = ERR_INIT;
    struct queue *q = NULL;
    assert_false(queue_open(0, &q, &err));
    assert_ok(queue_open(3, &q, &err), err);
    assert_null(queue_pop(q, 0));
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 3; i++)
            assert_true(queue_push(q, &items[i]));
        assert_false(queue_push(q, &items[3]));
        for (int i = 0; i < 3; i++)
            assert_ptr_equal(queue_pop(q, 0), &items[i]);
    }
    assert_true(queue_push(q, &items[0]));
    queue_shut(q);
    assert_false(queue_push(q, &items[1]));
    assert_ptr_equal(queue_pop(q, -1), &items[0]);
    assert_null(queue_pop(q, -1));
    queue_close(q);
}

static void test_queue_pop_gives_up_in_time(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct queue *q = NULL;
    assert_ok(queue_open(1, &q, &err), err);
    assert_null(queue_pop(q, 5));
    queue_close(q);
}

enum { ITEMS = 20000, CONSUMERS = 3 };
static _Atomic int popped[ITEMS];
static int numbers[ITEMS];

static void *consume(void *arg)
{
    int *item;
    while ((item = queue_pop(arg, -1)))
        atomic_fetch_add(&popped[item - numbers], 1);
    return NULL;
}

static void test_queue_hands_each_item_to_one_thread(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct queue *q = NULL;
    pthread_t threads[CONSUMERS];
    assert_ok(queue_open(16, &q, &err), err);
    for (int i = 0; i < CONSUMERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, consume, q), 0);
    for (int i = 0; i < ITEMS; i++)
        while (!queue_push(q, &numbers[i]))
            usleep(10);
    queue_shut(q);
    for (int i = 0; i < CONSUMERS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < ITEMS; i++)
        assert_int_equal(popped[i], 1);
    queue_close(q);
}

/* The known answers of the authors' own distribution (kat_vectors). */
static void test_rng_gives_the_published_philox_vectors(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t out[4];
        rng_philox(known[i].counter, known[i].key, out);
        assert_memory_equal(out, known[i].out, sizeof out);
    }
    assert_true(rng_u64(0, 0, 0) == 0xe169c58d6627e8d5u);
}

static void test_rng_unit_is_even_and_below_one(void **state)
{
    (void)state;
    double sum = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        double u = rng_unit(42, 1, i);
        assert_true(u >= 0 && u < 1);
        sum += u;
    }
    assert_true(sum > 49500 && sum < 50500);
    assert_true(rng_u64(42, 1, 7) != rng_u64(42, 2, 7));
    assert_true(rng_u64(42, 1, 7) != rng_u64(43, 1, 7));
    assert_true(rng_u64(42, 1, 7) != rng_u64(42, 1, 7 + ((uint64_t)1 << 32)));
    assert_true(rng_entropy() != rng_entropy());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool_does_every_unit_once_for_all_sizes),
        cmocka_unit_test(test_pool_survives_many_short_jobs_and_parking_between),
        cmocka_unit_test(test_pool_takes_over_the_share_of_a_thread_that_hangs),
        cmocka_unit_test(test_pool_uses_no_more_threads_than_there_are_cpus),
        cmocka_unit_test(test_pool_uses_no_cpu_when_idle),
        cmocka_unit_test(test_pool_refuses_absurd_thread_counts),
        cmocka_unit_test(test_queue_is_bounded_and_in_order),
        cmocka_unit_test(test_queue_pop_gives_up_in_time),
        cmocka_unit_test(test_queue_hands_each_item_to_one_thread),
        cmocka_unit_test(test_rng_gives_the_published_philox_vectors),
        cmocka_unit_test(test_rng_unit_is_even_and_below_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
