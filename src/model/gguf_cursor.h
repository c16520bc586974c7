/* Reading the header of a GGUF file field by field, never past its end. Private to this floor.
 *
 * Invariant: at <= n, and nothing beyond p[n - 1] is ever read. A failure says what was being read (`kind`, its
 * index or name, its element) and at which byte. Values come out as copies, strings as views into the file.
 * Little-endian, as the format. */
#ifndef RUNG_MODEL_GGUF_CURSOR_H
#define RUNG_MODEL_GGUF_CURSOR_H

#include "base/err.h"
#include "base/str.h"

struct gguf_cursor {
    const char *file;
    const char *p;
    size_t n, at;
    /* for messages */
    const char *kind;  /* "header", "metadata key", "tensor" */
    int64_t index;     /* which of them, -1 for the header */
    struct str name;   /* its name once known; already checked to be printable */
    int64_t element;   /* of an array, -1 outside one */
};

/* Fill *err with "KIND 'NAME', element N: SENTENCE" at byte `at`; false. */
bool gguf_fail(const struct gguf_cursor *c, enum err_code code, size_t at, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* n more bytes of `what` as a view; false when the file ends before. */
bool gguf_take(struct gguf_cursor *c, const char *what, size_t n, const char **ret, struct err *err);
bool gguf_take_u32(struct gguf_cursor *c, const char *what, uint32_t *ret, struct err *err);
bool gguf_take_u64(struct gguf_cursor *c, const char *what, uint64_t *ret, struct err *err);
/* A u64 length and that many bytes, at most max. */
bool gguf_take_str(struct gguf_cursor *c, const char *what, size_t max, struct str *ret, struct err *err);
/* The same for a name: not empty, well-formed UTF-8, no control characters (it is printed and used as a C string). */
bool gguf_take_name(struct gguf_cursor *c, const char *what, size_t max, struct str *ret, struct err *err);

#endif
