/* Anthropic's API as an upstream, over real HTTP with a stand-in: what a chat completion becomes on its way out, and what its answers,
 * streams and errors become on their way back. */
#include "data/json.h"
#include "support_gateway.h"

#define HOUSE                                                                                                          \
    "models: {claude: {provider: anthropic, base_url: 'http://127.0.0.1:%u', model: %s, api_key: 'env:RUNG_TEST_CLAUDE_KEY', "   \
    "price_usd_per_mtok: {input: 1, cached_input: 0.1, output: 5}}}\n"                                                 \
    "tiers: [{name: frontier, model: claude}]\n"

#define ANSWER                                                                                                         \
    "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-4-6\",\"content\":["      \
    "{\"type\":\"thinking\",\"thinking\":\"Rain?\",\"signature\":\"c2ln\"},{\"type\":\"future_block\",\"x\":1},"       \
    "{\"type\":\"text\",\"text\":\"Take an \"},{\"type\":\"text\",\"text\":\"umbrella.\"}],"                           \
    "\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":10,\"cache_creation_input_tokens\":30," \
    "\"cache_read_input_tokens\":60,\"output_tokens\":7}}"

#define EVENT(type, rest) "event: " type "\ndata: {\"type\":\"" type "\"" rest "}\n\n"
#define START                                                                                                          \
    EVENT("message_start", ",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[],\"model\":\"m\","   \
                           "\"stop_reason\":null,\"usage\":{\"input_tokens\":10,\"cache_read_input_tokens\":60,"       \
                           "\"cache_creation_input_tokens\":30,\"output_tokens\":1}}")
#define BLOCK(n, block) EVENT("content_block_start", ",\"index\":" n ",\"content_block\":{" block "}")
#define DELTA(n, delta) EVENT("content_block_delta", ",\"index\":" n ",\"delta\":{" delta "}")
#define STOP(n) EVENT("content_block_stop", ",\"index\":" n)
#define PING EVENT("ping", "")
#define END(reason)                                                                                                    \
    EVENT("message_delta", ",\"delta\":{\"stop_reason\":\"" reason "\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":25}")      \
    EVENT("message_stop", "")
#define TEXT(n, text) DELTA(n, "\"type\":\"text_delta\",\"text\":\"" text "\"")
#define ARGUMENTS(n, json) DELTA(n, "\"type\":\"input_json_delta\",\"partial_json\":\"" json "\"")

#define STREAM                                                                                                         \
    START PING BLOCK("0", "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"")                                \
        DELTA("0", "\"type\":\"thinking_delta\",\"thinking\":\"Two \"") DELTA("0", "\"type\":\"thinking_delta\",\"thinking\":\"calls.\"") \
            DELTA("0", "\"type\":\"signature_delta\",\"signature\":\"c2ln\"") STOP("0")                                \
                EVENT("some_new_event", ",\"x\":[1]") BLOCK("1", "\"type\":\"text\",\"text\":\"\"") TEXT("1", "Both \\u00e9")  \
                    DELTA("1", "\"type\":\"citations_delta\",\"citation\":{}") TEXT("1", "t.") STOP("1")               \
                        BLOCK("2", "\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"weather\",\"input\":{}")       \
                            ARGUMENTS("2", "{\\\"city\\\": ") ARGUMENTS("2", "\\\"Bern\\\"}") STOP("2")                \
                                BLOCK("3", "\"type\":\"tool_use\",\"id\":\"toolu_2\",\"name\":\"time\",\"input\":{}") STOP("3") END("tool_use")

