/* Layers with a sliding window keep what their window reaches and give the rest back: pages are few however long the
 * session, results stay the same bits, and a session goes back only to where its windows still reach. */
#include "tests/engine/support_engine.h"

#define TOKENS 700
#define CONTEXT 800

struct scene {
    struct rig rig;
    int32_t ids[TOKENS];
    float *logits;                 /* [TOKENS, n_vocab], in two steps */
};

static int set_up(void **state)
{
    struct scene *x = calloc(1, sizeof *x);
    const char *path = tiny_write(tiny_of("gemma3"), NULL);
    rig_open(&x->rig, path, 2);
    unlink(path);
    random_ids(31, x->rig.n_vocab, x->ids, TOKENS);
    x->logits = alloc_floats(TOKENS * x->rig.n_vocab);
    struct session *s = rig_session(&x->rig, CONTEXT, TENSOR_F16);
    run_tokens(&x->rig, s, x->ids, 350, x->logits);
    run_tokens(&x->rig, s, x->ids + 350, TOKENS - 350, x->logits + 350 * x->rig.n_vocab);
    session_close(s);
    *state = x;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *x = *state;
    rig_close(&x->rig);
    free(x->logits);
    free(x);
    return 0;
}

static const struct layer_group *group_of_kind(const struct session *s, enum state_kind kind)
{
    for (int i = 0; i < s->engine->n_groups; i++)
        if (s->engine->groups[i].kind == kind)
            return &s->groups[i];
    fail_msg("no group of kind %d", (int)kind);
    return NULL;
}

static int64_t pages_held(const struct layer_group *group)
{
    return group->n_pages - group->first_page;
}

/* Tokens [from, to) in steps of `most`; every row as it was in two steps. */
static void continue_in_steps(const struct scene *x, struct session *s, int from, int to, int most)
{
    float *logits = alloc_floats((to - from) * x->rig.n_vocab);
    for (int at = from, n; at < to; at += n) {
        n = to - at < most ? to - at : most;
        run_tokens(&x->rig, s, x->ids + at, n, logits + (at - from) * x->rig.n_vocab);
    }
    assert_same_floats(logits, x->logits + from * x->rig.n_vocab, (to - from) * x->rig.n_vocab);
    free(logits);
}

static void test_pages_behind_the_window_are_given_back(void **state)
{
    const struct scene *x = *state;
    struct session *s = rig_session(&x->rig, CONTEXT, TENSOR_F16), *other = rig_session(&x->rig, CONTEXT, TENSOR_F16);
    int64_t most = (tiny_of("gemma3")->window + ENGINE_WINDOW_SLACK) / KV_PAGE + 2;
    for (int at = 0; at < TOKENS; at += 50) {
        continue_in_steps(x, s, at, at + 50, 50);
        run_tokens(&x->rig, other, x->ids + at, 50, NULL);   /* takes the pages that the first one gave back */
        assert_true(pages_held(group_of_kind(s, STATE_WINDOW)) <= most);
    }
    assert_int_equal(pages_held(group_of_kind(s, STATE_FULL)), (TOKENS + KV_PAGE - 1) / KV_PAGE);
    session_close(s);
    session_close(other);
}

static void test_cuts_do_not_change_a_bit_past_the_window(void **state)
{
    const struct scene *x = *state;
    static const int steps[] = {1, 63, 64, 65, 200};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct session *s = rig_session(&x->rig, CONTEXT, TENSOR_F16);
        continue_in_steps(x, s, 0, TOKENS, steps[i]);
        session_close(s);
    }
}

static void test_truncation_reaches_as_far_as_promised(void **state)
{
    const struct scene *x = *state;
    static const int backs[] = {1, 64, 100, ENGINE_WINDOW_SLACK};
    struct err err = ERR_INIT;
    for (size_t i = 0; i < sizeof backs / sizeof backs[0]; i++) {
        struct session *s = rig_session(&x->rig, CONTEXT, TENSOR_F16);
        int to = 650 - backs[i];
        continue_in_steps(x, s, 0, 650, 130);
        assert_true(session_can_truncate(s, to));
        assert_ok(session_truncate(s, to, &err), err);
        continue_in_steps(x, s, to, TOKENS, 90);
        session_close(s);
    }
}

static void test_truncation_past_the_window_is_refused_and_changes_nothing(void **state)
{
    const struct scene *x = *state;
    struct err err = ERR_INIT;
    struct session *s = rig_session(&x->rig, CONTEXT, TENSOR_F16);
    continue_in_steps(x, s, 0, 650, 130);
    assert_false(session_can_truncate(s, 200));
    assert_false(session_truncate(s, 200, &err));
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "window"));
    assert_int_equal(session_length(s), 650);
    continue_in_steps(x, s, 650, 660, 10);
    assert_ok(session_truncate(s, 0, &err), err);
    continue_in_steps(x, s, 0, TOKENS, 350);
    session_close(s);
}

static void test_fork_past_the_window_goes_on_by_itself(void **state)
{
    const struct scene *x = *state;
    struct err err = ERR_INIT;
    struct session *s = rig_session(&x->rig, CONTEXT, TENSOR_F16), *fork;
    continue_in_steps(x, s, 0, 500, 125);
    assert_ok(session_fork(s, &fork, &err), err);
    continue_in_steps(x, s, 500, TOKENS, 50);
    session_close(s);
    continue_in_steps(x, fork, 500, TOKENS, 7);
    session_close(fork);
}

