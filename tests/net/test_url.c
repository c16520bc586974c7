/* Which server a URL leads to, what a redirect's target means, and what is no URL at all. */
#include "../support.h"
#include "net/url.h"

static struct url_origin origin_of(const char *url)
{
    struct url_origin o;
    struct err err = ERR_INIT;
    assert_ok(url_origin(url, &o, &err), err);
    return o;
}

static void test_origin_is_scheme_host_and_port(void **state)
{
    (void)state;
    struct url_origin a = origin_of("https://Example.COM/a"), b = origin_of("https://example.com:443/b?c"),
                      plain = origin_of("http://example.com/"), other = origin_of("https://example.com:8443/");
    assert_true(url_origin_equal(&a, &b));
    assert_false(url_origin_equal(&a, &plain));
    assert_false(url_origin_equal(&a, &other));
}

static void test_origin_refuses_what_is_not_http(void **state)
{
    (void)state;
    static const char *const bad[] = {"ftp://host/", "file:///etc/passwd", "https://user@host/", "https:///", ""};
    struct url_origin o;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (url_origin(bad[i], &o, NULL))
            fail_msg("'%s' was accepted", bad[i]);
}

static void test_loopback_is_this_machine_alone(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        bool loopback;
    } cases[] = {
        {"http://127.0.0.1:80/", true}, {"http://127.9.9.9/", true}, {"http://localhost/", true},
        {"http://[::1]:8080/", true}, {"http://127.0.0.1.example.com/", false}, {"http://192.0.2.1/", false},
        {"http://localhost.example.com/", false}, {"http://0.0.0.0/", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct url_origin o = origin_of(cases[i].url);
        if (url_origin_is_loopback(&o) != cases[i].loopback)
            fail_msg("%s", cases[i].url);
    }
}

static void test_join_reads_relative_targets(void **state)
{
    (void)state;
    static const struct {
        const char *location, *means;
    } cases[] = {
        {"/x?y=1", "https://host/x?y=1"}, {"z", "https://host/a/z"}, {"https://cdn/f", "https://cdn/f"},
        {"//cdn/f", "https://cdn/f"},
    };
    struct err err = ERR_INIT;
    char *url;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_ok(url_join("https://host/a/b", str_of(cases[i].location), &url, &err), err);
        assert_string_equal(url, cases[i].means);
        free(url);
    }
    assert_false(url_join("https://host/a/b", STR(""), &url, &err));
}

static void test_escape_keeps_only_what_is_plain(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(256);
    url_escape(STR("a/b c?d%\0"), "/", &out);
    assert_string_equal(out.p, "a/b%20c%3Fd%25%00");
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_origin_is_scheme_host_and_port),
        cmocka_unit_test(test_origin_refuses_what_is_not_http),
        cmocka_unit_test(test_loopback_is_this_machine_alone),
        cmocka_unit_test(test_join_reads_relative_targets),
        cmocka_unit_test(test_escape_keeps_only_what_is_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
