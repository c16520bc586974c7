/* Finding the model that a command names, and loading it into a runtime of its own. The path of a file needs no
 * configuration; every other name is looked up there first, then in the store of models. */
#include "cli/store/models.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/progress.h"
#include "gateway/config.h"

bool cli_take_kv_cache(const char *command, const char *text, struct cli_model_options *o)
{
    o->has_kv_cache = config_parse_kv_cache(str_of(text), &o->kv_q8);
    if (!o->has_kv_cache)
        cli_usage(command, "--kv-cache is f16 or q8_0, not '%s'", text);
    return o->has_kv_cache;
}

bool cli_take_kv_memory(const char *command, const char *text, struct cli_model_options *o)
{
    if (config_parse_size(str_of(text), &o->kv_bytes))
        return true;
    cli_usage(command, "--kv-memory takes a size such as 2GB or 500MiB, not '%s'", text);
    return false;
}

static bool is_path(const char *name)
{
    struct model_name n;
    return model_name_parse(name, &n, NULL) && n.source == SOURCE_FILE;
}

/* rung.lock lies beside the configuration, else in the working directory. */
static bool open_registry_of(const struct config *c, struct registry **ret, struct err *err)
{
    char folder[REGISTRY_MAX_PATH];
    const char *slash = c && access(c->path, F_OK) == 0 ? strrchr(c->path, '/') : NULL;
    if (slash)
        snprintf(folder, sizeof folder, "%.*s", (int)(slash - c->path), c->path);
    return registry_open(slash ? folder : NULL, ret, err);
}

bool cli_open_registry(const char *config_path, struct registry **ret, struct err *err)
{
    struct config *c;
    if (!config_load(config_path, &c, err))
        return false;
    bool ok = open_registry_of(c, ret, err);
    config_free(c);
    return ok;
}

static bool not_found(const char *name, const struct config *c, struct err *err)
{
    char names[200] = CLI_STARTER;
    size_t n = strlen(names);
    for (int i = 0; i < c->n_models && n < sizeof names; i++)
        if (c->models[i].file && strcmp(c->models[i].name, CLI_STARTER) != 0)
            n += (size_t)snprintf(names + n, sizeof names - n, ", %s", c->models[i].name);
    return err_set(err, ERR_NOT_FOUND,
                   "there is no model '%.80s' here; rung pull %.80s fetches it where a host has it. Named in %.100s: "
                   "%s; rung list shows the store", name, name, c->path, names);
}

/* What the configuration says of a name: the model's file as a name for the registry, or CLI_STARTER; *o gets the
 * configuration's where nothing was asked for. */
static bool look_up(const char *name, const struct config *c, struct cli_model_options *o, const char **ret_file,
                    struct err *err)
{
    int i = config_find_model(c, str_of(name));
    if (o->threads == 0)
        o->threads = c->threads;
    *ret_file = name;
    if (i < 0)
        return true;
    const struct config_model *m = &c->models[i];
    if (!m->file)
        return err_set(err, ERR_UNSUPPORTED,
                       "the model '%s' is at %s; rung run answers with models of this machine, rung serve with both",
                       name, m->upstreams[0].base_url);
    if (o->context == 0)
        o->context = m->context;
    if (!o->has_kv_cache)
        o->kv_q8 = m->cache.kv_q8;
    if (o->kv_bytes == 0)
        o->kv_bytes = m->cache.kv_bytes;
    o->no_speculation |= m->no_speculation;
    bool here = strcmp(m->file, CLI_STARTER) == 0 || access(m->file, F_OK) == 0;
    *ret_file = here ? m->file : m->file_as_given;
    return true;
}

static bool show_step(void *ctx, int64_t done, int64_t total)
{
    struct progress *p = ctx;
    if (p->total < 0)
        progress_start_bytes(p, "checking", total);
    progress_step(p, done);
    return true;
}

/* The path of the model's file, once it is proved to be what it must be. */
static bool find_file(const char *name, const struct config *c, char path[REGISTRY_MAX_PATH], struct err *err)
{
    struct registry *r = NULL;
    struct registry_model *m = calloc(1, sizeof *m);
    struct progress bar = {.total = -1};
    const struct remote_progress progress = {.ctx = &bar, .step = show_step};
    bool ok = m ? open_registry_of(c, &r, err) && registry_find(r, name, m, err) : err_nomem(err, "a model");
    ok = ok && registry_verify(r, m, &progress, err);
    if (bar.total >= 0)
        progress_hide(&bar);
    if (ok)
        snprintf(path, REGISTRY_MAX_PATH, "%s", m->path);
    registry_close(r);
    free(m);
    return ok;
}

bool cli_open_starter(struct gguf **ret, struct err *err)
{
    struct str bytes = cli_starter();
    struct filemap *map;
    return filemap_memory(CLI_STARTER, bytes.p, bytes.n, &map, err) && gguf_open_map(map, ret, err);
}

/* The file that a name leads to; *o gets what the configuration says of it. */
static bool map_model(const char *name, struct cli_model_options *o, struct filemap **ret, bool *ret_starter,
                      struct err *err)
{
    struct config *c = NULL;
    struct err why = ERR_INIT;
    char path[REGISTRY_MAX_PATH] = CLI_STARTER;
    const char *file = name;
    bool ok = is_path(name) || (config_load(o->config_path, &c, &why) && look_up(name, c, o, &file, &why));
    bool starter = strcmp(file, CLI_STARTER) == 0;
    struct str bytes = cli_starter();
    ok = ok && (starter ? filemap_memory(CLI_STARTER, bytes.p, bytes.n, ret, &why)
                        : find_file(file, c, path, &why) && filemap_open(path, ret, &why));
    if (!ok && why.code == ERR_NOT_FOUND && c && file == name)
        not_found(name, c, &why);
    if (!ok && err)
        *err = why;
    if (c)
        config_free(c);
    *ret_starter = starter;
    return ok;
}

bool cli_map_model(const char *name, const struct cli_model_options *options, struct filemap **ret, struct err *err)
{
    struct cli_model_options o = *options;
    bool starter;
    return map_model(name, &o, ret, &starter, err);
}

bool cli_open_model(const char *name, const struct cli_model_options *options, struct cli_model *ret, struct err *err)
{
    struct cli_model_options o = *options;
    struct cli_model m = {0};
    struct filemap *map;
    if (!map_model(name, &o, &map, &m.starter, err))
        return false;
    if (!runtime_open(o.threads, &m.rt, err)) {
        filemap_close(map);
        return false;
    }
    struct local_model_options model_options = {
        .context = o.context, .kv_q8 = o.kv_q8, .kv_bytes = o.kv_bytes, .no_speculation = o.no_speculation};
    if (!runtime_load(m.rt, name, map, &model_options, &m.model, err)) {
        runtime_close(m.rt);
        return false;
    }
    *ret = m;
    return true;
}

void cli_close_model(struct cli_model *m)
{
    runtime_close(m->rt);
    *m = (struct cli_model){0};
}
