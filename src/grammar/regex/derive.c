/* Derivatives: what may follow a byte. A term remembers them by class: bytes that it cannot tell apart share one
 * entry of its row. What begins with a literal needs no row, for it has one derivative. */
#include "grammar/regex/terms.h"

/* ---- which bytes a term tells apart ---- */

/* A partition in the making. Bytes whose class is `lone` are split off only at the end: a union of a hundred literals
 * is then one pass, not a hundred. */
struct split {
    uint8_t class_of[256];
    int n;
    struct byte_set lone;
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

static void split_by_set(struct split *s, const struct byte_set *set)
{
    uint8_t inside[256];
    for (int byte = 0; byte < 256; byte++)
        inside[byte] = set_has(set, byte);
    split_by(s, inside, 2);
}

static void split_off_lone(struct split *s)
{
    uint16_t size[256];
    memset(size, 0, (size_t)s->n * sizeof *size);
    size[0] = s->n == 1 ? 256 : 0;
    for (int byte = 0; byte < 256 && s->n > 1; byte++)
        size[s->class_of[byte]]++;
    for (int w = 0; w < 4; w++)
        for (uint64_t bits = s->lone.bits[w]; bits; bits &= bits - 1) {
            int byte = w * 64 + __builtin_ctzll(bits);
            if (size[s->class_of[byte]] == 1)
                continue;
            size[s->class_of[byte]]--;
            size[s->n] = 1;
            s->class_of[byte] = (uint8_t)s->n++;
        }
}

int term_first(const struct exprs *x, uint32_t e)
{
    const struct term *t = &x->terms[e];
    if (t->kind == KIND_CONCAT)
        t = &x->terms[t->a];
    return t->kind == KIND_LITERAL ? x->text[t->a] : -1;
}

static uint32_t row_of(struct exprs *x, uint32_t e);

/* Splits by what e tells apart. */
static void split_by_term(struct exprs *x, struct split *s, uint32_t e)
{
    int first = term_first(x, e);
    if (first >= 0) {
        set_add(&s->lone, first);
    } else if (x->terms[e].kind == KIND_BYTES) {
        split_by_set(s, &x->sets[x->terms[e].a]);
    } else if (x->terms[e].kind > KIND_ALL) {
        uint32_t row = row_of(x, e);
        if (row) {
            const struct partition *p = &x->partitions[x->words.p[row]];
            split_by(s, p->class_of, p->n);
        }
    }
}

static void split_by_parts(struct exprs *x, struct split *s, uint32_t e)
{
    struct term t = x->terms[e];
    for (; t.kind == KIND_CONCAT; t = x->terms[e]) {
        split_by_term(x, s, t.a);
        if (!term_has(x, t.a, FACT_NULLABLE))
            return;
        e = t.b;
    }
    switch (t.kind) {
    case KIND_OR:
    case KIND_AND:
        for (uint32_t i = 0; i < t.b; i++)
            split_by_term(x, s, x->words.p[t.a + i]);
        break;
    case KIND_NOT:
    case KIND_REPEAT:
        split_by_term(x, s, t.a);
        break;
    default:
        split_by_term(x, s, e);
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

/* Where e's row lies in the words; 0 when the store is spoilt. */
static uint32_t row_of(struct exprs *x, uint32_t e)
{
    struct split s = {.n = 1};
    struct partition p;
    if (x->terms[e].row)
        return x->terms[e].row;
    split_by_parts(x, &s, e);
    split_off_lone(&s);
    number_classes(&s, &p);
    uint32_t id = intern_partition(x, &p), row = x->words.n;
    if (id == UINT32_MAX || !pile_push(x, &x->words, id))
        return 0;
    for (int i = 0; i < p.n; i++)
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
    int first = term_first(x, e);
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
    uint32_t at = row + 1 + x->partitions[x->words.p[row]].class_of[byte];
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
    int first = term_first(x, e);
    if (first >= 0) {
        out[0] = (uint8_t)first;
        return 1;
    }
    if (x->terms[e].kind <= KIND_EMPTY)
        return 0;
    uint32_t row = row_of(x, e);
    if (row == 0)
        return 0;
    const struct partition *p = &x->partitions[x->words.p[row]];
    memcpy(out, p->member, (size_t)p->n);
    return p->n;
}

int expr_classes(struct exprs *x, uint32_t e, uint8_t ret[256], int n_so_far)
{
    struct split s = {.n = n_so_far > 0 ? n_so_far : 1};
    struct partition p;
    if (n_so_far > 0)
        memcpy(s.class_of, ret, sizeof s.class_of);
    if (x->fault == ERR_NONE)
        split_by_term(x, &s, e);
    split_off_lone(&s);
    number_classes(&s, &p);
    memcpy(ret, p.class_of, sizeof p.class_of);
    return p.n;
}

int expr_classes_of_all(struct exprs *x, const uint32_t *terms, size_t stride, uint32_t n, uint8_t ret[256])
{
    struct split s = {.n = 1};
    for (uint32_t i = 0; i < n && x->fault == ERR_NONE; i++)
        split_by_term(x, &s, terms[i * stride]);
    split_off_lone(&s);
    memcpy(ret, s.class_of, sizeof s.class_of);
    return s.n;
}

int expr_first_byte(const struct exprs *x, uint32_t e)
{
    return x->fault == ERR_NONE ? term_first(x, e) : -1;
}
