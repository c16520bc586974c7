/* /v1/responses: items to messages and back, the words of its errors, plain and streamed answers of a real server with a stand-in upstream. */
#include "data/json.h"
#include "gateway/api/responses/responses.h"
#include "support_gateway.h"

#define UPSTREAM                                                                                                       \
    "models: {big: {base_url: 'http://127.0.0.1:%u/v1', retries: 0, price_usd_per_mtok: {input: 1, output: 4}}}\n"     \
    "tiers: [{name: frontier, model: big}]\n"
#define CALLS                                                                                                          \
    "[{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}},"            \
    "{\"id\":\"c2\",\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]"
#define PLAIN(message, finish)                                                                                         \
    "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\"," message "},\"finish_reason\":\"" finish "\"}],"  \
    "\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":20,\"prompt_tokens_details\":{\"cached_tokens\":40},"      \
    "\"completion_tokens_details\":{\"reasoning_tokens\":8}}}"
#define EVENT(delta, finish) "data: {\"choices\":[{\"index\":0,\"delta\":{" delta "},\"finish_reason\":" finish "}]}\n\n|"
#define TOOLS "\"tools\":[{\"type\":\"function\",\"name\":\"f\"},{\"type\":\"function\",\"name\":\"g\",\"strict\":false}]"
#define MAX_EVENTS 64

static struct house house;
static struct stand_in upstream;
static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena = ARENA_INIT(64u << 20);
    stand_in_open(&upstream);
    house_open(&house, UPSTREAM, upstream.port);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    house_close(&house);
    stand_in_close(&upstream);
    arena_free(&arena);
    return 0;
}

static void post(const char *body, struct plain_reply *ret)
{
    plain_request(house.port, "POST", "/v1/responses", "Content-Type: application/json\r\n", body, ret);
}

static json_t *ask(const char *body, int status)
{
    struct plain_reply r;
    post(body, &r);
    if (r.status != status)
        fail_msg("%s", r.raw);
    json_t *v = reply_json(&r);
    plain_free(&r);
    return v;
}

/* What the upstream was asked. */
static json_t *sent(void)
{
    json_t *v = NULL;
    struct err err = ERR_INIT;
    assert_ok(json_parse_object(str_of(upstream.body), "sent", &v, &err), err);
    return v;
}

/* ---- the request ---- */

static void test_items_become_the_messages_of_a_chat(void **state)
{
    (void)state;
    stand_in_play(&upstream, (struct stand_in_script){.body = PLAIN("\"content\":\"ok\"", "stop")});
    json_decref(ask("{\"model\":\"big\",\"instructions\":\"Be brief.\",\"input\":["
                    "{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"Weather?\"}]},"
                    "{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[],\"content\":[{\"type\":\"reasoning_text\",\"text\":\"hm\"}]},"
                    "{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"I look.\"}]},"
                    "{\"type\":\"function_call\",\"call_id\":\"c1\",\"name\":\"f\",\"arguments\":\"{}\"},"
                    "{\"type\":\"function_call\",\"call_id\":\"c2\",\"name\":\"g\",\"arguments\":\"{}\"},"
                    "{\"type\":\"function_call_output\",\"call_id\":\"c1\",\"output\":\"sunny\"},"
                    "{\"type\":\"function_call_output\",\"call_id\":\"c2\",\"output\":[{\"type\":\"input_text\",\"text\":\"noon\"}]},"
                    "{\"role\":\"developer\",\"content\":\"In French.\"}]," TOOLS "}",
                    200));
    json_t *v = sent();
    assert_string_equal(json_at(v, "messages.0.role"), "system");
    assert_string_equal(json_at(v, "messages.0.content"), "Be brief.");
    assert_string_equal(json_at(v, "messages.1.content"), "Weather?");
    assert_string_equal(json_at(v, "messages.2.role"), "assistant");
    assert_string_equal(json_at(v, "messages.2.content"), "I look.");
    assert_string_equal(json_at(v, "messages.2.reasoning_content"), "hm");
    assert_string_equal(json_at(v, "messages.2.tool_calls.1.function.name"), "g");
    assert_string_equal(json_at(v, "messages.3.role"), "tool");
    assert_string_equal(json_at(v, "messages.4.tool_call_id"), "c2");
    assert_string_equal(json_at(v, "messages.4.content"), "noon");
    assert_string_equal(json_at(v, "messages.5.role"), "developer");
    assert_string_equal(json_at(v, "tools.1.function.strict"), "false");
    json_decref(v);
}

