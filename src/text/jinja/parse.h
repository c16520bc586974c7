/* What the two halves of the parser share: the position in the tokens, node making, and the nesting limit. */
#ifndef RUNG_TEXT_JINJA_PARSE_H
#define RUNG_TEXT_JINJA_PARSE_H

#include "text/jinja/ast.h"
#include "text/jinja/lexer.h"

#define PARSE_MAX_CHAIN 500  /* links of a chain such as a + b + c or x.y.z: the tree leans by as many levels */

struct parser {
    struct arena *arena;
    const struct token *tokens;
    size_t at;
    int depth;
    int loops;  /* for loops around this place, inside the innermost macro */
    struct err *err;
};

/* ---- parse.c ---- */
static inline const struct token *parse_peek(const struct parser *p) { return &p->tokens[p->at]; }
bool parse_fail(struct parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct node *parse_node(struct parser *p, enum node_kind kind);  /* at the current token; NULL: no memory */
bool parse_append(struct parser *p, struct node_list *list, struct node *n);
bool parse_is_op(const struct parser *p, const char *op);
bool parse_is_name(const struct parser *p, const char *name);
bool parse_skip_op(struct parser *p, const char *op);
bool parse_skip_name(struct parser *p, const char *name);
bool parse_expect_op(struct parser *p, const char *op);
bool parse_name(struct parser *p, struct str *ret_name);
bool parse_enter(struct parser *p);  /* one level deeper; parse_leave on success */
static inline void parse_leave(struct parser *p) { p->depth--; }

/* ---- parse_expr.c ---- */
bool parse_expression(struct parser *p, struct node **ret);
/* One expression, or several with commas, which make a tuple. conditional: `x if y` is taken as one expression. */
bool parse_tuple(struct parser *p, bool conditional, struct node **ret);
/* Names to assign to: a, (a, b), and where attributes is set ns.a. */
bool parse_target(struct parser *p, bool attributes, struct node **ret);
/* Filters of a block, first name already expected: upper|trim. The innermost node has no input. */
bool parse_block_filters(struct parser *p, struct node **ret);

#endif
