/* Choosing a token: what each rule keeps, what the record says, that choices repeat, and that nothing hostile gets
 * through. */
#include <math.h>

#include "base/rng.h"
#include "tests/engine/support_engine.h"

#define N 1000

struct bench {
    const struct kernels *k;
    struct sample_scratch *scratch;
    float logits[N];
    struct sampler sampler;
    struct token_record record;
    struct err err;
};

static int set_up(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    b->k = kernels_get();
    assert_ok(sample_scratch_open(N, &b->scratch, &b->err), b->err);
    for (int i = 0; i < N; i++)
        b->logits[i] = (float)(6 * rng_unit(3, 0, (uint64_t)i) - 3);
    b->sampler = SAMPLER_GREEDY;
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;
    sample_scratch_close(b->scratch);
    free(b);
    return 0;
}

static bool sample(struct bench *b, int n, const uint64_t *allowed, int64_t position)
{
    struct logits_part part;
    struct logits_row row = {b->logits, n, &part};
    logits_scan(b->k, b->logits, n, 0, &part);
    return sample_token(b->k, &row, &b->sampler, allowed, position, b->scratch, &b->record, &b->err);
}

static int32_t choose_among(struct bench *b, int n, const uint64_t *allowed, int64_t position)
{
    assert_ok(sampler_check(&b->sampler, n, &b->err), b->err);
    assert_ok(sample(b, n, allowed, position), b->err);
    return b->record.id;
}

static int32_t choose(struct bench *b, int64_t position)
{
    return choose_among(b, N, NULL, position);
}

static void set_logits(struct bench *b, const float *logits, int n)
{
    memcpy(b->logits, logits, (size_t)n * sizeof *logits);
}

/* How often each of n tokens comes up in 4,000 draws. */
static void count_draws(struct bench *b, int n, int *counts)
{
    memset(counts, 0, (size_t)n * sizeof *counts);
    for (int64_t position = 0; position < 4000; position++)
        counts[choose_among(b, n, NULL, position)]++;
}

/* ---- greedy ---- */

static void test_greedy_takes_the_lowest_id_of_equals(void **state)
{
    struct bench *b = *state;
    b->logits[700] = b->logits[400] = b->logits[401] = 9;
    assert_int_equal(choose(b, 1), 400);
    assert_int_equal(b->record.top[0].id, 400);
    assert_int_equal(b->record.top[1].id, 401);
    assert_int_equal(b->record.top[2].id, 700);
}

static void test_greedy_ignores_seed_and_position(void **state)
{
    struct bench *b = *state;
    int32_t first = choose(b, 1);
    for (uint64_t seed = 0; seed < 20; seed++) {
        b->sampler.seed = seed;
        assert_int_equal(choose(b, (int64_t)seed * 31), first);
    }
}

/* ---- drawing ---- */

static void test_draws_follow_the_probabilities(void **state)
{
    struct bench *b = *state;
    int counts[4];
    set_logits(b, (float[]){logf(0.5f), logf(0.3f), logf(0.15f), logf(0.05f)}, 4);
    b->sampler.temperature = 1;
    count_draws(b, 4, counts);
    assert_in_range(counts[0], 1900, 2100);
    assert_in_range(counts[1], 1100, 1300);
    assert_in_range(counts[2], 520, 680);
    assert_in_range(counts[3], 150, 250);
}

static void test_temperature_sharpens_and_flattens(void **state)
{
    struct bench *b = *state;
    int counts[2];
    set_logits(b, (float[]){logf(0.8f), logf(0.2f)}, 2);
    b->sampler.temperature = 0.5f;   /* 16 : 1 */
    count_draws(b, 2, counts);
    assert_in_range(counts[1], 180, 295);
    b->sampler.temperature = 2;      /* 2 : 1 */
    count_draws(b, 2, counts);
    assert_in_range(counts[1], 1230, 1440);
    b->sampler.temperature = 1e-30f;
    count_draws(b, 2, counts);
    assert_int_equal(counts[0], 4000);
}

