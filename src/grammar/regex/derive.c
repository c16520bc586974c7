/* Derivatives: what may follow a byte. A term remembers them by class: bytes that it cannot tell apart share one
 * entry of its row. What begins with a literal needs no row, for it has one derivative. */
#include "grammar/regex/terms.h"

/* ---- partitions ---- */

/* A partition in the making. */
struct split {
    uint8_t class_of[256];
    int n;
};

/* Splits each class by another partition of n classes. */
static void split_by(struct split *s, const uint8_t other[256], int n)
{
    uint16_t head[256], next[256];
    uint8_t other_class[256], fresh[256];
    int count = 0;
    if (s->n == 256 || n < 2)
        return;
    memset(head, 0xFF, sizeof head);
    for (int byte = 0; byte < 256; byte++) {
        uint16_t *link = &head[s->class_of[byte]];
        while (*link != UINT16_MAX && other_class[*link] != other[byte])
            link = &next[*link];
        if (*link == UINT16_MAX) {
            other_class[count] = other[byte];
            next[count] = UINT16_MAX;
            *link = (uint16_t)count++;
        }
        fresh[byte] = (uint8_t)*link;
    }
    memcpy(s->class_of, fresh, sizeof fresh);
    s->n = count;
}

/* Gives each of these bytes a class of its own, all in one pass. */
static void split_off(struct split *s, const struct byte_set *lone)
{
    uint16_t size[256];
    memset(size, 0, (size_t)s->n * sizeof *size);
    size[0] = s->n == 1 ? 256 : 0;
    for (int byte = 0; byte < 256 && s->n > 1; byte++)
        size[s->class_of[byte]]++;
    for (int w = 0; w < 4; w++)
        for (uint64_t bits = lone->bits[w]; bits; bits &= bits - 1) {
            int byte = w * 64 + __builtin_ctzll(bits);
            if (size[s->class_of[byte]] == 1)
                continue;
            size[s->class_of[byte]]--;
            size[s->n] = 1;
            s->class_of[byte] = (uint8_t)s->n++;
        }
}

/* Classes numbered in the order of their first bytes, so that equal partitions are equal bytes. */
static void number_classes(const struct split *s, struct partition *p)
{
    int16_t number[256];
    memset(number, 0xFF, sizeof number);
    p->n = 0;
    for (int byte = 0; byte < 256; byte++) {
        int16_t *mine = &number[s->class_of[byte]];
        if (*mine < 0) {
            *mine = (int16_t)p->n++;
            p->member[*mine] = (uint8_t)byte;
        }
        p->class_of[byte] = (uint8_t)*mine;
    }
    for (int byte = '~'; byte > ' '; byte--) /* the lowest readable one, letters before all */
        p->member[p->class_of[byte]] = (uint8_t)byte;
    for (int byte = 'z'; byte >= 'a'; byte--)
        p->member[p->class_of[byte]] = (uint8_t)byte;
}

static uint32_t keep_split(struct exprs *x, const struct split *s)
{
    struct partition p;
    number_classes(s, &p);
    return intern_partition(x, &p);
}

/* A partition is known by a handle that is 0 while there is none: its number and one. */

static uint32_t partition_of_set(struct exprs *x, const struct byte_set *set)
{
    struct split s = {.n = 1};
    uint8_t inside[256];
    for (int byte = 0; byte < 256; byte++)
        inside[byte] = set_has(set, byte);
    split_by(&s, inside, 2);
    return keep_split(x, &s) + 1;
}

static uint32_t partition_of_byte(struct exprs *x, int byte)
{
    struct byte_set one = {0};
    set_add(&one, byte);
    if (x->lone[byte] == 0)
        x->lone[byte] = partition_of_set(x, &one);
    return x->lone[byte];
}

/* What two tell apart together; remembered, for few partitions meet again and again. */
static uint32_t partition_product(struct exprs *x, uint32_t a, uint32_t b)
{
    struct product *known = &x->products[(a * 31 + b) % PRODUCTS_KEPT];
    if (a == b || b == 0 || a == 0)
        return a ? a : b;
    if (known->a != a || known->b != b) {
        struct split s = {.n = x->partitions[a - 1].n};
        memcpy(s.class_of, x->partitions[a - 1].class_of, sizeof s.class_of);
        split_by(&s, x->partitions[b - 1].class_of, x->partitions[b - 1].n);
        *known = (struct product){a, b, keep_split(x, &s) + 1};
    }
    return known->both;
}

/* ---- which bytes a term tells apart ---- */

/* What parts tell apart, gathered. A union of a hundred literals is then one pass, not a hundred. */
struct gather {
    uint32_t partition;       /* 0: nothing */
    struct byte_set lone;     /* bytes that literals begin with */
};

