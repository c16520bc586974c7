/* The state of one rendering: errors at the node being evaluated, the step and memory limits, and the making of
 * strings, lists and dicts. What is computed with them is in ops.c, eval.c and exec.c. */
#include <stdarg.h>
#include <stdio.h>

#include "text/jinja/run.h"
#include "text/template.h"

static bool fail(struct render *r, enum err_code code, const char *fmt, va_list args)
{
    char text[400];
    vsnprintf(text, sizeof text, fmt, args);
    struct str clipped = utf8_clip(str_of(text), sizeof text - 4); /* vsnprintf may have cut a character */
    text[clipped.n] = '\0';
    return err_at_line(r->err, code, JINJA_FILE, r->at ? r->at->line : 0, r->at ? r->at->col : 0, "%s", text);
}

bool jinja_fail(struct render *r, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fail(r, ERR_INVALID, fmt, args);
    va_end(args);
    return false;
}

bool jinja_fail_limit(struct render *r, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fail(r, ERR_LIMIT, fmt, args);
    va_end(args);
    return false;
}

bool jinja_work(struct render *r, size_t steps)
{
    if (steps <= TEMPLATE_MAX_STEPS && r->steps + steps <= TEMPLATE_MAX_STEPS) {
        r->steps += steps;
        return true;
    }
    return jinja_fail_limit(r, "rendering takes more than %d steps", TEMPLATE_MAX_STEPS);
}

bool jinja_work_bytes(struct render *r, size_t bytes)
{
    return jinja_work(r, bytes / RENDER_BYTES_PER_STEP);
}

void *jinja_alloc(struct render *r, size_t count, size_t elem)
{
    void *p = arena_array(&r->arena, count, elem);
    if (!p)
        jinja_fail_limit(r, "rendering needs more than %u MiB of memory", TEMPLATE_MAX_MEMORY_BYTES >> 20);
    return p;
}

bool jinja_text(struct render *r, struct str s, struct value *ret)
{
    char *p = jinja_alloc(r, s.n + 1, 1);
    if (!p || !jinja_work_bytes(r, s.n))
        return false;
    if (s.n)
        memcpy(p, s.p, s.n);
    *ret = value_str((struct str){p, s.n});
    return true;
}

struct buf jinja_buf(void)
{
    return BUF_INIT(TEMPLATE_MAX_OUTPUT_BYTES);
}

bool jinja_text_buf(struct render *r, struct buf *b, struct value *ret)
{
    bool ok = buf_ok(b) ? jinja_text(r, buf_view(b), ret)
                        : jinja_fail_limit(r, "a text grows beyond %u MiB", TEMPLATE_MAX_OUTPUT_BYTES >> 20);
    buf_free(b);
    return ok;
}

bool jinja_list(struct render *r, size_t n, struct list **ret)
{
    struct list *l = jinja_alloc(r, 1, sizeof *l);
    if (!l || !(l->v = jinja_alloc(r, n, sizeof *l->v)))
        return false;
    l->n = n;
    l->height = 1;
    *ret = l;
    return jinja_work(r, n);
}

static bool check_height(struct render *r, int height)
{
    return height <= JINJA_MAX_HEIGHT || jinja_fail_limit(r, "a value is nested deeper than %d", JINJA_MAX_HEIGHT);
}

bool jinja_seal(struct render *r, struct list *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (value_height(l->v[i]) >= l->height)
            l->height = value_height(l->v[i]) + 1;
    return check_height(r, l->height);
}

bool jinja_dict(struct render *r, size_t cap, struct dict **ret)
{
    struct dict *d = jinja_alloc(r, 1, sizeof *d);
    if (!d || !(d->p = jinja_alloc(r, cap ? cap : 1, sizeof *d->p)))
        return false;
    d->cap = cap ? cap : 1;
    d->height = 1;
    *ret = d;
    return true;
}

bool jinja_dict_append(struct render *r, struct dict *d, struct value key, struct value value)
{
    if (d->n == d->cap) {
        struct pair *grown = jinja_alloc(r, d->cap * 2, sizeof *grown);
        if (!grown)
            return false;
        memcpy(grown, d->p, d->n * sizeof *grown);
        d->p = grown;
        d->cap *= 2;
    }
    int height = value_height(key) > value_height(value) ? value_height(key) : value_height(value);
    if (height >= d->height)
        d->height = height + 1;
    d->p[d->n++] = (struct pair){key, value};
    return jinja_work(r, 1) && check_height(r, d->height);
}

bool jinja_dict_find(struct render *r, const struct dict *d, struct value key, struct value **ret_or_null)
{
    bool same;
    size_t compared = 0; /* bytes of keys as long as this one */
    *ret_or_null = NULL;
    if (key.kind == VALUE_LIST || key.kind == VALUE_DICT)
        return jinja_fail(r, "a %s cannot be the key of a dict", value_type_name(key));
    for (size_t i = 0; i < d->n; i++) {
        if (key.kind == VALUE_STRING && d->p[i].key.kind == VALUE_STRING && d->p[i].key.s.n == key.s.n)
            compared += key.s.n;
        if (key.kind == VALUE_TUPLE) {
            if (!jinja_equal(r, d->p[i].key, key, &same))
                return false;
        } else {
            same = key.kind == VALUE_NONE ? d->p[i].key.kind == VALUE_NONE : value_same_scalar(d->p[i].key, key);
        }
        if (same) {
            *ret_or_null = &d->p[i].value;
            return jinja_work(r, i / 8) && jinja_work_bytes(r, compared);
        }
    }
    return jinja_work(r, d->n / 8) && jinja_work_bytes(r, compared);
}

bool jinja_dict_set(struct render *r, struct dict *d, struct value key, struct value value)
{
    struct value *found;
    if (!jinja_dict_find(r, d, key, &found))
        return false;
    if (!found)
        return jinja_dict_append(r, d, key, value);
    *found = value;
    if (value_height(value) >= d->height)
        d->height = value_height(value) + 1;
    return check_height(r, d->height);
}

bool jinja_bind(struct render *r, struct frame *f, struct str name, struct value value)
{
    for (size_t i = 0; i < f->n; i++) {
        if (str_eq(f->b[i].name, name)) {
            f->b[i].value = value;
            return jinja_work(r, i / 8);
        }
    }
    if (f->n == f->cap) {
        size_t cap = f->cap ? f->cap * 2 : 4;
        struct binding *grown = jinja_alloc(r, cap, sizeof *grown);
        if (!grown)
            return false;
        if (f->n)
            memcpy(grown, f->b, f->n * sizeof *grown);
        f->b = grown;
        f->cap = cap;
    }
    f->b[f->n++] = (struct binding){name, value};
    return jinja_work(r, f->n / 8);
}

bool jinja_defined(struct render *r, struct value v)
{
    if (v.kind != VALUE_UNDEFINED)
        return true;
    struct str name = utf8_clip(v.s, 80);
    if (v.flags & VALUE_FORBIDDEN)
        return jinja_fail(r, "'" STR_FMT "' would change a list or dict, which a template may not do", STR_ARG(name));
    return jinja_fail(r, "'" STR_FMT "' is undefined", STR_ARG(name));
}
