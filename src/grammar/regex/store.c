/* Where terms live: growing arrays under one ceiling of memory, and the hash tables that make equal terms one term.
 * What the terms mean, and which of them are worth telling apart, is build.c's. */
#include "grammar/regex/terms.h"

#include <stdlib.h>

#include "base/rng.h"

#define FIRST_SLOTS 512u
#define FIRST_PARTITION_SLOTS 32u

uint32_t store_fail(struct exprs *x, enum err_code code)
{
    if (x->fault == ERR_NONE)
        x->fault = code;
    return EXPR_NONE;
}

/* Room for `need` elements in an array of *cap. */
static bool grow(struct exprs *x, void **p, uint32_t *cap, uint64_t need, size_t elem)
{
    if (need <= *cap)
        return true;
    uint64_t wanted = *cap ? (uint64_t)*cap * 2 : 64;
    while (wanted < need)
        wanted *= 2;
    if (x->fault != ERR_NONE || wanted > UINT32_MAX || (wanted - *cap) * elem > TERM_MAX_MEMORY - x->memory) {
        store_fail(x, ERR_LIMIT);
        return false;
    }
    void *moved = realloc(*p, wanted * elem);
    if (!moved) {
        store_fail(x, ERR_NOMEM);
        return false;
    }
    x->memory += (wanted - *cap) * elem;
    *p = moved;
    *cap = (uint32_t)wanted;
    return true;
}

bool pile_push(struct exprs *x, struct pile *pile, uint32_t value)
{
    if (pile->n == pile->cap && !grow(x, (void **)&pile->p, &pile->cap, (uint64_t)pile->n + 1, sizeof *pile->p))
        return false;
    pile->p[pile->n++] = value;
    return true;
}

void pile_free(struct exprs *x, struct pile *pile)
{
    x->memory -= (size_t)pile->cap * sizeof *pile->p;
    free(pile->p);
    *pile = (struct pile){0};
}

/* ---- hashing ---- */

static uint64_t mix(const struct exprs *x, uint64_t h, uint64_t value)
{
    h = (h ^ value) * x->secret;
    return h ^ h >> 29;
}

static uint64_t hash_fields(const struct exprs *x, const struct term *t)
{
    uint64_t h = mix(x, t->kind, (uint64_t)t->a << 32 | t->b);
    return t->kind == KIND_REPEAT ? mix(x, h, (uint64_t)(uint32_t)t->min << 32 | (uint32_t)t->max) : h;
}

static uint64_t hash_words(const struct exprs *x, enum term_kind kind, const uint32_t *p, uint32_t n)
{
    uint64_t h = kind;
    for (uint32_t i = 0; i < n; i++)
        h = mix(x, h, p[i]);
    return h;
}

static uint64_t hash_set(const struct exprs *x, const struct byte_set *set)
{
    uint64_t h = KIND_BYTES;
    for (int i = 0; i < 4; i++)
        h = mix(x, h, set->bits[i]);
    return h;
}

static uint64_t hash_of(const struct exprs *x, const struct term *t)
{
    switch (t->kind) {
    case KIND_BYTES:
        return hash_set(x, &x->sets[t->a]);
    case KIND_LITERAL:
        return mix(x, KIND_LITERAL + t->b, t->sum);
    case KIND_OR:
    case KIND_AND:
        return hash_words(x, t->kind, x->words.p + t->a, t->b);
    default:
        return hash_fields(x, t);
    }
}

static bool rehash(struct exprs *x, uint32_t n_slots)
{
    uint32_t *slots = NULL, cap = 0;
    if (!grow(x, (void **)&slots, &cap, n_slots, sizeof *slots))
        return false;
    memset(slots, 0, n_slots * sizeof *slots);
    for (uint32_t e = 1; e < x->n_terms; e++) {
        uint32_t at = (uint32_t)hash_of(x, &x->terms[e]) & (n_slots - 1);
        while (slots[at])
            at = (at + 1) & (n_slots - 1);
        slots[at] = e;
    }
    x->memory -= x->n_slots * sizeof *slots;
    free(x->slots);
    x->slots = slots;
    x->n_slots = n_slots;
    return true;
}

