/* Values to text, three ways: as Python's str() and repr() write them, and as its json.dumps does. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <utf8proc.h>

#include "text/jinja/run.h"

/* The shortest digits that read back as the same number, laid out as Python does: an exponent below 1e-4 and from
 * 1e16. */
void jinja_print_float(double f, struct buf *out)
{
    char text[40], digits[24];
    if (isnan(f) || isinf(f)) {
        buf_puts(out, isnan(f) ? "nan" : f > 0 ? "inf" : "-inf");
        return;
    }
    for (int precision = 0; precision <= 16; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, f);
        if (strtod(text, NULL) == f)
            break;
    }
    const char *p = text, *e = strchr(text, 'e');
    int exponent = (int)strtol(e + 1, NULL, 10), n = 0;
    if (*p == '-')
        buf_char(out, *p++);
    for (; p < e; p++)
        if (*p != '.')
            digits[n++] = *p;
    if (exponent < -4 || exponent >= 16) {
        buf_add(out, digits, 1);
        if (n > 1)
            buf_printf(out, ".%.*s", n - 1, digits + 1);
        buf_printf(out, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
        return;
    }
    if (exponent < 0)
        buf_puts(out, "0.");
    for (int i = exponent + 1; i < 0; i++)
        buf_char(out, '0');
    for (int i = 0; i < n || i <= exponent; i++) {
        if (i == exponent + 1 && i > 0)
            buf_char(out, '.');
        buf_char(out, i < n ? digits[i] : '0');
    }
    if (exponent >= 0 && n <= exponent + 1)
        buf_puts(out, ".0");
}

void jinja_escape_html(struct str s, struct buf *out)
{
    static const char special[] = "&<>\"'";
    static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&#34;", "&#39;"};
    for (size_t i = 0; i < s.n; i++) {
        const char *found = s.p[i] ? strchr(special, s.p[i]) : NULL;
        if (found)
            buf_puts(out, entities[found - special]);
        else
            buf_char(out, s.p[i]);
    }
}

/* ---- repr ---- */

/* Whether Python shows the character as itself inside quotes. */
static bool printable(uint32_t cp)
{
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return false;
    case UTF8PROC_CATEGORY_ZS: return cp == ' ';
    default: return true;
    }
}

static void repr_text(struct str s, struct buf *out)
{
    bool single = memchr(s.p, '\'', s.n) != NULL, both = single && memchr(s.p, '"', s.n) != NULL;
    char quote = single && !both ? '"' : '\'';
    int len;
    buf_char(out, quote);
    for (size_t at = 0; at < s.n; at += (size_t)len) {
        uint32_t cp = utf8_decode(s, at, &len);
        if (cp == '\n' || cp == '\r' || cp == '\t')
            buf_printf(out, "\\%c", cp == '\n' ? 'n' : cp == '\r' ? 'r' : 't');
        else if (cp == '\\' || cp == (uint32_t)quote)
            buf_printf(out, "\\%c", (char)cp);
        else if (cp == UTF8_BAD || printable(cp))
            buf_add(out, s.p + at, (size_t)len);
        else
            buf_printf(out, cp < 0x100 ? "\\x%02x" : cp < 0x10000 ? "\\u%04x" : "\\U%08x", cp);
    }
    buf_char(out, quote);
}

static bool repr_list(struct render *r, const struct list *l, const char *open, const char *close, struct buf *out)
{
    buf_puts(out, open);
    for (size_t i = 0; i < l->n; i++) {
        if (i > 0)
            buf_puts(out, ", ");
        if (!jinja_repr(r, l->v[i], out))
            return false;
    }
    buf_puts(out, close);
    return true;
}

static bool repr_iter(struct render *r, struct value v, struct buf *out)
{
    if (v.flags == ITER_GENERATOR)
        return jinja_fail(r, "a generator cannot be printed: make it a list with the list filter");
    if (v.flags == ITER_RANGE) {
        int64_t n = (int64_t)v.list->n, first = n ? v.list->v[0].i : 0, step = n > 1 ? v.list->v[1].i - first : 1;
        buf_printf(out, "range(%lld, %lld", (long long)first, (long long)(first + n * step));
        if (step != 1)
            buf_printf(out, ", %lld", (long long)step);
        buf_char(out, ')');
        return true;
    }
    buf_puts(out, value_type_name(v));
    return repr_list(r, v.list, "([", "])", out);
}

