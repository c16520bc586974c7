/* Statements: text and printed values to the output, conditions, loops, assignments, macros. */
#include "text/jinja/run.h"
#include "text/template.h"

typedef bool exec_fn(struct render *r, const struct node *n);

static bool emit(struct render *r, struct value v)
{
    if (!jinja_print(r, v, r->out))
        return false;
    return buf_ok(r->out) ||
           jinja_fail_limit(r, "the rendered text grows beyond %u MiB", TEMPLATE_MAX_OUTPUT_BYTES >> 20);
}

static bool exec_text(struct render *r, const struct node *n)
{
    return emit(r, value_str(n->name));
}

static bool exec_print(struct render *r, const struct node *n)
{
    struct value v;
    return jinja_eval(r, n->a, &v) && emit(r, v);
}

static bool exec_if(struct render *r, const struct node *n)
{
    for (int i = 0; i < n->list.n; i++) {
        const struct node *branch = n->list.v[i];
        struct value test = value_bool(true);
        if (branch->a && !jinja_eval(r, branch->a, &test))
            return false;
        if (value_truth(test))
            return jinja_exec(r, &branch->body);
    }
    return true;
}

/* ---- assignment ---- */

static bool assign(struct render *r, const struct node *target, struct value v);

static bool assign_attr(struct render *r, const struct node *target, struct value v)
{
    struct value object;
    if (!jinja_eval(r, target->a, &object) || !jinja_defined(r, object))
        return false;
    if (object.kind != VALUE_NAMESPACE)
        return jinja_fail(r, "only a namespace has attributes to set, not a %s", value_type_name(object));
    return jinja_dict_set(r, object.dict, value_str(target->name), v);
}

static bool assign_tuple(struct render *r, const struct node *target, struct value v)
{
    struct list *l;
    if (!jinja_iterate(r, v, &l))
        return false;
    if (l->n != (size_t)target->list.n)
        return jinja_fail(r, "%zu values cannot be assigned to %d names", l->n, target->list.n);
    for (int i = 0; i < target->list.n; i++)
        if (!assign(r, target->list.v[i], l->v[i]))
            return false;
    return true;
}

static bool assign(struct render *r, const struct node *target, struct value v)
{
    r->at = target;
    if (target->kind == NODE_ATTR)
        return assign_attr(r, target, v);
    if (target->kind == NODE_TUPLE)
        return assign_tuple(r, target, v);
    return jinja_bind(r, r->frame, target->name, v);
}

static bool exec_set(struct render *r, const struct node *n)
{
    struct value v;
    return jinja_eval(r, n->b, &v) && assign(r, n->a, v);
}

/* ---- scopes ---- */

static bool push_frame(struct render *r)
{
    struct frame *f = jinja_alloc(r, 1, sizeof *f);
    if (!f)
        return false;
    f->parent = r->frame;
    r->frame = f;
    return true;
}

static void pop_frame(struct render *r)
{
    r->frame = r->frame->parent;
}

bool jinja_capture(struct render *r, const struct node_list *body, struct value *ret)
{
    struct buf text = jinja_buf(), *out = r->out;
    r->out = &text;
    bool ok = jinja_exec(r, body);
    r->out = out;
    if (ok)
        return jinja_text_buf(r, &text, ret);
    buf_free(&text);
    return false;
}

/* The body's text in a scope of its own, through the block's filters. */
static bool filtered_body(struct render *r, const struct node *n, struct value *ret)
{
    if (!push_frame(r) || !jinja_capture(r, &n->body, ret))
        return false;
    pop_frame(r);
    if (!n->b)
        return true;
    struct value outer = r->block_text;
    r->block_text = *ret;
    if (!jinja_eval(r, n->b, ret))
        return false;
    r->block_text = outer;
    return true;
}

static bool exec_set_block(struct render *r, const struct node *n)
{
    struct value v;
    return filtered_body(r, n, &v) && assign(r, n->a, v);
}

static bool exec_filter_block(struct render *r, const struct node *n)
{
    struct value v;
    return filtered_body(r, n, &v) && emit(r, v);
}

static bool exec_scope(struct render *r, const struct node *n)
{
    if (!push_frame(r) || !jinja_exec(r, &n->body))
        return false;
    pop_frame(r);
    return true;
}

static bool exec_with(struct render *r, const struct node *n)
{
    struct frame *outer = r->frame;
    if (!push_frame(r))
        return false;
    struct frame *inner = r->frame;
    for (int i = 0; i < n->list.n; i++) {
        struct value v;
        r->frame = outer; /* the values see the scope outside */
        if (!jinja_eval(r, n->list.v[i]->b, &v))
            return false;
        r->frame = inner;
        if (!assign(r, n->list.v[i]->a, v))
            return false;
    }
    r->frame = inner;
    if (!jinja_exec(r, &n->body))
        return false;
    r->frame = outer;
    return true;
}

/* ---- loops ---- */

