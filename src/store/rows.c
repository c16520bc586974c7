/* Rows in a transaction: begin, announce, settle, and this month's money kept beside them. When transactions happen is
 * the ledger thread's business (ledger.c). */
#include "store/rows.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "store/money.h"

static const char *const statements[STMT_COUNT] = {
    [STMT_BEGIN] = "INSERT INTO request (id, owner, wall_ms, kind, model_asked, privacy, conversation)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
    [STMT_FIND] = "SELECT outcome, wall_ms FROM request WHERE id = ?",
    [STMT_SETTLE] =
        "UPDATE request SET tier_path = ?, tier = ?, tier_rank = ?, model = ?, local = ?, reason = ?, hold_us = ?,"
        " ttft_us = ?, total_us = ?, confidence = ?, local_prompt = ?, local_cached = ?, local_completion = ?,"
        " local_reasoning = ?, upstream_prompt = ?, upstream_cached = ?, upstream_completion = ?,"
        " upstream_reasoning = ?, cost_pico_usd = ?, uncertain_pico_usd = ?, uncertain_attempts = ?,"
        " frontier_pico_usd = ?, outcome = ?, kind = ? WHERE id = ?",
    [STMT_ANNOUNCE] =
        "INSERT INTO attempt (request, n, tier, model, local, outcome, prompt, cached, completion, reasoning,"
        " cost_pico_usd, reserved_pico_usd, ttft_us, total_us, confidence)"
        " SELECT ?1, (SELECT ifnull(max(n) + 1, 0) FROM attempt WHERE request = ?1), ?2, ?3, 0, 'announced',"
        " 0, 0, 0, 0, 0, ?4, -1, -1, -1",
    [STMT_FORGET_ATTEMPTS] = "DELETE FROM attempt WHERE request = ?",
    [STMT_ADD_ATTEMPT] =
        "INSERT INTO attempt (request, n, tier, model, local, outcome, prompt, cached, completion, reasoning,"
        " cost_pico_usd, reserved_pico_usd, ttft_us, total_us, confidence)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?)",
    [STMT_RESERVED] =
        "SELECT capped_sum(reserved_pico_usd) FROM attempt WHERE request = ? AND outcome = 'announced'",
    [STMT_MONTH] =
        "SELECT capped_sum(cost_pico_usd, uncertain_pico_usd) FROM request WHERE wall_ms >= ? AND wall_ms < ?",
    [STMT_ALL_RESERVED] = "SELECT capped_sum(reserved_pico_usd) FROM attempt WHERE outcome = 'announced'",
    [STMT_DATA_VERSION] = "PRAGMA data_version",
};

/* Prepared when first needed, kept until rows_close. */
static bool use(struct rows *r, enum rows_stmt which, struct db_binder *ret, struct err *err)
{
    if (!r->stmts[which] && !db_prepare(&r->db, statements[which], &r->stmts[which], err))
        return false;
    *ret = db_bind(r->stmts[which]);
    return true;
}

/* Run to its end a statement that gives no rows. */
static bool run(const struct rows *r, struct db_binder *b, struct err *err)
{
    bool ok = db_step(&r->db, b->stmt, err) == SQLITE_DONE;
    sqlite3_reset(b->stmt);
    return ok;
}

/* The single number that a statement gives. */
static bool number(const struct rows *r, struct db_binder *b, int64_t *ret, struct err *err)
{
    bool ok = db_step(&r->db, b->stmt, err) == SQLITE_ROW;
    if (ok)
        *ret = sqlite3_column_int64(b->stmt, 0);
    sqlite3_reset(b->stmt);
    return ok;
}

/* ---- the month ---- */
static void month_of(int64_t wall_ms, int64_t *ret_from_ms, int64_t *ret_until_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm day;
    gmtime_r(&seconds, &day);
    struct tm first = {.tm_year = day.tm_year, .tm_mon = day.tm_mon, .tm_mday = 1};
    struct tm next = {.tm_year = day.tm_year, .tm_mon = day.tm_mon + 1, .tm_mday = 1};
    *ret_from_ms = (int64_t)timegm(&first) * 1000;
    *ret_until_ms = (int64_t)timegm(&next) * 1000;
}

static bool load_month(struct rows *r, int64_t now_ms, struct err *err)
{
    struct rows_month month;
    struct db_binder b;
    month_of(now_ms, &month.from_ms, &month.until_ms);
    if (!use(r, STMT_MONTH, &b, err))
        return false;
    db_put_int(&b, month.from_ms);
    db_put_int(&b, month.until_ms);
    if (!number(r, &b, &month.spent_pico_usd, err) || !use(r, STMT_ALL_RESERVED, &b, err) ||
        !number(r, &b, &month.reserved_pico_usd, err))
        return false;
    r->month = month;
    return true;
}

