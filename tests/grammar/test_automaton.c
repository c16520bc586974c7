/* The automaton against a slow matcher on random grammars, and what it promises of states: that they can be completed,
 * are shared, and survive being dropped. */
#include "tests/support.h"

#include "base/buf.h"
#include "base/rng.h"
#include "tests/grammar/support_rules.h"
#include "tests/grammar/support_specimen.h"

#define MAX_LENGTH 6
#define MAX_SEARCH 1000

/* ---- helpers ---- */

static struct automaton *automaton_from(struct rules *r, uint32_t start)
{
    struct err err = ERR_INIT;
    assert_ok(rules_finish(r, start, &err), err);
    return automaton_of(r);
}

/* The state after the text; held to no ceiling. */
static uint32_t after(struct automaton *a, uint32_t state, const char *text)
{
    struct err err = ERR_INIT;
    for (; *text && state != STATE_DEAD; text++)
        state = state_take(a, state, (uint8_t)*text, &err);
    assert_int_equal(err.code, ERR_NONE);
    return state;
}

static bool accepts(struct automaton *a, const char *text)
{
    automaton_lock(a);
    uint32_t state = after(a, automaton_start(a), text);
    bool may_end = state_may_end(a, state);
    automaton_unlock(a);
    return may_end;
}

static bool admits(struct automaton *a, const char *text)
{
    automaton_lock(a);
    uint32_t state = after(a, automaton_start(a), text);
    automaton_unlock(a);
    return state != STATE_DEAD;
}

/* Whether some end is found from here, nearest first; true also when the search has to be given up. */
static bool can_end(struct automaton *a, uint32_t from)
{
    static uint32_t queue[MAX_SEARCH];
    struct err err = ERR_INIT;
    int head = 0, n = 0;
    queue[n++] = from;
    while (head < n && n < MAX_SEARCH) {
        uint32_t state = queue[head++];
        if (state_may_end(a, state))
            return true;
        for (const char *c = SPECIMEN_LETTERS; *c && n < MAX_SEARCH; c++) {
            uint32_t next = state_take(a, state, (uint8_t)*c, &err);
            bool known = next == STATE_DEAD;
            for (int i = 0; i < n && !known; i++)
                known = queue[i] == next;
            if (!known)
                queue[n++] = next;
        }
    }
    return n == MAX_SEARCH;
}

/* ---- random grammars ---- */

static void check_texts(struct automaton *a, const struct specimen *s, uint32_t state, char *text, size_t n)
{
    struct err err = ERR_INIT;
    text[n] = '\0';
    enum specimen_answer answer = specimen_matches(s, (struct str){text, n});
    bool matches = answer == SPECIMEN_YES;
    if (answer != SPECIMEN_TOO_LONG_TO_TELL && matches != (state != STATE_DEAD && state_may_end(a, state)))
        fail_msg("'%s' is %sof the grammar, but the automaton says otherwise", text, matches ? "" : "not ");
    if (state != STATE_DEAD && !can_end(a, state))
        fail_msg("after '%s' the text can go on, but never end", text);
    if (n == MAX_LENGTH || (state == STATE_DEAD && n >= MAX_LENGTH - 2))
        return;
    for (const char *c = SPECIMEN_LETTERS; *c; c++) {
        text[n] = *c;
        uint32_t next = state == STATE_DEAD ? STATE_DEAD : state_take(a, state, (uint8_t)*c, &err);
        check_texts(a, s, next, text, n + 1);
    }
    assert_int_equal(err.code, ERR_NONE);
}

static void draw_bytes(uint32_t choice, unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] = (unsigned char)rng_u64(5, choice, i);
}

static void test_automaton_admits_exactly_what_random_grammars_say(void **state)
{
    (void)state;
    int tried = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        unsigned char bytes[120];
        char text[MAX_LENGTH + 1];
        struct err err = ERR_INIT;
        struct rules *rules = NULL;
        struct automaton *a = NULL;
        draw_bytes(i, bytes, sizeof bytes);
        struct specimen_source from = {bytes, sizeof bytes};
        struct specimen *s = specimen_draw(&from);
        assert_non_null(s);
        if (specimen_rules(s, &rules, &err)) {
            assert_ok(automaton_open(rules, &a, &err), err);
            automaton_lock(a);
            check_texts(a, s, automaton_start(a), text, 0);
            automaton_unlock(a);
            automaton_close(a);
            tried++;
        }
        specimen_free(s);
    }
    assert_true(tried > 400);
}

