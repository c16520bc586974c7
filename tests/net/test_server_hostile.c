/* The server with clients that hang up, stall, send too much or send nonsense. */
#include "support_net.h"

#include <sys/socket.h>

#include "base/clock.h"
#include "net/watch.h"

static void answer(void *ctx, struct http_exchange *x)
{
    atomic_int *calls = ctx;
    if (calls)
        atomic_fetch_add(calls, 1);
    http_reply(x, 200, "text/plain", STR("fine"));
}

/* What the server says to one raw request before it closes. */
static void provoke(uint16_t port, const char *request, struct buf *in)
{
    int fd = dial(port);
    send_text(fd, request);
    assert_true(read_to_end(fd, in));
    close(fd);
}

static bool still_serves(struct http_server *s)
{
    struct buf in = BUF_INIT(1 << 20);
    int fd = dial(http_server_port(s));
    send_text(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    bool ok = read_until(fd, &in, "fine");
    close(fd);
    buf_free(&in);
    return ok;
}

/* ---- too much ---- */

static void test_server_refuses_announced_large_bodies_unread(void **state)
{
    (void)state;
    atomic_int calls = 0;
    struct http_server *s = serve((struct http_server_options){.max_body_bytes = 1000}, answer, &calls);
    struct buf in = BUF_INIT(1 << 20);
    int fd = dial(http_server_port(s));
    send_text(fd, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n");
    assert_true(read_to_end(fd, &in)); /* not one byte of the body was sent */
    assert_true(has(&in, "HTTP/1.1 413") && has(&in, "\"code\":413"));
    assert_false(has(&in, "100 Continue"));
    assert_int_equal(atomic_load(&calls), 0);
    close(fd);
    buf_free(&in);
    http_server_close(s, 1000);
}

static void test_server_accepts_a_body_of_exactly_the_limit(void **state)
{
    (void)state;
    struct http_server *s = serve((struct http_server_options){.max_body_bytes = 4}, answer, NULL);
    struct buf in = BUF_INIT(1 << 20);
    int fd = dial(http_server_port(s));
    send_text(fd, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd");
    assert_true(read_until(fd, &in, "fine"));
    close(fd);
    buf_free(&in);
    http_server_close(s, 1000);
}

static void test_server_refuses_large_chunked_bodies(void **state)
{
    (void)state;
    atomic_int calls = 0;
    struct http_server *s = serve((struct http_server_options){.max_body_bytes = 8}, answer, &calls);
    struct buf in = BUF_INIT(1 << 20);
    int fd = dial(http_server_port(s));
    send_text(fd, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "6\r\nabcdef\r\n6\r\nabcdef\r\n0\r\n\r\n");
    assert_true(read_to_end(fd, &in));
    assert_true(has(&in, "HTTP/1.1 413"));
    assert_int_equal(atomic_load(&calls), 0);
    close(fd);
    buf_free(&in);
    http_server_close(s, 1000);
}

static void test_server_cuts_endless_chunked_bodies(void **state)
{
    (void)state;
    struct http_server *s = serve((struct http_server_options){.max_body_bytes = 1000}, answer, NULL);
    int fd = dial(http_server_port(s));
    send_text(fd, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    int sent = 0;
    while (sent < 1000000 && send_bytes(fd, "10\r\n0123456789abcdef\r\n", 22))
        sent++;
    assert_true(sent < 1000000);
    close(fd);
    assert_true(still_serves(s));
    http_server_close(s, 1000);
}

static void test_server_refuses_long_headers(void **state)
{
    (void)state;
    struct http_server *s = serve((struct http_server_options){.max_header_bytes = 8192}, answer, NULL);
    struct buf in = BUF_INIT(1 << 20), request = BUF_INIT(1 << 20);
    buf_puts(&request, "GET / HTTP/1.1\r\nHost: a\r\nx-long: ");
    for (int i = 0; i < 8200; i++)
        buf_char(&request, 'a');
    buf_puts(&request, "\r\n\r\n");
    provoke(http_server_port(s), request.p, &in);
    assert_true(has(&in, "HTTP/1.1 431") && has(&in, "\"code\":431"));
    buf_free(&in);
    buf_free(&request);
    http_server_close(s, 1000);
}

static void test_server_survives_endless_headers(void **state)
{
    (void)state;
    struct http_server *s = serve((struct http_server_options){.max_header_bytes = 8192}, answer, NULL);
    int fd = dial(http_server_port(s));
    send_text(fd, "GET / HTTP/1.1\r\nHost: a\r\n");
    int sent = 0;
    while (sent < 1000000 && send_bytes(fd, "x: y\r\n", 6))
        sent++;
    assert_true(sent < 1000000);
    close(fd);
    assert_true(still_serves(s));
    http_server_close(s, 1000);
}

struct gate {
    atomic_int inside;
    atomic_bool open;
};

static void gated(void *ctx, struct http_exchange *x)
{
    struct gate *g = ctx;
    atomic_fetch_add(&g->inside, 1);
    wait_flag(&g->open);
    http_reply(x, 200, "text/plain", STR("fine"));
}

static void test_server_says_503_when_the_queue_is_full(void **state)
{
    (void)state;
    struct gate g = {0};
    struct http_server *s = serve((struct http_server_options){.max_workers = 1, .max_queue = 2}, gated, &g);
    struct buf in = BUF_INIT(1 << 20);
    int fds[4];
    for (int i = 0; i < 4; i++) {
        fds[i] = dial(http_server_port(s));
        send_text(fds[i], "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        if (i == 0)
            assert_true(wait_count(&g.inside, 1)); /* the others wait behind it */
        else if (i < 3)
            while (http_server_inflight(s) < i + 1)
                usleep(500);
    }
    assert_true(read_until(fds[3], &in, "\"code\":503"));
    assert_true(has(&in, "Retry-After: 1\r\n"));
    atomic_store(&g.open, true);
    for (int i = 0; i < 3; i++) {
        buf_clear(&in);
        assert_true(read_until(fds[i], &in, "fine"));
    }
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    buf_free(&in);
    http_server_close(s, 1000);
}

/* ---- hanging up ---- */

static void test_server_forgets_half_a_body(void **state)
{
    (void)state;
    atomic_int calls = 0;
    struct http_server *s = serve((struct http_server_options){0}, answer, &calls);
    for (int i = 0; i < 50; i++) {
        int fd = dial(http_server_port(s));
        send_text(fd, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nonly this");
        close(fd);
    }
    assert_true(still_serves(s));
    assert_int_equal(atomic_load(&calls), 1);
    http_server_close(s, 1000);
}

static void test_server_takes_small_bodies_while_large_ones_never_end(void **state)
{
    (void)state;
    enum { LARGE = 1 << 20, SMALL = 1000, OPEN = 9 };
    atomic_int calls = 0;
    int fds[OPEN];
    struct http_server *s = serve((struct http_server_options){.max_body_bytes = LARGE}, answer, &calls);
    char *bytes = calloc(1, LARGE), head[100];
    snprintf(head, sizeof head, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", LARGE);
    for (int i = 0; i < OPEN; i++) {
        fds[i] = dial(http_server_port(s));
        send_text(fds[i], head);
        assert_true(send_bytes(fds[i], bytes, LARGE - 1));
    }
    struct buf in = BUF_INIT(1 << 20);
    assert_true(send_bytes(fds[OPEN - 1], bytes, 1));
    assert_true(read_until(fds[OPEN - 1], &in, "\"code\":503"));   /* there is no room for another large one, */
    close(fds[OPEN - 1]);
    fds[OPEN - 1] = dial(http_server_port(s));
    snprintf(head, sizeof head, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", SMALL);
    send_text(fds[OPEN - 1], head);
    assert_true(send_bytes(fds[OPEN - 1], bytes, SMALL));
    assert_true(read_until(fds[OPEN - 1], &in, "fine"));             /* and always for a small one */
    for (int i = 0; i < OPEN; i++)
        close(fds[i]);
    buf_free(&in);
    free(bytes);
    http_server_close(s, 1000);
}

struct watcher {
    atomic_int inside, gone;
    atomic_bool wrote;
};

static void wait_gone(void *ctx, struct http_exchange *x)
{
    struct watcher *w = ctx;
    atomic_fetch_add(&w->inside, 1);
    while (!http_client_gone(x))
        usleep(200);
    atomic_fetch_add(&w->gone, 1);
    http_reply(x, 200, "text/plain", STR("to nobody"));
}

static void test_server_tells_a_running_handler_of_a_hangup(void **state)
{
    (void)state;
    struct watcher w = {0};
    struct http_server *s = serve((struct http_server_options){0}, wait_gone, &w);
    int fd = dial(http_server_port(s));
    send_text(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /pipelined HTTP/1.1\r\n");
    assert_true(wait_count(&w.inside, 1));
    assert_int_equal(atomic_load(&w.gone), 0);
    close(fd);
    assert_true(wait_count(&w.gone, 1));
    http_server_close(s, PATIENCE_MS);
}

static void test_server_tells_a_running_handler_of_a_reset(void **state)
{
    (void)state;
    struct watcher w = {0};
    struct http_server *s = serve((struct http_server_options){0}, wait_gone, &w);
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    int fd = dial(http_server_port(s));
    send_text(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(wait_count(&w.inside, 1));
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd);
    assert_true(wait_count(&w.gone, 1));
    http_server_close(s, PATIENCE_MS);
}

static void test_server_notices_many_hangups_on_a_reused_connection_place(void **state)
{
    (void)state;
    struct watcher w = {0};
    struct http_server *s = serve((struct http_server_options){0}, wait_gone, &w);
    for (int i = 1; i <= 100; i++) {
        int fd = dial(http_server_port(s));
        send_text(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_true(wait_count(&w.inside, i));
        assert_int_equal(atomic_load(&w.gone), i - 1);
        close(fd);
        assert_true(wait_count(&w.gone, i));
    }
    http_server_close(s, PATIENCE_MS);
}

/* Says a little, then waits quietly for the reader to leave. */
static void quiet_stream(void *ctx, struct http_exchange *x)
{
    struct watcher *w = ctx;
    http_reply_begin(x, 200, "text/event-stream");
    atomic_store(&w->wrote, http_reply_write(x, STR("data: hello\n\n")));
    while (!http_client_gone(x))
        usleep(200);
    assert_false(http_reply_write(x, STR("data: nobody\n\n")));
    http_reply_end(x);
    atomic_fetch_add(&w->gone, 1);
}

static void test_server_tells_a_quiet_stream_of_a_hangup(void **state)
{
    (void)state;
    struct watcher w = {0};
    struct http_server *s = serve((struct http_server_options){0}, quiet_stream, &w);
    struct buf in = BUF_INIT(1 << 20);
    int fd = dial(http_server_port(s));
    send_text(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(read_until(fd, &in, "data: hello"));
    close(fd);
    assert_true(wait_count(&w.gone, 1));
    assert_true(atomic_load(&w.wrote));
    buf_free(&in);
    http_server_close(s, PATIENCE_MS);
}

struct flood {
    atomic_size_t written;
    atomic_int ended;
};

/* Writes until the reader is gone. */
static void flood(void *ctx, struct http_exchange *x)
{
    struct flood *f = ctx;
    char block[4096];
    memset(block, 'x', sizeof block);
    http_reply_begin(x, 200, "text/plain");
    while (http_reply_write(x, (struct str){block, sizeof block}))
        atomic_fetch_add(&f->written, sizeof block);
    atomic_fetch_add(&f->ended, 1);
}

/* The writer stands still: two looks, a while apart, see the same count. */
static bool writer_rests(void *ctx)
{
    struct flood *f = ctx;
    size_t before = atomic_load(&f->written);
    usleep(20000);
    return before > 0 && atomic_load(&f->written) == before;
}

static void test_server_blocks_the_writer_of_a_slow_reader(void **state)
{
    (void)state;
    struct flood f = {0};
    struct http_server *s = serve((struct http_server_options){0}, flood, &f);
    int fd = dial(http_server_port(s));
    send_text(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(wait_for(writer_rests, &f));
    assert_true(atomic_load(&f.written) < (32u << 20)); /* what the kernel buffers, and no more than a little of ours */
    assert_int_equal(atomic_load(&f.ended), 0);
    close(fd);
    assert_true(wait_count(&f.ended, 1));
    http_server_close(s, PATIENCE_MS);
}

static void test_server_gives_up_a_reader_that_never_reads(void **state)
{
    (void)state;
    struct flood f = {0};
    struct http_server *s = serve((struct http_server_options){.idle_timeout_s = 1}, flood, &f);
    int fd = dial(http_server_port(s));
    send_text(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(wait_count(&f.ended, 1));
    close(fd);
    http_server_close(s, PATIENCE_MS);
}

static void test_server_frees_stalled_connections(void **state)
{
    (void)state;
    struct http_server *s = serve((struct http_server_options){.idle_timeout_s = 1}, answer, NULL);
    struct buf in = BUF_INIT(1 << 20);
    int stalled = dial(http_server_port(s)), silent = dial(http_server_port(s));
    send_text(stalled, "GET / HTTP/1.1\r\nHos");
    assert_true(still_serves(s));
    assert_true(read_to_end(stalled, &in));
    assert_true(read_to_end(silent, &in));
    close(stalled);
    close(silent);
    buf_free(&in);
    http_server_close(s, 1000);
}

static void test_server_frees_connections_left_in_mid_request(void **state)
{
    (void)state;
    struct http_server *s = serve((struct http_server_options){.max_connections = 4}, answer, NULL);
    static const char *const beginnings[] = {"", "\r\n\r\n", "GET / HT", "\x16\x03\x01\x02",
                                             "GET / HTTP/1.1\r\nHost: a\r\nx",
                                             "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"};
    for (int i = 0; i < 60; i++) {
        int fd = dial(http_server_port(s));
        send_text(fd, beginnings[i % 6]);
        close(fd);
    }
    assert_true(still_serves(s));
    http_server_close(s, 1000);
}

static void test_server_cuts_a_body_that_drips(void **state)
{
    (void)state;
    atomic_int calls = 0;
    struct http_server *s = serve((struct http_server_options){.body_time_ms = 500}, answer, &calls);
    struct buf in = BUF_INIT(1 << 20);
    int fd = dial(http_server_port(s));
    send_text(fd, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
    int64_t until = clock_ms() + PATIENCE_MS;
    while (clock_ms() < until && send_bytes(fd, "x", 1))
        usleep(50000);
    assert_true(clock_ms() < until); /* it was cut, though a byte came every 50 ms */
    assert_int_equal(atomic_load(&calls), 0);
    assert_true(still_serves(s));
    close(fd);
    buf_free(&in);
    http_server_close(s, 1000);
}

static void test_server_cuts_a_header_that_drips(void **state)
{
    (void)state;
    struct watch *w = NULL;
    struct err err = ERR_INIT;
    struct buf in = BUF_INIT(100);
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_ok(watch_open(1, NULL, &w, &err), err);
    int place = watch_add(w, pair[0]);
    assert_int_equal(watch_add(w, pair[1]), -1);
    watch_idle(w, place, clock_ms());
    assert_true(read_to_end(pair[1], &in));
    watch_remove(w, place);
    watch_close(w);
    close(pair[0]);
    close(pair[1]);
    buf_free(&in);
}

/* ---- nonsense ---- */

static void test_server_answers_nonsense_with_an_error_or_nothing(void **state)
{
    (void)state;
    atomic_int calls = 0;
    struct http_server *s = serve((struct http_server_options){0}, answer, &calls);
    static const char *const requests[] = {
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
    };
    struct buf in = BUF_INIT(1 << 20);
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        buf_clear(&in);
        provoke(http_server_port(s), requests[i], &in);
        if (in.n > 0 && !has(&in, "HTTP/1.1 4") && !has(&in, "HTTP/1.1 5"))
            fail_msg("request %zu was answered: %s", i, in.p);
    }
    assert_int_equal(atomic_load(&calls), 0);
    assert_true(still_serves(s));
    buf_free(&in);
    http_server_close(s, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_refuses_announced_large_bodies_unread),
        cmocka_unit_test(test_server_accepts_a_body_of_exactly_the_limit),
        cmocka_unit_test(test_server_refuses_large_chunked_bodies),
        cmocka_unit_test(test_server_cuts_endless_chunked_bodies),
        cmocka_unit_test(test_server_refuses_long_headers),
        cmocka_unit_test(test_server_survives_endless_headers),
        cmocka_unit_test(test_server_says_503_when_the_queue_is_full),
        cmocka_unit_test(test_server_forgets_half_a_body),
        cmocka_unit_test(test_server_takes_small_bodies_while_large_ones_never_end),
        cmocka_unit_test(test_server_tells_a_running_handler_of_a_hangup),
        cmocka_unit_test(test_server_tells_a_running_handler_of_a_reset),
        cmocka_unit_test(test_server_notices_many_hangups_on_a_reused_connection_place),
        cmocka_unit_test(test_server_tells_a_quiet_stream_of_a_hangup),
        cmocka_unit_test(test_server_blocks_the_writer_of_a_slow_reader),
        cmocka_unit_test(test_server_gives_up_a_reader_that_never_reads),
        cmocka_unit_test(test_server_frees_stalled_connections),
        cmocka_unit_test(test_server_frees_connections_left_in_mid_request),
        cmocka_unit_test(test_server_cuts_a_body_that_drips),
        cmocka_unit_test(test_server_cuts_a_header_that_drips),
        cmocka_unit_test(test_server_answers_nonsense_with_an_error_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
