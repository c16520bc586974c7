/* Methods of strings. Those of other values, and the finding of any method, are in methods.c. */
#include <utf8proc.h>

#include "text/jinja/lib/lib.h"

#define SEARCH_CHARGE_BYTES 65536 /* compared by a search before they are charged to the steps */

/* ---- strings: ends and case ---- */

static bool strip(struct render *r, const struct call *c, bool left, bool right, struct value *ret)
{
    struct str chars; /* only to refuse what is no string */
    return lib_str(r, c->v[0], "the characters to strip", &chars) &&
           lib_strip(r, c->self.s, c->v[0], left, right, ret);
}

static bool str_strip(struct render *r, const struct call *c, struct value *ret)
{
    return strip(r, c, true, true, ret);
}

static bool str_lstrip(struct render *r, const struct call *c, struct value *ret)
{
    return strip(r, c, true, false, ret);
}

static bool str_rstrip(struct render *r, const struct call *c, struct value *ret)
{
    return strip(r, c, false, true, ret);
}

static bool str_upper(struct render *r, const struct call *c, struct value *ret)
{
    return lib_case(r, c->self.s, TEXT_UPPER, ret);
}

static bool str_lower(struct render *r, const struct call *c, struct value *ret)
{
    return lib_case(r, c->self.s, TEXT_LOWER, ret);
}

static bool str_capitalize(struct render *r, const struct call *c, struct value *ret)
{
    return lib_case(r, c->self.s, TEXT_CAPITALIZE, ret);
}

static bool str_title(struct render *r, const struct call *c, struct value *ret)
{
    return lib_case(r, c->self.s, TEXT_TITLE, ret);
}

/* Whether s begins (ends) with v, or with one of v's elements when it is a tuple. */
static bool affix(struct render *r, const struct call *c, bool start, struct value *ret)
{
    const struct value *v = c->v[0].kind == VALUE_TUPLE ? c->v[0].list->v : &c->v[0];
    size_t n = c->v[0].kind == VALUE_TUPLE ? c->v[0].list->n : 1;
    bool found = false;
    for (size_t i = 0; !found && i < n; i++) {
        if (v[i].kind != VALUE_STRING)
            return jinja_defined(r, v[i]) && jinja_fail(r, "startswith and endswith need a string, not a %s",
                                                        value_type_name(v[i]));
        if (!jinja_work_bytes(r, v[i].s.n))
            return false;
        found = start ? str_starts(c->self.s, v[i].s) : str_ends(c->self.s, v[i].s);
    }
    *ret = value_bool(found);
    return jinja_work(r, n);
}

static bool str_startswith(struct render *r, const struct call *c, struct value *ret)
{
    return affix(r, c, true, ret);
}

static bool str_endswith(struct render *r, const struct call *c, struct value *ret)
{
    return affix(r, c, false, ret);
}

static bool str_removeprefix(struct render *r, const struct call *c, struct value *ret)
{
    struct str prefix = STR("");
    if (!lib_str(r, c->v[0], "the prefix", &prefix) || !jinja_work_bytes(r, prefix.n))
        return false;
    *ret = value_str(c->self.s);
    if (str_starts(c->self.s, prefix))
        ret->s = (struct str){c->self.s.p + prefix.n, c->self.s.n - prefix.n};
    return true;
}

static bool str_removesuffix(struct render *r, const struct call *c, struct value *ret)
{
    struct str suffix = STR("");
    if (!lib_str(r, c->v[0], "the suffix", &suffix) || !jinja_work_bytes(r, suffix.n))
        return false;
    *ret = value_str(c->self.s);
    if (str_ends(c->self.s, suffix))
        ret->s.n -= suffix.n;
    return true;
}

/* ---- strings: searching ---- */

/* Text that almost matches at every place costs its length each time, so the work is charged as it is done. */
static bool find_last(struct render *r, struct str s, struct str needle, size_t *ret)
{
    size_t compared = 0;
    *ret = SIZE_MAX;
    for (size_t at = s.n >= needle.n ? s.n - needle.n + 1 : 0; at-- > 0 && *ret == SIZE_MAX;) {
        size_t n = 0;
        while (n < needle.n && s.p[at + n] == needle.p[n])
            n++;
        compared += n + 1;
        if (n == needle.n)
            *ret = at;
        if (compared < SEARCH_CHARGE_BYTES)
            continue;
        if (!jinja_work_bytes(r, compared))
            return false;
        compared = 0;
    }
    return jinja_work_bytes(r, compared);
}

