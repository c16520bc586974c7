/* GBNF: which texts a grammar admits, and how a grammar that is none is refused. */
#include "tests/support.h"

#include "grammar/frontends.h"
#include "tests/grammar/support_rules.h"

static struct automaton *grammar(const char *text)
{
    struct err err = ERR_INIT;
    struct rules *rules = NULL;
    if (!rule_gbnf(str_of(text), &rules, &err))
        fail_msg("%s\n%d:%d: %s", text, err.line, err.col, err.msg);
    return automaton_of(rules);
}

struct example {
    const char *grammar, *text;
    bool takes;
};

static void check_examples(const struct example *examples, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct automaton *a = grammar(examples[i].grammar);
        if (automaton_takes(a, str_of(examples[i].text)) != examples[i].takes)
            fail_msg("%s\n'%s' is %s", examples[i].grammar, examples[i].text, examples[i].takes ? "refused" : "taken");
        automaton_close(a);
    }
}

static void test_gbnf_parts(void **state)
{
    static const struct example examples[] = {
        {"root ::= \"yes\" | \"no\"", "yes", true},
        {"root ::= \"yes\" | \"no\"", "yesno", false},
        {"root ::= \"\"", "", true},
        {"root ::= | \"a\"", "", true},
        {"root ::= [a-c] [^a-c] .", "bz\xC3\xA9", true},
        {"root ::= [a-c] [^a-c] .", "bbx", false},
        {"root ::= [a-]", "-", true},
        {"root ::= [\\]\\\\\\n]", "]", true},
        {"root ::= [\xC3\xA0-\xC3\xBF]", "\xC3\xA9", true},
        {"root ::= [^x]", "\xF0\x9F\x98\x80", true},
        {"root ::= [^x]", "\xF0\x9F\x98", false},
        {"root ::= .", "\n", true},
        {"root ::= \"\\x41\\u00e9\\U0001F600\\t\\\"\"", "A\xC3\xA9\xF0\x9F\x98\x80\t\"", true},
        {"root ::= (\"a\" | \"b\" \"c\")*", "abca", true},
        {"root ::= (\"a\" | \"b\" \"c\")*", "ab", false},
        {"root ::= \"ab\"+", "abab", true},
        {"root ::= \"ab\"+", "abb", false},
        {"root ::= \"a\"? \"b\"", "b", true},
        {"root ::= [0-9]{3}", "12", false},
        {"root ::= [0-9]{3}", "123", true},
        {"root ::= [0-9]{2,}", "12345", true},
        {"root ::= [0-9]{ 1 , 2 }", "123", false},
        {"root ::= [0-9]{0,2}", "", true},
    };
    (void)state;
    check_examples(examples, sizeof examples / sizeof *examples);
}

static void test_gbnf_layout(void **state)
{
    static const struct example examples[] = {
        {"# a comment\nroot ::= a b # and another\na ::= \"x\"\r\nb ::= \"y\"", "xy", true},
        {"root ::=\n  \"x\" \"y\"\n", "xy", true},
        {"root ::= (\n  # inside\n  \"x\"\n  | \"y\"\n)\n", "y", true},
        {"root ::= \"x\" |\n  \"y\"", "y", true},
        {"root ::= \"x\"\n  | \"y\"\n\nother ::= \"z\"", "y", true},
        {"my-rule_1 ::= \"x\"\nroot ::= my-rule_1", "x", true},
        {"root ::= \"x\" * \"y\"", "xxy", true},
    };
    (void)state;
    check_examples(examples, sizeof examples / sizeof *examples);
}

#define NESTED "root ::= item\nitem ::= \"(\" item* \")\" | [a-z]\n"
#define SUMS "root ::= sum\nsum ::= term (\"+\" term)*\nterm ::= [0-9]+ | \"(\" sum \")\"\n"
#define TAILS "root ::= \"a\" root | \"b\"\n"

static void test_gbnf_recursion(void **state)
{
    static const struct example examples[] = {
        {NESTED, "((a)(b(c))())", true}, {NESTED, "((a)", false},       {NESTED, "(a))", false},
        {SUMS, "1+(2+3)+45", true},      {SUMS, "1+(2+3", false},       {SUMS, "1+", false},
        {TAILS, "aaab", true},           {TAILS, "aaa", false},
    };
    (void)state;
    check_examples(examples, sizeof examples / sizeof *examples);
}

/* The grammar for JSON that people copy from llama.cpp's documentation, in our words. */
#define JSON_GRAMMAR                                                                                                  \
    "root ::= object\n"                                                                                               \
    "value ::= object | array | string | number | (\"true\" | \"false\" | \"null\") ws\n"                             \
    "object ::= \"{\" ws ( string \":\" ws value (\",\" ws string \":\" ws value)* )? \"}\" ws\n"                     \
    "array ::= \"[\" ws ( value (\",\" ws value)* )? \"]\" ws\n"                                                      \
    "string ::= \"\\\"\" ( [^\"\\\\\\x7F\\x00-\\x1F] | \"\\\\\" ([\"\\\\bfnrt] | \"u\" [0-9a-fA-F]{4}) )* \"\\\"\" ws\n" \
    "number ::= (\"-\"? ([0-9] | [1-9] [0-9]{0,15})) (\".\" [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws\n"            \
    "ws ::= | \" \" | \"\\n\" [ \\t]{0,20}\n"

