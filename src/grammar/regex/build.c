/* Building terms, simplified as they are built. The rules here are what keeps derivatives few: unions and
 * intersections are sorted sets without what adds nothing, bytes side by side are one set, counted repetitions of the
 * same thing join, neighbouring literals are one. Each rule keeps the language; none looks further than the terms in
 * front of it, but for one short search (term_within). */
#include "grammar/regex/terms.h"

#include <limits.h>
#include <stdlib.h>

#define LITERAL_JOIN_MAX 256   /* bytes: longer neighbours stay two, so that joining one by one is not quadratic */
#define RUNS_MAX 32            /* children among which repetitions of the same thing are looked for */
#define PREFIX_MAX_DEPTH 64    /* branchings of literals that share their beginnings */

/* ---- bytes and literals ---- */

static uint64_t literal_sum(const struct exprs *x, const unsigned char *p, size_t n)
{
    uint64_t sum = 0;
    while (n > 0)
        sum = sum * x->secret + p[--n] + 1;
    return sum;
}

static uint32_t one_byte(struct exprs *x, unsigned char byte)
{
    return intern_literal(x, x->text + byte, 1, byte + 1u);
}

uint32_t expr_literal(struct exprs *x, struct str bytes)
{
    const unsigned char *p = (const unsigned char *)bytes.p;
    if (bytes.n == 0)
        return x->fault == ERR_NONE ? EXPR_EMPTY : EXPR_NONE;
    if (bytes.n > UINT32_MAX / 2)
        return store_fail(x, ERR_LIMIT);
    return intern_literal(x, p, (uint32_t)bytes.n, literal_sum(x, p, bytes.n));
}

uint32_t literal_rest(struct exprs *x, uint32_t e)
{
    struct term t = x->terms[e];
    if (t.b == 1)
        return EXPR_EMPTY;
    const unsigned char *p = x->text + t.a;
    return intern_literal(x, p + 1, t.b - 1, (t.sum - (p[0] + 1u)) * x->unsecret);
}

uint32_t expr_bytes(struct exprs *x, const struct byte_set *set)
{
    if (x->fault != ERR_NONE)
        return EXPR_NONE;
    if (set_count(set) > 1)
        return intern_set(x, set);
    for (int i = 0; i < 4; i++)
        if (set->bits[i])
            return one_byte(x, (unsigned char)(i * 64 + __builtin_ctzll(set->bits[i])));
    return EXPR_NONE;
}

/* Puts the bytes of a one-byte term into *set; false for others. */
static bool one_byte_set(const struct exprs *x, uint32_t e, struct byte_set *set)
{
    const struct term *t = &x->terms[e];
    *set = (struct byte_set){0};
    if (t->kind == KIND_BYTES)
        *set = x->sets[t->a];
    else if (t->kind == KIND_LITERAL && t->b == 1)
        set_add(set, x->text[t->a]);
    else
        return false;
    return true;
}

/* ---- one after the other ---- */

static uint32_t pair(struct exprs *x, uint32_t a, uint32_t b)
{
    return b == EXPR_EMPTY ? a : intern(x, (struct term){.kind = KIND_CONCAT, .a = a, .b = b});
}

/* Two literals as one, EXPR_NONE when that is too long to be worth it. */
static uint32_t join_literals(struct exprs *x, uint32_t a, uint32_t b)
{
    unsigned char both[LITERAL_JOIN_MAX];
    struct term s = x->terms[a], t = x->terms[b];
    if ((uint64_t)s.b + t.b > sizeof both)
        return EXPR_NONE;
    memcpy(both, x->text + s.a, s.b);
    memcpy(both + s.b, x->text + t.a, t.b);
    return intern_literal(x, both, s.b + t.b, literal_sum(x, both, s.b + t.b));
}

/* a{n,m}a{k,l} is a{n+k,m+l}. */
static uint32_t join_repeats(struct exprs *x, uint32_t a, uint32_t b)
{
    struct term s = x->terms[a], t = x->terms[b];
    if (s.a != t.a || s.min + t.min > EXPR_MAX_REPEAT)
        return EXPR_NONE;
    bool endless = s.max == EXPR_UNBOUNDED || t.max == EXPR_UNBOUNDED;
    if (!endless && s.max + t.max > EXPR_MAX_REPEAT)
        return EXPR_NONE;
    s.min += t.min;
    s.max = endless ? EXPR_UNBOUNDED : s.max + t.max;
    return intern(x, (struct term){.kind = KIND_REPEAT, .a = s.a, .min = s.min, .max = s.max});
}