/* ---- each kind of node ---- */

static void test_sequence_of_choice_and_reference(void **state)
{
    (void)state;
    struct rules *r = open_rules();
    uint32_t list = rules_reference(r);
    const uint32_t more[] = {text_node(r, "("), list, text_node(r, ")")};
    const uint32_t ways[] = {text_node(r, "x"), rules_sequence(r, more, 3)};
    rules_define(r, list, rules_choice(r, ways, 2));
    struct automaton *a = automaton_from(r, list);
    assert_true(accepts(a, "x"));
    assert_true(accepts(a, "((x))"));
    assert_false(accepts(a, "((x)"));
    assert_true(admits(a, "((x)"));
    assert_false(admits(a, "(x))"));
    automaton_close(a);
}

static void test_nesting_past_the_ceiling_is_an_error(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct rules *r = open_rules();
    uint32_t list = rules_reference(r);
    const uint32_t more[] = {text_node(r, "("), list, text_node(r, ")")};
    const uint32_t ways[] = {text_node(r, "x"), rules_sequence(r, more, 3)};
    rules_define(r, list, rules_choice(r, ways, 2));
    struct automaton *a = automaton_from(r, list);
    automaton_lock(a);
    uint32_t at = automaton_start(a);
    for (int i = 0; i < AUTOMATON_MAX_STACK + 2 && err.code == ERR_NONE; i++)
        at = state_step(a, at, '(', &err);
    automaton_unlock(a);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_int_equal(at, STATE_DEAD);
    automaton_close(a);
}

/* Many ways at once, each of them with states without end. */
static void test_work_past_the_ceiling_is_an_error(void **state)
{
    (void)state;
    enum { WAYS = 8000 };
    struct err err = ERR_INIT;
    struct rules *r = open_rules();
    struct exprs *x = rules_exprs(r);
    const struct byte_set letters = {{0, (uint64_t)3 << ('a' & 63)}};
    uint32_t letter = expr_bytes(x, &letters), ways[WAYS];
    uint32_t third = expr_concat(x, expr_literal(x, STR("a")), expr_repeat(x, letter, 20, 20));
    uint32_t text = rules_term(r, expr_concat(x, expr_repeat(x, letter, 0, EXPR_UNBOUNDED), third));
    for (int i = 0; i < WAYS; i++) {
        const char end[] = {(char)(1 + i % 64), (char)(1 + i / 64), '\0'};
        const uint32_t parts[] = {text, text_node(r, end)};
        ways[i] = rules_sequence(r, parts, 2);
    }
    struct automaton *a = automaton_from(r, rules_choice(r, ways, WAYS));
    automaton_lock(a);
    uint32_t at = automaton_start(a);
    for (unsigned i = 1; i < 20000 && err.code == ERR_NONE; i++)
        at = state_step(a, at, (uint8_t)('a' + (rng_u64(5, 0, i) & 1)), &err);
    automaton_unlock(a);
    assert_int_equal(err.code, ERR_LIMIT);
    automaton_lock(a);   /* the next lock begins anew */
    err = ERR_INIT;
    assert_int_not_equal(state_step(a, automaton_start(a), 'a', &err), STATE_DEAD);
    automaton_unlock(a);
    automaton_close(a);
}

/* Each byte is one term's derivative, but that term has ten thousand parts. */
static void test_work_of_terms_counts(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct rules *r = open_rules();
    struct exprs *x = rules_exprs(r);
    uint32_t term = EXPR_EMPTY;
    for (int i = 0; i < 10000; i++) {
        const char letter[] = {(char)('a' + i % 10), '\0'};
        term = expr_concat(x, expr_repeat(x, expr_literal(x, str_of(letter)), 0, 1), term);
    }
    struct automaton *a = automaton_from(r, rules_term(r, term));
    automaton_lock(a);
    uint32_t at = automaton_start(a);
    for (int i = 0; i < 2000 && err.code == ERR_NONE; i++)
        at = state_step(a, at, (uint8_t)('a' + i * 7 % 10), &err);
    automaton_unlock(a);
    assert_int_equal(err.code, ERR_LIMIT);
    automaton_close(a);
}

