/* From the tree of an expression to a term. Most of it is plain: text, classes, one after another. What only looks
 * (anchors, boundaries, look-ahead) needs to know what stands before it and all that comes behind it. So a tree with
 * such parts is made from its end to its front: each part gets the terms of the whole rest, one for each thing that
 * may stand before that rest, and gives the same for itself. Look-ahead is then an intersection with the rest. */
#include "grammar/regex/syntax.h"

#define UNROLL_MAX 16    /* counts of a repeated part that looks around */
#define TERMS_AT_ONCE 64 /* of a choice */
#define STEPS_MAX 65536  /* nodes put before a rest, counted again for every time that a repeated part is written out */

/* What may stand before a place. */
enum before { AT_START, AFTER_WORD, AFTER_OTHER, N_BEFORE };

/* The rest of the expression, by what stands before it. */
struct rest {
    uint32_t by[N_BEFORE];
};

struct compile {
    struct exprs *x;
    enum regex_mode mode;
    int steps;
    uint32_t all;                 /* any bytes */
    uint32_t text;                /* any text */
    uint32_t begins_with_word, ends_in_word, ends_in_other;   /* texts that do; only where something looks further */
};

static const struct code_range word_ranges[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
static const struct code_range other_ranges[] = {
    {0, '/'}, {':', '@'}, {'[', '^'}, {'`', '`'}, {'{', LAST_CODE_POINT},
};
static const struct code_range any_range = {0, LAST_CODE_POINT};

static void prepare(struct compile *c, struct exprs *x, enum regex_mode mode, uint8_t looks)
{
    *c = (struct compile){.x = x, .mode = mode, .all = expr_not(x, EXPR_NONE)};
    c->text = expr_repeat(x, regex_code_points(x, mode, &any_range, 1), 0, EXPR_UNBOUNDED);
    if (!(looks & LOOKS_FURTHER))
        return;
    uint32_t word = regex_code_points(x, mode, word_ranges, sizeof word_ranges / sizeof *word_ranges);
    uint32_t other = regex_code_points(x, mode, other_ranges, sizeof other_ranges / sizeof *other_ranges);
    c->begins_with_word = expr_concat(x, word, c->all);
    c->ends_in_word = expr_concat(x, c->text, word);
    c->ends_in_other = expr_concat(x, c->text, other);
}

/* ---- what takes text; an anchor, if it is in there, holds nowhere ---- */

static uint32_t term_of(struct compile *c, const struct node *node);

static uint32_t term_of_choice(struct compile *c, const struct node *node)
{
    uint32_t terms[TERMS_AT_ONCE];
    int n = 0;
    for (int i = 0; i < node->n; i++) {
        terms[n++] = term_of(c, node->children[i]);
        if (n == TERMS_AT_ONCE) {
            terms[0] = expr_or_all(c->x, terms, n);
            n = 1;
        }
    }
    return expr_or_all(c->x, terms, n);
}

static uint32_t term_of(struct compile *c, const struct node *node)
{
    uint32_t e = EXPR_EMPTY;
    switch (node->kind) {
    case NODE_TEXT:
        return regex_text(c->x, c->mode, node->text);
    case NODE_CLASS:
        return regex_code_points(c->x, c->mode, node->ranges.p, node->ranges.n);
    case NODE_CHOICE:
        return term_of_choice(c, node);
    case NODE_REPEAT:
        return expr_repeat(c->x, term_of(c, node->children[0]), node->min, node->max);
    case NODE_START:
    case NODE_END:
        return EXPR_NONE;
    default:
        for (int i = node->n - 1; i >= 0; i--)
            e = expr_concat(c->x, term_of(c, node->children[i]), e);
        return e;
    }
}

/* A term before a rest: where the rest depends on what stands before it, the term's texts are told apart by how they
 * end. */
static struct rest put_before(struct compile *c, uint32_t e, const struct rest *rest)
{
    struct exprs *x = c->x;
    const uint32_t *by = rest->by;
    bool nullable = expr_nullable(x, e), alike = by[AFTER_WORD] == by[AFTER_OTHER];
    uint32_t some = nullable ? expr_and(x, e, expr_not(x, EXPR_EMPTY)) : e, behind;
    struct rest ret;
    if (alike && (!nullable || by[AT_START] == by[AFTER_WORD])) {
        behind = expr_concat(x, e, by[AFTER_WORD]);
        return (struct rest){{behind, behind, behind}};
    }
    if (alike)
        behind = expr_concat(x, some, by[AFTER_WORD]);
    else
        behind = expr_or(x, expr_concat(x, expr_and(x, some, c->ends_in_word), by[AFTER_WORD]),
                         expr_concat(x, expr_and(x, some, c->ends_in_other), by[AFTER_OTHER]));
    for (int i = 0; i < N_BEFORE; i++)
        ret.by[i] = nullable ? expr_or(x, behind, by[i]) : behind;
    return ret;
}

/* ---- what looks ---- */

static bool put_node(struct compile *c, const struct node *node, const struct rest *rest, struct rest *ret,
                     struct err *err);

static struct rest put_end(struct compile *c, const struct rest *rest)
{
    struct rest ret;
    for (int i = 0; i < N_BEFORE; i++)
        ret.by[i] = expr_nullable(c->x, rest->by[i]) ? EXPR_EMPTY : EXPR_NONE;
    return ret;
}

static struct rest put_boundary(struct compile *c, bool boundary, const struct rest *rest)
{
    uint32_t begins_with_other = expr_not(c->x, c->begins_with_word);   /* or is at its end */
    struct rest ret;
    for (int i = 0; i < N_BEFORE; i++) {
        bool other = (i == AFTER_WORD) == boundary;
        ret.by[i] = expr_and(c->x, rest->by[i], other ? begins_with_other : c->begins_with_word);
    }
    return ret;
}

static bool put_ahead(struct compile *c, const struct node *node, const struct rest *rest, struct rest *ret,
                      struct err *err)
{
    struct rest anything = {{c->all, c->all, c->all}}, wanted;
    if (!put_node(c, node->children[0], &anything, &wanted, err))
        return false;
    for (int i = 0; i < N_BEFORE; i++) {
        uint32_t seen = node->kind == NODE_AHEAD ? wanted.by[i] : expr_not(c->x, wanted.by[i]);
        ret->by[i] = expr_and(c->x, seen, rest->by[i]);
    }
    return true;
}

static struct rest either(struct compile *c, const struct rest *a, const struct rest *b)
{
    struct rest ret;
    for (int i = 0; i < N_BEFORE; i++)
        ret.by[i] = expr_or(c->x, a->by[i], b->by[i]);
    return ret;
}

static bool put_choice(struct compile *c, const struct node *node, const struct rest *rest, struct rest *ret,
                       struct err *err)
{
    struct rest all = {{EXPR_NONE, EXPR_NONE, EXPR_NONE}}, one;
    for (int i = 0; i < node->n; i++) {
        if (!put_node(c, node->children[i], rest, &one, err))
            return false;
        all = either(c, &all, &one);
    }
    *ret = all;
    return true;
}

/* Any number of something with anchors in it: the first of them may stand at the start of the text, the last at its
 * end, and all between them at neither. */
static bool put_anchored_star(struct compile *c, const struct node *body, const struct rest *rest, struct rest *ret,
                              struct err *err)
{
    struct rest at_end = put_end(c, rest), last, first;
    if (!put_node(c, body, &at_end, &last, err))
        return false;
    last = either(c, rest, &last);
    last = put_before(c, expr_repeat(c->x, term_of(c, body), 0, EXPR_UNBOUNDED), &last);
    if (!put_node(c, body, &last, &first, err))
        return false;
    *ret = either(c, &last, &first);
    return true;
}

/* Few counts are written out. Many would need to know what stands around each of them. */
static bool put_repeat(struct compile *c, const struct node *node, const struct rest *rest, struct rest *ret,
                       struct err *err)
{
    const struct node *body = node->children[0];
    bool endless = node->max == EXPR_UNBOUNDED, simple = !(body->looks & LOOKS_FURTHER);
    struct rest behind = *rest, one;
    int counts = endless ? node->min : node->max;
    if (counts > UNROLL_MAX || (endless && !simple))
        return err_at_offset(err, ERR_UNSUPPORTED, "regular expression", (int64_t)node->at, "what is repeated more "
                             "than %d times may not look around (\\b (?= (?!); put that before or behind it",
                             UNROLL_MAX);
    if (endless && !put_anchored_star(c, body, rest, &behind, err))
        return false;
    for (int i = counts; i > 0; i--) {
        if (!put_node(c, body, &behind, &one, err))
            return false;
        behind = i > node->min ? either(c, rest, &one) : one;
    }
    *ret = behind;
    return true;
}

static bool put_sequence(struct compile *c, const struct node *node, const struct rest *rest, struct rest *ret,
                         struct err *err)
{
    struct rest behind = *rest, with;
    for (int i = node->n - 1; i >= 0; i--) {
        if (!put_node(c, node->children[i], &behind, &with, err))
            return false;
        behind = with;
    }
    *ret = behind;
    return true;
}

static bool put_node(struct compile *c, const struct node *node, const struct rest *rest, struct rest *ret,
                     struct err *err)
{
    if (++c->steps > STEPS_MAX)
        return err_at_offset(err, ERR_LIMIT, "regular expression", (int64_t)node->at, "repeated parts that look around "
                             "(^ $ \\b (?= (?!) come to more than %d steps; repeat them less often", STEPS_MAX);
    if (!node->looks) {
        *ret = put_before(c, term_of(c, node), rest);
        return true;
    }
    switch (node->kind) {
    case NODE_START:
        *ret = (struct rest){{rest->by[AT_START], EXPR_NONE, EXPR_NONE}};
        return true;
    case NODE_END:
        *ret = put_end(c, rest);
        return true;
    case NODE_BOUNDARY:
    case NODE_NO_BOUNDARY:
        *ret = put_boundary(c, node->kind == NODE_BOUNDARY, rest);
        return true;
    case NODE_AHEAD:
    case NODE_NOT_AHEAD:
        return put_ahead(c, node, rest, ret, err);
    case NODE_CHOICE:
        return put_choice(c, node, rest, ret, err);
    case NODE_REPEAT:
        return put_repeat(c, node, rest, ret, err);
    default:
        return put_sequence(c, node, rest, ret, err);
    }
}

/* ---- the whole ---- */

bool regex_compile(struct exprs *x, struct str pattern, enum regex_mode mode, bool anchored, uint32_t *ret,
                   struct err *err)
{
    struct arena arena = ARENA_INIT(REGEX_MAX_MEMORY);
    struct compile c;
    struct node *root;
    struct rest whole;
    bool ok = regex_parse(pattern, &arena, &root, err);
    if (ok) {
        prepare(&c, x, mode, root->looks);
        uint32_t tail = anchored ? EXPR_EMPTY : c.text;
        ok = put_node(&c, root, &(struct rest){{tail, tail, tail}}, &whole, err);
    }
    if (ok) {
        struct rest start = anchored ? whole : put_before(&c, c.text, &whole);
        ok = exprs_check(x, err);
        *ret = ok ? start.by[AT_START] : *ret;
    }
    arena_free(&arena);
    return ok;
}