static void test_fields_become_those_of_a_chat(void **state)
{
    (void)state;
    stand_in_play(&upstream, (struct stand_in_script){.body = PLAIN("\"content\":\"{\\\"n\\\":1}\"", "stop")});
    json_decref(ask("{\"model\":\"big\",\"input\":\"x\",\"max_output_tokens\":50,\"temperature\":0.5,\"top_logprobs\":2,"
                    "\"include\":[\"message.output_text.logprobs\",\"reasoning.encrypted_content\"],\"user\":\"u\","
                    "\"reasoning\":{\"effort\":\"low\",\"summary\":\"auto\"},\"store\":false,\"truncation\":\"disabled\","
                    "\"text\":{\"verbosity\":\"low\",\"format\":{\"type\":\"json_schema\",\"name\":\"a\",\"strict\":true,"
                    "\"schema\":{\"type\":\"object\"}}}}",
                    200));
    json_t *v = sent();
    assert_string_equal(json_at(v, "max_completion_tokens"), "50");
    assert_string_equal(json_at(v, "top_logprobs"), "2");
    assert_string_equal(json_at(v, "logprobs"), "true");
    assert_string_equal(json_at(v, "reasoning_effort"), "low");
    assert_string_equal(json_at(v, "verbosity"), "low");
    assert_string_equal(json_at(v, "user"), "u");
    assert_string_equal(json_at(v, "response_format.type"), "json_schema");
    assert_string_equal(json_at(v, "response_format.json_schema.name"), "a");
    assert_string_equal(json_at(v, "response_format.json_schema.schema.type"), "object");
    json_decref(v);
}

static void test_images_and_files_go_out_in_the_chat_s_shape(void **state)
{
    (void)state;
    stand_in_play(&upstream, (struct stand_in_script){.body = PLAIN("\"content\":\"a cat\"", "stop")});
    json_decref(ask("{\"model\":\"big\",\"input\":[{\"role\":\"user\",\"content\":["
                    "{\"type\":\"input_image\",\"image_url\":\"data:image/png;base64,iVBORw0KGgo=\",\"detail\":\"low\"},"
                    "{\"type\":\"input_file\",\"file_data\":\"data:application/pdf;base64,AAAA\",\"filename\":\"a.pdf\"}]}]}",
                    200));
    json_t *v = sent();
    assert_string_equal(json_at(v, "messages.0.content.0.type"), "image_url");
    assert_string_equal(json_at(v, "messages.0.content.0.image_url.detail"), "low");
    assert_string_equal(json_at(v, "messages.0.content.1.file.filename"), "a.pdf");
    json_decref(v);
}

#define INPUT(items) "{\"model\":\"m\",\"instructions\":\"i\",\"input\":[{\"role\":\"user\",\"content\":\"x\"}," items "]}"
#define WITH(members) "{\"model\":\"m\",\"input\":\"x\"," members "}"

