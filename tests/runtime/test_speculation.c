/* Answers with speculation are those without it, token for token, record for record: drafts that come true, drafts that
 * do not, every way to choose and every way to end. */
#include "../support.h"

#include <math.h>

#include "runtime/runtime_private.h"
#include "support_runtime.h"

#define SYSTEM "Name the intent of this request."
#define CONTEXT 512
#define COMPANY 24

static struct starter plain, eager;   /* the second drafts whatever it can */
static const struct logit_bias no_end = {4095, -100};

static struct starter open_with(struct runtime *rt, const char *name, enum speculate_mode mode, int64_t kv_bytes)
{
    struct err err = ERR_INIT;
    struct filemap *map = NULL;
    struct starter s = {.rt = rt};
    struct local_model_options options = {.kv_bytes = kv_bytes};
    assert_ok(filemap_open(RUNG_ROOT "/models/starter.gguf", &map, &err), err);
    assert_ok(runtime_load(s.rt, name, map, &options, &s.model, &err), err);
    s.model->speculator.mode = mode;
    return s;
}

static int open_both(void **state)
{
    struct err err = ERR_INIT;
    struct runtime *rt;
    (void)state;
    assert_ok(runtime_open(2, &rt, &err), err);
    plain = open_with(rt, "plain", SPECULATE_OFF, 0);
    eager = open_with(rt, "eager", SPECULATE_ALWAYS, 0);
    return 0;
}

static int close_both(void **state)
{
    (void)state;
    runtime_close(plain.rt);
    return 0;
}

struct counts {
    int64_t drafted, accepted;
};

static struct counts counts_of(const struct starter *s)
{
    return (struct counts){s->model->speculator.drafted, s->model->speculator.accepted};
}

/* Answers both ways, which must be the same; returns what was drafted and came true. */
static struct counts assert_same_with_drafts(const struct generation_request *req)
{
    struct counts before = counts_of(&eager);
    struct answer *without = answer_of(&plain, req), *with = answer_of(&eager, req);
    struct counts after = counts_of(&eager);
    assert_same_answer(without, with);
    assert_int_equal(without->usage.completion_tokens, with->usage.completion_tokens);
    assert_string_equal(without->reasoning, with->reasoning);
    free(without);
    free(with);
    return (struct counts){after.drafted - before.drafted, after.accepted - before.accepted};
}

static struct generation_request ask_at_length(struct chat_message messages[2], const char *user, int64_t n)
{
    struct generation_request req = ask(messages, SYSTEM, user);
    req.sampler.bias = &no_end;
    req.sampler.n_bias = 1;
    req.max_tokens = n;
    return req;
}

static const char copied[] = "say play_music set_alarm book_flight play_music set_alarm book_flight play_music set_alarm";

/* ---- choosing ---- */

static void test_a_greedy_answer_is_the_same_and_takes_drafts(void **state)
{
    (void)state;
    struct chat_message messages[2];
    struct generation_request req = ask_at_length(messages, copied, 200);
    struct counts c = assert_same_with_drafts(&req);
    assert_true(c.accepted > 50);           /* left to itself, the starter soon repeats itself */
    assert_true(c.drafted > c.accepted);
}

static void test_sampled_answers_are_the_same_whatever_the_sampler(void **state)
{
    (void)state;
    struct chat_message messages[2];
    struct counts sum = {0, 0};
    for (int i = 0; i < 24; i++) {
        struct generation_request req = ask_at_length(messages, copied, 60);
        req.sampler.seed = (uint64_t)i;
        req.sampler.temperature = i % 3 == 0 ? 0.3f : i % 3 == 1 ? 0.8f : 2;
        req.sampler.top_p = i % 2 ? 0.9f : 1;
        req.sampler.top_k = i % 4 == 1 ? 20 : 0;
        req.sampler.repetition_penalty = i % 5 ? 1 + (float)(i % 5) / 20 : 1;
        req.sampler.presence_penalty = i % 4 == 2 ? 0.5f : 0;
        req.sampler.frequency_penalty = i % 6 == 3 ? 0.3f : 0;
        struct counts c = assert_same_with_drafts(&req);
        sum.drafted += c.drafted;
        sum.accepted += c.accepted;
    }
    assert_true(sum.accepted > 0);
    assert_true(sum.drafted > 2 * sum.accepted);   /* most drafts are wrong here */
}

