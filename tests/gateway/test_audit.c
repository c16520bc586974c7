/* The audit log: what stands in it, that nothing of what was said does, that changes show, and that what cannot be noted is not
 * done. */
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/json.h"
#include "gateway/audit/audit.h"
#include "support_gateway.h"

static char folder[64], path[128];

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/rung-audit-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/audit.jsonl", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static char *read_all(void)
{
    static char text[1 << 18];
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    return text;
}

static json_t *line_at(int i)
{
    char *line = strtok(read_all(), "\n");
    json_t *object = NULL;
    struct err err = ERR_INIT;
    while (line && i--)
        line = strtok(NULL, "\n");
    assert_non_null(line);
    assert_ok(json_parse_object(str_of(line), "a line", &object, &err), err);
    return object;
}

static void expect_log(int64_t lines, int64_t bad_line)
{
    struct audit_check check;
    struct err err = ERR_INIT;
    assert_ok(audit_verify(path, &check, &err), err);
    assert_int_equal(check.lines, lines);
    assert_int_equal(check.bad_line, bad_line);
}

static void test_a_request_is_noted_before_and_after_without_its_words(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, "audit: {path: '%s'}\nresidency: {rules: [{name: personal, detect: pii, class: local}]}\n", path);
    house_chat(&h, "{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"Is anna@example.org a customer?\"}],\"max_tokens\":4}", &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(plain_header(&r, "x-rung-privacy"), "local (rule 'personal')");
    plain_free(&r);
    json_t *asked = line_at(0), *answered = line_at(1);
    assert_string_equal(json_at(asked, "event"), "request");
    assert_string_equal(json_at(asked, "classes.0.class"), "local");
    assert_string_equal(json_at(asked, "classes.0.rule"), "personal");
    assert_string_equal(json_at(asked, "found.email"), "1");
    assert_string_equal(json_at(asked, "endpoint"), "/v1/chat/completions");
    assert_string_equal(json_at(asked, "plan.0.tier"), "local");
    assert_string_equal(json_at(answered, "event"), "answer");
    assert_string_equal(json_at(answered, "attempts.0.tier"), "local");
    assert_string_equal(json_at(answered, "id"), json_at(asked, "id"));
    assert_null(strstr(read_all(), "anna"));
    assert_null(strstr(read_all(), "customer"));
    json_decref(asked);
    json_decref(answered);
    expect_log(2, 0);
    house_close(&h);
}

static void test_who_is_refused_is_noted_too(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    setenv("RUNG_TEST_KEY", "the-key", 1);
    house_open(&h, "audit: {path: '%s'}\napi_keys: [env:RUNG_TEST_KEY]\n", path);
    plain_request(h.port, "POST", "/v1/chat/completions", "Authorization: Bearer wrong-secret\r\n", "{}", &r);
    assert_int_equal(r.status, 401);
    plain_free(&r);
    plain_request(h.port, "POST", "/v1/chat/completions", "Authorization: Bearer the-key\r\n",
                  "{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"metadata\":{\"privacy\":\"nowhere\"}}", &r);
    assert_int_equal(r.status, 400);
    plain_free(&r);
    json_t *denied = line_at(0), *refused = line_at(1);
    assert_string_equal(json_at(denied, "event"), "denied");
    assert_string_equal(json_at(denied, "why"), "key");
    assert_string_equal(json_at(refused, "event"), "refused");
    assert_null(strstr(read_all(), "wrong-secret"));
    json_decref(denied);
    json_decref(refused);
    house_close(&h);
}

static void test_what_cannot_be_noted_is_not_done(void **state)
{
    (void)state;
    struct house h;
    struct stand_in upstream;
    struct plain_reply r;
    if (access("/dev/full", W_OK) != 0)
        skip();
    stand_in_open(&upstream);
    house_open(&h, "audit: {path: /dev/full}\nmodels: {far: {base_url: 'http://127.0.0.1:%u/v1'}}\ntiers: [{name: far, model: far}]\n",
               upstream.port);
    house_chat(&h, "{\"model\":\"far\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", &r);
    assert_int_equal(r.status, 503);
    assert_non_null(strstr(r.body, "audit log"));
    assert_int_equal(stand_in_requests(&upstream), 0);
    plain_free(&r);
    house_close(&h);
    stand_in_close(&upstream);
}

static void append(struct audit *a, int n)
{
    struct err err = ERR_INIT;
    for (int i = 0; i < n; i++)
        assert_ok(audit_append(a, "test", STR(",\"x\":1"), &err), err);
}

static void open_log(struct audit **ret)
{
    struct err err = ERR_INIT;
    assert_ok(audit_open(path, true, ret, &err), err);
}

