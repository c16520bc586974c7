/* What a request asks for beyond an answer in words: noted by the readers of every dialect, asked by the planner. */
#include "gateway/request.h"

#include <stdarg.h>
#include <stdio.h>

void request_needs(struct request *r, enum need need, const char *fmt, ...)
{
    char text[160];
    va_list ap;
    if (r->needs & NEED_BIT(need))
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    const char *field = arena_strdup(r->arena, str_of(text));
    r->needs |= NEED_BIT(need);
    r->need_fields[need] = field ? field : "a field";
}
