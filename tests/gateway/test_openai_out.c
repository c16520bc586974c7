/* OpenAI's API and Azure's as upstreams, and the servers that speak it in their own way: where a call goes, with which header, and what
 * is made of each shape of answer. */
#include <sqlite3.h>

#include "data/json.h"
#include "gateway/answer/answer.h"
#include "gateway/provider/provider.h"
#include "support_gateway.h"

#define CHAT "{\"model\":\"big\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]%s}"
#define EVENT(delta, finish) "data: {\"choices\":[{\"index\":0,\"delta\":{" delta "},\"finish_reason\":" finish "}]}\n\n|"
#define STOP EVENT("", "\"stop\"")
#define DONE "data: [DONE]\n\n"
#define TOOLS ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}},{\"type\":\"function\",\"function\":{\"name\":\"g\"}}]"

static struct stand_in upstream;
static struct house house;

static int setup(void **state)
{
    (void)state;
    stand_in_open(&upstream);
    house_open(&house, "models: {big: {base_url: 'http://127.0.0.1:%u/v1', retries: 0, breaker: {failures: 100}, "
                       "price_usd_per_mtok: {input: 1, output: 1}}}\ntiers: [{name: far, model: big}]\n", upstream.port);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    house_close(&house);
    stand_in_close(&upstream);
    return 0;
}

static json_t *ask(struct house *h, const char *more, int status)
{
    struct plain_reply r;
    char body[2048];
    snprintf(body, sizeof body, CHAT, more);
    house_chat(h, body, &r);
    assert_int_equal(r.status, status);
    json_t *v = status == 200 && strstr(more, "\"stream\":true") ? last_event(&r) : reply_json(&r);
    plain_free(&r);
    return v;
}

/* A stream as it comes, gathered into a plain answer. */
static json_t *ask_stream(const char *body, const char *more, int status)
{
    stand_in_play(&upstream, (struct stand_in_script){.streamed = true, .body = body});
    return ask(&house, more, status);
}

