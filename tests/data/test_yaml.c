/* YAML in: the tree keeps order and positions, every bound holds, every complaint says where. */
#include "../support.h"

#include "base/buf.h"
#include "data/yaml.h"

static struct arena arena;

static int empty_arena(void **state)
{
    (void)state;
    arena_free(&arena);
    arena = ARENA_INIT(64u << 20);
    return 0;
}

static int drop_arena(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static const struct yaml_node *parsed(const char *text)
{
    struct err err = ERR_INIT;
    const struct yaml_node *root = NULL;
    assert_ok(yaml_parse(str_of(text), "c.yaml", &arena, &root, &err), err);
    return root;
}

static void assert_refused(struct str text, enum err_code code, const char *said, int line, int col)
{
    struct err err = ERR_INIT;
    const struct yaml_node *root = NULL;
    assert_false(yaml_parse(text, "c.yaml", &arena, &root, &err));
    assert_null(root);
    if (!strstr(err.msg, said) || err.line != line || err.col != col)
        fail_msg("%d:%d '%s' instead of %d:%d '%s'", err.line, err.col, err.msg, line, col, said);
    assert_int_equal(err.code, code);
}

static void test_yaml_parse_keeps_order_and_positions(void **state)
{
    (void)state;
    const struct yaml_node *root = parsed("# comment\nb: 1\na:\n  - x\n  - 'y z'\nc: {k: v}\n");
    assert_int_equal(root->kind, YAML_MAPPING);
    assert_int_equal(root->n, 3);
    assert_true(str_is(root->keys[0]->text, "b"));
    assert_true(str_is(root->keys[1]->text, "a"));
    const struct yaml_node *list = yaml_get(root, "a");
    assert_int_equal(list->kind, YAML_SEQUENCE);
    assert_int_equal(list->n, 2);
    assert_int_equal(list->items[1]->line, 5);
    assert_int_equal(list->items[1]->col, 5);
    assert_true(list->items[1]->quoted);
    assert_false(list->items[0]->quoted);
    assert_true(str_is(yaml_get(yaml_get(root, "c"), "k")->text, "v"));
    assert_null(yaml_get(root, "nothing"));
    assert_null(yaml_get(list, "a"));
    assert_null(yaml_get(NULL, "a"));
}

static void test_yaml_empty_document_is_an_empty_mapping(void **state)
{
    (void)state;
    static const char *const empty[] = {"", "\n\n", "# only words\n", "---\n", "---\n...\n"};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        const struct yaml_node *root = parsed(empty[i]);
        assert_int_equal(root->kind, YAML_MAPPING);
        assert_int_equal(root->n, 0);
    }
}

static void test_yaml_parse_refuses_bad_syntax_where_it_stands(void **state)
{
    (void)state;
    assert_refused(STR("a: 1\nb: [1, 2\nc: 3\n"), ERR_INVALID, "invalid YAML: ", 3, 2);
    assert_refused(STR("a:\n\t- b\n"), ERR_INVALID, "indent with spaces", 2, 1);
    assert_refused(STR("a: 1\nb: \"\xC3\xA4\xFF\"\n"), ERR_INVALID, "invalid YAML: ", 2, 6);
    assert_refused(STR("a: \x01\n"), ERR_INVALID, "control characters are not allowed", 1, 4);
    assert_refused(STR("a: 1\n---\nb: 1\n"), ERR_INVALID, "second document", 2, 1);
    assert_refused(STR("a: \"x\\0y\"\n"), ERR_INVALID, "NUL", 1, 4);
}

static void test_yaml_parse_refuses_a_key_given_twice(void **state)
{
    (void)state;
    assert_refused(STR("a: 1\nb: 2\n'a': 3\n"), ERR_INVALID, "the key 'a' stands here twice, first in line 1", 3, 1);
    assert_refused(STR("x:\n  ? [1]\n  : 2\n"), ERR_INVALID, "a key must be plain text, not a list", 2, 5);
}

static void test_yaml_parse_refuses_tags(void **state)
{
    (void)state;
    assert_refused(STR("a: !!python/object x\n"), ERR_UNSUPPORTED, "tags", 1, 4);
    assert_refused(STR("a: !x [1]\n"), ERR_UNSUPPORTED, "tags", 1, 4);
    assert_refused(STR("a: !!map {}\n"), ERR_UNSUPPORTED, "tags", 1, 4);
}

