/* y = W x for weights of every type: the kernels where nearly all time goes.
 *
 * Activations are prepared once per row and shared by all matrices that read it. Formats (the weight type fixes which):
 *   ACT_F32     the floats themselves                                       for F32, F16, BF16 weights
 *   ACT_Q8_32   int8 in blocks of 32 with one float scale, and block sums   for Q4_0 to Q8_0, IQ4_NL, MXFP4
 *   ACT_Q8_256  int8 in blocks of 256 with one float scale, and sums of 16  for Q2_K to Q6_K, IQ4_XS
 * Quantising x: d = amax / 127, q = round to nearest even (x * (1 / d)), never -128; an amax of 0, or one so small that
 * d is subnormal, gives d 0 and zeros.
 *
 * Arithmetic (the reference fixes it): for quantised weights integer sums inside a block, then one fused multiply-add
 * per block and term, blocks ascending along K:  y = fma(d_w * d_a, (float)isum, y), and where the type has minima y =
 * fma(-(dmin_w * d_a), (float)imin, y) after it (Q4_1 and Q5_1 add their m: y = fma(m_w * d_a, (float)sum, y)). For
 * float weights sixteen lanes along K (element i in lane i % 16) with fused multiply-adds, folded 8, 4, 2, 1. A NaN or
 * infinite activation gives NaN results, never a crash (ACT_F32: what IEEE arithmetic gives). K is never split. */
#ifndef RUNG_KERNELS_MATMUL_H
#define RUNG_KERNELS_MATMUL_H

#include "tensor/types.h"

enum act_format {
    ACT_F32,
    ACT_Q8_32,
    ACT_Q8_256,
    ACT_FORMATS
};

enum act_format act_format_of(enum tensor_type weights);
/* Bytes of one prepared row (a multiple of 64; rows start at multiples of 64). */
size_t act_row_bytes(enum act_format format, int64_t k);

struct matmul {
    enum tensor_type type;
    const void *w;    /* [n, k] as in the file; row r at w + r * tensor_row_bytes(type, k) */
    const void *act;  /* [tokens] prepared rows, act_row_bytes apart */
    float *y;         /* [tokens, y_stride]; the kernel writes columns [begin, end) of every row */
    int64_t y_stride; /* in floats, at least n */
    int64_t k;        /* a multiple of the type's block; for float types any number */
    int tokens;
    bool accumulate; /* y += W x, rounded once per element after the sum */
};

/* Scratch of one thread for unpacked panels; aligned to 64. */
#define MATMUL_SCRATCH_BYTES (512u << 10)

struct matmul_kernels {
    void (*act_prepare[ACT_FORMATS])(const float *x /* [k] */, void *act, int64_t k);
    /* Rows [begin, end) of W times all tokens. One token streams the weights once (decode); many tokens run on tiles of
     * losslessly unpacked weights (prefill). NULL for types not run. */
    void (*matmul[TENSOR_TYPES])(const struct matmul *mm, int64_t begin, int64_t end, void *scratch);
    /* One row of weights to floats (embedding look-up). */
    void (*unpack[TENSOR_TYPES])(const void *row, float *y /* [k] */, int64_t k);
};

#endif
