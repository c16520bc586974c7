/* Questions about terms: does it match, can it match at all, what would, how long may it go on with plain text. What
 * the term does not show is found by going through its derivatives, breadth first and with a limit. */
#include "grammar/regex/terms.h"

#include <limits.h>

#include "base/buf.h"

#define WITHIN_MAX_SEARCH 256u   /* terms looked at to leave a child out of a union */
#define PLAIN_MAX_LOOKS 4096     /* terms looked at to tell how much plain text may come: they share parts */
#define ENDLESS INT64_MAX

bool expr_nullable(const struct exprs *x, uint32_t e)
{
    return x->fault == ERR_NONE && term_has(x, e, FACT_NULLABLE);
}

bool expr_is_endless(const struct exprs *x, uint32_t e)
{
    return x->fault == ERR_NONE && term_has(x, e, FACT_INFINITE) && !term_has(x, e, FACT_BOOLEAN);
}

bool expr_matches(struct exprs *x, uint32_t e, struct str text)
{
    for (size_t i = 0; i < text.n && e != EXPR_NONE; i++)
        e = expr_derive(x, e, (uint8_t)text.p[i]);
    return expr_nullable(x, e);
}

/* ---- searching ---- */

struct search {
    struct pile terms, parents, bytes;   /* what was reached, from which place in terms, by which byte */
    uint16_t seen;                       /* its mark: FACT_SEEN, or FACT_SEEN_WITHIN where another one runs */
};

enum finding { FOUND, FOUND_NOTHING, FOUND_TOO_MUCH };

static bool search_push(struct exprs *x, struct search *s, uint32_t e, uint32_t parent, uint8_t byte)
{
    x->terms[e].facts |= s->seen;
    return pile_push(x, &s->terms, e) && pile_push(x, &s->parents, parent) && pile_push(x, &s->bytes, byte);
}

static void search_end(struct exprs *x, struct search *s)
{
    pile_free(x, &s->terms);
    pile_free(x, &s->parents);
    pile_free(x, &s->bytes);
}

static bool known_nothing(const struct exprs *x, uint32_t e)
{
    return term_has(x, e, FACT_EMPTINESS_KNOWN) && term_has(x, e, FACT_NOTHING);
}

static bool known_something(const struct exprs *x, uint32_t e)
{
    return term_has(x, e, FACT_NULLABLE) || (e != EXPR_NONE && !term_has(x, e, FACT_BOOLEAN)) ||
           (term_has(x, e, FACT_EMPTINESS_KNOWN) && !term_has(x, e, FACT_NOTHING));
}

static bool is_nullable(const struct exprs *x, uint32_t e)
{
    return term_has(x, e, FACT_NULLABLE);
}

/* The nearest term that `goal` likes; it is then the last of s->terms. Nothing stays marked as seen. */
static enum finding search(struct exprs *x, uint32_t e, uint32_t limit,
                           bool (*goal)(const struct exprs *x, uint32_t e), struct search *s)
{
    uint8_t bytes[256];
    uint64_t before = x->work;
    enum finding finding = FOUND_NOTHING;
    s->seen = x->absorbing ? FACT_SEEN_WITHIN : FACT_SEEN;
    if (!search_push(x, s, e, 0, 0))
        finding = FOUND_TOO_MUCH;
    else if (goal(x, e))
        finding = FOUND;
    for (uint32_t i = 0; i < s->terms.n && finding == FOUND_NOTHING; i++) {
        int n = term_branches(x, s->terms.p[i], bytes);
        x->work += (uint64_t)n;
        for (int k = 0; k < n && finding == FOUND_NOTHING; k++) {
            uint32_t d = term_derive(x, s->terms.p[i], bytes[k]);
            if (x->terms[d].facts & s->seen || known_nothing(x, d))
                continue;
            if (s->terms.n >= limit || !search_push(x, s, d, i, bytes[k]))
                finding = FOUND_TOO_MUCH;
            else if (goal(x, d))
                finding = FOUND;
        }
        if (x->fault != ERR_NONE || (finding == FOUND_NOTHING && x->work - before > TERM_MAX_SEARCH_WORK))
            finding = FOUND_TOO_MUCH;
    }
    for (uint32_t i = 0; i < s->terms.n; i++)
        x->terms[s->terms.p[i]].facts &= (uint16_t)~s->seen;
    return finding;
}

