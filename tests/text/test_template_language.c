/* The language, case by case: a template, the shared context below, and what Jinja2 3.1 makes of them. */
#include "tests/support.h"

#include <jansson.h>

#include "text/template.h"

struct language_case {
    const char *source, *expected;
};

static const char context_json[] =
    "{\"name\": \"Ann\", \"n\": 3, \"f\": 2.5, \"t\": true, \"no\": null, \"s\": \" a b  c \", \"u\": \"Łódź "
    "ß\", \"xs\": [3, 1, 2], \"d\": {\"b\": 1, \"a\": [1, {\"k\": \"v\"}], \"items\": \"own\"}, \"ms\": [{\"r\":"
    " \"u\", \"c\": \"hi\", \"n\": 2}, {\"r\": \"a\", \"c\": \"yo\", \"n\": 1}, {\"r\": \"u\", \"c\": \"bye\", \""
    "n\": 3}]}";

static void check_cases(const struct language_case *cases, size_t n)
{
    json_error_t e;
    json_t *context = json_loads(context_json, 0, &e);
    assert_non_null(context);
    for (size_t i = 0; i < n; i++) {
        struct err err = ERR_INIT;
        struct template *t;
        struct buf out = BUF_INIT(1 << 20);
        char message[900];
        if (!template_compile(str_of(cases[i].source), &t, &err))
            fail_msg("%s: %s", cases[i].source, err_format(&err, message, sizeof message));
        if (!template_render(t, context, 1785058200000 /* 26 July 2026 09:30 UTC */, &out, &err))
            fail_msg("%s: %s", cases[i].source, err_format(&err, message, sizeof message));
        if (!str_is(buf_view(&out), cases[i].expected))
            fail_msg("%s\n gives %s\n, not %s", cases[i].source, out.p ? out.p : "", cases[i].expected);
        buf_free(&out);
        template_free(t);
    }
    json_decref(context);
}

#define CHECK_CASES(table) check_cases(table, sizeof(table) / sizeof((table)[0]))

static void test_template_controls_white_space_and_literals(void **state)
{
    static const struct language_case cases[] = {
        {"plain", "plain"},
        {"a\n", "a"},
        {"a\n\n", "a\n"},
        {"{{ name }}!", "Ann!"},
        {"{# note #}x", "x"},
        {"a{#- x -#} b", "ab"},
        {"{% raw %}{{ x }}{% endraw %}", "{{ x }}"},
        {"{%- raw -%} {{ x }} {%- endraw -%} z", "{{ x }}z"},
        {"a {{- ' b ' -}} c", "a b c"},
        {"a \n {%- if t %} b {%- endif %} c", "a b c"},
        {"  {% if t %}\nx\n  {% endif %}\ny", "x\ny"},
        {"  {%+ if t %}x{% endif %}", "  x"},
        {"{% if t +%}\nx{% endif %}", "\nx"},
        {"{% if t %}\r\nx\r\n{% endif %}", "x\n"},
        {"a {# c #}\nb", "a b"},
        {"x{{ '}}' }}y", "x}}y"},
        {"{{ {'a': {'b': 1}}['a']['b'] }}", "1"},
        {"{{ \"q\\\"\\n\\t\\\\ \\x41\\u00e9\\101 \\q\" }}", "q\"\n\t\\ AéA \\q"},
        {"{{ 'a' 'b' \"c\" }}", "abc"},
        {"\n  {{ 1 }}\n  {%- set x = 1 %}\n  {{ x }}", "\n  1  1"},
        {"{{'a'}}{% set b = 1 %}\n  {% set c = 1 %}  z", "a  z"},
    };
    (void)state;
    CHECK_CASES(cases);
}

