/* The integer peak of AVX2: products of bytes in pairs, pairs in fours, fours into sums, as the kernels of this level
 * multiply. */
#include <immintrin.h>

#include "kernels/peak.h"

#define SUMS 8
#define LANE_PRODUCTS 32

int64_t peak_avx2(int64_t multiply_adds)
{
    int64_t steps = multiply_adds / (SUMS * LANE_PRODUCTS) + 1;
    __m256i sums[SUMS], weights = _mm256_set1_epi8(3), ones = _mm256_set1_epi16(1);
    for (int i = 0; i < SUMS; i++)
        sums[i] = _mm256_set1_epi8((char)i);
    for (int64_t step = 0; step < steps; step++) {
        /* a value the compiler knows nothing of, or it would multiply once */
        __asm__ volatile("" : "+x"(weights));
#pragma GCC unroll 8
        for (int i = 0; i < SUMS; i++)
            sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(_mm256_maddubs_epi16(weights, sums[i]), ones));
    }
    for (int i = 0; i < SUMS; i++)
        __asm__ volatile("" ::"x"(sums[i]));
    return steps * SUMS * LANE_PRODUCTS;
}