#define CALLS_AND_RESULTS                                                                                              \
    "{\"role\":\"system\",\"content\":\"Be brief.\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"See:\"},"           \
    "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,iVBORw0KGgo=\"}},"                         \
    "{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://example.org/a.png\"}},"                                   \
    "{\"type\":\"file\",\"file\":{\"filename\":\"a.pdf\",\"file_data\":\"data:application/pdf;base64,JVBERg==\"}}]},"  \
    "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":["                                                        \
    "{\"id\":\"call:1\",\"type\":\"function\",\"function\":{\"name\":\"weather\",\"arguments\":\"{\\\"city\\\":\\\"Bern\\\"}\"}},"     \
    "{\"id\":\"b__sig_QUJD\",\"type\":\"function\",\"function\":{\"name\":\"time\",\"arguments\":\"\"}}]},"            \
    "{\"role\":\"tool\",\"tool_call_id\":\"call:1\",\"content\":\"rain\"},"                                            \
    "{\"role\":\"tool\",\"tool_call_id\":\"b__sig_QUJD\",\"content\":\"\"},{\"role\":\"user\",\"content\":\"So?\"}"
#define TOOLS                                                                                                          \
    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"weather\",\"description\":\"of a city\",\"strict\":true,\"parameters\":" \
    "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"}},\"required\":[\"city\"],\"additionalProperties\":false}}},"  \
    "{\"type\":\"function\",\"function\":{\"name\":\"time\"}}]"
#define SAY(text) "\"messages\":[{\"role\":\"user\",\"content\":\"" text "\"}]"

static struct stand_in upstream;

static int setup(void **state)
{
    (void)state;
    setenv("RUNG_TEST_CLAUDE_KEY", "sk-ant-1", 1);
    stand_in_open(&upstream);
    stand_in_play(&upstream, (struct stand_in_script){.body = ANSWER});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    stand_in_close(&upstream);
    return 0;
}

/* Asks; *ret_sent is what the stand-in saw, NULL when it was not asked. */
static json_t *ask_model(const char *model, const char *members, int status, json_t **ret_sent)
{
    struct house h;
    char body[8192];
    house_open(&h, HOUSE, upstream.port, model);
    snprintf(body, sizeof body, "{\"model\":\"claude\",%s}", members);
    json_t *v = house_exchange(&h, &upstream, body, status, ret_sent);
    house_close(&h);
    return v;
}

static json_t *ask(const char *members, json_t **ret_sent) { return ask_model("claude-sonnet-4-6", members, 200, ret_sent); }

static void test_text_thinking_and_usage_come_back(void **state)
{
    (void)state;
    json_t *sent, *v = ask(SAY("Umbrella?"), &sent);
    assert_string_equal(upstream.path, "/v1/messages");
    assert_string_equal(upstream.api_key, "sk-ant-1");
    assert_string_equal(upstream.authorization, "");
    assert_string_equal(json_at(v, "choices.0.message.content"), "Take an umbrella.");
    assert_string_equal(json_at(v, "choices.0.message.reasoning_content"), "Rain?");
    assert_string_equal(json_at(v, "choices.0.finish_reason"), "stop");
    assert_string_equal(json_at(v, "usage.prompt_tokens"), "100");
    assert_string_equal(json_at(v, "usage.prompt_tokens_details.cached_tokens"), "60");
    assert_string_equal(json_at(v, "usage.completion_tokens"), "7");
    assert_string_equal(json_at(sent, "model"), "claude-sonnet-4-6");
    assert_string_equal(json_at(sent, "max_tokens"), "8192");
    assert_string_equal(json_at(sent, "messages.0.content.0.text"), "Umbrella?");
    assert_string_equal(json_at(sent, "temperature"), "");
    assert_string_equal(json_at(sent, "thinking.type"), "");
    json_decref(sent);
    json_decref(v);
}

