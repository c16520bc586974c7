/* The pages beside the answers, in OpenAI's shape. They read the configuration and write JSON; they answer nothing
 * themselves. */
#include "gateway/http/pages.h"

#include "data/json.h"
#include "gateway/answer/answer.h"
#include "gateway/api/openai/openai.h"
#include "gateway/models.h"

/* ---- replies ---- */

void page_json(struct http_exchange *x, int status, const struct buf *body)
{
    if (buf_ok(body))
        http_reply(x, status, "application/json", buf_view(body));
    else
        http_reply(x, 500, "application/json",
                   STR("{\"error\":{\"message\":\"the reply is too long\",\"type\":\"server_error\"}}"));
}

void page_fail(struct http_exchange *x, write_error error, int status, const char *message, const char *param,
               const char *code)
{
    struct buf body = BUF_INIT(PAGE_MAX_BYTES);
    error(status, message, param, code, &body);
    if (status == 503)
        http_reply_header(x, "Retry-After", "1");
    page_json(x, status, &body);
    buf_free(&body);
}

/* ---- which models there are ---- */

static void write_model(struct json_writer *w, const char *name, const char *owner)
{
    json_open_object(w);
    json_put_cstr(w, "id", name);
    json_put_cstr(w, "object", "model");
    json_put_i64(w, "created", 0);
    json_put_cstr(w, "owned_by", owner);
    json_close_object(w);
}

static const char *owner_of(const struct config_model *m)
{
    return m->file ? "local" : m->own_machine ? "own machine" : "upstream";
}

static bool write_stored(void *writer, const struct registry_model *m)
{
    write_model(writer, m->name, "local");
    return true;
}

void page_models(struct gateway *g, struct http_exchange *x, const struct caller *caller)
{
    (void)caller;
    const struct config *c = gateway_config(g);
    struct buf out = BUF_INIT(PAGE_MAX_BYTES);
    struct json_writer w = JSON_WRITER(&out);
    json_open_object(&w);
    json_put_cstr(&w, "object", "list");
    json_key(&w, "data");
    json_open_array(&w);
    write_model(&w, "auto", "rung");
    for (int i = 0; i < c->n_models; i++) {
        if (!atomic_load(&c->models[i].gone))
            write_model(&w, c->models[i].name, owner_of(&c->models[i]));
    }
    for (int i = 0; i < c->n_aliases; i++)
        write_model(&w, c->aliases[i].from, "alias");
    models_each_stored(g, write_stored, &w);
    json_close_array(&w);
    json_close_object(&w);
    page_json(x, 200, &out);
    buf_free(&out);
}

void page_model(struct gateway *g, struct http_exchange *x, struct str name)
{
    const struct config *c = gateway_config(g);
    struct buf out = BUF_INIT(PAGE_MAX_BYTES);
    struct json_writer w = JSON_WRITER(&out);
    int found = models_find(g, name, NULL);
    if (found >= 0)
        write_model(&w, c->models[found].name, owner_of(&c->models[found]));
    else if (str_is(name, "auto"))
        write_model(&w, "auto", "rung");
    for (int i = 0; i < c->n_aliases && !out.n; i++) {
        if (str_is(name, c->aliases[i].from))
            write_model(&w, c->aliases[i].from, "alias");
    }
    if (out.n)
        page_json(x, 200, &out);
    else
        page_fail(x, openai_write_error, 404, "there is no model of this name; GET /v1/models lists them", "model",
                  "model_not_found");
    buf_free(&out);
}

void page_health(struct gateway *g, struct http_exchange *x, const struct caller *caller)
{
    (void)caller;
    const struct config *c = gateway_config(g);
    struct buf out = BUF_INIT(PAGE_MAX_BYTES);
    struct json_writer w = JSON_WRITER(&out);
    json_open_object(&w);
    json_put_cstr(&w, "status", "ok");
    json_put_cstr(&w, "server", "rung");
    json_put_cstr(&w, "version", RUNG_VERSION);
    json_key(&w, "tiers");
    json_open_array(&w);
    for (int t = 0; t < c->n_tiers; t++) {
        json_open_object(&w);
        json_put_cstr(&w, "tier", c->tiers[t].name);
        json_put_cstr(&w, "model", c->models[c->tiers[t].model].name);
        json_put_bool(&w, "usable", !c->models[c->tiers[t].model].key_missing);
        json_close_object(&w);
    }
    json_close_array(&w);
    json_close_object(&w);
    page_json(x, 200, &out);
    buf_free(&out);
}
