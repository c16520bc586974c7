/* What the levels of attention share: the unit of work, what of a page a token sees, and the scratch. Nobody outside
 * the kernels includes this. */
#ifndef RUNG_KERNELS_ATTENTION_UNIT_H
#define RUNG_KERNELS_ATTENTION_UNIT_H

#include <math.h>

#include "kernels/level.h"

#define ATTENTION_ROWS 256         /* a row is one query head of one token */
#define ATTENTION_SUMS (64u << 10) /* floats: the sums of all rows, head_dim rounded up to 16 each */

struct attention_unit {
    int kv_head;
    int token, tokens;
};

struct attention_unit attention_unit_at(const struct attention *a, int64_t unit);

/* Elements of a row of sums: whole vectors of every level. */
static inline int attention_row_floats(int head_dim)
{
    return (head_dim + 15) / 16 * 16;
}

static inline int attention_most_rows(int head_dim)
{
    int rows = (int)ATTENTION_SUMS / attention_row_floats(head_dim);
    return rows < ATTENTION_ROWS ? rows : ATTENTION_ROWS;
}

/* The slots [first, last] of a page that a token sees; none: last < first. */
struct attention_view {
    int first, last;
};

static inline int64_t attention_first_position(const struct attention *a, int64_t token)
{
    int64_t seen = a->pos0 + token + 1;
    return a->window > 0 && seen > a->window ? seen - a->window : 0;
}

static inline struct attention_view attention_view_of(const struct attention *a, int64_t token, int64_t page)
{
    int64_t from = attention_first_position(a, token) - page * KV_PAGE, to = a->pos0 + token - page * KV_PAGE;
    return (struct attention_view){from < 0         ? 0
                                   : from > KV_PAGE ? KV_PAGE
                                                    : (int)from,
                                   to < KV_PAGE ? to < 0 ? -1 : (int)to : KV_PAGE - 1};
}

/* A head's vector in blocks of KV_BLOCK, rounded as ACT_Q8_32 has it. */
struct kv_rounded {
    float d[ATTENTION_MAX_HEAD_DIM / KV_BLOCK];
    int32_t sum[ATTENTION_MAX_HEAD_DIM / KV_BLOCK]; /* of the block's q */
    int8_t q[ATTENTION_MAX_HEAD_DIM];
};

static inline void kv_round_block(const float *x, struct kv_rounded *ret, int block)
{
    float amax = 0, poison = 0;
    for (int i = 0; i < KV_BLOCK; i++) {
        amax = fabsf(x[i]) > amax ? fabsf(x[i]) : amax;
        poison += x[i] * 0; /* NaN where a value is not finite */
    }
    float d = amax / 127;
    bool sound = poison == 0 && d >= ACT_MIN_SCALE;
    float inverse = sound ? 1 / d : 0;
    ret->d[block] = poison != 0 ? NAN : sound ? d : 0;
    ret->sum[block] = 0;
    for (int i = 0; i < KV_BLOCK; i++) {
        int8_t q = sound ? (int8_t)lrintf(x[i] * inverse) : 0;
        ret->q[block * KV_BLOCK + i] = q;
        ret->sum[block] += q;
    }
}

static inline void kv_round(const float *x, int head_dim, struct kv_rounded *ret)
{
    for (int b = 0; b < head_dim / KV_BLOCK; b++)
        kv_round_block(x + b * KV_BLOCK, ret, b);
}

#endif
