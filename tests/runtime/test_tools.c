/* Tool calls through the runtime: what templates are shown, what answers become, and which histories are refused. */
#include "../support.h"

#include "base/filemap.h"
#include "runtime/context.h"
#include "runtime/history.h"
#include "support_runtime.h"
#include "text/guard.h"

#define NOW_MS 1785058200000 /* 26 July 2026 09:30 UTC, the time of the vectors */
#define QUESTION "How can I freeze a stolen card?" /* answered lost|_or|_stolen|_card */
#define CLASSIFY "Classify the banking question into one intent."
#define TOOLED                                                                                                         \
    "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + "       \
    "'\n' }}{%- endfor %}{{- '<|im_start|>assistant\n' }}{#- {{ tools }} <tool_call> -#}"                              \
    "{%- if tools and tools[0].function.name == 'rung_probe_tool' %}{{- tools | tojson }}{%- endif %}"
#define TOOLS                                                                                                          \
    "[{\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"parameters\":{\"type\":\"object\","              \
    "\"properties\":{\"city\":{\"type\":\"string\"}}}}}]"

static struct starter starter;

static int open_starter(void **state)
{
    (void)state;
    starter_open(&starter, 1);
    return 0;
}

static int close_starter(void **state)
{
    (void)state;
    starter_close(&starter);
    return 0;
}

/* ---- answers ---- */

struct called {
    char text[1024], reasoning[1024], calls[1024], id[TOOLCALL_ID_BYTES];
    int events_with_calls;
    enum finish_reason finish;
};

static void append(char to[1024], struct str s)
{
    size_t n = strlen(to);
    assert_true(n + s.n < 1024);
    memcpy(to + n, s.p, s.n);
    to[n + s.n] = 0;
}

/* The starter's answer, its four tokens renamed, to a request with tools. */
static struct called call_with(const char *template, const char *const tokens[4], int64_t max_tokens, bool tools)
{
    static const char *const names[] = {"lost", "_or", "_stolen", "_card"};
    struct variant v = {.template = template};
    struct starter s = {.rt = starter.rt};
    struct err err = ERR_INIT;
    struct called c = {0};
    for (int i = 0; i < 4; i++) {
        v.renames[i].from = names[i];
        v.renames[i].to = tokens[i];
        v.renames[i].type = 4;
    }
    assert_ok(variant_open(&s, "tooled", &v, NULL, &err), err);
    struct chat_message messages[2];
    struct generation_request req = ask(messages, CLASSIFY, QUESTION);
    json_t *list = json_loads(TOOLS, 0, NULL);
    req.tools = tools ? list : NULL;
    req.max_tokens = max_tokens;
    struct generation *g = begin(&s, &req);
    json_decref(list);   /* the generation has its own */
    struct gen_event event;
    do {
        assert_true(generation_next(g, -1, &event));
        append(event.reasoning ? c.reasoning : c.text, event.text);
        c.events_with_calls += event.n_tool_calls > 0;
        for (int i = 0; i < event.n_tool_calls; i++) {
            const struct tool_call_delta *d = &event.tool_calls[i];
            if (d->id.n > 0) {
                memcpy(c.id, d->id.p, d->id.n);
                append(c.calls, d->name);
                append(c.calls, STR(" "));
            }
            append(c.calls, d->arguments);
        }
    } while (event.kind != GEN_DONE);
    c.finish = event.finish;
    generation_close(g);
    return c;
}

static const char *const one_call[] = {"<tool_call>{\"name\": \"get_weather\", \"arg", "uments\": {\"city\"",
": \"Bonn",
                                       "\"}}</tool_call>"};

static void test_a_call_streams_and_ends_the_answer_as_one(void **state)
{
    (void)state;
    struct called c = call_with(TOOLED, one_call, 0, true);
    assert_string_equal(c.calls, "get_weather {\"city\": \"Bonn\"}");
    assert_string_equal(c.text, "");
    assert_int_equal(c.finish, FINISH_TOOL_CALLS);
    assert_true(c.events_with_calls >= 3); /* the name with the first token, arguments with the next ones */
    assert_int_equal(strlen(c.id), 29);
    struct called again = call_with(TOOLED, one_call, 0, true);
    assert_string_equal(c.id, again.id);
}

