/* Finds the header of the model that a person names: the embedded model, a file, or one of the store. */
#include "cli/cli.h"
#include "cli/fit/fit.h"
#include "registry/registry.h"

static bool open_starter(struct gguf **ret, struct err *err)
{
    struct str bytes = cli_starter();
    struct filemap *map;
    return filemap_memory("starter", bytes.p, bytes.n, &map, err) && gguf_open_map(map, ret, err);
}

bool fit_open_header(const char *name, struct gguf **ret, struct err *err)
{
    struct registry *registry;
    struct registry_model model;
    if (strcmp(name, "starter") == 0)
        return open_starter(ret, err);
    if (!registry_open(NULL, &registry, err))
        return false;
    bool found = registry_find(registry, name, &model, err);
    registry_close(registry);
    return found && gguf_open(model.path, ret, err);
}
