/* Which models may be asked for, in OpenAI's shape, with what its objects have no place for in `rung`: where a model
 * runs, how much it holds, whether it is loaded, what it can do. Nothing is loaded to tell it. */
#include "gateway/api/openai/openai_pages.h"

#include "data/json.h"
#include "gateway/answer/answer.h"
#include "gateway/api/openai/openai.h"
#include "gateway/http/pages.h"
#include "gateway/models.h"

struct page {
    struct gateway *g;
    const struct caller *caller;
    struct json_writer *w;
    struct local_model_state *loaded;     /* [n_loaded] */
    int n_loaded;
};

/* ---- what is known of a model ---- */

static const char *owner_of(const struct config_model *m)
{
    return m->file ? "local" : m->own_machine ? "own machine" : "upstream";
}

static const struct local_model_state *state_of(const struct page *p, int model)
{
    const struct config_model *m = &p->g->config->models[model];
    const struct local_model_info *info = gateway_local_model(p->g, m->adapter ? m->base : model);
    for (int i = 0; info && i < p->n_loaded; i++) {
        if (p->loaded[i].info == info)
            return &p->loaded[i];
    }
    return NULL;
}

static void put_tiers(const struct page *p, int model)
{
    const struct config *c = p->g->config;
    json_key(p->w, "tiers");
    json_open_array(p->w);
    for (int t = 0; t < c->n_tiers; t++) {
        if (model < 0 ? caller_may_use(c, p->caller, c->tiers[t].model) : c->tiers[t].model == model)
            json_cstr(p->w, c->tiers[t].name);
    }
    json_close_array(p->w);
}

static void put_capabilities(const struct page *p, int model)
{
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {
        {NEED_BIT(NEED_TOOLS), "tools"},          {NEED_BIT(NEED_IMAGES), "images"},
        {NEED_BIT(NEED_FILES), "files"},          {NEED_BIT(NEED_AUDIO), "audio"},
        {NEED_BIT(NEED_LOGPROBS), "logprobs"},    {NEED_BIT(NEED_GRAMMAR), "grammar"},
        {NEED_BIT(NEED_RAW_PROMPT), "completions"}, {NEED_BIT(NEED_SUFFIX), "suffix"},
        {NEED_BIT(NEED_EMBEDDING), "embeddings"},
    };
    const struct local_model_info *info = gateway_local_model(p->g, model);
    const struct request any = {.model = STR(""), .caller = p->caller};
    unsigned offers = gateway_offers(p->g, &any, model);
    json_key(p->w, "capabilities");
    json_open_array(p->w);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (offers & names[i].bit)
            json_cstr(p->w, names[i].name);
    }
    if (info && info->thinks)
        json_cstr(p->w, "reasoning");
    json_close_array(p->w);
}

static void put_entry(const struct page *p, int model)
{
    const struct config_model *m = &p->g->config->models[model];
    const struct local_model_info *info = gateway_local_model(p->g, model);
    const struct local_model_state *state = state_of(p, model);
    int64_t context = info ? info->context : m->context;
    json_put_cstr(p->w, "model", m->name);
    json_put_bool(p->w, "local", info != NULL);
    json_put_bool(p->w, "private", info || m->own_machine);
    put_tiers(p, model);
    json_key(p->w, "context_length");
    if (context)
        json_i64(p->w, context);
    else
        json_null_value(p->w);
    put_capabilities(p, model);
    json_put_bool(p->w, "usable", !m->key_missing);
    if (info) {
        json_put_bool(p->w, "loaded", state != NULL);
        json_put_i64(p->w, "parameters", info->engine.parameters);
    }
}

/* ---- objects ---- */

/* Up to the members of `rung`, which the caller writes and closes. */
static void open_model(const struct page *p, const char *name, int64_t created_ms, const char *owner)
{
    json_open_object(p->w);
    json_put_cstr(p->w, "id", name);
    json_put_cstr(p->w, "object", "model");
    json_put_i64(p->w, "created", created_ms / 1000);
    json_put_cstr(p->w, "owned_by", owner);
    json_key(p->w, "rung");
    json_open_object(p->w);
}

