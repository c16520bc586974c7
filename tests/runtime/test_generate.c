/* Generations of the starter model: the answers an independent implementation gives, whatever the company, and every
 * way to end. */
#include "../support.h"

#include <jansson.h>
#include <math.h>

#include "data/json.h"
#include "support_runtime.h"

#define CLASSIFY "Classify the banking question into one intent."
#define ROUTE "Name the intent of this request."
#define EXTRACT "Extract the booking details as JSON."

static struct starter starter;

static int open_starter(void **state)
{
    (void)state;
    starter_open(&starter, 2);
    return 0;
}

static int close_starter(void **state)
{
    (void)state;
    starter_close(&starter);
    return 0;
}

/* ---- against the independent implementation ---- */

struct vector_line {
    json_t *json;
    const char *system, *user, *answer;
    int64_t prompt_tokens, completion_tokens;
};

static struct vector_line read_vector(struct str line)
{
    struct err err = ERR_INIT;
    struct vector_line v = {0};
    assert_ok(json_parse_object(line, "starter.jsonl", &v.json, &err), err);
    v.system = json_string_value(json_object_get(v.json, "system"));
    v.user = json_string_value(json_object_get(v.json, "user"));
    v.answer = json_string_value(json_object_get(v.json, "answer"));
    v.prompt_tokens = json_integer_value(json_object_get(v.json, "prompt_tokens"));
    v.completion_tokens = json_integer_value(json_object_get(v.json, "completion_tokens"));
    return v;
}

/* True when text and tokens are the vector's; log-probabilities must then be within 0.05. */
static bool check_vector(const struct vector_line *v, const struct answer *a)
{
    assert_int_equal(a->usage.prompt_tokens, v->prompt_tokens);
    if (strcmp(a->text, v->answer) != 0)
        return false;
    assert_int_equal(a->usage.completion_tokens, v->completion_tokens);
    assert_int_equal(a->finish, FINISH_STOP);
    json_t *tokens = json_object_get(v->json, "tokens"), *logprobs = json_object_get(v->json, "logprobs");
    for (int i = 0; i < a->n_tokens; i++) {
        assert_string_equal(a->pieces[i], json_string_value(json_array_get(tokens, (size_t)i)));
        double expected = json_number_value(json_array_get(logprobs, (size_t)i));
        if (fabs(a->records[i].logprob - expected) > 0.05)
            fail_msg("'%s', token %d: log-probability %f instead of %f", v->answer, i, (double)a->records[i].logprob,
                     expected);
    }
    return true;
}

static void test_answers_equal_an_independent_implementation(void **state)
{
    (void)state;
    SKIP_WITHOUT_SHARED(path, "vectors/generate/starter.jsonl");
    struct err err = ERR_INIT;
    char *bytes;
    size_t n;
    assert_ok(file_read(path, 1 << 20, &bytes, &n, &err), err);
    int total = 0, equal = 0;
    for (char *line = bytes, *end; *line; line = end + 1) {
        end = strchr(line, '\n');
        assert_non_null(end);
        struct vector_line v = read_vector((struct str){line, (size_t)(end - line)});
        struct chat_message messages[2];
        struct generation_request req = ask(messages, v.system, v.user);
        struct answer *a = answer_of(&starter, &req);
        total++;
        if (check_vector(&v, a))
            equal++;
        else
            print_message("near tie: '%s' instead of '%s'\n", a->text, v.answer);
        free(a);
        json_decref(v.json);
    }
    free(bytes);
    assert_int_equal(total, 40);
    assert_true(equal >= 39);
}

/* ---- company ---- */

static const struct {
    const char *system, *user;
} questions[] = {
    {CLASSIFY, "My card has not arrived yet, where is it?"},
    {CLASSIFY, "Why was I charged a fee for a cash withdrawal?"},
    {ROUTE, "book me a flight from boston to denver next friday"},
    {ROUTE, "how do you say good morning in italian"},
    {EXTRACT, "A table for 4 at 7:30 pm tomorrow, my name is Anna Schmidt."},
    {EXTRACT, "asked: people\nthere will be six of us"},
    {CLASSIFY, "zzz qqq 12345 \xF0\x9F\x98\x81"},
    {ROUTE, "write me a poem about the sea, with four verses and a refrain, and then explain each verse in detail"},
};
#define N_QUESTIONS (int)(sizeof questions / sizeof *questions)
#define COMPANY 64

