/* Processes that write rows are killed at random moments. What they had been told was settled is in the ledger,
 * once and unchanged; everything else is accounted for as lost or possibly billed; the file is whole. And new
 * processes may come in crowds. */
#include "../support.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/rng.h"
#include "support_ledger.h"

#define KILLS 200   /* RUNG_TEST_KILLS says another number */
#define MAX_DELAY_US 20000
#define COST 7
#define RESERVE 9

/* Told to the parent through a pipe, after the ledger acknowledged it. */
struct told {
    int row;
    enum { TOLD_BEGUN, TOLD_ANNOUNCED, TOLD_SETTLED } what;
};

static void tell(int fd, int row, int what)
{
    struct told t = {.row = row, .what = what};
    if (write(fd, &t, sizeof t) != (ssize_t)sizeof t)
        _exit(3);
}

/* Writes rows until it is killed. */
static void child(int fd, int first_row)
{
    struct ledger *l = ledger_must_open();
    for (int i = first_row;; i++) {
        struct ledger_row row = ledger_sample(i, COST);
        if (!ledger_begin(l, &row, NULL, NULL, NULL, NULL))
            _exit(4);
        tell(fd, i, TOLD_BEGUN);
        if (i % 2) {
            if (!ledger_reserve(l, row.id, RESERVE, LEDGER_NO_BUDGET, NULL))
                _exit(5);
            tell(fd, i, TOLD_ANNOUNCED);
        } else {
            row.n_attempts = 1;
        }
        if (!ledger_settle(l, &row, true, NULL))
            _exit(6);
        tell(fd, i, TOLD_SETTLED);
    }
}

static int slowness;

/* One life: returns the number after the last row it used, and counts what was told. */
static int live_and_die(int life, int first_row, int64_t told[3])
{
    int fds[2], status, next = first_row;
    assert_int_equal(pipe(fds), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        child(fds[1], first_row);
    }
    close(fds[1]);
    struct pollfd told_first = {.fd = fds[0], .events = POLLIN};
    if (life % 4) /* one in four may die while it opens, the others while they write */
        poll(&told_first, 1, 10000);
    usleep((useconds_t)(rng_unit(11, 0, (uint64_t)life) * MAX_DELAY_US * slowness));
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFSIGNALED(status))
        fail_msg("life %d ended by itself with %d", life, WEXITSTATUS(status));
    for (struct told t; read(fds[0], &t, sizeof t) == (ssize_t)sizeof t;) {
        told[t.what]++;
        next = t.row + 1;
    }
    close(fds[0]);
    return next + 1; /* a row may have been begun and not told */
}

static void test_ledger_kills_lose_no_settled_row_and_double_none(void **state)
{
    (void)state;
    int64_t told[3] = {0};
    int next = 0, kills = getenv("RUNG_TEST_KILLS") ? (int)strtol(getenv("RUNG_TEST_KILLS"), NULL, 10) : KILLS;
    bool file = !ledger_is_address(ledger_fresh());
    slowness = file ? 1 : 20; /* it takes a while to connect */
    for (int life = 0; life < kills; life++)
        next = live_and_die(life, next, told);
    if (!file) /* nobody waits here for the silence of the dead */
        ledger_query("UPDATE owner SET beat_ms = 0");
    ledger_close(ledger_must_open()); /* buries the last one */
    int64_t settled = ledger_query("SELECT count(*) FROM request WHERE outcome = 'ok'");
    int64_t lost = ledger_query("SELECT count(*) FROM request WHERE outcome = 'lost'");
    int64_t billed = ledger_query("SELECT count(*) FROM request WHERE outcome = 'possibly_billed'");
    int64_t rows = ledger_query("SELECT count(*) FROM request");
    print_message("%d kills: %lld rows settled, %lld lost, %lld possibly billed\n", kills, (long long)settled,
                  (long long)lost, (long long)billed);
    assert_true(told[TOLD_SETTLED] > kills); /* else the kills came too early to prove anything */
    /* A kill may fall between the commit and the telling: at most one row more a life. */
    assert_in_range(settled, told[TOLD_SETTLED], told[TOLD_SETTLED] + kills);
    assert_in_range(rows, told[TOLD_BEGUN], told[TOLD_BEGUN] + kills);
    assert_int_equal(rows, settled + lost + billed);
    assert_in_range(lost + billed, 1, kills);
    assert_int_equal(ledger_query("SELECT spent_pico_usd + reserved_pico_usd FROM spend"),
                     ledger_query("SELECT sum(cost_pico_usd + uncertain_pico_usd) FROM request"));
    assert_int_equal(ledger_query("SELECT count(*) FROM request WHERE outcome = 'ok' AND"
                                  " cost_pico_usd <> CASE WHEN upstream_prompt > 0 THEN 7 ELSE 0 END"),
                     0);
    assert_int_equal(ledger_query("SELECT count(DISTINCT id) FROM request"), rows);
    assert_int_equal(ledger_query("SELECT count(*) FROM attempt WHERE outcome = 'announced'"), 0);
    assert_int_equal(
        ledger_query("SELECT count(*) FROM request WHERE outcome = 'possibly_billed' AND uncertain_pico_usd <> 9"), 0);
    if (file)
        assert_int_equal(ledger_query("SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
    ledger_remove();
}

#define NEWCOMERS 6
#define ROUNDS 20

static void test_ledger_opens_in_several_new_processes_at_once(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        const char *path = ledger_fresh();
        fflush(NULL);
        for (int i = 0; i < NEWCOMERS; i++) {
            pid_t pid = fork();
            assert_true(pid >= 0);
            if (pid == 0) {
                struct err err = ERR_INIT;
                struct ledger *l = NULL;
                bool ok = ledger_open(path, &(struct ledger_options){0}, &l, &err);
                if (!ok)
                    fprintf(stderr, "%s\n", err.msg);
                ledger_close(l);
                _exit(ok ? 0 : 1);
            }
        }
        for (int i = 0, status; i < NEWCOMERS; i++) {
            assert_true(wait(&status) > 0);
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        }
        ledger_remove();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ledger_kills_lose_no_settled_row_and_double_none),
        cmocka_unit_test(test_ledger_opens_in_several_new_processes_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
