/* Proves that every level's products equal the reference bit for bit, whatever the weights, the number of tokens and
 * the split of the rows; and that the reference means by a block what the file format means. */
#include "support_kernels.h"

#include <math.h>

/* One product: sizes, and how hostile its numbers are. */
struct trial {
    enum tensor_type type;
    int64_t n, k;
    int tokens;
    enum fill weights, activations;
    bool accumulate;
    size_t shift; /* bytes the weights lie beyond a multiple of 64 */
};

static void prepare(const struct kernels *kn, const struct trial *t, const float *x, char *act)
{
    enum act_format format = act_format_of(t->type);
    for (int i = 0; i < t->tokens; i++)
        kn->matmul.act_prepare[format](x + i * t->k, act + (size_t)i * act_row_bytes(format, t->k), t->k);
}

static void multiply(const struct kernels *kn, const struct trial *t, const void *w, const char *act, float *y)
{
    void *scratch = test_alloc(MATMUL_SCRATCH_BYTES);
    struct matmul mm = {t->type, w, act, y, t->n + 3, t->k, t->tokens, t->accumulate};
    int64_t middle = t->n / 3;
    kn->matmul.matmul[t->type](&mm, 0, middle, scratch);
    kn->matmul.matmul[t->type](&mm, middle, t->n, scratch);
    free(scratch);
}

/* Prepares and multiplies at both levels; y starts as garbage, which only `accumulate` may keep. */
static void compare(const struct kernels *ref, const struct kernels *fast, const struct trial *t, uint64_t *state)
{
    size_t act_bytes = act_row_bytes(act_format_of(t->type), t->k) * (size_t)t->tokens;
    int64_t outputs = (t->n + 3) * t->tokens;
    char *w = test_alloc(tensor_row_bytes(t->type, t->k) * (size_t)t->n + t->shift);
    float *x = test_alloc((size_t)(t->k * t->tokens) * sizeof *x);
    char *act_ref = test_alloc(act_bytes), *act_fast = test_alloc(act_bytes);
    float *y_ref = test_alloc((size_t)outputs * sizeof *y_ref), *y_fast = test_alloc((size_t)outputs * sizeof *y_fast);
    test_fill_weights(t->type, w + t->shift, t->n, t->k, t->weights, state);
    test_fill_activations(x, t->k * t->tokens, t->activations, state);
    for (int64_t i = 0; i < outputs; i++)
        y_ref[i] = y_fast[i] = test_random_float(state);
    prepare(ref, t, x, act_ref);
    prepare(fast, t, x, act_fast);
    if (act_format_of(t->type) != ACT_F32 && t->activations != FILL_WILD)
        assert_memory_equal(act_ref, act_fast, act_bytes);
    multiply(ref, t, w + t->shift, act_ref, y_ref);
    multiply(fast, t, w + t->shift, act_fast, y_fast);
    if (!test_same_floats(y_ref, y_fast, outputs))
        fail_msg("%s %s: n %d k %d tokens %d weights %d activations %d", fast->level, tensor_type_name(t->type),
                 (int)t->n, (int)t->k, t->tokens, t->weights, t->activations);
    free(w);
    free(x);
    free(act_ref);
    free(act_fast);
    free(y_ref);
    free(y_fast);
}

typedef void trials_fn(const struct kernels *ref, const struct kernels *fast, enum tensor_type type, uint64_t *state);

static void for_levels_and_types(trials_fn *run)
{
    const struct kernels *ref = test_level("ref");
    for (size_t l = 0; l < TEST_LEVELS; l++) {
        const struct kernels *fast = test_level(test_levels[l]);
        uint64_t state = 7;
        for (size_t i = 0; fast && i < sizeof test_types / sizeof test_types[0]; i++)
            run(ref, fast, test_types[i], &state);
    }
}

static int64_t some_k(enum tensor_type type, int blocks)
{
    int block = tensor_type_info(type)->block;
    return block == 1 ? 37 * blocks - 20 : block * blocks;
}

