/* The models of this machine: from the configuration's entries, and names of the store, to handles of the runtime.
 * Loading, dropping and the memory budget are the runtime's business; who is asked is the plan's. */
#include "gateway/models.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/answer/answer.h"

/* A model's file as the registry knows it. */
struct stored {
    struct models *models;
    struct registry_model model;
};

struct models {
    struct registry *registry;
    pthread_mutex_t registry_lock;       /* one thread at a time in there */
    struct registry *loaders;            /* the loader thread's own: it reads whole files, and nobody waits for that */
    atomic_bool closing;
    pthread_mutex_t grow_lock;           /* while an entry is added */
    struct stored *stored[CONFIG_MAX_MODELS];   /* NULL: the embedded model, or an upstream */
};

/* ---- one model ---- */

static bool embedded_file(struct str starter, const char *name, struct model_file *ret, struct err *err)
{
    if (!starter.n)
        return err_set(err, ERR_NOT_FOUND, "model '%s' is the embedded starter, which this build does not hold", name);
    *ret = (struct model_file){.path = "starter", .bytes = starter};
    return true;
}

static bool find_stored(struct models *models, const char *name, struct stored **ret, struct err *err)
{
    struct stored *s = calloc(1, sizeof *s);
    if (!s)
        return err_nomem(err, "a model");
    s->models = models;
    pthread_mutex_lock(&models->registry_lock);
    bool ok = registry_find(models->registry, name, &s->model, err);
    pthread_mutex_unlock(&models->registry_lock);
    if (ok)
        *ret = s;
    else
        free(s);
    return ok;
}

static bool goes_on(void *models, int64_t done, int64_t total)
{
    (void)done;
    (void)total;
    return !atomic_load(&((struct models *)models)->closing);
}

/* Before each load, on the loader's thread. */
static bool check_stored(void *stored, struct err *err)
{
    struct stored *s = stored;
    const struct remote_progress progress = {.ctx = s->models, .step = goes_on};
    return registry_verify(s->models->loaders, &s->model, &progress, err);
}

static bool declare(struct gateway *g, int i, const struct model_file *file, struct err *err)
{
    const struct config_model *m = &g->config->models[i];
    struct stored *s = g->models->stored[i];
    struct local_model_options options = {
        .context = m->context, .keep_alive_ms = m->keep_alive_ms, .kv_q8 = m->cache.kv_q8,
        .kv_bytes = m->cache.kv_bytes, .no_speculation = m->no_speculation,
        .check = s ? check_stored : NULL, .check_ctx = s};
    return runtime_declare(g->runtime, m->name, file, &options, &g->local[i], err) ||
           err_prefix(err, "model '%s': ", m->name);
}

static bool declare_adapter(struct gateway *g, int i, struct err *err)
{
    const struct config_model *m = &g->config->models[i];
    return runtime_declare_adapter(g->runtime, m->name, g->local[m->base], m->adapter, &g->local[i], err) ||
           err_prefix(err, "adapter '%s': ", m->name);
}

/* `file:` is a path, or a name of the store. */
static bool declare_configured(struct gateway *g, int i, struct str starter, struct err *err)
{
    const struct config_model *m = &g->config->models[i];
    struct model_name name;
    struct model_file file = {0};
    if (m->adapter)
        return declare_adapter(g, i, err);
    if (strcmp(m->file, "starter") == 0)
        return embedded_file(starter, m->name, &file, err) && declare(g, i, &file, err);
    bool named = model_name_parse(m->file_as_given, &name, NULL) && name.source != SOURCE_FILE;
    bool there = access(m->file, F_OK) == 0;
    if (!find_stored(g->models, named && !there ? m->file_as_given : m->file, &g->models->stored[i], err))
        return err_prefix(err, "model '%s': ", m->name);
    file.path = g->models->stored[i]->model.path;
    return declare(g, i, &file, err);
}

/* ---- the start and the end ---- */

static bool remember_on_disk(struct gateway *g, struct err *err)
{
    const struct config *c = g->config;
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char folder[REGISTRY_MAX_PATH];
    bool own = cache && *cache;
    if (c->prefix_disk_bytes == 0)
        return true;
    if (c->prefix_folder)
        snprintf(folder, sizeof folder, "%s", c->prefix_folder);
    else if (own || (home && *home))
        snprintf(folder, sizeof folder, "%s%s/rung/prefixes", own ? cache : home, own ? "" : "/.cache");
    else
        return err_set(err, ERR_INVALID, "'prefix_disk' needs a folder: set 'prefix_folder', or HOME");
    return runtime_remember_on_disk(g->runtime, folder, c->prefix_disk_bytes, err);
}

static bool open_runtime(struct gateway *g, struct err *err)
{
    struct runtime_limits limits = {
        .memory_bytes = g->config->memory_bytes, .load_timeout_ms = g->config->load_timeout_ms};
    if (!runtime_open(g->config->threads, &g->runtime, err))
        return false;
    runtime_limit(g->runtime, &limits);
    if (remember_on_disk(g, err))
        return true;
    runtime_close(g->runtime);
    g->runtime = NULL;
    return false;
}