static void test_errors_name_the_fields_of_this_api(void **state)
{
    (void)state;
    static const struct {
        const char *body, *field;
    } wrong[] = {
        {"{\"model\":\"m\"}", "input"},
        {"{\"input\":\"x\"}", "model"},
        {"{\"model\":\"m\",\"input\":[]}", "input"},
        {"{\"model\":\"m\",\"input\":1}", "input"},
        {WITH("\"previous_response_id\":\"r\""), "previous_response_id"},
        {WITH("\"conversation\":\"c\""), "conversation"},
        {WITH("\"prompt\":{\"id\":\"p\"}"), "prompt"},
        {WITH("\"background\":true"), "background"},
        {WITH("\"store\":true"), "store"},
        {WITH("\"truncation\":\"auto\""), "truncation"},
        {WITH("\"max_tool_calls\":1"), "max_tool_calls"},
        {WITH("\"include\":[\"file_search_call.results\"]"), "include[0]"},
        {WITH("\"max_output_tokens\":0"), "max_output_tokens"},
        {WITH("\"reasoning\":{\"effort\":\"huge\"}"), "reasoning.effort"},
        {WITH("\"reasoning\":{\"summary\":\"detailed\"}"), "reasoning.summary"},
        {WITH("\"text\":{\"verbosity\":\"loud\"}"), "text.verbosity"},
        {WITH("\"text\":{\"format\":{\"type\":\"xml\"}}"), "text.format.type"},
        {WITH("\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"a\"}}"), "text.format.schema"},
        {WITH("\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"a\",\"schema\":{\"type\":\"x\"}}}"), "text.format.schema"},
        {WITH("\"text\":{\"colour\":1}"), "text.colour"},
        {WITH("\"tools\":[{\"type\":\"web_search\"}]"), "tools[0].type"},
        {WITH("\"tools\":[{\"type\":\"function\"}]"), "tools[0].name"},
        {WITH("\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"x\":1}]"), "tools[0].x"},
        {WITH(TOOLS ",\"tool_choice\":{\"type\":\"function\",\"name\":\"h\"}"), "tool_choice.name"},
        {WITH(TOOLS ",\"tool_choice\":{\"type\":\"mcp\"}"), "tool_choice.type"},
        {WITH(TOOLS ",\"tool_choice\":{\"type\":\"allowed_tools\",\"tools\":[]}"), "tool_choice.mode"},
        {WITH(TOOLS ",\"tool_choice\":{\"type\":\"allowed_tools\",\"mode\":\"auto\",\"tools\":[{\"type\":\"function\",\"name\":\"nobody\"}]}"),
         "tool_choice.tools[0]"},
        {WITH("\"stream_options\":{\"include_obfuscation\":true}"), "stream_options.include_obfuscation"},
        {WITH("\"n\":2"), "n"},
        {INPUT("1"), "input[1]"},
        {INPUT("{\"type\":\"item_reference\",\"id\":\"x\"}"), "input[1].type"},
        {INPUT("{\"role\":\"bot\",\"content\":\"x\"}"), "input[1].role"},
        {INPUT("{\"role\":\"user\"}"), "input[1].content"},
        {INPUT("{\"role\":\"user\",\"content\":\"x\",\"y\":1}"), "input[1].y"},
        {INPUT("{\"role\":\"user\",\"content\":[{\"type\":\"video\"}]}"), "input[1].content[0].type"},
        {INPUT("{\"role\":\"user\",\"content\":[{\"type\":\"input_image\",\"file_id\":\"f\"}]}"), "input[1].content[0].file_id"},
        {INPUT("{\"role\":\"user\",\"content\":[{\"type\":\"input_image\",\"image_url\":\"ftp:\"}]}"),
         "input[1].content"},
        {INPUT("{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"x\"}"), "input[1].arguments"},
        {INPUT("{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\"}"), "input[1].arguments"},
        {INPUT("{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":\"x\"}"), "input[1].call_id"},
        {INPUT("{\"type\":\"reasoning\",\"encrypted_content\":\"x\"}"), "input[1].encrypted_content"},
        {INPUT("{\"type\":\"reasoning\",\"summary\":[]}"), "input[1]"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct request r;
        struct err err = ERR_INIT;
        char want[100];
        snprintf(want, sizeof want, "'%s", wrong[i].field);
        if (openai_responses.parse(str_of(wrong[i].body), &arena, &r, &err))
            fail_msg("accepted: %s", wrong[i].body);
        if (strncmp(err.msg, want, strlen(want)) != 0)
            fail_msg("%s: '%s' does not begin with %s", wrong[i].body, err.msg, want);
    }
}

/* ---- the reply ---- */

static void test_response_has_items_usage_and_what_was_asked(void **state)
{
    (void)state;
    stand_in_play(&upstream, (struct stand_in_script){
        .body = PLAIN("\"content\":\"said\",\"reasoning_content\":\"thought\",\"tool_calls\":" CALLS, "tool_calls")});
    json_t *v = ask("{\"model\":\"big\",\"input\":\"x\",\"instructions\":\"i\",\"metadata\":{\"a\":\"b\"}," TOOLS "}", 200);
    static const char *const want[][2] = {
        {"object", "response"},
        {"status", "completed"},
        {"error", "null"},
        {"output.0.type", "reasoning"},
        {"output.0.content.0.text", "thought"},
        {"output.1.type", "message"},
        {"output.1.content.0.type", "output_text"},
        {"output.1.content.0.text", "said"},
        {"output.2.type", "function_call"},
        {"output.2.call_id", "c1"},
        {"output.2.arguments", "{\"a\":1}"},
        {"output.3.name", "g"},
        {"output.4.type", ""},
        {"instructions", "i"},
        {"metadata.a", "b"},
        {"tools.1.name", "g"},
        {"tool_choice", "auto"},
        {"usage.input_tokens", "100"},
        {"usage.input_tokens_details.cached_tokens", "40"},
        {"usage.output_tokens", "20"},
        {"usage.output_tokens_details.reasoning_tokens", "8"},
        {"usage.total_tokens", "120"},
        {"rung.tier", "frontier"},
    };
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
        assert_string_equal(json_at(v, want[i][0]), want[i][1]);
    assert_true(strncmp(json_at(v, "id"), "resp_", 5) == 0);
    json_decref(v);
}

static void test_response_cut_short_is_incomplete(void **state)
{
    (void)state;
    stand_in_play(&upstream, (struct stand_in_script){.body = PLAIN("\"content\":\"a\"", "length")});
    json_t *v = ask(WITH("\"max_output_tokens\":1"), 404);
    json_decref(v);
    v = ask("{\"model\":\"big\",\"input\":\"x\"}", 200);
    assert_string_equal(json_at(v, "status"), "incomplete");
    assert_string_equal(json_at(v, "incomplete_details.reason"), "max_output_tokens");
    assert_string_equal(json_at(v, "output.0.status"), "incomplete");
    json_decref(v);
}

struct events {
    json_t *at[MAX_EVENTS];
    int n;
};

/* Every event's type is its name, and they are numbered from 0. */
static void read_events(const char *body, struct events *ret)
{
    ret->n = 0;
    for (const char *at = body; (at = strstr(at, "event: ")); at += 7) {
        struct err err = ERR_INIT;
        const char *data = strstr(at, "data: ") + 6, *type;
        assert_true(ret->n < MAX_EVENTS);
        assert_ok(json_parse_object((struct str){data, strcspn(data, "\n")}, "event", &ret->at[ret->n], &err), err);
        type = json_at(ret->at[ret->n], "type");
        assert_true(strncmp(type, at + 7, strlen(type)) == 0 && at[7 + strlen(type)] == '\n');
        assert_int_equal((int)json_number_at(ret->at[ret->n], "sequence_number"), ret->n);
        ret->n++;
    }
}

static void free_events(struct events *e)
{
    for (int i = 0; i < e->n; i++)
        json_decref(e->at[i]);
}

static void check_types(const struct events *e, const char *const *want, int n)
{
    for (int i = 0; i < n && i < e->n; i++) {
        if (strcmp(json_at(e->at[i], "type") + strlen("response."), want[i]) != 0)
            fail_msg("event %d is %s, not %s", i, json_at(e->at[i], "type"), want[i]);
    }
    assert_int_equal(e->n, n);
}

static void stream(const char *script, const char *body, struct events *ret)
{
    struct plain_reply r;
    stand_in_play(&upstream, (struct stand_in_script){.body = script, .streamed = true});
    post(body, &r);
    assert_int_equal(r.status, 200);
    read_events(r.body, ret);
    plain_free(&r);
}

static void test_stream_of_thought_text_and_calls_is_told_event_by_event(void **state)
{
    (void)state;
    struct events e;
    static const char *const want[] = {
        "created", "in_progress",
        "output_item.added", "content_part.added", "reasoning_text.delta",
        "reasoning_text.done", "content_part.done", "output_item.done",
        "output_item.added", "content_part.added", "output_text.delta", "output_text.delta",
        "output_text.done", "content_part.done", "output_item.done",
        "output_item.added", "function_call_arguments.delta", "function_call_arguments.delta",
        "output_item.added", "function_call_arguments.delta",
        "function_call_arguments.done", "output_item.done", "function_call_arguments.done", "output_item.done",
        "completed",
    };
    stream(EVENT("\"reasoning_content\":\"hm\"", "null") EVENT("\"content\":\"sa\"", "null") EVENT("\"content\":\"id\"", "null")
           EVENT("\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]", "null")
           EVENT("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\\\":\"}}]", "null")
           EVENT("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"1}\"}}]", "null")
           EVENT("\"tool_calls\":[{\"index\":1,\"id\":\"c2\",\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]",
                 "\"tool_calls\"")
           "data: [DONE]\n\n",
           "{\"model\":\"big\",\"input\":\"x\",\"stream\":true," TOOLS "}", &e);
    check_types(&e, want, (int)(sizeof want / sizeof want[0]));
    const json_t *last = e.at[e.n - 1];
    assert_string_equal(json_at(last, "response.output.0.content.0.text"), "hm");
    assert_string_equal(json_at(last, "response.output.1.content.0.text"), "said");
    assert_string_equal(json_at(last, "response.output.2.arguments"), "{\"a\":1}");
    assert_string_equal(json_at(last, "response.output.3.call_id"), "c2");
    assert_string_equal(json_at(e.at[12], "text"), "said");
    assert_string_equal(json_at(e.at[20], "arguments"), "{\"a\":1}");
    assert_string_equal(json_at(e.at[2], "item.id"), json_at(e.at[4], "item_id"));
    assert_string_equal(json_at(e.at[2], "item.id"), json_at(last, "response.output.0.id"));
    free_events(&e);
}