/* The first byte of what can only begin with one, else -1. */
static int first_byte(const struct exprs *x, uint32_t e)
{
    const struct term *t = &x->terms[e];
    if (t->kind == KIND_CONCAT)
        t = &x->terms[t->a];
    return t->kind == KIND_LITERAL ? x->text[t->a] : -1;
}

static uint32_t row_of(struct exprs *x, uint32_t e);

static void gather_term(struct exprs *x, struct gather *g, uint32_t e)
{
    int first = first_byte(x, e);
    uint32_t mine = 0;
    if (first >= 0) {
        set_add(&g->lone, first);
    } else if (x->terms[e].kind == KIND_BYTES) {
        if (x->terms[e].row == 0)
            x->terms[e].row = partition_of_set(x, &x->sets[x->terms[e].a]);
        mine = x->terms[e].row;
    } else if (x->terms[e].kind > KIND_ALL) {
        uint32_t row = row_of(x, e);
        mine = row ? x->words.p[row] : 0;
    }
    g->partition = partition_product(x, g->partition, mine);
}

static void gather_parts(struct exprs *x, struct gather *g, uint32_t e)
{
    struct term t = x->terms[e];
    for (; t.kind == KIND_CONCAT; t = x->terms[e]) {
        gather_term(x, g, t.a);
        if (!term_has(x, t.a, FACT_NULLABLE))
            return;
        e = t.b;
    }
    switch (t.kind) {
    case KIND_OR:
    case KIND_AND:
        for (uint32_t i = 0; i < t.b; i++)
            gather_term(x, g, x->words.p[t.a + i]);
        break;
    case KIND_NOT:
    case KIND_REPEAT:
        gather_term(x, g, t.a);
        break;
    default:
        gather_term(x, g, e);
    }
}

enum { NO_LONE = -1, MANY_LONE = -2 };

/* The lone byte where there is just one. */
static int only_lone(const struct gather *g)
{
    int byte = NO_LONE;
    for (int i = 0; i < 4; i++) {
        uint64_t bits = g->lone.bits[i];
        if (bits && (byte >= 0 || bits & (bits - 1)))
            return MANY_LONE;
        if (bits)
            byte = i * 64 + __builtin_ctzll(bits);
    }
    return byte;
}

/* Splits by what was gathered. */
static void split_by_gathered(struct exprs *x, struct split *s, const struct gather *g)
{
    if (g->partition && s->n == 1) {
        s->n = x->partitions[g->partition - 1].n;
        memcpy(s->class_of, x->partitions[g->partition - 1].class_of, sizeof s->class_of);
    } else if (g->partition) {
        split_by(s, x->partitions[g->partition - 1].class_of, x->partitions[g->partition - 1].n);
    }
    split_off(s, &g->lone);
}

/* The handle of what was gathered; 0 when the store is spoilt. */
static uint32_t gathered(struct exprs *x, const struct gather *g)
{
    struct split s = {.n = 1};
    int byte = only_lone(g);
    if (byte >= 0)
        return partition_product(x, g->partition, partition_of_byte(x, byte));
    if (byte == NO_LONE && g->partition)
        return g->partition;
    split_by_gathered(x, &s, g);
    return keep_split(x, &s) + 1;
}

static const struct partition *partition_at(const struct exprs *x, uint32_t row)
{
    return &x->partitions[x->words.p[row] - 1];
}

/* Where e's row lies in the words; 0 when the store is spoilt. */
static uint32_t row_of(struct exprs *x, uint32_t e)
{
    struct gather g = {0};
    if (x->terms[e].row)
        return x->terms[e].row;
    gather_parts(x, &g, e);
    uint32_t partition = gathered(x, &g), row = x->words.n;
    if (partition == 0 || x->fault != ERR_NONE || !pile_push(x, &x->words, partition))
        return 0;
    for (int i = 0, n = x->partitions[partition - 1].n; i < n; i++)
        if (!pile_push(x, &x->words, TERM_UNKNOWN))
            return 0;
    return x->terms[e].row = row;
}

/* ---- derivatives ---- */

/* a, then b: what follows a's first byte before b, or, where a may be empty, b's first byte. The right spine is gone
 * through in a loop. */
static uint32_t derive_concat(struct exprs *x, uint32_t e, uint8_t byte)
{
    uint32_t base = x->scratch.n;
    for (; x->terms[e].kind == KIND_CONCAT; e = x->terms[e].b) {
        struct term t = x->terms[e];
        x->work++;
        uint32_t rest = term_concat(x, term_derive(x, t.a, byte), t.b);
        if (rest != EXPR_NONE)
            pile_push(x, &x->scratch, rest);
        if (!term_has(x, t.a, FACT_NULLABLE))
            return term_join(x, KIND_OR, base);
    }
    pile_push(x, &x->scratch, term_derive(x, e, byte));
    return term_join(x, KIND_OR, base);
}

