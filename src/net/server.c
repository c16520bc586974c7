/* The HTTP server: listening, reading whole bounded requests, refusing what is too much, handing the rest to workers,
 * and closing down in order. libmicrohttpd speaks HTTP; what a request means belongs to the handler. */
#include "net/server.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/exchange.h"
#include "net/head.h"
#include "net/listen.h"
#include "net/tls.h"
#include "net/watch.h"
#include "net/workers.h"

#define DEFAULT_MAX_BODY_BYTES ((size_t)32 << 20)
#define DEFAULT_MAX_HEADER_BYTES ((size_t)64 << 10)
#define DEFAULT_MAX_WORKERS 256
#define DEFAULT_MAX_QUEUE 512
#define DEFAULT_MAX_CONNECTIONS 8192
#define DEFAULT_IDLE_TIMEOUT_S 75

#define HEADER_TIME_MS 30000  /* for a request's header, beyond the idle time a connection may have */
#define DEFAULT_BODY_TIME_MS 30000
#define BODY_TIME_MAX_MS 600000
#define BODY_BYTES_PER_MS 8   /* beyond its first time, a body gets as much as this rate needs */
#define BODIES_AT_ONCE 8      /* largest bodies that may be held in memory together, all requests counted; */
#define SMALL_BODY_BYTES 65536 /* so much of each is let in beyond: a few that never end shut nobody else out */
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
#define SPARE_PLACES 16       /* connections that are being closed still hold their place */

struct http_server {
    struct http_server_options o;
    uint16_t port;
    struct MHD_Daemon *daemons[LISTEN_MAX]; /* one for each listening socket */
    int n_daemons;
    struct tls *tls;                 /* NULL: plain HTTP */
    struct watch *watch;
    struct workers *workers;
    atomic_size_t bodies_bytes;
    atomic_bool closing;
    pthread_mutex_t lock;
    pthread_cond_t quiet;            /* no exchange is live */
    struct http_exchange *live;      /* handed over and not completed */
    int n_live;
};

/* What MHD keeps for a connection: its place with the watcher, plus one (0: none was free). */
static int connection_place(struct MHD_Connection *conn)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info && info->socket_context ? (int)(intptr_t)info->socket_context - 1 : -1;
}

static int64_t header_deadline(const struct http_server *s)
{
    return clock_ms() + s->o.idle_timeout_s * INT64_C(1000) + HEADER_TIME_MS;
}

static void on_connection(void *ctx, struct MHD_Connection *conn, void **socket_ctx,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http_server *s = ctx;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        int place = (int)(intptr_t)*socket_ctx - 1;
        if (place >= 0)
            watch_remove(s->watch, place);
        return;
    }
    tls_of_this_thread(s->tls);
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    int place = watch_add(s->watch, info->connect_fd);
    if (place >= 0)
        watch_idle(s->watch, place, header_deadline(s));
    *socket_ctx = (void *)(intptr_t)(place + 1);
}

/* ---- live exchanges ---- */

static void live_add(struct http_server *s, struct http_exchange *x)
{
    pthread_mutex_lock(&s->lock);
    x->next = s->live;
    if (x->next)
        x->next->prev = x;
    s->live = x;
    s->n_live++;
    pthread_mutex_unlock(&s->lock);
}

static void live_remove(struct http_server *s, struct http_exchange *x)
{
    pthread_mutex_lock(&s->lock);
    if (x->prev)
        x->prev->next = x->next;
    else
        s->live = x->next;
    if (x->next)
        x->next->prev = x->prev;
    if (--s->n_live == 0)
        pthread_cond_broadcast(&s->quiet);
    pthread_mutex_unlock(&s->lock);
}

int http_server_inflight(struct http_server *s)
{
    pthread_mutex_lock(&s->lock);
    int n = s->n_live;
    pthread_mutex_unlock(&s->lock);
    return n;
}

int http_server_load(const struct http_exchange *x) { return http_server_inflight(x->server); }

static void on_hangup(void *ctx)
{
    exchange_cut(ctx);
}

/* The worker's job. */
static void run_exchange(void *job)
{
    struct http_exchange *x = job;
    struct http_server *s = x->server;
    s->o.handle(s->o.ctx, x);
    if (!x->begun)
        exchange_refuse(x, &s->o, MHD_HTTP_INTERNAL_SERVER_ERROR);
    exchange_finish(x);
    exchange_unref(x);
}

/* ---- libmicrohttpd's callbacks: the event thread ---- */

static enum MHD_Result refuse(struct http_server *s, struct MHD_Connection *conn, int status)
{
    struct MHD_Response *response = refusal_response(&s->o, status);
    if (!response)
        return MHD_NO;
    /* What such a client sends next is not worth reading. */
    bool stays = status == MHD_HTTP_SERVICE_UNAVAILABLE && !atomic_load(&s->closing);
    enum MHD_Result ok = stays ? MHD_YES
                               : MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    if (ok == MHD_YES)
        ok = MHD_queue_response(conn, (unsigned)status, response);
    MHD_destroy_response(response);
    return ok;
}

