/* The growing buffer. It refuses to pass its ceiling and remembers the first failure; what is written into it is the
 * caller's. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BUF_FIRST 64

/* Room for n more bytes and the NUL behind them. */
static bool buf_room(struct buf *b, size_t n)
{
    if (b->fault != ERR_NONE)
        return false;
    if (b->n > b->ceiling || n > b->ceiling - b->n || n > SIZE_MAX - 1 - b->n) {
        b->fault = ERR_LIMIT;
        return false;
    }
    size_t need = b->n + n + 1;
    if (need <= b->cap)
        return true;
    size_t cap = b->cap > SIZE_MAX / 2 ? need : b->cap * 2;
    if (cap < need)
        cap = need;
    if (cap < BUF_FIRST)
        cap = BUF_FIRST;
    if (b->ceiling < SIZE_MAX && cap > b->ceiling + 1)
        cap = b->ceiling + 1;
    char *p = realloc(b->p, cap);
    if (!p) {
        b->fault = ERR_NOMEM;
        return false;
    }
    b->p = p;
    b->cap = cap;
    return true;
}

void buf_free(struct buf *b)
{
    free(b->p);
    *b = BUF_INIT(b->ceiling);
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->fault = ERR_NONE;
    if (b->p)
        b->p[0] = '\0';
}

char *buf_grow(struct buf *b, size_t n)
{
    if (!buf_room(b, n))
        return NULL;
    char *at = b->p + b->n;
    b->n += n;
    b->p[b->n] = '\0';
    return at;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
    char *at = buf_grow(b, n);
    if (at && n)
        memcpy(at, p, n);
}

void buf_str(struct buf *b, struct str s)
{
    buf_add(b, s.p, s.n);
}

void buf_puts(struct buf *b, const char *cstr)
{
    buf_add(b, cstr, strlen(cstr));
}

void buf_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    if (n < 0) {
        b->fault = ERR_INTERNAL;
    } else if (buf_room(b, (size_t)n)) {
        vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

void buf_drop(struct buf *b, size_t n)
{
    if (n > b->n)
        n = b->n;
    if (n == 0)
        return;
    memmove(b->p, b->p + n, b->n - n + 1);
    b->n -= n;
}

bool buf_check(const struct buf *b, const char *what, struct err *err)
{
    if (b->fault == ERR_NONE)
        return true;
    if (b->fault == ERR_LIMIT)
        return err_set(err, ERR_LIMIT, "%s is longer than %zu bytes", what, b->ceiling);
    if (b->fault == ERR_NOMEM)
        return err_nomem(err, what);
    return err_set(err, b->fault, "%s could not be formatted", what);
}

char *buf_take(struct buf *b)
{
    char *p = buf_grow(b, 0) ? b->p : NULL;
    if (!p)
        free(b->p);
    *b = BUF_INIT(b->ceiling);
    return p;
}
