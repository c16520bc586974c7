/* What is drafted, and how much of it is thought worth a step: look-up against a plain search, the cost of steps learnt
 * from noise, and decisions on texts that copy and texts that do not. */
#include "../support.h"

#include "base/rng.h"
#include "runtime/schedule/speculate.h"
#include "runtime/vocab.h"

static struct gguf *gguf;
static struct tokenizer *tokenizer;

static int open_vocabulary(void **state)
{
    struct err err = ERR_INIT;
    (void)state;
    assert_ok(gguf_open(RUNG_ROOT "/models/starter.gguf", &gguf, &err), err);
    assert_ok(vocab_open(gguf, &tokenizer, &err), err);
    return 0;
}

static int close_vocabulary(void **state)
{
    (void)state;
    tokenizer_close(tokenizer);
    gguf_close(gguf);
    return 0;
}

static struct token_ids encode(const char *text)
{
    struct token_ids ids = {0};
    struct err err = ERR_INIT;
    assert_ok(tokenizer_encode(tokenizer, str_of(text), TOKENIZE_PLAIN, &ids, &err), err);
    return ids;
}

/* The bytes of tokens, for messages and plain searches. */
static size_t spell(const int32_t *ids, int64_t n, char *text, size_t size)
{
    size_t at = 0;
    for (int64_t i = 0; i < n; i++) {
        struct str piece = tokenizer_piece(tokenizer, ids[i]);
        assert_true(at + piece.n < size);
        memcpy(text + at, piece.p, piece.n);
        at += piece.n;
    }
    text[at] = 0;
    return at;
}

static int draft_after(const struct token_ids *ids, int most, int32_t *draft, int *ret_match)
{
    struct lookup l;
    struct err err = ERR_INIT;
    lookup_open(&l, tokenizer);
    assert_ok(lookup_add(&l, ids->p, ids->n, &err), err);
    int n = lookup_draft(&l, ids->p, most, draft, ret_match);
    lookup_close(&l);
    return n;
}

static void assert_draft(const char *text, int most, const char *expected)
{
    struct token_ids ids = encode(text);
    int32_t draft[SPECULATE_MAX_DRAFT];
    int match, n = draft_after(&ids, most, draft, &match);
    char spelt[256];
    spell(draft, n, spelt, sizeof spelt);
    assert_string_equal(spelt, expected);
    token_ids_free(&ids);
}

/* ---- look-up ---- */

static void test_a_draft_is_what_followed_the_longest_match(void **state)
{
    (void)state;
    assert_draft("a red card was lost, a blue card was found, a blue card", 2, " was found");
    assert_draft("a blue card was found, a red card was lost, a blue card", 2, " was found");
    assert_draft("one two three", 4, "");   /* nothing stood before */
}

static void test_of_equal_matches_the_first_is_taken(void **state)
{
    (void)state;
    assert_draft("red (card a) blue (card b) green (card", 2, " a)");
}

static void test_a_place_inside_a_token_is_found_by_its_bytes(void **state)
{
    (void)state;
    struct token_ids ids = encode("please transfer money now.\n"), whole = encode(" transfer"), rest = encode("ansfer");
    struct token_ids head = encode("tr");
    struct err err = ERR_INIT;
    int32_t draft[2];
    int match;
    assert_true(whole.n == 1 && rest.n == 1 && head.n == 1);   /* as the starter's vocabulary has it */
    assert_ok(token_ids_add(&ids, head.p[0], &err), err);
    assert_int_equal(draft_after(&ids, 2, draft, &match), 2);
    assert_int_equal(match, 2);
    assert_int_equal(draft[0], rest.p[0]);
    assert_int_equal(draft[1], ids.p[2]);
    token_ids_free(&ids);
    token_ids_free(&whole);
    token_ids_free(&rest);
    token_ids_free(&head);
}

static void test_a_text_that_repeats_itself_goes_on_repeating(void **state)
{
    (void)state;
    struct token_ids ids = {0};
    struct err err = ERR_INIT;
    int32_t draft[SPECULATE_MAX_DRAFT];
    int match;
    for (int i = 0; i < 7; i++)
        assert_ok(token_ids_add(&ids, i % 2 ? 300 : 301, &err), err);
    assert_int_equal(draft_after(&ids, SPECULATE_MAX_DRAFT, draft, &match), SPECULATE_MAX_DRAFT);
    for (int i = 0; i < SPECULATE_MAX_DRAFT; i++)
        assert_int_equal(draft[i], i % 2 ? 301 : 300);
    token_ids_free(&ids);
}