/* What is kept for an hour is written at a price of its own. */
static void test_cache_of_an_hour_has_its_own_price(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, "models: {claude: {provider: anthropic, base_url: 'http://127.0.0.1:%u', "
                   "price_usd_per_mtok: {input: 1, cached_write: 1.25, cached_write_1h: 2, output: 5}}}\ntiers: [{name: far, model: claude}]\n",
               upstream.port);
    stand_in_play(&upstream, (struct stand_in_script){.body =
        "{\"type\":\"message\",\"content\":[{\"type\":\"text\",\"text\":\"x\"}],\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":10,"
        "\"cache_creation_input_tokens\":30,\"cache_creation\":{\"ephemeral_5m_input_tokens\":20,\"ephemeral_1h_input_tokens\":10},"
        "\"output_tokens\":7}}"});
    house_chat(&h, "{\"model\":\"claude\"," SAY("x") "}", &r);
    json_t *v = reply_json(&r);
    assert_float_equal(json_number_at(v, "rung.cost_usd"), 1e-6 * (10 + 20 * 1.25 + 10 * 2 + 7 * 5), 1e-12);
    json_decref(v);
    plain_free(&r);
    house_close(&h);
}

static void test_conversation_becomes_turns_of_blocks(void **state)
{
    (void)state;
    json_t *sent, *v = ask("\"messages\":[" CALLS_AND_RESULTS "]," TOOLS ",\"tool_choice\":\"auto\",\"parallel_tool_calls\":false,"
                           "\"temperature\":0.25,\"top_p\":0.5,\"top_k\":7,\"stop\":[\"END\",\"###\"],\"max_tokens\":99,\"user\":\"u1\"", &sent);
    assert_string_equal(json_at(sent, "system.0.text"), "Be brief.");
    assert_string_equal(json_at(sent, "messages.0.role"), "user");
    assert_string_equal(json_at(sent, "messages.0.content.1.type"), "image");
    assert_string_equal(json_at(sent, "messages.0.content.1.source.type"), "base64");
    assert_string_equal(json_at(sent, "messages.0.content.1.source.media_type"), "image/png");
    assert_string_equal(json_at(sent, "messages.0.content.1.source.data"), "iVBORw0KGgo=");
    assert_string_equal(json_at(sent, "messages.0.content.2.source.url"), "https://example.org/a.png");
    assert_string_equal(json_at(sent, "messages.0.content.3.type"), "document");
    assert_string_equal(json_at(sent, "messages.0.content.3.title"), "a.pdf");
    assert_string_equal(json_at(sent, "messages.1.role"), "assistant");
    assert_string_equal(json_at(sent, "messages.1.content.0.type"), "tool_use");
    assert_string_equal(json_at(sent, "messages.1.content.0.input.city"), "Bern");
    assert_string_equal(json_at(sent, "messages.1.content.0.id"), "call_1");
    assert_string_equal(json_at(sent, "messages.1.content.1.id"), "b");
    assert_string_equal(json_at(sent, "messages.2.role"), "user");
    assert_string_equal(json_at(sent, "messages.2.content.0.type"), "tool_result");
    assert_string_equal(json_at(sent, "messages.2.content.0.tool_use_id"), "call_1");
    assert_string_equal(json_at(sent, "messages.2.content.0.content"), "rain");
    assert_string_equal(json_at(sent, "messages.2.content.1.tool_use_id"), "b");
    assert_string_equal(json_at(sent, "messages.2.content.2.text"), "So?");
    assert_string_equal(json_at(sent, "messages.3.role"), "");
    assert_string_equal(json_at(sent, "tools.0.input_schema.properties.city.type"), "string");
    assert_string_equal(json_at(sent, "tools.0.strict"), "true");
    assert_string_equal(json_at(sent, "tools.1.input_schema.type"), "object");
    assert_string_equal(json_at(sent, "tool_choice.type"), "auto");
    assert_string_equal(json_at(sent, "tool_choice.disable_parallel_tool_use"), "true");
    assert_string_equal(json_at(sent, "temperature"), "0.25");
    assert_string_equal(json_at(sent, "top_k"), "7");
    assert_string_equal(json_at(sent, "stop_sequences.1"), "###");
    assert_string_equal(json_at(sent, "max_tokens"), "99");
    assert_string_equal(json_at(sent, "metadata.user_id"), "u1");
    json_decref(sent);
    json_decref(v);
}

