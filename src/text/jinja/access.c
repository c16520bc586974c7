/* Reaching into values: attributes, subscripts and slices. An attribute looks for a method first and an element
 * second, a subscript the other way round; what is not there is undefined. Nothing outside the value itself can be
 * reached. */
#include "text/jinja/run.h"

static bool bind_method(struct render *r, struct value object, struct str name, bool *ret_found, struct value *ret)
{
    const struct builtin *fn = jinja_method(object, name);
    *ret_found = true;
    if (fn) {
        struct bound *bound = jinja_alloc(r, 1, sizeof *bound);
        if (!bound)
            return false;
        *bound = (struct bound){fn, object};
        *ret = (struct value){.kind = VALUE_BUILTIN, .bound = bound};
        return true;
    }
    *ret_found = jinja_method_forbidden(object, name);
    if (*ret_found) {
        *ret = value_undefined(name);
        ret->flags = VALUE_FORBIDDEN;
    }
    return true;
}

/* How many items must be known to tell this attribute. */
static size_t loop_needs(const struct loop *l, struct str name)
{
    if (str_is(name, "last") || str_is(name, "nextitem"))
        return l->index + 2;
    return str_is(name, "length") || str_starts(name, STR("revindex")) ? SIZE_MAX : 0;
}

static bool loop_attr(struct render *r, struct loop *l, struct str name, struct value *ret)
{
    if (!jinja_loop_reach(r, l, loop_needs(l, name)))
        return false;
    int64_t at = (int64_t)l->index, n = (int64_t)l->items->n;
    *ret = value_undefined(name);
    if (str_is(name, "index"))
        *ret = value_int(at + 1);
    else if (str_is(name, "index0"))
        *ret = value_int(at);
    else if (str_is(name, "revindex"))
        *ret = value_int(n - at);
    else if (str_is(name, "revindex0"))
        *ret = value_int(n - at - 1);
    else if (str_is(name, "first"))
        *ret = value_bool(at == 0);
    else if (str_is(name, "last"))
        *ret = value_bool(at + 1 == n);
    else if (str_is(name, "length"))
        *ret = value_int(n);
    else if (str_is(name, "previtem") && at > 0)
        *ret = l->items->v[at - 1];
    else if (str_is(name, "nextitem") && at + 1 < n)
        *ret = l->items->v[at + 1];
    return true;
}

static bool find_key(struct render *r, const struct dict *d, struct value key, struct str name, struct value *ret)
{
    struct value *found;
    if (!jinja_dict_find(r, d, key, &found))
        return false;
    *ret = found ? *found : value_undefined(name);
    return true;
}

bool jinja_attr(struct render *r, struct value object, struct str name, struct value *ret)
{
    bool found;
    if (!jinja_defined(r, object))
        return false;
    if (object.kind == VALUE_NAMESPACE)
        return find_key(r, object.dict, value_str(name), name, ret);
    if (!bind_method(r, object, name, &found, ret))
        return false;
    if (found)
        return true;
    if (object.kind == VALUE_DICT)
        return find_key(r, object.dict, value_str(name), name, ret);
    if (object.kind == VALUE_LOOP)
        return loop_attr(r, object.loop, name, ret);
    *ret = value_undefined(name);
    if (object.kind == VALUE_TUPLE && (object.flags & VALUE_GROUP)) {
        if (str_is(name, "grouper"))
            *ret = object.list->v[0];
        else if (str_is(name, "list"))
            *ret = object.list->v[1];
    }
    if (object.kind == VALUE_MACRO && str_is(name, "name"))
        *ret = value_str(object.macro->node->name);
    return true;
}

static bool char_at(struct render *r, struct str s, int64_t index, struct value *ret)
{
    int64_t n = (int64_t)text_length(s);
    if (index < 0)
        index += n;
    *ret = value_undefined(STR("index"));
    if (index >= 0 && index < n) {
        size_t begin = text_offset(s, (size_t)index);
        struct str tail = {s.p + begin, s.n - begin};
        *ret = value_str((struct str){tail.p, text_offset(tail, 1)});
    }
    return jinja_work_bytes(r, s.n);
}

