/* The simple rules: choices, regular expressions, any JSON. */
#include "tests/support.h"

#include "data/json.h"
#include "grammar/frontends.h"
#include "tests/grammar/support_rules.h"

/* ---- choices ---- */

static void test_choices_take_each_and_nothing_else(void **state)
{
    static const struct str choices[] = {STR("card_arrival"), STR("card_arrived"), STR("card"), STR("top_up"),
                                         STR("\xC3\xA9\xC3\xA8")};
    static const char *const others[] = {"", "car", "card_", "card_arrive", "cards", "top_up ", "\xC3\xA9"};
    struct err err = ERR_INIT;
    struct rules *rules = NULL;
    (void)state;
    assert_ok(rule_choices(choices, 5, &rules, &err), err);
    struct automaton *a = automaton_of(rules);
    for (int i = 0; i < 5; i++)
        assert_true(automaton_takes(a, choices[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(automaton_takes(a, str_of(others[i])));
    automaton_close(a);
}

static void test_choices_refuses_what_is_no_list(void **state)
{
    static const struct {
        struct str choices[2];
        int n;
        const char *part;
    } faults[] = {
        {{STR("a")}, 0, "empty"},
        {{STR("a"), STR("")}, 2, "choice 2 is empty"},
        {{STR("a"), STR("a")}, 2, "choices 1 and 2 are the same"},
        {{STR("a"), STR("\xFF")}, 2, "choice 2 is not valid UTF-8"},
        {{STR("a")}, CHOICES_MAX + 1, "at most"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct err err = ERR_INIT;
        struct rules *rules = NULL;
        assert_false(rule_choices(faults[i].choices, faults[i].n, &rules, &err));
        if (!strstr(err.msg, faults[i].part))
            fail_msg("'%s' is not in: %s", faults[i].part, err.msg);
    }
}

static void test_choices_many(void **state)
{
    static char texts[CHOICES_MAX][24];
    static struct str choices[CHOICES_MAX];
    struct err err = ERR_INIT;
    struct rules *rules = NULL;
    (void)state;
    for (int i = 0; i < CHOICES_MAX; i++) {
        snprintf(texts[i], sizeof texts[i], "label %d of %d", i * 7919 % CHOICES_MAX, CHOICES_MAX);
        choices[i] = str_of(texts[i]);
    }
    assert_ok(rule_choices(choices, CHOICES_MAX, &rules, &err), err);
    struct automaton *a = automaton_of(rules);
    for (int i = 0; i < CHOICES_MAX; i += 97)
        assert_true(automaton_takes(a, choices[i]));
    assert_false(automaton_takes(a, STR("label 4096 of 4096")));
    automaton_close(a);
}

/* Each a beginning of the next: as deep as a trie of so many bytes gets. */
static void test_choices_nested_beginnings(void **state)
{
    enum { N = 700 };
    static char text[N];
    static struct str choices[N];
    struct err err = ERR_INIT;
    struct rules *rules = NULL;
    (void)state;
    memset(text, 'a', N);
    for (int i = 0; i < N; i++)
        choices[i] = (struct str){text, (size_t)i + 1};
    assert_ok(rule_choices(choices, N, &rules, &err), err);
    struct automaton *a = automaton_of(rules);
    assert_true(automaton_takes(a, choices[0]));
    assert_true(automaton_takes(a, choices[N - 1]));
    assert_false(automaton_takes(a, STR("aab")));
    automaton_close(a);
}

/* ---- regular expressions ---- */

static void test_regex_holds_the_whole_answer(void **state)
{
    struct err err = ERR_INIT;
    struct rules *rules = NULL;
    (void)state;
    assert_ok(rule_regex(STR("(mon|tues)day, [0-9]{1,2}"), &rules, &err), err);
    struct automaton *a = automaton_of(rules);
    assert_true(automaton_takes(a, STR("monday, 7")));
    assert_false(automaton_takes(a, STR("monday, 123")));
    assert_false(automaton_takes(a, STR(" monday, 7")));
    automaton_close(a);
}

static void test_regex_refusal_has_its_place(void **state)
{
    struct err err = ERR_INIT;
    struct rules *rules = NULL;
    (void)state;
    assert_false(rule_regex(STR("(a)\\1"), &rules, &err));
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    assert_false(rule_regex(STR("a(b"), &rules, &err));
    assert_int_equal(err.code, ERR_INVALID);
}

/* ---- any JSON ---- */

static void test_any_json_takes_json(void **state)
{
    static const struct {
        const char *text;
        bool value, object;
    } examples[] = {
        {"{}", true, true},
        {"{\"a\": [1, 2.5, -3e-7, {\"b\": null}], \"c\": true}", true, true},
        {"{\n  \"a\": \"x\\n\\\"\\\\ \xE2\x82\xAC \\u0001\"\n}", true, true},
        {"[ ]", true, false},
        {"\"text\"", true, false},
        {"9100000000000000000", true, false},
        {"9300000000000000000", false, false},
        {"9007199254740993", true, false},
        {"{\"a\": 1, \"a\": 2}", false, false},
        {"{\"a\": 1,}", false, false},
        {"{\"a\" 1}", false, false},
        {"[1 2]", false, false},
        {"01", false, false},
        {"1e999", false, false},
        {"\"\\u0000\"", false, false},
        {"\"\\ud800\"", false, false},
        {"\"\t\"", false, false},
        {"nul", false, false},
        {"{\"a\":     1}", false, false},
    };
    struct err err = ERR_INIT;
    struct rules *value = NULL, *object = NULL;
    (void)state;
    assert_ok(rule_any_json(false, &value, &err), err);
    assert_ok(rule_any_json(true, &object, &err), err);
    struct automaton *v = automaton_of(value), *o = automaton_of(object);
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        struct str text = str_of(examples[i].text);
        if (automaton_takes(v, text) != examples[i].value || automaton_takes(o, text) != examples[i].object)
            fail_msg("%s", examples[i].text);
    }
    automaton_close(v);
    automaton_close(o);
}

static void test_any_json_depth(void **state)
{
    char text[2 * JSON_ANY_MAX_DEPTH + 3] = "";
    struct err err = ERR_INIT;
    struct rules *rules = NULL;
    (void)state;
    assert_ok(rule_any_json(false, &rules, &err), err);
    struct automaton *a = automaton_of(rules);
    memset(text, '[', JSON_ANY_MAX_DEPTH);
    memset(text + JSON_ANY_MAX_DEPTH, ']', JSON_ANY_MAX_DEPTH);
    assert_true(automaton_takes(a, str_of(text)));
    memset(text, '[', JSON_ANY_MAX_DEPTH + 1);
    memset(text + JSON_ANY_MAX_DEPTH + 1, ']', JSON_ANY_MAX_DEPTH + 1);
    assert_false(automaton_takes(a, str_of(text)));
    automaton_close(a);
}

static void test_any_json_walks_are_json(void **state)
{
    struct err err = ERR_INIT;
    struct rules *rules = NULL;
    struct buf text = BUF_INIT(1 << 20);
    (void)state;
    assert_ok(rule_any_json(true, &rules, &err), err);
    struct automaton *a = automaton_of(rules);
    for (uint64_t seed = 0; seed < 400; seed++) {
        json_t *value;
        automaton_walk(a, seed, 40 + seed % 300, json_closers, &text);
        if (!json_parse_object(buf_view(&text), "the walk", &value, &err))
            fail_msg("seed %d: %s\n" STR_FMT, (int)seed, err.msg, STR_ARG(buf_view(&text)));
        json_decref(value);
    }
    automaton_close(a);
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choices_take_each_and_nothing_else),
        cmocka_unit_test(test_choices_refuses_what_is_no_list),
        cmocka_unit_test(test_choices_many),
        cmocka_unit_test(test_choices_nested_beginnings),
        cmocka_unit_test(test_regex_holds_the_whole_answer),
        cmocka_unit_test(test_regex_refusal_has_its_place),
        cmocka_unit_test(test_any_json_takes_json),
        cmocka_unit_test(test_any_json_depth),
        cmocka_unit_test(test_any_json_walks_are_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
