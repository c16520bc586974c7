/* Tool calls of every family: what is text, what is a call, and that neither depends on where the answer was cut. */
#include "tests/support.h"

#include "text/toolcall.h"

#define TOOLS                                                                                                          \
    "[{\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"parameters\":{\"type\":\"object\","              \
    "\"properties\":{\"city\":{\"type\":\"string\"},\"days\":{\"type\":\"integer\"},\"deep\":{\"type\":\"object\"},"   \
    "\"any\":{\"type\":[\"string\",\"null\"]}}}}},"                                                                    \
    "{\"type\":\"function\",\"function\":{\"name\":\"add\"}}]"
#define TEXT_BYTES 4096

/* What came of an answer. calls: "name(arguments)" of each call, separated by blanks. */
struct outcome {
    char text[TEXT_BYTES], calls[TEXT_BYTES], ids[TEXT_BYTES];
    int n_calls, whole;
    bool half;
};

static void append(char to[TEXT_BYTES], struct str s)
{
    size_t n = strlen(to);
    assert_true(n + s.n < TEXT_BYTES);
    memcpy(to + n, s.p, s.n);
    to[n + s.n] = 0;
}

static void take(struct outcome *o, const struct toolcall_output *out)
{
    append(o->text, out->text);
    for (int i = 0; i < out->n_deltas; i++) {
        const struct tool_call_delta *d = &out->deltas[i];
        if (d->name.n > 0) {
            append(o->calls, o->n_calls > 0 ? STR(") ") : STR(""));
            append(o->calls, d->name);
            append(o->calls, STR("("));
            append(o->ids, d->id);
            append(o->ids, STR(" "));
            assert_int_equal(d->index, o->n_calls);
            o->n_calls++;
        }
        assert_int_equal(d->index, o->n_calls - 1);
        append(o->calls, d->arguments);
    }
}

/* The answer in pieces that end at `first`, then every `size` bytes. */
static struct outcome *parse(const char *template, struct str answer, size_t first, size_t size)
{
    struct outcome *o = calloc(1, sizeof *o);
    struct err err = ERR_INIT;
    struct toolcall_parser *p;
    struct toolcall_output out;
    json_t *tools = json_loads(TOOLS, 0, NULL);
    assert_non_null(o);
    assert_non_null(toolcall_detect(str_of(template)));
    assert_ok(toolcall_open(toolcall_detect(str_of(template)), tools, 7, &p, &err), err);
    json_decref(tools);
    for (size_t at = 0; at < answer.n;) {
        size_t n = at == 0 && first > 0 ? first : size;
        n = n < answer.n - at ? n : answer.n - at;
        assert_ok(toolcall_feed(p, (struct str){answer.p + at, n}, &out, &err), err);
        take(o, &out);
        at += n;
    }
    assert_ok(toolcall_end(p, &out, &err), err);
    take(o, &out);
    if (o->n_calls > 0)
        append(o->calls, STR(")"));
    o->whole = toolcall_whole(p);
    o->half = toolcall_half(p);
    toolcall_close(p);
    return o;
}

static void assert_same_outcome(const struct outcome *a, const struct outcome *b, size_t cut)
{
    if (strcmp(a->text, b->text) != 0 || strcmp(a->calls, b->calls) != 0 || a->whole != b->whole || a->half != b->half)
        fail_msg("cut at %zu: '%s' %s, whole %d; in one piece: '%s' %s, whole %d", cut, b->text, b->calls, b->whole,
                 a->text, a->calls, a->whole);
}

struct example {
    const char *template, *answer, *text, *calls;
    int whole;
    bool half;
};

static void check(const struct example *e)
{
    struct str answer = str_of(e->answer);
    struct outcome *one = parse(e->template, answer, 0, answer.n);
    if (strcmp(one->text, e->text) != 0 || strcmp(one->calls, e->calls) != 0 || one->whole != e->whole ||
        one->half != e->half)
        fail_msg("%s\n gave '%s' %s whole %d half %d\n not  '%s' %s whole %d half %d", e->answer, one->text, one->calls,
                 one->whole, one->half, e->text, e->calls, e->whole, e->half);
    for (size_t cut = 1; cut <= answer.n; cut++) {
        struct outcome *two = parse(e->template, answer, cut, answer.n), *small = parse(e->template, answer, 0, cut);
        assert_same_outcome(one, two, cut);
        assert_same_outcome(one, small, cut);
        free(two);
        free(small);
    }
    free(one);
}

