/* The tests behind `is`. */
#include <utf8proc.h>

#include "text/jinja/lib/lib.h"

static bool answer(bool yes, struct value *ret)
{
    *ret = value_bool(yes);
    return true;
}

#define KIND_TEST(name, expression)                                              \
    static bool test_##name(struct render *r, const struct call *c, struct value *ret) \
    {                                                                            \
        struct value v = c->self;                                                \
        (void)r;                                                                 \
        return answer((expression), ret);                                        \
    }

KIND_TEST(defined, v.kind != VALUE_UNDEFINED)
KIND_TEST(undefined, v.kind == VALUE_UNDEFINED)
KIND_TEST(none, v.kind == VALUE_NONE)
KIND_TEST(boolean, v.kind == VALUE_BOOL)
KIND_TEST(true, v.kind == VALUE_BOOL && v.b)
KIND_TEST(false, v.kind == VALUE_BOOL && !v.b)
KIND_TEST(integer, v.kind == VALUE_INT)
KIND_TEST(float, v.kind == VALUE_FLOAT)
KIND_TEST(number, value_numeric(v))
KIND_TEST(string, v.kind == VALUE_STRING)
KIND_TEST(mapping, v.kind == VALUE_DICT)
KIND_TEST(callable, v.kind == VALUE_BUILTIN || v.kind == VALUE_MACRO || v.kind == VALUE_UNDEFINED)
KIND_TEST(iterable, v.kind == VALUE_STRING || value_has_list(v) || v.kind == VALUE_DICT || v.kind == VALUE_UNDEFINED ||
                        v.kind == VALUE_LOOP)
KIND_TEST(sequence, v.kind == VALUE_STRING || v.kind == VALUE_LIST || v.kind == VALUE_TUPLE || v.kind == VALUE_DICT ||
                        v.kind == VALUE_UNDEFINED || (v.kind == VALUE_ITER && v.flags == ITER_RANGE))
KIND_TEST(escaped, v.kind == VALUE_STRING && (v.flags & VALUE_SAFE))

static bool parity(struct render *r, struct value v, int64_t divisor, struct value *ret)
{
    struct value rest;
    if (divisor == 0 || !value_numeric(v))
        return jinja_defined(r, v) && jinja_fail(r, "this test needs a number, and a divisor that is not zero");
    return jinja_binary(r, OP_MOD, v, value_int(divisor), &rest) && answer(!value_truth(rest), ret);
}

static bool test_even(struct render *r, const struct call *c, struct value *ret)
{
    return parity(r, c->self, 2, ret);
}

static bool test_odd(struct render *r, const struct call *c, struct value *ret)
{
    return parity(r, c->self, 2, ret) && answer(!ret->b, ret);
}

static bool test_divisibleby(struct render *r, const struct call *c, struct value *ret)
{
    int64_t divisor = 0;
    return lib_int(r, c->v[0], "the divisor", &divisor) && parity(r, c->self, divisor, ret);
}

static bool compare(struct render *r, const struct call *c, enum node_op op, struct value *ret)
{
    bool holds;
    return jinja_compare(r, op, c->self, c->v[0], &holds) && answer(holds, ret);
}

static bool test_eq(struct render *r, const struct call *c, struct value *ret)
{
    return compare(r, c, OP_EQ, ret);
}

static bool test_ne(struct render *r, const struct call *c, struct value *ret)
{
    return compare(r, c, OP_NE, ret);
}

static bool test_lt(struct render *r, const struct call *c, struct value *ret)
{
    return compare(r, c, OP_LT, ret);
}

static bool test_le(struct render *r, const struct call *c, struct value *ret)
{
    return compare(r, c, OP_LE, ret);
}

static bool test_gt(struct render *r, const struct call *c, struct value *ret)
{
    return compare(r, c, OP_GT, ret);
}

static bool test_ge(struct render *r, const struct call *c, struct value *ret)
{
    return compare(r, c, OP_GE, ret);
}

static bool test_in(struct render *r, const struct call *c, struct value *ret)
{
    return compare(r, c, OP_IN, ret);
}