bool rows_transaction(struct rows *r, struct err *err)
{
    int64_t version, now_ms = clock_wall_ms();
    struct db_binder b;
    if (!db_exec(&r->db, "BEGIN IMMEDIATE", err))
        return false;
    if (!use(r, STMT_DATA_VERSION, &b, err) || !number(r, &b, &version, err))
        goto fail;
    bool stale = version != r->data_version || now_ms < r->month.from_ms || now_ms >= r->month.until_ms;
    if (stale && !load_month(r, now_ms, err))
        goto fail;
    r->data_version = version;
    r->before = r->month;
    return true;
fail:
    sqlite3_exec(r->db.handle, "ROLLBACK", NULL, NULL, NULL);
    return false;
}

bool rows_commit(struct rows *r, struct err *err)
{
    if (db_exec(&r->db, "COMMIT", err))
        return true;
    rows_rollback(r);
    return false;
}

void rows_rollback(struct rows *r)
{
    /* After some failures SQLite has rolled back by itself, and says so here; either way nothing is left. */
    sqlite3_exec(r->db.handle, "ROLLBACK", NULL, NULL, NULL);
    r->month = r->before;
}

/* ---- rows ---- */
static bool insert_open(struct rows *r, const struct ledger_row *row, struct err *err)
{
    struct db_binder b;
    if (!use(r, STMT_BEGIN, &b, err))
        return false;
    db_put_text(&b, row->id);
    db_put_int(&b, r->owner);
    db_put_int(&b, row->wall_ms ? row->wall_ms : clock_wall_ms());
    db_put_text(&b, row->kind);
    db_put_text(&b, row->model_asked);
    db_put_text(&b, row->privacy);
    db_put_int(&b, (int64_t)row->conversation);
    return run(r, &b, err);
}

bool rows_begin(struct rows *r, const struct ledger_row *row, bool *ret_refused, struct err *err)
{
    if (!insert_open(r, row, err))
        return false;
    *ret_refused = sqlite3_changes(r->db.handle) == 0;
    if (*ret_refused)
        err_set(err, ERR_INVALID, "request %s is in the ledger already", row->id);
    return true;
}

/* *ret_found false: there is no such row. */
static bool find(struct rows *r, const char *id, bool *ret_found, bool *ret_open, int64_t *ret_wall_ms, struct err *err)
{
    struct db_binder b;
    if (!use(r, STMT_FIND, &b, err))
        return false;
    db_put_text(&b, id);
    int rc = db_step(&r->db, b.stmt, err);
    *ret_found = rc == SQLITE_ROW;
    *ret_open = rc == SQLITE_ROW && strcmp(db_text(b.stmt, 0), ledger_outcome_names[LEDGER_OPEN]) == 0;
    *ret_wall_ms = rc == SQLITE_ROW ? sqlite3_column_int64(b.stmt, 1) : 0;
    sqlite3_reset(b.stmt);
    return rc != 0;
}

bool rows_announce(struct rows *r, const char *id, const char *tier, const char *model, int64_t reserve_pico_usd,
                   int64_t budget_pico_usd, bool *ret_refused, struct err *err)
{
    bool found, open;
    int64_t wall_ms;
    struct db_binder b;
    if (!find(r, id, &found, &open, &wall_ms, err))
        return false;
    *ret_refused = true;
    if (!open) {
        err_set(err, ERR_INVALID, "request %s is not open in the ledger", id);
        return true;
    }
    int64_t wanted = money_add(money_add(r->month.spent_pico_usd, r->month.reserved_pico_usd), reserve_pico_usd);
    if (budget_pico_usd != LEDGER_NO_BUDGET && wanted > budget_pico_usd) {
        char budget[MONEY_TEXT], would[MONEY_TEXT];
        err_set(err, ERR_LIMIT, "this call could bring the month to %s, over its budget of %s",
                money_format(wanted, would), money_format(budget_pico_usd, budget));
        return true;
    }
    if (!use(r, STMT_ANNOUNCE, &b, err))
        return false;
    db_put_text(&b, id);
    db_put_text(&b, tier);
    db_put_text(&b, model);
    db_put_int(&b, reserve_pico_usd);
    if (!run(r, &b, err))
        return false;
    r->month.reserved_pico_usd = money_add(r->month.reserved_pico_usd, reserve_pico_usd);
    *ret_refused = false;
    return true;
}

