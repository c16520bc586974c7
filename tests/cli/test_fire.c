/* rung serve, the real program, under load while it is killed at random moments and started again: what its ledger is
 * sure of is never more than the upstream billed, what it is sure of and what it holds for possible never less; a row
 * that was settled stays as it was. Nobody killed: both bills are one. */
#include "support_program.h"

#include <signal.h>

#include "base/clock.h"
#include "base/rng.h"

#define KILLS 30            /* RUNG_TEST_KILLS says another number, */
#define KILLS_MS 10000      /* and only then it may take longer than this */
#define TWO_KILLS 8
#define STOPS 3
#define MAX_LIFE_US 250000

static char folder[64], ledger[96], config[96];
static struct program standin, rung, second;
static struct load load;

static void write_config(void)
{
    FILE *f = fopen(config, "we");
    assert_non_null(f);
    fprintf(f, "listen: 127.0.0.1:0\nledger: {path: %s}\n", ledger);
    fprintf(f, PROGRAM_MODELS, (unsigned)standin.port);
    assert_int_equal(fclose(f), 0);
}

static void start_rung(struct program *p)
{
    program_start(p, (const char *const[]){program_path("rung"), "serve", "--config", config, NULL});
}

static void serve(void)
{
    start_rung(&rung);
}

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/rung-fire-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(ledger, sizeof ledger, "%s/ledger.db", folder);
    snprintf(config, sizeof config, "%s/rung.yaml", folder);
    snprintf(standin.log, sizeof standin.log, "%s/standin.log", folder);
    snprintf(rung.log, sizeof rung.log, "%s/rung.log", folder);
    snprintf(second.log, sizeof second.log, "%s/second.log", folder);
    setenv("HOME", folder, 1);
    program_start(&standin, (const char *const[]){program_path("tests/standin"), "--delay-ms", "3", "--chunk-ms", "1",
                                                  NULL});
    write_config();
    load = (struct load){.servers = {&rung}, .n_servers = 1};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[96];
    program_stop(&rung, SIGKILL);
    program_stop(&second, SIGKILL);
    program_stop(&standin, SIGKILL);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

