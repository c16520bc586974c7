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
    TENSOR_Q5_0 = 6,
    TENSOR_Q5_1 = 7,
    TENSOR_Q8_0 = 8,
    TENSOR_Q4_K = 12,
    TENSOR_Q5_K = 13,
    TENSOR_Q6_K = 14,
    TENSOR_BF16 = 30,
    TENSOR_TYPES = 64,   /* one past every number the format may hold */
};

struct tensor_type_info {
    const char *name;    /* "Q4_K" */
    int block;           /* elements a block */
    int block_bytes;
};

/* NULL for a number that Rung does not know. */
const struct tensor_type_info *tensor_type_info(uint32_t type);
/* "Q4_1" also for types that the format defines and Rung does not run; NULL for numbers nobody defined. */
const char *tensor_type_name(uint32_t type);
/* Bytes of a row of k elements; k is a multiple of the block. */
size_t tensor_row_bytes(enum tensor_type type, int64_t k);

/* ---- blocks; little endian, no padding ---- */
/* w = d * (q - 8); qs[j]: low nibble element j, high nibble element j + 16 */
struct block_q4_0 { uint16_t d; uint8_t qs[16]; };
/* w = d * (q - 16); bit 4 of element j is bit j of qh */
struct block_q5_0 { uint16_t d; uint8_t qh[4]; uint8_t qs[16]; };
/* w = d * q + m */
struct block_q5_1 { uint16_t d, m; uint8_t qh[4]; uint8_t qs[16]; };
/* w = d * q */
struct block_q8_0 { uint16_t d; int8_t qs[32]; };
/* 256 elements, 8 sub-blocks of 32: w = d * sc[j] * q - dmin * m[j]; sc and m are 6-bit, packed in scales[12] */
struct block_q4_k { uint16_t d, dmin; uint8_t scales[12]; uint8_t qs[128]; };
struct block_q5_k { uint16_t d, dmin; uint8_t scales[12]; uint8_t qh[32]; uint8_t qs[128]; };
/* 256 elements, 16 sub-blocks of 16: w = d * scales[j] * (q - 32) */
struct block_q6_k { uint8_t ql[128]; uint8_t qh[64]; int8_t scales[16]; uint16_t d; };

/* ---- half floats: round to nearest even; infinities and NaN kept ---- */
float f16_to_f32(uint16_t h);
uint16_t f32_to_f16(float f);
static inline float bf16_to_f32(uint16_t h)
{
    union { uint32_t u; float f; } x = {.u = (uint32_t)h << 16};
    return x.f;
}
uint16_t f32_to_bf16(float f);

#endif
