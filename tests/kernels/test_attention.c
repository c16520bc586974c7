/* Proves attention right against a naive softmax in double precision, equal bit for bit at every level, blind to how a
 * prompt was cut into calls, and ignorant of positions it may not see; and that the cache stores what halves and floats
 * say. */
#include "support_kernels.h"

#include <math.h>

/* A session: its pages, queries and what attention wrote. */
struct scene {
    struct attention a;
    char **pages;
    int n_pages;
    float *q, *out;
    float *k, *v; /* [tokens, n_kv_head, head_dim], rounded as stored */
    int64_t positions;
};

static size_t page_half(const struct attention *a)
{
    return (size_t)a->n_kv_head * kv_head_bytes(a->kv_type, a->head_dim);
}

/* Positions [0, positions); the last `tokens` of them ask. What is not stored in the pages is NaN. */
static void scene_open(struct scene *s, struct attention shape, int64_t positions, uint64_t *state)
{
    const struct kernels *ref = test_level("ref");
    int64_t width = (int64_t)shape.n_kv_head * shape.head_dim, q_width = (int64_t)shape.n_head * shape.head_dim;
    *s = (struct scene){.a = shape, .positions = positions, .n_pages = (int)((positions - 1) / KV_PAGE + 1)};
    s->a.pos0 = positions - shape.tokens;
    s->a.q_stride = q_width + 5;
    s->a.out_stride = q_width + 2;
    s->a.k_offset = 64;
    s->a.v_offset = 64 + page_half(&shape) + 32;
    s->pages = test_alloc((size_t)s->n_pages * sizeof *s->pages);
    for (int p = 0; p < s->n_pages; p++) {
        size_t bytes = s->a.v_offset + page_half(&shape);
        s->pages[p] = test_alloc(bytes);
        memset(s->pages[p], 0xff, bytes + 64);
    }
    s->k = test_alloc((size_t)(positions * width) * sizeof *s->k);
    s->v = test_alloc((size_t)(positions * width) * sizeof *s->v);
    for (int64_t i = 0; i < positions * width; i++) {
        s->k[i] = f16_to_f32(f32_to_f16(test_random_float(state)));
        s->v[i] = f16_to_f32(f32_to_f16(test_random_float(state)));
    }
    for (int64_t pos = 0; pos < positions; pos++) {
        char *page = s->pages[pos / KV_PAGE];
        int slot = (int)(pos % KV_PAGE);
        ref->attention.store_k(s->k + pos * width, page + s->a.k_offset, shape.kv_type, shape.n_kv_head, shape.head_dim,
                               slot);
        ref->attention.store_v(s->v + pos * width, page + s->a.v_offset, shape.kv_type, shape.n_kv_head, shape.head_dim,
                               slot);
    }
    s->q = test_alloc((size_t)(s->a.q_stride * shape.tokens) * sizeof *s->q);
    s->out = test_alloc((size_t)(s->a.out_stride * shape.tokens) * sizeof *s->out);
    for (int64_t i = 0; i < s->a.q_stride * shape.tokens; i++)
        s->q[i] = 3 * test_random_float(state);
    s->a.q = s->q;
    s->a.out = s->out;
    s->a.pages = (const char *const *)s->pages;
}

static void scene_close(struct scene *s)
{
    for (int p = 0; p < s->n_pages; p++)
        free(s->pages[p]);
    free(s->pages);
    free(s->k);
    free(s->v);
    free(s->q);
    free(s->out);
}

static int64_t units_of(const struct attention *a)
{
    return attention_units(a->n_head, a->n_kv_head, a->head_dim, a->tokens);
}

static void attend(const struct kernels *k, const struct attention *a, int64_t begin, int64_t end)
{
    void *scratch = test_alloc(ATTENTION_SCRATCH_BYTES);
    memset(scratch, 0xff, ATTENTION_SCRATCH_BYTES);
    k->attention.attention(a, begin, end, scratch);
    free(scratch);
}

static struct attention shape_of(int n_head, int n_kv_head, int head_dim, int tokens)
{
    return (struct attention){.n_head = n_head,
                              .n_kv_head = n_kv_head,
                              .head_dim = head_dim,
                              .tokens = tokens,
                              .kv_type = TENSOR_F16,
                              .scale = 1 / sqrtf((float)head_dim)};
}

