/* The way of spans to the collector: written where the answer was made, queued, and sent in batches by a thread that
 * alone waits for the network. */
#include "gateway/trace/trace.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/queue.h"
#include "data/json.h"
#include "net/client.h"

#define SPANS_BYTES (64u << 10)          /* of one question */
#define BATCH_BYTES (1u << 20)
#define BATCH_QUESTIONS 256
#define GATHER_MS 1000                   /* how long the first of a batch waits for others */
#define SEND_TIMEOUT_MS 5000
#define CLOSE_MS 2000

static const char batch_head[] =
    "{\"resourceSpans\":[{\"resource\":{\"attributes\":["
    "{\"key\":\"service.name\",\"value\":{\"stringValue\":\"rung\"}},"
    "{\"key\":\"service.version\",\"value\":{\"stringValue\":\"" RUNG_VERSION "\"}}]},"
    "\"scopeSpans\":[{\"scope\":{\"name\":\"rung\",\"version\":\"" RUNG_VERSION "\"},\"spans\":[";
static const char batch_tail[] = "]}]}]}";

static atomic_llong sent, lost;

/* The spans of one question. */
struct note {
    int n;
    size_t size;
    char spans[];
};

struct tracer {
    char *endpoint, *authorization;
    bool own_machine;
    struct queue *queue;
    struct http_client *http;
    pthread_t thread;
    bool running, complained;
    atomic_llong stop_ms;                /* when to give up; 0: not yet asked to stop */
};

void tracer_counts(int64_t *ret_sent, int64_t *ret_lost)
{
    *ret_sent = atomic_load(&sent);
    *ret_lost = atomic_load(&lost);
}

/* ---- sending ---- */

static bool post(struct tracer *t, struct str body, struct err *err)
{
    const char *const headers[] = {"Content-Type: application/json", t->authorization, NULL};
    struct http_call_request call = {.method = "POST", .url = t->endpoint, .headers = headers, .body = body,
                                     .connect_timeout_ms = CLOSE_MS, .total_timeout_ms = SEND_TIMEOUT_MS};
    struct http_call *c;
    struct http_event ev = {0};
    int status = 0;
    bool ok = false;
    if (!http_call_start(t->http, &call, &c, err))
        return false;
    for (bool done = false; !done;) {
        long long stop_ms = atomic_load(&t->stop_ms);
        if (stop_ms && clock_ms() > stop_ms)
            break;
        if (!http_call_next(c, 100, &ev))
            continue;
        status = ev.kind == HTTP_HEAD ? ev.status : status;
        done = ev.kind == HTTP_DONE;
        ok = done && ev.ok && status >= 200 && status < 300;
    }
    if (!ok && ev.kind == HTTP_DONE && !ev.ok)
        *err = ev.err;
    else if (!ok)
        err_set(err, ERR_IO, "it answered HTTP %d", status);
    http_call_close(c);
    return ok;
}

/* Said once, until it works again: a collector that is away is no reason to fill the log. */
static void send_batch(struct tracer *t, struct buf *batch, int n)
{
    struct err err = ERR_INIT;
    buf_puts(batch, batch_tail);
    bool ok = buf_ok(batch) && post(t, buf_view(batch), &err);
    atomic_fetch_add(ok ? &sent : &lost, n);
    if (!ok && !t->complained)
        log_warn("traces do not arrive at %s: %s", t->endpoint, err.msg);
    t->complained = !ok;
}

static void add_note(struct buf *batch, const struct note *note)
{
    buf_puts(batch, batch->n ? "," : batch_head);
    buf_add(batch, note->spans, note->size);
}

/* note: the first of a batch, taken. */
static void gather(struct tracer *t, struct note *note)
{
    struct buf batch = BUF_INIT(BATCH_BYTES);
    int64_t until = clock_ms() + GATHER_MS;
    int n = 0;
    for (int i = 0; note; i++) {
        add_note(&batch, note);
        n += note->n;
        free(note);
        int64_t left_ms = until - clock_ms();
        bool full = i + 1 == BATCH_QUESTIONS || batch.n + SPANS_BYTES > BATCH_BYTES;
        note = full ? NULL : queue_pop(t->queue, left_ms > 0 ? left_ms : 0);
    }
    send_batch(t, &batch, n);
    buf_free(&batch);
}

static void *trace_main(void *arg)
{
    struct tracer *t = arg;
    struct note *note;
    while ((note = queue_pop(t->queue, -1)))
        gather(t, note);
    return NULL;
}

/* ---- opening and closing ---- */

bool tracer_open(const struct tracer_options *o, struct tracer **ret, struct err *err)
{
    struct tracer *t = calloc(1, sizeof *t);
    if (!t)
        return err_nomem(err, "the traces");
    t->own_machine = o->own_machine;
    t->endpoint = str_dup(str_of(o->endpoint));
    if (o->authorization && asprintf(&t->authorization, "Authorization: %s", o->authorization) < 0)
        t->authorization = NULL;
    bool ok = t->endpoint && (!o->authorization || t->authorization);
    if (!ok)
        err_nomem(err, "the traces");
    ok = ok && queue_open(TRACE_QUEUE, &t->queue, err) && http_client_open(&t->http, err);
    t->running = ok && pthread_create(&t->thread, NULL, trace_main, t) == 0;
    if (ok && !t->running)
        err_set(err, ERR_IO, "cannot start the thread that sends traces");
    if (!t->running) {
        tracer_close(t);
        return false;
    }
    *ret = t;
    return true;
}

void tracer_close(struct tracer *t)
{
    if (!t)
        return;
    atomic_store(&t->stop_ms, clock_ms() + CLOSE_MS);
    if (t->queue)
        queue_shut(t->queue);
    if (t->running)
        pthread_join(t->thread, NULL);
    if (t->http)
        http_client_close(t->http);
    if (t->queue)
        queue_close(t->queue);
    free(t->endpoint);
    free(t->authorization);
    free(t);
}

/* ---- a question ---- */

/* Without the brackets around it: a batch has them. */
static struct note *note_of(const struct config *c, const struct request *req, const struct reply *reply)
{
    struct buf spans = BUF_INIT(SPANS_BYTES);
    struct note *note = NULL;
    trace_write_spans(c, req, reply, &spans);
    if (buf_ok(&spans) && spans.n > 2 && (note = malloc(sizeof *note + spans.n))) {
        note->n = reply->n_attempts + 1;
        note->size = spans.n - 2;
        memcpy(note->spans, spans.p + 1, note->size);
    }
    buf_free(&spans);
    return note;
}

void tracer_note(struct tracer *t, const struct config *c, const struct request *req, const struct reply *reply)
{
    if (!t || !req->trace.sampled || (req->privacy == PRIVACY_LOCAL && !t->own_machine))
        return;
    struct note *note = note_of(c, req, reply);
    if (note && queue_push(t->queue, note))
        return;
    free(note);
    atomic_fetch_add(&lost, reply->n_attempts + 1);
}
