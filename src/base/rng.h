/* Random numbers that depend on (seed, choice, position) alone: no hidden state, so the same request gives the same
 * answer whatever ran before it. Source: Philox4x32-10 (Salmon et al. 2011). */
#ifndef RUNG_BASE_RNG_H
#define RUNG_BASE_RNG_H

#include <stdint.h>

/* The generator itself: 10 rounds over a 128-bit counter with a 64-bit key, word order as published. */
void rng_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

uint64_t rng_u64(uint64_t seed, uint32_t choice, uint64_t position);
double rng_unit(uint64_t seed, uint32_t choice, uint64_t position);  /* [0, 1), 53 bits */
uint64_t rng_entropy(void);                                          /* from the operating system, for seeds and ids */

#endif