/* A number out of the ledger, once all rows so far are in it. */
static int64_t ledger_sum(struct house *h, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    struct err err = ERR_INIT;
    assert_ok(ledger_flush(h->gateway->ledger, &err), err);
    assert_int_equal(sqlite3_open_v2(h->ledger, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return n;
}

static void test_calls_without_index_or_id_are_told_apart(void **state)
{
    (void)state;
    json_t *v = ask_stream(EVENT("\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]", "null")
                           EVENT("\"tool_calls\":[{\"function\":{\"name\":\"g\",\"arguments\":\"{\\\"a\\\"\"}}]", "null")
                           EVENT("\"tool_calls\":[{\"function\":{\"arguments\":\":1}\"}}]", "null") STOP DONE, TOOLS, 200);
    assert_string_equal(json_at(v, "choices.0.message.tool_calls.0.function.name"), "f");
    assert_string_equal(json_at(v, "choices.0.message.tool_calls.1.function.name"), "g");
    assert_string_equal(json_at(v, "choices.0.message.tool_calls.1.function.arguments"), "{\"a\":1}");
    assert_int_equal(strlen(json_at(v, "choices.0.message.tool_calls.0.id")), 21);
    assert_string_not_equal(json_at(v, "choices.0.message.tool_calls.0.id"), json_at(v, "choices.0.message.tool_calls.1.id"));
    json_decref(v);
}

#define CUSTOM_TOOLS ",\"tools\":[{\"type\":\"custom\",\"custom\":{\"name\":\"c\"}},{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]"
#define CUSTOM_STREAM                                                                                                  \
    EVENT("\"tool_calls\":[{\"index\":0,\"id\":\"c0\",\"type\":\"custom\",\"custom\":{\"name\":\"c\",\"input\":\"\"}}]", "null") \
    EVENT("\"tool_calls\":[{\"index\":0,\"custom\":{\"input\":\"SELECT \"}}]", "null")                             \
    EVENT("\"tool_calls\":[{\"index\":1,\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]", "null") \
    EVENT("\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\"{}\"}},{\"index\":0,\"custom\":{\"input\":\"1\"}}]", "null") \
    EVENT("", "\"tool_calls\"") DONE

/* Tools that only this API has: their calls are texts. */
static void test_custom_calls_are_whole_plain_and_streamed(void **state)
{
    (void)state;
    struct plain_reply r;
    char body[1024];
    stand_in_play(&upstream, (struct stand_in_script){
        .body = "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c0\","
                "\"type\":\"custom\",\"custom\":{\"name\":\"c\",\"input\":\"SELECT 1\"}}]},\"finish_reason\":\"tool_calls\"}]}"});
    json_t *v = ask(&house, CUSTOM_TOOLS, 200);
    assert_non_null(strstr(upstream.body, "\"type\":\"custom\""));
    assert_string_equal(json_at(v, "choices.0.message.tool_calls.0.type"), "custom");
    assert_string_equal(json_at(v, "choices.0.message.tool_calls.0.id"), "c0");
    assert_string_equal(json_at(v, "choices.0.message.tool_calls.0.custom.input"), "SELECT 1");
    assert_string_equal(json_at(v, "choices.0.finish_reason"), "tool_calls");
    json_decref(v);
    stand_in_play(&upstream, (struct stand_in_script){.streamed = true, .content_type = "text/event-stream", .body = CUSTOM_STREAM});
    snprintf(body, sizeof body, CHAT, CUSTOM_TOOLS ",\"stream\":true");
    house_chat(&house, body, &r);
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(r.body, "\"custom\":{\"name\":\"c\",\"input\":\"\"}"));
    assert_non_null(strstr(r.body, "\"custom\":{\"input\":\"SELECT \"}"));
    assert_non_null(strstr(r.body, "\"custom\":{\"input\":\"1\"}"));
    assert_non_null(strstr(r.body, "\"function\":{\"arguments\":\"{}\"}"));
    assert_non_null(strstr(r.body, "\"finish_reason\":\"tool_calls\""));
    plain_free(&r);
}

static void test_calls_that_count_from_one_and_repeat_their_name_are_one_each(void **state)
{
    (void)state;
    json_t *v = ask_stream(EVENT("\"tool_calls\":[{\"index\":1,\"id\":\"c1\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]", "null")
                           EVENT("\"tool_calls\":[{\"index\":1,\"id\":\"c1\",\"function\":{\"name\":\"f\",\"arguments\":\"}\"}}]", "null")
                           EVENT("\"tool_calls\":[{\"index\":5,\"id\":\"c5\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]", "null") STOP DONE,
                           TOOLS, 200);
    assert_string_equal(json_at(v, "choices.0.message.tool_calls.0.function.arguments"), "{}");
    assert_string_equal(json_at(v, "choices.0.message.tool_calls.0.function.name"), "f");
    assert_string_equal(json_at(v, "choices.0.message.tool_calls.1.id"), "c5");
    assert_string_equal(json_at(v, "choices.0.message.tool_calls.2.id"), "");
    json_decref(v);
}

static void test_arguments_as_an_object_become_a_string(void **state)
{
    (void)state;
    stand_in_play(&upstream, (struct stand_in_script){
        .body = "{\"choices\":[{\"message\":{\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"a\":[1]}}}]},"
                "\"finish_reason\":\"tool_calls\"}]}"});
    json_t *v = ask(&house, TOOLS, 200);
    assert_string_equal(json_at(v, "choices.0.message.tool_calls.0.function.arguments"), "{\"a\":[1]}");
    assert_int_equal(strlen(json_at(v, "choices.0.message.tool_calls.0.id")), 21);
    json_decref(v);
}

static void test_usage_in_every_chunk_counts_once_and_comments_are_nothing(void **state)
{
    (void)state;
    json_t *v = ask_stream(": OPENROUTER PROCESSING\n\n|"
                           "data: {\"choices\":[],\"usage\":null}\n\n|"
                           "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":1,\"cost\":1}}\n\n|"
                           "data: {\"choices\":[{\"delta\":{\"content\":\"b\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}\n\n|" DONE,
                           "", 200);
    assert_string_equal(json_at(v, "choices.0.message.content"), "ab");
    assert_string_equal(json_at(v, "usage.prompt_tokens"), "9");
    assert_string_equal(json_at(v, "usage.completion_tokens"), "2");
    assert_float_equal(json_number_at(v, "rung.cost_usd"), 11e-6, 1e-12);
    json_decref(v);
}

/* What is told while an answer is written is not what it will have cost: nobody knows of the rest. */
static void test_usage_so_far_of_a_cut_stream_is_no_account(void **state)
{
    (void)state;
    json_t *v = ask_stream("data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":1}}\n\n",
                           ",\"max_tokens\":1000", 502);
    json_decref(v);
    assert_int_equal(ledger_sum(&house, "SELECT count(*) FROM attempt WHERE outcome = 'possibly_billed' AND prompt = 9"), 1);
    assert_true(ledger_sum(&house, "SELECT uncertain_pico_usd FROM request") >= INT64_C(1000000000));      /* the most it can be: 1000 tokens */
    assert_int_equal(ledger_sum(&house, "SELECT cost_pico_usd FROM request"), 0);
}

