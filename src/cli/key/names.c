/* Whether the names a key is made with mean anything in the configuration: one mistyped would open nothing, or be found
 * out only when somebody is refused. */
#include <stdio.h>

#include "cli/key/key.h"

static bool has_tier(const struct config *c, struct str name)
{
    for (int i = 0; i < c->n_tiers; i++) {
        if (str_is(name, c->tiers[i].name))
            return true;
    }
    return false;
}

static struct str next_name(const char **list)
{
    struct str name = {*list, strcspn(*list, ",")};
    *list += name.n + ((*list)[name.n] == ',');
    return name;
}

static bool check_tiers(const struct config *c, const char *list, struct err *err)
{
    while (*list) {
        struct str name = next_name(&list);
        if (!has_tier(c, name))
            return err_set(err, ERR_INVALID, "--tiers: %s has no tier '" STR_FMT "'", c->path, STR_ARG(name));
    }
    return true;
}

/* A name that is none of the configuration's may be one of the store of models, or come later; an alias opens nothing,
 * as keys go by the models behind. */
static bool check_models(const struct config *c, const char *list, struct err *err)
{
    while (*list) {
        struct str name = next_name(&list);
        for (int i = 0; i < c->n_aliases; i++) {
            if (str_is(name, c->aliases[i].from))
                return err_set(err, ERR_INVALID, "--models: '" STR_FMT "' is another name of %s; name that",
                               STR_ARG(name), c->aliases[i].to);
        }
        if (config_find_model(c, name) < 0)
            fprintf(stderr, "note: %s has no model '" STR_FMT "'; the key opens one of the store by that name\n",
                    c->path, STR_ARG(name));
    }
    return true;
}

static bool check_class(const struct config *c, const char *name, struct err *err)
{
    return strcmp(name, "any") == 0 || strcmp(name, "local") == 0 || config_find_class(c, str_of(name)) >= 0 ||
           err_set(err, ERR_INVALID, "--privacy: %s has no class '%s'; any and local are always there", c->path, name);
}

bool key_check_names(const struct config *c, const struct key_record *k, struct err *err)
{
    return check_tiers(c, k->tiers, err) && check_class(c, k->privacy, err) && check_models(c, k->models, err);
}
