/* One number out of a ledger, by a connection of the test's own, whichever database it is in. */
#ifndef RUNG_TESTS_SUPPORT_SQL_H
#define RUNG_TESTS_SUPPORT_SQL_H

#include "support.h"

#include <libpq-fe.h>
#include <sqlite3.h>

#include "store/ledger.h"

/* In the schema that the ledger lives in. 0 where the statement gives no row. */
static inline int64_t sql_ask_database(const char *address, const char *sql)
{
    const char *const keys[] = {"dbname", "options", NULL};
    const char *const values[] = {address, "-csearch_path=rung -cclient_min_messages=warning", NULL};
    PGconn *conn = PQconnectdbParams(keys, values, 1);
    PGresult *result = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(conn));
    int64_t v = PQntuples(result) ? strtoll(PQgetvalue(result, 0, 0), NULL, 10) : 0;
    PQclear(result);
    PQfinish(conn);
    return v;
}

static inline int64_t sql_ask_file(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK || sqlite3_step(stmt) != SQLITE_ROW)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    int64_t v = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return v;
}

static inline int64_t sql_ask(const char *where, const char *sql)
{
    return ledger_is_address(where) ? sql_ask_database(where, sql) : sql_ask_file(where, sql);
}

#endif
