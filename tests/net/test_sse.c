/* Server-sent events: the specification's examples, bytes cut anywhere, limits, and the writer. */
#include "../support.h"
#include "net/sse.h"

static bool append(void *ctx, struct str type, struct str data)
{
    buf_printf(ctx, "[" STR_FMT "|" STR_FMT "]", STR_ARG(type), STR_ARG(data));
    return true;
}

/* Parses the text cut into pieces of every size; each cut must give what is expected. */
static void assert_events(const char *text, const char *expected)
{
    size_t n = strlen(text);
    for (size_t step = 1; step <= n; step++) {
        struct buf seen = BUF_INIT(1 << 20);
        struct sse_parser p;
        struct err err = ERR_INIT;
        sse_parser_init(&p);
        for (size_t at = 0; at < n; at += step)
            assert_ok(sse_feed(&p, (struct str){text + at, n - at < step ? n - at : step}, append, &seen, &err), err);
        assert_string_equal(seen.p ? seen.p : "", expected);
        sse_parser_free(&p);
        buf_free(&seen);
    }
}

static void test_sse_joins_data_lines(void **state)
{
    (void)state;
    assert_events("data: YHOO\ndata: +2\ndata: 10\n\n", "[|YHOO\n+2\n10]");
}

static void test_sse_reads_every_kind_of_line_end(void **state)
{
    (void)state;
    assert_events("data: a\r\n\r\ndata: b\r\rdata: c\n\n", "[|a][|b][|c]");
}

static void test_sse_skips_comments_ids_and_retries(void **state)
{
    (void)state;
    assert_events(": hello\n\nid: 1\nretry: 5\nother\ndata: x\n\n", "[|x]");
}

static void test_sse_takes_one_space_off_a_value(void **state)
{
    (void)state;
    assert_events("data:test\n\ndata: test\n\ndata:  test\n\n", "[|test][|test][| test]");
}

static void test_sse_names_events_until_they_end(void **state)
{
    (void)state;
    assert_events("event: add\ndata: 1\n\ndata: 2\n\nevent: lost\n\ndata: 3\n\n", "[add|1][|2][|3]");
}

static void test_sse_gives_empty_data_but_no_missing_data(void **state)
{
    (void)state;
    assert_events("data\n\ndata\ndata\n\ndata:\n\nevent: x\n\n", "[|][|\n][|]");
}

static void test_sse_drops_an_event_without_its_end(void **state)
{
    (void)state;
    assert_events("data: whole\n\ndata: half\n", "[|whole]");
}

static void test_sse_skips_one_byte_order_mark(void **state)
{
    (void)state;
    assert_events("\xEF\xBB\xBF" "data: a\n\n\xEF\xBB\xBF" "data: b\n\n", "[|a]");
}

static bool count_down(void *ctx, struct str type, struct str data)
{
    int *left = ctx;
    (void)type, (void)data;
    return --*left > 0;
}

static void test_sse_stops_when_the_reader_stops(void **state)
{
    (void)state;
    struct sse_parser p;
    struct err err = ERR_INIT;
    int left = 2;
    sse_parser_init(&p);
    assert_false(sse_feed(&p, STR("data: 1\n\ndata: 2\n\ndata: 3\n\n"), count_down, &left, &err));
    assert_int_equal(left, 0);
    assert_int_equal(err.code, ERR_CANCELLED);
    sse_parser_free(&p);
}

/* Repeats a text until the parser refuses it or twice the limit has passed. */
static enum err_code feed_for_ever(const char *text)
{
    struct sse_parser p;
    struct err err = ERR_INIT;
    struct buf block = BUF_INIT(1 << 20);
    int left = 1;
    while (block.n < 60000)
        buf_puts(&block, text);
    sse_parser_init(&p);
    for (size_t fed = 0; fed < 2u * SSE_MAX_EVENT_BYTES; fed += block.n)
        if (!sse_feed(&p, buf_view(&block), count_down, &left, &err))
            break;
    sse_parser_free(&p);
    buf_free(&block);
    return err.code;
}

static void test_sse_bounds_lines_and_events(void **state)
{
    (void)state;
    assert_int_equal(feed_for_ever("data: no line end "), ERR_LIMIT);
    assert_int_equal(feed_for_ever("data: no event end, ever and ever\n"), ERR_LIMIT);
    assert_int_equal(feed_for_ever(": only comments\n"), ERR_NONE);
}

static void test_sse_writes_what_it_reads(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(1 << 20);
    sse_write(&out, NULL, STR("{\"a\":1}"));
    sse_write(&out, "ping", STR("one\ntwo\r\nthree\rfour"));
    sse_write(&out, NULL, STR(""));
    assert_string_equal(out.p, "data: {\"a\":1}\n\n"
                               "event: ping\ndata: one\ndata: two\ndata: three\ndata: four\n\n"
                               "data: \n\n");
    assert_events(out.p, "[|{\"a\":1}][ping|one\ntwo\nthree\nfour][|]");
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sse_joins_data_lines),
        cmocka_unit_test(test_sse_reads_every_kind_of_line_end),
        cmocka_unit_test(test_sse_skips_comments_ids_and_retries),
        cmocka_unit_test(test_sse_takes_one_space_off_a_value),
        cmocka_unit_test(test_sse_names_events_until_they_end),
        cmocka_unit_test(test_sse_gives_empty_data_but_no_missing_data),
        cmocka_unit_test(test_sse_drops_an_event_without_its_end),
        cmocka_unit_test(test_sse_skips_one_byte_order_mark),
        cmocka_unit_test(test_sse_stops_when_the_reader_stops),
        cmocka_unit_test(test_sse_bounds_lines_and_events),
        cmocka_unit_test(test_sse_writes_what_it_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
