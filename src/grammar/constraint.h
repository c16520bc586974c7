/* What an answer is held to, as callers see it: a rule (from JSON Schema, "any JSON", a regular expression, GBNF, a
 * list of choices, a family's tool calls) beside a vocabulary gives masks: which tokens may come next.
 *
 * struct vocabulary is immutable after opening and shared by all rules of a model; struct constraint is shared by all
 * answers under it, any thread (it locks itself); struct matcher belongs to one answer, one thread at a time. A mask is
 * a bitset of n_vocab bits, bit i % 64 of word i / 64. Every token that a mask admits leaves a text that can be
 * completed, but for one that holds a whole key and begins the same again (automaton.h), which matcher_take refuses;
 * every token that is not admitted could not. End tokens are admitted where the text may end; after one, nothing. */
#ifndef RUNG_GRAMMAR_CONSTRAINT_H
#define RUNG_GRAMMAR_CONSTRAINT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* ---- vocabulary ---- */
/* A control token that a rule may ask for by name (a marker of tool calls: grammar/toolrule.h) has the mark, its name
 * and the mark again as its piece. UTF-8 never holds that byte; pieces that hold it otherwise are never admitted. */
#define VOCABULARY_MARK '\xFF'

struct vocabulary_spec {
    int32_t n_tokens;
    /* Its bytes, good until the next call; empty or over a thousand: never admitted (control tokens, unused). */
    struct str (*piece)(void *ctx, int32_t id);
    bool (*is_end)(void *ctx, int32_t id);
    void *ctx;
};
struct vocabulary;
bool vocabulary_open(const struct vocabulary_spec *spec, struct vocabulary **ret, struct err *err);   /* copies */
void vocabulary_close(struct vocabulary *v);
int32_t vocabulary_count(const struct vocabulary *v);
#define VOCABULARY_WORDS(n_tokens) (((size_t)(n_tokens) + 63) / 64)

/* ---- rules beside a vocabulary ---- */
struct rules;
struct constraint;
/* Takes finished rules (grammar/rules.h; also on failure); the vocabulary must outlive it. One reference is the
 * caller's. */
bool constraint_open(struct rules *rules, const struct vocabulary *v, struct constraint **ret, struct err *err);
struct constraint *constraint_share(struct constraint *c);
void constraint_release(struct constraint *c);   /* NULL allowed */
size_t constraint_bytes(struct constraint *c);   /* of memory, by now: it grows with the texts it meets */
/* So much was built for the texts it met that a new answer had better have a new one. */
bool constraint_is_worn(struct constraint *c);

/* ---- one answer ---- */
struct matcher;
bool matcher_open(struct constraint *c, struct matcher **ret, struct err *err);
bool matcher_fork(const struct matcher *m, struct matcher **ret, struct err *err);
void matcher_close(struct matcher *m);           /* NULL allowed */
/* mask[VOCABULARY_WORDS(n)]. false only past a ceiling (ERR_LIMIT): the answer then ends as FINISH_ERROR. */
bool matcher_mask(struct matcher *m, uint64_t *mask, struct err *err);
/* The next token; ERR_INVALID, and nothing is changed, when the mask does not admit it. An end token ends it. */
bool matcher_take(struct matcher *m, int32_t id, struct err *err);
bool matcher_admits(struct matcher *m, int32_t id);
bool matcher_may_end(const struct matcher *m);
bool matcher_must_end(struct matcher *m);        /* only an end token is admitted */
/* The only text that can follow, at most max bytes, appended to *out; none where there is a choice. */
bool matcher_forced(struct matcher *m, size_t max, struct buf *out, struct err *err);
/* The same for text: how far `text` is admitted from the start; for tools and tests. */
bool constraint_accepts(struct constraint *c, struct str text, size_t *ret_admitted, bool *ret_whole);

#endif
