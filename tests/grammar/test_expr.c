/* Terms: the rules of simplification keep what is matched (held against a matcher that simplifies nothing, on random
 * expressions and texts), keep derivatives few, and meet their ceilings instead of exploding. */
#include "../support.h"

#include <limits.h>

#include "base/buf.h"
#include "base/rng.h"
#include "grammar/expr.h"

#define RANDOM_EXPRESSIONS 6000
#define TEXTS_EACH 40
#define TEXT_MAX 7

static uint64_t dice;
static uint32_t roll(uint32_t n)
{
    return (uint32_t)(rng_u64(11, 0, dice++) % n);
}

static struct exprs *open_store(void)
{
    struct exprs *x = NULL;
    struct err err = ERR_INIT;
    assert_ok(exprs_open(&x, &err), err);
    return x;
}

static uint32_t lit(struct exprs *x, const char *s)
{
    return expr_literal(x, str_of(s));
}

static uint32_t star(struct exprs *x, uint32_t a)
{
    return expr_repeat(x, a, 0, EXPR_UNBOUNDED);
}

static uint32_t any_char(struct exprs *x)
{
    struct code_range all = {0, 0x10FFFF};
    return expr_code_points(x, &all, 1);
}

/* One character inside a JSON string, escapes included. */
static uint32_t json_char(struct exprs *x)
{
    static const struct code_range plain[] = {{' ', '!'}, {'#', '['}, {']', 0x10FFFF}};
    uint32_t escapes = expr_concat(x, lit(x, "\\"), expr_or(x, lit(x, "n"), lit(x, "\"")));
    return expr_or(x, expr_code_points(x, plain, 3), escapes);
}

/* ---- a matcher that simplifies nothing: where a match that began at `at` may end, as a set of bits ---- */

enum shape { LEAF, SEQUENCE, EITHER, BOTH, OTHERWISE, COUNTED };

struct tree {
    enum shape shape;
    struct byte_set set;
    struct tree *a, *b;
    int min, max;
};

static struct tree *random_tree(int depth, struct tree *room, int *n)
{
    struct tree *t = &room[(*n)++];
    *t = (struct tree){.shape = depth == 0 ? LEAF : (enum shape)roll(6)};
    if (t->shape == LEAF)
        t->set.bits['a' / 64] = (uint64_t)(roll(7) + 1) << 'a' % 64;
    else
        t->a = random_tree(depth - 1, room, n);
    if (t->shape == SEQUENCE || t->shape == EITHER || t->shape == BOTH)
        t->b = random_tree(depth - 1, room, n);
    t->min = (int)roll(4);
    t->max = roll(3) == 0 ? EXPR_UNBOUNDED : t->min + (int)roll(3);
    return t;
}

static uint32_t ends(const struct tree *t, struct str text, size_t at);

static uint32_t ends_from(const struct tree *t, struct str text, uint32_t starts)
{
    uint32_t all = 0;
    for (size_t i = 0; i <= text.n; i++)
        if (starts >> i & 1)
            all |= ends(t, text, i);
    return all;
}

static uint32_t ends_counted(const struct tree *t, struct str text, size_t at)
{
    uint32_t now = 1u << at, all = 0;
    int rounds = t->max == EXPR_UNBOUNDED ? t->min + (int)text.n + 1 : t->max;
    for (int i = 0; i <= rounds; i++) {
        if (i >= t->min)
            all |= now;
        now = ends_from(t->a, text, now);
    }
    return all;
}

static uint32_t ends(const struct tree *t, struct str text, size_t at)
{
    uint32_t onwards = ((1u << (text.n + 1)) - 1) & ~((1u << at) - 1);
    switch (t->shape) {
    case LEAF:
        return at < text.n && t->set.bits[text.p[at] / 64] >> text.p[at] % 64 & 1 ? 1u << (at + 1) : 0;
    case SEQUENCE:
        return ends_from(t->b, text, ends(t->a, text, at));
    case EITHER:
        return ends(t->a, text, at) | ends(t->b, text, at);
    case BOTH:
        return ends(t->a, text, at) & ends(t->b, text, at);
    case OTHERWISE:
        return onwards & ~ends(t->a, text, at);
    default:
        return ends_counted(t, text, at);
    }
}

