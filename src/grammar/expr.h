/* Regular languages over bytes as hash-consed terms with Brzozowski derivatives: concatenation, alternation,
 * intersection, complement, counted repetition. A term is a number; equal terms have equal numbers, so that an
 * automaton over terms is built as far as a text walks it and no further.
 *
 * Invariants: simplification keeps the language; EXPR_NONE is the only term for the empty language that the similarity
 * rules see at once (expr_is_empty decides the rest). Every store has ceilings; past one the store is spoilt
 * (`failed`), all calls return EXPR_NONE, and exprs_check tells why. Terms die with their store. One thread at a time.
 * Sources: Brzozowski 1964; Owens, Reppy, Turon, "Regular-expression derivatives reexamined", 2009. */
#ifndef RUNG_GRAMMAR_EXPR_H
#define RUNG_GRAMMAR_EXPR_H

#include "base/err.h"
#include "base/str.h"

#define EXPR_NONE 0u   /* no text */
#define EXPR_EMPTY 1u  /* the empty text alone */
#define EXPR_MAX_TERMS (1u << 20)
#define EXPR_MAX_REPEAT (1 << 20)
#define EXPR_UNBOUNDED (-1)

struct exprs;
bool exprs_open(struct exprs **ret, struct err *err);
void exprs_close(struct exprs *x);
bool exprs_check(const struct exprs *x, struct err *err);   /* false: a ceiling was met or memory ended */
uint32_t exprs_count(const struct exprs *x);
size_t exprs_bytes(const struct exprs *x);                  /* of memory */
bool exprs_are_worn(const struct exprs *x);                 /* over half full: terms are never dropped */
uint64_t exprs_work(const struct exprs *x);                 /* parts of terms that were gone through, so far */
uint32_t expr_spoil(struct exprs *x);   /* by who builds terms and ran out of memory beside the store: EXPR_NONE */

struct byte_set {
    uint64_t bits[4];
};

struct code_range {
    uint32_t first, last;   /* code points, both included; surrogates are left out by whoever turns them into bytes */
};

/* ---- building ---- */
uint32_t expr_bytes(struct exprs *x, const struct byte_set *set);
uint32_t expr_literal(struct exprs *x, struct str bytes);
uint32_t expr_code_points(struct exprs *x, const struct code_range *ranges, int n);   /* one code point, in UTF-8 */
uint32_t expr_concat(struct exprs *x, uint32_t a, uint32_t b);
uint32_t expr_or(struct exprs *x, uint32_t a, uint32_t b);
uint32_t expr_or_all(struct exprs *x, const uint32_t *terms, int n);
uint32_t expr_and(struct exprs *x, uint32_t a, uint32_t b);
uint32_t expr_not(struct exprs *x, uint32_t a);             /* every other byte string */
uint32_t expr_repeat(struct exprs *x, uint32_t a, int min, int max);   /* max EXPR_UNBOUNDED: without end */

/* ---- asking ---- */
bool expr_nullable(const struct exprs *x, uint32_t e);      /* matches the empty text */
uint32_t expr_derive(struct exprs *x, uint32_t e, uint8_t byte);   /* what may follow; remembered */
/* The bytes that e tells apart: bytes of one class have the same derivative. ret[256] holds class numbers from 0; the
 * result is their count. Refines *ret in place when n_so_far > 0, so that several terms share one partition. */
int expr_classes(struct exprs *x, uint32_t e, uint8_t ret[256], int n_so_far);
/* The same for n terms, the i-th at terms[i * stride], in one go; classes are numbered as it comes. */
int expr_classes_of_all(struct exprs *x, const uint32_t *terms, size_t stride, uint32_t n, uint8_t ret[256]);
/* The one byte that texts of e begin with, where that is seen at a glance; else -1. */
int expr_first_byte(const struct exprs *x, uint32_t e);
bool expr_is_empty(struct exprs *x, uint32_t e);            /* by search, remembered; true also once the store failed */
/* Surely matches infinitely many texts; false also where that is not seen at a glance. */
bool expr_is_endless(const struct exprs *x, uint32_t e);
bool expr_matches(struct exprs *x, uint32_t e, struct str text);
/* The most n for which every text of up to n plain characters may begin what e matches: plain are whole UTF-8 code
 * points but '"', '\\' and those below U+0020 and U+007F. INT_MAX where any number may; 0 where it is not known at a
 * glance at the term. Masks of the inside of JSON strings rest on it. */
int expr_plain_prefix(struct exprs *x, uint32_t e);
/* A text that e matches, short and the same each time; false when there is none near. For tests. */
struct buf;
bool expr_example(struct exprs *x, uint32_t e, struct buf *out);

#endif
