/* The Ollama dialect over HTTP: questions and their answers, plain and streamed, by the embedded model and by a stand-in
 * upstream that shows what was understood; options; what is refused, and in which words. */
#include "data/json.h"
#include "support_gateway.h"

#define UPSTREAM_HEAD "{\"id\":\"1\",\"object\":\"chat.completion\",\"model\":\"big\",\"choices\":[{\"index\":0,"
#define UPSTREAM_TAIL "}],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3,\"total_tokens\":10}}"
#define PLAIN_ANSWER UPSTREAM_HEAD "\"finish_reason\":\"stop\",\"message\":{\"role\":\"assistant\",\"content\":\"up here\"}" UPSTREAM_TAIL
#define CALL_ANSWER                                                                                     \
    UPSTREAM_HEAD "\"finish_reason\":\"tool_calls\",\"message\":{\"role\":\"assistant\",\"content\":null,"  \
                  "\"tool_calls\":[{\"id\":\"c7\",\"type\":\"function\",\"function\":{\"name\":\"weather\"," \
                  "\"arguments\":\"%s\"}}]}" UPSTREAM_TAIL
#define EVENT(delta, finish) \
    "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"model\":\"big\",\"choices\":[{\"index\":0,\"delta\":" delta \
    ",\"finish_reason\":" finish "}]}\n\n|"
#define DONE "data: [DONE]\n\n"

static struct house house;
static struct stand_in upstream;

static int setup(void **state)
{
    (void)state;
    stand_in_open(&upstream);
    house_open(&house,
               "models:\n  starter: {file: starter}\n  big: {base_url: 'http://127.0.0.1:%u/v1'}\n"
               "  own: {base_url: 'http://127.0.0.1:%u/v1', private: true}\n"
               "tiers: [{name: local, model: starter}, {name: mid, model: big}]\naliases: {gpt-5: big}\n",
               upstream.port, upstream.port);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    house_close(&house);
    stand_in_close(&upstream);
    return 0;
}

static int play_plain(void **state)
{
    (void)state;
    stand_in_play(&upstream, (struct stand_in_script){.body = PLAIN_ANSWER});
    return 0;
}

static int ask(const char *path, const char *body, struct plain_reply *ret)
{
    plain_request(house.port, "POST", path, "Content-Type: application/json\r\n", body, ret);
    return ret->status;
}

/* A reply of one object with this status, to json_decref. */
static json_t *ask_json(const char *path, const char *body, int status)
{
    struct plain_reply r;
    if (ask(path, body, &r) != status)
        fail_msg("%d, not %d: %s", r.status, status, r.body);
    assert_non_null(strstr(plain_header(&r, "content-type"), "application/json"));
    json_t *v = reply_json(&r);
    plain_free(&r);
    return v;
}

/* What the stand-in was asked, to json_decref. */
static json_t *sent(void)
{
    json_t *v = NULL;
    assert_true(json_parse_object(str_of(upstream.body), "sent", &v, NULL));
    return v;
}

/* The n-th line of a stream, to json_decref; the last for -1. */
static json_t *line_of(const struct plain_reply *r, int n)
{
    json_t *v = NULL, *found = NULL;
    const char *at = r->body;
    for (int i = 0; *at && (n < 0 || i <= n); i++) {
        size_t bytes = strcspn(at, "\n");
        json_decref(found);
        assert_true(json_parse_object((struct str){at, bytes}, "line", &v, NULL));
        assert_true(at[bytes] == '\n');
        found = v;
        at += bytes + 1;
    }
    return found;
}

/* The texts at `path` of all lines, joined; static storage. */
static const char *joined(const struct plain_reply *r, const char *path)
{
    static char text[4096];
    text[0] = 0;
    for (const char *at = r->body; *at; at += strcspn(at, "\n") + 1) {
        json_t *v = NULL;
        assert_true(json_parse_object((struct str){at, strcspn(at, "\n")}, "line", &v, NULL));
        strncat(text, json_at(v, path), sizeof text - strlen(text) - 1);
        json_decref(v);
    }
    return text;
}

/* The sentence of the 400 that a member of /api/chat's body gets. */
static void refuses(const char *path, const char *more, const char *sentence)
{
    char body[2048];
    snprintf(body, sizeof body, "{\"model\":\"starter\",%s}", more);
    json_t *v = ask_json(path, body, 400);
    if (!strstr(json_at(v, "error"), sentence))
        fail_msg("'%s' has no '%s'", json_at(v, "error"), sentence);
    json_decref(v);
}