static bool loop_open(struct render *r, const struct node *n, struct loop **ret)
{
    struct loop *loop = jinja_alloc(r, 1, sizeof *loop);
    struct value v;
    if (!loop || !jinja_eval(r, n->b, &v) || !jinja_iterate(r, v, &loop->source))
        return false;
    *ret = loop;
    loop->node = n;
    if (!n->c) {
        loop->items = loop->source;
        loop->n_asked = loop->source->n;
        return true;
    }
    if (!jinja_list(r, loop->source->n, &loop->items) || !push_frame(r))
        return false;
    loop->items->n = 0;
    loop->scope = r->frame;
    pop_frame(r);
    return true;
}

bool jinja_loop_reach(struct render *r, struct loop *loop, size_t n)
{
    struct frame *frame = r->frame;
    const struct node *at = r->at;
    struct value keep;
    for (; loop->items->n < n && loop->n_asked < loop->source->n; loop->n_asked++) {
        struct value v = loop->source->v[loop->n_asked];
        r->frame = loop->scope;
        r->frame->n = 0;
        if (!assign(r, loop->node->a, v) || !jinja_eval(r, loop->node->c, &keep))
            return false;
        if (value_truth(keep))
            loop->items->v[loop->items->n++] = v;
    }
    r->frame = frame;
    r->at = at;
    return true;
}

/* As Jinja has it, a loop counts as empty until one pass has come to its end: passes that `break` and `continue` cut
 * short leave the `else` to be done. */
static bool exec_for(struct render *r, const struct node *n)
{
    struct loop *loop;
    bool passed = false;
    if (!loop_open(r, n, &loop))
        return false;
    for (;; loop->index++) {
        if (!jinja_loop_reach(r, loop, loop->index + 1))
            return false;
        if (loop->index == loop->items->n)
            break;
        if (!push_frame(r) || !jinja_work(r, 1) || !assign(r, n->a, loop->items->v[loop->index]) ||
            !jinja_bind(r, r->frame, STR("loop"), (struct value){.kind = VALUE_LOOP, .loop = loop}) ||
            !jinja_exec(r, &n->body))
            return false;
        pop_frame(r);
        enum flow flow = r->flow;
        r->flow = FLOW_NEXT;
        passed |= flow == FLOW_NEXT;
        if (flow == FLOW_BREAK)
            break;
    }
    if (passed)
        return true;
    if (!push_frame(r) || !jinja_exec(r, &n->orelse))
        return false;
    pop_frame(r);
    return true;
}

static bool exec_jump(struct render *r, const struct node *n)
{
    r->flow = n->kind == NODE_BREAK ? FLOW_BREAK : FLOW_CONTINUE;
    return true;
}

/* ---- macros ---- */

static bool make_macro(struct render *r, const struct node *n, struct value *ret)
{
    struct macro *m = jinja_alloc(r, 1, sizeof *m);
    if (!m)
        return false;
    *m = (struct macro){.node = n, .frame = r->frame};
    *ret = (struct value){.kind = VALUE_MACRO, .macro = m};
    return true;
}

static bool exec_macro(struct render *r, const struct node *n)
{
    struct value v;
    return make_macro(r, n, &v) && jinja_bind(r, r->frame, n->name, v);
}

static bool exec_call_block(struct render *r, const struct node *n)
{
    struct value callee, caller, v;
    struct args args;
    if (!make_macro(r, n->b, &caller) || !jinja_eval(r, n->a->a, &callee) || !jinja_eval_args(r, n->a, &args))
        return false;
    args.keywords[args.n_keywords++] = (struct keyword){STR("caller"), caller};
    r->at = n;
    return jinja_call(r, callee, &args, &v) && emit(r, v);
}

static exec_fn *const executors[] = {
    [NODE_TEXT] = exec_text,           [NODE_PRINT] = exec_print, [NODE_IF] = exec_if,
    [NODE_FOR] = exec_for,             [NODE_SET] = exec_set,     [NODE_SET_BLOCK] = exec_set_block,
    [NODE_MACRO] = exec_macro,         [NODE_WITH] = exec_with,   [NODE_CALL_BLOCK] = exec_call_block,
    [NODE_FILTER_BLOCK] = exec_filter_block, [NODE_SCOPE] = exec_scope,
    [NODE_BREAK] = exec_jump,          [NODE_CONTINUE] = exec_jump,
};

bool jinja_exec(struct render *r, const struct node_list *body)
{
    if (r->depth == RENDER_MAX_RECURSION)
        return jinja_fail_limit(r, "the template recurses deeper than %d", RENDER_MAX_RECURSION);
    r->depth++;
    for (int i = 0; i < body->n && r->flow == FLOW_NEXT; i++) {
        r->at = body->v[i];
        if (!jinja_work(r, 1) || !executors[body->v[i]->kind](r, body->v[i]))
            return false;
    }
    r->depth--;
    return true;
}
