/* Formatting: "%s" with arguments (the format filter and the % operator) and "{}".format(...). Both end in one
 * formatter of a single value under a specification of width, precision and type. */
#include <math.h>
#include <stdlib.h>

#include "text/jinja/lib/lib.h"

struct format_spec {
    struct str fill;
    char align, sign, type; /* 0: not given */
    bool alternate, comma;
    int64_t width, precision;  /* precision -1: not given */
};

static bool read_number(struct render *r, struct str s, size_t *at, int64_t *ret)
{
    int64_t v = 0;
    for (; *at < s.n && s.p[*at] >= '0' && s.p[*at] <= '9'; (*at)++) {
        v = v * 10 + (s.p[*at] - '0');
        if (v > LIB_MAX_WIDTH)
            return jinja_fail_limit(r, "a format asks for a width above %d", LIB_MAX_WIDTH);
    }
    *ret = v;
    return true;
}

static void pad_into(const struct format_spec *spec, char default_align, struct str sign, struct str body,
                     struct buf *out)
{
    int64_t n = (int64_t)(text_length(sign) + text_length(body)), missing = spec->width > n ? spec->width - n : 0;
    char align = spec->align ? spec->align : default_align;
    int64_t left = align == '>' ? missing : align == '^' ? missing / 2 : 0;
    struct str fill = spec->fill.n ? spec->fill : STR(" ");
    if (align == '=') {
        buf_str(out, sign);
        left = missing;
    }
    for (int64_t i = 0; i < left; i++)
        buf_str(out, fill);
    if (align != '=')
        buf_str(out, sign);
    buf_str(out, body);
    for (int64_t i = left; i < missing; i++)
        buf_str(out, fill);
}

/* Commas between groups of three in the digits before any point. */
static void add_commas(struct buf *digits)
{
    struct buf out = jinja_buf();
    size_t whole = 0;
    while (whole < digits->n && digits->p[whole] >= '0' && digits->p[whole] <= '9')
        whole++;
    for (size_t i = 0; i < digits->n; i++) {
        if (i > 0 && i < whole && (whole - i) % 3 == 0)
            buf_char(&out, ',');
        buf_char(&out, digits->p[i]);
    }
    buf_free(digits);
    *digits = out;
}