#define CHAT "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"

/* ---- answers ---- */

static void test_chat_answers_with_message_and_counts(void **state)
{
    (void)state;
    json_t *v = ask_json("/api/chat",
                         "{\"model\":\"starter\",\"stream\":false,\"options\":{\"temperature\":0},\"messages\":["
                         "{\"role\":\"system\",\"content\":\"Classify the banking question into one intent.\"},"
                         "{\"role\":\"user\",\"content\":\"My new card has not come yet.\"}]}", 200);
    assert_string_equal(json_at(v, "model"), "starter");
    assert_string_equal(json_at(v, "message.role"), "assistant");
    assert_string_equal(json_at(v, "message.content"), "card_arrival");
    assert_string_equal(json_at(v, "done"), "true");
    assert_string_equal(json_at(v, "done_reason"), "stop");
    assert_true(strlen(json_at(v, "created_at")) == 24);
    assert_true(json_number_at(v, "prompt_eval_count") > 10 && json_number_at(v, "eval_count") >= 2);
    assert_true(json_number_at(v, "total_duration") > json_number_at(v, "eval_duration"));
    assert_true(json_number_at(v, "prompt_eval_duration") > 1000);
    assert_string_equal(json_at(v, "rung.tier"), "local");
    json_decref(v);
}

static void test_chat_streams_lines_unless_told_not_to(void **state)
{
    (void)state;
    struct plain_reply r;
    assert_int_equal(ask("/api/chat", "{\"model\":\"starter\"," CHAT ",\"options\":{\"num_predict\":3,\"seed\":1}}", &r), 200);
    assert_non_null(strstr(plain_header(&r, "content-type"), "application/x-ndjson"));
    json_t *first = line_of(&r, 0), *last = line_of(&r, -1);
    assert_string_equal(json_at(first, "done"), "false");
    assert_string_equal(json_at(first, "message.role"), "assistant");
    assert_string_equal(json_at(first, "done_reason"), "");
    assert_string_equal(json_at(last, "done"), "true");
    assert_string_equal(json_at(last, "message.content"), "");
    assert_true(json_number_at(last, "eval_count") >= 1);
    json_decref(first);
    json_decref(last);
    plain_free(&r);
}

static void test_generate_answers_with_response(void **state)
{
    (void)state;
    struct plain_reply r;
    const char *body = "{\"model\":\"starter\",\"system\":\"Classify the banking question into one intent.\","
                       "\"prompt\":\"My new card has not come yet.\",\"options\":{\"temperature\":0}%s}";
    char text[400];
    snprintf(text, sizeof text, body, ",\"stream\":false");
    json_t *v = ask_json("/api/generate", text, 200);
    assert_string_equal(json_at(v, "response"), "card_arrival");
    assert_string_equal(json_at(v, "message"), "");
    json_decref(v);
    snprintf(text, sizeof text, body, "");
    assert_int_equal(ask("/api/generate", text, &r), 200);
    assert_string_equal(joined(&r, "response"), "card_arrival");
    plain_free(&r);
}

static void test_length_is_said(void **state)
{
    (void)state;
    json_t *v = ask_json("/api/chat", "{\"model\":\"starter\",\"stream\":false,\"options\":{\"num_predict\":1}," CHAT "}", 200);
    assert_string_equal(json_at(v, "done_reason"), "length");
    json_decref(v);
}

static void test_logprobs_come_in_the_apis_shape(void **state)
{
    (void)state;
    json_t *v = ask_json("/api/generate",
                         "{\"model\":\"starter\",\"prompt\":\"hi\",\"stream\":false,\"logprobs\":true,\"top_logprobs\":2,"
                         "\"options\":{\"num_predict\":2,\"temperature\":0}}", 200);
    assert_true(json_number_at(v, "logprobs.0.logprob") < 0);
    assert_string_equal(json_at(v, "logprobs.0.token"), json_at(v, "logprobs.0.top_logprobs.0.token"));
    assert_true(json_number_at(v, "logprobs.0.top_logprobs.1.logprob") < 0);
    json_decref(v);
}