static double naive_score(const struct scene *s, int64_t token, int head, int64_t pos)
{
    const struct attention *a = &s->a;
    int kv_head = head / (a->n_head / a->n_kv_head);
    const float *q = s->q + token * a->q_stride + (int64_t)head * a->head_dim;
    const float *k = s->k + (pos * a->n_kv_head + kv_head) * a->head_dim;
    double dot = 0;
    for (int d = 0; d < a->head_dim; d++)
        dot += (double)q[d] * k[d];
    dot *= a->scale;
    return a->softcap != 0 ? a->softcap * tanh(dot / a->softcap) : dot;
}

static double naive_value(const struct scene *s, int64_t token, int head, int d)
{
    const struct attention *a = &s->a;
    int64_t pos = a->pos0 + token, first = a->window > 0 && pos + 1 > a->window ? pos + 1 - a->window : 0;
    int kv_head = head / (a->n_head / a->n_kv_head);
    double sum = a->sinks ? exp(a->sinks[head]) : 0, value = 0;
    for (int64_t j = first; j <= pos; j++) {
        double p = exp(naive_score(s, token, head, j));
        sum += p;
        value += p * s->v[(j * a->n_kv_head + kv_head) * a->head_dim + d];
    }
    return value / sum;
}

static void assert_near_naive(struct attention shape, int64_t positions, double near)
{
    uint64_t state = 5;
    struct scene s;
    scene_open(&s, shape, positions, &state);
    attend(test_level("ref"), &s.a, 0, units_of(&shape));
    for (int t = 0; t < shape.tokens; t++)
        for (int h = 0; h < shape.n_head; h++)
            for (int d = 0; d < shape.head_dim; d += 7) {
                double got = s.out[t * s.a.out_stride + (int64_t)h * shape.head_dim + d];
                assert_true(fabs(got - naive_value(&s, t, h, d)) < near);
            }
    scene_close(&s);
}

static void test_reference_is_near_a_naive_softmax(void **state)
{
    (void)state;
    static const float sinks[] = {2, -3, 0.5f, 11};
    struct attention plain = shape_of(4, 2, 64, 5), windowed = shape_of(2, 2, 32, 9), capped = shape_of(3, 1, 20, 3);
    struct attention sinking = shape_of(4, 2, 64, 5);
    windowed.window = 70;
    capped.softcap = 2.5f;
    capped.kv_type = TENSOR_F32;
    assert_near_naive(plain, 5, 2e-6);
    assert_near_naive(plain, 150, 2e-6);
    assert_near_naive(windowed, 200, 2e-6);
    assert_near_naive(capped, 131, 2e-6);
    sinking.sinks = sinks;
    assert_near_naive(sinking, 5, 2e-6);
    assert_near_naive(sinking, 150, 2e-6);
}

/* A rounding of 1 / 254 of a block's largest, in q, k and v. */
static void test_a_cache_of_bytes_is_near_a_naive_softmax(void **state)
{
    (void)state;
    struct attention shape = shape_of(4, 2, 64, 5);
    shape.kv_type = TENSOR_Q8_0;
    assert_near_naive(shape, 5, 2e-2);
    assert_near_naive(shape, 150, 1e-2);
}

static void compare_levels(struct attention shape, int64_t positions, uint64_t *state)
{
    struct scene s;
    scene_open(&s, shape, positions, state);
    int64_t units = units_of(&shape), outputs = s.a.out_stride * shape.tokens;
    float *expected = test_alloc((size_t)outputs * sizeof *expected);
    s.a.out = expected;
    attend(test_level("ref"), &s.a, 0, units);
    for (size_t l = 0; l < TEST_LEVELS; l++) {
        const struct kernels *fast = test_level(test_levels[l]);
        if (!fast)
            continue;
        memset(s.out, 0, (size_t)outputs * sizeof *s.out);
        s.a.out = s.out;
        attend(fast, &s.a, 0, units / 2);
        attend(fast, &s.a, units / 2, units);
        if (!test_same_floats(expected, s.out, outputs))
            fail_msg("%s: heads %d of %d, dim %d, tokens %d of %d, window %d, type %d", fast->level, shape.n_head,
                     shape.n_kv_head, shape.head_dim, shape.tokens, (int)positions, (int)shape.window, shape.kv_type);
    }
    free(expected);
    scene_close(&s);
}

static enum tensor_type kv_type_of(size_t i, int head_dim)
{
    static const enum tensor_type types[] = {TENSOR_F16, TENSOR_Q8_0, TENSOR_F32};
    return kv_type_fits(types[i % 3], head_dim) ? types[i % 3] : TENSOR_F16;
}

