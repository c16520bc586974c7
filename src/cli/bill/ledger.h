/* Where the ledger is that a command reads or writes. */
#ifndef RUNG_CLI_BILL_LEDGER_H
#define RUNG_CLI_BILL_LEDGER_H

#include "store/ledger.h"

/* As --ledger names it, else as the configuration at config_path (NULL: where config_load looks) does, else the default
 * path. */
bool cli_ledger_path(const char *ledger, const char *config_path, char *path, size_t size, struct err *err);

#endif
