/* Gemini's API as an upstream, over real HTTP with a stand-in: what a chat completion becomes on its way out, and what its answers, streams
 * and errors become on their way back. */
#include "data/json.h"
#include "support_gateway.h"

#define HOUSE                                                                                                          \
    "models: {gem: {provider: gemini, base_url: 'http://127.0.0.1:%u', model: %s, api_key: 'env:RUNG_TEST_GEMINI_KEY', "          \
    "price_usd_per_mtok: {input: 1, output: 5}}}\n"                                                                    \
    "tiers: [{name: frontier, model: gem}]\n"

#define USAGE                                                                                                          \
    "\"usageMetadata\":{\"promptTokenCount\":100,\"cachedContentTokenCount\":40,\"candidatesTokenCount\":7,"           \
    "\"thoughtsTokenCount\":20,\"totalTokenCount\":127},\"modelVersion\":\"gemini-x\",\"responseId\":\"r\""
#define CANDIDATE(parts, rest) "{\"candidates\":[{\"content\":{\"parts\":[" parts "],\"role\":\"model\"}" rest "}]," USAGE "}"
#define PART_THOUGHT "{\"text\":\"Rain?\",\"thought\":true}"
#define PART_CALL(more) "{\"functionCall\":{\"name\":\"weather\",\"args\":{\"city\":\"Bern\"}}" more "}"
#define ANSWER CANDIDATE(PART_THOUGHT ",{\"futurePart\":{}},{\"text\":\"Take an \"},{\"text\":\"umbrella.\"}", ",\"finishReason\":\"STOP\",\"index\":0")
#define STREAM                                                                                                         \
    "data: " CANDIDATE(PART_THOUGHT, "") "\r\n\r\ndata: " CANDIDATE("{\"text\":\"Both \\u00e9\"}", "") "\r\n\r\ndata: "           \
    CANDIDATE("{\"text\":\"t.\"}," PART_CALL(",\"thoughtSignature\":\"a+/b\"") ",{\"functionCall\":{\"id\":\"own\",\"name\":\"time\"}}",\
              ",\"finishReason\":\"STOP\"") "\r\n\r\n"

