/* The expression half of the parser: precedence climbing as Jinja's grammar has it, from `if` expressions down to
 * names and literals. Statements are in parse.c. */
#include "text/jinja/parse.h"

typedef bool parse_fn(struct parser *p, struct node **ret);

static bool parse_unary(struct parser *p, bool with_filter, struct node **ret);

static bool count_link(struct parser *p, int *links)
{
    return ++*links <= PARSE_MAX_CHAIN || parse_fail(p, "an expression has more than %d links", PARSE_MAX_CHAIN);
}

/* A node of the kind, made of one operand more. */
static struct node *wrap(struct parser *p, enum node_kind kind, struct node *a)
{
    struct node *n = parse_node(p, kind);
    if (n)
        n->a = a;
    return n;
}

/* The binary operator at the current token among those given; -1 when none. */
static int binary_op(const struct parser *p, const char *const *names, const enum node_op *ops, int n)
{
    for (int i = 0; i < n; i++)
        if (parse_is_op(p, names[i]))
            return (int)ops[i];
    return -1;
}

static bool parse_binary(struct parser *p, parse_fn *operand, const char *const *names, const enum node_op *ops,
                         int n_ops, struct node **ret)
{
    int links = 0, op;
    if (!operand(p, ret))
        return false;
    while ((op = binary_op(p, names, ops, n_ops)) >= 0) {
        struct node *n = wrap(p, NODE_BINARY, *ret);
        if (!n || !count_link(p, &links))
            return false;
        n->op = (uint8_t)op;
        p->at++;
        if (!operand(p, &n->b))
            return false;
        *ret = n;
    }
    return true;
}

static bool parse_signed(struct parser *p, struct node **ret)
{
    return parse_unary(p, true, ret);
}

static bool parse_pow(struct parser *p, struct node **ret)
{
    static const char *const names[] = {"**"};
    static const enum node_op ops[] = {OP_POW};
    return parse_binary(p, parse_signed, names, ops, 1, ret);
}

static bool parse_product(struct parser *p, struct node **ret)
{
    static const char *const names[] = {"*", "/", "//", "%"};
    static const enum node_op ops[] = {OP_MUL, OP_DIV, OP_FLOORDIV, OP_MOD};
    return parse_binary(p, parse_pow, names, ops, 4, ret);
}

static bool parse_concat(struct parser *p, struct node **ret)
{
    if (!parse_product(p, ret))
        return false;
    if (!parse_is_op(p, "~"))
        return true;
    struct node *n = parse_node(p, NODE_CONCAT), *next;
    if (!n || !parse_append(p, &n->list, *ret))
        return false;
    while (parse_skip_op(p, "~"))
        if (!parse_product(p, &next) || !parse_append(p, &n->list, next))
            return false;
    *ret = n;
    return true;
}

static bool parse_sum(struct parser *p, struct node **ret)
{
    static const char *const names[] = {"+", "-"};
    static const enum node_op ops[] = {OP_ADD, OP_SUB};
    return parse_binary(p, parse_concat, names, ops, 2, ret);
}

/* A comparison operator, consumed; -1 when there is none. */
static int compare_op(struct parser *p)
{
    static const char *const names[] = {"==", "!=", "<=", "<", ">=", ">"};
    static const enum node_op ops[] = {OP_EQ, OP_NE, OP_LE, OP_LT, OP_GE, OP_GT};
    int op = binary_op(p, names, ops, 6);
    if (op >= 0) {
        p->at++;
        return op;
    }
    if (parse_skip_name(p, "in"))
        return OP_IN;
    const struct token *next = parse_peek(p) + 1;
    if (parse_is_name(p, "not") && next->kind == TOKEN_NAME && str_is(next->text, "in")) {
        p->at += 2;
        return OP_NOT_IN;
    }
    return -1;
}

static bool parse_compare(struct parser *p, struct node **ret)
{
    struct node *chain = NULL;
    if (!parse_sum(p, ret))
        return false;
    for (int op; (op = compare_op(p)) >= 0;) {
        if (!chain && !(chain = wrap(p, NODE_COMPARE, *ret)))
            return false;
        struct node *operand = parse_node(p, NODE_OPERAND);
        if (!operand || !parse_sum(p, &operand->a) || !parse_append(p, &chain->list, operand))
            return false;
        operand->op = (uint8_t)op;
    }
    if (chain)
        *ret = chain;
    return true;
}

static bool parse_not(struct parser *p, struct node **ret)
{
    if (!parse_is_name(p, "not"))
        return parse_compare(p, ret);
    struct node *n = parse_node(p, NODE_NOT);
    p->at++;
    if (!n || !parse_enter(p) || !parse_not(p, &n->a))
        return false;
    parse_leave(p);
    *ret = n;
    return true;
}