static void test_a_flood_of_the_denied_is_counted_not_written(void **state)
{
    (void)state;
    struct audit *a = NULL;
    struct audit_check check;
    struct err err = ERR_INIT;
    open_log(&a);
    for (int i = 0; i < 500; i++)
        assert_ok(audit_denied(a, "/v1/models", "key", &err), err);
    audit_close(a);
    assert_ok(audit_verify(path, &check, &err), err);
    assert_true(check.lines >= AUDIT_DENIED_PER_S && check.lines < 250 && check.bad_line == 0);
}

static void test_the_chain_goes_on_over_restarts_and_torn_ends(void **state)
{
    (void)state;
    struct audit *a = NULL;
    open_log(&a);
    append(a, 3);
    audit_close(a);
    open_log(&a);
    append(a, 2);
    audit_close(a);
    expect_log(5, 0);
    int fd = open(path, O_WRONLY | O_APPEND);
    assert_true(write(fd, "{\"n\":6,\"at\":", 12) == 12);
    close(fd);
    open_log(&a);
    append(a, 1);
    audit_close(a);
    expect_log(6, 0);
}

/* A disk that is full after any byte of a line. */
static void test_a_line_that_does_not_fit_leaves_nothing(void **state)
{
    (void)state;
    static const char members[] = ",\"classes\":[{\"class\":\"a\"}],\"why\":\"} {\"";
    struct audit *a;
    struct err err = ERR_INIT;
    struct rlimit old;
    struct stat before, after;
    assert_ok(audit_open(path, false, &a, &err), err);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_IGN);
    for (rlim_t room = 0; room < 150; room++) {
        assert_int_equal(stat(path, &before), 0);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){(rlim_t)before.st_size + room, old.rlim_max});
        bool fits = audit_append(a, "request", str_of(members), NULL);
        setrlimit(RLIMIT_FSIZE, &old);
        assert_false(fits);
        assert_int_equal(stat(path, &after), 0);
        assert_int_equal(after.st_size, before.st_size);
        assert_ok(audit_append(a, "request", str_of(members), &err), err);
    }
    signal(SIGXFSZ, SIG_DFL);
    audit_close(a);
    expect_log(150, 0);
    assert_ok(audit_open(path, false, &a, &err), err);
    audit_close(a);
}

static void test_changes_of_the_log_show(void **state)
{
    (void)state;
    struct audit *a = NULL;
    open_log(&a);
    append(a, 5);
    audit_close(a);
    char whole[8192], *text = read_all();
    snprintf(whole, sizeof whole, "%s", text);
    FILE *f = fopen(path, "w");
    *strstr(text, "\"x\":1") = '!';
    fputs(text, f);
    fclose(f);
    struct audit_check check;
    assert_true(audit_verify(path, &check, NULL) && check.bad_line > 0);
    char *second = strchr(whole, '\n') + 1, *third = strchr(second, '\n') + 1;
    f = fopen(path, "w");
    fwrite(whole, 1, (size_t)(second - whole), f);
    fputs(third, f);
    fclose(f);
    expect_log(4, 2);
}

static void test_a_log_has_one_writer_and_no_other_file_is_taken_for_one(void **state)
{
    (void)state;
    struct audit *a = NULL, *b = NULL;
    struct err err = ERR_INIT;
    struct stat st;
    open_log(&a);
    assert_false(audit_open(path, false, &b, &err));
    assert_int_equal(err.code, ERR_BUSY);
    append(a, 1);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    audit_close(a);
    FILE *f = fopen(path, "w");
    fputs("dear diary\n", f);
    fclose(f);
    assert_false(audit_open(path, false, &b, &err));
    assert_int_equal(err.code, ERR_INVALID);
}

static void test_a_moved_log_is_begun_anew_and_tied_to_the_old(void **state)
{
    (void)state;
    struct audit *a = NULL;
    struct audit_check old, new;
    struct err err = ERR_INIT;
    char moved[160];
    open_log(&a);
    append(a, 2);
    snprintf(moved, sizeof moved, "%s.1", path);
    assert_int_equal(rename(path, moved), 0);
    assert_ok(audit_reopen(a, &err), err);
    append(a, 2);
    audit_close(a);
    assert_true(audit_verify(moved, &old, &err) && audit_verify(path, &new, &err));
    assert_int_equal(new.lines, 2);
    assert_int_equal(new.bad_line, 0);
    assert_string_equal(new.first_prev, old.last_hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_request_is_noted_before_and_after_without_its_words, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_is_refused_is_noted_too, setup, teardown),
        cmocka_unit_test(test_what_cannot_be_noted_is_not_done),
        cmocka_unit_test_setup_teardown(test_a_flood_of_the_denied_is_counted_not_written, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_chain_goes_on_over_restarts_and_torn_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_line_that_does_not_fit_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changes_of_the_log_show, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_log_has_one_writer_and_no_other_file_is_taken_for_one, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_moved_log_is_begun_anew_and_tied_to_the_old, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
