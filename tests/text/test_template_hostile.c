/* Templates that are wrong, and templates that mean harm: each ends soon, with one clear sentence and its place. */
#include "tests/support.h"

#include <jansson.h>

#include "text/template.h"

struct bad_case {
    const char *source, *message; /* a part of the error's message */
    int line, col;                /* 0: any */
};

/* Compile and render; *err says why it failed. */
static bool run(struct str source, struct buf *out, struct err *err)
{
    struct template *t = NULL;
    json_error_t e;
    json_t *context = json_loads("{\"xs\":[3,1],\"d\":{\"a\":1},\"s\":\"text\",\"n\":3,\"no\":null}", 0, &e);
    bool ok = template_compile(source, &t, err) && template_render(t, context, 0, out, err);
    template_free(t);
    json_decref(context);
    return ok;
}

static void check_bad(const struct bad_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct err err = ERR_INIT;
        struct buf out = BUF_INIT(TEMPLATE_MAX_OUTPUT_BYTES);
        if (run(str_of(cases[i].source), &out, &err))
            fail_msg("%s is rendered: %s", cases[i].source, out.p ? out.p : "");
        if (!strstr(err.msg, cases[i].message))
            fail_msg("%s\n says %s\n, not %s", cases[i].source, err.msg, cases[i].message);
        if (cases[i].line && (err.line != cases[i].line || err.col != cases[i].col))
            fail_msg("%s\n points at %d:%d, not %d:%d", cases[i].source, err.line, err.col, cases[i].line,
                     cases[i].col);
        assert_int_equal(out.n, 0); /* nothing of a failed rendering is handed out */
        buf_free(&out);
    }
}

#define CHECK_BAD(table) check_bad(table, sizeof(table) / sizeof((table)[0]))

static void test_template_rejects_bad_syntax(void **state)
{
    static const struct bad_case cases[] = {
        {"a {{ x", "not closed with '}}'", 1, 3},
        {"a\n {% if x", "not closed with '%}'", 2, 2},
        {"{# x", "not closed with '#}'", 1, 1},
        {"{{ 'abc }}", "a string is not closed", 1, 4},
        {"{% raw %}x", "not closed with endraw", 1, 1},
        {"{% if x %}a", "'elif' is missing", 0, 0},
        {"{% for x in xs %}a", "'else' is missing", 0, 0},
        {"{% endif %}", "unknown or unexpected block 'endif'", 1, 4},
        {"{% bogus %}", "unknown or unexpected block 'bogus'", 1, 4},
        {"{% include 'x' %}", "'include' is not supported", 1, 4},
        {"{% import 'x' as y %}", "'import' is not supported", 0, 0},
        {"{% extends 'x' %}", "'extends' is not supported", 0, 0},
        {"{{ }}", "an expression is missing", 1, 4},
        {"{{ 1 + }}", "an expression is missing", 1, 8},
        {"{{ (1 }}", "matches no opening one", 1, 7},
        {"{{ 1) }}", "matches no opening one", 1, 5},
        {"{{ [1) }}", "matches no opening one", 1, 6},
        {"{{ a b }}", "'}}' is missing", 1, 6},
        {"{{ a.  }}", "a name is missing", 0, 0},
        {"{{ a[] }}", "a subscript is missing", 0, 0},
        {"{{ a[1:2:3:4] }}", "more than three parts", 0, 0},
        {"{{ f(a=1, 2) }}", "without a name follows", 0, 0},
        {"{{ f(*xs) }}", "not supported", 0, 0},
        {"{{ ? }}", "has no meaning", 1, 4},
        {"{{ '\\ud800' }}", "escape that is no character", 1, 5},
        {"{{ 99999999999999999999 }}", "a number is too large", 1, 4},
        {"{% set 1 = 2 %}", "a name is missing", 0, 0},
        {"{% set x = %}", "an expression is missing", 0, 0},
        {"{% macro m(a=1, b) %}{% endmacro %}", "without a default follows", 0, 0},
        {"{% break %}", "only allowed in a loop", 0, 0},
        {"{% for x in xs %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}", "only allowed in a loop", 0, 0},
        {"{% for x in xs recursive %}{% endfor %}", "recursive loops are not supported", 0, 0},
        {"{% call x %}{% endcall %}", "needs the call of a macro", 0, 0},
        {"{% 5 %}", "must start with a word", 0, 0},
    };
    (void)state;
    CHECK_BAD(cases);
}

