/* Writers that died: what they left open is settled by whoever notices. And this one shows that it lives. */
#include <stdlib.h>

#include "store/batch/batch_private.h"

#define OWNERS_MAX 256   /* a turn; the next one takes the rest */

struct owner_list {
    struct {
        int64_t id, beat_ms;
    } owners[OWNERS_MAX];
    int n;
};

struct open_rows {
    struct batch *batch;
    struct row_state **rows;
    int64_t n, cap;
    bool failed;
};

static void read_owner(void *ctx, const struct sql_row *row)
{
    struct owner_list *list = ctx;
    if (list->n == OWNERS_MAX)
        return;
    list->owners[list->n].id = sql_number(row, 0);
    list->owners[list->n++].beat_ms = sql_number(row, 1);
}

/* A row that this batch has seen is not asked for again: what the batch did to it is not in the store yet. */
static void read_open_row(void *ctx, const struct sql_row *row)
{
    struct open_rows *list = ctx;
    bool fresh;
    if (list->n == list->cap) {
        int64_t cap = list->cap ? list->cap * 2 : 64;
        struct row_state **rows = reallocarray(list->rows, (size_t)cap, sizeof *rows);
        if (!rows) {
            list->failed = true;
            return;
        }
        list->rows = rows;
        list->cap = cap;
    }
    struct row_state *s = cell_of(list->batch, &list->batch->rows, sql_text(row, 0), sizeof *s, &fresh);
    if (!s)
        list->failed = true;
    else if (fresh)
        row_read(s, row);
    if (s)
        list->rows[list->n++] = s;
}

static bool bury(struct batch *b, int64_t owner, struct err *err)
{
    struct open_rows list = {.batch = b};
    bool ok = sql_send(b->sql, SQL_OWNER_ROWS, SQL_VALUES(sql_of_int(owner)), read_open_row, &list, err) &&
              b->sql->backend->sync(b->sql, err);
    if (ok && list.failed)
        ok = err_nomem(err, "the ledger");
    for (int64_t i = 0; ok && i < list.n; i++)
        ok = !list.rows[i]->open || row_bury(b, list.rows[i], err);
    free(list.rows);
    return ok && sql_send(b->sql, SQL_OWNER_FORGET, SQL_VALUES(sql_of_int(owner)), NULL, NULL, err);
}

bool owners_bury(struct batch *b, struct err *err)
{
    struct owner_list list = {0};
    struct sql_value now = sql_of_int(b->sql->now_ms);
    if (!sql_send(b->sql, SQL_OWNERS, NULL, 0, read_owner, &list, err) || !b->sql->backend->sync(b->sql, err) ||
        !sql_send(b->sql, SQL_OWNER_BEAT, SQL_VALUES(sql_of_int(b->sql->owner), now, now), NULL, NULL, err))
        return false;
    for (int i = 0; i < list.n; i++)
        if (list.owners[i].id != b->sql->owner &&
            b->sql->backend->is_dead(b->sql, list.owners[i].id, list.owners[i].beat_ms) &&
            !bury(b, list.owners[i].id, err))
            return false;
    return true;
}
