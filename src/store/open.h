/* Which database an address means. Private to this floor. */
#ifndef RUNG_STORE_OPEN_H
#define RUNG_STORE_OPEN_H

#include "store/ledger.h"
#include "store/sql/sql.h"

bool store_open_writer(const char *where, const struct ledger_options *o, struct sql **ret, struct err *err);
/* Everything it is asked is of one moment. */
bool store_open_reader(const char *where, struct sql **ret, struct err *err);

#endif