/* The first or the last place of needle in s; SIZE_MAX when it is not there. */
static bool find(struct render *r, struct str s, struct str needle, bool last, size_t *ret)
{
    if (last)
        return find_last(r, s, needle, ret);
    *ret = str_find(s, needle);
    return jinja_work_bytes(r, s.n);
}

/* A bound as slices have it: counted from the end where negative. */
static size_t bound_offset(struct str s, int64_t index, int64_t length)
{
    if (index < 0)
        index = index < -length ? 0 : index + length;
    return text_offset(s, (size_t)index);
}

/* The part of self that the arguments start and end bound; *ret_inside: start is not past the end. */
static bool searched_part(struct render *r, const struct call *c, struct str *ret, bool *ret_inside)
{
    struct str s = c->self.s;
    int64_t start = 0, end = INT64_MAX;
    bool from = value_given(c->v[1]) && c->v[1].kind != VALUE_NONE;
    bool to = value_given(c->v[2]) && c->v[2].kind != VALUE_NONE;
    *ret = s;
    *ret_inside = true;
    if (!from && !to)
        return true;
    if ((from && !lib_int(r, c->v[1], "the start of a search", &start)) ||
        (to && !lib_int(r, c->v[2], "the end of a search", &end)) || !jinja_work_bytes(r, s.n))
        return false;
    int64_t length = (int64_t)text_length(s);
    size_t first = bound_offset(s, start, length), last = bound_offset(s, end, length);
    *ret_inside = start <= length && first <= last;
    *ret = (struct str){s.p + first, *ret_inside ? last - first : 0};
    return true;
}

static bool search(struct render *r, const struct call *c, bool last, bool must, struct value *ret)
{
    struct str needle = STR(""), s;
    size_t at = SIZE_MAX;
    bool inside;
    if (!lib_str(r, c->v[0], "what is searched for", &needle) || !searched_part(r, c, &s, &inside) ||
        (inside && !find(r, s, needle, last, &at)))
        return false;
    if (at == SIZE_MAX && must)
        return jinja_fail(r, "the text searched for is not there");
    size_t before = (size_t)(s.p - c->self.s.p) + at;
    *ret = value_int(at == SIZE_MAX ? -1 : (int64_t)text_length((struct str){c->self.s.p, before}));
    return jinja_work_bytes(r, c->self.s.n);
}

static bool str_find_method(struct render *r, const struct call *c, struct value *ret)
{
    return search(r, c, false, false, ret);
}

static bool str_rfind(struct render *r, const struct call *c, struct value *ret)
{
    return search(r, c, true, false, ret);
}

static bool str_index(struct render *r, const struct call *c, struct value *ret)
{
    return search(r, c, false, true, ret);
}

static bool str_rindex(struct render *r, const struct call *c, struct value *ret)
{
    return search(r, c, true, true, ret);
}

static bool str_count(struct render *r, const struct call *c, struct value *ret)
{
    struct str needle = STR(""), s;
    int64_t n = 0;
    bool inside;
    if (!lib_str(r, c->v[0], "what is counted", &needle) || !searched_part(r, c, &s, &inside))
        return false;
    if (needle.n == 0 && inside)
        n = (int64_t)text_length(s) + 1;
    for (size_t at; needle.n > 0 && (at = str_find(s, needle)) != SIZE_MAX; n++) {
        s.p += at + needle.n;
        s.n -= at + needle.n;
    }
    *ret = value_int(n);
    return jinja_work_bytes(r, c->self.s.n);
}

static bool str_replace(struct render *r, const struct call *c, struct value *ret)
{
    struct str old = STR(""), with = STR("");
    int64_t count = -1;
    return jinja_defined(r, c->v[0]) && jinja_defined(r, c->v[1]) && lib_str(r, c->v[0], "the text to replace", &old) &&
           lib_str(r, c->v[1], "the replacement", &with) && lib_int(r, c->v[2], "the count of replace", &count) &&
           lib_replace(r, c->self.s, old, with, count, ret);
}

/* ---- strings: splitting and joining ---- */

struct splitter {
    struct render *r;
    struct list *list;
    size_t cap;
};