static bool format_int(struct render *r, const struct format_spec *spec, int64_t v, struct buf *out)
{
    struct buf digits = jinja_buf();
    uint64_t size = v < 0 ? -(uint64_t)v : (uint64_t)v;
    const char *prefix = "";
    char text[72];
    int at = (int)sizeof text;
    int base = spec->type == 'b' ? 2 : spec->type == 'o' ? 8 : (spec->type | 32) == 'x' ? 16 : 10;
    if (spec->precision > LIB_MAX_WIDTH)
        return jinja_fail_limit(r, "a format asks for more than %d digits", LIB_MAX_WIDTH);
    do {
        text[--at] = (spec->type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef")[size % (unsigned)base];
        size /= (unsigned)base;
    } while (size > 0);
    for (int64_t i = (int64_t)sizeof text - at; i < spec->precision; i++)
        buf_char(&digits, '0');
    buf_add(&digits, text + at, sizeof text - (size_t)at);
    if (spec->comma)
        add_commas(&digits);
    if (spec->alternate && base != 10)
        prefix = base == 2 ? "0b" : base == 8 ? "0o" : spec->type == 'X' ? "0X" : "0x";
    struct buf sign = jinja_buf();
    buf_puts(&sign, v < 0 ? "-" : spec->sign == '+' ? "+" : spec->sign == ' ' ? " " : "");
    buf_puts(&sign, prefix);
    pad_into(spec, '>', buf_view(&sign), buf_view(&digits), out);
    buf_free(&sign);
    buf_free(&digits);
    return true;
}

static bool format_float(struct render *r, const struct format_spec *spec, double f, struct buf *out)
{
    struct buf digits = jinja_buf();
    double size = fabs(f);
    int precision = spec->precision < 0 ? 6 : (int)spec->precision;
    (void)r;
    switch (spec->type) {
    case 0:
        if (spec->precision < 0)
            jinja_print_float(size, &digits);
        else
            buf_printf(&digits, "%.*g", precision, size);
        break;
    case 'e': buf_printf(&digits, "%.*e", precision, size); break;
    case 'E': buf_printf(&digits, "%.*E", precision, size); break;
    case 'g':
    case 'n': buf_printf(&digits, "%.*g", precision, size); break;
    case 'G': buf_printf(&digits, "%.*G", precision, size); break;
    case '%': buf_printf(&digits, "%.*f%%", precision, size * 100); break;
    default: buf_printf(&digits, "%.*f", precision, size); break;
    }
    if (spec->comma)
        add_commas(&digits);
    struct str sign = signbit(f) ? STR("-") : spec->sign == '+' ? STR("+") : spec->sign == ' ' ? STR(" ") : STR("");
    pad_into(spec, '>', sign, buf_view(&digits), out);
    buf_free(&digits);
    return true;
}

static bool format_text(struct render *r, const struct format_spec *spec, struct value v, struct buf *out)
{
    struct str s;
    if (!jinja_to_text(r, v, &s))
        return false;
    if (spec->precision >= 0)
        s.n = text_offset(s, (size_t)spec->precision);
    pad_into(spec, '<', STR(""), s, out);
    return true;
}

static bool format_one(struct render *r, const struct format_spec *spec, struct value v, struct buf *out)
{
    bool wants_int = spec->type && strchr("dioxXb", spec->type);
    bool wants_float = spec->type && strchr("eEfFgG%n", spec->type);
    if (spec->type == 's' || (!spec->type && !value_numeric(v)) || (v.kind == VALUE_BOOL && !spec->type))
        return format_text(r, spec, v, out);
    if (!value_numeric(v))
        return jinja_defined(r, v) && jinja_fail(r, "a format wants a number, not a %s", value_type_name(v));
    if (wants_float || v.kind == VALUE_FLOAT) {
        if (wants_int)
            return jinja_fail(r, "a format wants an integer, not a float");
        return format_float(r, spec, value_as_float(v), out);
    }
    if (spec->type && !wants_int)
        return jinja_fail(r, "the format type '%c' is not supported", spec->type);
    return format_int(r, spec, value_as_int(v), out);
}

/* ---- "%s" ---- */

struct percent {
    struct render *r;
    const struct call *c;
    int next;
};

static bool next_argument(struct percent *p, struct value *ret)
{
    if (p->next >= p->c->raw->n)
        return jinja_fail(p->r, "a format has more places than arguments");
    *ret = p->c->raw->v[p->next++];
    return true;
}

static bool named_argument(struct percent *p, struct str name, struct value *ret)
{
    const struct args *args = p->c->raw;
    for (int i = 0; i < args->n_keywords; i++) {
        if (str_eq(args->keywords[i].name, name)) {
            *ret = args->keywords[i].value;
            return true;
        }
    }
    struct value *found = NULL;
    bool dict = args->n == 1 && args->v[0].kind == VALUE_DICT;
    if (dict && !jinja_dict_find(p->r, args->v[0].dict, value_str(name), &found))
        return false;
    if (!found)
        return jinja_fail(p->r, "a format names an argument that is not there");
    p->next = args->n;
    *ret = *found;
    return true;
}

static bool percent_width(struct percent *p, struct str s, size_t *at, int64_t *ret)
{
    struct value v;
    if (*at >= s.n || s.p[*at] != '*')
        return read_number(p->r, s, at, ret);
    (*at)++;
    if (!next_argument(p, &v) || !lib_int(p->r, v, "a width", ret))
        return false;
    return (*ret >= 0 && *ret <= LIB_MAX_WIDTH) || jinja_fail(p->r, "a format asks for a width out of range");
}

/* The place that starts at s.p[*at], after its '%'. */
static bool percent_place(struct percent *p, struct str s, size_t *at, struct buf *out)
{
    struct format_spec spec = {.precision = -1};
    struct value v;
    bool named = *at < s.n && s.p[*at] == '(';
    if (named) {
        size_t close = str_find((struct str){s.p + *at, s.n - *at}, STR(")"));
        if (close == SIZE_MAX)
            return jinja_fail(p->r, "a format names an argument without ')'");
        if (!named_argument(p, (struct str){s.p + *at + 1, close - 1}, &v))
            return false;
        *at += close + 1;
    }
    for (; *at < s.n && s.p[*at] && strchr("-+ 0#", s.p[*at]); (*at)++) {
        char flag = s.p[*at];
        if (flag == '-')
            spec.align = '<';
        else if (flag == '0' && spec.align != '<')
            spec.align = '=', spec.fill = STR("0");
        else if (flag == '#')
            spec.alternate = true;
        else if (flag == '+' || (flag == ' ' && !spec.sign))
            spec.sign = flag;
    }
    if (spec.align == '<')
        spec.fill = STR("");
    if (!percent_width(p, s, at, &spec.width))
        return false;
    if (*at < s.n && s.p[*at] == '.') {
        (*at)++;
        if (!percent_width(p, s, at, &spec.precision))
            return false;
    }
    char type = *at < s.n ? s.p[(*at)++] : 0;
    if (type == '%' && !named) {
        buf_char(out, '%');
        return true;
    }
    if (!type || !strchr("srdiuxXoeEfFgGc", type))
        return jinja_fail(p->r, "a format has a place of an unknown type");
    if (!named && !next_argument(p, &v))
        return false;
    spec.type = type == 'u' || type == 'i' ? 'd' : type == 'c' ? 's' : type;
    if (spec.type == 'd' && v.kind == VALUE_FLOAT && isfinite(v.f) && fabs(v.f) < 0x1p63)
        v = value_int((int64_t)v.f);
    if (spec.type == 's' || spec.type == 'r')
        spec.align = spec.align ? spec.align : '>';
    if (type == 'r') {
        struct buf text = jinja_buf();
        spec.type = 's';
        bool ok = jinja_repr(p->r, v, &text);
        if (ok)
            return jinja_text_buf(p->r, &text, &v) && format_one(p->r, &spec, v, out);
        buf_free(&text);
        return false;
    }
    return format_one(p->r, &spec, v, out);
}

bool lib_format_percent(struct render *r, const struct call *c, struct value *ret)
{
    struct percent p = {.r = r, .c = c};
    struct buf buf = jinja_buf();
    struct str s;
    if (!jinja_to_text(r, c->self, &s))
        return false;
    for (size_t at = 0; at < s.n;) {
        if (s.p[at++] != '%') {
            buf_char(&buf, s.p[at - 1]);
        } else if (!jinja_work(r, 1) || !percent_place(&p, s, &at, &buf)) {
            buf_free(&buf);
            return false;
        }
    }
    /* As in Python, a single list or dict may be left over. */
    bool spare = c->raw->n == 1 && (c->raw->v[0].kind == VALUE_DICT || c->raw->v[0].kind == VALUE_LIST);
    bool left = p.next < c->raw->n && !spare;
    if (!left)
        return jinja_text_buf(r, &buf, ret);
    buf_free(&buf);
    return jinja_fail(r, "a format has fewer places than arguments");
}

/* ---- "{}".format() ---- */

static bool parse_spec(struct render *r, struct str s, struct format_spec *ret)
{
    struct format_spec spec = {.precision = -1};
    size_t at = 0, first = s.n ? text_offset(s, 1) : 0;
    if (first < s.n && s.p[first] && strchr("<>^=", s.p[first])) {
        spec.fill = (struct str){s.p, first};
        spec.align = s.p[first];
        at = first + 1;
    } else if (s.n && s.p[0] && strchr("<>^=", s.p[0])) {
        spec.align = s.p[at++];
    }
    if (at < s.n && s.p[at] && strchr("+- ", s.p[at]))
        spec.sign = s.p[at++];
    if (at < s.n && s.p[at] == '#')
        spec.alternate = s.p[at++];
    if (at < s.n && s.p[at] == '0' && !spec.align) {
        spec.align = '=';
        spec.fill = STR("0");
        at++;
    }
    if (!read_number(r, s, &at, &spec.width))
        return false;
    if (at < s.n && s.p[at] == ',')
        spec.comma = s.p[at++];
    if (at < s.n && s.p[at] == '.') {
        at++;
        if (!read_number(r, s, &at, &spec.precision))
            return false;
    }
    if (at < s.n)
        spec.type = s.p[at++];
    if (at < s.n || (spec.type && !strchr("sdoxXbeEfFgGn%", spec.type)))
        return jinja_fail(r, "a format has a specification that is not understood");
    *ret = spec;
    return true;
}

/* The argument of a field such as "", "0", "name", "name.attr" or "name[key]". */
static bool field_value(struct render *r, const struct args *args, struct str field, int *next, struct value *ret)
{
    size_t end = 0;
    int64_t index;
    while (end < field.n && field.p[end] != '.' && field.p[end] != '[')
        end++;
    struct str name = {field.p, end};
    bool numbered = name.n == 0 || str_to_i64(name, &index);
    if (name.n == 0)
        index = (*next)++;
    if (numbered && (index < 0 || index >= args->n))
        return jinja_fail(r, "a format has more places than arguments");
    if (numbered) {
        *ret = args->v[index];
    } else {
        int i = 0;
        while (i < args->n_keywords && !str_eq(args->keywords[i].name, name))
            i++;
        if (i == args->n_keywords)
            return jinja_fail(r, "a format names an argument that is not there");
        *ret = args->keywords[i].value;
    }
    while (end < field.n) {
        bool bracket = field.p[end] == '[';
        size_t begin = ++end;
        while (end < field.n && (bracket ? field.p[end] != ']' : field.p[end] != '.' && field.p[end] != '['))
            end++;
        struct str part = {field.p + begin, end - begin};
        bool number = bracket && str_to_i64(part, &index);
        if (bracket)
            end++;
        if (!jinja_item(r, *ret, number ? value_int(index) : value_str(part), ret) || !jinja_defined(r, *ret))
            return false;
    }
    return true;
}

/* The field between braces: name, !conversion, :specification. */
static bool format_field(struct render *r, const struct args *args, struct str field, int *next, struct buf *out)
{
    struct format_spec spec;
    struct str rest = STR("");
    char conversion = 0;
    struct value v;
    size_t colon = str_find(field, STR(":"));
    if (colon != SIZE_MAX) {
        rest = (struct str){field.p + colon + 1, field.n - colon - 1};
        field.n = colon;
    }
    if (field.n >= 2 && field.p[field.n - 2] == '!') {
        conversion = field.p[field.n - 1];
        field.n -= 2;
    }
    if (!field_value(r, args, field, next, &v) || !parse_spec(r, rest, &spec))
        return false;
    struct buf text = jinja_buf();
    if (conversion == 'r' || conversion == 's') {
        if (!(conversion == 'r' ? jinja_repr(r, v, &text) : jinja_print(r, v, &text))) {
            buf_free(&text);
            return false;
        }
        return jinja_text_buf(r, &text, &v) && format_one(r, &spec, v, out);
    }
    return (!conversion || jinja_fail(r, "a format has an unknown conversion")) && format_one(r, &spec, v, out);
}

/* s with its fields, appended to *out. */
static bool format_all(struct render *r, const struct args *args, struct str s, struct buf *out)
{
    int next = 0;
    for (size_t at = 0; at < s.n; at++) {
        char ch = s.p[at];
        bool doubled = at + 1 < s.n && s.p[at + 1] == ch;
        if ((ch != '{' && ch != '}') || doubled) {
            buf_char(out, ch);
            at += (ch == '{' || ch == '}');
            continue;
        }
        size_t close = ch == '{' ? str_find((struct str){s.p + at, s.n - at}, STR("}")) : SIZE_MAX;
        if (close == SIZE_MAX)
            return jinja_fail(r, "a format has a single '%c'", ch);
        if (!jinja_work(r, 1) || !format_field(r, args, (struct str){s.p + at + 1, close - 1}, &next, out))
            return false;
        at += close;
    }
    return true;
}

bool lib_format_braces(struct render *r, const struct call *c, struct value *ret)
{
    struct buf buf = jinja_buf();
    if (format_all(r, c->raw, c->self.s, &buf))
        return jinja_text_buf(r, &buf, ret);
    buf_free(&buf);
    return false;
}