/* Asked for as a summary, what was thought comes in its events and its place, and is taken back from there. */
static void test_stream_of_thought_as_a_summary(void **state)
{
    (void)state;
    struct events e;
    static const char *const want[] = {
        "created", "in_progress",
        "output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta",
        "reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done",
        "output_item.added", "content_part.added", "output_text.delta",
        "output_text.done", "content_part.done", "output_item.done", "completed",
    };
    stream(EVENT("\"reasoning_content\":\"hm\"", "null") EVENT("\"content\":\"said\"", "\"stop\"") "data: [DONE]\n\n",
           "{\"model\":\"big\",\"input\":\"x\",\"stream\":true,\"reasoning\":{\"summary\":\"auto\"}}", &e);
    check_types(&e, want, (int)(sizeof want / sizeof want[0]));
    assert_string_equal(json_at(e.at[4], "summary_index"), "0");
    assert_string_equal(json_at(e.at[14], "response.output.0.summary.0.type"), "summary_text");
    assert_string_equal(json_at(e.at[14], "response.output.0.summary.0.text"), "hm");
    assert_string_equal(json_at(e.at[14], "response.output.0.content.0.text"), "");
    free_events(&e);
    stand_in_play(&upstream, (struct stand_in_script){.body = PLAIN("\"content\":\"ok\"", "stop")});
    json_decref(ask("{\"model\":\"big\",\"input\":[{\"role\":\"user\",\"content\":\"x\"},{\"type\":\"reasoning\",\"summary\":["
                    "{\"type\":\"summary_text\",\"text\":\"hm\"}]},{\"role\":\"assistant\",\"content\":\"said\"},"
                    "{\"role\":\"user\",\"content\":\"y\"}]}", 200));
    json_t *v = sent();
    assert_string_equal(json_at(v, "messages.1.reasoning_content"), "hm");
    json_decref(v);
}