static bool add_piece(struct splitter *sp, struct str s)
{
    struct list *l = sp->list;
    if (l->n == sp->cap) {
        struct value *grown = jinja_alloc(sp->r, sp->cap * 2, sizeof *grown);
        if (!grown)
            return false;
        memcpy(grown, l->v, l->n * sizeof *grown);
        l->v = grown;
        sp->cap *= 2;
    }
    l->v[l->n++] = value_str(s);
    return jinja_work(sp->r, 1);
}

static bool begin_split(struct render *r, struct splitter *sp)
{
    *sp = (struct splitter){.r = r, .cap = 8};
    if (!jinja_list(r, sp->cap, &sp->list))
        return false;
    sp->list->n = 0;
    return true;
}

static size_t skip_class(struct str s, size_t at, bool space)
{
    int len;
    while (at < s.n && text_is_space(utf8_decode(s, at, &len)) == space)
        at += (size_t)len;
    return at;
}

/* At runs of white space; the last piece keeps what is inside it. */
static bool split_space(struct splitter *sp, struct str s, int64_t most)
{
    size_t at = skip_class(s, 0, true);
    for (; at < s.n; most--) {
        if (most == 0)
            return add_piece(sp, (struct str){s.p + at, s.n - at});
        size_t end = skip_class(s, at, false);
        if (!add_piece(sp, (struct str){s.p + at, end - at}))
            return false;
        at = skip_class(s, end, true);
    }
    return true;
}

static bool split_at(struct splitter *sp, struct str s, struct str glue, int64_t most)
{
    for (size_t at; most != 0 && (at = str_find(s, glue)) != SIZE_MAX; most--) {
        if (!add_piece(sp, (struct str){s.p, at}))
            return false;
        s.p += at + glue.n;
        s.n -= at + glue.n;
    }
    return add_piece(sp, s);
}

static void turn_around(struct list *l)
{
    for (size_t i = 0; i < l->n / 2; i++) {
        struct value v = l->v[i];
        l->v[i] = l->v[l->n - 1 - i];
        l->v[l->n - 1 - i] = v;
    }
}

/* From the right, at most `most` times; pieces come out in reverse. */
static bool split_back(struct splitter *sp, struct str s, struct str glue, int64_t most)
{
    for (size_t at; most != 0; most--) {
        if (!find_last(sp->r, s, glue, &at))
            return false;
        if (at == SIZE_MAX)
            break;
        if (!add_piece(sp, (struct str){s.p + at + glue.n, s.n - at - glue.n}))
            return false;
        s.n = at;
    }
    return add_piece(sp, s);
}

static bool split_space_back(struct splitter *sp, struct str s, int64_t most)
{
    for (s = text_strip(s, false, true); s.n > 0; most--) {
        size_t at = s.n;
        if (most == 0)
            return add_piece(sp, s);
        for (int len; at > 0;) {
            size_t before = text_last((struct str){s.p, at});
            if (text_is_space(utf8_decode(s, before, &len)))
                break;
            at = before;
        }
        if (!add_piece(sp, (struct str){s.p + at, s.n - at}))
            return false;
        s = text_strip((struct str){s.p, at}, false, true);
    }
    return true;
}

static bool split(struct render *r, const struct call *c, bool back, struct value *ret)
{
    struct str glue = STR("");
    int64_t most = -1;
    bool by_space = !value_given(c->v[0]) || c->v[0].kind == VALUE_NONE, ok;
    struct splitter sp;
    if (!lib_str(r, c->v[0], "the separator", &glue) || !lib_int(r, c->v[1], "the most splits", &most) ||
        !begin_split(r, &sp) || !jinja_work_bytes(r, c->self.s.n))
        return false;
    if (!by_space && glue.n == 0)
        return jinja_fail(r, "the separator is empty");
    if (back && most >= 0) {
        ok = by_space ? split_space_back(&sp, c->self.s, most) : split_back(&sp, c->self.s, glue, most);
        turn_around(sp.list);
    } else {
        ok = by_space ? split_space(&sp, c->self.s, most) : split_at(&sp, c->self.s, glue, most);
    }
    *ret = value_list(sp.list);
    return ok;
}

static bool str_split(struct render *r, const struct call *c, struct value *ret)
{
    return split(r, c, false, ret);
}

static bool str_rsplit(struct render *r, const struct call *c, struct value *ret)
{
    return split(r, c, true, ret);
}

