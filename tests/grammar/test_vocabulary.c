/* What a vocabulary makes of its tokens: which are plain, and tries that hold each of them once. */
#include "../support.h"

#include <limits.h>

#include "base/rng.h"
#include "grammar/mask/vocabulary.h"

struct list {
    const struct str *pieces;
    int32_t end;
};

static struct str piece_of(void *ctx, int32_t id)
{
    return ((struct list *)ctx)->pieces[id];
}

static bool is_end_of(void *ctx, int32_t id)
{
    return id == ((struct list *)ctx)->end;
}

static struct vocabulary *open_list(const struct str *pieces, int32_t n, int32_t end)
{
    struct list list = {pieces, end};
    struct vocabulary_spec spec = {n, piece_of, is_end_of, &list};
    struct vocabulary *v = NULL;
    struct err err = ERR_INIT;
    assert_ok(vocabulary_open(&spec, &v, &err), err);
    return v;
}

static void test_plain_tokens_are_counted_in_characters(void **state)
{
    (void)state;
    assert_int_equal(plain_size(STR("a")), 0);
    assert_int_equal(plain_size(STR(" caf\xC3\xA9")), 4);
    assert_int_equal(plain_size(STR("\xF0\x9F\x98\x80")), 0);
    assert_int_equal(plain_size(STR("0123456789abcdef")), 15);
    assert_int_equal(plain_size(STR("0123456789abcdefg")), 16);
    assert_int_equal(plain_size(STR("0123456789abcdefgh, and more")), 18);
}

static void test_a_size_is_the_largest_that_fits(void **state)
{
    (void)state;
    assert_int_equal(plain_within(0), PLAIN_NONE);
    assert_int_equal(plain_within(1), 0);
    assert_int_equal(plain_within(16), 15);
    assert_int_equal(plain_within(19), 15);
    assert_int_equal(plain_within(20), 16);
    assert_int_equal(plain_within(100000), PLAIN_SIZES - 2);
    assert_int_equal(plain_within(INT_MAX), PLAIN_SIZES - 1);
}

static void test_a_cut_last_character_counts_as_one(void **state)
{
    (void)state;
    assert_int_equal(plain_size(STR("a\xE4\xBD")), 1);
    assert_int_equal(plain_size(STR("\xF0\x9F")), 0);
    assert_int_equal(plain_size(STR("\xE0\xA0")), 0);
    assert_int_equal(plain_size(STR("\xE0\x80")), -1);   /* no character begins so */
    assert_int_equal(plain_size(STR("\xED\xA0")), -1);
    assert_int_equal(plain_size(STR("\xF4\x90")), -1);
}

static void test_quotes_escapes_and_broken_bytes_are_not_plain(void **state)
{
    (void)state;
    const struct str others[] = {STR("a\""), STR("\\"), STR("a\n"), STR("\x1F"), STR("\x7F"), STR("\x80"),
                                 STR("\xC0\x80"), STR("\xFF"), STR("a\xC3z"), STR("\xF5\x80\x80\x80"), STR("\0")};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(plain_size(others[i]), -1);
}

/* The tokens that a trie spells, by its nodes alone. */
static void spell_trie(const struct vocabulary *v, const struct trie *t, int *found)
{
    char bytes[VOCABULARY_MAX_PIECE + 1];
    for (uint32_t i = 0; i < t->n; i++) {
        struct trie_node node = t->nodes[i];
        bytes[node.depth - 1] = (char)node.byte;
        assert_true(node.size >= 1 && i + node.size <= t->n);
        assert_true(i + node.size == t->n || t->nodes[i + node.size].depth <= node.depth);
        if (node.token == VOCABULARY_NO_TOKEN)
            continue;
        assert_int_equal(node.shared, v->same[node.token] >= 0);
        for (int32_t id = (int32_t)node.token; id >= 0; id = v->same[id]) {
            struct str piece = vocabulary_piece(v, id);
            assert_int_equal(piece.n, node.depth);
            assert_memory_equal(piece.p, bytes, piece.n);
            found[id]++;
        }
    }
}

