/* The pages beside the answers: whether all is well; and how every page replies. */
#ifndef RUNG_GATEWAY_HTTP_PAGES_H
#define RUNG_GATEWAY_HTTP_PAGES_H

#include "gateway/gateway.h"

#define PAGE_MAX_BYTES (96u << 20)

/* An error in the shape of one API, as struct dialect has it. */
typedef void (*write_error)(int status, const char *message, const char *param, const char *code, struct buf *out);

void page_json(struct http_exchange *x, int status, const struct buf *body);
/* 503 comes with Retry-After. */
void page_fail(struct http_exchange *x, write_error error, int status, const char *message, const char *param,
               const char *code);

/* The same, of what may be asked again after so long; 0: not known. */
void page_fail_later(struct http_exchange *x, write_error error, int status, const char *message, const char *param,
                     const char *code, int64_t retry_after_s);

/* The field that a sentence is about, for `param`; NULL: it is about none. */
const char *page_param(const char *message, char *param, size_t size);

/* Has whoever waits for this exchange hung up? For struct request and what else is asked on its behalf. */
bool page_client_gone(void *exchange);

void page_health(struct gateway *g, struct http_exchange *x, const struct caller *caller);
/* GET /ready: 503 while requests would fail or wait for long, and why. */
void page_ready(struct gateway *g, struct http_exchange *x, const struct caller *caller);

#endif