/* ---- what was settled once ---- */
static void run_sql(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

#define SETTLED                                                                                                        \
    "SELECT id, outcome, cost_pico_usd, uncertain_pico_usd, upstream_prompt, upstream_completion, total_us"           \
    " FROM request WHERE outcome NOT IN ('open', 'lost', 'possibly_billed')"

/* A file beside the ledger remembers it, so that the ledger's own writer is alone with it. */
static sqlite3 *open_memory(void)
{
    char sql[256];
    sqlite3 *db = NULL;
    snprintf(sql, sizeof sql, "%s/seen.db", folder);
    assert_int_equal(sqlite3_open(sql, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    snprintf(sql, sizeof sql, "ATTACH 'file:%s?mode=ro' AS l", ledger);
    run_sql(db, "PRAGMA synchronous = OFF");
    run_sql(db, sql);
    run_sql(db, "CREATE TABLE IF NOT EXISTS seen (id PRIMARY KEY, outcome, cost, uncertain, prompt, completion, us)");
    return db;
}

static void remember_settled(void)
{
    sqlite3 *db = open_memory();
    run_sql(db, "INSERT OR IGNORE INTO seen " SETTLED);
    sqlite3_close(db);
}

static int64_t count_of(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return n;
}

static void expect_remembered(void)
{
    sqlite3 *db = open_memory();
    int64_t seen = count_of(db, "SELECT count(*) FROM seen");
    print_message("  %lld settled rows were seen before a kill; each is there as it was\n", (long long)seen);
    assert_true(seen > 0);
    assert_int_equal(count_of(db, "SELECT count(*) FROM (SELECT * FROM seen EXCEPT " SETTLED ")"), 0);
    sqlite3_close(db);
}

/* ---- the tests ---- */
static void finish(void)
{
    struct bill counted;
    assert_int_equal(program_stop(&rung, SIGTERM), 0);
    serve(); /* buries what the last kill left */
    assert_int_equal(program_stop(&rung, SIGTERM), 0);
    counted = bill_of_standin(&standin);
    bill_must_fit(&counted, ledger);
    int64_t rows = sql_ask(ledger, "SELECT count(*) FROM attempt WHERE outcome IN ('ok', 'possibly_billed')");
    print_message("  %d questions, %d calls answered to clients, %d refused or cut\n", atomic_load(&load.asked),
                  atomic_load(&load.answered), atomic_load(&load.refused));
    assert_true(atomic_load(&load.answered) > 0 && rows >= atomic_load(&load.answered));
    assert_int_equal(sql_ask(ledger, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
}

static void test_kills_of_the_program_lose_and_double_nothing(void **state)
{
    (void)state;
    const char *wish = getenv("RUNG_TEST_KILLS");
    int kills = wish ? (int)strtol(wish, NULL, 10) : KILLS, life = 0;
    int64_t until_ms = clock_ms() + KILLS_MS;
    char *key = program_key(config, "create load --rpm 1000000 --budget-month 1000");
    load.key = key;
    serve();
    load_start(&load);
    for (; life < kills && (wish || clock_ms() < until_ms); life++) {
        usleep((useconds_t)(rng_unit(23, 0, (uint64_t)life) * MAX_LIFE_US));
        if (life % 4 == 0)
            remember_settled();
        assert_int_equal(program_stop(&rung, SIGKILL), -SIGKILL);
        serve();
    }
    usleep(MAX_LIFE_US);
    print_message("%d kills:\n", life);
    load_stop(&load);
    finish();
    expect_remembered();
    free(key);
    assert_true(sql_ask(ledger, "SELECT count(*) FROM request WHERE outcome = 'possibly_billed'") > 0);
}

static void test_orderly_ends_leave_one_bill(void **state)
{
    (void)state;
    struct bill sure, maybe, counted;
    serve();
    load_start(&load);
    for (int life = 0; life < STOPS; life++) {
        usleep(MAX_LIFE_US + (useconds_t)(rng_unit(29, 0, (uint64_t)life) * MAX_LIFE_US));
        assert_int_equal(program_stop(&rung, SIGTERM), 0);
        serve();
    }
    usleep(MAX_LIFE_US);
    print_message("%d orderly ends:\n", STOPS);
    load_stop(&load);
    finish();
    counted = bill_of_standin(&standin);
    bill_of_ledger(ledger, &sure, &maybe);
    assert_int_equal(maybe.calls, 0);
    assert_int_equal(sure.calls, counted.calls);
    assert_int_equal(sure.tokens, counted.tokens);
    assert_int_equal(sure.pico_usd, counted.pico_usd);
}

/* One of the two is killed, now this, now that; the other, or the one that is started, accounts for it. */
static void test_two_programs_on_one_file_lose_and_double_nothing(void **state)
{
    (void)state;
    const char *wish = getenv("RUNG_TEST_KILLS");
    int kills = wish ? (int)strtol(wish, NULL, 10) : TWO_KILLS;
    serve();
    start_rung(&second);
    load.servers[1] = &second;
    load.n_servers = 2;
    load_start(&load);
    for (int life = 0; life < kills; life++) {
        struct program *p = life % 2 ? &rung : &second;
        usleep((useconds_t)(rng_unit(37, 0, (uint64_t)life) * MAX_LIFE_US));
        assert_int_equal(program_stop(p, SIGKILL), -SIGKILL);
        start_rung(p);
    }
    usleep(MAX_LIFE_US);
    print_message("%d kills of one of two on the same file:\n", kills);
    load_stop(&load);
    assert_int_equal(program_stop(&second, SIGTERM), 0);
    finish();
}

static void test_clients_that_hang_up_leave_what_is_possibly_billed(void **state)
{
    (void)state;
    serve();
    load.hang_up_ms = 14;
    load_start(&load);
    usleep(8 * MAX_LIFE_US);
    print_message("hang-ups:\n");
    load_stop(&load);
    finish();
    assert_true(sql_ask(ledger, "SELECT count(*) FROM attempt WHERE outcome = 'possibly_billed'") > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kills_of_the_program_lose_and_double_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_programs_on_one_file_lose_and_double_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clients_that_hang_up_leave_what_is_possibly_billed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_orderly_ends_leave_one_bill, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