uint32_t term_concat(struct exprs *x, uint32_t a, uint32_t b)
{
    if (a == EXPR_NONE || b == EXPR_NONE)
        return EXPR_NONE;
    if (a == EXPR_EMPTY || b == EXPR_EMPTY)
        return a == EXPR_EMPTY ? b : a;
    if (a == TERM_ALL && b == TERM_ALL)
        return TERM_ALL;
    bool spine = x->terms[b].kind == KIND_CONCAT;
    uint32_t head = spine ? x->terms[b].a : b, tail = spine ? x->terms[b].b : EXPR_EMPTY, joined = EXPR_NONE;
    if (x->terms[a].kind == x->terms[head].kind) {
        if (x->terms[a].kind == KIND_LITERAL)
            joined = join_literals(x, a, head);
        else if (x->terms[a].kind == KIND_REPEAT)
            joined = join_repeats(x, a, head);
    }
    return joined != EXPR_NONE ? pair(x, joined, tail) : pair(x, a, b);
}

/* Right-nested: what recurses over terms goes along the spine without growing the stack. */
uint32_t expr_concat(struct exprs *x, uint32_t a, uint32_t b)
{
    uint32_t base = x->scratch.n;
    while (a != EXPR_NONE && x->terms[a].kind == KIND_CONCAT && pile_push(x, &x->scratch, x->terms[a].a))
        a = x->terms[a].b;
    uint32_t e = term_concat(x, a, b);
    while (x->scratch.n > base)
        e = term_concat(x, x->scratch.p[--x->scratch.n], e);
    return x->fault == ERR_NONE ? e : EXPR_NONE;
}

/* ---- unions and intersections ---- */

static int ascending(const void *a, const void *b)
{
    uint32_t p = *(const uint32_t *)a, q = *(const uint32_t *)b;
    return (p > q) - (p < q);
}

/* Sorts the scratch from base on and takes doubles out. */
static void sort_list(struct exprs *x, uint32_t base)
{
    uint32_t *p = x->scratch.p + base, n = x->scratch.n - base, kept = 0;
    if (n > 16) {
        qsort(p, n, sizeof *p, ascending);
    } else {
        for (uint32_t i = 1; i < n; i++) {
            uint32_t value = p[i], j = i;
            for (; j > 0 && p[j - 1] > value; j--)
                p[j] = p[j - 1];
            p[j] = value;
        }
    }
    for (uint32_t i = 0; i < n; i++)
        if (kept == 0 || p[kept - 1] != p[i])
            p[kept++] = p[i];
    x->scratch.n = base + kept;
}

/* Children of children of the same kind become children. */
static void flatten(struct exprs *x, enum term_kind kind, uint32_t base)
{
    for (uint32_t i = base; i < x->scratch.n; i++) {
        struct term t = x->terms[x->scratch.p[i]];
        if (t.kind != kind)
            continue;
        x->scratch.p[i] = x->words.p[t.a];
        for (uint32_t k = 1; k < t.b; k++)
            if (!pile_push(x, &x->scratch, x->words.p[t.a + k]))
                return;
    }
}

/* One-byte children become one child, united or intersected. */
static void merge_bytes(struct exprs *x, enum term_kind kind, uint32_t base)
{
    struct byte_set merged = {0}, set;
    uint32_t kept = base, found = 0;
    for (uint32_t i = base; i < x->scratch.n; i++) {
        if (!one_byte_set(x, x->scratch.p[i], &set)) {
            x->scratch.p[kept++] = x->scratch.p[i];
            continue;
        }
        for (int k = 0; k < 4; k++)
            merged.bits[k] = found == 0          ? set.bits[k]
                             : kind == KIND_OR   ? merged.bits[k] | set.bits[k]
                                                 : merged.bits[k] & set.bits[k];
        found++;
    }
    x->scratch.n = kept;
    if (found > 0)
        pile_push(x, &x->scratch, expr_bytes(x, &merged));
}

/* A term seen as base{min,max} and then tail. */
struct run {
    uint32_t base, tail;
    int32_t min, max;
};

