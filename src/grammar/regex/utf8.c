/* Sets of code points as terms over their UTF-8 bytes. Blocks of 64 code points share their last byte, so a class is
 * cut along those, and blocks that turn out alike are one term. */
#include "grammar/regex/terms.h"

#include <stdlib.h>

#define LAST_CODE_POINT 0x10FFFFu
#define FIRST_SURROGATE 0xD800u
#define LAST_SURROGATE 0xDFFFu
#define CODE_RANGES_MAX (1 << 16)

struct ranges {
    struct code_range *p;   /* ascending, apart, no surrogates */
    int n;
};

static int by_first(const void *a, const void *b)
{
    const struct code_range *p = a, *q = b;
    return (p->first > q->first) - (p->first < q->first);
}

static void add_range(struct ranges *r, uint32_t first, uint32_t last)
{
    if (first > last)
        return;
    if (r->n > 0 && first <= r->p[r->n - 1].last + 1) {
        if (last > r->p[r->n - 1].last)
            r->p[r->n - 1].last = last;
        return;
    }
    r->p[r->n++] = (struct code_range){first, last};
}

/* A sorted copy with room for the one range more that leaving out the surrogates may make. */
static bool tidy(const struct code_range *ranges, int n, struct ranges *ret)
{
    struct code_range *sorted = malloc(((size_t)n + 1) * sizeof *sorted);
    *ret = (struct ranges){.p = malloc(((size_t)n * 2 + 2) * sizeof *ret->p)};
    bool ok = sorted && ret->p;
    if (ok) {
        memcpy(sorted, ranges, (size_t)n * sizeof *sorted);
        qsort(sorted, (size_t)n, sizeof *sorted, by_first);
        for (int i = 0; i < n; i++) {
            uint32_t first = sorted[i].first;
            uint32_t last = sorted[i].last < LAST_CODE_POINT ? sorted[i].last : LAST_CODE_POINT;
            add_range(ret, first, last < FIRST_SURROGATE ? last : FIRST_SURROGATE - 1);
            add_range(ret, first > LAST_SURROGATE ? first : LAST_SURROGATE + 1, last);
        }
    }
    free(sorted);
    return ok;
}

/* The ranges of *r that reach into [first, last]. */
static struct ranges within(const struct ranges *r, uint32_t first, uint32_t last)
{
    int low = 0, high = r->n;
    while (low < high) {
        int middle = (low + high) / 2;
        if (r->p[middle].last < first)
            low = middle + 1;
        else
            high = middle;
    }
    struct ranges part = {.p = r->p + low};
    while (low + part.n < r->n && part.p[part.n].first <= last)
        part.n++;
    return part;
}

/* One lead byte after another with what may follow it: runs of equal tails become one set. */
struct leads {
    struct byte_set set;
    uint32_t tail;
};

static void flush_leads(struct exprs *x, struct leads *leads)
{
    if (leads->tail != EXPR_NONE)
        pile_push(x, &x->scratch, term_concat(x, expr_bytes(x, &leads->set), leads->tail));
    *leads = (struct leads){0};
}

/* Bytes with equal tails become one set before that tail. */
static uint32_t join_equal_tails(struct exprs *x, uint32_t base, struct leads *leads, int n)
{
    for (int i = 0; i < n; i++) {
        for (int k = i + 1; k < n && leads[i].tail != EXPR_NONE; k++) {
            if (leads[k].tail != leads[i].tail)
                continue;
            for (int w = 0; w < 4; w++)
                leads[i].set.bits[w] |= leads[k].set.bits[w];
            leads[k].tail = EXPR_NONE;
        }
        flush_leads(x, &leads[i]);
    }
    return term_join(x, KIND_OR, base);
}

/* Any continuation bytes, so many of them. */
static uint32_t any_continuation(struct exprs *x, int levels)
{
    static const struct byte_set bytes = {{0, 0, UINT64_MAX, 0}};
    uint32_t e = EXPR_EMPTY;
    for (int i = 0; i < levels; i++)
        e = term_concat(x, expr_bytes(x, &bytes), e);
    return e;
}

/* The code points from `first` on that `levels` continuation bytes tell apart, as far as *r has them. */
static uint32_t continuation(struct exprs *x, const struct ranges *r, uint32_t first, int levels)
{
    struct leads leads[64];
    uint32_t size = 1u << 6 * levels, step = size / 64;
    struct ranges here = within(r, first, first + size - 1);
    if (here.n == 0)
        return EXPR_NONE;
    if (here.p[0].first <= first && here.p[0].last >= first + size - 1)
        return any_continuation(x, levels);
    for (int i = 0; i < 64; i++) {
        leads[i] = (struct leads){.tail = continuation(x, &here, first + (uint32_t)i * step, levels - 1)};
        set_add(&leads[i].set, 0x80 + i);
    }
    return join_equal_tails(x, x->scratch.n, leads, 64);
}

/* All of the code points that take 1 + levels bytes: lead bytes from `lead` on. What is below them was dealt with and
 * is cut off, lest it come again in too many bytes. */
static void with_length(struct exprs *x, const struct ranges *r, int levels, uint32_t first, uint32_t last, int lead)
{
    struct leads leads[128];
    struct ranges here = within(r, first, last);
    int n = 0;
    if (here.n > 0 && here.p[0].first < first)
        here.p[0].first = first;
    for (uint32_t at = first & ~((1u << 6 * levels) - 1); at <= last; at += 1u << 6 * levels) {
        leads[n] = (struct leads){.tail = continuation(x, &here, at, levels)};
        set_add(&leads[n].set, lead + (int)(at >> 6 * levels));
        n++;
    }
    pile_push(x, &x->scratch, join_equal_tails(x, x->scratch.n, leads, n));
}

uint32_t expr_code_points(struct exprs *x, const struct code_range *ranges, int n)
{
    struct ranges tidied;
    if (x->fault != ERR_NONE || n <= 0)
        return EXPR_NONE;
    if (n > CODE_RANGES_MAX)
        return store_fail(x, ERR_LIMIT);
    uint32_t base = x->scratch.n, e = EXPR_NONE;
    if (tidy(ranges, n, &tidied)) {
        with_length(x, &tidied, 0, 0, 0x7F, 0);
        with_length(x, &tidied, 1, 0x80, 0x7FF, 0xC0);
        with_length(x, &tidied, 2, 0x800, 0xFFFF, 0xE0);
        with_length(x, &tidied, 3, 0x10000, LAST_CODE_POINT, 0xF0);
        e = term_join(x, KIND_OR, base);
    } else {
        store_fail(x, ERR_NOMEM);
    }
    free(tidied.p);
    return e;
}
