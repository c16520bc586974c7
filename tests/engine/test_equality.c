/* One arithmetic: the same session gives the same bits whatever the threads, the cuts, the company, the history of its
 * pages and the level of the CPU. Every comparison is a memcmp of the logits after every token. */
#include "tests/engine/support_engine.h"

#define TOKENS 150       /* into the third page */
#define CONTEXT 200
#define COMPANY 7

static const char *model;         /* the file that the tests run over */
static enum tensor_type kv_type = TENSOR_F16;   /* and what its caches hold */

struct expected {
    struct rig rig;                /* one thread */
    int32_t ids[TOKENS];
    float *logits;                 /* [TOKENS, n_vocab]: one step, alone */
};

static int set_up(void **state)
{
    struct expected *x = calloc(1, sizeof *x);
    rig_open(&x->rig, model, 1);
    random_ids(11, x->rig.n_vocab, x->ids, TOKENS);
    x->logits = alloc_floats(TOKENS * x->rig.n_vocab);
    struct session *s = rig_session(&x->rig, CONTEXT, kv_type);
    run_tokens(&x->rig, s, x->ids, TOKENS, x->logits);
    session_close(s);
    *state = x;
    return 0;
}

static int tear_down(void **state)
{
    struct expected *x = *state;
    rig_close(&x->rig);
    free(x->logits);
    free(x);
    return 0;
}

/* Runs ids [from, to) in steps of at most `most` tokens (0: cuts drawn from the seed) and compares every row. */
static void continue_in_cuts(const struct expected *x, const struct rig *rig, struct session *s, int from, int to,
                             int most, uint64_t seed)
{
    float *logits = alloc_floats((to - from) * rig->n_vocab);
    for (int at = from; at < to;) {
        int n = most > 0 ? most : 1 + random_below(seed, (uint64_t)at, 40);
        n = n < to - at ? n : to - at;
        run_tokens(rig, s, x->ids + at, n, logits + (at - from) * rig->n_vocab);
        at += n;
    }
    assert_same_floats(logits, x->logits + from * rig->n_vocab, (to - from) * rig->n_vocab);
    free(logits);
}

static void test_threads_do_not_change_a_bit(void **state)
{
    const struct expected *x = *state;
    for (int threads = 2; threads <= 5; threads++) {
        struct rig rig;
        rig_open(&rig, model, threads);
        struct session *s = rig_session(&rig, CONTEXT, kv_type);
        continue_in_cuts(x, &rig, s, 0, TOKENS, TOKENS, 0);
        session_close(s);
        rig_close(&rig);
    }
}

static void test_cuts_do_not_change_a_bit(void **state)
{
    const struct expected *x = *state;
    static const int cuts[] = {1, 2, 5, 63, 64, 65, 0, 0, 0};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        struct session *s = rig_session(&x->rig, CONTEXT, kv_type);
        continue_in_cuts(x, &x->rig, s, 0, TOKENS, cuts[i], 100 + i);
        session_close(s);
    }
}

/* One step of the session under test at a random place among others, each with tokens of its own. */
static void step_in_company(const struct expected *x, const struct rig *rig, struct session *s, struct session **others,
                            int at, int n, uint64_t seed, float *logits)
{
    struct err err = ERR_INIT;
    struct step_item items[COMPANY + 1];
    struct want wants[TOKENS], noise = {.kind = WANT_SAMPLE};
    struct token_record record;
    struct sampler sampler = {.temperature = 1, .top_p = 0.9f, .repetition_penalty = 1, .seed = seed};
    int32_t ids[COMPANY + 1][32];
    int mine = random_below(seed, 1, COMPANY + 1);
    noise.sample.sampler = &sampler;
    noise.sample.ret = &record;
    for (int i = 0, other = 0; i <= COMPANY; i++) {
        int others_n = 1 + random_below(seed, 2 + (uint64_t)i, 12);
        random_ids(seed + 50 + (uint64_t)i, rig->n_vocab, ids[i], others_n);
        if (i != mine)
            items[i] = (struct step_item){others[other++], ids[i], others_n, &noise, i % 2};
    }
    for (int i = 0; i < n; i++)
        wants[i] = (struct want){.kind = WANT_LOGITS, .at = i, .ret_logits = logits + i * rig->n_vocab};
    items[mine] = (struct step_item){s, x->ids + at, n, wants, n};
    assert_ok(engine_step(rig->e, items, COMPANY + 1, &err), err);
}

