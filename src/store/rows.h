/* The ledger's tables and what is done to their rows, one transaction at a time. Private to this floor; only the
 * ledger thread (and ledger_open before it starts) comes here. */
#ifndef RUNG_STORE_ROWS_H
#define RUNG_STORE_ROWS_H

#include "store/db.h"
#include "store/ledger.h"

enum rows_stmt {
    STMT_BEGIN,
    STMT_FIND,
    STMT_SETTLE,
    STMT_ANNOUNCE,
    STMT_FORGET_ATTEMPTS,
    STMT_ADD_ATTEMPT,
    STMT_RESERVED,
    STMT_MONTH,
    STMT_ALL_RESERVED,
    STMT_DATA_VERSION,
    STMT_COUNT,
};

/* This month's money, as of the last commit. */
struct rows_month {
    int64_t from_ms, until_ms;       /* of the month, UTC */
    int64_t spent_pico_usd;          /* settled, what was possibly billed included */
    int64_t reserved_pico_usd;       /* for announced attempts of open rows, of every process */
};

struct rows {
    struct db db;
    int64_t owner;                   /* this process's mark on its open rows */
    int lock_fd;                     /* holds a lock for as long as this process lives */
    int64_t data_version;            /* changes when another connection commits */
    struct rows_month month, before; /* before: as it was when the transaction began */
    int64_t wal_pages;               /* length of the write-ahead log after the last commit */
    sqlite3_stmt *stmts[STMT_COUNT];
};

/* schema.c: open, migrate, take an owner number, mark what dead owners left open. *ret must stay where it is. It never
 * checkpoints (but the last one to close the file does): that is checkpoint.c's. */
bool rows_open(const char *path, bool power, struct rows *ret, struct err *err);
void rows_close(struct rows *r);
/* Whether no other writer has the file open. From any thread. */
bool rows_alone(const struct rows *r);
/* Whether a reader understands this file; false with the reason. Call it in a transaction: another may be migrating. */
bool rows_readable(const struct db *db, struct err *err);

/* rows.c: a transaction. Begin waits for other writers; a failed commit or a rollback leaves nothing behind. */
bool rows_transaction(struct rows *r, struct err *err);
bool rows_commit(struct rows *r, struct err *err);
void rows_rollback(struct rows *r);

/* Within one. A refusal that concerns this row alone sets *ret_refused and *err and spoils nothing: the transaction
 * goes on. false: the transaction must be rolled back. */
bool rows_begin(struct rows *r, const struct ledger_row *row, bool *ret_refused, struct err *err);
bool rows_announce(struct rows *r, const char *id, const char *tier, const char *model, int64_t reserve_pico_usd,
                   int64_t budget_pico_usd, bool *ret_refused, struct err *err);
bool rows_settle(struct rows *r, const struct ledger_row *row, struct err *err);

#endif