bool jinja_item(struct render *r, struct value object, struct value key, struct value *ret)
{
    if (!jinja_defined(r, object))
        return false;
    if (object.kind == VALUE_STRING && value_integral(key))
        return char_at(r, object.s, value_as_int(key), ret);
    bool indexed = object.kind == VALUE_LIST || object.kind == VALUE_TUPLE ||
                   (object.kind == VALUE_ITER && object.flags == ITER_RANGE);
    if (indexed && value_integral(key)) {
        int64_t index = value_as_int(key), n = (int64_t)object.list->n;
        if (index < 0)
            index += n;
        *ret = index >= 0 && index < n ? object.list->v[index] : value_undefined(STR("index"));
        return true;
    }
    if (object.kind == VALUE_DICT && key.kind != VALUE_UNDEFINED) {
        if (key.kind == VALUE_LIST || key.kind == VALUE_DICT) {
            *ret = value_undefined(STR("key"));
            return true;
        }
        struct value *found;
        if (!jinja_dict_find(r, object.dict, key, &found))
            return false;
        if (found) {
            *ret = *found;
            return true;
        }
    }
    if (key.kind == VALUE_STRING)
        return jinja_attr(r, object, key.s, ret);
    *ret = value_undefined(STR("key"));
    return true;
}

/* ---- slices ---- */

static bool slice_bound(struct render *r, struct value v, int64_t absent, int64_t *ret)
{
    *ret = absent;
    if (v.kind == VALUE_NONE)
        return true;
    if (!jinja_defined(r, v))
        return false;
    if (!value_integral(v))
        return jinja_fail(r, "a slice needs integers, not a %s", value_type_name(v));
    *ret = value_as_int(v);
    return true;
}

static int64_t clamp(int64_t at, int64_t n, int64_t low, int64_t high)
{
    if (at < 0)
        at = at < -n ? low : at + n;
    return at < low ? low : at > high ? high : at;
}

/* Start, count and step over n elements. */
static bool slice_plan(struct render *r, const struct value bounds[3], int64_t n, int64_t plan[3])
{
    int64_t step, start, stop;
    if (!slice_bound(r, bounds[2], 1, &step))
        return false;
    if (step == 0)
        return jinja_fail(r, "the step of a slice cannot be zero");
    if (step > n + 1 || step < -n - 1) /* takes one element at most; the sums below must not overflow */
        step = step > 0 ? n + 1 : -n - 1;
    bool up = step > 0;
    if (!slice_bound(r, bounds[0], up ? 0 : n - 1, &start) || !slice_bound(r, bounds[1], up ? n : -n - 1, &stop))
        return false;
    start = up ? clamp(start, n, 0, n) : clamp(start, n, -1, n - 1);
    stop = up ? clamp(stop, n, 0, n) : clamp(stop, n, -1, n - 1);
    int64_t count = up ? (stop - start + step - 1) / step : (start - stop - step - 1) / -step;
    plan[0] = start;
    plan[1] = count > 0 ? count : 0;
    plan[2] = step;
    return true;
}

static bool slice_text(struct render *r, struct str s, const int64_t plan[3], struct value *ret)
{
    if (plan[1] == 0) {
        *ret = value_str(STR(""));
        return true;
    }
    if (plan[2] == 1) { /* a view */
        size_t begin = text_offset(s, (size_t)plan[0]);
        struct str tail = {s.p + begin, s.n - begin};
        *ret = value_str((struct str){tail.p, text_offset(tail, (size_t)plan[1])});
        return true;
    }
    struct list *chars;
    if (!jinja_iterate(r, value_str(s), &chars))
        return false;
    struct buf buf = jinja_buf();
    for (int64_t i = 0, at = plan[0]; i < plan[1]; i++, at += plan[2])
        buf_str(&buf, chars->v[at].s);
    return jinja_text_buf(r, &buf, ret);
}

bool jinja_slice(struct render *r, struct value object, const struct value bounds[3], struct value *ret)
{
    int64_t n, plan[3] = {0};
    if (!jinja_defined(r, object))
        return false;
    bool range = object.kind == VALUE_ITER && object.flags == ITER_RANGE;
    if (object.kind != VALUE_STRING && object.kind != VALUE_LIST && object.kind != VALUE_TUPLE && !range)
        return jinja_fail(r, "a %s cannot be sliced", value_type_name(object));
    if (!jinja_length(r, object, &n) || !slice_plan(r, bounds, n, plan))
        return false;
    if (object.kind == VALUE_STRING)
        return slice_text(r, object.s, plan, ret) && jinja_work_bytes(r, object.s.n);
    struct list *l;
    if (!jinja_list(r, (size_t)plan[1], &l))
        return false;
    for (int64_t i = 0, at = plan[0]; i < plan[1]; i++, at += plan[2])
        l->v[i] = object.list->v[at];
    *ret = (struct value){.kind = object.kind, .flags = range ? ITER_RANGE : 0, .list = l};
    return jinja_seal(r, l);
}
