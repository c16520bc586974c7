/* The store of terms from inside: what building, deriving and asking share. Nobody outside this room includes it.
 *
 * A term is a kind, two or three numbers, and facts that follow from them. Terms are interned: the same kind over the
 * same numbers is the same term. All arrays grow and may move, so code keeps indices, never pointers, over a call. */
#ifndef RUNG_GRAMMAR_TERMS_H
#define RUNG_GRAMMAR_TERMS_H

#include "grammar/expr.h"

#define TERM_ALL 2u                         /* every byte string */
#define TERM_ANY_BYTE 3u
#define TERM_MAX_DEPTH 1000                 /* of nesting, for what recurses; a concatenation's right spine is free */
#define TERM_MAX_MEMORY ((size_t)192 << 20) /* bytes of one store */
#define TERM_MAX_PARTITIONS (1u << 14)
#define TERM_MAX_SEARCH (1u << 14)          /* terms that one question about emptiness may look at, */
#define TERM_MAX_SEARCH_WORK (1u << 22)     /* and their parts: some 150 ms */

enum term_kind {
    KIND_NONE,
    KIND_EMPTY,
    KIND_ALL,
    KIND_BYTES,     /* a: the set, of two bytes at least */
    KIND_LITERAL,   /* a: where in the texts; b: length, 1 at least */
    KIND_CONCAT,    /* a, then b */
    KIND_OR,        /* a: where in the words; b: how many, ascending */
    KIND_AND,
    KIND_NOT,       /* a */
    KIND_REPEAT,    /* a, min to max times */
};

enum term_fact {
    FACT_NULLABLE = 1,
    FACT_BOOLEAN = 2,        /* an intersection or complement is inside: it may be empty without being EXPR_NONE */
    FACT_INFINITE = 4,       /* may match infinitely many texts; without it surely not */
    FACT_EMPTINESS_KNOWN = 8,
    FACT_NOTHING = 16,       /* if known: it matches no text */
    FACT_PLAIN_KNOWN = 32,
    FACT_PLAIN = 64,         /* if known: it matches each plain character (expr_plain_prefix) */
    FACT_SEEN = 128,         /* by the search that runs */
    FACT_SEEN_WITHIN = 256,  /* by one that a derivative of that search's has asked for (absorb) */
};

struct term {
    uint8_t kind;
    uint16_t facts, depth;
    uint32_t a, b;
    union {
        struct {
            int32_t min, max;
        };
        uint64_t sum;        /* of a literal's text, so that a suffix is found without reading it */
    };
    /* 0: none yet. Of what begins with a literal: the only derivative. Of bytes: the handle of their partition. Else a
     * row in the words: that handle, then a derivative for each class, TERM_UNKNOWN until asked for. */
    uint32_t row;
};
#define TERM_UNKNOWN UINT32_MAX

struct partition {
    uint8_t class_of[256];
    uint8_t member[256];     /* a byte of each class, a readable one where there is one */
    int n;
};

/* Handles of two partitions and of what they tell apart together. */
struct product {
    uint32_t a, b, both;
};
#define PRODUCTS_KEPT 256u

/* Numbers in a growing array; also the stack on which lists of terms are put together. */
struct pile {
    uint32_t *p;
    uint32_t n, cap;
};

struct exprs {
    struct term *terms;
    uint32_t n_terms, cap_terms;
    uint32_t *slots;         /* hash table of the terms, a power of two, at most half full; 0: free */
    uint32_t n_slots;
    struct pile words;       /* children of unions and intersections; rows */
    struct pile scratch;
    struct byte_set *sets;
    uint32_t n_sets, cap_sets;
    unsigned char *text;     /* of literals; the first 256 are each byte once */
    uint32_t n_text, cap_text;
    struct partition *partitions;
    uint32_t n_partitions, cap_partitions;
    uint32_t *partition_slots;
    uint32_t n_partition_slots;
    uint32_t lone[256];          /* handles of the partitions into one byte and the others; 0: none yet */
    struct product products[PRODUCTS_KEPT];
    uint64_t secret, unsecret;   /* odd, and its inverse modulo 2^64 */
    size_t memory;
    uint64_t work;
    enum err_code fault;
    bool absorbing;          /* a union is being looked through for what another child contains already */
    uint32_t plain;          /* the term of one plain character; 0: not built yet */
};

/* ---- store.c ---- */
uint32_t store_fail(struct exprs *x, enum err_code code);   /* EXPR_NONE */
bool pile_push(struct exprs *x, struct pile *pile, uint32_t value);
void pile_free(struct exprs *x, struct pile *pile);
uint32_t intern(struct exprs *x, struct term t);
uint32_t intern_set(struct exprs *x, const struct byte_set *set);      /* two members at least */
uint32_t intern_literal(struct exprs *x, const unsigned char *p, uint32_t n, uint64_t sum);
/* The scratch from `base` on becomes the children of a union or intersection; the scratch is cut there. */
uint32_t intern_list(struct exprs *x, enum term_kind kind, uint32_t base);
uint32_t intern_partition(struct exprs *x, const struct partition *p);   /* UINT32_MAX past a ceiling */

/* ---- build.c ---- */
uint32_t term_concat(struct exprs *x, uint32_t a, uint32_t b);   /* expr_concat, but never goes through a's spine */
uint32_t literal_rest(struct exprs *x, uint32_t e);              /* without its first byte */
uint32_t term_join(struct exprs *x, enum term_kind kind, uint32_t base);   /* intern_list, simplified */

/* ---- derive.c ---- */
uint32_t term_derive(struct exprs *x, uint32_t e, uint8_t byte);
/* The bytes to try when all derivatives that differ are wanted: returns how many, in out. */
int term_branches(struct exprs *x, uint32_t e, uint8_t out[256]);

/* ---- ask.c ---- */
/* Whether all that e matches some number of `star`'s base matches too, as far as a short search tells. */
bool term_within(struct exprs *x, uint32_t e, uint32_t star);

static inline bool term_has(const struct exprs *x, uint32_t e, enum term_fact fact)
{
    return x->terms[e].facts & fact;
}

static inline bool set_has(const struct byte_set *set, int byte)
{
    return set->bits[byte >> 6] >> (byte & 63) & 1;
}

static inline void set_add(struct byte_set *set, int byte)
{
    set->bits[byte >> 6] |= (uint64_t)1 << (byte & 63);
}

static inline int set_count(const struct byte_set *set)
{
    int n = 0;
    for (int i = 0; i < 4; i++)
        n += __builtin_popcountll(set->bits[i]);
    return n;
}

#endif