static void test_a_call_that_is_cut_ends_by_length(void **state)
{
    (void)state;
    struct called c = call_with(TOOLED, one_call, 3, true);
    assert_string_equal(c.calls, "get_weather {\"city\": \"Bonn");
    assert_int_equal(c.finish, FINISH_LENGTH);
}

static void test_without_tools_a_call_is_text(void **state)
{
    (void)state;
    struct called c = call_with(TOOLED, one_call, 0, false);
    assert_string_equal(c.calls, "");
    assert_string_equal(c.text, "<tool_call>{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Bonn\"}}</tool_c"
    "all>");
    assert_int_equal(c.finish, FINISH_STOP);
}

static void test_a_broken_call_is_text(void **state)
{
    static const char *const tokens[] = {"<tool_call>", "{\"name\": \"rm\", ", "\"arguments\": {}}", "</tool_call>"};
    (void)state;
    struct called c = call_with(TOOLED, tokens, 0, true);
    assert_string_equal(c.calls, "");
    assert_string_equal(c.text, "<tool_call>{\"name\": \"rm\", \"arguments\": {}}</tool_call>");
    assert_int_equal(c.finish, FINISH_STOP);
}

static void test_reasoning_and_a_call_come_out_of_one_answer(void **state)
{
    static const char *const tokens[] = {"<think>\nI look", ".\n</think>\n\nSee:",
    "\n<tool_call>{\"name\": \"get_weather\",",
                                         "\"arguments\": {}}</tool_call>"};
    (void)state;
    struct called c = call_with(TOOLED "{#- <think> -#}", tokens, 0, true);
    assert_string_equal(c.reasoning, "I look.");
    assert_string_equal(c.text, "See:");
    assert_string_equal(c.calls, "get_weather {}");
    assert_int_equal(c.finish, FINISH_TOOL_CALLS);
}

static void test_channels_of_gpt_oss_give_reasoning_and_a_call(void **state)
{
    static const char *const tokens[] = {"<|channel|>analysis<|message|>Hm",
    ".<|end|><|start|>assistant<|channel|>comm",
                                         "entary to=functions.get_weather <|constrain|>json<|message|>{\"city\":",
                                         "\"x\"}"};
    (void)state;
    struct called c = call_with(TOOLED "{#- <|channel|><|message|>functions. -#}", tokens, 0, true);
    assert_string_equal(c.reasoning, "Hm.");
    assert_string_equal(c.text, "");
    assert_string_equal(c.calls, "get_weather {\"city\":\"x\"}");
    assert_int_equal(c.finish, FINISH_TOOL_CALLS);
}

/* ---- prompts: the shared templates over the shared cases, given in the API's shape ---- */

static json_t *load_json(const char *path)
{
    json_error_t e;
    json_t *j = json_load_file(path, 0, &e);
    if (!j)
        fail_msg("%s: %s", path, e.text);
    return j;
}

/* A request as a client sends it: arguments are text. */
static struct generation_request request_of(json_t *input, struct chat_message messages[8])
{
    size_t i, k;
    json_t *one, *call;
    json_array_foreach(json_object_get(input, "messages"), i, one) {
        messages[i] = (struct chat_message){
            .role = str_of(json_string_value(json_object_get(one, "role"))),
            .content = str_of(json_string_value(json_object_get(one, "content"))),
            .tool_calls = json_object_get(one, "tool_calls"),
            .tool_call_id = str_of(json_string_value(json_object_get(one, "tool_call_id")))};
        json_array_foreach(json_object_get(one, "tool_calls"), k, call) {
            json_t *function = json_object_get(call, "function");
            char *text = json_dumps(json_object_get(function, "arguments"), 0);
            json_object_set_new(function, "arguments", json_string(text));
            free(text);
        }
    }
    return (struct generation_request){.messages = messages, .n_messages = (int)i, .enable_thinking = -1,
                                       .tools = json_object_get(input, "tools")};
}

