/* Remembered masks: the same again, in little room, and the oldest gone first. */
#include "../support.h"

#include "base/rng.h"
#include "grammar/frontends.h"
#include "grammar/mask/memory.h"

enum { N_TOKENS = 65536, N_STATES = 3000 };

static struct str piece_of(void *ctx, int32_t id)
{
    static char bytes[2];
    (void)ctx;
    bytes[0] = (char)(id >> 8);
    bytes[1] = (char)id;
    return (struct str){bytes, 2};
}

static bool is_end_of(void *ctx, int32_t id)
{
    (void)ctx;
    (void)id;
    return false;
}

struct setting {
    struct vocabulary *v;
    struct automaton *a;
    struct mask_memory memory;
    uint32_t states[N_STATES];
    uint64_t mask[VOCABULARY_WORDS(N_TOKENS)];
};

/* Of "a", any number of times up to more than there are states: each byte leads to a new one. */
static int open_setting(void **state)
{
    struct vocabulary_spec spec = {N_TOKENS, piece_of, is_end_of, NULL};
    struct setting *s = test_calloc(1, sizeof *s);
    struct rules *rules;
    struct err err = ERR_INIT;
    assert_ok(vocabulary_open(&spec, &s->v, &err), err);
    assert_ok(rule_regex(STR("a{0,4000}"), &rules, &err), err);
    assert_ok(automaton_open(rules, &s->a, &err), err);
    assert_ok(memory_open(&s->memory, s->a, s->v, &err), err);
    automaton_lock(s->a);
    s->states[0] = automaton_start(s->a);
    for (int i = 1; i < N_STATES; i++)
        s->states[i] = state_step(s->a, s->states[i - 1], 'a', &err);
    *state = s;
    return 0;
}

static int close_setting(void **state)
{
    struct setting *s = *state;
    memory_close(&s->memory);
    automaton_unlock(s->a);
    automaton_close(s->a);
    vocabulary_close(s->v);
    test_free(s);
    return 0;
}

/* About half of all tokens, and not alike. */
static void random_mask(uint64_t seed, uint64_t *mask)
{
    for (size_t w = 0; w < VOCABULARY_WORDS(N_TOKENS); w++)
        mask[w] = rng_u64(seed, 0, w);
}

static void assert_recalls(struct setting *s, int i, const uint64_t *expected)
{
    memset(s->mask, 0x5A, sizeof s->mask);
    assert_true(memory_recall(&s->memory, s->states[i], s->mask));
    assert_memory_equal(s->mask, expected, sizeof s->mask);
}

static void test_a_mask_is_recalled_as_it_was(void **state)
{
    struct setting *s = *state;
    static uint64_t masks[4][VOCABULARY_WORDS(N_TOKENS)];
    assert_false(memory_recall(&s->memory, s->states[0], s->mask));
    random_mask(1, masks[0]);
    memory_keep(&s->memory, s->states[0], PLAIN_NONE, masks[0]);
    mask_add(masks[1], 5);   /* few tokens */
    mask_add(masks[1], N_TOKENS - 1);
    memory_keep(&s->memory, s->states[1], PLAIN_NONE, masks[1]);
    memcpy(masks[2], s->v->plain[1], sizeof masks[2]);   /* a plain mask, one more and one less */
    mask_add(masks[2], 0);
    masks[2][('a' << 8 | 'b') >> 6] &= ~((uint64_t)1 << ('b' & 63));
    memory_keep(&s->memory, s->states[2], 1, masks[2]);
    memory_keep(&s->memory, s->states[3], PLAIN_SIZES - 1, masks[3]);   /* empty, though it was not expected */
    for (int i = 0; i < 4; i++)
        assert_recalls(s, i, masks[i]);
}

static void test_a_mask_like_a_plain_one_takes_little_room(void **state)
{
    struct setting *s = *state;
    memory_keep(&s->memory, s->states[0], 1, s->v->plain[1]);
    assert_true(s->memory.bytes < 100);
}

static void test_past_the_ceiling_the_oldest_go_first(void **state)
{
    struct setting *s = *state;
    static uint64_t mask[VOCABULARY_WORDS(N_TOKENS)];
    for (int i = 0; i < N_STATES; i++) {
        random_mask((uint64_t)i, mask);
        memory_keep(&s->memory, s->states[i], PLAIN_NONE, mask);
        assert_true(s->memory.bytes <= MASK_MEMORY_MAX_BYTES);
        random_mask(0, mask);
        assert_recalls(s, 0, mask);   /* used all the time */
    }
    assert_false(memory_recall(&s->memory, s->states[1], s->mask));
    random_mask(N_STATES - 1, mask);
    assert_recalls(s, N_STATES - 1, mask);
    memory_keep(&s->memory, s->states[1], PLAIN_NONE, mask);
    assert_recalls(s, 1, mask);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_mask_is_recalled_as_it_was, open_setting, close_setting),
        cmocka_unit_test_setup_teardown(test_a_mask_like_a_plain_one_takes_little_room, open_setting, close_setting),
        cmocka_unit_test_setup_teardown(test_past_the_ceiling_the_oldest_go_first, open_setting, close_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
