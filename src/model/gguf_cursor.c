/* The cursor over a GGUF header: bounds before bytes, and the words of every complaint about them. What the fields
 * mean is left to gguf.c and gguf_tensors.c. */
#include "model/gguf_cursor.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define SHOWN_NAME_BYTES 100

bool gguf_fail(const struct gguf_cursor *c, enum err_code code, size_t at, struct err *err, const char *fmt, ...)
{
    if (!err)
        return false;
    char text[300], subject[160], element[40] = "";
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    struct str shown = utf8_clip(c->name, SHOWN_NAME_BYTES);
    if (c->name.n)
        snprintf(subject, sizeof subject, "%s '" STR_FMT "%s'", c->kind, STR_ARG(shown),
                 shown.n < c->name.n ? "..." : "");
    else if (c->index >= 0)
        snprintf(subject, sizeof subject, "%s %" PRId64, c->kind, c->index);
    else
        snprintf(subject, sizeof subject, "%s", c->kind);
    if (c->element >= 0)
        snprintf(element, sizeof element, ", element %" PRId64, c->element);
    return err_at_offset(err, code, c->file, (int64_t)at, "%s%s: %s", subject, element, text);
}

bool gguf_take(struct gguf_cursor *c, const char *what, size_t n, const char **ret, struct err *err)
{
    if (n > c->n - c->at)
        return gguf_fail(c, ERR_CORRUPT, c->at, err,
                         "its %s takes %zu bytes but the file ends after %zu; the file is cut short, fetch it again",
                         what, n, c->n - c->at);
    *ret = c->p + c->at;
    c->at += n;
    return true;
}

bool gguf_take_u32(struct gguf_cursor *c, const char *what, uint32_t *ret, struct err *err)
{
    const char *p = NULL;
    if (!gguf_take(c, what, sizeof *ret, &p, err))
        return false;
    memcpy(ret, p, sizeof *ret);
    return true;
}

bool gguf_take_u64(struct gguf_cursor *c, const char *what, uint64_t *ret, struct err *err)
{
    const char *p = NULL;
    if (!gguf_take(c, what, sizeof *ret, &p, err))
        return false;
    memcpy(ret, p, sizeof *ret);
    return true;
}

bool gguf_take_str(struct gguf_cursor *c, const char *what, size_t max, struct str *ret, struct err *err)
{
    size_t at = c->at;
    uint64_t n = 0;
    const char *p = NULL;
    if (!gguf_take_u64(c, what, &n, err))
        return false;
    if (n > max)
        return gguf_fail(c, ERR_LIMIT, at, err, "its %s is %" PRIu64 " bytes long, over the limit of %zu", what, n,
                         max);
    if (!gguf_take(c, what, (size_t)n, &p, err))
        return false;
    *ret = (struct str){p, (size_t)n};
    return true;
}

bool gguf_take_name(struct gguf_cursor *c, const char *what, size_t max, struct str *ret, struct err *err)
{
    size_t at = c->at;
    struct str name;
    if (!gguf_take_str(c, what, max, &name, err))
        return false;
    if (name.n == 0)
        return gguf_fail(c, ERR_CORRUPT, at, err, "its %s is empty", what);
    if (!utf8_valid(name))
        return gguf_fail(c, ERR_CORRUPT, at, err, "its %s is not UTF-8", what);
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] < 0x20 || name.p[i] == 0x7f)
            return gguf_fail(c, ERR_CORRUPT, at, err, "its %s holds the control character 0x%02x", what,
                             (unsigned)(unsigned char)name.p[i]);
    *ret = name;
    return true;
}