static void close_model(const struct page *p)
{
    json_close_object(p->w);
    json_close_object(p->w);
}

static void write_auto(const struct page *p)
{
    open_model(p, "auto", 0, "rung");
    put_tiers(p, -1);
    close_model(p);
}

static void write_entry(const struct page *p, int model)
{
    open_model(p, p->g->config->models[model].name, 0, owner_of(&p->g->config->models[model]));
    put_entry(p, model);
    close_model(p);
}

static void write_alias(const struct page *p, int alias)
{
    const struct config *c = p->g->config;
    int model = config_find_model(c, str_of(c->aliases[alias].to));
    open_model(p, c->aliases[alias].from, 0, "alias");
    json_put_cstr(p->w, "alias_of", c->aliases[alias].to);
    if (model >= 0)
        put_entry(p, model);
    close_model(p);
}

/* Of the store, and not asked for yet: what its manifest says. */
static bool write_stored(void *page, const struct registry_model *m)
{
    const struct page *p = page;
    if (!caller_may_use_name(p->caller, str_of(m->name)))
        return true;
    open_model(p, m->name, m->modified_ms, "local");
    json_put_bool(p->w, "local", true);
    json_put_bool(p->w, "private", true);
    json_put_bool(p->w, "loaded", false);
    json_put_i64(p->w, "size", m->size);
    close_model(p);
    return true;
}

/* ---- pages ---- */

static void write_list(struct page *p)
{
    const struct config *c = p->g->config;
    json_open_object(p->w);
    json_put_cstr(p->w, "object", "list");
    json_key(p->w, "data");
    json_open_array(p->w);
    write_auto(p);
    for (int i = 0; i < c->n_models; i++) {
        if (models_is_current(p->g, i) && caller_may_use(c, p->caller, i))
            write_entry(p, i);
    }
    for (int i = 0; i < c->n_aliases; i++) {
        if (caller_may_use_alias(c, p->caller, i))
            write_alias(p, i);
    }
    models_each_stored(p->g, write_stored, p);
    json_close_array(p->w);
    json_close_object(p->w);
}

/* Whether there is such a model; it is written then. */
static bool write_named(struct page *p, struct str name)
{
    const struct config *c = p->g->config;
    int found = models_find(p->g, name, NULL);
    if (found >= 0 && caller_may_use(c, p->caller, found)) {
        write_entry(p, found);
        return true;
    }
    if (str_is(name, "auto")) {
        write_auto(p);
        return true;
    }
    for (int i = 0; i < c->n_aliases; i++) {
        if (str_is(name, c->aliases[i].from) && caller_may_use_alias(c, p->caller, i)) {
            write_alias(p, i);
            return true;
        }
    }
    return false;
}

/* name NULL: all. */
static void reply_models(struct gateway *g, struct http_exchange *x, const struct caller *caller,
                         const struct str *name)
{
    struct local_model_state states[CONFIG_MAX_MODELS];
    struct buf out = BUF_INIT(PAGE_MAX_BYTES);
    struct json_writer w = JSON_WRITER(&out);
    struct page p = {.g = g, .caller = caller, .w = &w, .loaded = states};
    bool found = true;
    p.n_loaded = g->runtime ? runtime_loaded(g->runtime, states, CONFIG_MAX_MODELS) : 0;
    if (name)
        found = write_named(&p, *name);
    else
        write_list(&p);
    if (found)
        page_json(x, 200, &out);
    else
        page_fail(x, openai_write_error, 404, "there is no model of this name; GET /v1/models lists them", "model",
                  "model_not_found");
    buf_free(&out);
}

void page_models(struct gateway *g, struct http_exchange *x, const struct caller *caller)
{
    reply_models(g, x, caller, NULL);
}

void page_model(struct gateway *g, struct http_exchange *x, const struct caller *caller, struct str name)
{
    reply_models(g, x, caller, &name);
}
