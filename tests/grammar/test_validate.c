/* Reading schemas and validating values, beside what the JSON-Schema-Test-Suite (test_schema_suite.c) proves: which
 * schemas are refused and in which words, limits, exact numbers, and the words of failures. */
#include "../support.h"

#include <pthread.h>

#include "base/buf.h"
#include "data/json.h"
#include "grammar/schema.h"
#include "grammar/schema/read.h"

static const struct schema_options plain;

static json_t *parse(const char *text)
{
    json_t *json = NULL;
    struct err err = ERR_INIT;
    assert_ok(json_parse(str_of(text), "test", &json, &err), err);
    return json;
}

static bool open_text(const char *text, const struct schema_options *options, struct schema **ret, struct err *err)
{
    json_t *json = parse(text);
    bool ok = schema_open(json, options, ret, err);
    json_decref(json);
    return ok;
}

static void assert_refused(const char *schema, const char *words)
{
    struct schema *s;
    struct err err = ERR_INIT;
    if (open_text(schema, &plain, &s, &err))
        fail_msg("was not refused: %s", schema);
    assert_string_equal(err.msg, words);
}

static bool accepts_with(const struct schema_options *options, const char *schema, const char *value, struct err *err)
{
    struct schema *s = NULL;
    struct err open_err = ERR_INIT;
    assert_ok(open_text(schema, options, &s, &open_err), open_err);
    json_t *json = parse(value);
    bool ok = schema_validate(s, json, err);
    json_decref(json);
    schema_close(s);
    return ok;
}

static bool accepts(const char *schema, const char *value)
{
    return accepts_with(&plain, schema, value, NULL);
}

static void assert_rejects(const char *schema, const char *value, const char *words)
{
    struct err err = ERR_INIT;
    assert_false(accepts_with(&plain, schema, value, &err));
    assert_string_equal(err.msg, words);
}

/* ---- reading ---- */

static void test_schema_refuses_what_looks_like_a_mistake_of_a_keyword(void **state)
{
    (void)state;
    assert_refused("{\"properties\":{\"a\":{\"minitems\":1}}}",
                   "'minitems' at /properties/a is not understood; did you mean 'minItems'?");
    assert_refused("{\"additonalProperties\":false}",
                   "'additonalProperties' at the top is not understood; did you mean 'additionalProperties'?");
    assert_refused("{\"items\":{\"pattren\":\"a\"}}", "'pattren' at /items is not understood; did you mean 'pattern'?");
    assert_refused("{\"nullable\":true}", "'nullable' at the top is OpenAPI's; write null among the types");
}

static void test_schema_takes_other_unknown_keywords_for_annotations(void **state)
{
    (void)state;
    assert_true(accepts("{\"x-order\":1,\"javaType\":\"X\",\"note\":\"n\",\"example\":1,\"title\":[],\"form\":1}",
                        "1"));
    struct schema_options relaxed = {.relaxed = true};
    assert_true(accepts_with(&relaxed, "{\"minitems\":1,\"nullable\":true}", "[]", NULL));
}

static void test_schema_refuses_keywords_of_the_wrong_form(void **state)
{
    (void)state;
    assert_refused("{\"a\":1,\"type\":\"float\"}",
                   "'type' at the top must be array, boolean, integer, null, number, object, string, or an array of "
                   "these");
    assert_refused("{\"$defs\":{\"a/b~\":{\"minLength\":-1}}}",
                   "'minLength' at /$defs/a~1b~0 must be a whole number from 0 on");
    assert_refused("{\"properties\":{\"a\":1}}", "'properties' at the top must be an object of schemas");
    assert_refused("{\"allOf\":[{\"required\":[1]}]}", "'required' at /allOf/0 must be an array of names");
    assert_refused("{\"multipleOf\":0}", "'multipleOf' at the top must be a number above 0");
    assert_refused("[]", "a schema must be an object, true or false, not an array");
}

