/* Escapes and classes of characters. Where the dialects differ ECMA-262 decides: \d and \w are ASCII, \s is Unicode's
 * white space, [] matches nothing and [^] anything. What the u flag forbids without need (\- or \_ outside a class) is
 * taken as everybody else takes it: the character itself. */
#include "grammar/regex/syntax.h"

#define HEX_MAX_DIGITS 6
#define NAME_MAX 64   /* bytes of a property's name */

/* ---- the classes that have letters ---- */

struct named_class {
    const char *name;
    int n;
    struct code_range ranges[10];
};

static const struct named_class digits = {"digit", 1, {{'0', '9'}}};
static const struct named_class words = {"word", 4, {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}};
static const struct named_class spaces = {"space", 10, {
    {'\t', '\r'}, {' ', ' '}, {0xA0, 0xA0}, {0x1680, 0x1680}, {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F},
    {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF},
}};
static const struct named_class posix_classes[] = {
    {"alnum", 3, {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}},
    {"alpha", 2, {{'A', 'Z'}, {'a', 'z'}}},
    {"ascii", 1, {{0, 0x7F}}},
    {"blank", 2, {{'\t', '\t'}, {' ', ' '}}},
    {"cntrl", 2, {{0, 0x1F}, {0x7F, 0x7F}}},
    {"digit", 1, {{'0', '9'}}},
    {"graph", 1, {{'!', '~'}}},
    {"lower", 1, {{'a', 'z'}}},
    {"print", 1, {{' ', '~'}}},
    {"punct", 4, {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
    {"space", 2, {{'\t', '\r'}, {' ', ' '}}},
    {"upper", 1, {{'A', 'Z'}}},
    {"word", 4, {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
    {"xdigit", 3, {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}},
};

static bool add_named(struct parse *p, const struct named_class *named, bool negated, struct ranges *r, struct err *err)
{
    struct ranges mine = {0};
    for (int i = 0; i < named->n; i++)
        if (!ranges_add(p->arena, &mine, named->ranges[i].first, named->ranges[i].last, err))
            return false;
    return (!negated || ranges_complement(p->arena, &mine, err)) && ranges_add_all(p->arena, r, &mine, err);
}

/* ---- escapes ---- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Exactly n hexadecimal digits, or 1 to HEX_MAX_DIGITS of them between braces. */
static bool parse_hex(struct parse *p, int n, uint32_t *ret, struct err *err)
{
    size_t at = p->at;
    bool braces = parse_at(p, "{");
    uint32_t value = 0;
    int n_digits = 0, most = braces ? HEX_MAX_DIGITS : n;
    p->at += braces;
    for (; n_digits < most && p->at < p->pattern.n && hex_value(p->pattern.p[p->at]) >= 0; n_digits++)
        value = value * 16 + (uint32_t)hex_value(p->pattern.p[p->at++]);
    bool ok = n_digits > 0 && (braces ? parse_at(p, "}") : n_digits == n) && value <= LAST_CODE_POINT;
    if (!ok)
        return syntax_fail(at, ERR_INVALID, err,
                           "the number of a character is %d hexadecimal digits, or up to %d in {}", n, HEX_MAX_DIGITS);
    p->at += braces;
    *ret = value;
    return true;
}

/* Behind \u: four digits, or a pair of surrogates, or braces. */
static bool parse_unicode(struct parse *p, uint32_t *ret, struct err *err)
{
    size_t at = p->at;
    uint32_t low = 0;
    if (!parse_hex(p, 4, ret, err))
        return false;
    if (*ret >= 0xD800 && *ret <= 0xDBFF && parse_at(p, "\\u")) {
        p->at += 2;
        if (!parse_hex(p, 4, &low, err))
            return false;
        if (low >= 0xDC00 && low <= 0xDFFF)
            *ret = 0x10000 + ((*ret - 0xD800) << 10) + (low - 0xDC00);
    }
    if (*ret >= 0xD800 && *ret <= 0xDFFF)
        return syntax_fail(at, ERR_INVALID, err, "half a surrogate pair is no character");
    return true;
}

/* Behind \p or \P: {Name}, or one letter. */
static bool parse_property(struct parse *p, struct ranges *r, struct err *err)
{
    bool negated = p->pattern.p[p->at - 1] == 'P', known = false, braces = parse_at(p, "{");
    size_t at = p->at += braces, n = 0;
    while (at + n < p->pattern.n && (braces ? p->pattern.p[at + n] != '}' : n < 1))
        n++;
    struct str name = {p->pattern.p + at, n};
    if (n == 0 || n > NAME_MAX || (braces && at + n >= p->pattern.n))
        return syntax_fail(at, ERR_INVALID, err, "\\p needs the name of a property, as in \\p{L}");
    if (name.p[0] == '^' && n > 1) {
        negated = !negated;
        name = (struct str){name.p + 1, n - 1};
    }
    p->at = at + n + braces;
    struct ranges mine = {0};
    if (!unicode_property(p->arena, name, &mine, &known, err))
        return false;
    if (!known)
        return syntax_fail(at, ERR_UNSUPPORTED, err, "'" STR_FMT "' is no property that is known; there are the "
                           "general categories and the larger scripts", STR_ARG(name));
    ranges_tidy(&mine);
    return (!negated || ranges_complement(p->arena, &mine, err)) && ranges_add_all(p->arena, r, &mine, err);
}

/* Escapes of one character that have a letter; UTF8_BAD for others. */
static uint32_t letter_escape(char c, bool in_class)
{
    switch (c) {
    case 'a': return '\a';
    case 'b': return in_class ? '\b' : UTF8_BAD;
    case 'e': return 0x1B;
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'v': return '\v';
    default: return UTF8_BAD;
    }
}

static bool is_alphanumeric(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool refuse_escape(const struct parse *p, size_t at, char c, struct err *err)
{
    bool digit = p->at < p->pattern.n && p->pattern.p[p->at] >= '0' && p->pattern.p[p->at] <= '9';
    if (c == '0' && digit)
        return syntax_fail(at, ERR_UNSUPPORTED, err, "octal escapes are not supported; write \\x and two digits");
    if ((c >= '1' && c <= '9') || c == 'k')
        return syntax_fail(at, ERR_UNSUPPORTED, err,
                          "back references are not supported: what they match is no regular language");
    return syntax_fail(at, ERR_UNSUPPORTED, err, "\\%c is not supported; for the letter write it without backslash", c);
}

/* What a letter or digit behind the backslash means. */
static bool parse_letter(struct parse *p, size_t at, bool in_class, struct escape *ret, struct err *err)
{
    char c = p->pattern.p[p->at++];
    bool negated = c >= 'A' && c <= 'Z';
    ret->is_class = true;
    switch (c) {
    case 'd': case 'D':
        return add_named(p, &digits, negated, &ret->ranges, err);
    case 'w': case 'W':
        return add_named(p, &words, negated, &ret->ranges, err);
    case 's': case 'S':
        return add_named(p, &spaces, negated, &ret->ranges, err);
    case 'p': case 'P':
        return parse_property(p, &ret->ranges, err);
    }
    ret->is_class = false;
    if (c == 'x')
        return parse_hex(p, 2, &ret->code_point, err);
    if (c == 'u')
        return parse_unicode(p, &ret->code_point, err);
    if (c == 'c' && p->at < p->pattern.n && is_alphanumeric(p->pattern.p[p->at]) && p->pattern.p[p->at] > '9') {
        ret->code_point = p->pattern.p[p->at++] & 0x1F;
        return true;
    }
    ret->code_point = letter_escape(c, in_class);
    if (c == '0' && !(p->at < p->pattern.n && p->pattern.p[p->at] >= '0' && p->pattern.p[p->at] <= '9'))
        ret->code_point = 0;
    return ret->code_point != UTF8_BAD || refuse_escape(p, at, c, err);
}

bool parse_escape(struct parse *p, bool in_class, struct escape *ret, struct err *err)
{
    size_t at = p->at++;
    int length;
    if (p->at >= p->pattern.n)
        return syntax_fail(at, ERR_INVALID, err, "nothing stands behind this backslash; write \\\\ for the character");
    if (is_alphanumeric(p->pattern.p[p->at]))
        return parse_letter(p, at, in_class, ret, err);
    ret->is_class = false;
    ret->code_point = utf8_decode(p->pattern, p->at, &length);
    p->at += (size_t)length;
    return true;
}

/* ---- classes ---- */

/* [:alpha:] inside a class; false where none stands here. */
static bool parse_posix(struct parse *p, const struct named_class **ret, bool *ret_negated)
{
    *ret_negated = parse_at(p, "[:^");
    size_t start = p->at + (*ret_negated ? 3 : 2);
    if (!parse_at(p, "[:"))
        return false;
    for (size_t i = 0; i < sizeof posix_classes / sizeof *posix_classes; i++) {
        struct str name = str_of(posix_classes[i].name), rest = {p->pattern.p + start, p->pattern.n - start};
        if (str_starts(rest, name) && str_starts((struct str){rest.p + name.n, rest.n - name.n}, STR(":]"))) {
            *ret = &posix_classes[i];
            p->at = start + name.n + 2;
            return true;
        }
    }
    return false;
}

/* One end of a range, or a class by itself. */
static bool parse_class_item(struct parse *p, struct escape *ret, struct err *err)
{
    const struct named_class *named;
    bool negated;
    int length;
    *ret = (struct escape){0};
    if (parse_at(p, "\\"))
        return parse_escape(p, true, ret, err);
    if (parse_posix(p, &named, &negated)) {
        ret->is_class = true;
        return add_named(p, named, negated, &ret->ranges, err);
    }
    ret->code_point = utf8_decode(p->pattern, p->at, &length);
    p->at += (size_t)length;
    return true;
}

/* A character, a range of them, or a class inside a class. */
static bool parse_class_part(struct parse *p, struct ranges *r, struct err *err)
{
    struct escape from, to;
    size_t at = p->at;
    if (!parse_class_item(p, &from, err))
        return false;
    if (from.is_class)
        return ranges_add_all(p->arena, r, &from.ranges, err);
    if (!parse_at(p, "-") || parse_at(p, "-]"))
        return ranges_add(p->arena, r, from.code_point, from.code_point, err);
    p->at++;
    if (p->at >= p->pattern.n)
        return syntax_fail(at, ERR_INVALID, err, "this class has no ']' behind it");
    if (!parse_class_item(p, &to, err))
        return false;
    if (to.is_class)   /* [a-\d]: no range, but three things */
        return ranges_add(p->arena, r, from.code_point, from.code_point, err) &&
               ranges_add(p->arena, r, '-', '-', err) && ranges_add_all(p->arena, r, &to.ranges, err);
    if (to.code_point < from.code_point)
        return syntax_fail(at, ERR_INVALID, err, "this range ends before it begins");
    return ranges_add(p->arena, r, from.code_point, to.code_point, err);
}

bool parse_class(struct parse *p, struct ranges *ret, struct err *err)
{
    size_t at = p->at++;
    bool negated = parse_at(p, "^");
    p->at += negated;
    while (p->at < p->pattern.n && p->pattern.p[p->at] != ']')
        if (!parse_class_part(p, ret, err))
            return false;
    if (p->at >= p->pattern.n)
        return syntax_fail(at, ERR_INVALID, err, "this class has no ']' behind it");
    p->at++;
    if (p->fold && !ranges_fold(p->arena, ret, err))
        return false;
    ranges_tidy(ret);
    return !negated || ranges_complement(p->arena, ret, err);
}

bool parse_dot(struct parse *p, struct ranges *ret, struct err *err)
{
    p->at++;
    if (!p->dot_all && (!ranges_add(p->arena, ret, '\n', '\n', err) || !ranges_add(p->arena, ret, '\r', '\r', err) ||
                        !ranges_add(p->arena, ret, 0x2028, 0x2029, err)))
        return false;
    return ranges_complement(p->arena, ret, err);
}

bool parse_folded(struct parse *p, uint32_t code_point, struct ranges *ret, struct err *err)
{
    if (!ranges_add(p->arena, ret, code_point, code_point, err) || !ranges_fold(p->arena, ret, err))
        return false;
    if (ret->n == 1 && ret->p[0].first == ret->p[0].last)
        ret->n = 0;
    return true;
}