static void check_all(const struct example *examples, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check(&examples[i]);
}
#define CHECK_ALL(examples) check_all(examples, sizeof examples / sizeof *examples)

#define HERMES "{{ tools }}<tool_call></tool_call>"
#define LLAMA "{{ tools }}<|python_tag|>"
#define MISTRAL "{{ tools }}[TOOL_CALLS]"
#define PHI "{{ tools }}functools"
#define PHI_TAGS "{{ tools }}<|tool_call|>"
#define GEMMA "{{ tools }}<|tool_call>call:"
#define QWEN_XML "{{ tools }}<tool_call><function=x><parameter=y>"
#define GLM "{{ tools }}<tool_call><arg_key>"
#define FUNCTION_TAGS "{{ tools }}<function=x>"
#define GPT_OSS "{{ tools }}<|channel|><|message|>functions.x"
#define KIMI "{{ tools }}<|tool_call_begin|>"
#define SOLAR "{{ tools }}<|tool_call:begin|>"
#define BAR "\xEF\xBD\x9C"
#define LOW "\xE2\x96\x81"
#define DEEPSEEK "{{ tools }}<" BAR "tool" LOW "call" LOW "begin" BAR ">"

static void test_calls_of_qwen_and_hermes_are_told_from_the_text_around_them(void **state)
{
    static const struct example examples[] = {
        {HERMES, "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\":"
         " \"\xC5\x81\xC3\xB3\x64\xC5\xBA\"}}\n"
         "</tool_call>", "", "get_weather({\"city\": \"\xC5\x81\xC3\xB3\x64\xC5\xBA\"})", 1, false},
        {HERMES, "Let me look.\n\n<tool_call>{\"name\":\"add\",\"arguments\":{\"a\":[1,-2.5e3,null]}}</tool_call>\n"
         "<tool_call>\n{\"name\":\"get_weather\",\"arguments\":{}}\n</tool_call>\n", "Let me look.",
         "add({\"a\":[1,-2.5e3,null]}) get_weather({})", 2, false},
        {HERMES, "<tool_call>{\"arguments\": {\"a\": 1}, \"id\": 7, \"name\": \"add\"}</tool_call> done", " done",
         "add({\"a\": 1})", 1, false},
        {HERMES, "<tool_call>{\"name\":\"add\"}</tool_call>", "", "add({})", 1, false},
        {HERMES, "<tool_call>{\"name\":\"add\",\"arguments\":\"{\\\"a\\\": 1}\"}</tool_call>", "", "add({\"a\": 1})", 1,
         false},
        {HERMES, "<tool_call>[{\"name\":\"add\",\"arguments\":{}},{\"name\":\"add\",\"arguments\":{}}]</tool_call>", "",
         "add({}) add({})", 2, false},
        {HERMES, "no calls < tool_call> here <tool", "no calls < tool_call> here <tool", "", 0, false},
        {HERMES, "<tool_call>{\"name\":\"add\",\"arguments\":{\"s\":\"a\nb\"}}</tool_call>", "",
         "add({\"s\":\"a\\u000ab\"})",
         1, false},
        {HERMES, "<tool_call>{\"name\":\"add\",\"arguments\":{\"a\":1}}", "", "add({\"a\":1})", 1, false},
        {HERMES, "<tool_call>{\"name\":\"add\",\"arguments\":{\"a\":1}\n</tool_call>", "", "add({\"a\":1})", 1, false},
    };
    (void)state;
    CHECK_ALL(examples);
}

