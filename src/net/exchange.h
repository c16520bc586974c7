/* Private to net: one request and its reply, shared by the event thread and a worker.
 *
 * Invariants: the request half is written by the event thread before the hand-over and never after; the reply half is
 * guarded by `lock`; `conn` is touched by a worker only while `suspended` is true, for then libmicrohttpd cannot free
 * it. Whoever holds a reference (the request, the worker, the streamed response) may use the exchange; the last to
 * leave frees it. */
#ifndef RUNG_NET_EXCHANGE_H
#define RUNG_NET_EXCHANGE_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/buf.h"
#include "net/server.h"

struct http_pair {
    struct str name, value;
};

struct http_exchange {
    struct http_server *server;
    struct MHD_Connection *conn;
    struct http_exchange *prev, *next; /* the server's list of handed-over exchanges */
    struct arena arena;
    atomic_int refs;
    atomic_size_t *bodies_bytes;

    /* the request */
    const char *method, *path;
    struct http_pair *headers;
    int n_headers;
    struct buf body;
    int64_t arrived_ns;
    int refusal;           /* status the server answers with instead of the handler, 0: none */
    size_t overrun_bytes;  /* of a body past its limit, read and thrown away */
    bool closes;           /* the connection ends with the reply */
    bool handed, loopback;

    /* the reply, worker side */
    struct http_pair reply_headers[HTTP_MAX_HEADERS];
    int n_reply_headers;
    bool begun;

    /* the reply, both sides */
    pthread_mutex_t lock;
    pthread_cond_t room;
    atomic_bool gone;
    bool suspended, streaming, ended, failed;
    struct MHD_Response *response; /* ready for the event thread to take */
    int status;
    struct buf out;                /* streamed bytes on their way; the first out_at are sent */
    size_t out_at;
};

/* bodies_bytes: the server's count of body bytes in memory; what the exchange added is taken off when it is freed. */
struct http_exchange *exchange_new(struct http_server *server, const struct http_server_options *o,
                                   struct MHD_Connection *conn, atomic_size_t *bodies_bytes);
void exchange_unref(struct http_exchange *x);
/* Copies method, path and headers out of the connection, whose own copies end with it. */
bool exchange_take_head(struct http_exchange *x, const char *method, const char *path);
/* Event thread, before the hand-over. */
void exchange_suspend(struct http_exchange *x);
/* The client is gone, or the server is closing: writers wake, a waiting stream is cut. */
void exchange_cut(struct http_exchange *x);
/* The handler has returned: what it left open is closed, as a failure. */
void exchange_finish(struct http_exchange *x);
/* The server's own reply in place of the handler's. */
void exchange_refuse(struct http_exchange *x, const struct http_server_options *o, int status);
/* A reply the server makes itself; NULL when there is no memory. */
struct MHD_Response *refusal_response(const struct http_server_options *o, int status);

#endif