/* So is one that was given up in its middle, because it was not sure enough. */
static void test_stream_given_up_for_its_confidence_is_possibly_billed(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, "models: {mid: {base_url: 'http://127.0.0.1:%u/v1', logprobs: true, price_usd_per_mtok: {input: 1, output: 1}}, "
                   "top: {base_url: 'http://127.0.0.1:%u/none'}}\ntiers: [{name: mid, model: mid}, {name: top, model: top}]\n"
                   "confidence: {default: 0.7}\nhold_ms: 1\n", upstream.port, upstream.port);
    stand_in_play(&upstream, (struct stand_in_script){.streamed = true, .hang_last = true, .body =
        "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"logprobs\":{\"content\":[{\"token\":\"a\",\"logprob\":-3}]}}]}\n\n"});
    house_chat(&h, "{\"model\":\"auto\",\"stream\":true,\"max_tokens\":1000,\"metadata\":{\"kind\":\"open_ended\"},"
                   "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", &r);
    plain_free(&r);
    assert_true(ledger_sum(&h, "SELECT count(*) FROM attempt WHERE tier = 'mid' AND outcome = 'possibly_billed'") >= 1);
    assert_int_equal(ledger_sum(&h, "SELECT count(*) FROM attempt WHERE tier = 'mid' AND outcome = 'low_confidence'"), 0);
    house_close(&h);
}

