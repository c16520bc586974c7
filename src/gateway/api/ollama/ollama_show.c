/* POST /api/show: what a model is and can do. Of a file here its own metadata, of an upstream what the configuration
 * says of it. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/filemap.h"
#include "gateway/answer/answer.h"
#include "gateway/api/ollama/ollama.h"
#include "gateway/api/ollama/ollama_details.h"
#include "gateway/http/pages.h"
#include "gateway/people/people.h"

#define LICENSE_MAX_BYTES (1u << 20)

struct show {
    struct gateway *g;
    const struct caller *caller;
    int model;                    /* -1: auto */
    bool verbose;
    struct ollama_details details;
    struct model_facts facts;     /* of a file */
};

bool ollama_model_name(const json_t *body, struct str *ret, struct err *err)
{
    *ret = STR("");
    if (!json_get_str(body, "model", ret, err) || (!ret->n && !json_get_str(body, "name", ret, err)))
        return false;
    return ret->n > 0 || err_set(err, ERR_INVALID, "'model' must name a model");
}

bool ollama_find(struct gateway *g, const struct caller *caller, struct str name, int *ret, struct err *err)
{
    const struct config *c = gateway_config(g);
    struct str asked = config_resolve_alias(c, name);
    int i = str_is(asked, "auto") ? -1 : models_find(g, asked, err);
    if (i < 0 && !str_is(asked, "auto"))
        return false;
    if (i >= 0 && !caller_may_use(c, caller, i))
        return err_set(err, ERR_NOT_FOUND, "there is no model '" STR_FMT "' for this key",
                       STR_ARG(utf8_clip(name, 80)));
    *ret = i;
    return true;
}

/* `auto` can do what any of its tiers can. */
static unsigned offers_of(const struct show *s)
{
    const struct config *c = gateway_config(s->g);
    const struct request any = {.model = STR(""), .caller = s->caller};
    unsigned offers = s->model < 0 ? 0 : gateway_offers(s->g, &any, s->model);
    for (int t = 0; s->model < 0 && t < c->n_tiers; t++) {
        if (caller_may_use(c, s->caller, c->tiers[t].model))
            offers |= gateway_offers(s->g, &any, c->tiers[t].model);
    }
    return offers;
}

static void write_capabilities(struct json_writer *w, const struct show *s)
{
    const struct local_model_info *info = s->model < 0 ? NULL : gateway_local_model(s->g, s->model);
    unsigned offers = offers_of(s);
    json_key(w, "capabilities");
    json_open_array(w);
    json_cstr(w, "completion");
    if (offers & NEED_BIT(NEED_TOOLS))
        json_cstr(w, "tools");
    if (offers & NEED_BIT(NEED_IMAGES))
        json_cstr(w, "vision");
    if (info && info->thinks)
        json_cstr(w, "thinking");
    if (info && info->fills_in)
        json_cstr(w, "insert");
    if (info)
        json_cstr(w, "embedding");
    json_close_array(w);
}

/* Clients look for a context under the name of the architecture. */
static void write_info(struct json_writer *w, const struct show *s)
{
    const struct config *c = gateway_config(s->g);
    int64_t context = s->model < 0 ? 0 : c->models[s->model].context;
    char key[DETAILS_TEXT + 20];
    for (int t = 0; s->model < 0 && t < c->n_tiers; t++) {
        int m = c->tiers[t].model;
        const struct local_model_info *info = gateway_local_model(s->g, m);
        int64_t holds = info ? info->context : c->models[m].context;
        context = holds > context ? holds : context;
    }
    json_key(w, "model_info");
    if (s->details.file) {
        json_raw(w, buf_view(&s->facts.metadata));
        return;
    }
    snprintf(key, sizeof key, "%s.context_length", s->details.family);
    json_open_object(w);
    json_put_cstr(w, "general.architecture", s->details.family);
    if (context)
        json_put_i64(w, key, context);
    json_close_object(w);
}

/* The license's text where the model came with one, else its name. */
static void write_license(struct json_writer *w, const struct show *s)
{
    struct registry_model *m = malloc(sizeof *m);
    char path[REGISTRY_MAX_PATH], *text = NULL;
    size_t n = 0;
    bool has = m && s->details.file && models_registered(s->g, gateway_local_model(s->g, s->model), m) &&
               registry_layer_path(m, LAYER_LICENSE, path, sizeof path) &&
               file_read(path, LICENSE_MAX_BYTES, &text, &n, NULL);
    json_put_str(w, "license", has ? (struct str){text, n} : buf_view(&s->facts.license));
    free(text);
    free(m);
}

static void write_show(const struct show *s, const char *name, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    const struct local_model_info *info = s->model < 0 ? NULL : gateway_local_model(s->g, s->model);
    char text[MODEL_NAME_MAX + 16] = "";
    json_open_object(&w);
    write_license(&w, s);
    snprintf(text, sizeof text, "FROM %s\n", name);
    json_put_cstr(&w, "modelfile", text);
    text[0] = 0;
    if (info)
        snprintf(text, sizeof text, "num_ctx                        %lld", (long long)info->context);
    json_put_cstr(&w, "parameters", text);
    json_put_str(&w, "template", buf_view(&s->facts.template));
    ollama_write_details(&w, &s->details);
    write_info(&w, s);
    write_capabilities(&w, s);
    if (s->details.modified_ms) {
        clock_iso8601(s->details.modified_ms, text);
        json_put_cstr(&w, "modified_at", text);
    }
    json_close_object(&w);
}

static bool gather(struct show *s, struct err *err)
{
    ollama_details_of(s->g, s->model, &s->details);
    if (!s->details.file)
        return true;
    if (!models_facts(s->g, s->model, s->verbose, &s->facts, err))
        return false;
    if (s->facts.type[0])
        snprintf(s->details.type, sizeof s->details.type, "%s", s->facts.type);
    return true;
}

/* The status of the reply; 200: *out has it. */
static int show(struct show *s, const json_t *body, struct buf *out, struct err *err)
{
    struct str name;
    if (!ollama_model_name(body, &name, err) || !json_get_bool(body, "verbose", &s->verbose, err))
        return 400;
    if (!ollama_find(s->g, s->caller, name, &s->model, err))
        return 404;
    if (!gather(s, err))
        return 500;
    write_show(s, s->model < 0 ? "auto" : gateway_config(s->g)->models[s->model].name, out);
    return 200;
}

void page_show(struct gateway *g, struct http_exchange *x, const struct caller *caller)
{
    struct show s = {.g = g, .caller = caller};
    struct buf out = BUF_INIT(PAGE_MAX_BYTES);
    struct err err = ERR_INIT;
    json_t *body = NULL;
    int status = json_parse_object(http_body(x), "request body", &body, &err) ? show(&s, body, &out, &err) : 400;
    if (status == 200)
        page_json(x, 200, &out);
    else
        page_fail(x, ollama_write_error, status, err.msg, NULL, NULL);
    model_facts_free(&s.facts);
    json_decref(body);
    buf_free(&out);
}
