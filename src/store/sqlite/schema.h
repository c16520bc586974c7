/* The tables of a ledger file and their versions. Private to this floor. */
#ifndef RUNG_STORE_SQLITE_SCHEMA_H
#define RUNG_STORE_SQLITE_SCHEMA_H

#include "store/sqlite/db.h"

/* Before anything is changed: is this file a ledger, or empty, and not from a newer Rung? */
bool schema_check(const struct db *db, int64_t *ret_version, struct err *err);
/* In a transaction: from that version to this Rung's. */
bool schema_migrate(const struct db *db, int64_t version, struct err *err);
/* Whether a reader understands this file; false with the reason. Call it in a transaction: another may be migrating. */
bool schema_readable(const struct db *db, struct err *err);

#endif
