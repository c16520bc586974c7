/* The lexer: one pass over the source, tokens into an array. It knows tags, white-space control and literals; what
 * the tokens mean together is the parser's business. */
#include "text/jinja/lexer.h"

#include <stdlib.h>

#include "text/jinja/ast.h"
#include "text/template.h"

#define NAME_MAX_BYTES 256 /* names are compared whenever a variable is looked for */

struct lexer {
    struct arena *arena;
    struct str src;
    size_t at;
    bool line_starting;      /* the last thing consumed ended a line */
    size_t seen, line_start; /* how far lines are counted, and where the last one began */
    int line;
    struct token *tokens;
    size_t n, cap;
    struct err *err;
};

static void locate(struct lexer *l, size_t offset, int *ret_line, int *ret_col)
{
    for (; l->seen < offset; l->seen++) {
        if (l->src.p[l->seen] == '\n') {
            l->line++;
            l->line_start = l->seen + 1;
        }
    }
    *ret_line = l->line;
    *ret_col = (int)(offset - l->line_start) + 1;
}

static bool fail(struct lexer *l, size_t offset, const char *what)
{
    int line, col;
    locate(l, offset, &line, &col);
    return err_at_line(l->err, ERR_INVALID, JINJA_FILE, line, col, "%s", what);
}

static struct token *push(struct lexer *l, enum token_kind kind, size_t offset, struct str text)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 64;
        struct token *grown = arena_array(l->arena, cap, sizeof *grown);
        if (!grown) {
            err_nomem(l->err, "the tokens of the chat template");
            return NULL;
        }
        if (l->n)
            memcpy(grown, l->tokens, l->n * sizeof *grown);
        l->tokens = grown;
        l->cap = cap;
    }
    struct token *t = &l->tokens[l->n++];
    *t = (struct token){.kind = kind, .text = text};
    locate(l, offset, &t->line, &t->col);
    return t;
}

static struct str rest(const struct lexer *l, size_t at)
{
    return (struct str){l->src.p + at, l->src.n - at};
}

static bool looking_at(const struct lexer *l, size_t at, const char *what)
{
    return str_starts(rest(l, at), str_of(what));
}

static size_t skip_space(const struct lexer *l, size_t at)
{
    struct str s = text_strip(rest(l, at), true, false);
    return (size_t)(s.p - l->src.p);
}

/* A tag's end after its sign, close "%}", "}}" or "#}": what follows it is eaten as the sign says. */
static void finish_tag(struct lexer *l, size_t end, char sign, bool trim)
{
    size_t at = end;
    if (sign == '-')
        at = skip_space(l, at);
    else if (sign != '+' && trim && at < l->src.n && l->src.p[at] == '\n')
        at++;
    l->at = at;
    l->line_starting = at > 0 && l->src.p[at - 1] == '\n';
}

/* Text before a tag, trimmed as the tag's sign and lstrip_blocks say. */
static bool push_text(struct lexer *l, size_t begin, size_t end, char sign, bool lstrip)
{
    struct str text = {l->src.p + begin, end - begin};
    if (sign == '-') {
        text = text_strip(text, false, true);
    } else if (sign != '+' && lstrip) {
        size_t line = text.n;
        while (line > 0 && text.p[line - 1] != '\n')
            line--;
        struct str tail = {text.p + line, text.n - line};
        if ((line > 0 || l->line_starting) && text_strip(tail, true, false).n == 0)
            text.n = line;
    }
    return text.n == 0 || push(l, TOKEN_TEXT, begin, text);
}

static char sign_at(const struct lexer *l, size_t at)
{
    return at < l->src.n && (l->src.p[at] == '-' || l->src.p[at] == '+') ? l->src.p[at] : 0;
}

static bool lex_comment(struct lexer *l, size_t open)
{
    size_t body = open + 2 + (sign_at(l, open + 2) ? 1 : 0);
    size_t close = body <= l->src.n ? str_find(rest(l, body), STR("#}")) : SIZE_MAX;
    if (close == SIZE_MAX)
        return fail(l, open, "a comment is opened with '{#' but not closed with '#}'");
    char sign = close > 0 ? sign_at(l, body + close - 1) : 0;
    finish_tag(l, body + close + 2, sign, true);
    return true;
}

