/* Operators with Python's meaning: arithmetic, comparison, membership, iteration, joining. Attributes and
 * subscripts are in access.c. */
#include <math.h>

#include "text/jinja/run.h"

static const char *const op_signs[] = {"+",  "-",  "*", "/",  "//", "%",  "**", "==",
                                       "!=", "<",  "<=", ">", ">=", "in", "not in"};

static bool fail_types(struct render *r, enum node_op op, struct value a, struct value b)
{
    return jinja_defined(r, a) && jinja_defined(r, b) &&
           jinja_fail(r, "'%s' is not possible between %s and %s", op_signs[op], value_type_name(a),
                      value_type_name(b));
}

/* ---- arithmetic ---- */

static bool fail_overflow(struct render *r)
{
    return jinja_fail_limit(r, "an integer does not fit 64 bits");
}

static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return q - (a % b != 0 && (a % b < 0) != (b < 0));
}

static bool int_pow(struct render *r, int64_t base, int64_t exponent, struct value *ret)
{
    int64_t v = 1;
    if (exponent < 0) {
        *ret = value_float(pow((double)base, (double)exponent));
        return base != 0 || jinja_fail(r, "zero cannot be raised to a negative power");
    }
    while (exponent > 0) {
        if ((exponent & 1) && __builtin_mul_overflow(v, base, &v))
            return fail_overflow(r);
        exponent >>= 1;
        if (exponent > 0 && __builtin_mul_overflow(base, base, &base))
            return fail_overflow(r);
    }
    *ret = value_int(v);
    return true;
}

static bool int_binary(struct render *r, enum node_op op, int64_t a, int64_t b, struct value *ret)
{
    int64_t v = 0;
    bool over = false;
    if ((op == OP_DIV || op == OP_FLOORDIV || op == OP_MOD) && b == 0)
        return jinja_fail(r, "division by zero");
    if (op == OP_POW)
        return int_pow(r, a, b, ret);
    if (op == OP_DIV) {
        *ret = value_float((double)a / (double)b);
        return true;
    }
    if (op == OP_ADD)
        over = __builtin_add_overflow(a, b, &v);
    else if (op == OP_SUB)
        over = __builtin_sub_overflow(a, b, &v);
    else if (op == OP_MUL)
        over = __builtin_mul_overflow(a, b, &v);
    else if (b == -1) /* INT64_MIN / -1 traps */
        over = op == OP_FLOORDIV && __builtin_sub_overflow(0, a, &v);
    else
        v = op == OP_FLOORDIV ? floor_div(a, b) : a - floor_div(a, b) * b;
    *ret = value_int(v);
    return !over || fail_overflow(r);
}

static bool float_binary(struct render *r, enum node_op op, double a, double b, struct value *ret)
{
    double v;
    if ((op == OP_DIV || op == OP_FLOORDIV || op == OP_MOD) && b == 0)
        return jinja_fail(r, "division by zero");
    switch (op) {
    case OP_ADD: v = a + b; break;
    case OP_SUB: v = a - b; break;
    case OP_MUL: v = a * b; break;
    case OP_DIV: v = a / b; break;
    case OP_FLOORDIV: v = floor(a / b); break;
    case OP_MOD:
        v = fmod(a, b);
        if (v != 0 && (v < 0) != (b < 0))
            v += b;
        break;
    default: v = pow(a, b); break;
    }
    *ret = value_float(v);
    return true;
}

static bool add_text(struct render *r, struct value a, struct value b, struct value *ret)
{
    bool safe = (a.flags | b.flags) & VALUE_SAFE;
    struct buf buf = jinja_buf();
    if (safe && !(a.flags & VALUE_SAFE))
        jinja_escape_html(a.s, &buf);
    else
        buf_str(&buf, a.s);
    if (safe && !(b.flags & VALUE_SAFE))
        jinja_escape_html(b.s, &buf);
    else
        buf_str(&buf, b.s);
    if (!jinja_text_buf(r, &buf, ret))
        return false;
    ret->flags = safe ? VALUE_SAFE : 0;
    return true;
}

