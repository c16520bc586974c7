/* The pages beside the answers. They read the configuration and the runtime's state, write JSON, and ask the runtime to
 * load or drop a model; they answer nothing themselves. */
#include "gateway/pages.h"

#include <stdio.h>

#include "base/clock.h"
#include "data/json.h"
#include "gateway/answer/answer.h"
#include "gateway/api/openai.h"
#include "gateway/keep_alive.h"
#include "gateway/models.h"

/* What is kept for ever must still name a time in Ollama's shape. */
#define FOREVER_MS (INT64_C(100) * 365 * 86400 * 1000)

/* ---- replies ---- */

void page_json(struct http_exchange *x, int status, const struct buf *body)
{
    if (buf_ok(body))
        http_reply(x, status, "application/json", buf_view(body));
    else
        http_reply(x, 500, "application/json",
                   STR("{\"error\":{\"message\":\"the reply is too long\",\"type\":\"server_error\"}}"));
}

void page_fail(struct http_exchange *x, int status, const char *message, const char *param, const char *code)
{
    struct buf body = BUF_INIT(PAGE_MAX_BYTES);
    openai_write_error(status, message, param, code, &body);
    if (status == 503)
        http_reply_header(x, "Retry-After", "1");
    page_json(x, status, &body);
    buf_free(&body);
}

/* The error of Ollama's API: its clients read a plain text. */
static void fail_plain(struct http_exchange *x, int status, const char *message)
{
    struct buf body = BUF_INIT(PAGE_MAX_BYTES);
    struct json_writer w = JSON_WRITER(&body);
    json_open_object(&w);
    json_put_cstr(&w, "error", message);
    json_close_object(&w);
    if (status == 503)
        http_reply_header(x, "Retry-After", "1");
    page_json(x, status, &body);
    buf_free(&body);
}

/* ---- OpenAI's ---- */

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

void page_models(struct gateway *g, struct http_exchange *x)
{
    const struct config *c = gateway_config(g);
    struct buf out = BUF_INIT(PAGE_MAX_BYTES);
    struct json_writer w = JSON_WRITER(&out);
    json_open_object(&w);
    json_put_cstr(&w, "object", "list");
    json_key(&w, "data");
    json_open_array(&w);
    write_model(&w, "auto", "rung");
    for (int i = 0; i < c->n_models; i++)
        write_model(&w, c->models[i].name, owner_of(&c->models[i]));
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
        page_fail(x, 404, "there is no model of this name; GET /v1/models lists them", "model", "model_not_found");
    buf_free(&out);
}

