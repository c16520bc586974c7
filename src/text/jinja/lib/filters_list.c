/* Filters over lists: taking, choosing, ordering, grouping, joining. */
#include "text/jinja/lib/lib.h"

static bool filter_length(struct render *r, const struct call *c, struct value *ret)
{
    int64_t n;
    if (!jinja_length(r, c->self, &n))
        return false;
    *ret = value_int(n);
    return true;
}

static bool filter_first(struct render *r, const struct call *c, struct value *ret)
{
    struct list *l;
    if (!jinja_iterate(r, c->self, &l))
        return false;
    *ret = l->n > 0 ? l->v[0] : value_undefined(STR("the first item"));
    return true;
}

static bool filter_last(struct render *r, const struct call *c, struct value *ret)
{
    struct list *l;
    if (!jinja_iterate(r, c->self, &l))
        return false;
    *ret = l->n > 0 ? l->v[l->n - 1] : value_undefined(STR("the last item"));
    return true;
}

/* A list of its own with the same elements. */
static bool copy_list(struct render *r, struct value v, struct list **ret)
{
    struct list *from;
    if (!jinja_iterate(r, v, &from) || !jinja_list(r, from->n, ret))
        return false;
    if (from->n)
        memcpy((*ret)->v, from->v, from->n * sizeof *from->v);
    return jinja_seal(r, *ret);
}

static bool filter_list(struct render *r, const struct call *c, struct value *ret)
{
    struct list *l;
    if (!copy_list(r, c->self, &l))
        return false;
    *ret = value_list(l);
    return true;
}

static bool filter_reverse(struct render *r, const struct call *c, struct value *ret)
{
    struct list *l, *back;
    if (!jinja_iterate(r, c->self, &l) || !jinja_list(r, l->n, &back))
        return false;
    for (size_t i = 0; i < l->n; i++)
        back->v[i] = l->v[l->n - 1 - i];
    if (c->self.kind == VALUE_STRING)
        return jinja_join(r, STR(""), back, ret);
    *ret = value_iter(back, ITER_GENERATOR);
    return jinja_seal(r, back);
}

/* Each element, or its attribute where one is named. */
static bool attributes(struct render *r, const struct list *l, struct value path, bool fold, struct value **ret)
{
    struct value *keys = jinja_alloc(r, l->n, sizeof *keys);
    if (!keys)
        return false;
    for (size_t i = 0; i < l->n; i++) {
        keys[i] = l->v[i];
        if (value_given(path) && path.kind != VALUE_NONE && !lib_path(r, l->v[i], path, &keys[i]))
            return false;
        if (fold && !lib_fold(r, keys[i], &keys[i]))
            return false;
    }
    *ret = keys;
    return true;
}

static bool filter_join(struct render *r, const struct call *c, struct value *ret)
{
    struct list *l, parts = {0};
    struct str glue = STR("");
    if (!jinja_iterate(r, c->self, &l) || !attributes(r, l, c->v[1], false, &parts.v) ||
        (value_given(c->v[0]) && !jinja_to_text(r, c->v[0], &glue)))
        return false;
    parts.n = l->n;
    return jinja_join(r, glue, &parts, ret);
}

/* v under several attributes, "a,b": a list of them, which orders as the first that differs. */
static bool several_attributes(struct render *r, struct value v, struct str paths, bool fold, struct value *ret)
{
    struct list *l;
    size_t n = 1;
    for (size_t i = 0; i < paths.n; i++)
        n += paths.p[i] == ',';
    if (!jinja_list(r, n, &l))
        return false;
    for (size_t i = 0; i < n; i++) {
        size_t comma = str_find(paths, STR(","));
        struct str path = {paths.p, comma == SIZE_MAX ? paths.n : comma};
        if (!lib_path(r, v, value_str(path), &l->v[i]) || (fold && !lib_fold(r, l->v[i], &l->v[i])))
            return false;
        paths.p += path.n + (comma != SIZE_MAX);
        paths.n -= path.n + (comma != SIZE_MAX);
    }
    *ret = value_list(l);
    return jinja_seal(r, l);
}

