/* A step allocates nothing once its sizes have been seen: every allocation of the program is counted. */
#include <stdatomic.h>

#include "tests/engine/support_engine.h"

#define WARM_STEPS 3
#define STEPS 20        /* all in a session's first page of keys and values */
#define STREAMS 3

static _Atomic long allocations;

/* The sanitizers bring an allocator of their own, which must stay. */
#if defined(__SANITIZE_ADDRESS__)
#define COUNTS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COUNTS 0
#endif
#endif
#ifndef COUNTS
#define COUNTS 1
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t alignment, size_t n);

void *malloc(size_t n)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_realloc(p, n);
}

void *aligned_alloc(size_t alignment, size_t n)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_memalign(alignment, n);
}
#endif

/* One token of each session, sampled in three ways. */
static void step(const struct rig *rig, struct session **sessions, int streams, int32_t id)
{
    static const struct sampler samplers[STREAMS] = {
        {.top_p = 1, .repetition_penalty = 1},
        {.temperature = 1, .top_p = 0.9f, .top_k = 5, .repetition_penalty = 1},
        {.temperature = 1, .top_p = 1, .repetition_penalty = 1},
    };
    struct step_item items[STREAMS];
    struct want wants[STREAMS];
    struct token_record records[STREAMS];
    struct err err = ERR_INIT;
    for (int i = 0; i < streams; i++) {
        wants[i] = (struct want){.kind = WANT_SAMPLE, .sample = {.sampler = &samplers[i], .ret = &records[i]}};
        items[i] = (struct step_item){sessions[i], &id, 1, &wants[i], 1};
    }
    assert_ok(engine_step(rig->e, items, streams, &err), err);
}

static void check(const char *path)
{
    struct rig rig;
    rig_open(&rig, path, 2);
    for (int streams = 1; streams <= STREAMS; streams++) {
        struct session *sessions[STREAMS];
        for (int i = 0; i < streams; i++)
            sessions[i] = rig_session(&rig, 64, TENSOR_F16);
        for (int i = 0; i < WARM_STEPS; i++)
            step(&rig, sessions, streams, i);
        long before = allocations;
        for (int i = 0; i < STEPS; i++)
            step(&rig, sessions, streams, i);
        assert_int_equal(allocations - before, 0);
        for (int i = 0; i < streams; i++)
            session_close(sessions[i]);
    }
    rig_close(&rig);
}

static void test_decode_allocates_nothing(void **state)
{
    (void)state;
    if (!COUNTS) {
        print_message("skip: the sanitizer's allocator cannot be counted\n");
        skip();
    }
    long before = allocations;
    check(STARTER);
    assert_true(allocations > before);   /* they are counted */
    for (int i = 0; i < TINIES; i++) {
        const char *path = tiny_write(&tinies[i], NULL);
        check(path);
        unlink(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_decode_allocates_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