/* The first of the longest matches of two bytes and more, by trying every place. */
static int64_t search(const char *text, size_t n, size_t *ret_match)
{
    int64_t best = -1;
    for (size_t place = 1; place < n; place++) {
        size_t match = 0;
        while (match < place && match < LOOKUP_MAX_MATCH && text[place - 1 - match] == text[n - 1 - match])
            match++;
        if (match >= 2 && (best < 0 || match > *ret_match)) {
            best = (int64_t)place;
            *ret_match = match;
        }
    }
    return best;
}

static void test_drafts_agree_with_a_plain_search_as_the_text_grows(void **state)
{
    (void)state;
    uint64_t dice = 0;
    for (int round = 0; round < 60; round++) {
        struct token_ids ids = {0};
        struct lookup l;
        struct err err = ERR_INIT;
        char text[4096], spelt[64];
        lookup_open(&l, tokenizer);
        for (int i = 0; i < 40 + round * 6; i++) {
            size_t match = 0;
            int32_t draft[3];
            int found = 0;
            int32_t id = (int32_t)(300 + rng_u64(1, 0, dice++) % (20 + (uint64_t)round * 40));
            assert_ok(token_ids_add(&ids, id, &err), err);
            assert_ok(lookup_add(&l, ids.p, ids.n, &err), err);
            size_t n = spell(ids.p, ids.n, text, sizeof text);
            int64_t place = search(text, n, &match);
            int drafted = lookup_draft(&l, ids.p, 3, draft, &found);
            if (place < 0)
                assert_int_equal(drafted, 0);
            if (drafted == 0 || match < 4 || found < (int)match)   /* of short matches only the latest are looked at */
                continue;
            assert_int_equal(found, match);
            spell(draft, 1, spelt, sizeof spelt);
            size_t most = n - (size_t)place < strlen(spelt) ? n - (size_t)place : strlen(spelt);
            assert_memory_equal(spelt, text + place, most);
        }
        lookup_close(&l);
        token_ids_free(&ids);
    }
}

static void test_a_text_past_the_limit_is_looked_into_no_more(void **state)
{
    (void)state;
    struct token_ids ids = {0};
    struct err err = ERR_INIT;
    struct lookup l;
    int32_t draft[2];
    int match;
    struct token_ids word = encode(" transfer");
    lookup_open(&l, tokenizer);
    for (int i = 0; i <= LOOKUP_MAX_BYTES / 9; i++) {
        assert_ok(token_ids_add(&ids, word.p[0], &err), err);
        if (i == 1000) {
            assert_ok(lookup_add(&l, ids.p, ids.n, &err), err);
            assert_int_equal(lookup_draft(&l, ids.p, 2, draft, &match), 2);
        }
    }
    assert_ok(lookup_add(&l, ids.p, ids.n, &err), err);
    assert_int_equal(lookup_draft(&l, ids.p, 2, draft, &match), 0);
    lookup_close(&l);
    token_ids_free(&ids);
    token_ids_free(&word);
}

/* ---- the cost of steps ---- */

static double noise(uint64_t i)
{
    return 0.8 + 0.4 * rng_unit(7, 0, i);
}

static void test_the_cost_of_steps_is_learnt_through_noise_and_load(void **state)
{
    (void)state;
    static const double real[] = {0, 1, 1.02, 1.1, 1.2, 1.7, 1.8};
    struct step_cost cost;
    step_cost_open(&cost);
    for (uint64_t i = 0; i < 2000; i++) {
        int tokens = 1 + (int)(rng_u64(8, 0, i) % 6);
        double load = i / 500 % 2 ? 3 : 1;   /* somebody else takes the machine now and then */
        step_cost_saw(&cost, tokens, (int64_t)(4e7 * real[tokens] * load * noise(i)));
    }
    for (int tokens = 1; tokens <= 6; tokens++) {
        assert_true(step_cost_of(&cost, tokens) < real[tokens] * 1.15);
        assert_true(step_cost_of(&cost, tokens) > real[tokens] * 0.87);
    }
}

