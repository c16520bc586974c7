/* Masks against the plain truth: a token is admitted exactly when its bytes, taken one by one, leave a text that can
 * go on. */
#include "../support.h"

#include <pthread.h>

#include "base/rng.h"
#include "grammar/constraint.h"
#include "grammar/frontends.h"
#include "grammar/rules.h"

/* ---- a vocabulary of all bytes, texts that JSON has, and random ones ---- */

enum { N_TOKENS = 1500, END_TOKEN = 300, SILENT_TOKEN = 301, OTHER_END = 1499 };
static char token_bytes[N_TOKENS][24];
static size_t token_sizes[N_TOKENS];

static struct str piece_of(void *ctx, int32_t id)
{
    (void)ctx;
    return (struct str){token_bytes[id], token_sizes[id]};
}

static bool is_end_of(void *ctx, int32_t id)
{
    (void)ctx;
    return id == END_TOKEN || id == OTHER_END;
}

static void set_token(int32_t id, const char *text)
{
    token_sizes[id] = strlen(text);
    memcpy(token_bytes[id], text, token_sizes[id]);
}

static void make_tokens(void)
{
    static const char *const texts[] = {"\"a", "a\"", "\",", "\":", "ab", "abab", "aaaaaaaaaaaaaaaaaaaa", "bb\"",
                                        "\\\"",
                                        "\xC3\xA9", "a\xC3", "\xA9z", "[", "]", "[]", "],", "1", "12", "true", "tr",
                                        "{\"", "{}", "\"}", "ab", "\"\"", "aaaa", "baba", " ", "\n  "};
    static const char *const letters[] = {"a", "b", "\"", "\\", "\xC3\xA9", "1", ",", "a", "\xC3", "\xA9"};
    for (int32_t id = 0; id < N_TOKENS; id++) {
        token_sizes[id] = 0;
        if (id < 256) {
            token_bytes[id][0] = (char)id;
            token_sizes[id] = 1;
        }
        for (uint64_t i = 0, n = 2 + rng_u64(5, (uint32_t)id, 0) % 6; id >= 256 && i < n; i++) {
            const char *letter = letters[rng_u64(6, (uint32_t)id, i) % 10];
            memcpy(token_bytes[id] + token_sizes[id], letter, strlen(letter));
            token_sizes[id] += strlen(letter);
        }
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        set_token(310 + (int32_t)i, texts[i]);
    token_sizes[SILENT_TOKEN] = 0;
}

static struct vocabulary *open_tokens(void)
{
    struct vocabulary_spec spec = {N_TOKENS, piece_of, is_end_of, NULL};
    struct vocabulary *v = NULL;
    struct err err = ERR_INIT;
    make_tokens();
    assert_ok(vocabulary_open(&spec, &v, &err), err);
    return v;
}

static struct matcher *open_rules(struct rules *rules, const struct vocabulary *v)
{
    struct constraint *c;
    struct matcher *m;
    struct err err = ERR_INIT;
    assert_ok(constraint_open(rules, v, &c, &err), err);
    assert_ok(matcher_open(c, &m, &err), err);
    constraint_release(c);   /* the matcher keeps it */
    return m;
}

static struct matcher *open_regex(const char *pattern, const struct vocabulary *v)
{
    struct rules *rules;
    struct err err = ERR_INIT;
    assert_ok(rule_regex(str_of(pattern), &rules, &err), err);
    return open_rules(rules, v);
}

static bool has(const uint64_t *mask, int32_t id)
{
    return mask[id / 64] >> id % 64 & 1;
}

static void take(struct matcher *m, const char *text)
{
    struct err err = ERR_INIT;
    for (; *text; text++)
        assert_ok(matcher_take(m, (uint8_t)*text, &err), err);
}

/* The mask, held to what each token's bytes do. */
static void assert_mask_is_true(struct matcher *m, uint64_t mask[VOCABULARY_WORDS(N_TOKENS)])
{
    struct err err = ERR_INIT;
    uint64_t again[VOCABULARY_WORDS(N_TOKENS)];
    memset(mask, 0x5A, VOCABULARY_WORDS(N_TOKENS) * sizeof *mask);
    assert_ok(matcher_mask(m, mask, &err), err);
    for (int32_t id = 0; id < N_TOKENS; id++)
        if (has(mask, id) != matcher_admits(m, id))
            fail_msg("the mask %s token %d ('%.*s')", has(mask, id) ? "admits" : "bars", (int)id,
                     (int)token_sizes[id], token_bytes[id]);
    assert_true(has(mask, END_TOKEN) == matcher_may_end(m) && has(mask, OTHER_END) == matcher_may_end(m));
    assert_ok(matcher_mask(m, again, &err), err);
    assert_memory_equal(mask, again, sizeof again);   /* now remembered */
}

/* ---- random grammars ---- */

struct dice {
    uint64_t seed, at;
};

static uint32_t roll(struct dice *d, uint32_t n)
{
    return (uint32_t)(rng_u64(d->seed, 0, d->at++) % n);
}

static uint32_t random_string(struct exprs *x, struct dice *d)
{
    static const struct code_range plain[] = {{0x20, 0x21}, {0x23, 0x5B}, {0x5D, 0x7E}, {0x80, 0x10FFFF}};
    static const int most[] = {EXPR_UNBOUNDED, 3, 7, 17, 40};
    uint32_t inside = expr_code_points(x, plain, 4);
    if (roll(d, 2))
        inside = expr_or(x, inside, expr_concat(x, expr_literal(x, STR("\\")), expr_literal(x, STR("\""))));
    uint32_t text = expr_repeat(x, inside, (int)roll(d, 3), most[roll(d, 5)]);
    return expr_concat(x, expr_literal(x, STR("\"")), expr_concat(x, text, expr_literal(x, STR("\""))));
}

static uint32_t random_term(struct exprs *x, struct dice *d, int depth)
{
    static const char *const literals[] = {"a", "ab", "\"a\"", "\xC3\xA9", "1", "aab", "b\\", ","};
    uint32_t kind = roll(d, depth > 3 ? 2 : 8);
    if (kind == 0)
        return expr_literal(x, str_of(literals[roll(d, 8)]));
    if (kind == 1)
        return random_string(x, d);
    uint32_t a = random_term(x, d, depth + 1), b = random_term(x, d, depth + 1);
    if (kind == 2)
        return expr_repeat(x, a, (int)roll(d, 3), roll(d, 2) ? EXPR_UNBOUNDED : 3);
    if (kind == 3)
        return expr_and(x, expr_or(x, a, b), expr_not(x, expr_literal(x, str_of(literals[roll(d, 8)]))));
    return kind < 6 ? expr_concat(x, a, b) : expr_or(x, a, b);
}

static uint32_t random_node(struct rules *r, struct dice *d, int depth)
{
    struct exprs *x = rules_exprs(r);
    uint32_t kind = roll(d, depth > 3 ? 1 : 6);
    if (kind < 2)
        return rules_term(r, random_term(x, d, 0));
    uint32_t nodes[3];
    for (int i = 0; i < 3; i++)
        nodes[i] = random_node(r, d, depth + 1);
    uint32_t comma = rules_term(r, expr_literal(x, STR(",")));
    if (kind == 2)
        return rules_sequence(r, nodes, 3);
    if (kind == 3)
        return rules_choice(r, nodes, 3);
    if (kind == 4)
        return rules_repeat(r, nodes[0], roll(d, 2) ? comma : RULES_NONE, roll(d, 3), 2 + roll(d, 5));
    return rules_items(r, nodes, 2, nodes[2], comma, roll(d, 3), roll(d, 2) ? EXPR_UNBOUNDED : 4);
}

/* One of the tokens that the mask admits. */
static int32_t choose(const uint64_t *mask, struct dice *d)
{
    int32_t first = (int32_t)roll(d, N_TOKENS);
    for (int32_t i = 0; i < N_TOKENS; i++)
        if (has(mask, (first + i) % N_TOKENS))
            return (first + i) % N_TOKENS;
    return -1;
}

static void walk_random_grammar(const struct vocabulary *v, uint64_t seed)
{
    struct dice d = {.seed = seed};
    struct rules *r;
    struct err err = ERR_INIT;
    uint64_t mask[VOCABULARY_WORDS(N_TOKENS)];
    assert_ok(rules_open(&r, &err), err);
    if (!rules_finish(r, random_node(r, &d, 0), &err)) {
        rules_close(r);   /* one that no text satisfies */
        return;
    }
    struct matcher *m = open_rules(r, v);
    for (int step = 0; step < 12; step++) {
        assert_mask_is_true(m, mask);
        int32_t id = choose(mask, &d);
        assert_true(id >= 0);   /* what is not dead can go on or end */
        assert_ok(matcher_take(m, id, &err), err);
        if (is_end_of(NULL, id))
            break;
    }
    matcher_close(m);
}

static void test_masks_equal_stepping_every_token(void **state)
{
    (void)state;
    struct vocabulary *v = open_tokens();
    for (uint64_t seed = 0; seed < 150; seed++)
        walk_random_grammar(v, seed);
    vocabulary_close(v);
}

/* ---- single behaviours ---- */

static void test_plain_text_is_admitted_up_to_the_length_that_is_left(void **state)
{
    (void)state;
    struct vocabulary *v = open_tokens();
    uint64_t mask[VOCABULARY_WORDS(N_TOKENS)];
    struct matcher *m = open_regex("\"[^\"\\\\\\x00-\\x1f\\x7f]{0,5}\"", v);
    take(m, "\"a");
    assert_mask_is_true(m, mask);
    assert_true(matcher_admits(m, 315));   /* abab: four of the four left */
    take(m, "b");
    assert_mask_is_true(m, mask);
    assert_false(matcher_admits(m, 315));
    matcher_close(m);
    vocabulary_close(v);
}

static void test_end_tokens_are_admitted_where_the_text_may_end(void **state)
{
    (void)state;
    struct vocabulary *v = open_tokens();
    struct err err = ERR_INIT;
    struct matcher *m = open_regex("ab?", v);
    assert_false(matcher_admits(m, END_TOKEN));
    assert_false(matcher_take(m, END_TOKEN, &err));
    assert_int_equal(err.code, ERR_INVALID);
    take(m, "a");
    assert_true(matcher_may_end(m) && !matcher_must_end(m) && matcher_admits(m, OTHER_END));
    take(m, "b");
    assert_true(matcher_must_end(m));
    assert_ok(matcher_take(m, END_TOKEN, &err), err);
    matcher_close(m);
    vocabulary_close(v);
}

static void test_nothing_follows_an_end_token(void **state)
{
    (void)state;
    struct vocabulary *v = open_tokens();
    struct err err = ERR_INIT;
    uint64_t mask[VOCABULARY_WORDS(N_TOKENS)];
    struct matcher *m = open_regex("a*", v);
    assert_ok(matcher_take(m, END_TOKEN, &err), err);
    assert_ok(matcher_mask(m, mask, &err), err);
    for (size_t w = 0; w < VOCABULARY_WORDS(N_TOKENS); w++)
        assert_int_equal(mask[w], 0);
    assert_true(matcher_must_end(m) && !matcher_admits(m, 'a') && !matcher_take(m, 'a', &err));
    matcher_close(m);
    vocabulary_close(v);
}

static void test_a_refused_token_changes_nothing(void **state)
{
    (void)state;
    struct vocabulary *v = open_tokens();
    struct err err = ERR_INIT;
    uint64_t before[VOCABULARY_WORDS(N_TOKENS)], after[VOCABULARY_WORDS(N_TOKENS)];
    struct matcher *m = open_regex("ab+c", v);
    take(m, "a");
    assert_mask_is_true(m, before);
    const int32_t refused[] = {'a', 314, SILENT_TOKEN, END_TOKEN, -1, N_TOKENS};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        err = ERR_INIT;
        assert_false(matcher_take(m, refused[i], &err));
        assert_int_equal(err.code, ERR_INVALID);
        assert_false(matcher_admits(m, refused[i]));
    }
    assert_mask_is_true(m, after);
    assert_memory_equal(before, after, sizeof after);
    matcher_close(m);
    vocabulary_close(v);
}

