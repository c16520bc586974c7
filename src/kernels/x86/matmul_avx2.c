/* Matrix products: preparing activations, weights that are floats, and the choice between few tokens and many. The
 * quantised products themselves stand in decode_avx2.c and tile_avx2.c. */
#include <math.h>

#include "kernels/x86/avx2.h"

/* ---- activations ---- */

INLINE int32_t reduce_max(__m256i v)
{
    v = _mm256_max_epi32(v, _mm256_permute2x128_si256(v, v, 1));
    v = _mm256_max_epi32(v, _mm256_shuffle_epi32(v, 0x4e));
    v = _mm256_max_epi32(v, _mm256_shuffle_epi32(v, 0xb1));
    return _mm256_cvtsi256_si32(v);
}

INLINE int32_t reduce_add(__m256i v)
{
    v = _mm256_add_epi32(v, _mm256_permute2x128_si256(v, v, 1));
    v = _mm256_add_epi32(v, _mm256_shuffle_epi32(v, 0x4e));
    v = _mm256_add_epi32(v, _mm256_shuffle_epi32(v, 0xb1));
    return _mm256_cvtsi256_si32(v);
}

/* The scale of n values from the largest magnitude as bits, which order like the values and put infinities and NaN
 * above all. */
INLINE float act_scale(const float *x, int n, float *ret_inverse)
{
    __m256i bits = _mm256_setzero_si256();
    for (int i = 0; i < n; i += 8) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(x + i));
        bits = _mm256_max_epi32(bits, _mm256_and_si256(v, _mm256_set1_epi32(0x7fffffff)));
    }
    union {
        int32_t i;
        float f;
    } amax = {.i = reduce_max(bits)};
    *ret_inverse = 0;
    if (amax.i >= 0x7f800000)
        return (float)NAN;
    float d = amax.f / 127;
    if (d < ACT_MIN_SCALE)
        return 0;
    *ret_inverse = 1 / d;
    return d;
}

INLINE __m256i quantise_eight(const float *x, float inverse)
{
    return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), _mm256_set1_ps(inverse)));
}

/* Sixteen bytes; returns their sum. An inverse of 0 gives zeros even for infinities. */
INLINE int32_t act_quantise(const float *x, float inverse, int8_t *q)
{
    __m256i lo = _mm256_setzero_si256(), hi = lo;
    if (inverse > 0) {
        lo = quantise_eight(x, inverse);
        hi = quantise_eight(x + 8, inverse);
    }
    __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(lo, hi), 0xd8);
    __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128((__m128i *)q, bytes);
    return reduce_add(_mm256_add_epi32(lo, hi));
}

static void act_prepare_q8_32(const float *x, void *act, int64_t k)
{
    struct act_block_32 *block = act;
    for (; k > 0; k -= 32, x += 32, block++) {
        float inverse;
        block->d = act_scale(x, 32, &inverse);
        block->sum = act_quantise(x, inverse, block->q);
        block->sum += act_quantise(x + 16, inverse, block->q + 16);
    }
}

static void act_prepare_q8_256(const float *x, void *act, int64_t k)
{
    static const uint8_t pair_order[8] = {0, 2, 1, 3, 4, 6, 5, 7};
    struct act_block_256 *block = act;
    for (; k > 0; k -= 256, x += 256, block++) {
        float inverse;
        block->d = act_scale(x, 256, &inverse);
        for (int i = 0; i < 16; i++)
            block->sums[i] = (int16_t)act_quantise(x + 16 * i, inverse, block->q + 16 * i);
        for (int i = 0; i < 8; i++)
            block->pair_sums[i] = (int16_t)(block->sums[2 * pair_order[i]] + block->sums[2 * pair_order[i] + 1]);
        memset(block->pad, 0, sizeof block->pad);
    }
}

/* ---- weights that are floats: two rows by up to two tokens ---- */

#define FLOAT_ROWS 2
#define FLOAT_TOKENS 2

INLINE __m256 load_floats(enum tensor_type type, const void *row, int64_t i, int64_t left)
{
    if (type == TENSOR_F32)
        return load_part((const float *)row + i, left);
    const uint16_t *p = (const uint16_t *)row + i;
    if (type == TENSOR_F16)
        return load_part_f16(p, left);
    uint16_t h[8] = {0};
    if (left > 0)
        memcpy(h, p, left >= 8 ? sizeof h : (size_t)left * sizeof *p);
    __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)h));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

/* Sixteen elements from i on, `left` of which exist. */
INLINE void float_step(enum tensor_type type, const char *const *w, const float *const *x, int tokens, int64_t i,
                       int64_t left, struct lanes *sums)
{
    UNROLL
    for (int r = 0; r < FLOAT_ROWS; r++) {
        __m256 lo = load_floats(type, w[r], i, left), hi = load_floats(type, w[r], i + 8, left - 8);
        UNROLL
        for (int t = 0; t < tokens; t++) {
            struct lanes *sum = &sums[r * tokens + t];
            sum->lo = fmadd_part(lo, load_part(x[t] + i, left), sum->lo, left);
            sum->hi = fmadd_part(hi, load_part(x[t] + i + 8, left - 8), sum->hi, left - 8);
        }
    }
}

INLINE void float_tile(enum tensor_type type, const struct matmul *mm, int64_t row, int64_t end, int64_t token,
                       int tokens)
{
    const char *w[FLOAT_ROWS];
    const float *x[FLOAT_TOKENS];
    struct lanes sums[FLOAT_ROWS * FLOAT_TOKENS];
    for (int r = 0; r < FLOAT_ROWS; r++)
        w[r] = (const char *)mm->w + (size_t)(row + r < end ? row + r : end - 1) * tensor_row_bytes(type, mm->k);
    for (int t = 0; t < tokens; t++)
        x[t] = (const float *)((const char *)mm->act + (size_t)(token + t) * act_row_bytes(ACT_F32, mm->k));
    UNROLL
    for (int i = 0; i < FLOAT_ROWS * tokens; i++)
        sums[i] = lanes_zero();
    int64_t i = 0;
    int64_t size = tensor_type_info(type)->block_bytes, ahead = FLOAT_ROWS * (w[1] - w[0]);
    for (; i + 16 <= mm->k; i += 16) {
        UNROLL
        for (int r = 0; r < FLOAT_ROWS; r++)
            _mm_prefetch(w[r] + ahead + i * size, _MM_HINT_T0);
        float_step(type, w, x, tokens, i, 16, sums);
    }
    if (i < mm->k)
        float_step(type, w, x, tokens, i, mm->k - i, sums);
    UNROLL
    for (int r = 0; r < FLOAT_ROWS; r++)
        for (int t = 0; row + r < end && t < tokens; t++) {
            float *y = mm->y + (token + t) * mm->y_stride + row + r, sum = fold(sums[r * tokens + t]);
            *y = mm->accumulate ? *y + sum : sum;
        }
}

static void matmul_quantised(const struct matmul *mm, int64_t begin, int64_t end, void *scratch)
{
    if (mm->tokens <= DECODE_TOKENS)
        decode_avx2(mm, begin, end);
    else
        tile_avx2(mm, begin, end, scratch);
}

#include "kernels/x86/matmul_any.h"

void matmul_fill_avx2(struct matmul_kernels *m)
{
    matmul_fill_any(m);
}
