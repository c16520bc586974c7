/* The statement half of the parser: text, `{{ }}` and `{% %}` into the tree, and the small helpers both halves use. */
#include "text/jinja/parse.h"

#include <stdarg.h>
#include <stdio.h>

#include "text/template.h"

static bool parse_body(struct parser *p, const char *const *ends, struct node_list *body);

/* ---- helpers ---- */

bool parse_fail(struct parser *p, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    const struct token *t = parse_peek(p);
    return err_at_line(p->err, ERR_INVALID, JINJA_FILE, t->line, t->col, "%s", text);
}

struct node *parse_node(struct parser *p, enum node_kind kind)
{
    struct node *n = arena_new(p->arena, struct node);
    if (!n) {
        err_nomem(p->err, "the chat template");
        return NULL;
    }
    n->kind = (uint8_t)kind;
    n->line = parse_peek(p)->line;
    n->col = parse_peek(p)->col;
    return n;
}

bool parse_append(struct parser *p, struct node_list *list, struct node *n)
{
    if (list->n == list->cap) {
        int cap = list->cap ? list->cap * 2 : 4;
        struct node **grown = arena_array(p->arena, (size_t)cap, sizeof *grown);
        if (!grown)
            return err_nomem(p->err, "the chat template");
        if (list->n)
            memcpy(grown, list->v, (size_t)list->n * sizeof *grown);
        list->v = grown;
        list->cap = cap;
    }
    list->v[list->n++] = n;
    return true;
}

bool parse_is_op(const struct parser *p, const char *op)
{
    const struct token *t = parse_peek(p);
    return t->kind == TOKEN_OP && str_is(t->text, op);
}

bool parse_is_name(const struct parser *p, const char *name)
{
    const struct token *t = parse_peek(p);
    return t->kind == TOKEN_NAME && str_is(t->text, name);
}

bool parse_skip_op(struct parser *p, const char *op)
{
    bool is = parse_is_op(p, op);
    p->at += is;
    return is;
}

bool parse_skip_name(struct parser *p, const char *name)
{
    bool is = parse_is_name(p, name);
    p->at += is;
    return is;
}

bool parse_expect_op(struct parser *p, const char *op)
{
    return parse_skip_op(p, op) || parse_fail(p, "'%s' is missing here", op);
}

bool parse_name(struct parser *p, struct str *ret_name)
{
    const struct token *t = parse_peek(p);
    if (t->kind != TOKEN_NAME)
        return parse_fail(p, "a name is missing here");
    *ret_name = t->text;
    p->at++;
    return true;
}

bool parse_enter(struct parser *p)
{
    if (++p->depth <= TEMPLATE_MAX_DEPTH)
        return true;
    const struct token *t = parse_peek(p);
    return err_at_line(p->err, ERR_LIMIT, JINJA_FILE, t->line, t->col, "the template is nested deeper than %d",
                       TEMPLATE_MAX_DEPTH);
}

static bool expect_block_end(struct parser *p)
{
    if (parse_peek(p)->kind != TOKEN_BLOCK_END)
        return parse_fail(p, "'%%}' is missing here");
    p->at++;
    return true;
}

/* ---- statements; each is called with its word consumed ---- */

static bool parse_for(struct parser *p, struct node *n)
{
    static const char *const first[] = {"else", "endfor", NULL}, *const last[] = {"endfor", NULL};
    if (!parse_target(p, false, &n->a))
        return false;
    if (!parse_skip_name(p, "in"))
        return parse_fail(p, "'in' is missing here");
    if (!parse_tuple(p, false, &n->b) || (parse_skip_name(p, "if") && !parse_expression(p, &n->c)))
        return false;
    if (parse_is_name(p, "recursive"))
        return parse_fail(p, "recursive loops are not supported");
    p->loops++;
    if (!expect_block_end(p) || !parse_body(p, first, &n->body))
        return false;
    p->loops--;
    if (parse_skip_name(p, "else") && (!expect_block_end(p) || !parse_body(p, last, &n->orelse)))
        return false;
    p->at++;
    return true;
}