static void test_a_size_that_was_slow_once_is_tried_again(void **state)
{
    (void)state;
    struct step_cost cost;
    step_cost_open(&cost);
    double first = step_cost_of(&cost, 3);
    step_cost_saw(&cost, 1, 1000);
    for (int i = 0; i < 5; i++)
        step_cost_saw(&cost, 3, 9000);
    double slow = step_cost_of(&cost, 3);
    for (int i = 0; i < 3000; i++)
        step_cost_saw(&cost, 1, 1000);
    assert_true(slow > 2 * first);
    assert_true(step_cost_of(&cost, 3) < 1.05 * first);
}

/* ---- decisions ---- */

struct simulation {
    double steps, seconds;   /* seconds of one-token steps */
    int64_t tokens;
};

/* The answer forced behind the prompt, with a machine on which a token more costs `slope`. */
static struct simulation simulate(struct speculator *m, const struct token_ids *prompt, const struct token_ids *answer,
                                  double slope)
{
    struct simulation sim = {0};
    struct token_ids ids = {0};
    struct speculation s, *all[] = {&s};
    struct err err = ERR_INIT;
    for (int64_t i = 0; i < prompt->n; i++)
        assert_ok(token_ids_add(&ids, prompt->p[i], &err), err);
    assert_ok(token_ids_add(&ids, answer->p[0], &err), err);
    speculation_open(&s, tokenizer);
    for (int64_t at = 1; at < answer->n; sim.steps++) {
        speculation_follow(m, &s, ids.p, ids.n, answer->n - at - 1);
        assert_true(s.n <= answer->n - at - 1);
        speculate_choose(m, all, 1, 1, SPECULATE_MAX_DRAFT);
        double seconds = 1 + slope * s.take;
        int accepted = 0;
        while (accepted < s.take && s.draft[accepted] == answer->p[at + accepted])
            accepted++;
        for (int i = 0; i <= accepted; i++)
            assert_ok(token_ids_add(&ids, answer->p[at++], &err), err);
        step_cost_saw(&m->cost, 1 + s.take, (int64_t)(seconds * 4e7 * noise((uint64_t)at)));
        speculation_settle(m, &s, ids.p, ids.n);
        sim.seconds += seconds;
        sim.tokens += 1 + accepted;
    }
    speculation_close(&s);
    token_ids_free(&ids);
    return sim;
}

static struct token_ids random_words(uint64_t seed, int n)
{
    struct token_ids ids = {0};
    struct err err = ERR_INIT;
    for (int i = 0; i < n; i++)
        assert_ok(token_ids_add(&ids, (int32_t)(300 + rng_u64(seed, 0, (uint64_t)i) % 3000), &err), err);
    return ids;
}

static void test_a_text_that_never_repeats_loses_next_to_nothing(void **state)
{
    (void)state;
    struct speculator m;
    struct token_ids prompt = random_words(1, 400), answer = random_words(2, 1000);
    speculator_open(&m, SPECULATE_WHERE_IT_PAYS);
    struct simulation sim = simulate(&m, &prompt, &answer, 0.2);
    assert_true(sim.seconds < 1.02 * (double)sim.tokens);
    token_ids_free(&answer);
    answer = random_words(4, 1000);   /* what was learnt stays */
    sim = simulate(&m, &prompt, &answer, 0.2);
    assert_true(sim.seconds < 1.005 * (double)sim.tokens);
    token_ids_free(&prompt);
    token_ids_free(&answer);
}

static void test_a_copied_text_is_drafted_far_ahead(void **state)
{
    (void)state;
    struct speculator m;
    struct token_ids prompt = random_words(1, 400), answer = {prompt.p + 200, 150, 150};
    speculator_open(&m, SPECULATE_WHERE_IT_PAYS);
    struct simulation sim = simulate(&m, &prompt, &answer, 0.1);
    assert_true(sim.steps < (double)sim.tokens / 7);
    assert_true(sim.seconds < (double)sim.tokens / 4);
    token_ids_free(&prompt);
}

