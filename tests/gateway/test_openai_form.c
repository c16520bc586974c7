/* The form of an answer as requests ask for it: what is taken, what contradicts what, and which field a refusal names. */
#include "../support.h"
#include "data/json.h"
#include "gateway/api/openai/openai.h"

#define HEAD "{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]"
#define SCHEMA "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"}},\"required\":[\"a\"]}"
#define FORMAT(more) ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":" SCHEMA more "}}"
#define TOOL(name, more) "{\"type\":\"function\",\"function\":{\"name\":\"" name "\",\"parameters\":" SCHEMA more "}}"
#define NAMED(name) ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"" name "\"}}"

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena = ARENA_INIT(64u << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static struct request parse(const char *body)
{
    struct request r;
    struct err err = ERR_INIT;
    assert_ok(openai_parse_chat(str_of(body), &arena, &r, &err), err);
    return r;
}

/* The sentence begins with the field in single quotes, and goes on to say `what`. */
static void refused(const char *body, const char *field, const char *what)
{
    struct request r;
    struct err err = ERR_INIT;
    char quoted[120];
    if (openai_parse_chat(str_of(body), &arena, &r, &err))
        fail_msg("taken: %s", body);
    snprintf(quoted, sizeof quoted, "'%s'", field);
    if (strncmp(err.msg, quoted, strlen(quoted)) != 0 || !strstr(err.msg, what))
        fail_msg("%s: not %s ... %s", err.msg, quoted, what);
}

static void expect_rule(const char *body, const char *field, enum rule_kind kind)
{
    struct request r = parse(body);
    assert_non_null(r.form);
    assert_string_equal(r.form->field, field);
    assert_int_equal(r.form->rule.kind, kind);
    assert_int_equal(r.needs & ~(NEED_BIT(NEED_TOOLS) | NEED_BIT(NEED_GRAMMAR)), 0);
    request_free(&r);
}

static void test_each_field_gives_its_form(void **state)
{
    (void)state;
    expect_rule(HEAD FORMAT("") "}", "response_format", RULE_JSON_SCHEMA);
    expect_rule(HEAD ",\"response_format\":{\"type\":\"json_object\"}}", "response_format", RULE_JSON_OBJECT);
    expect_rule(HEAD ",\"format\":\"json\"}", "format", RULE_JSON_OBJECT);
    expect_rule(HEAD ",\"format\":" SCHEMA "}", "format", RULE_JSON_SCHEMA);
    expect_rule(HEAD ",\"grammar\":\"root ::= \\\"yes\\\" | \\\"no\\\"\"}", "grammar", RULE_GBNF);
    expect_rule(HEAD ",\"choices\":[\"yes\",\"no\"]}", "choices", RULE_CHOICES);
    expect_rule(HEAD ",\"tools\":[" TOOL("f", ",\"strict\":true") "]}", "tools", RULE_TOOLS);
    expect_rule(HEAD ",\"tools\":[" TOOL("f", "") "],\"tool_choice\":\"required\"}", "tool_choice", RULE_TOOLS);
    expect_rule(HEAD NAMED("g") ",\"tools\":[" TOOL("f", "") "," TOOL("g", "") "]}", "tool_choice", RULE_TOOLS);
}

static void test_text_null_and_loose_tools_leave_an_answer_free(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        HEAD ",\"response_format\":{\"type\":\"text\"}}",
        HEAD ",\"response_format\":null,\"format\":null,\"grammar\":null,\"choices\":null}",
        HEAD ",\"tools\":[" TOOL("f", "") "]}",
        HEAD ",\"tools\":[" TOOL("f", ",\"strict\":false") "],\"tool_choice\":\"auto\"}",
        HEAD ",\"tools\":[" TOOL("f", ",\"strict\":true") "],\"tool_choice\":\"none\"}",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct request r = parse(bodies[i]);
        assert_null(r.form);
        assert_int_equal(r.needs & ~(NEED_BIT(NEED_TOOLS) | NEED_BIT(NEED_GRAMMAR)), 0);
        request_free(&r);
    }
}

static void test_rule_carries_what_the_request_says(void **state)
{
    (void)state;
    struct request r = parse(HEAD FORMAT(",\"strict\":false,\"description\":\"d\"") ",\"property_order\":\"any\"}");
    assert_true(r.form->rule.relaxed && r.form->rule.any_order);
    assert_true(json_is_object(r.form->rule.schema));
    request_free(&r);
    r = parse(HEAD FORMAT(",\"strict\":true") "}");
    assert_false(r.form->rule.relaxed || r.form->rule.any_order);
    request_free(&r);
    r = parse(HEAD ",\"choices\":[\"yes\",\"n\\u00f8\"]}");
    assert_int_equal(r.form->rule.n_choices, 2);
    assert_true(str_is(r.form->rule.choices[1], "n\xC3\xB8"));
    request_free(&r);
    r = parse(HEAD NAMED("f") ",\"tools\":[" TOOL("f", "") "],\"parallel_tool_calls\":false}");
    assert_true(r.form->rule.tools_required && !r.form->rule.parallel_calls);
    assert_true(str_is(r.form->rule.tool_name, "f"));
    request_free(&r);
    r = parse(HEAD ",\"tools\":[" TOOL("f", ",\"strict\":true") "]}");
    assert_true(!r.form->rule.tools_required && r.form->rule.parallel_calls);
    request_free(&r);
}

