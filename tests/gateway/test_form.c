/* Finished answers against the form that was asked for. */
#include "../support.h"
#include "data/json.h"
#include "gateway/form.h"

static struct arena arena;
static json_t *json;

static int setup(void **state)
{
    (void)state;
    arena = ARENA_INIT(64u << 20);
    json = NULL;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    json_decref(json);
    arena_free(&arena);
    return 0;
}

static const json_t *parsed(const char *text)
{
    struct err err = ERR_INIT;
    json_decref(json);
    json = NULL;
    assert_ok(json_parse(str_of(text), "test", &json, &err), err);
    return json;
}

static struct form *opened(struct rule_spec rule)
{
    struct form *f = NULL;
    struct err err = ERR_INIT;
    assert_ok(form_open("test", &rule, &arena, &f, &err), err);
    return f;
}

static enum form_verdict verdict(const struct form *f, const char *text, const char *calls)
{
    struct err err = ERR_INIT;
    enum form_verdict v = form_check(f, str_of(text), str_of(calls), &err);
    assert_int_equal(v == FORM_INVALID, err.msg[0] != 0);
    return v;
}

static void test_nothing_asked_is_free(void **state)
{
    (void)state;
    assert_int_equal(verdict(NULL, "anything", ""), FORM_FREE);
}

static void test_json_object_must_parse_and_be_an_object(void **state)
{
    (void)state;
    struct form *f = opened((struct rule_spec){.kind = RULE_JSON_OBJECT});
    assert_true(f->by_mask);
    assert_int_equal(verdict(f, " {\"a\": [1]}\n", ""), FORM_VALID);
    assert_int_equal(verdict(f, "[1]", ""), FORM_INVALID);
    assert_int_equal(verdict(f, "{\"a\": [1}", ""), FORM_INVALID);
    assert_int_equal(verdict(f, "```json\n{}\n```", ""), FORM_INVALID);
    assert_int_equal(verdict(f, "", ""), FORM_INVALID);
    form_close(f);
}

static void test_schema_is_checked_whole(void **state)
{
    (void)state;
    struct form *f = opened((struct rule_spec){
        .kind = RULE_JSON_SCHEMA,
        .schema = parsed("{\"type\":\"object\",\"properties\":{\"a\":{\"maximum\":5},\"c\":{\"uniqueItems\":true},\"d\":{\"format\":\"date\"}},"
                         "\"not\":{\"required\":[\"b\"]}}"),
    });
    assert_false(f->by_mask);
    assert_int_equal(verdict(f, "{\"a\": 5}", ""), FORM_VALID);
    assert_int_equal(verdict(f, "{\"a\": 6}", ""), FORM_INVALID);
    assert_int_equal(verdict(f, "{\"b\": 1}", ""), FORM_INVALID);
    assert_int_equal(verdict(f, "{\"d\": \"2026-02-30\"}", ""), FORM_INVALID);
    assert_int_equal(verdict(f, "{\"c\": [1, 1]}", ""), FORM_INVALID);
    assert_int_equal(verdict(f, "7", ""), FORM_INVALID);
    form_close(f);
}

static void test_choice_is_one_of_them_to_the_letter(void **state)
{
    (void)state;
    const struct str choices[] = {STR("yes"), STR("no")};
    struct form *f = opened((struct rule_spec){.kind = RULE_CHOICES, .choices = choices, .n_choices = 2});
    assert_int_equal(verdict(f, "no", ""), FORM_VALID);
    assert_int_equal(verdict(f, "No", ""), FORM_INVALID);
    assert_int_equal(verdict(f, "no.", ""), FORM_INVALID);
    form_close(f);
}

static void test_grammar_is_followed_to_its_end(void **state)
{
    (void)state;
    struct form *f = opened((struct rule_spec){.kind = RULE_GBNF, .text = STR("root ::= \"ab\" [0-9]+ \";\"")});
    assert_int_equal(verdict(f, "ab12;", ""), FORM_VALID);
    assert_int_equal(verdict(f, "ab12", ""), FORM_INVALID);
    assert_int_equal(verdict(f, "ab;", ""), FORM_INVALID);
    assert_int_equal(verdict(f, "ab1;;", ""), FORM_INVALID);
    form_close(f);
}

#define CALL(name, arguments) "{\"id\":\"1\",\"type\":\"function\",\"function\":{\"name\":\"" name "\",\"arguments\":" arguments "}}"
#define TOOLS                                                                                                          \
    "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"strict\":true,\"parameters\":{\"type\":\"object\","          \
    "\"properties\":{\"n\":{\"type\":\"integer\"}},\"required\":[\"n\"]}}},"                                           \
    "{\"type\":\"function\",\"function\":{\"name\":\"g\"}}]"