static void test_cached_and_reasoning_tokens_are_read_as_each_server_tells_them(void **state)
{
    (void)state;
    static const struct {
        const char *usage, *cached, *completion, *reasoning;
    } cases[] = {
        {"\"prompt_tokens\":100,\"completion_tokens\":20,\"prompt_tokens_details\":{\"cached_tokens\":60},\"completion_tokens_details\":{\"reasoning_tokens\":5}",
         "60", "20", "5"},
        {"\"prompt_tokens\":100,\"completion_tokens\":20,\"prompt_cache_hit_tokens\":64,\"prompt_cache_miss_tokens\":36", "64", "20", "0"},
        {"\"prompt_tokens\":100,\"completion_tokens\":20,\"total_tokens\":150,\"completion_tokens_details\":{\"reasoning_tokens\":30}", "0", "50", "30"},
        {"\"prompt_tokens\":100,\"completion_tokens\":20,\"total_tokens\":120,\"completion_tokens_details\":{\"reasoning_tokens\":30}", "0", "20", "20"},
        {"\"prompt_tokens\":100,\"completion_tokens\":20,\"prompt_tokens_details\":{\"cached_tokens\":999}", "100", "20", "0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char body[600];
        snprintf(body, sizeof body, "{\"choices\":[{\"message\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}],\"usage\":{%s}}", cases[i].usage);
        stand_in_play(&upstream, (struct stand_in_script){.body = body});
        json_t *v = ask(&house, "", 200);
        assert_string_equal(json_at(v, "usage.prompt_tokens_details.cached_tokens"), cases[i].cached);
        assert_string_equal(json_at(v, "usage.completion_tokens"), cases[i].completion);
        assert_string_equal(json_at(v, "usage.completion_tokens_details.reasoning_tokens"), cases[i].reasoning);
        json_decref(v);
    }
}

static void test_reasoning_comes_by_either_name(void **state)
{
    (void)state;
    static const char *const names[] = {"reasoning", "reasoning_content"};
    for (int i = 0; i < 2; i++) {
        char body[500];
        snprintf(body, sizeof body, "{\"choices\":[{\"message\":{\"%s\":\"hm\",\"content\":\"x\"},\"finish_reason\":\"stop\"}]}", names[i]);
        stand_in_play(&upstream, (struct stand_in_script){.body = body});
        json_t *v = ask(&house, "", 200);
        assert_string_equal(json_at(v, "choices.0.message.reasoning_content"), "hm");
        assert_string_equal(json_at(v, "choices.0.message.content"), "x");
        json_decref(v);
    }
}

static void test_unknown_finish_reason_is_an_end_and_error_is_none(void **state)
{
    (void)state;
    json_t *v = ask_stream(EVENT("\"content\":\"a\"", "\"eos\"") DONE, "", 200);
    assert_string_equal(json_at(v, "choices.0.finish_reason"), "stop");
    json_decref(v);
    json_decref(ask_stream(EVENT("\"content\":\"a\"", "\"error\"") DONE, "", 502));
}

static void test_errors_of_every_shape_keep_their_words(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{\"error\":{\"message\":\"as told\"}}", "{\"error\":\"as told\"}", "{\"object\":\"error\",\"message\":\"as told\"}", "{\"detail\":\"as told\"}",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        stand_in_play(&upstream, (struct stand_in_script){.status = 400, .body = bodies[i]});
        json_t *v = ask(&house, "", 400);
        assert_non_null(strstr(json_at(v, "error.message"), "as told"));
        json_decref(v);
    }
}

static void test_another_api_s_signature_is_cut_from_ids(void **state)
{
    (void)state;
    struct plain_reply r;
    stand_in_play(&upstream, (struct stand_in_script){.body = "{\"choices\":[{\"message\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}"});
    house_chat(&house,
               "{\"model\":\"big\",\"messages\":[{\"role\":\"user\",\"content\":\"caf\\u00e9\"},{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c1__sig_QUJD\","
               "\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"c1__sig_QUJD\",\"content\":\"1\"}]}",
               &r);
    assert_int_equal(r.status, 200);
    assert_null(strstr(upstream.body, "__sig_"));
    assert_non_null(strstr(upstream.body, "\"tool_call_id\":\"c1\""));
    plain_free(&r);
}

static void test_azure_is_opened_by_its_own_header(void **state)
{
    (void)state;
    struct house h;
    setenv("RUNG_TEST_AZURE", "az-key", 1);
    house_open(&h, "models: {big: {provider: azure, base_url: 'http://127.0.0.1:%u', model: dep, api_key: 'env:RUNG_TEST_AZURE'}}\n"
                   "tiers: [{name: far, model: big}]\n", upstream.port);
    stand_in_play(&upstream, (struct stand_in_script){
        .body = "{\"model\":\"gpt-5-2025-08-07\",\"prompt_filter_results\":[],\"choices\":[{\"message\":{\"content\":\"x\"},\"finish_reason\":\"stop\","
                "\"content_filter_results\":{}}]}"});
    json_t *v = ask(&h, "", 200);
    assert_string_equal(json_at(v, "rung.attempts.0.upstream_model"), "gpt-5-2025-08-07");
    assert_string_equal(upstream.path, "/openai/deployments/dep/chat/completions");
    assert_string_equal(upstream.api_key, "az-key");
    assert_string_equal(upstream.authorization, "");
    assert_non_null(strstr(upstream.body, "\"model\":\"dep\""));
    json_decref(v);
    house_close(&h);
}

static void test_azure_url_names_the_deployment_and_the_version(void **state)
{
    (void)state;
    static const struct {
        const char *base, *version, *url;
    } cases[] = {
        {"https://n.openai.azure.com/", NULL, "https://n.openai.azure.com/openai/deployments/my%20dep/chat/completions?api-version=2024-10-21"},
        {"https://n.openai.azure.com", "2025-01-01-preview",
         "https://n.openai.azure.com/openai/deployments/my%20dep/chat/completions?api-version=2025-01-01-preview"},
        {"https://n.openai.azure.com/openai/v1/", NULL, "https://n.openai.azure.com/openai/v1/chat/completions"},
        {"https://n.openai.azure.com/openai/v1", "preview", "https://n.openai.azure.com/openai/v1/chat/completions?api-version=preview"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config_upstream u = {.base_url = cases[i].base, .api_version = cases[i].version, .model = "my dep"};
        struct request req = {0};
        struct provider_call call = {.upstream = &u, .req = &req};
        struct buf url = BUF_INIT(PROVIDER_MAX_URL);
        struct err err = ERR_INIT;
        assert_ok(provider_azure.url(&call, &url, &err), err);
        assert_string_equal(url.p, cases[i].url);
        buf_free(&url);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_calls_without_index_or_id_are_told_apart),
        TEST(test_custom_calls_are_whole_plain_and_streamed),
        TEST(test_calls_that_count_from_one_and_repeat_their_name_are_one_each),
        TEST(test_arguments_as_an_object_become_a_string),
        TEST(test_usage_in_every_chunk_counts_once_and_comments_are_nothing),
        TEST(test_usage_so_far_of_a_cut_stream_is_no_account),
        TEST(test_stream_given_up_for_its_confidence_is_possibly_billed),
        TEST(test_cached_and_reasoning_tokens_are_read_as_each_server_tells_them),
        TEST(test_reasoning_comes_by_either_name),
        TEST(test_unknown_finish_reason_is_an_end_and_error_is_none),
        TEST(test_errors_of_every_shape_keep_their_words),
        TEST(test_another_api_s_signature_is_cut_from_ids),
        TEST(test_azure_is_opened_by_its_own_header),
        cmocka_unit_test(test_azure_url_names_the_deployment_and_the_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