static uint32_t term_of(struct exprs *x, const struct tree *t)
{
    uint32_t a = t->a ? term_of(x, t->a) : 0, b = t->b ? term_of(x, t->b) : 0;
    switch (t->shape) {
    case LEAF:
        return expr_bytes(x, &t->set);
    case SEQUENCE:
        return expr_concat(x, a, b);
    case EITHER:
        return expr_or(x, a, b);
    case BOTH:
        return expr_and(x, a, b);
    case OTHERWISE:
        return expr_not(x, a);
    default:
        return expr_repeat(x, a, t->min, t->max);
    }
}

static struct str random_text(char room[TEXT_MAX])
{
    struct str text = {room, roll(TEXT_MAX + 1)};
    for (size_t i = 0; i < text.n; i++)
        room[i] = (char)('a' + roll(3));
    return text;
}

/* All texts of up to TEXT_MAX letters: does the tree match any? */
static bool matches_some_text(const struct tree *t)
{
    char room[TEXT_MAX];
    for (size_t n = 0; n <= TEXT_MAX; n++) {
        size_t count = 1;
        for (size_t i = 0; i < n; i++)
            count *= 3;
        for (size_t k = 0; k < count; k++) {
            for (size_t i = 0, rest = k; i < n; i++, rest /= 3)
                room[i] = (char)('a' + rest % 3);
            if (ends(t, (struct str){room, n}, 0) >> n & 1)
                return true;
        }
    }
    return false;
}

static void test_terms_match_what_their_trees_match(void **state)
{
    (void)state;
    struct tree room[64];
    char text_room[TEXT_MAX];
    for (int i = 0; i < RANDOM_EXPRESSIONS; i++) {
        struct exprs *x = open_store();
        int n = 0;
        struct tree *t = random_tree(1 + (int)roll(4), room, &n);
        uint32_t e = term_of(x, t);
        for (int k = 0; k < TEXTS_EACH; k++) {
            struct str text = random_text(text_room);
            bool expected = ends(t, text, 0) >> text.n & 1;
            if (expr_matches(x, e, text) != expected)
                fail_msg("expression %d, text " STR_FMT ": expected %d", i, STR_ARG(text), expected);
        }
        assert_true(exprs_check(x, NULL));
        exprs_close(x);
    }
}

static void test_emptiness_and_examples_agree_with_the_trees(void **state)
{
    (void)state;
    struct tree room[64];
    for (int i = 0; i < RANDOM_EXPRESSIONS / 10; i++) {
        struct exprs *x = open_store();
        struct buf example = BUF_INIT(1000);
        int n = 0;
        struct tree *t = random_tree(1 + (int)roll(3), room, &n);
        uint32_t e = term_of(x, t);
        bool found = expr_example(x, e, &example);
        assert_int_equal(found, !expr_is_empty(x, e));
        if (found)
            assert_true(expr_matches(x, e, buf_view(&example)));
        else
            assert_false(matches_some_text(t));
        buf_free(&example);
        exprs_close(x);
    }
}

static void test_bytes_of_a_class_have_one_derivative(void **state)
{
    (void)state;
    struct tree room[64];
    for (int i = 0; i < RANDOM_EXPRESSIONS / 10; i++) {
        struct exprs *x = open_store();
        uint8_t class_of[256];
        uint32_t derivative_of[256];
        int n = 0;
        uint32_t e = term_of(x, random_tree(1 + (int)roll(4), room, &n));
        int classes = expr_classes(x, e, class_of, 0);
        assert_in_range(classes, 1, 5);
        memset(derivative_of, 0xFF, sizeof derivative_of);
        for (int byte = 0; byte < 256; byte++) {
            uint32_t *mine = &derivative_of[class_of[byte]];
            assert_in_range(class_of[byte], 0, classes - 1);
            if (*mine == UINT32_MAX)
                *mine = expr_derive(x, e, (uint8_t)byte);
            assert_int_equal(expr_derive(x, e, (uint8_t)byte), *mine);
        }
        exprs_close(x);
    }
}

