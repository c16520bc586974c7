/* The table of element types and the conversions between half floats and floats. What a block means in arithmetic is
 * the kernels' business; reading types out of a file is the model floor's. */
#include "tensor/types.h"

#define F32_INFINITY_BITS 0x7f800000u
#define F32_QUIET_BIT 0x00400000u

union float_bits {
    float f;
    uint32_t u;
};

static const struct tensor_type_info infos[TENSOR_TYPES] = {
    [TENSOR_F32] = {"F32", 1, 4},
    [TENSOR_F16] = {"F16", 1, 2},
    [TENSOR_BF16] = {"BF16", 1, 2},
    [TENSOR_Q4_0] = {"Q4_0", 32, sizeof(struct block_q4_0)},
    [TENSOR_Q4_1] = {"Q4_1", 32, sizeof(struct block_q4_1)},
    [TENSOR_Q5_0] = {"Q5_0", 32, sizeof(struct block_q5_0)},
    [TENSOR_Q5_1] = {"Q5_1", 32, sizeof(struct block_q5_1)},
    [TENSOR_Q8_0] = {"Q8_0", 32, sizeof(struct block_q8_0)},
    [TENSOR_Q2_K] = {"Q2_K", 256, sizeof(struct block_q2_k)},
    [TENSOR_Q3_K] = {"Q3_K", 256, sizeof(struct block_q3_k)},
    [TENSOR_Q4_K] = {"Q4_K", 256, sizeof(struct block_q4_k)},
    [TENSOR_Q5_K] = {"Q5_K", 256, sizeof(struct block_q5_k)},
    [TENSOR_Q6_K] = {"Q6_K", 256, sizeof(struct block_q6_k)},
    [TENSOR_IQ4_NL] = {"IQ4_NL", 32, sizeof(struct block_iq4_nl)},
    [TENSOR_IQ4_XS] = {"IQ4_XS", 256, sizeof(struct block_iq4_xs)},
    [TENSOR_MXFP4] = {"MXFP4", 32, sizeof(struct block_mxfp4)},
};

const int8_t tensor_iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
const int8_t tensor_mxfp4_halves[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/* Types of the format that Rung does not run, so that an error can name them. */
static const char *const other_names[TENSOR_TYPES] = {
    [9] = "Q8_1",   [15] = "Q8_K",  [16] = "IQ2_XXS", [17] = "IQ2_XS", [18] = "IQ3_XXS", [19] = "IQ1_S",
    [21] = "IQ3_S", [22] = "IQ2_S", [24] = "I8",      [25] = "I16",    [26] = "I32",     [27] = "I64",
    [28] = "F64",   [29] = "IQ1_M", [34] = "TQ1_0",   [35] = "TQ2_0",
};

_Static_assert(sizeof(struct block_q4_0) == 18 && sizeof(struct block_q5_0) == 22 && sizeof(struct block_q5_1) == 24 &&
                   sizeof(struct block_q8_0) == 34 && sizeof(struct block_q4_k) == 144 &&
                   sizeof(struct block_q5_k) == 176 && sizeof(struct block_q6_k) == 210 &&
                   sizeof(struct block_q4_1) == 20 && sizeof(struct block_q2_k) == 84 &&
                   sizeof(struct block_q3_k) == 110 && sizeof(struct block_iq4_nl) == 18 &&
                   sizeof(struct block_iq4_xs) == 136 && sizeof(struct block_mxfp4) == 17,
               "blocks must lie as they do in the file");

const struct tensor_type_info *tensor_type_info(uint32_t type)
{
    return type < TENSOR_TYPES && infos[type].name ? &infos[type] : NULL;
}

const char *tensor_type_name(uint32_t type)
{
    if (type >= TENSOR_TYPES)
        return NULL;
    return infos[type].name ? infos[type].name : other_names[type];
}

size_t tensor_row_bytes(enum tensor_type type, int64_t k)
{
    return (size_t)(k / infos[type].block) * (size_t)infos[type].block_bytes;
}

/* A signalling NaN becomes quiet, as the conversion instructions of every CPU have it. */
float f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, mantissa = h & 0x3ff;
    union float_bits x;
    if (exponent == 31) {
        x.u = F32_INFINITY_BITS | mantissa << 13 | (mantissa ? F32_QUIET_BIT : 0);
    } else if (exponent == 0) {
        x.f = (float)mantissa * 0x1p-24f;
    } else {
        x.u = (exponent + 112) << 23 | mantissa << 13;
    }
    x.u |= sign;
    return x.f;
}

uint16_t f32_to_f16(float f)
{
    union float_bits x = {.f = f};
    uint16_t sign = (uint16_t)(x.u >> 16 & 0x8000);
    x.u &= 0x7fffffff;
    if (x.u > F32_INFINITY_BITS)
        return sign | 0x7e00 | (x.u >> 13 & 0x3ff);
    if (x.f >= 65520.0f)
        return sign | 0x7c00;
    if (x.f < 0x1p-14f) {
        /* The spacing of floats in [0.5, 1) is that of subnormal halves: the addition rounds for us. */
        x.f += 0.5f;
        return sign | (uint16_t)(x.u - 0x3f000000);
    }
    x.u += 0xfff + (x.u >> 13 & 1);
    return sign | (uint16_t)((x.u >> 13) - (112 << 10));
}

uint16_t f32_to_bf16(float f)
{
    union float_bits x = {.f = f};
    if ((x.u & 0x7fffffff) > F32_INFINITY_BITS)
        return (uint16_t)(x.u >> 16 | 0x40);
    return (uint16_t)((x.u + 0x7fff + (x.u >> 16 & 1)) >> 16);
}