/* Writes down what a search has told about the terms that it went through. */
static void learn(struct exprs *x, const struct search *s, enum finding finding)
{
    if (finding == FOUND_NOTHING)
        for (uint32_t i = 0; i < s->terms.n; i++)
            x->terms[s->terms.p[i]].facts |= FACT_EMPTINESS_KNOWN | FACT_NOTHING;
    for (uint32_t i = s->terms.n - 1; finding == FOUND; i = s->parents.p[i]) {
        x->terms[s->terms.p[i]].facts |= FACT_EMPTINESS_KNOWN;
        if (i == 0)
            break;
    }
}

static enum finding find_any(struct exprs *x, uint32_t e, uint32_t limit)
{
    struct search s = {0};
    if (known_something(x, e))
        return FOUND;
    if (known_nothing(x, e))
        return FOUND_NOTHING;
    enum finding finding = search(x, e, limit, known_something, &s);
    learn(x, &s, finding);
    search_end(x, &s);
    return finding;
}

bool term_within(struct exprs *x, uint32_t e, uint32_t star)
{
    uint32_t base = x->scratch.n;
    pile_push(x, &x->scratch, e);
    pile_push(x, &x->scratch, expr_not(x, star));
    uint32_t outside = term_join(x, KIND_AND, base);
    return x->fault == ERR_NONE && find_any(x, outside, WITHIN_MAX_SEARCH) == FOUND_NOTHING;
}

bool expr_example(struct exprs *x, uint32_t e, struct buf *out)
{
    struct search s = {0};
    if (x->fault != ERR_NONE)
        return false;
    bool found = search(x, e, TERM_MAX_SEARCH, is_nullable, &s) == FOUND;
    if (found) {
        uint32_t length = 0, last = s.terms.n - 1;
        for (uint32_t i = last; i > 0; i = s.parents.p[i])
            length++;
        char *p = buf_grow(out, length);
        for (uint32_t i = last; i > 0 && p; i = s.parents.p[i])
            p[--length] = (char)s.bytes.p[i];
    }
    search_end(x, &s);
    return found;
}

/* ---- plain text ---- */

/* Whether e matches every plain character by itself. */
static bool covers_plain(struct exprs *x, uint32_t e)
{
    static const struct code_range plain[] = {
        {' ', '!'}, {'#', '['}, {']', '~'}, {0x80, 0x10FFFF},
    };
    if (!term_has(x, e, FACT_PLAIN_KNOWN)) {
        bool covers = false;
        if (x->plain == 0)
            x->plain = expr_code_points(x, plain, sizeof plain / sizeof *plain);
        if (term_has(x, term_derive(x, e, 'a'), FACT_NULLABLE)) {
            uint32_t missed = expr_and(x, x->plain, expr_not(x, e));
            covers = x->fault == ERR_NONE && find_any(x, missed, TERM_MAX_SEARCH) == FOUND_NOTHING;
        }
        x->terms[e].facts |= FACT_PLAIN_KNOWN | (covers ? FACT_PLAIN : 0);
    }
    return term_has(x, e, FACT_PLAIN);
}

/* A term seen as min to max characters, plain ones among those allowed, and then a tail. */
struct shape {
    int64_t min, max;
    uint32_t tail;
};

static struct shape shape_of(struct exprs *x, uint32_t e)
{
    struct shape s = {.tail = e};
    while (s.tail != EXPR_EMPTY && s.max != ENDLESS) {
        struct term t = x->terms[s.tail];
        uint32_t head = t.kind == KIND_CONCAT ? t.a : s.tail;
        struct term h = x->terms[head];
        if (h.kind == KIND_REPEAT && covers_plain(x, h.a)) {
            s.min += h.min;
            s.max = h.max == EXPR_UNBOUNDED ? ENDLESS : s.max + h.max;
        } else if (h.kind != KIND_REPEAT && h.kind != KIND_AND && covers_plain(x, head)) {
            s.min++;
            s.max++;
        } else {
            break;
        }
        s.tail = t.kind == KIND_CONCAT ? t.b : EXPR_EMPTY;
    }
    return s;
}

