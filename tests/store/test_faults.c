/* Disks that are full, files that are damaged or somebody else's: one clear sentence each, and nothing lost. */
#include "../support.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store/money.h"
#include "store/report.h"
#include "support_ledger.h"

static const char *path;

static int fresh(void **state)
{
    (void)state;
    path = ledger_fresh();
    return 0;
}

static int gone(void **state)
{
    (void)state;
    ledger_remove();
    return 0;
}

/* ---- a disk that can be told to be full: SQLite's own system calls, replaced ---- */
static atomic_bool disk_full;
static atomic_int refused;

static ssize_t fickle_pwrite(int fd, const void *p, size_t n, off_t at)
{
    if (!atomic_load(&disk_full))
        return pwrite(fd, p, n, at);
    atomic_fetch_add(&refused, 1);
    errno = ENOSPC;
    return -1;
}

static void make_disk_fickle(void)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    assert_int_equal(vfs->xSetSystemCall(vfs, "pwrite", (sqlite3_syscall_ptr)fickle_pwrite), SQLITE_OK);
    assert_int_equal(vfs->xSetSystemCall(vfs, "pwrite64", (sqlite3_syscall_ptr)fickle_pwrite), SQLITE_OK);
}

static void test_ledger_on_a_full_disk_refuses_and_recovers(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    make_disk_fickle();
    struct ledger *l = ledger_must_open();
    struct ledger_row before = ledger_sample(1, 5), during = ledger_sample(2, 5), after = ledger_sample(3, 5);
    assert_ok(ledger_begin(l, &before, NULL, NULL, NULL, &err), err);
    assert_ok(ledger_reserve(l, before.id, 9, LEDGER_NO_BUDGET, &err), err);
    atomic_store(&disk_full, true);
    assert_false(ledger_begin(l, &during, NULL, NULL, NULL, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.msg, "disk is full"));
    assert_non_null(strstr(err.msg, path));
    assert_false(ledger_reserve(l, before.id, 9, LEDGER_NO_BUDGET, &err));
    assert_int_equal(ledger_spent(l), 9);
    assert_ok(ledger_settle(l, &before, false, &err), err); /* kept, and tried again */
    assert_false(ledger_flush(l, &err));
    assert_true(atomic_load(&refused) > 0);
    atomic_store(&disk_full, false);
    assert_ok(ledger_begin(l, &after, NULL, NULL, NULL, &err), err);
    assert_int_equal(ledger_spent(l), 5);
    assert_int_equal(ledger_query("SELECT count(*) FROM request WHERE id = 'chatcmpl-1' AND outcome = 'ok'"), 1);
    assert_int_equal(ledger_query("SELECT count(*) FROM request WHERE id = 'chatcmpl-2'"), 0);
    ledger_close(l);
}

static void test_ledger_tries_a_refused_row_again_by_itself(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    make_disk_fickle();
    struct ledger *l = ledger_must_open();
    struct ledger_row row = ledger_sample(1, 5);
    int before = atomic_load(&refused);
    atomic_store(&disk_full, true);
    assert_ok(ledger_settle(l, &row, false, &err), err);
    while (atomic_load(&refused) == before)
        usleep(1000);
    atomic_store(&disk_full, false);
    while (ledger_spent(l) != 5)
        usleep(10000);
    ledger_close(l);
    assert_int_equal(ledger_query("SELECT count(*) FROM request WHERE outcome = 'ok'"), 1);
}

/* ---- files that are no good ---- */
static void refuse(enum err_code code, const char *words)
{
    struct err err = ERR_INIT;
    struct ledger *l = NULL;
    struct ledger_report *r = NULL;
    if (ledger_open(path, &(struct ledger_options){0}, &l, &err))
        fail_msg("the ledger opened");
    if (err.code != code || !strstr(err.msg, words) || !strstr(err.msg, path) || strchr(err.msg, '\n'))
        fail_msg("code %d: %s", err.code, err.msg);
    if (report_read(path, 0, REPORT_BY_TIER, &r, &err))
        fail_msg("the bill was read");
    if (err.code != code || !strstr(err.msg, words))
        fail_msg("bill, code %d: %s", err.code, err.msg);
}

static void write_at(off_t at, const void *p, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, p, n, at), n);
    close(fd);
}

static void make_ledger(void)
{
    struct ledger *l = ledger_must_open();
    for (int i = 0; i < 50; i++) {
        struct err err = ERR_INIT;
        struct ledger_row row = ledger_sample(i, 1);
        assert_ok(ledger_settle(l, &row, false, &err), err);
    }
    ledger_close(l);
}

static void test_ledger_that_is_another_kind_of_file(void **state)
{
    (void)state;
    make_ledger();
    char text[4096];
    memset(text, 'x', sizeof text);
    write_at(0, text, sizeof text);
    refuse(ERR_CORRUPT, "is not a ledger");
}

static void test_ledger_with_a_damaged_page(void **state)
{
    (void)state;
    make_ledger();
    char noise[4096 - 100];
    memset(noise, 0xa5, sizeof noise);
    write_at(100, noise, sizeof noise); /* the schema's page, after the file header */
    refuse(ERR_CORRUPT, "is damaged");
}

static void test_ledger_of_another_program_is_left_alone(void **state)
{
    (void)state;
    make_ledger();
    ledger_query("SELECT 1");
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA application_id = 77; PRAGMA journal_mode = DELETE", NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    refuse(ERR_INVALID, "another program's database");
    assert_int_equal(ledger_query("SELECT journal_mode = 'delete' FROM pragma_journal_mode"), 1);
}

