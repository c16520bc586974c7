/* The server with well-behaved clients: whole and streamed replies, keep-alive, pipelining, chunked and announced
 * bodies, many requests at once, closing down. */
#include "support_net.h"

#include <arpa/inet.h>
#include <malloc.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* Answers with what it was asked: method, path, a header and the body. */
static void echo(void *ctx, struct http_exchange *x)
{
    (void)ctx;
    struct buf out = BUF_INIT(64 << 20);
    struct str tag = http_header(x, "X-TAG"), body = http_body(x);
    buf_printf(&out, STR_FMT " " STR_FMT " " STR_FMT " %zu ", STR_ARG(http_method(x)), STR_ARG(http_path(x)),
               STR_ARG(tag), body.n);
    buf_str(&out, body);
    assert_true(http_reply_header(x, "x-rung-tier", "local"));
    http_reply(x, 200, "text/plain", buf_view(&out));
    buf_free(&out);
}

static void ask(uint16_t port, const char *request, const char *until, struct buf *in)
{
    int fd = dial(port);
    send_text(fd, request);
    assert_true(read_until(fd, in, until));
    close(fd);
}

static void test_server_answers_a_whole_request(void **state)
{
    (void)state;
    struct http_server *s = serve((struct http_server_options){0}, echo, NULL);
    struct buf in = BUF_INIT(1 << 20);
    ask(http_server_port(s), "POST /v1/x?y=1 HTTP/1.1\r\nHost: a\r\nx-tag: seven\r\nContent-Length: 5\r\n\r\nhello",
        "5 hello", &in);
    assert_true(has(&in, "HTTP/1.1 200"));
    assert_true(has(&in, "x-rung-tier: local\r\n"));
    assert_true(has(&in, "Content-Type: text/plain\r\n"));
    assert_true(has(&in, "POST /v1/x seven 5 hello"));
    buf_free(&in);
    http_server_close(s, 1000);
}

static void test_server_reads_chunked_bodies(void **state)
{
    (void)state;
    struct http_server *s = serve((struct http_server_options){0}, echo, NULL);
    struct buf in = BUF_INIT(1 << 20);
    ask(http_server_port(s),
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
        "7 abcdefg", &in);
    buf_free(&in);
    http_server_close(s, 1000);
}