static void test_schema_refuses_references_that_lead_nowhere(void **state)
{
    (void)state;
    assert_refused("{\"items\":{\"$ref\":\"#/$defs/a\"}}", "'$ref' at /items names '#/$defs/a', which is not there");
    assert_refused("{\"$ref\":\"other.json\"}",
                   "'$ref' at the top names 'other.json', which is not at hand (nothing is fetched); put it under "
                   "$defs");
    assert_refused("{\"$ref\":\"#/type\",\"type\":\"object\"}",
                   "'$ref' at the top names '#/type', which is not there");
}

static void test_schema_lets_references_be_that_no_value_comes_to(void **state)
{
    (void)state;
    assert_true(accepts("{\"$defs\":{\"a\":{\"$ref\":\"other.json\"}},\"type\":\"integer\"}", "1"));
}

static void test_schema_has_ceilings(void **state)
{
    (void)state;
    struct schema *s;
    struct err err = ERR_INIT;
    json_t *deep = json_object(), *wide = json_array();
    for (int i = 0; i <= SCHEMA_MAX_DEPTH; i++)
        deep = json_pack("{s:o}", "not", deep);
    assert_false(schema_open(deep, &plain, &s, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    json_decref(deep);
    for (int i = 0; i <= SCHEMA_MAX_NODES; i++)
        json_array_append_new(wide, json_object());
    wide = json_pack("{s:o}", "anyOf", wide);
    err = ERR_INIT;
    assert_false(schema_open(wide, &plain, &s, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    json_decref(wide);
}

static void test_schema_cuts_long_paths(void **state)
{
    (void)state;
    char text[1200], key[400];
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    snprintf(text, sizeof text, "{\"properties\":{\"%s\":{\"type\":1}}}", key);
    struct schema *s;
    struct err err = ERR_INIT;
    assert_false(open_text(text, &plain, &s, &err));
    assert_non_null(strstr(err.msg, "kkk... must be"));
}

/* RFC 3986, 5.4. */
static void test_uri_references_resolve_as_the_standard_lists(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"g:h", "g:h"}, {"g", "http://a/b/c/g"}, {"./g", "http://a/b/c/g"}, {"g/", "http://a/b/c/g/"},
        {"/g", "http://a/g"}, {"//g", "http://g"}, {"?y", "http://a/b/c/d;p?y"}, {"g?y", "http://a/b/c/g?y"},
        {";x", "http://a/b/c/;x"}, {"", "http://a/b/c/d;p?q"}, {".", "http://a/b/c/"}, {"./", "http://a/b/c/"},
        {"..", "http://a/b/"}, {"../", "http://a/b/"}, {"../g", "http://a/b/g"}, {"../..", "http://a/"},
        {"../../g", "http://a/g"}, {"../../../g", "http://a/g"}, {"/./g", "http://a/g"}, {"/../g", "http://a/g"},
        {"g.", "http://a/b/c/g."}, {"..g", "http://a/b/c/..g"}, {"./../g", "http://a/b/g"},
        {"./g/.", "http://a/b/c/g/"}, {"g/./h", "http://a/b/c/g/h"}, {"g/../h", "http://a/b/c/h"},
        {"g;x=1/../y", "http://a/b/c/y"}, {"g?y/./x", "http://a/b/c/g?y/./x"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out = BUF_INIT(1000);
        uri_resolve(STR("http://a/b/c/d;p?q"), str_of(cases[i][0]), &out);
        assert_string_equal(out.p, cases[i][1]);
        buf_free(&out);
    }
}

static const json_t *other_document(void *ctx, struct str uri)
{
    return str_is(uri, "http://example.com/other.json") ? ctx : NULL;
}

static void test_references_reach_documents_the_caller_has(void **state)
{
    (void)state;
    json_t *other = parse("{\"$defs\":{\"n\":{\"type\":\"integer\"}}}");
    struct schema_options options = {.document = other_document, .document_ctx = other};
    const char *schema = "{\"$id\":\"http://example.com/x.json\",\"$ref\":\"other.json#/$defs/n\"}";
    assert_true(accepts_with(&options, schema, "1", NULL));
    assert_false(accepts_with(&options, schema, "\"1\"", NULL));
    json_decref(other);
}

static void test_draft_is_what_the_document_says(void **state)
{
    (void)state;
    const char *siblings = "{\"$schema\":\"%s\",\"properties\":{\"a\":{\"$ref\":\"#/$defs/i\",\"minimum\":5}},"
                           "\"$defs\":{\"i\":{\"type\":\"integer\"}}}";
    char text[400];
    snprintf(text, sizeof text, siblings, "http://json-schema.org/draft-07/schema#");
    assert_true(accepts(text, "{\"a\":1}"));
    snprintf(text, sizeof text, siblings, "https://json-schema.org/draft/2020-12/schema");
    assert_false(accepts(text, "{\"a\":1}"));
    const char *old = "{\"$schema\":\"http://json-schema.org/draft-04/schema#\",\"type\":\"integer\",\"minimum\":3,"
                      "\"exclusiveMinimum\":true}";
    assert_true(accepts(old, "4"));
    assert_false(accepts(old, "3"));
    assert_false(accepts(old, "4.0")); /* no integer in draft 4 */
}

/* ---- validating ---- */

static void test_failures_say_where_and_what(void **state)
{
    (void)state;
    const char *schema = "{\"properties\":{\"a\":{\"items\":{\"maximum\":5}},\"b/c\":{\"enum\":[1,\"x\"]}},"
                         "\"required\":[\"a\"],\"additionalProperties\":false}";
    assert_rejects(schema, "{\"a\":[1,7]}", "/a/1: 7 is above the maximum 5");
    assert_rejects(schema, "{\"a\":[],\"b/c\":{}}", "/b~1c: an object is none of the values listed");
    assert_rejects(schema, "{}", "the value: the property 'a' is missing");
    assert_rejects(schema, "{\"a\":[],\"z\":1}", "the value: the property 'z' is not allowed");
    assert_rejects("{\"oneOf\":[true,false,{}]}", "1",
                   "the value: branches 0 and 2 of oneOf both hold; exactly one must");
    assert_rejects("{\"uniqueItems\":true}", "[{\"a\":1,\"b\":2},0,{\"b\":2.0,\"a\":1}]",
                   "the value: elements 0 and 2 are equal");
}

static void test_failures_of_branches_are_told_by_the_one_that_speaks_of_the_value(void **state)
{
    (void)state;
    const char *schema = "{\"properties\":{\"a\":{\"anyOf\":[{\"$ref\":\"#/$defs/o\"},{\"type\":\"null\"}]}},"
                         "\"$defs\":{\"o\":{\"type\":\"object\",\"properties\":{\"b\":{\"maximum\":5}}}}}";
    assert_rejects(schema, "{\"a\":{\"b\":6}}", "/a/b: 6 is above the maximum 5");
    assert_rejects(schema, "{\"a\":7}", "/a: none of the 2 branches of anyOf holds");
    assert_rejects("{\"oneOf\":[{\"minimum\":3},{\"maximum\":1}]}", "2",
                   "the value: none of the 2 branches of oneOf holds");
}

static void test_numbers_are_compared_as_written(void **state)
{
    (void)state;
    assert_true(accepts("{\"multipleOf\":0.01}", "19.99"));
    assert_true(accepts("{\"multipleOf\":0.0001}", "0.0075"));
    assert_false(accepts("{\"multipleOf\":0.01}", "19.995"));
    assert_false(accepts("{\"multipleOf\":0.123456789}", "1e308"));
    assert_true(accepts("{\"multipleOf\":0.5}", "1e308"));
    assert_true(accepts("{\"multipleOf\":3}", "-9223372036854775806"));
    assert_false(accepts("{\"const\":9007199254740993}", "9007199254740992.0"));
    assert_true(accepts("{\"const\":9007199254740992}", "9007199254740992.0"));
    assert_false(accepts("{\"maximum\":9223372036854775807}", "9223372036854775808.0"));
    assert_true(accepts("{\"exclusiveMinimum\":9223372036854775807}", "9223372036854775808.0"));
    assert_true(accepts("{\"type\":\"integer\"}", "1e3"));
}

static void test_formats_are_asserted_only_when_asked(void **state)
{
    (void)state;
    struct schema_options formats = {.formats = true};
    const char *schema = "{\"format\":\"date\"}";
    assert_true(accepts(schema, "\"2026-02-30\""));
    assert_false(accepts_with(&formats, schema, "\"2026-02-30\"", NULL));
    assert_true(accepts_with(&formats, schema, "\"2024-02-29\"", NULL));
    assert_true(accepts_with(&formats, "{\"format\":\"unheard-of\"}", "\"x\"", NULL));
    assert_false(accepts_with(&formats, "{\"format\":\"regex\"}", "\"(\"", NULL));
}

static void test_schemas_that_refer_to_themselves_in_a_circle_end(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    assert_false(accepts_with(&plain, "{\"$ref\":\"#\"}", "1", &err));
    assert_int_equal(err.code, ERR_LIMIT);
    err = ERR_INIT;
    assert_false(accepts_with(&plain, "{\"not\":{\"$ref\":\"#\"}}", "1", &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

/* Each level asks the next one twice. */
static void test_validating_has_a_budget_of_steps(void **state)
{
    (void)state;
    struct buf schema = BUF_INIT(1u << 16);
    struct err err = ERR_INIT;
    buf_puts(&schema, "{\"$ref\":\"#/$defs/0\",\"$defs\":{");
    for (int i = 0; i < 40; i++)
        buf_printf(&schema, "\"%d\":{\"allOf\":[{\"$ref\":\"#/$defs/%d\"},{\"$ref\":\"#/$defs/%d\"}]},", i, i + 1,
                   i + 1);
    buf_puts(&schema, "\"40\":true}}");
    assert_false(accepts_with(&plain, schema.p, "1", &err));
    assert_int_equal(err.code, ERR_LIMIT);
    buf_free(&schema);
}

static void test_patterns_that_are_not_understood_fail_in_words(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    assert_false(accepts_with(&plain, "{\"not\":{\"pattern\":\"(\"}}", "\"a\"", &err));
    assert_non_null(strstr(err.msg, "the pattern '('"));
}

struct worker {
    struct schema *s;
    int wrong;
};

static void *validate_many(void *ctx)
{
    struct worker *w = ctx;
    for (int i = 0; i < 200; i++) {
        json_t *value = json_pack("[s]", i % 2 ? "aab" : "aac");
        w->wrong += schema_validate(w->s, value, NULL) != (i % 2 == 1);
        json_decref(value);
    }
    return NULL;
}

static void test_threads_validate_under_one_schema(void **state)
{
    (void)state;
    struct worker workers[4] = {{0}};
    pthread_t threads[4];
    struct schema *s = NULL;
    struct err err = ERR_INIT;
    assert_ok(open_text("{\"items\":{\"pattern\":\"^a*b$\"}}", &plain, &s, &err), err);
    for (int i = 0; i < 4; i++) {
        workers[i].s = s;
        assert_int_equal(pthread_create(&threads[i], NULL, validate_many, &workers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].wrong, 0);
    }
    schema_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schema_refuses_what_looks_like_a_mistake_of_a_keyword),
        cmocka_unit_test(test_schema_takes_other_unknown_keywords_for_annotations),
        cmocka_unit_test(test_schema_refuses_keywords_of_the_wrong_form),
        cmocka_unit_test(test_schema_refuses_references_that_lead_nowhere),
        cmocka_unit_test(test_schema_lets_references_be_that_no_value_comes_to),
        cmocka_unit_test(test_schema_has_ceilings),
        cmocka_unit_test(test_schema_cuts_long_paths),
        cmocka_unit_test(test_uri_references_resolve_as_the_standard_lists),
        cmocka_unit_test(test_references_reach_documents_the_caller_has),
        cmocka_unit_test(test_draft_is_what_the_document_says),
        cmocka_unit_test(test_failures_say_where_and_what),
        cmocka_unit_test(test_failures_of_branches_are_told_by_the_one_that_speaks_of_the_value),
        cmocka_unit_test(test_numbers_are_compared_as_written),
        cmocka_unit_test(test_formats_are_asserted_only_when_asked),
        cmocka_unit_test(test_schemas_that_refer_to_themselves_in_a_circle_end),
        cmocka_unit_test(test_validating_has_a_budget_of_steps),
        cmocka_unit_test(test_patterns_that_are_not_understood_fail_in_words),
        cmocka_unit_test(test_threads_validate_under_one_schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