static void test_top_k_keeps_k_and_the_lower_ids_of_equals(void **state)
{
    struct bench *b = *state;
    int counts[6];
    set_logits(b, (float[]){1, 2, 2, 2, 0, 2}, 6);
    b->sampler.temperature = 1;
    b->sampler.top_k = 3;
    count_draws(b, 6, counts);
    assert_int_equal(counts[0] + counts[4] + counts[5], 0);
    for (int i = 1; i <= 3; i++)
        assert_in_range(counts[i], 1200, 1470);
    b->sampler.top_k = 1;
    count_draws(b, 6, counts);
    assert_int_equal(counts[1], 4000);
    b->sampler.top_k = 1000000;   /* more than there are: all of them */
    count_draws(b, 6, counts);
    assert_true(counts[4] > 0);
}

static void test_top_p_keeps_the_smallest_set_that_reaches_p(void **state)
{
    struct bench *b = *state;
    int counts[4];
    set_logits(b, (float[]){logf(0.1f), logf(0.4f), logf(0.2f), logf(0.3f)}, 4);
    b->sampler.temperature = 1;
    b->sampler.top_p = 0.65f;        /* .4 + .3 */
    count_draws(b, 4, counts);
    assert_int_equal(counts[0] + counts[2], 0);
    assert_in_range(counts[1], 2185, 2390);   /* 4 : 3 */
    b->sampler.top_p = 0.75f;        /* .4 + .3 + .2 */
    count_draws(b, 4, counts);
    assert_int_equal(counts[0], 0);
    assert_true(counts[2] > 700);
    b->sampler.top_p = 1e-6f;        /* always one */
    count_draws(b, 4, counts);
    assert_int_equal(counts[1], 4000);
}

static void test_top_p_counts_within_what_top_k_left(void **state)
{
    struct bench *b = *state;
    int counts[4];
    set_logits(b, (float[]){logf(0.4f), logf(0.3f), logf(0.2f), logf(0.1f)}, 4);
    b->sampler.temperature = 1;
    b->sampler.top_k = 2;
    b->sampler.top_p = 0.55f;        /* the first has 4/7 of what is left */
    count_draws(b, 4, counts);
    assert_int_equal(counts[0], 4000);
    b->sampler.top_p = 0.6f;
    count_draws(b, 4, counts);
    assert_true(counts[1] > 1500);
}

/* One heavy token and a long tail far below it, of which top-p needs a part: ids up to (0.95 total - 1) / exp(-9). */
static void test_top_p_reaches_far_below_the_best(void **state)
{
    struct bench *b = *state;
    double tail = exp(-9), last = (0.95 * (1 + (N - 1) * tail) - 1) / tail;
    int highest = 0;
    for (int i = 0; i < N; i++)
        b->logits[i] = i == 0 ? 0 : -9;
    b->sampler.temperature = 1;
    b->sampler.top_p = 0.95f;
    for (int position = 0; position < 4000; position++) {
        choose(b, position);
        highest = b->record.id > highest ? b->record.id : highest;
    }
    assert_true(highest <= last + 2);
    assert_true(highest > last - 60);
}

static void test_min_p_keeps_what_is_near_the_best(void **state)
{
    struct bench *b = *state;
    int counts[4];
    set_logits(b, (float[]){logf(0.5f), logf(0.26f), logf(0.2f), logf(0.04f)}, 4);
    b->sampler.temperature = 1;
    b->sampler.min_p = 0.5f;
    count_draws(b, 4, counts);
    assert_int_equal(counts[2] + counts[3], 0);
    assert_true(counts[1] > 1200);
    b->sampler.min_p = 1;
    count_draws(b, 4, counts);
    assert_int_equal(counts[0], 4000);
}

