/* The integer peak of AVX-VNNI: vpdpbusd on half as many lanes as AVX-512 has. */
#include <immintrin.h>

#include "kernels/peak.h"

#define SUMS 12
#define LANE_PRODUCTS 32

int64_t peak_avxvnni(int64_t multiply_adds)
{
    int64_t steps = multiply_adds / (SUMS * LANE_PRODUCTS) + 1;
    __m256i sums[SUMS], weights = _mm256_set1_epi8(3), tokens = _mm256_set1_epi8(5);
    for (int i = 0; i < SUMS; i++)
        sums[i] = _mm256_set1_epi32(i);
    for (int64_t step = 0; step < steps; step++) {
        /* a value the compiler knows nothing of, or it would multiply once */
        __asm__ volatile("" : "+x"(weights));
#pragma GCC unroll 12
        for (int i = 0; i < SUMS; i++)
            sums[i] = _mm256_dpbusd_avx_epi32(sums[i], weights, tokens);
    }
    for (int i = 0; i < SUMS; i++)
        __asm__ volatile("" ::"x"(sums[i]));
    return steps * SUMS * LANE_PRODUCTS;
}
