/* The bill out of the ledger file: everything is summed by SQLite inside one read transaction, so all figures are of
 * one moment. */
#include "store/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "store/money.h"
#include "store/sqlite/schema.h"

#define REPORT_SQL_BYTES 1024
#define HOUR_MS INT64_C(3600000)

#define SUM_COLUMNS 12
/* Rows that are a bill; the others stand apart. */
#define BILLED "wall_ms >= ? AND outcome IN ('ok', 'unanswered', 'error', 'cancelled')"
#define SUMS                                                                                                           \
    "count(*), capped_sum(local_prompt), capped_sum(local_cached), capped_sum(local_completion),"                      \
    " capped_sum(local_reasoning), capped_sum(upstream_prompt), capped_sum(upstream_cached),"                          \
    " capped_sum(upstream_cache_write), capped_sum(upstream_completion), capped_sum(upstream_reasoning),"              \
    " capped_sum(frontier_pico_usd), capped_sum(cost_pico_usd)"

static const struct {
    const char *name, *expression;
} groupings[] = {
    [REPORT_BY_TIER] = {"tier", "iif(tier = '', '(none)', tier)"},
    [REPORT_BY_MODEL] = {"model", "iif(model = '', '(none)', model)"},
    [REPORT_BY_KIND] = {"kind", "iif(kind = '', '(none)', kind)"},
    [REPORT_BY_KEY] = {"key", "iif(api_key = '', '(none)', ifnull((SELECT name FROM api_key AS k WHERE k.id ="
                              " request.api_key), api_key))"},
    [REPORT_BY_DAY] = {"day", "strftime('%Y-%m-%d', wall_ms / 1000, 'unixepoch')"},
};

bool report_by_from_name(struct str name, enum report_by *ret)
{
    for (size_t i = 0; i < sizeof groupings / sizeof groupings[0]; i++)
        if (str_is(name, groupings[i].name)) {
            *ret = (enum report_by)i;
            return true;
        }
    return false;
}

/* ---- since ---- */
static bool parse_day(struct str text, int64_t *ret_ms)
{
    struct tm tm = {0};
    char day[11];
    if (text.n != 10)
        return false;
    memcpy(day, text.p, 10);
    day[10] = '\0';
    const char *end = strptime(day, "%Y-%m-%d", &tm);
    struct tm given = tm;
    time_t t = timegm(&tm);
    /* timegm turns 31 February into a day in March: that was no date. */
    if (!end || *end || tm.tm_mday != given.tm_mday || t < 0)
        return false;
    *ret_ms = (int64_t)t * 1000;
    return true;
}

static bool parse_span(struct str text, int64_t *ret_ms)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'m', HOUR_MS / 60}, {'h', HOUR_MS}, {'d', 24 * HOUR_MS}, {'w', 7 * 24 * HOUR_MS}};
    int64_t n;
    if (text.n < 2 || !str_to_i64((struct str){text.p, text.n - 1}, &n) || n < 0)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (text.p[text.n - 1] == units[i].unit)
            return !__builtin_mul_overflow(n, units[i].ms, ret_ms);
    return false;
}

bool report_since(struct str text, int64_t now_ms, int64_t *ret_ms, struct err *err)
{
    int64_t span;
    if (str_is(text, "all")) {
        *ret_ms = 0;
        return true;
    }
    if (parse_span(text, &span)) {
        *ret_ms = span < now_ms ? now_ms - span : 0;
        return true;
    }
    if (parse_day(text, ret_ms))
        return true;
    struct str shown = utf8_clip(text, 40);
    return err_set(err, ERR_INVALID, "'" STR_FMT "' is no time to begin at; write 24h, 7d, 2w, 2026-07-01 or all",
                   STR_ARG(shown));
}

/* ---- reading ---- */
struct reader {
    struct db db;
    int64_t since_ms;
    struct err *err;
};

/* Prepare and bind since_ms to the (first) question mark. */
static bool ask(const struct reader *r, const char *sql, sqlite3_stmt **ret)
{
    if (!db_prepare(&r->db, sql, ret, r->err))
        return false;
    struct db_binder b = db_bind(*ret);
    db_put_int(&b, r->since_ms);
    return true;
}

static struct report_sums read_sums(sqlite3_stmt *stmt, int column)
{
    int64_t v[SUM_COLUMNS];
    for (int i = 0; i < SUM_COLUMNS; i++)
        v[i] = sqlite3_column_int64(stmt, column + i);
    return (struct report_sums){
        .requests = v[0], .local = {.prompt = v[1], .cached = v[2], .completion = v[3], .reasoning = v[4]},
        .upstream = {.prompt = v[5], .cached = v[6], .cache_write = v[7], .completion = v[8], .reasoning = v[9]},
        .before_pico_usd = v[10], .after_pico_usd = v[11],
    };
}