static void test_format_holds_the_answer_to_a_schema(void **state)
{
    (void)state;
    json_t *v = ask_json("/api/chat",
                         "{\"model\":\"starter\",\"stream\":false,\"format\":{\"type\":\"object\",\"properties\":{\"a\":{\"enum\":[\"x\"]}},"
                         "\"required\":[\"a\"],\"additionalProperties\":false}," CHAT "}", 200);
    json_t *answer = NULL;
    assert_true(json_parse_object(str_of(json_at(v, "message.content")), "answer", &answer, NULL));
    assert_string_equal(json_at(answer, "a"), "x");
    assert_string_equal(json_at(v, "rung.valid"), "true");
    json_decref(answer);
    json_decref(v);
}

static void test_an_empty_format_is_none(void **state)
{
    (void)state;
    json_t *v = ask_json("/api/chat", "{\"model\":\"starter\",\"stream\":false,\"format\":\"\"," CHAT "}", 200);
    assert_string_equal(json_at(v, "rung.valid"), "");
    json_decref(v);
}

/* ---- what an upstream is asked ---- */

static void test_options_reach_an_upstream_in_its_words(void **state)
{
    (void)state;
    json_decref(ask_json("/api/chat",
                         "{\"model\":\"gpt-5:latest\",\"stream\":false,\"think\":\"low\",\"keep_alive\":\"5m\",\"options\":{\"num_predict\":9,"
                         "\"temperature\":0.25,\"top_p\":0.5,\"seed\":7,\"stop\":[\"x\"],\"presence_penalty\":0.5,\"num_ctx\":4096,"
                         "\"num_gpu\":1,\"use_mmap\":true,\"top_k\":0,\"repeat_penalty\":1.0,\"min_p\":0.0,\"mirostat\":0},"
                         CHAT "}", 200));
    json_t *v = sent();
    assert_string_equal(json_at(v, "model"), "big");
    assert_string_equal(json_at(v, "max_tokens"), "9");
    assert_string_equal(json_at(v, "temperature"), "0.25");
    assert_string_equal(json_at(v, "top_p"), "0.5");
    assert_string_equal(json_at(v, "seed"), "7");
    assert_string_equal(json_at(v, "stop.0"), "x");
    assert_string_equal(json_at(v, "presence_penalty"), "0.5");
    assert_string_equal(json_at(v, "reasoning_effort"), "low");
    static const char *const never[] = {"options", "num_ctx", "context_length", "num_gpu", "top_k", "keep_alive", "min_p",
                                        "repetition_penalty", "think", "mirostat"};
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        if (json_object_get(v, never[i]))
            fail_msg("%s went up", never[i]);
    json_decref(v);
}

static void test_images_become_parts_with_their_type(void **state)
{
    (void)state;
    json_decref(ask_json("/api/chat",
                         "{\"model\":\"big\",\"stream\":false,\"messages\":[{\"role\":\"user\",\"content\":\"what?\","
                         "\"images\":[\"/9j/4AAQSkZJRg==\",\"iVBORw0KGgoAAAA=\"]}]}", 200));
    json_t *v = sent();
    assert_string_equal(json_at(v, "messages.0.content.0.text"), "what?");
    assert_string_equal(json_at(v, "messages.0.content.1.image_url.url"), "data:image/jpeg;base64,/9j/4AAQSkZJRg==");
    assert_string_equal(json_at(v, "messages.0.content.2.image_url.url"), "data:image/png;base64,iVBORw0KGgoAAAA=");
    json_decref(v);
    json_decref(ask_json("/api/generate", "{\"model\":\"big\",\"stream\":false,\"prompt\":\"\",\"images\":[\"R0lGODlhAQ==\"]}", 200));
    v = sent();
    assert_string_equal(json_at(v, "messages.0.content.0.image_url.url"), "data:image/gif;base64,R0lGODlhAQ==");
    json_decref(v);
}

#define CALL(name) "{\"function\":{\"name\":\"" name "\",\"arguments\":{\"city\":\"Bern\"}}}"

static void test_results_are_tied_to_the_calls_they_answer(void **state)
{
    (void)state;
    json_decref(ask_json("/api/chat",
                         "{\"model\":\"big\",\"stream\":false,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},"
                         "{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"hm\",\"tool_calls\":[" CALL("time") "," CALL("weather") "]},"
                         "{\"role\":\"tool\",\"tool_name\":\"weather\",\"content\":\"rain\"},{\"role\":\"tool\",\"content\":\"noon\"}]}", 200));
    json_t *v = sent();
    assert_string_equal(json_at(v, "messages.1.tool_calls.0.function.arguments"), "{\"city\":\"Bern\"}");
    assert_string_equal(json_at(v, "messages.1.tool_calls.0.type"), "function");
    assert_string_equal(json_at(v, "messages.2.tool_call_id"), json_at(v, "messages.1.tool_calls.1.id"));
    assert_string_equal(json_at(v, "messages.3.tool_call_id"), json_at(v, "messages.1.tool_calls.0.id"));
    json_decref(v);
}