/* ---- facts ---- */

static uint16_t facts_of_list(const struct exprs *x, const struct term *t)
{
    uint16_t every = UINT16_MAX, some = 0;
    for (uint32_t i = 0; i < t->b; i++) {
        uint16_t facts = x->terms[x->words.p[t->a + i]].facts;
        every &= facts;
        some |= facts;
    }
    if (t->kind == KIND_OR)
        return some & (FACT_NULLABLE | FACT_BOOLEAN | FACT_INFINITE);
    return (every & (FACT_NULLABLE | FACT_INFINITE)) | FACT_BOOLEAN;
}

static uint16_t facts_of(const struct exprs *x, const struct term *t)
{
    uint16_t a, b;
    switch (t->kind) {
    case KIND_CONCAT:
        a = x->terms[t->a].facts;
        b = x->terms[t->b].facts;
        return (a & b & FACT_NULLABLE) | ((a | b) & (FACT_BOOLEAN | FACT_INFINITE));
    case KIND_OR:
    case KIND_AND:
        return facts_of_list(x, t);
    case KIND_NOT:
        a = x->terms[t->a].facts;
        return FACT_BOOLEAN | FACT_INFINITE | (a & FACT_NULLABLE ? 0 : FACT_NULLABLE);
    case KIND_REPEAT:
        a = x->terms[t->a].facts;
        return (a & (FACT_BOOLEAN | FACT_INFINITE)) | (t->min == 0 ? FACT_NULLABLE : a & FACT_NULLABLE) |
               (t->max == EXPR_UNBOUNDED ? FACT_INFINITE : 0);
    default:
        return 0;
    }
}

static uint32_t depth_of(const struct exprs *x, const struct term *t)
{
    uint32_t depth = 0;
    switch (t->kind) {
    case KIND_CONCAT:
        depth = x->terms[t->a].depth + 1u;
        return depth > x->terms[t->b].depth ? depth : x->terms[t->b].depth;
    case KIND_OR:
    case KIND_AND:
        for (uint32_t i = 0; i < t->b; i++)
            if (x->terms[x->words.p[t->a + i]].depth > depth)
                depth = x->terms[x->words.p[t->a + i]].depth;
        return depth + 1;
    case KIND_NOT:
    case KIND_REPEAT:
        return x->terms[t->a].depth + 1u;
    default:
        return 0;
    }
}

/* ---- interning ---- */

static uint32_t add(struct exprs *x, struct term t, uint32_t slot)
{
    uint32_t depth = depth_of(x, &t);
    if (x->n_terms >= EXPR_MAX_TERMS || depth > TERM_MAX_DEPTH)
        return store_fail(x, ERR_LIMIT);
    if (!grow(x, (void **)&x->terms, &x->cap_terms, x->n_terms + 1, sizeof *x->terms))
        return EXPR_NONE;
    t.facts = facts_of(x, &t);
    t.depth = (uint16_t)depth;
    t.row = 0;
    uint32_t e = x->n_terms++;
    x->terms[e] = t;
    x->slots[slot] = e;
    if ((uint64_t)x->n_terms * 2 > x->n_slots && !rehash(x, x->n_slots * 2))
        return EXPR_NONE;
    return e;
}

uint32_t intern(struct exprs *x, struct term t)
{
    if (x->fault != ERR_NONE)
        return EXPR_NONE;
    uint32_t mask = x->n_slots - 1, at = (uint32_t)hash_fields(x, &t) & mask;
    for (; x->slots[at]; at = (at + 1) & mask) {
        const struct term *s = &x->terms[x->slots[at]];
        if (s->kind == t.kind && s->a == t.a && s->b == t.b &&
            (t.kind != KIND_REPEAT || (s->min == t.min && s->max == t.max)))
            return x->slots[at];
    }
    return add(x, t, at);
}