static void test_classes_refine_what_is_given(void **state)
{
    (void)state;
    struct exprs *x = open_store();
    uint8_t class_of[256];
    int n = expr_classes(x, lit(x, "a"), class_of, 0);
    assert_int_equal(n, 2);
    n = expr_classes(x, lit(x, "b"), class_of, n);
    assert_int_equal(n, 3);
    assert_true(class_of['a'] != class_of['b'] && class_of['a'] != class_of['c'] && class_of['b'] != class_of['c']);
    assert_int_equal(class_of['c'], class_of['d']);
    exprs_close(x);
}

/* ---- equal terms are one term ---- */

static void test_simplification_makes_equals_the_same(void **state)
{
    (void)state;
    struct exprs *x = open_store();
    uint32_t a = lit(x, "a"), b = lit(x, "b"), ab = lit(x, "ab"), p = lit(x, "pq"), q = lit(x, "rs");
    assert_int_equal(expr_concat(x, a, b), ab);
    assert_int_equal(expr_or(x, p, q), expr_or(x, q, p));
    assert_int_equal(expr_or(x, expr_or(x, p, q), p), expr_or(x, p, q));
    assert_int_equal(expr_and(x, p, expr_not(x, p)), EXPR_NONE);
    assert_int_equal(expr_not(x, expr_not(x, p)), p);
    assert_int_equal(expr_or(x, p, expr_not(x, EXPR_NONE)), expr_not(x, EXPR_NONE));
    assert_int_equal(expr_and(x, a, b), EXPR_NONE);
    assert_int_equal(star(x, star(x, p)), star(x, p));
    assert_int_equal(expr_or(x, EXPR_EMPTY, expr_repeat(x, p, 1, 7)), expr_repeat(x, p, 0, 7));
    assert_int_equal(star(x, expr_or(x, EXPR_EMPTY, p)), star(x, p));
    assert_int_equal(expr_repeat(x, expr_repeat(x, p, 1000, 1000), 1000, 1000), expr_repeat(x, p, 1000000, 1000000));
    assert_int_equal(expr_concat(x, star(x, p), star(x, p)), star(x, p));
    assert_int_equal(expr_or(x, expr_repeat(x, p, 0, 3), expr_repeat(x, p, 2, 9)), expr_repeat(x, p, 0, 9));
    assert_int_equal(expr_or(x, star(x, any_char(x)), p), star(x, any_char(x)));
    assert_int_equal(expr_concat(x, expr_concat(x, star(x, a), b), star(x, a)),
                     expr_concat(x, star(x, a), expr_concat(x, b, star(x, a))));
    exprs_close(x);
}

static void test_repeat_of_repeat_with_gaps_stays_two(void **state)
{
    (void)state;
    struct exprs *x = open_store();
    uint32_t e = expr_repeat(x, expr_repeat(x, lit(x, "a"), 3, 3), 1, 2);   /* 3 or 6 */
    for (int n = 0; n < 9; n++)
        assert_int_equal(expr_matches(x, e, (struct str){"aaaaaaaaa", (size_t)n}), n == 3 || n == 6);
    exprs_close(x);
}

static void test_many_literals_share_their_beginnings(void **state)
{
    (void)state;
    struct exprs *x = open_store();
    uint32_t terms[4096], *last = terms;
    char name[32];
    for (int i = 0; i < 4096; i++, last++) {
        snprintf(name, sizeof name, "property_number_%d", i);
        *last = lit(x, name);
    }
    uint32_t all = expr_or_all(x, terms, 4096), before = exprs_count(x);
    assert_true(expr_matches(x, all, STR("property_number_4095")));
    assert_false(expr_matches(x, all, STR("property_number_4096")));
    assert_false(expr_matches(x, all, STR("property_number_")));
    assert_true(exprs_count(x) - before < 200);
    exprs_close(x);
}

/* ---- code points ---- */

