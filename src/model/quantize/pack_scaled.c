/* Super-blocks with signed scales: Q3_K and Q6_K (16 groups of 16) and IQ4_XS (8 groups of 32 on a table). Only the
 * bits are laid here; what to write super.c found. */
#include "model/quantize/pack.h"

#include "model/quantize/super.h"

static const struct super_effort effort_3 = {.tries = 9, .reach = 1.2f, .rounds = 6};
static const struct super_effort effort_6 = {.tries = 9, .reach = 1.8f, .rounds = 4};
static const struct super_effort effort_table = {.tries = 9, .reach = 24, .rounds = 5};

void pack_q3_k(const float *x, const float *w, void *block)
{
    struct block_q3_k *b = block;
    struct fit_grid g = fit_grid_whole(-4, 3);
    struct super_scaled s;
    super_scaled_fit(&g, 16, -32, 31, &effort_3, x, w, &s);
    *b = (struct block_q3_k){.d = s.d};
    for (int j = 0; j < 16; j++) {
        int scale = s.scales[j] + 32;
        b->scales[j % 8] = (uint8_t)(b->scales[j % 8] | (scale & 15) << j / 8 * 4);
        b->scales[8 + j % 4] = (uint8_t)(b->scales[8 + j % 4] | scale >> 4 << j / 4 * 2);
    }
    for (int i = 0; i < SUPER_BLOCK; i++) {
        int code = (int)s.codes[i] + 4;
        uint8_t *at = &b->qs[i / 128 * 32 + i % 32];
        *at = (uint8_t)(*at | (code & 3) << i / 32 % 4 * 2);
        b->hmask[i % 32] = (uint8_t)(b->hmask[i % 32] | code >> 2 << i / 32);
    }
}

/* Halves of 128: byte j of 64 low ones holds elements j and j + 64; byte j of 32 high ones j, j + 32, j + 64, j + 96.
 */
void pack_q6_k(const float *x, const float *w, void *block)
{
    struct block_q6_k *b = block;
    struct fit_grid g = fit_grid_whole(-32, 31);
    struct super_scaled s;
    super_scaled_fit(&g, 16, -128, 127, &effort_6, x, w, &s);
    *b = (struct block_q6_k){.d = s.d};
    memcpy(b->scales, s.scales, sizeof b->scales);
    for (int i = 0; i < SUPER_BLOCK; i++) {
        int code = (int)s.codes[i] + 32;
        uint8_t *low = &b->ql[i / 128 * 64 + i % 64], *high = &b->qh[i / 128 * 32 + i % 32];
        *low = (uint8_t)(*low | (code & 15) << i / 64 % 2 * 4);
        *high = (uint8_t)(*high | code >> 4 << i / 32 % 4 * 2);
    }
}

static int table_code(float value)
{
    int code = 0;
    while (code < 15 && (float)tensor_iq4_values[code] != value)
        code++;
    return code;
}

void pack_iq4_xs(const float *x, const float *w, void *block)
{
    struct block_iq4_xs *b = block;
    struct fit_grid g = fit_grid_table(tensor_iq4_values, 16);
    struct super_scaled s;
    super_scaled_fit(&g, 8, -32, 31, &effort_table, x, w, &s);
    *b = (struct block_iq4_xs){.d = s.d};
    for (int j = 0; j < 8; j++) {
        int scale = s.scales[j] + 32;
        b->scales_l[j / 2] = (uint8_t)(b->scales_l[j / 2] | (scale & 15) << j % 2 * 4);
        b->scales_h = (uint16_t)(b->scales_h | scale >> 4 << 2 * j);
    }
    for (int i = 0; i < SUPER_BLOCK; i++) {
        uint8_t *at = &b->qs[i / 32 * 16 + i % 16];
        *at = (uint8_t)(*at | table_code(s.codes[i]) << i / 16 % 2 * 4);
    }
}
