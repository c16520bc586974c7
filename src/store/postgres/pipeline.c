/* Statements over the wire: many are sent before the first result is awaited (libpq's pipeline mode), and no wait is
 * without end. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/postgres/postgres_private.h"

#define VALUE_BYTES 32   /* a number as text */

/* Until a result can be taken without waiting, or the server was silent for too long. */
static bool wait_for_result(struct postgres *p, struct err *err)
{
    int64_t until_ms = clock_ms() + POSTGRES_WAIT_MS;
    for (;;) {
        int unsent = PQflush(p->conn);
        if (unsent < 0 || !PQconsumeInput(p->conn))
            break;
        if (!PQisBusy(p->conn))
            return true;
        int64_t left_ms = until_ms - clock_ms();
        struct pollfd fd = {.fd = PQsocket(p->conn), .events = (short)(POLLIN | (unsent ? POLLOUT : 0))};
        if (left_ms <= 0) {
            err_set(err, ERR_BUSY, "the ledger's store, %s, has not answered for %d s; try again later", p->shown,
                    POSTGRES_WAIT_MS / 1000);
            postgres_drop(p);
            return false;
        }
        if (poll(&fd, 1, (int)left_ms) < 0 && errno != EINTR)
            break;
    }
    postgres_fail(p, NULL, err);
    postgres_drop(p);
    return false;
}

/* ---- outside of a pipeline ---- */
bool postgres_exec(struct postgres *p, const char *text, int64_t *ret, struct err *err)
{
    bool ok = true;
    if (!PQsendQuery(p->conn, text)) {
        postgres_fail(p, NULL, err);
        postgres_drop(p);
        return false;
    }
    for (;;) {
        if (!wait_for_result(p, err))
            return false;
        PGresult *result = PQgetResult(p->conn);
        if (!result)
            return ok;
        ExecStatusType status = PQresultStatus(result);
        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && ok)
            ok = postgres_fail(p, result, err);
        else if (ret && status == PGRES_TUPLES_OK && PQntuples(result) > 0)
            *ret = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
        PQclear(result);
    }
}

/* ---- inside ---- */
static bool note_pending(struct postgres *p, int sent, sql_on_row *on_row, void *ctx, struct err *err)
{
    if (!sent) {
        postgres_fail(p, NULL, err);
        postgres_drop(p);
        return false;
    }
    p->pending[p->n_pending++] = (struct pending){on_row, ctx};
    return true;
}

static bool make_room(struct postgres *p, struct err *err)
{
    if (!p->conn)
        return err_set(err, ERR_BUSY, "the ledger's store, %s, cannot be reached; try again later", p->shown);
    return p->n_pending < POSTGRES_PENDING_MAX || postgres_sync(p, err);
}

/* Bytes that are no UTF-8 would be refused, and a row must be kept whatever an upstream wrote into it. */
static const char *clean(const char *text, char **ret_copy)
{
    struct str s = str_of(text);
    if (utf8_valid(s))
        return text;
    char *copy = str_dup(s);
    for (size_t i = 0; copy && i < s.n;) {
        int len;
        if (utf8_decode(s, i, &len) == UTF8_BAD)
            copy[i] = '?';
        i += (size_t)len;
    }
    *ret_copy = copy;
    return copy;
}

bool postgres_queue(struct postgres *p, const char *name, const char *text, const struct sql_value *values, int n,
                    sql_on_row *on_row, void *ctx, struct err *err)
{
    char numbers[SQL_MAX_VALUES][VALUE_BYTES], *copies[SQL_MAX_VALUES] = {0};
    const char *given[SQL_MAX_VALUES];
    if (!make_room(p, err))
        return false;
    for (int i = 0; i < n; i++) {
        given[i] = numbers[i];
        if (values[i].type == SQL_INT)
            snprintf(numbers[i], VALUE_BYTES, "%" PRId64, values[i].i);
        else if (values[i].type == SQL_REAL)
            snprintf(numbers[i], VALUE_BYTES, "%.17g", values[i].r);
        else
            given[i] = clean(values[i].text, &copies[i]);
    }
    int sent = name ? PQsendQueryPrepared(p->conn, name, n, given, NULL, NULL, 0)
                    : PQsendQueryParams(p->conn, text, n, NULL, given, NULL, NULL, 0);
    for (int i = 0; i < n; i++)
        free(copies[i]);
    return note_pending(p, sent, on_row, ctx, err);
}

bool postgres_queue_prepare(struct postgres *p, const char *name, const char *text, struct err *err)
{
    return make_room(p, err) && note_pending(p, PQsendPrepare(p->conn, name, text, 0, NULL), NULL, NULL, err);
}

static void give_rows(struct postgres *p, const struct pending *to, const PGresult *result)
{
    struct sql_row row = {.sql = &p->sql, .from = result};
    int n = PQntuples(result);
    for (row.at = 0; to->on_row && row.at < n; row.at++)
        to->on_row(to->ctx, &row);
}

/* All results of one statement, to the NULL that ends them (a sync has none). */
static bool take_result(struct postgres *p, const struct pending *to, bool *ok, struct err *err)
{
    for (;;) {
        if (!wait_for_result(p, err))
            return false;
        PGresult *result = PQgetResult(p->conn);
        if (!result)
            return true;
        ExecStatusType status = PQresultStatus(result);
        if (status == PGRES_TUPLES_OK && *ok)
            give_rows(p, to, result);
        else if (status == PGRES_FATAL_ERROR && *ok)
            *ok = postgres_fail(p, result, err);
        else if (status == PGRES_PIPELINE_ABORTED && *ok)
            *ok = err_set(err, ERR_INTERNAL, "a statement before this one failed");
        PQclear(result);
        if (status == PGRES_PIPELINE_SYNC)
            return true;
    }
}

bool postgres_sync(struct postgres *p, struct err *err)
{
    struct pending last = {0};
    bool ok = true;
    if (!p->conn)
        return make_room(p, err);
    if (!PQpipelineSync(p->conn)) {
        postgres_fail(p, NULL, err);
        postgres_drop(p);
        return false;
    }
    int n = p->n_pending;
    for (int i = 0; i < n; i++)
        if (!take_result(p, &p->pending[i], &ok, err))
            return false;
    p->n_pending = 0;
    if (!take_result(p, &last, &ok, err))
        return false;
    if (PQstatus(p->conn) == CONNECTION_OK)
        return ok;
    postgres_drop(p);
    return false;
}
