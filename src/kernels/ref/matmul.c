/* Matrix products in plain C: the specification of every faster one. Here stand the quantisation of activations, what
 * each weight type's blocks mean, and the order of the sums. Splitting rows over threads is the caller's job. */
#include "kernels/ref/lanes.h"

#define TOKENS_AT_ONCE 16 /* share one unpacked block */

/* ---- activations ---- */

static void act_prepare_f32(const float *x, void *act, int64_t k)
{
    memcpy(act, x, (size_t)k * sizeof *x);
}

/* The scale of n values, and its reciprocal; a NaN or an infinity among them makes the scale NaN and the reciprocal 0.
 */
static float act_scale(const float *x, int n, float *ret_inverse)
{
    float amax = 0;
    bool finite = true;
    for (int i = 0; i < n; i++) {
        finite = finite && isfinite(x[i]);
        amax = fabsf(x[i]) > amax ? fabsf(x[i]) : amax;
    }
    float d = amax / 127;
    if (d < ACT_MIN_SCALE)
        d = 0;
    *ret_inverse = finite && d > 0 ? 1 / d : 0;
    return finite ? d : NAN;
}

static void act_quantise(const float *x, int8_t *q, int n, float inverse)
{
    for (int i = 0; i < n; i++)
        q[i] = inverse > 0 ? (int8_t)lrintf(x[i] * inverse) : 0;
}

static int act_sum(const int8_t *q, int n)
{
    int sum = 0;
    for (int i = 0; i < n; i++)
        sum += q[i];
    return sum;
}

static void act_prepare_q8_32(const float *x, void *act, int64_t k)
{
    struct act_block_32 *block = act;
    for (; k > 0; k -= 32, x += 32, block++) {
        float inverse;
        block->d = act_scale(x, 32, &inverse);
        act_quantise(x, block->q, 32, inverse);
        block->sum = act_sum(block->q, 32);
    }
}

static void act_prepare_q8_256(const float *x, void *act, int64_t k)
{
    static const uint8_t pair_order[8] = {0, 2, 1, 3, 4, 6, 5, 7};
    struct act_block_256 *block = act;
    for (; k > 0; k -= 256, x += 256, block++) {
        float inverse;
        block->d = act_scale(x, 256, &inverse);
        act_quantise(x, block->q, 256, inverse);
        for (int i = 0; i < 16; i++)
            block->sums[i] = (int16_t)act_sum(block->q + 16 * i, 16);
        for (int i = 0; i < 8; i++)
            block->pair_sums[i] = (int16_t)act_sum(block->q + 32 * pair_order[i], 32);
        memset(block->pad, 0, sizeof block->pad);
    }
}

/* ---- what the blocks mean ---- */

/* 32 weights are d q + m, 256 weights are d scale[i / 16] q[i] - m min[i / 16]. */
struct ints {
    int8_t q[256];
    int16_t scale[16], min[16];
    float d, m;
};

static void four_bits(const uint8_t qs[16], int8_t q[32])
{
    for (int i = 0; i < 16; i++) {
        q[i] = qs[i] & 15;
        q[i + 16] = qs[i] >> 4;
    }
}

static void ints_q4_0(const void *from, struct ints *to)
{
    const struct block_q4_0 *b = from;
    to->d = f16_to_f32(b->d);
    four_bits(b->qs, to->q);
    for (int i = 0; i < 32; i++)
        to->q[i] = (int8_t)(to->q[i] - 8);
}

static void ints_q4_1(const void *from, struct ints *to)
{
    const struct block_q4_1 *b = from;
    to->d = f16_to_f32(b->d);
    to->m = f16_to_f32(b->m);
    four_bits(b->qs, to->q);
}

/* Four bits from qs and the fifth from qh, as Q5_0 and Q5_1 have them. */
static void five_bits(const uint8_t qh[4], const uint8_t qs[16], int8_t q[32])
{
    for (int i = 0; i < 32; i++) {
        int low = i < 16 ? qs[i] & 15 : qs[i - 16] >> 4;
        q[i] = (int8_t)(low | (qh[i / 8] >> i % 8 & 1) << 4);
    }
}