static bool parse_if(struct parser *p, struct node *n)
{
    static const char *const ends[] = {"elif", "else", "endif", NULL}, *const last[] = {"endif", NULL};
    bool more = true;
    while (more) {
        struct node *branch = parse_node(p, NODE_BRANCH);
        if (!branch || !parse_append(p, &n->list, branch) || !parse_tuple(p, false, &branch->a) ||
            !expect_block_end(p) || !parse_body(p, ends, &branch->body))
            return false;
        more = parse_skip_name(p, "elif");
    }
    if (parse_skip_name(p, "else")) {
        struct node *branch = parse_node(p, NODE_BRANCH);
        if (!branch || !parse_append(p, &n->list, branch) || !expect_block_end(p) ||
            !parse_body(p, last, &branch->body))
            return false;
    }
    p->at++;
    return true;
}

static bool parse_set(struct parser *p, struct node *n)
{
    static const char *const ends[] = {"endset", NULL};
    if (!parse_target(p, true, &n->a))
        return false;
    if (parse_skip_op(p, "="))
        return parse_tuple(p, true, &n->b);
    n->kind = NODE_SET_BLOCK;
    if (parse_skip_op(p, "|") && !parse_block_filters(p, &n->b))
        return false;
    if (!expect_block_end(p) || !parse_body(p, ends, &n->body))
        return false;
    p->at++;
    return true;
}

/* (a, b=default) of a macro or a caller. */
static bool parse_parameters(struct parser *p, struct node *macro)
{
    if (!parse_expect_op(p, "("))
        return false;
    bool defaults = false;
    while (!parse_skip_op(p, ")")) {
        if (macro->keywords.n > 0 && !parse_expect_op(p, ","))
            return false;
        if (parse_skip_op(p, ")"))
            return true;
        struct node *parameter = parse_node(p, NODE_KEYWORD);
        if (!parameter || !parse_name(p, &parameter->name) || !parse_append(p, &macro->keywords, parameter))
            return false;
        if (parse_skip_op(p, "=")) {
            defaults = true;
            if (!parse_expression(p, &parameter->a))
                return false;
        } else if (defaults) {
            return parse_fail(p, "a parameter without a default follows one with a default");
        }
    }
    return true;
}

static bool parse_macro_body(struct parser *p, const char *end, struct node *macro)
{
    const char *const ends[] = {end, NULL};
    int loops = p->loops;
    p->loops = 0;
    if (!expect_block_end(p) || !parse_body(p, ends, &macro->body))
        return false;
    p->loops = loops;
    p->at++;
    return true;
}

static bool parse_macro(struct parser *p, struct node *n)
{
    return parse_name(p, &n->name) && parse_parameters(p, n) && parse_macro_body(p, "endmacro", n);
}

static bool parse_call_block(struct parser *p, struct node *n)
{
    n->b = parse_node(p, NODE_MACRO);
    if (!n->b || (parse_is_op(p, "(") && !parse_parameters(p, n->b)) || !parse_expression(p, &n->a))
        return false;
    if (n->a->kind != NODE_CALL)
        return parse_fail(p, "a call block needs the call of a macro");
    n->b->name = STR("caller");
    return parse_macro_body(p, "endcall", n->b);
}

static bool parse_filter_block(struct parser *p, struct node *n)
{
    static const char *const ends[] = {"endfilter", NULL};
    if (!parse_block_filters(p, &n->b) || !expect_block_end(p) || !parse_body(p, ends, &n->body))
        return false;
    p->at++;
    return true;
}

static bool parse_with(struct parser *p, struct node *n)
{
    static const char *const ends[] = {"endwith", NULL};
    while (parse_peek(p)->kind != TOKEN_BLOCK_END) {
        struct node *set;
        if (n->list.n > 0 && !parse_expect_op(p, ","))
            return false;
        set = parse_node(p, NODE_SET);
        if (!set || !parse_target(p, false, &set->a) || !parse_expect_op(p, "=") || !parse_expression(p, &set->b) ||
            !parse_append(p, &n->list, set))
            return false;
    }
    if (!expect_block_end(p) || !parse_body(p, ends, &n->body))
        return false;
    p->at++;
    return true;
}

