/* The counters of a batch in memory: read once, changed by many jobs, written once. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "store/batch/batch_private.h"
#include "store/money.h"

#define CELLS_KEPT 1024   /* a list that was longer gives its memory back */
#define RATE_KEEP_MIN 2   /* minutes that a window can still reach */

void *cell_of(struct batch *b, struct cell_list *list, const char *name, size_t size, bool *ret_new)
{
    int32_t at;
    *ret_new = false;
    if (strmap_get(&list->by_name, str_of(name), &at))
        return list->cells[at];
    if (list->n == list->cap) {
        int32_t cap = list->cap ? list->cap * 2 : 64;
        void **cells = reallocarray(list->cells, (size_t)cap, sizeof *cells);
        if (!cells)
            return NULL;
        list->cells = cells;
        list->cap = cap;
    }
    void *cell = arena_alloc(&b->arena, size);
    struct str kept = arena_str(&b->arena, str_of(name));
    if (!cell || !kept.p || !strmap_put(&list->by_name, kept, list->n, NULL))
        return NULL;
    list->cells[list->n++] = cell;
    *ret_new = true;
    return cell;
}

void cells_forget(struct cell_list *list)
{
    if (list->n > CELLS_KEPT)
        cells_free(list);
    strmap_clear(&list->by_name);
    list->n = 0;
}

void cells_free(struct cell_list *list)
{
    strmap_free(&list->by_name);
    free(list->cells);
    *list = (struct cell_list){0};
}

static void spend_read(void *cell, const struct sql_row *row)
{
    struct spend_cell *c = cell;
    c->spent = sql_number(row, 0);
    c->reserved = sql_number(row, 1);
}

static bool want_spend(struct batch *b, const char *key, const char *period, struct spend_cell **ret, struct err *err)
{
    char name[KEY_ID_BYTES + DAY_TEXT + 1];
    bool fresh;
    snprintf(name, sizeof name, "%s %s", period, key);
    struct spend_cell *c = cell_of(b, &b->spends, name, sizeof *c, &fresh);
    if (!c)
        return err_nomem(err, "the ledger");
    *ret = c;
    if (!fresh)
        return true;
    c->key = arena_strdup(&b->arena, str_of(key));
    c->period = arena_strdup(&b->arena, str_of(period));
    if (!c->key || !c->period)
        return err_nomem(err, "the ledger");
    return sql_send(b->sql, SQL_SPEND_GET, SQL_VALUES(sql_of_text(c->key), sql_of_text(c->period)), spend_read, c, err);
}

bool spend_want(struct batch *b, const char *key, int64_t wall_ms, struct spend_cells *ret, struct err *err)
{
    char day[DAY_TEXT], month[DAY_TEXT];
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    strftime(day, sizeof day, "%Y-%m-%d", &tm);
    strftime(month, sizeof month, "%Y-%m", &tm);
    *ret = (struct spend_cells){0};
    return want_spend(b, "", month, &ret->month, err) &&
           (!key[0] ||
            (want_spend(b, key, day, &ret->key_day, err) && want_spend(b, key, month, &ret->key_month, err)));
}

/* What is taken away may be less than it was because a sum stopped at the largest number. */
static int64_t moved(int64_t value, int64_t by)
{
    if (by >= 0)
        return money_add(value, by);
    return value + by > 0 ? value + by : 0;
}

void spend_add(const struct spend_cells *c, int64_t spent, int64_t reserved)
{
    struct spend_cell *cells[] = {c->month, c->key_day, c->key_month};
    for (int i = 0; i < 3 && cells[i]; i++) {
        cells[i]->spent = moved(cells[i]->spent, spent);
        cells[i]->reserved = moved(cells[i]->reserved, reserved);
        cells[i]->dirty = true;
    }
}

static void rate_read(void *cell, const struct sql_row *row)
{
    struct rate_cell *c = cell;
    c->requests = sql_number(row, 0);
    c->tokens = sql_number(row, 1);
    c->found = true;
}

static bool want_rate(struct batch *b, const char *key, int64_t minute, struct rate_cell **ret, struct err *err)
{
    char name[KEY_ID_BYTES + 24];
    bool fresh;
    snprintf(name, sizeof name, "%" PRId64 " %s", minute, key);
    struct rate_cell *c = cell_of(b, &b->rates, name, sizeof *c, &fresh);
    if (!c)
        return err_nomem(err, "the ledger");
    *ret = c;
    if (!fresh)
        return true;
    c->minute = minute;
    c->key = arena_strdup(&b->arena, str_of(key));
    if (!c->key)
        return err_nomem(err, "the ledger");
    return sql_send(b->sql, SQL_RATE_GET, SQL_VALUES(sql_of_text(c->key), sql_of_int(minute)), rate_read, c, err);
}

bool rate_want(struct batch *b, const char *key, int64_t minute, struct rate_cells *ret, struct err *err)
{
    *ret = (struct rate_cells){0};
    return !key[0] ||
           (want_rate(b, key, minute, &ret->now, err) && want_rate(b, key, minute - 1, &ret->before, err));
}

/* The first use of a key in a minute is also when its old minutes go and its last use is noted. */
static bool put_rate(struct batch *b, const struct rate_cell *c, struct err *err)
{
    struct sql_value key = sql_of_text(c->key);
    if (!sql_send(b->sql, SQL_RATE_PUT,
                  SQL_VALUES(key, sql_of_int(c->minute), sql_of_int(c->requests), sql_of_int(c->tokens)), NULL, NULL,
                  err))
        return false;
    return c->found ||
           (sql_send(b->sql, SQL_RATES_FORGET, SQL_VALUES(key, sql_of_int(c->minute - RATE_KEEP_MIN)), NULL, NULL,
                     err) &&
            sql_send(b->sql, SQL_KEY_USED, SQL_VALUES(sql_of_int(c->minute * 60000), key), NULL, NULL, err));
}

bool cells_put(struct batch *b, struct err *err)
{
    for (int32_t i = 0; i < b->spends.n; i++) {
        const struct spend_cell *c = b->spends.cells[i];
        if (c->dirty && !sql_send(b->sql, SQL_SPEND_PUT,
                                  SQL_VALUES(sql_of_text(c->key), sql_of_text(c->period), sql_of_int(c->spent),
                                             sql_of_int(c->reserved)),
                                  NULL, NULL, err))
            return false;
    }
    for (int32_t i = 0; i < b->rates.n; i++) {
        const struct rate_cell *c = b->rates.cells[i];
        if (c->dirty && !put_rate(b, c, err))
            return false;
    }
    return true;
}