static bool repr_dict(struct render *r, const struct dict *d, struct buf *out)
{
    buf_char(out, '{');
    for (size_t i = 0; i < d->n; i++) {
        if (i > 0)
            buf_puts(out, ", ");
        if (!jinja_repr(r, d->p[i].key, out))
            return false;
        buf_puts(out, ": ");
        if (!jinja_repr(r, d->p[i].value, out))
            return false;
    }
    buf_char(out, '}');
    return true;
}

bool jinja_repr(struct render *r, struct value v, struct buf *out)
{
    if (!jinja_work(r, 1))
        return false;
    switch ((enum value_kind)v.kind) {
    case VALUE_ABSENT:
    case VALUE_UNDEFINED: buf_puts(out, "Undefined"); return true;
    case VALUE_NONE: buf_puts(out, "None"); return true;
    case VALUE_BOOL: buf_puts(out, v.b ? "True" : "False"); return true;
    case VALUE_INT: buf_printf(out, "%lld", (long long)v.i); return true;
    case VALUE_FLOAT: jinja_print_float(v.f, out); return true;
    case VALUE_STRING: repr_text(v.s, out); return jinja_work_bytes(r, v.s.n);
    case VALUE_LIST: return repr_list(r, v.list, "[", "]", out);
    case VALUE_TUPLE: return repr_list(r, v.list, "(", v.list->n == 1 ? ",)" : ")", out);
    case VALUE_ITER: return repr_iter(r, v, out);
    case VALUE_DICT: return repr_dict(r, v.dict, out);
    case VALUE_NAMESPACE:
    case VALUE_MACRO:
    case VALUE_LOOP:
    case VALUE_BUILTIN: break;
    }
    return jinja_fail(r, "a %s cannot be printed", value_type_name(v));
}

bool jinja_print(struct render *r, struct value v, struct buf *out)
{
    if (v.kind == VALUE_STRING) {
        buf_str(out, v.s);
        return jinja_work_bytes(r, v.s.n);
    }
    if (v.kind == VALUE_UNDEFINED)
        return !(v.flags & VALUE_FORBIDDEN) || jinja_defined(r, v);
    return jinja_repr(r, v, out);
}

bool jinja_to_text(struct render *r, struct value v, struct str *ret)
{
    if (v.kind == VALUE_STRING) {
        *ret = v.s;
        return true;
    }
    struct buf buf = jinja_buf();
    struct value text;
    if (!jinja_print(r, v, &buf)) {
        buf_free(&buf);
        return false;
    }
    if (!jinja_text_buf(r, &buf, &text))
        return false;
    *ret = text.s;
    return true;
}

/* ---- JSON ---- */

static void json_text(struct str s, bool ensure_ascii, struct buf *out)
{
    static const char codes[] = "\"\\\n\r\t\b\f", letters[] = "\"\\nrtbf";
    int len;
    buf_char(out, '"');
    for (size_t at = 0; at < s.n; at += (size_t)len) {
        uint32_t cp = utf8_decode(s, at, &len);
        const char *found = cp && cp < 0x80 ? strchr(codes, (int)cp) : NULL;
        if (found)
            buf_printf(out, "\\%c", letters[found - codes]);
        else if (cp < 0x20)
            buf_printf(out, "\\u%04x", cp);
        else if (cp < 0x80 || !ensure_ascii || cp == UTF8_BAD)
            buf_add(out, s.p + at, (size_t)len);
        else if (cp < 0x10000)
            buf_printf(out, "\\u%04x", cp);
        else
            buf_printf(out, "\\u%04x\\u%04x", 0xD800 + ((cp - 0x10000) >> 10), 0xDC00 + ((cp - 0x10000) & 0x3FF));
    }
    buf_char(out, '"');
}

static void json_newline(const struct json_style *style, int level, struct buf *out)
{
    if (!style->pretty)
        return;
    buf_char(out, '\n');
    for (int i = 0; i < level; i++)
        buf_str(out, style->indent);
}

