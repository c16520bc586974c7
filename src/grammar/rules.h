/* A grammar: nodes over the terms of expr.h, built once by a front end (schema, GBNF, choices ...) and then only read.
 * Nodes are numbers. A node says what may stand here; the automaton (automaton.h) expands it when a text comes to it.
 *
 * Objects, arrays and counted things are nodes of their own, whose state is a small payload, so that "any order of
 * forty properties" costs what an answer uses of it and nothing before. */
#ifndef RUNG_GRAMMAR_RULES_H
#define RUNG_GRAMMAR_RULES_H

#include "grammar/expr.h"

#define RULES_MAX_NODES (1u << 18)
#define RULES_MAX_FIELDS 4096        /* of one object */
#define RULES_NONE UINT32_MAX

struct rules;
bool rules_open(struct rules **ret, struct err *err);    /* with a store of terms of its own */
void rules_close(struct rules *r);
struct exprs *rules_exprs(struct rules *r);
bool rules_check(const struct rules *r, struct err *err);   /* as exprs_check, for both */

/* ---- building: RULES_NONE in gives RULES_NONE out; spoilt stores too ---- */
uint32_t rules_term(struct rules *r, uint32_t expr);
uint32_t rules_empty(struct rules *r);                                    /* the empty text */
uint32_t rules_never(struct rules *r);                                    /* nothing can stand here */
uint32_t rules_sequence(struct rules *r, const uint32_t *nodes, int n);
uint32_t rules_choice(struct rules *r, const uint32_t *nodes, int n);
/* min to max of item (max EXPR_UNBOUNDED), `separator` between them (RULES_NONE: nothing). */
uint32_t rules_repeat(struct rules *r, uint32_t item, uint32_t separator, int64_t min, int64_t max);
/* prefix[0], prefix[1], ... then `rest` (RULES_NONE: no more), min to max items in all, separator between them. */
uint32_t rules_items(struct rules *r, const uint32_t *prefix, int n, uint32_t rest, uint32_t separator, int64_t min,
                     int64_t max);
/* For recursion: a node that is defined later. Every reference must be defined before rules_finish. */
uint32_t rules_reference(struct rules *r);
void rules_define(struct rules *r, uint32_t reference, uint32_t node);

struct rule_field {
    uint32_t key;        /* term: the quoted key */
    uint32_t value;      /* node: what follows the colon */
    struct str name;     /* of a single key, for `needs`; not kept */
    bool required;
    bool many;           /* any number of keys that the term matches (no key twice), never required; else one at most */
};
/* When the first is there the second must be. */
struct rule_need {
    int field, needs;
};
struct rule_object {
    const struct rule_field *fields;   /* keys of different fields match no common text */
    int n_fields;
    const struct rule_need *needs;
    int n_needs;
    int64_t min, max;                  /* properties; max EXPR_UNBOUNDED */
    bool any_order;                    /* else fields come as declared; `many` ones last */
    uint32_t colon, separator;         /* nodes: between key and value, between members */
};
/* The members alone: braces are the caller's. Where no object can satisfy it the node is as rules_never. Ceilings, and
 * needs between `many` fields, spoil the rules (rules_check). */
uint32_t rules_members(struct rules *r, const struct rule_object *object);

/* The start, checked: all references defined, no left recursion (ERR_UNSUPPORTED names nothing but says so), nodes that
 * can never be completed taken out of choices (ERR_INVALID when nothing is left: "no answer can satisfy it"). */
bool rules_finish(struct rules *r, uint32_t start, struct err *err);
/* Of finished rules: every text of theirs has this one before it from now on. Before an automaton has them. */
bool rules_lead(struct rules *r, struct str text, struct err *err);

#endif
