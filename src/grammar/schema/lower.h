/* From subschemas to rules, as the files of this room share it.
 *
 * A place in the answer is a goal: a set of parts that all must hold there. A goal is written out as conjunctions, one
 * for each way to choose among its branches (anyOf, oneOf, if ...): no branch is left in a conjunction, its parts' own
 * keywords are what holds, and each part says which types it admits. A conjunction becomes a node type by type; the
 * places inside it (members, items) are goals again, known by their set of parts. There are finitely many sets, so
 * recursion ends, also where a recursive reference is merged with its siblings.
 *
 * What cannot be said exactly is left out, so that rules admit too much and never too little; `loose` then tells that
 * the finished answer has to be validated. */
#ifndef RUNG_GRAMMAR_SCHEMA_LOWER_H
#define RUNG_GRAMMAR_SCHEMA_LOWER_H

#include "base/arena.h"
#include "base/strmap.h"
#include "grammar/schema_private.h"

#define LOWER_MAX_BYTES (256u << 20)
#define LOWER_MAX_PARTS 400       /* that hold at one place; what is beyond is validated after */
#define LOWER_MAX_CHOICES 64      /* open in one conjunction; what is beyond is validated after */
#define LOWER_MAX_CELLS 64        /* kinds of names that the patterns of an object tell apart; likewise */

/* Sets of types. Integers are numbers without a fraction; numbers are both. */
#define TYPE_NULL 1u
#define TYPE_FALSE 2u
#define TYPE_TRUE 4u
#define TYPE_INTEGER 8u
#define TYPE_FRACTION 16u
#define TYPE_STRING 32u
#define TYPE_ARRAY 64u
#define TYPE_OBJECT 128u
#define TYPE_NUMBER (TYPE_INTEGER | TYPE_FRACTION)
#define TYPE_ANY 255u

enum part_kind {
    PART_HOLDS,        /* sub holds */
    PART_BREAKS,       /* sub does not hold */
    PART_WITHOUT,      /* the one keyword `name` of sub is broken, by a value of a type that it speaks of */
    PART_TYPES,        /* the value is of one of types */
    PART_LACKS,        /* an object has no member `name` */
    PART_MEMBER,       /* the value is an object whose member `name` breaks sub */
};

struct part {
    enum part_kind kind;
    unsigned types;
    const struct subschema *sub;
    const char *name;
};

struct parts {
    struct part *at;
    int n, room;
};

struct conjunction {
    struct part *parts;
    int n;
    unsigned types;
    bool finite;       /* an enum or a const stands in it: its values are tried against all parts */
    struct conjunction *next;
};

/* Where a name stands among the members of the object that was looked at last. */
struct name_use {
    int object, member;
};

struct goal;
struct lower {
    const struct schema *schema;
    struct rules *rules;
    struct exprs *x;
    struct arena arena;
    struct goal **table;             /* by hash of the parts */
    size_t n_goals;
    struct goal *queue, **queue_end; /* whose conjunctions are not nodes yet */
    bool loose;
    void (*tell)(void *ctx, const struct subschema *sub, const char *keyword);   /* NULL: nobody */
    void *tell_ctx;
    uint32_t space, comma, colon, any;           /* nodes; any: RULES_NONE until it is needed */
    uint32_t quote, character, integer, number, precise;   /* terms; EXPR_NONE until they are needed */
    struct strmap names;             /* of properties: each has a number */
    struct name_use *uses;           /* by that number */
    int n_uses, uses_room;
    int n_objects;                   /* begun so far */
    struct err *err;
    bool failed;
};