static bool parse_logic(struct parser *p, parse_fn *operand, const char *word, enum node_kind kind, struct node **ret)
{
    int links = 0;
    if (!operand(p, ret))
        return false;
    while (parse_is_name(p, word)) {
        struct node *n = wrap(p, kind, *ret);
        p->at++;
        if (!n || !count_link(p, &links) || !operand(p, &n->b))
            return false;
        *ret = n;
    }
    return true;
}

static bool parse_and(struct parser *p, struct node **ret)
{
    return parse_logic(p, parse_not, "and", NODE_AND, ret);
}

static bool parse_or(struct parser *p, struct node **ret)
{
    return parse_logic(p, parse_and, "or", NODE_OR, ret);
}

bool parse_expression(struct parser *p, struct node **ret)
{
    struct node *n;
    int links = 0;
    if (!parse_enter(p) || !parse_or(p, ret))
        return false;
    while (parse_is_name(p, "if")) {
        n = parse_node(p, NODE_COND);
        p->at++;
        if (!n || !count_link(p, &links) || !parse_or(p, &n->a))
            return false;
        n->b = *ret;
        if (parse_skip_name(p, "else") && !parse_expression(p, &n->c))
            return false;
        *ret = n;
    }
    parse_leave(p);
    return true;
}

/* Whether a tuple ends here: nothing more may follow the last comma. */
static bool at_tuple_end(const struct parser *p)
{
    enum token_kind kind = parse_peek(p)->kind;
    return kind == TOKEN_PRINT_END || kind == TOKEN_BLOCK_END || parse_is_op(p, ")") || parse_is_op(p, "=") ||
           parse_is_name(p, "in");
}

static bool parse_or_nested(struct parser *p, struct node **ret)
{
    if (!parse_enter(p) || !parse_or(p, ret))
        return false;
    parse_leave(p);
    return true;
}

bool parse_tuple(struct parser *p, bool conditional, struct node **ret)
{
    parse_fn *one = conditional ? parse_expression : parse_or_nested;
    if (!one(p, ret))
        return false;
    if (!parse_is_op(p, ","))
        return true;
    struct node *n = parse_node(p, NODE_TUPLE), *item;
    if (!n || !parse_append(p, &n->list, *ret))
        return false;
    while (parse_skip_op(p, ",") && !at_tuple_end(p))
        if (!one(p, &item) || !parse_append(p, &n->list, item))
            return false;
    *ret = n;
    return true;
}

static bool parse_target_one(struct parser *p, bool attributes, struct node **ret)
{
    if (parse_skip_op(p, "(")) {
        if (!parse_enter(p) || !parse_target(p, attributes, ret) || !parse_expect_op(p, ")"))
            return false;
        parse_leave(p);
        return true;
    }
    struct node *n = parse_node(p, NODE_NAME);
    if (!n || !parse_name(p, &n->name))
        return false;
    *ret = n;
    if (attributes && parse_skip_op(p, ".")) {
        struct node *attr = wrap(p, NODE_ATTR, n);
        if (!attr || !parse_name(p, &attr->name))
            return false;
        *ret = attr;
    }
    return true;
}

bool parse_target(struct parser *p, bool attributes, struct node **ret)
{
    if (!parse_target_one(p, attributes, ret))
        return false;
    if (!parse_is_op(p, ","))
        return true;
    struct node *n = parse_node(p, NODE_TUPLE), *item;
    if (!n || !parse_append(p, &n->list, *ret))
        return false;
    while (parse_skip_op(p, ",") && !at_tuple_end(p))
        if (!parse_target_one(p, attributes, &item) || !parse_append(p, &n->list, item))
            return false;
    *ret = n;
    return true;
}

/* ---- primaries ---- */

/* Items between brackets up to `close`, the opening one consumed. pairs: key: value. */
static bool parse_items(struct parser *p, const char *close, bool pairs, struct node *into)
{
    struct node *item;
    while (!parse_skip_op(p, close)) {
        if (into->list.n > 0 && !parse_expect_op(p, ","))
            return false;
        if (parse_skip_op(p, close))
            return true;
        if (!parse_expression(p, &item) || !parse_append(p, &into->list, item))
            return false;
        if (pairs && (!parse_expect_op(p, ":") || !parse_expression(p, &item) || !parse_append(p, &into->list, item)))
            return false;
    }
    return true;
}

static bool parse_paren(struct parser *p, struct node **ret)
{
    struct node *empty = parse_node(p, NODE_TUPLE);
    p->at++;
    if (!empty)
        return false;
    if (parse_skip_op(p, ")")) {
        *ret = empty;
        return true;
    }
    return parse_tuple(p, true, ret) && parse_expect_op(p, ")");
}

