/* Downloads over real HTTP from a host that behaves, and from one with every fault; a download that is killed. */
#include "support_remote.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "registry/remote/partial.h"

#define MIB ((int64_t)1 << 20)
#define FILE_BYTES (12 * MIB + 12345)

/* Fetches once, with the stand-in's words; true where it succeeded. */
static bool fetch(struct host *h, struct remote_layer layer, struct err *err)
{
    struct remote *r = remote_impatient();
    bool ok = remote_fetch(r, &layer, h->store, NULL, err);
    if (ok) {
        assert_string_equal(layer.digest, h->digest);
        assert_int_equal(layer.size, h->size);
    }
    remote_close(r);
    return ok;
}

static void assert_fetch(struct host *h, struct remote_layer layer)
{
    struct err err = ERR_INIT;
    assert_ok(fetch(h, layer, &err), err);
    assert_fetched(h);
}

static void assert_fault(struct host *h, struct remote_layer layer, enum err_code code, const char *words)
{
    struct err err = ERR_INIT;
    char path[256];
    assert_false(fetch(h, layer, &err));
    if (err.code != code || !strstr(err.msg, words))
        fail_msg("error %d '%s' is not %d with '%s'", err.code, err.msg, code, words);
    snprintf(path, sizeof path, "%s/sha256-%s", h->store, h->digest);
    assert_int_not_equal(access(path, F_OK), 0); /* never visible under the final name */
}

/* ---- a host that behaves ---- */

static void test_fetch_brings_a_file_in_ranges_once(void **state)
{
    (void)state;
    struct host h;
    host_make(&h, FILE_BYTES);
    host_start(&h, NULL);
    assert_fetch(&h, weights_of(&h));
    assert_true(host_count(&h, "request GET /v2/") >= REMOTE_CONNECTIONS);
    assert_int_equal(host_sent(&h, "/v2/"), h.size + 1); /* and the probe's byte */
    assert_fetch(&h, weights_of(&h));                    /* it is there: nothing is asked */
    assert_int_equal(host_sent(&h, "/v2/"), h.size + 1);
    host_free(&h);
}

static void test_fetch_computes_a_digest_that_nobody_says(void **state)
{
    (void)state;
    struct host h;
    host_make(&h, FILE_BYTES);
    host_start(&h, NULL);
    assert_fetch(&h, plain_file(&h));
    host_free(&h);
}

static void test_fetch_of_a_small_file_takes_one_request(void **state)
{
    (void)state;
    struct host h;
    host_make(&h, 5000);
    host_start(&h, NULL);
    assert_fetch(&h, weights_of(&h));
    assert_int_equal(host_count(&h, "request "), 1);
    host_free(&h);
}

/* ---- a host that does not ---- */

static void test_fetch_goes_on_after_cuts(void **state)
{
    (void)state;
    struct host h;
    host_make(&h, FILE_BYTES);
    host_start(&h, "--fault", "cut", "--times", "20", NULL);
    assert_fetch(&h, weights_of(&h));
    assert_int_equal(host_sent(&h, "/v2/"), h.size + 1); /* no byte twice */
    host_free(&h);
}

static void test_fetch_gives_up_on_a_stalled_host_and_keeps_what_came(void **state)
{
    (void)state;
    struct host h;
    host_make(&h, 3 * MIB);
    host_start(&h, "--fault", "stall", "--times", "2", NULL);
    assert_fetch(&h, weights_of(&h)); /* a stall that passes */
    host_stop(&h);
    assert_fetch(&h, weights_of(&h)); /* it is there: no host is needed */
    host_free(&h);
    host_make(&h, 3 * MIB);
    host_start(&h, NULL);
    struct remote_layer layer = weights_of(&h);
    host_stop(&h);
    assert_fault(&h, layer, ERR_IO, "failed");
    host_free(&h);
}