static void odd_sizes(const struct kernels *ref, const struct kernels *fast, enum tensor_type type, uint64_t *state)
{
    for (int n = 1; n <= 17; n++)
        for (int tokens = 1; tokens <= 19; tokens++) {
            struct trial t = {type, n, some_k(type, 1 + (n + tokens) % 3), tokens, FILL_PLAIN, FILL_PLAIN, n % 2, 0};
            compare(ref, fast, &t, state);
        }
}

static void test_levels_equal_the_reference_at_odd_sizes(void **state)
{
    (void)state;
    for_levels_and_types(odd_sizes);
}

static void hostile_numbers(const struct kernels *ref, const struct kernels *fast, enum tensor_type type,
                            uint64_t *state)
{
    for (int weights = 0; weights < FILLS; weights++)
        for (int activations = 0; activations < FILLS; activations++)
            for (int tokens = 1; tokens <= 7; tokens += 2) {
                struct trial t = {type,  35, some_k(type, 2), tokens, (enum fill)weights, (enum fill)activations,
                                  false, 0};
                compare(ref, fast, &t, state);
            }
}

static void test_levels_equal_the_reference_on_hostile_numbers(void **state)
{
    (void)state;
    for_levels_and_types(hostile_numbers);
}

/* Longer than a panel in rows, K and tokens, with a last piece that fills none. */
static void long_rows(const struct kernels *ref, const struct kernels *fast, enum tensor_type type, uint64_t *state)
{
    int blocks = tensor_type_info(type)->block == 256 ? 9 : tensor_type_info(type)->block == 32 ? 67 : 60;
    struct trial one = {type, 70, some_k(type, blocks), 1, FILL_PLAIN, FILL_PLAIN, false, 8};
    struct trial few = {type, 70, some_k(type, blocks), 9, FILL_PLAIN, FILL_PLAIN, true, 40};
    struct trial many = {type, 70, some_k(type, blocks), 23, FILL_PLAIN, FILL_PLAIN, false, 24};
    compare(ref, fast, &one, state);
    compare(ref, fast, &few, state);
    compare(ref, fast, &many, state);
    struct trial prompt = {type, 3, some_k(type, 2), 300, FILL_PLAIN, FILL_PLAIN, false, 0};
    compare(ref, fast, &prompt, state);
}

static void test_levels_equal_the_reference_past_a_panel(void **state)
{
    (void)state;
    for_levels_and_types(long_rows);
}

static void test_one_token_equals_itself_among_many(void **state)
{
    (void)state;
    enum {
        N = 33,
        TOKENS = 19
    };
    uint64_t seed = 3;
    const struct kernels *best = kernels_get();
    void *scratch = test_alloc(MATMUL_SCRATCH_BYTES);
    for (size_t i = 0; i < sizeof test_types / sizeof test_types[0]; i++) {
        enum tensor_type type = test_types[i];
        struct trial t = {type, N, some_k(type, 3), TOKENS, FILL_PLAIN, FILL_PLAIN, false, 0};
        size_t act_bytes = act_row_bytes(act_format_of(type), t.k);
        char *w = test_alloc(tensor_row_bytes(type, t.k) * N), *act = test_alloc(act_bytes * TOKENS);
        float *x = test_alloc((size_t)t.k * TOKENS * sizeof *x), alone[N], many[TOKENS * N];
        test_fill_weights(type, w, N, t.k, FILL_PLAIN, &seed);
        test_fill_activations(x, t.k * TOKENS, FILL_PLAIN, &seed);
        prepare(best, &t, x, act);
        struct matmul all = {type, w, act, many, N, t.k, TOKENS, false};
        best->matmul.matmul[type](&all, 0, N, scratch);
        for (int token = 0; token < TOKENS; token++) {
            struct matmul one = {type, w, act + (size_t)token * act_bytes, alone, N, t.k, 1, false};
            best->matmul.matmul[type](&one, 0, N, scratch);
            assert_memory_equal(alone, many + token * N, sizeof alone);
        }
        free(w);
        free(act);
        free(x);
    }
    free(scratch);
}

/* ---- the reference itself ---- */