uint32_t intern_set(struct exprs *x, const struct byte_set *set)
{
    if (x->fault != ERR_NONE)
        return EXPR_NONE;
    uint32_t mask = x->n_slots - 1, at = (uint32_t)hash_set(x, set) & mask;
    for (; x->slots[at]; at = (at + 1) & mask) {
        const struct term *s = &x->terms[x->slots[at]];
        if (s->kind == KIND_BYTES && memcmp(&x->sets[s->a], set, sizeof *set) == 0)
            return x->slots[at];
    }
    if (!grow(x, (void **)&x->sets, &x->cap_sets, x->n_sets + 1, sizeof *x->sets))
        return EXPR_NONE;
    x->sets[x->n_sets] = *set;
    return add(x, (struct term){.kind = KIND_BYTES, .a = x->n_sets++}, at);
}

uint32_t intern_literal(struct exprs *x, const unsigned char *p, uint32_t n, uint64_t sum)
{
    if (x->fault != ERR_NONE)
        return EXPR_NONE;
    struct term t = {.kind = KIND_LITERAL, .b = n, .sum = sum};
    uint32_t mask = x->n_slots - 1, at = (uint32_t)hash_of(x, &t) & mask;
    for (; x->slots[at]; at = (at + 1) & mask) {
        const struct term *s = &x->terms[x->slots[at]];
        if (s->kind == KIND_LITERAL && s->b == n && s->sum == sum && memcmp(x->text + s->a, p, n) == 0)
            return x->slots[at];
    }
    if (p >= x->text && p < x->text + x->n_text) {   /* a suffix of what is here already */
        t.a = (uint32_t)(p - x->text);
        return add(x, t, at);
    }
    if (!grow(x, (void **)&x->text, &x->cap_text, (uint64_t)x->n_text + n, 1))
        return EXPR_NONE;
    memcpy(x->text + x->n_text, p, n);
    t.a = x->n_text;
    x->n_text += n;
    return add(x, t, at);
}

uint32_t intern_list(struct exprs *x, enum term_kind kind, uint32_t base)
{
    uint32_t n = x->scratch.n - base;
    const uint32_t *p = x->scratch.p + base;
    x->scratch.n = base;
    if (x->fault != ERR_NONE)
        return EXPR_NONE;
    uint32_t mask = x->n_slots - 1, at = (uint32_t)hash_words(x, kind, p, n) & mask;
    for (; x->slots[at]; at = (at + 1) & mask) {
        const struct term *s = &x->terms[x->slots[at]];
        if (s->kind == kind && s->b == n && memcmp(x->words.p + s->a, p, n * sizeof *p) == 0)
            return x->slots[at];
    }
    if (!grow(x, (void **)&x->words.p, &x->words.cap, (uint64_t)x->words.n + n, sizeof *p))
        return EXPR_NONE;
    memcpy(x->words.p + x->words.n, p, n * sizeof *p);
    x->words.n += n;
    return add(x, (struct term){.kind = kind, .a = x->words.n - n, .b = n}, at);
}

static uint64_t hash_partition(const struct exprs *x, const struct partition *p)
{
    uint64_t h = 0, word;
    for (int i = 0; i < 256; i += 8) {
        memcpy(&word, p->class_of + i, 8);
        h = mix(x, h, word);
    }
    return h;
}

static bool rehash_partitions(struct exprs *x)
{
    uint32_t *slots = NULL, cap = 0, n = x->n_partition_slots ? x->n_partition_slots * 2 : FIRST_PARTITION_SLOTS;
    if (!grow(x, (void **)&slots, &cap, n, sizeof *slots))
        return false;
    memset(slots, 0, cap * sizeof *slots);
    for (uint32_t i = 0; i < x->n_partitions; i++) {
        uint32_t at = (uint32_t)hash_partition(x, &x->partitions[i]) & (cap - 1);
        while (slots[at])
            at = (at + 1) & (cap - 1);
        slots[at] = i + 1;
    }
    x->memory -= x->n_partition_slots * sizeof *slots;
    free(x->partition_slots);
    x->partition_slots = slots;
    x->n_partition_slots = cap;
    return true;
}

