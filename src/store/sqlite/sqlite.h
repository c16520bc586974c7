/* A ledger in one SQLite file. Private to this floor. */
#ifndef RUNG_STORE_SQLITE_H
#define RUNG_STORE_SQLITE_H

#include "store/sql/sql.h"
#include "store/sqlite/db.h"
#include "store/sqlite/owners.h"

struct checkpointer;
struct sqlite {
    struct sql sql;
    struct db db;
    struct owners owners;
    int64_t wal_pages;                 /* length of the write-ahead log after the last commit */
    struct checkpointer *checkpointer; /* NULL: nobody moves the log */
    sqlite3_stmt *begin, *commit;
    sqlite3_stmt *stmts[SQL_STMTS];
};

/* Open or create, migrate, take an owner number. It never checkpoints (but the last one to close the file does): that
 * is checkpoint.c's. */
bool sqlite_open_file(const char *path, bool power, struct sqlite **ret, struct err *err);
/* The same with a checkpoint thread. */
bool sqlite_open(const char *path, bool power, struct sql **ret, struct err *err);

/* One that only reads, inside a transaction that sees one moment; it never creates, writes or checkpoints. */
bool sqlite_open_reader(const char *path, struct sql **ret, struct err *err);

#endif