/* Against the unpacked weights times the activations as quantised, in double precision. */
static void test_reference_products_are_those_of_the_unpacked_weights(void **state)
{
    (void)state;
    const struct kernels *ref = test_level("ref");
    uint64_t seed = 11;
    for (size_t i = 0; i < sizeof test_types / sizeof test_types[0]; i++) {
        enum tensor_type type = test_types[i];
        enum act_format format = act_format_of(type);
        int64_t k = 512;
        char *w = test_alloc(tensor_row_bytes(type, k)), *act = test_alloc(act_row_bytes(format, k));
        float x[512], unpacked[512], y;
        test_fill_weights(type, w, 1, k, FILL_PLAIN, &seed);
        test_fill_activations(x, k, FILL_PLAIN, &seed);
        ref->matmul.act_prepare[format](x, act, k);
        struct matmul mm = {type, w, act, &y, 1, k, 1, false};
        ref->matmul.matmul[type](&mm, 0, 1, NULL);
        ref->matmul.unpack[type](w, unpacked, k);
        double expected = 0, size = 0;
        for (int j = 0; j < k; j++) {
            expected += (double)unpacked[j] * x[j];
            size += fabs((double)unpacked[j]);
        }
        assert_true(fabs(expected - (double)y) <= size * (format == ACT_F32 ? 1e-6 : 0.5 / 127));
        free(w);
        free(act);
    }
}

static void test_activations_round_to_nearest_even_and_keep_their_sums(void **state)
{
    (void)state;
    const struct kernels *ref = test_level("ref");
    float x[256] = {127, -127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 126.49f};
    x[32] = 1;
    struct {
        float d;
        int32_t sum;
        int8_t q[32];
    } block[8] = {{0}};
    ref->matmul.act_prepare[ACT_Q8_32](x, block, 256);
    static const int8_t expected[8] = {127, -127, 0, 2, 2, 0, -2, 126};
    assert_true(block[0].d == 1.0f);
    assert_memory_equal(block[0].q, expected, sizeof expected);
    assert_int_equal(block[0].sum, 128);
    assert_int_equal(block[1].q[0], 127);
    assert_true(block[2].d == 0.0f && block[2].sum == 0);
}

static void test_activations_that_are_no_numbers_give_no_number(void **state)
{
    (void)state;
    const struct kernels *ref = test_level("ref");
    float bad[2] = {NAN, -INFINITY};
    for (int i = 0; i < 2; i++) {
        float x[256] = {1, 2, 3}, y;
        x[200] = bad[i];
        char *act = test_alloc(act_row_bytes(ACT_Q8_256, 256));
        struct block_q6_k w = {.d = 0};
        ref->matmul.act_prepare[ACT_Q8_256](x, act, 256);
        struct matmul mm = {TENSOR_Q6_K, &w, act, &y, 1, 256, 1, false};
        ref->matmul.matmul[TENSOR_Q6_K](&mm, 0, 1, NULL);
        assert_true(isnan(y));
        free(act);
    }
}

/* ---- blocks by hand: the values follow from the format, element by element ---- */

static void test_q4_0_low_nibbles_come_first(void **state)
{
    (void)state;
    struct block_q4_0 b = {.d = 0x3800}; /* 0.5 */
    for (int i = 0; i < 16; i++)
        b.qs[i] = (uint8_t)(i | (15 - i) << 4);
    float y[32];
    test_level("ref")->matmul.unpack[TENSOR_Q4_0](&b, y, 32);
    for (int i = 0; i < 16; i++) {
        assert_true(y[i] == 0.5f * (float)(i - 8));
        assert_true(y[16 + i] == 0.5f * (float)(7 - i));
    }
}