static void test_server_grants_expect_continue(void **state)
{
    (void)state;
    struct http_server *s = serve((struct http_server_options){0}, echo, NULL);
    struct buf in = BUF_INIT(1 << 20);
    int fd = dial(http_server_port(s));
    send_text(fd, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    assert_true(read_until(fd, &in, "HTTP/1.1 100 Continue\r\n\r\n"));
    send_text(fd, "late");
    assert_true(read_until(fd, &in, "4 late"));
    close(fd);
    buf_free(&in);
    http_server_close(s, 1000);
}

static void test_server_passes_head_and_options_to_the_handler(void **state)
{
    (void)state;
    struct http_server *s = serve((struct http_server_options){0}, echo, NULL);
    struct buf in = BUF_INIT(1 << 20);
    ask(http_server_port(s), "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "\r\n\r\n", &in);
    assert_true(has(&in, "HTTP/1.1 200") && has(&in, "x-rung-tier: local"));
    buf_clear(&in);
    ask(http_server_port(s), "OPTIONS /v1 HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS /v1", &in);
    buf_free(&in);
    http_server_close(s, 1000);
}

static void test_server_answers_pipelined_requests_in_order(void **state)
{
    (void)state;
    struct http_server *s = serve((struct http_server_options){0}, echo, NULL);
    struct buf in = BUF_INIT(1 << 20);
    ask(http_server_port(s),
        "POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /two HTTP/1.1\r\nHost: a\r\n\r\n"
        "GET /three HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /three", &in);
    size_t one = str_find(buf_view(&in), STR("POST /one")), two = str_find(buf_view(&in), STR("GET /two"));
    assert_true(one < two && two < str_find(buf_view(&in), STR("GET /three")));
    buf_free(&in);
    http_server_close(s, 1000);
}

static void silent(void *ctx, struct http_exchange *x)
{
    (void)ctx, (void)x;
}

static void test_server_says_500_for_a_handler_without_a_reply(void **state)
{
    (void)state;
    struct http_server *s = serve((struct http_server_options){0}, silent, NULL);
    struct buf in = BUF_INIT(1 << 20);
    ask(http_server_port(s), "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\"code\":500", &in);
    assert_true(has(&in, "HTTP/1.1 500"));
    buf_free(&in);
    http_server_close(s, 1000);
}

static void bad_headers(void *ctx, struct http_exchange *x)
{
    (void)ctx;
    assert_false(http_reply_header(x, "x-a", "one\r\nset-cookie: two"));
    assert_false(http_reply_header(x, "x a", "v"));
    assert_false(http_reply_header(x, "", "v"));
    for (int i = 0; i < HTTP_MAX_HEADERS; i++)
        assert_true(http_reply_header(x, "x-many", "v"));
    assert_false(http_reply_header(x, "x-one-more", "v"));
    http_reply(x, 204, NULL, STR(""));
    assert_false(http_reply_header(x, "x-late", "v"));
    http_reply(x, 500, NULL, STR("never seen"));
}

static void test_server_refuses_header_injection_and_second_replies(void **state)
{
    (void)state;
    struct http_server *s = serve((struct http_server_options){0}, bad_headers, NULL);
    struct buf in = BUF_INIT(1 << 20);
    int fd = dial(http_server_port(s));
    send_text(fd, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_true(read_to_end(fd, &in));
    assert_true(has(&in, "HTTP/1.1 204"));
    assert_false(has(&in, "cookie") || has(&in, "never seen"));
    assert_int_equal(count(&in, "x-many"), HTTP_MAX_HEADERS);
    close(fd);
    buf_free(&in);
    http_server_close(s, 1000);
}

/* ---- streams ---- */

#define CHUNKS 10000

static void many_chunks(void *ctx, struct http_exchange *x)
{
    (void)ctx;
    http_reply_begin(x, 200, "text/event-stream");
    for (int i = 0; i < CHUNKS; i++) {
        char text[32];
        int n = snprintf(text, sizeof text, "data: %d\n\n", i);
        assert_true(http_reply_write(x, (struct str){text, (size_t)n}));
    }
    http_reply_end(x);
}

static void test_server_streams_every_chunk_in_order(void **state)
{
    (void)state;
    struct http_server *s = serve((struct http_server_options){0}, many_chunks, NULL);
    struct http_client *c = NULL;
    struct http_call *call = NULL;
    struct err err = ERR_INIT;
    struct outcome o;
    struct buf expected = BUF_INIT(1 << 20);
    for (int i = 0; i < CHUNKS; i++)
        buf_printf(&expected, "data: %d\n\n", i);
    assert_ok(http_client_open(&c, &err), err);
    struct http_call_request req = {.method = "GET", .url = url_of(http_server_port(s), "/")};
    assert_ok(http_call_start(c, &req, &call, &err), err);
    collect(call, &o);
    assert_true(o.ok);
    assert_true(str_eq(buf_view(&o.body), buf_view(&expected)));
    assert_string_equal(o.content_type, "text/event-stream");
    http_call_close(call);
    http_client_close(c);
    buf_free(&o.body);
    buf_free(&expected);
    http_server_close(s, 1000);
}

/* Each chunk waits for the reader to have seen the one before: a chunk held back anywhere would stop the test. */
struct lockstep {
    atomic_int seen;
};

static void lockstep_stream(void *ctx, struct http_exchange *x)
{
    struct lockstep *l = ctx;
    http_reply_begin(x, 200, "text/event-stream");
    for (int i = 0; i < 100; i++) {
        if (!wait_count(&l->seen, i) || !http_reply_write(x, STR("data: tick\n\n")))
            return;
    }
    http_reply_end(x);
}

static void test_server_sends_each_chunk_at_once(void **state)
{
    (void)state;
    struct lockstep l = {0};
    struct http_server *s = serve((struct http_server_options){0}, lockstep_stream, &l);
    struct buf in = BUF_INIT(1 << 20);
    int fd = dial(http_server_port(s));
    send_text(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    while (!has(&in, "\r\n0\r\n\r\n")) {
        size_t before = in.n;
        assert_true(read_until(fd, &in, "\n\n"));
        if (in.n == before) {
            char byte[65536];
            ssize_t n = read(fd, byte, sizeof byte);
            assert_true(n > 0);
            buf_add(&in, byte, (size_t)n);
        }
        atomic_store(&l.seen, count(&in, "data: tick"));
    }
    assert_int_equal(count(&in, "data: tick"), 100);
    close(fd);
    buf_free(&in);
    http_server_close(s, 1000);
}

static void unfinished(void *ctx, struct http_exchange *x)
{
    (void)ctx;
    http_reply_begin(x, 200, "text/plain");
    http_reply_write(x, STR("half"));
}

static void test_server_cuts_a_stream_the_handler_left_open(void **state)
{
    (void)state;
    struct http_server *s = serve((struct http_server_options){0}, unfinished, NULL);
    struct buf in = BUF_INIT(1 << 20);
    int fd = dial(http_server_port(s));
    send_text(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(read_to_end(fd, &in));
    assert_false(has(&in, "\r\n0\r\n\r\n"));
    close(fd);
    buf_free(&in);
    http_server_close(s, 1000);
}

/* ---- many at once ---- */

#define PARALLEL 200

struct gate {
    atomic_int inside;
    atomic_bool open;
};

static void gated(void *ctx, struct http_exchange *x)
{
    struct gate *g = ctx;
    atomic_fetch_add(&g->inside, 1);
    wait_flag(&g->open);
    echo(NULL, x);
}

static void test_server_runs_200_requests_at_once(void **state)
{
    (void)state;
    struct gate g = {0};
    struct http_server *s = serve((struct http_server_options){0}, gated, &g);
    struct buf in = BUF_INIT(1 << 20);
    int fds[PARALLEL];
    for (int i = 0; i < PARALLEL; i++) {
        char request[64];
        fds[i] = dial(http_server_port(s));
        snprintf(request, sizeof request, "GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", i);
        send_text(fds[i], request);
    }
    assert_true(wait_count(&g.inside, PARALLEL));
    assert_int_equal(http_server_inflight(s), PARALLEL);
    atomic_store(&g.open, true);
    for (int i = 0; i < PARALLEL; i++) {
        char expected[32];
        snprintf(expected, sizeof expected, "GET /%d  0 ", i);
        assert_true(read_until(fds[i], &in, expected));
        buf_clear(&in);
        close(fds[i]);
    }
    buf_free(&in);
    http_server_close(s, 1000);
}

/* ---- opening and closing ---- */

static void test_server_says_when_the_port_is_taken(void **state)
{
    (void)state;
    struct http_server *s = serve((struct http_server_options){0}, echo, NULL), *second = NULL;
    struct err err = ERR_INIT;
    struct http_server_options o = {
        .host = "127.0.0.1", .port = http_server_port(s), .handle = echo, .error_body = error_json};
    assert_false(http_server_open(&o, &second, &err));
    assert_int_equal(err.code, ERR_BUSY);
    o.host = "example.org";
    assert_false(http_server_open(&o, &second, &err));
    assert_int_equal(err.code, ERR_INVALID);
    http_server_close(s, 1000);
}

static void test_server_on_localhost_listens_on_both_families(void **state)
{
    (void)state;
    struct http_server *s = NULL;
    struct err err = ERR_INIT;
    struct http_server_options o = {.host = "localhost", .handle = echo, .error_body = error_json};
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int probe = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0 || bind(probe, (struct sockaddr *)&a, sizeof a) != 0) {
        print_message("skip %s: no IPv6 here\n", __func__);
        skip();
    }
    close(probe);
    assert_ok(http_server_open(&o, &s, &err), err);
    struct buf in = BUF_INIT(1 << 20);
    ask(http_server_port(s), "GET /four HTTP/1.1\r\nHost: a\r\n\r\n", "GET /four", &in);
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    a.sin6_port = htons(http_server_port(s));
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    send_text(fd, "GET /six HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(read_until(fd, &in, "GET /six"));
    close(fd);
    buf_free(&in);
    http_server_close(s, 1000);
}

struct closing {
    struct gate gate;
    atomic_bool saw_cut;
    bool heed_gate;
};

static void slow_handler(void *ctx, struct http_exchange *x)
{
    struct closing *c = ctx;
    atomic_fetch_add(&c->gate.inside, 1);
    while (!atomic_load(&c->gate.open) && !http_client_gone(x))
        usleep(500);
    atomic_store(&c->saw_cut, http_client_gone(x));
    echo(NULL, x);
}

static void *open_gate_soon(void *arg)
{
    usleep(20000);
    atomic_store((atomic_bool *)arg, true);
    return NULL;
}

static void test_server_close_lets_running_requests_end(void **state)
{
    (void)state;
    struct closing c = {0};
    struct http_server *s = serve((struct http_server_options){0}, slow_handler, &c);
    struct buf in = BUF_INIT(1 << 20);
    pthread_t opener;
    int fd = dial(http_server_port(s));
    send_text(fd, "GET /last HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(wait_count(&c.gate.inside, 1));
    pthread_create(&opener, NULL, open_gate_soon, &c.gate.open);
    http_server_close(s, PATIENCE_MS);
    pthread_join(opener, NULL);
    assert_true(read_until(fd, &in, "GET /last"));
    assert_false(atomic_load(&c.saw_cut));
    close(fd);
    buf_free(&in);
}

static void *close_patiently(void *server)
{
    http_server_close(server, PATIENCE_MS);
    return NULL;
}

/* Nobody listens any more: what is said from now on is said to a server that is closing. */
static bool is_refused(void *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(*(uint16_t *)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool refused = connect(fd, (struct sockaddr *)&a, sizeof a) != 0;
    close(fd);
    return refused;
}

static void test_server_that_closes_turns_new_requests_away_and_ends_their_connections(void **state)
{
    (void)state;
    struct closing c = {0};
    struct http_server *s = serve((struct http_server_options){0}, slow_handler, &c);
    struct buf in = BUF_INIT(1 << 20);
    uint16_t port = http_server_port(s);
    pthread_t closer;
    int running = dial(port), open = dial(port);
    send_text(running, "GET /last HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(wait_count(&c.gate.inside, 1));
    pthread_create(&closer, NULL, close_patiently, s);
    assert_true(wait_for(is_refused, &port));
    send_text(open, "GET /new HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(read_to_end(open, &in));
    assert_true(has(&in, "HTTP/1.1 503") && has(&in, "Connection: close"));
    atomic_store(&c.gate.open, true);
    assert_true(read_to_end(running, &in));
    assert_true(has(&in, "GET /last"));
    pthread_join(closer, NULL);
    close(running);
    close(open);
    buf_free(&in);
}

static void test_server_close_cuts_what_outlasts_the_grace(void **state)
{
    (void)state;
    struct closing c = {0};
    struct http_server *s = serve((struct http_server_options){0}, slow_handler, &c);
    int fd = dial(http_server_port(s));
    send_text(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(wait_count(&c.gate.inside, 1));
    http_server_close(s, 10);
    assert_true(atomic_load(&c.saw_cut));
    close(fd);
}

/* Requests one behind the other, the last of each fifty told by its path. */
static void ask_on(int fd, int fifties)
{
    struct buf fifty = BUF_INIT(1 << 20), in = BUF_INIT(1 << 20);
    for (int i = 0; i < 49; i++)
        buf_puts(&fifty, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    buf_puts(&fifty, "GET /last HTTP/1.1\r\nHost: a\r\n\r\n");
    for (int i = 0; i < fifties; i++) {
        buf_clear(&in);
        assert_true(send_bytes(fd, fifty.p, fifty.n));
        assert_true(read_until(fd, &in, "GET /last"));
    }
    buf_free(&fifty);
    buf_free(&in);
}

/* What is allocated is counted, not what the process holds: the one cannot grow without the other for long, and is the
 * same on every machine. With the sanitizers nothing is counted, and the leak checker looks instead. */
static void test_server_keeps_nothing_of_10000_requests_on_one_connection(void **state)
{
    (void)state;
    struct http_server *s = serve((struct http_server_options){0}, echo, NULL);
    int fd = dial(http_server_port(s));
    ask_on(fd, 20);
    size_t before = mallinfo2().uordblks;
    ask_on(fd, 200);
    size_t after = mallinfo2().uordblks;
    if (after > before + 65536)
        fail_msg("%zu bytes before, %zu after", before, after);
    close(fd);
    http_server_close(s, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_answers_a_whole_request),
        cmocka_unit_test(test_server_reads_chunked_bodies),
        cmocka_unit_test(test_server_grants_expect_continue),
        cmocka_unit_test(test_server_passes_head_and_options_to_the_handler),
        cmocka_unit_test(test_server_answers_pipelined_requests_in_order),
        cmocka_unit_test(test_server_says_500_for_a_handler_without_a_reply),
        cmocka_unit_test(test_server_refuses_header_injection_and_second_replies),
        cmocka_unit_test(test_server_streams_every_chunk_in_order),
        cmocka_unit_test(test_server_sends_each_chunk_at_once),
        cmocka_unit_test(test_server_cuts_a_stream_the_handler_left_open),
        cmocka_unit_test(test_server_runs_200_requests_at_once),
        cmocka_unit_test(test_server_keeps_nothing_of_10000_requests_on_one_connection),
        cmocka_unit_test(test_server_says_when_the_port_is_taken),
        cmocka_unit_test(test_server_on_localhost_listens_on_both_families),
        cmocka_unit_test(test_server_close_lets_running_requests_end),
        cmocka_unit_test(test_server_that_closes_turns_new_requests_away_and_ends_their_connections),
        cmocka_unit_test(test_server_close_cuts_what_outlasts_the_grace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
