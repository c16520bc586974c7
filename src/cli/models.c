/* Finding the model that a command names, and loading it into a runtime of its own. A name with a slash or ending in
 * .gguf is a path and needs no configuration; every other name is looked up there first. */
#include "cli/models.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"
#include "gateway/config.h"

#define STARTER "starter"

static bool is_path(const char *name)
{
    return strchr(name, '/') || str_ends(str_of(name), STR(".gguf"));
}

static bool not_found(const char *name, const struct config *c, struct err *err)
{
    char names[300] = STARTER;
    size_t n = strlen(names);
    for (int i = 0; i < c->n_models && n < sizeof names; i++)
        if (c->models[i].file && strcmp(c->models[i].name, STARTER) != 0)
            n += (size_t)snprintf(names + n, sizeof names - n, ", %s", c->models[i].name);
    return err_set(err, ERR_NOT_FOUND, "there is no model '%.80s'; give a path to a GGUF file, or a name of %s: %s",
                   name, c->path, names);
}

/* The file behind a name: a path, or STARTER; *context and *threads get the configuration's where they are 0. */
static bool resolve(const char *name, const struct config *c, struct cli_model_options *o, const char **ret_file,
                    struct err *err)
{
    int i = config_find_model(c, str_of(name));
    if (o->threads == 0)
        o->threads = c->threads;
    if (i < 0) {
        *ret_file = name;
        return strcmp(name, STARTER) == 0 || access(name, R_OK) == 0 || not_found(name, c, err);
    }
    const struct config_model *m = &c->models[i];
    if (!m->file)
        return err_set(err, ERR_UNSUPPORTED,
                       "the model '%s' is at %s; rung run answers with models of this machine, rung serve with both",
                       name, m->base_url);
    if (o->context == 0)
        o->context = m->context;
    *ret_file = m->file;
    return true;
}

static bool load(const char *name, const char *file, const struct cli_model_options *o, struct cli_model *ret,
                 struct err *err)
{
    struct cli_model m = {.starter = strcmp(file, STARTER) == 0};
    struct local_model_options options = {.context = o->context};
    struct str bytes = cli_starter();
    struct filemap *map;
    bool ok = m.starter ? filemap_memory(STARTER, bytes.p, bytes.n, &map, err) : filemap_open(file, &map, err);
    if (!ok)
        return false;
    if (!runtime_open(o->threads, &m.rt, err)) {
        filemap_close(map);
        return false;
    }
    if (!runtime_load(m.rt, name, map, &options, &m.model, err)) {
        runtime_close(m.rt);
        return false;
    }
    *ret = m;
    return true;
}

bool cli_open_model(const char *name, const struct cli_model_options *options, struct cli_model *ret, struct err *err)
{
    struct cli_model_options o = *options;
    struct config *c = NULL;
    const char *file = name;
    if (is_path(name))
        return load(name, file, &o, ret, err);
    bool ok = config_load(o.config_path, &c, err) && resolve(name, c, &o, &file, err) && load(name, file, &o, ret, err);
    if (c)
        config_free(c);
    return ok;
}

void cli_close_model(struct cli_model *m)
{
    runtime_close(m->rt);
    *m = (struct cli_model){0};
}
