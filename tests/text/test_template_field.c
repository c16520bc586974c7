/* What chat templates in the field do beyond the shared ones: each text is what Jinja2 3.1.6 renders, set up as
 * transformers sets it up. */
#include "tests/support.h"

#include <jansson.h>

#include "text/template.h"

#define NOW_MS 1785058200000 /* 26 July 2026 09:30 UTC */

static const char context_text[] =
    "{\"messages\": [{\"role\": \"system\", \"content\": \"S\"}, {\"role\": \"user\", \"content\": \"Häl 你 😀\"}"
    ", {\"role\": \"assistant\", \"content\": \"A\", \"tool_calls\": [{\"function\": {\"name\": \"f\", \"argume"
    "nts\": {\"b\": 1, \"a\": [2.5, null, true, \"x'y\"]}}}]}, {\"role\": \"tool\", \"content\": \"{\\\"x\\\":1"
    "}\"}, {\"role\": \"user\", \"content\": \"bye\"}], \"tools\": [{\"type\": \"function\", \"function\": {\"n"
    "ame\": \"f\", \"parameters\": {\"type\": \"object\", \"properties\": {\"q\": {\"type\": \"string\", \"enum"
    "\": [\"a\", \"b\"]}}, \"required\": [\"q\"]}}}], \"add_generation_prompt\": true, \"n\": 5, \"d\": {\"b\":"
    " 2, \"a\": 1}}";

struct example {
    const char *source, *text;
};

static void check_all(const struct example *examples, size_t n)
{
    json_t *context = json_loads(context_text, 0, NULL);
    assert_non_null(context);
    for (size_t i = 0; i < n; i++) {
        struct err err = ERR_INIT;
        struct template *t;
        struct buf out = BUF_INIT(100000);
        assert_ok(template_compile(str_of(examples[i].source), &t, &err), err);
        assert_ok(template_render(t, context, NOW_MS, &out, &err), err);
        assert_string_equal(buf_view(&out).p, examples[i].text);
        buf_free(&out);
        template_free(t);
    }
    json_decref(context);
}
#define CHECK_ALL(examples) check_all(examples, sizeof examples / sizeof *examples)

static void test_template_carries_state_out_of_loops_in_a_namespace(void **state)
{
    static const struct example examples[] = {
        {"{% set ns = namespace(i=0, l=[]) %}{% for m in messages %}{% if m.role == \"user\" %}{% set ns.i = ns"
         ".i + 1 %}{% set ns.l = ns.l + [loop.index0] %}{% endif %}{% endfor %}{{ ns.i }}{{ ns.l }}",
         "2[1, 4]"},
        {"{% set ns = namespace(last=-1) %}{% for m in messages[::-1] %}{% if ns.last < 0 and m.role == \"user"
         "\" %}{% set ns.last = messages | length - 1 - loop.index0 %}{% endif %}{% endfor %}{{ ns.last }}",
         "4"},
    };
    (void)state;
    CHECK_ALL(examples);
}

static void test_template_looks_at_neighbours_in_a_loop(void **state)
{
    static const struct example examples[] = {
        {"{% for m in messages %}{{ loop.previtem.role if loop.previtem is defined else \"-\" }}>{{ \"-\" if lo"
         "op.last else loop.nextitem.role }}{{ loop.revindex0 }}{{ loop.changed(m.role) }};{% endfor %}",
         "->user4True;system>assistant3True;user>tool2True;assistant>user1True;tool>-0True;"},
        {"{% for i in range(9) %}{% if i == 2 %}{% continue %}{% endif %}{% if i > 4 %}{% break %}{% endif %}{{"
         " loop.cycle(\"a\", \"b\") }}{{ i }}{% endfor %}",
         "a0b1b3a4"},
        {"{% for m in messages if m.role == \"none\" %}x{% else %}nobody{% endfor %}{% for k, v in d | dictsort"
         " %}{{ k }}{{ v }}{% endfor %}",
         "nobodya1b2"},
    };
    (void)state;
    CHECK_ALL(examples);
}

static void test_template_recurses_in_macros_and_calls_blocks(void **state)
{
    static const struct example examples[] = {
        {"{%- macro t(p) -%}{%- if p.type == \"object\" -%}{ {%- for k, v in p.properties.items() -%}{{ k }}{{ "
         "\"\" if k in p.required else \"?\" }}: {{ t(v) }}{%- endfor -%} }{%- else -%}{{ p.enum | join(\" | \""
         ") }}{%- endif -%}{%- endmacro -%}{{ t(tools[0].function.parameters) }}",
         "{q: a | b}"},
        {"{% macro wrap(tag, cls=\"x\") %}<{{ tag }} {{ cls }}>{{ caller() if caller is defined }}</{{ tag }}>{"
         "% endmacro %}{% call wrap(\"p\", \"c\") %}in{{ n }}{% endcall %}{{ wrap(cls=\"k\", tag=\"b\") }}",
         "<p c>in5</p><b k></b>"},
    };
    (void)state;
    CHECK_ALL(examples);
}