static void test_top_k_never_takes_what_k_others_beat(void **state)
{
    struct bench *b = *state;
    b->sampler.temperature = 0.7f;
    for (int k = 1; k <= 64; k *= 2) {
        b->sampler.top_k = k;
        for (int64_t position = 0; position < 200; position++) {
            int32_t id = choose(b, position);
            int better = 0;
            for (int i = 0; i < N; i++)
                better += b->logits[i] > b->logits[id];
            assert_true(better < k);
        }
    }
}

static void test_same_seed_choice_and_position_give_the_same_token(void **state)
{
    struct bench *b = *state;
    int32_t first[200];
    int other_seed = 0, other_choice = 0;
    b->sampler.temperature = 1;
    b->sampler.seed = 5;
    for (int64_t i = 0; i < 200; i++)
        first[i] = choose(b, i);
    for (int64_t i = 199; i >= 0; i--)
        assert_int_equal(choose(b, i), first[i]);
    for (int64_t i = 0; i < 200; i++) {
        b->sampler.seed = 6;
        other_seed += choose(b, i) != first[i];
        b->sampler.seed = 5;
        b->sampler.choice = 1;
        other_choice += choose(b, i) != first[i];
        b->sampler.choice = 0;
    }
    assert_true(other_seed > 150 && other_choice > 150);
}

/* ---- mask, biases, penalties ---- */

static void test_mask_admits_only_its_tokens_and_weighs_them(void **state)
{
    struct bench *b = *state;
    uint64_t allowed[(N + 63) / 64] = {0};
    const int ids[] = {3, 64, 127, 640, 999};
    double mass = 0, all = 0;
    for (int i = 0; i < N; i++)
        all += exp(b->logits[i]);
    for (int i = 0; i < 5; i++) {
        allowed[ids[i] / 64] |= (uint64_t)1 << (ids[i] % 64);
        mass += exp(b->logits[ids[i]]);
    }
    b->sampler.temperature = 1.5f;
    for (int64_t position = 0; position < 300; position++) {
        int32_t id = choose_among(b, N, allowed, position);
        assert_true(allowed[id / 64] >> (id % 64) & 1);
        assert_float_equal(b->record.admitted, mass / all, 1e-6);
        assert_float_equal(b->record.logprob, b->logits[id] - log(all), 1e-5);
    }
}

/* Sparse and dense masks, with and without the tokens of the record's top. */
static void test_the_largest_admitted_token_is_taken_and_all_are_weighed(void **state)
{
    struct bench *b = *state;
    double all = 0;
    for (int i = 0; i < N; i++)
        all += exp(b->logits[i]);
    for (int round = 0; round < 40; round++) {
        uint64_t allowed[(N + 63) / 64];
        double mass = 0;
        int best = -1;
        memset(allowed, 0, sizeof allowed);
        for (int i = 0; i < N; i++) {
            double share = round % 4 == 0 ? 0.004 : round % 4 == 1 ? 0.5 : 0.99;
            bool in = rng_unit(7, (uint32_t)round, (uint64_t)i) < share;
            if (!in || (round % 4 == 3 && b->logits[i] > 1))   /* none of the top */
                continue;
            allowed[i / 64] |= (uint64_t)1 << (i % 64);
            mass += exp(b->logits[i]);
            best = best < 0 || b->logits[i] > b->logits[best] ? i : best;
        }
        assert_true(best >= 0);
        assert_int_equal(choose_among(b, N, allowed, round), best);
        assert_float_equal(b->record.admitted, mass / all, 1e-6);
    }
}

static void test_mask_of_everything_changes_nothing(void **state)
{
    struct bench *b = *state;
    uint64_t allowed[(N + 63) / 64];
    memset(allowed, 0xFF, sizeof allowed);   /* bits past the vocabulary are set too */
    b->sampler.temperature = 1;
    b->sampler.top_p = 0.9f;
    for (int64_t position = 0; position < 200; position++) {
        struct token_record free_choice;
        choose(b, position);
        free_choice = b->record;
        choose_among(b, N, allowed, position);
        assert_memory_equal(&free_choice, &b->record, sizeof free_choice);
    }
}

