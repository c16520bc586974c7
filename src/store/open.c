/* The one place that knows both databases. */
#include "store/open.h"

#include "store/postgres/postgres.h"
#include "store/sqlite/sqlite.h"

bool ledger_is_address(const char *where)
{
    struct str s = str_of(where);
    return str_starts(s, STR("postgresql://")) || str_starts(s, STR("postgres://"));
}

bool ledger_check_address(const char *address, struct err *err)
{
    return (ledger_is_address(address) ||
            err_set(err, ERR_INVALID, "write postgresql://user@host/database; the password stands in PGPASSWORD")) &&
           postgres_check_address(address, err);
}

bool store_open_writer(const char *where, const struct ledger_options *o, struct sql **ret, struct err *err)
{
    return ledger_is_address(where) ? postgres_open(where, ret, err) : sqlite_open(where, o->power, ret, err);
}

bool store_open_reader(const char *where, struct sql **ret, struct err *err)
{
    return ledger_is_address(where) ? postgres_open_reader(where, ret, err) : sqlite_open_reader(where, ret, err);
}
