/* Methods of dicts, lists and loops, and the finding of any method. Those that would change their object are known by
 * name only: templates may not. */
#include "text/jinja/lib/lib.h"

/* ---- dicts ---- */

static bool dict_get(struct render *r, const struct call *c, struct value *ret)
{
    struct value *found;
    *ret = value_given(c->v[1]) ? c->v[1] : value_none();
    if (c->v[0].kind == VALUE_UNDEFINED)
        return true;
    if (!jinja_dict_find(r, c->self.dict, c->v[0], &found))
        return false;
    if (found)
        *ret = *found;
    return true;
}

static bool dict_view(struct render *r, const struct call *c, enum iter_sort sort, struct value *ret)
{
    const struct dict *d = c->self.dict;
    struct list *l;
    if (!jinja_list(r, d->n, &l))
        return false;
    for (size_t i = 0; i < d->n; i++) {
        struct list *pair;
        l->v[i] = sort == ITER_KEYS ? d->p[i].key : d->p[i].value;
        if (sort != ITER_ITEMS)
            continue;
        if (!jinja_list(r, 2, &pair))
            return false;
        pair->v[0] = d->p[i].key;
        pair->v[1] = d->p[i].value;
        l->v[i] = value_tuple(pair);
        if (!jinja_seal(r, pair))
            return false;
    }
    *ret = value_iter(l, sort);
    return jinja_seal(r, l);
}

static bool dict_keys(struct render *r, const struct call *c, struct value *ret)
{
    return dict_view(r, c, ITER_KEYS, ret);
}

static bool dict_values(struct render *r, const struct call *c, struct value *ret)
{
    return dict_view(r, c, ITER_VALUES, ret);
}

static bool dict_items(struct render *r, const struct call *c, struct value *ret)
{
    return dict_view(r, c, ITER_ITEMS, ret);
}

/* Nothing changes a container, so a copy is the same one. */
static bool copy(struct render *r, const struct call *c, struct value *ret)
{
    (void)r;
    *ret = c->self;
    return true;
}

static const struct builtin dict_methods[] = {
    {"get", dict_get, 1, {"key", "default"}, false},
    {"keys", dict_keys, 0, {0}, false},
    {"values", dict_values, 0, {0}, false},
    {"items", dict_items, 0, {0}, false},
    {"copy", copy, 0, {0}, false},
};

/* ---- lists and tuples ---- */

static bool list_count(struct render *r, const struct call *c, struct value *ret)
{
    int64_t n = 0;
    bool same;
    for (size_t i = 0; i < c->self.list->n; i++) {
        if (!jinja_equal(r, c->self.list->v[i], c->v[0], &same))
            return false;
        n += same;
    }
    *ret = value_int(n);
    return true;
}

static bool list_index(struct render *r, const struct call *c, struct value *ret)
{
    bool same = false;
    for (size_t i = 0; i < c->self.list->n; i++) {
        if (!jinja_equal(r, c->self.list->v[i], c->v[0], &same))
            return false;
        if (same) {
            *ret = value_int((int64_t)i);
            return true;
        }
    }
    return jinja_fail(r, "the value searched for is not in the list");
}

static const struct builtin list_methods[] = {
    {"count", list_count, 1, {"value"}, false},
    {"index", list_index, 1, {"value"}, false},
    {"copy", copy, 0, {0}, false},
};

/* ---- loops ---- */

static bool loop_cycle(struct render *r, const struct call *c, struct value *ret)
{
    if (c->raw->n == 0)
        return jinja_fail(r, "loop.cycle needs something to cycle through");
    *ret = c->raw->v[c->self.loop->index % (size_t)c->raw->n];
    return true;
}

static bool loop_changed(struct render *r, const struct call *c, struct value *ret)
{
    struct list *l;
    bool same;
    if (!jinja_list(r, (size_t)c->raw->n, &l))
        return false;
    if (l->n)
        memcpy(l->v, c->raw->v, l->n * sizeof *l->v);
    if (!jinja_seal(r, l) || !jinja_equal(r, c->self.loop->last_changed, value_tuple(l), &same))
        return false;
    c->self.loop->last_changed = value_tuple(l);
    *ret = value_bool(!same);
    return true;
}

static const struct builtin loop_methods[] = {
    {"cycle", loop_cycle, 0, {0}, true},
    {"changed", loop_changed, 0, {0}, true},
};

/* ---- finding them ---- */

const struct builtin *jinja_method(struct value object, struct str name)
{
    switch ((enum value_kind)object.kind) {
    case VALUE_STRING: return lib_text_method(name);
    case VALUE_DICT: return lib_find(dict_methods, LIB_COUNT(dict_methods), name);
    case VALUE_LIST: return lib_find(list_methods, LIB_COUNT(list_methods), name);
    case VALUE_TUPLE: return lib_find(list_methods, LIB_COUNT(list_methods) - 1, name); /* a tuple has no copy */
    case VALUE_LOOP: return lib_find(loop_methods, LIB_COUNT(loop_methods), name);
    default: return NULL;
    }
}

bool jinja_method_forbidden(struct value object, struct str name)
{
    static const char *const of_dict[] = {"clear", "setdefault", "popitem", "update", "pop", NULL};
    static const char *const of_list[] = {"clear", "reverse", "append", "pop",
                                          "remove", "sort", "extend", "insert", NULL};
    static const char *const none[] = {NULL};
    const char *const *names = object.kind == VALUE_DICT ? of_dict : object.kind == VALUE_LIST ? of_list : none;
    for (; *names; names++)
        if (str_is(name, *names))
            return true;
    return false;
}
