/* Server-sent events. This room cuts a byte stream into events and writes events out; what the data means, and the ids
 * and retry times that only a reconnecting browser needs, it leaves to others. */
#include "net/sse.h"

void sse_parser_init(struct sse_parser *p)
{
    *p = (struct sse_parser){
        .line = BUF_INIT(SSE_MAX_EVENT_BYTES),
        .data = BUF_INIT(SSE_MAX_EVENT_BYTES),
        .event = BUF_INIT(SSE_MAX_EVENT_BYTES),
    };
}

void sse_parser_free(struct sse_parser *p)
{
    buf_free(&p->line);
    buf_free(&p->data);
    buf_free(&p->event);
}

/* An empty line ends the event. One without data is none, as the specification has it. */
static bool dispatch(struct sse_parser *p, bool (*on_event)(void *, struct str, struct str), void *ctx, struct err *err)
{
    bool ok = true;
    if (p->data.n > 0) {
        struct str data = {p->data.p, p->data.n - 1}; /* without the line feed behind the last data line */
        ok = on_event(ctx, buf_view(&p->event), data) ||
             err_set(err, ERR_CANCELLED, "the reader of the event stream stopped");
    }
    buf_clear(&p->data);
    buf_clear(&p->event);
    return ok;
}

static bool take_field(struct sse_parser *p, struct str line, struct err *err)
{
    const char *colon = memchr(line.p, ':', line.n);
    struct str name = {line.p, colon ? (size_t)(colon - line.p) : line.n};
    struct str value = {line.p + line.n, 0};
    if (colon) {
        value = (struct str){colon + 1, line.n - name.n - 1};
        if (value.n > 0 && value.p[0] == ' ')
            value = (struct str){value.p + 1, value.n - 1};
    }
    if (str_is(name, "data")) {
        buf_str(&p->data, value);
        buf_char(&p->data, '\n');
    } else if (str_is(name, "event")) {
        buf_clear(&p->event);
        buf_str(&p->event, value);
    }
    return buf_check(&p->data, "an event of the event stream", err) &&
           buf_check(&p->event, "an event type of the event stream", err);
}

static bool end_line(struct sse_parser *p, bool (*on_event)(void *, struct str, struct str), void *ctx, struct err *err)
{
    struct str line = buf_view(&p->line);
    if (!p->started) {
        p->started = true;
        if (str_starts(line, STR("\xEF\xBB\xBF")))
            line = (struct str){line.p + 3, line.n - 3};
    }
    bool ok = line.n == 0 ? dispatch(p, on_event, ctx, err) : take_field(p, line, err);
    buf_clear(&p->line);
    return ok;
}

bool sse_feed(struct sse_parser *p, struct str bytes, bool (*on_event)(void *ctx, struct str type, struct str data),
              void *ctx, struct err *err)
{
    size_t at = 0;
    while (at < bytes.n) {
        if (p->skip_lf && bytes.p[at] == '\n')
            at++;
        p->skip_lf = false;
        size_t end = at;
        while (end < bytes.n && bytes.p[end] != '\n' && bytes.p[end] != '\r')
            end++;
        buf_add(&p->line, bytes.p + at, end - at);
        if (!buf_check(&p->line, "a line of the event stream", err))
            return false;
        if (end == bytes.n)
            break;
        p->skip_lf = bytes.p[end] == '\r';
        at = end + 1;
        if (!end_line(p, on_event, ctx, err))
            return false;
    }
    return true;
}

void sse_write(struct buf *out, const char *type, struct str data)
{
    if (type) {
        buf_puts(out, "event: ");
        buf_puts(out, type);
        buf_char(out, '\n');
    }
    size_t at = 0;
    for (;;) {
        size_t end = at;
        while (end < data.n && data.p[end] != '\n' && data.p[end] != '\r')
            end++;
        buf_puts(out, "data: ");
        buf_add(out, data.p + at, end - at);
        buf_char(out, '\n');
        if (end == data.n)
            break;
        at = end + (data.p[end] == '\r' && end + 1 < data.n && data.p[end + 1] == '\n' ? 2 : 1);
    }
    buf_char(out, '\n');
}
