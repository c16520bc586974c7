/* The tree of a compiled template. It lives in the template's arena and is never written after parsing: any number
 * of threads may render from it. Its height is bounded by the parser, so the evaluator may recurse over it. */
#ifndef RUNG_TEXT_JINJA_AST_H
#define RUNG_TEXT_JINJA_AST_H

#include "text/jinja/value.h"

#define JINJA_FILE "chat template"  /* the name errors give the input */

enum node_kind {
    /* expressions */
    NODE_CONST,      /* value */
    NODE_NAME,       /* name */
    NODE_LIST,       /* list */
    NODE_TUPLE,      /* list */
    NODE_DICT,       /* list: key, value, key, value */
    NODE_NEGATE,     /* -a */
    NODE_POSITIVE,   /* +a */
    NODE_NOT,        /* not a */
    NODE_AND,        /* a and b */
    NODE_OR,         /* a or b */
    NODE_BINARY,     /* a op b */
    NODE_CONCAT,     /* list joined by ~ */
    NODE_COMPARE,    /* a, then operands of the comparisons: list of NODE_OPERAND */
    NODE_OPERAND,    /* op a */
    NODE_COND,       /* b if a else c; c may be NULL */
    NODE_ATTR,       /* a.name */
    NODE_ITEM,       /* a[b] */
    NODE_SLICE,      /* subscript a:b:c, each may be NULL */
    NODE_CALL,       /* a(list, keywords) */
    NODE_FILTER,     /* a | name(list, keywords); a is NULL for the body of a block */
    NODE_TEST,       /* a is [negate: not] name(list, keywords) */
    NODE_KEYWORD,    /* name=a in a call; a parameter and its default (a may be NULL) in a macro */
    /* statements */
    NODE_TEXT,       /* name: the text */
    NODE_PRINT,      /* a */
    NODE_IF,         /* list of NODE_BRANCH */
    NODE_BRANCH,     /* a (NULL: else), body */
    NODE_FOR,        /* for a in b if c: body, else orelse */
    NODE_SET,        /* a = b */
    NODE_SET_BLOCK,  /* a = body | b; b may be NULL */
    NODE_MACRO,      /* name(keywords): body */
    NODE_CALL_BLOCK, /* a: the call; b: NODE_MACRO that is its caller */
    NODE_FILTER_BLOCK, /* b: the filters; body */
    NODE_WITH,       /* list: NODE_SET; body */
    NODE_SCOPE,      /* body */
    NODE_BREAK,
    NODE_CONTINUE,
};

enum node_op {
    OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_FLOORDIV, OP_MOD, OP_POW,
    OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE, OP_IN, OP_NOT_IN,
};

struct node_list {
    struct node **v;
    int n, cap;
};

struct node {
    uint8_t kind, op;
    bool negate;
    int line, col;
    struct str name;
    struct value value;
    struct node *a, *b, *c;
    struct node_list list, keywords, body, orelse;
};

/* Parse source into the body of the template; everything is allocated in *arena. Errors carry line and column. */
bool jinja_parse(struct str source, struct arena *arena, struct node_list *ret_body, struct err *err);

#endif