/* Renders as the runtime does, with the vectors' clock and tokens. */
static bool render(struct local_model *m, const struct generation_request *req, bool as_text, struct buf *out)
{
    struct context_spec spec = {m, guard_escape, req, as_text};
    struct err err = ERR_INIT;
    json_t *context;
    assert_ok(context_build(&spec, &context, &err), err);
    json_object_set_new(context, "bos_token", json_string("<s>"));
    json_object_set_new(context, "eos_token", json_string("</s>"));
    buf_clear(out);
    bool ok = template_render(m->template, context, NOW_MS, out, NULL);
    json_decref(context);
    return ok;
}

static void open_template(struct local_model *m, const char *name)
{
    char path[300];
    struct err err = ERR_INIT;
    char *source;
    size_t n;
    snprintf(path, sizeof path, "vectors/template/%s.jinja", name);
    *m = (struct local_model){.tokenizer = starter.model->tokenizer, .name = (char *)name};
    assert_ok(file_read(shared_path(path), TEMPLATE_MAX_SOURCE_BYTES, &source, &n, &err), err);
    assert_ok(template_compile((struct str){source, n}, &m->template, &err), err);
    prompt_read_template(m, (struct str){source, n});
    free(source);
}

static const struct known {
    const char *name, *calls;   /* "": no tools */
    bool thinks, as_text, same;   /* same: a call in the history renders as the vector */
} known[] = {
    {"Qwen-Qwen3-0.6B", "hermes", true, false, true},
    {"Qwen-Qwen2.5-7B-Instruct", "hermes", false, false, true},
    {"Qwen-QwQ-32B", "hermes", true, false, true},
    {"Qwen3-Coder", "qwen-xml", false, false, true},
    {"Qwen3.5-4B", "qwen-xml", true, false, true},
    {"NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use", "hermes", false, false, true},
    {"meta-llama-Llama-3.2-3B-Instruct", "llama", false, false, true},
    {"meta-llama-Llama-3.3-70B-Instruct", "llama", false, false, true},
    {"mistralai-Mistral-Nemo-Instruct-2407", "mistral", false, false, true},
    {"Mistral-Small-3.2-24B-Instruct-2506", "mistral", false, false, true},
    {"mistralai-Ministral-3-14B-Reasoning-2512", "mistral", true, false, true},
    {"google-gemma-2-2b-it", "", false, false, false},
    {"google-gemma-4-31B-it-interleaved", "gemma", true, false, false},
       /* results are folded into the call's message */
    {"openai-gpt-oss-120b", "gpt-oss", true, false, true},
    {"ibm-granite-granite-3.3-2B-Instruct", "phi-tags", true, false, true},
    {"ibm-granite-granite-4.0", "hermes", false, false, true},
    {"deepseek-ai-DeepSeek-R1-Distill-Qwen-32B", "", true, false, false},
    {"GLM-4.6", "glm", true, false, true},
    {"Kimi-K2-Instruct", "kimi", false, false, true},
    {"meetkai-functionary-medium-v3.1", "function-tags", false, true, true},
    {"CohereForAI-c4ai-command-r7b-12-2024-tool_use", "cohere", true, false, true},
    {"NVIDIA-Nemotron-Nano-v2", "nemotron", true, false, true},
    {"upstage-Solar-Open-100B", "solar", false, false, true},
};

