/* The release: what is held, for how long, and that nothing abandoned is ever seen. No clock is waited for: a window of 0 ms is
 * over at once, one of an hour never. */
#include "../support.h"
#include "gateway/answer/release.h"
#include "gateway/gateway.h"

#define NEVER_MS 3600000

static struct config config;
static struct request req;
static struct reply reply;
static struct release rel;
static struct buf seen;
static int begins, deltas;
static bool gone;

static bool on_begin(void *ctx, const struct reply *r)
{
    (void)ctx;
    (void)r;
    begins++;
    return !gone;
}

static bool on_delta(void *ctx, struct str text, bool reasoning, struct str tool_calls, const struct reply_token *token)
{
    (void)ctx;
    (void)token;
    deltas++;
    buf_printf(&seen, "%s" STR_FMT STR_FMT, reasoning ? "~" : "", STR_ARG(text), STR_ARG(tool_calls));
    return !gone;
}

static const struct answer_sink sink = {.begin = on_begin, .delta = on_delta};

static void start(bool whole, int64_t hold_ms, double threshold, const struct answer_sink *to)
{
    memset(&config, 0, sizeof config);
    memset(&req, 0, sizeof req);
    config.hold_whole[KIND_QA] = whole;
    config.hold_ms = hold_ms;
    reply = (struct reply){.kind = KIND_QA, .confidence = -1, .text = BUF_INIT(1000), .reasoning = BUF_INIT(1000), .arena = ARENA_INIT(1u << 20)};
    release_init(&rel, &config, &req, &reply, to, threshold);
}

static int setup(void **state)
{
    (void)state;
    seen = BUF_INIT(10000);
    begins = deltas = 0;
    gone = false;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    release_free(&rel);
    reply_free(&reply);
    buf_free(&seen);
    return 0;
}

static enum release_verdict add(const char *text, float logprob)
{
    struct token_record record = {.logprob = logprob, .admitted = 1};
    struct err err = ERR_INIT;
    return release_add(&rel, &(struct release_piece){.text = str_of(text), .record = &record, .token = str_of(text)}, &err);
}

static enum release_verdict add_reasoning(const char *text, float logprob)
{
    struct token_record record = {.logprob = logprob, .admitted = 1};
    struct err err = ERR_INIT;
    return release_add(&rel, &(struct release_piece){.text = str_of(text), .reasoning = true, .record = &record}, &err);
}

static void test_release_holds_a_whole_answer_to_its_end(void **state)
{
    (void)state;
    start(true, 0, 0.5, &sink);
    assert_int_equal(add("a", -0.1f), RELEASE_ON);
    assert_int_equal(add("b", -0.1f), RELEASE_ON);
    assert_int_equal(release_tick(&rel), RELEASE_ON);
    assert_int_equal(begins, 0);
    assert_int_equal(release_end(&rel), RELEASE_ON);
    assert_int_equal(begins, 1);
    assert_string_equal(seen.p, "ab");
}

static void test_release_holds_whole_even_where_nothing_can_climb(void **state)
{
    (void)state;
    start(true, 0, -1, &sink);
    add("a", -5);
    assert_int_equal(begins, 0);
    assert_int_equal(release_end(&rel), RELEASE_ON);
    assert_string_equal(seen.p, "a");
}

static void test_release_of_an_unsure_whole_answer_climbs_unseen(void **state)
{
    (void)state;
    start(true, 0, 0.5, &sink);
    add("a", -5);
    assert_int_equal(release_end(&rel), RELEASE_CLIMB);
    assert_int_equal(begins + deltas, 0);
}

static void test_release_window_open_holds(void **state)
{
    (void)state;
    start(false, NEVER_MS, 0.5, &sink);
    for (int i = 0; i < 200; i++)
        assert_int_equal(add("a", -0.1f), RELEASE_ON);
    assert_int_equal(begins, 0);
    assert_int_equal(release_end(&rel), RELEASE_ON);
    assert_int_equal(seen.n, 200);
}

static void test_release_window_over_lets_a_sure_answer_go(void **state)
{
    (void)state;
    start(false, 0, 0.5, &sink);
    assert_int_equal(add("a", -0.1f), RELEASE_ON);
    assert_int_equal(begins, 1);
    assert_int_equal(add("b", -0.1f), RELEASE_ON);
    assert_string_equal(seen.p, "ab");
}

static void test_release_window_over_makes_an_unsure_answer_climb(void **state)
{
    (void)state;
    start(false, 0, 0.5, &sink);
    assert_int_equal(add("a", -2), RELEASE_CLIMB);
    assert_int_equal(begins + deltas, 0);
}

static void test_release_once_done_never_climbs(void **state)
{
    (void)state;
    start(false, 0, 0.5, &sink);
    add("a", -0.1f);
    for (int i = 0; i < 20; i++)
        assert_int_equal(add("b", -9), RELEASE_ON);
    assert_int_equal(release_end(&rel), RELEASE_ON);
    assert_true(reply.confidence < 0.5);
    assert_int_equal(begins, 1);
}

static void test_release_is_immediate_where_nothing_can_climb(void **state)
{
    (void)state;
    start(false, NEVER_MS, -1, &sink);
    add("a", -9);
    assert_string_equal(seen.p, "a");
}

static void test_release_waits_through_reasoning_and_leaves_it_out(void **state)
{
    (void)state;
    start(false, 0, 0.5, &sink);
    assert_int_equal(add_reasoning("x", -9), RELEASE_ON);
    assert_int_equal(add_reasoning("y", -9), RELEASE_ON);
    assert_int_equal(begins, 0);
    assert_int_equal(add("a", -0.1f), RELEASE_ON);
    assert_string_equal(seen.p, "~x~ya");
    assert_true(reply.confidence > 0.9);
}

