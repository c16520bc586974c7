/* OpenTelemetry: one span for each question and one for each attempt at a model, sent as OTLP in JSON over HTTP to the
 * configured collector; off by default. Spans say who, how long, how much and how it ended; never a word of a question
 * or an answer. Of requests that must stay here nothing is told to a collector on another host, unless the
 * configuration says that it is the owner's (`private: true`).
 *
 * Nothing waits for the collector: spans queue up to a bound, and what comes beyond it, or is not taken, is dropped and
 * counted. https://opentelemetry.io/docs/specs/otlp/, .../semconv/gen-ai/ */
#ifndef RUNG_GATEWAY_TRACE_TRACE_H
#define RUNG_GATEWAY_TRACE_TRACE_H

#include "gateway/gateway.h"

#define TRACE_QUEUE 4096

struct tracer;

struct tracer_options {
    const char *endpoint;                /* "http://127.0.0.1:4318/v1/traces" */
    const char *authorization;           /* the header's value; NULL: none */
    bool own_machine;                    /* may be told of requests that stay here */
};

/* What o points to is copied. */
bool tracer_open(const struct tracer_options *o, struct tracer **ret, struct err *err);
/* Sends what is queued, for two seconds at most. NULL allowed. */
void tracer_close(struct tracer *t);
/* A question has its answer. Any thread; it does not wait. t NULL: nothing. */
void tracer_note(struct tracer *t, const struct config *c, const struct request *req, const struct reply *reply);
/* Spans that are sent, and that are lost, since the start of the program. */
void tracer_counts(int64_t *ret_sent, int64_t *ret_lost);

/* For the tracer: the spans of a question as a JSON array's members, without its brackets. */
void trace_write_spans(const struct config *c, const struct request *req, const struct reply *reply, struct buf *out);

#endif
