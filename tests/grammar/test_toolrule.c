/* Rules for tool calls: what they admit the parser of the same family takes for whole calls whose arguments obey their
 * schemas. */
#include "tests/support.h"

#include "data/json.h"
#include "grammar/toolrule.h"
#include "tests/grammar/support_rules.h"

#define TOOLS                                                                                                         \
    "[{\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"strict\":true,\"parameters\":{\"type\":"         \
    "\"object\",\"properties\":{\"city\":{\"type\":\"string\"},\"days\":{\"type\":\"integer\",\"minimum\":1,"          \
    "\"maximum\":14},\"unit\":{\"type\":\"string\",\"enum\":[\"C\",\"F\"]},\"tags\":{\"type\":\"array\",\"items\":"    \
    "{\"type\":\"string\"}},\"place\":{\"type\":\"object\",\"properties\":{\"lat\":{\"type\":\"number\"}},"            \
    "\"required\":[\"lat\"],\"additionalProperties\":false}},\"required\":[\"city\"],\"additionalProperties\":"        \
    "false}}},{\"type\":\"function\",\"function\":{\"name\":\"now\"}}]"

#define BAR "\xEF\xBD\x9C"
#define LOW "\xE2\x96\x81"
#define DEEPSEEK(word) "<" BAR "tool" LOW word BAR ">"
#define M "\xFF"   /* the mark around a control token */

static const char *const xml_closers[] = {"\"\n</parameter>", "\"", "\n</parameter>", "}", "]", ",", ":", NULL};
static const char *const glm_closers[] = {"\"</arg_value>", "\"", "</arg_value>", "}", "]", ",", ":", NULL};
static const char *const gemma_closers[] = {"<|\"|>", "}", "]", ",", ":", NULL};
static const char *const functiongemma_closers[] = {"<escape>", "}", "]", ",", ":", NULL};

/* Families by what their templates hold, with a call as they write it; name: what toolcall_name says. */
static const struct family {
    const char *name, *template_text, *call;
    const char *const *closers;
} families[] = {
    {"hermes", "tools<tool_call>",
     "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Bonn\", \"days\": 3}}\n</tool_call>",
     json_closers},
    {"llama", "tools<|python_tag|>", "{\"name\": \"get_weather\", \"parameters\": {\"city\": \"Bonn\"}}", json_closers},
    {"mistral", "tools[TOOL_CALLS]", "[TOOL_CALLS] [{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Bonn\"}}]",
     json_closers},
    {"mistral", "tools[TOOL_CALLS]", "[TOOL_CALLS]get_weather[ARGS]{\"city\": \"Bonn\"}", json_closers},
    {"phi", "tools functools", "functools[{\"name\": \"now\", \"arguments\": {}}]", json_closers},
    {"phi-tags", "tools<|tool_call|>", "<|tool_call|>[{\"name\": \"now\", \"arguments\": {}}]", json_closers},
    {"gemma", "tools<|tool_call>call:",
     "<|tool_call>call:get_weather{city:<|\"|>Bonn<|\"|>,days:3,tags:[<|\"|>a<|\"|>],place:{lat:50.7}}<tool_call|>",
     gemma_closers},
    {"functiongemma", "tools<start_function_call>",
     "<start_function_call>call:get_weather{city:<escape>Bonn<escape>}<end_function_call>", functiongemma_closers},
    {"qwen-xml", "tools<tool_call><function=<parameter=",
     "<tool_call>\n<function=get_weather>\n<parameter=city>\nBonn\n</parameter>\n<parameter=days>\n3\n</parameter>\n"
     "</function>\n</tool_call>", xml_closers},
    {"seed", "tools<seed:tool_call><function=<parameter=",
     "<seed:tool_call>\n<function=get_weather>\n<parameter=city>\nBonn\n</parameter>\n</function>\n</seed:tool_call>",
     xml_closers},
    {"glm", "tools<tool_call><arg_key>",
     "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Bonn</arg_value>\n</tool_call>", glm_closers},
    {"function-tags", "tools<function=", "<function=get_weather>{\"city\": \"Bonn\"}</function>", json_closers},
    {"gpt-oss", "tools<|channel|><|message|>functions.",
     "<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{\"city\": \"Bonn\"}", json_closers},
    {"kimi", "tools<|tool_call_begin|>",
     "<|tool_calls_section_begin|><|tool_call_begin|>functions.now:0<|tool_call_argument_begin|>{}<|tool_call_end|>"
     "<|tool_calls_section_end|>", json_closers},
    {"solar", "tools<|tool_call:begin|>",
     "<|tool_calls|><|tool_call:begin|>a1B2c3D4e<|tool_call:name|>now<|tool_call:args|>{}<|tool_call:end|><|calls|>",
     json_closers},
    {"cohere", "tools<|START_ACTION|>",
     "<|START_ACTION|>[\n    {\"tool_call_id\": \"0\", \"tool_name\": \"now\", \"parameters\": {}}\n]<|END_ACTION|>",
     json_closers},
    {"gigachat", "tools<|function_call|>", "<|function_call|>{\"name\": \"now\", \"arguments\": {}}", json_closers},
    {"tool-calls-tags", "tools<tool_calls>", "<tool_calls>[{\"name\": \"now\", \"arguments\": {}}]</tool_calls>",
     json_closers},
    {"nemotron", "tools<TOOLCALL>", "<TOOLCALL>[{\"name\": \"now\", \"arguments\": {}}]</TOOLCALL>", json_closers},
    {"deepseek", "tools" DEEPSEEK("call" LOW "begin"),
     DEEPSEEK("calls" LOW "begin") DEEPSEEK("call" LOW "begin") "now" DEEPSEEK("sep") "{}" DEEPSEEK("call" LOW "end")
     DEEPSEEK("calls" LOW "end"), json_closers},
};
#define N_FAMILIES (sizeof families / sizeof *families)