static bool add_lists(struct render *r, struct value a, struct value b, struct value *ret)
{
    struct list *l;
    if (!jinja_list(r, a.list->n + b.list->n, &l))
        return false;
    if (a.list->n)
        memcpy(l->v, a.list->v, a.list->n * sizeof *l->v);
    if (b.list->n)
        memcpy(l->v + a.list->n, b.list->v, b.list->n * sizeof *l->v);
    *ret = (struct value){.kind = a.kind, .list = l};
    return jinja_seal(r, l);
}

static bool repeat(struct render *r, struct value v, int64_t times, struct value *ret)
{
    size_t n = v.kind == VALUE_STRING ? v.s.n : v.list->n, count = times > 0 ? (size_t)times : 0, total;
    if (n == 0)
        count = 0;
    if (__builtin_mul_overflow(n, count, &total) || total > SIZE_MAX / sizeof(struct value))
        return jinja_fail_limit(r, "a repetition is too large");
    if (v.kind == VALUE_STRING) {
        char *p = jinja_alloc(r, total + 1, 1);
        if (!p || !jinja_work_bytes(r, total))
            return false;
        for (size_t i = 0; i < total; i += n)
            memcpy(p + i, v.s.p, n);
        *ret = value_str((struct str){p, total});
        return jinja_work(r, count / 8);
    }
    struct list *l;
    if (!jinja_work(r, total) || !jinja_list(r, total, &l))
        return false;
    for (size_t i = 0; i < total; i += n)
        memcpy(l->v + i, v.list->v, n * sizeof *l->v);
    *ret = (struct value){.kind = v.kind, .list = l};
    return jinja_seal(r, l);
}

/* `text % arguments` is the format filter. */
static bool percent(struct render *r, struct value a, struct value b, struct value *ret)
{
    struct args args = {.v = b.kind == VALUE_TUPLE ? b.list->v : &b, .n = b.kind == VALUE_TUPLE ? (int)b.list->n : 1};
    return jinja_invoke(r, jinja_filter(STR("format")), a, &args, ret);
}

bool jinja_binary(struct render *r, enum node_op op, struct value a, struct value b, struct value *ret)
{
    bool a_sequence = a.kind == VALUE_STRING || a.kind == VALUE_LIST || a.kind == VALUE_TUPLE;
    bool b_sequence = b.kind == VALUE_STRING || b.kind == VALUE_LIST || b.kind == VALUE_TUPLE;
    if (value_integral(a) && value_integral(b))
        return int_binary(r, op, value_as_int(a), value_as_int(b), ret);
    if (value_numeric(a) && value_numeric(b))
        return float_binary(r, op, value_as_float(a), value_as_float(b), ret);
    if (op == OP_ADD && a_sequence && a.kind == b.kind)
        return a.kind == VALUE_STRING ? add_text(r, a, b, ret) : add_lists(r, a, b, ret);
    if (op == OP_MUL && a_sequence && value_integral(b))
        return repeat(r, a, value_as_int(b), ret);
    if (op == OP_MUL && b_sequence && value_integral(a))
        return repeat(r, b, value_as_int(a), ret);
    if (op == OP_MOD && a.kind == VALUE_STRING && b.kind != VALUE_UNDEFINED)
        return percent(r, a, b, ret);
    return fail_types(r, op, a, b);
}

/* ---- comparison ---- */

static bool equal_lists(struct render *r, const struct list *a, const struct list *b, bool *ret)
{
    *ret = a->n == b->n;
    for (size_t i = 0; *ret && i < a->n; i++)
        if (!jinja_equal(r, a->v[i], b->v[i], ret))
            return false;
    return true;
}

