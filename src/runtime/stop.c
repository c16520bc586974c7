/* Finding stop texts in a stream. A stop text is short and the held text shorter, so plain search is enough. */
#include "runtime/stop.h"

#include <stdlib.h>

#define STOP_MAX_HELD_BYTES (1u << 20)

bool stop_filter_open(struct stop_filter *f, const struct str *texts, int n, struct err *err)
{
    *f = (struct stop_filter){.held = BUF_INIT(STOP_MAX_HELD_BYTES)};
    if (n > GENERATION_MAX_STOPS)
        return err_set(err, ERR_INVALID, "%d stop texts are given; at most %d are allowed", n, GENERATION_MAX_STOPS);
    size_t total = 1;
    for (int i = 0; i < n; i++) {
        if (texts[i].n == 0 || texts[i].n > GENERATION_MAX_STOP_BYTES || !utf8_valid(texts[i]))
            return err_set(err, ERR_INVALID, "stop text %d must be 1 to %d bytes of UTF-8", i + 1,
                           GENERATION_MAX_STOP_BYTES);
        total += texts[i].n;
    }
    f->bytes = malloc(total);
    if (!f->bytes)
        return err_nomem(err, "the stop texts");
    char *next = f->bytes;
    for (int i = 0; i < n; i++) {
        memcpy(next, texts[i].p, texts[i].n);
        f->texts[f->n++] = (struct str){next, texts[i].n};
        next += texts[i].n;
    }
    return true;
}

void stop_filter_close(struct stop_filter *f)
{
    free(f->bytes);
    buf_free(&f->held);
    f->bytes = NULL;
    f->n = 0;
}

/* Where the first stop text begins in s, or SIZE_MAX; which one, in found. */
static size_t first_stop(struct stop_filter *f, struct str s)
{
    size_t first = SIZE_MAX;
    for (int i = 0; i < f->n; i++) {
        size_t at = str_find(s, f->texts[i]);
        if (at >= first)
            continue;
        first = at;
        f->found = f->texts[i];
    }
    return first;
}

/* Bytes at the end of s that begin a stop text; the most there are. */
static size_t open_end(const struct stop_filter *f, struct str s)
{
    size_t most = s.n < GENERATION_MAX_STOP_BYTES ? s.n : GENERATION_MAX_STOP_BYTES;
    for (size_t n = most; n > 0; n--)
        for (int i = 0; i < f->n; i++)
            if (n < f->texts[i].n && str_starts(f->texts[i], (struct str){s.p + s.n - n, n}))
                return n;
    return 0;
}

bool stop_filter_add(struct stop_filter *f, struct str text, struct buf *out)
{
    if (f->n == 0) {
        buf_str(out, text);
        return false;
    }
    buf_str(&f->held, text);
    struct str all = buf_view(&f->held);
    size_t stop = first_stop(f, all);
    size_t certain = stop != SIZE_MAX ? stop : all.n - open_end(f, all);
    buf_add(out, all.p, certain);
    if (stop != SIZE_MAX)
        buf_clear(&f->held);
    else
        buf_drop(&f->held, certain);
    return stop != SIZE_MAX;
}

void stop_filter_end(struct stop_filter *f, struct buf *out)
{
    buf_str(out, buf_view(&f->held));
    buf_clear(&f->held);
}
