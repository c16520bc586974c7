/* Where the ledger is, for the commands about it. */
#include "cli/bill/ledger.h"

#include <stdio.h>

#include "gateway/config.h"

bool cli_ledger_path(const char *ledger, const char *config_path, char *path, size_t size, struct err *err)
{
    struct config *c = NULL;
    if (ledger)
        return snprintf(path, size, "%s", ledger) < (int)size ||
               err_set(err, ERR_LIMIT, "the path of the ledger is too long");
    if (!config_load(config_path, &c, err))
        return false;
    bool ok = true;
    if (c->ledger_path && strcmp(c->ledger_path, "off") == 0)
        ok = err_set(err, ERR_NOT_FOUND, "%s keeps no ledger (ledger: off); name another", c->path);
    else if (c->ledger_path)
        snprintf(path, size, "%s", c->ledger_path);
    else
        ok = ledger_default_path(path, size, err);
    config_free(c);
    return ok;
}
