/* SipHash-1-3 (Aumasson and Bernstein, 2012): a hash under a secret. Who does not know the secret can neither choose
 * where keys fall nor tell from a hash what was hashed. In the header because maps of words spend their time in it. */
#ifndef RUNG_BASE_SIPHASH_H
#define RUNG_BASE_SIPHASH_H

#include "base/str.h"

static inline uint64_t siphash_turn(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

static inline void siphash_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = siphash_turn(v[1], 13) ^ v[0];
    v[3] = siphash_turn(v[3], 16) ^ v[2];
    v[0] = siphash_turn(v[0], 32) + v[3];
    v[2] += v[1];
    v[3] = siphash_turn(v[3], 21) ^ v[0];
    v[1] = siphash_turn(v[1], 17) ^ v[2];
    v[2] = siphash_turn(v[2], 32);
}

/* Fewer than 8 bytes as a number, the first lowest. Most keys are such: pieces of words. */
static inline uint64_t siphash_tail(const char *p, size_t n)
{
    uint32_t first, last;
    if (n == 0)
        return 0;
    if (n < 4)
        return (uint64_t)(unsigned char)p[0] | (uint64_t)(unsigned char)p[n / 2] << 8 * (n / 2) |
               (uint64_t)(unsigned char)p[n - 1] << 8 * (n - 1);
    memcpy(&first, p, 4);
    memcpy(&last, p + n - 4, 4); /* where they overlap they agree */
    return first | (uint64_t)last << 8 * (n - 4);
}

static inline uint64_t siphash(const uint64_t secret[2], struct str s)
{
    uint64_t v[4] = {secret[0] ^ 0x736f6d6570736575u, secret[1] ^ 0x646f72616e646f6du,
                     secret[0] ^ 0x6c7967656e657261u, secret[1] ^ 0x7465646279746573u};
    size_t whole = s.n & ~(size_t)7;
    uint64_t word;
    for (size_t i = 0; i < whole; i += 8) {
        memcpy(&word, s.p + i, 8);
        v[3] ^= word;
        siphash_round(v);
        v[0] ^= word;
    }
    word = (uint64_t)s.n << 56 | siphash_tail(s.p + whole, s.n - whole);
    v[3] ^= word;
    siphash_round(v);
    v[0] ^= word;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        siphash_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

#endif
