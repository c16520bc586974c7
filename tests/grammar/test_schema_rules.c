/* JSON Schema to rules: what the mask admits, keyword by keyword; that siblings are never dropped; that what is
 * admitted too much is told; and that whatever a walk by chance comes to is a value that the validator accepts. */
#include "../support.h"

#include "base/buf.h"
#include "data/json.h"
#include "grammar/schema.h"
#include "support_rules.h"

static const struct schema_options plain = {.formats = true};

struct enforced {
    struct schema *schema;
    struct automaton *automaton;
};

static struct schema *open_schema(const char *text, const struct schema_options *options)
{
    struct err err = ERR_INIT;
    struct schema *schema = NULL;
    json_t *json = NULL;
    assert_ok(json_parse(str_of(text), "schema", &json, &err), err);
    assert_ok(schema_open(json, options, &schema, &err), err);
    json_decref(json);
    return schema;
}

static struct enforced enforce(const char *text, const struct schema_options *options)
{
    struct err err = ERR_INIT;
    struct enforced e = {.schema = open_schema(text, options)};
    struct rules *rules = NULL;
    assert_ok(schema_rules(e.schema, &rules, &err), err);
    e.automaton = automaton_of(rules);
    return e;
}

static void leave(struct enforced *e)
{
    automaton_close(e->automaton);
    schema_close(e->schema);
}

