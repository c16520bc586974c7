/* The W3C trace context of a request: taken from `traceparent`, else made here, and passed on to upstreams. */
#ifndef RUNG_GATEWAY_TRACE_CONTEXT_H
#define RUNG_GATEWAY_TRACE_CONTEXT_H

#include <stdbool.h>

#include "base/str.h"

#define TRACE_HEADER_BYTES 80

struct trace_context {
    char trace[33];                      /* 32 hexadecimal digits; empty: none */
    char parent[17];                     /* the caller's span; empty: the trace begins here */
    char span[17];                       /* this request's */
    bool sampled;
};

/* A header that is none is as good as no header. */
bool trace_context_parse(struct str header, struct trace_context *ret);
/* As the trace goes on here: a span of its own, in a trace of its own where there is none. */
void trace_context_enter(struct trace_context *t);
void trace_span_id(char ret[17]);
/* "traceparent: 00-...": for a call whose span is `span`. */
void trace_context_header(const struct trace_context *t, const char *span, char ret[TRACE_HEADER_BYTES]);

#endif
