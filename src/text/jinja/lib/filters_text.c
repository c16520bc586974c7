/* Filters whose input is a value or a text; those over lists are in filters_list.c. jinja_filter looks in both. */
#include <math.h>
#include <utf8proc.h>

#include "text/jinja/lib/lib.h"

static bool filter_default(struct render *r, const struct call *c, struct value *ret)
{
    bool use = c->self.kind == VALUE_UNDEFINED || (value_truth(c->v[1]) && !value_truth(c->self));
    (void)r;
    *ret = !use ? c->self : value_given(c->v[0]) ? c->v[0] : value_str(STR(""));
    return true;
}

static bool filter_string(struct render *r, const struct call *c, struct value *ret)
{
    *ret = c->self;
    if (c->self.kind == VALUE_STRING)
        return true;
    struct str s;
    if (!jinja_to_text(r, c->self, &s))
        return false;
    *ret = value_str(s);
    return true;
}

static bool filter_safe(struct render *r, const struct call *c, struct value *ret)
{
    if (!filter_string(r, c, ret))
        return false;
    ret->flags = VALUE_SAFE;
    return true;
}

static bool filter_forceescape(struct render *r, const struct call *c, struct value *ret)
{
    struct str s;
    struct buf buf = jinja_buf();
    if (!jinja_to_text(r, c->self, &s))
        return false;
    jinja_escape_html(s, &buf);
    if (!jinja_text_buf(r, &buf, ret))
        return false;
    ret->flags = VALUE_SAFE;
    return true;
}

static bool filter_escape(struct render *r, const struct call *c, struct value *ret)
{
    *ret = c->self;
    return (c->self.kind == VALUE_STRING && (c->self.flags & VALUE_SAFE)) || filter_forceescape(r, c, ret);
}

static bool change_case(struct render *r, const struct call *c, enum text_case how, struct value *ret)
{
    struct str s;
    return jinja_to_text(r, c->self, &s) && lib_case(r, s, how, ret);
}

static bool filter_upper(struct render *r, const struct call *c, struct value *ret)
{
    return change_case(r, c, TEXT_UPPER, ret);
}

static bool filter_lower(struct render *r, const struct call *c, struct value *ret)
{
    return change_case(r, c, TEXT_LOWER, ret);
}

static bool filter_capitalize(struct render *r, const struct call *c, struct value *ret)
{
    return change_case(r, c, TEXT_CAPITALIZE, ret);
}

/* Words begin after white space, '-' and opening brackets: unlike the method, an apostrophe begins none. */
static bool filter_title(struct render *r, const struct call *c, struct value *ret)
{
    struct str s;
    struct buf buf = jinja_buf();
    if (!jinja_to_text(r, c->self, &s))
        return false;
    for (size_t at = 0, begin = 0; at <= s.n; at++) {
        bool edge = at == s.n || strchr(" \t\n\v\f\r-({[<", s.p[at]);
        if (!edge || (at < s.n && s.p[at] == '\0'))
            continue;
        struct value word;
        if (!lib_case(r, (struct str){s.p + begin, at - begin}, TEXT_CAPITALIZE, &word)) {
            buf_free(&buf);
            return false;
        }
        buf_str(&buf, word.s);
        if (at < s.n)
            buf_char(&buf, s.p[at]);
        begin = at + 1;
    }
    return jinja_text_buf(r, &buf, ret);
}

static bool filter_trim(struct render *r, const struct call *c, struct value *ret)
{
    struct str s;
    if (!jinja_to_text(r, c->self, &s) || !lib_strip(r, s, c->v[0], true, true, ret))
        return false;
    ret->flags = c->self.kind == VALUE_STRING ? c->self.flags : 0;
    return true;
}

static bool filter_replace(struct render *r, const struct call *c, struct value *ret)
{
    struct str s, old, with;
    int64_t count = -1;
    return jinja_to_text(r, c->self, &s) && jinja_to_text(r, c->v[0], &old) && jinja_to_text(r, c->v[1], &with) &&
           lib_int(r, c->v[2], "the count of replace", &count) && lib_replace(r, s, old, with, count, ret);
}

