/* Expressions to values: one function a kind of node. Operators are in ops.c, reaching into values in access.c,
 * calls in call.c. */
#include "text/jinja/run.h"
#include "text/template.h"

typedef bool eval_fn(struct render *r, const struct node *n, struct value *ret);

static bool eval_const(struct render *r, const struct node *n, struct value *ret)
{
    (void)r;
    *ret = n->value;
    return true;
}

static bool eval_name(struct render *r, const struct node *n, struct value *ret)
{
    size_t scanned = 0;
    for (const struct frame *f = r->frame; f; f = f->parent) {
        for (size_t i = 0; i < f->n; i++) {
            if (str_eq(f->b[i].name, n->name)) {
                *ret = f->b[i].value;
                return true;
            }
        }
        scanned += f->n;
    }
    struct value *found;
    if (!jinja_work(r, scanned / 8) || !jinja_dict_find(r, r->context, value_str(n->name), &found))
        return false;
    const struct builtin *fn = found ? NULL : jinja_global(n->name);
    *ret = found ? *found : value_undefined(n->name);
    if (fn) {
        struct bound *bound = jinja_alloc(r, 1, sizeof *bound);
        if (!bound)
            return false;
        bound->fn = fn;
        *ret = (struct value){.kind = VALUE_BUILTIN, .bound = bound};
    }
    return true;
}

static bool eval_list(struct render *r, const struct node *n, struct value *ret)
{
    struct list *l;
    if (!jinja_list(r, (size_t)n->list.n, &l))
        return false;
    for (int i = 0; i < n->list.n; i++)
        if (!jinja_eval(r, n->list.v[i], &l->v[i]))
            return false;
    *ret = n->kind == NODE_LIST ? value_list(l) : value_tuple(l);
    return jinja_seal(r, l);
}

static bool eval_dict(struct render *r, const struct node *n, struct value *ret)
{
    struct dict *d;
    if (!jinja_dict(r, (size_t)n->list.n / 2, &d))
        return false;
    for (int i = 0; i + 1 < n->list.n; i += 2) {
        struct value key, value;
        if (!jinja_eval(r, n->list.v[i], &key) || !jinja_eval(r, n->list.v[i + 1], &value) ||
            !jinja_dict_set(r, d, key, value))
            return false;
    }
    *ret = value_dict(d);
    return true;
}

static bool eval_sign(struct render *r, const struct node *n, struct value *ret)
{
    struct value v;
    if (!jinja_eval(r, n->a, &v))
        return false;
    if (value_numeric(v)) {
        struct value zero = v.kind == VALUE_FLOAT ? value_float(n->kind == NODE_NEGATE ? -0.0 : 0) : value_int(0);
        return jinja_binary(r, n->kind == NODE_NEGATE ? OP_SUB : OP_ADD, zero, v, ret);
    }
    return jinja_defined(r, v) && jinja_fail(r, "a %s has no sign", value_type_name(v));
}

static bool eval_not(struct render *r, const struct node *n, struct value *ret)
{
    struct value v;
    if (!jinja_eval(r, n->a, &v))
        return false;
    *ret = value_bool(!value_truth(v));
    return true;
}

static bool eval_logic(struct render *r, const struct node *n, struct value *ret)
{
    if (!jinja_eval(r, n->a, ret))
        return false;
    return value_truth(*ret) == (n->kind == NODE_OR) || jinja_eval(r, n->b, ret);
}

static bool eval_binary(struct render *r, const struct node *n, struct value *ret)
{
    struct value a, b;
    return jinja_eval(r, n->a, &a) && jinja_eval(r, n->b, &b) && jinja_binary(r, (enum node_op)n->op, a, b, ret);
}

static bool eval_concat(struct render *r, const struct node *n, struct value *ret)
{
    struct value parts;
    return eval_list(r, n, &parts) && jinja_join(r, STR(""), parts.list, ret);
}

static bool eval_compare(struct render *r, const struct node *n, struct value *ret)
{
    struct value left, right;
    bool holds = true;
    if (!jinja_eval(r, n->a, &left))
        return false;
    for (int i = 0; holds && i < n->list.n; i++) {
        const struct node *operand = n->list.v[i];
        if (!jinja_eval(r, operand->a, &right) || !jinja_compare(r, (enum node_op)operand->op, left, right, &holds))
            return false;
        left = right;
    }
    *ret = value_bool(holds);
    return true;
}