static void test_release_without_records_has_nothing_to_judge(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    start(false, NEVER_MS, 0.5, &sink);
    assert_int_equal(release_add(&rel, &(struct release_piece){.text = STR("a")}, &err), RELEASE_ON);
    assert_string_equal(seen.p, "a");
    assert_int_equal(release_end(&rel), RELEASE_ON);
    assert_true(reply.confidence < 0);
}

static void test_release_without_a_sink_judges_at_the_end(void **state)
{
    (void)state;
    start(false, 0, 0.5, NULL);
    assert_int_equal(add("a", -9), RELEASE_ON);
    assert_int_equal(release_end(&rel), RELEASE_CLIMB);
    assert_false(reply.released);
}

static void test_release_to_a_client_that_is_gone_stops(void **state)
{
    (void)state;
    start(false, 0, -1, &sink);
    gone = true;
    assert_int_equal(add("a", -0.1f), RELEASE_GONE);
}

static void test_release_stops_an_answer_without_end(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    start(false, NEVER_MS, 0.5, NULL);
    char long_text[1200];
    memset(long_text, 'x', sizeof long_text);
    assert_int_equal(release_add(&rel, &(struct release_piece){.text = {long_text, sizeof long_text}}, &err), RELEASE_GONE);
    assert_int_equal(err.code, ERR_LIMIT);
}

/* A rule's own text before the model had a choice says nothing of its confidence, and opens no window. */
static void test_release_does_not_judge_by_forced_tokens(void **state)
{
    (void)state;
    struct token_record forced = {.admitted = 1, .forced = true};
    struct err err = ERR_INIT;
    start(false, 0, 0.5, &sink);
    const struct release_piece piece = {.text = STR("{\"a\": "), .record = &forced, .token = STR("{\"a\": ")};
    assert_int_equal(release_add(&rel, &piece, &err), RELEASE_ON);
    assert_int_equal(release_tick(&rel), RELEASE_ON);
    assert_int_equal(begins, 0);
    assert_int_equal(add("7", -5), RELEASE_CLIMB);
    assert_int_equal(begins + deltas, 0);
}

static struct form *object_form(struct arena *arena)
{
    const struct rule_spec rule = {.kind = RULE_JSON_OBJECT};
    struct form *form = NULL;
    struct err err = ERR_INIT;
    assert_ok(form_open("format", &rule, arena, &form, &err), err);
    return form;
}

static void test_release_of_an_answer_not_in_form_is_refused_unseen(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT(1u << 20);
    start(true, 0, -1, &sink);
    req.form = object_form(&arena);
    reply.finish_reason = "stop";
    add("{\"a\": ", -0.1f);
    assert_int_equal(release_end(&rel), RELEASE_MALFORMED);
    assert_int_equal(begins + deltas, 0);
    assert_int_equal(reply.form, FORM_INVALID);
    assert_string_not_equal(reply.malformed, "");
    form_close(req.form);
    arena_free(&arena);
}

static void test_release_of_an_answer_cut_short_is_marked_and_stands(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT(1u << 20);
    start(true, 0, -1, &sink);
    req.form = object_form(&arena);
    reply.finish_reason = "length";
    add("{}", -0.1f);
    assert_int_equal(release_end(&rel), RELEASE_ON);
    assert_int_equal(reply.form, FORM_INVALID);
    assert_string_equal(seen.p, "{}");
    form_close(req.form);
    arena_free(&arena);
}

static void test_release_replaces_the_text_and_keeps_the_reasoning(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    start(true, 0, -1, &sink);
    req.logprobs = true;
    add_reasoning("hm", -0.1f);
    add("{\"choice\": \"b\"}", -0.1f);
    assert_true(release_replace(&rel, STR("b"), &err));
    assert_int_equal(release_end(&rel), RELEASE_ON);
    assert_string_equal(seen.p, "~hmb");
    assert_int_equal(reply.n_tokens, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_release_holds_a_whole_answer_to_its_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_release_holds_whole_even_where_nothing_can_climb, setup, teardown),
        cmocka_unit_test_setup_teardown(test_release_of_an_unsure_whole_answer_climbs_unseen, setup, teardown),
        cmocka_unit_test_setup_teardown(test_release_window_open_holds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_release_window_over_lets_a_sure_answer_go, setup, teardown),
        cmocka_unit_test_setup_teardown(test_release_window_over_makes_an_unsure_answer_climb, setup, teardown),
        cmocka_unit_test_setup_teardown(test_release_once_done_never_climbs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_release_is_immediate_where_nothing_can_climb, setup, teardown),
        cmocka_unit_test_setup_teardown(test_release_waits_through_reasoning_and_leaves_it_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_release_without_records_has_nothing_to_judge, setup, teardown),
        cmocka_unit_test_setup_teardown(test_release_without_a_sink_judges_at_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_release_to_a_client_that_is_gone_stops, setup, teardown),
        cmocka_unit_test_setup_teardown(test_release_stops_an_answer_without_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_release_does_not_judge_by_forced_tokens, setup, teardown),
        cmocka_unit_test_setup_teardown(test_release_of_an_answer_not_in_form_is_refused_unseen, setup, teardown),
        cmocka_unit_test_setup_teardown(test_release_of_an_answer_cut_short_is_marked_and_stands, setup, teardown),
        cmocka_unit_test_setup_teardown(test_release_replaces_the_text_and_keeps_the_reasoning, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
