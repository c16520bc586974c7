/* The table of kernels: which levels this CPU has, which one RUNG_CPU allows, and the sizes of prepared activations.
 * The kernels themselves stand in ref/ and x86/. */
#include "kernels/kernels.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "kernels/level.h"

enum level {
    LEVEL_REF,
    LEVEL_AVX2,
    LEVEL_AVXVNNI,
    LEVEL_AVX512,
    LEVELS
};

static const char *const level_names[LEVELS] = {"ref", "avx2", "avxvnni", "avx512"};

static struct kernels tables[LEVELS];
static bool has[LEVELS]; /* AVX-512 does not imply AVX-VNNI */
static enum level best, chosen;
static pthread_once_t once = PTHREAD_ONCE_INIT;

enum act_format act_format_of(enum tensor_type weights)
{
    switch (weights) {
    case TENSOR_Q4_0:
    case TENSOR_Q4_1:
    case TENSOR_Q5_0:
    case TENSOR_Q5_1:
    case TENSOR_Q8_0:
    case TENSOR_IQ4_NL:
    case TENSOR_MXFP4:
        return ACT_Q8_32;
    case TENSOR_Q2_K:
    case TENSOR_Q3_K:
    case TENSOR_Q4_K:
    case TENSOR_Q5_K:
    case TENSOR_Q6_K:
    case TENSOR_IQ4_XS:
        return ACT_Q8_256;
    default:
        return ACT_F32;
    }
}

size_t act_row_bytes(enum act_format format, int64_t k)
{
    size_t bytes = (size_t)k * sizeof(float);
    if (format == ACT_Q8_32)
        bytes = (size_t)(k / 32) * sizeof(struct act_block_32);
    else if (format == ACT_Q8_256)
        bytes = (size_t)(k / 256) * sizeof(struct act_block_256);
    return (bytes + 63) / 64 * 64;
}

#if defined(__x86_64__)
#include <cpuid.h>

static void overlay(struct kernels *k, enum level level)
{
    if (level >= LEVEL_AVX2) {
        matmul_fill_avx2(&k->matmul);
        attention_fill_avx2(&k->attention);
        vector_fill_avx2(&k->vector);
    }
    if (level == LEVEL_AVXVNNI)
        matmul_fill_avxvnni(&k->matmul);
    if (level >= LEVEL_AVX512) {
        matmul_fill_avx512(&k->matmul);
        attention_fill_avx512(&k->attention);
        vector_fill_avx512(&k->vector);
    }
}

/* (cpuid, leaf 7, subleaf 1: not every compiler's own test knows of it) */
static bool cpu_has_avxvnni(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 4);
}

/* The compiler's own test also asks whether the operating system saves the registers (xgetbv); not every compiler's
 * knows of F16C, whose registers are AVX's. */
static void ask_cpu(void)
{
    unsigned a, b, c, d;
    bool f16c = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
    __builtin_cpu_init();
    has[LEVEL_REF] = true;
    has[LEVEL_AVX2] = f16c && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    has[LEVEL_AVXVNNI] = has[LEVEL_AVX2] && cpu_has_avxvnni();
    has[LEVEL_AVX512] = has[LEVEL_AVX2] && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                        __builtin_cpu_supports("avx512vnni");
}
#else
static void overlay(struct kernels *k, enum level level)
{
    (void)k;
    (void)level;
}

static void ask_cpu(void)
{
    has[LEVEL_REF] = true;
}
#endif

static void fill(struct kernels *k, enum level level)
{
    k->level = level_names[level];
    matmul_fill_ref(&k->matmul);
    attention_fill_ref(&k->attention);
    vector_fill_ref(&k->vector);
    overlay(k, level);
}

/* LEVELS for a name that is none. */
static enum level level_named(const char *name)
{
    int level = 0;
    while (level < LEVELS && strcmp(name, level_names[level]) != 0)
        level++;
    return (enum level)level;
}

static void decide(void)
{
    ask_cpu();
    for (int level = 0; level < LEVELS; level++) {
        if (!has[level])
            continue;
        fill(&tables[level], (enum level)level);
        best = (enum level)level;
    }
    chosen = best;
    const char *wanted = getenv("RUNG_CPU");
    if (!wanted || !*wanted)
        return;
    enum level level = level_named(wanted);
    if (level == LEVELS)
        log_warn("RUNG_CPU=%s is none of ref, avx2, avxvnni and avx512; using %s", wanted, level_names[best]);
    else if (!has[level])
        log_warn("RUNG_CPU=%s: this CPU lacks it; using %s", wanted, level_names[best]);
    else
        chosen = level;
}

const struct kernels *kernels_get(void)
{
    pthread_once(&once, decide);
    return &tables[chosen];
}

bool kernels_level(const char *level, const struct kernels **ret, struct err *err)
{
    pthread_once(&once, decide);
    enum level found = level_named(level);
    if (found == LEVELS)
        return err_set(err, ERR_NOT_FOUND, "there are no '%s' kernels: name ref, avx2, avxvnni or avx512", level);
    if (!has[found])
        return err_set(err, ERR_UNSUPPORTED, "this CPU cannot run the %s kernels; its best are %s", level,
                       level_names[best]);
    *ret = &tables[found];
    return true;
}
