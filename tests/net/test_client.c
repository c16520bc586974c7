/* The client against another side that behaves, stalls, breaks off, never ends, or is not there. */
#include "support_net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

struct bench {
    struct http_client *client;
    struct script other;
};

static void setup(struct bench *b, void (*talk)(struct script *s, int fd))
{
    struct err err = ERR_INIT;
    script_start(&b->other, talk);
    assert_ok(http_client_open(&b->client, &err), err);
}

static void teardown(struct bench *b)
{
    http_client_close(b->client);
    script_stop(&b->other);
}

static struct http_call *start(struct bench *b, struct http_call_request req)
{
    struct http_call *call = NULL;
    struct err err = ERR_INIT;
    if (!req.url)
        req.url = url_of(b->other.port, "/v1/chat/completions");
    if (!req.method)
        req.method = "POST";
    assert_ok(http_call_start(b->client, &req, &call, &err), err);
    return call;
}

/* Start, read to the end, close. */
static struct outcome run(struct bench *b, struct http_call_request req)
{
    struct outcome o;
    struct http_call *call = start(b, req);
    struct http_event event;
    collect(call, &o);
    assert_int_equal(o.dones, 1);
    assert_false(http_call_next(call, 1000, &event)); /* nothing follows HTTP_DONE */
    http_call_close(call);
    return o;
}

static void assert_fails(struct bench *b, struct http_call_request req, enum err_code code, const char *words,
                         bool sent)
{
    struct outcome o = run(b, req);
    assert_false(o.ok);
    if (o.err.code != code || !strstr(o.err.msg, words))
        fail_msg("error %d '%s' is not %d with '%s'", o.err.code, o.err.msg, code, words);
    assert_int_equal(o.sent, sent);
    buf_free(&o.body);
}

/* ---- replies that come whole ---- */

/* Answers every request of a connection with its own body. */
static void talk_echo(struct script *s, int fd)
{
    struct buf in = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);
    (void)s;
    while (script_read_request(fd, &in)) {
        size_t body = str_find(buf_view(&in), STR("\r\n\r\n")) + 4;
        buf_clear(&out);
        buf_printf(&out, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n", in.n - body);
        buf_add(&out, in.p + body, in.n - body);
        if (!send_bytes(fd, out.p, out.n))
            break;
        buf_clear(&in);
    }
    buf_free(&in);
    buf_free(&out);
}

static void test_client_brings_a_reply(void **state)
{
    (void)state;
    struct bench b;
    setup(&b, talk_echo);
    struct outcome o = run(&b, (struct http_call_request){.body = STR("a question")});
    assert_true(o.ok && o.sent);
    assert_int_equal(o.heads, 1);
    assert_int_equal(o.status, 200);
    assert_int_equal(o.retry_after_s, -1);
    assert_string_equal(o.content_type, "text/plain");
    assert_true(str_is(buf_view(&o.body), "a question"));
    buf_free(&o.body);
    teardown(&b);
}

static void test_client_reuses_its_connection(void **state)
{
    (void)state;
    struct bench b;
    setup(&b, talk_echo);
    for (int i = 0; i < 20; i++) {
        struct outcome o = run(&b, (struct http_call_request){.body = STR("again")});
        assert_true(o.ok);
        buf_free(&o.body);
    }
    assert_int_equal(atomic_load(&b.other.connections), 1);
    teardown(&b);
}

static void test_client_runs_many_calls_at_once(void **state)
{
    (void)state;
    struct bench b;
    struct http_call *calls[200];
    setup(&b, talk_echo);
    for (int i = 0; i < 200; i++) {
        char body[32];
        int n = snprintf(body, sizeof body, "call %d", i);
        calls[i] = start(&b, (struct http_call_request){.body = {body, (size_t)n}});
    }
    for (int i = 0; i < 200; i++) {
        char body[32];
        struct outcome o;
        collect(calls[i], &o);
        snprintf(body, sizeof body, "call %d", i);
        assert_true(o.ok && str_is(buf_view(&o.body), body));
        buf_free(&o.body);
        http_call_close(calls[i]);
    }
    teardown(&b);
}