/* ---- rules ---- */

struct asked {
    struct toolrule rule;
    json_t *tools;
};

static void ask(struct asked *a, const char *template_text, const char *tools)
{
    struct err err = ERR_INIT;
    *a = (struct asked){.rule = {.syntax = toolcall_detect(str_of(template_text)), .choice = TOOLRULE_REQUIRED,
                                 .parallel = true, .options.formats = true}};
    assert_non_null(a->rule.syntax);
    assert_ok(json_parse(str_of(tools), "the tools", &a->tools, &err), err);
    a->rule.tools = a->tools;
}

static struct automaton *automaton_for(const struct toolrule *rule)
{
    struct err err = ERR_INIT;
    struct rules *rules = NULL;
    if (!rule_tools(rule, &rules, &err))
        fail_msg("%s: %s", toolcall_name(rule->syntax), err.msg);
    return automaton_of(rules);
}

static void test_toolrule_admits_each_familys_call(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FAMILIES; i++) {
        struct asked asked;
        bool whole;
        ask(&asked, families[i].template_text, TOOLS);
        assert_string_equal(toolcall_name(asked.rule.syntax), families[i].name);
        struct automaton *a = automaton_for(&asked.rule);
        size_t n = automaton_admits(a, str_of(families[i].call), &whole);
        if (!whole)
            fail_msg("%s: only %zu bytes of %s", families[i].name, n, families[i].call);
        assert_false(automaton_takes(a, STR("It is warm.")));
        assert_false(automaton_takes(a, STR("")));
        automaton_close(a);
        json_decref(asked.tools);
    }
}

/* ---- walks, and what the parser makes of them ---- */

struct parsed {
    struct buf text, arguments;
    char name[TOOLCALL_MAX_NAME_BYTES + 1];
    int calls;
};

static void end_call(const struct toolrule *rule, struct parsed *p, struct str walk)
{
    struct err err = ERR_INIT;
    if (p->calls > 0 && !toolrule_check(rule, str_of(p->name), buf_view(&p->arguments), &err))
        fail_msg("%s: %s(" STR_FMT "): %s in\n" STR_FMT, toolcall_name(rule->syntax), p->name,
                 STR_ARG(buf_view(&p->arguments)), err.msg, STR_ARG(walk));
    buf_clear(&p->arguments);
}

static void take(const struct toolrule *rule, struct parsed *p, const struct toolcall_output *out, struct str walk)
{
    buf_str(&p->text, out->text);
    for (int i = 0; i < out->n_deltas; i++) {
        const struct tool_call_delta *d = &out->deltas[i];
        if (d->name.n > 0) {
            end_call(rule, p, walk);
            memcpy(p->name, d->name.p, d->name.n);
            p->name[d->name.n] = 0;
            p->calls++;
        }
        buf_str(&p->arguments, d->arguments);
    }
}