static bool read_total(const struct reader *r, struct ledger_report *report)
{
    sqlite3_stmt *stmt = NULL;
    bool ok = ask(r, "SELECT " SUMS ", ifnull(min(wall_ms), 0), ifnull(max(wall_ms), 0) FROM request WHERE " BILLED,
                  &stmt) &&
              db_step(&r->db, stmt, r->err) == SQLITE_ROW;
    if (ok) {
        report->total = read_sums(stmt, 0);
        report->first_ms = sqlite3_column_int64(stmt, SUM_COLUMNS);
        report->last_ms = sqlite3_column_int64(stmt, SUM_COLUMNS + 1);
    }
    sqlite3_finalize(stmt);
    return ok;
}

static bool add_group(struct ledger_report *report, int64_t *cap, sqlite3_stmt *stmt, struct err *err)
{
    if (report->n_groups == REPORT_MAX_GROUPS)
        return err_set(err, ERR_LIMIT, "the bill has over %d groups; ask for a shorter time with --since",
                       REPORT_MAX_GROUPS);
    if (report->n_groups == *cap) {
        int64_t grown = *cap ? *cap * 2 : 16;
        struct report_group *groups = reallocarray(report->groups, (size_t)grown, sizeof *groups);
        if (!groups)
            return err_nomem(err, "the bill");
        report->groups = groups;
        *cap = grown;
    }
    struct report_group *g = &report->groups[report->n_groups++];
    ledger_text(g->name, sizeof g->name, str_of(db_text(stmt, 0)));
    g->sums = read_sums(stmt, 1);
    return true;
}

static bool read_groups(const struct reader *r, enum report_by by, struct ledger_report *report)
{
    char sql[REPORT_SQL_BYTES];
    sqlite3_stmt *stmt = NULL;
    int64_t cap = 0;
    int rc = 0;
    snprintf(sql, sizeof sql, "SELECT %s, " SUMS " FROM request WHERE " BILLED " GROUP BY 1 ORDER BY 1",
             groupings[by].expression);
    if (ask(r, sql, &stmt))
        while ((rc = db_step(&r->db, stmt, r->err)) == SQLITE_ROW)
            if (!add_group(report, &cap, stmt, r->err)) {
                rc = 0;
                break;
            }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE;
}

static bool read_outcomes(const struct reader *r, struct ledger_report *report)
{
    sqlite3_stmt *stmt = NULL;
    int rc = 0;
    if (ask(r, "SELECT outcome, count(*) FROM request WHERE wall_ms >= ? GROUP BY 1", &stmt))
        while ((rc = db_step(&r->db, stmt, r->err)) == SQLITE_ROW)
            for (int i = 0; i < LEDGER_OUTCOMES; i++)
                if (strcmp(db_text(stmt, 0), ledger_outcome_names[i]) == 0)
                    report->outcomes[i] = sqlite3_column_int64(stmt, 1);
    sqlite3_finalize(stmt);
    report->answered = report->outcomes[LEDGER_OK];
    return rc == SQLITE_DONE;
}

/* Tiers beyond the last place (a configuration renamed many times) share it. */
static bool read_tiers(const struct reader *r, struct ledger_report *report)
{
    sqlite3_stmt *stmt = NULL;
    int rc = 0;
    if (ask(r,
            "SELECT tier, min(tier_rank), count(*) FROM request WHERE wall_ms >= ? AND outcome = 'ok'"
            " GROUP BY 1 ORDER BY 2, 1",
            &stmt))
        while ((rc = db_step(&r->db, stmt, r->err)) == SQLITE_ROW) {
            bool full = report->n_tiers == REPORT_MAX_TIERS;
            struct report_tier *t = &report->tiers[full ? REPORT_MAX_TIERS - 1 : report->n_tiers++];
            ledger_text(t->tier, sizeof t->tier, full ? STR("(others)") : str_of(db_text(stmt, 0)));
            t->rank = sqlite3_column_int(stmt, 1);
            t->requests += sqlite3_column_int64(stmt, 2);
        }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE;
}

#define ANSWERED "FROM request WHERE wall_ms >= ?1 AND outcome = 'ok' AND local = ?2 AND ttft_us >= 0"

/* The value at `rank` (from 0) of the sorted times to first token; with rank -1 their number. */
static bool read_ttft(const struct reader *r, bool local, int64_t rank, int64_t *ret)
{
    sqlite3_stmt *stmt = NULL;
    const char *sql = rank < 0 ? "SELECT count(*) " ANSWERED
                               : "SELECT ttft_us " ANSWERED " ORDER BY ttft_us LIMIT 1 OFFSET ?3";
    bool ok = ask(r, sql, &stmt);
    if (ok) {
        sqlite3_bind_int(stmt, 2, local);
        if (rank >= 0)
            sqlite3_bind_int64(stmt, 3, rank);
        ok = db_step(&r->db, stmt, r->err) == SQLITE_ROW;
    }
    if (ok)
        *ret = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return ok;
}