void page_health(struct gateway *g, struct http_exchange *x)
{
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

/* ---- Ollama's ---- */

static void write_details(struct json_writer *w, const struct engine_info *e)
{
    char parameters[24];
    snprintf(parameters, sizeof parameters, "%.1fB", (double)e->parameters / 1e9);
    json_key(w, "details");
    json_open_object(w);
    json_put_cstr(w, "format", "gguf");
    json_put_cstr(w, "family", e->architecture);
    json_key(w, "families");
    json_open_array(w);
    json_cstr(w, e->architecture);
    json_close_array(w);
    json_put_cstr(w, "parameter_size", parameters);
    json_close_object(w);
}

static void write_name(struct json_writer *w, const char *name)
{
    json_put_cstr(w, "name", name);
    json_put_cstr(w, "model", name);
}

static bool write_stored_tag(void *writer, const struct registry_model *m)
{
    struct json_writer *w = writer;
    char modified[25];
    clock_iso8601(m->modified_ms, modified);
    json_open_object(w);
    write_name(w, m->name);
    json_put_i64(w, "size", m->size);
    json_put_cstr(w, "digest", m->digest);
    json_put_cstr(w, "modified_at", modified);
    json_close_object(w);
    return true;
}

void page_tags(struct gateway *g, struct http_exchange *x)
{
    const struct config *c = gateway_config(g);
    struct buf out = BUF_INIT(PAGE_MAX_BYTES);
    struct json_writer w = JSON_WRITER(&out);
    json_open_object(&w);
    json_key(&w, "models");
    json_open_array(&w);
    for (int i = 0; i < c->n_models; i++) {
        const struct local_model *m = models_local(g, i);
        if (!m)
            continue;
        json_open_object(&w);
        write_name(&w, c->models[i].name);
        json_put_i64(&w, "size", local_model_info(m)->engine.weight_bytes);
        write_details(&w, &local_model_info(m)->engine);
        json_close_object(&w);
    }
    models_each_stored(g, write_stored_tag, &w);
    json_close_array(&w);
    json_close_object(&w);
    page_json(x, 200, &out);
    buf_free(&out);
}

static void write_loaded(struct json_writer *w, const struct local_model_state *s)
{
    char expires[25];
    clock_iso8601(clock_wall_ms() + (s->left_ms < 0 ? FOREVER_MS : s->left_ms), expires);
    json_open_object(w);
    write_name(w, s->info->name);
    json_put_i64(w, "size", s->bytes);
    json_put_i64(w, "size_vram", 0);
    json_put_i64(w, "context_length", s->info->context);
    json_put_cstr(w, "expires_at", expires);
    write_details(w, &s->info->engine);
    json_key(w, "rung");
    json_open_object(w);
    json_put_i64(w, "requests", s->users);
    json_put_i64(w, "running", s->running);
    json_put_i64(w, "waiting", s->waiting);
    json_put_i64(w, "preemptions", s->preemptions);
    json_put_cstr(w, "kv_cache", s->kv_q8 ? "q8_0" : "f16");
    json_put_i64(w, "kv_bytes", s->kv_held);
    json_put_i64(w, "kv_memory_bytes", s->kv_bytes);
    json_put_i64(w, "left_ms", s->left_ms);
    json_close_object(w);
    json_close_object(w);
}

void page_ps(struct gateway *g, struct http_exchange *x)
{
    struct local_model_state states[CONFIG_MAX_MODELS];
    int n = g->runtime ? runtime_loaded(g->runtime, states, CONFIG_MAX_MODELS) : 0;
    struct buf out = BUF_INIT(PAGE_MAX_BYTES);
    struct json_writer w = JSON_WRITER(&out);
    json_open_object(&w);
    json_key(&w, "models");
    json_open_array(&w);
    for (int i = 0; i < n; i++)
        write_loaded(&w, &states[i]);
    json_close_array(&w);
    json_close_object(&w);
    page_json(x, 200, &out);
    buf_free(&out);
}

struct generate_request {
    json_t *json;
    struct str model;
    struct load_wait wait;
};

static bool parse_generate(struct str body, struct generate_request *ret, struct err *err)
{
    struct str prompt = {0};
    if (!json_parse_object(body, "request body", &ret->json, err) ||
        !json_get_str(ret->json, "model", &ret->model, err) || !json_get_str(ret->json, "prompt", &prompt, err))
        return false;
    if (ret->model.n == 0)
        return err_set(err, ERR_INVALID, "'model' must name a model");
    if (prompt.n)
        return err_set(err, ERR_UNSUPPORTED,
                       "'prompt' is not answered here; without one this path loads a model, or drops it with "
                       "\"keep_alive\": 0. Answers come from POST /v1/chat/completions");
    const json_t *keep_alive = json_object_get(ret->json, "keep_alive");
    ret->wait.has_keep_alive = keep_alive != NULL;
    return !keep_alive || keep_alive_of_json(keep_alive, &ret->wait.keep_alive_ms, err);
}

static void write_generated(struct str model, bool unload, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    char now[25];
    clock_iso8601(clock_wall_ms(), now);
    json_open_object(&w);
    json_put_str(&w, "model", model);
    json_put_cstr(&w, "created_at", now);
    json_put_cstr(&w, "response", "");
    json_put_bool(&w, "done", true);
    json_put_cstr(&w, "done_reason", unload ? "unload" : "load");
    json_close_object(&w);
}

static bool load_or_drop(struct local_model *m, struct generate_request *r, bool unload, struct err *err)
{
    if (unload) {
        local_model_unload(m);
        return true;
    }
    if (!local_model_acquire(m, &r->wait, err))
        return false;
    local_model_release(m);
    return true;
}

static bool client_gone(void *x) { return http_client_gone(x); }

void page_generate(struct gateway *g, struct http_exchange *x)
{
    struct generate_request r = {.wait = {.gone = client_gone, .gone_ctx = x}};
    struct buf out = BUF_INIT(PAGE_MAX_BYTES);
    struct err err = ERR_INIT;
    if (!parse_generate(http_body(x), &r, &err)) {
        fail_plain(x, 400, err.msg);
        goto out;
    }
    int i = models_find(g, config_resolve_alias(gateway_config(g), r.model), &err);
    bool unload = r.wait.has_keep_alive && r.wait.keep_alive_ms == 0;
    if (i < 0 || !models_local(g, i)) {
        fail_plain(x, 404, i < 0 ? err.msg : "this model is not on this machine, so there is nothing to load or drop");
    } else if (!load_or_drop(models_local(g, i), &r, unload, &err)) {
        fail_plain(x, err.code == ERR_BUSY ? 503 : 500, err.msg);
    } else {
        write_generated(r.model, unload, &out);
        page_json(x, 200, &out);
    }
out:
    json_decref(r.json);
    buf_free(&out);
}