static void test_ids_of_calls_are_kept_where_there_are_some(void **state)
{
    (void)state;
    json_decref(ask_json("/api/chat",
                         "{\"model\":\"big\",\"stream\":false,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\","
                         "\"content\":\"\",\"tool_calls\":[{\"id\":\"c1\",\"function\":{\"index\":0,\"name\":\"a\",\"arguments\":{}}}]},"
                         "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"x\"}]}", 200));
    json_t *v = sent();
    assert_string_equal(json_at(v, "messages.1.tool_calls.0.id"), "c1");
    assert_string_equal(json_at(v, "messages.2.tool_call_id"), "c1");
    json_decref(v);
}

/* ---- text to go on with ---- */

#define OWN_TEXT "{\"id\":\"1\",\"object\":\"text_completion\",\"model\":\"own\",\"choices\":[{\"index\":0,\"text\":\" on\"," \
                 "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3,\"total_tokens\":10}}"

static void test_raw_reads_the_prompt_as_it_stands(void **state)
{
    (void)state;
    json_t *raw = ask_json("/api/generate",
                           "{\"model\":\"starter\",\"stream\":false,\"raw\":true,\"options\":{\"temperature\":0,\"num_predict\":4},"
                           "\"prompt\":\"<|im_start|>user\\nhi<|im_end|>\\n<|im_start|>assistant\\n\"}", 200);
    json_t *plain = ask_json("/api/generate", "{\"model\":\"starter\",\"stream\":false,\"prompt\":\"hi\"}", 200);
    assert_true(json_number_at(raw, "prompt_eval_count") > json_number_at(plain, "prompt_eval_count"));
    assert_string_equal(json_at(raw, "done"), "true");
    json_decref(raw);
    json_decref(plain);
}

static void test_raw_and_suffix_reach_ones_own_server_as_text(void **state)
{
    (void)state;
    stand_in_play(&upstream, (struct stand_in_script){.body = OWN_TEXT});
    json_t *v = ask_json("/api/generate",
                         "{\"model\":\"own\",\"stream\":false,\"raw\":true,\"think\":false,\"prompt\":\"a\",\"suffix\":\"z\","
                         "\"logprobs\":true,\"top_logprobs\":2,\"options\":{\"num_predict\":5,\"top_k\":3}}", 200);
    assert_string_equal(json_at(v, "response"), " on");
    json_decref(v);
    v = sent();
    assert_string_equal(json_at(v, "prompt"), "a");
    assert_string_equal(json_at(v, "suffix"), "z");
    assert_string_equal(json_at(v, "max_tokens"), "5");
    assert_string_equal(json_at(v, "top_k"), "3");
    assert_string_equal(json_at(v, "logprobs"), "2");
    assert_null(json_object_get(v, "messages"));
    assert_null(json_object_get(v, "reasoning_effort"));
    json_decref(v);
}

static void test_raw_takes_nothing_of_a_conversation(void **state)
{
    (void)state;
    refuses("/api/generate", "\"prompt\":\"x\",\"raw\":true,\"system\":\"s\"", "'system' and 'raw' do not go together");
    refuses("/api/generate", "\"prompt\":\"x\",\"raw\":true,\"images\":[\"/9j/\"]", "'images' and 'raw' do not go together");
    refuses("/api/generate", "\"prompt\":\"x\",\"suffix\":\"y\",\"think\":true", "'think' and 'suffix' do not go together");
    refuses("/api/generate", "\"prompt\":\"x\",\"raw\":1", "'raw' must be true or false");
    refuses("/api/generate", "\"prompt\":\"x\",\"suffix\":\"y\"", "'suffix' is not supported by the model 'starter'");
    json_t *v = ask_json("/api/generate", "{\"model\":\"big\",\"prompt\":\"x\",\"raw\":true}", 400);
    assert_non_null(strstr(json_at(v, "error"), "'raw' is not supported by the model 'big'"));
    json_decref(v);
}

/* ---- calls of tools ---- */

#define TOOLS "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"weather\",\"parameters\":{\"type\":\"object\"}}}]"

