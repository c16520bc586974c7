/* One row: the table of pack functions, weights where nothing says what matters, and what a type cannot hold. */
#include <math.h>

#include "model/quantize.h"
#include "model/quantize/pack.h"
#include "model/quantize/super.h"

#define F16_OVERFLOW 65520.0f   /* from here on a float rounds to an infinite half */
#define BF16_OVERFLOW 0x1.ffp+127f

static pack_fn *const packs[TENSOR_TYPES] = {
    [TENSOR_Q4_0] = pack_q4_0,   [TENSOR_Q4_1] = pack_q4_1,     [TENSOR_Q5_0] = pack_q5_0,
    [TENSOR_Q5_1] = pack_q5_1,   [TENSOR_Q8_0] = pack_q8_0,     [TENSOR_Q2_K] = pack_q2_k,
    [TENSOR_Q3_K] = pack_q3_k,   [TENSOR_Q4_K] = pack_q4_k,     [TENSOR_Q5_K] = pack_q5_k,
    [TENSOR_Q6_K] = pack_q6_k,   [TENSOR_IQ4_NL] = pack_iq4_nl, [TENSOR_IQ4_XS] = pack_iq4_xs,
    [TENSOR_MXFP4] = pack_mxfp4,
};

bool quantize_can(enum tensor_type type)
{
    return type == TENSOR_F32 || type == TENSOR_F16 || type == TENSOR_BF16 || (type < TENSOR_TYPES && packs[type]);
}

/* Magnitudes from here on cannot be held. Blocks scale by a half float; those that could hold a little more than one
 * are held to the same limit, as no weight is that large. */
static float limit_of(enum tensor_type type)
{
    if (type == TENSOR_F32 || type == TENSOR_MXFP4)
        return INFINITY;
    return type == TENSOR_BF16 ? BF16_OVERFLOW : F16_OVERFLOW;
}

int64_t quantize_check_row(enum tensor_type type, const float *x, int64_t k)
{
    float limit = limit_of(type);
    for (int64_t i = 0; i < k; i++) {
        if (!(fabsf(x[i]) < limit))
            return i;
    }
    return -1;
}

/* Weights of one block. Where none of its values matters, all matter alike. */
static void block_weights(const float *importance, float *w, int n)
{
    float sum = 0;
    for (int i = 0; i < n; i++) {
        w[i] = importance ? importance[i] : 1;
        sum += w[i];
    }
    for (int i = 0; i < n && !(sum > 0); i++)
        w[i] = 1;
}

static void pack_row(enum tensor_type type, const float *x, const float *importance, char *row, int64_t k)
{
    const struct tensor_type_info *info = tensor_type_info(type);
    float w[SUPER_BLOCK];
    block_weights(NULL, w, info->block);
    for (int64_t i = 0; i < k; i += info->block, row += info->block_bytes) {
        if (importance)
            block_weights(importance + i, w, info->block);
        packs[type](x + i, w, row);
    }
}

void quantize_row(enum tensor_type type, const float *x, const float *importance, void *row, int64_t k)
{
    uint16_t *halves = row;
    if (type == TENSOR_F32)
        memcpy(row, x, (size_t)k * sizeof *x);
    else if (type == TENSOR_F16 || type == TENSOR_BF16)
        for (int64_t i = 0; i < k; i++)
            halves[i] = type == TENSOR_F16 ? f32_to_f16(x[i]) : f32_to_bf16(x[i]);
    else
        pack_row(type, x, importance, row, k);
}