uint32_t intern_partition(struct exprs *x, const struct partition *p)
{
    if (x->n_partitions * 2 >= x->n_partition_slots && !rehash_partitions(x))
        return UINT32_MAX;
    uint32_t mask = x->n_partition_slots - 1, at = (uint32_t)hash_partition(x, p) & mask;
    for (; x->partition_slots[at]; at = (at + 1) & mask)
        if (memcmp(x->partitions[x->partition_slots[at] - 1].class_of, p->class_of, sizeof p->class_of) == 0)
            return x->partition_slots[at] - 1;
    if (x->n_partitions >= TERM_MAX_PARTITIONS) {
        store_fail(x, ERR_LIMIT);
        return UINT32_MAX;
    }
    if (!grow(x, (void **)&x->partitions, &x->cap_partitions, x->n_partitions + 1, sizeof *x->partitions))
        return UINT32_MAX;
    x->partitions[x->n_partitions] = *p;
    x->partition_slots[at] = ++x->n_partitions;
    return x->n_partitions - 1;
}

/* ---- the store ---- */

/* The four terms with fixed numbers, and the bytes that one-byte literals point at. */
static bool fill(struct exprs *x)
{
    static const struct byte_set any = {{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}};
    if (!rehash(x, FIRST_SLOTS) || !grow(x, (void **)&x->terms, &x->cap_terms, FIRST_SLOTS / 2, sizeof *x->terms) ||
        !grow(x, (void **)&x->text, &x->cap_text, 1024, 1) || !pile_push(x, &x->words, 0)) /* no row is row 0 */
        return false;
    for (; x->n_text < 256; x->n_text++)
        x->text[x->n_text] = (unsigned char)x->n_text;
    x->terms[x->n_terms++] = (struct term){.kind = KIND_NONE, .facts = FACT_EMPTINESS_KNOWN | FACT_NOTHING};
    intern(x, (struct term){.kind = KIND_EMPTY});
    intern(x, (struct term){.kind = KIND_ALL});
    intern_set(x, &any);
    x->terms[EXPR_EMPTY].facts = FACT_NULLABLE;
    x->terms[TERM_ALL].facts = FACT_NULLABLE | FACT_INFINITE;
    return x->fault == ERR_NONE;
}

bool exprs_open(struct exprs **ret, struct err *err)
{
    struct exprs *x = calloc(1, sizeof *x);
    if (!x)
        return err_nomem(err, "terms of a rule");
    x->secret = rng_entropy() | 1;
    x->unsecret = x->secret;
    for (int i = 0; i < 6; i++) /* Newton's step doubles the bits that are right */
        x->unsecret *= 2 - x->secret * x->unsecret;
    if (!fill(x)) {
        exprs_close(x);
        return err_nomem(err, "terms of a rule");
    }
    *ret = x;
    return true;
}

void exprs_close(struct exprs *x)
{
    if (!x)
        return;
    free(x->terms);
    free(x->slots);
    free(x->words.p);
    free(x->scratch.p);
    free(x->sets);
    free(x->text);
    free(x->partitions);
    free(x->partition_slots);
    free(x);
}

bool exprs_check(const struct exprs *x, struct err *err)
{
    if (x->fault == ERR_NONE)
        return true;
    if (x->fault == ERR_NOMEM)
        return err_nomem(err, "terms of a rule");
    return err_set(err, x->fault, "the rule is too complex: it needs more than %u terms, %zu MiB or %d levels; make "
                   "it simpler, or its counts smaller", EXPR_MAX_TERMS, TERM_MAX_MEMORY >> 20, TERM_MAX_DEPTH);
}

uint32_t expr_spoil(struct exprs *x)
{
    return store_fail(x, ERR_NOMEM);
}

uint32_t exprs_count(const struct exprs *x)
{
    return x->n_terms;
}

size_t exprs_bytes(const struct exprs *x)
{
    return x->memory;
}

bool exprs_are_worn(const struct exprs *x)
{
    return x->fault != ERR_NONE || x->n_terms > EXPR_MAX_TERMS / 2 || x->memory > TERM_MAX_MEMORY / 2;
}

uint64_t exprs_work(const struct exprs *x)
{
    return x->work;
}
