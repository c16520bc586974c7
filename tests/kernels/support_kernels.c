/* Numbers for the kernel tests. See the header. */
#include "support_kernels.h"

#include <math.h>

const enum tensor_type test_types[16] = {
    TENSOR_F32,  TENSOR_F16,  TENSOR_BF16, TENSOR_Q4_0, TENSOR_Q4_1, TENSOR_Q5_0,   TENSOR_Q5_1,   TENSOR_Q8_0,
    TENSOR_Q2_K, TENSOR_Q3_K, TENSOR_Q4_K, TENSOR_Q5_K, TENSOR_Q6_K, TENSOR_IQ4_NL, TENSOR_IQ4_XS, TENSOR_MXFP4,
};
const char *const test_levels[TEST_LEVELS] = {"avx2", "avxvnni", "avx512"};

/* splitmix64 */
uint64_t test_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

float test_random_float(uint64_t *state)
{
    return (float)((double)(test_random(state) >> 11) * 0x1p-52 - 1);
}

static uint16_t half_scale(enum fill fill, uint64_t *state)
{
    uint16_t bits = (uint16_t)test_random(state);
    switch (fill) {
    case FILL_EXTREME:
        return bits & 1 ? 0x7bff : 0xfbff;
    case FILL_ZERO:
        return bits & 0x8000;
    case FILL_TINY:
        return bits & 0x83ff;
    case FILL_WILD:
        return bits % 5 == 0 ? (uint16_t)(0x7c00 | (bits & 0x8200)) : bits;
    default:
        return f32_to_f16(test_random_float(state) * 0.01f);
    }
}

static void fill_bytes(uint8_t *p, size_t n, enum fill fill, uint64_t *state)
{
    static const uint8_t ends[4] = {0x00, 0xff, 0x80, 0x7f};
    uint8_t all = ends[test_random(state) % 4];
    for (size_t i = 0; i < n; i++)
        p[i] = fill == FILL_EXTREME ? all : (uint8_t)test_random(state);
}

static void fill_float(enum tensor_type type, char *p, enum fill fill, uint64_t *state)
{
    float f = test_random_float(state);
    if (fill == FILL_EXTREME)
        f *= 60000;
    else if (fill == FILL_ZERO)
        f *= 0;
    else if (fill == FILL_TINY)
        f *= type == TENSOR_F16 ? 1e-7f : 1e-40f;
    else if (fill == FILL_WILD && test_random(state) % 97 == 0)
        f = test_random(state) % 2 ? INFINITY : NAN;
    uint16_t half = type == TENSOR_F16 ? f32_to_f16(f) : f32_to_bf16(f);
    if (type == TENSOR_F32)
        memcpy(p, &f, 4);
    else
        memcpy(p, &half, 2);
}

/* An exponent of MXFP4 about where half_scale's halves lie: tiny ones are subnormal, and the largest wild. */
static uint8_t exponent_scale(enum fill fill, uint64_t *state)
{
    uint8_t bits = (uint8_t)test_random(state);
    switch (fill) {
    case FILL_EXTREME:
        return bits & 1 ? 255 : 254;
    case FILL_ZERO:
    case FILL_TINY:
        return bits % 4;
    case FILL_WILD:
        return bits;
    default:
        return (uint8_t)(118 + bits % 4);
    }
}

/* Overwrites a random block's scale and minimum. */
static void set_scales(enum tensor_type type, char *block, enum fill fill, uint64_t *state)
{
    uint16_t d = half_scale(fill, state), m = half_scale(fill, state);
    int at = type == TENSOR_Q6_K ? 208 : type == TENSOR_Q3_K ? 108 : type == TENSOR_Q2_K ? 80 : 0;
    if (type == TENSOR_MXFP4) {
        *block = (char)exponent_scale(fill, state);
        return;
    }
    memcpy(block + at, &d, 2);
    if (type == TENSOR_Q4_1 || type == TENSOR_Q5_1 || type == TENSOR_Q2_K || type == TENSOR_Q4_K || type == TENSOR_Q5_K)
        memcpy(block + at + 2, &m, 2);
}

void test_fill_weights(enum tensor_type type, void *w, int64_t n, int64_t k, enum fill fill, uint64_t *state)
{
    const struct tensor_type_info *info = tensor_type_info(type);
    char *p = w;
    for (int64_t i = 0; i < n * (k / info->block); i++, p += info->block_bytes) {
        if (info->block == 1) {
            fill_float(type, p, fill, state);
            continue;
        }
        fill_bytes((uint8_t *)p, (size_t)info->block_bytes, fill, state);
        set_scales(type, p, fill, state);
    }
}

void test_fill_activations(float *x, int64_t n, enum fill fill, uint64_t *state)
{
    float all = test_random(state) % 2 ? 3e37f : -3e37f;
    for (int64_t i = 0; i < n; i++) {
        x[i] = test_random_float(state);
        if (fill == FILL_EXTREME)
            x[i] = test_random(state) % 8 ? all : -all;
        else if (fill == FILL_ZERO)
            x[i] *= test_random(state) % 64 ? 0.0f : 1.0f;
        else if (fill == FILL_TINY)
            x[i] *= i / 256 % 2 ? 1e-36f : 1e-40f;
        else if (fill == FILL_WILD && test_random(state) % 301 == 0)
            x[i] = test_random(state) % 2 ? INFINITY : NAN;
    }
}

bool test_same_floats(const float *a, const float *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (memcmp(&a[i], &b[i], sizeof *a) != 0 && !(isnan(a[i]) && isnan(b[i])))
            return false;
    return true;
}

const struct kernels *test_level(const char *level)
{
    const struct kernels *k;
    struct err err = ERR_INIT;
    if (kernels_level(level, &k, &err))
        return k;
    print_message("skip %s: %s\n", level, err.msg);
    return NULL;
}

void *test_alloc(size_t n)
{
    void *p = NULL;
    if (posix_memalign(&p, 64, n + 64) != 0)
        fail_msg("out of memory");
    memset(p, 0, n + 64);
    return p;
}