static void test_tries_hold_each_token_once(void **state)
{
    (void)state;
    enum { N = 3000 };
    static char bytes[N][8];
    static struct str pieces[N];
    static int found[N];
    for (uint32_t i = 0; i < N; i++) {
        size_t n = rng_u64(1, i, 0) % 8;
        for (uint32_t k = 0; k < n; k++)
            bytes[i][k] = "ab\"\xC3\xA9\\\xE4\xBD"[rng_u64(2, i, k) % 8];
        pieces[i] = (struct str){bytes[i], n};
    }
    struct vocabulary *v = open_list(pieces, N, 7);
    memset(found, 0, sizeof found);
    spell_trie(v, &v->plain_trie, found);
    for (int i = 0; i < N; i++)
        assert_int_equal(found[i], i != 7 && plain_size(pieces[i]) >= 0);
    memset(found, 0, sizeof found);
    spell_trie(v, &v->rest_trie, found);
    for (int i = 0; i < N; i++)
        assert_int_equal(found[i], i != 7 && plain_size(pieces[i]) < 0 && pieces[i].n > 0);
    vocabulary_close(v);
}

static void test_plain_masks_grow_with_their_size(void **state)
{
    (void)state;
    const struct str pieces[] = {STR("a"), STR("bc"), STR("\""), STR("\xC3\xA9x"), STR("a much longer token of text"),
                                 STR("")};
    struct vocabulary *v = open_list(pieces, 6, -1);
    assert_int_equal(v->plain[0][0], 1);
    assert_int_equal(v->plain[1][0], 1 | 2 | 8);
    assert_int_equal(v->plain[15][0], 1 | 2 | 8);
    assert_int_equal(v->plain[plain_within(26)][0], 1 | 2 | 8);
    assert_int_equal(v->plain[plain_within(40)][0], 1 | 2 | 8 | 16);
    assert_int_equal(v->plain[PLAIN_SIZES - 1][0], 1 | 2 | 8 | 16);
    vocabulary_close(v);
}

static void test_vocabulary_refuses_none_and_too_many(void **state)
{
    (void)state;
    struct vocabulary_spec spec = {0, piece_of, is_end_of, NULL};
    struct vocabulary *v = NULL;
    struct err err = ERR_INIT;
    assert_false(vocabulary_open(&spec, &v, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    spec.n_tokens = VOCABULARY_MAX_TOKENS + 1;
    assert_false(vocabulary_open(&spec, &v, &err));
    assert_null(v);
}

static void test_a_token_too_long_is_left_out(void **state)
{
    (void)state;
    static char long_piece[VOCABULARY_MAX_PIECE + 1];
    memset(long_piece, 'a', sizeof long_piece);
    const struct str pieces[] = {{long_piece, sizeof long_piece}, {long_piece, VOCABULARY_MAX_PIECE}, STR("b")};
    struct vocabulary *v = open_list(pieces, 3, -1);
    assert_int_equal(v->plain[PLAIN_SIZES - 1][0], 2 | 4);
    assert_int_equal(v->plain_trie.n, VOCABULARY_MAX_PIECE + 1);
    vocabulary_close(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_tokens_are_counted_in_characters),
        cmocka_unit_test(test_a_size_is_the_largest_that_fits),
        cmocka_unit_test(test_a_cut_last_character_counts_as_one),
        cmocka_unit_test(test_quotes_escapes_and_broken_bytes_are_not_plain),
        cmocka_unit_test(test_tries_hold_each_token_once),
        cmocka_unit_test(test_plain_masks_grow_with_their_size),
        cmocka_unit_test(test_vocabulary_refuses_none_and_too_many),
        cmocka_unit_test(test_a_token_too_long_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
