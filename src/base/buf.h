/* A growing byte buffer with a ceiling declared at birth and a sticky error: append freely, check once. After the
 * first failure (ceiling or memory) appends do nothing and buf_ok is false. p is NUL-terminated when not NULL. */
#ifndef RUNG_BASE_BUF_H
#define RUNG_BASE_BUF_H

#include "base/err.h"
#include "base/str.h"

struct buf {
    char *p;
    size_t n;
    /* private */
    size_t cap, ceiling;
    enum err_code fault;
};

#define BUF_INIT(max_bytes) ((struct buf){.ceiling = (max_bytes)})

void buf_free(struct buf *b);             /* back to empty, same ceiling */
void buf_clear(struct buf *b);            /* n = 0, fault gone, memory kept */
void buf_add(struct buf *b, const void *p, size_t n);
void buf_str(struct buf *b, struct str s);
void buf_puts(struct buf *b, const char *cstr);
void buf_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *buf_grow(struct buf *b, size_t n);  /* room for n bytes at the end, n added; NULL on failure */
void buf_drop(struct buf *b, size_t n);   /* the first n bytes away */
static inline bool buf_ok(const struct buf *b) { return b->fault == ERR_NONE; }
/* false and "WHAT is longer than N bytes" / out of memory when the buffer is at fault. */
bool buf_check(const struct buf *b, const char *what, struct err *err);
static inline struct str buf_view(const struct buf *b) { return (struct str){b->p ? b->p : "", b->n}; }
char *buf_take(struct buf *b);            /* the bytes, NUL-terminated, to free(); b is empty. NULL on failure */

#endif