/* The parser takes the walk for whole calls; their number. `text`: what it may hold besides. */
static int check_walk(const struct toolrule *rule, struct str walk, bool text)
{
    struct err err = ERR_INIT;
    struct toolcall_parser *parser;
    struct toolcall_output out;
    struct parsed p = {.text = BUF_INIT(1 << 20), .arguments = BUF_INIT(1 << 20)};
    assert_ok(toolcall_open(rule->syntax, rule->tools, 1, &parser, &err), err);
    assert_ok(toolcall_feed(parser, walk, &out, &err), err);
    take(rule, &p, &out, walk);
    assert_ok(toolcall_end(parser, &out, &err), err);
    take(rule, &p, &out, walk);
    end_call(rule, &p, walk);
    if (toolcall_half(parser) || toolcall_whole(parser) != p.calls ||
        (!text && (p.calls == 0 || str_trim(buf_view(&p.text)).n > 0)))
        fail_msg("%s: %d calls and '" STR_FMT "' in\n" STR_FMT, toolcall_name(rule->syntax), p.calls,
                 STR_ARG(buf_view(&p.text)), STR_ARG(walk));
    toolcall_close(parser);
    buf_free(&p.text);
    buf_free(&p.arguments);
    return p.calls;
}

static void test_toolrule_walks_are_calls(void **state)
{
    struct buf walk = BUF_INIT(1 << 20);
    (void)state;
    for (size_t i = 0; i < N_FAMILIES; i++) {
        struct asked asked;
        ask(&asked, families[i].template_text, TOOLS);
        struct automaton *a = automaton_for(&asked.rule);
        for (uint64_t seed = 0; seed < 60; seed++) {
            automaton_walk(a, seed, 20 + seed * 5, families[i].closers, &walk);
            check_walk(&asked.rule, buf_view(&walk), false);
        }
        automaton_close(a);
        json_decref(asked.tools);
    }
    buf_free(&walk);
}

/* ---- what is asked for ---- */

static void test_toolrule_auto_admits_text_and_calls(void **state)
{
    static const struct {
        const char *text;
        bool takes;
    } examples[] = {
        {"", true},
        {"It is 3 < 4, and <tool is no call.", true},
        {"<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>", true},
        {"Let me look.\n\n<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>", true},
        {"Let me look. <tool_call>", false},
        {"<tool_call>\n{\"name\": \"rm\", \"arguments\": {}}\n</tool_call>", false},
        {"<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {}}\n</tool_call>", false},
    };
    struct asked asked;
    (void)state;
    ask(&asked, "tools<tool_call>", TOOLS);
    asked.rule.choice = TOOLRULE_AUTO;
    struct automaton *a = automaton_for(&asked.rule);
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
        if (automaton_takes(a, str_of(examples[i].text)) != examples[i].takes)
            fail_msg("%s", examples[i].text);
    automaton_close(a);
    json_decref(asked.tools);
}

/* Also behind words that only the reader of calls knows. */
static void test_toolrule_auto_text_holds_no_lead(void **state)
{
    struct asked asked;
    (void)state;
    ask(&asked, "tools<|tool_call|>", TOOLS);
    asked.rule.choice = TOOLRULE_AUTO;
    struct automaton *a = automaton_for(&asked.rule);
    assert_true(automaton_takes(a, STR("functool is no call")));
    assert_false(automaton_takes(a, STR("functools[{\"name\": \"rm\", \"arguments\": {}}]")));
    assert_false(automaton_takes(a, STR("So: <|tool_call|>[]")));
    automaton_close(a);
    json_decref(asked.tools);
}

/* Where a call is a bare object, an answer that begins with a brace is one. */
static void test_toolrule_auto_with_bare_objects(void **state)
{
    struct asked asked;
    (void)state;
    ask(&asked, "tools<|python_tag|>", TOOLS);
    asked.rule.choice = TOOLRULE_AUTO;
    struct automaton *a = automaton_for(&asked.rule);
    assert_true(automaton_takes(a, STR("Use {braces}.")));
    assert_true(automaton_takes(a, STR("{\"name\": \"now\", \"parameters\": {}}")));
    assert_false(automaton_takes(a, STR("{\"name\": \"Ann\"}")));
    assert_false(automaton_takes(a, STR("\n {x}")));
    automaton_close(a);
    json_decref(asked.tools);
}