static bool equal_dicts(struct render *r, const struct dict *a, const struct dict *b, bool *ret)
{
    struct value *other;
    *ret = a->n == b->n;
    for (size_t i = 0; *ret && i < a->n; i++) {
        if (!jinja_dict_find(r, b, a->p[i].key, &other))
            return false;
        *ret = other != NULL;
        if (other && !jinja_equal(r, a->p[i].value, *other, ret))
            return false;
    }
    return true;
}

bool jinja_equal(struct render *r, struct value a, struct value b, bool *ret)
{
    if (!jinja_work(r, 1))
        return false;
    *ret = false;
    if (value_numeric(a) || a.kind == VALUE_STRING) {
        *ret = value_same_scalar(a, b);
        return a.kind != VALUE_STRING || b.kind != VALUE_STRING || jinja_work_bytes(r, a.s.n < b.s.n ? a.s.n : b.s.n);
    }
    if (a.kind != b.kind)
        return true;
    switch ((enum value_kind)a.kind) {
    case VALUE_LIST:
    case VALUE_TUPLE: return equal_lists(r, a.list, b.list, ret);
    case VALUE_ITER: *ret = a.list == b.list; return true;
    case VALUE_DICT: return equal_dicts(r, a.dict, b.dict, ret);
    case VALUE_NAMESPACE: *ret = a.dict == b.dict; return true;
    case VALUE_MACRO: *ret = a.macro == b.macro; return true;
    case VALUE_LOOP: *ret = a.loop == b.loop; return true;
    case VALUE_BUILTIN: *ret = a.bound->fn == b.bound->fn; return true;
    default: *ret = true; return true; /* none and none, undefined and undefined */
    }
}

bool jinja_order(struct render *r, struct value a, struct value b, int *ret)
{
    if (!jinja_work(r, 1))
        return false;
    if (value_integral(a) && value_integral(b)) {
        *ret = (value_as_int(a) > value_as_int(b)) - (value_as_int(a) < value_as_int(b));
        return true;
    }
    if (value_numeric(a) && value_numeric(b)) {
        *ret = (value_as_float(a) > value_as_float(b)) - (value_as_float(a) < value_as_float(b));
        return true;
    }
    if (a.kind == VALUE_STRING && b.kind == VALUE_STRING) { /* bytes of UTF-8 order as code points do */
        size_t n = a.s.n < b.s.n ? a.s.n : b.s.n;
        int c = n ? memcmp(a.s.p, b.s.p, n) : 0;
        *ret = c ? c : (a.s.n > b.s.n) - (a.s.n < b.s.n);
        return jinja_work_bytes(r, n);
    }
    if (a.kind != b.kind || (a.kind != VALUE_LIST && a.kind != VALUE_TUPLE))
        return fail_types(r, OP_LT, a, b);
    size_t n = a.list->n < b.list->n ? a.list->n : b.list->n;
    for (size_t i = 0; i < n; i++) {
        bool same;
        if (!jinja_equal(r, a.list->v[i], b.list->v[i], &same))
            return false;
        if (!same)
            return jinja_order(r, a.list->v[i], b.list->v[i], ret);
    }
    *ret = (a.list->n > b.list->n) - (a.list->n < b.list->n);
    return true;
}

static bool contains(struct render *r, struct value container, struct value item, bool *ret)
{
    if (container.kind == VALUE_STRING) {
        if (item.kind != VALUE_STRING)
            return fail_types(r, OP_IN, item, container);
        *ret = str_find(container.s, item.s) != SIZE_MAX;
        return jinja_work_bytes(r, container.s.n);
    }
    if (container.kind == VALUE_DICT) {
        struct value *found;
        if (!jinja_dict_find(r, container.dict, item, &found))
            return false;
        *ret = found != NULL;
        return true;
    }
    if (container.kind != VALUE_UNDEFINED && !value_has_list(container))
        return fail_types(r, OP_IN, item, container);
    struct list *l;
    if (!jinja_iterate(r, container, &l))
        return false;
    *ret = false;
    for (size_t i = 0; !*ret && i < l->n; i++)
        if (!jinja_equal(r, l->v[i], item, ret))
            return false;
    return true;
}