static void test_mask_of_nothing_is_an_error(void **state)
{
    struct bench *b = *state;
    uint64_t allowed[(N + 63) / 64] = {0};
    allowed[N / 64] = ~(uint64_t)0 << (N % 64);   /* only bits past the vocabulary */
    assert_false(sample(b, N, allowed, 0));
    assert_int_equal(b->err.code, ERR_INVALID);
    assert_non_null(strstr(b->err.msg, "mask"));
}

static void test_bias_moves_and_forbids(void **state)
{
    struct bench *b = *state;
    const struct logit_bias bias[] = {{2, 1.5f}, {0, -100}};
    set_logits(b, (float[]){5, 3, 2, 1}, 4);
    b->sampler.bias = bias;
    b->sampler.n_bias = 2;
    assert_int_equal(choose_among(b, 4, NULL, 0), 2);
    b->sampler.n_bias = 1;
    assert_int_equal(choose_among(b, 4, NULL, 0), 0);
    /* the record stays raw */
    assert_float_equal(b->record.logprob, 5 - log(exp(5) + exp(3) + exp(2) + exp(1)), 1e-6);
}

static void test_bias_that_forbids_all_is_an_error(void **state)
{
    struct bench *b = *state;
    const struct logit_bias bias[] = {{0, -100}, {1, -1000}};
    b->sampler.bias = bias;
    b->sampler.n_bias = 2;
    assert_false(sample(b, 2, NULL, 0));
    assert_int_equal(b->err.code, ERR_INVALID);
}

static void test_repetition_penalty_touches_prompt_and_answer_once(void **state)
{
    struct bench *b = *state;
    const int32_t history[] = {0, 0, 0, 1};
    b->sampler.history = history;
    b->sampler.n_history = 4;
    b->sampler.n_prompt = 2;
    b->sampler.repetition_penalty = 2;
    set_logits(b, (float[]){4, 3, 1.9f, -9}, 4);      /* 4 / 2, 3 / 2 */
    assert_int_equal(choose_among(b, 4, NULL, 0), 0);
    set_logits(b, (float[]){4, 3, 2.1f, -9}, 4);
    assert_int_equal(choose_among(b, 4, NULL, 0), 2);
    set_logits(b, (float[]){-2, -9, -3, -9}, 4);      /* -2 * 2 */
    assert_int_equal(choose_among(b, 4, NULL, 0), 2);
}

static void test_presence_and_frequency_count_the_answer_only(void **state)
{
    struct bench *b = *state;
    const int32_t history[] = {2, 2, 0, 0, 0};
    b->sampler.history = history;
    b->sampler.n_history = 5;
    b->sampler.n_prompt = 2;
    b->sampler.presence_penalty = 1;
    set_logits(b, (float[]){5, 3.9f, 3.8f}, 3);       /* 5 - 1 */
    assert_int_equal(choose_among(b, 3, NULL, 0), 0);
    set_logits(b, (float[]){5, 4.1f, 4.2f}, 3);
    assert_int_equal(choose_among(b, 3, NULL, 0), 2);
    b->sampler.presence_penalty = 0;
    b->sampler.frequency_penalty = 0.5f;
    set_logits(b, (float[]){5, 3.4f, 3.3f}, 3);       /* 5 - 3 * 0.5 */
    assert_int_equal(choose_among(b, 3, NULL, 0), 0);
    set_logits(b, (float[]){5, 3.4f, 3.6f}, 3);
    assert_int_equal(choose_among(b, 3, NULL, 0), 2);
    /* marks of the call before are gone */
    b->sampler.n_history = b->sampler.n_prompt = 0;
    assert_int_equal(choose_among(b, 3, NULL, 0), 0);
}

