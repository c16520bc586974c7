/* Several answers to one question: choices of a local model and of an upstream, streamed and not, what they cost, and what ends them. */
#include "data/json.h"
#include "gateway/answer/answer.h"
#include "gateway/answer/several.h"
#include "gateway/api/openai/openai.h"
#include "gateway/provider/provider.h"
#include "store/report.h"
#include "support_gateway.h"

#define BOTH                                                                                                           \
    "models: {starter: {file: starter}, big: {base_url: 'http://127.0.0.1:%u/v1', "                                    \
    "price_usd_per_mtok: {input: 1, cached_input: 0.5, output: 4}}}\n"                                                 \
    "tiers: [{name: local, model: starter}, {name: frontier, model: big}]\n"
#define PLAIN_ANSWER                                                                                                   \
    "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"from above\"},\"finish_reason\":\"stop\"}]," \
    "\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":20,\"prompt_tokens_details\":{\"cached_tokens\":40}}}"
#define STREAM_ANSWER                                                                                                  \
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"from \"}}]}\n\n|"                                       \
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"above\"},\"finish_reason\":\"stop\"}]}\n\n|"            \
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":20}}\n\n|data: [DONE]\n\n"

#define ASK(model, more)                                                                                               \
    "{\"model\":\"" model "\",\"messages\":[{\"role\":\"user\",\"content\":\"Say something.\"}]," more "}"
#define ONE_CALL_PICO_USD INT64_C(160000000)   /* of PLAIN_ANSWER: 60 tokens at $1, 40 at $0.5, 20 at $4 a million */
#define N_STREAMED 3

static struct house house;
static struct stand_in upstream;

static int setup(void **state)
{
    (void)state;
    stand_in_open(&upstream);
    house_open(&house, BOTH, upstream.port);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    house_close(&house);
    stand_in_close(&upstream);
    return 0;
}

static json_t *ask(const char *body, int status)
{
    struct plain_reply r;
    house_chat(&house, body, &r);
    if (r.status != status)
        fail_msg("%s", r.raw);
    json_t *v = reply_json(&r);
    plain_free(&r);
    return v;
}

static void test_several_choices_of_a_local_model_differ_and_are_the_same_again(void **state)
{
    (void)state;
    static const char body[] = ASK("starter", "\"n\":4,\"temperature\":1.5,\"seed\":7,\"max_tokens\":12");
    json_t *first = ask(body, 200), *again = ask(body, 200);
    bool differ = false;
    for (int i = 0; i < 4; i++) {
        char content[64], index[64];
        snprintf(index, sizeof index, "choices.%d.index", i);
        snprintf(content, sizeof content, "choices.%d.message.content", i);
        assert_int_equal((int)json_number_at(first, index), i);
        assert_string_equal(json_at(first, content), json_at(again, content));
        differ |= strcmp(json_at(first, content), json_at(first, "choices.0.message.content")) != 0;
    }
    assert_true(differ);
    assert_string_equal(json_at(first, "choices.4.index"), "");
    json_decref(first);
    json_decref(again);
}

/* The first of several is the one that n = 1 gives. */
static void test_several_choices_begin_with_the_only_one(void **state)
{
    (void)state;
    json_t *one = ask(ASK("starter", "\"temperature\":1.5,\"seed\":7,\"max_tokens\":12"), 200);
    json_t *two = ask(ASK("starter", "\"n\":2,\"temperature\":1.5,\"seed\":7,\"max_tokens\":12"), 200);
    assert_string_equal(json_at(one, "choices.0.message.content"), json_at(two, "choices.0.message.content"));
    assert_string_equal(json_at(one, "usage.prompt_tokens"), json_at(two, "usage.prompt_tokens"));
    assert_int_equal((int)json_number_at(two, "usage.completion_tokens"),
                     (int)(json_number_at(two, "rung.attempts.0.completion_tokens") +
                           json_number_at(two, "rung.attempts.1.completion_tokens")));
    assert_string_equal(json_at(two, "choices.1.rung.tier"), "local");
    json_decref(one);
    json_decref(two);
}

static void test_several_choices_of_an_upstream_are_calls_that_are_all_paid(void **state)
{
    (void)state;
    int before = stand_in_requests(&upstream);
    stand_in_play(&upstream, (struct stand_in_script){.body = PLAIN_ANSWER});
    struct plain_reply r;
    house_chat(&house, ASK("big", "\"n\":3,\"seed\":5"), &r);
    json_t *v = reply_json(&r);
    assert_int_equal(stand_in_requests(&upstream) - before, 3);
    assert_null(strstr(upstream.body, "\"n\""));
    assert_string_equal(json_at(v, "choices.2.message.content"), "from above");
    assert_string_equal(json_at(v, "usage.prompt_tokens"), "300");
    assert_string_equal(json_at(v, "usage.completion_tokens"), "60");
    assert_string_equal(plain_header(&r, "x-rung-cost-usd"), "0.000480000000");
    assert_true(json_number_at(v, "rung.cost_usd") == 0.00048);
    assert_true(json_number_at(v, "choices.1.rung.cost_usd") == 0.00016);
    for (int i = 0; i < 3; i++) {
        char path[64];
        snprintf(path, sizeof path, "rung.attempts.%d.choice", i);
        assert_int_equal((int)json_number_at(v, path), i);
    }
    json_decref(v);
    plain_free(&r);
}