static void test_yaml_alias_shares_the_node(void **state)
{
    (void)state;
    const struct yaml_node *root = parsed("a: &x {k: 1}\nb: *x\nc: &x 2\nd: *x\n");
    assert_ptr_equal(yaml_get(root, "a"), yaml_get(root, "b"));
    assert_true(str_is(yaml_get(root, "d")->text, "2"));
    assert_refused(STR("a: *nobody\n"), ERR_INVALID, "no anchor '&nobody'", 1, 4);
    assert_refused(STR("a: &x\n  b: *x\n"), ERR_INVALID, "'*x' would contain itself", 2, 6);
}

/* Ten levels, each ten times the one before: 10^10 for whoever walks the tree. */
static void test_yaml_aliases_cannot_multiply(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1 << 20);
    buf_puts(&b, "l0: &l0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 10; i++) {
        buf_printf(&b, "l%d: &l%d [", i, i);
        for (int j = 0; j < 10; j++)
            buf_printf(&b, "%s*l%d", j ? "," : "", i - 1);
        buf_puts(&b, "]\n");
    }
    assert_refused(buf_view(&b), ERR_LIMIT, "more than 200000 nodes", 6, 10);
    buf_free(&b);
}

static void test_yaml_aliases_cannot_deepen(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1 << 20);
    buf_puts(&b, "l0: &l0 [x]\n");
    for (int i = 1; i < 100; i++)
        buf_printf(&b, "l%d: &l%d [*l%d]\n", i, i, i - 1);
    assert_refused(buf_view(&b), ERR_LIMIT, "nested deeper than 64 levels", 64, 12);
    buf_free(&b);
}

static void test_yaml_counts_are_bounded(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(8u << 20);
    for (int i = 0; i <= YAML_MAX_DEPTH; i++)
        buf_char(&b, '[');
    assert_refused(buf_view(&b), ERR_LIMIT, "nested deeper than 64 levels", 1, 65);
    buf_clear(&b);
    buf_puts(&b, "x: &x 1\nl:\n");
    for (int i = 0; i <= YAML_MAX_ALIASES; i++)
        buf_puts(&b, "- *x\n");
    assert_refused(buf_view(&b), ERR_LIMIT, "more than 1000 aliases", 1003, 3);
    buf_clear(&b);
    for (int i = 0; i < YAML_MAX_NODES; i++)
        buf_puts(&b, "- 1\n");
    assert_refused(buf_view(&b), ERR_LIMIT, "more than 200000 nodes", 200000, 3);
    buf_clear(&b);
    for (int i = 0; i <= YAML_MAX_ALIASES; i++)
        buf_puts(&b, "- &x 1\n");
    assert_refused(buf_view(&b), ERR_LIMIT, "too many anchors", 1001, 3);
    buf_free(&b);
    assert_refused((struct str){"", YAML_MAX_BYTES + 1}, ERR_LIMIT, "longer than", 0, 0);
}

static void test_yaml_arena_that_is_full_is_an_error(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    const struct yaml_node *root = NULL;
    struct arena tiny = ARENA_INIT(300);
    assert_false(yaml_parse(STR("[a, b, c, d, e, f, g, h]"), "c.yaml", &tiny, &root, &err));
    assert_int_equal(err.code, ERR_NOMEM);
    arena_free(&tiny);
}

static void test_yaml_null_is_absent_unless_quoted(void **state)
{
    (void)state;
    const struct yaml_node *root = parsed("a: ~\nb: null\nc:\nd: ''\ne: 'null'\nf: nulls\n");
    assert_null(yaml_get(root, "a"));
    assert_null(yaml_get(root, "b"));
    assert_null(yaml_get(root, "c"));
    assert_non_null(yaml_get(root, "d"));
    assert_non_null(yaml_get(root, "e"));
    assert_non_null(yaml_get(root, "f"));
}

static void test_yaml_getters_take_what_fits(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    const struct yaml_node *root = parsed("s: text here\ni: -12\nf: 0.75\ng: 3\nb: Yes\nblock: |\n  one\n  two\n");
    struct str s = STR("");
    int64_t i = 0;
    double f = 0;
    bool b = false;
    assert_ok(yaml_to_str(yaml_get(root, "s"), "c.yaml", "s", &s, &err), err);
    assert_true(str_is(s, "text here"));
    assert_ok(yaml_to_str(yaml_get(root, "block"), "c.yaml", "block", &s, &err), err);
    assert_true(str_is(s, "one\ntwo\n"));
    assert_ok(yaml_to_i64(yaml_get(root, "i"), "c.yaml", "i", -100, 100, &i, &err), err);
    assert_true(i == -12);
    assert_ok(yaml_to_f64(yaml_get(root, "f"), "c.yaml", "f", 0, 1, &f, &err), err);
    assert_true(f == 0.75);
    assert_ok(yaml_to_f64(yaml_get(root, "g"), "c.yaml", "g", 0, 5, &f, &err), err);
    assert_true(f == 3.0);
    assert_ok(yaml_to_bool(yaml_get(root, "b"), "c.yaml", "b", &b, &err), err);
    assert_true(b);
}