static void test_toolrule_named_and_single(void **state)
{
    static const char now[] = "<tool_call>{\"name\": \"now\", \"arguments\": {}}</tool_call>";
    static const char twice[] = "<tool_call>{\"name\": \"now\", \"arguments\": {}}</tool_call>\n"
                                "<tool_call>{\"name\": \"now\", \"arguments\": {}}</tool_call>";
    struct asked asked;
    (void)state;
    ask(&asked, "tools<tool_call>", TOOLS);
    asked.rule.name = STR("now");
    struct automaton *a = automaton_for(&asked.rule);
    assert_true(automaton_takes(a, str_of(now)));
    assert_true(automaton_takes(a, str_of(twice)));
    assert_false(automaton_takes(a, str_of(families[0].call)));
    automaton_close(a);
    asked.rule.parallel = false;
    a = automaton_for(&asked.rule);
    assert_true(automaton_takes(a, str_of(now)));
    assert_false(automaton_takes(a, str_of(twice)));
    automaton_close(a);
    json_decref(asked.tools);
}

/* A marker that is a control token stands between marks, and its name as text is no marker. */
static void test_toolrule_markers_are_tokens(void **state)
{
    static const struct str markers[] = {STR("[TOOL_CALLS]"), STR("[ARGS]")};
    struct asked asked;
    (void)state;
    ask(&asked, "tools[TOOL_CALLS]", TOOLS);
    asked.rule.markers = markers;
    asked.rule.n_markers = 2;
    struct automaton *a = automaton_for(&asked.rule);
    assert_true(automaton_takes(a, STR(M "[TOOL_CALLS]" M "now" M "[ARGS]" M "{}")));
    assert_false(automaton_takes(a, STR("[TOOL_CALLS]now[ARGS]{}")));
    automaton_close(a);
    asked.rule.choice = TOOLRULE_AUTO;
    a = automaton_for(&asked.rule);
    assert_true(automaton_takes(a, STR("See [1]: " M "[TOOL_CALLS]" M "now" M "[ARGS]" M "{}")));
    assert_false(automaton_takes(a, STR("[TOOL_CALLS]now[ARGS]{}")));
    assert_false(automaton_takes(a, STR(M "[ARGS]" M)));
    automaton_close(a);
    json_decref(asked.tools);
}

/* ---- schemas ---- */

#define WITH_PARAMETERS(strict, parameters)                                                                           \
    "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"strict\":" strict ",\"parameters\":" parameters "}}]"
#define ODD "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"nonsense\"}}}"

static void test_toolrule_strict_schema_is_refused_by_name(void **state)
{
    struct err err = ERR_INIT;
    struct rules *rules = NULL;
    struct asked asked;
    (void)state;
    ask(&asked, "tools<tool_call>", WITH_PARAMETERS("true", ODD));
    assert_false(rule_tools(&asked.rule, &rules, &err));
    assert_non_null(strstr(err.msg, "parameters of 'f'"));
    json_decref(asked.tools);
    ask(&asked, "tools<tool_call>", WITH_PARAMETERS("false", ODD));
    struct automaton *a = automaton_for(&asked.rule);
    assert_true(automaton_takes(a, STR("<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}}</tool_call>")));
    automaton_close(a);
    json_decref(asked.tools);
}

#define TREE                                                                                                          \
    "{\"type\":\"object\",\"properties\":{\"tree\":{\"$ref\":\"#/$defs/node\"}},\"required\":[\"tree\"],"             \
    "\"additionalProperties\":false,\"$defs\":{\"node\":{\"type\":\"object\",\"properties\":{\"label\":{\"type\":"    \
    "\"string\",\"pattern\":\"^[a-z]+$\",\"maxLength\":5},\"inside\":{\"type\":\"array\",\"items\":{\"$ref\":"       \
    "\"#/$defs/node\"}}},\"required\":[\"label\"],\"additionalProperties\":false}}}"

