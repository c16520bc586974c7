/* Super-blocks with scales and minima: Q2_K (16 groups of 16, four bits each), Q4_K and Q5_K (8 groups of 32, six bits
 * each). Only the bits are laid here; what to write super.c found. */
#include "model/quantize/pack.h"

#include "model/quantize/super.h"

static const struct super_effort effort_2 = {.tries = 9, .reach = 1.0f, .rounds = 6};
static const struct super_effort effort_4 = {.tries = 9, .reach = 1.8f, .rounds = 4};
static const struct super_effort effort_5 = {.tries = 11, .reach = 2.0f, .rounds = 4};

void pack_q2_k(const float *x, const float *w, void *block)
{
    struct block_q2_k *b = block;
    struct super_affine s;
    super_affine_fit(3, 16, 15, &effort_2, x, w, &s);
    *b = (struct block_q2_k){.d = s.d, .dmin = s.dmin};
    for (int j = 0; j < 16; j++)
        b->scales[j] = (uint8_t)(s.scales[j] | s.mins[j] << 4);
    for (int i = 0; i < SUPER_BLOCK; i++) {
        uint8_t *at = &b->qs[i / 128 * 32 + i % 32];
        *at = (uint8_t)(*at | (int)s.codes[i] << i / 32 % 4 * 2);
    }
}

/* Eight scales and eight minima of six bits in twelve bytes: the low six bits of bytes 0 to 3 are scales 0 to 3, of
 * bytes 4 to 7 minima 0 to 3; bytes 8 to 11 hold the low nibbles of the others, whose upper two bits fill the first
 * eight bytes. */
static void put_scales(const struct super_affine *s, uint8_t packed[12])
{
    for (int j = 0; j < 4; j++) {
        packed[j] = (uint8_t)(s->scales[j] | s->scales[j + 4] >> 4 << 6);
        packed[j + 4] = (uint8_t)(s->mins[j] | s->mins[j + 4] >> 4 << 6);
        packed[j + 8] = (uint8_t)((s->scales[j + 4] & 15) | (s->mins[j + 4] & 15) << 4);
    }
}

/* Elements 64 c + j and 64 c + 32 + j share byte 32 c + j. */
static void put_nibble(uint8_t qs[128], int i, int code)
{
    uint8_t *at = &qs[i / 64 * 32 + i % 32];
    *at = (uint8_t)(*at | (code & 15) << i / 32 % 2 * 4);
}

void pack_q4_k(const float *x, const float *w, void *block)
{
    struct block_q4_k *b = block;
    struct super_affine s;
    super_affine_fit(15, 8, 63, &effort_4, x, w, &s);
    *b = (struct block_q4_k){.d = s.d, .dmin = s.dmin};
    put_scales(&s, b->scales);
    for (int i = 0; i < SUPER_BLOCK; i++)
        put_nibble(b->qs, i, (int)s.codes[i]);
}

void pack_q5_k(const float *x, const float *w, void *block)
{
    struct block_q5_k *b = block;
    struct super_affine s;
    super_affine_fit(31, 8, 63, &effort_5, x, w, &s);
    *b = (struct block_q5_k){.d = s.d, .dmin = s.dmin};
    put_scales(&s, b->scales);
    for (int i = 0; i < SUPER_BLOCK; i++) {
        int code = (int)s.codes[i];
        put_nibble(b->qs, i, code);
        b->qh[i % 32] = (uint8_t)(b->qh[i % 32] | code >> 4 << i / 32);
    }
}