static void test_arguments_of_calls_come_as_objects(void **state)
{
    (void)state;
    char script[1024];
    snprintf(script, sizeof script, CALL_ANSWER, "{\\\"city\\\": \\\"Bern\\\",\\n \\\"n\\\": 2}");
    stand_in_play(&upstream, (struct stand_in_script){.body = script});
    json_t *v = ask_json("/api/chat", "{\"model\":\"big\",\"stream\":false," TOOLS "," CHAT "}", 200);
    assert_string_equal(json_at(v, "message.tool_calls.0.function.name"), "weather");
    assert_string_equal(json_at(v, "message.tool_calls.0.function.arguments.city"), "Bern");
    assert_string_equal(json_at(v, "message.tool_calls.0.function.arguments.n"), "2");
    assert_string_equal(json_at(v, "message.tool_calls.0.id"), "c7");
    assert_string_equal(json_at(v, "message.content"), "");
    assert_string_equal(json_at(v, "done_reason"), "stop");
    json_decref(v);
}

static void test_a_call_that_is_no_object_is_not_lost(void **state)
{
    (void)state;
    char script[1024];
    snprintf(script, sizeof script, CALL_ANSWER, "Bern oh no");
    stand_in_play(&upstream, (struct stand_in_script){.body = script});
    json_t *v = ask_json("/api/chat", "{\"model\":\"big\",\"stream\":false," TOOLS "," CHAT "}", 200);
    assert_string_equal(json_at(v, "message.tool_calls.0.function.name"), "");
    assert_non_null(strstr(json_at(v, "message.content"), "Bern oh no"));
    json_decref(v);
}

static void test_a_stream_says_calls_once_they_are_whole(void **state)
{
    (void)state;
    struct plain_reply r;
    stand_in_play(&upstream, (struct stand_in_script){
        .streamed = true, .content_type = "text/event-stream",
        .body = EVENT("{\"role\":\"assistant\",\"reasoning_content\":\"hm\"}", "null") EVENT("{\"content\":\"Let me look.\"}", "null")
            EVENT("{\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"weather\",\"arguments\":\"\"}}]}", "null")
            EVENT("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"city\\\":\"}}]}", "null")
            EVENT("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"\\\"Bern\\\"}\"}}]}", "null") EVENT("{}", "\"tool_calls\"") DONE});
    assert_int_equal(ask("/api/chat", "{\"model\":\"big\"," TOOLS "," CHAT "}", &r), 200);
    assert_string_equal(joined(&r, "message.thinking"), "hm");
    assert_string_equal(joined(&r, "message.content"), "Let me look.");
    assert_string_equal(joined(&r, "message.tool_calls.0.function.name"), "weather");
    assert_string_equal(joined(&r, "message.tool_calls.0.function.arguments.city"), "Bern");
    assert_string_equal(joined(&r, "done"), "falsefalsefalsetrue");
    plain_free(&r);
}

static void test_an_error_in_a_stream_is_a_line(void **state)
{
    (void)state;
    struct plain_reply r;
    stand_in_play(&upstream, (struct stand_in_script){.streamed = true, .content_type = "text/event-stream",
                                                      .body = EVENT("{\"content\":\"one \"}", "null") "data: {oh no\n\n|"});
    assert_int_equal(ask("/api/chat", "{\"model\":\"big\"," CHAT "}", &r), 200);
    json_t *last = line_of(&r, -1);
    assert_true(strlen(json_at(last, "error")) > 10);
    assert_string_equal(json_at(last, "done"), "");
    json_decref(last);
    plain_free(&r);
}

/* ---- what is refused ---- */