/* Text behind a call is an item of its own, and the final response says the same. */
static void test_stream_that_speaks_again_after_a_call_has_two_messages(void **state)
{
    (void)state;
    struct events e;
    stream(EVENT("\"content\":\"one\"", "null")
           EVENT("\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]", "null")
           EVENT("\"content\":\"two\"", "\"tool_calls\"") "data: [DONE]\n\n",
           "{\"model\":\"big\",\"input\":\"x\",\"stream\":true," TOOLS "}", &e);
    const json_t *last = e.at[e.n - 1];
    assert_string_equal(json_at(last, "response.output.0.content.0.text"), "one");
    assert_string_equal(json_at(last, "response.output.1.type"), "function_call");
    assert_string_equal(json_at(last, "response.output.2.content.0.text"), "two");
    free_events(&e);
}

static void test_stream_that_says_nothing_has_an_empty_message(void **state)
{
    (void)state;
    struct events e;
    stream(EVENT("\"content\":\"\"", "\"stop\"") "data: [DONE]\n\n", "{\"model\":\"big\",\"input\":\"x\",\"stream\":true}", &e);
    const json_t *last = e.at[e.n - 1];
    assert_string_equal(json_at(last, "type"), "response.completed");
    assert_string_equal(json_at(last, "response.output.0.type"), "message");
    assert_string_equal(json_at(last, "response.output.0.status"), "completed");
    free_events(&e);
}

