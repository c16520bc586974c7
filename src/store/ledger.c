/* The ledger thread and the calls that reach it. Calls leave jobs in a list; the thread takes all there are, runs them
 * in one transaction and tells whoever waits. What a job writes is rows.c; the file and its owners are schema.c. */
#include "store/ledger.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "store/checkpoint.h"
#include "store/money.h"

#define RETRY_S 1   /* between tries, while the disk refuses rows that nobody waits for */

/* Between two passes 16 MiB of log (at 1000 requests a second about half a second); it begins anew at 64 MiB. */
static const struct checkpoint_limits checkpoint_limits = {.every = 4096, .restart = 16384, .ceiling = 32768};

enum job_kind { JOB_BEGIN, JOB_ATTEMPT, JOB_SETTLE, JOB_FLUSH };

struct job {
    enum job_kind kind;
    const struct ledger_row *row;                 /* begin, settle */
    const char *id, *tier, *model;                /* attempt */
    int64_t reserve_pico_usd, budget_pico_usd;
    bool owned; /* nobody waits: freed by the ledger thread, kept while the disk refuses */
    bool done, ok;
    struct err err;
    struct job *next;
};

/* A settled row nobody waits for. */
struct owned_job {
    struct job job;
    struct ledger_row row;
};

struct job_list {
    struct job *head, **tail;
    int n;
};

struct ledger {
    pthread_mutex_t lock;        /* guards everything down to `stopping` */
    pthread_cond_t wake;         /* for the ledger thread: jobs, or the end */
    pthread_cond_t answered;     /* for callers: some job is done, there is room */
    struct job_list queue;
    int64_t month_pico_usd;      /* spent + reserved, as of the last commit */
    bool stopping;
    pthread_t thread;
    struct rows rows;            /* the ledger thread's alone */
    struct checkpointer *checkpointer;
};

static void list_init(struct job_list *list)
{
    *list = (struct job_list){.tail = &list->head};
}

static void list_add(struct job_list *list, struct job *job)
{
    job->next = NULL;
    *list->tail = job;
    list->tail = &job->next;
    list->n++;
}

static struct job *list_take(struct job_list *list)
{
    struct job *job = list->head;
    if (!job)
        return NULL;
    list->head = job->next;
    if (!list->head)
        list->tail = &list->head;
    list->n--;
    return job;
}

/* ---- the ledger thread ---- */
static bool run_job(struct rows *rows, struct job *job, struct err *err)
{
    bool refused = false, whole = true;
    switch (job->kind) {
    case JOB_BEGIN:
        whole = rows_begin(rows, job->row, &refused, &job->err);
        break;
    case JOB_ATTEMPT:
        whole = rows_announce(rows, job->id, job->tier, job->model, job->reserve_pico_usd, job->budget_pico_usd,
                              &refused, &job->err);
        break;
    case JOB_SETTLE:
        whole = rows_settle(rows, job->row, &job->err);
        break;
    case JOB_FLUSH:
        break;
    }
    job->ok = !refused;
    if (!whole)
        *err = job->err;
    return whole;
}

/* All or none: on failure no job has left a trace. */
static bool run_batch(struct ledger *l, struct job_list *batch, struct err *err)
{
    if (!rows_transaction(&l->rows, err))
        return false;
    for (struct job *job = batch->head; job; job = job->next)
        if (!run_job(&l->rows, job, err)) {
            rows_rollback(&l->rows);
            return false;
        }
    return rows_commit(&l->rows, err);
}

/* Under the lock. Jobs that somebody waits for get their answer; of the others the committed ones go, the refused ones
 * come back, before what was queued meanwhile. */
static void answer_batch(struct ledger *l, struct job_list *batch, bool committed, const struct err *failure)
{
    struct job_list kept;
    list_init(&kept);
    for (struct job *job; (job = list_take(batch));) {
        if (job->owned && committed) {
            free(job);
        } else if (job->owned) {
            list_add(&kept, job);
        } else {
            if (!committed) {
                job->ok = false;
                job->err = *failure;
            }
            job->done = true;
        }
    }
    if (kept.n) {
        for (struct job *job; (job = list_take(&l->queue));)
            list_add(&kept, job);
        l->queue = kept;
    }
    l->month_pico_usd = money_add(l->rows.month.spent_pico_usd, l->rows.month.reserved_pico_usd);
    pthread_cond_broadcast(&l->answered);
}

