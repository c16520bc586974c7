/* Reads GBNF, the grammar format of llama.cpp, into a tree: rules `name ::= ...` of literals, character classes, names,
 * groups, alternatives and repetitions. A rule ends with its line unless a group is open or the next line begins with
 * '|'. What the tree means, and which trees are no grammar, is the business of gbnf.c. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "grammar/rule/gbnf.h"

#define SLOTS (2 * GBNF_MAX_RULES)     /* of the table of names; a power of two */
#define MAX_RANGES 4096                /* of one class */

struct reader {
    struct gbnf *g;
    size_t at;
    int nesting;
    struct err *err;
};

/* ---- errors ---- */

bool gbnf_fail(const struct gbnf *g, size_t at, enum err_code code, struct err *err, const char *fmt, ...)
{
    char message[400];
    int line = 1, col = 1;
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    for (size_t i = 0; i < at && i < g->text.n; i++) {
        bool inside = ((unsigned char)g->text.p[i] & 0xC0) == 0x80;   /* a character counts once */
        line += g->text.p[i] == '\n';
        col = g->text.p[i] == '\n' ? 1 : col + !inside;
    }
    return err_at_line(err, code, "the grammar", line, col, "%s", message);
}

static bool fail(const struct reader *r, const char *message)
{
    return gbnf_fail(r->g, r->at, ERR_INVALID, r->err, "%s", message);
}

/* ---- the text ---- */

static char peek(const struct reader *r)
{
    return r->at < r->g->text.n ? r->g->text.p[r->at] : 0;
}

static bool starts(const struct reader *r, const char *word)
{
    return str_starts((struct str){r->g->text.p + r->at, r->g->text.n - r->at}, str_of(word));
}

/* Over blanks and comments, and over line breaks where they may stand. */
static void skip_space(struct reader *r, bool lines)
{
    for (;; r->at++) {
        char c = peek(r);
        if (c == '#') {
            while (r->at < r->g->text.n && peek(r) != '\n')
                r->at++;
            c = peek(r);
        }
        bool blank = c == ' ' || c == '\t' || (lines && (c == '\n' || c == '\r'));
        if (!blank)
            return;
    }
}

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* ---- the tree ---- */

/* GBNF_NONE, with *err, out of memory. */
static uint32_t add_item(struct reader *r, struct gbnf_item item)
{
    struct gbnf *g = r->g;
    if (g->n_items == g->cap_items) {
        uint32_t cap = g->cap_items ? 2 * g->cap_items : 64;
        struct gbnf_item *items = realloc(g->items, cap * sizeof *items);
        if (!items) {
            err_nomem(r->err, "the grammar");
            return GBNF_NONE;
        }
        g->items = items;
        g->cap_items = cap;
    }
    g->items[g->n_items] = item;
    return g->n_items++;
}

static uint32_t add_leaf(struct reader *r, enum gbnf_kind kind, uint32_t value, size_t at)
{
    return add_item(r, (struct gbnf_item){.kind = kind, .value = value, .first = GBNF_NONE, .next = GBNF_NONE,
                                          .at = at});
}

static uint32_t add_parent(struct reader *r, enum gbnf_kind kind, uint32_t first, size_t at)
{
    return add_item(r, (struct gbnf_item){.kind = kind, .first = first, .next = GBNF_NONE, .at = at});
}

/* The rule of that name, made at its first mention. */
static bool find_rule(struct reader *r, struct str name, size_t at, uint32_t *ret)
{
    struct gbnf *g = r->g;
    uint32_t slot = (uint32_t)str_hash(name) & (SLOTS - 1);
    for (; g->slots[slot]; slot = (slot + 1) & (SLOTS - 1)) {
        if (str_eq(g->rules[g->slots[slot] - 1].name, name)) {
            *ret = g->slots[slot] - 1;
            return true;
        }
    }
    if (g->n_rules == GBNF_MAX_RULES)
        return gbnf_fail(g, at, ERR_LIMIT, r->err, "there are more than %d rules", GBNF_MAX_RULES);
    *ret = g->n_rules++;
    g->slots[slot] = g->n_rules;
    g->rules[*ret] = (struct gbnf_rule){.name = name, .body = GBNF_NONE, .at = at};
    return true;
}

static bool read_name(struct reader *r, struct str *ret)
{
    size_t from = r->at;
    while (name_char(peek(r)))
        r->at++;
    if (r->at == from)
        return fail(r, "the name of a rule is expected here (letters, digits and '-')");
    *ret = (struct str){r->g->text.p + from, r->at - from};
    return ret->n <= GBNF_MAX_NAME_BYTES ||
           gbnf_fail(r->g, from, ERR_LIMIT, r->err, "the name is longer than %d bytes", GBNF_MAX_NAME_BYTES);
}