/* The same object: for a template, the same type and an equal scalar, or the same container. */
static bool test_sameas(struct render *r, const struct call *c, struct value *ret)
{
    bool same = c->self.kind == c->v[0].kind;
    if (same && (value_has_list(c->self) || c->self.kind == VALUE_DICT))
        return answer(c->self.list == c->v[0].list, ret);
    return (!same || jinja_equal(r, c->self, c->v[0], &same)) && answer(same, ret);
}

/* Whether all cased letters are of the given case, and there is one. */
static bool all_case(struct render *r, struct value v, bool upper, struct value *ret)
{
    struct str s;
    bool any = false, all = true;
    int len;
    if (!jinja_to_text(r, v, &s))
        return false;
    for (size_t at = 0; at < s.n; at += (size_t)len) {
        uint32_t cp = utf8_decode(s, at, &len);
        utf8proc_category_t cat = utf8proc_category((utf8proc_int32_t)cp);
        bool cased = cat == UTF8PROC_CATEGORY_LU || cat == UTF8PROC_CATEGORY_LL || cat == UTF8PROC_CATEGORY_LT;
        if (cp == UTF8_BAD || !cased)
            continue;
        any = true;
        all = all && cat == (upper ? UTF8PROC_CATEGORY_LU : UTF8PROC_CATEGORY_LL);
    }
    return jinja_work_bytes(r, s.n) && answer(any && all, ret);
}

static bool test_upper(struct render *r, const struct call *c, struct value *ret)
{
    return all_case(r, c->self, true, ret);
}

static bool test_lower(struct render *r, const struct call *c, struct value *ret)
{
    return all_case(r, c->self, false, ret);
}

static bool test_filter(struct render *r, const struct call *c, struct value *ret)
{
    (void)r;
    return answer(c->self.kind == VALUE_STRING && jinja_filter(c->self.s), ret);
}

static bool test_test(struct render *r, const struct call *c, struct value *ret)
{
    (void)r;
    return answer(c->self.kind == VALUE_STRING && jinja_test(c->self.s), ret);
}

static const struct builtin tests[] = {
    {"defined", test_defined, 0, {0}, false},
    {"undefined", test_undefined, 0, {0}, false},
    {"none", test_none, 0, {0}, false},
    {"boolean", test_boolean, 0, {0}, false},
    {"true", test_true, 0, {0}, false},
    {"false", test_false, 0, {0}, false},
    {"integer", test_integer, 0, {0}, false},
    {"float", test_float, 0, {0}, false},
    {"number", test_number, 0, {0}, false},
    {"string", test_string, 0, {0}, false},
    {"mapping", test_mapping, 0, {0}, false},
    {"callable", test_callable, 0, {0}, false},
    {"iterable", test_iterable, 0, {0}, false},
    {"sequence", test_sequence, 0, {0}, false},
    {"escaped", test_escaped, 0, {0}, false},
    {"upper", test_upper, 0, {0}, false},
    {"lower", test_lower, 0, {0}, false},
    {"even", test_even, 0, {0}, false},
    {"odd", test_odd, 0, {0}, false},
    {"filter", test_filter, 0, {0}, false},
    {"test", test_test, 0, {0}, false},
    {"divisibleby", test_divisibleby, 1, {"num"}, false},
    {"sameas", test_sameas, 1, {"other"}, false},
    {"in", test_in, 1, {"seq"}, false},
    {"eq", test_eq, 1, {"b"}, false},
    {"equalto", test_eq, 1, {"b"}, false},
    {"==", test_eq, 1, {"b"}, false},
    {"ne", test_ne, 1, {"b"}, false},
    {"!=", test_ne, 1, {"b"}, false},
    {"lt", test_lt, 1, {"b"}, false},
    {"lessthan", test_lt, 1, {"b"}, false},
    {"<", test_lt, 1, {"b"}, false},
    {"le", test_le, 1, {"b"}, false},
    {"<=", test_le, 1, {"b"}, false},
    {"gt", test_gt, 1, {"b"}, false},
    {"greaterthan", test_gt, 1, {"b"}, false},
    {">", test_gt, 1, {"b"}, false},
    {"ge", test_ge, 1, {"b"}, false},
    {">=", test_ge, 1, {"b"}, false},
};

const struct builtin *jinja_test(struct str name)
{
    return lib_find(tests, LIB_COUNT(tests), name);
}