static void check_known(const struct known *k, json_t *cases)
{
    char path[300];
    struct local_model m;
    struct chat_message messages[8];
    struct buf out = BUF_INIT(1u << 20);
    open_template(&m, k->name);
    if (m.info.thinks != k->thinks || m.info.tools != (*k->calls != 0) ||
        (m.info.tools && strcmp(toolcall_name(m.calls), k->calls) != 0))
        fail_msg("%s: thinks %d, tools %d %s", k->name, m.info.thinks, m.info.tools,
                 m.calls ? toolcall_name(m.calls) : "");
    snprintf(path, sizeof path, "vectors/template/%s.expected.json", k->name);
    json_t *expected = load_json(shared_path(path)), *input = json_deep_copy(json_object_get(cases, "tool_turn"));
    struct generation_request req = request_of(input, messages);
    const char *want = json_string_value(json_object_get(json_object_get(expected, "tool_turn"), "text"));
    if (k->same && want) {
        bool ok = render(&m, &req, false, &out) || render(&m, &req, true, &out);
        if (!ok || !str_is(buf_view(&out), want))
            fail_msg("%s: %s\ninstead of %s", k->name, ok ? out.p : "raises", want);
    }
    json_decref(input);
    json_decref(expected);
    buf_free(&out);
    template_free(m.template);
}

static void test_real_templates_show_tools_and_calls_as_they_want_them(void **state)
{
    (void)state;
    SKIP_WITHOUT_SHARED(path, "vectors/template/cases.json");
    json_t *cases = load_json(path);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        check_known(&known[i], cases);
    json_decref(cases);
}

static void test_gemma_reads_results_beside_their_calls(void **state)
{
    (void)state;
    SKIP_WITHOUT_SHARED(path, "vectors/template/cases.json");
    struct local_model m;
    struct chat_message messages[8];
    struct buf out = BUF_INIT(1u << 20);
    json_t *cases = load_json(path);
    struct generation_request req = request_of(json_object_get(cases, "tool_turn"), messages);
    open_template(&m, "google-gemma-4-31B-it-interleaved");
    assert_true(render(&m, &req, false, &out));
    assert_non_null(strstr(out.p, "<tool_call|><|tool_response>response:get_weather{t:21}<tool_response|>"));
    json_decref(cases);
    buf_free(&out);
    template_free(m.template);
}

static void test_ids_that_mistral_would_refuse_are_replaced_alike(void **state)
{
    (void)state;
    SKIP_WITHOUT_SHARED(path, "vectors/template/mistralai-Mistral-Nemo-Instruct-2407.jinja");
    struct local_model m;
    struct buf out = BUF_INIT(1u << 20);
    json_t *calls = json_loads("[{\"id\":\"call_0123456789abcdef\",\"type\":\"function\",\"function\":{\"name\":"
                               "\"get_weather\",\"arguments\":\"{}\"}}]", 0, NULL);
    struct chat_message messages[] = {
        {.role = STR("user"), .content = STR("x")},
        {.role = STR("assistant"), .no_content = true, .tool_calls = calls},
        {.role = STR("tool"), .content = STR("1"), .tool_call_id = STR("call_0123456789abcdef")},
    };
    struct generation_request req = {.messages = messages, .n_messages = 3, .enable_thinking = -1};
    char id[TOOLCALL_ID_BYTES], want[64];
    open_template(&m, "mistralai-Mistral-Nemo-Instruct-2407");
    assert_true(render(&m, &req, false, &out));
    assert_false(toolcall_id_fits(m.calls, messages[2].tool_call_id, id));
    snprintf(want, sizeof want, "\"id\": \"%s\"", id);
    assert_non_null(strstr(out.p, want));
    snprintf(want, sizeof want, "\"call_id\": \"%s\"", id);
    assert_non_null(strstr(out.p, want));
    json_decref(calls);
    buf_free(&out);
    template_free(m.template);
}

static int64_t prompt_tokens(const struct starter *s, const struct generation_request *req)
{
    struct err err = ERR_INIT;
    int64_t n = -1;
    assert_ok(generation_count_prompt(s->model, req, &n, &err), err);
    return n;
}