/* Bytes of the line boundary of Python's splitlines at `at`, or 0. */
static size_t boundary_bytes(struct str s, size_t at)
{
    unsigned char c = (unsigned char)s.p[at];
    int len;
    if (c == '\r' && at + 1 < s.n && s.p[at + 1] == '\n')
        return 2;
    if ((c >= '\n' && c <= '\r') || (c >= 0x1C && c <= 0x1E))
        return 1;
    if (c != 0xC2 && c != 0xE2)
        return 0;
    uint32_t cp = utf8_decode(s, at, &len);
    return cp == 0x85 || cp == 0x2028 || cp == 0x2029 ? (size_t)len : 0;
}

size_t lib_line_end(struct str s, size_t at, size_t *ret_mark)
{
    *ret_mark = 0;
    while (at < s.n && !(*ret_mark = boundary_bytes(s, at)))
        at++;
    return at;
}

static bool str_splitlines(struct render *r, const struct call *c, struct value *ret)
{
    struct str s = c->self.s;
    struct splitter sp;
    if (!begin_split(r, &sp) || !jinja_work_bytes(r, s.n))
        return false;
    while (s.n > 0) {
        size_t mark, end = lib_line_end(s, 0, &mark);
        if (!add_piece(&sp, (struct str){s.p, end + (value_truth(c->v[0]) ? mark : 0)}))
            return false;
        s.p += end + mark;
        s.n -= end + mark;
    }
    *ret = value_list(sp.list);
    return true;
}

static bool partition(struct render *r, const struct call *c, bool back, struct value *ret)
{
    struct str s = c->self.s, glue = STR("");
    struct list *l;
    if (!lib_str(r, c->v[0], "the separator", &glue) || !jinja_list(r, 3, &l))
        return false;
    if (glue.n == 0)
        return jinja_fail(r, "the separator is empty");
    size_t at;
    if (!find(r, s, glue, back, &at))
        return false;
    l->v[0] = l->v[1] = l->v[2] = value_str(STR(""));
    if (at == SIZE_MAX) {
        l->v[back ? 2 : 0] = value_str(s);
    } else {
        l->v[0].s = (struct str){s.p, at};
        l->v[1].s = glue;
        l->v[2].s = (struct str){s.p + at + glue.n, s.n - at - glue.n};
    }
    *ret = value_tuple(l);
    return true;
}

static bool str_partition(struct render *r, const struct call *c, struct value *ret)
{
    return partition(r, c, false, ret);
}

static bool str_rpartition(struct render *r, const struct call *c, struct value *ret)
{
    return partition(r, c, true, ret);
}

static bool str_join(struct render *r, const struct call *c, struct value *ret)
{
    struct list *l;
    if (!jinja_iterate(r, c->v[0], &l))
        return false;
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].kind != VALUE_STRING)
            return jinja_defined(r, l->v[i]) && jinja_fail(r, "join needs strings, not a %s", value_type_name(l->v[i]));
    return jinja_join(r, c->self.s, l, ret);
}

/* ---- strings: padding and classes ---- */

static bool pad(struct render *r, const struct call *c, int left_share, struct value *ret)
{
    int64_t width = 0, n = (int64_t)text_length(c->self.s);
    struct str fill = STR(" ");
    if (!lib_int(r, c->v[0], "the width", &width) || !lib_str(r, c->v[1], "the fill", &fill))
        return false;
    if (width > LIB_MAX_WIDTH || text_length(fill) != 1)
        return jinja_fail(r, "a text is padded with one character to at most %d", LIB_MAX_WIDTH);
    int64_t missing = width > n ? width - n : 0;
    int64_t left = left_share == 2 ? missing : left_share == 0 ? 0 : missing / 2 + (missing & width & 1);
    struct buf buf = jinja_buf();
    for (int64_t i = 0; i < left; i++)
        buf_str(&buf, fill);
    buf_str(&buf, c->self.s);
    for (int64_t i = left; i < missing; i++)
        buf_str(&buf, fill);
    return jinja_text_buf(r, &buf, ret);
}

static bool str_ljust(struct render *r, const struct call *c, struct value *ret)
{
    return pad(r, c, 0, ret);
}

static bool str_center(struct render *r, const struct call *c, struct value *ret)
{
    return pad(r, c, 1, ret);
}

static bool str_rjust(struct render *r, const struct call *c, struct value *ret)
{
    return pad(r, c, 2, ret);
}

enum char_class { CLASS_ALPHA, CLASS_DIGIT, CLASS_ALNUM, CLASS_SPACE };