static void test_options_are_refused_by_their_own_names(void **state)
{
    (void)state;
    static const struct {
        const char *option, *sentence;
    } cases[] = {
        {"\"mirostat\":1", "'options.mirostat' is not supported"},
        {"\"typical_p\":0.5", "'options.typical_p' is not supported"},
        {"\"temperature\":\"hot\"", "'options.temperature' must be a number, not a string"},
        {"\"temperature\":3", "'options.temperature' must be from 0 to 2"},
        {"\"top_p\":0", "'options.top_p' must be above 0"},
        {"\"num_predict\":1.5", "'options.num_predict' must be a whole number"},
        {"\"num_predict\":-3", "'options.num_predict' must be from -2 to"},
        {"\"num_ctx\":\"4k\"", "'options.num_ctx' must be a number"},
        {"\"num_gpu\":\"all\"", "'options.num_gpu' must be a number, true or false"},
        {"\"stop\":[\"\"]", "'options.stop[0]' must hold 1 to"},
        {"\"stop\":7", "'options.stop' must be a string or an array"},
        {"\"repeat_penalty\":1.2,\"repeat_last_n\":64", "'options.repeat_last_n' is not supported beside a penalty"},
        {"\"wat\":1", "'options.wat' is an unknown option"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char more[300];
        snprintf(more, sizeof more, CHAT ",\"options\":{%s}", cases[i].option);
        refuses("/api/chat", more, cases[i].sentence);
    }
    refuses("/api/chat", CHAT ",\"options\":3", "'options' must be an object");
}

static void test_fields_are_refused_by_name(void **state)
{
    (void)state;
    refuses("/api/chat", CHAT ",\"prompt\":\"x\"", "'prompt' is an unknown field");
    refuses("/api/chat", CHAT ",\"think\":\"hard\"", "'think' must be true, false");
    refuses("/api/chat", CHAT ",\"format\":\"yaml\"", "'format' must be \"json\" or a JSON Schema");
    refuses("/api/chat", CHAT ",\"keep_alive\":\"soon\"", "'keep_alive' must be a duration");
    refuses("/api/chat", CHAT ",\"stream\":1", "'stream' must be true or false");
    refuses("/api/chat", CHAT ",\"truncate\":1", "'truncate' must be true or false");
    refuses("/api/chat", "\"messages\":\"hi\"", "'messages' must be an array");
    refuses("/api/chat", "\"messages\":[3]", "'messages[0]' must be an object");
    refuses("/api/chat", "\"messages\":[{\"content\":\"x\"}]", "'messages[0].role' is missing");
    refuses("/api/chat", "\"messages\":[{\"role\":\"user\",\"content\":3}]", "'messages[0].content' must be a string");
    refuses("/api/chat", "\"messages\":[{\"role\":\"user\",\"content\":\"x\",\"y\":1}]", "'messages[0].y' is an unknown field");
    refuses("/api/chat", "\"messages\":[{\"role\":\"user\",\"content\":\"x\",\"images\":[\"AAAA\"]}]", "'messages[0].images[0]' must be a PNG");
    refuses("/api/chat", "\"messages\":[{\"role\":\"user\",\"content\":\"x\",\"images\":[\"/9j/ not base64\"]}]", "'messages[0].images[0]' must be");
    refuses("/api/chat", "\"messages\":[{\"role\":\"tool\",\"content\":\"x\"}]", "'messages[0]' is the result of a tool that no message");
    refuses("/api/chat", "\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}]",
            "'messages[0].tool_calls[0].function' must have a name and");
    refuses("/api/generate", "\"prompt\":\"x\",\"template\":\"{{ .Prompt }}\"", "'template' is not supported");
    refuses("/api/generate", "\"prompt\":\"x\",\"context\":[1,2]", "'context' is not supported: it is deprecated");
    refuses("/api/generate", "\"prompt\":\"x\",\"width\":512", "'width' is not supported");
    refuses("/api/generate", "\"prompt\":[\"x\"]", "'prompt' must be a string");
}

static void test_what_a_model_cannot_do_is_named_in_ollamas_words(void **state)
{
    (void)state;
    refuses("/api/chat", "\"messages\":[{\"role\":\"user\",\"content\":\"x\",\"images\":[\"/9j/\"]}]",
            "'messages[0].images' is not supported by the model 'starter'");
    json_t *v = ask_json("/api/chat", "{\"model\":\"big\",\"options\":{\"top_k\":3}," CHAT "}", 400);
    assert_non_null(strstr(json_at(v, "error"), "'options.top_k' is not supported by the model 'big'"));
    json_decref(v);
}

static void test_a_prompt_past_num_ctx_is_an_error_not_cut(void **state)
{
    (void)state;
    refuses("/api/chat", "\"messages\":[{\"role\":\"user\",\"content\":\"one two three four five six seven eight nine ten\"}],"
                         "\"options\":{\"num_ctx\":8}", "tokens do not fit in 8");
}

static void test_an_unknown_model_is_404(void **state)
{
    (void)state;
    json_t *v = ask_json("/api/chat", "{\"model\":\"nope\"," CHAT "}", 404);
    assert_non_null(strstr(json_at(v, "error"), "nope"));
    json_decref(v);
    json_decref(ask_json("/api/generate", "{\"model\":\"nope\"}", 404));
}

/* ---- vectors ---- */

static double length_of(const json_t *v, const char *path)
{
    double square = 0;
    for (int i = 0;; i++) {
        char at[64];
        snprintf(at, sizeof at, "%s.%d", path, i);
        if (!json_at(v, at)[0])
            return square;
        square += json_number_at(v, at) * json_number_at(v, at);
    }
}

static void test_embed_gives_a_vector_of_length_1_a_text(void **state)
{
    (void)state;
    json_t *many = ask_json("/api/embed", "{\"model\":\"starter\",\"input\":[\"my card\",\"the rate\"],\"options\":{\"num_ctx\":512}}", 200);
    json_t *one = ask_json("/api/embed", "{\"model\":\"starter:latest\",\"input\":\"the rate\",\"keep_alive\":\"1m\"}", 200);
    json_t *old = ask_json("/api/embeddings", "{\"model\":\"starter\",\"prompt\":\"the rate\"}", 200);
    assert_true(length_of(many, "embeddings.0") > 0.999 && length_of(many, "embeddings.0") < 1.001);
    assert_string_equal(json_at(many, "embeddings.2"), "");
    assert_string_equal(json_at(many, "embeddings.1.7"), json_at(one, "embeddings.0.7"));
    assert_string_equal(json_at(many, "embeddings.1.7"), json_at(old, "embedding.7"));
    assert_true(json_number_at(many, "prompt_eval_count") > json_number_at(one, "prompt_eval_count"));
    assert_true(json_number_at(many, "total_duration") > 0);
    json_decref(many);
    json_decref(one);
    json_decref(old);
}

static void test_nothing_to_embed_gives_no_vectors(void **state)
{
    (void)state;
    static const char *const bodies[] = {"{\"model\":\"starter\",\"input\":[]}", "{\"model\":\"starter\",\"input\":\"\"}"};
    for (int i = 0; i < 2; i++) {
        json_t *v = ask_json("/api/embed", bodies[i], 200);
        assert_int_equal(json_array_size(json_object_get(v, "embeddings")), 0);
        json_decref(v);
    }
    json_t *v = ask_json("/api/embeddings", "{\"model\":\"starter\",\"prompt\":\"\"}", 200);
    assert_int_equal(json_array_size(json_object_get(v, "embedding")), 0);
    json_decref(v);
}

static void test_a_text_is_cut_only_where_truncate_says_so(void **state)
{
    (void)state;
    char body[4096] = "{\"model\":\"starter\",\"input\":\"", *end = body + strlen(body);
    for (int i = 0; i < 600; i++)
        end += sprintf(end, "word ");
    strcpy(end, "\"}");
    json_t *v = ask_json("/api/embed", body, 400);
    assert_true(strlen(json_at(v, "error")) > 10);
    json_decref(v);
    strcpy(end, "\",\"truncate\":true}");
    v = ask_json("/api/embed", body, 200);
    assert_true(length_of(v, "embeddings.0") > 0.999);
    json_decref(v);
}

static void test_embed_refuses_by_name(void **state)
{
    (void)state;
    refuses("/api/embed", "\"input\":[1]", "'input' must be a string or an array of strings");
    refuses("/api/embed", "\"input\":[\"a\",\"\"]", "'input' holds an empty text, number 1");
    refuses("/api/embed", "\"prompt\":\"x\"", "'prompt' is an unknown field");
    refuses("/api/embed", "\"keep_alive\":\"1m\"", "'input' is missing");
    refuses("/api/embed", "\"input\":\"x\",\"dimensions\":7", "'dimensions' is 7");
    refuses("/api/embed", "\"input\":\"x\",\"options\":{\"mirostat\":1}", "'options.mirostat'");
    refuses("/api/embeddings", "\"prompt\":[\"x\"]", "'prompt' must be a string, not");
    refuses("/api/embeddings", "\"prompt\":\"x\",\"truncate\":true", "'truncate' is an unknown field");
    json_decref(ask_json("/api/embed", "{\"model\":\"nope\",\"input\":\"x\"}", 404));
}

/* ---- loading, names, the rest ---- */

static void test_nothing_asked_loads_and_drops(void **state)
{
    (void)state;
    json_t *v = ask_json("/api/chat", "{\"model\":\"starter:latest\",\"messages\":[]}", 200);
    assert_string_equal(json_at(v, "done_reason"), "load");
    assert_string_equal(json_at(v, "message.role"), "assistant");
    json_decref(v);
    v = ask_json("/api/generate", "{\"model\":\"auto\"}", 200);
    assert_string_equal(json_at(v, "done_reason"), "load");
    assert_string_equal(json_at(v, "response"), "");
    json_decref(v);
    v = ask_json("/api/generate", "{\"model\":\"starter\",\"keep_alive\":0}", 200);
    assert_string_equal(json_at(v, "done_reason"), "unload");
    json_decref(v);
    json_decref(ask_json("/api/generate", "{\"model\":\"big\"}", 200));
    json_decref(ask_json("/api/generate", "{\"model\":\"big\",\"keep_alive\":0}", 404));
    refuses("/api/generate", "\"keep_alive\":\"soon\"", "'keep_alive' must be a duration");
}

static void test_latest_is_the_model_without_a_tag(void **state)
{
    (void)state;
    static const char *const names[] = {"starter:latest", "auto:latest"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char body[200];
        snprintf(body, sizeof body, "{\"model\":\"%s\",\"stream\":false," CHAT "}", names[i]);
        json_decref(ask_json("/api/chat", body, 200));
    }
}

static void test_version_satisfies_clients_and_says_whose_it_is(void **state)
{
    (void)state;
    struct plain_reply r;
    plain_request(house.port, "GET", "/api/version", "", "", &r);
    json_t *v = reply_json(&r);
    assert_non_null(strstr(json_at(v, "version"), "-rung."));
    assert_true(strtol(json_at(v, "version") + 2, NULL, 10) >= 12);
    assert_string_equal(json_at(v, "rung"), RUNG_VERSION);
    json_decref(v);
    plain_free(&r);
}

static void test_paths_that_are_not_there_answer_in_ollamas_shape(void **state)
{
    (void)state;
    struct plain_reply r;
    plain_request(house.port, "GET", "/api/nope", "", "", &r);
    json_t *v = reply_json(&r);
    assert_int_equal(r.status, 404);
    assert_true(strlen(json_at(v, "error")) > 10);
    json_decref(v);
    plain_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chat_answers_with_message_and_counts),
        cmocka_unit_test(test_chat_streams_lines_unless_told_not_to),
        cmocka_unit_test(test_generate_answers_with_response),
        cmocka_unit_test(test_length_is_said),
        cmocka_unit_test(test_logprobs_come_in_the_apis_shape),
        cmocka_unit_test(test_format_holds_the_answer_to_a_schema),
        cmocka_unit_test(test_an_empty_format_is_none),
        cmocka_unit_test_setup(test_options_reach_an_upstream_in_its_words, play_plain),
        cmocka_unit_test_setup(test_images_become_parts_with_their_type, play_plain),
        cmocka_unit_test_setup(test_results_are_tied_to_the_calls_they_answer, play_plain),
        cmocka_unit_test_setup(test_ids_of_calls_are_kept_where_there_are_some, play_plain),
        cmocka_unit_test(test_raw_reads_the_prompt_as_it_stands),
        cmocka_unit_test(test_raw_and_suffix_reach_ones_own_server_as_text),
        cmocka_unit_test(test_raw_takes_nothing_of_a_conversation),
        cmocka_unit_test(test_arguments_of_calls_come_as_objects),
        cmocka_unit_test(test_a_call_that_is_no_object_is_not_lost),
        cmocka_unit_test(test_a_stream_says_calls_once_they_are_whole),
        cmocka_unit_test(test_an_error_in_a_stream_is_a_line),
        cmocka_unit_test(test_options_are_refused_by_their_own_names),
        cmocka_unit_test(test_fields_are_refused_by_name),
        cmocka_unit_test(test_what_a_model_cannot_do_is_named_in_ollamas_words),
        cmocka_unit_test(test_a_prompt_past_num_ctx_is_an_error_not_cut),
        cmocka_unit_test(test_an_unknown_model_is_404),
        cmocka_unit_test(test_embed_gives_a_vector_of_length_1_a_text),
        cmocka_unit_test(test_nothing_to_embed_gives_no_vectors),
        cmocka_unit_test(test_a_text_is_cut_only_where_truncate_says_so),
        cmocka_unit_test(test_embed_refuses_by_name),
        cmocka_unit_test(test_nothing_asked_loads_and_drops),
        cmocka_unit_test(test_latest_is_the_model_without_a_tag),
        cmocka_unit_test(test_version_satisfies_clients_and_says_whose_it_is),
        cmocka_unit_test(test_paths_that_are_not_there_answer_in_ollamas_shape),
    };
    return cmocka_run_group_tests_name("ollama", tests, setup, teardown);
}