static void test_a_fork_goes_its_own_way(void **state)
{
    (void)state;
    struct vocabulary *v = open_tokens();
    struct err err = ERR_INIT;
    struct matcher *m = open_regex("(ab|ba)", v), *fork;
    take(m, "a");
    assert_ok(matcher_fork(m, &fork, &err), err);
    take(m, "b");
    assert_true(matcher_must_end(m));
    matcher_close(m);
    assert_true(matcher_admits(fork, 'b') && !matcher_admits(fork, 'a') && !matcher_may_end(fork));
    matcher_close(fork);
    vocabulary_close(v);
}

static void test_forced_text_stops_at_a_choice_and_at_an_end(void **state)
{
    (void)state;
    struct vocabulary *v = open_tokens();
    struct err err = ERR_INIT;
    struct buf out = BUF_INIT(100);
    struct matcher *m = open_regex("name: (red|round)", v);
    assert_ok(matcher_forced(m, 50, &out, &err), err);
    assert_string_equal(out.p, "name: r");
    buf_clear(&out);
    assert_ok(matcher_forced(m, 3, &out, &err), err);
    assert_string_equal(out.p, "nam");
    buf_clear(&out);
    take(m, "name: ro");
    assert_ok(matcher_forced(m, 50, &out, &err), err);
    assert_string_equal(out.p, "und");
    take(m, "und");
    buf_clear(&out);
    assert_ok(matcher_forced(m, 50, &out, &err), err);
    assert_int_equal(out.n, 0);
    buf_free(&out);
    matcher_close(m);
    vocabulary_close(v);
}