static void test_fields_that_contradict_each_other_are_refused(void **state)
{
    (void)state;
    refused(HEAD FORMAT("") ",\"choices\":[\"a\"]}", "choices", "'response_format'");
    refused(HEAD ",\"grammar\":\"root ::= \\\"a\\\"\",\"format\":\"json\"}", "format", "'grammar'");
    refused(HEAD ",\"choices\":[\"a\"],\"tools\":[" TOOL("f", "") "]}", "choices", "'tools'");
    refused(HEAD ",\"grammar\":\"root ::= \\\"a\\\"\",\"tools\":[" TOOL("f", "") "],\"tool_choice\":\"required\"}", "grammar",
            "'tools'");
    refused(HEAD ",\"property_order\":\"any\"}", "property_order", "needs a schema");
    refused(HEAD ",\"property_order\":\"any\",\"choices\":[\"a\"]}", "property_order", "needs a schema");
    refused(HEAD ",\"tool_choice\":\"required\"}", "tool_choice", "'tools'");
    refused(HEAD NAMED("g") ",\"tools\":[" TOOL("f", "") "]}", "tool_choice.function.name", "'g'");
}

static void test_malformed_values_are_refused_by_their_place(void **state)
{
    (void)state;
    refused(HEAD ",\"response_format\":{\"type\":\"xml\"}}", "response_format.type", "xml");
    refused(HEAD ",\"response_format\":\"json\"}", "response_format", "object");
    refused(HEAD ",\"response_format\":{\"type\":\"json_object\",\"schema\":{}}}", "response_format.schema", "unknown");
    refused(HEAD ",\"response_format\":{\"type\":\"json_schema\"}}", "response_format.json_schema", "schema");
    refused(HEAD ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\"}}}",
            "response_format.json_schema.schema", "missing");
    refused(HEAD FORMAT(",\"strict\":1") "}", "response_format.json_schema", "strict");
    refused(HEAD FORMAT(",\"color\":1") "}", "response_format.json_schema.color", "unknown");
    refused(HEAD ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"a b\",\"schema\":{}}}}",
            "response_format.json_schema.name", "letters");
    refused(HEAD ",\"format\":\"yaml\"}", "format", "JSON Schema");
    refused(HEAD ",\"grammar\":\"\"}", "grammar", "GBNF");
    refused(HEAD ",\"grammar\":7}", "grammar", "string");
    refused(HEAD ",\"choices\":[]}", "choices", "strings");
    refused(HEAD ",\"choices\":\"a\"}", "choices", "array");
    refused(HEAD ",\"choices\":[\"a\",1]}", "choices[1]", "string");
    refused(HEAD ",\"choices\":[\"a\",\"\"]}", "choices[1]", "empty");
    refused(HEAD ",\"choices\":[\"a\",\"b\",\"a\"]}", "choices[2]", "choices[0]");
    refused(HEAD FORMAT("") ",\"property_order\":\"random\"}", "property_order", "declared");
}

static void test_schema_that_is_not_understood_is_refused_with_keyword_and_path(void **state)
{
    (void)state;
    refused(HEAD ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":"
                 "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":5}}}}}}",
            "response_format.json_schema.schema", "/properties/a");
    refused(HEAD ",\"format\":{\"minimum\":\"x\"}}", "format", "minimum");
    refused(HEAD ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"strict\":true,\"parameters\":"
                 "{\"properties\":{\"b\":{\"type\":5}}}}}]}",
            "tools[0].function.parameters", "/properties/b");
    refused(HEAD ",\"grammar\":\"root ::= nowhere\"}", "grammar", "nowhere");
}

static void test_loose_tool_may_have_a_schema_that_is_not_understood(void **state)
{
    (void)state;
    struct request r = parse(HEAD ",\"tool_choice\":\"required\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\","
                                  "\"parameters\":{\"properties\":{\"b\":{\"type\":5}}}}}]}");
    assert_non_null(r.form);
    request_free(&r);
}

static void test_text_in_form_beside_tools_that_may_be_called_needs_an_upstream(void **state)
{
    (void)state;
    struct request r = parse(HEAD FORMAT("") ",\"tools\":[" TOOL("f", "") "]}");
    assert_string_equal(r.need_fields[NEED_FORM_BESIDE_TOOLS], "response_format (beside tools)");
    assert_int_equal(r.form->rule.kind, RULE_JSON_SCHEMA);
    request_free(&r);
    r = parse(HEAD FORMAT("") ",\"tools\":[" TOOL("f", "") "],\"tool_choice\":\"required\"}");
    assert_int_equal(r.needs & ~(NEED_BIT(NEED_TOOLS) | NEED_BIT(NEED_GRAMMAR)), 0);
    assert_int_equal(r.form->rule.kind, RULE_TOOLS);
    request_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_field_gives_its_form, setup, teardown),
        cmocka_unit_test_setup_teardown(test_text_null_and_loose_tools_leave_an_answer_free, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rule_carries_what_the_request_says, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fields_that_contradict_each_other_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_malformed_values_are_refused_by_their_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_schema_that_is_not_understood_is_refused_with_keyword_and_path, setup, teardown),
        cmocka_unit_test_setup_teardown(test_loose_tool_may_have_a_schema_that_is_not_understood, setup, teardown),
        cmocka_unit_test_setup_teardown(test_text_in_form_beside_tools_that_may_be_called_needs_an_upstream, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