/* Indentation before each line; the first and blank ones only when asked for. */
static bool filter_indent(struct render *r, const struct call *c, struct value *ret)
{
    struct str s = c->self.s, pad = STR("");
    int64_t width = 4;
    struct buf buf = jinja_buf();
    if (c->self.kind != VALUE_STRING)
        return jinja_defined(r, c->self) && jinja_fail(r, "indent needs a string, not a %s", value_type_name(c->self));
    if (c->v[0].kind == VALUE_STRING)
        pad = c->v[0].s;
    else if (!lib_int(r, c->v[0], "the width of indent", &width))
        return false;
    if (width > LIB_MAX_WIDTH)
        return jinja_fail_limit(r, "an indentation is wider than %d", LIB_MAX_WIDTH);
    bool by_width = c->v[0].kind != VALUE_STRING, first = value_truth(c->v[1]), blank = value_truth(c->v[2]);
    /* Jinja adds a newline before it splits, which makes one boundary of a carriage return at the end. */
    s.n -= s.n > 0 && s.p[s.n - 1] == '\r';
    for (size_t begin = 0, end, mark = 1; mark > 0 && buf_ok(&buf); begin = end + mark) {
        end = lib_line_end(s, begin, &mark);
        if (begin > 0)
            buf_char(&buf, '\n');
        if ((begin > 0 || first) && (end > begin || blank || begin == 0)) {
            buf_str(&buf, pad);
            for (int64_t i = 0; by_width && i < width; i++)
                buf_char(&buf, ' ');
        }
        buf_add(&buf, s.p + begin, end - begin);
    }
    return jinja_text_buf(r, &buf, ret);
}

static bool filter_tojson(struct render *r, const struct call *c, struct value *ret)
{
    struct json_style style = {.item_separator = STR(", "), .key_separator = STR(": ")};
    int64_t width = 0;
    struct value spaces = value_str(STR(""));
    style.ensure_ascii = value_truth(c->v[0]);
    style.sort_keys = value_truth(c->v[3]);
    style.pretty = value_given(c->v[1]) && c->v[1].kind != VALUE_NONE;
    if (style.pretty) {
        style.item_separator = STR(",");
        if (c->v[1].kind != VALUE_STRING && !lib_int(r, c->v[1], "the indent of tojson", &width))
            return false;
        if (width > LIB_MAX_WIDTH)
            return jinja_fail_limit(r, "an indentation is wider than %d", LIB_MAX_WIDTH);
        if (c->v[1].kind == VALUE_STRING)
            spaces = c->v[1];
        else if (width > 0 && !jinja_binary(r, OP_MUL, value_str(STR(" ")), value_int(width), &spaces))
            return false;
        style.indent = spaces.s;
    }
    if (value_given(c->v[2]) && c->v[2].kind != VALUE_NONE) {
        const struct list *pair = value_has_list(c->v[2]) ? c->v[2].list : NULL;
        if (!pair || pair->n != 2 || pair->v[0].kind != VALUE_STRING || pair->v[1].kind != VALUE_STRING)
            return jinja_fail(r, "the separators of tojson must be two strings");
        style.item_separator = pair->v[0].s;
        style.key_separator = pair->v[1].s;
    }
    struct buf buf = jinja_buf();
    if (!jinja_json(r, c->self, &style, &buf)) {
        buf_free(&buf);
        return false;
    }
    return jinja_text_buf(r, &buf, ret);
}

/* ---- numbers ---- */

static bool text_to_int(struct str s, int64_t base, int64_t *ret)
{
    s = text_strip(s, true, true);
    bool minus = s.n > 0 && s.p[0] == '-';
    size_t at = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+');
    char radix = base == 16 ? 'x' : base == 8 ? 'o' : base == 2 ? 'b' : 0;
    if (radix && at + 1 < s.n && s.p[at] == '0' && (s.p[at + 1] | 32) == radix)
        at += 2;
    int64_t v = 0;
    if (at >= s.n)
        return false;
    for (; at < s.n; at++) {
        char ch = s.p[at], letter = (char)(ch | 32);
        int digit = ch >= '0' && ch <= '9' ? ch - '0' : letter >= 'a' && letter <= 'z' ? letter - 'a' + 10 : 99;
        if (digit >= base || __builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, digit, &v))
            return false;
    }
    *ret = minus ? -v : v;
    return true;
}

static bool number_to_int(double f, int64_t *ret)
{
    if (!isfinite(f) || f >= 0x1p63 || f < -0x1p63)
        return false;
    *ret = (int64_t)f;
    return true;
}

static bool filter_int(struct render *r, const struct call *c, struct value *ret)
{
    int64_t base = 10, v;
    double f;
    if (!jinja_defined(r, c->self) || !lib_int(r, c->v[1], "the base of int", &base))
        return false;
    bool ok = false;
    if (value_integral(c->self)) {
        v = value_as_int(c->self);
        ok = true;
    } else if (c->self.kind == VALUE_FLOAT) {
        ok = number_to_int(c->self.f, &v);
    } else if (c->self.kind == VALUE_STRING) {
        struct str s = text_strip(c->self.s, true, true);
        ok = text_to_int(s, base, &v) || (str_to_f64(s, &f) && number_to_int(f, &v));
    }
    *ret = ok ? value_int(v) : value_given(c->v[0]) ? c->v[0] : value_int(0);
    return true;
}

