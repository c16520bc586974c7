/* Element types, their block layouts as they stand in a GGUF file, and half floats.
 * Numbers equal the file format's own (GGUF specification, `ggml_type`). A row of k elements is k / block blocks,
 * contiguous. */
#ifndef RUNG_TENSOR_TYPES_H
#define RUNG_TENSOR_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tensor_type {
    TENSOR_F32 = 0,
    TENSOR_F16 = 1,
    TENSOR_Q4_0 = 2,
    TENSOR_Q4_1 = 3,
    TENSOR_Q5_0 = 6,
    TENSOR_Q5_1 = 7,
    TENSOR_Q8_0 = 8,
    TENSOR_Q2_K = 10,
    TENSOR_Q3_K = 11,
    TENSOR_Q4_K = 12,
    TENSOR_Q5_K = 13,
    TENSOR_Q6_K = 14,
    TENSOR_IQ4_NL = 20,
    TENSOR_IQ4_XS = 23,
    TENSOR_BF16 = 30,
    TENSOR_MXFP4 = 39,
    TENSOR_TYPES = 64,   /* one past every number the format may hold */
};

struct tensor_type_info {
    const char *name;    /* "Q4_K" */
    int block;           /* elements a block */
    int block_bytes;
};

/* NULL for a number that Rung does not know. */
const struct tensor_type_info *tensor_type_info(uint32_t type);
/* "IQ2_XS" also for types that the format defines and Rung does not run; NULL for numbers nobody defined. */
const char *tensor_type_name(uint32_t type);
/* Bytes of a row of k elements; k is a multiple of the block. */
size_t tensor_row_bytes(enum tensor_type type, int64_t k);

/* ---- blocks; little endian, no padding ---- */
/* w = d * (q - 8); qs[j]: low nibble element j, high nibble element j + 16 */
struct block_q4_0 { uint16_t d; uint8_t qs[16]; };
/* w = d * q + m; nibbles as in Q4_0, here and wherever a block of 32 has 16 bytes of them */
struct block_q4_1 { uint16_t d, m; uint8_t qs[16]; };
/* w = d * (q - 16); bit 4 of element j is bit j of qh */
struct block_q5_0 { uint16_t d; uint8_t qh[4]; uint8_t qs[16]; };
/* w = d * q + m */
struct block_q5_1 { uint16_t d, m; uint8_t qh[4]; uint8_t qs[16]; };
/* w = d * q */
struct block_q8_0 { uint16_t d; int8_t qs[32]; };
/* w = d * tensor_iq4_values[q] */
struct block_iq4_nl { uint16_t d; uint8_t qs[16]; };
/* w = 2^(e - 127) * tensor_mxfp4_halves[q] / 2: an exponent (E8M0) and floats of four bits (E2M1) */
struct block_mxfp4 { uint8_t e; uint8_t qs[16]; };
/* 256 elements, 16 sub-blocks of 16: w = d * sc[j] * q - dmin * m[j]; sc in the low nibble of scales[j], m in the high.
 * Two bits: element 128 h + 32 s + j is qs[32 h + j] >> 2 s */
struct block_q2_k { uint8_t scales[16]; uint8_t qs[64]; uint16_t d, dmin; };
/* 256 elements, 16 sub-blocks of 16: w = d * (sc[j] - 32) * (q - 4); qs as in Q2_K, the third bit of element i is bit
 * i / 32 of hmask[i % 32]; the low four bits of sc[j] lie in nibble j / 8 of scales[j % 8], the upper two from bit
 * j / 4 * 2 of scales[8 + j % 4] */
struct block_q3_k { uint8_t hmask[32]; uint8_t qs[64]; uint8_t scales[12]; uint16_t d; };
/* 256 elements, 8 sub-blocks of 32: w = d * sc[j] * q - dmin * m[j]; sc and m are 6-bit, packed in scales[12] */
struct block_q4_k { uint16_t d, dmin; uint8_t scales[12]; uint8_t qs[128]; };
struct block_q5_k { uint16_t d, dmin; uint8_t scales[12]; uint8_t qh[32]; uint8_t qs[128]; };
/* 256 elements, 16 sub-blocks of 16: w = d * scales[j] * (q - 32) */
struct block_q6_k { uint8_t ql[128]; uint8_t qh[64]; int8_t scales[16]; uint16_t d; };

/* 256 elements, 8 sub-blocks of 32, each with its nibbles as in Q4_0: w = d * (sc[j] - 32) * tensor_iq4_values[q]; the
 * low four bits of sc[j] lie in nibble j % 2 of scales_l[j / 2], the upper two from bit 2 j of scales_h */
struct block_iq4_xs { uint16_t d, scales_h; uint8_t scales_l[4]; uint8_t qs[128]; };

/* What a nibble of IQ4_NL and IQ4_XS means, and of MXFP4 (doubled, to be whole). */
extern const int8_t tensor_iq4_values[16];
extern const int8_t tensor_mxfp4_halves[16];

/* ---- half floats: round to nearest even; infinities and NaN kept ---- */
float f16_to_f32(uint16_t h);
uint16_t f32_to_f16(float f);
static inline float bf16_to_f32(uint16_t h)
{
    union { uint32_t u; float f; } x = {.u = (uint32_t)h << 16};
    return x.f;
}
uint16_t f32_to_bf16(float f);
/* 2^(e - 128): the scale of tensor_mxfp4_halves. Every e is a number, 255 (no number elsewhere) being 2^127. */
static inline float mxfp4_scale(uint8_t e)
{
    union { uint32_t u; float f; } x = {.u = e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23};
    return x.f;
}

#endif
