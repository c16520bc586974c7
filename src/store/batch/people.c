/* Keys in the store: made, found, listed, revoked, and what they have used. Rare next to requests, but for finding. */
#include <stdlib.h>

#include "store/batch/batch_private.h"

#define MINUTE_MS 60000

static void read_key(const struct sql_row *row, struct key_record *k)
{
    *k = (struct key_record){
        .limits = {.requests_per_min = sql_number(row, 7), .tokens_per_min = sql_number(row, 8),
                   .budget_day_pico_usd = sql_number(row, 9), .budget_month_pico_usd = sql_number(row, 10)},
        .created_ms = sql_number(row, 11), .expires_ms = sql_number(row, 12), .revoked_ms = sql_number(row, 13),
        .last_used_ms = sql_number(row, 14),
    };
    ledger_text(k->id, sizeof k->id, str_of(sql_text(row, 0)));
    ledger_text(k->name, sizeof k->name, str_of(sql_text(row, 1)));
    ledger_text(k->prefix, sizeof k->prefix, str_of(sql_text(row, 2)));
    ledger_text(k->models, sizeof k->models, str_of(sql_text(row, 3)));
    ledger_text(k->tiers, sizeof k->tiers, str_of(sql_text(row, 4)));
    ledger_text(k->privacy, sizeof k->privacy, str_of(sql_text(row, 5)));
    ledger_text(k->rights, sizeof k->rights, str_of(sql_text(row, 6)));
}

/* The first of several rows is the answer. */
static void take_key(void *ctx, const struct sql_row *row)
{
    struct job *job = ctx;
    if (!job->key->id[0])
        read_key(row, job->key);
}

bool people_find(struct batch *b, struct job *job, struct err *err)
{
    job->key->id[0] = '\0';
    return sql_send(b->sql, SQL_KEY_FIND, SQL_VALUES(sql_of_text(job->text)), take_key, job, err);
}

static void judge_found(const struct batch *b, struct job *job)
{
    const struct key_record *k = job->key;
    job->ok = k->id[0] && !k->revoked_ms && (!k->expires_ms || k->expires_ms > b->sql->now_ms);
    if (!job->ok)
        err_set(&job->err, ERR_NOT_FOUND, "this key is not known, or was revoked, or has expired");
}

/* ---- making and revoking ---- */
static void read_clash(void *ctx, const struct sql_row *row)
{
    struct job *job = ctx;
    job->ok = false;
    if (sql_number(row, 0))
        err_set(&job->err, ERR_INVALID, "a key of this id or secret exists already");
    else
        err_set(&job->err, ERR_INVALID, "a key named %s exists already; choose another name, or revoke that one",
                job->key->name);
}

static bool create(struct batch *b, struct job *job, struct err *err)
{
    struct key_record *k = job->key;
    job->ok = true;
    if (!sql_send(b->sql, SQL_KEY_CLASH, SQL_VALUES(sql_of_text(k->id), sql_of_text(job->text), sql_of_text(k->name)),
                  read_clash, job, err) ||
        !b->sql->backend->sync(b->sql, err))
        return false;
    return !job->ok ||
           sql_send(b->sql, SQL_KEY_ADD,
                    SQL_VALUES(sql_of_text(k->id), sql_of_text(k->name), sql_of_text(k->prefix),
                               sql_of_text(k->models), sql_of_text(k->tiers), sql_of_text(k->privacy),
                               sql_of_text(k->rights), sql_of_int(k->limits.requests_per_min),
                               sql_of_int(k->limits.tokens_per_min), sql_of_int(k->limits.budget_day_pico_usd),
                               sql_of_int(k->limits.budget_month_pico_usd), sql_of_int(b->sql->now_ms),
                               sql_of_int(k->expires_ms), sql_of_text(job->text)),
                    NULL, NULL, err);
}

static bool revoke(struct batch *b, struct job *job, struct err *err)
{
    struct key_record *k = job->key;
    k->id[0] = '\0';
    if (!sql_send(b->sql, SQL_KEY_NAMED, SQL_VALUES(sql_of_text(job->text)), take_key, job, err) ||
        !b->sql->backend->sync(b->sql, err))
        return false;
    job->ok = k->id[0];
    if (!job->ok) {
        err_set(&job->err, ERR_NOT_FOUND, "there is no key %s; `rung key list` shows all", job->text);
        return true;
    }
    if (k->revoked_ms)
        return true;
    k->revoked_ms = b->sql->now_ms;
    return sql_send(b->sql, SQL_KEY_REVOKE, SQL_VALUES(sql_of_int(k->revoked_ms), sql_of_text(k->id)), NULL, NULL, err);
}

/* ---- looking ---- */
static void read_number(void *ctx, const struct sql_row *row)
{
    ((struct job *)ctx)->number = sql_number(row, 0);
}

static void list_key(void *ctx, const struct sql_row *row)
{
    struct key_list *list = ctx;
    if (list->n == list->cap) {
        int64_t cap = list->cap ? list->cap * 2 : 16;
        struct key_record *keys = reallocarray(list->keys, (size_t)cap, sizeof *keys);
        if (!keys) {
            list->failed = true;
            return;
        }
        list->keys = keys;
        list->cap = cap;
    }
    read_key(row, &list->keys[list->n++]);
}

static bool usage(struct batch *b, struct job *job, struct err *err)
{
    struct spend_cells spend;
    struct rate_cells rate;
    int64_t now_ms = b->sql->now_ms;
    if (!spend_want(b, job->text, now_ms, &spend, err) ||
        !rate_want(b, job->text, now_ms / MINUTE_MS, &rate, err) || !b->sql->backend->sync(b->sql, err))
        return false;
    *job->usage = (struct key_usage){
        .day_spent_pico_usd = spend.key_day->spent, .day_reserved_pico_usd = spend.key_day->reserved,
        .month_spent_pico_usd = spend.key_month->spent, .month_reserved_pico_usd = spend.key_month->reserved,
        .minute_requests = limits_window(rate.before->requests, rate.now->requests, now_ms),
        .minute_tokens = limits_window(rate.before->tokens, rate.now->tokens, now_ms),
    };
    return true;
}

bool people_run(struct batch *b, struct job *job, struct err *err)
{
    job->ok = true;
    switch (job->kind) {
    case JOB_KEY_CREATE:
        return create(b, job, err);
    case JOB_KEY_REVOKE:
        return revoke(b, job, err);
    case JOB_KEY_FIND:
        judge_found(b, job);
        return true;
    case JOB_KEYS_ANY:
        return sql_send(b->sql, SQL_KEYS_ANY, NULL, 0, read_number, job, err);
    case JOB_KEYS_LIST:
        job->list->n = 0;
        return sql_send(b->sql, SQL_KEYS_LIST, SQL_VALUES(sql_of_int(KEYS_MAX)), list_key, job->list, err) &&
               b->sql->backend->sync(b->sql, err) && (!job->list->failed || err_nomem(err, "the list of keys"));
    case JOB_KEY_USAGE:
        return usage(b, job, err);
    default:
        return true;
    }
}
