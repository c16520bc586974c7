/* The map of strings against keys that somebody chose. Its slots are private; their longest run, which is what a
 * lookup may have to walk, is seen by compiling the map into this test. */
#include "../support.h"

#include "base/strmap.c"

#define FNV_PRIME UINT64_C(0x100000001b3)
#define BLOCK_BYTES 10
#define BLOCKS 16                          /* two ways each: 65,536 keys */
#define KEYS (1 << BLOCKS)
#define KEY_BYTES (BLOCKS * BLOCK_BYTES)

/* str_hash is FNV-1a before its last mix: h = (h ^ byte) * prime. These differences of two blocks, put in before each
 * multiplication, cancel out modulo 2^64 (a short vector of a lattice, found once by LLL). */
static const int differences[BLOCK_BYTES] = {-40, 15, -7, 5, 18, -34, -10, -11, 41, -5};

/* From one state h = g on, two blocks that lead to one state again. */
static bool collide(uint64_t h, uint64_t g, int at, unsigned char *a, unsigned char *b, uint64_t *ret)
{
    if (at == BLOCK_BYTES) {
        *ret = h;
        return h == g;
    }
    for (int byte = 1; byte < 256; byte++) {
        int low_h = (int)(h & 255), low_g = (int)(g & 255);
        int x = low_h ^ byte, y = x - low_h + low_g - differences[at];
        if (y < 0 || y > 255 || y == low_g)
            continue;
        a[at] = (unsigned char)byte;
        b[at] = (unsigned char)(low_g ^ y);
        if (collide((h ^ a[at]) * FNV_PRIME, (g ^ b[at]) * FNV_PRIME, at + 1, a, b, ret))
            return true;
    }
    return false;
}

static char *colliding_keys(void)
{
    unsigned char blocks[BLOCKS][2][BLOCK_BYTES];
    uint64_t state = UINT64_C(0xcbf29ce484222325);
    for (int i = 0; i < BLOCKS; i++)
        assert_true(collide(state, state, 0, blocks[i][0], blocks[i][1], &state));
    char *keys = malloc((size_t)KEYS * KEY_BYTES);
    assert_non_null(keys);
    for (int k = 0; k < KEYS; k++)
        for (int i = 0; i < BLOCKS; i++)
            memcpy(keys + (size_t)k * KEY_BYTES + i * BLOCK_BYTES, blocks[i][k >> i & 1], BLOCK_BYTES);
    return keys;
}

static uint32_t longest_run(const struct strmap *m)
{
    uint32_t longest = 0, run = 0;
    for (uint32_t i = 0; i < 2 * m->cap; i++) { /* twice around: a run may pass the end */
        run = m->slots[i % m->cap].key.p ? run + 1 : 0;
        if (run > longest)
            longest = run;
    }
    return longest;
}

static void test_strmap_is_unharmed_by_keys_that_collide_under_str_hash(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct strmap m = {0};
    char *keys = colliding_keys();
    uint64_t hash = str_hash((struct str){keys, KEY_BYTES});
    for (int k = 0; k < KEYS; k++) {
        struct str key = {keys + (size_t)k * KEY_BYTES, KEY_BYTES};
        assert_true(str_hash(key) == hash);
        assert_ok(strmap_put(&m, key, k, &err), err);
        if ((k & (k - 1)) == 0)
            assert_true(longest_run(&m) < 1000); /* chance alone makes runs of about a hundred */
    }
    assert_true(longest_run(&m) < 1000);
    for (int k = 0; k < KEYS; k++) {
        int32_t found = -1;
        assert_true(strmap_get(&m, (struct str){keys + (size_t)k * KEY_BYTES, KEY_BYTES}, &found));
        assert_int_equal(found, k);
    }
    strmap_free(&m);
    free(keys);
}

static void test_strmaps_have_secrets_of_their_own(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct strmap a = {0}, b = {0};
    assert_ok(strmap_put(&a, STR("x"), 1, &err) && strmap_put(&b, STR("x"), 1, &err), err);
    assert_memory_not_equal(a.secret, b.secret, sizeof a.secret);
    assert_int_not_equal(a.secret[0], a.secret[1]);
    strmap_free(&a);
    strmap_free(&b);
}

/* Against CPython's hash of bytes with PYTHONHASHSEED=0, which is SipHash-1-3 under a key of zeros. */
static void test_strmap_hashes_with_siphash_1_3(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t low;
    } cases[] = {
        {"a", 0xb89b1813}, {"ab", 0xc6add439}, {"abc", 0x042630f2}, {"abcd", 0xd52aae89},
        {"abcdefg", 0x9070f506}, {"abcdefgh", 0x0b8e35ea}, {"tokenizer.ggml.tokens", 0xf3a5c9cb},
    };
    struct strmap m = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(strmap_hash(&m, str_of(cases[i].text)), cases[i].low);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strmap_is_unharmed_by_keys_that_collide_under_str_hash),
        cmocka_unit_test(test_strmaps_have_secrets_of_their_own),
        cmocka_unit_test(test_strmap_hashes_with_siphash_1_3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
