/* A planted key goes through every way an upstream can fail, and must come out nowhere: replies, streams, logs, ledger. */
#include <fcntl.h>
#include <sys/stat.h>

#include "gateway/secrets.h"
#include "support_gateway.h"

#define PLANTED "hunter-2-planted-in-the-environment"
#define CALLERS "caller-7-presented-by-the-client"
#define ECHO_JSON(key) "{\"error\":{\"message\":\"Incorrect API key provided: " key ". You can find it elsewhere.\"}}"
#define ASK "{\"model\":\"far\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]%s}"

static void scrubbed(const char *in, const char *want)
{
    struct err err = ERR_INIT;
    struct config *c = NULL;
    char text[200];
    setenv("RUNG_TEST_PLANTED", PLANTED, 1);
    assert_ok(config_parse(STR("models: {far: {base_url: 'http://127.0.0.1:9/v1', api_key: 'env:RUNG_TEST_PLANTED'}}\n"
                               "tiers: [{name: mid, model: far}]\n"), "t", &c, &err), err);
    snprintf(text, sizeof text, "%s", in);
    secrets_scrub(c, STR("presented-secret"), text, sizeof text);
    assert_string_equal(text, want);
    config_free(c);
}

static void test_scrub_hides_known_and_likely_keys_and_nothing_else(void **state)
{
    (void)state;
    scrubbed("the key " PLANTED ", " PLANTED " again", "the key [hidden], [hidden] again");
    scrubbed("you sent presented-secret", "you sent [hidden]");
    scrubbed("Incorrect API key provided: sk-proj-abc***************xyz.", "Incorrect API key provided: [hidden]");
    scrubbed("provided: hunter-2-pl*****ment.", "provided: [hidden]");
    scrubbed("it is a **bold** word, *****", "it is a **bold** word, *****");
    scrubbed("cut in the middle: hunter-2-planted-in-th", "cut in the middle: [hidden]");
    scrubbed("cut early: hunte", "cut early: hunte");
    scrubbed("key 'sk-ant-api03-AbCdEfGh0123456789'", "key '[hidden]'");
    scrubbed("AIzaSyA1234567890abcdefghijk", "[hidden]");
    scrubbed("Bearer 0123456789abcdef0123456789abcdef", "Bearer [hidden]");
    scrubbed("token aB3aB3aB3aB3aB3aB3aB3aB3aB3aB3", "token [hidden]");
    scrubbed("The model `gpt-5-mini-2025-08-07` does not exist", "The model `gpt-5-mini-2025-08-07` does not exist");
    scrubbed("request req_011CSHoEeqs5C35K2UUqR7Fy failed", "request req_011CSHoEeqs5C35K2UUqR7Fy failed");
    scrubbed("", "");
}

static void test_scrub_stays_inside_its_text(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct config *c = NULL;
    assert_ok(config_parse(STR(""), "t", &c, &err), err);
    for (size_t size = 1; size < 40; size++) {
        char *text = malloc(size);
        memset(text, 'x', size);
        text[size - 1] = 0;
        secrets_scrub(c, STR("xxxxxx"), text, size);
        assert_true(strlen(text) < size);
        assert_null(strstr(text, "xxxxxx"));
        free(text);
    }
    config_free(c);
}

static char *slurp(const char *path, size_t *ret_n)
{
    struct stat st;
    int fd = open(path, O_RDONLY);
    *ret_n = 0;
    if (fd < 0 || fstat(fd, &st) != 0)
        return calloc(1, 1);
    char *bytes = calloc(1, (size_t)st.st_size + 1);
    *ret_n = (size_t)read(fd, bytes, (size_t)st.st_size);
    close(fd);
    return bytes;
}

static void assert_clean(const char *where, const char *bytes, size_t n)
{
    static const char *const keys[] = {PLANTED, CALLERS};
    for (int i = 0; i < 2; i++)
        if (memmem(bytes, n, keys[i], strlen(keys[i])))
            fail_msg("a key stands in %s", where);
}

static void assert_file_clean(const char *path)
{
    size_t n;
    char *bytes = slurp(path, &n);
    assert_clean(path, bytes, n);
    free(bytes);
}

