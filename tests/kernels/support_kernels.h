/* Numbers for the kernel tests, kind and hostile, and the comparison of bits. */
#ifndef RUNG_TESTS_SUPPORT_KERNELS_H
#define RUNG_TESTS_SUPPORT_KERNELS_H

#include "../support.h"

#include "kernels/kernels.h"
#include "tensor/types.h"

/* What a row of weights or activations is made of. */
enum fill {
    FILL_PLAIN,   /* random bits, scales of about 1 / 100 */
    FILL_EXTREME, /* all quants at one end or the other, large scales */
    FILL_ZERO,    /* scales of 0 */
    FILL_TINY,    /* subnormal scales */
    FILL_WILD,    /* scales of any bits: infinities and NaN among them */
    FILLS,
};

extern const enum tensor_type test_types[16];
#define TEST_LEVELS 3
extern const char *const test_levels[TEST_LEVELS]; /* the overlays */

uint64_t test_random(uint64_t *state);
float test_random_float(uint64_t *state); /* in [-1, 1) */
/* n rows of k weights. */
void test_fill_weights(enum tensor_type type, void *w, int64_t n, int64_t k, enum fill fill, uint64_t *state);
void test_fill_activations(float *x, int64_t n, enum fill fill, uint64_t *state);
/* Equal bit for bit; any NaN equals any other. */
bool test_same_floats(const float *a, const float *b, int64_t n);
/* The table of a level, or NULL with a line of text where this CPU lacks it. */
const struct kernels *test_level(const char *level);
void *test_alloc(size_t n); /* aligned to 64, zeroed, to free() */

#endif