/* Keys are lists even of one: lists look for the first difference, so equal elements need no order among them. */
static bool sort_keys(struct render *r, const struct list *l, struct value path, bool fold, struct value **ret)
{
    struct value *keys;
    bool several = path.kind == VALUE_STRING && str_find(path.s, STR(",")) != SIZE_MAX;
    if (!attributes(r, l, several ? (struct value){.kind = VALUE_ABSENT} : path, fold, &keys))
        return false;
    for (size_t i = 0; i < l->n; i++) {
        struct list *one;
        if (several) {
            if (!several_attributes(r, l->v[i], path.s, fold, &keys[i]))
                return false;
            continue;
        }
        if (!jinja_list(r, 1, &one))
            return false;
        one->v[0] = keys[i];
        keys[i] = value_list(one);
        if (!jinja_seal(r, one))
            return false;
    }
    *ret = keys;
    return true;
}

static bool filter_sort(struct render *r, const struct call *c, struct value *ret)
{
    struct list *l;
    struct value *keys;
    if (!copy_list(r, c->self, &l) || !sort_keys(r, l, c->v[2], !value_truth(c->v[1]), &keys) ||
        !lib_sort(r, l->v, keys, l->n, value_truth(c->v[0])))
        return false;
    *ret = value_list(l);
    return true;
}

/* Key and value pairs as tuples. */
static bool pair_list(struct render *r, const struct dict *d, struct list **ret)
{
    if (!jinja_list(r, d->n, ret))
        return false;
    for (size_t i = 0; i < d->n; i++) {
        struct list *pair;
        if (!jinja_list(r, 2, &pair))
            return false;
        pair->v[0] = d->p[i].key;
        pair->v[1] = d->p[i].value;
        if (!jinja_seal(r, pair))
            return false;
        (*ret)->v[i] = value_tuple(pair);
    }
    return jinja_seal(r, *ret);
}

static bool filter_items(struct render *r, const struct call *c, struct value *ret)
{
    struct list *l;
    if (c->self.kind != VALUE_DICT && c->self.kind != VALUE_UNDEFINED)
        return jinja_fail(r, "items needs a dict, not a %s", value_type_name(c->self));
    if (c->self.kind == VALUE_DICT ? !pair_list(r, c->self.dict, &l) : !jinja_list(r, 0, &l))
        return false;
    *ret = value_iter(l, ITER_GENERATOR);
    return true;
}

static bool filter_dictsort(struct render *r, const struct call *c, struct value *ret)
{
    struct list *l;
    struct str by = STR("key");
    if (c->self.kind != VALUE_DICT)
        return jinja_defined(r, c->self) && jinja_fail(r, "dictsort needs a dict, not a %s", value_type_name(c->self));
    if (!lib_str(r, c->v[1], "the 'by' of dictsort", &by) || !pair_list(r, c->self.dict, &l))
        return false;
    if (!str_is(by, "key") && !str_is(by, "value"))
        return jinja_fail(r, "dictsort sorts by 'key' or by 'value'");
    struct value *keys;
    if (!attributes(r, l, value_int(str_is(by, "value")), !value_truth(c->v[0]), &keys) ||
        !lib_sort(r, l->v, keys, l->n, value_truth(c->v[2])))
        return false;
    *ret = value_list(l);
    return true;
}

static bool filter_unique(struct render *r, const struct call *c, struct value *ret)
{
    struct list *l, *out;
    struct value *keys;
    if (!jinja_iterate(r, c->self, &l) || !attributes(r, l, c->v[1], !value_truth(c->v[0]), &keys) ||
        !jinja_list(r, l->n, &out))
        return false;
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++) {
        bool seen = false;
        for (size_t k = 0; !seen && k < n; k++)
            if (!jinja_equal(r, keys[k], keys[i], &seen))
                return false;
        if (!seen) {
            keys[n] = keys[i];
            out->v[n++] = l->v[i];
        }
    }
    out->n = n;
    *ret = value_iter(out, ITER_GENERATOR);
    return jinja_seal(r, out);
}