static uint32_t derive_list(struct exprs *x, struct term t, uint8_t byte)
{
    uint32_t base = x->scratch.n;
    for (uint32_t i = 0; i < t.b; i++) {
        uint32_t d = term_derive(x, x->words.p[t.a + i], byte);
        if (d == EXPR_NONE && t.kind == KIND_OR)
            continue;
        pile_push(x, &x->scratch, d);
        if (d == EXPR_NONE)
            break;
    }
    return term_join(x, t.kind, base);
}

static uint32_t derive_repeat(struct exprs *x, struct term t, uint8_t byte)
{
    uint32_t once = term_derive(x, t.a, byte);
    if (once == EXPR_NONE)
        return EXPR_NONE;
    uint32_t rest = expr_repeat(x, t.a, t.min > 0 ? t.min - 1 : 0,
                                t.max == EXPR_UNBOUNDED ? EXPR_UNBOUNDED : t.max - 1);
    return term_concat(x, once, rest);
}

static uint32_t derive_afresh(struct exprs *x, uint32_t e, uint8_t byte)
{
    struct term t = x->terms[e];
    switch (t.kind) {
    case KIND_LITERAL:
        return literal_rest(x, e);
    case KIND_CONCAT:
        return derive_concat(x, e, byte);
    case KIND_OR:
    case KIND_AND:
        return derive_list(x, t, byte);
    case KIND_NOT:
        return expr_not(x, term_derive(x, t.a, byte));
    case KIND_REPEAT:
        return derive_repeat(x, t, byte);
    default:
        return EXPR_NONE;
    }
}

uint32_t term_derive(struct exprs *x, uint32_t e, uint8_t byte)
{
    const struct term *t = &x->terms[e];
    if (t->kind <= KIND_ALL)
        return t->kind == KIND_ALL ? TERM_ALL : EXPR_NONE;
    if (t->kind == KIND_BYTES)
        return set_has(&x->sets[t->a], byte) ? EXPR_EMPTY : EXPR_NONE;
    int first = first_byte(x, e);
    if (first >= 0) {
        if (first != byte)
            return EXPR_NONE;
        if (t->row == 0) {
            uint32_t rest = derive_afresh(x, e, byte);
            x->terms[e].row = rest;
        }
        return x->terms[e].row;
    }
    uint32_t row = row_of(x, e);
    if (row == 0)
        return EXPR_NONE;
    uint32_t at = row + 1 + partition_at(x, row)->class_of[byte];
    if (x->words.p[at] == TERM_UNKNOWN) {
        uint32_t d = derive_afresh(x, e, byte);
        x->words.p[at] = d;
    }
    return x->words.p[at];
}

uint32_t expr_derive(struct exprs *x, uint32_t e, uint8_t byte)
{
    uint32_t d = x->fault == ERR_NONE ? term_derive(x, e, byte) : EXPR_NONE;
    return x->fault == ERR_NONE ? d : EXPR_NONE;
}

int term_branches(struct exprs *x, uint32_t e, uint8_t out[256])
{
    int first = first_byte(x, e);
    if (first >= 0) {
        out[0] = (uint8_t)first;
        return 1;
    }
    if (x->terms[e].kind <= KIND_EMPTY)
        return 0;
    struct gather g = {0};
    gather_term(x, &g, e);
    if (x->fault != ERR_NONE)
        return 0;
    uint32_t partition = gathered(x, &g);
    if (partition == 0)
        return 0;
    const struct partition *p = &x->partitions[partition - 1];
    memcpy(out, p->member, (size_t)p->n);
    return p->n;
}

int expr_classes(struct exprs *x, uint32_t e, uint8_t ret[256], int n_so_far)
{
    struct split s = {.n = n_so_far > 0 ? n_so_far : 1};
    struct gather g = {0};
    struct partition p;
    if (n_so_far > 0)
        memcpy(s.class_of, ret, sizeof s.class_of);
    if (x->fault == ERR_NONE)
        gather_term(x, &g, e);
    split_by_gathered(x, &s, &g);
    number_classes(&s, &p);
    memcpy(ret, p.class_of, sizeof p.class_of);
    return p.n;
}

int expr_classes_of_all(struct exprs *x, const uint32_t *terms, size_t stride, uint32_t n, uint8_t ret[256])
{
    struct split s = {.n = 1};
    struct gather g = {0};
    for (uint32_t i = 0; i < n && x->fault == ERR_NONE; i++)
        gather_term(x, &g, terms[i * stride]);
    uint32_t known = only_lone(&g) != MANY_LONE ? gathered(x, &g) : 0;
    if (known) {
        memcpy(ret, x->partitions[known - 1].class_of, sizeof s.class_of);
        return x->partitions[known - 1].n;
    }
    split_by_gathered(x, &s, &g);
    memcpy(ret, s.class_of, sizeof s.class_of);
    return s.n;
}

int expr_first_byte(const struct exprs *x, uint32_t e)
{
    return x->fault == ERR_NONE ? first_byte(x, e) : -1;
}
