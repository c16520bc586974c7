/* What rules are made of. Nobody outside this room includes this.
 *
 * Until rules_finish a node is as its builder said it; afterwards `live` and `nullable` are known, and what can never
 * be completed is gone from choices, items and members. */
#ifndef RUNG_GRAMMAR_AUTOMATON_NODES_H
#define RUNG_GRAMMAR_AUTOMATON_NODES_H

#include "base/arena.h"
#include "grammar/rules.h"

#define RULES_MAX_BYTES ((size_t)256 << 20)
#define RULES_ENDLESS INT64_MAX
#define RULES_UNDEFINED RULES_NONE   /* target of a reference that waits for rules_define */

enum node_kind { NODE_TERM, NODE_SEQUENCE, NODE_CHOICE, NODE_ITEMS, NODE_MEMBERS, NODE_REFERENCE };

/* prefix[0 .. n), then `rest` as often as `max` allows. */
struct items {
    uint32_t *prefix;
    uint32_t n;
    uint32_t rest, separator;   /* RULES_NONE: none */
    int64_t min, max;
    bool loose;                 /* an item may be the empty text, and so any count below max is as good as any other */
};

/* Whether there can be an item `at`, from 0. */
static inline bool items_has(const struct items *items, int64_t at)
{
    return at < items->max && (at < items->n || items->rest != RULES_NONE);
}

struct node {
    enum node_kind kind;
    bool live;       /* some text completes it */
    bool nullable;   /* the empty text does */
    uint32_t n;      /* kids of a sequence or choice */
    union {
        uint32_t term, target;
        uint32_t *kids;
        struct items *items;
        struct members *members;
    };
};

struct rules {
    struct exprs *exprs;
    struct arena arena;
    struct node *nodes;
    uint32_t n, cap;
    uint32_t start;      /* RULES_NONE before rules_finish */
    struct err fault;    /* code ERR_NONE: none yet */
};

#endif