static void test_q5_takes_its_fifth_bit_from_the_mask(void **state)
{
    (void)state;
    struct block_q5_0 b0 = {.d = 0x3c00, .qh = {0x01, 0, 0, 0x80}};
    struct block_q5_1 b1 = {.d = 0x3c00, .m = 0xbc00, .qh = {0x01, 0, 0, 0x80}};
    b0.qs[0] = b1.qs[0] = 0x53;
    b0.qs[15] = b1.qs[15] = 0xf0;
    float y0[32], y1[32];
    test_level("ref")->matmul.unpack[TENSOR_Q5_0](&b0, y0, 32);
    test_level("ref")->matmul.unpack[TENSOR_Q5_1](&b1, y1, 32);
    assert_true(y0[0] == 3 && y0[16] == 5 - 16 && y0[15] == -16 && y0[31] == 15 && y0[1] == -16);
    assert_true(y1[0] == 18 && y1[16] == 4 && y1[15] == -1 && y1[31] == 30 && y1[1] == -1);
}

static void test_q8_0_is_signed(void **state)
{
    (void)state;
    struct block_q8_0 b = {.d = 0x4000, .qs = {-128, 127, -1}};
    float y[32];
    test_level("ref")->matmul.unpack[TENSOR_Q8_0](&b, y, 32);
    assert_true(y[0] == -256 && y[1] == 254 && y[2] == -2 && y[31] == 0);
}

/* Sub-block j has scale j + 1, and 33 + j where the upper two bits are needed; its minimum is 3 j + 40. */
static void k_scales_by_hand(uint8_t packed[12], int scale[8], int min[8])
{
    memset(packed, 0, 12);
    for (int j = 0; j < 8; j++) {
        scale[j] = j < 4 ? j + 1 : 33 + j;
        min[j] = 3 * j + 40;
        if (j < 4) {
            packed[j] |= (uint8_t)scale[j];
            packed[4 + j] |= (uint8_t)min[j];
        } else {
            packed[4 + j] |= (uint8_t)((scale[j] & 15) | (min[j] & 15) << 4);
            packed[j - 4] |= (uint8_t)(scale[j] >> 4 << 6);
            packed[j] |= (uint8_t)(min[j] >> 4 << 6);
        }
    }
}

static void test_q4_k_and_q5_k_follow_their_packed_scales(void **state)
{
    (void)state;
    struct block_q4_k b4 = {.d = 0x3c00, .dmin = 0x3800};
    struct block_q5_k b5 = {.d = 0x3c00, .dmin = 0x3800};
    int scale[8], min[8];
    float y4[256], y5[256];
    k_scales_by_hand(b4.scales, scale, min);
    k_scales_by_hand(b5.scales, scale, min);
    for (int i = 0; i < 256; i++) {
        int q = (i * 7 + i / 32) % 32, byte = i / 64 * 32 + i % 32, shift = i / 32 % 2 * 4;
        b4.qs[byte] |= (uint8_t)((q & 15) << shift);
        b5.qs[byte] |= (uint8_t)((q & 15) << shift);
        b5.qh[i % 32] |= (uint8_t)(q >> 4 << i / 32);
    }
    test_level("ref")->matmul.unpack[TENSOR_Q4_K](&b4, y4, 256);
    test_level("ref")->matmul.unpack[TENSOR_Q5_K](&b5, y5, 256);
    for (int i = 0; i < 256; i++) {
        int q = (i * 7 + i / 32) % 32;
        assert_true(y4[i] == (float)(scale[i / 32] * (q & 15)) - 0.5f * (float)min[i / 32]);
        assert_true(y5[i] == (float)(scale[i / 32] * q) - 0.5f * (float)min[i / 32]);
    }
}

static void test_q6_k_has_sixteen_signed_scales(void **state)
{
    (void)state;
    struct block_q6_k b = {.d = 0x3c00};
    for (int i = 0; i < 16; i++)
        b.scales[i] = (int8_t)(i % 2 ? -i : i - 128);
    for (int i = 0; i < 256; i++) {
        int q = (i * 11 + i / 16) % 64;
        b.ql[i / 128 * 64 + i % 64] |= (uint8_t)((q & 15) << i / 64 % 2 * 4);
        b.qh[i / 128 * 32 + i % 32] |= (uint8_t)(q >> 4 << i / 32 % 4 * 2);
    }
    float y[256];
    test_level("ref")->matmul.unpack[TENSOR_Q6_K](&b, y, 256);
    for (int i = 0; i < 256; i++)
        assert_true(y[i] == (float)(b.scales[i / 16] * ((i * 11 + i / 16) % 64 - 32)));
}