static void test_no_error_of_an_upstream_carries_a_key_anywhere(void **state)
{
    (void)state;
    static const struct stand_in_script faults[] = {
        {.status = 401, .body = ECHO_JSON(PLANTED)},
        {.status = 401, .body = ECHO_JSON(CALLERS)},
        {.status = 400, .body = ECHO_JSON("Bearer " PLANTED)},
        {.status = 500, .body = "{\"error\":\"" PLANTED "\"}"},
        {.status = 200, .body = "{\"" PLANTED "\""},
        {.status = 200, .body = PLANTED, .content_type = "text/html"},
        {.status = 200, .streamed = true, .body = "data: {\"error\":{\"message\":\"" PLANTED "\"}}\n\n"},
        {.status = 200, .streamed = true,
         .body = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n|data: {\"error\":{\"message\":\"" PLANTED "\"}}\n\n"},
        {.status = 200, .streamed = true, .body = "data: " PLANTED "\n\n"},
    };
    static struct stand_in far;
    struct house h;
    char body[300], path[100], log[] = "/tmp/rung-test-XXXXXX";
    int log_fd = mkstemp(log), old_fd = dup(2);
    setenv("RUNG_TEST_PLANTED", PLANTED, 1);
    stand_in_open(&far);
    house_open(&h, "models:\n  far: {base_url: 'http://127.0.0.1:%u/v1', api_key: 'env:RUNG_TEST_PLANTED'}\n"
               "tiers: [{name: mid, model: far}]\nhold_ms: 0\n", far.port);
    dup2(log_fd, 2);
    for (size_t i = 0; i < 2 * sizeof faults / sizeof *faults; i++) {
        struct plain_reply r;
        stand_in_play(&far, faults[i / 2]);
        snprintf(body, sizeof body, ASK, i % 2 ? ",\"stream\":true" : "");
        plain_request(h.port, "POST", "/v1/chat/completions",
                      "Content-Type: application/json\r\nAuthorization: Bearer " CALLERS "\r\n", body, &r);
        assert_clean("a reply", r.raw, strlen(r.raw));
        plain_free(&r);
        plain_request(h.port, "GET", "/metrics", "", "", &r);
        assert_clean("the metrics", r.raw, strlen(r.raw));
        plain_free(&r);
    }
    assert_string_equal(far.authorization, "Bearer " PLANTED);
    http_server_close(h.server, 1000);
    gateway_close(h.gateway);
    dup2(old_fd, 2);
    assert_file_clean(log);
    static const char *const beside[] = {"", "-wal", "-shm", "-owners"};
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        snprintf(path, sizeof path, "%s%s", h.ledger, beside[i]);
        assert_file_clean(path);
        unlink(path);
    }
    unlink(log);
    close(log_fd);
    close(old_fd);
    stand_in_close(&far);
}

static bool parse_with_file(const char *content, struct config **ret, struct err *err)
{
    char path[] = "/tmp/rung-test-XXXXXX", yaml[200];
    int fd = mkstemp(path);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    close(fd);
    snprintf(yaml, sizeof yaml, "models: {far: {base_url: 'http://127.0.0.1:9/v1', api_key: 'file:%s'}}\ntiers: [{name: mid, model: far}]\n", path);
    bool ok = config_parse(str_of(yaml), "t", ret, err);
    unlink(path);
    return ok;
}

static void test_a_key_may_stand_in_a_file_of_its_own(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct config *c = NULL;
    assert_ok(parse_with_file("  " PLANTED "\n", &c, &err), err);
    assert_string_equal(c->models[0].upstreams[0].api_key, PLANTED);
    config_free(c);
    assert_false(parse_with_file("two keys\n", &c, &err));
    assert_non_null(strstr(err.msg, "must hold one key"));
    assert_null(strstr(err.msg, "two"));
    assert_ok(parse_with_file("\n", &c, &err), err);
    assert_true(c->models[0].key_missing);
    config_free(c);
    assert_false(config_parse(STR("api_keys: ['file:/nowhere/key']\n"), "t", &c, &err));
    assert_non_null(strstr(err.msg, "file:/nowhere/key, which is not set"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scrub_hides_known_and_likely_keys_and_nothing_else),
        cmocka_unit_test(test_scrub_stays_inside_its_text),
        cmocka_unit_test(test_no_error_of_an_upstream_carries_a_key_anywhere),
        cmocka_unit_test(test_a_key_may_stand_in_a_file_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
