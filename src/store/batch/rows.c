/* A request's row: begun, announced, settled, and moved to the dead; and what that does to the counters of its key. */
#include <math.h>
#include <stdio.h>

#include "store/batch/batch_private.h"
#include "store/money.h"

#define MINUTE_MS 60000

void row_read(void *state, const struct sql_row *row)
{
    struct row_state *s = state;
    s->found = true;
    ledger_text(s->id, sizeof s->id, str_of(sql_text(row, 0)));
    s->open = strcmp(sql_text(row, 1), ledger_outcome_names[LEDGER_OPEN]) == 0;
    s->wall_ms = sql_number(row, 2);
    ledger_text(s->key, sizeof s->key, str_of(sql_text(row, 3)));
    s->reserved_pico_usd = sql_number(row, 4);
    s->reserved_tokens = sql_number(row, 5);
    s->reserved_minute = sql_number(row, 6);
    s->announced = sql_number(row, 7);
    s->buried = sql_number(row, 8) != 0;
    s->uncertain_pico_usd = sql_number(row, 9);
    s->owner = sql_number(row, 10);
}

bool row_want(struct batch *b, const char *id, struct row_state **ret, struct err *err)
{
    bool fresh;
    struct row_state *s = cell_of(b, &b->rows, id, sizeof *s, &fresh);
    if (!s)
        return err_nomem(err, "the ledger");
    *ret = s;
    if (!fresh)
        return true;
    ledger_text(s->id, sizeof s->id, str_of(id));
    return sql_send(b->sql, SQL_ROW_FIND, SQL_VALUES(sql_of_text(s->id)), row_read, s, err);
}

/* The counters were asked for when the batch began: what is asked for again is there. */
static bool counters_of(struct batch *b, const struct row_state *s, struct spend_cells *spend, struct rate_cells *rate,
                        struct err *err)
{
    return spend_want(b, s->key, s->wall_ms, spend, err) &&
           rate_want(b, s->key, b->sql->now_ms / MINUTE_MS, rate, err);
}

static bool insert_open(struct batch *b, const struct ledger_row *row, struct row_state *s, struct err *err)
{
    s->found = s->open = true;
    s->owner = b->sql->owner;
    return sql_send(b->sql, SQL_ROW_BEGIN,
                    SQL_VALUES(sql_of_text(row->id), sql_of_int(b->sql->owner), sql_of_int(s->wall_ms),
                               sql_of_text(row->kind), sql_of_text(row->model_asked), sql_of_text(row->privacy),
                               sql_of_int((int64_t)row->conversation), sql_of_text(row->key),
                               sql_of_int(s->reserved_pico_usd), sql_of_int(s->reserved_tokens),
                               sql_of_int(s->reserved_minute), sql_of_int(s->announced)),
                    NULL, NULL, err);
}

/* In memory: what goes with the row is written with it. */
static void set_aside(struct row_state *s, const struct ledger_reservation *r, const struct spend_cells *spend,
                      const struct rate_cells *rate)
{
    spend_add(spend, 0, r->pico_usd);
    if (rate->now && r->tokens) {
        rate->now->tokens = money_add(rate->now->tokens, r->tokens);
        rate->now->dirty = true;
        s->reserved_minute = rate->now->minute;
    }
    s->reserved_pico_usd = money_add(s->reserved_pico_usd, r->pico_usd);
    s->reserved_tokens = money_add(s->reserved_tokens, r->tokens);
    s->announced++;
}

static bool insert_announced(struct batch *b, const struct row_state *s, const struct ledger_reservation *r,
                             struct err *err)
{
    return sql_send(b->sql, SQL_ATTEMPT_ANNOUNCE,
                    SQL_VALUES(sql_of_text(s->id), sql_of_int(s->announced - 1), sql_of_text(r->tier),
                               sql_of_text(r->model), sql_of_text(r->upstream ? r->upstream : ""),
                               sql_of_int(r->pico_usd)),
                    NULL, NULL, err);
}

bool row_begin(struct batch *b, struct job *job, struct err *err)
{
    const struct ledger_reservation *first = job->reservation;
    struct row_state *s = job->state;
    struct spend_cells spend;
    struct rate_cells rate;
    job->ok = false;
    if (s->found) {
        err_set(&job->err, ERR_INVALID, "request %s is in the ledger already", s->id);
        return true;
    }
    if (!counters_of(b, s, &spend, &rate, err))
        return false;
    if (job->limits && rate.now && !limits_allow_request(&rate, job->limits, b->sql->now_ms, &job->verdict, &job->err))
        return true;
    if (rate.now) {
        rate.now->requests++;
        rate.now->dirty = true;
    }
    job->ok = true;
    if (first && limits_allow_reservation(&spend, &rate, first, b->sql->now_ms, &job->verdict, NULL)) {
        set_aside(s, first, &spend, &rate);
        job->verdict.reserved = true;
    }
    return insert_open(b, job->row, s, err) && (!job->verdict.reserved || insert_announced(b, s, first, err));
}