static bool extreme(struct render *r, const struct call *c, int sign, struct value *ret)
{
    struct list *l;
    struct value *keys;
    size_t best = 0;
    if (!jinja_iterate(r, c->self, &l) || !attributes(r, l, c->v[1], !value_truth(c->v[0]), &keys))
        return false;
    for (size_t i = 1; i < l->n; i++) {
        int order;
        if (!jinja_order(r, keys[i], keys[best], &order))
            return false;
        if (order * sign > 0)
            best = i;
    }
    *ret = l->n > 0 ? l->v[best] : value_undefined(STR("the extreme of an empty list"));
    return true;
}

static bool filter_min(struct render *r, const struct call *c, struct value *ret)
{
    return extreme(r, c, -1, ret);
}

static bool filter_max(struct render *r, const struct call *c, struct value *ret)
{
    return extreme(r, c, 1, ret);
}

static bool filter_sum(struct render *r, const struct call *c, struct value *ret)
{
    struct list *l;
    struct value *terms, sum = value_given(c->v[1]) ? c->v[1] : value_int(0);
    if (!jinja_iterate(r, c->self, &l) || !attributes(r, l, c->v[0], false, &terms))
        return false;
    for (size_t i = 0; i < l->n; i++)
        if (!jinja_binary(r, OP_ADD, sum, terms[i], &sum))
            return false;
    *ret = sum;
    return true;
}

/* ---- map, select and their kin ---- */

/* What is mapped or chosen from: a false value, none included, is an empty list to these filters. */
static bool source(struct render *r, struct value v, struct list **ret)
{
    return value_truth(v) ? jinja_iterate(r, v, ret) : jinja_list(r, 0, ret);
}

/* args without its first n positional ones. */
static struct args rest_of(const struct args *args, int n)
{
    struct args rest = *args;
    rest.v = n > 0 ? rest.v + n : rest.v; /* without arguments there is no array */
    rest.n -= n;
    return rest;
}

static bool map_attribute(struct render *r, const struct args *args, const struct list *l, struct list *out)
{
    struct value fallback = {.kind = VALUE_ABSENT}, path = {.kind = VALUE_ABSENT};
    for (int i = 0; i < args->n_keywords; i++) {
        if (str_is(args->keywords[i].name, "attribute"))
            path = args->keywords[i].value;
        else if (str_is(args->keywords[i].name, "default"))
            fallback = args->keywords[i].value;
        else
            return jinja_fail(r, "map takes a filter's name, or attribute and default");
    }
    if (!value_given(path))
        return jinja_fail(r, "map needs a filter's name or an attribute");
    for (size_t i = 0; i < l->n; i++) {
        if (!lib_path(r, l->v[i], path, &out->v[i]))
            return false;
        if (out->v[i].kind == VALUE_UNDEFINED && value_given(fallback))
            out->v[i] = fallback;
    }
    return true;
}

static bool map_filter(struct render *r, const struct args *args, const struct list *l, struct list *out)
{
    const struct builtin *fn = args->v[0].kind == VALUE_STRING ? jinja_filter(args->v[0].s) : NULL;
    struct args rest = rest_of(args, 1);
    if (!fn)
        return jinja_fail(r, "map needs the name of a filter");
    for (size_t i = 0; i < l->n; i++)
        if (!jinja_invoke(r, fn, l->v[i], &rest, &out->v[i]))
            return false;
    return true;
}

/* A filter that calls filters by name, itself included, adds levels of C. */
static bool enter(struct render *r)
{
    if (r->depth == RENDER_MAX_RECURSION)
        return jinja_fail_limit(r, "the template recurses deeper than %d", RENDER_MAX_RECURSION);
    r->depth++;
    return true;
}

static bool filter_map(struct render *r, const struct call *c, struct value *ret)
{
    struct list *l, *out;
    if (!enter(r) || !source(r, c->self, &l) || !jinja_list(r, l->n, &out))
        return false;
    if (!(c->raw->n == 0 ? map_attribute : map_filter)(r, c->raw, l, out))
        return false;
    r->depth--;
    *ret = value_iter(out, ITER_GENERATOR);
    return jinja_seal(r, out);
}