static void test_template_computes_as_python(void **state)
{
    static const struct language_case cases[] = {
        {"{{ 1 + 2 * 3 }}", "7"},
        {"{{ (1 + 2) * 3 }}", "9"},
        {"{{ 7 / 2 }}", "3.5"},
        {"{{ 7 // 2 }} {{ -7 // 2 }}", "3 -4"},
        {"{{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }}", "1 2 -2"},
        {"{{ 2 ** 10 }} {{ 2 ** -1 }}", "1024 0.5"},
        {"{{ -n }} {{ +n }}", "-3 3"},
        {"{{ 1.0 }} {{ 1e16 }} {{ 1e15 }} {{ 0.0001 }} {{ 0.00001 }} {{ 1.5e300 }}",
         "1.0 1e+16 1000000000000000.0 0.0001 1e-05 1.5e+300"},
        {"{{ 0.1 + 0.2 }}", "0.30000000000000004"},
        {"{{ 100.0 / 3 }}", "33.333333333333336"},
        {"{{ 1_000 }} {{ 0x1f }} {{ 0b101 }} {{ 0o17 }}", "1000 31 5 15"},
        {"{{ t + 1 }}", "2"},
        {"{{ 3.0 // 2 }} {{ -3.5 % 2 }}", "1.0 0.5"},
        {"{{ -2 ** 2 }}", "4"},
        {"{{ 2 ** 3 ** 2 }}", "64"},
        {"{{ -0.0 }} {{ 0 * -1.0 }}", "-0.0 -0.0"},
        {"{{ 123456789.123 }} {{ 5e-324 }} {{ 1e22 }}", "123456789.123 5e-324 1e+22"},
        {"{{ -5|abs }}", "5"},
        {"{{ 2.5|round }} {{ 3.5|round }} {{ 2.675|round(2) }} {{ 2.1|round(0, 'ceil') }} {{ 3|round }}",
         "2.0 4.0 2.67 3.0 3"},
        {"{{ '12'|int + 1 }} {{ 'x'|int }} {{ 'x'|int(7) }} {{ '0x1f'|int(0, 16) }} {{ 3.9|int }} {{ ' 4.7 '|int "
         "}}",
         "13 0 7 31 3 4"},
        {"{{ '1.5'|float }} {{ 'x'|float }} {{ 2|float }}", "1.5 0.0 2.0"},
        {"{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }}", "True False"},
        {"{{ 1 == 1.0 }} {{ 1 == true }} {{ '1' == 1 }}", "True True False"},
    };
    (void)state;
    CHECK_CASES(cases);
}

