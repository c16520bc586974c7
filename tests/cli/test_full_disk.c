/* rung serve on a disk that fills up under load: new requests are refused with a sentence, what was settled meanwhile
 * is written when there is room again, and nothing is lost. Once the disk is a small file system of its own, which only
 * root may mount; once it is a limit on the size of files, as a quota sets it. */
#include "support_program.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/clock.h"

#define DISK_BYTES "32m"   /* more than the log of what is asked here */
#define WAIT_MS 20000
#define QUESTION "{\"model\":\"big\",\"max_tokens\":40,\"messages\":[{\"role\":\"user\",\"content\":\"one two\"}]}"

static char folder[64], disk[96], ledger[128], config[96], filler[128];
static bool mounted;
static struct program standin, rung;
static struct load load;

static void serve(void)
{
    program_start(&rung, (const char *const[]){program_path("rung"), "serve", "--config", config, NULL});
}

static int setup(bool mount_disk)
{
    snprintf(folder, sizeof folder, "/tmp/rung-disk-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(disk, sizeof disk, "%s/disk", folder);
    snprintf(ledger, sizeof ledger, "%s/ledger.db", disk);
    snprintf(filler, sizeof filler, "%s/filler", disk);
    snprintf(config, sizeof config, "%s/rung.yaml", folder);
    snprintf(standin.log, sizeof standin.log, "%s/standin.log", folder);
    snprintf(rung.log, sizeof rung.log, "%s/rung.log", folder);
    setenv("HOME", folder, 1);
    assert_int_equal(mkdir(disk, 0700), 0);
    const char *upstream = program_path("tests/standin");
    mounted = mount_disk && geteuid() == 0 && unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
              mount("tmpfs", disk, "tmpfs", 0, "size=" DISK_BYTES) == 0;
    program_start(&standin, (const char *const[]){upstream, "--delay-ms", "20", NULL});
    FILE *f = fopen(config, "we");
    assert_non_null(f);
    fprintf(f, "listen: 127.0.0.1:0\nledger: {path: %s}\n", ledger);
    fprintf(f, PROGRAM_MODELS, (unsigned)standin.port);
    assert_int_equal(fclose(f), 0);
    serve();
    load = (struct load){.servers = {&rung}, .n_servers = 1, .alone = true};
    return 0;
}

static int setup_disk(void **state)
{
    (void)state;
    return setup(true);
}

static int setup_limit(void **state)
{
    (void)state;
    return setup(false);
}

static int teardown(void **state)
{
    (void)state;
    char command[96];
    program_stop(&rung, SIGKILL);
    program_stop(&standin, SIGKILL);
    if (mounted)
        umount(disk);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

/* Until a request is answered with this status. */
static void wait_for_status(int status, struct answer *ret)
{
    for (int64_t until_ms = clock_ms() + WAIT_MS;; usleep(20000)) {
        ask(rung.port, NULL, "/v1/chat/completions", QUESTION, ret);
        buf_char(&ret->body, '\0');
        if (ret->status == status)
            return;
        if (clock_ms() >= until_ms)
            fail_msg("no request got %d in time, but %d: %s", status, ret->status, ret->body.p);
        buf_free(&ret->body);
    }
}

static void limit_files(rlim_t bytes)
{
    struct rlimit l = {bytes, RLIM_INFINITY};
    assert_int_equal(prlimit(rung.pid, RLIMIT_FSIZE, &l, NULL), 0);
}

static void fill_disk(void)
{
    static const char noise[4096];
    if (!mounted) {
        limit_files(4096);
        return;
    }
    int fd = open(filler, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    while (write(fd, noise, sizeof noise) > 0)
        continue;
    close(fd);
}

static void make_room(void)
{
    if (mounted)
        assert_int_equal(unlink(filler), 0);
    else
        limit_files(RLIM_INFINITY);
}

static void fill_and_make_room(const char *words)
{
    struct answer a;
    struct bill counted, sure, maybe;
    load_start(&load);
    usleep(300000);
    fill_disk();
    wait_for_status(503, &a);
    print_message("%s\n", a.body.p);
    assert_non_null(strstr(a.body.p, "the request was not sent, because the ledger cannot note it"));
    assert_non_null(strstr(a.body.p, words));
    buf_free(&a.body);
    load_stop(&load);
    counted = bill_of_standin(&standin);
    assert_int_equal(ask_status(rung.port, NULL, "/v1/chat/completions", QUESTION), 503);
    assert_int_equal(bill_of_standin(&standin).calls, counted.calls); /* a refused request costs nothing */
    make_room();
    wait_for_status(200, &a);
    buf_free(&a.body);
    assert_int_equal(program_stop(&rung, SIGTERM), 0);
    counted = bill_of_standin(&standin);
    bill_must_fit(&counted, ledger);
    bill_of_ledger(ledger, &sure, &maybe);
    assert_int_equal(maybe.calls, 0);
    assert_int_equal(sure.pico_usd, counted.pico_usd);
    assert_int_equal(sure.calls, counted.calls);
}

static void test_full_disk_refuses_requests_and_keeps_what_was_settled(void **state)
{
    (void)state;
    if (!mounted) {
        print_message("skip %s: a file system can be mounted by root alone\n", __func__);
        skip();
    }
    fill_and_make_room("the disk is full");
}

static void test_quota_refuses_requests_and_keeps_what_was_settled(void **state)
{
    (void)state;
    fill_and_make_room("cannot grow: a quota or a limit on the size of files is reached");
}

/* What could not be written to the end is possibly billed. */
static void test_end_on_a_full_disk_loses_no_bill(void **state)
{
    (void)state;
    struct answer a;
    if (!mounted)
        skip();
    load_start(&load);
    usleep(300000);
    fill_disk();
    wait_for_status(503, &a);
    buf_free(&a.body);
    load_stop(&load);
    assert_int_equal(program_stop(&rung, SIGTERM), 0);
    make_room();
    serve();
    assert_int_equal(program_stop(&rung, SIGTERM), 0);
    struct bill counted = bill_of_standin(&standin);
    bill_must_fit(&counted, ledger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_full_disk_refuses_requests_and_keeps_what_was_settled, setup_disk,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_quota_refuses_requests_and_keeps_what_was_settled, setup_limit, teardown),
        cmocka_unit_test_setup_teardown(test_end_on_a_full_disk_loses_no_bill, setup_disk, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