static void talk_headers(struct script *s, int fd)
{
    struct buf in = BUF_INIT(4 << 20);
    (void)s;
    script_read_request(fd, &in);
    bool as_expected = has(&in, "authorization: Bearer k\r\n") && has(&in, "content-type: application/json\r\n") &&
                       !has(&in, "Expect") && has(&in, "POST /v1/chat/completions HTTP/1.1\r\n");
    send_text(fd, "HTTP/1.1 100 Continue\r\n\r\n");
    send_text(fd, as_expected ? "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nno"
                              : "HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n");
    buf_free(&in);
}

static void test_client_sends_headers_and_reads_retry_after(void **state)
{
    (void)state;
    struct bench b;
    const char *const headers[] = {"authorization: Bearer k", "content-type: application/json", NULL};
    const size_t large_n = 2 << 20; /* libcurl would ask before sending as much */
    char *large = calloc(1, large_n);
    setup(&b, talk_headers);
    struct outcome o = run(&b, (struct http_call_request){.headers = headers, .body = {large, large_n}});
    assert_true(o.ok);
    assert_int_equal(o.heads, 1); /* the interim reply is none */
    assert_int_equal(o.status, 429);
    assert_int_equal(o.retry_after_s, 7);
    free(large);
    buf_free(&o.body);
    teardown(&b);
}

static void talk_redirect(struct script *s, int fd)
{
    struct buf in = BUF_INIT(1 << 20);
    char reply[200];
    script_read_request(fd, &in);
    snprintf(reply, sizeof reply, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n",
             url_of(s->port, "/elsewhere"));
    send_text(fd, reply);
    script_wait_hangup(s, fd);
    buf_free(&in);
}

static void test_client_follows_no_redirect(void **state)
{
    (void)state;
    struct bench b;
    setup(&b, talk_redirect);
    struct outcome o = run(&b, (struct http_call_request){.body = STR("x")});
    assert_true(o.ok);
    assert_int_equal(o.status, 302);
    assert_int_equal(atomic_load(&b.other.connections), 1);
    buf_free(&o.body);
    teardown(&b);
}

static void test_client_ignores_proxies_of_the_environment(void **state)
{
    (void)state;
    struct bench b;
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    setup(&b, talk_echo);
    struct outcome o = run(&b, (struct http_call_request){.body = STR("direct")});
    assert_true(o.ok);
    buf_free(&o.body);
    teardown(&b);
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
}

/* ---- replies that do not ---- */

static void talk_cut(struct script *s, int fd)
{
    struct buf in = BUF_INIT(1 << 20);
    (void)s;
    script_read_request(fd, &in);
    send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
    buf_free(&in);
}

static void talk_cut_chunked(struct script *s, int fd)
{
    struct buf in = BUF_INIT(1 << 20);
    (void)s;
    script_read_request(fd, &in);
    send_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nonly\r\n");
    buf_free(&in);
}

static void talk_nothing(struct script *s, int fd)
{
    struct buf in = BUF_INIT(1 << 20);
    (void)s;
    script_read_request(fd, &in);
    buf_free(&in);
}

static void talk_garbage(struct script *s, int fd)
{
    struct buf in = BUF_INIT(1 << 20);
    (void)s;
    script_read_request(fd, &in);
    send_text(fd, "\x01\x02\x03 this is not HTTP\r\n\r\n");
    buf_free(&in);
}

static void test_client_reports_replies_that_break_off(void **state)
{
    (void)state;
    void (*const talks[])(struct script *, int) = {talk_cut, talk_cut_chunked, talk_nothing, talk_garbage};
    for (int i = 0; i < 4; i++) {
        struct bench b;
        setup(&b, talks[i]);
        assert_fails(&b, (struct http_call_request){.body = STR("x")}, ERR_IO, "127.0.0.1", true);
        teardown(&b);
    }
}