/* `{%`, a sign, the word, and the tag's end: *ret_close is where "%}" (or its sign) starts. */
static bool tag_is(const struct lexer *l, size_t open, const char *word, size_t *ret_close)
{
    size_t at = skip_space(l, open + 2 + (sign_at(l, open + 2) ? 1 : 0));
    if (!looking_at(l, at, word))
        return false;
    at = skip_space(l, at + strlen(word));
    size_t close = at + (sign_at(l, at) ? 1 : 0);
    *ret_close = at;
    return looking_at(l, close, "%}");
}

static bool lex_raw(struct lexer *l, size_t open, size_t close)
{
    char sign = sign_at(l, close);
    finish_tag(l, close + (sign ? 1 : 0) + 2, sign, false);
    size_t begin = l->at;
    for (size_t at = begin; at + 1 < l->src.n; at++) {
        if (!looking_at(l, at, "{%") || !tag_is(l, at, "endraw", &close))
            continue;
        if (!push_text(l, begin, at, sign_at(l, at + 2), true))
            return false;
        sign = sign_at(l, close);
        finish_tag(l, close + (sign ? 1 : 0) + 2, sign, true);
        return true;
    }
    return fail(l, open, "a raw block is not closed with endraw");
}

static bool is_name_byte(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80 ||
           (!first && c >= '0' && c <= '9');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The value of n hexadecimal digits at s.p, or -1. */
static int64_t hex_value(struct str s, size_t at, size_t n)
{
    int64_t v = 0;
    for (size_t i = at; i < at + n; i++) {
        char c = i < s.n ? s.p[i] : 0;
        if (is_digit(c))
            v = v * 16 + (c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            v = v * 16 + ((c | 32) - 'a' + 10);
        else
            return -1;
    }
    return v;
}

/* One escape at s.p[at] (after the backslash), written to *out; returns the bytes it took, 0 when it is malformed. */
static size_t unescape_one(struct str s, size_t at, char **out)
{
    static const char names[] = "abfnrtv\\'\"", values[] = "\a\b\f\n\r\t\v\\'\"";
    char c = s.p[at];
    const char *simple = strchr(names, c);
    if (c && simple) {
        *(*out)++ = values[simple - names];
        return 1;
    }
    if (c == '\n')
        return 1;
    uint32_t cp = 0;
    size_t took = 1;
    if (c >= '0' && c <= '7') {
        for (took = 0; took < 3 && at + took < s.n && s.p[at + took] >= '0' && s.p[at + took] <= '7'; took++)
            cp = cp * 8 + (uint32_t)(s.p[at + took] - '0');
    } else if (c == 'x' || c == 'u' || c == 'U') {
        size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
        int64_t v = hex_value(s, at + 1, digits);
        if (v < 0)
            return 0;
        cp = (uint32_t)v;
        took = 1 + digits;
    } else { /* an unknown escape stands for itself, backslash included */
        *(*out)++ = '\\';
        *(*out)++ = c;
        return 1;
    }
    int n = utf8_encode(cp, *out);
    *out += n;
    return n ? took : 0;
}

static bool lex_string(struct lexer *l)
{
    size_t open = l->at, end = open + 1;
    char quote = l->src.p[open];
    while (end < l->src.n && l->src.p[end] != quote)
        end += l->src.p[end] == '\\' ? 2 : 1;
    if (end >= l->src.n)
        return fail(l, open, "a string is not closed");
    struct str raw = {l->src.p + open + 1, end - open - 1};
    /* No escape makes more bytes than it is written with. */
    char *text = arena_alloc(l->arena, raw.n + 4), *out = text;
    if (!text)
        return err_nomem(l->err, "a string of the chat template");
    for (size_t i = 0; i < raw.n;) {
        if (raw.p[i] != '\\') {
            *out++ = raw.p[i++];
            continue;
        }
        size_t took = unescape_one(raw, i + 1, &out);
        if (took == 0)
            return fail(l, open + 1 + i, "a string holds an escape that is no character");
        i += 1 + took;
    }
    l->at = end + 1;
    return push(l, TOKEN_STRING, open, (struct str){text, (size_t)(out - text)});
}

/* Digits with single underscores between them, copied without those; returns the end. */
static size_t copy_digits(const struct lexer *l, size_t at, char *out, size_t max, size_t *n)
{
    while (at < l->src.n && *n < max) {
        char c = l->src.p[at];
        if (c == '_' && at + 1 < l->src.n && is_digit(l->src.p[at + 1])) {
            at++;
            continue;
        }
        if (!is_digit(c))
            break;
        out[(*n)++] = c;
        at++;
    }
    return at;
}

static bool lex_radix(struct lexer *l, int radix)
{
    size_t begin = l->at, at = begin + 2;
    uint64_t v = 0;
    bool any = false;
    for (; at < l->src.n; at++, any = true) {
        char c = l->src.p[at];
        int digit = is_digit(c) ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : 99;
        if (c == '_')
            continue;
        if (digit >= radix)
            break;
        if (v > (uint64_t)(INT64_MAX - digit) / (unsigned)radix)
            return fail(l, begin, "a number is too large");
        v = v * (unsigned)radix + (unsigned)digit;
    }
    if (!any)
        return fail(l, begin, "a number has no digits");
    l->at = at;
    struct token *t = push(l, TOKEN_INT, begin, STR(""));
    if (t)
        t->i = (int64_t)v;
    return t;
}

static bool lex_number(struct lexer *l)
{
    size_t begin = l->at;
    char next = begin + 1 < l->src.n ? (char)(l->src.p[begin + 1] | 32) : 0;
    if (l->src.p[begin] == '0' && (next == 'x' || next == 'o' || next == 'b'))
        return lex_radix(l, next == 'x' ? 16 : next == 'o' ? 8 : 2);
    char text[64];
    size_t n = 0, at = copy_digits(l, begin, text, 40, &n);
    bool real = false;
    if (at + 1 < l->src.n && l->src.p[at] == '.' && is_digit(l->src.p[at + 1])) {
        real = true;
        text[n++] = '.';
        at = copy_digits(l, at + 1, text, 52, &n);
    }
    if (at < l->src.n && (l->src.p[at] | 32) == 'e') {
        size_t sign = at + 1 < l->src.n && (l->src.p[at + 1] == '-' || l->src.p[at + 1] == '+') ? 1 : 0;
        if (at + 1 + sign < l->src.n && is_digit(l->src.p[at + 1 + sign])) {
            real = true;
            text[n++] = 'e';
            if (sign)
                text[n++] = l->src.p[at + 1];
            at = copy_digits(l, at + 1 + sign, text, 62, &n);
        }
    }
    text[n] = '\0';
    struct token *t = push(l, real ? TOKEN_FLOAT : TOKEN_INT, begin, STR(""));
    if (!t)
        return false;
    bool good = real ? str_to_f64((struct str){text, n}, &t->f) : str_to_i64((struct str){text, n}, &t->i);
    if (!good || (at < l->src.n && is_digit(l->src.p[at])))
        return fail(l, begin, "a number is too large or too long");
    l->at = at;
    return true;
}

static bool lex_operator(struct lexer *l)
{
    static const char *const two[] = {"//", "**", "==", "!=", ">=", "<="};
    for (size_t i = 0; i < sizeof two / sizeof two[0]; i++) {
        if (looking_at(l, l->at, two[i])) {
            l->at += 2;
            return push(l, TOKEN_OP, l->at - 2, str_of(two[i]));
        }
    }
    if (!strchr("+-/*%~[](){}><=.:|,;", l->src.p[l->at]) || l->src.p[l->at] == '\0')
        return fail(l, l->at, "a character here has no meaning in a template tag");
    l->at++;
    return push(l, TOKEN_OP, l->at - 1, (struct str){l->src.p + l->at - 1, 1});
}

static bool lex_token(struct lexer *l)
{
    char c = l->src.p[l->at];
    size_t begin = l->at;
    if (is_name_byte(c, true)) {
        while (l->at < l->src.n && is_name_byte(l->src.p[l->at], false))
            l->at++;
        if (l->at - begin > NAME_MAX_BYTES)
            return fail(l, begin, "a name is longer than 256 bytes");
        return push(l, TOKEN_NAME, begin, (struct str){l->src.p + begin, l->at - begin});
    }
    if (is_digit(c))
        return lex_number(l);
    if (c == '\'' || c == '"')
        return lex_string(l);
    return lex_operator(l);
}

/* Brackets inside a tag: while one is open, "}}" and "%}" do not end the tag. */
static bool track_bracket(struct lexer *l, char *open, int *depth)
{
    const struct token *t = &l->tokens[l->n - 1];
    if (t->kind != TOKEN_OP || t->text.n != 1)
        return true;
    char c = t->text.p[0];
    if (c == '(' || c == '[' || c == '{') {
        if (*depth == TEMPLATE_MAX_DEPTH)
            return err_at_line(l->err, ERR_LIMIT, JINJA_FILE, t->line, t->col,
                               "brackets are nested deeper than %d", TEMPLATE_MAX_DEPTH);
        open[(*depth)++] = c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
        if (*depth == 0 || open[*depth - 1] != c)
            return fail(l, l->at - 1, "a closing bracket matches no opening one");
        (*depth)--;
    }
    return true;
}

static bool lex_tag(struct lexer *l, size_t open, bool print)
{
    char brackets[TEMPLATE_MAX_DEPTH];
    int depth = 0;
    char sign = sign_at(l, open + 2);
    const char *close = print ? "}}" : "%}";
    if (print && sign == '+')
        sign = 0; /* in an expression it is an operator */
    if (!push(l, print ? TOKEN_PRINT_BEGIN : TOKEN_BLOCK_BEGIN, open, STR("")))
        return false;
    l->at = open + 2 + (sign ? 1 : 0);
    for (;;) {
        l->at = skip_space(l, l->at);
        if (l->at >= l->src.n)
            return fail(l, open, print ? "an expression is opened with '{{' but not closed with '}}'"
                                       : "a block is opened with '{%' but not closed with '%}'");
        char end_sign = sign_at(l, l->at);
        if (print && end_sign == '+')
            end_sign = 0;
        size_t end = l->at + (end_sign ? 1 : 0);
        if (depth == 0 && looking_at(l, end, close)) {
            size_t tag_end = l->at;
            finish_tag(l, end + 2, end_sign, !print);
            return push(l, print ? TOKEN_PRINT_END : TOKEN_BLOCK_END, tag_end, STR(""));
        }
        if (!lex_token(l) || !track_bracket(l, brackets, &depth))
            return false;
    }
}

static size_t next_tag(const struct lexer *l)
{
    for (size_t at = l->at; at + 1 < l->src.n; at++)
        if (l->src.p[at] == '{' && strchr("{%#", l->src.p[at + 1]) && l->src.p[at + 1])
            return at;
    return l->src.n;
}

static bool lex_all(struct lexer *l)
{
    while (l->at < l->src.n) {
        size_t open = next_tag(l);
        bool end = open == l->src.n;
        char kind = end ? 0 : l->src.p[open + 1], sign = end ? 0 : sign_at(l, open + 2);
        if (kind == '{' && sign == '+')
            sign = 0;
        if (!push_text(l, l->at, open, end ? '+' : sign, kind != '{'))
            return false;
        size_t close;
        if (end)
            break;
        if (kind == '#' ? !lex_comment(l, open)
                        : kind == '%' && tag_is(l, open, "raw", &close) ? !lex_raw(l, open, close)
                                                                       : !lex_tag(l, open, kind == '{'))
            return false;
    }
    return push(l, TOKEN_END, l->src.n, STR(""));
}

bool jinja_lex(struct str source, struct arena *arena, struct token **ret_tokens, size_t *ret_n, struct err *err)
{
    struct lexer l = {.arena = arena, .src = source, .line = 1, .line_starting = true, .err = err};
    if (!lex_all(&l))
        return false;
    *ret_tokens = l.tokens;
    *ret_n = l.n;
    return true;
}

bool jinja_normalise(struct str source, struct arena *arena, struct str *ret)
{
    char *p = arena_alloc(arena, source.n + 1);
    if (!p)
        return false;
    size_t n = 0;
    for (size_t i = 0; i < source.n; i++) {
        if (source.p[i] == '\r') {
            p[n++] = '\n';
            if (i + 1 < source.n && source.p[i + 1] == '\n')
                i++;
        } else {
            p[n++] = source.p[i];
        }
    }
    if (n > 0 && p[n - 1] == '\n')
        n--;
    *ret = (struct str){p, n};
    return true;
}