static void test_snapshot_holds_the_window_only(void **state)
{
    const struct scene *x = *state;
    const struct tiny *t = tiny_of("gemma3");
    struct err err = ERR_INIT;
    struct buf bytes = BUF_INIT(64 << 20);
    struct session *s = rig_session(&x->rig, CONTEXT, TENSOR_F16), *back = rig_session(&x->rig, CONTEXT, TENSOR_F16);
    continue_in_steps(x, s, 0, 500, 125);
    assert_ok(session_snapshot(s, &bytes, &err), err);
    int64_t layer = 2 * 2 * t->n_kv_head * t->head_dim;   /* bytes a position */
    int64_t windowed = (500 + 1 - t->window) / KV_PAGE * KV_PAGE;
    assert_in_range(bytes.n, (size_t)(layer * (500 + 6 * (500 - windowed))),
                    (size_t)(layer * (500 + 6 * (500 - windowed))) + 64);
    assert_ok(session_restore(back, buf_view(&bytes), &err), err);
    continue_in_steps(x, back, 500, TOKENS, 33);
    session_close(s);
    session_close(back);
    buf_free(&bytes);
}

static void test_session_bytes_cover_what_sessions_hold(void **state)
{
    const struct scene *x = *state;
    struct session *s = rig_session(&x->rig, CONTEXT, TENSOR_F16);
    for (int at = 0; at < TOKENS; at += 100) {
        continue_in_steps(x, s, at, at + 100, 100);
        assert_in_range(engine_kv_bytes(x->rig.e), 1, engine_session_bytes(engine_info(x->rig.e), TENSOR_F16, at + 100));
    }
    session_close(s);
}

static void test_long_and_short_sessions_of_phi3_do_not_mix(void **state)
{
    struct err err = ERR_INIT;
    struct buf bytes = BUF_INIT(16 << 20);
    struct rig rig;
    int32_t ids[20];
    (void)state;
    const char *path = tiny_write(tiny_of("phi3"), NULL);
    rig_open(&rig, path, 1);
    unlink(path);
    struct session *near = rig_session(&rig, 100, TENSOR_F16), *far = rig_session(&rig, 101, TENSOR_F16),
                   *near_too = rig_session(&rig, 50, TENSOR_F16);
    random_ids(3, rig.n_vocab, ids, 20);
    run_tokens(&rig, near, ids, 20, NULL);
    assert_ok(session_snapshot(near, &bytes, &err), err);
    assert_false(session_restore(far, buf_view(&bytes), &err));
    assert_int_equal(err.code, ERR_CORRUPT);
    assert_ok(session_restore(near_too, buf_view(&bytes), &err), err);
    session_close(near);
    session_close(far);
    session_close(near_too);
    buf_free(&bytes);
    rig_close(&rig);
}

static void test_shared_pages_count_once_and_a_copy_is_growth(void **state)
{
    const struct scene *x = *state;
    struct session *s = rig_session(&x->rig, CONTEXT, TENSOR_F16), *fork;
    struct err err = ERR_INIT;
    continue_in_steps(x, s, 0, 70, 70);
    int64_t alone = engine_kv_bytes(x->rig.e), page = alone / 2;
    assert_int_equal(session_growth_bytes(s, 58), 0);
    assert_int_equal(session_growth_bytes(s, 59), page);
    assert_ok(session_fork(s, &fork, &err), err);
    assert_int_equal(engine_kv_bytes(x->rig.e), alone);
    assert_int_equal(session_growth_bytes(s, 1), page);
    continue_in_steps(x, fork, 70, 71, 1);
    assert_int_equal(engine_kv_bytes(x->rig.e), alone + page);
    assert_int_equal(session_growth_bytes(s, 1), 0);
    session_close(s);
    session_close(fork);
    assert_int_equal(engine_kv_bytes(x->rig.e), 0);
}

static void test_pages_nobody_holds_go_back_to_the_system(void **state)
{
    const struct scene *x = *state;
    struct session *s = rig_session(&x->rig, ENGINE_MAX_CONTEXT, TENSOR_F16);
    const struct kv_heap *heap = group_of_kind(s, STATE_FULL)->heap;
    struct err err = ERR_INIT;
    assert_ok(session_reserve(s, ENGINE_MAX_CONTEXT, &err), err);
    assert_int_equal(heap->n_held, ENGINE_MAX_CONTEXT / KV_PAGE);
    session_trim(s);
    assert_int_equal(heap->n_held, 0);
    assert_true(heap->n_free > 0);
    assert_in_range(heap->n_free * (int64_t)heap->page_bytes, 1, 32 << 20);
    session_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages_behind_the_window_are_given_back),
        cmocka_unit_test(test_cuts_do_not_change_a_bit_past_the_window),
        cmocka_unit_test(test_truncation_reaches_as_far_as_promised),
        cmocka_unit_test(test_truncation_past_the_window_is_refused_and_changes_nothing),
        cmocka_unit_test(test_fork_past_the_window_goes_on_by_itself),
        cmocka_unit_test(test_snapshot_holds_the_window_only),
        cmocka_unit_test(test_session_bytes_cover_what_sessions_hold),
        cmocka_unit_test(test_shared_pages_count_once_and_a_copy_is_growth),
        cmocka_unit_test(test_pages_nobody_holds_go_back_to_the_system),
        cmocka_unit_test(test_long_and_short_sessions_of_phi3_do_not_mix),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