/* One's own row that another took for a dead one's: it goes on where it was. */
static bool revive(struct batch *b, struct row_state *s, const struct spend_cells *spend, struct err *err)
{
    spend_add(spend, -s->uncertain_pico_usd, s->uncertain_pico_usd);
    s->reserved_pico_usd = s->uncertain_pico_usd;
    s->uncertain_pico_usd = 0;
    s->open = true;
    s->buried = false;
    return sql_send(b->sql, SQL_ROW_REVIVE, SQL_VALUES(sql_of_int(s->reserved_pico_usd), sql_of_text(s->id)), NULL,
                    NULL, err) &&
           sql_send(b->sql, SQL_ATTEMPTS_REVIVE, SQL_VALUES(sql_of_text(s->id)), NULL, NULL, err);
}

bool row_announce(struct batch *b, struct job *job, struct err *err)
{
    struct row_state *s = job->state;
    struct spend_cells spend;
    struct rate_cells rate;
    job->ok = false;
    if (!s->open && !(s->buried && s->owner == b->sql->owner)) {
        err_set(&job->err, ERR_INVALID, "request %s is not open in the ledger", s->id);
        return true;
    }
    if (!counters_of(b, s, &spend, &rate, err) || (s->buried && !revive(b, s, &spend, err)))
        return false;
    if (!limits_allow_reservation(&spend, &rate, job->reservation, b->sql->now_ms, &job->verdict, &job->err))
        return true;
    set_aside(s, job->reservation, &spend, &rate);
    job->ok = job->verdict.reserved = true;
    return insert_announced(b, s, job->reservation, err) &&
           sql_send(b->sql, SQL_ROW_RESERVE,
                    SQL_VALUES(sql_of_int(s->reserved_pico_usd), sql_of_int(s->reserved_tokens),
                               sql_of_int(s->reserved_minute), sql_of_int(s->announced), sql_of_text(s->id)),
                    NULL, NULL, err);
}

/* ---- settling ---- */
/* What is not a number cannot be stored, and must not keep the row from being. */
static double known(double confidence)
{
    return isnan(confidence) ? -1 : confidence;
}

/* Each takes the place of the announced one of its number; those beyond the last go. */
static bool replace_attempts(struct batch *b, const struct ledger_row *row, const struct row_state *s, struct err *err)
{
    if (s->announced > row->n_attempts &&
        !sql_send(b->sql, SQL_ATTEMPTS_FORGET, SQL_VALUES(sql_of_text(row->id), sql_of_int(row->n_attempts)), NULL,
                  NULL, err))
        return false;
    for (int i = 0; i < row->n_attempts; i++) {
        const struct ledger_attempt *a = &row->attempts[i];
        const struct ledger_tokens *t = &a->tokens;
        if (!sql_send(b->sql, SQL_ATTEMPT_ADD,
                      SQL_VALUES(sql_of_text(row->id), sql_of_int(i), sql_of_text(a->tier), sql_of_text(a->model),
                                 sql_of_text(a->upstream), sql_of_int(a->local),
                                 sql_of_text(ledger_attempt_outcome_names[a->outcome]), sql_of_int(t->prompt),
                                 sql_of_int(t->cached), sql_of_int(t->cache_write), sql_of_int(t->completion),
                                 sql_of_int(t->reasoning), sql_of_int(a->cost_pico_usd), sql_of_int(a->ttft_us),
                                 sql_of_int(a->total_us), sql_of_real(known(a->confidence))),
                      NULL, NULL, err))
            return false;
    }
    return true;
}

static struct ledger_tokens sum_tokens(const struct ledger_row *row, bool local)
{
    struct ledger_tokens sum = {0};
    for (int i = 0; i < row->n_attempts; i++) {
        const struct ledger_tokens *t = &row->attempts[i].tokens;
        if (row->attempts[i].local != local)
            continue;
        sum.prompt = money_add(sum.prompt, t->prompt);
        sum.cached = money_add(sum.cached, t->cached);
        sum.cache_write = money_add(sum.cache_write, t->cache_write);
        sum.completion = money_add(sum.completion, t->completion);
        sum.reasoning = money_add(sum.reasoning, t->reasoning);
    }
    return sum;
}

