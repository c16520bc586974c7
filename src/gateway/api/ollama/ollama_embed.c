/* Vectors as Ollama's clients ask for them: /api/embed takes one text or many, /api/embeddings one. A text that is too
 * long is cut only where "truncate" says so. */
#include <math.h>

#include "gateway/api/completions/completions.h"
#include "gateway/api/ollama/ollama_internal.h"
#include "gateway/embed.h"
#include "gateway/http/pages.h"
#include "gateway/keep_alive.h"

#define ARENA_MAX (160u << 20)

/* What tells the two paths apart. */
struct embed_shape {
    const char *field;            /* of the text */
    bool many;
};
static const struct embed_shape embed_shape = {"input", true}, old_shape = {"prompt", false};

/* ---- in ---- */

static bool check_fields(const json_t *body, const struct embed_shape *shape, struct err *err)
{
    static const char *const both[] = {"model", "keep_alive", "options"}, *const embed[] = {"truncate", "dimensions"};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)body, key, value)
    {
        bool known = strcmp(key, shape->field) == 0;
        for (size_t i = 0; i < sizeof both / sizeof both[0]; i++)
            known |= strcmp(key, both[i]) == 0;
        for (size_t i = 0; i < sizeof embed / sizeof embed[0]; i++)
            known |= shape->many && strcmp(key, embed[i]) == 0;
        if (!known)
            return err_set(err, ERR_INVALID, "'%.80s' is an unknown field; Rung refuses what it does not honour", key);
    }
    return true;
}

/* They concern the machine and how words are drawn, and a vector depends on neither; they are checked all the same. */
static bool check_options(const json_t *options, struct err *err)
{
    struct ollama_parse p = {.out = json_object(), .err = err};
    bool ok = p.out ? !options || json_is_null(options) || ollama_take_options(&p, "options", options)
                    : err_nomem(err, "the options");
    json_decref(p.out);
    return ok;
}

static bool take_text(const json_t *value, const struct embed_shape *shape, struct arena *arena,
                      struct embed_input *ret, struct err *err)
{
    if (!json_is_string(value))
        return err_set(err, ERR_INVALID, "'%s' must be a string%s, not %s", shape->field,
                       shape->many ? " or an array of strings" : "", json_type_name(value));
    ret->text = arena_str(arena, (struct str){json_string_value(value), json_string_length(value)});
    return ret->text.p || err_nomem(err, "a text");
}

/* No text at all is no mistake: there are no vectors then. */
static bool take_texts(const json_t *value, const struct embed_shape *shape, struct arena *arena,
                       struct embed_call *ret, struct err *err)
{
    bool list = shape->many && json_is_array(value);
    size_t n = list ? json_array_size(value) : json_string_length(value) > 0;
    if (!value || json_is_null(value))
        return err_set(err, ERR_INVALID, "'%s' is missing", shape->field);
    if (n > EMBED_MAX_INPUTS)
        return err_set(err, ERR_INVALID, "'%s' has %zu texts; at most %d are taken", shape->field, n,
                       EMBED_MAX_INPUTS);
    struct embed_input *inputs = arena_array(arena, n ? n : 1, sizeof *inputs);
    if (!inputs)
        return err_nomem(err, "the texts");
    if (!list && !take_text(value, shape, arena, inputs, err))
        return false;
    for (size_t i = 0; list && i < n; i++)
        if (!take_text(json_array_get(value, i), shape, arena, &inputs[i], err))
            return false;
    ret->inputs = inputs;
    ret->n = (int)n;
    return true;
}

static bool parse(const json_t *body, const struct embed_shape *shape, struct arena *arena, struct embed_call *ret,
                  struct err *err)
{
    struct str name;
    const json_t *keep_alive = json_object_get(body, "keep_alive");
    if (!check_fields(body, shape, err) || !ollama_model_name(body, &name, err) ||
        !json_get_bool(body, "truncate", &ret->truncate, err) ||
        !json_get_i64(body, "dimensions", 1, INT32_MAX, &ret->dimensions, err) ||
        !check_options(json_object_get(body, "options"), err))
        return false;
    ret->has_keep_alive = keep_alive && !json_is_null(keep_alive);
    if (ret->has_keep_alive && !keep_alive_of_json(keep_alive, &ret->keep_alive_ms, err))
        return false;
    ret->model = arena_str(arena, name);
    return (ret->model.p || err_nomem(err, "a name")) &&
           take_texts(json_object_get(body, shape->field), shape, arena, ret, err);
}

/* ---- out ---- */

/* Upstreams give vectors of any length; here each has length 1. */
static void normalise(float *v, int64_t n)
{
    double square = 0;
    for (int64_t i = 0; i < n; i++)
        square += (double)v[i] * v[i];
    double length = sqrt(square);
    for (int64_t i = 0; i < n && length > 0; i++)
        v[i] = (float)(v[i] / length);
}

static void write_vectors(const struct embed_call *call, const struct embed_reply *r, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    json_open_object(&w);
    json_put_str(&w, "model", r->model ? str_of(r->model) : call->model);
    json_key(&w, "embeddings");
    json_open_array(&w);
    for (int i = 0; i < call->n; i++)
        embeddings_write(&w, r->vectors + i * r->dimensions, r->dimensions);
    json_close_array(&w);
    json_put_i64(&w, "total_duration", r->total_us * 1000);
    json_put_i64(&w, "load_duration", 0);
    json_put_i64(&w, "prompt_eval_count", r->prompt_tokens);
    json_close_object(&w);
}

static void write_vector(const struct embed_reply *r, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    json_open_object(&w);
    json_key(&w, "embedding");
    embeddings_write(&w, r->vectors, r->dimensions);
    json_close_object(&w);
}

static void answer(struct gateway *g, struct http_exchange *x, const struct caller *caller,
                   const struct embed_shape *shape, struct embed_call *call)
{
    struct embed_reply r = {.ok = true};
    struct buf out = BUF_INIT(PAGE_MAX_BYTES);
    if (call->n > 0)
        embeddings_ask(g, x, caller, call, &r);
    if (!r.ok) {
        page_fail_later(x, ollama_write_error, r.http_status, r.err.msg, NULL, NULL, r.retry_after_s);
    } else {
        for (int i = 0; i < call->n; i++)
            normalise(r.vectors + i * r.dimensions, r.dimensions);
        if (shape->many)
            write_vectors(call, &r, &out);
        else
            write_vector(&r, &out);
        page_json(x, 200, &out);
    }
    embed_reply_free(&r);
    buf_free(&out);
}

static void embed_page(struct gateway *g, struct http_exchange *x, const struct caller *caller,
                       const struct embed_shape *shape)
{
    struct arena arena = ARENA_INIT(ARENA_MAX);
    struct embed_call call = {0};
    struct err err = ERR_INIT;
    json_t *body = NULL;
    if (json_parse_object(http_body(x), "request body", &body, &err) && parse(body, shape, &arena, &call, &err))
        answer(g, x, caller, shape, &call);
    else
        page_fail(x, ollama_write_error, err.code == ERR_NOMEM ? 503 : 400, err.msg, NULL, NULL);
    json_decref(body);
    arena_free(&arena);
}

void page_embed(struct gateway *g, struct http_exchange *x, const struct caller *caller)
{
    embed_page(g, x, caller, &embed_shape);
}

void page_old_embeddings(struct gateway *g, struct http_exchange *x, const struct caller *caller)
{
    embed_page(g, x, caller, &old_shape);
}
