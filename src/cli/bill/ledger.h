/* Where the ledger is that a command reads or writes. */
#ifndef RUNG_CLI_BILL_LEDGER_H
#define RUNG_CLI_BILL_LEDGER_H

#include "gateway/config.h"
#include "store/ledger.h"

/* As the configuration says, else the default path. */
bool cli_ledger_of(const struct config *c, char *path, size_t size, struct err *err);

#endif
