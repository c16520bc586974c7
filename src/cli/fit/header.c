/* Finds the header of the model that a person names: the embedded model, a file, the store, else the host that the name
 * belongs to, of which only the beginning of the file is fetched. */
#include <stdio.h>

#include "cli/fit/fit.h"
#include "cli/store/models.h"
#include "registry/header.h"
#include "registry/registry.h"

static bool open_far(const char *name, struct gguf **ret, struct err *err)
{
    struct model_name parsed;
    struct remote *remote = NULL;
    struct remote_manifest manifest = {0};
    bool ok = false;
    if (!model_name_parse(name, &parsed, err) || !remote_open(&remote, err))
        return false;
    fprintf(stderr, "%s is not in the store; reading the beginning of its file from its host\n", name);
    if (remote_resolve(remote, &parsed, &manifest, err)) {
        ok = remote_open_header(remote, &manifest.layers[manifest.weights], ret, err);
        remote_manifest_free(&manifest);
    }
    remote_close(remote);
    return ok;
}

bool fit_open_header(const char *name, struct gguf **ret, struct err *err)
{
    struct registry *registry;
    struct registry_model model;
    if (strcmp(name, CLI_STARTER) == 0)
        return cli_open_starter(ret, err);
    if (!registry_open(NULL, &registry, err))
        return false;
    bool found = registry_find(registry, name, &model, err);
    registry_close(registry);
    if (found)
        return gguf_open(model.path, ret, err);
    return err->code == ERR_NOT_FOUND && open_far(name, ret, err);
}
