/* Trace contexts: what a header says, what the next one is told. https://www.w3.org/TR/trace-context/ */
#include "gateway/trace/context.h"

#include <stdio.h>

#include "base/rng.h"

#define HEADER_BYTES 55                  /* of version 00; later ones may add behind it */

/* n digits in small letters, not all zero. */
static bool is_id(const char *p, size_t n)
{
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        if (!((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'a' && p[i] <= 'f')))
            return false;
        any |= p[i] != '0';
    }
    return any;
}

static int digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

bool trace_context_parse(struct str header, struct trace_context *ret)
{
    const char *p = header.p;
    bool first = header.n >= HEADER_BYTES && p[0] == '0' && p[1] == '0', flagged = false;
    if (header.n < HEADER_BYTES || p[2] != '-' || p[35] != '-' || p[52] != '-' || !is_id(p + 3, 32) ||
        !is_id(p + 36, 16))
        return false;
    flagged = is_id(p + 53, 2) || (p[53] == '0' && p[54] == '0');
    if (!flagged || (first ? header.n != HEADER_BYTES : !is_id(p, 2) || (p[0] == 'f' && p[1] == 'f')) ||
        (header.n > HEADER_BYTES && p[HEADER_BYTES] != '-'))
        return false;
    struct trace_context t = {.sampled = digit(p[54]) & 1};
    memcpy(t.trace, p + 3, 32);
    memcpy(t.parent, p + 36, 16);
    *ret = t;
    return true;
}

void trace_span_id(char ret[17])
{
    unsigned long long id = rng_entropy();
    snprintf(ret, 17, "%016llx", id ? id : 1);
}

void trace_context_enter(struct trace_context *t)
{
    if (!t->trace[0]) {
        trace_span_id(t->trace);
        trace_span_id(t->trace + 16);
        t->sampled = true;
    }
    trace_span_id(t->span);
}

void trace_context_header(const struct trace_context *t, const char *span, char ret[TRACE_HEADER_BYTES])
{
    snprintf(ret, TRACE_HEADER_BYTES, "traceparent: 00-%.32s-%.16s-%02d", t->trace, span, t->sampled);
}
