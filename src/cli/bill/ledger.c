/* Where the ledger is, for the commands about it. */
#include "cli/bill/ledger.h"

#include <stdio.h>

bool cli_ledger_of(const struct config *c, char *path, size_t size, struct err *err)
{
    if (!c->ledger_path)
        return ledger_default_path(path, size, err);
    if (strcmp(c->ledger_path, "off") == 0)
        return err_set(err, ERR_NOT_FOUND, "%s keeps no ledger (its path is off); name another", c->path);
    return snprintf(path, size, "%s", c->ledger_path) < (int)size ||
           err_set(err, ERR_LIMIT, "the path of the ledger is too long");
}
