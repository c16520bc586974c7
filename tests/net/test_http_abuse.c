/* Requests that two readers could take for different ones: none reaches the handler, and nothing behind one is read. */
#include "support_net.h"

#define POST_ "POST / HTTP/1.1\r\nHost: a\r\n"
#define GET_ "GET / HTTP/1.1\r\nHost: a\r\n"
#define SECOND "GET /second HTTP/1.1\r\nHost: a\r\n\r\n"
#define EMPTY_CHUNKED "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"

struct seen {
    atomic_int calls, seconds;
};

static void answer(void *ctx, struct http_exchange *x)
{
    struct seen *seen = ctx;
    atomic_fetch_add(&seen->calls, 1);
    if (str_is(http_path(x), "/second"))
        atomic_fetch_add(&seen->seconds, 1);
    http_reply(x, 200, "text/plain", STR("fine"));
}

struct abuse {
    const char *what, *request;
    size_t n;                      /* of the request; 0: up to its NUL */
};

/* Answered with an error, closed, never handled. */
static const struct abuse refused[] = {
    {"both lengths", POST_ "Content-Length: 6\r\n" EMPTY_CHUNKED SECOND},
    {"both lengths, chunked first", POST_ "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" SECOND},
    {"two encodings", POST_ "Transfer-Encoding: identity\r\n" EMPTY_CHUNKED SECOND},
    {"an unknown encoding", POST_ "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" SECOND},
    {"gzip before chunked", POST_ "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" SECOND},
    {"chunked not last", POST_ "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" SECOND},
    {"a vertical tab before chunked", POST_ "Transfer-Encoding: \x0b" "chunked\r\n\r\n0\r\n\r\n" SECOND},
    {"space before the colon of an encoding", POST_ "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" SECOND},
    {"chunked in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n" EMPTY_CHUNKED SECOND},
    {"two equal lengths", POST_ "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}" SECOND},
    {"two lengths", POST_ "Content-Length: 2\r\nContent-Length: 36\r\n\r\n{}" SECOND},
    {"a list of lengths", POST_ "Content-Length: 2, 2\r\n\r\n{}" SECOND},
    {"a length with a sign", POST_ "Content-Length: +2\r\n\r\n{}" SECOND},
    {"a negative length", POST_ "Content-Length: -2\r\n\r\n{}" SECOND},
    {"a hexadecimal length", POST_ "Content-Length: 0x2\r\n\r\n{}" SECOND},
    {"an empty length", POST_ "Content-Length: \r\n\r\n{}" SECOND},
    {"a length beyond numbers", POST_ "Content-Length: 99999999999999999999999\r\n\r\n{}" SECOND},
    {"lines that end in LF", "GET / HTTP/1.1\nHost: a\n\n" SECOND},
    {"a line that ends in LF", GET_ "X-A: b\nX-C: d\r\n\r\n" SECOND},
    {"a line that ends in CR", GET_ "X-A: b\rX-C: d\r\n\r\n" SECOND},
    {"a NUL in a name", GET_ "X\0A: b\r\n\r\n" SECOND, sizeof GET_ "X\0A: b\r\n\r\n" SECOND - 1},
    {"space before a colon", GET_ "X-A : b\r\n\r\n" SECOND},
    {"space before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n" SECOND},
    {"no colon", GET_ "X-A\r\n\r\n" SECOND},
    {"a name that is no token", GET_ "X(A: b\r\n\r\n" SECOND},
    {"a control character", GET_ "X-A: b\x01" "c\r\n\r\n" SECOND},
    {"a chunk beyond numbers", POST_ "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n{}\r\n0\r\n\r\n" SECOND},
    {"a negative chunk", POST_ "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n" SECOND},
    {"a chunk of 0x2", POST_ "Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n" SECOND},
    {"more in a chunk than it says", POST_ "Transfer-Encoding: chunked\r\n\r\n2\r\n{}X\r\n0\r\n\r\n" SECOND},
    {"an absolute target of another host", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n" SECOND},
    {"an absolute target without a host", "GET http:///second HTTP/1.1\r\nHost: a\r\n\r\n" SECOND},
    {"an absolute target with a user", "GET http://a@b/ HTTP/1.1\r\nHost: b\r\n\r\n" SECOND},
    {"a host that ends in disguise", "GET http://a%2Fsecond HTTP/1.1\r\nHost: a\r\n\r\n" SECOND},
    {"another scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n" SECOND},
    {"a target without its slash", "GET %2fsecond HTTP/1.1\r\nHost: a\r\n\r\n" SECOND},
    {"a NUL in disguise", "GET /%00second HTTP/1.1\r\nHost: a\r\n\r\n" SECOND},
    {"a line break in disguise", "GET /a%0d%0ab HTTP/1.1\r\nHost: a\r\n\r\n" SECOND},
    {"half an escape", "GET /a%2 HTTP/1.1\r\nHost: a\r\n\r\n" SECOND},
    {"a star that asks", "GET * HTTP/1.1\r\nHost: a\r\n\r\n" SECOND},
    {"an authority", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n" SECOND},
    {"no host", "GET / HTTP/1.1\r\n\r\n" SECOND},
    {"two hosts", GET_ "Host: b\r\n\r\n" SECOND},
    {"two keys", GET_ "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n" SECOND},
    {"two keys of another name", GET_ "x-api-key: a\r\nX-Api-Key: b\r\n\r\n" SECOND},
    {"two privacy classes", GET_ "x-rung-privacy: any\r\nX-Rung-Privacy: local\r\n\r\n" SECOND},
    {"HTTP/0.9", "GET /\r\n\r\n" SECOND},
    {"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" SECOND},
    {"a version with more behind it", "GET / HTTP/1.1x\r\nHost: a\r\n\r\n" SECOND},
    {"a version in small letters", "GET / http/1.1\r\nHost: a\r\n\r\n" SECOND},
    {"a method that is no token", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n" SECOND},
};

static void test_http_refuses_what_can_be_read_in_two_ways(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct http_server *s = serve((struct http_server_options){0}, answer, &seen);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const struct abuse *a = &refused[i];
        struct buf in = BUF_INIT(1 << 20);
        int fd = dial(http_server_port(s));
        send_bytes(fd, a->request, a->n ? a->n : strlen(a->request));
        if (!read_to_end(fd, &in))
            fail_msg("%s: the connection stays open: %s", a->what, in.p ? in.p : "");
        if (!has(&in, "HTTP/1.1 4") && !has(&in, "HTTP/1.1 505"))
            fail_msg("%s: no error came: %s", a->what, in.p ? in.p : "");
        if (atomic_load(&seen.calls))
            fail_msg("%s: it was answered", a->what);
        close(fd);
        buf_free(&in);
    }
    http_server_close(s, 1000);
}

/* Answered, and the connection ends with the answer: what follows is not taken for a request. */
static const struct abuse last_words[] = {
    {"chunks", POST_ "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" SECOND},
    {"chunked in capitals", POST_ "TRANSFER-ENCODING: CHUNKED\r\n\r\n0\r\n\r\n" SECOND},
    {"a chunk's extension", POST_ "Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\n\r\n" SECOND},
    {"a chunk's line that ends in LF", POST_ "Transfer-Encoding: chunked\r\n\r\n2;a\n{}\r\n0\r\n\r\n" SECOND},
    {"a folded encoding", POST_ "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" SECOND},
    {"a trailer", POST_ "Transfer-Encoding: chunked\r\n\r\n0\r\nHost: evil\r\n\r\n" SECOND},
    {"HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\n\r\n" SECOND},
    {"a wish to close", GET_ "Connection: close\r\n\r\n" SECOND},
};

static void test_http_ends_connections_whose_framing_may_be_doubted(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof last_words / sizeof *last_words; i++) {
        struct seen seen = {0};
        struct http_server *s = serve((struct http_server_options){0}, answer, &seen);
        struct buf in = BUF_INIT(1 << 20);
        int fd = dial(http_server_port(s));
        send_text(fd, last_words[i].request);
        if (!read_to_end(fd, &in) || !has(&in, "200 OK"))
            fail_msg("%s: %s", last_words[i].what, in.p ? in.p : "");
        close(fd);
        buf_free(&in);
        http_server_close(s, 1000);
        assert_int_equal(atomic_load(&seen.calls), 1);
        assert_int_equal(atomic_load(&seen.seconds), 0);
    }
}

/* What clients do send is answered, and so is the request behind it. */
static const struct abuse welcome[] = {
    {"nothing special", GET_ "\r\n" SECOND},
    {"no space behind a colon", GET_ "X-A:b\r\nX-C:d\r\n\r\n" SECOND},
    {"much space around a value", GET_ "X-A: \t b \t \r\nX-C: d\r\n\r\n" SECOND},
    {"an empty value", GET_ "X-A:\r\nX-C: \r\nX-D: d\r\n\r\n" SECOND},
    {"bytes beyond ASCII", GET_ "X-A: \xc3\xa9\r\n\r\n" SECOND},
    {"a line break before it", "\r\n" GET_ "\r\n" SECOND},
    {"a body of a GET", GET_ "Content-Length: 5\r\n\r\nhello" SECOND},
    {"an escaped path", "GET /v1/models/a%2Fb%20c HTTP/1.1\r\nHost: a\r\n\r\n" SECOND},
    {"a query", "GET /?a=%41&b HTTP/1.1\r\nHost: a\r\n\r\n" SECOND},
    {"an upgrade it does not take", GET_ "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n" SECOND},
    {"an absolute target", "GET http://a/b?c HTTP/1.1\r\nHost: a\r\n\r\n" SECOND},
    {"an absolute target that is all host", "GET HTTP://A HTTP/1.1\r\nHost: a\r\n\r\n" SECOND},
    {"a star", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n" SECOND},
    {"HTTP/1.0 that stays", "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n" SECOND},
};

static bool second_came(void *ctx) { return atomic_load(&((struct seen *)ctx)->seconds) == 1; }

static void test_http_takes_what_clients_do_send(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof welcome / sizeof *welcome; i++) {
        struct seen seen = {0};
        struct http_server *s = serve((struct http_server_options){0}, answer, &seen);
        int fd = dial(http_server_port(s));
        send_text(fd, welcome[i].request);
        if (!wait_for(second_came, &seen) || atomic_load(&seen.calls) != 2)
            fail_msg("%s: %d calls", welcome[i].what, atomic_load(&seen.calls));
        close(fd);
        http_server_close(s, 1000);
    }
}

static void tell_path(void *ctx, struct http_exchange *x)
{
    (void)ctx;
    http_reply(x, 200, "text/plain", http_path(x));
}

static void test_http_paths_are_unescaped_once_and_not_tidied(void **state)
{
    (void)state;
    static const char *const paths[][2] = {{"/a%2Fb", "/a/b"}, {"/%252e", "/%2e"}, {"//a", "//a"}, {"/a/../b", "/a/../b"},
                                           {"http://a/c%20d", "/c d"}, {"/%2e%2e/b", "/../b"}, {"/a+b", "/a+b"}};
    struct http_server *s = serve((struct http_server_options){0}, tell_path, NULL);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char request[200], want[100];
        struct buf in = BUF_INIT(1 << 20);
        int fd = dial(http_server_port(s));
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", paths[i][0]);
        snprintf(want, sizeof want, "\r\n\r\n%s", paths[i][1]);
        send_text(fd, request);
        assert_true(read_to_end(fd, &in));
        assert_true(has(&in, want));
        close(fd);
        buf_free(&in);
    }
    http_server_close(s, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http_refuses_what_can_be_read_in_two_ways),
        cmocka_unit_test(test_http_ends_connections_whose_framing_may_be_doubted),
        cmocka_unit_test(test_http_takes_what_clients_do_send),
        cmocka_unit_test(test_http_paths_are_unescaped_once_and_not_tidied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
