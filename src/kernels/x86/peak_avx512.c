/* The integer peak of AVX-512 with VNNI: vpdpbusd on sixteen sums that do not wait for each other. */
#include <immintrin.h>

#include "kernels/peak.h"

#define SUMS 16
#define LANE_PRODUCTS 64

int64_t peak_avx512(int64_t multiply_adds)
{
    int64_t steps = multiply_adds / (SUMS * LANE_PRODUCTS) + 1;
    __m512i sums[SUMS], weights = _mm512_set1_epi8(3), tokens = _mm512_set1_epi8(5);
    for (int i = 0; i < SUMS; i++)
        sums[i] = _mm512_set1_epi32(i);
    for (int64_t step = 0; step < steps; step++) {
        /* a value the compiler knows nothing of, or it would multiply once */
        __asm__ volatile("" : "+v"(weights));
#pragma GCC unroll 16
        for (int i = 0; i < SUMS; i++)
            sums[i] = _mm512_dpbusd_epi32(sums[i], weights, tokens);
    }
    for (int i = 0; i < SUMS; i++)
        __asm__ volatile("" ::"v"(sums[i]));
    return steps * SUMS * LANE_PRODUCTS;
}
