/* What schema_explain tells people of a schema: each keyword with what becomes of it, in the order they stand. */
#include "../support.h"

#include "base/buf.h"
#include "data/json.h"
#include "grammar/schema.h"

#define MAX_NOTES 32

/* "PATH KEYWORD TREATMENT" lines; E enforced, A after, I ignored, R refused. */
static void assert_explained(const char *schema, const struct schema_options *options, const char *wanted)
{
    struct schema_note notes[MAX_NOTES];
    struct buf lines = BUF_INIT(10000);
    struct err err = ERR_INIT;
    json_t *json = NULL;
    assert_ok(json_parse(str_of(schema), "test", &json, &err), err);
    int n = schema_explain(json, options, notes, MAX_NOTES);
    assert_in_range(n, 0, MAX_NOTES);
    for (int i = 0; i < n; i++) {
        buf_printf(&lines, "%s %s %c\n", notes[i].path, notes[i].keyword, "EAIR"[notes[i].treatment]);
        assert_true((notes[i].why[0] == '\0') == (notes[i].treatment == SCHEMA_ENFORCED));
    }
    assert_string_equal(lines.p ? lines.p : "", wanted);
    buf_free(&lines);
    json_decref(json);
}

static const struct schema_options plain;

static void test_explain_tells_what_is_enforced_and_what_validated_after(void **state)
{
    (void)state;
    assert_explained("{\"title\":\"t\",\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"array\","
                     "\"uniqueItems\":true,\"items\":{\"type\":\"number\",\"multipleOf\":0.3}}},"
                     "\"unevaluatedProperties\":false}", &plain,
                     " type E\n properties E\n/properties/a type E\n/properties/a uniqueItems A\n"
                     "/properties/a items E\n/properties/a/items type E\n/properties/a/items multipleOf A\n"
                     " unevaluatedProperties A\n");
    assert_explained("{\"type\":\"integer\",\"minimum\":3}", &plain, " type E\n minimum E\n");
}

static void test_explain_tells_what_means_nothing_where_it_stands(void **state)
{
    (void)state;
    assert_explained("{\"then\":true,\"maxContains\":1,\"additionalItems\":true,\"format\":\"date\"}", &plain,
                     " then I\n maxContains I\n additionalItems I\n format I\n");
    struct schema_options formats = {.formats = true};
    assert_explained("{\"format\":\"date\"}", &formats, " format E\n");
    assert_explained("{\"format\":\"topic\",\"x-a\":1}", &formats, " format I\n x-a I\n");
    assert_explained("{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"$ref\":\"#/definitions/a\","
                     "\"minimum\":1,\"definitions\":{\"a\":true,\"b\":{\"maximum\":1}}}", &plain,
                     " $ref E\n minimum I\n/definitions/b maximum I\n");
}

static void test_explain_tells_all_that_is_refused(void **state)
{
    (void)state;
    assert_explained("{\"minitems\":1,\"items\":{\"type\":\"float\",\"$ref\":\"#/nowhere\"},\"minimum\":1}", &plain,
                     " minitems R\n items E\n/items type R\n/items $ref R\n minimum E\n");
    struct schema_options relaxed = {.relaxed = true};
    assert_explained("{\"minitems\":1}", &relaxed, " minitems I\n");
    assert_explained("{\"pattern\":\"(?<=a)b\"}", &relaxed, " pattern I\n");
    assert_explained("{\"pattern\":\"(\"}", &plain, " pattern E\n  R\n");
    assert_explained("3", &plain, "  R\n");
}

static void test_explain_counts_notes_beyond_the_room_for_them(void **state)
{
    (void)state;
    struct schema_note note;
    json_t *json = json_pack("{s:i, s:i, s:i}", "minimum", 1, "maximum", 3, "minLength", 4);
    assert_int_equal(schema_explain(json, &plain, &note, 1), 3);
    assert_string_equal(note.keyword, "minimum");
    assert_int_equal(schema_explain(json, &plain, NULL, 0), 3);
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_explain_tells_what_is_enforced_and_what_validated_after),
        cmocka_unit_test(test_explain_tells_what_means_nothing_where_it_stands),
        cmocka_unit_test(test_explain_tells_all_that_is_refused),
        cmocka_unit_test(test_explain_counts_notes_beyond_the_room_for_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