static int status_of_head(struct http_server *s, struct MHD_Connection *conn)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (info && info->header_size > s->o.max_header_bytes)
        return MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE;
    const char *length = MHD_lookup_connection_value(conn, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    int64_t n = 0;
    if (length && str_to_i64(str_of(length), &n) && n > (int64_t)s->o.max_body_bytes)
        return MHD_HTTP_CONTENT_TOO_LARGE;
    if (atomic_load(&s->closing) || connection_place(conn) < 0)
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    return 0;
}

/* One that does not say its length may have the longest time. */
static int64_t body_time_ms(const struct http_server *s, struct MHD_Connection *conn)
{
    const char *length = MHD_lookup_connection_value(conn, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    bool chunked = MHD_lookup_connection_value(conn, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL;
    int64_t n = 0;
    if (length)
        str_to_i64(str_of(length), &n);
    int64_t ms = s->o.body_time_ms + n / BODY_BYTES_PER_MS;
    return !chunked && ms < BODY_TIME_MAX_MS ? ms : BODY_TIME_MAX_MS;
}

static enum MHD_Result take_head(struct http_server *s, struct MHD_Connection *conn, const char *method,
                                 const char *target, const char *version, void **request_ctx)
{
    bool closes;
    const char *path = head_path(conn, target);
    int place = connection_place(conn);
    if (place >= 0)
        watch_idle(s->watch, place, clock_ms() + body_time_ms(s, conn));
    int status = head_is_plain(conn, method, path, version, &closes) ? status_of_head(s, conn) : MHD_HTTP_BAD_REQUEST;
    if (status)
        return refuse(s, conn, status);
    struct http_exchange *x = exchange_new(s, &s->o, conn, &s->bodies_bytes);
    if (!x)
        return MHD_NO;
    *request_ctx = x;
    x->closes = closes;
    return exchange_take_head(x, method, path) ? MHD_YES : MHD_NO;
}

/* A body that turns out too long can only be refused behind its last byte; one that does not come to it is cut. */
static enum MHD_Result take_body(struct http_server *s, struct http_exchange *x, const char *bytes, size_t n)
{
    if (!x->refusal && n > s->o.max_body_bytes - x->body.n)
        x->refusal = MHD_HTTP_CONTENT_TOO_LARGE;
    if (!x->refusal && x->body.n + n > SMALL_BODY_BYTES &&
        atomic_load(&s->bodies_bytes) + n > s->o.max_body_bytes * BODIES_AT_ONCE)
        x->refusal = MHD_HTTP_SERVICE_UNAVAILABLE;
    if (x->refusal) {
        x->overrun_bytes += n;
        return x->overrun_bytes <= s->o.max_body_bytes ? MHD_YES : MHD_NO;
    }
    buf_add(&x->body, bytes, n);
    if (!buf_ok(&x->body))
        return MHD_NO;
    atomic_fetch_add(&s->bodies_bytes, n);
    return MHD_YES;
}

static enum MHD_Result hand_over(struct http_server *s, struct http_exchange *x)
{
    if (x->refusal)
        return refuse(s, x->conn, x->refusal);
    x->arrived_ns = clock_ns();
    x->handed = true;
    atomic_fetch_add(&x->refs, 1);
    live_add(s, x);
    exchange_suspend(x);
    watch_busy(s->watch, connection_place(x->conn), x);
    if (workers_push(s->workers, x))
        return MHD_YES;
    exchange_refuse(x, &s->o, MHD_HTTP_SERVICE_UNAVAILABLE);
    exchange_unref(x);
    return MHD_YES;
}

/* The connection is awake again: its reply is ready, or failed. */
static enum MHD_Result send_reply(struct http_server *s, struct http_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    struct MHD_Response *response = x->response;
    unsigned status = (unsigned)x->status;
    x->response = NULL;
    pthread_mutex_unlock(&x->lock);
    if (!response)
        return MHD_NO;
    bool closes = x->closes || atomic_load(&s->closing);
    enum MHD_Result ok =
        closes ? MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close") : MHD_YES;
    if (ok == MHD_YES)
        ok = MHD_queue_response(x->conn, status, response);
    MHD_destroy_response(response);
    return ok;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *conn, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_n, void **request_ctx)
{
    struct http_server *s = ctx;
    struct http_exchange *x = *request_ctx;
    if (!x)
        return take_head(s, conn, method, url, version, request_ctx);
    if (x->handed)
        return send_reply(s, x);
    if (*upload_n > 0) {
        enum MHD_Result ok = take_body(s, x, upload, *upload_n);
        *upload_n = 0;
        return ok;
    }
    return hand_over(s, x);
}

static void on_completed(void *ctx, struct MHD_Connection *conn, void **request_ctx,
                         enum MHD_RequestTerminationCode how)
{
    struct http_server *s = ctx;
    struct http_exchange *x = *request_ctx;
    int place = connection_place(conn);
    (void)how;
    if (place >= 0)
        watch_idle(s->watch, place, header_deadline(s));
    if (!x)
        return;
    *request_ctx = NULL;
    pthread_mutex_lock(&x->lock);
    struct MHD_Response *unsent = x->response;
    x->response = NULL;
    pthread_mutex_unlock(&x->lock);
    if (unsent)
        MHD_destroy_response(unsent);
    exchange_cut(x);
    if (x->handed)
        live_remove(s, x);
    exchange_unref(x);
}

/* ---- opening and closing ---- */

static void set_defaults(struct http_server_options *o)
{
    if (o->max_body_bytes == 0)
        o->max_body_bytes = DEFAULT_MAX_BODY_BYTES;
    if (o->max_header_bytes == 0)
        o->max_header_bytes = DEFAULT_MAX_HEADER_BYTES;
    if (o->max_workers == 0)
        o->max_workers = DEFAULT_MAX_WORKERS;
    if (o->max_queue == 0)
        o->max_queue = DEFAULT_MAX_QUEUE;
    if (o->max_connections == 0)
        o->max_connections = DEFAULT_MAX_CONNECTIONS;
    if (o->body_time_ms == 0)
        o->body_time_ms = DEFAULT_BODY_TIME_MS;
    if (o->idle_timeout_s == 0)
        o->idle_timeout_s = DEFAULT_IDLE_TIMEOUT_S;
}

/* Takes the listening socket over. */
static bool start_daemon(struct http_server *s, int fd, struct err *err)
{
    /* The pool of a connection holds its header twice (bytes and entries), and 431 is ours to say before it is full. */
    size_t pool_bytes = s->o.max_header_bytes * 2;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_SUSPEND_RESUME | (s->tls ? MHD_USE_TLS : 0);
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)tls_retrieve},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)TLS_PRIORITIES},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_Daemon *daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, s,
        MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, pool_bytes,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)s->o.max_connections,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)s->o.idle_timeout_s,
        MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_UNESCAPE_CALLBACK, head_unescape, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
        s->tls ? MHD_OPTION_ARRAY : MHD_OPTION_END, tls,
        MHD_OPTION_END);
    if (!daemon)
        return err_set(err, ERR_IO, "the HTTP server did not start");
    s->daemons[s->n_daemons++] = daemon;
    return true;
}

