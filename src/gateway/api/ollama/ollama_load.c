/* /api/chat and /api/generate with nothing asked: Ollama's clients load a model that way before they need it, and drop
 * it. What asks something goes to its dialect. */
#include "base/clock.h"
#include "data/json.h"
#include "gateway/api/ollama/ollama.h"
#include "gateway/http/converse.h"
#include "gateway/http/pages.h"
#include "gateway/keep_alive.h"
#include "gateway/models.h"
#include "gateway/people/people.h"

/* What asks nothing is short: longer bodies are not read twice. */
#define LOAD_MAX_BYTES 65536

struct load {
    struct str model;
    const struct caller *caller;
    struct load_wait wait;
    bool chat;
};

static bool says_something(const json_t *body, const char *key)
{
    const json_t *value = json_object_get(body, key);
    return json_string_length(value) > 0 || json_array_size(value) > 0;
}

/* A body that is to be loaded for; NULL for a question, and for what its dialect has to complain about. */
static json_t *load_body(struct str text, bool chat)
{
    json_t *body = NULL;
    if (text.n > LOAD_MAX_BYTES || !json_parse_object(text, "request body", &body, NULL))
        return NULL;
    if (json_string_length(json_object_get(body, "model")) > 0 && !says_something(body, chat ? "messages" : "prompt") &&
        (chat || (!says_something(body, "images") && !says_something(body, "suffix"))))
        return body;
    json_decref(body);
    return NULL;
}

static void write_loaded(const struct load *l, bool unload, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    char now[25];
    clock_iso8601(clock_wall_ms(), now);
    json_open_object(&w);
    json_put_str(&w, "model", l->model);
    json_put_cstr(&w, "created_at", now);
    if (l->chat)
        json_put_raw(&w, "message", STR("{\"role\":\"assistant\",\"content\":\"\"}"));
    else
        json_put_cstr(&w, "response", "");
    json_put_bool(&w, "done", true);
    json_put_cstr(&w, "done_reason", unload ? "unload" : "load");
    json_close_object(&w);
}

/* Of `auto` the first tier that the caller may use: it is asked first. */
static int load_or_drop(struct gateway *g, struct load *l, bool unload, struct err *err)
{
    const struct config *c = gateway_config(g);
    int i, first = caller_first_tier(c, l->caller);
    if (!ollama_find(g, l->caller, l->model, &i, err))
        return 404;
    if (i < 0 && first < 0) {
        err_set(err, ERR_NOT_FOUND, "this key may use no tier");
        return 404;
    }
    struct local_model *m = models_local(g, i < 0 ? c->tiers[first].model : i);
    if (!m && unload) {
        err_set(err, ERR_NOT_FOUND, "this model is not on this machine, so there is nothing to drop");
        return 404;
    }
    if (unload)
        local_model_unload(m);
    else if (m && !local_model_acquire(m, &l->wait, err))
        return err->code == ERR_BUSY ? 503 : 500;
    else if (m)
        local_model_release(m);
    return 200;
}

static void answer_load(struct gateway *g, struct http_exchange *x, const struct caller *caller, const json_t *body,
                        bool chat)
{
    const json_t *name = json_object_get(body, "model"), *keep_alive = json_object_get(body, "keep_alive");
    struct load l = {.model = {json_string_value(name), json_string_length(name)},
                     .caller = caller,
                     .chat = chat,
                     .wait = {.gone = page_client_gone, .gone_ctx = x, .has_keep_alive = json_is_string(keep_alive) ||
                                                                                    json_is_number(keep_alive)}};
    struct buf out = BUF_INIT(PAGE_MAX_BYTES);
    struct err err = ERR_INIT;
    int status = 400;
    bool ok = !keep_alive || json_is_null(keep_alive) || keep_alive_of_json(keep_alive, &l.wait.keep_alive_ms, &err);
    bool unload = l.wait.has_keep_alive && l.wait.keep_alive_ms == 0;
    if (ok)
        status = load_or_drop(g, &l, unload, &err);
    if (status != 200) {
        page_fail(x, ollama_write_error, status, err.msg, NULL, NULL);
        return;
    }
    write_loaded(&l, unload, &out);
    page_json(x, 200, &out);
    buf_free(&out);
}

static void load_or_ask(struct gateway *g, struct http_exchange *x, const struct caller *caller, bool chat)
{
    json_t *body = load_body(http_body(x), chat);
    if (body)
        answer_load(g, x, caller, body, chat);
    else
        converse(g, x, chat ? &ollama_chat : &ollama_generate, caller);
    json_decref(body);
}

void page_ollama_chat(struct gateway *g, struct http_exchange *x, const struct caller *caller)
{
    load_or_ask(g, x, caller, true);
}

void page_ollama_generate(struct gateway *g, struct http_exchange *x, const struct caller *caller)
{
    load_or_ask(g, x, caller, false);
}