/* The elements that pass (or fail) a test; by_attribute: the first argument names what is tested. */
static bool choose(struct render *r, const struct call *c, bool keep, bool by_attribute, struct value *ret)
{
    struct list *l, *out;
    const struct args *args = c->raw;
    int skip = by_attribute ? 1 : 0;
    const struct builtin *test = NULL;
    if (args->n < skip)
        return jinja_fail(r, "selectattr and rejectattr need the name of an attribute");
    if (args->n > skip && !(test = args->v[skip].kind == VALUE_STRING ? jinja_test(args->v[skip].s) : NULL))
        return jinja_fail(r, "there is no test of that name");
    struct args rest = rest_of(args, args->n > skip ? skip + 1 : skip);
    if (!source(r, c->self, &l) || !jinja_list(r, l->n, &out))
        return false;
    out->n = 0;
    for (size_t i = 0; i < l->n; i++) {
        struct value v = l->v[i], verdict;
        if ((by_attribute && !lib_path(r, v, args->v[0], &v)) || (test && !jinja_invoke(r, test, v, &rest, &verdict)))
            return false;
        if (value_truth(test ? verdict : v) == keep)
            out->v[out->n++] = l->v[i];
    }
    *ret = value_iter(out, ITER_GENERATOR);
    return jinja_seal(r, out);
}

static bool filter_select(struct render *r, const struct call *c, struct value *ret)
{
    return choose(r, c, true, false, ret);
}

static bool filter_reject(struct render *r, const struct call *c, struct value *ret)
{
    return choose(r, c, false, false, ret);
}

static bool filter_selectattr(struct render *r, const struct call *c, struct value *ret)
{
    return choose(r, c, true, true, ret);
}

static bool filter_rejectattr(struct render *r, const struct call *c, struct value *ret)
{
    return choose(r, c, false, true, ret);
}

/* ---- pieces ---- */

/* Elements [begin, end) and `fill` as often as asked for, as a list. */
static bool piece(struct render *r, const struct list *l, size_t begin, size_t end, struct value fill, size_t fills,
                  struct value *ret)
{
    struct list *out;
    if (!jinja_list(r, end - begin + fills, &out))
        return false;
    for (size_t i = 0; i < out->n; i++)
        out->v[i] = begin + i < end ? l->v[begin + i] : fill;
    *ret = value_list(out);
    return jinja_seal(r, out);
}

static bool filter_batch(struct render *r, const struct call *c, struct value *ret)
{
    struct list *l, *out;
    int64_t width = 0;
    if (!lib_int(r, c->v[0], "the size of a batch", &width) || !jinja_iterate(r, c->self, &l))
        return false;
    if (width < 1 || width > RENDER_MAX_RANGE)
        return jinja_fail(r, "the size of a batch must be between 1 and %d", RENDER_MAX_RANGE);
    size_t step = (size_t)width, n = (l->n + step - 1) / step;
    bool filled = value_given(c->v[1]) && c->v[1].kind != VALUE_NONE;
    if (!jinja_list(r, n, &out))
        return false;
    for (size_t i = 0; i < n; i++) {
        size_t end = (i + 1) * step < l->n ? (i + 1) * step : l->n;
        if (!piece(r, l, i * step, end, c->v[1], filled ? (i + 1) * step - end : 0, &out->v[i]))
            return false;
    }
    *ret = value_iter(out, ITER_GENERATOR);
    return jinja_seal(r, out);
}

static bool filter_slice(struct render *r, const struct call *c, struct value *ret)
{
    struct list *l, *out;
    int64_t count = 0;
    if (!lib_int(r, c->v[0], "the number of slices", &count) || !jinja_iterate(r, c->self, &l))
        return false;
    if (count < 1 || count > RENDER_MAX_RANGE)
        return jinja_fail(r, "the number of slices must be between 1 and %d", RENDER_MAX_RANGE);
    size_t n = (size_t)count, each = l->n / n, extra = l->n % n, begin = 0;
    bool filled = value_given(c->v[1]) && c->v[1].kind != VALUE_NONE;
    if (!jinja_list(r, n, &out))
        return false;
    for (size_t i = 0; i < n; i++) {
        size_t end = begin + each + (i < extra);
        if (!piece(r, l, begin, end, c->v[1], filled && i >= extra ? 1 : 0, &out->v[i]))
            return false;
        begin = end;
    }
    *ret = value_iter(out, ITER_GENERATOR);
    return jinja_seal(r, out);
}