static void test_choice_of_tool_is_translated(void **state)
{
    (void)state;
    static const struct {
        const char *choice, *type, *name;
    } rows[] = {
        {"\"none\"", "none", ""},
        {"\"required\"", "any", ""},
        {"{\"type\":\"function\",\"function\":{\"name\":\"time\"}}", "tool", "time"},
    };
    stand_in_play(&upstream, (struct stand_in_script){
        .body = "{\"type\":\"message\",\"content\":[{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"time\",\"input\":{\"z\":1}}],"
                "\"stop_reason\":\"tool_use\",\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}"});
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char members[2048];
        snprintf(members, sizeof members, SAY("x") "," TOOLS ",\"tool_choice\":%s", rows[i].choice);
        json_t *sent, *v = ask(members, &sent);
        assert_string_equal(json_at(sent, "tool_choice.type"), rows[i].type);
        assert_string_equal(json_at(sent, "tool_choice.name"), rows[i].name);
        assert_string_equal(json_at(v, "choices.0.finish_reason"), "tool_calls");
        assert_string_equal(json_at(v, "choices.0.message.tool_calls.0.id"), "t1");
        assert_string_equal(json_at(v, "choices.0.message.tool_calls.0.function.arguments"), "{\"z\":1}");
        json_decref(sent);
        json_decref(v);
    }
}