static void test_concurrent_answers_are_bit_equal_to_each_alone(void **state)
{
    (void)state;
    struct answer *alone[N_QUESTIONS];
    struct generation *together[COMPANY];
    struct chat_message messages[COMPANY][2];
    struct generation_request req[COMPANY];
    for (int i = 0; i < COMPANY; i++) {
        req[i] = ask(messages[i], questions[i % N_QUESTIONS].system, questions[i % N_QUESTIONS].user);
        req[i].sampler.temperature = 0.8f;
        req[i].sampler.seed = (uint64_t)(i % N_QUESTIONS);
        req[i].max_tokens = 24;
    }
    for (int i = 0; i < N_QUESTIONS; i++)
        alone[i] = answer_of(&starter, &req[i]);
    for (int i = 0; i < COMPANY; i++)
        together[i] = begin(&starter, &req[i]);
    for (int i = 0; i < COMPANY; i++) {
        struct answer *a = collect(together[i]);
        assert_same_answer(a, alone[i % N_QUESTIONS]);
        free(a);
    }
    for (int i = 0; i < N_QUESTIONS; i++)
        free(alone[i]);
}

static void test_two_models_answer_side_by_side(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct filemap *map;
    struct starter second = {.rt = starter.rt};
    struct local_model_options options = {.context = 128};
    assert_ok(filemap_open(RUNG_ROOT "/models/starter.gguf", &map, &err), err);
    assert_ok(runtime_load(starter.rt, "second", map, &options, &second.model, &err), err);
    assert_int_equal(local_model_info(second.model)->context, 128);
    struct chat_message messages[2];
    struct generation_request req = ask(messages, questions[0].system, questions[0].user);
    struct generation *a = begin(&starter, &req), *b = begin(&second, &req);
    struct answer *one = collect(a), *two = collect(b);
    assert_same_answer(one, two);
    free(one);
    free(two);
}

static void test_the_same_seed_gives_the_same_answer_and_another_differs(void **state)
{
    (void)state;
    struct chat_message messages[2];
    struct generation_request req = ask(messages, ROUTE, questions[7].user);
    struct answer *answers[8];
    bool differs = false;
    req.sampler.temperature = 3;
    req.max_tokens = 12;
    for (int i = 0; i < 8; i++) {
        req.sampler.seed = (uint64_t)(i / 2);
        answers[i] = answer_of(&starter, &req);
        differs = differs || strcmp(answers[i]->text, answers[0]->text) != 0;
        if (i % 2)
            assert_same_answer(answers[i - 1], answers[i]);
    }
    assert_true(differs);
    for (int i = 0; i < 8; i++)
        free(answers[i]);
}

/* ---- every way to end ---- */

static void test_max_tokens_ends_the_answer_there(void **state)
{
    (void)state;
    struct chat_message messages[2];
    struct generation_request req = ask(messages, CLASSIFY, questions[0].user);
    struct answer *whole = answer_of(&starter, &req);
    assert_true(whole->n_tokens > 2);
    req.max_tokens = 1;
    struct answer *cut = answer_of(&starter, &req);
    assert_int_equal(cut->finish, FINISH_LENGTH);
    assert_int_equal(cut->n_tokens, 1);
    assert_int_equal(cut->usage.completion_tokens, 1);
    assert_memory_equal(cut->text, whole->text, strlen(cut->text));
    free(whole);
    free(cut);
}

static void test_an_answer_ends_when_the_context_is_full(void **state)
{
    (void)state;
    struct chat_message messages[2];
    struct generation_request req = ask(messages, ROUTE, "hello");
    struct logit_bias no_end = {4095, -100};
    req.sampler.bias = &no_end;
    req.sampler.n_bias = 1;
    struct answer *a = answer_of(&starter, &req);
    assert_int_equal(a->finish, FINISH_LENGTH);
    assert_int_equal(a->usage.prompt_tokens + a->usage.completion_tokens, 512);
    free(a);
}

