/* Matrix products: preparing activations, weights that are floats, and the choice between few tokens and many. The
 * quantised products themselves stand in decode_avx512.c and tile_avx512.c. */
#include <math.h>

#include "kernels/x86/avx512.h"

/* ---- activations ---- */

/* The scale from the largest magnitude as bits, which order like the values and put infinities and NaN above all. */
INLINE float act_scale(__m512i magnitude_bits, float *ret_inverse)
{
    union {
        int32_t i;
        float f;
    } amax = {.i = _mm512_reduce_max_epi32(magnitude_bits)};
    *ret_inverse = 0;
    if (amax.i >= 0x7f800000)
        return (float)NAN;
    float d = amax.f / 127;
    if (d < ACT_MIN_SCALE)
        return 0;
    *ret_inverse = 1 / d;
    return d;
}

INLINE __m512i magnitude(const float *x)
{
    return _mm512_and_si512(_mm512_loadu_si512(x), _mm512_set1_epi32(0x7fffffff));
}

/* Sixteen bytes; their sum is *ret_sum. An inverse of 0 gives zeros even for infinities. */
INLINE __m128i act_quantise(const float *x, float inverse, int32_t *ret_sum)
{
    __m512 scaled = _mm512_mul_ps(_mm512_loadu_ps(x), _mm512_set1_ps(inverse));
    __m512i q = _mm512_maskz_cvtps_epi32(inverse > 0 ? 0xffff : 0, scaled);
    *ret_sum = _mm512_reduce_add_epi32(q);
    return _mm512_cvtepi32_epi8(q);
}

static void act_prepare_q8_32(const float *x, void *act, int64_t k)
{
    struct act_block_32 *block = act;
    for (; k > 0; k -= 32, x += 32, block++) {
        float inverse;
        int32_t sum[2];
        block->d = act_scale(_mm512_max_epi32(magnitude(x), magnitude(x + 16)), &inverse);
        for (int i = 0; i < 2; i++)
            _mm_storeu_si128((__m128i *)(block->q + 16 * i), act_quantise(x + 16 * i, inverse, &sum[i]));
        block->sum = sum[0] + sum[1];
    }
}

static void act_prepare_q8_256(const float *x, void *act, int64_t k)
{
    static const uint8_t pair_order[8] = {0, 2, 1, 3, 4, 6, 5, 7};
    struct act_block_256 *block = act;
    for (; k > 0; k -= 256, x += 256, block++) {
        float inverse;
        int32_t sum[16];
        __m512i bits = magnitude(x);
        for (int i = 1; i < 16; i++)
            bits = _mm512_max_epi32(bits, magnitude(x + 16 * i));
        block->d = act_scale(bits, &inverse);
        for (int i = 0; i < 16; i++) {
            _mm_storeu_si128((__m128i *)(block->q + 16 * i), act_quantise(x + 16 * i, inverse, &sum[i]));
            block->sums[i] = (int16_t)sum[i];
        }
        for (int i = 0; i < 8; i++)
            block->pair_sums[i] = (int16_t)(sum[2 * pair_order[i]] + sum[2 * pair_order[i] + 1]);
        memset(block->pad, 0, sizeof block->pad);
    }
}

/* ---- weights that are floats: four rows by up to four tokens ---- */

#define FLOAT_ROWS 4
#define FLOAT_TOKENS 4

INLINE __m512 load_floats(enum tensor_type type, const void *row, int64_t i, int64_t left)
{
    if (type == TENSOR_F32)
        return load_part((const float *)row + i, left);
    __m256i halves = load_part_16bit((const uint16_t *)row + i, left);
    if (type == TENSOR_F16)
        return _mm512_cvtph_ps(halves);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

/* Sixteen elements from i on, `left` of which exist. */
INLINE void float_step(enum tensor_type type, const char *const *w, const float *const *x, int tokens, int64_t i,
                       int64_t left, __m512 *sums)
{
    UNROLL
    for (int r = 0; r < FLOAT_ROWS; r++) {
        __m512 weights = load_floats(type, w[r], i, left);
        UNROLL
        for (int t = 0; t < tokens; t++)
            sums[r * tokens + t] = fmadd_part(weights, load_part(x[t] + i, left), sums[r * tokens + t], left);
    }
}

INLINE void float_tile(enum tensor_type type, const struct matmul *mm, int64_t row, int64_t end, int64_t token,
                       int tokens)
{
    const char *w[FLOAT_ROWS];
    const float *x[FLOAT_TOKENS];
    __m512 sums[FLOAT_ROWS * FLOAT_TOKENS];
    UNROLL
    for (int r = 0; r < FLOAT_ROWS; r++)
        w[r] = (const char *)mm->w + (size_t)(row + r < end ? row + r : end - 1) * tensor_row_bytes(type, mm->k);
    UNROLL
    for (int t = 0; t < tokens; t++)
        x[t] = (const float *)((const char *)mm->act + (size_t)(token + t) * act_row_bytes(ACT_F32, mm->k));
    UNROLL
    for (int i = 0; i < FLOAT_ROWS * tokens; i++)
        sums[i] = _mm512_setzero_ps();
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
        UNROLL
    for (int t = 0; t < tokens; t++) {
        float *y = mm->y + (token + t) * mm->y_stride + row + r, sum = fold(sums[r * tokens + t]);
        if (row + r < end)
            *y = mm->accumulate ? *y + sum : sum;
    }
}

/* How many tokens cost less streamed, row by row, than on tiles: measured. */
static int streamed_tokens(enum tensor_type type)
{
    return type == TENSOR_Q4_K ? 2 : type == TENSOR_IQ4_XS ? 3 : DECODE_TOKENS;
}

static void matmul_quantised(const struct matmul *mm, int64_t begin, int64_t end, void *scratch)
{
    if (mm->tokens <= streamed_tokens(mm->type))
        decode_avx512(mm, begin, end);
    else
        tile_avx512(mm, begin, end, scratch);
}

#include "kernels/x86/matmul_any.h"

void matmul_fill_avx512(struct matmul_kernels *m)
{
    matmul_fill_any(m);
}