static void test_template_handles_strings_as_python(void **state)
{
    static const struct language_case cases[] = {
        {"{{ 'a' ~ 1 ~ none ~ true ~ [1] }}", "a1NoneTrue[1]"},
        {"{{ 'ab' * 3 }}{{ 2 * 'x' }}", "abababxx"},
        {"{{ 'a' + 'b' }}", "ab"},
        {"{{ s.strip() }}|{{ s.lstrip() }}|{{ s.rstrip() }}", "a b  c|a b  c | a b  c"},
        {"{{ 'xxaxx'.strip('x') }}{{ 'abc'.lstrip('ba') }}", "ac"},
        {"{{ s.split() }}", "['a', 'b', 'c']"},
        {"{{ 'a,b,,c'.split(',') }} {{ 'a,b,c'.split(',', 1) }} {{ 'a b  c d'.split(none, 2) }}",
         "['a', 'b', '', 'c'] ['a', 'b,c'] ['a', 'b', 'c d']"},
        {"{{ 'a,b,c'.rsplit(',', 1) }} {{ ' a b c '.rsplit(none, 1) }}", "['a,b', 'c'] [' a b', 'c']"},
        {"{{ 'x voil\u00e0'.rsplit(none, 1) }} {{ 'a\u3000\u00e0b'.rsplit(none, 1) }}",
         "['x', 'voil\u00e0'] ['a', '\u00e0b']"},
        {"{{ 'aXbXc'.rfind('X') }} {{ 'abc'.rfind('') }} {{ 'ab'.rfind('abc') }}", "3 3 -1"},
        {"{{ '\u00e9\u00e8x\u00e9'.strip('\u00e9') }} {{ '\u00e9x'.strip('\u00e8') }} {{ '--a-'|trim('-') }}",
         "\u00e8x \u00e9x a"},
        {"{{ 'a\\nb\\r\\nc\\n'.splitlines() }}", "['a', 'b', 'c']"},
        {"{{ 'a\\u2028b\\x0bc\\x1e\\x85d'.splitlines()|length }}", "5"},
        {"{{ 'hello'.find('l', -2) }} {{ 'hello'.find('o', 1, -1) }} {{ 'hello'.rfind('', 9) }}", "3 -1 -1"},
        {"{{ 'hello'.count('l', 3) }} {{ 'hello'.count('', 4) }} {{ 'hello'.index('l', none, 3) }}", "1 2 2"},
        {"{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith(('x', 'c')) }}", "True True"},
        {"{{ u.upper() }} {{ u.lower() }} {{ u|length }}", "ŁÓDŹ SS łódź ß 6"},
        {"{{ \"they're bill's\".title() }} {{ \"they're bill's (x-y)\"|title }}",
         "They'Re Bill'S They're Bill's (X-Y)"},
        {"{{ 'hELLO wORLD'|capitalize }} {{ 'hELLO'.capitalize() }}", "Hello world Hello"},
        {"{{ 'aXbX'.replace('X', '-') }} {{ 'aXbX'.replace('X', '-', 1) }} {{ 'ab'.replace('', '.') }}",
         "a-b- a-bX .a.b."},
        {"{{ 'aab'|replace('a', 'x', 1) }} {{ 5|replace(5, 6) }}", "xab 6"},
        {"{{ 'hello'.find('l') }} {{ 'hello'.rfind('l') }} {{ 'hello'.find('z') }} {{ u.find('d') }}", "2 3 -1 2"},
        {"{{ 'banana'.count('an') }} {{ 'abc'.index('c') }}", "2 2"},
        {"{{ '-'.join(['a', 'b']) }} {{ ['a', 1]|join('+') }} {{ ms|join(',', attribute='c') }}",
         "a-b a+1 hi,yo,bye"},
        {"{{ 'prefix-x'.removeprefix('prefix-') }} {{ 'x.py'.removesuffix('.py') }}", "x x"},
        {"{{ 'a=b=c'.partition('=') }} {{ 'a=b=c'.rpartition('=') }}", "('a', '=', 'b=c') ('a=b', '=', 'c')"},
        {"{{ u[0] }}{{ u[-1] }}{{ u[1:3] }}|{{ 'abcdef'[::-2] }}|{{ 'abc'[5:] }}|{{ 'abcdef'[-3:-1] }}|{{ 'abc'[:"
         ":-1] }}",
         "Łßód|fdb||de|cba"},
        {"{{ 'ell' in 'hello' }} {{ '' in '' }} {{ 'z' not in 'abc' }}", "True True True"},
        {"{{ 'abc' < 'abd' }} {{ 'Z' < 'a' }} {{ 'ab' < 'a' }}", "True True False"},
        {"{{ '  x  '|trim }}|{{ 'xyx'|trim('x') }}", "x|y"},
        {"{{ 'a\\r\\nb\\u2028c\\r'|indent(2) }}|{{ ''|indent(1, true) }}|{{ '\\n'|indent(1, blank=true) }}",
         "a\n  b\n  c| |\n "},
        {"{{ 'a\\nb\\n\\nc'|indent }}|{{ 'a\\nb'|indent(2, true) }}|{{ 'a\\n\\nb'|indent('> ', blank=true) }}",
         "a\n    b\n\n    c|  a\n  b|a\n> \n> b"},
        {"{{ '<a href=\"x\">&\\''|e }}", "&lt;a href=&#34;x&#34;&gt;&amp;&#39;"},
        {"{{ '<b>'|safe + '<i>' }} {{ '<i>' + '<b>'|safe }} {{ '<b>'|safe ~ '<i>' }}",
         "<b>&lt;i&gt; &lt;i&gt;<b> <b><i>"},
        {"{{ '%s is %d and %.2f %5s|%-5s|%05d %%'|format('x', 3, 2.5, 'r', 'l', 42) }}",
         "x is 3 and 2.50     r|l    |00042 %"},
        {"{{ '%(a)s-%(b)s'|format(a=1, b=2) }} {{ '%s' % 'z' }} {{ '%s-%s' % (1, 2) }} {{ '%r' % 'q' }} {{ '%x %o"
         " %e' % (255, 8, 12345.678) }}",
         "1-2 z 1-2 'q' ff 10 1.234568e+04"},
        {"{{ '{} {} {0}'[:5].format('a', 'b') }} {{ '{1}{0}'.format('a', 'b') }} {{ '{x}'.format(x=1) }} {{ '{{}}"
         "'.format() }}",
         "a b ba 1 {}"},
        {"{{ '{:>5}|{:<5}|{:^5}|{:*^7}'.format('a', 'b', 'c', 'd') }}", "    a|b    |  c  |***d***"},
        {"{{ '{:,} {:.3f} {:05d} {:x} {:#x} {:e} {:%}'.format(1234567, 3.14159, 42, 255, 255, 12345.0, 0.5) }}",
         "1,234,567 3.142 00042 ff 0xff 1.234500e+04 50.000000%"},
        {"{{ '{0[k]} {0[l][1]} {1!r}'.format({'k': 1, 'l': [5, 6]}, 'q') }}", "1 6 'q'"},
        {"{{ 'ab'.center(6, '*') }}{{ 'ab'.ljust(4) }}|{{ 'ab'.rjust(4) }}", "**ab**ab  |  ab"},
        {"{{ 'abc'.isalpha() }} {{ '12'.isdigit() }} {{ 'a1'.isalnum() }} {{ ' '.isspace() }} {{ ''.isalpha() }} "
         "{{ 'AB'.isupper() }}",
         "True True True True False True"},
        {"{{ 'one two  three'|wordcount }}", "3"},
        {"{{ 'abc'|reverse }} {{ 'abc'|first }} {{ 'abc'|last }} {{ 'ab'|list }}", "cba a c ['a', 'b']"},
        {"{% for c in 'aé' %}[{{ c }}]{% endfor %}", "[a][é]"},
        {"{{ 'x'.nothing is defined }}", "False"},
    };
    (void)state;
    CHECK_CASES(cases);
}