/* Under the lock: until there is work. After a failure what was kept waits a while, unless something new comes. */
static void wait_for_work(struct ledger *l, bool failed)
{
    int before = l->queue.n;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += RETRY_S;
    while (!l->stopping && (failed ? l->queue.n == before : l->queue.n == 0)) {
        if (!failed || before == 0)
            pthread_cond_wait(&l->wake, &l->lock);
        else if (pthread_cond_timedwait(&l->wake, &l->lock, &until) == ETIMEDOUT)
            return;
    }
}

static void give_up(struct ledger *l, const struct err *failure)
{
    if (l->queue.n)
        log_error("%d settled rows could not be written to the ledger: %s", l->queue.n, failure->msg);
    for (struct job *job; (job = list_take(&l->queue));)
        free(job); /* nobody can be waiting: the ledger is being closed */
}

static void *ledger_main(void *arg)
{
    struct ledger *l = arg;
    bool failed = false;
    pthread_mutex_lock(&l->lock);
    for (;;) {
        wait_for_work(l, failed);
        if (!l->queue.n)
            break; /* stopping, and all is written */
        struct job_list batch;
        struct err err = ERR_INIT;
        bool last = l->stopping;
        list_init(&batch);
        for (struct job *job; (job = list_take(&l->queue));)
            list_add(&batch, job);
        pthread_mutex_unlock(&l->lock);
        checkpointer_make_room(l->checkpointer, l->rows.wal_pages);
        bool committed = run_batch(l, &batch, &err);
        if (!committed && !failed)
            log_error("%s", err.msg);
        failed = !committed;
        pthread_mutex_lock(&l->lock);
        answer_batch(l, &batch, committed, &err);
        if (failed && last) {
            give_up(l, &err);
            break;
        }
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* ---- calls ---- */
/* Queue a job that lives on the caller's stack and wait for its answer. */
static bool ask(struct ledger *l, struct job *job, bool wait_for_room, struct err *err)
{
    pthread_mutex_lock(&l->lock);
    while (wait_for_room && l->queue.n >= LEDGER_QUEUE_MAX)
        pthread_cond_wait(&l->answered, &l->lock);
    if (l->queue.n >= LEDGER_QUEUE_MAX) {
        pthread_mutex_unlock(&l->lock);
        return err_set(err, ERR_BUSY, "%d rows wait for the ledger's disk; try again later", LEDGER_QUEUE_MAX);
    }
    list_add(&l->queue, job);
    pthread_cond_signal(&l->wake);
    while (!job->done)
        pthread_cond_wait(&l->answered, &l->lock);
    pthread_mutex_unlock(&l->lock);
    if (!job->ok && err)
        *err = job->err;
    return job->ok;
}

static bool check_row(const struct ledger_row *row, bool settled, struct err *err)
{
    if (!row->id[0])
        return err_set(err, ERR_INTERNAL, "a ledger row has no id");
    if (!settled)
        return true;
    if (row->outcome <= LEDGER_OPEN || row->outcome >= LEDGER_OUTCOMES || row->n_attempts < 0 ||
        row->n_attempts > LEDGER_MAX_ATTEMPTS)
        return err_set(err, ERR_INTERNAL, "ledger row %s has no outcome, or more attempts than %d", row->id,
                       LEDGER_MAX_ATTEMPTS);
    for (int i = 0; i < row->n_attempts; i++)
        if (row->attempts[i].outcome >= LEDGER_ATTEMPT_ANNOUNCED || row->attempts[i].cost_pico_usd < 0)
            return err_set(err, ERR_INTERNAL, "attempt %d of ledger row %s is not settled", i, row->id);
    return true;
}

bool ledger_begin(struct ledger *l, const struct ledger_row *row, struct err *err)
{
    struct job job = {.kind = JOB_BEGIN, .row = row, .err = ERR_INIT};
    return check_row(row, false, err) && ask(l, &job, false, err);
}

bool ledger_attempt(struct ledger *l, const char *id, const char *tier, const char *model, int64_t reserve_pico_usd,
                    int64_t budget_pico_usd, struct err *err)
{
    struct job job = {
        .kind = JOB_ATTEMPT, .id = id, .tier = tier, .model = model, .reserve_pico_usd = reserve_pico_usd,
        .budget_pico_usd = budget_pico_usd, .err = ERR_INIT,
    };
    if (reserve_pico_usd < 0)
        return err_set(err, ERR_INTERNAL, "request %s sets aside less than nothing", id);
    return ask(l, &job, false, err);
}

bool ledger_settle(struct ledger *l, const struct ledger_row *row, bool wait, struct err *err)
{
    if (!check_row(row, true, err))
        return false;
    if (wait) {
        struct job job = {.kind = JOB_SETTLE, .row = row, .err = ERR_INIT};
        return ask(l, &job, true, err);
    }
    struct owned_job *owned = calloc(1, sizeof *owned);
    if (!owned)
        return err_nomem(err, "a ledger row");
    owned->row = *row;
    owned->job = (struct job){.kind = JOB_SETTLE, .row = &owned->row, .owned = true, .err = ERR_INIT};
    pthread_mutex_lock(&l->lock);
    while (l->queue.n >= LEDGER_QUEUE_MAX)
        pthread_cond_wait(&l->answered, &l->lock);
    list_add(&l->queue, &owned->job);
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
    return true;
}

bool ledger_flush(struct ledger *l, struct err *err)
{
    struct job job = {.kind = JOB_FLUSH, .err = ERR_INIT};
    return ask(l, &job, true, err);
}

int64_t ledger_spent(struct ledger *l)
{
    pthread_mutex_lock(&l->lock);
    int64_t spent = l->month_pico_usd;
    pthread_mutex_unlock(&l->lock);
    return spent;
}

/* ---- life ---- */
bool ledger_default_path(char *buf, size_t size, struct err *err)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    int n;
    if (data && data[0] == '/')
        n = snprintf(buf, size, "%s/rung/ledger.db", data);
    else if (home && home[0] == '/')
        n = snprintf(buf, size, "%s/.local/share/rung/ledger.db", home);
    else
        return err_set(err, ERR_NOT_FOUND, "HOME is not set; say where the ledger is with `ledger: {path: ...}`");
    return n < (int)size || err_set(err, ERR_LIMIT, "the path of the ledger is longer than %zu bytes", size - 1);
}

static bool start(struct ledger *l, struct err *err)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->wake, &monotonic);
    pthread_cond_init(&l->answered, NULL);
    pthread_condattr_destroy(&monotonic);
    list_init(&l->queue);
    l->month_pico_usd = money_add(l->rows.month.spent_pico_usd, l->rows.month.reserved_pico_usd);
    errno = pthread_create(&l->thread, NULL, ledger_main, l);
    return errno == 0 || err_errno(err, ERR_IO, "cannot start the ledger thread");
}

bool ledger_open(const char *path, const struct ledger_options *o, struct ledger **ret, struct err *err)
{
    struct ledger *l = calloc(1, sizeof *l);
    if (!l)
        return err_nomem(err, "the ledger");
    if (!rows_open(path, o->power, &l->rows, err)) {
        free(l);
        return false;
    }
    if (!checkpointer_start(&l->rows, checkpoint_limits, &l->checkpointer, err) || !start(l, err)) {
        checkpointer_stop(l->checkpointer);
        rows_close(&l->rows);
        free(l);
        return false;
    }
    *ret = l;
    return true;
}

void ledger_close(struct ledger *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->stopping = true;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
    checkpointer_stop(l->checkpointer);
    rows_close(&l->rows);
    pthread_cond_destroy(&l->wake);
    pthread_cond_destroy(&l->answered);
    pthread_mutex_destroy(&l->lock);
    free(l);
}
