/* Lists of code-point ranges: adding, ordering, what they leave out, and their other cases. */
#include <stdlib.h>

#include "grammar/regex/syntax.h"

bool ranges_add(struct arena *arena, struct ranges *r, uint32_t first, uint32_t last, struct err *err)
{
    if (r->n == r->cap) {
        if (r->n >= REGEX_MAX_RANGES)
            return err_set(err, ERR_LIMIT, "a class has more than %d ranges of characters", REGEX_MAX_RANGES);
        int cap = r->cap ? r->cap * 2 : 8;
        struct code_range *p = arena_array(arena, (size_t)cap, sizeof *p);
        if (!p)
            return err_set(err, ERR_LIMIT, "the classes need more than %zu MiB", REGEX_MAX_MEMORY >> 20);
        if (r->n > 0)
            memcpy(p, r->p, (size_t)r->n * sizeof *p);
        r->p = p;
        r->cap = cap;
    }
    r->p[r->n++] = (struct code_range){first, last};
    return true;
}

bool ranges_add_all(struct arena *arena, struct ranges *r, const struct ranges *more, struct err *err)
{
    for (int i = 0; i < more->n; i++)
        if (!ranges_add(arena, r, more->p[i].first, more->p[i].last, err))
            return false;
    return true;
}

static int by_first(const void *a, const void *b)
{
    const struct code_range *p = a, *q = b;
    return (p->first > q->first) - (p->first < q->first);
}

void ranges_tidy(struct ranges *r)
{
    int kept = 0;
    if (r->n == 0)
        return;
    qsort(r->p, (size_t)r->n, sizeof *r->p, by_first);
    for (int i = 1; i < r->n; i++) {
        struct code_range *last = &r->p[kept];
        if (r->p[i].first > last->last + 1)
            r->p[++kept] = r->p[i];
        else if (r->p[i].last > last->last)
            last->last = r->p[i].last;
    }
    r->n = kept + 1;
}

bool ranges_complement(struct arena *arena, struct ranges *r, struct err *err)
{
    struct ranges rest = {0};
    uint32_t from = 0;
    for (int i = 0; i < r->n; i++) {
        if (r->p[i].first > from && !ranges_add(arena, &rest, from, r->p[i].first - 1, err))
            return false;
        from = r->p[i].last + 1;
    }
    if (from <= LAST_CODE_POINT && !ranges_add(arena, &rest, from, LAST_CODE_POINT, err))
        return false;
    *r = rest;
    return true;
}

/* What the pairs lead to from the code points of tidy *r, added. */
static bool add_cases(struct arena *arena, struct ranges *r, const struct case_pair *pairs, int n, struct err *err)
{
    int at = 0, members = r->n;
    for (int i = 0; i < n; i++) {
        while (at < members && r->p[at].last < pairs[i].from)
            at++;
        if (at == members)
            break;
        if (r->p[at].first <= pairs[i].from && !ranges_add(arena, r, pairs[i].to, pairs[i].to, err))
            return false;
    }
    ranges_tidy(r);
    return true;
}

bool ranges_fold(struct arena *arena, struct ranges *r, struct err *err)
{
    int n;
    const struct case_pair *pairs = unicode_cases(&n);
    if (!pairs)
        return err_nomem(err, "the cases of characters");
    ranges_tidy(r);
    /* twice: 'K', 'k' and the Kelvin sign reach each other by way of 'k' */
    return add_cases(arena, r, pairs, n, err) && add_cases(arena, r, pairs, n, err);
}