/* Each text of yes is admitted and valid, none of no is admitted; both end in NULL. */
static void check_with(const struct schema_options *options, const char *schema, const char *const *yes,
                       const char *const *no)
{
    struct enforced e = enforce(schema, options);
    for (; *yes; yes++) {
        struct err err = ERR_INIT;
        json_t *value = NULL;
        if (!automaton_takes(e.automaton, str_of(*yes)))
            fail_msg("%s does not admit %s", schema, *yes);
        assert_ok(json_parse(str_of(*yes), "value", &value, &err), err);
        assert_ok(schema_validate(e.schema, value, &err), err);
        json_decref(value);
    }
    for (; *no; no++)
        if (automaton_takes(e.automaton, str_of(*no)))
            fail_msg("%s admits %s", schema, *no);
    leave(&e);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NOTHING ((const char *const[]){NULL})
static void check(const char *schema, const char *const *yes, const char *const *no)
{
    check_with(&plain, schema, yes, no);
}

static bool needs_validation(const char *schema)
{
    struct schema *s = open_schema(schema, &plain);
    bool needs = schema_needs_validation(s);
    schema_close(s);
    return needs;
}

/* ---- types and given values ---- */

static void test_rules_of_true_admit_any_value(void **state)
{
    (void)state;
    check("true", LIST("null", "1", "\"a\"", "[1, {\"a\": []}]", "{}"), LIST("", "nul", "[1", "01"));
    check("{}", LIST("null", "-1.5e3"), LIST("[,]"));
}

static void test_rules_admit_the_types_named(void **state)
{
    (void)state;
    check("{\"type\": \"boolean\"}", LIST("true", "false"), LIST("null", "1", "\"true\""));
    check("{\"type\": [\"integer\", \"null\"]}", LIST("null", "-7", "0"), LIST("1.5", "true", "\"1\""));
    check("{\"type\": \"array\"}", LIST("[]", "[1,2]"), LIST("{}", "[1 2]"));
}

static void test_rules_admit_given_values_only(void **state)
{
    (void)state;
    check("{\"enum\": [\"red\", 2, null, [1, \"a\"], {\"k\": true}]}",
          LIST("\"red\"", "2", "null", "[1, \"a\"]", "{\"k\": true}"), LIST("\"re\"", "3", "[1]", "{}", "true"));
    check("{\"const\": \"a\\\"b\"}", LIST("\"a\\\"b\""), LIST("\"ab\""));
}

static void test_given_numbers_may_be_written_as_the_schema_writes_them(void **state)
{
    (void)state;
    check("{\"enum\": [2.0, 3, 0.5]}", LIST("2", "2.0", "3", "0.5"), LIST("3.0", "0.50", "20"));
}

static void test_given_values_are_held_to_all_siblings(void **state)
{
    (void)state;
    check("{\"enum\": [1, 2, \"x\", 30], \"type\": \"integer\", \"maximum\": 10, \"not\": {\"const\": 2}}", LIST("1"),
          LIST("2", "\"x\"", "30"));
}

/* ---- numbers ---- */

static void test_bounds_are_exact(void **state)
{
    (void)state;
    check("{\"type\": \"integer\", \"minimum\": -12, \"exclusiveMaximum\": 105}",
          LIST("-12", "-9", "-1", "0", "7", "99", "104"), LIST("-13", "-20", "-100", "105", "110", "200", "1000"));
    check("{\"type\": \"number\", \"exclusiveMinimum\": 0.25, \"maximum\": 1.5}",
          LIST("0.26", "0.2500001", "0.3", "1", "1.5", "1.50", "1.49"),
          LIST("0.25", "0.250", "0.2", "0", "-1", "1.51", "2"));
    check("{\"type\": \"number\", \"minimum\": -0.5, \"maximum\": -0.25}", LIST("-0.5", "-0.25", "-0.3", "-0.49"),
          LIST("-0.51", "-0.2", "0", "-1", "0.3"));
    check("{\"type\": \"number\", \"minimum\": 0}", LIST("0", "0.5", "3e4", "12.5E-3"), LIST("-1", "-0.5"));
    check("{\"type\": \"number\", \"exclusiveMinimum\": 0}", LIST("0.001", "5"), LIST("0", "0.0", "-1"));
}

static void test_bounds_hold_for_numbers_without_type(void **state)
{
    (void)state;
    check("{\"minimum\": 3}", LIST("3", "4.5", "\"1\"", "null"), LIST("2", "-1"));
}

static void test_multiples_of_powers_of_ten_and_their_divisors_are_enforced(void **state)
{
    (void)state;
    check("{\"type\": \"integer\", \"multipleOf\": 25}", LIST("0", "25", "-75", "1050"), LIST("5", "30", "1051"));
    check("{\"type\": \"number\", \"multipleOf\": 0.01}", LIST("1", "1.5", "19.99", "0.010"), LIST("0.001", "1.999"));
    assert_false(needs_validation("{\"type\": \"integer\", \"multipleOf\": 5}"));
    assert_true(needs_validation("{\"type\": \"integer\", \"multipleOf\": 7}"));
}

/* ---- strings ---- */

static void test_strings_have_length_pattern_and_format_at_once(void **state)
{
    (void)state;
    check("{\"type\": \"string\", \"minLength\": 2, \"maxLength\": 3}", LIST("\"ab\"", "\"\xC3\xA4\\n\\\"\""),
          LIST("\"a\"", "\"abcd\"", "\"\""));
    check("{\"type\": \"string\", \"pattern\": \"^[a-z]+$\", \"maxLength\": 2}", LIST("\"a\"", "\"ab\""),
          LIST("\"abc\"", "\"A\"", "\"\""));
    check("{\"type\": \"string\", \"pattern\": \"b\"}", LIST("\"abc\"", "\"b\""), LIST("\"ac\""));
    check("{\"type\": \"string\", \"format\": \"date\", \"pattern\": \"^2\"}", LIST("\"2024-02-29\""),
          LIST("\"2023-02-29\"", "\"1999-01-01\"", "\"2024-1-1\""));
}

static void test_formats_are_annotations_unless_asserted(void **state)
{
    (void)state;
    const struct schema_options loose = {0};
    check_with(&loose, "{\"type\": \"string\", \"format\": \"date\"}", LIST("\"soon\""), NOTHING);
    check("{\"type\": \"string\", \"format\": \"nobody-knows\"}", LIST("\"soon\""), NOTHING);
}

/* ---- arrays ---- */

static void test_arrays_have_places_a_rest_and_a_count(void **state)
{
    (void)state;
    check("{\"type\": \"array\", \"prefixItems\": [{\"type\": \"integer\"}, {\"type\": \"string\"}], \"items\": false}",
          LIST("[]", "[1]", "[1, \"a\"]"), LIST("[\"a\"]", "[1, \"a\", 2]"));
    check("{\"type\": \"array\", \"items\": {\"type\": \"integer\"}, \"minItems\": 1, \"maxItems\": 2}",
          LIST("[1]", "[1,2]"), LIST("[]", "[1,2,3]", "[\"a\"]"));
    check("{\"$schema\": \"http://json-schema.org/draft-07/schema#\", \"type\": \"array\","
          " \"items\": [{\"type\": \"null\"}], \"additionalItems\": {\"type\": \"boolean\"}}",
          LIST("[]", "[null]", "[null, true]"), LIST("[true]", "[null, null]"));
}

/* ---- objects ---- */

static void test_objects_come_in_declared_order_with_what_is_required(void **state)
{
    (void)state;
    const char *schema = "{\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"integer\"},"
          " \"b\": {\"type\": \"string\"}},"
                         " \"required\": [\"b\"], \"additionalProperties\": false}";
    const struct schema_options any_order = {.any_order = true};
    check(schema, LIST("{\"a\": 1, \"b\": \"x\"}", "{\"b\":\"x\"}", "{\n  \"b\": \"x\"\n}"),
          LIST("{}", "{\"a\": 1}", "{\"b\": \"x\", \"a\": 1}", "{\"b\": \"x\", \"c\": 1}", "{\"b\": 1}",
               "{\"b\": \"x\", \"b\": \"x\"}"));
    check_with(&any_order, schema, LIST("{\"b\": \"x\", \"a\": 1}", "{\"a\": 1, \"b\": \"x\"}"),
               LIST("{\"a\": 1}", "{\"a\": 1, \"a\": 1, \"b\": \"x\"}"));
}

static void test_required_needs_no_properties(void **state)
{
    (void)state;
    check("{\"type\": \"object\", \"required\": [\"a\"]}", LIST("{\"a\": 1}", "{\"a\": null, \"b\": 2}"),
          LIST("{}", "{\"b\": 2}"));
}

static void test_additional_properties_are_held_to_their_schema(void **state)
{
    (void)state;
    check("{\"type\": \"object\", \"properties\": {\"a\": {}}, \"additionalProperties\": {\"type\": \"integer\"}}",
          LIST("{}", "{\"a\": \"x\", \"b\": 1}", "{\"ab\": 1}"), LIST("{\"b\": \"x\"}", "{\"b\": 1, \"b\": 2}"));
}

static void test_a_name_that_matches_patterns_obeys_all_of_them(void **state)
{
    (void)state;
    check("{\"type\": \"object\", \"properties\": {\"ab\": {\"maximum\": 5}},"
          " \"patternProperties\": {\"^a\": {\"type\": \"integer\"}, \"b$\": {\"minimum\": 3}},"
          " \"additionalProperties\": false}",
          LIST("{\"ab\": 4}", "{\"ac\": 1}", "{\"cb\": 7}", "{\"axb\": 9}", "{\"cb\": \"s\"}"),
          LIST("{\"ab\": 2}", "{\"ab\": 6}", "{\"ac\": \"s\"}", "{\"axb\": 2}", "{\"cb\": 1}", "{\"c\": 1}"));
}

static void test_names_are_held_to_property_names(void **state)
{
    (void)state;
    check("{\"type\": \"object\", \"properties\": {\"abcd\": {}, \"x\": {}}, \"propertyNames\": {\"maxLength\": 2}}",
          LIST("{\"x\": 1}", "{\"yz\": 1}"), LIST("{\"abcd\": 1}", "{\"xyz\": 1}"));
    check("{\"type\": \"object\", \"propertyNames\": {\"enum\": [\"a\", \"b\"]}}", LIST("{\"b\": 1, \"a\": 2}"),
          LIST("{\"c\": 1}"));
}

static void test_counts_of_properties_hold(void **state)
{
    (void)state;
    check("{\"type\": \"object\", \"minProperties\": 1, \"maxProperties\": 2}",
          LIST("{\"a\": 1}", "{\"a\": 1, \"b\": 2}"),
          LIST("{}", "{\"a\": 1, \"b\": 2, \"c\": 3}"));
}

static void test_a_property_brings_those_it_needs(void **state)
{
    (void)state;
    const char *yes[] = {"{}", "{\"b\": 1}", "{\"a\": 1, \"b\": 2}", NULL};
    const char *no[] = {"{\"a\": 1}", NULL};
    check("{\"type\": \"object\", \"properties\": {\"a\": {}, \"b\": {}},"
          " \"dependentRequired\": {\"a\": [\"b\"]}}", yes, no);
    check("{\"$schema\": \"http://json-schema.org/draft-07/schema#\", \"type\": \"object\","
          " \"properties\": {\"a\": {}, \"b\": {}}, \"dependencies\": {\"a\": [\"b\"]}}", yes, no);
    check("{\"type\": \"object\", \"properties\": {\"a\": {}, \"b\": {}}, \"additionalProperties\": false,"
          " \"dependentSchemas\": {\"a\": {\"required\": [\"b\"]}}}", yes, no);
}

static void test_a_property_that_can_have_no_value_is_forbidden(void **state)
{
    (void)state;
    check("{\"type\": \"object\", \"properties\": {\"a\": false, \"b\": {}}}", LIST("{\"b\": 1}", "{\"c\": 1}"),
          LIST("{\"a\": 1}"));
}

/* ---- merging ---- */

static void test_all_of_is_merged_field_by_field(void **state)
{
    (void)state;
    check("{\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"integer\"}}, \"allOf\": ["
          "{\"properties\": {\"a\": {\"minimum\": 5}, \"b\": {\"type\": \"null\"}}, \"required\": [\"a\"]},"
          "{\"properties\": {\"a\": {\"maximum\": 7}}}]}",
          LIST("{\"a\": 5}", "{\"a\": 7, \"b\": null}"),
          LIST("{}", "{\"a\": 4}", "{\"a\": 8}", "{\"a\": 6, \"b\": 1}"));
}

static void test_branches_keep_their_siblings(void **state)
{
    (void)state;
    check("{\"type\": \"object\", \"properties\": {\"k\": {\"type\": \"integer\"}}, \"required\": [\"k\"], \"anyOf\": ["
          "{\"properties\": {\"a\": {}}, \"required\": [\"a\"]}, {\"properties\": {\"b\": {}},"
          " \"required\": [\"b\"]}]}",
          LIST("{\"k\": 1, \"a\": 2}", "{\"k\": 1, \"b\": 2}"),
          LIST("{\"k\": 1}", "{\"a\": 2}", "{\"k\": \"x\", \"a\": 1}"));
    check("{\"maxLength\": 2, \"anyOf\": [{\"type\": \"string\"}, {\"type\": \"null\"}]}", LIST("\"ab\"", "null"),
          LIST("\"abc\"", "1"));
}

static void test_one_of_is_exact_where_branches_can_be_told_apart(void **state)
{
    (void)state;
    const char *tagged = "{\"oneOf\": ["
        "{\"type\": \"object\", \"properties\": {\"t\": {\"const\": \"a\"}, \"x\": {\"type\": \"integer\"}},"
          " \"required\": [\"t\"]},"
        "{\"type\": \"object\", \"properties\": {\"t\": {\"const\": \"b\"}}, \"required\": [\"t\"]}]}";
    check(tagged, LIST("{\"t\": \"a\", \"x\": 1}", "{\"t\": \"b\", \"x\": \"y\"}"),
          LIST("{\"t\": \"a\", \"x\": \"y\"}", "{\"t\": \"c\"}"));
    assert_false(needs_validation(tagged));
    const char *required = "{\"type\": \"object\", \"properties\": {\"a\": {}, \"b\": {}},"
                           " \"oneOf\": [{\"required\": [\"a\"]}, {\"required\": [\"b\"]}]}";
    check(required, LIST("{\"a\": 1}", "{\"b\": 1}"), LIST("{}", "{\"a\": 1, \"b\": 1}"));
    assert_false(needs_validation(required));
}

static void test_conditions_hold_in_both_ways(void **state)
{
    (void)state;
    check("{\"type\": \"object\", \"properties\": {\"k\": {\"enum\": [\"a\", \"b\"]}, \"n\": {\"type\": \"integer\"}},"
          " \"required\": [\"k\"], \"if\": {\"properties\": {\"k\": {\"const\": \"a\"}}},"
          " \"then\": {\"required\": [\"n\"]},"
          " \"else\": {\"maxProperties\": 1}}",
          LIST("{\"k\": \"a\", \"n\": 1}", "{\"k\": \"b\"}"), LIST("{\"k\": \"a\"}", "{\"k\": \"b\", \"n\": 1}"));
}

/* Sixteen conditions are 65,536 ways, of which no more than seventeen can hold. */
static void test_conditions_that_exclude_each_other_do_not_multiply(void **state)
{
    (void)state;
    struct buf schema = BUF_INIT(1 << 16);
    buf_puts(&schema, "{\"type\": \"object\", \"properties\": {\"k\": {\"type\": \"string\"}}, \"required\": [\"k\"],"
                      " \"allOf\": [{}");
    for (int i = 0; i < 16; i++)
        buf_printf(&schema, ", {\"if\": {\"properties\": {\"k\": {\"const\": \"v%d\"}}, \"required\": [\"k\"]},"
                            " \"then\": {\"required\": [\"r%d\"]}}", i, i);
    buf_puts(&schema, "]}");
    check(schema.p, LIST("{\"k\": \"other\"}", "{\"k\": \"v3\", \"r3\": 1}"), LIST("{\"k\": \"v3\"}"));
    buf_free(&schema);
}

static void test_what_must_not_hold_is_taken_away(void **state)
{
    (void)state;
    check("{\"not\": {\"type\": \"string\"}}", LIST("1", "null", "[]"), LIST("\"a\""));
    check("{\"type\": \"string\", \"not\": {\"enum\": [\"a\", \"b\"]}}", LIST("\"c\"", "\"ab\""),
          LIST("\"a\"", "\"b\""));
    check("{\"type\": \"object\", \"not\": {\"required\": [\"a\"]}}", LIST("{}", "{\"b\": 1}"), LIST("{\"a\": 1}"));
    check("{\"type\": \"integer\", \"not\": {\"minimum\": 3}}", LIST("2", "-5"), LIST("3", "4"));
    assert_false(needs_validation("{\"type\": \"string\", \"not\": {\"pattern\": \"^a\"}}"));
}

/* ---- references ---- */

static void test_references_recurse(void **state)
{
    (void)state;
    check("{\"$ref\": \"#/$defs/tree\", \"$defs\": {\"tree\": {\"type\": \"object\", \"properties\": {"
          "\"value\": {\"type\": \"integer\"}, \"children\": {\"type\": \"array\","
          " \"items\": {\"$ref\": \"#/$defs/tree\"}}},"
          " \"required\": [\"value\"], \"additionalProperties\": false}}}",
          LIST("{\"value\": 1}", "{\"value\": 1, \"children\": [{\"value\": 2, \"children\": []}]}"),
          LIST("{\"value\": 1, \"children\": [{}]}", "{\"children\": []}"));
}

static void test_a_recursive_reference_beside_siblings_ends(void **state)
{
    (void)state;
    check("{\"$defs\": {\"list\": {\"type\": \"object\", \"properties\": {\"next\": {\"$ref\": \"#/$defs/list\","
          " \"required\": [\"n\"]}, \"n\": {\"type\": \"integer\"}}}}, \"$ref\": \"#/$defs/list\","
          " \"maxProperties\": 2}",
          LIST("{}", "{\"next\": {\"next\": {\"n\": 1}, \"n\": 2}}"), LIST("{\"next\": {}}"));
}

static void test_draft_7_ignores_what_stands_beside_a_reference(void **state)
{
    (void)state;
    check("{\"$schema\": \"http://json-schema.org/draft-07/schema#\","
          " \"definitions\": {\"i\": {\"type\": \"integer\"}},"
          " \"$ref\": \"#/definitions/i\", \"maximum\": 3}", LIST("5"), LIST("\"a\""));
}

/* ---- what is left to the validator ---- */

static void test_what_is_left_out_is_told(void **state)
{
    (void)state;
    assert_true(needs_validation("{\"type\": \"array\", \"uniqueItems\": true}"));
    assert_true(needs_validation("{\"type\": \"array\", \"contains\": {\"const\": 1}}"));
    assert_false(needs_validation("{\"type\": \"array\", \"uniqueItems\": true, \"maxItems\": 1}"));
    assert_false(needs_validation("{\"type\": \"string\", \"uniqueItems\": true}"));
    assert_false(needs_validation("{\"type\": \"object\", \"properties\": {\"a\": {\"minLength\": 2}}}"));
}

static void test_rules_that_no_value_obeys_are_an_error(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct rules *rules = NULL;
    struct schema *schema = open_schema("{\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"integer\","
                                        " \"minimum\": 3, \"maximum\": 2}}, \"required\": [\"a\"]}", &plain);
    assert_false(schema_rules(schema, &rules, &err));
    assert_int_equal(err.code, ERR_INVALID);
    schema_close(schema);
}

static void test_a_pattern_that_is_refused_names_its_place(void **state)
{
    (void)state;
    static const char text[] = "{\"properties\": {\"a\": {\"pattern\": \"(?<=x)y\"}}}";
    const struct schema_options relaxed = {.relaxed = true};
    struct err err = ERR_INIT;
    struct rules *rules = NULL;
    struct schema *schema = open_schema(text, &plain);
    assert_false(schema_rules(schema, &rules, &err));
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "'pattern' at /properties/a: "));
    schema_close(schema);
    check_with(&relaxed, text, LIST("{\"a\": \"z\"}"), LIST("{\"a\": \"z\""));
}

