/* The stand-in upstream, the trap and the plain client of the gateway's tests. */
#include "support_upstream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include "../support.h"

static void pause_ms(int ms) { nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000l}, NULL); }

/* ---- the stand-in ---- */

static void note_request(struct stand_in *s, struct http_exchange *x, struct stand_in_script *ret)
{
    struct str body = http_body(x), key = http_header(x, "Authorization");
    pthread_mutex_lock(&s->lock);
    s->n_requests++;
    snprintf(s->body, sizeof s->body, STR_FMT, STR_ARG(body));
    struct str path = http_path(x), own_key = http_header(x, "x-api-key");
    if (!own_key.n)
        own_key = http_header(x, "x-goog-api-key");
    if (!own_key.n)
        own_key = http_header(x, "api-key");
    struct str beta = http_header(x, "anthropic-beta");
    snprintf(s->beta, sizeof s->beta, STR_FMT, (int)beta.n, beta.p ? beta.p : "");
    snprintf(s->path, sizeof s->path, STR_FMT, STR_ARG(path));
    snprintf(s->api_key, sizeof s->api_key, STR_FMT, (int)own_key.n, own_key.p ? own_key.p : "");
    snprintf(s->authorization, sizeof s->authorization, STR_FMT, (int)key.n, key.p ? key.p : "");
    *ret = s->script;
    pthread_mutex_unlock(&s->lock);
}

static void hang(struct stand_in *s, struct http_exchange *x)
{
    for (int i = 0; i < 2000 && !http_client_gone(x); i++)
        pause_ms(5);
    pthread_mutex_lock(&s->lock);
    s->n_gone += http_client_gone(x);
    pthread_mutex_unlock(&s->lock);
}

static void send_parts(struct http_exchange *x, const struct stand_in_script *script)
{
    const char *at = script->body;
    while (at && *at) {
        size_t n = script->by_bytes ? 1 : strcspn(at, "|");
        pause_ms(script->pause_ms);
        if (!http_reply_write(x, (struct str){at, n}))
            return;
        at += n + (!script->by_bytes && at[n] == '|');
    }
}

static void answer_health(struct stand_in *s, struct http_exchange *x)
{
    pthread_mutex_lock(&s->lock);
    int status = s->script.health;
    pthread_mutex_unlock(&s->lock);
    http_reply(x, status ? status : 200, "text/plain", STR("so it is"));
}

static void stand_in_handle(void *ctx, struct http_exchange *x)
{
    struct stand_in *s = ctx;
    struct stand_in_script script;
    if (str_is(http_method(x), "GET")) {
        answer_health(s, x);
        return;
    }
    note_request(s, x, &script);
    int status = script.status ? script.status : 200;
    if (script.hang_first)
        hang(s, x);
    if (script.retry_after)
        http_reply_header(x, "Retry-After", script.retry_after);
    if (!script.streamed) {
        http_reply(x, status, script.content_type ? script.content_type : "application/json", str_of(script.body));
        return;
    }
    http_reply_begin(x, status, script.content_type ? script.content_type : "text/event-stream");
    send_parts(x, &script);
    if (script.hang_last)
        hang(s, x);
    http_reply_end(x);
}

void stand_in_open(struct stand_in *s)
{
    struct err err = ERR_INIT;
    memset(s, 0, sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    struct http_server_options o = {.host = "127.0.0.1", .handle = stand_in_handle, .ctx = s};
    assert_ok(http_server_open(&o, &s->server, &err), err);
    s->port = http_server_port(s->server);
}

void stand_in_close(struct stand_in *s)
{
    http_server_close(s->server, 100);
    pthread_mutex_destroy(&s->lock);
}

void stand_in_play(struct stand_in *s, struct stand_in_script script)
{
    pthread_mutex_lock(&s->lock);
    s->script = script;
    pthread_mutex_unlock(&s->lock);
}

int stand_in_requests(struct stand_in *s)
{
    pthread_mutex_lock(&s->lock);
    int n = s->n_requests;
    pthread_mutex_unlock(&s->lock);
    return n;
}

int stand_in_gone(struct stand_in *s)
{
    pthread_mutex_lock(&s->lock);
    int n = s->n_gone;
    pthread_mutex_unlock(&s->lock);
    return n;
}

/* ---- the trap ---- */

static int listen_loopback(uint16_t *ret_port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 64), 0);
    getsockname(fd, (struct sockaddr *)&a, &n);
    *ret_port = ntohs(a.sin_port);
    return fd;
}