static void test_calls_obey_their_tool(void **state)
{
    (void)state;
    struct form *f = opened((struct rule_spec){.kind = RULE_TOOLS, .tools = parsed(TOOLS), .parallel_calls = true});
    assert_int_equal(verdict(f, "no call", ""), FORM_FREE);
    assert_int_equal(verdict(f, "", "[" CALL("f", "\"{\\\"n\\\": 1}\"") "]"), FORM_VALID);
    assert_int_equal(verdict(f, "", "[" CALL("f", "\"{\\\"n\\\": 1}\"") "," CALL("g", "\"{}\"") "]"), FORM_VALID);
    assert_int_equal(verdict(f, "", "[" CALL("f", "\"{\\\"n\\\": 1}\"") "," CALL("f", "\"{}\"") "]"), FORM_INVALID);
    assert_int_equal(verdict(f, "", "[" CALL("f", "\"{\\\"n\\\": \"") "]"), FORM_INVALID);
    assert_int_equal(verdict(f, "", "[" CALL("h", "\"{}\"") "]"), FORM_INVALID);
    assert_int_equal(verdict(f, "", "[" CALL("f", "7") "]"), FORM_INVALID);
    form_close(f);
}

static void test_required_and_named_calls_must_come(void **state)
{
    (void)state;
    struct rule_spec rule = {.kind = RULE_TOOLS, .tools = parsed(TOOLS), .tools_required = true};
    struct form *f = opened(rule);
    assert_int_equal(verdict(f, "no call", ""), FORM_INVALID);
    assert_int_equal(verdict(f, "", "[" CALL("g", "\"{}\"") "]"), FORM_VALID);
    form_close(f);
    rule.tool_name = STR("f");
    f = opened(rule);
    assert_int_equal(verdict(f, "", "[" CALL("g", "\"{}\"") "]"), FORM_INVALID);
    assert_int_equal(verdict(f, "", "[" CALL("f", "\"{\\\"n\\\": 1}\"") "]"), FORM_VALID);
    form_close(f);
}

static void expect_texts(const char *schema, const char *expected)
{
    struct form *f = opened((struct rule_spec){.kind = RULE_JSON_SCHEMA, .schema = parsed(schema)});
    struct buf all = BUF_INIT(10000);
    for (int i = 0; i < f->n_texts; i++)
        buf_printf(&all, "%s" STR_FMT, i ? "|" : "", STR_ARG(f->texts[i]));
    buf_char(&all, 0);
    assert_string_equal(all.p, expected);
    buf_free(&all);
    form_close(f);
}

static void test_answers_that_can_be_listed_are(void **state)
{
    (void)state;
    expect_texts("{\"enum\":[\"a\",\"b\\\"c\",7,null]}", "\"a\"|\"b\\\"c\"|7|null");
    expect_texts("{\"enum\":[\"a\",\"b\",7],\"type\":\"string\"}", "\"a\"|\"b\"");
    expect_texts("{\"type\":\"object\",\"properties\":{\"l\":{\"enum\":[\"a\",\"b\"]}},\"required\":[\"l\"],"
                 "\"additionalProperties\":false}", "{\"l\": \"a\"}|{\"l\": \"b\"}");
    expect_texts("{\"type\":\"object\",\"properties\":{\"l\":{\"$ref\":\"#/$defs/L\"}},\"required\":[\"l\"],"
                 "\"additionalProperties\":false,\"$defs\":{\"L\":{\"type\":\"string\",\"enum\":[\"a\",\"b\"]}}}",
                 "{\"l\": \"a\"}|{\"l\": \"b\"}");
}

static void test_answers_of_wider_schemas_are_not_listed(void **state)
{
    (void)state;
    expect_texts("{\"type\":\"string\"}", "");
    expect_texts("{\"enum\":[\"only\"]}", "");
    struct form *none = opened((struct rule_spec){
        .kind = RULE_JSON_SCHEMA, .schema = parsed("{\"enum\":[\"a\",\"b\"],\"type\":\"integer\"}")});
    assert_null(none->texts);
    form_close(none);
    expect_texts("{\"type\":\"object\",\"properties\":{\"l\":{\"enum\":[\"a\",\"b\"]}},\"required\":[\"l\"]}", "");
    expect_texts("{\"type\":\"object\",\"properties\":{\"l\":{\"enum\":[\"a\",\"b\"]}},\"additionalProperties\":false}", "");
    expect_texts("{\"type\":\"object\",\"properties\":{\"l\":{\"enum\":[\"a\",\"b\"]}},\"required\":[\"l\"],"
                 "\"additionalProperties\":false,\"patternProperties\":{\"x\":{}}}", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_asked_is_free, setup, teardown),
        cmocka_unit_test_setup_teardown(test_json_object_must_parse_and_be_an_object, setup, teardown),
        cmocka_unit_test_setup_teardown(test_schema_is_checked_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_choice_is_one_of_them_to_the_letter, setup, teardown),
        cmocka_unit_test_setup_teardown(test_grammar_is_followed_to_its_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_calls_obey_their_tool, setup, teardown),
        cmocka_unit_test_setup_teardown(test_required_and_named_calls_must_come, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answers_that_can_be_listed_are, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answers_of_wider_schemas_are_not_listed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
