/* Helpers of the builtins: typed arguments, case mapping, replacing, stripping, attribute paths, sorting. */
#include <utf8proc.h>

#include "text/jinja/lib/lib.h"

bool lib_int(struct render *r, struct value v, const char *what, int64_t *ret)
{
    if (!value_given(v) || v.kind == VALUE_NONE)
        return true;
    if (!value_integral(v))
        return jinja_defined(r, v) && jinja_fail(r, "%s must be an integer, not a %s", what, value_type_name(v));
    *ret = value_as_int(v);
    return true;
}

bool lib_str(struct render *r, struct value v, const char *what, struct str *ret)
{
    if (!value_given(v) || v.kind == VALUE_NONE)
        return true;
    if (v.kind != VALUE_STRING)
        return jinja_defined(r, v) && jinja_fail(r, "%s must be a string, not a %s", what, value_type_name(v));
    *ret = v.s;
    return true;
}

static bool is_cased(uint32_t cp)
{
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return c == UTF8PROC_CATEGORY_LU || c == UTF8PROC_CATEGORY_LL || c == UTF8PROC_CATEGORY_LT;
}

bool lib_case(struct render *r, struct str s, enum text_case how, struct value *ret)
{
    struct buf buf = jinja_buf();
    bool inside = false; /* of a word, or after the first character */
    int len;
    for (size_t at = 0; at < s.n; at += (size_t)len) {
        uint32_t cp = utf8_decode(s, at, &len);
        if (cp == UTF8_BAD) {
            buf_add(&buf, s.p + at, (size_t)len);
            continue;
        }
        bool upper = how == TEXT_UPPER || ((how == TEXT_TITLE || how == TEXT_CAPITALIZE) && !inside);
        inside = how == TEXT_TITLE ? is_cased(cp) : true;
        if (cp == 0xDF && upper) { /* the one common letter whose upper case is two */
            buf_puts(&buf, how == TEXT_UPPER ? "SS" : "Ss");
            continue;
        }
        utf8proc_int32_t from = (utf8proc_int32_t)cp, mapped = upper ? utf8proc_toupper(from) : utf8proc_tolower(from);
        char bytes[4];
        buf_add(&buf, bytes, (size_t)utf8_encode((uint32_t)mapped, bytes));
    }
    return jinja_text_buf(r, &buf, ret);
}

bool lib_replace(struct render *r, struct str s, struct str old, struct str with, int64_t count, struct value *ret)
{
    struct buf buf = jinja_buf();
    size_t at = 0;
    int64_t left = count < 0 ? INT64_MAX : count;
    if (!jinja_work_bytes(r, s.n))
        return false;
    if (old.n == 0) { /* between all characters, and at both ends */
        for (; left > 0; left--) {
            buf_str(&buf, with);
            if (at >= s.n || !buf_ok(&buf))
                break;
            size_t n = text_offset((struct str){s.p + at, s.n - at}, 1);
            buf_add(&buf, s.p + at, n);
            at += n;
        }
    }
    for (; old.n > 0 && left > 0 && buf_ok(&buf); left--) {
        struct str tail = {s.p + at, s.n - at};
        size_t found = str_find(tail, old);
        if (found == SIZE_MAX)
            break;
        buf_add(&buf, tail.p, found);
        buf_str(&buf, with);
        at += found + old.n;
    }
    if (at < s.n)
        buf_add(&buf, s.p + at, s.n - at);
    return jinja_text_buf(r, &buf, ret);
}

/* A character is found in well-formed text only where it stands whole. */
static bool holds(struct render *r, struct str set, struct str character, bool *ret)
{
    *ret = str_find(set, character) != SIZE_MAX;
    return jinja_work(r, 1) && jinja_work_bytes(r, set.n);
}

bool lib_strip(struct render *r, struct str s, struct value chars, bool left, bool right, struct value *ret)
{
    bool more = true;
    if (chars.kind != VALUE_STRING) {
        *ret = value_str(text_strip(s, left, right));
        return jinja_work_bytes(r, s.n - ret->s.n);
    }
    while (left && s.n > 0) {
        size_t n = text_offset(s, 1);
        if (!holds(r, chars.s, (struct str){s.p, n}, &more))
            return false;
        if (!more)
            break;
        s.p += n;
        s.n -= n;
    }
    while (right && s.n > 0) {
        size_t at = text_last(s);
        if (!holds(r, chars.s, (struct str){s.p + at, s.n - at}, &more))
            return false;
        if (!more)
            break;
        s.n = at;
    }
    *ret = value_str(s);
    return true;
}

bool lib_path(struct render *r, struct value v, struct value path, struct value *ret)
{
    *ret = v;
    if (value_integral(path))
        return jinja_item(r, v, path, ret);
    if (path.kind != VALUE_STRING)
        return jinja_fail(r, "an attribute is named by a string or an integer, not by a %s", value_type_name(path));
    struct str rest = path.s;
    while (rest.n > 0) {
        size_t dot = str_find(rest, STR("."));
        struct str part = {rest.p, dot == SIZE_MAX ? rest.n : dot};
        int64_t index;
        struct value key = str_to_i64(part, &index) && index >= 0 ? value_int(index) : value_str(part);
        if (!jinja_item(r, *ret, key, ret))
            return false;
        rest.p += part.n + (dot != SIZE_MAX);
        rest.n -= part.n + (dot != SIZE_MAX);
    }
    return true;
}

bool lib_fold(struct render *r, struct value v, struct value *ret)
{
    *ret = v;
    return v.kind != VALUE_STRING || lib_case(r, v.s, TEXT_LOWER, ret);
}

/* Merge sort of positions: stable, and its comparisons may fail. */
static bool merge(struct render *r, const struct value *keys, size_t *order, size_t *spare, size_t n, bool reverse)
{
    if (n < 2)
        return true;
    size_t half = n / 2, a = 0, b = half;
    if (!merge(r, keys, order, spare, half, reverse) || !merge(r, keys, order + half, spare, n - half, reverse))
        return false;
    for (size_t i = 0; i < n; i++) {
        int c = 0;
        if (a < half && b < n && !jinja_order(r, keys[order[a]], keys[order[b]], &c))
            return false;
        bool first = b >= n || (a < half && (reverse ? c >= 0 : c <= 0));
        spare[i] = first ? order[a++] : order[b++];
    }
    memcpy(order, spare, n * sizeof *order);
    return true;
}

bool lib_sort(struct render *r, struct value *items, struct value *keys, size_t n, bool reverse)
{
    size_t *order = jinja_alloc(r, n, sizeof *order), *spare = jinja_alloc(r, n, sizeof *spare);
    struct value *sorted = jinja_alloc(r, n, sizeof *sorted);
    if (!order || !spare || !sorted)
        return false;
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    if (!merge(r, keys, order, spare, n, reverse))
        return false;
    for (size_t i = 0; i < n; i++)
        sorted[i] = items[order[i]];
    if (n)
        memcpy(items, sorted, n * sizeof *items);
    return true;
}