static void test_levels_equal_the_reference(void **state)
{
    (void)state;
    static const int dims[] = {16, 20, 64, 80, 96, 128, 7, ATTENTION_MAX_HEAD_DIM};
    static const int64_t lengths[] = {1, 2, 17, 63, 64, 65, 130, 193};
    static const float sinks[14] = {0, -1, 1, 40, -40, 3, INFINITY, -INFINITY, NAN, 0.1f, 0.2f, 5, -5, 1e-3f};
    uint64_t seed = 9;
    for (size_t d = 0; d < sizeof dims / sizeof dims[0]; d++)
        for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++)
            for (int group = 1; group <= 7; group++) {
                struct attention shape = shape_of(2 * group, 2, dims[d], lengths[l] < 3 ? 1 : 3);
                shape.kv_type = kv_type_of(d + l + (size_t)group, dims[d]);
                shape.window = group == 5 ? 50 : group == 7 ? 1 : 0;
                shape.softcap = group == 3 ? 30.0f : 0;
                shape.sinks = (d + l) % 2 ? sinks : NULL;
                compare_levels(shape, lengths[l], &seed);
            }
}

/* Prompts: several units a kv head, edges of windows and of causality anywhere in a page. */
static void test_levels_equal_the_reference_on_prompts(void **state)
{
    (void)state;
    static const int shapes[][4] = {{1, 1, 64, 150}, {4, 1, 128, 70},  {6, 2, 20, 130}, {16, 1, 96, 33},
                                    {3, 3, 32, 200}, {2, 1, 256, 129}, {300, 1, 32, 3}};
    uint64_t seed = 4;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (int kind = 0; kind < 9; kind++) {
            struct attention shape = shape_of(shapes[i][0], shapes[i][1], shapes[i][2], shapes[i][3]);
            static const int64_t windows[] = {0, 1, 100};
            shape.kv_type = kv_type_of((size_t)kind, shapes[i][2]);
            shape.window = windows[kind / 3];
            compare_levels(shape, shape.tokens + (kind % 2 ? 0 : 77), &seed);
        }
}

static void test_levels_equal_the_reference_on_queries_that_are_no_numbers(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int type = 0; type < 3; type++) {
        struct scene s;
        struct attention shape = shape_of(4, 1, 32, 4);
        shape.kv_type = kv_type_of((size_t)type, 32);
        scene_open(&s, shape, 90, &seed);
        s.q[0] = NAN;
        s.q[s.a.q_stride] = INFINITY;
        s.q[2 * s.a.q_stride + 32] = -INFINITY;
        s.q[3 * s.a.q_stride] = 3e38f;
        float expected[4 * 130];
        attend(test_level("ref"), &s.a, 0, units_of(&shape));
        memcpy(expected, s.out, sizeof expected);
        assert_true(isnan(expected[0]) && !isnan(expected[40]));
        for (size_t l = 0; l < TEST_LEVELS; l++) {
            const struct kernels *fast = test_level(test_levels[l]);
            if (fast) {
                attend(fast, &s.a, 0, units_of(&shape));
                assert_true(test_same_floats(expected, s.out, 4 * 130));
            }
        }
        scene_close(&s);
    }
}

/* Nor does a later token's key or value that is no number touch an earlier one. */
static void assert_one_by_one(struct attention shape, int64_t positions, bool poisoned)
{
    uint64_t seed = 2;
    struct scene s;
    int64_t width = (int64_t)shape.n_kv_head * shape.head_dim, last = positions - 20;
    const struct kernels *best = kernels_get();
    scene_open(&s, shape, positions, &seed);
    if (poisoned) {
        char *page = s.pages[last / KV_PAGE];
        for (int64_t i = 0; i < width; i++)
            s.k[i] = i % 3 ? NAN : INFINITY;
        best->attention.store_k(s.k, page + s.a.k_offset, shape.kv_type, shape.n_kv_head, shape.head_dim,
                                (int)(last % KV_PAGE));
        best->attention.store_v(s.k, page + s.a.v_offset, shape.kv_type, shape.n_kv_head, shape.head_dim,
                                (int)(last % KV_PAGE));
    }
    attend(best, &s.a, 0, units_of(&shape));
    float *out = test_alloc((size_t)(shape.n_head * shape.head_dim) * sizeof *out);
    for (int t = 0; t < shape.tokens; t++) {
        struct attention one = s.a;
        one.tokens = 1;
        one.pos0 += t;
        one.q += t * one.q_stride;
        one.out = out;
        attend(best, &one, 0, units_of(&one));
        assert_true(test_same_floats(out, s.out + t * s.a.out_stride, shape.n_head * shape.head_dim));
        assert_true(!poisoned || isnan(out[0]) == (one.pos0 >= last));
    }
    free(out);
    scene_close(&s);
}

