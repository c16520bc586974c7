/* Connecting to a PostgreSQL server, what its errors mean for a user, and bringing its tables up to this Rung. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/postgres/postgres_private.h"

#define PATIENCE_FIRST_MS 50
#define PATIENCE_MAX_MS 8000

/* A password in the configuration would end in backups and screenshots. */
bool postgres_check_address(const char *address, struct err *err)
{
    char *why = NULL;
    PQconninfoOption *options = PQconninfoParse(address, &why);
    bool ok = options != NULL;
    if (!ok)
        err_set(err, ERR_INVALID,
                "the store's address is not one of PostgreSQL: write postgresql://user@host/database");
    for (PQconninfoOption *o = options; ok && o && o->keyword; o++)
        if (o->val && o->val[0] && (strcmp(o->keyword, "password") == 0 || strcmp(o->keyword, "sslpassword") == 0))
            ok = err_set(err, ERR_INVALID,
                         "the store's address holds a password; take it out and set PGPASSWORD or a ~/.pgpass file");
    PQconninfoFree(options);
    PQfreemem(why); /* it may quote the address: never shown */
    return ok;
}

bool postgres_new(const char *address, struct postgres **ret, struct err *err)
{
    if (!postgres_check_address(address, err))
        return false;
    struct postgres *p = calloc(1, sizeof *p);
    if (p)
        p->address = str_dup(str_of(address));
    if (!p || !p->address) {
        free(p);
        return err_nomem(err, "the ledger");
    }
    p->patience_ms = PATIENCE_FIRST_MS;
    snprintf(p->shown, sizeof p->shown, "the database");
    *ret = p;
    return true;
}

void postgres_drop(struct postgres *p)
{
    PQfinish(p->conn);
    p->conn = NULL;
    p->n_pending = 0;
    memset(p->prepared, 0, sizeof p->prepared);
}

void postgres_free(struct postgres *p)
{
    postgres_drop(p);
    free(p->address);
    free(p);
}

static void tidy(char *text)
{
    size_t n = strcspn(text, "\n");
    text[n] = '\0';
}

bool postgres_fail(const struct postgres *p, const PGresult *result, struct err *err)
{
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    char said[200];
    snprintf(said, sizeof said, "%s",
             state ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : p->conn ? PQerrorMessage(p->conn) : "");
    tidy(said);
    if (!state || strncmp(state, "08", 2) == 0 || strncmp(state, "57P", 3) == 0 || strcmp(state, "25P03") == 0)
        return err_set(err, ERR_BUSY, "the ledger's store, %s, cannot be reached: %s; try again later", p->shown,
                       said[0] ? said : "it does not answer");
    if (strcmp(state, "55P03") == 0 || strncmp(state, "40", 2) == 0 || strcmp(state, "57014") == 0)
        return err_set(err, ERR_BUSY, "the ledger's store, %s, is held by another node; try again later", p->shown);
    if (strcmp(state, "53100") == 0)
        return err_set(err, ERR_IO, "the disk of the ledger's store, %s, is full; make room and try again", p->shown);
    if (strcmp(state, "42501") == 0)
        return err_set(err, ERR_IO, "the ledger's store, %s, may not be written by this user: %s", p->shown, said);
    return err_set(err, ERR_IO, "the ledger's store, %s, failed: %s (%s)", p->shown, said, state);
}

/* What stands in the address comes after these and overrides them. */
static PGconn *dial(const struct postgres *p)
{
    static const char *const keys[] = {
        "connect_timeout", "tcp_user_timeout", "keepalives_idle", "fallback_application_name", "client_encoding",
        "dbname", NULL,
    };
    const char *const values[] = {"5", "10000", "30", "rung", "UTF8", p->address, NULL};
    return PQconnectdbParams(keys, values, 1);
}

bool postgres_connect(struct postgres *p, struct err *err)
{
    int64_t now_ms = clock_ms();
    if (now_ms < p->retry_at_ms)
        return err_set(err, ERR_BUSY, "the ledger's store, %s, cannot be reached; try again later", p->shown);
    p->conn = dial(p);
    if (p->conn && PQstatus(p->conn) == CONNECTION_OK) {
        snprintf(p->shown, sizeof p->shown, "PostgreSQL database %s at %s", PQdb(p->conn), PQhost(p->conn));
        /* A node that stops inside a transaction must not stop the others for long. */
        if (postgres_exec(p,
                          "SET client_min_messages = error; SET lock_timeout = 5000;"
                          " SET idle_in_transaction_session_timeout = 10000; SET search_path = rung",
                          NULL, err)) {
            p->patience_ms = PATIENCE_FIRST_MS;
            return true;
        }
    } else {
        postgres_fail(p, NULL, err);
    }
    postgres_drop(p);
    p->retry_at_ms = now_ms + p->patience_ms;
    p->patience_ms = p->patience_ms * 2 < PATIENCE_MAX_MS ? p->patience_ms * 2 : PATIENCE_MAX_MS;
    return false;
}

/* ---- its tables ---- */
static bool version_of(struct postgres *p, int64_t *ret, struct err *err)
{
    int64_t there;
    *ret = 0;
    return postgres_exec(p, "SELECT count(*) FROM pg_tables WHERE schemaname = 'rung' AND tablename = 'version'",
                         &there, err) &&
           (!there || postgres_exec(p, "SELECT version FROM rung.version", ret, err));
}

static bool too_new(const struct postgres *p, int64_t version, struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED,
                   "the ledger in %s has version %" PRId64 ", from a newer Rung; this one knows %d: update it",
                   p->shown, version, postgres_schema_version);
}

static bool migrate_from(struct postgres *p, int64_t version, struct err *err)
{
    char text[64];
    if (version > postgres_schema_version)
        return too_new(p, version, err);
    if (version == 0 &&
        !postgres_exec(p, "CREATE SCHEMA IF NOT EXISTS rung; CREATE TABLE rung.version (version BIGINT NOT NULL);"
                          " INSERT INTO rung.version VALUES (0)", NULL, err))
        return false;
    for (int64_t v = version; v < postgres_schema_version; v++)
        if (!postgres_exec(p, postgres_migrations[v], NULL, err))
            return false;
    snprintf(text, sizeof text, "UPDATE rung.version SET version = %d", postgres_schema_version);
    return version == postgres_schema_version || postgres_exec(p, text, NULL, err);
}

/* In one transaction and one node at a time; the lock is the batches' own. */
bool postgres_migrate(struct postgres *p, struct err *err)
{
    int64_t version;
    return postgres_exec(p, "BEGIN", NULL, err) &&
           postgres_exec(p, "SELECT pg_advisory_xact_lock(1920298606)", NULL, err) &&
           version_of(p, &version, err) && migrate_from(p, version, err) && postgres_exec(p, "COMMIT", NULL, err);
}

bool postgres_readable(struct postgres *p, struct err *err)
{
    int64_t version;
    if (!version_of(p, &version, err))
        return false;
    if (version == 0)
        return err_set(err, ERR_NOT_FOUND, "there is no ledger in %s yet; it begins with the first `rung serve`",
                       p->shown);
    if (version > postgres_schema_version)
        return too_new(p, version, err);
    return version == postgres_schema_version ||
           err_set(err, ERR_UNSUPPORTED, "the ledger in %s is of an older Rung; start `rung serve` once to bring it up",
                   p->shown);
}