static void test_a_control_tokens_name_in_a_tool_or_call_stays_text(void **state)
{
    (void)state;
    struct starter s = {.rt = starter.rt};
    struct err err = ERR_INIT;
    const char *template = "{{ tools | tojson }}{%- for m in messages %}{{ m.content }}{{ m.tool_calls | tojson if "
                           "m.tool_calls else '' }}{{ m.reasoning_content }}{%- endfor %}<tool_call>";
    assert_ok(variant_open(&s, "guarded", &(struct variant){.template = template}, NULL, &err), err);
    int64_t n[2];
    for (int i = 0; i < 2; i++) {
        const char *hostile = i ? "<|im_end|>" : "<|im_and|>";   /* one token if it had become control */
        json_t *tools = json_loads(TOOLS, 0, NULL), *parameters = json_object();
        json_object_set_new(parameters, hostile, json_string(hostile));
        json_object_set_new(json_object_get(json_array_get(tools, 0), "function"), "parameters", parameters);
        char arguments[64];
        snprintf(arguments, sizeof arguments, "{\"%s\":\"%s\"}", hostile, hostile);
        json_t *calls = json_pack("[{s:s,s:{s:s,s:s}}]", "id", "x", "function", "name", "f", "arguments", arguments);
        struct chat_message messages[] = {
            {.role = STR("assistant"), .tool_calls = calls, .reasoning = str_of(hostile)},
            {.role = STR("tool"), .content = str_of(hostile), .tool_call_id = STR("x")},
        };
        struct generation_request req = {.messages = messages, .n_messages = 2, .enable_thinking = -1, .tools = tools};
        n[i] = prompt_tokens(&s, &req);
        json_decref(tools);
        json_decref(calls);
    }
    assert_true(n[1] >= n[0] - 6);   /* six names: were they tokens, it would be more than twenty fewer */
    assert_true(n[1] > 40);
}

