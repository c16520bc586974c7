/* Facts about single values: type names, truth, height, and text counted in characters. Operations that can fail,
 * cost steps or make new values are in ops.c; printing is in print.c. */
#include "text/jinja/value.h"

#include "text/jinja/ast.h"

const char *value_type_name(struct value v)
{
    static const char *const iters[] = {"generator", "dict_keys", "dict_values", "dict_items", "range"};
    switch ((enum value_kind)v.kind) {
    case VALUE_ABSENT:
    case VALUE_UNDEFINED: return "Undefined";
    case VALUE_NONE: return "NoneType";
    case VALUE_BOOL: return "bool";
    case VALUE_INT: return "int";
    case VALUE_FLOAT: return "float";
    case VALUE_STRING: return "str";
    case VALUE_LIST: return "list";
    case VALUE_TUPLE: return "tuple";
    case VALUE_ITER: return iters[v.flags];
    case VALUE_DICT: return "dict";
    case VALUE_NAMESPACE: return "Namespace";
    case VALUE_MACRO: return "Macro";
    case VALUE_LOOP: return "LoopContext";
    case VALUE_BUILTIN: return "function";
    }
    return "object";
}

bool value_truth(struct value v)
{
    switch ((enum value_kind)v.kind) {
    case VALUE_ABSENT:
    case VALUE_UNDEFINED:
    case VALUE_NONE: return false;
    case VALUE_BOOL: return v.b;
    case VALUE_INT: return v.i != 0;
    case VALUE_FLOAT: return v.f != 0;
    case VALUE_STRING: return v.s.n > 0;
    case VALUE_LIST:
    case VALUE_TUPLE: return v.list->n > 0;
    case VALUE_ITER: return v.flags == ITER_GENERATOR || v.list->n > 0;
    case VALUE_DICT: return v.dict->n > 0;
    case VALUE_NAMESPACE:
    case VALUE_MACRO:
    case VALUE_LOOP:
    case VALUE_BUILTIN: return true;
    }
    return true;
}

int value_height(struct value v)
{
    if (value_has_list(v))
        return v.list->height;
    return v.kind == VALUE_DICT ? v.dict->height : 0;
}

bool value_same_scalar(struct value a, struct value b)
{
    if (a.kind == VALUE_STRING && b.kind == VALUE_STRING)
        return str_eq(a.s, b.s);
    if (value_integral(a) && value_integral(b))
        return value_as_int(a) == value_as_int(b);
    if (value_numeric(a) && value_numeric(b))
        return value_as_float(a) == value_as_float(b);
    return false;
}

size_t text_length(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
    return n;
}

size_t text_offset(struct str s, size_t index)
{
    size_t at = 0;
    while (at < s.n && index > 0) {
        at++;
        while (at < s.n && ((unsigned char)s.p[at] & 0xC0) == 0x80)
            at++;
        index--;
    }
    return at;
}

bool text_is_space(uint32_t cp)
{
    if (cp < 0x80)
        return (cp >= 9 && cp <= 13) || (cp >= 28 && cp <= 32);
    return cp == 0x85 || cp == 0xA0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 ||
           cp == 0x2029 || cp == 0x202F || cp == 0x205F || cp == 0x3000;
}

size_t text_last(struct str s)
{
    size_t at = s.n - 1;
    while (at > 0 && ((unsigned char)s.p[at] & 0xC0) == 0x80)
        at--;
    return at;
}

struct str text_strip(struct str s, bool left, bool right)
{
    int len;
    while (left && s.n > 0 && text_is_space(utf8_decode(s, 0, &len))) {
        s.p += len;
        s.n -= (size_t)len;
    }
    while (right && s.n > 0) {
        size_t at = text_last(s);
        if (!text_is_space(utf8_decode(s, at, &len)))
            break;
        s.n = at;
    }
    return s;
}