static bool read_latency(const struct reader *r, bool local, struct report_latency *ret)
{
    *ret = (struct report_latency){.ttft_p50_us = -1, .ttft_p95_us = -1};
    if (!read_ttft(r, local, -1, &ret->requests))
        return false;
    if (ret->requests == 0)
        return true;
    return read_ttft(r, local, (ret->requests * 50 + 99) / 100 - 1, &ret->ttft_p50_us) &&
           read_ttft(r, local, (ret->requests * 95 + 99) / 100 - 1, &ret->ttft_p95_us);
}

static bool read_possibly_billed(const struct reader *r, struct ledger_report *report)
{
    sqlite3_stmt *stmt = NULL;
    bool ok =
        ask(r,
            "SELECT count(*), capped_sum(uncertain_pico_usd, iif(outcome = 'possibly_billed', cost_pico_usd, 0))"
            " FROM request WHERE wall_ms >= ?"
            " AND (uncertain_attempts > 0 OR outcome = 'possibly_billed')",
            &stmt) &&
        db_step(&r->db, stmt, r->err) == SQLITE_ROW;
    if (ok) {
        report->possibly_billed.requests = sqlite3_column_int64(stmt, 0);
        report->possibly_billed.pico_usd = sqlite3_column_int64(stmt, 1);
    }
    sqlite3_finalize(stmt);
    return ok;
}

bool report_read(const char *path, int64_t since_ms, enum report_by by, struct ledger_report **ret, struct err *err)
{
    struct reader r = {.since_ms = since_ms, .err = err};
    struct ledger_report *report = calloc(1, sizeof *report);
    bool ok = false;
    if (!report)
        return err_nomem(err, "the bill");
    report->since_ms = since_ms;
    if (!db_open(path, false, &r.db, err))
        goto out;
    ok = db_exec(&r.db, "BEGIN", err) && schema_readable(&r.db, err) && read_total(&r, report) &&
         read_groups(&r, by, report) && read_outcomes(&r, report) && read_tiers(&r, report) &&
         read_latency(&r, true, &report->local) && read_latency(&r, false, &report->upstream) &&
         read_possibly_billed(&r, report);
out:
    db_close(&r.db);
    if (!ok) {
        report_free(report);
        return false;
    }
    *ret = report;
    return true;
}

void report_free(struct ledger_report *r)
{
    if (!r)
        return;
    free(r->groups);
    free(r);
}

/* ---- a conversation ---- */
static struct report_turn read_turn(sqlite3_stmt *stmt)
{
    int64_t v[17];
    for (int i = 5; i < 17; i++)
        v[i] = sqlite3_column_int64(stmt, i);
    struct report_turn t = {
        .wall_ms = sqlite3_column_int64(stmt, 0), .local = v[5],
        .local_tokens = {.prompt = v[6], .cached = v[7], .completion = v[8], .reasoning = v[9]},
        .upstream_tokens = {.prompt = v[10], .cached = v[11], .cache_write = v[12], .completion = v[13],
                            .reasoning = v[14]},
        .cost_pico_usd = v[15], .uncertain_pico_usd = v[16], .frontier_pico_usd = sqlite3_column_int64(stmt, 17),
    };
    ledger_text(t.tier, sizeof t.tier, str_of(db_text(stmt, 1)));
    ledger_text(t.model, sizeof t.model, str_of(db_text(stmt, 2)));
    ledger_text(t.kind, sizeof t.kind, str_of(db_text(stmt, 3)));
    ledger_text(t.outcome, sizeof t.outcome, str_of(db_text(stmt, 4)));
    return t;
}

bool report_conversation(const char *where, uint64_t conversation,
                         bool (*on_turn)(void *ctx, const struct report_turn *t), void *ctx, struct err *err)
{
    static const char sql[] =
        "SELECT wall_ms, tier, model, kind, outcome, local, local_prompt, local_cached, local_completion,"
        " local_reasoning, upstream_prompt, upstream_cached, upstream_cache_write, upstream_completion,"
        " upstream_reasoning, cost_pico_usd, uncertain_pico_usd, frontier_pico_usd FROM request"
        " WHERE conversation = ? AND conversation <> 0 AND outcome NOT IN ('open', 'lost') ORDER BY wall_ms, id";
    struct db db;
    sqlite3_stmt *stmt = NULL;
    if (!db_open(where, false, &db, err))
        return false;
    bool ok = db_exec(&db, "BEGIN", err) && schema_readable(&db, err) && db_prepare(&db, sql, &stmt, err);
    if (ok) {
        struct db_binder b = db_bind(stmt);
        db_put_int(&b, (int64_t)conversation);
        int rc;
        while ((rc = db_step(&db, stmt, err)) == SQLITE_ROW) {
            struct report_turn t = read_turn(stmt);
            if (!on_turn(ctx, &t))
                break;
        }
        ok = rc != 0;
    }
    sqlite3_finalize(stmt);
    db_close(&db);
    return ok;
}