static void test_company_does_not_change_a_bit(void **state)
{
    const struct expected *x = *state;
    struct rig rig;
    rig_open(&rig, model, 2);
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct session *s = rig_session(&rig, CONTEXT, kv_type), *others[COMPANY];
        float *logits = alloc_floats(TOKENS * rig.n_vocab);
        for (int i = 0; i < COMPANY; i++)
            others[i] = rig_session(&rig, 4096, i % 3 ? TENSOR_F16 : TENSOR_F32);
        for (int at = 0, n; at < TOKENS; at += n) {
            n = 1 + random_below(seed, 1000 + (uint64_t)at, 9);
            n = n < TOKENS - at ? n : TOKENS - at;
            step_in_company(x, &rig, s, others, at, n, seed * 1000 + (uint64_t)at, logits + at * rig.n_vocab);
        }
        assert_same_floats(logits, x->logits, TOKENS * rig.n_vocab);
        for (int i = 0; i < COMPANY; i++)
            session_close(others[i]);
        session_close(s);
        free(logits);
    }
    rig_close(&rig);
}

static void test_fork_continues_with_the_same_bits_on_both_sides(void **state)
{
    const struct expected *x = *state;
    static const int places[] = {1, 64, 70, 128, 149};
    struct err err = ERR_INIT;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        int32_t strange[40];
        struct session *s = rig_session(&x->rig, CONTEXT, kv_type), *fork, *stray;
        random_ids(77, x->rig.n_vocab, strange, 40);
        run_tokens(&x->rig, s, x->ids, places[i], NULL);
        assert_ok(session_fork(s, &fork, &err), err);
        assert_ok(session_fork(s, &stray, &err), err);
        run_tokens(&x->rig, stray, strange, 40, NULL);   /* writes over what it shares, were it not copied */
        continue_in_cuts(x, &x->rig, fork, places[i], TOKENS, 0, 5);
        continue_in_cuts(x, &x->rig, s, places[i], TOKENS, 0, 6);
        session_close(s);
        session_close(stray);
        session_close(fork);
    }
}

static void test_truncate_forgets_what_came_after(void **state)
{
    const struct expected *x = *state;
    static const int places[] = {0, 1, 63, 64, 65, 120};
    struct err err = ERR_INIT;
    int32_t strange[60];
    random_ids(78, x->rig.n_vocab, strange, 60);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct session *s = rig_session(&x->rig, CONTEXT, kv_type);
        if (places[i] > 0)
            run_tokens(&x->rig, s, x->ids, places[i], NULL);
        run_tokens(&x->rig, s, strange, 60, NULL);
        assert_ok(session_truncate(s, places[i], &err), err);
        assert_int_equal(session_length(s), places[i]);
        continue_in_cuts(x, &x->rig, s, places[i], TOKENS, 0, 9);
        session_close(s);
    }
}

static void test_snapshot_restores_the_same_bits(void **state)
{
    const struct expected *x = *state;
    static const int places[] = {1, 64, 100, 128};
    struct err err = ERR_INIT;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct buf bytes = BUF_INIT(64 << 20), again = BUF_INIT(64 << 20);
        struct session *s = rig_session(&x->rig, CONTEXT, kv_type),
                       *back = rig_session(&x->rig, CONTEXT, kv_type);
        run_tokens(&x->rig, s, x->ids, places[i], NULL);
        assert_ok(session_snapshot(s, &bytes, &err), err);
        session_close(s);
        assert_ok(session_restore(back, buf_view(&bytes), &err), err);
        assert_ok(session_snapshot(back, &again, &err), err);
        assert_int_equal(bytes.n, again.n);
        assert_memory_equal(bytes.p, again.p, bytes.n);
        continue_in_cuts(x, &x->rig, back, places[i], TOKENS, 0, 12);
        session_close(back);
        buf_free(&bytes);
        buf_free(&again);
    }
}

/* A file in each mixture of types, so that every format of activations and every kernel is crossed. */
static void check_levels(const char *path, int n)
{
    static const char *const names[] = {"ref", "avx2", "avxvnni", "avx512"};
    struct rig rig;
    struct err err = ERR_INIT;
    int32_t ids[TOKENS];
    rig_open(&rig, path, 2);
    random_ids(21, rig.n_vocab, ids, n);
    float *first = alloc_floats(n * rig.n_vocab), *logits = alloc_floats(n * rig.n_vocab);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        for (int one_by_one = 0; one_by_one < 2; one_by_one++) {
            if (!kernels_level(names[i], &rig.e->k, &err))
                continue;
            struct session *s = rig_session(&rig, CONTEXT, kv_type);
            for (int at = 0, step = one_by_one ? 1 : n; at < n; at += step)
                run_tokens(&rig, s, ids + at, step, logits + at * rig.n_vocab);
            if (i == 0 && !one_by_one)
                memcpy(first, logits, (size_t)(n * rig.n_vocab) * sizeof *first);
            assert_same_floats(logits, first, n * rig.n_vocab);
            session_close(s);
        }
    }
    free(first);
    free(logits);
    rig_close(&rig);
}