static bool filter_groupby(struct render *r, const struct call *c, struct value *ret)
{
    struct list *l, *out;
    struct value *keys, *sorted_keys;
    bool fold = !value_truth(c->v[2]);
    if (!copy_list(r, c->self, &l) || !attributes(r, l, c->v[0], fold, &keys))
        return false;
    for (size_t i = 0; value_given(c->v[1]) && i < l->n; i++)
        if (keys[i].kind == VALUE_UNDEFINED && !(fold ? lib_fold(r, c->v[1], &keys[i]) : (keys[i] = c->v[1], true)))
            return false;
    if (!lib_sort(r, l->v, keys, l->n, false) || !attributes(r, l, c->v[0], fold, &sorted_keys) ||
        !jinja_list(r, l->n, &out))
        return false;
    out->n = 0;
    for (size_t begin = 0, end; begin < l->n; begin = end) {
        bool same = true;
        struct list *group;
        for (end = begin + 1; end < l->n; end++) {
            if (!jinja_equal(r, sorted_keys[begin], sorted_keys[end], &same))
                return false;
            if (!same)
                break;
        }
        if (!jinja_list(r, 2, &group) || !lib_path(r, l->v[begin], c->v[0], &group->v[0]) ||
            !piece(r, l, begin, end, value_none(), 0, &group->v[1]) || !jinja_seal(r, group))
            return false;
        if (group->v[0].kind == VALUE_UNDEFINED && value_given(c->v[1]))
            group->v[0] = c->v[1];
        out->v[out->n] = value_tuple(group);
        out->v[out->n++].flags = VALUE_GROUP;
    }
    *ret = value_list(out);
    return jinja_seal(r, out);
}

static bool filter_attr(struct render *r, const struct call *c, struct value *ret)
{
    struct str name;
    if (!jinja_defined(r, c->self) || !jinja_to_text(r, c->v[0], &name))
        return false;
    if (c->self.kind == VALUE_DICT && !jinja_method(c->self, name)) { /* unlike the dot, attr never takes an element */
        *ret = value_undefined(name);
        return true;
    }
    return jinja_attr(r, c->self, name, ret);
}

static const struct builtin filters[] = {
    {"length", filter_length, 0, {0}, false},
    {"count", filter_length, 0, {0}, false},
    {"first", filter_first, 0, {0}, false},
    {"last", filter_last, 0, {0}, false},
    {"list", filter_list, 0, {0}, false},
    {"reverse", filter_reverse, 0, {0}, false},
    {"join", filter_join, 0, {"d", "attribute"}, false},
    {"sort", filter_sort, 0, {"reverse", "case_sensitive", "attribute"}, false},
    {"items", filter_items, 0, {0}, false},
    {"dictsort", filter_dictsort, 0, {"case_sensitive", "by", "reverse"}, false},
    {"unique", filter_unique, 0, {"case_sensitive", "attribute"}, false},
    {"min", filter_min, 0, {"case_sensitive", "attribute"}, false},
    {"max", filter_max, 0, {"case_sensitive", "attribute"}, false},
    {"sum", filter_sum, 0, {"attribute", "start"}, false},
    {"map", filter_map, 0, {0}, true},
    {"select", filter_select, 0, {0}, true},
    {"reject", filter_reject, 0, {0}, true},
    {"selectattr", filter_selectattr, 0, {0}, true},
    {"rejectattr", filter_rejectattr, 0, {0}, true},
    {"batch", filter_batch, 1, {"linecount", "fill_with"}, false},
    {"slice", filter_slice, 1, {"slices", "fill_with"}, false},
    {"groupby", filter_groupby, 1, {"attribute", "default", "case_sensitive"}, false},
    {"attr", filter_attr, 1, {"name"}, false},
};

const struct builtin *lib_list_filter(struct str name)
{
    return lib_find(filters, LIB_COUNT(filters), name);
}