/* The lowest tier is asked first: whoever asks soon finds it there. */
static void preload(struct gateway *g)
{
    int model = g->config->tiers[0].model;
    if (g->local[model] && g->config->models[model].keep_alive_ms != 0)
        local_model_preload(g->local[model]);
}

static bool open_registry(struct gateway *g, struct err *err)
{
    const char *path = g->config->path, *slash = strrchr(path, '/');
    char folder[REGISTRY_MAX_PATH];
    g->models = calloc(1, sizeof *g->models);
    if (!g->models)
        return err_nomem(err, "the models");
    pthread_mutex_init(&g->models->registry_lock, NULL);
    pthread_mutex_init(&g->models->grow_lock, NULL);
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 0, path);
    return registry_open(folder[0] ? folder : NULL, &g->models->registry, err) &&
           registry_open(folder[0] ? folder : NULL, &g->models->loaders, err);
}

bool models_open(struct gateway *g, struct str starter, struct err *err)
{
    const struct config *c = g->config;
    bool ok = open_registry(g, err);
    for (int i = 0; ok && i < c->n_models; i++)
        if (c->models[i].file)
            ok = (g->runtime || open_runtime(g, err)) && declare_configured(g, i, starter, err);
    if (ok)
        preload(g);
    else
        models_close(g);
    return ok;
}

void models_close(struct gateway *g)
{
    if (!g->models)
        return;
    atomic_store(&g->models->closing, true);
    runtime_close(g->runtime);
    registry_close(g->models->registry);
    registry_close(g->models->loaders);
    for (int i = 0; i < CONFIG_MAX_MODELS; i++)
        free(g->models->stored[i]);
    pthread_mutex_destroy(&g->models->registry_lock);
    pthread_mutex_destroy(&g->models->grow_lock);
    free(g->models);
    g->models = NULL;
    g->runtime = NULL;
}

/* ---- the store's ---- */

/* The entry is whole before it is counted: others read without a lock. */
static int add_entry(struct gateway *g, struct stored *s, struct err *err)
{
    struct config *c = g->config;
    struct model_file file = {.path = s->model.path};
    int i = c->n_models;
    if (i == CONFIG_MAX_MODELS) {
        err_set(err, ERR_LIMIT, "%d models were asked for already; start Rung again", i);
        return -1;
    }
    const char *name = s->model.name;
    c->models[i] = (struct config_model){.name = name, .file = s->model.path, .file_as_given = name,
                                         .keep_alive_ms = RUNTIME_KEEP_ALIVE_MS, .cache = c->cache,
                                         .price.known = true};
    g->models->stored[i] = s;
    if ((!g->runtime && !open_runtime(g, err)) || !declare(g, i, &file, err)) {
        g->models->stored[i] = NULL;
        return -1;
    }
    c->n_models++;
    return i;
}

static bool may_be_asked_for(const char *text, struct err *err)
{
    struct model_name name;
    if (model_name_parse(text, &name, NULL) && (name.source == SOURCE_OLLAMA || name.source == SOURCE_HUGGING_FACE))
        return true;
    return err_set(err, ERR_NOT_FOUND, "'%.80s' is no name of a model", text);
}

int models_find(struct gateway *g, struct str name, struct err *err)
{
    char text[MODEL_NAME_MAX];
    struct stored *s = NULL;
    int i = config_find_model(g->config, name);
    if (i >= 0)
        return i;
    snprintf(text, sizeof text, STR_FMT, (int)(name.n < sizeof text ? name.n : 0), name.p);
    if (!may_be_asked_for(text, err) || !find_stored(g->models, text, &s, err))
        return -1;
    if (s->model.owner == OWNER_FILE) {
        free(s);
        err_set(err, ERR_NOT_FOUND, "'%.80s' is a file, not a model's name", text);
        return -1;
    }
    pthread_mutex_lock(&g->models->grow_lock);
    int known = config_find_model(g->config, str_of(s->model.name));
    i = known >= 0 ? known : add_entry(g, s, err);
    pthread_mutex_unlock(&g->models->grow_lock);
    if (i < 0 || known >= 0)
        free(s);
    return i;
}

struct unlisted {
    struct gateway *g;
    bool (*each)(void *ctx, const struct registry_model *m);
    void *ctx;
};

static bool unlisted(void *ctx, const struct registry_model *m)
{
    struct unlisted *u = ctx;
    return config_find_model(u->g->config, str_of(m->name)) >= 0 || u->each(u->ctx, m);
}

void models_each_stored(struct gateway *g, bool (*each)(void *ctx, const struct registry_model *m), void *ctx)
{
    struct unlisted u = {g, each, ctx};
    pthread_mutex_lock(&g->models->registry_lock);
    registry_each(g->models->registry, unlisted, &u, NULL);
    pthread_mutex_unlock(&g->models->registry_lock);
}

struct local_model *models_local(const struct gateway *g, int model)
{
    return g->local[model];
}