static void *trap_run(void *arg)
{
    struct trap *t = arg;
    for (int fd; (fd = accept(t->fd, NULL, NULL)) >= 0;) {
        __atomic_add_fetch(&t->n_connections, 1, __ATOMIC_SEQ_CST);
        close(fd);
    }
    return NULL;
}

void trap_open(struct trap *t)
{
    memset(t, 0, sizeof *t);
    t->fd = listen_loopback(&t->port);
    assert_int_equal(pthread_create(&t->thread, NULL, trap_run, t), 0);
}

int trap_connections(struct trap *t) { return __atomic_load_n(&t->n_connections, __ATOMIC_SEQ_CST); }

void trap_close(struct trap *t)
{
    shutdown(t->fd, SHUT_RDWR);
    pthread_join(t->thread, NULL);
    close(t->fd);
}

/* ---- the plain client ---- */

int plain_send(uint16_t port, const char *method, const char *path, const char *headers, const char *body)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t n = body ? strlen(body) : 0, size = n + 4096;
    char *text = malloc(size);
    bool own_host = headers && strstr(headers, "Host:");
    int len = snprintf(text, size, "%s %s HTTP/1.1\r\n%s%sContent-Length: %zu\r\nConnection: close\r\n\r\n%s", method, path,
                       own_host ? "" : "Host: localhost\r\n", headers ? headers : "", n, body ? body : "");
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(send(fd, text, (size_t)len, MSG_NOSIGNAL), len);
    free(text);
    return fd;
}

static void undo_chunks(struct plain_reply *r)
{
    char *from = r->body, *to = r->body;
    for (;;) {
        char *end;
        unsigned long n = strtoul(from, &end, 16);
        if (end == from || n == 0 || end + 2 + n > r->body + r->n_body)
            break;
        memmove(to, end + 2, n);
        to += n;
        from = end + 2 + n + 2;
    }
    *to = 0;
    r->n_body = (size_t)(to - r->body);
}

void plain_request(uint16_t port, const char *method, const char *path, const char *headers, const char *body, struct plain_reply *ret)
{
    int fd = plain_send(port, method, path, headers, body);
    size_t n = 0, cap = 1 << 16;
    char *raw = malloc(cap);
    for (ssize_t got; (got = recv(fd, raw + n, cap - n - 1, 0)) > 0;) {
        n += (size_t)got;
        if (cap - n < 4096)
            raw = realloc(raw, cap *= 2);
    }
    close(fd);
    raw[n] = 0;
    *ret = (struct plain_reply){.raw = raw, .headers = raw, .body = raw + n};
    char *gap = strstr(raw, "\r\n\r\n");
    if (gap) {
        *gap = 0;
        ret->body = gap + 4;
        ret->n_body = n - (size_t)(ret->body - raw);
        sscanf(raw, "HTTP/1.%*d %d", &ret->status);
        if (strcasestr(raw, "transfer-encoding: chunked"))
            undo_chunks(ret);
    }
}

const char *plain_header(const struct plain_reply *r, const char *name)
{
    static __thread char values[8][512];
    static __thread int next;
    char key[80];
    snprintf(key, sizeof key, "\r\n%s:", name);
    const char *at = strcasestr(r->headers, key);
    if (!at)
        return NULL;
    at += strlen(key);
    at += strspn(at, " ");
    char *value = values[next++ % 8];
    snprintf(value, sizeof values[0], "%.*s", (int)strcspn(at, "\r"), at);
    return value;
}

void plain_free(struct plain_reply *r) { free(r->raw); }
