/* Random small grammars that exist twice: as rules, and as a tree that a slow, obvious matcher reads. */
#ifndef RUNG_TESTS_GRAMMAR_SUPPORT_SPECIMEN_H
#define RUNG_TESTS_GRAMMAR_SUPPORT_SPECIMEN_H

#include "grammar/automaton.h"

#define SPECIMEN_MAX_TEXT 32
#define SPECIMEN_LETTERS "ab,:"

enum specimen_kind {
    SPECIMEN_TEXT,
    SPECIMEN_SEQUENCE,
    SPECIMEN_CHOICE,
    SPECIMEN_ITEMS,
    SPECIMEN_MEMBERS,
    SPECIMEN_SELF,
};

struct specimen_field {
    int key;              /* of the fixed keys below; the last ones are `many` terms */
    struct specimen *value;
    bool required;
};

struct specimen {
    enum specimen_kind kind;
    int text;             /* of the fixed terms */
    struct specimen *kids[3];
    int n;
    int64_t min, max;
    bool separated, rest;
    struct specimen_field fields[4];
    struct rule_need needs[2];
    int n_needs;
    bool any_order;
};

/* What the choices are drawn from: bytes, and 0 for ever once they are used up. */
struct specimen_source {
    const unsigned char *p;
    size_t n;
};

struct specimen *specimen_draw(struct specimen_source *from);   /* NULL when memory ends */
void specimen_free(struct specimen *s);
/* Finished rules; false with *err where there are none (no answer, left recursion). */
bool specimen_rules(const struct specimen *s, struct rules **ret, struct err *err);
enum specimen_answer { SPECIMEN_NO, SPECIMEN_YES, SPECIMEN_TOO_LONG_TO_TELL };
/* Whether the whole text, of at most SPECIMEN_MAX_TEXT bytes, belongs to the grammar. */
enum specimen_answer specimen_matches(const struct specimen *s, struct str text);

#endif