/* false, and *err set, once anything failed; everything below may go on with RULES_NONE and EXPR_NONE until then. */
bool lower_fail(struct lower *w, enum err_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void *lower_alloc(struct lower *w, size_t count, size_t elem);   /* NULL: failed */

/* The keyword of sub is left to the validator. NULL: something of what is to be broken in sub. */
void lower_leave(struct lower *w, const struct subschema *sub, const char *keyword);
/* The same, where it is not known yet whether that matters: for people alone. */
void lower_tell(struct lower *w, const struct subschema *sub, const char *keyword);

/* ---- parts.c ---- */
void parts_add(struct lower *w, struct parts *parts, struct part part);   /* unless it is there or says nothing */
void parts_add_schema(struct lower *w, struct parts *parts, const json_t *json);   /* NULL allowed */
bool parts_say_never(const struct parts *parts);
/* Whether a finished value obeys all parts. */
bool parts_admit(struct lower *w, const struct part *parts, int n, const json_t *value);

/* ---- expand.c ---- */
/* The conjunctions of a set of parts; NULL: there is none (or it failed). */
struct conjunction *expand(struct lower *w, const struct parts *parts);
unsigned types_named(const json_t *type);   /* of the keyword `type`: TYPE_ANY where it is NULL */

/* ---- negate.c ---- */
/* The ways in which sub is broken, in the arena; their number, or -1 where it cannot be said. *ret_rough: some way
 * admits too much. */
int negate(struct lower *w, const struct subschema *sub, struct parts **ret, bool *ret_rough);

/* ---- lower.c ---- */
uint32_t lower_goal(struct lower *w, const struct parts *parts);   /* the node of a place */
/* `open` inside `close` with white space; inside RULES_NONE: nothing but the empty one, if that may be. */
uint32_t lower_enclosed(struct lower *w, const char *open, uint32_t inside, bool may_be_empty, const char *close);

/* ---- one file a type: a conjunction to a node, or to a term ---- */
uint32_t lower_object(struct lower *w, const struct conjunction *c);
uint32_t lower_array(struct lower *w, const struct conjunction *c);
uint32_t number_term(struct lower *w, const struct conjunction *c);
uint32_t string_content(struct lower *w, const struct conjunction *c);    /* between its quotes */
uint32_t string_any(struct lower *w);                                     /* any content */
uint32_t string_goal(struct lower *w, const struct parts *parts);         /* the content of strings that obey them */
uint32_t string_spelled(struct lower *w, const char *text, size_t n);     /* a given content */
uint32_t string_quoted(struct lower *w, uint32_t content);
/* The content of strings that match the pattern, which is the keyword's of sub. */
uint32_t string_pattern(struct lower *w, const struct subschema *sub, const char *keyword, struct str pattern,
                        bool anchored);
/* What a part says of members: looked up once for all of them. */
struct facet {
    const json_t *properties, *patterns, *additional;
};
const struct facet *facets_of(struct lower *w, const struct part *parts, int n);   /* NULL: failed */
/* The parts that hold for a member of an object, added to *ret; false where it may not have that name at all. */
bool member_parts(struct lower *w, const struct part *parts, const struct facet *facets, int n, const char *name,
                  struct parts *ret);

/* ---- literal.c: given values ---- */
/* The values that a finite conjunction may have, whether they obey its parts or not; NULL past the last. */
const json_t *finite_value(const struct conjunction *c, size_t i);
/* Whether one of these values obeys all parts. */
bool values_admit(struct lower *w, const struct conjunction *c, const json_t *value);
/* Whether the enum or const that a PART_WITHOUT names has a value of this type. */
bool gives_value_of(const struct part *part, json_type type);
uint32_t lower_literal(struct lower *w, const json_t *value);             /* node */
uint32_t literal_term(struct lower *w, const json_t *value);              /* of a scalar */

/* The keyword of a part that holds; NULL where it is absent or the part is of another kind. */
static inline const json_t *part_get(const struct part *part, const char *keyword)
{
    return part->kind == PART_HOLDS ? schema_get(part->sub, keyword) : NULL;
}
/* A count (minItems ...) as a number, at least 0. */
int64_t count_of(const json_t *value);

#endif
