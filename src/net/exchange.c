/* One request and its reply. This room copies the request's head, and carries a reply from a worker to the event
 * thread, whole or as a bounded stream; accepting, reading and refusing requests is server.c's. */
#include "net/exchange.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "net/head.h"

#define REPLY_BUFFER_BYTES ((size_t)256 << 10) /* written and not yet sent; a writer waits beyond it */
#define REPLY_BLOCK_BYTES 4096
#define HEAD_COPY_FACTOR 4                     /* entries and gaps beside the header's own bytes */

struct http_exchange *exchange_new(struct http_server *server, const struct http_server_options *o,
                                   struct MHD_Connection *conn, atomic_size_t *bodies_bytes)
{
    struct http_exchange *x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    x->server = server;
    x->conn = conn;
    x->bodies_bytes = bodies_bytes;
    x->arena = ARENA_INIT(o->max_header_bytes * HEAD_COPY_FACTOR + 65536);
    x->body = BUF_INIT(o->max_body_bytes);
    x->out = BUF_INIT(REPLY_BUFFER_BYTES);
    atomic_init(&x->refs, 1);
    atomic_init(&x->gone, false);
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->room, NULL);
    return x;
}

void exchange_unref(struct http_exchange *x)
{
    if (atomic_fetch_sub(&x->refs, 1) != 1)
        return;
    atomic_fetch_sub(x->bodies_bytes, x->body.n);
    arena_free(&x->arena);
    buf_free(&x->body);
    buf_free(&x->out);
    pthread_cond_destroy(&x->room);
    pthread_mutex_destroy(&x->lock);
    free(x);
}

/* ---- the request ---- */

static enum MHD_Result copy_header(void *ctx, enum MHD_ValueKind kind, const char *name, size_t name_n,
                                   const char *value, size_t value_n)
{
    struct http_exchange *x = ctx;
    (void)kind;
    struct http_pair *pair = &x->headers[x->n_headers];
    pair->name = arena_str(&x->arena, (struct str){name, name_n});
    pair->value = arena_str(&x->arena, (struct str){value ? value : "", value ? value_n : 0});
    if (!pair->name.p || !pair->value.p)
        return MHD_NO;
    x->n_headers++;
    return MHD_YES;
}

static bool is_loopback(struct MHD_Connection *conn)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *a = info ? info->client_addr : NULL;
    if (a && a->sa_family == AF_INET)
        return (ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24) == 127;
    return a && a->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

bool exchange_take_head(struct http_exchange *x, const char *method, const char *path)
{
    x->method = arena_strdup(&x->arena, str_of(method));
    x->path = arena_strdup(&x->arena, str_of(path));
    x->loopback = is_loopback(x->conn);
    int n = MHD_get_connection_values_n(x->conn, MHD_HEADER_KIND, NULL, NULL);
    x->headers = arena_array(&x->arena, (size_t)(n > 0 ? n : 1), sizeof x->headers[0]);
    if (!x->method || !x->path || !x->headers)
        return false;
    MHD_get_connection_values_n(x->conn, MHD_HEADER_KIND, copy_header, x);
    return x->n_headers == n;
}

struct str http_method(const struct http_exchange *x)
{
    return str_of(x->method);
}

struct str http_path(const struct http_exchange *x)
{
    return str_of(x->path);
}

struct str http_header(const struct http_exchange *x, const char *name)
{
    for (int i = 0; i < x->n_headers; i++)
        if (str_eq_nocase(x->headers[i].name, str_of(name)))
            return x->headers[i].value;
    return (struct str){NULL, 0};
}

struct str http_body(const struct http_exchange *x)
{
    return buf_view(&x->body);
}

int64_t http_arrived_ns(const struct http_exchange *x)
{
    return x->arrived_ns;
}

bool http_client_is_loopback(const struct http_exchange *x) { return x->loopback; }

int http_reply_status(const struct http_exchange *x) { return x->begun ? x->status : 0; }

bool http_client_gone(struct http_exchange *x)
{
    return atomic_load_explicit(&x->gone, memory_order_relaxed);
}

/* ---- the reply, from the worker's side ---- */

void exchange_suspend(struct http_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    x->suspended = true;
    MHD_suspend_connection(x->conn);
    pthread_mutex_unlock(&x->lock);
}

/* The lock is held. */
static void resume(struct http_exchange *x)
{
    if (!x->suspended)
        return;
    x->suspended = false;
    MHD_resume_connection(x->conn);
}

bool http_reply_header(struct http_exchange *x, const char *name, const char *value)
{
    if (x->begun || x->n_reply_headers == HTTP_MAX_HEADERS || !head_is_token(str_of(name)) ||
        !head_is_text(str_of(value)))
        return false;
    struct http_pair pair = {
        .name = str_of(arena_strdup(&x->arena, str_of(name))),
        .value = str_of(arena_strdup(&x->arena, str_of(value))),
    };
    if (pair.name.n == 0)
        return false;
    x->reply_headers[x->n_reply_headers++] = pair;
    return true;
}