static void test_toolrule_references_recurse_in_each_way_of_writing(void **state)
{
    static const char *const forms[] = {"hermes", "qwen-xml", "glm", "gemma"};
    struct buf walk = BUF_INIT(1 << 20);
    (void)state;
    for (size_t i = 0; i < N_FAMILIES; i++) {
        bool wanted = false;
        for (size_t k = 0; k < sizeof forms / sizeof *forms; k++)
            wanted = wanted || strcmp(forms[k], families[i].name) == 0;
        if (!wanted)
            continue;
        struct asked asked;
        ask(&asked, families[i].template_text, WITH_PARAMETERS("true", TREE));
        struct automaton *a = automaton_for(&asked.rule);
        for (uint64_t seed = 0; seed < 60; seed++) {
            automaton_walk(a, seed, 60 + seed, families[i].closers, &walk);
            check_walk(&asked.rule, buf_view(&walk), false);
        }
        automaton_close(a);
        json_decref(asked.tools);
    }
    buf_free(&walk);
}

static void test_toolrule_check_names_the_failure(void **state)
{
    struct err err = ERR_INIT;
    struct asked asked;
    (void)state;
    ask(&asked, "tools<tool_call>", TOOLS);
    assert_ok(toolrule_check(&asked.rule, STR("get_weather"), STR("{\"city\": \"Bonn\"}"), &err), err);
    assert_false(toolrule_check(&asked.rule, STR("get_weather"), STR("{\"city\": 1}"), &err));
    assert_non_null(strstr(err.msg, "/city"));
    assert_false(toolrule_check(&asked.rule, STR("get_weather"), STR("{\"city\": \"B"), &err));
    assert_false(toolrule_check(&asked.rule, STR("rm"), STR("{}"), &err));
    json_decref(asked.tools);
}

static void test_toolrule_refuses_what_nobody_can_call(void **state)
{
    static const struct {
        const char *tools, *name, *part;
    } faults[] = {
        {"[]", "", "no tools"},
        {TOOLS, "rm", "no tool is named 'rm'"},
        {"[{\"type\":\"function\",\"function\":{\"name\":\"a b\"}}]", "", "name of tool 1"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct err err = ERR_INIT;
        struct rules *rules = NULL;
        struct asked asked;
        ask(&asked, "tools<tool_call>", faults[i].tools);
        asked.rule.name = str_of(faults[i].name);
        assert_false(rule_tools(&asked.rule, &rules, &err));
        if (!strstr(err.msg, faults[i].part))
            fail_msg("'%s' is not in: %s", faults[i].part, err.msg);
        json_decref(asked.tools);
    }
}

/* What a family's own way of writing leaves to the check, the schema alone does not tell. */
static void test_toolrule_in_json_tells_where_the_schema_says_what_is_left(void **state)
{
    (void)state;
    static const char *const own[] = {"gemma", "functiongemma", "qwen-xml", "seed", "glm"};
    for (size_t i = 0; i < N_FAMILIES; i++) {
        bool in_json = true;
        for (size_t k = 0; k < sizeof own / sizeof *own; k++)
            in_json = in_json && strcmp(families[i].name, own[k]) != 0;
        if (toolrule_in_json(toolcall_detect(str_of(families[i].template_text))) != in_json)
            fail_msg("%s", families[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_toolrule_admits_each_familys_call),
        cmocka_unit_test(test_toolrule_walks_are_calls),
        cmocka_unit_test(test_toolrule_auto_admits_text_and_calls),
        cmocka_unit_test(test_toolrule_auto_text_holds_no_lead),
        cmocka_unit_test(test_toolrule_auto_with_bare_objects),
        cmocka_unit_test(test_toolrule_named_and_single),
        cmocka_unit_test(test_toolrule_markers_are_tokens),
        cmocka_unit_test(test_toolrule_strict_schema_is_refused_by_name),
        cmocka_unit_test(test_toolrule_references_recurse_in_each_way_of_writing),
        cmocka_unit_test(test_toolrule_check_names_the_failure),
        cmocka_unit_test(test_toolrule_refuses_what_nobody_can_call),
        cmocka_unit_test(test_toolrule_in_json_tells_where_the_schema_says_what_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