static bool filter_float(struct render *r, const struct call *c, struct value *ret)
{
    double f = 0;
    if (!jinja_defined(r, c->self))
        return false;
    bool ok = value_numeric(c->self);
    if (ok)
        f = value_as_float(c->self);
    else if (c->self.kind == VALUE_STRING)
        ok = str_to_f64(text_strip(c->self.s, true, true), &f);
    *ret = ok ? value_float(f) : value_given(c->v[0]) ? c->v[0] : value_float(0);
    return true;
}

static bool filter_abs(struct render *r, const struct call *c, struct value *ret)
{
    if (!value_numeric(c->self))
        return jinja_defined(r, c->self) && jinja_fail(r, "abs needs a number, not a %s", value_type_name(c->self));
    *ret = c->self.kind == VALUE_FLOAT ? value_float(fabs(c->self.f)) : value_int(value_as_int(c->self));
    return ret->kind == VALUE_FLOAT || ret->i >= 0 || jinja_binary(r, OP_SUB, value_int(0), *ret, ret);
}

static bool filter_round(struct render *r, const struct call *c, struct value *ret)
{
    int64_t precision = 0;
    struct str method = STR("common");
    if (!value_numeric(c->self))
        return jinja_defined(r, c->self) && jinja_fail(r, "round needs a number, not a %s", value_type_name(c->self));
    if (!lib_int(r, c->v[0], "the precision of round", &precision) ||
        !lib_str(r, c->v[1], "the method of round", &method))
        return false;
    if (precision < -300 || precision > 300)
        return jinja_fail(r, "the precision of round is out of range");
    double f = value_as_float(c->self), scale = pow(10, (double)precision);
    if (str_is(method, "ceil") || str_is(method, "floor")) {
        *ret = value_float((method.p[0] == 'c' ? ceil(f * scale) : floor(f * scale)) / scale);
        return true;
    }
    if (!str_is(method, "common"))
        return jinja_fail(r, "the method of round must be common, ceil or floor");
    if (value_integral(c->self)) {
        *ret = value_int(value_as_int(c->self));
        return precision >= 0 || jinja_fail(r, "an integer cannot be rounded to a negative precision");
    }
    /* Decimal rounding of the exact binary value, as Python does it. */
    struct buf text = BUF_INIT(1024);
    if (precision >= 0)
        buf_printf(&text, "%.*f", (int)precision, f);
    else
        buf_printf(&text, "%.17g", rint(f * scale) / scale);
    bool ok = str_to_f64(buf_view(&text), &f);
    buf_free(&text);
    *ret = value_float(f);
    return ok || jinja_fail(r, "the number cannot be rounded");
}

/* Letters, numbers and '_', as Python's \w has them. */
static bool in_word(uint32_t cp)
{
    utf8proc_category_t c = cp == UTF8_BAD ? UTF8PROC_CATEGORY_CN : utf8proc_category((utf8proc_int32_t)cp);
    return cp == '_' || (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO) ||
           (c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO);
}

static bool filter_wordcount(struct render *r, const struct call *c, struct value *ret)
{
    struct str s;
    int64_t words = 0;
    bool inside = false;
    int len;
    if (!jinja_to_text(r, c->self, &s))
        return false;
    for (size_t at = 0; at < s.n; at += (size_t)len) {
        bool here = in_word(utf8_decode(s, at, &len));
        words += here && !inside;
        inside = here;
    }
    *ret = value_int(words);
    return jinja_work_bytes(r, s.n);
}

static const struct builtin filters[] = {
    {"default", filter_default, 0, {"default_value", "boolean"}, false},
    {"d", filter_default, 0, {"default_value", "boolean"}, false},
    {"string", filter_string, 0, {0}, false},
    {"safe", filter_safe, 0, {0}, false},
    {"escape", filter_escape, 0, {0}, false},
    {"e", filter_escape, 0, {0}, false},
    {"forceescape", filter_forceescape, 0, {0}, false},
    {"upper", filter_upper, 0, {0}, false},
    {"lower", filter_lower, 0, {0}, false},
    {"capitalize", filter_capitalize, 0, {0}, false},
    {"title", filter_title, 0, {0}, false},
    {"trim", filter_trim, 0, {"chars"}, false},
    {"replace", filter_replace, 2, {"old", "new", "count"}, false},
    {"indent", filter_indent, 0, {"width", "first", "blank"}, false},
    {"tojson", filter_tojson, 0, {"ensure_ascii", "indent", "separators", "sort_keys"}, false},
    {"int", filter_int, 0, {"default", "base"}, false},
    {"float", filter_float, 0, {"default"}, false},
    {"abs", filter_abs, 0, {0}, false},
    {"round", filter_round, 0, {"precision", "method"}, false},
    {"wordcount", filter_wordcount, 0, {0}, false},
    {"format", lib_format_percent, 0, {0}, true},
};

const struct builtin *jinja_filter(struct str name)
{
    const struct builtin *fn = lib_find(filters, LIB_COUNT(filters), name);
    return fn ? fn : lib_list_filter(name);
}
