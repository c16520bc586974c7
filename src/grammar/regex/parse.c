/* Reading a regular expression into a tree: what stands one after another, side by side, again and again, and in
 * groups. Escapes and classes are parse_class.c's. What is written in another dialect than ours is refused here, with
 * the place and, where there is one, another way to say it. */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#include "grammar/regex/syntax.h"

#define COUNT_DIGITS_MAX 7
#define TEXT_JOIN_MAX 64   /* bytes of text in one node; it is joined one by one, so longer ones are several */

bool syntax_fail(size_t at, enum err_code code, struct err *err, const char *fmt, ...)
{
    char what[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return err_at_offset(err, code, "regular expression", (int64_t)at, "%s", what);
}

static bool no_room(size_t at, struct err *err)
{
    return syntax_fail(at, ERR_LIMIT, err, "the expression needs more than %zu MiB", REGEX_MAX_MEMORY >> 20);
}

static struct node *add_node(struct parse *p, enum node_kind kind, size_t at, struct err *err)
{
    struct node *node = arena_new(p->arena, struct node);
    if (!node) {
        no_room(at, err);
        return NULL;
    }
    node->kind = kind;
    node->at = at;
    if (kind >= NODE_START)
        node->looks = kind == NODE_START || kind == NODE_END ? LOOKS_ANCHORS : LOOKS_FURTHER;
    return node;
}

static bool add_child(struct parse *p, struct node *node, struct node *child, struct err *err)
{
    if (node->n == node->cap) {
        int cap = node->cap ? node->cap * 2 : 4;
        struct node **children = arena_array(p->arena, (size_t)cap, sizeof *children);
        if (!children)
            return no_room(child->at, err);
        if (node->n > 0)
            memcpy(children, node->children, (size_t)node->n * sizeof *children);
        node->children = children;
        node->cap = cap;
    }
    node->children[node->n++] = child;
    node->looks |= child->looks;
    return true;
}

static struct node *add_ranges(struct parse *p, size_t at, struct ranges ranges, struct err *err)
{
    struct node *node = add_node(p, NODE_CLASS, at, err);
    p->n_ranges += ranges.n;
    if (p->n_ranges > REGEX_MAX_RANGES) {
        syntax_fail(at, ERR_LIMIT, err, "the classes have more than %d ranges of characters", REGEX_MAX_RANGES);
        return NULL;
    }
    if (node)
        node->ranges = ranges;
    return node;
}

static struct node *add_code_point(struct parse *p, size_t at, uint32_t code_point, struct err *err)
{
    struct ranges ranges = {0};
    char utf8[4];
    if (p->fold && !parse_folded(p, code_point, &ranges, err))
        return NULL;
    if (ranges.n > 0)
        return add_ranges(p, at, ranges, err);
    struct node *node = add_node(p, NODE_TEXT, at, err);
    if (!node)
        return NULL;
    node->text = arena_str(p->arena, (struct str){utf8, (size_t)utf8_encode(code_point, utf8)});
    if (!node->text.p)
        no_room(at, err);
    return node->text.p ? node : NULL;
}

/* ---- again and again ---- */

static bool parse_number(struct parse *p, int *ret)
{
    int value = 0, digits = 0;
    for (; p->at < p->pattern.n && p->pattern.p[p->at] >= '0' && p->pattern.p[p->at] <= '9'; p->at++, digits++)
        value = digits < COUNT_DIGITS_MAX ? value * 10 + p->pattern.p[p->at] - '0' : INT_MAX;
    *ret = value;
    return digits > 0;
}

/* {n}, {n,} or {n,m}; anything else after a brace is a brace. */
static bool parse_counts(struct parse *p, int *ret_min, int *ret_max)
{
    size_t at = p->at++;
    bool ok = parse_number(p, ret_min);
    *ret_max = *ret_min;
    if (ok && parse_at(p, ",")) {
        p->at++;
        if (!parse_number(p, ret_max))
            *ret_max = EXPR_UNBOUNDED;
    }
    ok = ok && parse_at(p, "}");
    p->at = ok ? p->at + 1 : at;
    return ok;
}

static bool parse_quantifier(struct parse *p, int *ret_min, int *ret_max)
{
    *ret_min = parse_at(p, "+") ? 1 : 0;
    *ret_max = parse_at(p, "?") ? 1 : EXPR_UNBOUNDED;
    if (parse_at(p, "{"))
        return parse_counts(p, ret_min, ret_max);
    if (!parse_at(p, "*") && !parse_at(p, "+") && !parse_at(p, "?"))
        return false;
    p->at++;
    return true;
}

/* The item with what stands behind it: *, +, ?, {n,m}, each perhaps lazy, which changes nothing of what matches. */
static struct node *parse_repeated(struct parse *p, struct node *item, struct err *err)
{
    int min, max;
    size_t at = p->at;
    if (!parse_quantifier(p, &min, &max))
        return item;
    if (item->kind >= NODE_START) {
        syntax_fail(at, ERR_INVALID, err, "there is nothing to repeat before this");
        return NULL;
    }
    if (min > EXPR_MAX_REPEAT || max > EXPR_MAX_REPEAT || (max != EXPR_UNBOUNDED && max < min)) {
        syntax_fail(at, min > EXPR_MAX_REPEAT || max > EXPR_MAX_REPEAT ? ERR_LIMIT : ERR_INVALID, err,
                   "a count must be from 0 to %d, and the second not below the first", EXPR_MAX_REPEAT);
        return NULL;
    }
    if (parse_at(p, "?"))
        p->at++;
    if (parse_at(p, "+")) {
        syntax_fail(p->at, ERR_UNSUPPORTED, err, "possessive repetition is not supported; leave the '+' out");
        return NULL;
    }
    struct node *repeat = add_node(p, NODE_REPEAT, at, err);
    if (!repeat || !add_child(p, repeat, item, err))
        return NULL;
    repeat->min = min;
    repeat->max = max;
    int again_min, again_max;
    at = p->at;
    if (parse_quantifier(p, &again_min, &again_max)) {
        syntax_fail(at, ERR_INVALID, err, "there is nothing to repeat before this; group what is repeated already");
        return NULL;
    }
    return repeat;
}

/* ---- groups ---- */

static struct node *parse_choice(struct parse *p, struct err *err);

/* (?i) or (?s-i: ... : letters switched on, then off. Stops at what is no letter of ours. */
static void parse_flags(struct parse *p)
{
    bool on = true;
    for (; p->at < p->pattern.n; p->at++) {
        char c = p->pattern.p[p->at];
        if (c == '-' && on)
            on = false;
        else if (c == 'i')
            p->fold = on;
        else if (c == 's')
            p->dot_all = on;
        else if (c != 'u')
            return;
    }
}

/* (?<name> and (?P<name>. */
static bool parse_group_name(struct parse *p, struct err *err)
{
    size_t at = p->at;
    p->at += parse_at(p, "P<") ? 2 : 1;
    while (p->at < p->pattern.n && p->pattern.p[p->at] != '>' && p->pattern.p[p->at] != ')')
        p->at++;
    if (!parse_at(p, ">"))
        return syntax_fail(at, ERR_INVALID, err, "the name of this group has no '>' behind it");
    p->at++;
    return true;
}

/* What may stand behind "(?"; p->at moves to the group's content. *ret_flags_only: there is none, it was "(?i)". */
static bool parse_group_head(struct parse *p, enum node_kind *ret_kind, bool *ret_flags_only, struct err *err)
{
    size_t at = p->at - 2;
    if (parse_at(p, "=") || parse_at(p, "!")) {
        *ret_kind = parse_at(p, "=") ? NODE_AHEAD : NODE_NOT_AHEAD;
        p->at++;
        return true;
    }
    if (parse_at(p, "<=") || parse_at(p, "<!"))
        return syntax_fail(at, ERR_UNSUPPORTED, err,
                          "look-behind is not supported; say what comes before as part of the expression");
    if (parse_at(p, "<") || parse_at(p, "P<"))
        return parse_group_name(p, err);
    if (parse_at(p, ">"))
        return syntax_fail(at, ERR_UNSUPPORTED, err, "atomic groups are not supported; write (?: instead of (?>");
    parse_flags(p);
    if (!parse_at(p, ":") && !parse_at(p, ")"))
        return syntax_fail(at, ERR_UNSUPPORTED, err,
                          "this kind of group is not supported; there are ( (?: (?<name> (?= (?! (?i) and (?s)");
    *ret_flags_only = parse_at(p, ")");
    p->at += *ret_flags_only ? 0 : 1;
    return true;
}

/* p->at stands on '('. Flags set inside end with the group; "(?i)" itself sets them for the rest of the one around
 * it. */
static struct node *parse_group(struct parse *p, struct err *err)
{
    size_t at = p->at++;
    enum node_kind kind = NODE_SEQUENCE;
    bool fold = p->fold, dot_all = p->dot_all, flags_only = false;
    if (parse_at(p, "*")) {
        syntax_fail(at, ERR_UNSUPPORTED, err, "verbs such as (*FAIL) are not supported; leave this out");
        return NULL;
    }
    if (parse_at(p, "?")) {
        p->at++;
        if (!parse_group_head(p, &kind, &flags_only, err))
            return NULL;
    }
    struct node *content = flags_only ? add_node(p, NODE_SEQUENCE, at, err) : parse_choice(p, err);
    if (!content)
        return NULL;
    if (!parse_at(p, ")")) {
        syntax_fail(at, ERR_INVALID, err, "this group has no ')' behind it");
        return NULL;
    }
    p->at++;
    if (!flags_only) {
        p->fold = fold;
        p->dot_all = dot_all;
    }
    if (kind == NODE_SEQUENCE && content->kind < NODE_START)
        return content;
    struct node *group = add_node(p, kind, at, err);
    return group && add_child(p, group, content, err) ? group : NULL;
}

/* ---- one after another, side by side ---- */

/* Anchors and boundaries; *ret NULL where none stands here. */
static bool parse_anchor(struct parse *p, struct node **ret, struct err *err)
{
    static const struct {
        const char *text;
        enum node_kind kind;
    } anchors[] = {
        {"^", NODE_START},     {"\\A", NODE_START},      {"$", NODE_END},
        {"\\z", NODE_END},     {"\\Z", NODE_END},        {"\\b", NODE_BOUNDARY},
        {"\\B", NODE_NO_BOUNDARY},
    };
    *ret = NULL;
    for (size_t i = 0; i < sizeof anchors / sizeof *anchors; i++) {
        if (!parse_at(p, anchors[i].text))
            continue;
        *ret = add_node(p, anchors[i].kind, p->at, err);
        p->at += strlen(anchors[i].text);
        return *ret != NULL;
    }
    return true;
}

static struct node *parse_escaped(struct parse *p, struct err *err)
{
    struct escape escape = {0};
    size_t at = p->at;
    if (!parse_escape(p, false, &escape, err))
        return NULL;
    return escape.is_class ? add_ranges(p, at, escape.ranges, err) : add_code_point(p, at, escape.code_point, err);
}

static struct node *parse_item(struct parse *p, struct err *err)
{
    struct node *anchor = NULL;
    struct ranges ranges = {0};
    size_t at = p->at;
    int length;
    if (!parse_anchor(p, &anchor, err) || anchor)
        return anchor;
    switch (p->pattern.p[p->at]) {
    case '(':
        return parse_group(p, err);
    case '[':
        return parse_class(p, &ranges, err) ? add_ranges(p, at, ranges, err) : NULL;
    case '.':
        return parse_dot(p, &ranges, err) ? add_ranges(p, at, ranges, err) : NULL;
    case '\\':
        return parse_escaped(p, err);
    case '*':
    case '+':
    case '?':
        syntax_fail(at, ERR_INVALID, err, "there is nothing to repeat before this; write \\%c for the character",
                   p->pattern.p[p->at]);
        return NULL;
    }
    uint32_t code_point = utf8_decode(p->pattern, p->at, &length);
    p->at += (size_t)length;
    return add_code_point(p, at, code_point, err);
}

/* Text beside text is one text. */
static bool join_text(struct parse *p, struct node *before, const struct node *item, struct err *err)
{
    char *both = arena_alloc(p->arena, before->text.n + item->text.n);
    if (!both)
        return no_room(item->at, err);
    memcpy(both, before->text.p, before->text.n);
    memcpy(both + before->text.n, item->text.p, item->text.n);
    before->text = (struct str){both, before->text.n + item->text.n};
    return true;
}

static struct node *parse_sequence(struct parse *p, struct err *err)
{
    struct node *sequence = add_node(p, NODE_SEQUENCE, p->at, err);
    while (sequence && p->at < p->pattern.n && !parse_at(p, "|") && !parse_at(p, ")")) {
        struct node *item = parse_item(p, err);
        struct node *whole = item ? parse_repeated(p, item, err) : NULL;
        if (!whole)
            return NULL;
        struct node *before = sequence->n > 0 ? sequence->children[sequence->n - 1] : NULL;
        bool joins = before && before->kind == NODE_TEXT && whole->kind == NODE_TEXT && before->text.n < TEXT_JOIN_MAX;
        if (joins ? !join_text(p, before, whole, err) : !add_child(p, sequence, whole, err))
            return NULL;
    }
    return sequence && sequence->n == 1 ? sequence->children[0] : sequence;
}

static struct node *parse_choice(struct parse *p, struct err *err)
{
    size_t at = p->at;
    if (p->depth > REGEX_MAX_DEPTH) {   /* the whole expression is no group */
        syntax_fail(at, ERR_LIMIT, err, "groups are nested deeper than %d", REGEX_MAX_DEPTH);
        return NULL;
    }
    p->depth++;
    struct node *first = parse_sequence(p, err), *choice = first;
    if (first && parse_at(p, "|")) {
        choice = add_node(p, NODE_CHOICE, at, err);
        if (choice && !add_child(p, choice, first, err))
            choice = NULL;
    }
    while (choice && parse_at(p, "|")) {
        p->at++;
        struct node *next = parse_sequence(p, err);
        if (!next || !add_child(p, choice, next, err))
            choice = NULL;
    }
    p->depth--;
    return choice;
}

bool regex_parse(struct str pattern, struct arena *arena, struct node **ret, struct err *err)
{
    struct parse p = {.pattern = pattern, .arena = arena};
    if (pattern.n > REGEX_MAX_BYTES)
        return syntax_fail(0, ERR_LIMIT, err, "the expression is longer than %u bytes", REGEX_MAX_BYTES);
    if (!utf8_valid(pattern))
        return syntax_fail(0, ERR_INVALID, err, "the expression is not valid UTF-8");
    struct node *root = parse_choice(&p, err);
    if (!root)
        return false;
    if (p.at < pattern.n)
        return syntax_fail(p.at, ERR_INVALID, err, "this ')' closes nothing; write \\) for the character");
    *ret = root;
    return true;
}