/* Brackets in each other, or nothing. */
static uint32_t brackets(struct rules *r)
{
    uint32_t nested = rules_reference(r);
    const uint32_t within[] = {text_node(r, "("), nested, text_node(r, ")")};
    const uint32_t ways[] = {rules_sequence(r, within, 3), rules_empty(r)};
    rules_define(r, nested, rules_choice(r, ways, 2));
    return nested;
}

static void test_parts_that_may_be_empty_meet_a_ceiling(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct rules *r = open_rules();
    struct automaton *a;
    uint32_t node = brackets(r);
    for (int i = 0; i < 28; i++) {
        const uint32_t twice[] = {node, node};
        node = rules_sequence(r, twice, 2);
    }
    assert_ok(rules_finish(r, node, &err), err);
    assert_false(automaton_open(r, &a, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_non_null(strstr(err.msg, "too many ways"));
}

static uint32_t maybe(struct rules *r, int i)
{
    const char text[] = {(char)('A' + i / 64), (char)(1 + i % 64), '\0'};
    struct exprs *x = rules_exprs(r);
    return rules_term(r, expr_repeat(x, expr_literal(x, str_of(text)), 0, 1));
}

/* One byte after which many ways go on, each of them in as many as all others. */
static void test_work_within_a_step_counts(void **state)
{
    (void)state;
    enum { WAYS = 1500, PARTS = 5000 };
    struct err err = ERR_INIT;
    struct rules *r = open_rules();
    uint32_t nested = brackets(r), ways[WAYS], rest[PARTS];
    for (int i = 0; i < WAYS; i++) {
        const uint32_t parts[] = {text_node(r, "a"), nested, maybe(r, i)};
        ways[i] = rules_sequence(r, parts, 3);
    }
    for (int i = 0; i < PARTS; i++)
        rest[i] = maybe(r, i);
    const uint32_t all[] = {rules_choice(r, ways, WAYS), rules_sequence(r, rest, PARTS)};
    struct automaton *a = automaton_from(r, rules_sequence(r, all, 2));
    automaton_lock(a);
    assert_int_equal(state_step(a, automaton_start(a), 'a', &err), STATE_DEAD);
    automaton_unlock(a);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_non_null(strstr(err.msg, "too much work"));
    automaton_close(a);
}

static void test_right_recursion_does_not_deepen_stacks(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct rules *r = open_rules();
    uint32_t list = rules_reference(r);
    const uint32_t more[] = {text_node(r, "x"), list};
    const uint32_t ways[] = {text_node(r, "y"), rules_sequence(r, more, 2)};
    rules_define(r, list, rules_choice(r, ways, 2));
    struct automaton *a = automaton_from(r, list);
    automaton_lock(a);
    uint32_t at = state_step(a, automaton_start(a), 'x', &err), again = at;
    for (int i = 0; i < 2 * AUTOMATON_MAX_STACK; i++)
        again = state_step(a, again, 'x', &err);
    automaton_unlock(a);
    assert_int_equal(again, at);
    automaton_close(a);
}

/* An object of single letters: a to e as declared, then keys of x's and a full stop. */
static struct automaton *object_automaton(const struct rule_object *shape, const char *required, int n)
{
    struct rules *r = open_rules();
    struct exprs *x = rules_exprs(r);
    struct rule_field fields[6] = {0};
    struct rule_object object = *shape;
    for (int i = 0; i < n; i++) {
        const char key[] = {(char)('a' + i), '\0'};
        fields[i] = (struct rule_field){.key = expr_literal(x, str_of(key)), .value = text_node(r, "1"),
                                        .required = strchr(required, key[0]) != NULL};
    }
    if (strchr(required, 'x')) {
        uint32_t letters = expr_repeat(x, expr_literal(x, STR("x")), 1, EXPR_UNBOUNDED);
        fields[n++] = (struct rule_field){
            .key = expr_concat(x, letters, expr_literal(x, STR("."))),
            .value = text_node(r, "1"),
            .many = true,
        };
    }
    object.fields = fields;
    object.n_fields = n;
    object.colon = text_node(r, ":");
    object.separator = text_node(r, ",");
    const uint32_t parts[] = {text_node(r, "{"), rules_members(r, &object), text_node(r, "}")};
    return automaton_from(r, rules_sequence(r, parts, 3));
}

static void test_members_in_declared_order(void **state)
{
    (void)state;
    const struct rule_object object = {.max = EXPR_UNBOUNDED};
    struct automaton *a = object_automaton(&object, "bx", 3);
    assert_true(accepts(a, "{b:1}"));
    assert_true(accepts(a, "{a:1,b:1,c:1,x.:1,xx.:1}"));
    assert_false(admits(a, "{a:1}"));
    assert_false(admits(a, "{c"));
    assert_false(admits(a, "{b:1,a"));
    assert_false(admits(a, "{b:1,x.:1,c"));
    automaton_close(a);
}

static void test_members_in_any_order(void **state)
{
    (void)state;
    const struct rule_object object = {.max = EXPR_UNBOUNDED, .any_order = true};
    struct automaton *a = object_automaton(&object, "bx", 3);
    assert_true(accepts(a, "{c:1,x.:1,b:1,xx.:1,a:1}"));
    assert_false(admits(a, "{c:1}"));
    assert_false(admits(a, "{c:1,b:1,c"));
    automaton_close(a);
}

static void test_members_count_at_most_and_at_least(void **state)
{
    (void)state;
    const struct rule_object object = {.min = 2, .max = 3, .any_order = true};
    struct automaton *a = object_automaton(&object, "c", 4);
    assert_false(admits(a, "{c:1}"));
    assert_true(accepts(a, "{c:1,a:1}"));
    assert_true(admits(a, "{a:1,b:1,c"));
    assert_false(admits(a, "{a:1,b:1,d"));
    assert_false(admits(a, "{a:1,b:1,c:1,"));
    automaton_close(a);
}

static void test_members_follow_needs(void **state)
{
    (void)state;
    const struct rule_need needs[] = {{0, 2}, {3, 1}};
    const struct rule_object object = {.max = EXPR_UNBOUNDED, .needs = needs, .n_needs = 2};
    struct automaton *a = object_automaton(&object, "", 4);
    assert_true(accepts(a, "{}"));
    assert_false(admits(a, "{a:1}"));
    assert_true(accepts(a, "{a:1,c:1}"));
    assert_false(admits(a, "{d"));
    assert_true(accepts(a, "{b:1,d:1}"));
    assert_false(admits(a, "{a:1,d"));
    automaton_close(a);
}

static void test_members_never_repeat_a_key(void **state)
{
    (void)state;
    const struct rule_object object = {.max = EXPR_UNBOUNDED};
    struct automaton *a = object_automaton(&object, "x", 0);
    assert_true(accepts(a, "{xx.:1,x.:1,xxx.:1}"));
    assert_false(admits(a, "{xx.:1,xx.:"));
    assert_true(admits(a, "{xx.:1,x"));
    assert_false(admits(a, "{x.:1,xx.:1,x.:"));
    automaton_close(a);
}

static void test_states_of_recorded_keys_share_their_masks(void **state)
{
    (void)state;
    const struct rule_object object = {.max = EXPR_UNBOUNDED};
    struct automaton *a = object_automaton(&object, "x", 0);
    struct err err = ERR_INIT;
    automaton_lock(a);
    uint32_t taken = after(a, automaton_start(a), "{xx"), tried = automaton_start(a);
    for (const char *c = "{xx"; *c; c++)
        tried = state_step(a, tried, (uint8_t)*c, &err);
    assert_int_not_equal(taken, tried);
    assert_int_equal(state_shared(a, taken), state_shared(a, tried));
    assert_int_equal(state_step(a, taken, 'x', &err), state_step(a, tried, 'x', &err));
    automaton_unlock(a);
    automaton_close(a);
}

/* ---- what is asked of states ---- */

static void test_forced_text_is_the_only_way_on(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct buf out = BUF_INIT(100);
    const struct rule_object object = {.max = EXPR_UNBOUNDED};
    struct automaton *a = object_automaton(&object, "ab", 2);
    automaton_lock(a);
    assert_ok(state_forced(a, automaton_start(a), 5, &out, &err), err);
    assert_string_equal(out.p, "{a:1,");
    buf_clear(&out);
    assert_ok(state_forced(a, automaton_start(a), 50, &out, &err), err);
    assert_string_equal(out.p, "{a:1,b:1}");
    assert_true(state_must_end(a, after(a, automaton_start(a), "{a:1,b:1}")));
    assert_false(state_must_end(a, after(a, automaton_start(a), "{a:1,b:1")));
    automaton_unlock(a);
    buf_free(&out);
    automaton_close(a);
}

/* Words of letters with one space between, in quotes, and what plain text may follow at its start. */
static int plain_of_words(int words)
{
    struct rules *r = open_rules();
    struct exprs *x = rules_exprs(r);
    static const struct code_range letters[] = {{0x21, 0x21}, {0x23, 0x5b}, {0x5d, 0x7e}, {0x80, 0x10ffff}};
    uint32_t word = expr_repeat(x, expr_code_points(x, letters, 4), 0, EXPR_UNBOUNDED);
    uint32_t spaced = expr_repeat(x, expr_concat(x, word, expr_literal(x, STR(" "))), 0, words - 1);
    uint32_t quote = expr_literal(x, STR("\""));
    struct automaton *a = automaton_from(r, rules_term(r, expr_concat(x, spaced, expr_concat(x, word, quote))));
    automaton_lock(a);
    int plain = state_plain_prefix(a, automaton_start(a));
    automaton_unlock(a);
    automaton_close(a);
    return plain;
}

static void test_plain_text_is_looked_ahead_for(void **state)
{
    (void)state;
    assert_int_equal(plain_of_words(1), 0);   /* a space cannot come */
    assert_int_equal(plain_of_words(4), 3);   /* three can, all at once */
    assert_in_range(plain_of_words(100), 16, 99);
}

static void drop_counted(void *ctx, void *slot)
{
    assert_non_null(slot);
    ++*(int *)ctx;
}

static void test_held_states_outlive_the_ceiling(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    int dropped = 0;
    const struct rule_object object = {.max = EXPR_UNBOUNDED};
    struct automaton *a = object_automaton(&object, "x", 2);
    automaton_on_drop(a, drop_counted, &dropped);
    automaton_lock(a);
    uint32_t held = after(a, automaton_start(a), "{xx.:1,"), lost = after(a, automaton_start(a), "{a:");
    *state_slot(a, held) = &dropped;
    *state_slot(a, lost) = &dropped;
    state_hold(a, held);
    for (int round = 0; round < 40 && !dropped; round++) {   /* keys without end are states without end */
        uint32_t at = after(a, automaton_start(a), "{");
        for (int i = 0; i < 200 && !dropped; i++) {
            for (int k = 0; k <= (i + 7 * round) % 200; k++)
                at = after(a, at, "x");
            at = after(a, at, ".:1,");
            state_hold(a, at);
            automaton_unlock(a);
            automaton_lock(a);
            state_release(a, at);
        }
    }
    assert_int_equal(dropped, 1);
    assert_ptr_equal(*state_slot(a, held), &dropped);
    assert_int_equal(state_step(a, held, 'x', &err), state_shared(a, after(a, held, "x")));
    assert_int_equal(after(a, held, "xx.:"), STATE_DEAD);
    assert_int_not_equal(after(a, held, "x.:1}"), STATE_DEAD);
    automaton_unlock(a);
    automaton_close(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_automaton_admits_exactly_what_random_grammars_say),
        cmocka_unit_test(test_sequence_of_choice_and_reference),
        cmocka_unit_test(test_nesting_past_the_ceiling_is_an_error),
        cmocka_unit_test(test_work_past_the_ceiling_is_an_error),
        cmocka_unit_test(test_work_of_terms_counts),
        cmocka_unit_test(test_work_within_a_step_counts),
        cmocka_unit_test(test_parts_that_may_be_empty_meet_a_ceiling),
        cmocka_unit_test(test_right_recursion_does_not_deepen_stacks),
        cmocka_unit_test(test_members_in_declared_order),
        cmocka_unit_test(test_members_in_any_order),
        cmocka_unit_test(test_members_count_at_most_and_at_least),
        cmocka_unit_test(test_members_follow_needs),
        cmocka_unit_test(test_members_never_repeat_a_key),
        cmocka_unit_test(test_states_of_recorded_keys_share_their_masks),
        cmocka_unit_test(test_forced_text_is_the_only_way_on),
        cmocka_unit_test(test_plain_text_is_looked_ahead_for),
        cmocka_unit_test(test_held_states_outlive_the_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