#define TOOLS                                                                                                          \
    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"weather\",\"description\":\"of a city\",\"parameters\":"\
    "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"}}}}},"                                         \
    "{\"type\":\"function\",\"function\":{\"name\":\"time\"}}]"
#define SAY(text) "\"messages\":[{\"role\":\"user\",\"content\":\"" text "\"}]"
#define CALL(id, name) "{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"" name "\",\"arguments\":\"{\\\"a\\\":1}\"}}"

static struct stand_in upstream;

static int setup(void **state)
{
    (void)state;
    setenv("RUNG_TEST_GEMINI_KEY", "AIza-1", 1);
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
    snprintf(body, sizeof body, "{\"model\":\"gem\",%s}", members);
    json_t *v = house_exchange(&h, &upstream, body, status, ret_sent);
    house_close(&h);
    return v;
}

static json_t *ask(const char *members, json_t **ret_sent) { return ask_model("gemini-3-flash", members, 200, ret_sent); }

static void test_text_thoughts_and_usage_come_back(void **state)
{
    (void)state;
    json_t *sent, *v = ask(SAY("Umbrella?"), &sent);
    assert_string_equal(upstream.path, "/v1beta/models/gemini-3-flash:generateContent");
    assert_string_equal(upstream.api_key, "AIza-1");
    assert_string_equal(json_at(v, "choices.0.message.content"), "Take an umbrella.");
    assert_string_equal(json_at(v, "choices.0.message.reasoning_content"), "Rain?");
    assert_string_equal(json_at(v, "choices.0.finish_reason"), "stop");
    assert_string_equal(json_at(v, "usage.prompt_tokens"), "100");
    assert_string_equal(json_at(v, "usage.prompt_tokens_details.cached_tokens"), "40");
    assert_string_equal(json_at(v, "usage.completion_tokens"), "27");
    assert_string_equal(json_at(v, "usage.completion_tokens_details.reasoning_tokens"), "20");
    assert_string_equal(json_at(sent, "contents.0.role"), "user");
    assert_string_equal(json_at(sent, "contents.0.parts.0.text"), "Umbrella?");
    json_decref(sent);
    json_decref(v);
}

static void test_conversation_becomes_contents_of_parts(void **state)
{
    (void)state;
    json_t *sent, *v = ask("\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},{\"role\":\"user\",\"content\":["
                           "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,iVBORw0KGgo=\"}},"
                           "{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://example.org/a.png\"}},"
                           "{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"UklGRg==\",\"format\":\"wav\"}},"
                           "{\"type\":\"file\",\"file\":{\"filename\":\"a.pdf\",\"file_data\":\"data:application/pdf;base64,JVBERg==\"}}]},"
                           "{\"role\":\"assistant\",\"content\":\"Wait.\",\"tool_calls\":[" CALL("a__sig_a-_b", "weather") "," CALL("b", "time") "]},"
                           "{\"role\":\"tool\",\"tool_call_id\":\"a__sig_a-_b\",\"content\":\"{\\\"rain\\\":true}\"},"
                           "{\"role\":\"tool\",\"tool_call_id\":\"b\",\"content\":\"noon\"}]," TOOLS
                           ",\"temperature\":1.5,\"top_p\":0.5,\"top_k\":7,\"seed\":5,\"presence_penalty\":0.5,\"stop\":\"END\",\"max_tokens\":99",
                           &sent);
    assert_string_equal(json_at(sent, "systemInstruction.parts.0.text"), "Be brief.");
    assert_string_equal(json_at(sent, "contents.0.parts.0.inlineData.mimeType"), "image/png");
    assert_string_equal(json_at(sent, "contents.0.parts.0.inlineData.data"), "iVBORw0KGgo=");
    assert_string_equal(json_at(sent, "contents.0.parts.1.fileData.fileUri"), "https://example.org/a.png");
    assert_string_equal(json_at(sent, "contents.0.parts.2.inlineData.mimeType"), "audio/wav");
    assert_string_equal(json_at(sent, "contents.0.parts.3.inlineData.mimeType"), "application/pdf");
    assert_string_equal(json_at(sent, "contents.1.role"), "model");
    assert_string_equal(json_at(sent, "contents.1.parts.0.text"), "Wait.");
    assert_string_equal(json_at(sent, "contents.1.parts.1.functionCall.name"), "weather");
    assert_string_equal(json_at(sent, "contents.1.parts.1.functionCall.id"), "a");
    assert_string_equal(json_at(sent, "contents.1.parts.1.functionCall.args.a"), "1");
    assert_string_equal(json_at(sent, "contents.1.parts.1.thoughtSignature"), "a+/b");
    assert_string_equal(json_at(sent, "contents.1.parts.2.thoughtSignature"), "");
    assert_string_equal(json_at(sent, "contents.2.role"), "user");
    assert_string_equal(json_at(sent, "contents.2.parts.0.functionResponse.name"), "weather");
    assert_string_equal(json_at(sent, "contents.2.parts.0.functionResponse.id"), "a");
    assert_string_equal(json_at(sent, "contents.2.parts.0.functionResponse.response.rain"), "true");
    assert_string_equal(json_at(sent, "contents.2.parts.1.functionResponse.response.result"), "noon");
    assert_string_equal(json_at(sent, "tools.0.functionDeclarations.0.parametersJsonSchema.properties.city.type"), "string");
    assert_string_equal(json_at(sent, "tools.0.functionDeclarations.1.name"), "time");
    assert_string_equal(json_at(sent, "generationConfig.temperature"), "1.5");
    assert_string_equal(json_at(sent, "generationConfig.topP"), "0.5");
    assert_string_equal(json_at(sent, "generationConfig.topK"), "7");
    assert_string_equal(json_at(sent, "generationConfig.seed"), "5");
    assert_string_equal(json_at(sent, "generationConfig.presencePenalty"), "0.5");
    assert_string_equal(json_at(sent, "generationConfig.stopSequences.0"), "END");
    assert_string_equal(json_at(sent, "generationConfig.maxOutputTokens"), "99");
    json_decref(sent);
    json_decref(v);
}

static void test_call_of_another_model_is_marked_for_new_models_only(void **state)
{
    (void)state;
    static const char members[] =
        "\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" CALL("a", "f") "]},"
        "{\"role\":\"tool\",\"tool_call_id\":\"a\",\"content\":\"1\"}]";
    json_t *sent, *v = ask(members, &sent);
    assert_string_equal(json_at(sent, "contents.1.parts.0.thoughtSignature"), "skip_thought_signature_validator");
    json_decref(sent);
    json_decref(v);
    v = ask_model("gemini-2.5-pro", members, 200, &sent);
    assert_string_equal(json_at(sent, "contents.1.parts.0.thoughtSignature"), "");
    json_decref(sent);
    json_decref(v);
}

static void test_settings_are_translated(void **state)
{
    (void)state;
    static const struct {
        const char *model, *members, *path, *value;
    } rows[] = {
        {"gemini-3-flash", "\"reasoning_effort\":\"high\"", "generationConfig.thinkingConfig.thinkingLevel", "high"},
        {"gemini-3-flash", "\"reasoning_effort\":\"high\"", "generationConfig.thinkingConfig.includeThoughts", "true"},
        {"gemini-3-flash", "\"reasoning_effort\":\"none\"", "generationConfig.thinkingConfig.thinkingLevel", "minimal"},
        {"gemini-3-pro", "\"reasoning_effort\":\"none\"", "generationConfig.thinkingConfig.thinkingLevel", "low"},
        {"gemini-2.5-flash", "\"reasoning_effort\":\"low\"", "generationConfig.thinkingConfig.thinkingBudget", "1024"},
        {"gemini-2.5-flash", "\"reasoning_effort\":\"none\"", "generationConfig.thinkingConfig.thinkingBudget", "0"},
        {"gemini-3-flash", TOOLS ",\"tool_choice\":\"none\"", "toolConfig.functionCallingConfig.mode", "NONE"},
        {"gemini-3-flash", TOOLS ",\"tool_choice\":\"auto\"", "toolConfig.functionCallingConfig.mode", "AUTO"},
        {"gemini-3-flash", "\"logprobs\":true,\"top_logprobs\":3", "generationConfig.responseLogprobs", "true"},
        {"gemini-3-flash", "\"logprobs\":true,\"top_logprobs\":3", "generationConfig.logprobs", "3"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char members[2048];
        snprintf(members, sizeof members, SAY("x") ",%s", rows[i].members);
        json_t *sent, *v = ask_model(rows[i].model, members, 200, &sent);
        if (strcmp(json_at(sent, rows[i].path), rows[i].value) != 0)
            fail_msg("%s: %s is '%s'", rows[i].members, rows[i].path, json_at(sent, rows[i].path));
        json_decref(sent);
        json_decref(v);
    }
}

static void test_form_is_a_response_schema(void **state)
{
    (void)state;
    stand_in_play(&upstream, (struct stand_in_script){
        .body = CANDIDATE("{\"text\":\"{\\\"choice\\\":\\\"b\\\"}\"}", ",\"finishReason\":\"STOP\"")});
    json_t *sent, *v = ask(SAY("x") ",\"choices\":[\"a\",\"b\"]", &sent);
    assert_string_equal(json_at(sent, "generationConfig.responseMimeType"), "application/json");
    assert_string_equal(json_at(sent, "generationConfig.responseJsonSchema.properties.choice.enum.0"), "a");
    assert_string_equal(json_at(v, "choices.0.message.content"), "b");
    json_decref(sent);
    json_decref(v);
    v = ask(SAY("x") ",\"response_format\":{\"type\":\"json_object\"}", &sent);
    assert_string_equal(json_at(sent, "generationConfig.responseMimeType"), "application/json");
    json_decref(sent);
    json_decref(v);
}

static void test_a_tool_that_must_be_called(void **state)
{
    (void)state;
    stand_in_play(&upstream, (struct stand_in_script){.body = CANDIDATE(PART_CALL(""), ",\"finishReason\":\"STOP\"")});
    json_t *sent, *v = ask(SAY("x") "," TOOLS ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"weather\"}}", &sent);
    assert_string_equal(json_at(sent, "toolConfig.functionCallingConfig.mode"), "ANY");
    assert_string_equal(json_at(sent, "toolConfig.functionCallingConfig.allowedFunctionNames.0"), "weather");
    assert_string_equal(json_at(v, "choices.0.finish_reason"), "tool_calls");
    assert_int_equal(strncmp(json_at(v, "choices.0.message.tool_calls.0.id"), "call_", 5), 0);
    assert_string_equal(json_at(v, "choices.0.message.tool_calls.0.function.arguments"), "{\"city\":\"Bern\"}");
    json_decref(sent);
    json_decref(v);
}

static void test_parallel_calls_are_cut_to_one_where_asked(void **state)
{
    (void)state;
    stand_in_play(&upstream, (struct stand_in_script){
        .body = CANDIDATE(PART_CALL("") "," PART_CALL(""), ",\"finishReason\":\"STOP\"")});
    json_t *v = ask(SAY("x") "," TOOLS ",\"parallel_tool_calls\":false", NULL);
    assert_string_equal(json_at(v, "choices.0.message.tool_calls.0.function.name"), "weather");
    assert_string_equal(json_at(v, "choices.0.message.tool_calls.1.function.name"), "");
    json_decref(v);
}

static void test_log_probabilities_come_back(void **state)
{
    (void)state;
    stand_in_play(&upstream, (struct stand_in_script){
        .body = CANDIDATE("{\"text\":\"yes\"}",
                          ",\"finishReason\":\"STOP\",\"logprobsResult\":{\"chosenCandidates\":[{\"token\":\"yes\",\"tokenId\":7,"
                          "\"logProbability\":-0.25}],\"topCandidates\":[{\"candidates\":[{\"token\":\"yes\",\"logProbability\":-0.25},"
                          "{\"token\":\"no\",\"logProbability\":-2}]}]}")});
    json_t *v = ask(SAY("x") ",\"logprobs\":true,\"top_logprobs\":2", NULL);
    assert_string_equal(json_at(v, "choices.0.logprobs.content.0.token"), "yes");
    assert_string_equal(json_at(v, "choices.0.logprobs.content.0.logprob"), "-0.25");
    assert_string_equal(json_at(v, "choices.0.logprobs.content.0.top_logprobs.1.token"), "no");
    assert_string_equal(json_at(v, "choices.0.message.content"), "yes");
    json_decref(v);
}

static void stream(struct stand_in_script script, struct plain_reply *ret)
{
    struct house h;
    script.streamed = true;
    stand_in_play(&upstream, script);
    house_open(&h, HOUSE, upstream.port, "gemini-3-flash");
    house_chat(&h, "{\"model\":\"gem\",\"stream\":true,\"stream_options\":{\"include_usage\":true}," SAY("x") "," TOOLS "}", ret);
    house_close(&h);
}

static void check_stream(const struct plain_reply *r)
{
    assert_non_null(strstr(r->body, "\"reasoning_content\":\"Rain?\""));
    assert_non_null(strstr(r->body, "\"content\":\"Both \xc3\xa9\""));
    assert_non_null(strstr(r->body, "\"content\":\"t.\""));
    assert_non_null(strstr(r->body, "__sig_a-_b\""));
    assert_non_null(strstr(r->body, "\"name\":\"weather\",\"arguments\":\"{\\\"city\\\":\\\"Bern\\\"}\""));
    assert_non_null(strstr(r->body, "\"index\":1,\"id\":\"own\""));
    assert_non_null(strstr(r->body, "\"name\":\"time\",\"arguments\":\"{}\""));
    assert_non_null(strstr(r->body, "\"finish_reason\":\"tool_calls\""));
    assert_non_null(strstr(r->body, "\"completion_tokens\":27"));
    assert_non_null(strstr(r->body, "[DONE]"));
}

static void test_stream_of_everything_comes_back(void **state)
{
    (void)state;
    struct plain_reply r;
    stream((struct stand_in_script){.body = STREAM}, &r);
    assert_string_equal(upstream.path, "/v1beta/models/gemini-3-flash:streamGenerateContent");
    check_stream(&r);
    plain_free(&r);
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
        .body = "data: " CANDIDATE("{\"text\":\"Half\"}", "") "\n\n|"
                "data: {\"error\":{\"code\":503,\"message\":\"The model is overloaded.\",\"status\":\"UNAVAILABLE\"}}\n\n"}, &r);
    assert_non_null(strstr(r.body, "Half"));
    assert_non_null(strstr(r.body, "event: error"));
    assert_non_null(strstr(r.body, "The model is overloaded."));
    plain_free(&r);
}