static void ints_q5_0(const void *from, struct ints *to)
{
    const struct block_q5_0 *b = from;
    to->d = f16_to_f32(b->d);
    five_bits(b->qh, b->qs, to->q);
    for (int i = 0; i < 32; i++)
        to->q[i] = (int8_t)(to->q[i] - 16);
}

static void ints_q5_1(const void *from, struct ints *to)
{
    const struct block_q5_1 *b = from;
    to->d = f16_to_f32(b->d);
    to->m = f16_to_f32(b->m);
    five_bits(b->qh, b->qs, to->q);
}

static void ints_q8_0(const void *from, struct ints *to)
{
    const struct block_q8_0 *b = from;
    to->d = f16_to_f32(b->d);
    memcpy(to->q, b->qs, 32);
}

/* 32 nibbles by a table. */
static void named_bits(const uint8_t qs[16], const int8_t values[16], int8_t q[32])
{
    four_bits(qs, q);
    for (int i = 0; i < 32; i++)
        q[i] = values[q[i]];
}

static void ints_iq4_nl(const void *from, struct ints *to)
{
    const struct block_iq4_nl *b = from;
    to->d = f16_to_f32(b->d);
    named_bits(b->qs, tensor_iq4_values, to->q);
}

static void ints_mxfp4(const void *from, struct ints *to)
{
    const struct block_mxfp4 *b = from;
    to->d = mxfp4_scale(b->e);
    named_bits(b->qs, tensor_mxfp4_halves, to->q);
}

/* Two bits of element i, as Q2_K and Q3_K have them: four of a half of 128 share a byte. */
static int two_bits(const uint8_t qs[64], int i)
{
    return qs[i / 128 * 32 + i % 32] >> i / 32 % 4 * 2 & 3;
}

static void ints_q2_k(const void *from, struct ints *to)
{
    const struct block_q2_k *b = from;
    to->d = f16_to_f32(b->d);
    to->m = f16_to_f32(b->dmin);
    for (int i = 0; i < 256; i++)
        to->q[i] = (int8_t)two_bits(b->qs, i);
    for (int i = 0; i < 16; i++) {
        to->scale[i] = b->scales[i] & 15;
        to->min[i] = b->scales[i] >> 4;
    }
}

static void ints_q3_k(const void *from, struct ints *to)
{
    const struct block_q3_k *b = from;
    to->d = f16_to_f32(b->d);
    for (int i = 0; i < 256; i++)
        to->q[i] = (int8_t)((two_bits(b->qs, i) | (b->hmask[i % 32] >> i / 32 & 1) << 2) - 4);
    for (int i = 0; i < 16; i++) {
        int low = b->scales[i % 8] >> i / 8 * 4 & 15, high = b->scales[8 + i % 4] >> i / 4 * 2 & 3;
        to->scale[i] = (int16_t)((low | high << 4) - 32);
    }
}

static void ints_k_scales(const uint8_t packed[12], struct ints *to)
{
    struct k_scales s = k_scales_unpack(packed);
    for (int i = 0; i < 16; i++) {
        to->scale[i] = s.scale[i / 8] >> i / 2 % 4 * 8 & 63;
        to->min[i] = s.min[i / 8] >> i / 2 % 4 * 8 & 63;
    }
}

/* Elements 64 c + j and 64 c + 32 + j share byte 32 c + j. */
static void ints_q4_k(const void *from, struct ints *to)
{
    const struct block_q4_k *b = from;
    to->d = f16_to_f32(b->d);
    to->m = f16_to_f32(b->dmin);
    ints_k_scales(b->scales, to);
    for (int i = 0; i < 256; i++)
        to->q[i] = b->qs[i / 64 * 32 + i % 32] >> i / 32 % 2 * 4 & 15;
}

