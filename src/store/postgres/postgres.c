/* The ledger's statements on PostgreSQL. A batch is a transaction under one advisory lock; it waits for the server when
 * it has read its rows, when it has read its counters, and when it has committed. */
#include "store/postgres/postgres_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static struct postgres *of(const struct sql *sql)
{
    return (struct postgres *)sql;
}

static void read_now(void *ctx, const struct sql_row *row)
{
    ((struct postgres *)ctx)->sql.now_ms = sql_number(row, 0);
}

static bool queue_text(struct postgres *p, const char *text, sql_on_row *on_row, struct err *err)
{
    return postgres_queue(p, NULL, text, NULL, 0, on_row, p, err);
}

static bool enter_pipeline(struct postgres *p, struct err *err)
{
    return (PQsetnonblocking(p->conn, 1) == 0 && PQenterPipelineMode(p->conn)) || postgres_fail(p, NULL, err);
}

/* ---- a transaction ---- */
static bool postgres_begin(struct sql *sql, struct err *err)
{
    struct postgres *p = of(sql);
    if (!p->conn && (!postgres_connect(p, err) || !enter_pipeline(p, err)))
        return false;
    return queue_text(p, "BEGIN", NULL, err) &&
           queue_text(p, "SELECT pg_advisory_xact_lock(1920298606)", NULL, err) &&
           queue_text(p, "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint", read_now, err);
}

static bool postgres_send(struct sql *sql, enum sql_stmt stmt, const struct sql_value *values, int n,
                          sql_on_row *on_row, void *ctx, struct err *err)
{
    struct postgres *p = of(sql);
    char name[16];
    snprintf(name, sizeof name, "rung_%d", (int)stmt);
    if (!p->prepared[stmt] && !postgres_queue_prepare(p, name, sql_texts[stmt], err))
        return false;
    p->prepared[stmt] = true;
    return postgres_queue(p, name, NULL, values, n, on_row, ctx, err);
}

static bool postgres_wait(struct sql *sql, struct err *err)
{
    return postgres_sync(of(sql), err);
}

/* A server that is told to end may have committed before it says so, and its connection may look whole for a moment:
 * whatever fails here, the outcome is unknown. */
static bool postgres_commit(struct sql *sql, bool *ret_unknown, struct err *err)
{
    struct postgres *p = of(sql);
    bool ok = queue_text(p, "COMMIT", NULL, err) && postgres_sync(p, err);
    *ret_unknown = !ok;
    return ok;
}

/* Statements that were prepared in what is rolled back stay; those of a pipeline that broke off were never made. */
static void postgres_rollback(struct sql *sql)
{
    struct postgres *p = of(sql);
    if (!p->conn)
        return;
    if ((p->n_pending && !postgres_sync(p, NULL) && !p->conn) || !queue_text(p, "ROLLBACK", NULL, NULL) ||
        !queue_text(p, "DEALLOCATE ALL", NULL, NULL) || !postgres_sync(p, NULL)) {
        postgres_drop(p);
        return;
    }
    memset(p->prepared, 0, sizeof p->prepared);
}

static bool postgres_query(struct sql *sql, const char *text, const struct sql_value *values, int n,
                           sql_on_row *on_row, void *ctx, struct err *err)
{
    return postgres_queue(of(sql), NULL, text, values, n, on_row, ctx, err) && postgres_sync(of(sql), err);
}

static int64_t postgres_number(const struct sql_row *row, int column)
{
    return strtoll(PQgetvalue(row->from, row->at, column), NULL, 10);
}

static const char *postgres_text(const struct sql_row *row, int column)
{
    return PQgetvalue(row->from, row->at, column);
}

/* ---- life ---- */
static bool postgres_is_dead(const struct sql *sql, int64_t owner, int64_t beat_ms)
{
    int64_t silent_ms = sql->now_ms - beat_ms; /* less than nothing: the server's clock was set back */
    (void)owner;
    return silent_ms > POSTGRES_DEAD_MS || silent_ms < -POSTGRES_DEAD_MS;
}

/* Who goes in order says so: nobody has to wait for its silence. */
static void postgres_close(struct sql *sql)
{
    struct postgres *p = of(sql);
    char text[64];
    snprintf(text, sizeof text, "UPDATE owner SET beat_ms = 0 WHERE id = %" PRId64, sql->owner);
    if (p->conn && sql->owner && queue_text(p, text, NULL, NULL))
        postgres_sync(p, NULL);
    postgres_free(p);
}

static const struct sql_backend backend = {
    .close = postgres_close, .begin = postgres_begin, .send = postgres_send, .sync = postgres_wait,
    .commit = postgres_commit, .rollback = postgres_rollback, .query = postgres_query, .is_dead = postgres_is_dead,
    .number = postgres_number, .text = postgres_text,
    .sum = {"least(coalesce(sum(", "), 0), 9223372036854775807)::bigint"},
    .day = "to_char(to_timestamp(wall_ms / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
};

static bool become_owner(struct postgres *p, struct err *err)
{
    return postgres_exec(p,
                         "INSERT INTO owner (started_ms, beat_ms) SELECT now_ms, now_ms FROM"
                         " (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms) AS clock"
                         " RETURNING id",
                         &p->sql.owner, err);
}

bool postgres_open(const char *address, struct sql **ret, struct err *err)
{
    struct postgres *p;
    if (!postgres_new(address, &p, err))
        return false;
    p->sql.backend = &backend;
    if (!postgres_connect(p, err) || !postgres_migrate(p, err) || !become_owner(p, err) || !enter_pipeline(p, err)) {
        postgres_free(p);
        return false;
    }
    *ret = &p->sql;
    return true;
}

bool postgres_open_reader(const char *address, struct sql **ret, struct err *err)
{
    struct postgres *p;
    if (!postgres_new(address, &p, err))
        return false;
    p->sql.backend = &backend;
    if (!postgres_connect(p, err) ||
        !postgres_exec(p, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", NULL, err) || !postgres_readable(p, err) ||
        !enter_pipeline(p, err)) {
        postgres_free(p);
        return false;
    }
    *ret = &p->sql;
    return true;
}