static void test_cpu_levels_do_not_change_a_bit(void **state)
{
    (void)state;
    check_levels(model, TOKENS);
}

static void test_cpu_levels_do_not_change_a_bit_in_any_type(void **state)
{
    static const char *const types[] = {"F16",    "BF16",   "Q2_K",   "Q3_K_M", "Q4_0", "Q4_1",   "Q4_K_M",
                                        "Q4_K_S", "Q5_0",   "Q5_1",   "Q5_K_M", "Q6_K", "IQ4_NL", "IQ4_XS"};
    SKIP_WITHOUT_SHARED(folder, "vectors/quant")
    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        char path[4200];
        snprintf(path, sizeof path, "%s/qwen3-%s.gguf", folder, types[i]);
        check_levels(path, 80);
    }
}

static void test_samples_do_not_depend_on_company_or_cuts(void **state)
{
    const struct expected *x = *state;
    struct sampler sampler = {.temperature = 0.8f, .top_k = 50, .top_p = 0.95f, .min_p = 0.01f, .repetition_penalty = 1,
                              .seed = 42};
    struct token_record records[2];
    struct err err = ERR_INIT;
    struct rig rig;
    rig_open(&rig, model, 2);
    for (int way = 0; way < 2; way++) {
        struct session *s = rig_session(&rig, CONTEXT, kv_type), *other = rig_session(&rig, CONTEXT, kv_type);
        struct want want = {.kind = WANT_SAMPLE, .at = way ? 0 : 99};
        want.sample.sampler = &sampler;
        want.sample.ret = &records[way];
        memset(&records[way], 0, sizeof records[way]);
        if (way == 1)
            run_tokens(&rig, s, x->ids, 99, NULL);
        struct step_item items[] = {{other, x->ids + 7, 5, NULL, 0},
                                    {s, x->ids + (way ? 99 : 0), way ? 1 : 100, &want, 1}};
        assert_ok(engine_step(rig.e, items + !way, 1 + way, &err), err);
        session_close(s);
        session_close(other);
    }
    assert_memory_equal(&records[0], &records[1], sizeof records[0]);
    rig_close(&rig);
}

static int check_model(const char *name, const char *path)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_do_not_change_a_bit),
        cmocka_unit_test(test_cuts_do_not_change_a_bit),
        cmocka_unit_test(test_company_does_not_change_a_bit),
        cmocka_unit_test(test_fork_continues_with_the_same_bits_on_both_sides),
        cmocka_unit_test(test_truncate_forgets_what_came_after),
        cmocka_unit_test(test_snapshot_restores_the_same_bits),
        cmocka_unit_test(test_cpu_levels_do_not_change_a_bit),
        cmocka_unit_test(test_samples_do_not_depend_on_company_or_cuts),
    };
    model = path;
    return cmocka_run_group_tests_name(name, tests, set_up, tear_down);
}

/* The tiny models of the shared vectors too, where they are. */
static int check_vectors(void)
{
    const char *folder = shared_path("vectors/arch");
    int failed = 0;
    for (int i = 0; folder && arch_at(i); i++) {
        char path[4200];
        snprintf(path, sizeof path, "%s/%s.gguf", folder, arch_at(i)->name);
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_cpu_levels_do_not_change_a_bit)};
        model = path;
        failed += cmocka_run_group_tests_name(path, tests, NULL, NULL);
    }
    if (!folder)
        print_message("skip the vectors: no shared/vectors/arch here\n");
    return failed;
}

int main(void)
{
    const struct CMUnitTest types[] = {cmocka_unit_test(test_cpu_levels_do_not_change_a_bit_in_any_type)};
    static const struct {
        const char *name, *arch;
        enum quantize_mix mix;
    } mixed[] = {
        {"qwen3moe in Q4_K_M", "qwen3moe", MIX_Q4_K_M}, {"qwen3moe in Q8_0", "qwen3moe", MIX_Q8_0},
        {"gpt-oss in MXFP4", "gpt-oss", MIX_MXFP4}, {"phi3 in Q5_K_M", "phi3", MIX_Q5_K_M},
    };
    int failed = check_model("starter", STARTER);
    kv_type = TENSOR_Q8_0;
    failed += check_model("starter with a cache of Q8_0", STARTER);
    kv_type = TENSOR_F16;
    for (int i = 0; i < TINIES; i++) {
        const char *path = tiny_write(&tinies[i], NULL);
        failed += check_model(tinies[i].arch, path);
        unlink(path);
    }
    for (size_t i = 0; i < sizeof mixed / sizeof mixed[0]; i++) {
        const char *path = tiny_write_quantised(mixed[i].arch, mixed[i].mix);
        failed += check_model(mixed[i].name, path);
        unlink(path);
    }
    failed += check_vectors();
    return failed + cmocka_run_group_tests(types, NULL, NULL);
}
