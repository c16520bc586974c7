/* A tree of GBNF to rules: refuses left recursion, then turns whatever does not recurse into single terms, which the
 * automaton steps through fastest, and only the rest into nodes. Reading is the business of gbnf_read.c. */
#include "grammar/rule/gbnf.h"

#include <stdlib.h>

#define MAX_DEPTH 2000                 /* of items and rules in each other: the C stack is finite */
#define MAX_STEPS (1 << 24)            /* over the tree, to find what may be empty */

/* What a rule or an item became. */
struct lowered {
    bool regular;                      /* value is a term, else a node */
    uint32_t value;
};

enum rule_state { RULE_NEW, RULE_OPEN, RULE_DONE };

struct rule_notes {
    bool may_be_empty;
    uint8_t left, state;               /* enum rule_state: of the search for left recursion, of lowering */
    uint32_t reference;                /* RULES_NONE: it does not recurse, so far */
    struct lowered lowered;
};

struct lowering {
    const struct gbnf *g;
    struct rules *rules;
    struct rule_notes *notes;          /* [n_rules] */
    int depth;
    int64_t steps;
    struct err *err;
};

static bool go_deeper(struct lowering *l, size_t at)
{
    if (l->steps > MAX_STEPS)
        return err_set(l->err, ERR_LIMIT, "the grammar's rules are too entangled");
    return ++l->depth <= MAX_DEPTH ||
           gbnf_fail(l->g, at, ERR_LIMIT, l->err, "rules are nested deeper than %d levels", MAX_DEPTH);
}

/* ---- what may be empty ---- */

static bool may_be_empty(struct lowering *l, uint32_t index)
{
    const struct gbnf_item *item = &l->g->items[index];
    l->steps++;
    switch (item->kind) {
    case GBNF_TERM: return expr_nullable(l->g->exprs, item->value);
    case GBNF_RULE: return l->notes[item->value].may_be_empty;
    case GBNF_REPEAT: return item->min == 0 || may_be_empty(l, item->first);
    case GBNF_SEQUENCE:
    case GBNF_CHOICE: break;
    }
    bool any = false, all = true;
    for (uint32_t i = item->first; i != GBNF_NONE; i = l->g->items[i].next) {
        bool empty = may_be_empty(l, i);
        any = any || empty;
        all = all && empty;
    }
    return item->kind == GBNF_CHOICE ? any : all;
}

/* Grows the set of rules that may be empty until it stays. */
static bool find_empty(struct lowering *l)
{
    bool grew = true;
    while (grew) {
        grew = false;
        for (uint32_t i = 0; i < l->g->n_rules; i++) {
            struct rule_notes *notes = &l->notes[i];
            if (!notes->may_be_empty && may_be_empty(l, l->g->rules[i].body))
                grew = notes->may_be_empty = true;
            if (l->steps > MAX_STEPS)
                return err_set(l->err, ERR_LIMIT, "the grammar's rules are too entangled");
        }
    }
    return true;
}

/* ---- left recursion ---- */

static bool check_left(struct lowering *l, uint32_t index);

static bool check_left_rule(struct lowering *l, uint32_t rule, size_t at)
{
    struct rule_notes *notes = &l->notes[rule];
    struct str name = l->g->rules[rule].name;
    if (notes->left == RULE_DONE)
        return true;
    if (notes->left == RULE_OPEN)
        return gbnf_fail(l->g, at, ERR_UNSUPPORTED, l->err,
                         "the rule '" STR_FMT "' begins with itself here; put what repeats behind what it begins with, "
                         "as in: list ::= item (\",\" item)*", STR_ARG(name));
    notes->left = RULE_OPEN;
    bool ok = check_left(l, l->g->rules[rule].body);
    notes->left = RULE_DONE;
    return ok;
}

/* Whatever an item may begin with. */
static bool check_left(struct lowering *l, uint32_t index)
{
    const struct gbnf_item *item = &l->g->items[index];
    if (!go_deeper(l, item->at))
        return false;
    bool ok = item->kind != GBNF_RULE || check_left_rule(l, item->value, item->at);
    for (uint32_t i = item->first; ok && i != GBNF_NONE; i = l->g->items[i].next) {
        ok = check_left(l, i);
        if (item->kind == GBNF_SEQUENCE && !may_be_empty(l, i))
            break;
    }
    l->depth--;
    return ok;
}

/* ---- lowering ---- */

static bool lower_item(struct lowering *l, uint32_t index, struct lowered *ret);

static uint32_t node_of(struct lowering *l, struct lowered what)
{
    return what.regular ? rules_term(l->rules, what.value) : what.value;
}

/* A rule that is met again inside itself becomes a reference; all others are lowered once and reused. */
static bool lower_rule(struct lowering *l, uint32_t rule, struct lowered *ret)
{
    struct rule_notes *notes = &l->notes[rule];
    if (notes->state == RULE_OPEN) {
        if (notes->reference == RULES_NONE)
            notes->reference = rules_reference(l->rules);
        *ret = (struct lowered){false, notes->reference};
        return true;
    }
    if (notes->state == RULE_NEW) {
        notes->state = RULE_OPEN;
        if (!lower_item(l, l->g->rules[rule].body, &notes->lowered))
            return false;
        if (notes->reference != RULES_NONE) {
            rules_define(l->rules, notes->reference, node_of(l, notes->lowered));
            notes->lowered = (struct lowered){false, notes->reference};
        }
        notes->state = RULE_DONE;
    }
    *ret = notes->lowered;
    return true;
}