/* Marks what the model wrote, for training; here only a scope. */
static bool parse_generation(struct parser *p, struct node *n)
{
    static const char *const ends[] = {"endgeneration", NULL};
    if (!expect_block_end(p) || !parse_body(p, ends, &n->body))
        return false;
    p->at++;
    return true;
}

static bool parse_jump(struct parser *p, struct node *n)
{
    (void)n;
    return p->loops > 0 || parse_fail(p, "break and continue are only allowed in a loop");
}

static const struct statement {
    const char *word;
    enum node_kind kind;
    bool (*parse)(struct parser *p, struct node *n);
} statements[] = {
    {"if", NODE_IF, parse_if},
    {"for", NODE_FOR, parse_for},
    {"set", NODE_SET, parse_set},
    {"macro", NODE_MACRO, parse_macro},
    {"call", NODE_CALL_BLOCK, parse_call_block},
    {"filter", NODE_FILTER_BLOCK, parse_filter_block},
    {"with", NODE_WITH, parse_with},
    {"generation", NODE_SCOPE, parse_generation},
    {"break", NODE_BREAK, parse_jump},
    {"continue", NODE_CONTINUE, parse_jump},
};

static bool parse_statement(struct parser *p, struct node_list *body)
{
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        const struct statement *s = &statements[i];
        if (!parse_is_name(p, s->word))
            continue;
        struct node *n = parse_node(p, s->kind);
        p->at++;
        if (!n || !parse_enter(p) || !s->parse(p, n))
            return false;
        parse_leave(p);
        return expect_block_end(p) && parse_append(p, body, n);
    }
    const struct token *t = parse_peek(p);
    if (t->kind != TOKEN_NAME)
        return parse_fail(p, "a block must start with a word such as if, for or set");
    if (str_is(t->text, "include") || str_is(t->text, "import") || str_is(t->text, "from") ||
        str_is(t->text, "extends") || str_is(t->text, "block"))
        return parse_fail(p, "'" STR_FMT "' is not supported: a chat template stands alone", STR_ARG(t->text));
    return parse_fail(p, "unknown or unexpected block '" STR_FMT "'", STR_ARG(utf8_clip(t->text, 60)));
}

static bool at_end_word(const struct parser *p, const char *const *ends)
{
    for (; *ends; ends++)
        if (parse_is_name(p, *ends))
            return true;
    return false;
}

/* Up to a block that starts with one of the words in `ends`, whose opening and not whose word is consumed; for the
 * outermost body, which has no such words, up to the end. */
static bool parse_body(struct parser *p, const char *const *ends, struct node_list *body)
{
    for (;;) {
        const struct token *t = parse_peek(p);
        struct node *n;
        switch (t->kind) {
        case TOKEN_TEXT:
            n = parse_node(p, NODE_TEXT);
            if (!n || !parse_append(p, body, n))
                return false;
            n->name = t->text;
            p->at++;
            break;
        case TOKEN_PRINT_BEGIN:
            n = parse_node(p, NODE_PRINT);
            p->at++;
            if (!n || !parse_tuple(p, true, &n->a) || !parse_append(p, body, n))
                return false;
            if (parse_peek(p)->kind != TOKEN_PRINT_END)
                return parse_fail(p, "'}}' is missing here");
            p->at++;
            break;
        case TOKEN_BLOCK_BEGIN:
            p->at++;
            if (at_end_word(p, ends))
                return true;
            if (!parse_statement(p, body))
                return false;
            break;
        default:
            return !ends[0] || parse_fail(p, "the template ends, but '%s' is missing", ends[0]);
        }
    }
}

bool jinja_parse(struct str source, struct arena *arena, struct node_list *ret_body, struct err *err)
{
    static const char *const no_ends[] = {NULL};
    struct token *tokens;
    size_t n;
    if (!jinja_lex(source, arena, &tokens, &n, err))
        return false;
    struct parser p = {.arena = arena, .tokens = tokens, .err = err};
    struct node_list body = {0};
    if (!parse_body(&p, no_ends, &body))
        return false;
    *ret_body = body;
    return true;
}