/* ---- ending ---- */

static void test_answers_that_end_by_themselves_are_the_same(void **state)
{
    (void)state;
    static const char *const users[] = {"book me a flight from boston to denver", "play some music", copied,
                                        "how do you say good morning in italian", "set an alarm, set an alarm"};
    struct chat_message messages[2];
    for (size_t i = 0; i < sizeof users / sizeof *users; i++) {
        struct generation_request req = ask(messages, SYSTEM, users[i]);
        assert_same_with_drafts(&req);
    }
}

static void test_no_draft_goes_past_the_most_tokens_asked_for(void **state)
{
    (void)state;
    struct chat_message messages[2];
    for (int64_t n = 1; n <= 40; n++) {
        struct generation_request req = ask_at_length(messages, copied, n);
        assert_same_with_drafts(&req);
    }
}

static void test_an_answer_fills_the_context_to_its_last_token(void **state)
{
    (void)state;
    struct chat_message messages[2];
    struct generation_request req = ask_at_length(messages, copied, 0);
    assert_true(assert_same_with_drafts(&req).accepted > 100);
}

static void test_a_stop_text_inside_a_draft_ends_the_answer_there(void **state)
{
    (void)state;
    struct chat_message messages[2];
    struct generation_request req = ask_at_length(messages, copied, 200);
    struct answer *whole = answer_of(&plain, &req);
    size_t length = strlen(whole->text);
    for (size_t at = length / 2; at < length / 2 + 12; at++) {   /* behind where it began to repeat itself */
        struct str stop = {whole->text + at, 3};
        req.stop = &stop;
        req.n_stop = utf8_valid(stop);
        assert_same_with_drafts(&req);
    }
    free(whole);
}

static void test_a_cancelled_answer_ends_amid_its_drafts(void **state)
{
    (void)state;
    struct chat_message messages[2];
    struct generation_request req = ask_at_length(messages, copied, 0);
    struct generation *g = begin(&eager, &req);
    struct gen_event event;
    for (int i = 0; i < 20; i++)
        assert_true(generation_next(g, -1, &event));
    generation_cancel(g);
    while (event.kind != GEN_DONE)
        assert_true(generation_next(g, -1, &event));
    assert_true(event.finish == FINISH_CANCELLED || event.finish == FINISH_LENGTH);
    generation_close(g);
}

/* ---- company ---- */

/* Text that is forced and text that is drafted side by side, longer than any answer here. */
static const struct rule_spec songs = {
    .kind = RULE_REGEX, .text = {"((play_music|play_movies|set_alarm|book_flight) ){200}", 54}};

static void ask_differently(struct generation_request *req, struct chat_message messages[2], int i)
{
    *req = ask_at_length(messages, i % 2 ? copied : "play some music, play some more music, play", 20 + i * 8);
    req->sampler.seed = (uint64_t)i;
    req->sampler.temperature = (float)(i % 3) / 2;
    req->rule = i % 4 == 3 ? &songs : NULL;
}

static void assert_company_is_the_same(struct starter *s)
{
    static struct chat_message messages[COMPANY][2];
    struct generation_request req[COMPANY];
    struct generation *together[COMPANY];
    for (int i = 0; i < COMPANY; i++) {
        ask_differently(&req[i], messages[i], i);
        together[i] = begin(s, &req[i]);
    }
    for (int i = 0; i < COMPANY; i++) {
        struct answer *with = collect(together[i]), *alone = answer_of(&plain, &req[i]);
        assert_same_answer(with, alone);
        free(with);
        free(alone);
    }
}

