/* Between the rooms of the PostgreSQL backend. */
#ifndef RUNG_STORE_POSTGRES_PRIVATE_H
#define RUNG_STORE_POSTGRES_PRIVATE_H

#include <libpq-fe.h>

#include "store/postgres/postgres.h"

#define POSTGRES_PENDING_MAX 256   /* statements sent before their results are taken */

struct postgres {
    struct sql sql;
    PGconn *conn;                  /* NULL: it is away */
    char *address;
    char shown[256];               /* host and database: for people */
    int64_t retry_at_ms;           /* monotonic; no new connection before */
    int64_t patience_ms;
    bool prepared[SQL_STMTS];
    struct pending {
        sql_on_row *on_row;
        void *ctx;
    } pending[POSTGRES_PENDING_MAX];
    int n_pending;
};

/* ---- connect.c ---- */
bool postgres_new(const char *address, struct postgres **ret, struct err *err);
bool postgres_connect(struct postgres *p, struct err *err);
/* The connection is of no use any more. */
void postgres_drop(struct postgres *p);
void postgres_free(struct postgres *p);
/* What the server or the connection said, as a sentence; false. */
bool postgres_fail(const struct postgres *p, const PGresult *result, struct err *err);
bool postgres_migrate(struct postgres *p, struct err *err);
bool postgres_readable(struct postgres *p, struct err *err);

/* ---- pipeline.c ---- */
/* Outside of a pipeline: one text, its results thrown away but for the first number (NULL: it gives none). */
bool postgres_exec(struct postgres *p, const char *text, int64_t *ret, struct err *err);
/* Inside: queue one statement, named and prepared before or not (name NULL). */
bool postgres_queue(struct postgres *p, const char *name, const char *text, const struct sql_value *values, int n,
                    sql_on_row *on_row, void *ctx, struct err *err);
bool postgres_queue_prepare(struct postgres *p, const char *name, const char *text, struct err *err);
bool postgres_sync(struct postgres *p, struct err *err);

/* ---- schema.c ---- */
extern const char *const postgres_migrations[];
extern const int postgres_schema_version;

#endif
