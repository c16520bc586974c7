/* A regular expression as a tree, between reading it (parse.c, parse_class.c) and making a term of it (compile.c).
 * Everything lies in the arena of the reading. Nobody outside this room includes it. */
#ifndef RUNG_GRAMMAR_SYNTAX_H
#define RUNG_GRAMMAR_SYNTAX_H

#include "base/arena.h"
#include "grammar/regex.h"

#define REGEX_MAX_RANGES (1 << 16)     /* of code points, over all classes of one expression */
#define REGEX_MAX_MEMORY ((size_t)32 << 20)
#define LAST_CODE_POINT 0x10FFFFu

enum node_kind {
    NODE_TEXT,           /* text */
    NODE_CLASS,          /* ranges */
    NODE_SEQUENCE,       /* children, one after another */
    NODE_CHOICE,         /* children, one of them */
    NODE_REPEAT,         /* children[0], min to max times */
    /* what follows takes no text but looks at what stands around it (NODE_START is the first) */
    NODE_START,
    NODE_END,
    NODE_BOUNDARY,
    NODE_NO_BOUNDARY,
    NODE_AHEAD,          /* children[0] must follow */
    NODE_NOT_AHEAD,
};

enum looks {
    LOOKS_ANCHORS = 1,   /* ^ and $ */
    LOOKS_FURTHER = 2,
};

struct ranges {
    struct code_range *p;
    int n, cap;
};

struct node {
    enum node_kind kind;
    uint8_t looks;             /* whether nodes of those that look are inside: enum looks */
    size_t at;                 /* where it stands in the pattern */
    struct str text;           /* UTF-8 */
    struct ranges ranges;      /* ascending and apart */
    struct node **children;
    int n, cap;
    int min, max;
};

struct parse {
    struct str pattern;
    size_t at;
    int depth, n_ranges;
    bool fold, dot_all;        /* (?i), (?s) as they stand here */
    struct arena *arena;
};

/* ---- parse.c ---- */
bool regex_parse(struct str pattern, struct arena *arena, struct node **ret, struct err *err);
bool syntax_fail(size_t at, enum err_code code, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static inline bool parse_at(const struct parse *p, const char *word)
{
    struct str rest = {p->pattern.p + p->at, p->pattern.n - p->at};
    return str_starts(rest, str_of(word));
}

/* ---- parse_class.c ---- */
/* What a backslash begins: either a code point or a class. p->at stands on the backslash and moves behind it all. */
struct escape {
    bool is_class;
    uint32_t code_point;
    struct ranges ranges;
};
bool parse_escape(struct parse *p, bool in_class, struct escape *ret, struct err *err);
bool parse_class(struct parse *p, struct ranges *ret, struct err *err);   /* p->at stands on '[' */
bool parse_dot(struct parse *p, struct ranges *ret, struct err *err);
/* One code point, as a class when case is to be ignored and it has one. */
bool parse_folded(struct parse *p, uint32_t code_point, struct ranges *ret, struct err *err);

/* ---- ranges.c ---- */
bool ranges_add(struct arena *arena, struct ranges *r, uint32_t first, uint32_t last, struct err *err);
bool ranges_add_all(struct arena *arena, struct ranges *r, const struct ranges *more, struct err *err);
void ranges_tidy(struct ranges *r);        /* ascending and apart */
bool ranges_complement(struct arena *arena, struct ranges *r, struct err *err);   /* of tidy ones */
bool ranges_fold(struct arena *arena, struct ranges *r, struct err *err);         /* with all their cases; tidy */

/* ---- unicode.c ---- */
/* Adds the code points of a property as \p{...} names it: a general category (short or long, with or without
 * "General_Category=" or "gc="), a script ("Script=" or "sc="), Any, ASCII, Assigned. *ret_known: whether it exists. */
bool unicode_property(struct arena *arena, struct str name, struct ranges *r, bool *ret_known, struct err *err);
/* The other cases of code points: pairs ordered by `from`, built once. */
struct case_pair {
    uint32_t from, to;
};
const struct case_pair *unicode_cases(int *ret_n);   /* NULL when memory ended */

/* ---- scripts.c ---- */
struct script {
    const char *name, *code;   /* "Greek", "Grek" */
    const struct code_range *ranges;
    int n;
};
extern const struct script unicode_scripts[];
extern const int n_unicode_scripts;

#endif