static bool parse_word(struct parser *p, struct node **ret)
{
    struct node *n = parse_node(p, NODE_CONST);
    if (!n)
        return false;
    struct str word = parse_peek(p)->text;
    p->at++;
    if (str_is(word, "true") || str_is(word, "True")) {
        n->value = value_bool(true);
    } else if (str_is(word, "false") || str_is(word, "False")) {
        n->value = value_bool(false);
    } else if (str_is(word, "none") || str_is(word, "None")) {
        n->value = value_none();
    } else {
        n->kind = NODE_NAME;
        n->name = word;
    }
    *ret = n;
    return true;
}

/* Adjacent string literals are one string. */
static bool parse_strings(struct parser *p, struct node **ret)
{
    struct node *n = parse_node(p, NODE_CONST);
    if (!n)
        return false;
    struct str s = parse_peek(p)->text;
    p->at++;
    while (parse_peek(p)->kind == TOKEN_STRING) {
        struct str next = parse_peek(p)->text;
        char *both = arena_alloc(p->arena, s.n + next.n + 1);
        if (!both)
            return err_nomem(p->err, "a string of the chat template");
        memcpy(both, s.p, s.n);
        memcpy(both + s.n, next.p, next.n);
        s = (struct str){both, s.n + next.n};
        p->at++;
    }
    n->value = value_str(s);
    *ret = n;
    return true;
}

static bool parse_primary(struct parser *p, struct node **ret)
{
    const struct token *t = parse_peek(p);
    if (t->kind == TOKEN_NAME)
        return parse_word(p, ret);
    if (t->kind == TOKEN_STRING)
        return parse_strings(p, ret);
    if (parse_is_op(p, "("))
        return parse_paren(p, ret);
    bool list = parse_is_op(p, "["), dict = parse_is_op(p, "{");
    if (t->kind != TOKEN_INT && t->kind != TOKEN_FLOAT && !list && !dict)
        return parse_fail(p, "an expression is missing here");
    struct node *n = parse_node(p, list ? NODE_LIST : dict ? NODE_DICT : NODE_CONST);
    p->at++;
    if (!n)
        return false;
    *ret = n;
    if (list || dict)
        return parse_items(p, list ? "]" : "}", dict, n);
    n->value = t->kind == TOKEN_INT ? value_int(t->i) : value_float(t->f);
    return true;
}

/* ---- what follows a primary: attributes, subscripts, calls, filters, tests ---- */

/* One part of a subscript: an expression or a slice. */
static bool parse_subscript(struct parser *p, struct node **ret)
{
    struct node *parts[3] = {0}, *n = parse_node(p, NODE_SLICE);
    int at = 0;
    bool slice = false;
    if (!n)
        return false;
    while (!parse_is_op(p, "]") && !parse_is_op(p, ",")) {
        if (parse_skip_op(p, ":")) {
            slice = true;
            if (++at > 2)
                return parse_fail(p, "a slice has more than three parts");
        } else if (parts[at]) {
            return parse_fail(p, "']' is missing here");
        } else if (!parse_expression(p, &parts[at])) {
            return false;
        }
    }
    if (!slice) {
        *ret = parts[0];
        return parts[0] || parse_fail(p, "a subscript is missing here");
    }
    n->a = parts[0];
    n->b = parts[1];
    n->c = parts[2];
    *ret = n;
    return true;
}

static bool parse_bracket(struct parser *p, struct node **ret)
{
    struct node *n = wrap(p, NODE_ITEM, *ret), *part;
    p->at++;
    if (!n || !parse_subscript(p, &n->b))
        return false;
    if (parse_is_op(p, ",")) {
        struct node *tuple = parse_node(p, NODE_TUPLE);
        if (!tuple || !parse_append(p, &tuple->list, n->b))
            return false;
        while (parse_skip_op(p, ","))
            if (!parse_subscript(p, &part) || !parse_append(p, &tuple->list, part))
                return false;
        n->b = tuple;
    }
    *ret = n;
    return parse_expect_op(p, "]");
}

static bool parse_dot(struct parser *p, struct node **ret)
{
    struct node *n = wrap(p, NODE_ATTR, *ret);
    p->at++;
    if (!n)
        return false;
    *ret = n;
    const struct token *t = parse_peek(p);
    if (t->kind != TOKEN_INT)
        return parse_name(p, &n->name);
    n->kind = NODE_ITEM;
    n->b = parse_node(p, NODE_CONST);
    p->at++;
    if (!n->b)
        return false;
    n->b->value = value_int(t->i);
    return true;
}

