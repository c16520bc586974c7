/* Ollama's pages about models: which there are, which are loaded. They ask the runtime and the store; they answer no
 * question. */
#include "base/clock.h"
#include "data/json.h"
#include "gateway/answer/answer.h"
#include "gateway/api/ollama/ollama.h"
#include "gateway/api/ollama/ollama_details.h"
#include "gateway/http/pages.h"
#include "gateway/people/people.h"

/* The version of Ollama whose API this is, for clients that want a least one. Behind it stands whose it is. */
#define API_LEVEL "0.12.11"
/* What is kept for ever must still name a time in Ollama's shape. */
#define FOREVER_MS (INT64_C(100) * 365 * 86400 * 1000)

/* ---- which there are ---- */

static void write_tag(struct json_writer *w, const char *name, const struct ollama_details *d)
{
    json_open_object(w);
    ollama_write_model(w, name, d);
    ollama_write_details(w, d);
    json_close_object(w);
}

struct tags {
    struct json_writer w;
    const struct caller *caller;
};

static bool write_stored_tag(void *tags, const struct registry_model *m)
{
    struct tags *t = tags;
    struct ollama_details d;
    if (!caller_may_use_name(t->caller, str_of(m->name)))
        return true;
    ollama_details_stored(m, &d);
    write_tag(&t->w, m->name, &d);
    return true;
}

/* Entries of the configuration: `auto`, models, other names of them. */
static void write_configured_tags(struct gateway *g, struct tags *t)
{
    const struct config *c = gateway_config(g);
    struct ollama_details d;
    ollama_details_of(g, -1, &d);
    write_tag(&t->w, "auto", &d);
    for (int i = 0; i < c->n_models; i++) {
        if (!models_is_current(g, i) || !caller_may_use(c, t->caller, i))
            continue;
        ollama_details_of(g, i, &d);
        write_tag(&t->w, c->models[i].name, &d);
    }
    for (int i = 0; i < c->n_aliases; i++) {
        if (!caller_may_use_alias(c, t->caller, i))
            continue;
        ollama_details_of(g, config_find_model(c, str_of(c->aliases[i].to)), &d);
        write_tag(&t->w, c->aliases[i].from, &d);
    }
}

void page_tags(struct gateway *g, struct http_exchange *x, const struct caller *caller)
{
    struct buf out = BUF_INIT(PAGE_MAX_BYTES);
    struct tags t = {.w = JSON_WRITER(&out), .caller = caller};
    json_open_object(&t.w);
    json_key(&t.w, "models");
    json_open_array(&t.w);
    write_configured_tags(g, &t);
    models_each_stored(g, write_stored_tag, &t);
    json_close_array(&t.w);
    json_close_object(&t.w);
    page_json(x, 200, &out);
    buf_free(&out);
}

/* ---- which are loaded ---- */

static void write_loaded(struct json_writer *w, struct gateway *g, const struct local_model_state *s)
{
    struct ollama_details d;
    char expires[25];
    ollama_details_loaded(g, s->info, &d);
    clock_iso8601(clock_wall_ms() + (s->left_ms < 0 ? FOREVER_MS : s->left_ms), expires);
    d.size = s->bytes;
    json_open_object(w);
    ollama_write_model(w, s->info->name, &d);
    json_put_i64(w, "size_vram", 0);
    json_put_i64(w, "context_length", s->info->context);
    json_put_cstr(w, "expires_at", expires);
    ollama_write_details(w, &d);
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

static bool may_see(struct gateway *g, const struct caller *caller, const char *name)
{
    int i = config_find_model(gateway_config(g), str_of(name));
    return i < 0 ? caller_may_use_name(caller, str_of(name)) : caller_may_use(gateway_config(g), caller, i);
}

void page_ps(struct gateway *g, struct http_exchange *x, const struct caller *caller)
{
    struct local_model_state states[CONFIG_MAX_MODELS];
    int n = g->runtime ? runtime_loaded(g->runtime, states, CONFIG_MAX_MODELS) : 0;
    struct buf out = BUF_INIT(PAGE_MAX_BYTES);
    struct json_writer w = JSON_WRITER(&out);
    json_open_object(&w);
    json_key(&w, "models");
    json_open_array(&w);
    for (int i = 0; i < n; i++)
        if (may_see(g, caller, states[i].info->name))
            write_loaded(&w, g, &states[i]);
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
