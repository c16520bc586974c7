/* Ollama's pages about models: which there are, which are loaded, and loading and dropping them. They ask the runtime
 * and the store; they answer no question. */
#include <stdio.h>

#include "base/clock.h"
#include "data/json.h"
#include "gateway/answer/answer.h"
#include "gateway/api/ollama/ollama.h"
#include "gateway/http/pages.h"
#include "gateway/keep_alive.h"
#include "gateway/models.h"

/* What is kept for ever must still name a time in Ollama's shape. */
#define FOREVER_MS (INT64_C(100) * 365 * 86400 * 1000)

void ollama_write_error(int status, const char *message, const char *param, const char *code, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    (void)status;
    (void)param;
    (void)code;
    json_open_object(&w);
    json_put_cstr(&w, "error", message);
    json_close_object(&w);
}

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

void page_tags(struct gateway *g, struct http_exchange *x, const struct caller *caller)
{
    (void)caller;
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

void page_ps(struct gateway *g, struct http_exchange *x, const struct caller *caller)
{
    (void)caller;
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

void page_generate(struct gateway *g, struct http_exchange *x, const struct caller *caller)
{
    (void)caller;
    struct generate_request r = {.wait = {.gone = client_gone, .gone_ctx = x}};
    struct buf out = BUF_INIT(PAGE_MAX_BYTES);
    struct err err = ERR_INIT;
    if (!parse_generate(http_body(x), &r, &err)) {
        page_fail(x, ollama_write_error, 400, err.msg, NULL, NULL);
        goto out;
    }
    int i = models_find(g, config_resolve_alias(gateway_config(g), r.model), &err);
    bool unload = r.wait.has_keep_alive && r.wait.keep_alive_ms == 0;
    if (i < 0 || !models_local(g, i)) {
        page_fail(x, ollama_write_error, 404,
                  i < 0 ? err.msg : "this model is not on this machine, so there is nothing to load or drop", NULL,
                  NULL);
    } else if (!load_or_drop(models_local(g, i), &r, unload, &err)) {
        page_fail(x, ollama_write_error, err.code == ERR_BUSY ? 503 : 500, err.msg, NULL, NULL);
    } else {
        write_generated(r.model, unload, &out);
        page_json(x, 200, &out);
    }
out:
    json_decref(r.json);
    buf_free(&out);
}