static void test_q4_1_adds_its_minimum(void **state)
{
    (void)state;
    struct block_q4_1 b = {.d = 0x3800, .m = 0xc000}; /* 0.5, -2 */
    b.qs[0] = 0xf3;
    b.qs[15] = 0x1a;
    float y[32];
    test_level("ref")->matmul.unpack[TENSOR_Q4_1](&b, y, 32);
    assert_true(y[0] == -0.5f && y[16] == 5.5f && y[15] == 3 && y[31] == -1.5f && y[1] == -2);
}

static void test_iq4_nl_and_mxfp4_name_their_values(void **state)
{
    (void)state;
    static const float iq4[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    static const float mxfp4[16] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6, 0, -0.5f, -1, -1.5f, -2, -3, -4, -6};
    struct block_iq4_nl b0 = {.d = 0x4000};
    struct block_mxfp4 b1 = {.e = 128}; /* both 2 */
    for (int i = 0; i < 16; i++)
        b0.qs[i] = b1.qs[i] = (uint8_t)(i | (15 - i) << 4);
    float y0[32], y1[32];
    test_level("ref")->matmul.unpack[TENSOR_IQ4_NL](&b0, y0, 32);
    test_level("ref")->matmul.unpack[TENSOR_MXFP4](&b1, y1, 32);
    for (int i = 0; i < 16; i++) {
        assert_true(y0[i] == 2 * iq4[i] && y0[31 - i] == 2 * iq4[i]);
        assert_true(y1[i] == 2 * mxfp4[i] && y1[31 - i] == 2 * mxfp4[i]);
    }
}

static void test_q2_k_has_sixteen_scales_and_minima(void **state)
{
    (void)state;
    struct block_q2_k b = {.d = 0x3c00, .dmin = 0x3800};
    for (int i = 0; i < 16; i++)
        b.scales[i] = (uint8_t)(i | (15 - i) << 4);
    for (int i = 0; i < 256; i++)
        b.qs[i / 128 * 32 + i % 32] |= (uint8_t)((i + i / 32) % 4 << i / 32 % 4 * 2);
    float y[256];
    test_level("ref")->matmul.unpack[TENSOR_Q2_K](&b, y, 256);
    for (int i = 0; i < 256; i++)
        assert_true(y[i] == (float)(i / 16 * ((i + i / 32) % 4)) - 0.5f * (float)(15 - i / 16));
}

static void test_q3_k_takes_its_third_bit_from_the_mask(void **state)
{
    (void)state;
    struct block_q3_k b = {.d = 0x3c00};
    for (int j = 0; j < 16; j++) { /* scale j is 4 j - 30 */
        int scale = 4 * j + 2;
        b.scales[j % 8] |= (uint8_t)((scale & 15) << j / 8 * 4);
        b.scales[8 + j % 4] |= (uint8_t)(scale >> 4 << j / 4 * 2);
    }
    for (int i = 0; i < 256; i++) {
        int q = (i + i / 32) % 8;
        b.qs[i / 128 * 32 + i % 32] |= (uint8_t)((q & 3) << i / 32 % 4 * 2);
        b.hmask[i % 32] |= (uint8_t)(q >> 2 << i / 32);
    }
    float y[256];
    test_level("ref")->matmul.unpack[TENSOR_Q3_K](&b, y, 256);
    for (int i = 0; i < 256; i++)
        assert_true(y[i] == (float)((4 * (i / 16) - 30) * ((i + i / 32) % 8 - 4)));
}