static void test_form_goes_out_as_output_config(void **state)
{
    (void)state;
    stand_in_play(&upstream, (struct stand_in_script){
        .body = "{\"type\":\"message\",\"content\":[{\"type\":\"text\",\"text\":\"{\\\"choice\\\":\\\"b\\\"}\"}],\"stop_reason\":\"end_turn\","
                "\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}"});
    json_t *sent, *v = ask(SAY("x") ",\"choices\":[\"a\",\"b\"]", &sent);
    assert_string_equal(json_at(sent, "output_config.format.type"), "json_schema");
    assert_string_equal(json_at(sent, "output_config.format.schema.properties.choice.enum.1"), "b");
    assert_string_equal(json_at(v, "choices.0.message.content"), "b");
    json_decref(sent);
    json_decref(v);
    v = ask(SAY("x") ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{\"type\":\"object\"}}}", &sent);
    assert_string_equal(json_at(sent, "output_config.format.schema.type"), "object");
    json_decref(sent);
    json_decref(v);
    v = ask(SAY("x") ",\"response_format\":{\"type\":\"json_object\"}", &sent);
    assert_string_equal(json_at(sent, "output_config.format.type"), "");
    assert_non_null(strstr(json_at(sent, "system.0.text"), "JSON object"));
    json_decref(sent);
    json_decref(v);
}

static void test_reasoning_is_an_effort_or_a_budget(void **state)
{
    (void)state;
    static const struct {
        const char *model, *members, *type, *budget, *effort, *max_tokens;
    } rows[] = {
        {"claude-sonnet-4-6", "\"reasoning_effort\":\"low\"", "adaptive", "", "low", "8192"},
        {"claude-opus-5", "\"reasoning_effort\":\"high\"", "adaptive", "", "high", "8192"},
        {"claude-sonnet-4-5-20250929", "\"reasoning_effort\":\"medium\"", "enabled", "4096", "", "12288"},
        {"claude-3-7-sonnet-20250219", "\"reasoning_effort\":\"low\"", "enabled", "1024", "", "9216"},
        {"claude-opus-4-20250514", "\"reasoning_effort\":\"high\",\"max_tokens\":4096", "enabled", "2048", "", "4096"},
        {"claude-haiku-4-5", "\"reasoning_effort\":\"high\",\"max_tokens\":1024", "", "", "", "1024"},
        {"claude-haiku-4-5", "\"reasoning_effort\":\"none\"", "disabled", "", "", "8192"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char members[1024];
        snprintf(members, sizeof members, SAY("x") ",%s", rows[i].members);
        json_t *sent, *v = ask_model(rows[i].model, members, 200, &sent);
        assert_string_equal(json_at(sent, "thinking.type"), rows[i].type);
        assert_string_equal(json_at(sent, "thinking.budget_tokens"), rows[i].budget);
        assert_string_equal(json_at(sent, "output_config.effort"), rows[i].effort);
        assert_string_equal(json_at(sent, "max_tokens"), rows[i].max_tokens);
        json_decref(sent);
        json_decref(v);
    }
}

static void test_what_the_api_lacks_is_refused_by_name(void **state)
{
    (void)state;
    static const char *const members[] = {"\"temperature\":1.5", "\"seed\":1", "\"logit_bias\":{\"1\":1}", "\"presence_penalty\":0.5",
                                          "\"logprobs\":true", "\"min_p\":0.1"};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        char text[256], name[32];
        snprintf(text, sizeof text, SAY("x") ",%s", members[i]);
        snprintf(name, sizeof name, "%.*s", (int)strcspn(members[i] + 1, "\""), members[i] + 1);
        json_t *v = ask_model("claude-sonnet-4-6", text, 400, NULL);
        assert_non_null(strstr(json_at(v, "error.message"), name));
        assert_string_equal(json_at(v, "error.param"), name);
        json_decref(v);
    }
    assert_int_equal(stand_in_requests(&upstream), 0);
}

/* What a stream's chunks add up to. */
struct told {
    char text[512], reasoning[512], arguments[2][512], ids[2][64], names[2][64], finish[32], prompt[16], completion[16];
};

static void add_text(char *to, size_t size, const char *more) { snprintf(to + strlen(to), size - strlen(to), "%s", more); }

static void gather(const struct plain_reply *r, struct told *t)
{
    memset(t, 0, sizeof *t);
    for (const char *at = r->body; (at = strstr(at, "data: {")); at += 6) {
        json_t *v = NULL;
        struct err err = ERR_INIT;
        assert_ok(json_parse_object((struct str){at + 6, strcspn(at + 6, "\n")}, "chunk", &v, &err), err);
        add_text(t->text, sizeof t->text, json_at(v, "choices.0.delta.content"));
        add_text(t->reasoning, sizeof t->reasoning, json_at(v, "choices.0.delta.reasoning_content"));
        const char *index = json_at(v, "choices.0.delta.tool_calls.0.index");
        if (*index) {
            int i = *index - '0';
            add_text(t->arguments[i], sizeof t->arguments[i], json_at(v, "choices.0.delta.tool_calls.0.function.arguments"));
            add_text(t->ids[i], sizeof t->ids[i], json_at(v, "choices.0.delta.tool_calls.0.id"));
            add_text(t->names[i], sizeof t->names[i], json_at(v, "choices.0.delta.tool_calls.0.function.name"));
        }
        if (strcmp(json_at(v, "choices.0.finish_reason"), "null") != 0)
            add_text(t->finish, sizeof t->finish, json_at(v, "choices.0.finish_reason"));
        add_text(t->prompt, sizeof t->prompt, json_at(v, "usage.prompt_tokens"));
        add_text(t->completion, sizeof t->completion, json_at(v, "usage.completion_tokens"));
        json_decref(v);
    }
}

static void stream(struct stand_in_script script, struct plain_reply *ret)
{
    struct house h;
    script.streamed = true;
    stand_in_play(&upstream, script);
    house_open(&h, HOUSE, upstream.port, "claude-sonnet-4-6");
    house_chat(&h, "{\"model\":\"claude\",\"stream\":true,\"stream_options\":{\"include_usage\":true}," SAY("x") "," TOOLS "}", ret);
    house_close(&h);
}

static void check_stream(const struct plain_reply *r)
{
    struct told t;
    gather(r, &t);
    assert_string_equal(t.text, "Both \xc3\xa9t.");
    assert_string_equal(t.reasoning, "Two calls.");
    assert_string_equal(t.ids[0], "toolu_1");
    assert_string_equal(t.names[0], "weather");
    assert_string_equal(t.arguments[0], "{\"city\": \"Bern\"}");
    assert_string_equal(t.names[1], "time");
    assert_string_equal(t.arguments[1], "{}");
    assert_string_equal(t.finish, "tool_calls");
    assert_string_equal(t.prompt, "100");
    assert_string_equal(t.completion, "25");
}

static void test_stream_of_everything_comes_back(void **state)
{
    (void)state;
    struct plain_reply r;
    stream((struct stand_in_script){.body = STREAM}, &r);
    check_stream(&r);
    plain_free(&r);
    assert_non_null(strstr(upstream.body, "\"stream\":true"));
}

static void test_stream_cut_at_every_byte_is_the_same(void **state)
{
    (void)state;
    struct plain_reply r;
    stream((struct stand_in_script){.body = STREAM, .by_bytes = true}, &r);
    check_stream(&r);
    plain_free(&r);
}

static void test_error_inside_a_stream_is_an_error(void **state)
{
    (void)state;
    struct plain_reply r;
    stream((struct stand_in_script){
        .body = START BLOCK("0", "\"type\":\"text\",\"text\":\"\"") TEXT("0", "Half") "|"
                EVENT("error", ",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}")}, &r);
    assert_non_null(strstr(r.body, "Half"));
    assert_non_null(strstr(r.body, "event: error"));
    assert_non_null(strstr(r.body, "Overloaded (overloaded_error)"));
    assert_null(strstr(r.body, "[DONE]"));
    plain_free(&r);
}

static void test_stream_that_ends_early_is_an_error(void **state)
{
    (void)state;
    struct plain_reply r;
    stream((struct stand_in_script){.body = START BLOCK("0", "\"type\":\"text\",\"text\":\"\"") TEXT("0", "Half")}, &r);
    assert_null(strstr(r.body, "[DONE]"));
    plain_free(&r);
}

static void test_ends_of_answers_are_translated(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"max_tokens", "length"}, {"stop_sequence", "stop"}, {"refusal", "content_filter"},
                                          {"pause_turn", "stop"}, {"model_context_window_exceeded", "length"}, {"new_reason", "stop"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char body[512];
        snprintf(body, sizeof body,
                 "{\"type\":\"message\",\"content\":[{\"type\":\"text\",\"text\":\"x\"}],\"stop_reason\":\"%s\",\"usage\":{}}", rows[i][0]);
        stand_in_play(&upstream, (struct stand_in_script){.body = body});
        json_t *v = ask(SAY("x"), NULL);
        assert_string_equal(json_at(v, "choices.0.finish_reason"), rows[i][1]);
        json_decref(v);
    }
}

static void test_errors_are_one_sentence(void **state)
{
    (void)state;
    stand_in_play(&upstream, (struct stand_in_script){
        .status = 400, .body = "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"max_tokens: too large\"},"
                               "\"request_id\":\"req_1\"}"});
    json_t *v = ask_model("claude-sonnet-4-6", SAY("x"), 400, NULL);
    assert_non_null(strstr(json_at(v, "error.message"), "HTTP 400: max_tokens: too large"));
    json_decref(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_text_thinking_and_usage_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cache_of_an_hour_has_its_own_price, setup, teardown),
        cmocka_unit_test_setup_teardown(test_conversation_becomes_turns_of_blocks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_choice_of_tool_is_translated, setup, teardown),
        cmocka_unit_test_setup_teardown(test_form_goes_out_as_output_config, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reasoning_is_an_effort_or_a_budget, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_the_api_lacks_is_refused_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stream_of_everything_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stream_cut_at_every_byte_is_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(test_error_inside_a_stream_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stream_that_ends_early_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ends_of_answers_are_translated, setup, teardown),
        cmocka_unit_test_setup_teardown(test_errors_are_one_sentence, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