static void test_fetch_throws_away_a_wrong_digest(void **state)
{
    (void)state;
    struct host h;
    host_make(&h, FILE_BYTES);
    host_start(&h, "--fault", "digest", NULL);
    assert_fault(&h, weights_of(&h), ERR_CORRUPT, "thrown away");
    assert_int_equal(files_in_store(&h), 0);
    host_free(&h);
}

static void test_fetch_refuses_a_wrong_length(void **state)
{
    (void)state;
    struct host h;
    struct remote_layer layer;
    host_make(&h, FILE_BYTES);
    host_start(&h, NULL);
    layer = weights_of(&h);
    layer.size += 100; /* the manifest lies: told before any download */
    assert_fault(&h, layer, ERR_CORRUPT, "were announced");
    host_start(&h, "--fault", "length", NULL); /* the host lies, in the middle */
    assert_fault(&h, weights_of(&h), ERR_CORRUPT, "were announced");
    host_free(&h);
}

static void test_fetch_bounds_an_endless_answer(void **state)
{
    (void)state;
    struct host h;
    host_make(&h, FILE_BYTES);
    host_start(&h, "--fault", "endless", NULL);
    assert_fault(&h, weights_of(&h), ERR_IO, "instead of a range");
    host_free(&h);
    host_make(&h, 5000);
    host_start(&h, "--fault", "endless", NULL);
    assert_fault(&h, weights_of(&h), ERR_LIMIT, "longer than 5000 bytes");
    host_free(&h);
}

static void test_fetch_reads_a_host_without_ranges_in_one_stream(void **state)
{
    (void)state;
    struct host h;
    host_make(&h, FILE_BYTES);
    host_start(&h, "--fault", "norange", NULL);
    assert_fetch(&h, weights_of(&h));
    host_free(&h);
}

static void test_fetch_reads_a_stream_of_unknown_length(void **state)
{
    (void)state;
    struct host h;
    host_make(&h, 1000); /* too small for a range: the fault is in the length */
    host_start(&h, "--fault", "nolength", NULL);
    assert_fetch(&h, weights_of(&h));
    host_free(&h);
}

static void test_fetch_waits_as_a_busy_host_asks(void **state)
{
    (void)state;
    struct host h;
    host_make(&h, 3 * MIB);
    host_start(&h, "--fault", "busy", "--times", "1", NULL);
    int64_t began_ms = clock_ms();
    assert_fetch(&h, weights_of(&h));
    assert_true(clock_ms() - began_ms >= 1000); /* Retry-After: 1 */
    host_free(&h);
}

static void test_fetch_gives_up_on_a_host_that_fails(void **state)
{
    (void)state;
    struct host h;
    host_make(&h, 3 * MIB);
    host_start(&h, "--fault", "500", NULL);
    assert_fault(&h, weights_of(&h), ERR_IO, "HTTP 500");
    assert_int_equal(host_count(&h, "request "), 3);
    host_free(&h);
}