static void test_more_ways_than_fit_are_left_and_told(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(1 << 16);
    buf_puts(&text, "{\"type\": \"object\", \"required\": [\"k\"], \"allOf\": [{}");
    for (int i = 0; i < 12; i++)
        buf_printf(&text, ", {\"anyOf\": [{\"required\": [\"a%d\"]}, {\"required\": [\"b%d\"]}]}", i, i);
    buf_puts(&text, "]}");
    struct enforced e = enforce(text.p, &plain);
    assert_true(schema_needs_validation(e.schema));
    assert_false(automaton_takes(e.automaton, STR("{}")));
    assert_false(automaton_takes(e.automaton, STR("{\"k\": 1}")));
    leave(&e);
    buf_free(&text);
}

static void test_an_object_of_too_many_properties_is_an_error(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(1 << 20);
    struct err err = ERR_INIT;
    struct rules *rules = NULL;
    buf_puts(&text, "{\"required\": [\"first\"");
    for (int i = 0; i <= RULES_MAX_FIELDS; i++)
        buf_printf(&text, ", \"p%d\"", i);
    buf_puts(&text, "]}");
    struct schema *schema = open_schema(text.p, &plain);
    assert_false(schema_rules(schema, &rules, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    schema_close(schema);
    buf_free(&text);
}

/* ---- walks ---- */

static const char *const walked[] = {
    "{\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"integer\", \"minimum\": -120,"
          " \"exclusiveMaximum\": 57},"
    " \"b\": {\"type\": \"number\", \"exclusiveMinimum\": -0.75, \"maximum\": 12.5}, \"c\": {\"enum\": [1, \"x\","
          " [2]]}},"
    " \"required\": [\"c\"], \"additionalProperties\": {\"type\": \"string\", \"pattern\": \"^[a-c]+$\","
          " \"maxLength\": 4}}",
    "{\"type\": \"array\", \"items\": {\"type\": \"string\", \"format\": \"date-time\"}, \"minItems\": 1,"
          " \"maxItems\": 3}",
    "{\"type\": \"array\", \"items\": {\"anyOf\": [{\"format\": \"ipv6\"}, {\"format\": \"uri\"},"
          " {\"format\": \"uuid\"}],"
    " \"type\": \"string\"}, \"minItems\": 1}",
    "{\"type\": \"object\", \"patternProperties\": {\"^a\": {\"type\": \"integer\"}, \"z$\": {\"minimum\": 10}},"
    " \"propertyNames\": {\"maxLength\": 3}, \"minProperties\": 2, \"maxProperties\": 4}",
    "{\"type\": \"object\", \"properties\": {\"a\": {}, \"b\": {\"type\": \"null\"}},"
          " \"oneOf\": [{\"required\": [\"a\"]},"
    " {\"required\": [\"b\"]}], \"dependentRequired\": {\"c\": [\"a\"]}}",
    "{\"if\": {\"type\": \"integer\"}, \"then\": {\"multipleOf\": 4, \"minimum\": 3},"
          " \"else\": {\"not\": {\"type\": \"array\"}},"
    " \"not\": {\"const\": \"a\"}}",
    "{\"$ref\": \"#/$defs/n\", \"$defs\": {\"n\": {\"type\": \"object\","
          " \"properties\": {\"v\": {\"type\": [\"integer\", \"null\"]},"
    " \"l\": {\"$ref\": \"#/$defs/n\"}, \"r\": {\"$ref\": \"#/$defs/n\", \"required\": [\"v\"]}},"
          " \"additionalProperties\": false}}}",
};
#define WALKS_EACH 300

static void test_random_walks_end_in_valid_values(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(1 << 20);
    for (size_t i = 0; i < sizeof walked / sizeof walked[0]; i++) {
        struct enforced e = enforce(walked[i], &plain);
        assert_false(schema_needs_validation(e.schema));
        for (uint64_t seed = 0; seed < WALKS_EACH; seed++) {
            struct err err = ERR_INIT;
            json_t *value = NULL;
            automaton_walk(e.automaton, seed, 300, json_closers, &text);
            if (!json_parse(buf_view(&text), "walk", &value, &err) || !schema_validate(e.schema, value, &err))
                fail_msg("%s admits %s: %s", walked[i], text.p, err.msg);
            json_decref(value);
        }
        leave(&e);
    }
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules_of_true_admit_any_value),
        cmocka_unit_test(test_rules_admit_the_types_named),
        cmocka_unit_test(test_rules_admit_given_values_only),
        cmocka_unit_test(test_given_numbers_may_be_written_as_the_schema_writes_them),
        cmocka_unit_test(test_given_values_are_held_to_all_siblings),
        cmocka_unit_test(test_bounds_are_exact),
        cmocka_unit_test(test_bounds_hold_for_numbers_without_type),
        cmocka_unit_test(test_multiples_of_powers_of_ten_and_their_divisors_are_enforced),
        cmocka_unit_test(test_strings_have_length_pattern_and_format_at_once),
        cmocka_unit_test(test_formats_are_annotations_unless_asserted),
        cmocka_unit_test(test_arrays_have_places_a_rest_and_a_count),
        cmocka_unit_test(test_objects_come_in_declared_order_with_what_is_required),
        cmocka_unit_test(test_required_needs_no_properties),
        cmocka_unit_test(test_additional_properties_are_held_to_their_schema),
        cmocka_unit_test(test_a_name_that_matches_patterns_obeys_all_of_them),
        cmocka_unit_test(test_names_are_held_to_property_names),
        cmocka_unit_test(test_counts_of_properties_hold),
        cmocka_unit_test(test_a_property_brings_those_it_needs),
        cmocka_unit_test(test_a_property_that_can_have_no_value_is_forbidden),
        cmocka_unit_test(test_all_of_is_merged_field_by_field),
        cmocka_unit_test(test_branches_keep_their_siblings),
        cmocka_unit_test(test_one_of_is_exact_where_branches_can_be_told_apart),
        cmocka_unit_test(test_conditions_hold_in_both_ways),
        cmocka_unit_test(test_conditions_that_exclude_each_other_do_not_multiply),
        cmocka_unit_test(test_what_must_not_hold_is_taken_away),
        cmocka_unit_test(test_references_recurse),
        cmocka_unit_test(test_a_recursive_reference_beside_siblings_ends),
        cmocka_unit_test(test_draft_7_ignores_what_stands_beside_a_reference),
        cmocka_unit_test(test_what_is_left_out_is_told),
        cmocka_unit_test(test_rules_that_no_value_obeys_are_an_error),
        cmocka_unit_test(test_a_pattern_that_is_refused_names_its_place),
        cmocka_unit_test(test_more_ways_than_fit_are_left_and_told),
        cmocka_unit_test(test_an_object_of_too_many_properties_is_an_error),
        cmocka_unit_test(test_random_walks_end_in_valid_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