static void ints_q5_k(const void *from, struct ints *to)
{
    const struct block_q5_k *b = from;
    to->d = f16_to_f32(b->d);
    to->m = f16_to_f32(b->dmin);
    ints_k_scales(b->scales, to);
    for (int i = 0; i < 256; i++) {
        int low = b->qs[i / 64 * 32 + i % 32] >> i / 32 % 2 * 4 & 15;
        to->q[i] = (int8_t)(low | (b->qh[i % 32] >> i / 32 & 1) << 4);
    }
}

/* Halves of 128: byte j of 64 low ones holds elements j and j + 64; byte j of 32 high ones j, j + 32, j + 64, j + 96.
 */
static void ints_q6_k(const void *from, struct ints *to)
{
    const struct block_q6_k *b = from;
    to->d = f16_to_f32(b->d);
    for (int i = 0; i < 256; i++) {
        int low = b->ql[i / 128 * 64 + i % 64] >> i / 64 % 2 * 4 & 15;
        int high = b->qh[i / 128 * 32 + i % 32] >> i / 32 % 4 * 2 & 3;
        to->q[i] = (int8_t)((low | high << 4) - 32);
    }
    for (int i = 0; i < 16; i++)
        to->scale[i] = b->scales[i];
}

/* Each scale of 32 stands twice. */
static void ints_iq4_xs(const void *from, struct ints *to)
{
    const struct block_iq4_xs *b = from;
    to->d = f16_to_f32(b->d);
    for (int i = 0; i < 8; i++) {
        int low = b->scales_l[i / 2] >> i % 2 * 4 & 15, high = b->scales_h >> 2 * i & 3;
        named_bits(b->qs + 16 * i, tensor_iq4_values, to->q + 32 * i);
        to->scale[2 * i] = to->scale[2 * i + 1] = (int16_t)((low | high << 4) - 32);
    }
}

static void (*const ints_of[TENSOR_TYPES])(const void *, struct ints *) = {
    [TENSOR_Q4_0] = ints_q4_0,   [TENSOR_Q4_1] = ints_q4_1,     [TENSOR_Q5_0] = ints_q5_0,
    [TENSOR_Q5_1] = ints_q5_1,   [TENSOR_Q8_0] = ints_q8_0,     [TENSOR_Q2_K] = ints_q2_k,
    [TENSOR_Q3_K] = ints_q3_k,   [TENSOR_Q4_K] = ints_q4_k,     [TENSOR_Q5_K] = ints_q5_k,
    [TENSOR_Q6_K] = ints_q6_k,   [TENSOR_IQ4_NL] = ints_iq4_nl, [TENSOR_IQ4_XS] = ints_iq4_xs,
    [TENSOR_MXFP4] = ints_mxfp4,
};

static bool type_has_min(enum tensor_type type)
{
    return type == TENSOR_Q4_1 || type == TENSOR_Q5_1 || type == TENSOR_Q2_K || type == TENSOR_Q4_K ||
           type == TENSOR_Q5_K;
}

/* ---- products ---- */

static const char *matmul_row(const struct matmul *mm, int64_t row)
{
    return (const char *)mm->w + (size_t)row * tensor_row_bytes(mm->type, mm->k);
}

static const void *matmul_act(const struct matmul *mm, int64_t token)
{
    return (const char *)mm->act + (size_t)token * act_row_bytes(act_format_of(mm->type), mm->k);
}

static void matmul_store(const struct matmul *mm, int64_t token, int64_t row, float sum)
{
    float *y = mm->y + token * mm->y_stride + row;
    *y = mm->accumulate ? *y + sum : sum;
}

