/* The table of kernels: filled from the plain C reference, then overlaid by what this CPU has (AVX2, then AVX-VNNI,
 * then AVX-512 with VNNI).
 *
 * Invariant, "one arithmetic": the reference is the specification; every overlay equals it bit for bit (a NaN equals
 * any other), for one row or many, any split of rows over threads. Kernels are pure functions on ranges; whoever calls
 * them splits the work over threads. They allocate nothing and keep no state. */
#ifndef RUNG_KERNELS_KERNELS_H
#define RUNG_KERNELS_KERNELS_H

#include "base/err.h"
#include "kernels/attention.h"
#include "kernels/matmul.h"
#include "kernels/vector.h"

struct kernels {
    const char *level; /* "ref", "avx2", "avxvnni", "avx512" */
    struct matmul_kernels matmul;
    struct attention_kernels attention;
    struct vector_kernels vector;
};

/* The best level this CPU has, or the one RUNG_CPU names (one of those) if the CPU has it (else the best it has,
 * with a warning). Decided at the first call; thread-safe. */
const struct kernels *kernels_get(void);
/* A level by name, for tests and benches; ERR_UNSUPPORTED when this CPU lacks it. */
bool kernels_level(const char *level, const struct kernels **ret, struct err *err);

#endif
