/* What an automaton is made of. Nobody outside this room includes this.
 *
 * A configuration is a term in progress and a stack: what comes after it. A stack is a frame on top of another stack,
 * known by the number of its frame, 0 being the empty one; equal stacks have equal numbers. What a stack says may come
 * once the term before it is done is found once (closure.c) and kept beside its frame. All of it lies in one arena that
 * is left behind whole when it is full (drop.c). */
#ifndef RUNG_GRAMMAR_AUTOMATON_STORE_H
#define RUNG_GRAMMAR_AUTOMATON_STORE_H

#include <pthread.h>

#include "grammar/automaton.h"
#include "grammar/automaton/members.h"
#include "grammar/automaton/pool.h"

#define AUTOMATON_MAX_ARENA ((size_t)2 * AUTOMATON_MAX_BYTES)   /* within one lock */
#define STACK_EMPTY 0u
#define TEXT_START 0u               /* of a key: nothing of it yet */
#define TEXT_LOST UINT32_MAX        /* it is not being recorded */

enum frame_kind {
    FRAME_SEQUENCE,      /* kid `at` of the sequence comes next */
    FRAME_ITEMS,         /* `at` items are done */
    FRAME_ITEM_NEXT,     /* and the separator: item `at` must come */
    FRAME_KEY,           /* a key of `many` field `at` is in progress */
    FRAME_COLON,         /* the key of field `at` is done */
    FRAME_VALUE,         /* and the colon */
    FRAME_MEMBERS,       /* a member is done */
    FRAME_MEMBER_NEXT,   /* and the separator: a member must come */
};

/* Without gaps, so that frames can be compared as bytes. */
struct frame {
    uint32_t kind, node, parent, payload;
    uint64_t at;
    /* FRAME_KEY: its text so far, and which of the payload's keys begin with it */
    uint32_t text, key_first, key_end, spelled;
};

struct config {
    uint32_t term, stack;
};

struct configs {
    struct config *p;
    uint32_t n, cap;
    bool may_end;
};

/* Beside each frame. */
struct frame_note {
    const struct config *after;   /* what may come when the term before is done */
    uint32_t n_after, depth;
    bool known, may_end;
};

struct taken_key {
    uint32_t text, field;
};

struct state {
    const uint8_t *classes;       /* [256]; with `row` once the state was walked */
    uint32_t *row;                /* by class; STATE_UNKNOWN: not yet found */
    const struct config *configs;
    uint32_t n, n_classes;
    uint32_t twin;                /* the same but for what is being recorded: steps and masks are its */
    uint32_t holds;
    void *slot;
    int plain, glance;            /* so many plain characters may follow at least; by the terms alone; -1: not known */
    uint32_t met;                 /* the search of plain.c that met it last */
    bool plain_known, swept;      /* plain, bytes are all that there is to know */
    bool used, may_end;
    bool records;                 /* a key of a `many` field is in progress */
    struct byte_set bytes;
};

struct work {
    uint32_t node, stack;
};

struct seen_pair {
    uint64_t pair;
    uint64_t when;    /* the search that met it */
};

/* What is dropped together. */
struct store {
    struct arena arena;
    struct byte_pool frames, payloads, texts, key_sets, partitions, sets;
    struct frame_note *notes;     /* as many as frames */
    uint32_t n_notes;
    uint32_t *state_of;           /* of a set; as many as sets; 0: of none */
    uint32_t n_state_of;
    const uint8_t *one_byte[256]; /* classes that tell this byte from all others; NULL: not yet made */
};

struct automaton {
    pthread_mutex_t lock;
    struct rules *rules;
    struct exprs *exprs;
    struct store store;
    uint64_t work_done;            /* since the lock was taken: configurations, and ways gone through */
    uint64_t terms_work;           /* of the terms, when it was taken */
    size_t trim_at;                /* bytes at which what is not held is dropped */
    uint32_t start;
    struct state *states;
    uint32_t n_states, cap_states, free_state;   /* free ones chained by `twin` */
    void (*drop)(void *ctx, void *slot);
    void *drop_ctx;
    /* scratch */
    struct configs found, stepped;
    struct work *waiting;
    uint32_t n_waiting, cap_waiting;
    struct seen_pair *seen;
    uint32_t n_seen, cap_seen;
    uint64_t seen_when;
    uint32_t met_when;
};

/* ---- stack.c ---- */
bool frame_push(struct automaton *a, const struct frame *frame, uint32_t *ret, struct err *err);
bool configs_add(struct configs *c, struct config config, struct err *err);
void configs_sort(struct configs *c);   /* and each but once */
bool store_payload(struct automaton *a, const struct members *m, const struct payload *p, uint32_t *ret,
                   struct err *err);
static inline const struct frame *frame_at(const struct automaton *a, uint32_t id)
{
    return a->store.frames.items[id].p;
}
static inline const struct payload *payload_at(const struct automaton *a, uint32_t id)
{
    return a->store.payloads.items[id].p;   /* as far as members_payload_bytes */
}
void store_free(struct store *s);

/* ---- keys.c ---- */
uint32_t keys_count(const struct automaton *a, uint32_t key_set);
/* The frame after one byte more of its key; `real`: of the answer, and so recorded. */
bool key_advance(struct automaton *a, const struct frame *f, uint8_t byte, bool real, struct frame *ret,
                 struct err *err);
bool key_is_taken(const struct automaton *a, const struct frame *f);
/* Whether the term has a text that, behind what is spelled already, was not taken. */
bool key_is_open(struct automaton *a, const struct frame *f, uint32_t term);
/* Its payload once the key is done. */
bool key_payload(struct automaton *a, const struct frame *f, struct payload *ret, struct err *err);
void key_next_bytes(const struct automaton *a, const struct frame *f, struct byte_set *add);
int64_t keys_used(const void *automaton, uint32_t key_set, uint32_t field);

/* ---- automaton.c ---- */
bool within_work(const struct automaton *a, struct err *err);   /* false past the ceiling */

/* ---- closure.c ---- */
/* What may come after the stack is known afterwards: notes[stack]. */
bool stack_closure(struct automaton *a, uint32_t stack, struct err *err);
/* What a node may begin with, on an empty stack, to a->found. */
bool node_closure(struct automaton *a, uint32_t node, struct err *err);

/* ---- state.c ---- */
bool store_set(struct automaton *a, struct configs *c, uint32_t *ret, struct err *err);         /* sorts them */
/* Whether the stack is for a key in progress that began as a taken one did. */
bool state_key_narrows(const struct automaton *a, uint32_t stack);
const struct config *store_configs(const struct store *s, uint32_t set, bool may_end, uint32_t *ret_n);
bool state_of_configs(struct automaton *a, struct configs *c, uint32_t *ret, struct err *err);   /* sorts them */

/* ---- drop.c ---- */
void automaton_trim(struct automaton *a);

#endif