/* ---- the record ---- */

static void test_record_holds_top_and_entropy(void **state)
{
    struct bench *b = *state;
    double all = 0, entropy = 0, rest = 1;
    choose(b, 0);
    assert_int_equal(b->record.n_top, RECORD_TOP);
    assert_int_equal(b->record.id, b->record.top[0].id);
    assert_true(b->record.logprob == b->record.top[0].logprob);
    for (int i = 0; i < N; i++)
        all += exp(b->logits[i]);
    for (int i = 0; i < RECORD_TOP; i++) {
        double logprob = b->logits[b->record.top[i].id] - log(all);
        int better = 0;
        for (int j = 0; j < N; j++)
            better += b->logits[j] > b->logits[b->record.top[i].id];
        assert_int_equal(better, i);
        assert_float_equal(b->record.top[i].logprob, logprob, 1e-5);
        entropy -= exp(logprob) * logprob;
        rest -= exp(logprob);
    }
    entropy -= rest * log(rest);
    assert_float_equal(b->record.entropy, entropy, 1e-4);
    assert_true(b->record.admitted == 1);
}

static void test_record_of_a_small_vocabulary_has_all_of_it(void **state)
{
    struct bench *b = *state;
    set_logits(b, (float[]){0, 0, 0, 0}, 4);
    choose_among(b, 4, NULL, 0);
    assert_int_equal(b->record.n_top, 4);
    assert_float_equal(b->record.entropy, log(4), 1e-6);
    for (int i = 0; i < 4; i++)
        assert_int_equal(b->record.top[i].id, i);
    set_logits(b, (float[]){50, -INFINITY, -60, -INFINITY}, 4);
    choose_among(b, 4, NULL, 0);
    assert_int_equal(b->record.n_top, 2);
    assert_float_equal(b->record.logprob, 0, 1e-6);
    assert_float_equal(b->record.entropy, 0, 1e-6);
}

static void test_record_takes_ascending_and_descending_logits(void **state)
{
    struct bench *b = *state;
    for (int down = 0; down < 2; down++) {
        for (int i = 0; i < N; i++)
            b->logits[i] = (float)(down ? N - i : i) / 10;
        choose(b, 0);
        for (int i = 0; i < RECORD_TOP; i++)
            assert_int_equal(b->record.top[i].id, down ? i : N - 1 - i);
    }
}

/* ---- rows of several parts ---- */

#define PARTS 4
#define LONG_ROW ((PARTS - 1) * LOGITS_PART + 777)

/* Values that come up often, so that the top is full of equals. */
static void long_row(const struct kernels *k, float *x, struct logits_part *parts)
{
    for (int i = 0; i < LONG_ROW; i++)
        x[i] = (float)random_below(9, (uint64_t)i, 3000) / 300;
    assert_int_equal(logits_parts(LONG_ROW), PARTS);
    for (int i = 0; i < PARTS; i++)
        logits_scan(k, x, LONG_ROW, i, &parts[i]);
}

static void test_parts_of_a_row_say_what_the_whole_says(void **state)
{
    struct bench *b = *state;
    struct logits_part parts[PARTS];
    struct logits_norm norm;
    struct token_record record = {0};
    float *x = alloc_floats(LONG_ROW);
    struct logits_row row = {x, LONG_ROW, parts};
    double sum = 0;
    long_row(b->k, x, parts);
    assert_ok(logits_normalise(&row, &norm, &b->err), b->err);
    record_fill(&row, &norm, &record);
    for (int i = 0; i < LONG_ROW; i++)
        sum += exp(x[i]);
    assert_true(fabs(norm.max + norm.log_sum - log(sum)) < 1e-5);
    assert_int_equal(record.n_top, RECORD_TOP);
    for (int i = 0; i < RECORD_TOP; i++) {
        int32_t id = record.top[i].id;
        int better = 0;
        for (int j = 0; j < LONG_ROW; j++)
            better += x[j] > x[id] || (x[j] == x[id] && j < id);
        assert_int_equal(better, i);
    }
    free(x);
}