static void test_a_stop_text_across_tokens_ends_the_answer_before_it(void **state)
{
    (void)state;
    struct chat_message messages[2];
    struct generation_request req = ask(messages, CLASSIFY, "How can I freeze a stolen card?");
    struct answer *whole = answer_of(&starter, &req);
    assert_string_equal(whole->text, "lost_or_stolen_card");
    struct str stops[] = {STR("len_ca"), STR("card_x")}; /* the second is begun and never completed */
    req.stop = stops;
    req.n_stop = 2;
    struct answer *a = answer_of(&starter, &req);
    assert_string_equal(a->text, "lost_or_sto");
    assert_int_equal(a->finish, FINISH_STOP);
    req.stop = &stops[1];
    req.n_stop = 1;
    struct answer *b = answer_of(&starter, &req);
    assert_string_equal(b->text, whole->text);
    free(whole);
    free(a);
    free(b);
}

static void test_a_cancelled_answer_ends_at_once(void **state)
{
    (void)state;
    struct chat_message messages[2];
    struct generation_request req = ask(messages, ROUTE, "hello");
    struct logit_bias no_end = {4095, -100};
    struct gen_event event;
    req.sampler.bias = &no_end;
    req.sampler.n_bias = 1;
    struct generation *g = begin(&starter, &req);
    assert_true(generation_next(g, -1, &event));
    generation_cancel(g);
    while (event.kind != GEN_DONE)
        assert_true(generation_next(g, -1, &event));
    assert_int_equal(event.finish, FINISH_CANCELLED);
    assert_true(event.usage.completion_tokens < 400);
    generation_close(g);
}

static void test_closing_a_running_answer_leaves_the_others_alone(void **state)
{
    (void)state;
    struct chat_message messages[2];
    struct generation_request req = ask(messages, questions[4].system, questions[4].user);
    struct answer *alone = answer_of(&starter, &req);
    struct generation *g = begin(&starter, &req), *other = begin(&starter, &req);
    generation_close(other);
    struct answer *a = collect(g);
    assert_same_answer(a, alone);
    free(alone);
    free(a);
}

static void test_a_runtime_that_closes_ends_its_answers(void **state)
{
    (void)state;
    struct starter own;
    starter_open(&own, 1);
    struct chat_message messages[2];
    struct generation_request req = ask(messages, ROUTE, "hello");
    struct logit_bias no_end = {4095, -100};
    req.sampler.bias = &no_end;
    req.sampler.n_bias = 1;
    struct generation *g = begin(&own, &req);
    struct gen_event event;
    runtime_close(own.rt);
    while (generation_next(g, 0, &event) && event.kind != GEN_DONE)
        ;
    assert_int_equal(event.kind, GEN_DONE);
    assert_true(event.finish == FINISH_CANCELLED || event.finish == FINISH_LENGTH);
    generation_close(g);
}

/* ---- what fails alone ---- */

static void test_a_generation_that_fails_leaves_its_company_alone(void **state)
{
    (void)state;
    struct chat_message messages[2];
    struct generation_request good = ask(messages, questions[4].system, questions[4].user), bad = good;
    bad.sampler.temperature = NAN; /* the engine refuses the whole step */
    struct answer *alone = answer_of(&starter, &good);
    struct generation *all[6];
    for (int i = 0; i < 6; i++)
        all[i] = begin(&starter, i % 2 ? &bad : &good);
    for (int i = 0; i < 6; i++) {
        struct answer *a = collect(all[i]);
        if (i % 2)
            assert_int_equal(a->finish, FINISH_ERROR);
        else
            assert_same_answer(a, alone);
        free(a);
    }
    free(alone);
}

static void test_one_generation_too_many_is_turned_away(void **state)
{
    (void)state;
    static struct generation *all[ENGINE_MAX_STEP_ITEMS];
    struct chat_message messages[2];
    struct generation_request req = ask(messages, ROUTE, "hello");
    struct logit_bias no_end = {4095, -100};
    struct err err = ERR_INIT;
    struct generation *one_more;
    req.sampler.bias = &no_end;
    req.sampler.n_bias = 1;
    for (int i = 0; i < ENGINE_MAX_STEP_ITEMS; i++)
        all[i] = begin(&starter, &req);
    assert_false(generation_start(starter.rt, starter.model, &req, &one_more, &err));
    assert_int_equal(err.code, ERR_BUSY);
    for (int i = 0; i < ENGINE_MAX_STEP_ITEMS; i++)
        generation_close(all[i]);
}

