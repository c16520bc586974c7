/* One rendering: its state, its limits, and what the parts of the evaluator offer each other. Everything a
 * rendering allocates is in render.arena. A call that returns false has set *r->err, at the line and column of the
 * node being evaluated. */
#ifndef RUNG_TEXT_JINJA_RUN_H
#define RUNG_TEXT_JINJA_RUN_H

#include "base/buf.h"
#include "text/jinja/ast.h"

#define RENDER_MAX_RECURSION 1500     /* of the evaluator, across macro calls; bounds the C stack */
#define RENDER_MAX_RANGE 100000       /* elements of one range(), as Jinja's sandbox has it */
#define RENDER_BYTES_PER_STEP 64      /* work on text is charged to the step limit */

struct binding {
    struct str name;
    struct value value;
};

/* Variables of one scope: the template, a loop's iteration, a macro's call. */
struct frame {
    struct frame *parent;
    struct binding *b;
    size_t n, cap;
};

struct macro {
    const struct node *node;
    struct frame *frame; /* where it was defined */
};

struct loop {
    struct list *items;        /* known so far */
    size_t index;
    struct value last_changed; /* what loop.changed() saw last */
    /* A loop's condition is asked as late as can be, as Jinja does: the body may change the answer. */
    const struct node *node;
    struct list *source;
    size_t n_asked;            /* of source */
    struct frame *scope;       /* of the condition */
};

enum flow { FLOW_NEXT, FLOW_BREAK, FLOW_CONTINUE };

struct render {
    struct arena arena;
    const struct node *at;
    struct frame *frame;
    struct dict *context;
    struct buf *out;
    struct value block_text; /* input of a block's innermost filter */
    enum flow flow;
    uint64_t steps;
    int depth, macro_depth;
    int64_t now_wall_ms;
    struct err *err;
};

struct keyword {
    struct str name;
    struct value value;
};

/* Arguments as the template wrote them. */
struct args {
    struct value *v;
    struct keyword *keywords;
    int n, n_keywords;
};

#define BUILTIN_MAX_PARAMS 5

/* What a builtin is called with: v[i] is the argument for its i-th parameter, VALUE_ABSENT when not given. */
struct call {
    struct value self;
    struct value v[BUILTIN_MAX_PARAMS];
    const struct args *raw;
};

typedef bool builtin_fn(struct render *r, const struct call *c, struct value *ret);

/* A filter, test, method or global function. variadic: it reads call.raw itself, nothing is bound. */
struct builtin {
    const char *name;
    builtin_fn *fn;
    int required;
    const char *params[BUILTIN_MAX_PARAMS];
    bool variadic;
};

/* ---- render.c: errors, limits, memory ---- */
bool jinja_fail(struct render *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool jinja_fail_limit(struct render *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool jinja_work(struct render *r, size_t steps);
bool jinja_work_bytes(struct render *r, size_t bytes);
void *jinja_alloc(struct render *r, size_t count, size_t elem);  /* NULL: past the ceiling, error set */
bool jinja_text(struct render *r, struct str s, struct value *ret);         /* a copy */
bool jinja_text_buf(struct render *r, struct buf *b, struct value *ret);    /* takes the bytes; frees *b always */
struct buf jinja_buf(void);                                                 /* with the output ceiling */
bool jinja_list(struct render *r, size_t n, struct list **ret);             /* n elements, VALUE_ABSENT */
bool jinja_seal(struct render *r, struct list *l);                          /* after filling: sets its height */
bool jinja_dict(struct render *r, size_t cap, struct dict **ret);
bool jinja_dict_set(struct render *r, struct dict *d, struct value key, struct value value);
bool jinja_dict_append(struct render *r, struct dict *d, struct value key, struct value value);  /* key is new */
bool jinja_dict_find(struct render *r, const struct dict *d, struct value key, struct value **ret_or_null);
bool jinja_bind(struct render *r, struct frame *f, struct str name, struct value value);
bool jinja_defined(struct render *r, struct value v);                       /* fails for an undefined value */

/* ---- ops.c ---- */
bool jinja_equal(struct render *r, struct value a, struct value b, bool *ret);
bool jinja_order(struct render *r, struct value a, struct value b, int *ret);  /* <0, 0, >0; fails for unlike types */
bool jinja_binary(struct render *r, enum node_op op, struct value a, struct value b, struct value *ret);
bool jinja_compare(struct render *r, enum node_op op, struct value a, struct value b, bool *ret);
/* What a for loop sees; a generator is empty afterwards. */
bool jinja_iterate(struct render *r, struct value v, struct list **ret);
bool jinja_length(struct render *r, struct value v, int64_t *ret);
bool jinja_join(struct render *r, struct str glue, const struct list *parts, struct value *ret);

/* ---- access.c ---- */
bool jinja_attr(struct render *r, struct value object, struct str name, struct value *ret);
bool jinja_item(struct render *r, struct value object, struct value key, struct value *ret);
/* Bounds as Python has them; VALUE_NONE where left out. */
bool jinja_slice(struct render *r, struct value object, const struct value bounds[3], struct value *ret);

/* ---- print.c ---- */
bool jinja_print(struct render *r, struct value v, struct buf *out);   /* Python's str() */
bool jinja_repr(struct render *r, struct value v, struct buf *out);
bool jinja_to_text(struct render *r, struct value v, struct str *ret); /* str() as a string */
void jinja_print_float(double f, struct buf *out);
void jinja_escape_html(struct str s, struct buf *out);
struct json_style {
    struct str item_separator, key_separator, indent;
    bool pretty, ensure_ascii, sort_keys;
};
bool jinja_json(struct render *r, struct value v, const struct json_style *style, struct buf *out);

/* ---- eval.c, exec.c, call.c ---- */
bool jinja_eval(struct render *r, const struct node *n, struct value *ret);
/* Makes n items of the loop known, or all where there are fewer. */
bool jinja_loop_reach(struct render *r, struct loop *loop, size_t n);
bool jinja_exec(struct render *r, const struct node_list *body);
/* What the body prints, as a string. */
bool jinja_capture(struct render *r, const struct node_list *body, struct value *ret);
bool jinja_eval_args(struct render *r, const struct node *n, struct args *ret);
bool jinja_call(struct render *r, struct value callee, const struct args *args, struct value *ret);
bool jinja_invoke(struct render *r, const struct builtin *fn, struct value self, const struct args *args,
                  struct value *ret);

/* ---- lib/: NULL when there is none of that name ---- */
const struct builtin *jinja_filter(struct str name);
const struct builtin *jinja_test(struct str name);
const struct builtin *jinja_global(struct str name);
const struct builtin *jinja_method(struct value object, struct str name);
/* Whether Python has that method, but it would change the object. */
bool jinja_method_forbidden(struct value object, struct str name);

#endif