static void stop_accepting(struct http_server *s)
{
    atomic_store(&s->closing, true);
    for (int i = 0; i < s->n_daemons; i++) {
        MHD_socket listener = MHD_quiesce_daemon(s->daemons[i]);
        if (listener != MHD_INVALID_SOCKET)
            close(listener);
    }
}

/* No exchange is live any more, or its reply is decided: libmicrohttpd must not stop while connections sleep. */
static void server_free(struct http_server *s)
{
    workers_close(s->workers);
    for (int i = 0; i < s->n_daemons; i++)
        MHD_stop_daemon(s->daemons[i]);
    watch_close(s->watch);
    tls_close(s->tls);
    pthread_cond_destroy(&s->quiet);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

bool http_server_open(const struct http_server_options *o, struct http_server **ret, struct err *err)
{
    int fds[LISTEN_MAX], n = 0;
    struct http_server *s = calloc(1, sizeof *s);
    if (!s)
        return err_nomem(err, "the HTTP server");
    s->o = *o;
    set_defaults(&s->o);
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->quiet, &attr);
    pthread_condattr_destroy(&attr);
    bool ok = (!o->tls_cert || tls_open(o->tls_cert, o->tls_key, &s->tls, err)) &&
              listen_open(o->host, o->port, fds, &n, &s->port, err) &&
              watch_open(s->o.max_connections * n + SPARE_PLACES, on_hangup, &s->watch, err) &&
              workers_open(s->o.max_workers, s->o.max_queue, run_exchange, &s->workers, err);
    for (int i = 0; i < n; i++) {
        ok = ok && start_daemon(s, fds[i], err);
        if (i >= s->n_daemons)
            close(fds[i]);
    }
    if (!ok) {
        server_free(s);
        return false;
    }
    *ret = s;
    return true;
}

bool http_server_renew_tls(struct http_server *s, const char *cert, const char *key, struct err *err)
{
    return tls_renew(s->tls, cert, key, err);
}

uint16_t http_server_port(const struct http_server *s)
{
    return s->port;
}

void http_server_close(struct http_server *s, int64_t grace_ms)
{
    if (!s)
        return;
    stop_accepting(s);
    int64_t until_ns = clock_ns() + grace_ms * 1000000;
    struct timespec until = {.tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};
    pthread_mutex_lock(&s->lock);
    while (s->n_live > 0 && pthread_cond_timedwait(&s->quiet, &s->lock, &until) == 0) {
    }
    for (struct http_exchange *x = s->live; x; x = x->next)
        exchange_cut(x);
    pthread_mutex_unlock(&s->lock);
    server_free(s);
}