/* An intersection of such shapes that end alike has texts of every length that all allow. What leaves only finitely
 * many texts out takes nothing away from endless ones. */
static int64_t plain_prefix_of_and(struct exprs *x, struct term t)
{
    struct shape all = {.max = ENDLESS};
    bool excluded = false, first = true;
    for (uint32_t i = 0; i < t.b; i++) {
        uint32_t e = x->words.p[t.a + i];
        if (x->terms[e].kind == KIND_NOT && !term_has(x, x->terms[e].a, FACT_INFINITE)) {
            excluded = true;
            continue;
        }
        struct shape s = shape_of(x, e);
        if (s.max == 0 || (!first && s.tail != all.tail))
            return 0;
        first = false;
        all.tail = s.tail;
        all.min = s.min > all.min ? s.min : all.min;
        all.max = s.max < all.max ? s.max : all.max;
    }
    if (all.min > all.max || (excluded && all.max != ENDLESS) || (!first && expr_is_empty(x, all.tail)))
        return 0;
    return all.max;
}

static int64_t plain_prefix(struct exprs *x, uint32_t e, int *looks);

/* Of a term that is no shape and no concatenation. */
static int64_t plain_prefix_of_one(struct exprs *x, uint32_t e, int *looks)
{
    struct term t = x->terms[e];
    int64_t most = 0;
    switch (t.kind) {
    case KIND_ALL:
        return ENDLESS;
    case KIND_NOT:
        return term_has(x, t.a, FACT_INFINITE) ? 0 : ENDLESS;
    case KIND_AND:
        return plain_prefix_of_and(x, t);
    case KIND_REPEAT:
        return plain_prefix(x, t.a, looks);
    case KIND_OR:
        for (uint32_t i = 0; i < t.b && *looks > 0; i++) {
            int64_t n = plain_prefix(x, x->words.p[t.a + i], looks);
            most = n > most ? n : most;
        }
        return most;
    default:
        return 0;
    }
}

/* Along the spine: `before` plain characters are taken by what was gone past already. Where *looks are used up it is
 * what was found so far. */
static int64_t plain_prefix(struct exprs *x, uint32_t e, int *looks)
{
    int64_t before = 0, most = 0;
    while (--*looks >= 0) {
        struct shape s = shape_of(x, e);
        if (s.max > 0 && expr_is_empty(x, s.tail))
            return most;
        if (s.max == ENDLESS)
            return ENDLESS;
        before += s.max;
        most = before > most ? before : most;
        struct term t = x->terms[s.tail];
        bool spine = t.kind == KIND_CONCAT;
        if (spine && expr_is_empty(x, t.b))
            return most;
        int64_t n = plain_prefix_of_one(x, spine ? t.a : s.tail, looks);
        if (n == ENDLESS)
            return ENDLESS;
        most = before + n > most ? before + n : most;
        if (!spine || !term_has(x, t.a, FACT_NULLABLE))
            return most;
        e = t.b;
    }
    return most;
}

int expr_plain_prefix(struct exprs *x, uint32_t e)
{
    int looks = PLAIN_MAX_LOOKS;
    int64_t n = x->fault == ERR_NONE ? plain_prefix(x, e, &looks) : 0;
    if (x->fault != ERR_NONE)
        return 0;
    return n > INT_MAX ? INT_MAX : (int)n;
}

bool expr_is_empty(struct exprs *x, uint32_t e)
{
    if (x->fault != ERR_NONE)
        return true;
    if (known_something(x, e) || known_nothing(x, e))
        return !known_something(x, e);
    if (x->terms[e].kind == KIND_AND && plain_prefix_of_and(x, x->terms[e]) > 0)
        return false;
    enum finding finding = find_any(x, e, TERM_MAX_SEARCH);
    if (finding == FOUND_TOO_MUCH)
        store_fail(x, ERR_LIMIT);
    return finding != FOUND;
}