static void test_ledger_of_a_newer_rung(void **state)
{
    (void)state;
    make_ledger();
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    refuse(ERR_UNSUPPORTED, "newer Rung");
}

static void test_ledger_held_by_another_program_says_so(void **state)
{
    (void)state;
    make_ledger();
    sqlite3 *db = NULL;
    struct err err = ERR_INIT;
    struct ledger *l = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_false(ledger_open(path, &(struct ledger_options){0}, &l, &err));
    assert_int_equal(err.code, ERR_BUSY);
    assert_non_null(strstr(err.msg, "held by another program"));
    sqlite3_close(db);
    ledger_close(ledger_must_open());
}

static void test_ledger_that_may_not_be_written(void **state)
{
    (void)state;
    const uid_t nobody = 65534;
    struct err err = ERR_INIT;
    struct ledger *l = NULL;
    make_ledger();
    char folder[128];
    snprintf(folder, sizeof folder, "%s", path);
    for (int i = 0; i < 3; i++) { /* everybody may come as far as the file */
        *strrchr(folder, '/') = '\0';
        assert_int_equal(chmod(folder, 0755), 0);
    }
    assert_int_equal(chmod(path, 0400), 0);
    uid_t self = geteuid();
    if (self == 0) /* root may write anything: be somebody else for one call */
        assert_int_equal(seteuid(nobody), 0);
    bool opened = ledger_open(path, &(struct ledger_options){0}, &l, &err);
    assert_int_equal(seteuid(self), 0);
    assert_false(opened);
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.msg, path));
    assert_non_null(strstr(err.msg, "Permission denied"));
}

static void test_ledger_whose_path_is_a_folder(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct ledger *l = NULL;
    assert_false(ledger_open("/tmp/", &(struct ledger_options){0}, &l, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_false(ledger_open("/proc/rung/ledger.db", &(struct ledger_options){0}, &l, &err));
    assert_non_null(strstr(err.msg, "cannot make the folder /proc/rung"));
}

/* SQLite marks an open ledger by a lock on these bytes; without it another process may think itself the last one,
 * and take the log away when it closes. */
static bool file_is_locked(void)
{
    int status;
    fflush(NULL);
    pid_t pid = fork(); /* one's own locks are in nobody's way */
    assert_true(pid >= 0);
    if (pid == 0) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0x40000002, .l_len = 510};
        int fd = open(path, O_RDWR);
        _exit(fd < 0 || fcntl(fd, F_GETLK, &lock) != 0 ? 2 : lock.l_type != F_UNLCK);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
    return WEXITSTATUS(status) == 1;
}

static void test_ledger_keeps_its_lock_when_another_opens_it_in_the_same_process(void **state)
{
    (void)state;
    make_ledger();
    assert_false(file_is_locked());
    struct ledger *first = ledger_must_open();
    assert_true(file_is_locked());
    struct ledger *second = ledger_must_open();
    assert_true(file_is_locked());
    ledger_close(second);
    assert_true(file_is_locked());
    ledger_close(first);
}

static void test_ledger_survives_absurd_numbers(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct ledger_report *r = NULL;
    struct ledger *l = ledger_must_open();
    for (int i = 0; i < 3; i++) {
        struct ledger_row row = ledger_sample(i, INT64_MAX);
        row.frontier_pico_usd = INT64_MAX;
        row.confidence = row.attempts[0].confidence = 0.0 / 0.0;
        for (int a = 0; a < 2; a++)
            row.attempts[a].tokens = (struct ledger_tokens){INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX};
        row.attempts[0].local = i % 2;
        assert_ok(ledger_begin(l, &row, NULL, NULL, NULL, &err), err);
        for (int a = 0; a < 2; a++)
            assert_ok(ledger_reserve(l, row.id, INT64_MAX, LEDGER_NO_BUDGET, &err), err);
        if (i < 2)
            assert_ok(ledger_settle(l, &row, true, &err), err);
    }
    assert_true(ledger_spent(l) == INT64_MAX);
    ledger_close(l);
    ledger_close(ledger_must_open()); /* buries the last one */
    assert_int_equal(ledger_query("SELECT count(*) FROM request WHERE confidence = -1 AND outcome = 'ok'"), 2);
    assert_ok(report_read(path, 0, REPORT_BY_TIER, &r, &err), err);
    assert_true(r->total.after_pico_usd == INT64_MAX && r->total.before_pico_usd == INT64_MAX);
    assert_true(r->total.upstream.prompt == INT64_MAX && r->possibly_billed.pico_usd == INT64_MAX);
    report_free(r);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, gone)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_ledger_on_a_full_disk_refuses_and_recovers),
        TEST(test_ledger_tries_a_refused_row_again_by_itself),
        TEST(test_ledger_that_is_another_kind_of_file),
        TEST(test_ledger_with_a_damaged_page),
        TEST(test_ledger_of_another_program_is_left_alone),
        TEST(test_ledger_of_a_newer_rung),
        TEST(test_ledger_held_by_another_program_says_so),
        TEST(test_ledger_that_may_not_be_written),
        TEST(test_ledger_whose_path_is_a_folder),
        TEST(test_ledger_keeps_its_lock_when_another_opens_it_in_the_same_process),
        TEST(test_ledger_survives_absurd_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
