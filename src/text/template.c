/* The face of the template interpreter: a source becomes a tree once, the tree and a context become a text any
 * number of times. The interpreter itself lives in jinja/. */
#include "text/template.h"

#include <stdlib.h>

#include "text/jinja/lexer.h"
#include "text/jinja/run.h"

#define COMPILE_MAX_MEMORY_BYTES (256u << 20)

struct template {
    struct arena arena;
    struct node_list body;
};

bool template_compile(struct str source, struct template **ret, struct err *err)
{
    if (source.n > TEMPLATE_MAX_SOURCE_BYTES)
        return err_set(err, ERR_LIMIT, "the chat template is longer than %u bytes", TEMPLATE_MAX_SOURCE_BYTES);
    if (!utf8_valid(source))
        return err_set(err, ERR_INVALID, "the chat template is not UTF-8");
    struct template *t = calloc(1, sizeof *t);
    struct str normal;
    if (!t)
        return err_nomem(err, "the chat template");
    t->arena = ARENA_INIT(COMPILE_MAX_MEMORY_BYTES);
    if (!jinja_normalise(source, &t->arena, &normal)) {
        template_free(t);
        return err_nomem(err, "the chat template");
    }
    if (!jinja_parse(normal, &t->arena, &t->body, err)) {
        template_free(t);
        return false;
    }
    *ret = t;
    return true;
}

void template_free(struct template *t)
{
    if (t)
        arena_free(&t->arena);
    free(t);
}

static bool from_json(struct render *r, const json_t *json, int height, struct value *ret);

static bool from_array(struct render *r, const json_t *json, int height, struct value *ret)
{
    struct list *l;
    if (!jinja_list(r, json_array_size(json), &l))
        return false;
    for (size_t i = 0; i < l->n; i++)
        if (!from_json(r, json_array_get(json, i), height + 1, &l->v[i]))
            return false;
    *ret = value_list(l);
    return jinja_seal(r, l);
}

static bool from_object(struct render *r, const json_t *json, int height, struct value *ret)
{
    struct dict *d;
    if (!jinja_dict(r, json_object_size(json), &d))
        return false;
    json_t *object = (json_t *)json; /* jansson's iterator wants it writable, and does not write */
    for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
        struct value v;
        struct str key = {json_object_iter_key(i), json_object_iter_key_len(i)};
        if (!from_json(r, json_object_iter_value(i), height + 1, &v) || !jinja_dict_append(r, d, value_str(key), v))
            return false;
    }
    *ret = value_dict(d);
    return true;
}

/* Strings stay where they are: the context outlives the rendering. */
static bool from_json(struct render *r, const json_t *json, int height, struct value *ret)
{
    if (height >= JINJA_MAX_HEIGHT)
        return jinja_fail_limit(r, "the context of the template is nested deeper than %d", JINJA_MAX_HEIGHT);
    switch (json_typeof(json)) {
    case JSON_OBJECT: return from_object(r, json, height, ret);
    case JSON_ARRAY: return from_array(r, json, height, ret);
    case JSON_STRING: *ret = value_str((struct str){json_string_value(json), json_string_length(json)}); return true;
    case JSON_INTEGER: *ret = value_int(json_integer_value(json)); return true;
    case JSON_REAL: *ret = value_float(json_real_value(json)); return true;
    case JSON_TRUE:
    case JSON_FALSE: *ret = value_bool(json_is_true(json)); return true;
    case JSON_NULL: *ret = value_none(); return true;
    }
    return jinja_fail(r, "the context of the template holds an unknown type");
}

bool template_render(const struct template *t, const json_t *context, int64_t now_wall_ms, struct buf *out,
                     struct err *err)
{
    struct buf text = jinja_buf();
    struct frame frame = {0};
    struct render r = {
        .arena = ARENA_INIT(TEMPLATE_MAX_MEMORY_BYTES),
        .out = &text,
        .frame = &frame,
        .now_wall_ms = now_wall_ms,
        .err = err,
    };
    struct value variables;
    bool ok = false;
    if (!json_is_object(context)) {
        err_set(err, ERR_INVALID, "the context of a chat template must be an object");
        goto out;
    }
    if (!from_json(&r, context, 0, &variables))
        goto out;
    r.context = variables.dict;
    if (!jinja_exec(&r, &t->body))
        goto out;
    buf_str(out, buf_view(&text));
    ok = buf_check(out, "the rendered chat template", err);
out:
    buf_free(&text);
    arena_free(&r.arena);
    return ok;
}