static void test_gbnf_json(void **state)
{
    static const struct example examples[] = {
        {JSON_GRAMMAR, "{\"a\": [1, -2.5e3, {\"b\\u00e9\": null}], \"c\": \"x\\\"y\"}", true},
        {JSON_GRAMMAR, "{\n  \"a\": true\n}\n", true},
        {JSON_GRAMMAR, "{\"a\": [1, ]}", false},
        {JSON_GRAMMAR, "[1]", false},
    };
    (void)state;
    check_examples(examples, sizeof examples / sizeof *examples);
}

struct fault {
    const char *grammar;
    int line, col;      /* 0: there is none */
    const char *part;   /* of the message */
};

static void check_faults(const struct fault *faults, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct err err = ERR_INIT;
        struct rules *rules = NULL;
        if (rule_gbnf(str_of(faults[i].grammar), &rules, &err))
            fail_msg("accepted: %s", faults[i].grammar);
        if (err.line != faults[i].line || err.col != faults[i].col || !strstr(err.msg, faults[i].part))
            fail_msg("%s\n%d:%d: %s\nnot %d:%d: %s", faults[i].grammar, err.line, err.col, err.msg, faults[i].line,
                     faults[i].col, faults[i].part);
    }
}

static void test_gbnf_faults_have_places(void **state)
{
    static const struct fault faults[] = {
        {"", 0, 0, "no rule 'root'"},
        {"a ::= \"x\"", 0, 0, "no rule 'root'"},
        {"root ::= \"x\" b\n", 1, 14, "no rule 'b'"},
        {"root ::= \"x", 1, 10, "closing '\"'"},
        {"root ::= [a", 1, 10, "closing ']'"},
        {"root ::= [z-a]", 1, 11, "backwards"},
        {"root ::= (\"a\"\nb ::= \"c\"", 1, 10, "closing ')'"},
        {"root ::= \"a\")", 1, 13, "not expected"},
        {"root := \"a\"", 1, 6, "'::=' is expected"},
        {"::= \"a\"", 1, 1, "name of a rule"},
        {"root ::= *", 1, 10, "nothing in front"},
        {"root ::= \"a\"**", 1, 14, "repeated already"},
        {"root ::= \"a\"{x}", 1, 14, "a number is expected"},
        {"root ::= \"a\"{3,2}", 1, 13, "at least 3 and at most 2"},
        {"root ::= \"a\"{3", 1, 15, "'}' is expected"},
        {"root ::= \"a\"{99999999}", 1, 14, "more than"},
        {"root ::= \"\\q\"", 1, 11, "escape"},
        {"root ::= \"\\x4\"", 1, 14, "hexadecimal"},
        {"root ::= \"\\ud800\"", 1, 11, "no character"},
        {"root ::= \"\xFF\"", 1, 11, "UTF-8"},
        {"root ::= <think>", 1, 10, "tokens of a vocabulary"},
        {"root ::= \"a\"\nroot ::= \"b\"", 2, 1, "defined twice"},
        {"# \xC3\xA9\nroot ::= \"\xC3\xA9\" )", 2, 14, "not expected"},
    };
    (void)state;
    check_faults(faults, sizeof faults / sizeof *faults);
}

static void test_gbnf_refuses_left_recursion(void **state)
{
    static const struct fault faults[] = {
        {"root ::= root \"a\" | \"b\"", 1, 10, "'root' begins with itself"},
        {"root ::= e\ne ::= e \"+\" t | t\nt ::= \"1\"", 2, 7, "'e' begins with itself"},
        {"root ::= a\na ::= b \"x\"\nb ::= \"y\" | a", 3, 13, "'a' begins with itself"},
        {"root ::= \"x\"? \"\" root", 1, 18, "'root' begins with itself"},
        {"root ::= none root | \"x\"\nnone ::= \"a\"*", 1, 15, "'root' begins with itself"},
    };
    (void)state;
    check_faults(faults, sizeof faults / sizeof *faults);
}

/* A rule that only leads into itself has no text. */
static void test_gbnf_refuses_rules_without_end(void **state)
{
    struct err err = ERR_INIT;
    struct rules *rules = NULL;
    (void)state;
    assert_false(rule_gbnf(STR("root ::= \"a\" root"), &rules, &err));
    assert_int_equal(err.code, ERR_INVALID);
}

static void test_gbnf_depth_is_bounded(void **state)
{
    struct err err = ERR_INIT;
    struct rules *rules = NULL;
    struct buf text = BUF_INIT(1 << 20);
    (void)state;
    buf_puts(&text, "root ::= ");
    for (int i = 0; i < 1000; i++)
        buf_char(&text, '(');
    assert_false(rule_gbnf(buf_view(&text), &rules, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    buf_clear(&text);
    buf_puts(&text, "root ::= r0\n");
    for (int i = 0; i < 8000; i++)
        buf_printf(&text, "r%d ::= r%d\n", i, i + 1);
    buf_puts(&text, "r8000 ::= \"a\"\n");
    assert_false(rule_gbnf(buf_view(&text), &rules, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gbnf_parts),
        cmocka_unit_test(test_gbnf_layout),
        cmocka_unit_test(test_gbnf_recursion),
        cmocka_unit_test(test_gbnf_json),
        cmocka_unit_test(test_gbnf_faults_have_places),
        cmocka_unit_test(test_gbnf_refuses_left_recursion),
        cmocka_unit_test(test_gbnf_refuses_rules_without_end),
        cmocka_unit_test(test_gbnf_depth_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