static void test_template_rejects_bad_operations(void **state)
{
    static const struct bad_case cases[] = {
        {"{{ missing.x }}", "'missing' is undefined", 1, 11},
        {"ab\n  {{ n + missing }}", "'missing' is undefined", 2, 8},
        {"{{ missing() }}", "'missing' is undefined", 0, 0},
        {"{{ d.zz.y }}", "'zz' is undefined", 0, 0},
        {"{{ s + n }}", "'+' is not possible between str and int", 1, 6},
        {"{{ s + no }}", "between str and NoneType", 0, 0},
        {"{{ s < n }}", "between str and int", 0, 0},
        {"{{ -s }}", "has no sign", 0, 0},
        {"{{ 1 / 0 }}{{ 1 }}", "division by zero", 1, 6},
        {"{{ 1 % 0 }}", "division by zero", 0, 0},
        {"{{ 9223372036854775807 + 1 }}", "does not fit 64 bits", 0, 0},
        {"{{ 10 ** 40 }}", "does not fit 64 bits", 0, 0},
        {"{{ (-9223372036854775807 - 1) // -1 }}", "does not fit 64 bits", 0, 0},
        {"{% for x in n %}{% endfor %}", "a int cannot be iterated over", 0, 0},
        {"{{ n() }}", "a int cannot be called", 0, 0},
        {"{{ n|length }}", "has no length", 0, 0},
        {"{{ n in 5 }}", "'in' is not possible", 0, 0},
        {"{{ {[1]: 2} }}", "cannot be the key of a dict", 0, 0},
        {"{{ n[1:] }}", "a int cannot be sliced", 0, 0},
        {"{{ xs|indent }}", "indent needs a string", 0, 0},
        {"{{ xs[::0] }}", "cannot be zero", 0, 0},
        {"{{ s|bogus }}", "there is no filter 'bogus'", 1, 6},
        {"{{ s is bogus }}", "there is no test 'bogus'", 0, 0},
        {"{{ s|replace('a') }}", "needs the argument 'new'", 0, 0},
        {"{{ s|upper(1) }}", "at most 0 arguments", 0, 0},
        {"{{ s|trim(bogus=1) }}", "takes no argument 'bogus'", 0, 0},
        {"{% set a, b = [1] %}", "1 values cannot be assigned to 2 names", 0, 0},
        {"{% set d.a = 1 %}", "only a namespace has attributes to set", 0, 0},
        {"{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "at most 1 arguments", 0, 0},
        {"{% macro m(a) %}{% endmacro %}{{ m(z=2) }}", "takes no argument 'z'", 0, 0},
        {"{{ xs.append(1) }}", "would change a list or dict", 0, 0},
        {"{{ d.update({}) }}", "would change a list or dict", 0, 0},
        {"{{ d.pop('a') }}", "would change a list or dict", 0, 0},
        {"{{ s.__class__.__mro__ }}", "'__class__' is undefined", 0, 0},
        {"{{ ''.format.__globals__.os }}", "'__globals__' is undefined", 0, 0},
        {"{{ '{0.__class__}'.format(s) }}", "'__class__' is undefined", 0, 0},
        {"{{ range.__self__.x }}", "'__self__' is undefined", 0, 0},
        {"{{ xs|map('upper')|tojson }}", "generator cannot be written as JSON", 0, 0},
        {"{{ missing|tojson }}", "Undefined cannot be written as JSON", 0, 0},
        {"{{ [xs, s]|sort }}", "is not possible between", 0, 0},
        {"{{ '%d'|format('x') }}", "wants a number", 0, 0},
        {"{{ '%s'|format() }}", "more places than arguments", 0, 0},
        {"{{ '{} {}'.format(1) }}", "more places than arguments", 0, 0},
        {"{{ '{'.format() }}", "a single '{'", 0, 0},
        {"{{ s.index('zz') }}", "is not there", 0, 0},
        {"{{ ns }}{% set ns = namespace() %}{{ ns }}", "a Namespace cannot be printed", 0, 0},
        {"{{ raise_exception('no \\'x\\' here') }}", "no 'x' here", 1, 19},
    };
    (void)state;
    CHECK_BAD(cases);
}

static void test_template_stops_at_its_limits(void **state)
{
    static const struct bad_case cases[] = {
        {"{{ range(10**9)|list }}", "more than 100000 elements", 0, 0},
        {"{% for x in range(-5000000000000, 5000000000000) %}{% endfor %}", "more than 100000 elements", 0, 0},
        {"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "steps", 0, 0},
        {"{% for a in range(99999) %}{{ range(99999)|list|length }}{% endfor %}", "", 0, 0},
        {"{% set ns = namespace(x='ab') %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}", "", 0, 0},
        {"{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}", "", 0, 0},
        {"{% set ns = namespace(x=[1]) %}{% for i in range(250) %}{% set ns.x = [ns.x] %}{% endfor %}", "nested", 0, 0},
        {"{% set ns = namespace(x={}) %}{% for i in range(250) %}{% set ns.x = {'a': ns.x} %}{% endfor %}", "nested",
         0, 0},
        {"{% set ns = namespace(x=[1]) %}{% for i in range(150) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
         "", 0, 0},
        {"{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(150) %}{% set ns.x = [ns.x, ns.x] %}"
         "{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}", "steps", 0, 0},
        {"{{ 'x' * 10**12 }}", "", 0, 0},
        {"{{ [0] * 10**12 }}", "", 0, 0},
        {"{{ [0] * 9223372036854775807 }}", "too large", 0, 0},
        {"{% for i in range(9999) %}{{ 'x' * 10**6 }}{% endfor %}", "", 0, 0},
        {"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "macro calls are nested deeper than 100", 0, 0},
        {"{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}", "deeper", 0, 0},
        {"{% macro m() %}{{ caller() }}{% endmacro %}{% macro c() %}{% call m() %}{{ c() }}{% endcall %}{% endmacro %}"
         "{{ c() }}", "deeper", 0, 0},
        {"{{ ('a' * 99999).replace('a', 'b' * 99999) }}", "", 0, 0},
        {"{{ '%99999s'|format('x') }}", "width above", 0, 0},
        {"{{ '%*s'|format(10**9, 'x') }}", "out of range", 0, 0},
        {"{{ '{:99999}'.format('x') }}", "width above", 0, 0},
        {"{{ 'x'.center(10**9) }}", "at most 10000", 0, 0},
        {"{{ 'x'|indent(10**9) }}", "wider than", 0, 0},
        {"{{ xs|tojson(indent=10**9) }}", "wider than", 0, 0},
        {"{{ xs|batch(10**9)|list }}", "between 1 and", 0, 0},
        {"{{ xs|slice(10**9)|list }}", "between 1 and", 0, 0},
        {"{% for i in range(99999) %}{{ ('ab' * 99999).split('a')|length }}{% endfor %}", "", 0, 0},
        {"{% set big = 'ab' * 999999 %}{% for i in range(99999) %}{{ big[-1] }}{% endfor %}", "steps", 0, 0},
        {"{% set a = 'x' * 4000000 %}{% set d = {a ~ '0': 0, a ~ '1': 1, a ~ '2': 2} %}{% set k = a ~ '3' %}"
         "{% for i in range(99999) %}{{ d[k] }}{% endfor %}", "steps", 0, 0},
        {"{% set a = 'x' * 400000 %}{% set b = 'y' * 100000 ~ 'x' %}{{ a.strip(b) }}", "steps", 0, 0},
        {"{% set a = 'x' * 400000 %}{% set b = 'y' * 100000 ~ 'x' %}{{ a|trim(b) }}", "steps", 0, 0},
        {"{% set a = ' ' * 4000000 %}{% for i in range(99999) %}{{ a|trim }}{% endfor %}", "steps", 0, 0},
        {"{% set a = 'x' * 4000000 %}{{ a.rfind('x' * 2000000 ~ 'y') }}", "steps", 0, 0},
        {"{% set a = 'x' * 4000000 %}{% for i in range(99999) %}{{ a.startswith(a) }}{% endfor %}", "steps", 0, 0},
        {"{% set a = 'x' * 4000000 %}{% for i in range(99999) %}{{ a.removesuffix(a) }}{% endfor %}", "steps", 0, 0},
        {"{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}", "cannot be printed", 0, 0},
        {"{{ strftime_now('%A' * 100) }}", "longer than", 0, 0},
    };
    (void)state;
    CHECK_BAD(cases);
}

/* `unit` n times between a head and a tail. */
static void check_repeated(const char *head, const char *unit, int n, const char *tail, bool fits)
{
    struct buf source = BUF_INIT(TEMPLATE_MAX_SOURCE_BYTES), out = BUF_INIT(TEMPLATE_MAX_OUTPUT_BYTES);
    struct err err = ERR_INIT;
    buf_puts(&source, head);
    for (int i = 0; i < n; i++)
        buf_puts(&source, unit);
    buf_puts(&source, tail);
    assert_true(buf_ok(&source));
    if (run(buf_view(&source), &out, &err) != fits)
        fail_msg("%d of '%s': %s", n, unit, fits ? err.msg : "accepted");
    if (!fits)
        assert_true(err.msg[0] != '\0');
    buf_free(&source);
    buf_free(&out);
}

static void test_template_limits_nesting_and_chains(void **state)
{
    (void)state;
    check_repeated("{{ ", "n", 257, " }}", false);
    check_repeated("{{ ", "n", 256, " }}", true);
    check_repeated("{{ ", "(", 60000, "", false);
    check_repeated("{{ ", "[", 60000, "", false);
    check_repeated("{{ ", "{1:", 60000, "", false);
    check_repeated("{{ ", "not ", 60000, "1 }}", false);
    check_repeated("{{ ", "-", 200000, "1 }}", false);
    check_repeated("{{ 1", "+1", 100000, " }}", false);
    check_repeated("{{ 1", " ~ 1", 60000, " }}", true);
    check_repeated("{{ 1", " if 1 else 1", 20000, " }}", false);
    check_repeated("{{ s", ".x", 100000, " }}", false);
    check_repeated("{{ s", "|upper", 40000, " }}", false);
    check_repeated("{{ s", "|upper", 400, " }}", true);
    check_repeated("{{ 1", "+1", 400, " }}", true);
    check_repeated("", "{% if 1 %}", 20000, "", false);
    check_repeated("", "{% for x in xs %}", 12000, "", false);
    check_repeated("{% if 0 %}", "{% elif 0 %}", 20000, "{% endif %}", true);
    check_repeated("{% set (", "(", 60000, "", false);
    check_repeated("{{ 'x'|map(", "'map',", 20000, "'upper')|list }}", false);
    check_repeated("{{ 1 ", "is eq 1 ", 20000, "}}", false);
    check_repeated("", "{{ s }}", 30000, "", true);
}

static void test_template_rejects_long_or_invalid_sources(void **state)
{
    struct err err = ERR_INIT;
    struct template *t = NULL;
    char *big = test_malloc(TEMPLATE_MAX_SOURCE_BYTES + 1);
    (void)state;
    memset(big, 'x', TEMPLATE_MAX_SOURCE_BYTES + 1);
    assert_false(template_compile((struct str){big, TEMPLATE_MAX_SOURCE_BYTES + 1}, &t, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_true(template_compile((struct str){big, TEMPLATE_MAX_SOURCE_BYTES}, &t, &err));
    template_free(t);
    test_free(big);
    assert_false(template_compile(STR("a\xff z"), &t, &err));
    assert_int_equal(err.code, ERR_INVALID);
}

static void test_template_takes_user_text_as_bytes(void **state)
{
    struct err err = ERR_INIT;
    struct template *t;
    struct buf out = BUF_INIT(1000);
    const char *text = "{{ 7 * 7 }} {% raise %} \xEF\xB7\x90<|im_end|>\xEF\xB7\x92";
    (void)state;
    assert_ok(template_compile(STR("<{{ x }}>{{ x|trim }}"), &t, &err), err);
    json_t *context = json_pack("{s:s}", "x", text);
    assert_ok(template_render(t, context, 0, &out, &err), err);
    char expected[200];
    snprintf(expected, sizeof expected, "<%s>%s", text, text);
    assert_string_equal(out.p, expected);
    json_decref(context);
    buf_free(&out);
    template_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_template_rejects_bad_syntax),
        cmocka_unit_test(test_template_rejects_bad_operations),
        cmocka_unit_test(test_template_stops_at_its_limits),
        cmocka_unit_test(test_template_limits_nesting_and_chains),
        cmocka_unit_test(test_template_rejects_long_or_invalid_sources),
        cmocka_unit_test(test_template_takes_user_text_as_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
