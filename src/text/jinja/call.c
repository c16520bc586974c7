/* Calls: arguments evaluated, bound to the parameters of macros and builtins, and the callee run. */
#include "text/jinja/run.h"
#include "text/template.h"

bool jinja_eval_args(struct render *r, const struct node *n, struct args *ret)
{
    struct args args = {.n = n->list.n, .n_keywords = n->keywords.n};
    if (args.n && !(args.v = jinja_alloc(r, (size_t)args.n, sizeof *args.v)))
        return false;
    /* one more than given: a call block adds its caller */
    if (!(args.keywords = jinja_alloc(r, (size_t)args.n_keywords + 1, sizeof *args.keywords)))
        return false;
    for (int i = 0; i < args.n; i++)
        if (!jinja_eval(r, n->list.v[i], &args.v[i]))
            return false;
    for (int i = 0; i < args.n_keywords; i++) {
        args.keywords[i].name = n->keywords.v[i]->name;
        if (!jinja_eval(r, n->keywords.v[i]->a, &args.keywords[i].value))
            return false;
    }
    *ret = args;
    return true;
}

/* ---- builtins ---- */

static int parameter_index(const struct builtin *fn, struct str name)
{
    for (int i = 0; i < BUILTIN_MAX_PARAMS && fn->params[i]; i++)
        if (str_is(name, fn->params[i]))
            return i;
    return -1;
}

static bool bind_builtin(struct render *r, const struct builtin *fn, const struct args *args, struct call *c)
{
    int most = 0;
    while (most < BUILTIN_MAX_PARAMS && fn->params[most])
        most++;
    if (args->n > most)
        return jinja_fail(r, "'%s' takes at most %d arguments", fn->name, most);
    for (int i = 0; i < args->n; i++)
        c->v[i] = args->v[i];
    for (int i = 0; i < args->n_keywords; i++) {
        struct str name = args->keywords[i].name;
        int at = parameter_index(fn, name);
        if (at < 0 || value_given(c->v[at]))
            return jinja_fail(r, "'%s' takes no argument '" STR_FMT "' here", fn->name, STR_ARG(utf8_clip(name, 60)));
        c->v[at] = args->keywords[i].value;
    }
    for (int i = 0; i < fn->required; i++)
        if (!value_given(c->v[i]))
            return jinja_fail(r, "'%s' needs the argument '%s'", fn->name, fn->params[i]);
    return true;
}

bool jinja_invoke(struct render *r, const struct builtin *fn, struct value self, const struct args *args,
                  struct value *ret)
{
    struct call c = {.self = self, .raw = args};
    if (self.kind == VALUE_UNDEFINED && (self.flags & VALUE_FORBIDDEN))
        return jinja_defined(r, self);
    return jinja_work(r, 1) && (fn->variadic || bind_builtin(r, fn, args, &c)) && fn->fn(r, &c, ret);
}

/* ---- macros ---- */

static bool bind_keywords(struct render *r, const struct macro *m, const struct args *args, struct frame *frame)
{
    for (int i = 0; i < args->n_keywords; i++) {
        struct str name = args->keywords[i].name;
        bool known = str_is(name, "caller");
        for (int k = 0; k < m->node->keywords.n; k++)
            known |= k >= args->n && str_eq(m->node->keywords.v[k]->name, name);
        if (!known)
            return jinja_fail(r, "macro '" STR_FMT "' takes no argument '" STR_FMT "' here",
                              STR_ARG(utf8_clip(m->node->name, 60)), STR_ARG(utf8_clip(name, 60)));
        if (!jinja_bind(r, frame, name, args->keywords[i].value))
            return false;
    }
    return true;
}

static bool is_bound(const struct frame *f, struct str name)
{
    for (size_t i = 0; i < f->n; i++)
        if (str_eq(f->b[i].name, name))
            return true;
    return false;
}

/* Parameters get their arguments, defaults or undefined; defaults see the parameters before them. r->frame is the
 * macro's. */
static bool bind_macro(struct render *r, const struct macro *m, const struct args *args)
{
    const struct node_list *parameters = &m->node->keywords;
    if (args->n > parameters->n)
        return jinja_fail(r, "macro '" STR_FMT "' takes at most %d arguments", STR_ARG(utf8_clip(m->node->name, 60)),
                          parameters->n);
    for (int i = 0; i < args->n; i++)
        if (!jinja_bind(r, r->frame, parameters->v[i]->name, args->v[i]))
            return false;
    if (!bind_keywords(r, m, args, r->frame))
        return false;
    for (int i = args->n; i < parameters->n; i++) {
        const struct node *p = parameters->v[i];
        struct value v = value_undefined(p->name);
        if (is_bound(r->frame, p->name))
            continue;
        if ((p->a && !jinja_eval(r, p->a, &v)) || !jinja_bind(r, r->frame, p->name, v))
            return false;
    }
    return jinja_work(r, (size_t)parameters->n * (size_t)(1 + args->n_keywords) / 8);
}

static bool call_macro(struct render *r, const struct macro *m, const struct args *args, struct value *ret)
{
    struct frame *outer = r->frame, *frame = jinja_alloc(r, 1, sizeof *frame);
    enum flow flow = r->flow;
    if (!frame)
        return false;
    if (r->macro_depth == TEMPLATE_MAX_DEPTH)
        return jinja_fail_limit(r, "macro calls are nested deeper than %d", TEMPLATE_MAX_DEPTH);
    r->macro_depth++;
    frame->parent = m->frame;
    r->frame = frame;
    if (!bind_macro(r, m, args) || !jinja_capture(r, &m->node->body, ret))
        return false;
    r->frame = outer;
    r->flow = flow;
    r->macro_depth--;
    return true;
}

bool jinja_call(struct render *r, struct value callee, const struct args *args, struct value *ret)
{
    if (callee.kind == VALUE_BUILTIN)
        return jinja_invoke(r, callee.bound->fn, callee.bound->self, args, ret);
    if (callee.kind == VALUE_MACRO)
        return call_macro(r, callee.macro, args, ret);
    return jinja_defined(r, callee) && jinja_fail(r, "a %s cannot be called", value_type_name(callee));
}