static void test_template_prints_values_as_python(void **state)
{
    static const struct language_case cases[] = {
        {"{{ none }} {{ true }} {{ false }} {{ missing }}|", "None True False |"},
        {"{{ [1, 'a', none, true, 2.0, missing] }}", "[1, 'a', None, True, 2.0, Undefined]"},
        {"{{ (1,) }} {{ (1, 2) }} {{ () }}", "(1,) (1, 2) ()"},
        {"{{ d }}", "{'b': 1, 'a': [1, {'k': 'v'}], 'items': 'own'}"},
        {"{{ ['it\\'s', 'q\"', '\\'\"', 'a\\nb', '\\\\', u] }}",
         "[\"it's\", 'q\"', '\\'\"', 'a\\nb', '\\\\', 'Łódź ß']"},
        {"{{ ['\\u200b', '\\x07', '\\U0001f600', '\\xa0'] }}", "['\\u200b', '\\x07', '😀', '\\xa0']"},
        {"{{ 1, 2 }}", "(1, 2)"},
        {"{{ range(3) }} {{ range(1, 10, 3)|list }} {{ range(5, 0, -2)|list }} {{ range(2, 2)|list }}",
         "range(0, 3) [1, 4, 7] [5, 3, 1] []"},
        {"{{ d.keys() }} {{ d.values() }}",
         "dict_keys(['b', 'a', 'items']) dict_values([1, [1, {'k': 'v'}], 'own'])"},
        {"{{ {'x': 1}.items() }}", "dict_items([('x', 1)])"},
        {"{{ {1: 'a', none: 2, true: 3} }}", "{1: 3, None: 2}"},
    };
    (void)state;
    CHECK_CASES(cases);
}

static void test_template_writes_json_as_transformers(void **state)
{
    static const struct language_case cases[] = {
        {"{{ d|tojson }}", "{\"b\": 1, \"a\": [1, {\"k\": \"v\"}], \"items\": \"own\"}"},
        {"{{ u|tojson }} {{ u|tojson(ensure_ascii=true) }} {{ '\\U0001f600'|tojson(true) }}",
         "\"Łódź ß\" \"\\u0141\\u00f3d\\u017a \\u00df\" \"\\ud83d\\ude00\""},
        {"{{ {'a': [1, 2], 'b': {}, 'c': []}|tojson(indent=2) }}",
         "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {},\n  \"c\": []\n}"},
        {"{{ [1, 'x']|tojson(separators=(',', ':')) }} {{ {'b': 1, 'a': 2}|tojson(sort_keys=true) }}",
         "[1,\"x\"] {\"a\": 2, \"b\": 1}"},
        {"{{ '<&>\\'\"\\n\\t\\x07/\\x7f'|tojson }}", "\"<&>'\\\"\\n\\t\\u0007/\177\""},
        {"{{ [none, true, 1.0, 1e20, -1]|tojson }}", "[null, true, 1.0, 1e+20, -1]"},
        {"{{ (1, 2)|tojson }} {{ {1: 2, none: 3, true: 4}|tojson }}", "[1, 2] {\"1\": 4, \"null\": 3}"},
        {"{{ {'a': 1}|tojson(indent='\t') }}", "{\n\t\"a\": 1\n}"},
        {"{{ [[]]|tojson(indent=1) }} {{ {'a': 1, 'b': 2}|tojson(indent=0) }}",
         "[\n []\n] {\n\"a\": 1,\n\"b\": 2\n}"},
    };
    (void)state;
    CHECK_CASES(cases);
}

