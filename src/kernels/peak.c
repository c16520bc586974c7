/* Which level's integer peak is the one in use, and the plain one. */
#include "kernels/peak.h"

#include <string.h>

#include "kernels/kernels.h"

#define REF_LANES 64

/* The reference: as many lanes as any machine has, for the compiler to make of them what it can. */
int64_t peak_ref(int64_t multiply_adds)
{
    uint32_t sums[REF_LANES] = {0}; /* which wrap */
    uint8_t weights[REF_LANES];
    int8_t tokens[REF_LANES];
    int64_t steps = multiply_adds / REF_LANES + 1;
    memset(weights, 3, sizeof weights);
    memset(tokens, 5, sizeof tokens);
    for (int64_t step = 0; step < steps; step++) {
        __asm__ volatile("" : "+m"(weights));
        for (int i = 0; i < REF_LANES; i++)
            sums[i] += (uint32_t)(weights[i] * tokens[i]);
    }
    __asm__ volatile("" ::"m"(sums));
    return steps * REF_LANES;
}

int64_t kernels_peak(int64_t multiply_adds)
{
#if defined(__x86_64__)
    const char *level = kernels_get()->level;
    if (strcmp(level, "avx512") == 0)
        return peak_avx512(multiply_adds);
    if (strcmp(level, "avxvnni") == 0)
        return peak_avxvnni(multiply_adds);
    if (strcmp(level, "avx2") == 0)
        return peak_avx2(multiply_adds);
#endif
    return peak_ref(multiply_adds);
}
