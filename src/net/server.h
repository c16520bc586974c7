/* HTTP server over GNU libmicrohttpd. Event threads move bytes only; each whole, bounded request is handed to a worker
 * thread, which runs the handler and may block. A reply is either whole or streamed; a streamed reply's bytes queue up
 * to a ceiling.
 *
 * Invariants: nothing (no header, no comment) leaves before http_reply_* is called; every request gets exactly one
 * reply (500 when a handler returns without one); a client that hangs up is noticed within milliseconds, also while the
 * handler waits. A client that closes its sending side has hung up: half-closed connections are not kept. What
 * libmicrohttpd itself cannot parse it answers with its own 400 or 431 before this module sees a request. */
#ifndef RUNG_NET_SERVER_H
#define RUNG_NET_SERVER_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define HTTP_MAX_HEADERS 64

struct http_server;
struct http_exchange;

struct http_server_options {
    const char *host;              /* "127.0.0.1", "::1", "0.0.0.0"; "localhost": 127.0.0.1 and ::1 */
    uint16_t port;                 /* 0: any free one, see http_server_port */
    size_t max_body_bytes;         /* default 32 MiB; beyond: 413 */
    size_t max_header_bytes;       /* default 64 KiB; beyond: 431 */
    int max_workers;               /* default 256, started as needed */
    int max_queue;                 /* requests waiting for a worker, default 512; beyond: 503 with Retry-After */
    int max_connections;           /* default 8192 */
    int idle_timeout_s;            /* default 75 */
    int64_t body_time_ms;          /* for a body to arrive, and 1 ms more for each 8 bytes; default 30 s */
    const char *tls_cert, *tls_key;   /* PEM files: TLS 1.2 and later in place of plain HTTP; NULL: none */
    /* Called on a worker thread; must reply. */
    void (*handle)(void *ctx, struct http_exchange *x);
    /* Body of a reply the server makes itself (404, 413, 431, 503, 500 ...), as JSON in the API's error shape. */
    void (*error_body)(int status, const char *message, struct buf *out);
    void *ctx;
};

/* Port taken: ERR_BUSY. Starts listening and serving. */
bool http_server_open(const struct http_server_options *o, struct http_server **ret, struct err *err);
/* Another certificate for connections from now on, of a server opened with one; on failure nothing has changed. */
bool http_server_renew_tls(struct http_server *s, const char *cert, const char *key, struct err *err);
uint16_t http_server_port(const struct http_server *s);
/* Stops accepting, lets running requests end for grace_ms, then cuts them; frees. */
void http_server_close(struct http_server *s, int64_t grace_ms);
int http_server_inflight(struct http_server *s);

/* ---- the request: views good until the handler returns ---- */
struct str http_method(const struct http_exchange *x);
struct str http_path(const struct http_exchange *x);              /* without the query */
struct str http_header(const struct http_exchange *x, const char *name);   /* empty when absent; p NULL */
struct str http_body(const struct http_exchange *x);
int64_t http_arrived_ns(const struct http_exchange *x);           /* clock_ns when its last byte had arrived */
bool http_client_is_loopback(const struct http_exchange *x);      /* it connects from this machine */
int http_server_load(const struct http_exchange *x);              /* requests that are running or wait for a worker */
bool http_client_gone(struct http_exchange *x);                   /* it hung up; cheap enough to ask at every token */

/* ---- the reply ---- */
/* Before the reply begins. false past HTTP_MAX_HEADERS. Values with control characters are refused. */
bool http_reply_header(struct http_exchange *x, const char *name, const char *value);
void http_reply(struct http_exchange *x, int status, const char *content_type, struct str body);
/* Streamed (chunked): begin, then writes, then end. A write blocks while the client reads too slowly, and gives false
 * when it is gone. */
void http_reply_begin(struct http_exchange *x, int status, const char *content_type);
bool http_reply_write(struct http_exchange *x, struct str bytes);
void http_reply_end(struct http_exchange *x);
int http_reply_status(const struct http_exchange *x);             /* of what the handler replied; 0: nothing yet */

#endif