/* What is not a number cannot be stored, and must not keep the row from being. */
static double known(double confidence)
{
    return isnan(confidence) ? -1 : confidence;
}

static bool replace_attempts(struct rows *r, const struct ledger_row *row, struct err *err)
{
    struct db_binder b;
    if (!use(r, STMT_FORGET_ATTEMPTS, &b, err))
        return false;
    db_put_text(&b, row->id);
    if (!run(r, &b, err))
        return false;
    for (int i = 0; i < row->n_attempts; i++) {
        const struct ledger_attempt *a = &row->attempts[i];
        if (!use(r, STMT_ADD_ATTEMPT, &b, err))
            return false;
        db_put_text(&b, row->id);
        db_put_int(&b, i);
        db_put_text(&b, a->tier);
        db_put_text(&b, a->model);
        db_put_int(&b, a->local);
        db_put_text(&b, ledger_attempt_outcome_names[a->outcome]);
        db_put_int(&b, a->tokens.prompt);
        db_put_int(&b, a->tokens.cached);
        db_put_int(&b, a->tokens.completion);
        db_put_int(&b, a->tokens.reasoning);
        db_put_int(&b, a->cost_pico_usd);
        db_put_int(&b, a->ttft_us);
        db_put_int(&b, a->total_us);
        db_put_real(&b, known(a->confidence));
        if (!run(r, &b, err))
            return false;
    }
    return true;
}

static void put_tokens(struct db_binder *b, const struct ledger_row *row, bool local)
{
    struct ledger_tokens sum = {0};
    for (int i = 0; i < row->n_attempts; i++) {
        const struct ledger_tokens *t = &row->attempts[i].tokens;
        if (row->attempts[i].local != local)
            continue;
        sum.prompt = money_add(sum.prompt, t->prompt);
        sum.cached = money_add(sum.cached, t->cached);
        sum.completion = money_add(sum.completion, t->completion);
        sum.reasoning = money_add(sum.reasoning, t->reasoning);
    }
    db_put_int(b, sum.prompt);
    db_put_int(b, sum.cached);
    db_put_int(b, sum.completion);
    db_put_int(b, sum.reasoning);
}

static int uncertain_attempts(const struct ledger_row *row)
{
    int n = 0;
    for (int i = 0; i < row->n_attempts; i++)
        n += row->attempts[i].outcome == LEDGER_ATTEMPT_POSSIBLY_BILLED;
    return n;
}

static bool update_settled(struct rows *r, const struct ledger_row *row, struct err *err)
{
    struct db_binder b;
    if (!use(r, STMT_SETTLE, &b, err))
        return false;
    db_put_text(&b, row->tier_path);
    db_put_text(&b, row->tier);
    db_put_int(&b, row->tier_rank);
    db_put_text(&b, row->model);
    db_put_int(&b, row->local);
    db_put_text(&b, row->reason);
    db_put_int(&b, row->hold_us);
    db_put_int(&b, row->ttft_us);
    db_put_int(&b, row->total_us);
    db_put_real(&b, known(row->confidence));
    put_tokens(&b, row, true);
    put_tokens(&b, row, false);
    db_put_int(&b, ledger_row_cost(row));
    db_put_int(&b, ledger_row_uncertain(row));
    db_put_int(&b, uncertain_attempts(row));
    db_put_int(&b, row->frontier_pico_usd);
    db_put_text(&b, ledger_outcome_names[row->outcome]);
    db_put_text(&b, row->kind);
    db_put_text(&b, row->id);
    return run(r, &b, err);
}

bool rows_settle(struct rows *r, const struct ledger_row *row, struct err *err)
{
    bool found, open;
    int64_t wall_ms, reserved;
    struct db_binder b;
    if (!find(r, row->id, &found, &open, &wall_ms, err))
        return false;
    if (found && !open)
        return true; /* settled before: once is enough */
    if (!found && (!insert_open(r, row, err) || !find(r, row->id, &found, &open, &wall_ms, err)))
        return false;
    if (!use(r, STMT_RESERVED, &b, err))
        return false;
    db_put_text(&b, row->id);
    if (!number(r, &b, &reserved, err) || !replace_attempts(r, row, err) || !update_settled(r, row, err))
        return false;
    r->month.reserved_pico_usd -= reserved;
    if (wall_ms >= r->month.from_ms && wall_ms < r->month.until_ms)
        r->month.spent_pico_usd = money_add(r->month.spent_pico_usd,
                                            money_add(ledger_row_cost(row), ledger_row_uncertain(row)));
    return true;
}