/* Hand the response to the event thread. NULL: there was no memory for one, and the connection is closed instead. */
static void begin(struct http_exchange *x, int status, const char *content_type, struct MHD_Response *response)
{
    bool ok = response != NULL;
    if (ok && content_type)
        ok = MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type) == MHD_YES;
    for (int i = 0; ok && i < x->n_reply_headers; i++)
        ok = MHD_add_response_header(response, x->reply_headers[i].name.p, x->reply_headers[i].value.p) == MHD_YES;
    if (!ok && response) {
        MHD_destroy_response(response);
        response = NULL;
    }
    pthread_mutex_lock(&x->lock);
    x->status = status;
    x->response = response;
    x->failed = !ok;
    resume(x);
    pthread_mutex_unlock(&x->lock);
}

void http_reply(struct http_exchange *x, int status, const char *content_type, struct str body)
{
    if (x->begun)
        return;
    x->begun = true;
    x->ended = true;
    begin(x, status, content_type, MHD_create_response_from_buffer(body.n, (void *)body.p, MHD_RESPMEM_MUST_COPY));
}

/* libmicrohttpd asks for the next bytes of a stream. Without any, the connection sleeps until the writer has some. */
static ssize_t next_bytes(void *ctx, uint64_t pos, char *out, size_t max)
{
    struct http_exchange *x = ctx;
    (void)pos;
    ssize_t ret = 0;
    pthread_mutex_lock(&x->lock);
    x->streaming = true;
    size_t n = x->out.n - x->out_at;
    if (x->failed || http_client_gone(x)) {
        ret = MHD_CONTENT_READER_END_WITH_ERROR;
    } else if (n > 0) {
        n = n < max ? n : max;
        memcpy(out, x->out.p + x->out_at, n);
        x->out_at += n;
        if (x->out_at == x->out.n) {
            buf_clear(&x->out);
            x->out_at = 0;
        }
        pthread_cond_signal(&x->room);
        ret = (ssize_t)n;
    } else if (x->ended) {
        ret = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        x->suspended = true;
        MHD_suspend_connection(x->conn);
    }
    pthread_mutex_unlock(&x->lock);
    return ret;
}

static void stream_freed(void *ctx)
{
    exchange_unref(ctx);
}

void http_reply_begin(struct http_exchange *x, int status, const char *content_type)
{
    if (x->begun)
        return;
    x->begun = true;
    atomic_fetch_add(&x->refs, 1);
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, REPLY_BLOCK_BYTES, next_bytes, x, stream_freed);
    if (!response)
        exchange_unref(x);
    begin(x, status, content_type, response);
}

bool http_reply_write(struct http_exchange *x, struct str bytes)
{
    bool ok = true;
    pthread_mutex_lock(&x->lock);
    while (ok && bytes.n > 0) {
        while (x->out.n - x->out_at == REPLY_BUFFER_BYTES && !http_client_gone(x))
            pthread_cond_wait(&x->room, &x->lock);
        if (http_client_gone(x) || x->failed || x->ended)
            break;
        buf_drop(&x->out, x->out_at);
        x->out_at = 0;
        size_t room = REPLY_BUFFER_BYTES - x->out.n;
        size_t n = bytes.n < room ? bytes.n : room;
        buf_add(&x->out, bytes.p, n);
        ok = buf_ok(&x->out);
        x->failed |= !ok;
        bytes = (struct str){bytes.p + n, bytes.n - n};
        resume(x);
    }
    ok = ok && bytes.n == 0 && !http_client_gone(x);
    pthread_mutex_unlock(&x->lock);
    return ok;
}

void http_reply_end(struct http_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    x->ended = true;
    resume(x);
    pthread_mutex_unlock(&x->lock);
}

/* ---- endings ---- */

void exchange_cut(struct http_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    atomic_store(&x->gone, true);
    pthread_cond_broadcast(&x->room);
    if (x->streaming)
        resume(x);
    pthread_mutex_unlock(&x->lock);
}

void exchange_finish(struct http_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    if (!x->ended)
        x->failed = true;
    x->ended = true;
    resume(x);
    pthread_mutex_unlock(&x->lock);
}

static const char *refusal_message(int status)
{
    switch (status) {
    case MHD_HTTP_BAD_REQUEST:
        return "the request's header is not HTTP, or can be read in more than one way: a field given twice, a line "
               "without its CR LF, a control character, an encoding other than 'chunked', a target that is no path";
    case MHD_HTTP_CONTENT_TOO_LARGE:
        return "the request body is longer than this server accepts";
    case MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE:
        return "the request's header fields are longer than this server accepts";
    case MHD_HTTP_SERVICE_UNAVAILABLE:
        return "too many requests are waiting; try again in a second";
    default:
        return "the server failed to answer this request";
    }
}

struct MHD_Response *refusal_response(const struct http_server_options *o, int status)
{
    struct buf body = BUF_INIT(65536);
    struct MHD_Response *response = NULL;
    o->error_body(status, refusal_message(status), &body);
    if (buf_ok(&body))
        response = MHD_create_response_from_buffer(body.n, body.p, MHD_RESPMEM_MUST_COPY);
    buf_free(&body);
    if (!response)
        return NULL;
    bool ok = MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json") == MHD_YES;
    if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
        ok = ok && MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1") == MHD_YES;
    if (!ok) {
        MHD_destroy_response(response);
        return NULL;
    }
    return response;
}

void exchange_refuse(struct http_exchange *x, const struct http_server_options *o, int status)
{
    x->begun = true;
    x->ended = true;
    begin(x, status, NULL, refusal_response(o, status));
}
