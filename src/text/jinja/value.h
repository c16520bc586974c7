/* The values a chat template computes with: Python's, as far as templates see them.
 *
 * Invariants: every value lives in the arena of one rendering (strings may be views into the context or the
 * template, which outlive it). Only namespaces change after they are made; lists and dicts never do, so no
 * container holds itself, and the height of a container is bounded when it is built: recursion over values ends. */
#ifndef RUNG_TEXT_JINJA_VALUE_H
#define RUNG_TEXT_JINJA_VALUE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#define JINJA_MAX_HEIGHT 200  /* containers in containers; JSON from outside is limited to 128 */

enum value_kind {
    VALUE_ABSENT,     /* an argument that was not given; never seen by a template */
    VALUE_UNDEFINED,  /* s: the name that was looked for */
    VALUE_NONE,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_FLOAT,
    VALUE_STRING,     /* s: UTF-8 */
    VALUE_LIST,
    VALUE_TUPLE,
    VALUE_ITER,       /* list: what it yields; flags: of what sort (enum iter_sort) */
    VALUE_DICT,
    VALUE_NAMESPACE,
    VALUE_MACRO,
    VALUE_LOOP,
    VALUE_BUILTIN,    /* a global function or a method with its object */
};

enum iter_sort { ITER_GENERATOR, ITER_KEYS, ITER_VALUES, ITER_ITEMS, ITER_RANGE };

#define VALUE_FORBIDDEN 1  /* flag of VALUE_UNDEFINED: a method that would change its container */
#define VALUE_SAFE 1       /* flag of VALUE_STRING: came through `safe` or `escape`; `+` escapes what is joined to it */
#define VALUE_GROUP 1      /* flag of VALUE_TUPLE: made by groupby, its items are also .grouper and .list */

struct value {
    uint8_t kind, flags;
    union {
        bool b;
        int64_t i;
        double f;
        struct str s;
        struct list *list;
        struct dict *dict;
        struct macro *macro;
        struct loop *loop;
        struct bound *bound;
    };
};

struct list {
    struct value *v;
    size_t n;
    int height;
};

struct pair {
    struct value key, value;
};

/* Order of insertion is kept; looking up is a scan: templates' dicts are small, and the scan is charged to the
 * steps. */
struct dict {
    struct pair *p;
    size_t n, cap;
    int height;
};

struct builtin;
struct bound {
    const struct builtin *fn;
    struct value self;
};

static inline struct value value_none(void) { return (struct value){.kind = VALUE_NONE}; }
static inline struct value value_bool(bool b) { return (struct value){.kind = VALUE_BOOL, .b = b}; }
static inline struct value value_int(int64_t i) { return (struct value){.kind = VALUE_INT, .i = i}; }
static inline struct value value_float(double f) { return (struct value){.kind = VALUE_FLOAT, .f = f}; }
static inline struct value value_str(struct str s) { return (struct value){.kind = VALUE_STRING, .s = s}; }

static inline struct value value_undefined(struct str name)
{
    return (struct value){.kind = VALUE_UNDEFINED, .s = name};
}

static inline struct value value_list(struct list *l)
{
    return (struct value){.kind = VALUE_LIST, .list = l};
}

static inline struct value value_tuple(struct list *l)
{
    return (struct value){.kind = VALUE_TUPLE, .list = l};
}

static inline struct value value_dict(struct dict *d)
{
    return (struct value){.kind = VALUE_DICT, .dict = d};
}

static inline struct value value_iter(struct list *l, enum iter_sort sort)
{
    return (struct value){.kind = VALUE_ITER, .flags = (uint8_t)sort, .list = l};
}

static inline bool value_given(struct value v) { return v.kind != VALUE_ABSENT; }
/* An int or a bool, which Python counts as one. */
static inline bool value_integral(struct value v) { return v.kind == VALUE_INT || v.kind == VALUE_BOOL; }
static inline bool value_numeric(struct value v) { return value_integral(v) || v.kind == VALUE_FLOAT; }
static inline int64_t value_as_int(struct value v) { return v.kind == VALUE_BOOL ? v.b : v.i; }
static inline double value_as_float(struct value v) { return v.kind == VALUE_FLOAT ? v.f : (double)value_as_int(v); }
static inline bool value_has_list(struct value v)
{
    return v.kind == VALUE_LIST || v.kind == VALUE_TUPLE || v.kind == VALUE_ITER;
}

const char *value_type_name(struct value v);  /* as Python says it: "str", "dict", ... */
bool value_truth(struct value v);
int value_height(struct value v);
/* A number equal to a number or a string equal to a string; other kinds need jinja_equal (run.h). */
bool value_same_scalar(struct value a, struct value b);

/* ---- text by characters ---- */
size_t text_length(struct str s);
/* Byte offset of character `index`, at most s.n. */
size_t text_offset(struct str s, size_t index);
bool text_is_space(uint32_t cp);  /* what Python's str.isspace and \s accept */
struct str text_strip(struct str s, bool left, bool right);
/* Byte offset of the last character of s, which is not empty. */
size_t text_last(struct str s);

#endif
