/* The models of this machine: from the configuration's entries to handles of the runtime. Loading, dropping and the
 * memory budget are the runtime's business; who is asked is the plan's. */
#include "gateway/models.h"

#include "gateway/answer/answer.h"

static bool embedded_file(struct str starter, const char *name, struct model_file *ret, struct err *err)
{
    if (!starter.n)
        return err_set(err, ERR_NOT_FOUND, "model '%s' is the embedded starter, which this build does not hold", name);
    *ret = (struct model_file){.path = "starter", .bytes = starter};
    return true;
}

static bool declare(struct gateway *g, int i, struct str starter, struct err *err)
{
    const struct config_model *m = &g->config->models[i];
    struct model_file file = {.path = m->file};
    struct local_model_options options = {.context = m->context, .keep_alive_ms = m->keep_alive_ms};
    if (strcmp(m->file, "starter") == 0 && !embedded_file(starter, m->name, &file, err))
        return false;
    return runtime_declare(g->runtime, m->name, &file, &options, &g->local[i], err) ||
           err_prefix(err, "model '%s': ", m->name);
}

static bool open_runtime(struct gateway *g, struct err *err)
{
    struct runtime_limits limits = {
        .memory_bytes = g->config->memory_bytes, .load_timeout_ms = g->config->load_timeout_ms};
    if (!runtime_open(g->config->threads, &g->runtime, err))
        return false;
    runtime_limit(g->runtime, &limits);
    return true;
}

/* The lowest tier is asked first: whoever asks soon finds it there. */
static void preload(struct gateway *g)
{
    int model = g->config->tiers[0].model;
    if (g->local[model] && g->config->models[model].keep_alive_ms != 0)
        local_model_preload(g->local[model]);
}

bool models_open(struct gateway *g, struct str starter, struct err *err)
{
    const struct config *c = g->config;
    for (int i = 0; i < c->n_models; i++) {
        if (!c->models[i].file)
            continue;
        if ((!g->runtime && !open_runtime(g, err)) || !declare(g, i, starter, err))
            return false;
    }
    preload(g);
    return true;
}

int models_find(struct gateway *g, struct str name)
{
    return config_find_model(g->config, name);
}

struct local_model *models_local(const struct gateway *g, int model)
{
    return g->local[model];
}
