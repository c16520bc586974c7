/* Rules as they are finished: what is refused, what is taken out, and that hostile shapes cost no more than others. */
#include "tests/support.h"

#include "tests/grammar/support_rules.h"

static void assert_refused(struct rules *r, uint32_t start, enum err_code code)
{
    struct err err = ERR_INIT;
    assert_false(rules_finish(r, start, &err));
    assert_int_equal(err.code, code);
    assert_true(err.msg[0] != '\0');
    rules_close(r);
}

/* The rules hold of this text and of nothing that begins it. */
static void assert_only(struct rules *r, uint32_t start, const char *text)
{
    struct err err = ERR_INIT;
    struct automaton *a = NULL;
    assert_ok(rules_finish(r, start, &err), err);
    assert_ok(automaton_open(r, &a, &err), err);
    automaton_lock(a);
    uint32_t at = automaton_start(a);
    for (const char *c = text; *c; c++) {
        struct byte_set bytes;
        assert_false(state_may_end(a, at));
        assert_ok(state_bytes(a, at, &bytes, &err), err);
        for (int b = 0; b < 256; b++)
            assert_int_equal(bytes.bits[b / 64] >> b % 64 & 1, b == (uint8_t)*c);
        at = state_step(a, at, (uint8_t)*c, &err);
    }
    assert_true(state_must_end(a, at));
    automaton_unlock(a);
    automaton_close(a);
}

static void test_left_recursion_is_refused(void **state)
{
    (void)state;
    struct rules *r = open_rules();
    uint32_t list = rules_reference(r);
    const uint32_t parts[] = {rules_repeat(r, text_node(r, "a"), RULES_NONE, 0, 3), list, text_node(r, "b")};
    const uint32_t ways[] = {text_node(r, "c"), rules_sequence(r, parts, 3)};
    rules_define(r, list, rules_choice(r, ways, 2));
    assert_refused(r, list, ERR_UNSUPPORTED);
}

static void test_left_recursion_behind_text_is_none(void **state)
{
    (void)state;
    struct rules *r = open_rules();
    uint32_t list = rules_reference(r);
    const uint32_t parts[] = {rules_repeat(r, text_node(r, "a"), RULES_NONE, 1, 3), list};
    const uint32_t ways[] = {text_node(r, "c"), rules_sequence(r, parts, 2)};
    struct err err = ERR_INIT;
    rules_define(r, list, rules_choice(r, ways, 2));
    assert_ok(rules_finish(r, list, &err), err);
    rules_close(r);
}

static void test_recursion_without_an_end_is_refused(void **state)
{
    (void)state;
    struct rules *r = open_rules();
    uint32_t list = rules_reference(r);
    const uint32_t parts[] = {text_node(r, "a"), list};
    rules_define(r, list, rules_sequence(r, parts, 2));
    assert_refused(r, list, ERR_INVALID);
}

static void test_undefined_reference_is_refused(void **state)
{
    (void)state;
    struct rules *r = open_rules();
    assert_refused(r, rules_reference(r), ERR_INTERNAL);
}

static void test_items_that_cannot_be_as_many_are_refused(void **state)
{
    (void)state;
    struct rules *r = open_rules();
    const uint32_t prefix[] = {text_node(r, "a"), rules_never(r)};
    assert_refused(r, rules_items(r, prefix, 2, text_node(r, "b"), RULES_NONE, 2, 3), ERR_INVALID);
}

static void test_items_end_before_what_can_never_be(void **state)
{
    (void)state;
    struct rules *r = open_rules();
    const uint32_t prefix[] = {text_node(r, "a"), rules_never(r)};
    assert_only(r, rules_items(r, prefix, 2, text_node(r, "b"), text_node(r, ","), 1, EXPR_UNBOUNDED), "a");
}

static void test_choices_that_lead_nowhere_are_taken_out(void **state)
{
    (void)state;
    struct rules *r = open_rules();
    struct exprs *x = rules_exprs(r);
    uint32_t never = expr_and(x, expr_repeat(x, expr_literal(x, STR("ab")), 1, 3), expr_literal(x, STR("abba")));
    const uint32_t dead[] = {text_node(r, "x"), rules_term(r, never)};
    const uint32_t ways[] = {rules_sequence(r, dead, 2), text_node(r, "yes")};
    assert_only(r, rules_choice(r, ways, 2), "yes");
}

