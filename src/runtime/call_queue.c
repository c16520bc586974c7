/* A queue of deltas as one buffer: each is a record of fixed size and the bytes of its three texts. */
#include "runtime/call_queue.h"

#include <stdlib.h>

#define CALL_QUEUE_MAX_BYTES (256u << 20)

struct record {
    int index;
    size_t id, name, arguments;   /* bytes of each */
};

void call_queue_open(struct call_queue *q)
{
    *q = (struct call_queue){.records = BUF_INIT(CALL_QUEUE_MAX_BYTES)};
}

void call_queue_close(struct call_queue *q)
{
    buf_free(&q->records);
    q->n = 0;
}

bool call_queue_add(struct call_queue *q, const struct tool_call_delta *delta, struct err *err)
{
    struct record r = {delta->index, delta->id.n, delta->name.n, delta->arguments.n};
    buf_add(&q->records, &r, sizeof r);
    buf_str(&q->records, delta->id);
    buf_str(&q->records, delta->name);
    buf_str(&q->records, delta->arguments);
    q->n++;
    return buf_check(&q->records, "the tool calls of an answer", err);
}

bool call_queue_move(struct call_queue *from, struct call_queue *to, struct err *err)
{
    struct str all = buf_view(&from->records);
    buf_str(&to->records, all);
    to->n += from->n;
    from->n = 0;
    buf_clear(&from->records);
    return buf_check(&to->records, "the tool calls of an answer", err);
}

/* Bytes of the next n records. */
static size_t records_bytes(const struct call_queue *q, int n)
{
    struct record r;
    size_t at = q->at;
    for (int i = 0; i < n; i++) {
        memcpy(&r, q->records.p + at, sizeof r);
        at += sizeof r + r.id + r.name + r.arguments;
    }
    return at - q->at;
}

bool call_queue_take(struct call_queue *q, int n, struct call_deltas *to, struct err *err)
{
    to->n = 0;
    if (n == 0)
        return true;
    if (n > to->cap) {
        struct tool_call_delta *p = realloc(to->p, (size_t)n * sizeof *p);
        if (!p)
            return err_nomem(err, "the tool calls of an answer");
        to->p = p;
        to->cap = n;
    }
    size_t bytes = records_bytes(q, n);
    to->bytes.ceiling = CALL_QUEUE_MAX_BYTES;
    buf_clear(&to->bytes);
    buf_add(&to->bytes, q->records.p + q->at, bytes);
    if (!buf_check(&to->bytes, "the tool calls of an answer", err))
        return false;
    const char *next = to->bytes.p;
    for (to->n = 0; to->n < n; to->n++) {
        struct record r;
        memcpy(&r, next, sizeof r);
        next += sizeof r;
        to->p[to->n] = (struct tool_call_delta){r.index, {next, r.id}, {next + r.id, r.name},
                                                {next + r.id + r.name, r.arguments}};
        next += r.id + r.name + r.arguments;
    }
    q->at += bytes;
    q->n -= n;
    if (q->n == 0) {
        buf_clear(&q->records);
        q->at = 0;
    }
    return true;
}

void call_deltas_free(struct call_deltas *d)
{
    buf_free(&d->bytes);
    free(d->p);
    d->p = NULL;
    d->n = d->cap = 0;
}