static void test_client_gives_what_came_before_the_break(void **state)
{
    (void)state;
    struct bench b;
    setup(&b, talk_cut);
    struct outcome o = run(&b, (struct http_call_request){.body = STR("x")});
    assert_false(o.ok);
    assert_int_equal(o.status, 200);
    assert_true(str_is(buf_view(&o.body), "only this"));
    buf_free(&o.body);
    teardown(&b);
}

static void test_client_reports_refused_connections_as_unsent(void **state)
{
    (void)state;
    struct bench b;
    setup(&b, talk_echo);
    uint16_t port = b.other.port;
    script_stop(&b.other);
    assert_fails(&b, (struct http_call_request){.url = url_of(port, "/")}, ERR_IO, "connect", false);
    http_client_close(b.client);
}

/* Sends for ever, and counts what the socket took. */
static void talk_endless(struct script *s, int fd)
{
    struct buf in = BUF_INIT(1 << 20);
    char block[4096];
    memset(block, 'x', sizeof block);
    script_read_request(fd, &in);
    send_text(fd, "HTTP/1.1 200 OK\r\n\r\n");
    while (send_bytes(fd, block, sizeof block)) {
    }
    atomic_fetch_add(&s->hangups, 1);
    buf_free(&in);
}

static void talk_endless_head(struct script *s, int fd)
{
    struct buf in = BUF_INIT(1 << 20);
    script_read_request(fd, &in);
    send_text(fd, "HTTP/1.1 200 OK\r\n");
    while (send_bytes(fd, "x: y\r\n", 6)) {
    }
    atomic_fetch_add(&s->hangups, 1);
    buf_free(&in);
}

static void test_client_stops_an_endless_reply(void **state)
{
    (void)state;
    struct bench b;
    setup(&b, talk_endless);
    assert_fails(&b, (struct http_call_request){.max_body_bytes = 100000}, ERR_LIMIT, "longer than 100000 bytes", true);
    assert_true(wait_count(&b.other.hangups, 1));
    teardown(&b);
}

static void test_client_stops_an_endless_header(void **state)
{
    (void)state;
    struct bench b;
    struct outcome o;
    setup(&b, talk_endless_head);
    o = run(&b, (struct http_call_request){0});
    assert_false(o.ok);
    assert_int_equal(o.heads, 0);
    assert_true(wait_count(&b.other.hangups, 1));
    buf_free(&o.body);
    teardown(&b);
}

static atomic_size_t flooded;

static void talk_flood(struct script *s, int fd)
{
    struct buf in = BUF_INIT(1 << 20);
    char block[4096];
    memset(block, 'x', sizeof block);
    (void)s;
    script_read_request(fd, &in);
    send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 33554432\r\n\r\n");
    for (int i = 0; i < 8192 && send_bytes(fd, block, sizeof block); i++)
        atomic_fetch_add(&flooded, sizeof block);
    buf_free(&in);
}

static bool flood_rests(void *ctx)
{
    (void)ctx;
    size_t before = atomic_load(&flooded);
    usleep(20000);
    return before > 0 && atomic_load(&flooded) == before;
}

static void test_client_lets_the_wire_wait_for_a_slow_caller(void **state)
{
    (void)state;
    struct bench b;
    struct outcome o;
    setup(&b, talk_flood);
    struct http_call_request req = {.max_buffered_bytes = 1000, .idle_timeout_ms = 10000};
    struct http_call *call = start(&b, req);
    assert_true(wait_for(flood_rests, NULL));
    assert_true(atomic_load(&flooded) < 32u << 20);
    collect(call, &o);
    assert_true(o.ok);
    assert_int_equal(o.body.n, 32 << 20);
    buf_free(&o.body);
    http_call_close(call);
    teardown(&b);
}