static int uncertain_attempts(const struct ledger_row *row)
{
    int n = 0;
    for (int i = 0; i < row->n_attempts; i++)
        n += row->attempts[i].outcome == LEDGER_ATTEMPT_POSSIBLY_BILLED;
    return n;
}

static bool update_settled(struct batch *b, const struct ledger_row *row, struct err *err)
{
    struct ledger_tokens local = sum_tokens(row, true), up = sum_tokens(row, false);
    return sql_send(
        b->sql, SQL_ROW_SETTLE,
        SQL_VALUES(sql_of_text(row->tier_path), sql_of_text(row->tier), sql_of_int(row->tier_rank),
                   sql_of_text(row->model), sql_of_int(row->local), sql_of_text(row->reason),
                   sql_of_int(row->hold_us), sql_of_int(row->ttft_us), sql_of_int(row->total_us),
                   sql_of_real(known(row->confidence)), sql_of_int(local.prompt), sql_of_int(local.cached),
                   sql_of_int(local.completion), sql_of_int(local.reasoning), sql_of_int(up.prompt),
                   sql_of_int(up.cached), sql_of_int(up.cache_write), sql_of_int(up.completion),
                   sql_of_int(up.reasoning), sql_of_int(ledger_row_cost(row)), sql_of_int(ledger_row_uncertain(row)),
                   sql_of_int(uncertain_attempts(row)), sql_of_int(row->frontier_pico_usd),
                   sql_of_text(ledger_outcome_names[row->outcome]), sql_of_text(row->kind), sql_of_text(row->id)),
        NULL, NULL, err);
}

/* What was used takes the place of what was set aside; in a minute that no window reaches any more it is all one. */
static void correct_tokens(const struct row_state *s, const struct ledger_row *row, const struct rate_cells *rate)
{
    if (!rate->now)
        return;
    struct rate_cell *c = !s->reserved_tokens || s->reserved_minute == rate->now->minute ? rate->now
                          : s->reserved_minute == rate->before->minute                   ? rate->before
                                                                                         : NULL;
    struct ledger_tokens sums[] = {sum_tokens(row, true), sum_tokens(row, false)};
    int64_t used = 0;
    for (int i = 0; i < 2; i++)
        used = money_add(used, money_add(sums[i].prompt, money_add(sums[i].completion, sums[i].reasoning)));
    if (!c || used == s->reserved_tokens)
        return;
    int64_t tokens = money_add(c->tokens, used) - s->reserved_tokens;
    c->tokens = tokens > 0 ? tokens : 0;
    c->dirty = true;
}

bool row_settle(struct batch *b, struct job *job, struct err *err)
{
    const struct ledger_row *row = job->row;
    struct row_state *s = job->state;
    struct spend_cells spend;
    struct rate_cells rate;
    job->ok = true;
    if (s->found && !s->open && !s->buried)
        return true; /* settled before: once is enough */
    if ((!s->found && !insert_open(b, row, s, err)) || !counters_of(b, s, &spend, &rate, err) ||
        !replace_attempts(b, row, s, err) || !update_settled(b, row, err))
        return false;
    correct_tokens(s, row, &rate);
    if (s->buried) /* it lived after all; what was taken for spent goes */
        spend_add(&spend, -s->uncertain_pico_usd, 0);
    spend_add(&spend, money_add(ledger_row_cost(row), ledger_row_uncertain(row)), -s->reserved_pico_usd);
    s->open = s->buried = false;
    s->reserved_pico_usd = s->reserved_tokens = s->announced = 0;
    return true;
}

bool row_bury(struct batch *b, struct row_state *s, struct err *err)
{
    struct spend_cells spend;
    enum ledger_outcome outcome = s->announced ? LEDGER_POSSIBLY_BILLED : LEDGER_LOST;
    if (!spend_want(b, s->key, s->wall_ms, &spend, err) || !b->sql->backend->sync(b->sql, err))
        return false;
    spend_add(&spend, s->reserved_pico_usd, -s->reserved_pico_usd);
    s->uncertain_pico_usd = s->reserved_pico_usd;
    s->reserved_pico_usd = 0;
    s->open = false;
    s->buried = true;
    return sql_send(b->sql, SQL_ROW_BURY,
                    SQL_VALUES(sql_of_text(ledger_outcome_names[outcome]), sql_of_int(s->announced),
                               sql_of_int(s->uncertain_pico_usd), sql_of_text(s->id)),
                    NULL, NULL, err) &&
           sql_send(b->sql, SQL_ATTEMPTS_BURY, SQL_VALUES(sql_of_text(s->id)), NULL, NULL, err);
}
