/* The members of an object: which may come next, and whether what was chosen so far can still be completed. Nobody
 * outside this room includes this.
 *
 * What was chosen is a struct payload. It tells apart only what the rest depends on: in declared order the place in the
 * order, in any order the set of fields taken, and always which of the fields were taken that a `needs` names. The
 * answers are exact: where members_outlook says `possible`, some choice of further fields ends in an object that holds.
 * Why: fields that need others form an order without cycles (or no upper bound is at work), so that every number of
 * fields between the least and the most closed choice is reached by some choice.
 */
#ifndef RUNG_GRAMMAR_AUTOMATON_MEMBERS_H
#define RUNG_GRAMMAR_AUTOMATON_MEMBERS_H

#include "grammar/automaton/nodes.h"

#define MEMBERS_MAX_NEEDS 1024        /* fields that needs name, in one object */
#define MEMBERS_NEED_WORDS (MEMBERS_MAX_NEEDS / 64)
#define MEMBERS_MAX_WORDS (RULES_MAX_FIELDS / 64)
#define MEMBERS_NO_BIT UINT32_MAX

struct field {
    uint32_t key, value;   /* term; node */
    uint32_t bit;          /* in payload.taken; those below n_needing are named by needs. MEMBERS_NO_BIT: not kept */
    bool required, gone;   /* gone: it can never be completed */
    bool many;
    int64_t keys;          /* of a `many` field: how many there are, RULES_ENDLESS where that does not matter */
};

struct members {
    struct field *fields;          /* single ones as declared, then `many` ones */
    uint32_t n_single, n;
    uint32_t n_needing, n_bits;    /* bits that needs speak of; bits in all */
    uint32_t *needing;             /* field of each of the former */
    uint64_t (*needed)[MEMBERS_NEED_WORDS];   /* by bit: all that it needs in the end */
    uint64_t *plain_required;      /* bits of required fields that no needs name; any order */
    int64_t *required_from, *live_from;       /* [n_single + 1]: such fields from there on */
    int64_t min, max_said, max;    /* max: what the live nodes leave of max_said */
    int64_t required, live;        /* single fields: that must come, that can */
    int64_t enough;                /* counts above it are all alike */
    bool any_order;
    bool looped;                   /* needs go round in a circle */
    bool endless;                  /* some `many` field has keys without end */
    uint32_t colon, separator;
};

struct payload {
    int64_t count;       /* members so far, at most `enough` */
    uint32_t next;       /* declared order: the first field that may still come */
    uint32_t keys;       /* the automaton's: keys that `many` fields took */
    uint64_t taken[MEMBERS_MAX_WORDS];
};

struct outlook {
    bool possible;
    bool may_end;
};

/* How many keys a `many` field took already, of those whose number ends. */
struct members_used {
    int64_t (*count)(const void *ctx, uint32_t keys, uint32_t field);
    const void *ctx;
};

bool members_make(struct rules *r, const struct rule_object *object, struct members **ret);   /* r->fault */
/* Takes out what is gone as long as the nodes below are live as they say. false: no object holds, by what is known. */
bool members_settle(struct rules *r, struct members *m);
/* After the last of those: false for the one case that outlook is not exact for. */
bool members_decidable(const struct members *m, struct err *err);
/* The bytes of a payload that count: what lies behind them is not kept. */
size_t members_payload_bytes(const struct members *m);
void members_begin(const struct members *m, struct payload *ret);
/* *ret is *p with this field taken. */
void members_take(const struct members *m, const struct payload *p, uint32_t field, struct payload *ret);
struct outlook members_outlook(const struct members *m, const struct payload *p, const struct members_used *used);
/* Whether the field may be the next as far as order and repetition go; outlook says the rest. */
bool members_in_turn(const struct members *m, const struct payload *p, uint32_t field);

#endif