static bool lower_repeat(struct lowering *l, const struct gbnf_item *item, struct lowered *ret)
{
    struct lowered inside;
    if (!lower_item(l, item->first, &inside))
        return false;
    uint32_t value = inside.regular ? expr_repeat(l->g->exprs, inside.value, item->min, item->max)
                                    : rules_repeat(l->rules, inside.value, RULES_NONE, item->min, item->max);
    *ret = (struct lowered){inside.regular, value};
    return true;
}

struct numbers {
    uint32_t *p;
    int n, cap;
};

static bool add_number(struct numbers *list, uint32_t number, struct err *err)
{
    if (list->n == list->cap) {
        int cap = list->cap ? 2 * list->cap : 16;
        uint32_t *p = realloc(list->p, (size_t)cap * sizeof *p);
        if (!p)
            return err_nomem(err, "the grammar");
        list->p = p;
        list->cap = cap;
    }
    list->p[list->n++] = number;
    return true;
}

/* The parts of a sequence or choice: nodes, and the terms that were met since the last of them. */
struct parts {
    struct numbers nodes, terms;
};

/* The terms as one. Sequences are folded from their end, which is how terms are kept. */
static uint32_t join_terms(struct lowering *l, const struct parts *p, bool choice)
{
    struct exprs *x = l->g->exprs;
    if (choice)
        return expr_or_all(x, p->terms.p, p->terms.n);
    uint32_t term = EXPR_EMPTY;
    for (int i = p->terms.n - 1; i >= 0; i--)
        term = expr_concat(x, p->terms.p[i], term);
    return term;
}

static bool flush_terms(struct lowering *l, struct parts *p, bool choice)
{
    if (p->terms.n == 0)
        return true;
    uint32_t node = rules_term(l->rules, join_terms(l, p, choice));
    p->terms.n = 0;
    return add_number(&p->nodes, node, l->err);
}

static bool lower_parts(struct lowering *l, const struct gbnf_item *item, struct parts *p)
{
    bool choice = item->kind == GBNF_CHOICE;
    for (uint32_t i = item->first; i != GBNF_NONE; i = l->g->items[i].next) {
        struct lowered part;
        if (!lower_item(l, i, &part))
            return false;
        if (part.regular ? !add_number(&p->terms, part.value, l->err)
                         : (!choice && !flush_terms(l, p, choice)) || !add_number(&p->nodes, part.value, l->err))
            return false;
    }
    return true;
}

static bool lower_list(struct lowering *l, const struct gbnf_item *item, struct lowered *ret)
{
    struct parts p = {{0}, {0}};
    bool choice = item->kind == GBNF_CHOICE, ok = lower_parts(l, item, &p);
    if (ok && p.nodes.n == 0) {
        *ret = (struct lowered){true, join_terms(l, &p, choice)};
    } else if (ok && (ok = flush_terms(l, &p, choice))) {
        uint32_t node = p.nodes.n == 1 ? p.nodes.p[0]
                        : choice       ? rules_choice(l->rules, p.nodes.p, p.nodes.n)
                                       : rules_sequence(l->rules, p.nodes.p, p.nodes.n);
        *ret = (struct lowered){false, node};
    }
    free(p.nodes.p);
    free(p.terms.p);
    return ok;
}

static bool lower_item(struct lowering *l, uint32_t index, struct lowered *ret)
{
    const struct gbnf_item *item = &l->g->items[index];
    bool ok = go_deeper(l, item->at);
    if (ok) {
        switch (item->kind) {
        case GBNF_TERM: *ret = (struct lowered){true, item->value}; break;
        case GBNF_RULE: ok = lower_rule(l, item->value, ret); break;
        case GBNF_REPEAT: ok = lower_repeat(l, item, ret); break;
        case GBNF_SEQUENCE:
        case GBNF_CHOICE: ok = lower_list(l, item, ret); break;
        }
    }
    l->depth--;
    return ok;
}

/* ---- the whole ---- */

static bool lower(const struct gbnf *g, struct rules *rules, uint32_t *ret_start, struct err *err)
{
    struct lowering l = {.g = g, .rules = rules, .err = err};
    struct lowered root;
    l.notes = calloc(g->n_rules, sizeof *l.notes);
    if (!l.notes)
        return err_nomem(err, "the grammar");
    for (uint32_t i = 0; i < g->n_rules; i++)
        l.notes[i].reference = RULES_NONE;
    bool ok = find_empty(&l) && check_left_rule(&l, g->root, g->rules[g->root].at) && lower_rule(&l, g->root, &root);
    if (ok)
        *ret_start = node_of(&l, root);
    free(l.notes);
    return ok;
}

bool rule_gbnf(struct str text, struct rules **ret, struct err *err)
{
    struct rules *r;
    struct gbnf g;
    uint32_t start = RULES_NONE;
    if (!rules_open(&r, err))
        return false;
    bool ok = gbnf_read(text, rules_exprs(r), &g, err) && lower(&g, r, &start, err) && rules_check(r, err) &&
              rules_finish(r, start, err);
    gbnf_free(&g);
    if (ok)
        *ret = r;
    else
        rules_close(r);
    return ok;
}