static bool run_of(const struct exprs *x, uint32_t e, struct run *ret)
{
    const struct term *t = &x->terms[e];
    *ret = (struct run){.tail = EXPR_EMPTY};
    if (t->kind == KIND_EMPTY)
        return true;
    if (t->kind == KIND_CONCAT) {
        ret->tail = t->b;
        t = &x->terms[t->a];
    }
    if (t->kind != KIND_REPEAT)
        return false;
    ret->base = t->a;
    ret->min = t->min;
    ret->max = t->max;
    return true;
}

/* a{n,m}t or a{k,l}t is a{min,max}t where the counts leave no gap. */
static bool unite_runs(const struct run *p, const struct run *q, struct run *ret)
{
    int64_t p_max = p->max == EXPR_UNBOUNDED ? INT64_MAX - 1 : p->max;
    int64_t q_max = q->max == EXPR_UNBOUNDED ? INT64_MAX - 1 : q->max;
    bool same = p->base == q->base || (p->base == 0 && p->max == 0) || (q->base == 0 && q->max == 0);
    if (!same || p->tail != q->tail || p->min > q_max + 1 || q->min > p_max + 1)
        return false;
    *ret = (struct run){
        .base = p->base ? p->base : q->base,
        .tail = p->tail,
        .min = p->min < q->min ? p->min : q->min,
        .max = p_max > q_max ? p->max : q->max,
    };
    return true;
}

static void merge_runs(struct exprs *x, uint32_t base)
{
    struct run p, q, both;
    if (x->scratch.n - base > RUNS_MAX)
        return;
    for (uint32_t i = base; i < x->scratch.n; i++) {
        for (uint32_t k = i + 1; k < x->scratch.n && run_of(x, x->scratch.p[i], &p); k++) {
            if (!run_of(x, x->scratch.p[k], &q) || !unite_runs(&p, &q, &both))
                continue;
            uint32_t run = expr_repeat(x, both.base, both.min, both.max);
            uint32_t united = term_concat(x, run, both.tail); /* which may move the scratch */
            x->scratch.p[i] = united;
            x->scratch.p[k] = x->scratch.p[--x->scratch.n];
            k = i;
        }
    }
}

/* Beside a* nothing need stand that a* matches anyway. Without this a search that has found what it looked for would
 * go on to tell apart how far it has come with finding it again. */
static void absorb(struct exprs *x, uint32_t base)
{
    uint32_t star = EXPR_NONE, kept = base;
    for (uint32_t i = base; i < x->scratch.n && star == EXPR_NONE; i++) {
        const struct term *t = &x->terms[x->scratch.p[i]];
        if (t->kind == KIND_REPEAT && t->min == 0 && t->max == EXPR_UNBOUNDED)
            star = x->scratch.p[i];
    }
    if (star == EXPR_NONE || x->scratch.n - base < 2 || x->absorbing)
        return;
    x->absorbing = true;
    for (uint32_t i = base; i < x->scratch.n; i++) {
        uint32_t e = x->scratch.p[i];
        if (e == star || !term_within(x, e, star))
            x->scratch.p[kept++] = e;
    }
    x->scratch.n = kept;
    x->absorbing = false;
}

/* What a union or intersection is at a glance; else it goes through its list. */
static bool settle(struct exprs *x, enum term_kind kind, uint32_t base, uint32_t *ret)
{
    uint32_t zero = kind == KIND_OR ? TERM_ALL : EXPR_NONE, one = kind == KIND_OR ? EXPR_NONE : TERM_ALL;
    uint32_t kept = base;
    bool has_empty = false, nullable = kind == KIND_AND;
    for (uint32_t i = base; i < x->scratch.n; i++) {
        uint32_t e = x->scratch.p[i];
        if (e == zero) {
            *ret = zero;
            return true;
        }
        if (e == one)
            continue;
        if (e == EXPR_EMPTY)
            has_empty = true;
        else if (kind == KIND_OR)
            nullable |= term_has(x, e, FACT_NULLABLE);
        else
            nullable &= term_has(x, e, FACT_NULLABLE);
        if (e != EXPR_EMPTY)
            x->scratch.p[kept++] = e;
    }
    x->scratch.n = kept;
    if (has_empty && kind == KIND_AND) {
        *ret = nullable ? EXPR_EMPTY : EXPR_NONE;
        return true;
    }
    if (has_empty && !nullable)
        pile_push(x, &x->scratch, EXPR_EMPTY);
    return false;
}

