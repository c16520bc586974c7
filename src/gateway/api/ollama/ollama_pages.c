/* Ollama's pages about models: which there are, which are loaded. They ask the runtime and the store; they answer no
 * question. */
#include <stdio.h>

#include "base/clock.h"
#include "data/json.h"
#include "gateway/answer/answer.h"
#include "gateway/api/ollama/ollama.h"
#include "gateway/http/pages.h"
#include "gateway/models.h"

/* The version of Ollama whose API this is, for clients that want a least one. Behind it stands whose it is. */
#define API_LEVEL "0.12.11"
/* What is kept for ever must still name a time in Ollama's shape. */
#define FOREVER_MS (INT64_C(100) * 365 * 86400 * 1000)

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

void page_version(struct gateway *g, struct http_exchange *x, const struct caller *caller)
{
    (void)g;
    (void)caller;
    struct buf out = BUF_INIT(PAGE_MAX_BYTES);
    struct json_writer w = JSON_WRITER(&out);
    json_open_object(&w);
    json_put_cstr(&w, "version", API_LEVEL "-rung." RUNG_VERSION);
    json_put_cstr(&w, "rung", RUNG_VERSION);
    json_close_object(&w);
    page_json(x, 200, &out);
    buf_free(&out);
}