static bool in_class(uint32_t cp, enum char_class class)
{
    utf8proc_category_t cat = utf8proc_category((utf8proc_int32_t)cp);
    bool alpha = cat >= UTF8PROC_CATEGORY_LU && cat <= UTF8PROC_CATEGORY_LO, digit = cat == UTF8PROC_CATEGORY_ND;
    if (class == CLASS_SPACE)
        return text_is_space(cp);
    return (class != CLASS_DIGIT && alpha) || (class != CLASS_ALPHA && digit);
}

static bool all_class(struct render *r, const struct call *c, enum char_class class, struct value *ret)
{
    struct str s = c->self.s;
    bool all = s.n > 0;
    int len;
    for (size_t at = 0; all && at < s.n; at += (size_t)len) {
        uint32_t cp = utf8_decode(s, at, &len);
        all = cp != UTF8_BAD && in_class(cp, class);
    }
    *ret = value_bool(all);
    return jinja_work_bytes(r, s.n);
}

static bool str_isalpha(struct render *r, const struct call *c, struct value *ret)
{
    return all_class(r, c, CLASS_ALPHA, ret);
}

static bool str_isdigit(struct render *r, const struct call *c, struct value *ret)
{
    return all_class(r, c, CLASS_DIGIT, ret);
}

static bool str_isalnum(struct render *r, const struct call *c, struct value *ret)
{
    return all_class(r, c, CLASS_ALNUM, ret);
}

static bool str_isspace(struct render *r, const struct call *c, struct value *ret)
{
    return all_class(r, c, CLASS_SPACE, ret);
}

static bool str_isupper(struct render *r, const struct call *c, struct value *ret)
{
    return jinja_test(STR("upper"))->fn(r, c, ret);
}

static bool str_islower(struct render *r, const struct call *c, struct value *ret)
{
    return jinja_test(STR("lower"))->fn(r, c, ret);
}

static const struct builtin str_methods[] = {
    {"strip", str_strip, 0, {"chars"}, false},
    {"lstrip", str_lstrip, 0, {"chars"}, false},
    {"rstrip", str_rstrip, 0, {"chars"}, false},
    {"split", str_split, 0, {"sep", "maxsplit"}, false},
    {"rsplit", str_rsplit, 0, {"sep", "maxsplit"}, false},
    {"splitlines", str_splitlines, 0, {"keepends"}, false},
    {"partition", str_partition, 1, {"sep"}, false},
    {"rpartition", str_rpartition, 1, {"sep"}, false},
    {"join", str_join, 1, {"iterable"}, false},
    {"startswith", str_startswith, 1, {"prefix"}, false},
    {"endswith", str_endswith, 1, {"suffix"}, false},
    {"removeprefix", str_removeprefix, 1, {"prefix"}, false},
    {"removesuffix", str_removesuffix, 1, {"suffix"}, false},
    {"find", str_find_method, 1, {"sub", "start", "end"}, false},
    {"rfind", str_rfind, 1, {"sub", "start", "end"}, false},
    {"index", str_index, 1, {"sub", "start", "end"}, false},
    {"rindex", str_rindex, 1, {"sub", "start", "end"}, false},
    {"count", str_count, 1, {"sub", "start", "end"}, false},
    {"replace", str_replace, 2, {"old", "new", "count"}, false},
    {"upper", str_upper, 0, {0}, false},
    {"lower", str_lower, 0, {0}, false},
    {"casefold", str_lower, 0, {0}, false},
    {"capitalize", str_capitalize, 0, {0}, false},
    {"title", str_title, 0, {0}, false},
    {"ljust", str_ljust, 1, {"width", "fillchar"}, false},
    {"rjust", str_rjust, 1, {"width", "fillchar"}, false},
    {"center", str_center, 1, {"width", "fillchar"}, false},
    {"isalpha", str_isalpha, 0, {0}, false},
    {"isdigit", str_isdigit, 0, {0}, false},
    {"isdecimal", str_isdigit, 0, {0}, false},
    {"isnumeric", str_isdigit, 0, {0}, false},
    {"isalnum", str_isalnum, 0, {0}, false},
    {"isspace", str_isspace, 0, {0}, false},
    {"isupper", str_isupper, 0, {0}, false},
    {"islower", str_islower, 0, {0}, false},
    {"format", lib_format_braces, 0, {0}, true},
};

const struct builtin *lib_text_method(struct str name)
{
    return lib_find(str_methods, LIB_COUNT(str_methods), name);
}