static void test_many_tokens_in_one_call_equal_many_calls(void **state)
{
    (void)state;
    for (size_t type = 0; type < 3; type++) {
        struct attention plain = shape_of(8, 2, 64, 100), windowed = shape_of(8, 2, 64, 100),
                         many = shape_of(2, 2, 32, 190);
        plain.kv_type = windowed.kv_type = many.kv_type = kv_type_of(type, 32);
        windowed.window = 77;
        assert_one_by_one(plain, 150, false);
        assert_one_by_one(plain, 150, true);
        assert_one_by_one(windowed, 150, false);
        assert_one_by_one(many, 333, true);
    }
}

static void test_units_cover_every_token_and_head_once(void **state)
{
    (void)state;
    struct attention shape = shape_of(32, 8, 128, 512);
    uint64_t seed = 3;
    struct scene s;
    scene_open(&s, shape, 512, &seed);
    int64_t units = units_of(&shape), outputs = s.a.out_stride * shape.tokens;
    for (int64_t i = 0; i < outputs; i++)
        s.out[i] = -1;
    for (int64_t u = units - 1; u >= 0; u--)
        attend(kernels_get(), &s.a, u, u + 1);
    for (int t = 0; t < shape.tokens; t++)
        for (int h = 0; h < shape.n_head; h++)
            assert_true(s.out[t * s.a.out_stride + (int64_t)h * shape.head_dim] != -1);
    scene_close(&s);
}

static void assert_stores_like_the_reference(const struct kernels *fast, enum tensor_type type, const float *src,
                                             int heads, int dim)
{
    size_t bytes = (size_t)heads * kv_head_bytes(type, dim);
    char *expected = test_alloc(bytes), *got = test_alloc(bytes);
    for (int values = 0; values < 2; values++) {
        for (int slot = 0; slot < KV_PAGE; slot += 21) {
            const struct attention_kernels *ref = &test_level("ref")->attention;
            (values ? ref->store_v : ref->store_k)(src, expected, type, heads, dim, slot);
            (values ? fast->attention.store_v : fast->attention.store_k)(src, got, type, heads, dim, slot);
        }
        assert_memory_equal(expected, got, bytes);
    }
    free(expected);
    free(got);
}

/* Each half itself, and the floats on both sides of the middle between it and the next. */
static void test_stores_round_like_the_reference_around_every_half(void **state)
{
    (void)state;
    enum {
        DIM = 256
    };
    float src[4 * DIM];
    for (size_t l = 0; l < TEST_LEVELS; l++) {
        const struct kernels *fast = test_level(test_levels[l]);
        for (uint32_t h = 0; fast && h < 65536; h += DIM) {
            for (uint32_t i = 0; i < DIM; i++) {
                float low = f16_to_f32((uint16_t)(h + i)), high = f16_to_f32((uint16_t)(h + i + 1));
                float middle = low + (high - low) / 2;
                src[i] = low;
                src[DIM + i] = middle;
                src[2 * DIM + i] = nextafterf(middle, low);
                src[3 * DIM + i] = nextafterf(middle, high);
            }
            assert_stores_like_the_reference(fast, TENSOR_F16, src, 4, DIM);
        }
        if (fast) {
            assert_stores_like_the_reference(fast, TENSOR_F16, src, 3, 21);
            assert_stores_like_the_reference(fast, TENSOR_F32, src, 3, 21);
            assert_stores_like_the_reference(fast, TENSOR_Q8_0, src, 3, 96);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference_is_near_a_naive_softmax),
        cmocka_unit_test(test_a_cache_of_bytes_is_near_a_naive_softmax),
        cmocka_unit_test(test_levels_equal_the_reference),
        cmocka_unit_test(test_levels_equal_the_reference_on_prompts),
        cmocka_unit_test(test_levels_equal_the_reference_on_queries_that_are_no_numbers),
        cmocka_unit_test(test_many_tokens_in_one_call_equal_many_calls),
        cmocka_unit_test(test_units_cover_every_token_and_head_once),
        cmocka_unit_test(test_stores_round_like_the_reference_around_every_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