static void test_iq4_xs_splits_its_scales(void **state)
{
    (void)state;
    struct block_iq4_xs b = {.d = 0x3c00};
    for (int j = 0; j < 8; j++) { /* scale j is 8 j - 29 */
        int scale = 8 * j + 3;
        b.scales_l[j / 2] |= (uint8_t)((scale & 15) << j % 2 * 4);
        b.scales_h |= (uint16_t)(scale >> 4 << 2 * j);
        for (int i = 0; i < 16; i++)
            b.qs[16 * j + i] = (uint8_t)(i | (i + j) % 16 << 4);
    }
    float y[256];
    test_level("ref")->matmul.unpack[TENSOR_IQ4_XS](&b, y, 256);
    for (int j = 0; j < 8; j++)
        for (int i = 0; i < 16; i++) {
            assert_true(y[32 * j + i] == (float)((8 * j - 29) * tensor_iq4_values[i]));
            assert_true(y[32 * j + 16 + i] == (float)((8 * j - 29) * tensor_iq4_values[(i + j) % 16]));
        }
}

/* The rows of one expert lie in the middle of a tensor, at any byte. */
static void test_products_begin_at_any_row(void **state)
{
    (void)state;
    enum {
        N = 40,
        K = 96,
        FIRST = 17
    };
    uint64_t seed = 5;
    const struct kernels *best = kernels_get();
    size_t row_bytes = tensor_row_bytes(TENSOR_MXFP4, K), act_bytes = act_row_bytes(ACT_Q8_32, K);
    char *w = test_alloc(row_bytes * N), *act = test_alloc(act_bytes * 6), *scratch = test_alloc(MATMUL_SCRATCH_BYTES);
    float x[6 * K], all[6 * N], part[6 * (N - FIRST)];
    test_fill_weights(TENSOR_MXFP4, w, N, K, FILL_PLAIN, &seed);
    test_fill_activations(x, 6 * K, FILL_PLAIN, &seed);
    for (size_t t = 0; t < 6; t++)
        best->matmul.act_prepare[ACT_Q8_32](x + t * K, act + t * act_bytes, K);
    for (int tokens = 1; tokens <= 6; tokens += 5) {
        struct matmul whole = {TENSOR_MXFP4, w, act, all, N, K, tokens, false};
        struct matmul rows = {TENSOR_MXFP4, w + FIRST * row_bytes, act, part, N - FIRST, K, tokens, false};
        best->matmul.matmul[TENSOR_MXFP4](&whole, 0, N, scratch);
        best->matmul.matmul[TENSOR_MXFP4](&rows, 0, N - FIRST, scratch);
        for (int t = 0; t < tokens; t++)
            assert_memory_equal(part + t * (N - FIRST), all + t * N + FIRST, (N - FIRST) * sizeof *part);
    }
    free(w);
    free(act);
    free(scratch);
}

static void test_an_unknown_level_is_refused(void **state)
{
    (void)state;
    const struct kernels *k;
    struct err err = ERR_INIT;
    assert_false(kernels_level("sse9", &k, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels_equal_the_reference_at_odd_sizes),
        cmocka_unit_test(test_levels_equal_the_reference_on_hostile_numbers),
        cmocka_unit_test(test_levels_equal_the_reference_past_a_panel),
        cmocka_unit_test(test_one_token_equals_itself_among_many),
        cmocka_unit_test(test_reference_products_are_those_of_the_unpacked_weights),
        cmocka_unit_test(test_activations_round_to_nearest_even_and_keep_their_sums),
        cmocka_unit_test(test_activations_that_are_no_numbers_give_no_number),
        cmocka_unit_test(test_q4_0_low_nibbles_come_first),
        cmocka_unit_test(test_q5_takes_its_fifth_bit_from_the_mask),
        cmocka_unit_test(test_q8_0_is_signed),
        cmocka_unit_test(test_q4_k_and_q5_k_follow_their_packed_scales),
        cmocka_unit_test(test_q6_k_has_sixteen_signed_scales),
        cmocka_unit_test(test_q4_1_adds_its_minimum),
        cmocka_unit_test(test_iq4_nl_and_mxfp4_name_their_values),
        cmocka_unit_test(test_q2_k_has_sixteen_scales_and_minima),
        cmocka_unit_test(test_q3_k_takes_its_third_bit_from_the_mask),
        cmocka_unit_test(test_iq4_xs_splits_its_scales),
        cmocka_unit_test(test_products_begin_at_any_row),
        cmocka_unit_test(test_an_unknown_level_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