static void test_answers_in_company_are_the_same_as_each_alone_without_drafts(void **state)
{
    (void)state;
    struct counts before = counts_of(&eager);
    assert_company_is_the_same(&eager);
    assert_true(counts_of(&eager).accepted > before.accepted);
}

static void test_answers_that_preempt_each_other_are_the_same(void **state)
{
    (void)state;
    const struct local_model_info *info = local_model_info(plain.model);
    int64_t context_bytes = engine_session_bytes(&info->engine, TENSOR_F16, CONTEXT);
    struct starter tight = open_with(plain.rt, "tight", SPECULATE_ALWAYS, context_bytes);
    assert_company_is_the_same(&tight);
    assert_true(atomic_load(&tight.model->preemptions) > 0);
    assert_true(counts_of(&tight).accepted > 0);
}

static void test_drafts_of_a_step_that_fails_are_left_out_of_its_repetition(void **state)
{
    (void)state;
    struct chat_message messages[2];
    struct generation_request good = ask_at_length(messages, copied, 100), bad = good;
    bad.sampler.temperature = NAN;   /* the engine refuses the whole step */
    struct answer *alone = answer_of(&plain, &good);
    struct generation *first = begin(&eager, &good);
    for (int i = 0; i < 12; i++) {
        struct answer *refused = answer_of(&eager, &bad);
        assert_int_equal(refused->finish, FINISH_ERROR);
        free(refused);
    }
    struct answer *a = collect(first);
    assert_same_answer(a, alone);
    free(a);
    free(alone);
}

static void test_a_cached_prompt_is_drafted_from_like_any(void **state)
{
    (void)state;
    struct chat_message messages[2];
    struct generation_request req = ask_at_length(messages, copied, 80);
    struct answer *first = answer_of(&eager, &req), *again = answer_of(&eager, &req);
    assert_true(again->usage.cached_tokens > 0);
    assert_same_answer(first, again);
    free(first);
    free(again);
    assert_true(assert_same_with_drafts(&req).accepted > 0);
}

/* ---- whether ---- */

static void test_a_model_without_speculation_never_drafts(void **state)
{
    (void)state;
    assert_int_equal(plain.model->speculator.drafted, 0);
}

static void test_left_to_itself_speculation_drafts_where_an_answer_repeats_itself(void **state)
{
    (void)state;
    struct starter usual = open_with(plain.rt, "usual", SPECULATE_WHERE_IT_PAYS, 0);
    struct chat_message messages[2];
    struct generation_request req = ask_at_length(messages, copied, 300);
    struct answer *without = answer_of(&plain, &req), *with = answer_of(&usual, &req);
    assert_same_answer(without, with);
    assert_true(counts_of(&usual).accepted > 0);
    free(without);
    free(with);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_greedy_answer_is_the_same_and_takes_drafts),
        cmocka_unit_test(test_sampled_answers_are_the_same_whatever_the_sampler),
        cmocka_unit_test(test_answers_that_end_by_themselves_are_the_same),
        cmocka_unit_test(test_no_draft_goes_past_the_most_tokens_asked_for),
        cmocka_unit_test(test_an_answer_fills_the_context_to_its_last_token),
        cmocka_unit_test(test_a_stop_text_inside_a_draft_ends_the_answer_there),
        cmocka_unit_test(test_a_cancelled_answer_ends_amid_its_drafts),
        cmocka_unit_test(test_answers_in_company_are_the_same_as_each_alone_without_drafts),
        cmocka_unit_test(test_answers_that_preempt_each_other_are_the_same),
        cmocka_unit_test(test_drafts_of_a_step_that_fails_are_left_out_of_its_repetition),
        cmocka_unit_test(test_a_cached_prompt_is_drafted_from_like_any),
        cmocka_unit_test(test_a_model_without_speculation_never_drafts),
        cmocka_unit_test(test_left_to_itself_speculation_drafts_where_an_answer_repeats_itself),
    };
    return cmocka_run_group_tests(tests, open_both, close_both);
}