/* ---- time-outs ---- */

static void talk_silent(struct script *s, int fd)
{
    struct buf in = BUF_INIT(1 << 20);
    script_read_request(fd, &in);
    script_wait_hangup(s, fd);
    buf_free(&in);
}

static void talk_stall(struct script *s, int fd)
{
    struct buf in = BUF_INIT(1 << 20);
    script_read_request(fd, &in);
    send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin");
    script_wait_hangup(s, fd);
    buf_free(&in);
}

static void talk_drip(struct script *s, int fd)
{
    struct buf in = BUF_INIT(1 << 20);
    script_read_request(fd, &in);
    send_text(fd, "HTTP/1.1 200 OK\r\n\r\n");
    while (send_bytes(fd, ".", 1))
        usleep(5000);
    atomic_fetch_add(&s->hangups, 1);
    buf_free(&in);
}

static void test_client_names_the_time_out(void **state)
{
    (void)state;
    const struct {
        void (*talk)(struct script *, int);
        struct http_call_request req;
        const char *words;
    } cases[] = {
        {talk_silent, {.first_byte_timeout_ms = 50, .total_timeout_ms = 10000}, "(first-byte time-out)"},
        {talk_silent, {.total_timeout_ms = 50, .first_byte_timeout_ms = 10000}, "(total time-out)"},
        {talk_stall, {.idle_timeout_ms = 50, .total_timeout_ms = 10000}, "(idle time-out)"},
        {talk_drip, {.total_timeout_ms = 100, .idle_timeout_ms = 10000}, "(total time-out)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bench b;
        setup(&b, cases[i].talk);
        assert_fails(&b, cases[i].req, ERR_TIMEOUT, cases[i].words, true);
        assert_true(wait_count(&b.other.hangups, 1));
        teardown(&b);
    }
}

/* A listener whose queue is full answers no SYN. */
static void test_client_names_the_connect_time_out(void **state)
{
    (void)state;
    struct bench b;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fillers[8];
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setup(&b, talk_echo);
    assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &n), 0);
    for (int i = 0; i < 8; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)!connect(fillers[i], (struct sockaddr *)&a, sizeof a);
    }
    struct http_call_request req = {.url = url_of(ntohs(a.sin_port), "/"), .connect_timeout_ms = 100};
    assert_fails(&b, req, ERR_TIMEOUT, "(connect time-out)", false);
    for (int i = 0; i < 8; i++)
        close(fillers[i]);
    close(listener);
    teardown(&b);
}

/* ---- cancelling ---- */

static void test_client_cancel_closes_the_connection(void **state)
{
    (void)state;
    struct bench b;
    struct http_event event;
    setup(&b, talk_stall);
    struct http_call *call = start(&b, (struct http_call_request){.body = STR("x")});
    assert_true(http_call_next(call, PATIENCE_MS, &event) && event.kind == HTTP_HEAD);
    assert_true(http_call_next(call, PATIENCE_MS, &event) && event.kind == HTTP_DATA);
    assert_int_equal(atomic_load(&b.other.hangups), 0);
    http_call_cancel(call);
    http_call_cancel(call);
    assert_true(wait_count(&b.other.hangups, 1));
    assert_true(http_call_next(call, PATIENCE_MS, &event) && event.kind == HTTP_DONE);
    assert_int_equal(event.err.code, ERR_CANCELLED);
    assert_true(event.sent);
    http_call_close(call);
    teardown(&b);
}

static void test_client_close_of_a_running_call_closes_the_connection(void **state)
{
    (void)state;
    struct bench b;
    struct http_event event;
    setup(&b, talk_endless);
    struct http_call *call = start(&b, (struct http_call_request){.max_buffered_bytes = 1000});
    assert_true(http_call_next(call, PATIENCE_MS, &event));
    http_call_close(call); /* while paused */
    assert_true(wait_count(&b.other.hangups, 1));
    teardown(&b);
}