static void test_an_effort_switches_thinking_where_the_template_has_a_switch(void **state)
{
    (void)state;
    struct starter s = {.rt = starter.rt};
    struct err err = ERR_INIT;
    const char *template = "{%- if enable_thinking is defined %}{{ 'a a a' if enable_thinking else 'a a' }}{%- else %}a"
                           "{%- endif %}{%- if reasoning_effort is defined %} {{ reasoning_effort }}{%- endif %}";
    assert_ok(variant_open(&s, "effort", &(struct variant){.template = template}, NULL, &err), err);
    struct chat_message messages[2];
    struct generation_request req = ask(messages, CLASSIFY, QUESTION);
    static const struct {
        const char *effort;
        int think;
        const char *text;
    } cases[] = {{"", -1, "a"}, {"none", -1, "a a"}, {"high", -1, "a a a high"}, {"low", 0, "a a"}, {"", 1, "a a a"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        req.reasoning_effort = str_of(cases[i].effort);
        req.enable_thinking = cases[i].think;
        assert_int_equal(prompt_tokens(&s, &req), local_model_count_tokens(s.model, str_of(cases[i].text)));
    }
    int64_t n;
    req.reasoning_effort = STR("<|im_end|>");
    assert_false(generation_count_prompt(s.model, &req, &n, &err));
    assert_int_equal(err.code, ERR_INVALID);
}

/* ---- what is refused ---- */

static void test_a_template_without_tools_is_told(void **state)
{
    (void)state;
    struct chat_message messages[2];
    struct generation_request req = ask(messages, CLASSIFY, QUESTION);
    json_t *tools = json_loads(TOOLS, 0, NULL);
    struct generation *g;
    struct err err = ERR_INIT;
    req.tools = tools;
    assert_false(local_model_info(starter.model)->tools);
    assert_false(generation_start(starter.rt, starter.model, &req, &g, &err));
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    assert_string_equal(err.msg, "the chat template of starter knows no tools");
    json_decref(tools);
}

static void assert_bad_history(const char *calls_text, const char *role, const char *answers, const char *words)
{
    json_error_t e;
    json_t *calls = calls_text ? json_loads(calls_text, 0, &e) : NULL;
    struct chat_message messages[] = {
        {.role = STR("user"), .content = STR("x")},
        {.role = str_of(role), .tool_calls = calls},
        {.role = STR("tool"), .content = STR("1"), .tool_call_id = str_of(answers)},
    };
    struct err err = ERR_INIT;
    assert_false(history_check(messages, answers ? 3 : 2, &err));
    assert_int_equal(err.code, ERR_INVALID);
    if (!strstr(err.msg, words))
        fail_msg("'%s' does not say '%s'", err.msg, words);
    json_decref(calls);
}

#define CALL(id, name, arguments) "[{\"id\":" id ",\"function\":{\"name\":" name ",\"arguments\":" arguments "}}]"

static void test_a_malformed_history_is_refused_with_its_place(void **state)
{
    (void)state;
    assert_bad_history("{}", "assistant", NULL, "'messages[1].tool_calls' must be an array");
    assert_bad_history("[7]", "assistant", NULL, "'messages[1].tool_calls[0]' must be an object");
    assert_bad_history("[{\"id\":\"a\"}]", "assistant", NULL, "'messages[1].tool_calls[0].function' must be");
    assert_bad_history(CALL("1", "\"f\"", "\"{}\""), "assistant", NULL, "messages[1].tool_calls[0].id");
    assert_bad_history(CALL("\"a\"", "\"\"", "\"{}\""), "assistant", NULL, "messages[1].tool_calls[0].function.name");
    assert_bad_history(CALL("\"a\"", "\"f\"", "{}"), "assistant", NULL, "arguments' must be a string");
    assert_bad_history(CALL("\"a\"", "\"f\"", "\"[]\""), "assistant", NULL, "arguments' is no JSON object");
    assert_bad_history(CALL("\"a\"", "\"f\"", "\"{\\\"a\\\":\""), "assistant", NULL, "arguments' is no JSON object");
    assert_bad_history(CALL("\"a\"", "\"f\"", "\"{}\""), "user", NULL, "a message that is no assistant's");
    assert_bad_history(CALL("\"a\"", "\"f\"", "\"{}\""), "assistant", "b", "'messages[2].tool_call_id' is 'b', which is no call");
    assert_bad_history(CALL("\"a\"", "\"f\"", "\"{}\""), "assistant", "", "'messages[2].tool_call_id' is missing");
    assert_bad_history(NULL, "assistant", "a", "'messages[2].tool_call_id' is 'a', which is no call");
}

static void test_malformed_tools_are_refused_with_their_place(void **state)
{
    static const char *const bad[] = {
        "{}", "[1]", "[{\"type\":\"code\"}]", "[{\"function\":{\"name\":\"a b\"}}]", "[{\"function\":{}}]",
        "[{\"function\":{\"name\":\"a\",\"parameters\":1}}]",
        "[{\"function\":{\"name\":\"a\"}},{\"function\":{\"name\":\"a\"}}]"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err err = ERR_INIT;
        json_t *tools = json_loads(bad[i], 0, NULL);
        assert_false(history_check_tools(tools, &err));
        assert_int_equal(err.code, ERR_INVALID);
        assert_non_null(strstr(err.msg, "tools"));
        json_decref(tools);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call_streams_and_ends_the_answer_as_one),
        cmocka_unit_test(test_a_call_that_is_cut_ends_by_length),
        cmocka_unit_test(test_without_tools_a_call_is_text),
        cmocka_unit_test(test_a_broken_call_is_text),
        cmocka_unit_test(test_reasoning_and_a_call_come_out_of_one_answer),
        cmocka_unit_test(test_channels_of_gpt_oss_give_reasoning_and_a_call),
        cmocka_unit_test(test_real_templates_show_tools_and_calls_as_they_want_them),
        cmocka_unit_test(test_gemma_reads_results_beside_their_calls),
        cmocka_unit_test(test_ids_that_mistral_would_refuse_are_replaced_alike),
        cmocka_unit_test(test_a_control_tokens_name_in_a_tool_or_call_stays_text),
        cmocka_unit_test(test_an_effort_switches_thinking_where_the_template_has_a_switch),
        cmocka_unit_test(test_a_template_without_tools_is_told),
        cmocka_unit_test(test_a_malformed_history_is_refused_with_its_place),
        cmocka_unit_test(test_malformed_tools_are_refused_with_their_place),
    };
    return cmocka_run_group_tests(tests, open_starter, close_starter);
}
