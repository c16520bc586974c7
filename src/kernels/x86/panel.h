/* Panels: PANEL_ROWS rows of weights (two vectors; the instruction set's header says how many these are) and a stretch
 * of K, unpacked losslessly into bytes that lie four of K by row, so that a vector's lanes are rows and a token's four
 * bytes, broadcast, meet all of them. (Q4_K's nibbles are only brought into this order.) Unpacked by panel_*.c,
 * multiplied by tile_*.c. */
#ifndef RUNG_KERNELS_X86_PANEL_H
#define RUNG_KERNELS_X86_PANEL_H

#include "kernels/x86/inline.h"

#define PANEL_K 2048
#define PANEL_TOKENS 256

struct panel {
    uint8_t q[PANEL_K / 4][PANEL_ROWS][4]; /* of Q4_K, 8 hold the nibbles of 64 of K as they were */
    float d[PANEL_K / 32][PANEL_ROWS], m[PANEL_K / 32][PANEL_ROWS];
    int32_t scale[PANEL_K / 16][PANEL_ROWS];
    int32_t pairs[PANEL_K / 32][PANEL_ROWS]; /* two words: minima as pair_sums wants them, or sixteen in their order */
    float y[PANEL_TOKENS][PANEL_ROWS];       /* sums so far */
};
_Static_assert(sizeof(struct panel) <= MATMUL_SCRATCH_BYTES, "a panel lies in the scratch of one thread");

/* What is prefetched, bit by bit, while there is other work: `bytes` a time, a multiple of 64. */
struct ahead {
    const uint8_t *at, *end;
    int64_t bytes;
};

INLINE void look_ahead(struct ahead *a)
{
    if (a->at >= a->end)
        return;
    for (int64_t i = 0; i < a->bytes; i += 64)
        _mm_prefetch((const char *)a->at + i, _MM_HINT_T0);
    a->at += a->bytes;
}

/* A stretch of K to unpack. */
struct source {
    const uint8_t *rows[PANEL_ROWS];
    int64_t at; /* where the first of its blocks lies in each row */
    int blocks; /* of the type */
};

/* A source goes into its panel's first blocks; unpacking looks ahead so often for every 256 of K. */
#define UNPACK_LOOKS 4

#endif