/* Else a batch would escape the class, the key and the deadline it was sent with. */
static void test_several_parts_keep_what_came_beside_the_body(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT(1u << 20);
    struct caller caller = {.endpoint = "/", .privacy = STR("local")};
    struct request parts[2] = {{.arena = &arena}, {.arena = &arena, .sampler.choice = 5}};
    struct request req = {.arena = &arena, .id = "x", .n_answers = 2, .parts = parts, .caller = &caller, .deadline_ns = 7,
                          .anthropic_beta = STR("b")};
    struct answers a;
    struct err err = ERR_INIT;
    assert_ok(answers_open(NULL, &req, NULL, &a, &err), err);
    for (int i = 0; i < 2; i++) {
        assert_true(str_is(a.asked[i].caller->privacy, "local"));
        assert_true(str_is(a.asked[i].anthropic_beta, "b"));
        assert_ptr_equal(a.asked[i].caller, &caller);
        assert_int_equal(a.asked[i].deadline_ns, 7);
    }
    assert_string_equal(a.asked[1].id, "x-1");
    assert_int_equal(a.asked[1].sampler.choice, 5);
    assert_ptr_not_equal(a.asked[0].arena, a.asked[1].arena);   /* they are written on two threads */
    assert_ptr_not_equal(a.asked[0].arena, &arena);
    answers_free(&a);
    arena_free(&arena);
}

