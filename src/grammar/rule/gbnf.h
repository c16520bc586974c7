/* Between the files of GBNF: a grammar read into a tree whose leaves are terms and names of rules. */
#ifndef RUNG_GRAMMAR_RULE_GBNF_H
#define RUNG_GRAMMAR_RULE_GBNF_H

#include "grammar/expr.h"
#include "grammar/frontends.h"

#define GBNF_MAX_RULES 8192
#define GBNF_MAX_NESTING 200           /* of groups in one rule */
#define GBNF_MAX_NAME_BYTES 128
#define GBNF_NONE UINT32_MAX

enum gbnf_kind { GBNF_TERM, GBNF_RULE, GBNF_SEQUENCE, GBNF_CHOICE, GBNF_REPEAT };

struct gbnf_item {
    enum gbnf_kind kind;
    uint32_t value;                    /* of a term: in the store; of a rule: its index */
    uint32_t first, next;              /* items: the first inside, the next beside; or GBNF_NONE */
    int min, max;                      /* of a repetition */
    size_t at;                         /* where it stands in the text */
};

struct gbnf_rule {
    struct str name;                   /* in the text */
    uint32_t body;                     /* GBNF_NONE: only mentioned so far */
    size_t at;                         /* of its first mention */
};

struct gbnf {
    struct str text;
    struct exprs *exprs;
    struct gbnf_item *items;
    uint32_t n_items, cap_items;
    struct gbnf_rule *rules;           /* [GBNF_MAX_RULES] */
    uint32_t n_rules;
    uint32_t *slots;                   /* of names: index + 1, 0 is free */
    uint32_t root;
};

/* All rules that are mentioned are defined. Terms go to the store; the text must outlive *ret, which is the caller's to
 * gbnf_free, also on failure. */
bool gbnf_read(struct str text, struct exprs *x, struct gbnf *ret, struct err *err);
void gbnf_free(struct gbnf *g);
/* Fills *err with line and column of the place; false. */
bool gbnf_fail(const struct gbnf *g, size_t at, enum err_code code, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

#endif