static void test_template_reaches_into_lists_and_dicts(void **state)
{
    static const struct language_case cases[] = {
        {"{{ xs[0] }} {{ xs[-1] }} {{ xs[9] is defined }} {{ xs.0 }}", "3 2 False 3"},
        {"{{ xs[1:] }} {{ xs[::-1] }} {{ xs[:-1] }} {{ xs[-2:] }} {{ (1, 2, 3)[1:] }}",
         "[1, 2] [2, 1, 3] [3, 1] [1, 2] (2, 3)"},
        {"{{ xs + [4] }} {{ [0] * 3 }} {{ (1,) + (2,) }}", "[3, 1, 2, 4] [0, 0, 0] (1, 2)"},
        {"{{ 2 in xs }} {{ 5 not in xs }} {{ 'b' in d }} {{ 'zz' in d }} {{ 1 in missing }}",
         "True True True False False"},
        {"{{ [1, [2]] == [1, [2]] }} {{ {'a': 1} == {'a': 1.0} }} {{ [1] == (1,) }} {{ [1, 2] < [1, 3] }}",
         "True True False True"},
        {"{{ d.b }} {{ d['b'] }} {{ d.a[1].k }} {{ d.get('b') }} {{ d.get('z') }} {{ d.get('z', 5) }}",
         "1 1 v 1 None 5"},
        {"{{ d['items'] }} {{ d.items is callable }}", "own True"},
        {"{{ missing is callable }}", "True"},
        {"{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "b=1;a=[1, {'k': 'v'}];items=own;"},
        {"{{ dict(a=1, b=2) }} {{ dict({'x': 1}, y=2) }}", "{'a': 1, 'b': 2} {'x': 1, 'y': 2}"},
        {"{% for k in d %}{{ k }},{% endfor %}", "b,a,items,"},
        {"{{ d|items|list }} {{ missing|items|list }}", "[('b', 1), ('a', [1, {'k': 'v'}]), ('items', 'own')] []"},
        {"{{ d|length }} {{ xs|count }}", "3 3"},
        {"{{ xs.index(1) }} {{ [1, 1].count(1) }}", "1 2"},
        {"{{ {'a': 1, 'a': 2} }}", "{'a': 2}"},
    };
    (void)state;
    CHECK_CASES(cases);
}

static void test_template_decides_by_python_truth(void **state)
{
    static const struct language_case cases[] = {
        {"{{ 1 and 0 }} {{ 0 or 'x' }} {{ not 0 }} {{ not not 1 }}", "0 x True True"},
        {"{{ 'y' if t else 'n' }} {{ 'y' if not t else 'n' }} [{{ 'y' if no }}]", "y n []"},
        {"{{ 1 if 0 else 2 if 0 else 3 }}", "3"},
        {"{% if no %}a{% elif n == 3 %}b{% else %}c{% endif %}", "b"},
        {"{% if [] or {} or '' or 0 or 0.0 or none or missing %}a{% else %}b{% endif %}", "b"},
        {"{{ missing == missing2 }} {{ missing is undefined }} {{ missing|default('d') }} {{ ''|default('e') }} {"
         "{ ''|default('e', true) }} {{ no|d('x') }}",
         "True True d  e None"},
        {"{{ not n == 4 }} {{ n in [1, 3] and not n in [2] }}", "True True"},
    };
    (void)state;
    CHECK_CASES(cases);
}

static void test_template_knows_the_tests(void **state)
{
    static const struct language_case cases[] = {
        {"{{ n is number }} {{ f is float }} {{ n is integer }} {{ t is integer }} {{ t is boolean }} {{ t is num"
         "ber }}",
         "True True True False True True"},
        {"{{ 'a' is string }} {{ d is mapping }} {{ xs is sequence }} {{ xs is iterable }} {{ d is iterable }} {{"
         " 5 is iterable }} {{ d is sequence }} {{ 'a' is sequence }}",
         "True True True True True False True True"},
        {"{{ no is none }} {{ no is not none }} {{ missing is none }} {{ missing is iterable }}",
         "True False False True"},
        {"{{ 4 is even }} {{ 4 is odd }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(2) }}",
         "True False True False"},
        {"{{ t is true }} {{ 1 is true }} {{ false is false }}", "True False True"},
        {"{{ 3 is eq 3 }} {{ 3 is gt(2) }} {{ 3 is lessthan 2 }} {{ 3 is in [3] }} {{ 3 is not in [4] }} {{ no is"
         " sameas none }}",
         "True True False True True True"},
        {"{{ 'AB' is upper }} {{ 'ab' is lower }} {{ '1' is upper }}", "True True False"},
        {"{{ 'upper' is filter }} {{ 'zzz' is filter }} {{ 'even' is test }}", "True False True"},
        {"{{ n is defined and n > 2 }} {{ x is defined or n is defined }}", "True True"},
        {"{{ xs is defined and xs is not string }}", "True"},
    };
    (void)state;
    CHECK_CASES(cases);
}

static void test_template_loops_with_loop_variables(void **state)
{
    static const struct language_case cases[] = {
        {"{% for x in xs %}{{ loop.index }}/{{ loop.length }}{{ ',' if not loop.last }}{% endfor %}", "1/3,2/3,3/3"},
        {"{% for x in xs %}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }} {% endfor %}",
         "032True 121False 210False "},
        {"{% for x in xs %}{{ loop.previtem }}<{{ x }}<{{ loop.nextitem }};{% endfor %}", "<3<1;3<1<2;1<2<;"},
        {"{% for x in [] %}a{% else %}none{% endfor %}", "none"},
        {"{% for x in xs %}{% break %}{% else %}none{% endfor %}", "none"},
        {"{% set ns = namespace(n=0) %}{% for x in xs if not ns.n %}{% set ns.n = x %}{{ x }}{% endfor %}", "3"},
        {"{% set ns = namespace(n=0) %}{% for x in xs if not ns.n %}{{ loop.last }}{% set ns.n = x %}{% endfor %}",
         "FalseTrue"},
        {"{% set ns = namespace(n=0) %}{% for x in xs if not ns.n %}{% set ns.n = x %}{{ loop|length }}{% endfor %}",
         "1"},
        {"{% for x in xs %}{{ x }}{% continue %}{% else %}none{% endfor %}", "312none"},
        {"{% for x in xs %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% else %}none{% endfor %}", "3"},
        {"{% for x in xs if x > 1 %}{{ x }}:{{ loop.index }} of {{ loop.length }};{% else %}-{% endfor %}",
         "3:1 of 2;2:2 of 2;"},
        {"{% for x in xs %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}|{% for x in xs %}{% if x ="
         "= 1 %}{% break %}{% endif %}{{ x }}{% endfor %}",
         "32|3"},
        {"{% for a, b in [(1, 2), (3, 4)] %}{{ a + b }} {% endfor %}", "3 7 "},
        {"{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "123"},
        {"{% for x in xs %}{{ loop.cycle('a', 'b') }}{% endfor %}", "aba"},
        {"{% for x in [1, 1, 2] %}{{ loop.changed(x) }} {% endfor %}", "True False True "},
        {"{% for x in xs %}{% for y in 'ab' %}{{ loop.index }}{% endfor %}{{ loop.index }} {% endfor %}",
         "121 122 123 "},
        {"{% set x = 9 %}{% for x in xs %}{% endfor %}{{ x }}", "9"},
        {"{% set k = 0 %}{% for x in xs %}{% set k = k + x %}{{ k }} {% endfor %}{{ k }}", "3 1 2 0"},
        {"{% set ns = namespace(k=0, l=[]) %}{% for x in xs %}{% set ns.k = ns.k + x %}{% set ns.l = ns.l + [x] %"
         "}{% endfor %}{{ ns.k }} {{ ns.l }}",
         "6 [3, 1, 2]"},
        {"{% for x in missing %}a{% else %}e{% endfor %}", "e"},
        {"{% for x in xs %}{{ x }}{% endfor %}{{ loop is defined }}", "312False"},
        {"{% for k, v in d|dictsort %}{{ k }}{% endfor %}", "abitems"},
        {"{% for m in ms[::-1] %}{{ m.c }}{% if loop.first %}!{% endif %}{% endfor %}", "bye!yohi"},
        {"{% for x in 1, 2 %}{{ x }}{% endfor %}", "12"},
    };
    (void)state;
    CHECK_CASES(cases);
}

static void test_template_assigns_in_the_right_scope(void **state)
{
    static const struct language_case cases[] = {
        {"{% set a, b = 1, 2 %}{{ a }}{{ b }}", "12"},
        {"{% set x %}in {{ n }}{% endset %}[{{ x }}]", "[in 3]"},
        {"{% set x | upper | trim %} abc {% endset %}[{{ x }}]", "[ABC]"},
        {"{% if t %}{% set z = 5 %}{% endif %}{{ z }}", "5"},
        {"{% with a = 1, b = n %}{{ a + b }}{% endwith %}{{ a }}", "4"},
        {"{% filter upper %}a{{ name }}{% endfilter %}", "AANN"},
        {"{% set ns = namespace() %}{% set ns.x = [1] %}{{ ns.x }}{{ ns.y is defined }}", "[1]False"},
        {"{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a + ns.b }} {{ ns['a'] }}", "3 1"},
        {"{% set (a, b) = 'xy' %}{{ b }}{{ a }}", "yx"},
        {"{% set x = 1 %}{% set x = x + 1 %}{{ x }}", "2"},
    };
    (void)state;
    CHECK_CASES(cases);
}

static void test_template_calls_macros(void **state)
{
    static const struct language_case cases[] = {
        {"{% macro m(a, b=2) %}{{ a }}-{{ b }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(b=5, a=4) }} {{ m() }}",
         "1-2 1-3 4-5 -2"},
        {"{% macro m(a, b=a ~ '!') %}{{ b }}{% endmacro %}{{ m('x') }}", "x!"},
        {"{% macro fact(k) %}{% if k <= 1 %}1{% else %}{{ k * fact(k - 1)|int }}{% endif %}{% endmacro %}{{ fact("
         "10) }}",
         "3628800"},
        {"{% macro box() %}[{{ caller() }}]{% endmacro %}{% call box() %}in{% endcall %}", "[in]"},
        {"{% macro each(l) %}{% for x in l %}{{ caller(x) }}{% endfor %}{% endmacro %}{% call(x) each(xs) %}<{{ x"
         " }}>{% endcall %}",
         "<3><1><2>"},
        {"{% set v = 1 %}{% macro m() %}{{ v }}{% set v2 = 3 %}{% endmacro %}{% set v = 2 %}{{ m() }}{{ v2 is def"
         "ined }}",
         "2False"},
        {"{% macro m() %}  a  {% endmacro %}[{{ m()|trim }}]{{ m() is string }}{{ m is callable }}", "[a]TrueTrue"},
        {"{% set ns = namespace(k=0) %}{% macro inc() %}{% set ns.k = ns.k + 1 %}{% endmacro %}{{ inc() }}{{ inc("
         ") }}{{ ns.k }}",
         "2"},
        {"{%- macro a() -%} x {%- endmacro -%} {{- a() -}} y", "xy"},
        {"{% macro m(x) %}{{ x is defined }}{{ x|default('d') }}{% endmacro %}{{ m() }}{{ m(1) }}", "FalsedTrue1"},
    };
    (void)state;
    CHECK_CASES(cases);
}

static void test_template_filters_lists(void **state)
{
    static const struct language_case cases[] = {
        {"{{ xs|sort }} {{ xs|sort(reverse=true) }} {{ ['b', 'A', 'c']|sort }} {{ ['b', 'A']|sort(case_sensitive="
         "true) }}",
         "[1, 2, 3] [3, 2, 1] ['A', 'b', 'c'] ['A', 'b']"},
        {"{{ ms|sort(attribute='n')|map(attribute='c')|list }} {{ ms|sort(attribute='r,n')|map(attribute='n')|lis"
         "t }}",
         "['yo', 'hi', 'bye'] [1, 2, 3]"},
        {"{{ ms|map(attribute='c')|join(' ') }} {{ ['a', 'b']|map('upper')|list }} {{ ms|map(attribute='z', defau"
         "lt=0)|list }}",
         "hi yo bye ['A', 'B'] [0, 0, 0]"},
        {"{{ ms|selectattr('r', 'equalto', 'u')|map(attribute='c')|list }} {{ ms|rejectattr('r', 'eq', 'u')|list|"
         "length }} {{ ms|selectattr('c')|list|length }}",
         "['hi', 'bye'] 1 3"},
        {"{{ xs|select('gt', 1)|list }} {{ xs|reject('odd')|list }} {{ [0, 1, '', 'a']|select|list }}",
         "[3, 2] [2] [1, 'a']"},
        {"{{ xs|min }} {{ xs|max }} {{ xs|sum }} {{ ms|sum(attribute='n') }} {{ ms|max(attribute='n') }} {{ [1.5,"
         " 2]|sum }}",
         "1 3 6 6 {'r': 'u', 'c': 'bye', 'n': 3} 3.5"},
        {"{{ ['b', 'B', 'a']|unique|list }} {{ [1, 1, 2]|unique|list }}", "['b', 'a'] [1, 2]"},
        {"{{ xs|first }} {{ xs|last }} {{ xs|reverse|list }}", "3 2 [2, 1, 3]"},
        {"{{ [1, 2, 3, 4, 5]|batch(2)|list }} {{ [1, 2, 3]|batch(2, 0)|list }}",
         "[[1, 2], [3, 4], [5]] [[1, 2], [3, 0]]"},
        {"{{ [1, 2, 3, 4, 5]|slice(2)|list }} {{ [1, 2, 3]|slice(2, 'x')|list }}",
         "[[1, 2, 3], [4, 5]] [[1, 2], [3, 'x']]"},
        {"{% for g in ms|groupby('r') %}{{ g.grouper }}:{{ g.list|length }}{{ g[0] }};{% endfor %}", "a:1a;u:2u;"},
        {"{{ d|dictsort }} {{ {'x': 2, 'y': 1}|dictsort(by='value') }} {{ {'a': 1, 'B': 2}|dictsort(true) }} {{ {"
         "'a': 1, 'b': 2}|dictsort(reverse=true) }}",
         "[('a', [1, {'k': 'v'}]), ('b', 1), ('items', 'own')] [('y', 1), ('x', 2)] [('B', 2), ('a', 1)] [('b', 2"
         "), ('a', 1)]"},
        {"{{ n|string + 'x' }} {{ [1]|string }}", "3x [1]"},
        {"{{ xs|join }} {{ xs|join(', ') }} {{ 'abc'|join('.') }}", "312 3, 1, 2 a.b.c"},
        {"{{ none|map('upper')|list }} {{ missing|select|list }}", "[] []"},
        {"{{ name|lower|upper|length + 1 }}", "4"},
        {"{{ d|attr('b') is defined }} {{ 'x'|attr('upper')() }}", "False X"},
        {"{{ [3, 1]|sort|first }} {{ ([3, 1]|sort)[0] }}", "1 1"},
        {"{{ xs|map('string')|map('length')|sum }}", "3"},
        {"{{ ms|map(attribute='c')|map('replace', 'y', 'z')|list }}", "['hi', 'zo', 'bze']"},
    };
    (void)state;
    CHECK_CASES(cases);
}

static void test_template_knows_the_globals_and_mixes(void **state)
{
    static const struct language_case cases[] = {
        {"{{ strftime_now('%d %b %Y %H:%M') }}", "26 Jul 2026 09:30"},
        {"{{ 1 if strftime_now is defined else 2 }}", "1"},
        {"{{ raise_exception is defined }}", "True"},
        {"{% if false %}{{ raise_exception('no') }}{% endif %}ok", "ok"},
        {"{{ bos_token is defined }}", "False"},
        {"{{ messages_not|default([], true)|length }}", "0"},
        {"{{ ['a','b','c'][n - 1:] }}", "['c']"},
        {"{{ -1 | abs }} {{ (-1)|abs }}", "1 1"},
        {"{{ 'a' if n > 2 and n < 4 else 'b' }}", "a"},
        {"{{ d.a[-1]['k'].upper()[0] }}", "V"},
        {"{{ (name ~ '/' ~ n).split('/')|last }}", "3"},
        {"{{ [1, 2,] }} {{ {'a': 1,} }} {{ (1, 2,) }}", "[1, 2] {'a': 1} (1, 2)"},
        {"{{ [] is defined }}{{ {} == {} }}", "TrueTrue"},
        {"{{ n == 3 and 'x' in {'x': 1} }}", "True"},
        {"{{ t|round }} {{ t|abs }} {{ -2|abs }}", "1 1 2"},
        {"{{ range(5)[1:3] }} {{ range(9)[::3]|list }} {{ range(4)[-1] }}", "range(1, 3) [0, 3, 6] 3"},
        {"{{ [d, d]|sort|length }} {{ 'a' % xs }}", "2 a"},
        {"{{ 'one, two -- three_4 (łódź)'|wordcount }}", "4"},
    };
    (void)state;
    CHECK_CASES(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_template_controls_white_space_and_literals),
        cmocka_unit_test(test_template_computes_as_python),
        cmocka_unit_test(test_template_handles_strings_as_python),
        cmocka_unit_test(test_template_prints_values_as_python),
        cmocka_unit_test(test_template_writes_json_as_transformers),
        cmocka_unit_test(test_template_reaches_into_lists_and_dicts),
        cmocka_unit_test(test_template_decides_by_python_truth),
        cmocka_unit_test(test_template_knows_the_tests),
        cmocka_unit_test(test_template_loops_with_loop_variables),
        cmocka_unit_test(test_template_assigns_in_the_right_scope),
        cmocka_unit_test(test_template_calls_macros),
        cmocka_unit_test(test_template_filters_lists),
        cmocka_unit_test(test_template_knows_the_globals_and_mixes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