/* Arguments of a call, the opening parenthesis at hand. */
static bool parse_arguments(struct parser *p, struct node *call)
{
    if (!parse_expect_op(p, "("))
        return false;
    while (!parse_skip_op(p, ")")) {
        struct node *arg;
        if ((call->list.n || call->keywords.n) && !parse_expect_op(p, ","))
            return false;
        if (parse_skip_op(p, ")"))
            return true;
        if (parse_is_op(p, "*") || parse_is_op(p, "**"))
            return parse_fail(p, "arguments unpacked with * or ** are not supported");
        const struct token *next = parse_peek(p) + 1;
        if (parse_peek(p)->kind == TOKEN_NAME && next->kind == TOKEN_OP && str_is(next->text, "=")) {
            struct node *keyword = parse_node(p, NODE_KEYWORD);
            if (!keyword || !parse_name(p, &keyword->name) || !parse_expect_op(p, "=") ||
                !parse_expression(p, &keyword->a) || !parse_append(p, &call->keywords, keyword))
                return false;
        } else if (call->keywords.n > 0) {
            return parse_fail(p, "an argument without a name follows one with a name");
        } else if (!parse_expression(p, &arg) || !parse_append(p, &call->list, arg)) {
            return false;
        }
    }
    return true;
}

static bool parse_call(struct parser *p, struct node **ret)
{
    struct node *n = wrap(p, NODE_CALL, *ret);
    if (!n || !parse_arguments(p, n))
        return false;
    *ret = n;
    return true;
}

static bool parse_postfix(struct parser *p, struct node **ret)
{
    for (int links = 0;;) {
        parse_fn *next = parse_is_op(p, ".") ? parse_dot : parse_is_op(p, "[") ? parse_bracket
                         : parse_is_op(p, "(") ? parse_call : NULL;
        if (!next)
            return true;
        if (!count_link(p, &links) || !next(p, ret))
            return false;
    }
}

/* A filter's name and arguments, the `|` consumed. */
static bool parse_filter(struct parser *p, struct node **ret)
{
    struct node *n = wrap(p, NODE_FILTER, *ret);
    if (!n || !parse_name(p, &n->name))
        return false;
    *ret = n;
    return !parse_is_op(p, "(") || parse_arguments(p, n);
}

/* Whether a test's single argument without parentheses starts here: `x is divisibleby 3`. */
static bool at_bare_argument(const struct parser *p)
{
    enum token_kind kind = parse_peek(p)->kind;
    static const char *const words[] = {"else", "or", "and", "if", "is", "in", "not"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (parse_is_name(p, words[i]))
            return false;
    return kind == TOKEN_NAME || kind == TOKEN_STRING || kind == TOKEN_INT || kind == TOKEN_FLOAT ||
           parse_is_op(p, "[") || parse_is_op(p, "{");
}

static bool parse_test(struct parser *p, struct node **ret)
{
    struct node *n = wrap(p, NODE_TEST, *ret), *arg;
    if (!n)
        return false;
    n->negate = parse_skip_name(p, "not");
    if (!parse_name(p, &n->name))
        return false;
    *ret = n;
    if (parse_is_op(p, "("))
        return parse_arguments(p, n);
    if (!at_bare_argument(p))
        return true;
    return parse_enter(p) && parse_primary(p, &arg) && parse_postfix(p, &arg) && parse_append(p, &n->list, arg) &&
           (parse_leave(p), true);
}

static bool parse_filters(struct parser *p, struct node **ret)
{
    for (int links = 0;;) {
        if (!count_link(p, &links))
            return false;
        if (parse_skip_op(p, "|")) {
            if (!parse_filter(p, ret))
                return false;
        } else if (parse_skip_name(p, "is")) {
            if (!parse_test(p, ret))
                return false;
        } else if (links > 1 && parse_is_op(p, "(")) {
            if (!parse_call(p, ret))
                return false;
        } else {
            return true;
        }
    }
}

static bool parse_unary(struct parser *p, bool with_filter, struct node **ret)
{
    bool minus = parse_is_op(p, "-");
    if (minus || parse_is_op(p, "+")) {
        struct node *n = parse_node(p, minus ? NODE_NEGATE : NODE_POSITIVE);
        p->at++;
        if (!n || !parse_enter(p) || !parse_unary(p, false, &n->a))
            return false;
        parse_leave(p);
        *ret = n;
    } else if (!parse_primary(p, ret)) {
        return false;
    }
    return parse_postfix(p, ret) && (!with_filter || parse_filters(p, ret));
}

bool parse_block_filters(struct parser *p, struct node **ret)
{
    int links = 0;
    *ret = NULL;
    do {
        if (!count_link(p, &links) || !parse_filter(p, ret))
            return false;
    } while (parse_skip_op(p, "|"));
    return true;
}