static void test_fetch_refuses_what_the_disk_cannot_hold(void **state)
{
    (void)state;
    struct host h;
    struct err err = ERR_INIT;
    struct partial p;
    host_make(&h, 5000);
    assert_ok(partial_open(h.store, "sha256-x", &p, &err), err);
    assert_ok(partial_check_space(&p, 1, &err), err);
    assert_false(partial_check_space(&p, (int64_t)1 << 60, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_non_null(strstr(err.msg, "needs 1099511627776 MiB more"));
    partial_remove(&p);
    partial_close(&p);
    host_free(&h);
}

/* ---- redirects and tokens ---- */

static void test_fetch_follows_a_redirect_without_the_token(void **state)
{
    (void)state;
    struct host h, cdn;
    char port[16];
    struct err err = ERR_INIT;
    host_make(&h, FILE_BYTES);
    host_make(&cdn, FILE_BYTES);
    host_start(&cdn, NULL);
    snprintf(port, sizeof port, "%d", cdn.port);
    host_start(&h, "--fault", "cdn", "--cdn", port, NULL);
    struct remote *r = remote_impatient();
    struct remote_layer layer = weights_of(&h);
    r->token = strdup("secret");
    assert_ok(url_origin(layer.url, &r->token_origin, &err), err);
    assert_ok(remote_fetch(r, &layer, h.store, NULL, &err), err);
    assert_fetched(&h);
    assert_true(host_count(&h, "auth=Bearer secret") > 0); /* its own host sees it */
    assert_true(host_count(&cdn, "request ") > 0);
    assert_int_equal(host_count(&cdn, "auth=Bearer"), 0);  /* no other does */
    remote_close(r);
    host_free(&h);
    host_free(&cdn);
}

static void test_fetch_refuses_redirects_that_lead_astray(void **state)
{
    (void)state;
    struct host h;
    host_make(&h, FILE_BYTES);
    host_start(&h, "--fault", "loop", NULL);
    assert_fault(&h, weights_of(&h), ERR_LIMIT, "redirects more than 5 times");
    host_start(&h, "--fault", "http", NULL);
    assert_fault(&h, weights_of(&h), ERR_INVALID, "http://192.0.2.1 is neither");
    host_start(&h, "--fault", "ftp", NULL);
    assert_fault(&h, weights_of(&h), ERR_INVALID, "http");
    host_free(&h);
}

static void test_fetch_gets_a_token_where_one_is_asked_for(void **state)
{
    (void)state;
    struct host h;
    host_make(&h, FILE_BYTES);
    host_start(&h, "--fault", "auth", NULL);
    assert_fetch(&h, weights_of(&h));
    assert_int_equal(host_count(&h, "request GET /token?service=standin&scope=repository%3Alibrary%2Fmodel%3Apull"), 1);
    host_free(&h);
    host_make(&h, FILE_BYTES);
    host_start(&h, "--fault", "deny", NULL);
    assert_fault(&h, weights_of(&h), ERR_INVALID, "does not give this to everybody");
    host_free(&h);
}

/* ---- killed, stopped, twice at once ---- */

static int fetch_in_child(struct host *h)
{
    int pid = fork();
    if (pid == 0) {
        struct err err = ERR_INIT;
        struct remote *r = remote_impatient();
        struct remote_layer layer = weights_of(h);
        bool ok = remote_fetch(r, &layer, h->store, NULL, &err);
        _exit(ok ? 0 : 1);
    }
    return pid;
}

/* Blocks that the notes of the partial file name. */
static int noted_blocks(const struct host *h)
{
    char path[256];
    int c, n = 0;
    snprintf(path, sizeof path, "%s/sha256-%s-partial.notes", h->store, h->digest);
    FILE *f = fopen(path, "re");
    while (f && (c = fgetc(f)) != EOF)
        n += c == '#';
    if (f)
        fclose(f);
    return n;
}

/* A download killed in the middle; returns the blocks it had noted. */
static int kill_in_the_middle(struct host *h)
{
    int status;
    int64_t began_ms = clock_ms();
    host_start(h, "--rate", "1024", NULL);
    int pid = fetch_in_child(h);
    while (noted_blocks(h) < 4 && clock_ms() - began_ms < 20000)
        usleep(5000);
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(files_in_store(h), 2); /* the partial file and its notes */
    return noted_blocks(h);
}

static void test_fetch_killed_goes_on_with_the_rest_alone(void **state)
{
    (void)state;
    struct host h;
    host_make(&h, 24 * MIB);
    int noted = kill_in_the_middle(&h);
    assert_in_range(noted, 4, 23);
    host_start(&h, NULL);
    assert_fetch(&h, weights_of(&h));
    assert_int_equal(host_sent(&h, "/v2/"), h.size - noted * MIB + 1); /* and the probe's byte */
    host_free(&h);
}

static void test_fetch_fetches_again_what_an_earlier_try_left_harmed(void **state)
{
    (void)state;
    struct host h;
    char path[256];
    host_make(&h, 24 * MIB);
    kill_in_the_middle(&h);
    snprintf(path, sizeof path, "%s/sha256-%s-partial", h.store, h.digest);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    char harm[24];
    memset(harm, 'x', sizeof harm);
    for (int64_t at = 0; at < h.size; at += MIB) /* in every block, noted ones among them */
        assert_int_equal(pwrite(fd, harm, sizeof harm, at), sizeof harm);
    close(fd);
    host_start(&h, NULL);
    assert_fetch(&h, weights_of(&h));
    assert_true(host_sent(&h, "/v2/") > h.size + 1);
    host_free(&h);
}

struct stopper {
    int steps;
    int64_t last_done, last_total;
};

static bool stop_soon(void *ctx, int64_t done, int64_t total)
{
    struct stopper *s = ctx;
    s->last_done = done;
    s->last_total = total;
    return ++s->steps < 5;
}

static void test_fetch_stops_when_the_caller_says_so(void **state)
{
    (void)state;
    struct host h;
    struct err err = ERR_INIT;
    struct stopper s = {0};
    host_make(&h, 48 * MIB);
    host_start(&h, "--rate", "2048", NULL);   /* a piece every 30 ms on each connection */
    struct remote *r = remote_impatient();
    struct remote_layer layer = weights_of(&h);
    const struct remote_progress progress = {.ctx = &s, .step = stop_soon};
    assert_false(remote_fetch(r, &layer, h.store, &progress, &err));
    assert_int_equal(err.code, ERR_CANCELLED);
    assert_int_equal(s.steps, 5);
    assert_int_equal(s.last_total, h.size);
    assert_in_range(s.last_done, 1, h.size - 1);
    assert_true(host_sent(&h, "/v2/") < h.size / 2);   /* connections in full flow end too */
    remote_close(r);
    host_free(&h);
}

static void test_fetch_waits_for_another_process_with_the_same_file(void **state)
{
    (void)state;
    struct host h;
    int status;
    host_make(&h, 6 * MIB);
    host_start(&h, "--rate", "1024", NULL);
    int pid = fetch_in_child(&h);
    usleep(200000);
    assert_fetch(&h, weights_of(&h));
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(host_sent(&h, "/v2/"), h.size + 1); /* fetched once */
    host_free(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fetch_brings_a_file_in_ranges_once),
        cmocka_unit_test(test_fetch_computes_a_digest_that_nobody_says),
        cmocka_unit_test(test_fetch_of_a_small_file_takes_one_request),
        cmocka_unit_test(test_fetch_goes_on_after_cuts),
        cmocka_unit_test(test_fetch_gives_up_on_a_stalled_host_and_keeps_what_came),
        cmocka_unit_test(test_fetch_throws_away_a_wrong_digest),
        cmocka_unit_test(test_fetch_refuses_a_wrong_length),
        cmocka_unit_test(test_fetch_bounds_an_endless_answer),
        cmocka_unit_test(test_fetch_reads_a_host_without_ranges_in_one_stream),
        cmocka_unit_test(test_fetch_reads_a_stream_of_unknown_length),
        cmocka_unit_test(test_fetch_waits_as_a_busy_host_asks),
        cmocka_unit_test(test_fetch_gives_up_on_a_host_that_fails),
        cmocka_unit_test(test_fetch_refuses_what_the_disk_cannot_hold),
        cmocka_unit_test(test_fetch_follows_a_redirect_without_the_token),
        cmocka_unit_test(test_fetch_refuses_redirects_that_lead_astray),
        cmocka_unit_test(test_fetch_gets_a_token_where_one_is_asked_for),
        cmocka_unit_test(test_fetch_killed_goes_on_with_the_rest_alone),
        cmocka_unit_test(test_fetch_fetches_again_what_an_earlier_try_left_harmed),
        cmocka_unit_test(test_fetch_stops_when_the_caller_says_so),
        cmocka_unit_test(test_fetch_waits_for_another_process_with_the_same_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