static int dot(const int8_t *a, const int8_t *b, int n)
{
    int sum = 0;
    for (int i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static float add_block_32(const struct ints *w, const struct act_block_32 *a, bool has_min, float y)
{
    y = fmaf(w->d * a->d, (float)dot(w->q, a->q, 32), y);
    return has_min ? fmaf(w->m * a->d, (float)a->sum, y) : y;
}

static float add_block_256(const struct ints *w, const struct act_block_256 *a, bool has_min, float y)
{
    int isum = 0, imin = 0;
    for (int i = 0; i < 16; i++) {
        isum += w->scale[i] * dot(w->q + 16 * i, a->q + 16 * i, 16);
        imin += w->min[i] * a->sums[i];
    }
    y = fmaf(w->d * a->d, (float)isum, y);
    return has_min ? fmaf(-(w->m * a->d), (float)imin, y) : y;
}

static void row_quantised(const struct matmul *mm, int64_t row, int64_t token0, int tokens)
{
    const struct tensor_type_info *info = tensor_type_info(mm->type);
    bool has_min = type_has_min(mm->type);
    const char *w = matmul_row(mm, row);
    float y[TOKENS_AT_ONCE] = {0};
    for (int64_t b = 0; b < mm->k / info->block; b++, w += info->block_bytes) {
        struct ints block = {.d = 0};
        ints_of[mm->type](w, &block);
        for (int t = 0; t < tokens; t++) {
            const void *act = matmul_act(mm, token0 + t);
            y[t] = info->block == 32 ? add_block_32(&block, (const struct act_block_32 *)act + b, has_min, y[t])
                                     : add_block_256(&block, (const struct act_block_256 *)act + b, has_min, y[t]);
        }
    }
    for (int t = 0; t < tokens; t++)
        matmul_store(mm, token0 + t, row, y[t]);
}

static void matmul_quantised(const struct matmul *mm, int64_t begin, int64_t end, void *scratch)
{
    (void)scratch;
    for (int64_t row = begin; row < end; row++)
        for (int64_t t = 0; t < mm->tokens; t += TOKENS_AT_ONCE)
            row_quantised(mm, row, t, mm->tokens - t < TOKENS_AT_ONCE ? (int)(mm->tokens - t) : TOKENS_AT_ONCE);
}

static float float_at(enum tensor_type type, const void *row, int64_t i)
{
    if (type == TENSOR_F16)
        return f16_to_f32(((const uint16_t *)row)[i]);
    if (type == TENSOR_BF16)
        return bf16_to_f32(((const uint16_t *)row)[i]);
    return ((const float *)row)[i];
}

static void matmul_float(const struct matmul *mm, int64_t begin, int64_t end, void *scratch)
{
    (void)scratch;
    for (int64_t row = begin; row < end; row++) {
        const void *w = matmul_row(mm, row);
        for (int64_t t = 0; t < mm->tokens; t++) {
            const float *x = matmul_act(mm, t);
            float lane[LANES] = {0};
            for (int64_t i = 0; i < mm->k; i++)
                lane[i % LANES] = fmaf(float_at(mm->type, w, i), x[i], lane[i % LANES]);
            matmul_store(mm, t, row, lanes_fold(lane));
        }
    }
}

/* ---- weights to floats ---- */

static void unpack_32(enum tensor_type type, const void *row, float *y, int64_t k)
{
    const char *w = row;
    for (; k > 0; k -= 32, y += 32, w += tensor_type_info(type)->block_bytes) {
        struct ints block = {.d = 0};
        ints_of[type](w, &block);
        for (int i = 0; i < 32; i++)
            y[i] = type_has_min(type) ? block.d * block.q[i] + block.m : block.d * block.q[i];
    }
}

static void unpack_256(enum tensor_type type, const void *row, float *y, int64_t k)
{
    const char *w = row;
    for (; k > 0; k -= 256, y += 256, w += tensor_type_info(type)->block_bytes) {
        struct ints block = {.d = 0};
        ints_of[type](w, &block);
        for (int i = 0; i < 256; i++) {
            y[i] = block.d * block.scale[i / 16] * block.q[i];
            if (type_has_min(type))
                y[i] -= block.m * block.min[i / 16];
        }
    }
}

static void unpack_float(enum tensor_type type, const void *row, float *y, int64_t k)
{
    for (int64_t i = 0; i < k; i++)
        y[i] = float_at(type, row, i);
}

static void unpack_f32(const void *row, float *y, int64_t k)
{
    unpack_float(TENSOR_F32, row, y, k);
}
static void unpack_f16(const void *row, float *y, int64_t k)
{
    unpack_float(TENSOR_F16, row, y, k);
}
static void unpack_bf16(const void *row, float *y, int64_t k)
{
    unpack_float(TENSOR_BF16, row, y, k);
}
static void unpack_q4_0(const void *row, float *y, int64_t k)
{
    unpack_32(TENSOR_Q4_0, row, y, k);
}
static void unpack_q5_0(const void *row, float *y, int64_t k)
{
    unpack_32(TENSOR_Q5_0, row, y, k);
}
static void unpack_q5_1(const void *row, float *y, int64_t k)
{
    unpack_32(TENSOR_Q5_1, row, y, k);
}
static void unpack_q8_0(const void *row, float *y, int64_t k)
{
    unpack_32(TENSOR_Q8_0, row, y, k);
}
static void unpack_q4_k(const void *row, float *y, int64_t k)
{
    unpack_256(TENSOR_Q4_K, row, y, k);
}
static void unpack_q5_k(const void *row, float *y, int64_t k)
{
    unpack_256(TENSOR_Q5_K, row, y, k);
}
static void unpack_q6_k(const void *row, float *y, int64_t k)
{
    unpack_256(TENSOR_Q6_K, row, y, k);
}
static void unpack_q4_1(const void *row, float *y, int64_t k)
{
    unpack_32(TENSOR_Q4_1, row, y, k);
}
static void unpack_iq4_nl(const void *row, float *y, int64_t k)
{
    unpack_32(TENSOR_IQ4_NL, row, y, k);
}
static void unpack_mxfp4(const void *row, float *y, int64_t k)
{
    unpack_32(TENSOR_MXFP4, row, y, k);
}
static void unpack_q2_k(const void *row, float *y, int64_t k)
{
    unpack_256(TENSOR_Q2_K, row, y, k);
}
static void unpack_q3_k(const void *row, float *y, int64_t k)
{
    unpack_256(TENSOR_Q3_K, row, y, k);
}
static void unpack_iq4_xs(const void *row, float *y, int64_t k)
{
    unpack_256(TENSOR_IQ4_XS, row, y, k);
}

void matmul_fill_ref(struct matmul_kernels *m)
{
    static void (*const unpack[TENSOR_TYPES])(const void *, float *, int64_t) = {
        [TENSOR_F32] = unpack_f32,     [TENSOR_F16] = unpack_f16,       [TENSOR_BF16] = unpack_bf16,
        [TENSOR_Q4_0] = unpack_q4_0,   [TENSOR_Q4_1] = unpack_q4_1,     [TENSOR_Q5_0] = unpack_q5_0,
        [TENSOR_Q5_1] = unpack_q5_1,   [TENSOR_Q8_0] = unpack_q8_0,     [TENSOR_Q2_K] = unpack_q2_k,
        [TENSOR_Q3_K] = unpack_q3_k,   [TENSOR_Q4_K] = unpack_q4_k,     [TENSOR_Q5_K] = unpack_q5_k,
        [TENSOR_Q6_K] = unpack_q6_k,   [TENSOR_IQ4_NL] = unpack_iq4_nl, [TENSOR_IQ4_XS] = unpack_iq4_xs,
        [TENSOR_MXFP4] = unpack_mxfp4,
    };
    m->act_prepare[ACT_F32] = act_prepare_f32;
    m->act_prepare[ACT_Q8_32] = act_prepare_q8_32;
    m->act_prepare[ACT_Q8_256] = act_prepare_q8_256;
    for (int type = 0; type < TENSOR_TYPES; type++) {
        m->unpack[type] = unpack[type];
        if (unpack[type])
            m->matmul[type] = act_format_of((enum tensor_type)type) == ACT_F32 ? matmul_float : matmul_quantised;
    }
}