static void test_code_points_are_utf8_and_nothing_else(void **state)
{
    (void)state;
    struct exprs *x = open_store();
    uint32_t any = any_char(x);
    for (uint32_t cp = 0; cp <= 0x10FFFF; cp += 1 + cp / 40) {
        char utf8[4];
        int n = utf8_encode(cp, utf8);
        assert_true(n == 0 || expr_matches(x, any, (struct str){utf8, (size_t)n}));
    }
    assert_false(expr_matches(x, any, STR("\xC0\x80")));
    assert_false(expr_matches(x, any, STR("\xE0\x82\x80")));
    assert_false(expr_matches(x, any, STR("\xF0\x82\x82\x80")));
    assert_false(expr_matches(x, any, STR("\xED\xA0\x80")));
    assert_false(expr_matches(x, any, STR("\xF4\x90\x80\x80")));
    exprs_close(x);
}

static void test_random_code_ranges_match_their_members(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        struct exprs *x = open_store();
        struct code_range ranges[6];
        int n = 1 + (int)roll(6);
        for (int k = 0; k < n; k++) {
            ranges[k].first = roll(0x110000) >> roll(20);
            ranges[k].last = ranges[k].first + (roll(0x20000) >> roll(17));
        }
        uint32_t e = expr_code_points(x, ranges, n);
        for (int k = 0; k < 400; k++) {
            const struct code_range *near = &ranges[roll((uint32_t)n)];
            uint32_t cp = (roll(2) ? near->first : near->last) + roll(5) - 2;
            char utf8[4];
            int bytes = utf8_encode(cp, utf8);
            bool inside = false;
            for (int m = 0; m < n; m++)
                inside |= cp >= ranges[m].first && cp <= ranges[m].last;
            if (bytes > 0)
                assert_int_equal(expr_matches(x, e, (struct str){utf8, (size_t)bytes}), inside);
        }
        exprs_close(x);
    }
}

/* ---- plain text ---- */

static void test_plain_prefix_of_json_strings(void **state)
{
    (void)state;
    struct exprs *x = open_store();
    uint32_t c = json_char(x), quote = lit(x, "\""), any = star(x, c);
    uint32_t body = expr_concat(x, any, quote), some = expr_concat(x, expr_repeat(x, c, 2, 9), quote);
    assert_int_equal(expr_plain_prefix(x, body), INT_MAX);
    assert_int_equal(expr_plain_prefix(x, some), 9);
    assert_int_equal(expr_plain_prefix(x, expr_derive(x, some, 'x')), 8);
    assert_int_equal(expr_plain_prefix(x, expr_and(x, body, some)), 9);
    assert_int_equal(expr_plain_prefix(x, expr_and(x, expr_concat(x, expr_repeat(x, c, 5, 30), quote), some)), 9);
    assert_int_equal(expr_plain_prefix(x, expr_concat(x, any, expr_concat(x, lit(x, "foo"), body))), INT_MAX);
    assert_int_equal(expr_plain_prefix(x, expr_and(x, body, expr_not(x, lit(x, "name\"")))), INT_MAX);
    assert_int_equal(expr_plain_prefix(x, lit(x, "name\"")), 0);
    assert_int_equal(expr_plain_prefix(x, expr_derive(x, body, '\\')), 0);
    assert_int_equal(expr_plain_prefix(x, quote), 0);
    exprs_close(x);
}

static void test_plain_prefix_never_promises_what_an_intersection_forbids(void **state)
{
    (void)state;
    struct exprs *x = open_store();
    uint32_t c = json_char(x), any = star(x, c), quote = lit(x, "\"");
    uint32_t ends_in_p = expr_concat(x, any, lit(x, "p\"")), ends_in_q = expr_concat(x, any, lit(x, "q\""));
    uint32_t shorter = expr_concat(x, expr_repeat(x, c, 0, 4), quote);
    uint32_t longer = expr_concat(x, expr_repeat(x, c, 6, 9), quote);
    assert_int_equal(expr_plain_prefix(x, expr_and(x, ends_in_p, ends_in_q)), 0);
    assert_int_equal(expr_plain_prefix(x, expr_and(x, shorter, longer)), 0);
    assert_true(expr_is_empty(x, expr_and(x, shorter, longer)));
    assert_int_equal(expr_plain_prefix(x, expr_and(x, shorter, expr_not(x, lit(x, "abcd\"")))), 0);
    exprs_close(x);
}

