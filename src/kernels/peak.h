/* The integer peak: products of bytes into 32-bit sums, in registers alone, as fast as a level can do them. What
 * quantised products are measured against (rung bench); nothing computes with it. Any thread. */
#ifndef RUNG_KERNELS_PEAK_H
#define RUNG_KERNELS_PEAK_H

#include <stdint.h>

/* Does at least so many multiply-adds at the level in use; returns how many. */
int64_t kernels_peak(int64_t multiply_adds);

/* The levels' own; call the x86 ones only on a CPU that has them. */
int64_t peak_ref(int64_t multiply_adds);
int64_t peak_avx2(int64_t multiply_adds);
int64_t peak_avxvnni(int64_t multiply_adds);
int64_t peak_avx512(int64_t multiply_adds);

#endif
