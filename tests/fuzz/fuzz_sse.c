/* The event-stream parser. Whatever arrives, cutting it differently must give the same events, and what sse_write
 * writes from them must parse to them again. */
#include <stdlib.h>

#include "net/sse.h"

struct events {
    struct buf seen;   /* type, data and their lengths, one event behind the other */
    struct buf again;  /* the same events written out */
};

static bool keep(void *ctx, struct str type, struct str data)
{
    struct events *e = ctx;
    char name[65536];
    buf_printf(&e->seen, "%zu %zu\n", type.n, data.n);
    buf_str(&e->seen, type);
    buf_str(&e->seen, data);
    /* A type is given as a C string, so one with a NUL inside has no other writing. */
    if (type.n < sizeof name && !memchr(type.p, '\0', type.n)) {
        memcpy(name, type.p, type.n);
        name[type.n] = '\0';
        sse_write(&e->again, type.n > 0 ? name : NULL, data);
    }
    return true;
}

static struct events parse(struct str bytes, size_t step)
{
    struct events e = {BUF_INIT(SIZE_MAX / 2), BUF_INIT(SIZE_MAX / 2)};
    struct sse_parser p;
    struct err err = ERR_INIT;
    sse_parser_init(&p);
    for (size_t at = 0; at < bytes.n; at += step) {
        size_t n = bytes.n - at < step ? bytes.n - at : step;
        if (!sse_feed(&p, (struct str){bytes.p + at, n}, keep, &e, &err))
            abort(); /* nothing here is over a limit, and keep never refuses */
    }
    sse_parser_free(&p);
    return e;
}

static void events_free(struct events *e)
{
    buf_free(&e->seen);
    buf_free(&e->again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = {(const char *)data, size};
    struct events whole = parse(bytes, size + 1), single = parse(bytes, 1), seven = parse(bytes, 7);
    if (!str_eq(buf_view(&whole.seen), buf_view(&single.seen)) || !str_eq(buf_view(&whole.seen), buf_view(&seven.seen)))
        abort();
    struct events twice = parse(buf_view(&whole.again), size + 1);
    if (!memchr(data, '\0', size) && !str_eq(buf_view(&whole.seen), buf_view(&twice.seen)))
        abort();
    events_free(&whole);
    events_free(&single);
    events_free(&seven);
    events_free(&twice);
    return 0;
}