static void test_ends_of_answers_are_translated(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"MAX_TOKENS", "length"}, {"SAFETY", "content_filter"}, {"SPII", "content_filter"}, {"OTHER", "stop"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char body[512];
        snprintf(body, sizeof body, "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"x\"}]},\"finishReason\":\"%s\"}]}", rows[i][0]);
        stand_in_play(&upstream, (struct stand_in_script){.body = body});
        json_t *v = ask(SAY("x"), NULL);
        assert_string_equal(json_at(v, "choices.0.finish_reason"), rows[i][1]);
        json_decref(v);
    }
    stand_in_play(&upstream, (struct stand_in_script){.body = "{\"promptFeedback\":{\"blockReason\":\"SAFETY\"}," USAGE "}"});
    json_t *v = ask(SAY("x"), NULL);
    assert_string_equal(json_at(v, "choices.0.finish_reason"), "content_filter");
    json_decref(v);
}

static void test_errors_are_one_sentence(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"{\"candidates\":[{\"content\":{},\"finishReason\":\"MALFORMED_FUNCTION_CALL\"}]}", "MALFORMED_FUNCTION_CALL"},
        {"{}", "no candidate"},
        {"[1]", "cannot be read"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        stand_in_play(&upstream, (struct stand_in_script){.body = rows[i][0]});
        json_t *v = ask_model("gemini-3-flash", SAY("x"), 502, NULL);
        if (!strstr(json_at(v, "error.message"), rows[i][1]))
            fail_msg("%s", json_at(v, "error.message"));
        json_decref(v);
    }
    stand_in_play(&upstream, (struct stand_in_script){
        .status = 400, .body = "{\"error\":{\"code\":400,\"message\":\"Invalid value\",\"status\":\"INVALID_ARGUMENT\"}}"});
    json_t *v = ask_model("gemini-3-flash", SAY("x"), 400, NULL);
    assert_non_null(strstr(json_at(v, "error.message"), "HTTP 400: Invalid value"));
    json_decref(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_text_thoughts_and_usage_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_conversation_becomes_contents_of_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_call_of_another_model_is_marked_for_new_models_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_settings_are_translated, setup, teardown),
        cmocka_unit_test_setup_teardown(test_form_is_a_response_schema, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_tool_that_must_be_called, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parallel_calls_are_cut_to_one_where_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log_probabilities_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stream_of_everything_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stream_cut_at_every_byte_is_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(test_error_inside_a_stream_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ends_of_answers_are_translated, setup, teardown),
        cmocka_unit_test_setup_teardown(test_errors_are_one_sentence, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