static void test_members_without_an_object_are_refused(void **state)
{
    (void)state;
    const struct {
        int64_t min, max;
        bool first_required, second_required;
        struct rule_need need;
    } cases[] = {
        {0, 1, true, true, {0, 0}},   /* both, but one at most */
        {3, -1, false, false, {0, 0}},
        {2, 1, false, false, {0, 0}},
        {0, -1, true, false, {0, 2}}, /* needs what can never be */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rules *r = open_rules();
        struct exprs *x = rules_exprs(r);
        const struct rule_field fields[] = {
            {.key = expr_literal(x, STR("a")), .value = text_node(r, "1"), .required = cases[i].first_required},
            {.key = expr_literal(x, STR("b")), .value = text_node(r, "1"), .required = cases[i].second_required},
            {.key = expr_literal(x, STR("c")), .value = rules_never(r)},
        };
        const struct rule_object object = {
            .fields = fields, .n_fields = 3, .needs = &cases[i].need, .n_needs = 1, .min = cases[i].min,
            .max = cases[i].max, .colon = text_node(r, ":"), .separator = text_node(r, ","),
        };
        assert_refused(r, rules_members(r, &object), ERR_INVALID);
    }
}

static void test_fields_that_need_each_other_come_together(void **state)
{
    (void)state;
    struct rules *r = open_rules();
    struct exprs *x = rules_exprs(r);
    const struct rule_field fields[] = {
        {.key = expr_literal(x, STR("a")), .value = text_node(r, "1"), .required = true},
        {.key = expr_literal(x, STR("b")), .value = text_node(r, "1")},
        {.key = expr_literal(x, STR("c")), .value = rules_never(r)},
    };
    const struct rule_need needs[] = {{0, 1}, {1, 0}};
    const struct rule_object object = {
        .fields = fields, .n_fields = 3, .needs = needs, .n_needs = 2, .max = EXPR_UNBOUNDED,
        .colon = text_node(r, ":"), .separator = text_node(r, ","),
    };
    assert_only(r, rules_members(r, &object), "a:1,b:1");
}

static void test_a_text_can_be_put_before_finished_rules(void **state)
{
    (void)state;
    struct rules *r = open_rules();
    struct err err = ERR_INIT;
    struct automaton *a = NULL;
    assert_ok(rules_finish(r, text_node(r, "end"), &err), err);
    assert_ok(rules_lead(r, STR("the "), &err), err);
    assert_ok(automaton_open(r, &a, &err), err);
    automaton_lock(a);
    uint32_t at = automaton_start(a);
    for (const char *c = "the end"; *c; c++)
        at = state_step(a, at, (uint8_t)*c, &err);
    assert_true(state_may_end(a, at));
    automaton_unlock(a);
    automaton_close(a);
}

/* References that each wait for the next: a search that began over for each would never end. */
static void test_long_chains_of_references_are_finished(void **state)
{
    (void)state;
    enum { N = 40000 };
    struct rules *r = open_rules();
    struct err err = ERR_INIT;
    uint32_t first = rules_reference(r), at = first;
    for (int i = 0; i < N; i++) {
        uint32_t next = rules_reference(r);
        const uint32_t parts[] = {text_node(r, "a"), next};
        const uint32_t ways[] = {rules_sequence(r, parts, 2), next};
        rules_define(r, at, rules_choice(r, ways, 2));
        at = next;
    }
    rules_define(r, at, text_node(r, "b"));
    assert_ok(rules_finish(r, first, &err), err);
    rules_close(r);
}

static void test_too_many_parts_are_refused(void **state)
{
    (void)state;
    struct rules *r = open_rules();
    uint32_t node = 0;
    for (uint32_t i = 0; i <= RULES_MAX_NODES; i++)
        node = rules_term(r, EXPR_EMPTY);
    assert_int_equal(node, RULES_NONE);
    assert_refused(r, node, ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_left_recursion_is_refused),
        cmocka_unit_test(test_left_recursion_behind_text_is_none),
        cmocka_unit_test(test_recursion_without_an_end_is_refused),
        cmocka_unit_test(test_undefined_reference_is_refused),
        cmocka_unit_test(test_items_that_cannot_be_as_many_are_refused),
        cmocka_unit_test(test_items_end_before_what_can_never_be),
        cmocka_unit_test(test_choices_that_lead_nowhere_are_taken_out),
        cmocka_unit_test(test_members_without_an_object_are_refused),
        cmocka_unit_test(test_fields_that_need_each_other_come_together),
        cmocka_unit_test(test_a_text_can_be_put_before_finished_rules),
        cmocka_unit_test(test_long_chains_of_references_are_finished),
        cmocka_unit_test(test_too_many_parts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