static bool eval_cond(struct render *r, const struct node *n, struct value *ret)
{
    struct value test;
    if (!jinja_eval(r, n->a, &test))
        return false;
    if (value_truth(test))
        return jinja_eval(r, n->b, ret);
    if (n->c)
        return jinja_eval(r, n->c, ret);
    *ret = value_undefined(STR("the missing else"));
    return true;
}

static bool eval_attr(struct render *r, const struct node *n, struct value *ret)
{
    struct value object;
    return jinja_eval(r, n->a, &object) && jinja_attr(r, object, n->name, ret);
}

static bool eval_item(struct render *r, const struct node *n, struct value *ret)
{
    struct value object, key;
    if (!jinja_eval(r, n->a, &object))
        return false;
    if (n->b->kind != NODE_SLICE)
        return jinja_eval(r, n->b, &key) && jinja_item(r, object, key, ret);
    const struct node *parts[3] = {n->b->a, n->b->b, n->b->c};
    struct value bounds[3] = {value_none(), value_none(), value_none()};
    for (int i = 0; i < 3; i++)
        if (parts[i] && !jinja_eval(r, parts[i], &bounds[i]))
            return false;
    return jinja_slice(r, object, bounds, ret);
}

static bool eval_call(struct render *r, const struct node *n, struct value *ret)
{
    struct value callee;
    struct args args;
    return jinja_eval(r, n->a, &callee) && jinja_eval_args(r, n, &args) && jinja_call(r, callee, &args, ret);
}

static bool eval_filter(struct render *r, const struct node *n, struct value *ret)
{
    struct value input = r->block_text;
    struct args args;
    const struct builtin *fn = jinja_filter(n->name);
    if (!fn)
        return jinja_fail(r, "there is no filter '" STR_FMT "'", STR_ARG(utf8_clip(n->name, 60)));
    return (!n->a || jinja_eval(r, n->a, &input)) && jinja_eval_args(r, n, &args) &&
           jinja_invoke(r, fn, input, &args, ret);
}

static bool eval_test(struct render *r, const struct node *n, struct value *ret)
{
    struct value input;
    struct args args;
    const struct builtin *fn = jinja_test(n->name);
    if (!fn)
        return jinja_fail(r, "there is no test '" STR_FMT "'", STR_ARG(utf8_clip(n->name, 60)));
    if (!jinja_eval(r, n->a, &input) || !jinja_eval_args(r, n, &args) || !jinja_invoke(r, fn, input, &args, ret))
        return false;
    *ret = value_bool(value_truth(*ret) != n->negate);
    return true;
}

static eval_fn *const evaluators[] = {
    [NODE_CONST] = eval_const,   [NODE_NAME] = eval_name,     [NODE_LIST] = eval_list,     [NODE_TUPLE] = eval_list,
    [NODE_DICT] = eval_dict,     [NODE_NEGATE] = eval_sign,   [NODE_POSITIVE] = eval_sign, [NODE_NOT] = eval_not,
    [NODE_AND] = eval_logic,     [NODE_OR] = eval_logic,      [NODE_BINARY] = eval_binary, [NODE_CONCAT] = eval_concat,
    [NODE_COMPARE] = eval_compare, [NODE_COND] = eval_cond,   [NODE_ATTR] = eval_attr,     [NODE_ITEM] = eval_item,
    [NODE_CALL] = eval_call,     [NODE_FILTER] = eval_filter, [NODE_TEST] = eval_test,
};

bool jinja_eval(struct render *r, const struct node *n, struct value *ret)
{
    const struct node *outer = r->at;
    eval_fn *fn = n->kind < sizeof evaluators / sizeof evaluators[0] ? evaluators[n->kind] : NULL;
    r->at = n;
    if (!fn)
        return jinja_fail(r, "a slice can only stand alone in a subscript");
    if (!jinja_work(r, 1))
        return false;
    if (r->depth == RENDER_MAX_RECURSION)
        return jinja_fail_limit(r, "the template recurses deeper than %d", RENDER_MAX_RECURSION);
    r->depth++;
    if (!fn(r, n, ret))
        return false;
    r->depth--;
    r->at = outer;
    return true;
}