static void json_number(struct value v, struct buf *out)
{
    if (v.kind == VALUE_FLOAT && !isfinite(v.f))
        buf_puts(out, isnan(v.f) ? "NaN" : v.f > 0 ? "Infinity" : "-Infinity");
    else if (v.kind == VALUE_FLOAT)
        jinja_print_float(v.f, out);
    else if (v.kind == VALUE_BOOL)
        buf_puts(out, v.b ? "true" : "false");
    else if (v.kind == VALUE_NONE)
        buf_puts(out, "null");
    else
        buf_printf(out, "%lld", (long long)v.i);
}

static bool json_any(struct render *r, struct value v, const struct json_style *style, int level, struct buf *out);

static bool json_list(struct render *r, const struct list *l, const struct json_style *style, int level,
                      struct buf *out)
{
    buf_char(out, '[');
    for (size_t i = 0; i < l->n; i++) {
        if (i > 0)
            buf_str(out, style->item_separator);
        json_newline(style, level + 1, out);
        if (!json_any(r, l->v[i], style, level + 1, out))
            return false;
    }
    if (l->n > 0)
        json_newline(style, level, out);
    buf_char(out, ']');
    return true;
}

static bool json_pair(struct render *r, const struct pair *p, const struct json_style *style, int level,
                      struct buf *out)
{
    if (p->key.kind == VALUE_STRING) {
        json_text(p->key.s, style->ensure_ascii, out);
    } else if (value_numeric(p->key) || p->key.kind == VALUE_NONE) {
        buf_char(out, '"');
        json_number(p->key, out);
        buf_char(out, '"');
    } else {
        return jinja_fail(r, "a %s cannot be a key in JSON", value_type_name(p->key));
    }
    buf_str(out, style->key_separator);
    return json_any(r, p->value, style, level, out);
}

/* Keys in order: an insertion sort of positions, charged as the work it is. */
static bool sorted_pairs(struct render *r, const struct dict *d, const struct pair **order)
{
    for (size_t i = 0; i < d->n; i++) {
        size_t at = i;
        for (int c = 1; at > 0; at--) {
            if (!jinja_order(r, d->p[i].key, order[at - 1]->key, &c))
                return false;
            if (c >= 0)
                break;
            order[at] = order[at - 1];
        }
        order[at] = &d->p[i];
    }
    return true;
}

static bool json_dict(struct render *r, const struct dict *d, const struct json_style *style, int level,
                      struct buf *out)
{
    const struct pair **order = NULL;
    if (style->sort_keys) {
        order = jinja_alloc(r, d->n, sizeof(struct pair *));
        if (!order || !sorted_pairs(r, d, order))
            return false;
    }
    buf_char(out, '{');
    for (size_t i = 0; i < d->n; i++) {
        if (i > 0)
            buf_str(out, style->item_separator);
        json_newline(style, level + 1, out);
        if (!json_pair(r, order ? order[i] : &d->p[i], style, level + 1, out))
            return false;
    }
    if (d->n > 0)
        json_newline(style, level, out);
    buf_char(out, '}');
    return true;
}

static bool json_any(struct render *r, struct value v, const struct json_style *style, int level, struct buf *out)
{
    if (!jinja_work(r, 1 + (style->pretty ? (size_t)level : 0)))
        return false;
    switch ((enum value_kind)v.kind) {
    case VALUE_NONE:
    case VALUE_BOOL:
    case VALUE_INT:
    case VALUE_FLOAT: json_number(v, out); return true;
    case VALUE_STRING: json_text(v.s, style->ensure_ascii, out); return jinja_work_bytes(r, v.s.n);
    case VALUE_LIST:
    case VALUE_TUPLE: return json_list(r, v.list, style, level, out);
    case VALUE_DICT: return json_dict(r, v.dict, style, level, out);
    default: return jinja_fail(r, "a value of type %s cannot be written as JSON", value_type_name(v));
    }
}

bool jinja_json(struct render *r, struct value v, const struct json_style *style, struct buf *out)
{
    return json_any(r, v, style, 0, out);
}