static void test_nothing_is_drafted_where_each_token_costs_a_step_of_its_own(void **state)
{
    (void)state;
    struct speculator m;
    struct token_ids prompt = random_words(1, 400), answer = {prompt.p + 200, 150, 150};
    speculator_open(&m, SPECULATE_WHERE_IT_PAYS);
    for (int i = 0; i < 3; i++)
        simulate(&m, &prompt, &answer, 1);
    assert_true(simulate(&m, &prompt, &answer, 1).seconds < 150 * 1.02);
    token_ids_free(&prompt);
}

static void test_a_text_that_begins_to_copy_is_noticed(void **state)
{
    (void)state;
    struct speculator m;
    struct token_ids prompt = random_words(1, 400), answer = random_words(2, 600);
    struct err err = ERR_INIT;
    for (int i = 0; i < 200; i++)
        assert_ok(token_ids_add(&answer, prompt.p[100 + i], &err), err);
    speculator_open(&m, SPECULATE_WHERE_IT_PAYS);
    assert_true(simulate(&m, &prompt, &answer, 0.1).steps < 600 + 60);
    token_ids_free(&prompt);
    token_ids_free(&answer);
}

static void test_speculation_that_is_off_follows_nothing(void **state)
{
    (void)state;
    struct speculator m;
    struct token_ids prompt = random_words(1, 400), answer = {prompt.p + 200, 100, 100};
    speculator_open(&m, SPECULATE_OFF);
    assert_true(simulate(&m, &prompt, &answer, 0.1).steps == 99);
    assert_int_equal(m.drafted, 0);
    token_ids_free(&prompt);
}

#define STREAMS 40

static int drafted_together(enum speculate_mode mode, int room)
{
    static struct speculation streams[STREAMS];
    struct speculation *all[STREAMS];
    struct speculator m;
    struct token_ids ids = random_words(3, 300);
    int sum = 0;
    memcpy(ids.p + 200, ids.p, 100 * sizeof *ids.p);   /* the end stood before */
    speculator_open(&m, mode);
    for (int i = 0; i < STREAMS; i++) {
        all[i] = &streams[i];
        speculation_open(all[i], tokenizer);
        speculation_follow(&m, all[i], ids.p, ids.n, i % 3 ? 100 : 0);
        assert_int_equal(streams[i].take, 0);
    }
    speculate_choose(&m, all, STREAMS, STREAMS, room);
    for (int i = 0; i < STREAMS; i++) {
        assert_true(streams[i].take <= streams[i].n);
        if (i % 3 == 0)
            assert_int_equal(streams[i].n, 0);
        sum += streams[i].take;
        speculation_close(all[i]);
    }
    token_ids_free(&ids);
    return sum;
}

static void test_the_drafts_of_a_step_share_its_room(void **state)
{
    (void)state;
    assert_int_equal(drafted_together(SPECULATE_ALWAYS, 500), SPECULATE_MAX_STEP);
    assert_int_equal(drafted_together(SPECULATE_ALWAYS, 5), 5);
    assert_int_equal(drafted_together(SPECULATE_WHERE_IT_PAYS, 0), 0);
    assert_true(drafted_together(SPECULATE_WHERE_IT_PAYS, 500) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_draft_is_what_followed_the_longest_match),
        cmocka_unit_test(test_of_equal_matches_the_first_is_taken),
        cmocka_unit_test(test_a_place_inside_a_token_is_found_by_its_bytes),
        cmocka_unit_test(test_a_text_that_repeats_itself_goes_on_repeating),
        cmocka_unit_test(test_drafts_agree_with_a_plain_search_as_the_text_grows),
        cmocka_unit_test(test_a_text_past_the_limit_is_looked_into_no_more),
        cmocka_unit_test(test_the_cost_of_steps_is_learnt_through_noise_and_load),
        cmocka_unit_test(test_a_size_that_was_slow_once_is_tried_again),
        cmocka_unit_test(test_a_text_that_never_repeats_loses_next_to_nothing),
        cmocka_unit_test(test_a_copied_text_is_drafted_far_ahead),
        cmocka_unit_test(test_nothing_is_drafted_where_each_token_costs_a_step_of_its_own),
        cmocka_unit_test(test_a_text_that_begins_to_copy_is_noticed),
        cmocka_unit_test(test_speculation_that_is_off_follows_nothing),
        cmocka_unit_test(test_the_drafts_of_a_step_share_its_room),
    };
    return cmocka_run_group_tests(tests, open_vocabulary, close_vocabulary);
}