static void test_a_call_that_breaks_before_its_name_stays_text(void **state)
{
    static const struct example examples[] = {
        {HERMES, "a <tool_call>{\"name\": \"rm\", \"arguments\": {}}</tool_call>",
         "a <tool_call>{\"name\": \"rm\", \"arguments\": {}}</tool_call>", "", 0, false},
        {HERMES, "<tool_call>{\"name\": \"ad", "<tool_call>{\"name\": \"ad", "", 0, false},
        {HERMES, "<tool_call>hello</tool_call>", "<tool_call>hello</tool_call>", "", 0, false},
        {HERMES, "<tool_call></tool_call>", "<tool_call></tool_call>", "", 0, false},
        {HERMES, "<tool_call>{\"arguments\":{}}", "<tool_call>{\"arguments\":{}}", "", 0, false},
        {HERMES, "<tool_call>{]<tool_call>{\"name\":\"add\",\"arguments\":{}}</tool_call>", "<tool_call>{]",
         "add({})", 1, false},
        {LLAMA, "{\"name\": \"Ann\", \"age\": 3}", "{\"name\": \"Ann\", \"age\": 3}", "", 0, false},
        {LLAMA, "{\"name\": \"add\", \"age\": 3}", "{\"name\": \"add\", \"age\": 3}", "", 0, false},
    };
    (void)state;
    CHECK_ALL(examples);
}

static void test_a_call_that_breaks_later_keeps_what_went_out(void **state)
{
    static const struct example examples[] = {
        {HERMES, "<tool_call>{\"name\": \"add\", \"arguments\": {\"a\": 1, \"b", "", "add({\"a\": 1, \"b)", 0, true},
        {HERMES, "<tool_call>{\"name\": \"add\", \"arguments\": {\"a\": one}}</tool_call>", "one}}</tool_call>",
         "add({\"a\": )", 0, true},
        {HERMES, "<tool_call>{\"name\":\"add\",\"name\":\"add\"}", ",\"name\":\"add\"}", "add()", 0, true},
        {HERMES, "<tool_call>{\"name\":\"add\",\"arguments\":{}}</tool_call><tool_call>{\"name\":\"add\",\"argument"
         "s\":{",
         "", "add({}) add({)", 1, true},
    };
    (void)state;
    CHECK_ALL(examples);
}

static void test_bare_json_of_llama_is_a_call_only_at_the_start(void **state)
{
    static const struct example examples[] = {
        {LLAMA, "{\"name\": \"get_weather\", \"parameters\": {\"city\": \"Bonn\"}}", "",
         "get_weather({\"city\": \"Bonn\"})", 1, false},
        {LLAMA, "\n{\"type\": \"function\", \"name\": \"add\", \"parameters\": {}}; {\"name\": \"add\", \"parameter"
         "s\": {}}",
         "", "add({}) add({})", 2, false},
        {LLAMA, "<|python_tag|>{\"name\": \"add\", \"parameters\": {\"a\": \"}\\\"\"}}", "",
         "add({\"a\": \"}\\\"\"})", 1,
         false},
        {LLAMA, "So: {\"name\": \"add\", \"parameters\": {}}", "So: {\"name\": \"add\", \"parameters\": {}}", "", 0,
         false},
        {LLAMA, "{\"parameters\": {\"a\": 1}, \"name\": \"add\"}", "", "add({\"a\": 1})", 1, false},
    };
    (void)state;
    CHECK_ALL(examples);
}

static void test_calls_of_mistral_are_read_in_both_spellings(void **state)
{
    static const struct example examples[] = {
        {MISTRAL, "[TOOL_CALLS][{\"name\": \"add\", \"arguments\": {\"a\": 1}, \"id\": \"abcdefghi\"}, "
         "{\"name\": \"get_weather\", \"arguments\": {}}]", "", "add({\"a\": 1}) get_weather({})", 2, false},
        {MISTRAL, "Sure. [TOOL_CALLS]add[ARGS]{\"a\": 1}[TOOL_CALLS]get_weather[CALL_ID]abcdefghi[ARGS]{\"city\": \""
         "x\"}",
         "Sure.", "add({\"a\": 1}) get_weather({\"city\": \"x\"})", 2, false},
        {MISTRAL, "[TOOL_CALLS]rm[ARGS]{}", "[TOOL_CALLS]rm[ARGS]{}", "", 0, false},
        {MISTRAL, "[1] is a footnote", "[1] is a footnote", "", 0, false},
        {MISTRAL, "[TOOL_CALLS]add[ARGS]{}\nThat was it.", "\nThat was it.", "add({})", 1, false},
    };
    (void)state;
    CHECK_ALL(examples);
    struct outcome *o = parse(MISTRAL, STR("[TOOL_CALLS]add[CALL_ID]abcdefghi[ARGS]{}[TOOL_CALLS]add[ARGS]{}"), 0, 3);
    assert_memory_equal(o->ids, "abcdefghi ", 10);
    assert_int_equal(strlen(o->ids), 20); /* the second was made, nine characters as well */
    free(o);
}

