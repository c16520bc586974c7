/* Helpers of the net tests. Everything listens on a free port of the loopback. */
#include "support_net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"

int dial(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

bool send_bytes(int fd, const void *p, size_t n)
{
    const char *at = p;
    while (n > 0) {
        ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
        n -= (size_t)sent;
    }
    return true;
}

void send_text(int fd, const char *text)
{
    assert_true(send_bytes(fd, text, strlen(text)));
}

/* One read; 1: bytes came, 0: closed, -1: patience is over. */
static int read_some(int fd, struct buf *in)
{
    char bytes[65536];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, PATIENCE_MS) != 1)
        return -1;
    ssize_t n = recv(fd, bytes, sizeof bytes, 0);
    if (n <= 0)
        return 0;
    buf_add(in, bytes, (size_t)n);
    return 1;
}

bool has(const struct buf *in, const char *needle)
{
    return str_find(buf_view(in), str_of(needle)) != SIZE_MAX;
}

int count(const struct buf *in, const char *needle)
{
    struct str s = buf_view(in);
    int n = 0;
    size_t at;
    while ((at = str_find(s, str_of(needle))) != SIZE_MAX) {
        n++;
        s = (struct str){s.p + at + 1, s.n - at - 1};
    }
    return n;
}

bool read_until(int fd, struct buf *in, const char *needle)
{
    while (!has(in, needle))
        if (read_some(fd, in) != 1)
            return false;
    return true;
}

bool read_to_end(int fd, struct buf *in)
{
    int r;
    while ((r = read_some(fd, in)) == 1) {
    }
    return r == 0;
}

bool wait_for(bool (*what)(void *ctx), void *ctx)
{
    int64_t until = clock_ms() + PATIENCE_MS;
    while (!what(ctx)) {
        if (clock_ms() > until)
            return false;
        usleep(500);
    }
    return true;
}

static bool flag_set(void *ctx)
{
    return atomic_load((atomic_bool *)ctx);
}

bool wait_flag(atomic_bool *flag)
{
    return wait_for(flag_set, flag);
}

struct threshold {
    atomic_int *counter;
    int at_least;
};

static bool count_reached(void *ctx)
{
    struct threshold *t = ctx;
    return atomic_load(t->counter) >= t->at_least;
}

bool wait_count(atomic_int *counter, int at_least)
{
    struct threshold t = {counter, at_least};
    return wait_for(count_reached, &t);
}

/* ---- a server under test ---- */

void error_json(int status, const char *message, struct buf *out)
{
    buf_printf(out, "{\"error\":{\"code\":%d,\"message\":\"%s\"}}", status, message);
}

struct http_server *serve(struct http_server_options o, void (*handle)(void *ctx, struct http_exchange *x), void *ctx)
{
    struct http_server *s = NULL;
    struct err err = ERR_INIT;
    o.host = "127.0.0.1";
    o.port = 0;
    o.handle = handle;
    o.error_body = error_json;
    o.ctx = ctx;
    assert_ok(http_server_open(&o, &s, &err), err);
    return s;
}

/* ---- the scripted other side ---- */

struct visit {
    struct script *script;
    int fd;
};

static void *visit_main(void *arg)
{
    struct visit v = *(struct visit *)arg;
    free(arg);
    v.script->talk(v.script, v.fd);
    close(v.fd);
    return NULL;
}

static void *script_main(void *arg)
{
    struct script *s = arg;
    pthread_t threads[256];
    int n = 0, fd;
    while ((fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        atomic_fetch_add(&s->connections, 1);
        struct visit *v = malloc(sizeof *v);
        *v = (struct visit){s, fd};
        if (n == 256 || pthread_create(&threads[n], NULL, visit_main, v) != 0)
            abort();
        n++;
    }
    while (n > 0)
        pthread_join(threads[--n], NULL);
    return NULL;
}

void script_start(struct script *s, void (*talk)(struct script *s, int fd))
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    memset(s, 0, sizeof *s);
    s->talk = talk;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(s->listener, 256), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&a, &n), 0);
    s->port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, script_main, s), 0);
}

void script_stop(struct script *s)
{
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
}

bool script_read_request(int fd, struct buf *in)
{
    if (!read_until(fd, in, "\r\n\r\n"))
        return false;
    size_t head_n = str_find(buf_view(in), STR("\r\n\r\n")) + 4;
    size_t at = str_find(buf_view(in), STR("Content-Length: "));
    size_t body_n = at == SIZE_MAX ? 0 : strtoul(in->p + at + 16, NULL, 10);
    while (in->n < head_n + body_n)
        if (read_some(fd, in) != 1)
            return false;
    return true;
}

void script_wait_hangup(struct script *s, int fd)
{
    struct buf rest = BUF_INIT(1 << 20);
    if (read_to_end(fd, &rest))
        atomic_fetch_add(&s->hangups, 1);
    buf_free(&rest);
}

/* ---- a call to its end ---- */

void collect(struct http_call *call, struct outcome *ret)
{
    struct outcome o = {.body = BUF_INIT(64 << 20), .err = ERR_INIT};
    struct http_event event;
    while (o.dones == 0 && http_call_next(call, PATIENCE_MS, &event)) {
        if (event.kind == HTTP_HEAD) {
            o.heads++;
            o.status = event.status;
            o.retry_after_s = event.retry_after_s;
            snprintf(o.content_type, sizeof o.content_type, STR_FMT, STR_ARG(event.content_type));
        } else if (event.kind == HTTP_DATA) {
            buf_str(&o.body, event.data);
        } else {
            o.dones++;
            o.ok = event.ok;
            o.sent = event.sent;
            o.err = event.err;
        }
    }
    *ret = o;
}

const char *url_of(uint16_t port, const char *path)
{
    static char urls[8][256];
    static unsigned next;
    char *url = urls[next++ % 8];
    snprintf(url, sizeof urls[0], "http://127.0.0.1:%u%s", port, path);
    return url;
}