/* e beside its own complement. */
static bool contradicts(const struct exprs *x, uint32_t base)
{
    for (uint32_t i = base; i < x->scratch.n; i++) {
        const struct term *t = &x->terms[x->scratch.p[i]];
        if (t->kind == KIND_NOT &&
            bsearch(&t->a, x->scratch.p + base, x->scratch.n - base, sizeof *x->scratch.p, ascending))
            return true;
    }
    return false;
}

uint32_t term_join(struct exprs *x, enum term_kind kind, uint32_t base)
{
    uint32_t e, zero = kind == KIND_OR ? TERM_ALL : EXPR_NONE, one = kind == KIND_OR ? EXPR_NONE : TERM_ALL;
    flatten(x, kind, base);
    x->work += x->scratch.n - base;
    if (settle(x, kind, base, &e)) {
        x->scratch.n = base;
        return e;
    }
    if (x->scratch.n - base > 1) {
        merge_bytes(x, kind, base);
        if (kind == KIND_OR)
            merge_runs(x, base);
        sort_list(x, base);
        if (contradicts(x, base) || (kind == KIND_AND && x->scratch.n > base && x->scratch.p[base] == EXPR_NONE)) {
            x->scratch.n = base;
            return zero;
        }
        if (kind == KIND_OR)
            absorb(x, base);
    }
    uint32_t n = x->scratch.n - base;
    if (n > 1)
        return intern_list(x, kind, base);
    e = n == 1 ? x->scratch.p[base] : one;
    x->scratch.n = base;
    return x->fault == ERR_NONE ? e : EXPR_NONE;
}

uint32_t expr_or(struct exprs *x, uint32_t a, uint32_t b)
{
    uint32_t base = x->scratch.n;
    if (a == b || b == EXPR_NONE)
        return x->fault == ERR_NONE ? a : EXPR_NONE;
    pile_push(x, &x->scratch, a);
    pile_push(x, &x->scratch, b);
    return term_join(x, KIND_OR, base);
}

uint32_t expr_and(struct exprs *x, uint32_t a, uint32_t b)
{
    uint32_t base = x->scratch.n;
    pile_push(x, &x->scratch, a);
    pile_push(x, &x->scratch, b);
    return term_join(x, KIND_AND, base);
}

uint32_t expr_not(struct exprs *x, uint32_t a)
{
    if (x->fault != ERR_NONE)
        return EXPR_NONE;
    if (a == EXPR_NONE || a == TERM_ALL)
        return a == EXPR_NONE ? TERM_ALL : EXPR_NONE;
    if (x->terms[a].kind == KIND_NOT)
        return x->terms[a].a;
    return intern(x, (struct term){.kind = KIND_NOT, .a = a});
}

/* ---- many literals: what they begin with in common stands once ---- */

static struct str literal_view(const struct exprs *x, uint32_t e)
{
    const struct term *t = &x->terms[e];
    return (struct str){(const char *)x->text + t->a, t->b};
}

struct literal_order {
    struct str text;
    uint32_t e;
};

static int by_text(const void *a, const void *b)
{
    const struct literal_order *p = a, *q = b;
    size_t n = p->text.n < q->text.n ? p->text.n : q->text.n;
    int diff = memcmp(p->text.p, q->text.p, n);
    return diff ? diff : (p->text.n > q->text.n) - (p->text.n < q->text.n);
}

/* The union of sorted texts, all of which agree in their first `from` bytes. */
static uint32_t share_prefixes(struct exprs *x, const struct literal_order *p, uint32_t n, size_t from, int depth)
{
    uint32_t base = x->scratch.n, end;
    for (uint32_t i = 0; i < n; i = end) {
        struct str first = p[i].text;
        end = i + 1;
        if (first.n == from) {
            pile_push(x, &x->scratch, EXPR_EMPTY);
            continue;
        }
        while (end < n && depth < PREFIX_MAX_DEPTH && p[end].text.p[from] == first.p[from])
            end++;
        struct str last = p[end - 1].text;
        size_t common = from;
        while (common < first.n && common < last.n && first.p[common] == last.p[common])
            common++;
        uint32_t rest = end - i == 1 ? EXPR_EMPTY : share_prefixes(x, p + i, end - i, common, depth + 1);
        uint32_t head = expr_literal(x, (struct str){first.p + from, common - from});
        pile_push(x, &x->scratch, term_concat(x, head, rest));
    }
    return term_join(x, KIND_OR, base);
}