/* ---- characters ---- */

static bool read_hex(struct reader *r, int digits, uint32_t *ret)
{
    uint32_t value = 0;
    for (int i = 0; i < digits; i++, r->at++) {
        char c = peek(r), low = (char)(c | 0x20);
        int digit = c >= '0' && c <= '9' ? c - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
        if (digit < 0)
            return gbnf_fail(r->g, r->at, ERR_INVALID, r->err, "%d hexadecimal digits are expected", digits);
        value = value << 4 | (uint32_t)digit;
    }
    *ret = value;
    return true;
}

static bool read_escape(struct reader *r, uint32_t *ret)
{
    size_t from = r->at++;
    char c = peek(r);
    char ignored[4];
    r->at++;
    switch (c) {
    case 'x': return read_hex(r, 2, ret);
    case 'u':
    case 'U':
        return read_hex(r, c == 'u' ? 4 : 8, ret) &&
               (utf8_encode(*ret, ignored) > 0 ||
                gbnf_fail(r->g, from, ERR_INVALID, r->err, "U+%04X is no character", *ret));
    case 't': *ret = '\t'; return true;
    case 'r': *ret = '\r'; return true;
    case 'n': *ret = '\n'; return true;
    case '\\':
    case '"':
    case '[':
    case ']': *ret = (uint32_t)c; return true;
    default: break;
    }
    r->at = from;
    return fail(r, "this escape is not known; there are \\n \\r \\t \\\\ \\\" \\[ \\] \\xHH \\uHHHH \\UHHHHHHHH");
}

/* The next character of a literal or a class. */
static bool read_char(struct reader *r, uint32_t *ret)
{
    int len;
    if (peek(r) == '\\')
        return read_escape(r, ret);
    *ret = utf8_decode(r->g->text, r->at, &len);
    if (*ret == UTF8_BAD)
        return fail(r, "this is not valid UTF-8");
    r->at += (size_t)len;
    return true;
}

static bool read_literal(struct reader *r, uint32_t *ret)
{
    size_t from = r->at++;
    struct buf bytes = BUF_INIT(GBNF_MAX_BYTES);
    bool ok = true;
    while (ok && r->at < r->g->text.n && peek(r) != '"') {
        char utf8[4];
        uint32_t c;
        ok = read_char(r, &c);
        if (ok)
            buf_add(&bytes, utf8, (size_t)utf8_encode(c, utf8));
    }
    if (ok && r->at == r->g->text.n) {
        r->at = from;
        ok = fail(r, "the literal that begins here has no closing '\"'");
    }
    ok = ok && buf_check(&bytes, "a literal", r->err);
    r->at++;
    if (ok)
        *ret = add_leaf(r, GBNF_TERM, expr_literal(r->g->exprs, buf_view(&bytes)), from);
    buf_free(&bytes);
    return ok && *ret != GBNF_NONE;
}

/* ---- classes ---- */