static void test_stream_that_breaks_ends_failed(void **state)
{
    (void)state;
    struct events e;
    stream(EVENT("\"content\":\"half\"", "null"), "{\"model\":\"big\",\"input\":\"x\",\"stream\":true}", &e);
    const json_t *last = e.at[e.n - 1];
    assert_string_equal(json_at(last, "type"), "response.failed");
    assert_string_equal(json_at(last, "response.status"), "failed");
    assert_string_equal(json_at(last, "response.error.code"), "server_error");
    assert_string_equal(json_at(last, "response.output.0.type"), "");
    free_events(&e);
}

static void test_error_of_an_upstream_has_the_api_s_shape(void **state)
{
    (void)state;
    stand_in_play(&upstream, (struct stand_in_script){.status = 400, .body = "{\"error\":{\"message\":\"too odd\"}}"});
    json_t *v = ask("{\"model\":\"big\",\"input\":\"x\"}", 400);
    assert_non_null(strstr(json_at(v, "error.message"), "too odd"));
    assert_string_equal(json_at(v, "error.type"), "invalid_request_error");
    json_decref(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_items_become_the_messages_of_a_chat),
        cmocka_unit_test(test_fields_become_those_of_a_chat),
        cmocka_unit_test(test_images_and_files_go_out_in_the_chat_s_shape),
        cmocka_unit_test(test_errors_name_the_fields_of_this_api),
        cmocka_unit_test(test_response_has_items_usage_and_what_was_asked),
        cmocka_unit_test(test_response_cut_short_is_incomplete),
        cmocka_unit_test(test_stream_of_thought_text_and_calls_is_told_event_by_event),
        cmocka_unit_test(test_stream_of_thought_as_a_summary),
        cmocka_unit_test(test_stream_that_speaks_again_after_a_call_has_two_messages),
        cmocka_unit_test(test_stream_that_says_nothing_has_an_empty_message),
        cmocka_unit_test(test_stream_that_breaks_ends_failed),
        cmocka_unit_test(test_error_of_an_upstream_has_the_api_s_shape),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
