/* Adapters as models of their own name: a handle that shares every part of its base and adds a LoRA adapter. It comes
 * and goes with the base; when that happens is the loader's business, and what an adapter computes the engine's. */
#include <stdlib.h>

#include "engine/adapter.h"
#include "runtime/runtime_private.h"

/* Against the base's file, which need not be loaded; *ret_bytes: the memory it takes. */
static bool check_adapter(struct local_model *base, const char *path, int64_t *ret_bytes, struct err *err)
{
    struct gguf *g;
    struct engine *engine = NULL;
    struct adapter *adapter = NULL;
    if (!model_map_header(base, &g, err))
        return false;
    bool ok = engine_open(g, base->rt->pool, &engine, err) && adapter_open(engine, path, &adapter, err);
    if (ok)
        *ret_bytes = adapter_bytes(adapter);
    adapter_close(adapter);
    engine_close(engine);
    gguf_close(g);
    return ok;
}

static void take_facts(struct local_model *m, const struct local_model *base)
{
    m->base = (struct local_model *)base;
    m->reasoning = base->reasoning;
    m->calls = base->calls;
    m->folds_results = base->folds_results;
    m->infill = base->infill;
    m->info = base->info;
    m->info.name = m->name;
    m->info.path = m->path;
}

bool runtime_declare_adapter(struct runtime *rt, const char *name, struct local_model *base, const char *path,
                             struct local_model **ret, struct err *err)
{
    int64_t bytes;
    if (!check_adapter(base, path, &bytes, err))
        return false;
    struct local_model *m = model_new(rt, name, path);
    if (!m)
        return err_nomem(err, "a model");
    take_facts(m, base);
    pthread_mutex_lock(&rt->lock);
    bool early = base->state == MODEL_ABSENT;
    if (early) {
        base->own_bytes += bytes;
        m->next = rt->models;
        rt->models = m;
    }
    pthread_mutex_unlock(&rt->lock);
    if (early)
        *ret = m;
    else
        model_free(m);
    return early || err_set(err, ERR_INVALID, "the adapter %s came after its model was loaded", name);
}

/* The handles are stable: the list only grows at its head. */
static struct local_model *first_model(struct runtime *rt)
{
    pthread_mutex_lock(&rt->lock);
    struct local_model *first = rt->models;
    pthread_mutex_unlock(&rt->lock);
    return first;
}

void adapters_open(struct local_model *base)
{
    for (struct local_model *m = first_model(base->rt); m; m = m->next) {
        if (m->base != base)
            continue;
        m->fault = ERR_INIT;
        if (!adapter_open(base->engine, m->path, &m->adapter, &m->fault))
            continue;   /* only its own requests are told */
        m->g = base->g;
        m->tokenizer = base->tokenizer;
        m->template = base->template;
        m->engine = base->engine;
    }
}

void adapters_close(struct local_model *base)
{
    for (struct local_model *m = first_model(base->rt); m; m = m->next) {
        if (m->base != base)
            continue;
        adapter_close(m->adapter);
        m->adapter = NULL;
        m->g = NULL;
        m->tokenizer = NULL;
        m->template = NULL;
        m->engine = NULL;
    }
}