static void test_parts_show_a_nan_wherever_it_is(void **state)
{
    struct bench *b = *state;
    struct logits_part parts[PARTS];
    struct logits_norm norm;
    float *x = alloc_floats(LONG_ROW);
    struct logits_row row = {x, LONG_ROW, parts};
    for (int at = 5; at < LONG_ROW; at += LOGITS_PART) {
        long_row(b->k, x, parts);
        x[at] = NAN;
        logits_scan(b->k, x, LONG_ROW, at / LOGITS_PART, &parts[at / LOGITS_PART]);
        assert_false(logits_normalise(&row, &norm, &b->err));
        assert_int_equal(b->err.code, ERR_CORRUPT);
    }
    free(x);
}

static void test_a_part_that_is_forbidden_adds_nothing(void **state)
{
    struct bench *b = *state;
    struct logits_part parts[PARTS];
    struct logits_norm norm;
    float *x = alloc_floats(LONG_ROW);
    struct logits_row row = {x, LONG_ROW, parts};
    for (int i = 0; i < LONG_ROW; i++)
        x[i] = i < LOGITS_PART ? -INFINITY : 0;
    for (int i = 0; i < PARTS; i++)
        logits_scan(b->k, x, LONG_ROW, i, &parts[i]);
    assert_ok(logits_normalise(&row, &norm, &b->err), b->err);
    assert_float_equal(norm.log_sum, log(LONG_ROW - LOGITS_PART), 1e-6);
    free(x);
}

static void test_draws_from_a_long_row_fall_where_the_weight_is(void **state)
{
    struct bench *b = *state;
    struct logits_part parts[PARTS];
    struct sample_scratch *scratch;
    float *x = alloc_floats(LONG_ROW);
    struct logits_row row = {x, LONG_ROW, parts};
    int low = 0;
    assert_ok(sample_scratch_open(LONG_ROW, &scratch, &b->err), b->err);
    for (int i = 0; i < LONG_ROW; i++)
        x[i] = i < 3000 || i >= 40000 ? 1 : -INFINITY;
    for (int i = 0; i < PARTS; i++)
        logits_scan(b->k, x, LONG_ROW, i, &parts[i]);
    b->sampler.temperature = 1;
    for (int position = 0; position < 4000; position++) {
        assert_ok(sample_token(b->k, &row, &b->sampler, NULL, position, scratch, &b->record, &b->err), b->err);
        assert_true(x[b->record.id] > 0);
        low += b->record.id < 3000;
    }
    double expected = 4000.0 * 3000 / (3000 + LONG_ROW - 40000);
    assert_true(fabs(low - expected) < 5 * sqrt(expected));
    sample_scratch_close(scratch);
    free(x);
}

/* ---- hostile ---- */

static void test_nan_and_infinity_are_the_models_fault(void **state)
{
    struct bench *b = *state;
    const float bad[] = {NAN, -NAN, INFINITY};
    for (int i = 0; i < 3; i++) {
        for (int at = 0; at < N; at += 333) {
            float kept = b->logits[at];
            b->logits[at] = bad[i];
            assert_false(sample(b, N, NULL, 0));
            assert_int_equal(b->err.code, ERR_CORRUPT);
            assert_non_null(strstr(b->err.msg, "the model produced"));
            b->logits[at] = kept;
        }
    }
    for (int i = 0; i < N; i++)
        b->logits[i] = -INFINITY;
    assert_false(sample(b, N, NULL, 0));
}

static void refuse(const struct sampler *s, const char *word)
{
    struct err err = ERR_INIT;
    assert_false(sampler_check(s, 10, &err));
    if (!strstr(err.msg, word))
        fail_msg("\"%s\" does not name %s", err.msg, word);
}