/* ---- what is refused ---- */

static void assert_refused(const struct generation_request *req, enum err_code code, const char *words)
{
    struct err err = ERR_INIT;
    struct generation *g = NULL;
    assert_false(generation_start(starter.rt, starter.model, req, &g, &err));
    assert_int_equal(err.code, code);
    if (!strstr(err.msg, words))
        fail_msg("'%s' does not say '%s'", err.msg, words);
}

static void test_a_prompt_past_the_context_is_refused_with_both_numbers(void **state)
{
    (void)state;
    char user[4096];
    memset(user, 'x', sizeof user);
    for (size_t i = 1; i < sizeof user; i += 2)
        user[i] = ' ';
    user[sizeof user - 1] = 0;
    struct chat_message messages[2];
    struct generation_request req = ask(messages, ROUTE, user);
    assert_refused(&req, ERR_LIMIT, "the context of starter holds 512");
}

static void test_bad_requests_are_refused(void **state)
{
    (void)state;
    struct chat_message messages[2];
    struct generation_request req = ask(messages, ROUTE, "\xFF");
    assert_refused(&req, ERR_INVALID, "message 2 is not valid UTF-8");
    req = ask(messages, ROUTE, "hello");
    struct str empty = STR("");
    req.stop = &empty;
    req.n_stop = 1;
    assert_refused(&req, ERR_INVALID, "stop text 1");
    const struct logit_bias outside = {100000, 1};
    req = ask(messages, ROUTE, "hello");
    req.sampler.bias = &outside;
    req.sampler.n_bias = 1;
    assert_refused(&req, ERR_INVALID, "logit bias for token 100000 is given; starter has");
    req = (struct generation_request){.prompt = STR(""), .sampler = SAMPLER_GREEDY};
    assert_refused(&req, ERR_INVALID, "empty");
}

static void test_a_context_past_the_models_own_is_refused(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct filemap *map;
    struct local_model *m;
    struct local_model_options options = {.context = 513};
    assert_ok(filemap_open(RUNG_ROOT "/models/starter.gguf", &map, &err), err);
    assert_false(runtime_load(starter.rt, "wide", map, &options, &m, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.msg, "512"));
}

/* ---- control tokens ---- */

static void test_control_tokens_in_user_text_stay_text(void **state)
{
    (void)state;
    struct chat_message plain[2], hostile[2];
    struct generation_request a = ask(plain, ROUTE, "<|im_end|>"), b = ask(hostile, ROUTE, "");
    int64_t n_a, n_b, n_text = local_model_count_tokens(starter.model, STR("<|im_end|>"));
    struct err err = ERR_INIT;
    assert_ok(generation_count_prompt(starter.model, &a, &n_a, &err), err);
    assert_ok(generation_count_prompt(starter.model, &b, &n_b, &err), err);
    assert_true(n_text > 3);
    assert_int_equal(n_a - n_b, n_text); /* one token if it had become control */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_equal_an_independent_implementation),
        cmocka_unit_test(test_concurrent_answers_are_bit_equal_to_each_alone),
        cmocka_unit_test(test_two_models_answer_side_by_side),
        cmocka_unit_test(test_the_same_seed_gives_the_same_answer_and_another_differs),
        cmocka_unit_test(test_max_tokens_ends_the_answer_there),
        cmocka_unit_test(test_an_answer_ends_when_the_context_is_full),
        cmocka_unit_test(test_a_stop_text_across_tokens_ends_the_answer_before_it),
        cmocka_unit_test(test_a_cancelled_answer_ends_at_once),
        cmocka_unit_test(test_closing_a_running_answer_leaves_the_others_alone),
        cmocka_unit_test(test_a_runtime_that_closes_ends_its_answers),
        cmocka_unit_test(test_a_generation_that_fails_leaves_its_company_alone),
        cmocka_unit_test(test_one_generation_too_many_is_turned_away),
        cmocka_unit_test(test_a_prompt_past_the_context_is_refused_with_both_numbers),
        cmocka_unit_test(test_bad_requests_are_refused),
        cmocka_unit_test(test_a_context_past_the_models_own_is_refused),
        cmocka_unit_test(test_control_tokens_in_user_text_stay_text),
    };
    return cmocka_run_group_tests(tests, open_starter, close_starter);
}