static void test_yaml_getters_say_what_is_wrong_and_where(void **state)
{
    (void)state;
    char text[900];
    struct err err = ERR_INIT;
    const struct yaml_node *root = parsed("a: '5'\nb: [1]\nc: 99\nd: {x: 1}\n");
    struct str s = STR("old");
    int64_t i = 5;
    double f = 5;
    bool b = true;
    assert_false(yaml_to_i64(yaml_get(root, "a"), "c.yaml", "a", 0, 9, &i, &err));
    assert_string_equal(err_format(&err, text, sizeof text), "c.yaml:1:4: a must be a whole number, not '5' in quotes");
    assert_false(yaml_to_str(yaml_get(root, "b"), "c.yaml", "b", &s, &err));
    assert_string_equal(err_format(&err, text, sizeof text), "c.yaml:2:4: b must be a text, not a list");
    assert_false(yaml_to_i64(yaml_get(root, "c"), "c.yaml", "c", 1, 9, &i, &err));
    assert_string_equal(err_format(&err, text, sizeof text), "c.yaml:3:4: c must be between 1 and 9, not 99");
    assert_false(yaml_to_f64(yaml_get(root, "c"), "c.yaml", "c", 0, 1, &f, &err));
    assert_string_equal(err.msg, "c must be between 0 and 1, not 99");
    assert_false(yaml_to_bool(yaml_get(root, "d"), "c.yaml", "d", &b, &err));
    assert_string_equal(err_format(&err, text, sizeof text), "c.yaml:4:4: d must be true or false, not a mapping");
    assert_true(str_is(s, "old") && i == 5 && f == 5 && b);
}

static void test_yaml_only_keys_names_the_key_that_was_meant(void **state)
{
    (void)state;
    static const char *const allowed[] = {"listen", "threshold", "models", NULL};
    struct err err = ERR_INIT;
    assert_true(yaml_only_keys(parsed("listen: 1\nmodels: 2\n"), "c.yaml", allowed, &err));
    assert_false(yaml_only_keys(parsed("listen: 1\nthreshhold: 2\n"), "c.yaml", allowed, &err));
    assert_int_equal(err.line, 2);
    assert_string_equal(err.msg, "unknown key 'threshhold', did you mean 'threshold'? Known keys: listen, threshold, models");
    assert_false(yaml_only_keys(parsed("zzz: 1\n"), "c.yaml", allowed, &err));
    assert_string_equal(err.msg, "unknown key 'zzz'. Known keys: listen, threshold, models");
    assert_false(yaml_only_keys(parsed("[1]\n"), "c.yaml", allowed, &err));
    assert_string_equal(err.msg, "a mapping (key: value) belongs here");
}

int main(void)
{
#define IN_ARENA(test) cmocka_unit_test_setup_teardown(test, empty_arena, drop_arena)
    const struct CMUnitTest tests[] = {
        IN_ARENA(test_yaml_parse_keeps_order_and_positions),
        IN_ARENA(test_yaml_empty_document_is_an_empty_mapping),
        IN_ARENA(test_yaml_parse_refuses_bad_syntax_where_it_stands),
        IN_ARENA(test_yaml_parse_refuses_a_key_given_twice),
        IN_ARENA(test_yaml_parse_refuses_tags),
        IN_ARENA(test_yaml_alias_shares_the_node),
        IN_ARENA(test_yaml_aliases_cannot_multiply),
        IN_ARENA(test_yaml_aliases_cannot_deepen),
        IN_ARENA(test_yaml_counts_are_bounded),
        IN_ARENA(test_yaml_arena_that_is_full_is_an_error),
        IN_ARENA(test_yaml_null_is_absent_unless_quoted),
        IN_ARENA(test_yaml_getters_take_what_fits),
        IN_ARENA(test_yaml_getters_say_what_is_wrong_and_where),
        IN_ARENA(test_yaml_only_keys_names_the_key_that_was_meant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