static void test_calls_of_phi_and_granite_are_read(void **state)
{
    static const struct example examples[] = {
        {PHI, "functools[{\"name\": \"add\", \"arguments\": {}}, {\"name\": \"get_weather\", \"arguments\": {\"day"
         "s\": 2}}]",
         "", "add({}) get_weather({\"days\": 2})", 2, false},
        {PHI, "import functools\nprint(1)", "import functools\nprint(1)", "", 0, false},
        {PHI_TAGS, "<|tool_call|>[{\"name\": \"add\", \"arguments\": {}}]<|/tool_call|>", "", "add({})", 1, false},
        {PHI_TAGS, "<|tool_call|> {\"name\": \"add\", \"arguments\": {}}", "", "add({})", 1, false},
    };
    (void)state;
    CHECK_ALL(examples);
}

static void test_calls_of_gemma_become_json(void **state)
{
    static const struct example examples[] = {
        {GEMMA, "<|tool_call>call:get_weather{city:<|\"|>a \"b\" \\ c<|\"|>,days:3,deep:{x:true,y:[<|\"|>q<|\"|>,1.5]}}"
         "<tool_call|><|tool_call>call:add{}<tool_call|>", "",
         "get_weather({\"city\":\"a \\\"b\\\" \\\\ c\",\"days\":3,\"deep\":{\"x\":true,\"y\":[\"q\",1.5]}}) add({})", 2,
         false},
        {GEMMA, "<|tool_call>call:add{<|\"|>k<|\"|>: null, l:[]}<tool_call|>ok", "ok", "add({\"k\":null,\"l\":[]})", 1,
         false},
        {GEMMA, "<|tool_call>call:rm{}<tool_call|>", "<|tool_call>call:rm{}<tool_call|>", "", 0, false},
        {GEMMA, "<|tool_call>call:add{a:yes}<tool_call|>", "yes}<tool_call|>", "add({\"a\":)", 0, true},
        {"{{ tools }}<start_function_call>",
         "<start_function_call>call:get_weather{city:<escape>Bonn<escape>}<end_function_call>", "",
         "get_weather({\"city\":\"Bonn\"})", 1, false},
    };
    (void)state;
    CHECK_ALL(examples);
}

static void test_marked_up_parameters_become_json_by_the_schema(void **state)
{
    static const struct example examples[] = {
        {QWEN_XML, "I look.\n<tool_call>\n<function=get_weather>\n<parameter=city>\n42\n</parameter>\n<parameter=day"
         "s>\n3\n"
         "</parameter>\n<parameter=deep>\n{\"a\": [1]}\n</parameter>\n</function>\n</tool_call>", "I look.",
         "get_weather({\"city\": \"42\", \"days\": 3, \"deep\": {\"a\":[1]}})", 1, false},
        {QWEN_XML, "<tool_call><function=add></function></tool_call>", "", "add({})", 1, false},
        {QWEN_XML, "<tool_call><function=add><parameter=a>[\"</parameter>\"]</parameter></function></tool_call>", "",
         "add({\"a\": [\"</parameter>\"]})", 1, false},
        {QWEN_XML, "<tool_call><function=add><parameter=a>[see </parameter></function></tool_call>", "",
         "add({\"a\": \"[see \"})", 1, false},
        {QWEN_XML, "<tool_call><function=add><parameter=a>\"x\" y</parameter></function></tool_call>", "",
         "add({\"a\": \"\\\"x\\\" y\"})", 1, false},
        {QWEN_XML, "<tool_call><function=add><parameter=a>x</function></tool_call>",
         "<parameter=a>x</function></tool_call>",
         "add()", 0, true},
        {QWEN_XML, "<tool_call>{\"name\":\"add\",\"arguments\":{}}</tool_call>", "", "add({})", 1, false},
        {GLM, "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Bonn</arg_value>\n<arg_key>days</arg_key>"
         "<arg_value>2</arg_value>\n</tool_call>\n<tool_call>add</tool_call>", "",
         "get_weather({\"city\": \"Bonn\", \"days\": 2}) add({})", 2, false},
        {GLM, "<tool_call>rm</tool_call>", "<tool_call>rm</tool_call>", "", 0, false},
    };
    (void)state;
    CHECK_ALL(examples);
}