static void test_template_writes_json_with_options(void **state)
{
    static const struct example examples[] = {
        {"{{ tools | tojson(indent=2) }}",
         "[\n  {\n    \"type\": \"function\",\n    \"function\": {\n      \"name\": \"f\",\n      \"parameters"
         "\": {\n        \"type\": \"object\",\n        \"properties\": {\n          \"q\": {\n            \"ty"
         "pe\": \"string\",\n            \"enum\": [\n              \"a\",\n              \"b\"\n            ]"
         "\n          }\n        },\n        \"required\": [\n          \"q\"\n        ]\n      }\n    }\n  }\n"
         "]"},
        {"{{ {\"b\": 1, \"a\": \"é\"} | tojson(sort_keys=true, separators=(\",\", \":\")) }}{{ \"é😀\" | tojson("
         "ensure_ascii=true) }}",
         "{\"a\":\"é\",\"b\":1}\"\\u00e9\\ud83d\\ude00\""},
        {"{{ messages[2].tool_calls[0].function.arguments | tojson }}|{{ messages[2].tool_calls[0].function.arg"
         "uments }}",
         "{\"b\": 1, \"a\": [2.5, null, true, \"x'y\"]}|{'b': 1, 'a': [2.5, None, True, \"x'y\"]}"},
    };
    (void)state;
    CHECK_ALL(examples);
}

static void test_template_tells_the_date_and_skips_training_marks(void **state)
{
    static const struct example examples[] = {
        {"{{ strftime_now(\"%d %B %Y, %A %H:%M %j %y %b %a %p %I %%\") }}",
         "26 July 2026, Sunday 09:30 207 26 Jul Sun AM 09 %"},
        {"{% for m in messages if m.role == \"assistant\" %}{% generation %}{{ m.content }}{% endgeneration %}{"
         "% endfor %}",
         "A"},
    };
    (void)state;
    CHECK_ALL(examples);
}

static void test_template_slices_and_formats_as_python(void **state)
{
    static const struct example examples[] = {
        {"{{ \"abcdef\"[1:-1:2] }}|{{ messages[-2:] | map(attribute=\"role\") | join(\",\") }}|{{ \"Häl 你 😀\"[:"
         ":-1] }}|{{ (messages | list)[-1][\"role\"] }}",
         "bd|tool,user|😀 你 läH|user"},
        {"{{ \"%s is %d or %.2f\" | format(\"x\", 3, 2.567) }}|{{ \"%05d|%-4s|%x\" % (42, \"ab\", 255) }}|{{ \""
         "{0}-{1}-{0}\".format(\"a\", 2) }}|{{ \"{name:>5}\".format(name=\"x\") }}",
         "x is 3 or 2.57|00042|ab  |ff|a-2-a|    x"},
        {"{{ \"a-b-c\".rsplit(\"-\", 1)[0] }}{{ \"xxaxx\".strip(\"x\") }}{{ \"a.b\".partition(\".\") }}{{ \"pre"
         "_x\".removeprefix(\"pre_\") }}{{ \"l1\\nl2\".splitlines() }}",
         "a-ba('a', '.', 'b')x['l1', 'l2']"},
    };
    (void)state;
    CHECK_ALL(examples);
}

static void test_template_asks_what_is_defined(void **state)
{
    static const struct example examples[] = {
        {"{% if a is defined and a %}A{% elif messages is defined and messages[0] is mapping and messages[0].ro"
         "le is defined and not messages[0].zz is defined %}B{% endif %}{{ zz is undefined }}{{ messages[99] is"
         " defined }}",
         "BTrueFalse"},
        {"{{ zz or \"d\" }}{{ zz | d(\"e\") }}{{ \"\" | default(\"f\", true) }}{{ none | default(\"g\") }}{{ d."
         "get(\"zz\", \"h\") }}{{ 1 if 0 }}",
         "defNoneh"},
    };
    (void)state;
    CHECK_ALL(examples);
}

static void test_template_reads_dicts_by_their_methods(void **state)
{
    static const struct example examples[] = {
        {"{{ d.items() | list }}{{ d.keys() | list }}{{ d.values() | list }}{{ d.get(\"a\") }}{{ \"a\" in d }}{"
         "{ d | length }}",
         "[('b', 2), ('a', 1)]['b', 'a'][2, 1]1True2"},
        {"{{ tools | map(attribute=\"function.name\") | join(\", \") }}{{ messages | selectattr(\"role\", \"equ"
         "alto\", \"user\") | map(attribute=\"content\") | list }}{{ messages | rejectattr(\"tool_calls\", \"de"
         "fined\") | list | length }}",
         "f['Häl 你 😀', 'bye']4"},
    };
    (void)state;
    CHECK_ALL(examples);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_template_carries_state_out_of_loops_in_a_namespace),
        cmocka_unit_test(test_template_looks_at_neighbours_in_a_loop),
        cmocka_unit_test(test_template_recurses_in_macros_and_calls_blocks),
        cmocka_unit_test(test_template_writes_json_with_options),
        cmocka_unit_test(test_template_tells_the_date_and_skips_training_marks),
        cmocka_unit_test(test_template_slices_and_formats_as_python),
        cmocka_unit_test(test_template_asks_what_is_defined),
        cmocka_unit_test(test_template_reads_dicts_by_their_methods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