/* ---- few derivatives, and ceilings ---- */

/* How many terms are reached, at most `limit`. */
static uint32_t count_reached(struct exprs *x, uint32_t e, uint32_t limit)
{
    uint32_t *reached = calloc(limit, sizeof *reached), n = 1;
    reached[0] = e;
    for (uint32_t i = 0; i < n; i++) {
        for (int byte = 0; byte < 256; byte++) {
            uint32_t d = expr_derive(x, reached[i], (uint8_t)byte), k = 0;
            while (k < n && reached[k] != d)
                k++;
            if (k == n && n < limit)
                reached[n++] = d;
        }
    }
    free(reached);
    return n;
}

static void test_a_search_that_has_found_stops_telling_apart(void **state)
{
    (void)state;
    struct exprs *x = open_store();
    uint32_t any = star(x, json_char(x)), foo = expr_or(x, lit(x, "foo"), lit(x, "bar"));
    uint32_t e = expr_concat(x, any, expr_concat(x, foo, any));
    uint32_t found = e;
    for (const char *p = "xxbar"; *p; p++)
        found = expr_derive(x, found, (uint8_t)*p);
    assert_int_equal(found, any);
    assert_in_range(count_reached(x, e, 1000), 1, 40);
    exprs_close(x);
}

/* (not "a" or "c"), then (a+ and not "b"): on the way a union is looked through while its emptiness is asked. */
static void test_a_search_within_a_search_hides_nothing_from_it(void **state)
{
    (void)state;
    struct exprs *x = open_store();
    uint32_t behind = expr_and(x, expr_repeat(x, lit(x, "a"), 1, EXPR_UNBOUNDED), expr_not(x, lit(x, "b")));
    uint32_t e = expr_concat(x, expr_not(x, expr_or(x, lit(x, "a"), lit(x, "c"))), behind);
    for (const char *p = "aabbca"; *p; p++) {
        assert_false(expr_is_empty(x, e));
        e = expr_derive(x, e, (uint8_t)*p);
    }
    assert_true(expr_nullable(x, e));
    exprs_close(x);
}

/* Each term has the one before twice: as a tree it would have 2^60 parts. */
static void test_plain_prefix_of_shared_parts_comes_to_an_end(void **state)
{
    (void)state;
    struct exprs *x = open_store();
    uint32_t e = lit(x, "ab");
    for (int i = 0; i < 60; i++)
        e = expr_or(x, expr_concat(x, star(x, e), lit(x, "c")), expr_concat(x, star(x, e), lit(x, "d")));
    assert_int_equal(expr_plain_prefix(x, e), 0);
    exprs_close(x);
}

static void test_ambiguous_repetition_has_few_derivatives(void **state)
{
    (void)state;
    struct exprs *x = open_store();
    uint32_t a = lit(x, "a"), b = lit(x, "b");
    uint32_t maybe = expr_concat(x, expr_or(x, EXPR_EMPTY, a), expr_or(x, EXPR_EMPTY, b));
    uint32_t stars = expr_concat(x, star(x, a), expr_concat(x, star(x, b), star(x, a)));
    assert_in_range(count_reached(x, expr_repeat(x, maybe, 50, 50), 1000), 1, 160);
    assert_in_range(count_reached(x, star(x, stars), 1000), 1, 8);
    exprs_close(x);
}

static void test_terms_of_long_literals_cost_one_each(void **state)
{
    (void)state;
    struct exprs *x = open_store();
    static char text[60000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i % 23);
    uint32_t e = expr_literal(x, (struct str){text, sizeof text});
    assert_true(expr_matches(x, e, (struct str){text, sizeof text}));
    assert_in_range(exprs_count(x), sizeof text, sizeof text + 100);
    exprs_close(x);
}

