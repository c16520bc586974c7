/* One block of each type from its floats. x is finite; w are weights as model/quantize/fit.h has them. */
#ifndef RUNG_MODEL_QUANTIZE_PACK_H
#define RUNG_MODEL_QUANTIZE_PACK_H

#include "tensor/types.h"

typedef void pack_fn(const float *x, const float *w, void *block);

/* 32 values, one half float (pack_32.c) */
pack_fn pack_q4_0, pack_q4_1, pack_q5_0, pack_q5_1, pack_q8_0, pack_iq4_nl, pack_mxfp4;
/* 256 values, scales and minima (pack_affine.c) */
pack_fn pack_q2_k, pack_q4_k, pack_q5_k;
/* 256 values, signed scales (pack_scaled.c) */
pack_fn pack_q3_k, pack_q6_k, pack_iq4_xs;

#endif
