/* The ledger file as a whole: its tables and their versions, who writes into it, and what becomes of the rows of a
 * writer that died. A writer lives as long as it holds a lock on "its" byte of a file beside the ledger: the kernel
 * lets go for it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/rows.h"

#define APPLICATION_ID 0x52756e67 /* "Rung" */

/* migrations[i] takes a file from version i to i + 1. */
static const char *const migrations[] = {
    "CREATE TABLE owner (id INTEGER PRIMARY KEY AUTOINCREMENT, started_ms INTEGER NOT NULL) STRICT;"
    "CREATE TABLE request ("
    "  id TEXT NOT NULL UNIQUE, owner INTEGER NOT NULL, wall_ms INTEGER NOT NULL, kind TEXT NOT NULL,"
    "  model_asked TEXT NOT NULL, privacy TEXT NOT NULL, conversation INTEGER NOT NULL, tier_path TEXT NOT NULL "
    "DEFAULT '',"
    "  tier TEXT NOT NULL DEFAULT '', tier_rank INTEGER NOT NULL DEFAULT 0, model TEXT NOT NULL DEFAULT '',"
    "  local INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '',"
    "  hold_us INTEGER NOT NULL DEFAULT 0, ttft_us INTEGER NOT NULL DEFAULT -1, total_us INTEGER NOT NULL DEFAULT 0,"
    "  confidence REAL NOT NULL DEFAULT -1,"
    "  local_prompt INTEGER NOT NULL DEFAULT 0, local_cached INTEGER NOT NULL DEFAULT 0,"
    "  local_completion INTEGER NOT NULL DEFAULT 0, local_reasoning INTEGER NOT NULL DEFAULT 0,"
    "  upstream_prompt INTEGER NOT NULL DEFAULT 0, upstream_cached INTEGER NOT NULL DEFAULT 0,"
    "  upstream_completion INTEGER NOT NULL DEFAULT 0, upstream_reasoning INTEGER NOT NULL DEFAULT 0,"
    "  cost_pico_usd INTEGER NOT NULL DEFAULT 0, uncertain_pico_usd INTEGER NOT NULL DEFAULT 0,"
    "  uncertain_attempts INTEGER NOT NULL DEFAULT 0, frontier_pico_usd INTEGER NOT NULL DEFAULT 0,"
    "  outcome TEXT NOT NULL DEFAULT 'open') STRICT;"
    "CREATE INDEX request_by_time ON request (wall_ms);"
    "CREATE INDEX request_open ON request (owner) WHERE outcome = 'open';"
    "CREATE TABLE attempt ("
    "  request TEXT NOT NULL, n INTEGER NOT NULL, tier TEXT NOT NULL, model TEXT NOT NULL, local INTEGER NOT NULL,"
    "  outcome TEXT NOT NULL, prompt INTEGER NOT NULL, cached INTEGER NOT NULL, completion INTEGER NOT NULL,"
    "  reasoning INTEGER NOT NULL, cost_pico_usd INTEGER NOT NULL, reserved_pico_usd INTEGER NOT NULL,"
    "  ttft_us INTEGER NOT NULL, total_us INTEGER NOT NULL, confidence REAL NOT NULL,"
    "  PRIMARY KEY (request, n)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX attempt_announced ON attempt (request, reserved_pico_usd) WHERE outcome = 'announced';",
};
#define SCHEMA_VERSION ((int64_t)(sizeof migrations / sizeof migrations[0]))

/* Before anything is changed: is this file a ledger, or empty, and not from a newer Rung? */
static bool check_kind(const struct db *db, int64_t *ret_version, struct err *err)
{
    int64_t version, application, tables;
    if (!db_number(db, "PRAGMA user_version", &version, err) ||
        !db_number(db, "PRAGMA application_id", &application, err) ||
        !db_number(db, "SELECT count(*) FROM sqlite_schema", &tables, err))
        return false;
    if (tables > 0 && application != APPLICATION_ID)
        return err_set(err, ERR_INVALID, "%s is another program's database, not a ledger; name another file", db->path);
    if (version > SCHEMA_VERSION)
        return err_set(err, ERR_UNSUPPORTED,
                       "the ledger %s has version %" PRId64 ", from a newer Rung; this one knows %" PRId64
                       ": update it",
                       db->path, version, SCHEMA_VERSION);
    *ret_version = version;
    return true;
}

/* In a transaction. */
static bool migrate(const struct db *db, int64_t version, struct err *err)
{
    char sql[96];
    if (version == SCHEMA_VERSION)
        return true;
    for (int64_t v = version; v < SCHEMA_VERSION; v++)
        if (!db_exec(db, migrations[v], err))
            return false;
    snprintf(sql, sizeof sql, "PRAGMA application_id = %d; PRAGMA user_version = %" PRId64, APPLICATION_ID,
             SCHEMA_VERSION);
    return db_exec(db, sql, err);
}

bool rows_readable(const struct db *db, struct err *err)
{
    int64_t version;
    if (!check_kind(db, &version, err))
        return false;
    if (version == 0)
        return err_set(err, ERR_NOT_FOUND, "the ledger %s is empty; it begins with the first request", db->path);
    return version == SCHEMA_VERSION ||
           err_set(err, ERR_UNSUPPORTED, "the ledger %s is of an older Rung; start `rung serve` once to bring it up",
                   db->path);
}

static struct flock owner_byte(int64_t owner)
{
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = owner, .l_len = 1};
}