/* A row each, and the bill of all is what the upstream charges for its calls. */
/* The class is found for each on its own thread. */
static void test_several_answers_of_a_private_question_are_all_private(void **state)
{
    (void)state;
    static const char private[] = "Content-Type: application/json\r\nx-rung-privacy: local\r\n";
    struct plain_reply r;
    int before = stand_in_requests(&upstream);
    plain_request(house.port, "POST", "/v1/chat/completions", private, ASK("starter", "\"n\":8,\"max_tokens\":2"), &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(plain_header(&r, "x-rung-privacy"), "local");
    plain_free(&r);
    plain_request(house.port, "POST", "/v1/chat/completions", private, ASK("big", "\"n\":8"), &r);
    assert_int_equal(r.status, 400);
    plain_free(&r);
    assert_int_equal(stand_in_requests(&upstream), before);
}

static void test_several_answers_are_rows_whose_sum_is_exact(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    struct ledger_report *report = NULL;
    struct err err = ERR_INIT;
    house_open(&h, BOTH, upstream.port);
    stand_in_play(&upstream, (struct stand_in_script){.body = PLAIN_ANSWER});
    house_chat(&h, ASK("big", "\"n\":16"), &r);
    assert_int_equal(r.status, 200);
    plain_free(&r);
    assert_ok(ledger_flush(h.gateway->ledger, &err), err);
    assert_ok(report_read(h.ledger, 0, REPORT_BY_TIER, &report, &err), err);
    assert_int_equal(report->total.requests, 16);
    assert_int_equal(report->total.upstream.prompt, 16 * 100);
    assert_int_equal(report->total.after_pico_usd, ONE_CALL_PICO_USD * 16);
    report_free(report);
    house_close(&h);
}

/* One seed for all would give the same answer again and again. */
static void test_several_answers_with_one_seed_ask_with_different_ones(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT(1u << 20);
    struct request req;
    struct err err = ERR_INIT;
    const struct config config = {0};
    const struct config_upstream model = {.name = "m"};
    struct provider_call call = {.req = &req, .config = &config, .upstream = &model};
    assert_ok(openai_parse_chat(STR(ASK("big", "\"n\":2,\"seed\":5")), &arena, &req, &err), err);
    for (req.sampler.choice = 0; req.sampler.choice < 2; req.sampler.choice++) {
        struct buf body = BUF_INIT(4096);
        assert_ok(provider_openai.body(&call, &body, &err), err);
        assert_non_null(strstr(body.p, req.sampler.choice ? "\"seed\":6" : "\"seed\":5"));
        assert_null(strstr(body.p, req.sampler.choice ? "\"seed\":5" : "\"seed\":6"));
        buf_free(&body);
    }
    request_free(&req);
    arena_free(&arena);
}

struct stream_sum {
    char text[N_STREAMED][256];
    int roles, finishes, usages;
};

static void add_event(struct stream_sum *sum, const json_t *v)
{
    bool chosen = json_at(v, "choices.0.index")[0] != 0;
    int i = (int)json_number_at(v, "choices.0.index");
    assert_in_range(i, 0, N_STREAMED - 1);
    if (chosen) {
        strcat(sum->text[i], json_at(v, "choices.0.delta.content"));
        sum->roles += strcmp(json_at(v, "choices.0.delta.role"), "assistant") == 0;
        sum->finishes += json_at(v, "choices.0.finish_reason")[0] != 'n';
    }
    sum->usages += json_at(v, "usage.prompt_tokens")[0] != 0;
}

static void read_stream(const char *body, struct stream_sum *ret)
{
    memset(ret, 0, sizeof *ret);
    for (const char *at = body; (at = strstr(at, "data: {")); at += 6) {
        json_t *v = NULL;
        struct err err = ERR_INIT;
        assert_ok(json_parse_object((struct str){at + 6, strcspn(at + 6, "\n")}, "event", &v, &err), err);
        add_event(ret, v);
        json_decref(v);
    }
}

static void test_several_streams_carry_their_index_and_say_what_plain_ones_say(void **state)
{
    (void)state;
    struct plain_reply r;
    struct stream_sum sum;
    json_t *plain = ask(ASK("starter", "\"n\":3,\"temperature\":1.5,\"seed\":7,\"max_tokens\":12"), 200);
    house_chat(&house, ASK("starter", "\"n\":3,\"temperature\":1.5,\"seed\":7,\"max_tokens\":12,\"stream\":true,"
                                      "\"stream_options\":{\"include_usage\":true}"), &r);
    read_stream(r.body, &sum);
    for (int i = 0; i < N_STREAMED; i++) {
        char path[64];
        snprintf(path, sizeof path, "choices.%d.message.content", i);
        assert_string_equal(sum.text[i], json_at(plain, path));
    }
    assert_int_equal(sum.roles, N_STREAMED);
    assert_int_equal(sum.finishes, N_STREAMED);
    assert_int_equal(sum.usages, 1);
    json_t *last = last_event(&r);
    assert_string_equal(json_at(last, "usage.prompt_tokens"), json_at(plain, "usage.prompt_tokens"));
    assert_string_equal(json_at(last, "rung.attempts.2.choice"), "2");
    assert_non_null(strstr(r.body, "data: [DONE]"));
    json_decref(last);
    json_decref(plain);
    plain_free(&r);
}

static void test_several_streams_of_an_upstream_are_told_apart(void **state)
{
    (void)state;
    struct plain_reply r;
    struct stream_sum sum;
    stand_in_play(&upstream, (struct stand_in_script){.body = STREAM_ANSWER, .streamed = true});
    house_chat(&house, ASK("big", "\"n\":3,\"stream\":true"), &r);
    read_stream(r.body, &sum);
    for (int i = 0; i < N_STREAMED; i++)
        assert_string_equal(sum.text[i], "from above");
    assert_int_equal(sum.finishes, N_STREAMED);
    plain_free(&r);
}

static void test_several_answers_fail_as_one(void **state)
{
    (void)state;
    stand_in_play(&upstream, (struct stand_in_script){.status = 400, .body = "{\"error\":{\"message\":\"no\"}}"});
    json_t *v = ask(ASK("big", "\"n\":16"), 400);
    assert_non_null(strstr(json_at(v, "error.message"), "no"));
    json_decref(v);
    v = ask(ASK("nobody", "\"n\":2"), 404);
    assert_string_equal(json_at(v, "error.code"), "model_not_found");
    json_decref(v);
}

static bool all_hung_up(void *stand_in) { return stand_in_gone(stand_in) == 3; }

static bool all_asked(void *stand_in) { return stand_in_requests(stand_in) == 3; }

static void test_hang_up_stops_all_of_several(void **state)
{
    (void)state;
    struct house h;
    static struct stand_in silent;
    stand_in_open(&silent);
    house_open(&h, BOTH, silent.port);
    stand_in_play(&silent, (struct stand_in_script){.hang_first = true, .body = PLAIN_ANSWER});
    int fd = plain_send(h.port, "POST", "/v1/chat/completions", "", ASK("big", "\"n\":3"));
    assert_true(eventually(all_asked, &silent));
    close(fd);
    assert_true(eventually(all_hung_up, &silent));
    house_close(&h);
    stand_in_close(&silent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_several_choices_of_a_local_model_differ_and_are_the_same_again),
        cmocka_unit_test(test_several_choices_begin_with_the_only_one),
        cmocka_unit_test(test_several_choices_of_an_upstream_are_calls_that_are_all_paid),
        cmocka_unit_test(test_several_parts_keep_what_came_beside_the_body),
        cmocka_unit_test(test_several_answers_of_a_private_question_are_all_private),
        cmocka_unit_test(test_several_answers_are_rows_whose_sum_is_exact),
        cmocka_unit_test(test_several_answers_with_one_seed_ask_with_different_ones),
        cmocka_unit_test(test_several_streams_carry_their_index_and_say_what_plain_ones_say),
        cmocka_unit_test(test_several_streams_of_an_upstream_are_told_apart),
        cmocka_unit_test(test_several_answers_fail_as_one),
        cmocka_unit_test(test_hang_up_stops_all_of_several),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