static void *cancel_main(void *arg)
{
    usleep(20000);
    http_call_cancel(arg);
    return NULL;
}

static void test_client_cancel_wakes_a_waiting_caller(void **state)
{
    (void)state;
    struct bench b;
    struct http_event event;
    pthread_t thread;
    setup(&b, talk_silent);
    struct http_call *call = start(&b, (struct http_call_request){0});
    pthread_create(&thread, NULL, cancel_main, call);
    assert_true(http_call_next(call, PATIENCE_MS, &event));
    assert_int_equal(event.kind, HTTP_DONE);
    assert_int_equal(event.err.code, ERR_CANCELLED);
    pthread_join(thread, NULL);
    http_call_close(call);
    teardown(&b);
}

static void test_client_survives_calls_closed_at_any_moment(void **state)
{
    (void)state;
    struct bench b;
    setup(&b, talk_echo);
    for (int i = 0; i < 200; i++) {
        struct http_event event;
        struct http_call *call = start(&b, (struct http_call_request){.body = STR("x")});
        for (int k = 0; k < i % 4; k++)
            http_call_next(call, i % 3, &event);
        http_call_close(call);
    }
    teardown(&b);
}

/* ---- wrong requests ---- */

static void assert_refused(struct bench *b, struct http_call_request req, const char *words)
{
    struct http_call *call = NULL;
    struct err err = ERR_INIT;
    req.method = "GET";
    assert_false(http_call_start(b->client, &req, &call, &err));
    if (!strstr(err.msg, words))
        fail_msg("'%s' does not say '%s'", err.msg, words);
}

static void test_client_refuses_wrong_requests(void **state)
{
    (void)state;
    struct bench b;
    const char *const split[] = {"x-a: 1\r\nx-b: 2", NULL};
    setup(&b, talk_echo);
    assert_refused(&b, (struct http_call_request){.url = "file:///etc/passwd"}, "http");
    assert_refused(&b, (struct http_call_request){.url = "ftp://127.0.0.1/"}, "not ftp://");
    assert_refused(&b, (struct http_call_request){.url = "not a url"}, "URL");
    assert_refused(&b, (struct http_call_request){.url = ""}, "URL");
    assert_refused(&b, (struct http_call_request){.url = "http://user:secret@127.0.0.1/"}, "user name");
    assert_refused(&b, (struct http_call_request){.url = url_of(b.other.port, "/"), .headers = split}, "line end");
    assert_int_equal(atomic_load(&b.other.connections), 0);
    teardown(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_brings_a_reply),
        cmocka_unit_test(test_client_reuses_its_connection),
        cmocka_unit_test(test_client_runs_many_calls_at_once),
        cmocka_unit_test(test_client_sends_headers_and_reads_retry_after),
        cmocka_unit_test(test_client_follows_no_redirect),
        cmocka_unit_test(test_client_ignores_proxies_of_the_environment),
        cmocka_unit_test(test_client_reports_replies_that_break_off),
        cmocka_unit_test(test_client_gives_what_came_before_the_break),
        cmocka_unit_test(test_client_reports_refused_connections_as_unsent),
        cmocka_unit_test(test_client_stops_an_endless_reply),
        cmocka_unit_test(test_client_stops_an_endless_header),
        cmocka_unit_test(test_client_lets_the_wire_wait_for_a_slow_caller),
        cmocka_unit_test(test_client_names_the_time_out),
        cmocka_unit_test(test_client_names_the_connect_time_out),
        cmocka_unit_test(test_client_cancel_closes_the_connection),
        cmocka_unit_test(test_client_close_of_a_running_call_closes_the_connection),
        cmocka_unit_test(test_client_cancel_wakes_a_waiting_caller),
        cmocka_unit_test(test_client_survives_calls_closed_at_any_moment),
        cmocka_unit_test(test_client_refuses_wrong_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