bool jinja_compare(struct render *r, enum node_op op, struct value a, struct value b, bool *ret)
{
    int order;
    if (op == OP_EQ || op == OP_NE || op == OP_IN || op == OP_NOT_IN) {
        bool plain = op == OP_EQ || op == OP_IN;
        if (!(op == OP_EQ || op == OP_NE ? jinja_equal(r, a, b, ret) : contains(r, b, a, ret)))
            return false;
        *ret = *ret == plain;
        return true;
    }
    if ((a.kind == VALUE_FLOAT && isnan(a.f)) || (b.kind == VALUE_FLOAT && isnan(b.f))) {
        *ret = false;
        return true;
    }
    if (!jinja_order(r, a, b, &order))
        return false;
    *ret = op == OP_LT ? order < 0 : op == OP_LE ? order <= 0 : op == OP_GT ? order > 0 : order >= 0;
    return true;
}

/* ---- sequences ---- */

static bool characters(struct render *r, struct str s, struct list **ret)
{
    if (!jinja_list(r, text_length(s), ret))
        return false;
    size_t at = 0;
    for (size_t i = 0; i < (*ret)->n; i++) {
        struct str tail = {s.p + at, s.n - at};
        size_t n = text_offset(tail, 1);
        (*ret)->v[i] = value_str((struct str){tail.p, n});
        at += n;
    }
    return true;
}

bool jinja_iterate(struct render *r, struct value v, struct list **ret)
{
    switch ((enum value_kind)v.kind) {
    case VALUE_UNDEFINED:
        return !(v.flags & VALUE_FORBIDDEN) ? jinja_list(r, 0, ret) : jinja_defined(r, v);
    case VALUE_STRING: return characters(r, v.s, ret);
    case VALUE_LIST:
    case VALUE_TUPLE: *ret = v.list; return true;
    case VALUE_ITER:
        if (v.flags != ITER_GENERATOR) {
            *ret = v.list;
            return true;
        }
        if (!(*ret = jinja_alloc(r, 1, sizeof **ret)))
            return false;
        **ret = *v.list;
        v.list->n = 0;
        return true;
    case VALUE_DICT:
        if (!jinja_list(r, v.dict->n, ret))
            return false;
        for (size_t i = 0; i < v.dict->n; i++)
            (*ret)->v[i] = v.dict->p[i].key;
        return jinja_seal(r, *ret);
    default: return jinja_fail(r, "a %s cannot be iterated over", value_type_name(v));
    }
}

bool jinja_length(struct render *r, struct value v, int64_t *ret)
{
    switch ((enum value_kind)v.kind) {
    case VALUE_UNDEFINED: *ret = 0; return !(v.flags & VALUE_FORBIDDEN) || jinja_defined(r, v);
    case VALUE_STRING: *ret = (int64_t)text_length(v.s); return jinja_work_bytes(r, v.s.n);
    case VALUE_LIST:
    case VALUE_TUPLE: *ret = (int64_t)v.list->n; return true;
    case VALUE_DICT: *ret = (int64_t)v.dict->n; return true;
    case VALUE_LOOP:
        if (!jinja_loop_reach(r, v.loop, SIZE_MAX))
            return false;
        *ret = (int64_t)v.loop->items->n;
        return true;
    case VALUE_ITER:
        if (v.flags != ITER_GENERATOR) {
            *ret = (int64_t)v.list->n;
            return true;
        }
        break;
    default: break;
    }
    return jinja_fail(r, "a %s has no length", value_type_name(v));
}

bool jinja_join(struct render *r, struct str glue, const struct list *parts, struct value *ret)
{
    struct buf buf = jinja_buf();
    for (size_t i = 0; i < parts->n; i++) {
        if (i > 0)
            buf_str(&buf, glue);
        if (!jinja_print(r, parts->v[i], &buf)) {
            buf_free(&buf);
            return false;
        }
    }
    return jinja_text_buf(r, &buf, ret);
}
