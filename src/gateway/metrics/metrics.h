/* What Rung counts of itself: requests, tokens, money, times, attempts; and GET /metrics, which shows it beside what is
 * known at that moment. Lasts over reloads. No label comes from a request: all are names of the configuration or of
 * this program, so that nobody outside can make more of them. Any thread. */
#ifndef RUNG_GATEWAY_METRICS_METRICS_H
#define RUNG_GATEWAY_METRICS_METRICS_H

#include "gateway/gateway.h"

struct metrics;

bool metrics_open(struct metrics **ret, struct err *err);
void metrics_close(struct metrics *m);   /* NULL allowed */
/* A request was answered, or not: with its attempts. */
void metrics_answer(struct metrics *m, const struct request *req, const struct reply *reply);
/* An HTTP request begins, and has its reply. */
void metrics_http_begin(struct metrics *m);
void metrics_http_end(struct metrics *m, const char *endpoint, int status);
/* GET /metrics. */
void page_metrics(struct gateway *g, struct http_exchange *x, const struct caller *caller);

/* For the page alone. */
void metrics_write(const struct metrics *m, struct buf *out);
int metrics_http_running(const struct metrics *m);

#endif