static void test_sampler_out_of_range_is_refused_by_name(void **state)
{
    const struct logit_bias outside = {10, 1}, below = {-1, 1}, nan_bias = {3, NAN}, infinite = {3, INFINITY};
    const int32_t bad_history[] = {1, 10};
    struct sampler s = SAMPLER_GREEDY;
    (void)state;
#define REFUSED(word, ...)                                                          \
    s = (struct sampler){.top_p = 1, .repetition_penalty = 1};                      \
    __VA_ARGS__;                                                                    \
    refuse(&s, word)
    REFUSED("temperature", s.temperature = -1);
    REFUSED("temperature", s.temperature = NAN);
    REFUSED("temperature", s.temperature = INFINITY);
    REFUSED("top_p", s.top_p = 0);
    REFUSED("top_p", s.top_p = 1.1f);
    REFUSED("top_p", s.top_p = NAN);
    REFUSED("top_k", s.top_k = -1);
    REFUSED("min_p", s.min_p = 2);
    REFUSED("repetition_penalty", s.repetition_penalty = 0);
    REFUSED("repetition_penalty", s.repetition_penalty = NAN);
    REFUSED("presence_penalty", s.presence_penalty = INFINITY);
    REFUSED("frequency_penalty", s.frequency_penalty = NAN);
    REFUSED("bias", s.n_bias = SAMPLER_MAX_BIAS + 1);
    REFUSED("token 10", s.bias = &outside; s.n_bias = 1);
    REFUSED("token -1", s.bias = &below; s.n_bias = 1);
    REFUSED("bias of token 3", s.bias = &nan_bias; s.n_bias = 1);
    REFUSED("bias of token 3", s.bias = &infinite; s.n_bias = 1);
    REFUSED("history", s.presence_penalty = 1; s.history = bad_history; s.n_history = 2);
    REFUSED("history", s.presence_penalty = 1; s.history = bad_history; s.n_history = 1; s.n_prompt = 2);
#undef REFUSED
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
        EACH(test_greedy_takes_the_lowest_id_of_equals),
        EACH(test_greedy_ignores_seed_and_position),
        EACH(test_draws_follow_the_probabilities),
        EACH(test_temperature_sharpens_and_flattens),
        EACH(test_top_k_keeps_k_and_the_lower_ids_of_equals),
        EACH(test_top_p_keeps_the_smallest_set_that_reaches_p),
        EACH(test_top_p_counts_within_what_top_k_left),
        EACH(test_top_p_reaches_far_below_the_best),
        EACH(test_min_p_keeps_what_is_near_the_best),
        EACH(test_top_k_never_takes_what_k_others_beat),
        EACH(test_same_seed_choice_and_position_give_the_same_token),
        EACH(test_mask_admits_only_its_tokens_and_weighs_them),
        EACH(test_the_largest_admitted_token_is_taken_and_all_are_weighed),
        EACH(test_mask_of_everything_changes_nothing),
        EACH(test_mask_of_nothing_is_an_error),
        EACH(test_bias_moves_and_forbids),
        EACH(test_bias_that_forbids_all_is_an_error),
        EACH(test_repetition_penalty_touches_prompt_and_answer_once),
        EACH(test_presence_and_frequency_count_the_answer_only),
        EACH(test_record_holds_top_and_entropy),
        EACH(test_record_of_a_small_vocabulary_has_all_of_it),
        EACH(test_record_takes_ascending_and_descending_logits),
        EACH(test_parts_of_a_row_say_what_the_whole_says),
        EACH(test_parts_show_a_nan_wherever_it_is),
        EACH(test_a_part_that_is_forbidden_adds_nothing),
        EACH(test_draws_from_a_long_row_fall_where_the_weight_is),
        EACH(test_nan_and_infinity_are_the_models_fault),
        EACH(test_sampler_out_of_range_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