static void test_nesting_past_the_ceiling_spoils_the_store(void **state)
{
    (void)state;
    struct exprs *x = open_store();
    struct err err = ERR_INIT;
    uint32_t e = lit(x, "a");
    for (int i = 0; i < 100000; i++)
        e = expr_or(x, expr_repeat(x, expr_concat(x, e, lit(x, "b")), 2, 3), lit(x, "c"));
    assert_int_equal(e, EXPR_NONE);
    assert_false(exprs_check(x, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_int_equal(lit(x, "x"), EXPR_NONE);
    assert_int_equal(expr_derive(x, EXPR_EMPTY, 'a'), EXPR_NONE);
    assert_true(expr_is_empty(x, EXPR_EMPTY));
    exprs_close(x);
}

static void test_what_explodes_meets_a_ceiling(void **state)
{
    (void)state;
    struct exprs *x = open_store();
    uint32_t any = any_char(x), e = EXPR_EMPTY;
    /* the n-th character from the end, for many n: their intersection tells 2^n endings apart */
    for (int n = 1; n < 40; n++) {
        uint32_t tail = expr_concat(x, expr_or(x, lit(x, "a"), lit(x, "b")), expr_repeat(x, any, n, n));
        e = expr_concat(x, star(x, any), expr_concat(x, tail, e));
    }
    for (int i = 0; i < 20000 && exprs_check(x, NULL); i++)
        e = expr_derive(x, e, (uint8_t)("abc"[roll(3)]));
    for (int i = 0; i < 3; i++)
        assert_in_range(exprs_count(x), 1, EXPR_MAX_TERMS);
    exprs_close(x);
}

static void test_counts_past_the_ceiling_are_refused(void **state)
{
    (void)state;
    struct exprs *x = open_store();
    assert_int_equal(expr_repeat(x, lit(x, "a"), 0, EXPR_MAX_REPEAT + 1), EXPR_NONE);
    assert_false(exprs_check(x, NULL));
    exprs_close(x);
}

static void test_a_store_over_half_full_is_worn(void **state)
{
    (void)state;
    struct exprs *x = open_store();
    assert_false(exprs_are_worn(x));
    for (uint32_t i = 0; i < EXPR_MAX_TERMS && exprs_count(x) <= EXPR_MAX_TERMS / 2; i++) {
        char text[8] = {(char)(i >> 24), (char)(i >> 16), (char)(i >> 8), (char)i, 'a', 'b', 'c', 'd'};
        if (exprs_count(x) < 1000)
            assert_false(exprs_are_worn(x));
        expr_literal(x, (struct str){text, sizeof text});
    }
    assert_true(exprs_are_worn(x));
    assert_true(exprs_check(x, NULL));
    exprs_close(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_terms_match_what_their_trees_match),
        cmocka_unit_test(test_emptiness_and_examples_agree_with_the_trees),
        cmocka_unit_test(test_bytes_of_a_class_have_one_derivative),
        cmocka_unit_test(test_classes_refine_what_is_given),
        cmocka_unit_test(test_simplification_makes_equals_the_same),
        cmocka_unit_test(test_repeat_of_repeat_with_gaps_stays_two),
        cmocka_unit_test(test_many_literals_share_their_beginnings),
        cmocka_unit_test(test_code_points_are_utf8_and_nothing_else),
        cmocka_unit_test(test_random_code_ranges_match_their_members),
        cmocka_unit_test(test_plain_prefix_of_json_strings),
        cmocka_unit_test(test_plain_prefix_never_promises_what_an_intersection_forbids),
        cmocka_unit_test(test_a_search_that_has_found_stops_telling_apart),
        cmocka_unit_test(test_a_search_within_a_search_hides_nothing_from_it),
        cmocka_unit_test(test_plain_prefix_of_shared_parts_comes_to_an_end),
        cmocka_unit_test(test_ambiguous_repetition_has_few_derivatives),
        cmocka_unit_test(test_terms_of_long_literals_cost_one_each),
        cmocka_unit_test(test_nesting_past_the_ceiling_spoils_the_store),
        cmocka_unit_test(test_what_explodes_meets_a_ceiling),
        cmocka_unit_test(test_counts_past_the_ceiling_are_refused),
        cmocka_unit_test(test_a_store_over_half_full_is_worn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