static void test_calls_with_the_name_in_front_are_read(void **state)
{
    static const struct example examples[] = {
        {FUNCTION_TAGS, "<function=add>{\"a\": 1}</function><function=get_weather>{}</function>", "",
         "add({\"a\": 1}) get_weather({})", 2, false},
        {FUNCTION_TAGS, "<function=rm>{}</function>", "<function=rm>{}</function>", "", 0, false},
        {KIMI, "<|tool_calls_section_begin|><|tool_call_begin|>functions.add:0<|tool_call_argument_begin|>{}"
         "<|tool_call_end|><|tool_call_begin|>functions.get_weather:1<|tool_call_argument_begin|>{\"days\":1}"
         "<|tool_call_end|><|tool_calls_section_end|>", "", "add({}) get_weather({\"days\":1})", 2, false},
        {SOLAR, "<|tool_calls|><|tool_call:begin|>x1<|tool_call:name|>add<|tool_call:args|>{}<|tool_call:end|><|call"
         "s|>",
         "", "add({})", 1, false},
        {DEEPSEEK, "<" BAR "tool" LOW "calls" LOW "begin" BAR "><" BAR "tool" LOW "call" LOW "begin" BAR ">function"
         "<" BAR
         "tool" LOW "sep" BAR ">add\n```json\n{\"a\": 1}\n```<" BAR "tool" LOW "call" LOW "end" BAR "><" BAR "tool" LOW
         "calls" LOW "end" BAR ">", "", "add({\"a\": 1})", 1, false},
        {DEEPSEEK, "<" BAR "tool" LOW "calls" LOW "begin" BAR "><" BAR "tool" LOW "call" LOW "begin" BAR ">add"
         "<" BAR "tool"
         LOW "sep" BAR ">{\"a\": 1}<" BAR "tool" LOW "call" LOW "end" BAR ">", "", "add({\"a\": 1})", 1, false},
        {GPT_OSS, "<|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>"
         "{\"city\":\"Bonn\"}<|call|>", "", "get_weather({\"city\":\"Bonn\"})", 1, false},
        {GPT_OSS, "<|start|>assistant to=functions.add<|channel|>commentary json<|message|>{}", "", "add({})", 1,
         false},
        {GPT_OSS, "<|channel|>commentary to=python<|message|>print(1)",
         "<|channel|>commentary to=python<|message|>print(1)",
         "", 0, false},
    };
    (void)state;
    CHECK_ALL(examples);
}

static void test_ids_depend_on_seed_and_index_alone(void **state)
{
    char a[TOOLCALL_ID_BYTES], b[TOOLCALL_ID_BYTES], other[TOOLCALL_ID_BYTES];
    const struct toolcall_syntax *hermes = toolcall_detect(STR(HERMES)), *mistral = toolcall_detect(STR(MISTRAL));
    (void)state;
    toolcall_make_id(hermes, 7, 1, a);
    toolcall_make_id(hermes, 7, 1, b);
    assert_string_equal(a, b);
    assert_int_equal(strlen(a), 29);
    assert_memory_equal(a, "call_", 5);
    toolcall_make_id(hermes, 7, 2, other);
    assert_string_not_equal(a, other);
    toolcall_make_id(hermes, 8, 1, other);
    assert_string_not_equal(a, other);
    toolcall_make_id(mistral, 7, 1, a);
    assert_int_equal(strlen(a), 9);
    assert_true(toolcall_id_fits(hermes, STR("anything at all"), b));
    assert_true(toolcall_id_fits(mistral, STR("call00001"), b));
    assert_false(toolcall_id_fits(mistral, STR("call_0123456789"), b));
    assert_int_equal(strlen(b), 9);
}