static int range_order(const void *a, const void *b)
{
    const struct code_range *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

/* What the ranges leave out, in place; there is room for one more. */
static int complement(struct code_range *ranges, int n)
{
    uint32_t from = 0;
    int out = 0;
    qsort(ranges, (size_t)n, sizeof *ranges, range_order);
    for (int i = 0; i < n; i++) {
        struct code_range range = ranges[i];
        if (range.first > from)
            ranges[out++] = (struct code_range){from, range.first - 1};
        from = range.last + 1 > from ? range.last + 1 : from;
    }
    if (from <= 0x10FFFF)
        ranges[out++] = (struct code_range){from, 0x10FFFF};
    return out;
}

static bool read_range(struct reader *r, struct code_range *ret)
{
    size_t from = r->at;
    if (!read_char(r, &ret->first))
        return false;
    ret->last = ret->first;
    if (peek(r) == '-' && r->at + 1 < r->g->text.n && r->g->text.p[r->at + 1] != ']') {
        r->at++;
        if (!read_char(r, &ret->last))
            return false;
    }
    return ret->first <= ret->last || gbnf_fail(r->g, from, ERR_INVALID, r->err, "this range runs backwards");
}

static bool read_ranges(struct reader *r, struct code_range *ranges, uint32_t *ret)
{
    size_t from = r->at++;
    bool negated = peek(r) == '^';
    int n = 0;
    r->at += negated;
    while (r->at < r->g->text.n && peek(r) != ']') {
        if (n == MAX_RANGES)
            return gbnf_fail(r->g, from, ERR_LIMIT, r->err, "the class has more than %d ranges", MAX_RANGES);
        if (!read_range(r, &ranges[n++]))
            return false;
    }
    if (r->at == r->g->text.n) {
        r->at = from;
        return fail(r, "the class that begins here has no closing ']'");
    }
    r->at++;
    n = negated ? complement(ranges, n) : n;
    *ret = add_leaf(r, GBNF_TERM, expr_code_points(r->g->exprs, ranges, n), from);
    return *ret != GBNF_NONE;
}

static bool read_class(struct reader *r, uint32_t *ret)
{
    struct code_range *ranges = malloc((MAX_RANGES + 1) * sizeof *ranges);
    if (!ranges)
        return err_nomem(r->err, "a class of a grammar");
    bool ok = read_ranges(r, ranges, ret);
    free(ranges);
    return ok;
}

static bool read_any(struct reader *r, uint32_t *ret)
{
    static const struct code_range all = {0, 0x10FFFF};
    *ret = add_leaf(r, GBNF_TERM, expr_code_points(r->g->exprs, &all, 1), r->at++);
    return *ret != GBNF_NONE;
}

/* ---- repetitions ---- */

static bool read_count(struct reader *r, int *ret)
{
    size_t from = r->at;
    int64_t n;
    while (peek(r) >= '0' && peek(r) <= '9')
        r->at++;
    if (r->at == from)
        return fail(r, "a number is expected here, as in {3}, {3,} or {3,5}");
    if (!str_to_i64((struct str){r->g->text.p + from, r->at - from}, &n) || n > EXPR_MAX_REPEAT)
        return gbnf_fail(r->g, from, ERR_LIMIT, r->err, "more than %d repetitions", EXPR_MAX_REPEAT);
    *ret = (int)n;
    skip_space(r, r->nesting > 0);
    return true;
}

static bool read_counts(struct reader *r, int *ret_min, int *ret_max)
{
    size_t from = r->at++;
    skip_space(r, r->nesting > 0);
    if (!read_count(r, ret_min))
        return false;
    *ret_max = *ret_min;
    if (peek(r) == ',') {
        r->at++;
        skip_space(r, r->nesting > 0);
        *ret_max = EXPR_UNBOUNDED;
        if (peek(r) != '}' && !read_count(r, ret_max))
            return false;
    }
    if (peek(r) != '}')
        return fail(r, "'}' is expected here");
    r->at++;
    return *ret_max == EXPR_UNBOUNDED || *ret_min <= *ret_max ||
           gbnf_fail(r->g, from, ERR_INVALID, r->err, "at least %d and at most %d cannot both be", *ret_min, *ret_max);
}

/* The mark behind `item`: *ret repeats it. */
static bool read_repeat(struct reader *r, uint32_t item, uint32_t *ret)
{
    struct gbnf_item repeat = {.kind = GBNF_REPEAT, .first = item, .next = GBNF_NONE, .at = r->at,
                               .min = 0, .max = EXPR_UNBOUNDED};
    char c = peek(r);
    if (item == GBNF_NONE)
        return fail(r, "there is nothing in front that could be repeated");
    if (r->g->items[item].kind == GBNF_REPEAT)
        return fail(r, "this is repeated already; put a group around it to repeat that");
    if (c == '{') {
        if (!read_counts(r, &repeat.min, &repeat.max))
            return false;
    } else {
        repeat.min = c == '+';
        repeat.max = c == '?' ? 1 : EXPR_UNBOUNDED;
        r->at++;
    }
    *ret = add_item(r, repeat);
    return *ret != GBNF_NONE;
}

/* ---- bodies ---- */

static bool read_choice(struct reader *r, uint32_t *ret);

static bool read_group(struct reader *r, uint32_t *ret)
{
    size_t from = r->at++;
    uint32_t inside;
    if (r->nesting == GBNF_MAX_NESTING)
        return gbnf_fail(r->g, from, ERR_LIMIT, r->err, "groups are nested deeper than %d", GBNF_MAX_NESTING);
    r->nesting++;
    skip_space(r, true);
    if (!read_choice(r, &inside))
        return false;
    if (peek(r) != ')')
        return gbnf_fail(r->g, from, ERR_INVALID, r->err, "the group that begins here has no closing ')'");
    r->at++;
    r->nesting--;
    *ret = add_parent(r, GBNF_SEQUENCE, inside, from);
    return *ret != GBNF_NONE;
}

static bool read_mention(struct reader *r, uint32_t *ret)
{
    size_t from = r->at;
    struct str name;
    uint32_t rule;
    if (!read_name(r, &name) || !find_rule(r, name, from, &rule))
        return false;
    *ret = add_leaf(r, GBNF_RULE, rule, from);
    return *ret != GBNF_NONE;
}

/* One item; *ret is GBNF_NONE where none begins. */
static bool read_item(struct reader *r, uint32_t *ret)
{
    char c = peek(r);
    *ret = GBNF_NONE;
    switch (c) {
    case '"': return read_literal(r, ret);
    case '[': return read_class(r, ret);
    case '.': return read_any(r, ret);
    case '(': return read_group(r, ret);
    case '<':
    case '!':
        return gbnf_fail(r->g, r->at, ERR_UNSUPPORTED, r->err,
                         "tokens of a vocabulary cannot stand in a rule here; write the text between quotes");
    default:
        return !name_char(c) || read_mention(r, ret);
    }
}

static bool repeat_mark(char c)
{
    return c == '*' || c == '+' || c == '?' || c == '{';
}

/* Items up to a '|', a ')' or the end of the line. */
static bool read_sequence(struct reader *r, uint32_t *ret)
{
    uint32_t sequence = add_parent(r, GBNF_SEQUENCE, GBNF_NONE, r->at), last = GBNF_NONE, before = GBNF_NONE;
    if (sequence == GBNF_NONE)
        return false;
    for (;; skip_space(r, r->nesting > 0)) {
        uint32_t item = GBNF_NONE;
        if (repeat_mark(peek(r))) {
            if (!read_repeat(r, last, &item))
                return false;
        } else {
            if (!read_item(r, &item))
                return false;
            if (item == GBNF_NONE)
                break;
            before = last;
        }
        if (before == GBNF_NONE)
            r->g->items[sequence].first = item;
        else
            r->g->items[before].next = item;
        last = item;
    }
    *ret = sequence;
    return true;
}

/* Over what may stand in front of a '|': outside groups a line that begins with one goes on. */
static bool another_way(struct reader *r)
{
    size_t at = r->at;
    skip_space(r, true);
    if (peek(r) != '|') {
        r->at = at;
        return false;
    }
    r->at++;
    skip_space(r, true);
    return true;
}

static bool read_choice(struct reader *r, uint32_t *ret)
{
    uint32_t choice = add_parent(r, GBNF_CHOICE, GBNF_NONE, r->at), last = GBNF_NONE, way;
    if (choice == GBNF_NONE)
        return false;
    do {
        if (!read_sequence(r, &way))
            return false;
        if (last == GBNF_NONE)
            r->g->items[choice].first = way;
        else
            r->g->items[last].next = way;
        last = way;
    } while (another_way(r));
    *ret = choice;
    return true;
}

static bool read_rule(struct reader *r)
{
    size_t from = r->at;
    struct str name;
    uint32_t rule, body;
    if (!read_name(r, &name) || !find_rule(r, name, from, &rule))
        return false;
    skip_space(r, false);
    if (!starts(r, "::="))
        return fail(r, "'::=' is expected behind the name of a rule");
    r->at += 3;
    skip_space(r, true);
    if (r->g->rules[rule].body != GBNF_NONE)
        return gbnf_fail(r->g, from, ERR_INVALID, r->err, "the rule '" STR_FMT "' is defined twice", STR_ARG(name));
    if (!read_choice(r, &body))
        return false;
    r->g->rules[rule].body = body;
    if (r->at < r->g->text.n && peek(r) != '\n' && peek(r) != '\r')
        return fail(r, "this is not expected here; a rule ends with its line");
    return true;
}

/* ---- the whole ---- */

static bool check_defined(struct gbnf *g, struct err *err)
{
    g->root = GBNF_NONE;
    for (uint32_t i = 0; i < g->n_rules; i++) {
        const struct gbnf_rule *rule = &g->rules[i];
        if (rule->body == GBNF_NONE)
            return gbnf_fail(g, rule->at, ERR_INVALID, err, "there is no rule '" STR_FMT "'", STR_ARG(rule->name));
        if (str_is(rule->name, "root"))
            g->root = i;
    }
    return g->root != GBNF_NONE ||
           err_set(err, ERR_INVALID, "the grammar has no rule 'root', which is where an answer starts");
}

bool gbnf_read(struct str text, struct exprs *x, struct gbnf *ret, struct err *err)
{
    struct reader r = {.g = ret, .err = err};
    *ret = (struct gbnf){.text = text, .exprs = x};
    if (text.n > GBNF_MAX_BYTES)
        return err_set(err, ERR_LIMIT, "the grammar is longer than %u bytes", GBNF_MAX_BYTES);
    ret->rules = calloc(GBNF_MAX_RULES, sizeof *ret->rules);
    ret->slots = calloc(SLOTS, sizeof *ret->slots);
    if (!ret->rules || !ret->slots)
        return err_nomem(err, "the grammar");
    for (skip_space(&r, true); r.at < text.n; skip_space(&r, true))
        if (!read_rule(&r))
            return false;
    return check_defined(ret, err);
}

void gbnf_free(struct gbnf *g)
{
    free(g->items);
    free(g->rules);
    free(g->slots);
    *g = (struct gbnf){0};
}