/* The union of the literals among terms[0..n); the others are left on the scratch. The texts are copied: the store's
 * own move as it grows. */
static bool or_literals(struct exprs *x, const uint32_t *terms, int n, uint32_t *ret)
{
    struct literal_order *order = malloc((size_t)n * sizeof *order);
    size_t bytes = 0;
    uint32_t n_literals = 0;
    for (int i = 0; i < n; i++)
        bytes += x->terms[terms[i]].kind == KIND_LITERAL ? x->terms[terms[i]].b : 0;
    char *copy = malloc(bytes + 1), *at = copy;
    for (int i = 0; i < n && order && copy; i++) {
        if (x->terms[terms[i]].kind != KIND_LITERAL) {
            pile_push(x, &x->scratch, terms[i]);
            continue;
        }
        struct str text = literal_view(x, terms[i]);
        memcpy(at, text.p, text.n);
        order[n_literals++] = (struct literal_order){{at, text.n}, terms[i]};
        at += text.n;
    }
    bool ok = order && copy;
    if (!ok)
        store_fail(x, ERR_NOMEM);
    if (n_literals > 0) {
        qsort(order, n_literals, sizeof *order, by_text);
        *ret = share_prefixes(x, order, n_literals, 0, 0);
    }
    free(order);
    free(copy);
    return ok;
}

uint32_t expr_or_all(struct exprs *x, const uint32_t *terms, int n)
{
    uint32_t base = x->scratch.n, literals = EXPR_NONE;
    if (x->fault != ERR_NONE || n <= 0)
        return EXPR_NONE;
    if (!or_literals(x, terms, n, &literals)) {
        x->scratch.n = base;
        return EXPR_NONE;
    }
    pile_push(x, &x->scratch, literals);
    return term_join(x, KIND_OR, base);
}

/* ---- again and again ---- */

/* (a{n,m}){k,l} as one repetition, where the counts that a may have leave no gap. */
static bool collapse(const struct term *inner, int min, int max, int64_t *ret_min, int64_t *ret_max)
{
    bool endless = inner->max == EXPR_UNBOUNDED;
    int64_t least = (int64_t)inner->min * min;
    if (min != max && !(endless && min > 0)) {
        int64_t most = endless ? 0 : (int64_t)inner->max * min;
        if ((int64_t)inner->min * (min + 1) > most + 1)
            return false;
    }
    *ret_min = least;
    *ret_max = endless || max == EXPR_UNBOUNDED ? EXPR_UNBOUNDED : (int64_t)inner->max * max;
    return least <= EXPR_MAX_REPEAT && *ret_max <= EXPR_MAX_REPEAT;
}

/* A union without the empty text in it. */
static uint32_t without_empty(struct exprs *x, uint32_t e)
{
    struct term t = x->terms[e];
    uint32_t base = x->scratch.n;
    if (t.kind != KIND_OR || x->words.p[t.a] != EXPR_EMPTY)
        return e;
    for (uint32_t i = 1; i < t.b; i++)
        pile_push(x, &x->scratch, x->words.p[t.a + i]);
    return term_join(x, KIND_OR, base);
}

uint32_t expr_repeat(struct exprs *x, uint32_t a, int min, int max)
{
    int64_t least, most;
    if (x->fault != ERR_NONE || (max != EXPR_UNBOUNDED && max < min))
        return EXPR_NONE;
    if (min > EXPR_MAX_REPEAT || max > EXPR_MAX_REPEAT)
        return store_fail(x, ERR_LIMIT);
    if (max == 0 || a == EXPR_EMPTY)
        return EXPR_EMPTY;
    if (a == EXPR_NONE)
        return min <= 0 ? EXPR_EMPTY : EXPR_NONE;
    if (a == TERM_ALL || (a == TERM_ANY_BYTE && min <= 0 && max == EXPR_UNBOUNDED))
        return TERM_ALL;
    if (min < 0 || term_has(x, a, FACT_NULLABLE))
        min = 0;
    a = without_empty(x, a);
    if (x->terms[a].kind == KIND_REPEAT && collapse(&x->terms[a], min, max, &least, &most)) {
        a = x->terms[a].a;
        min = (int)least;
        max = (int)most;
    }
    if (max == 1)
        return min == 1 ? a : expr_or(x, EXPR_EMPTY, a);
    return intern(x, (struct term){.kind = KIND_REPEAT, .a = a, .min = min, .max = max});
}