static void test_accepts_says_how_far_a_text_goes(void **state)
{
    (void)state;
    struct vocabulary *v = open_tokens();
    struct rules *rules;
    struct constraint *c;
    struct err err = ERR_INIT;
    size_t n;
    bool whole;
    assert_ok(rule_regex(STR("abc"), &rules, &err), err);
    assert_ok(constraint_open(rules, v, &c, &err), err);
    assert_true(constraint_accepts(c, STR("abc"), &n, &whole) && whole && n == 3);
    assert_false(constraint_accepts(c, STR("ab"), &n, &whole) || whole || n != 2);
    assert_false(constraint_accepts(c, STR("abd"), &n, &whole) || whole || n != 2);
    assert_false(constraint_accepts(c, STR("abcd"), &n, &whole) || whole || n != 3);
    constraint_release(c);
    vocabulary_close(v);
}

/* ---- several answers at once ---- */

/* NULL when all went well. */
static void *walk_alone(void *constraint)
{
    static char fault[] = "a mask is not true, or was not to be had";
    struct matcher *m;
    struct err err = ERR_INIT;
    uint64_t mask[VOCABULARY_WORDS(N_TOKENS)], wrong = 0;
    struct dice d = {.seed = 77};
    if (!matcher_open(constraint, &m, &err))
        return fault;
    for (int step = 0; step < 200 && !wrong; step++) {
        if (!matcher_mask(m, mask, &err))
            wrong++;
        for (int32_t id = 0; id < N_TOKENS; id += 7)
            wrong += has(mask, id) != matcher_admits(m, id);
        int32_t id = choose(mask, &d);
        wrong += id < 0 || !matcher_take(m, id, &err);
        if (matcher_must_end(m))
            break;
    }
    matcher_close(m);
    return wrong ? fault : NULL;
}

static void test_answers_of_several_threads_share_a_rule(void **state)
{
    (void)state;
    struct vocabulary *v = open_tokens();
    struct rules *rules;
    struct constraint *c;
    struct err err = ERR_INIT;
    pthread_t threads[4];
    void *fault;
    assert_ok(rule_any_json(true, &rules, &err), err);
    assert_ok(constraint_open(rules, v, &c, &err), err);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, walk_alone, c), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], &fault), 0);
        if (fault)
            fail_msg("%s", (char *)fault);
    }
    constraint_release(c);
    vocabulary_close(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_masks_equal_stepping_every_token),
        cmocka_unit_test(test_plain_text_is_admitted_up_to_the_length_that_is_left),
        cmocka_unit_test(test_end_tokens_are_admitted_where_the_text_may_end),
        cmocka_unit_test(test_nothing_follows_an_end_token),
        cmocka_unit_test(test_a_refused_token_changes_nothing),
        cmocka_unit_test(test_a_fork_goes_its_own_way),
        cmocka_unit_test(test_forced_text_stops_at_a_choice_and_at_an_end),
        cmocka_unit_test(test_answers_of_several_threads_share_a_rule),
        cmocka_unit_test(test_accepts_says_how_far_a_text_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