static bool owner_lives(int lock_fd, int64_t owner)
{
    struct flock lock = owner_byte(owner);
    return fcntl(lock_fd, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

bool rows_alone(const struct rows *r)
{
    struct flock others = {.l_type = F_WRLCK, .l_whence = SEEK_SET}; /* to the end; one's own lock is in nobody's way */
    return fcntl(r->lock_fd, F_OFD_GETLK, &others) == 0 && others.l_type == F_UNLCK;
}

/* Byte 0 belongs to whoever is opening the ledger: one at a time, and the others wait. */
static bool lock_opening(struct rows *r, struct err *err)
{
    char path[sizeof r->db.path + 8];
    struct flock lock = owner_byte(0);
    snprintf(path, sizeof path, "%s-owners", r->db.path);
    r->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (r->lock_fd < 0)
        return err_errno(err, ERR_IO, "cannot write %s", path);
    while (fcntl(r->lock_fd, F_OFD_SETLKW, &lock) != 0)
        if (errno != EINTR)
            return err_errno(err, ERR_IO, "cannot lock %s", path);
    return true;
}

static void unlock_opening(struct rows *r)
{
    struct flock lock = owner_byte(0);
    lock.l_type = F_UNLCK;
    fcntl(r->lock_fd, F_OFD_SETLK, &lock);
}

static bool become_owner(struct rows *r, struct err *err)
{
    char sql[96];
    snprintf(sql, sizeof sql, "INSERT INTO owner (started_ms) VALUES (%" PRId64 ")", clock_wall_ms());
    if (!db_exec(&r->db, sql, err))
        return false;
    r->owner = sqlite3_last_insert_rowid(r->db.handle);
    struct flock lock = owner_byte(r->owner);
    return fcntl(r->lock_fd, F_OFD_SETLK, &lock) == 0 || err_errno(err, ERR_IO, "cannot lock %s-owners", r->db.path);
}

/* What it announced may have been billed, at most for what it set aside; what it had not announced went nowhere. */
static bool bury_owner(const struct db *db, int64_t owner, struct err *err)
{
    static const char sql[] =
        "UPDATE request SET outcome = CASE WHEN EXISTS (SELECT 1 FROM attempt WHERE request = request.id"
        "    AND outcome = 'announced') THEN 'possibly_billed' ELSE 'lost' END,"
        "  uncertain_attempts = (SELECT count(*) FROM attempt WHERE request = request.id AND outcome = 'announced'),"
        "  uncertain_pico_usd = (SELECT capped_sum(reserved_pico_usd) FROM attempt"
        "    WHERE request = request.id AND outcome = 'announced')"
        "  WHERE outcome = 'open' AND owner = %" PRId64 ";"
        "UPDATE attempt SET outcome = 'possibly_billed', cost_pico_usd = reserved_pico_usd, reserved_pico_usd = 0"
        "  WHERE outcome = 'announced' AND request IN (SELECT id FROM request WHERE owner = %" PRId64
        "    AND outcome = 'possibly_billed');"
        "DELETE FROM owner WHERE id = %" PRId64;
    char text[sizeof sql + 80];
    snprintf(text, sizeof text, sql, owner, owner, owner);
    return db_exec(db, text, err);
}

static bool bury_the_dead(struct rows *r, struct err *err)
{
    sqlite3_stmt *owners = NULL;
    int rc = 0;
    if (!db_prepare(&r->db, "SELECT id FROM owner ORDER BY id", &owners, err))
        return false;
    while ((rc = db_step(&r->db, owners, err)) == SQLITE_ROW) {
        int64_t owner = sqlite3_column_int64(owners, 0);
        if (owner != r->owner && !owner_lives(r->lock_fd, owner) && !bury_owner(&r->db, owner, err)) {
            rc = 0;
            break;
        }
    }
    sqlite3_finalize(owners);
    return rc == SQLITE_DONE;
}

static int note_wal_pages(void *rows, sqlite3 *handle, const char *name, int pages)
{
    (void)handle, (void)name;
    ((struct rows *)rows)->wal_pages = pages;
    return SQLITE_OK;
}

static bool open_all(struct rows *r, bool power, struct err *err)
{
    int64_t version;
    if (!lock_opening(r, err))
        return false;
    bool ok = check_kind(&r->db, &version, err) && db_exec(&r->db, "PRAGMA journal_mode = WAL", err) &&
              db_exec(&r->db, "PRAGMA wal_autocheckpoint = 0", err) &&
              db_exec(&r->db, power ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL", err) &&
              db_exec(&r->db, "BEGIN IMMEDIATE", err) && migrate(&r->db, version, err) && become_owner(r, err) &&
              bury_the_dead(r, err) && db_exec(&r->db, "COMMIT", err) && rows_transaction(r, err) &&
              rows_commit(r, err);
    unlock_opening(r);
    return ok;
}

bool rows_open(const char *path, bool power, struct rows *ret, struct err *err)
{
    struct rows r = {.lock_fd = -1, .data_version = -1};
    if (!db_open(path, true, &r.db, err))
        return false;
    if (!open_all(&r, power, err)) {
        rows_close(&r);
        return false;
    }
    *ret = r;
    sqlite3_wal_hook(ret->db.handle, note_wal_pages, ret);
    return true;
}

void rows_close(struct rows *r)
{
    for (int i = 0; i < STMT_COUNT; i++)
        sqlite3_finalize(r->stmts[i]);
    db_close(&r->db);
    if (r->lock_fd >= 0)
        close(r->lock_fd);
}