static void test_more_calls_than_the_limit_stay_text(void **state)
{
    static const char one[] = "<tool_call>{\"name\":\"add\"}</tool_call>";
    char answer[(sizeof one - 1) * (TOOLCALL_MAX_CALLS + 1) + 1] = "";
    (void)state;
    for (int i = 0; i < TOOLCALL_MAX_CALLS + 1; i++)
        memcpy(answer + (size_t)i * (sizeof one - 1), one, sizeof one);
    struct outcome *o = parse(HERMES, str_of(answer), 0, sizeof answer);
    assert_int_equal(o->n_calls, TOOLCALL_MAX_CALLS);
    assert_string_equal(o->text, one);
    free(o);
}

static void test_deep_nesting_and_endless_names_end_a_call(void **state)
{
    char deep[400] = "<tool_call>{\"name\":\"add\",\"arguments\":{\"a\":";
    size_t n = strlen(deep);
    (void)state;
    memset(deep + n, '[', 300);
    struct outcome *o = parse(HERMES, str_of(deep), 0, sizeof deep);
    assert_true(o->half);
    assert_int_equal(strlen(o->text), 300 - (TOOLCALL_MAX_NESTING - 1));
    free(o);
    static char name[TOOLCALL_MAX_HELD_BYTES * 2];
    struct toolcall_parser *p;
    struct toolcall_output out;
    struct err err = ERR_INIT;
    json_t *tools = json_loads(TOOLS, 0, NULL);
    memset(name, 'a', sizeof name);
    assert_ok(toolcall_open(toolcall_detect(STR(HERMES)), tools, 0, &p, &err), err);
    assert_ok(toolcall_feed(p, STR("<tool_call>{\"name\":\""), &out, &err), err);
    assert_int_equal(out.text.n, 0);
    assert_ok(toolcall_feed(p, (struct str){name, sizeof name}, &out, &err), err);
    assert_int_equal(out.text.n, sizeof name + 20); /* given up, not held for ever */
    toolcall_close(p);
    json_decref(tools);
}

static void test_a_template_that_knows_no_tools_has_no_syntax(void **state)
{
    (void)state;
    assert_null(toolcall_detect(STR("{% for m in messages %}{{ m.content }}{% endfor %}")));
    assert_string_equal(toolcall_name(toolcall_detect(STR(QWEN_XML))), "qwen-xml");
    assert_true(toolcall_marker(toolcall_detect(STR(GEMMA)), STR("<|\"|>")));
    assert_false(toolcall_marker(toolcall_detect(STR(GEMMA)), STR("<end_of_turn>")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_of_qwen_and_hermes_are_told_from_the_text_around_them),
        cmocka_unit_test(test_a_call_that_breaks_before_its_name_stays_text),
        cmocka_unit_test(test_a_call_that_breaks_later_keeps_what_went_out),
        cmocka_unit_test(test_bare_json_of_llama_is_a_call_only_at_the_start),
        cmocka_unit_test(test_calls_of_mistral_are_read_in_both_spellings),
        cmocka_unit_test(test_calls_of_phi_and_granite_are_read),
        cmocka_unit_test(test_calls_of_gemma_become_json),
        cmocka_unit_test(test_marked_up_parameters_become_json_by_the_schema),
        cmocka_unit_test(test_calls_with_the_name_in_front_are_read),
        cmocka_unit_test(test_ids_depend_on_seed_and_index_alone),
        cmocka_unit_test(test_more_calls_than_the_limit_stay_text),
        cmocka_unit_test(test_deep_nesting_and_endless_names_end_a_call),
        cmocka_unit_test(test_a_template_that_knows_no_tools_has_no_syntax),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
