/* Two rung serve on one real PostgreSQL, asked in turn: keys, limits and budgets are one; a node that is killed leaves
 * nothing behind that the other does not account for; a database that refuses costs nobody anything. */
#include "support_program.h"

#include <math.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/rng.h"
#include "data/json.h"

#define NODES 2
#define KILLS 2             /* RUNG_TEST_KILLS says another number, and then the dead are silent as long as it takes */
#define WAIT_MS 60000
#define CROWD 200
#define CHEAP "{\"model\":\"big\",\"max_tokens\":20,\"messages\":[{\"role\":\"user\",\"content\":\"one two\"}]}"
/* What this costs is what is set aside for it: 19 tokens, three words and the stand-in's 16 of reasoning. */
#define EVEN "{\"model\":\"even\",\"max_tokens\":19,\"messages\":[{\"role\":\"user\",\"content\":\"one two three\"}]}"
#define BUDGET_FOR_TEN "0.00076"

static char server[64], folder[64], address[128];
static struct program standin, nodes[NODES];
static char configs[NODES][128];
static int64_t owners[NODES];

static int postgres(const char *what)
{
    char command[256];
    snprintf(command, sizeof command, RUNG_ROOT "/tests/postgres.sh %s %s >/dev/null", what, server);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int start_server(void **state)
{
    (void)state;
    snprintf(server, sizeof server, "/tmp/rung-nodes-pg-XXXXXX");
    if (!mkdtemp(server))
        return -1;
    int status = postgres("start");
    snprintf(address, sizeof address, "postgresql://rung@/postgres?host=%s", server);
    if (status == 77)
        server[0] = '\0';
    return status == 77 ? 0 : status;
}

static int stop_server(void **state)
{
    (void)state;
    char command[96];
    if (!server[0])
        return 0;
    postgres("stop");
    snprintf(command, sizeof command, "rm -rf '%s'", server);
    return system(command);
}

static void write_config(int i)
{
    FILE *f = fopen(configs[i], "we");
    assert_non_null(f);
    fprintf(f, "listen: 127.0.0.1:0\nstore: '%s'\nlimits: {queue: 1000}\n", address);
    fprintf(f, PROGRAM_MODELS, (unsigned)standin.port);
    assert_int_equal(fclose(f), 0);
}

static void start_node(int i)
{
    program_start(&nodes[i], (const char *const[]){program_path("rung"), "serve", "--config", configs[i], NULL});
    owners[i] = sql_ask(address, "SELECT max(id) FROM owner");
}

static int setup(void **state)
{
    (void)state;
    if (!server[0])
        return 0;
    sql_ask(address, "DROP SCHEMA IF EXISTS rung CASCADE");
    snprintf(folder, sizeof folder, "/tmp/rung-nodes-XXXXXX");
    assert_non_null(mkdtemp(folder));
    setenv("HOME", folder, 1);
    snprintf(standin.log, sizeof standin.log, "%s/standin.log", folder);
    program_start(&standin, (const char *const[]){program_path("tests/standin"), "--delay-ms", "30", NULL});
    for (int i = 0; i < NODES; i++) {
        snprintf(configs[i], sizeof configs[i], "%s/%d.yaml", folder, i);
        snprintf(nodes[i].log, sizeof nodes[i].log, "%s/%d.log", folder, i);
        write_config(i);
        start_node(i);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[96];
    if (!server[0])
        return 0;
    for (int i = 0; i < NODES; i++)
        program_stop(&nodes[i], SIGKILL);
    program_stop(&standin, SIGKILL);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static void need_server(const char *test)
{
    if (server[0])
        return;
    print_message("skip %s: PostgreSQL is not installed here\n", test);
    skip();
}

static int ask_in_turn(int i, const char *key, const char *body, int *ret_retry_after_s)
{
    struct answer a;
    ask(nodes[i % NODES].port, key, "/v1/chat/completions", body, &a);
    *ret_retry_after_s = a.retry_after_s;
    buf_free(&a.body);
    return a.status;
}

static void end_in_order(void)
{
    for (int i = 0; i < NODES; i++)
        assert_int_equal(program_stop(&nodes[i], SIGTERM), 0);
}

static void expect_one_bill(void)
{
    struct bill sure, maybe, counted = bill_of_standin(&standin);
    bill_must_fit(&counted, address);
    bill_of_ledger(address, &sure, &maybe);
    assert_int_equal(maybe.calls, 0);
    assert_int_equal(sure.calls, counted.calls);
    assert_int_equal(sure.tokens, counted.tokens);
    assert_int_equal(sure.pico_usd, counted.pico_usd);
}

/* ---- keys ---- */
static void wait_for_both(const char *key, int status)
{
    int64_t start_ms = clock_ms();
    for (int i = 0; i < NODES; i++)
        while (ask_status(nodes[i].port, key, "/v1/models", NULL) != status) {
            assert_true(clock_ms() - start_ms < WAIT_MS);
            usleep(5000);
        }
    print_message("  both nodes say %d after %lld ms\n", status, (long long)(clock_ms() - start_ms));
}

static void test_nodes_share_keys_and_the_bill(void **state)
{
    (void)state;
    int retry, status;
    struct err err = ERR_INIT;
    json_t *bill;
    need_server(__func__);
    wait_for_both("nobody", 200);
    char *key = program_key(configs[0], "create alice");
    wait_for_both("nobody", 401);
    wait_for_both(key, 200);
    for (int i = 0; i < 6; i++)
        assert_int_equal(ask_in_turn(i, key, CHEAP, &retry), 200);
    free(program_key(configs[0], "revoke alice"));
    wait_for_both(key, 401);
    end_in_order();
    expect_one_bill();
    char *out = program_run(&status, "bill --by key --json --config %s", configs[1]);
    assert_int_equal(status, 0);
    assert_ok(json_parse_object(str_of(out), "rung bill", &bill, &err), err);
    struct bill counted = bill_of_standin(&standin);
    double after = json_number_value(json_object_get(bill, "after_usd"));
    assert_true(fabs(after * 1e12 - (double)counted.pico_usd) < 0.5);
    assert_int_equal(json_integer_value(json_object_get(bill, "requests")), 6);
    json_decref(bill);
    assert_non_null(strstr(out, "\"name\":\"alice\",\"requests\":6"));
    free(out);
    free(key);
}

static void test_nodes_share_requests_a_minute(void **state)
{
    (void)state;
    int answered = 0, retry;
    need_server(__func__);
    int64_t start_ms = clock_ms();
    char *key = program_key(configs[0], "create often --rpm 12");
    for (int i = 0; i < 40; i++) {
        int status = ask_in_turn(i, key, CHEAP, &retry);
        answered += status == 200;
        if (status != 200) {
            assert_int_equal(status, 429);
            assert_in_range(retry, 1, 120);
        }
    }
    /* Where a minute begins meanwhile, each five seconds of it free one more. */
    assert_in_range(answered, 12, 13 + (clock_ms() - start_ms) / 5000);
    end_in_order();
    expect_one_bill();
    assert_int_equal(bill_of_standin(&standin).calls, answered);
    free(key);
}

/* ---- a budget ---- */
struct one {
    pthread_t thread;
    int number, status;
    const char *key;
};

static void *one_main(void *arg)
{
    struct one *o = arg;
    int retry;
    o->status = ask_in_turn(o->number, o->key, EVEN, &retry);
    return NULL;
}

static void test_nodes_share_a_budget_for_ten_of_200(void **state)
{
    (void)state;
    static struct one crowd[CROWD];
    int answered = 0;
    need_server(__func__);
    char *key = program_key(configs[0], "create poor --budget-day " BUDGET_FOR_TEN);
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = (struct one){.number = i, .key = key};
        assert_int_equal(pthread_create(&crowd[i].thread, NULL, one_main, &crowd[i]), 0);
    }
    for (int i = 0; i < CROWD; i++) {
        pthread_join(crowd[i].thread, NULL);
        if (crowd[i].status != 200)
            assert_int_equal(crowd[i].status, 429);
        answered += crowd[i].status == 200;
    }
    int64_t billed = bill_of_standin(&standin).calls;
    print_message("  %d requests at once on a budget for 10, over two nodes: %lld billed\n", CROWD, (long long)billed);
    assert_int_equal(billed, 10);
    assert_int_equal(answered, 10);
    end_in_order();
    assert_int_equal(sql_ask(address, "SELECT spent_pico_usd FROM spend WHERE length(period) = 10"), 760000000);
    assert_int_equal(sql_ask(address, "SELECT count(*) FROM attempt WHERE outcome = 'ok'"), 10);
    free(key);
}

/* ---- a node that dies ---- */
static void wait_for_no_open_row(int64_t owner)
{
    char sql[96];
    int64_t start_ms = clock_ms();
    snprintf(sql, sizeof sql, "SELECT count(*) FROM request WHERE outcome = 'open' AND owner = %lld", (long long)owner);
    while (sql_ask(address, sql)) {
        assert_true(clock_ms() - start_ms < WAIT_MS);
        usleep(50000);
    }
}

static void test_nodes_account_for_one_that_is_killed(void **state)
{
    (void)state;
    char sql[96];
    const char *wish = getenv("RUNG_TEST_KILLS");
    int kills = wish ? (int)strtol(wish, NULL, 10) : KILLS;
    need_server(__func__);
    struct load load = {.servers = {&nodes[0], &nodes[1]}, .n_servers = NODES};
    load.key = program_key(configs[0], "create load");
    load_start(&load);
    for (int life = 0; life < kills; life++) {
        int i = life % NODES;
        int64_t owner = owners[i];
        usleep(300000 + (useconds_t)(rng_unit(31, 0, (uint64_t)life) * 700000));
        assert_int_equal(program_stop(&nodes[i], SIGKILL), -SIGKILL);
        snprintf(sql, sizeof sql, "UPDATE owner SET beat_ms = beat_ms - 20000 WHERE id = %lld", (long long)owner);
        if (!wish)
            sql_ask(address, sql);
        if (!wish || life == 0)
            wait_for_no_open_row(owner); /* the other one sees to that */
        start_node(i);
    }
    usleep(300000);
    load_stop(&load);
    if (wish)
        usleep(30000000);
    end_in_order();
    struct bill counted = bill_of_standin(&standin);
    print_message("%d kills of one of two nodes, %d calls answered, %d refused or cut:\n", kills,
                  atomic_load(&load.answered), atomic_load(&load.refused));
    bill_must_fit(&counted, address);
    assert_true(sql_ask(address, "SELECT count(*) FROM request WHERE outcome = 'possibly_billed'") > 0);
    assert_true(sql_ask(address, "SELECT count(*) FROM attempt WHERE outcome IN ('ok', 'possibly_billed')") >=
                atomic_load(&load.answered));
    free((char *)load.key);
}

/* ---- a database that refuses ---- */
static void test_nodes_refuse_while_the_database_s_disk_is_full(void **state)
{
    (void)state;
    struct answer a;
    struct load load = {.servers = {&nodes[0], &nodes[1]}, .n_servers = NODES, .alone = true};
    need_server(__func__);
    load_start(&load);
    usleep(400000);
    sql_ask(address, "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
                     " RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END$$;"
                     "CREATE TRIGGER no_room BEFORE INSERT OR UPDATE ON request FOR EACH ROW EXECUTE FUNCTION no_room()");
    usleep(400000);
    load_stop(&load);
    for (int i = 0; i < NODES; i++) {
        ask(nodes[i].port, NULL, "/v1/chat/completions", CHEAP, &a);
        buf_char(&a.body, '\0');
        assert_int_equal(a.status, 503);
        assert_non_null(strstr(a.body.p, "the disk of the ledger's store"));
        buf_free(&a.body);
    }
    sql_ask(address, "DROP TRIGGER no_room ON request");
    for (int i = 0; i < NODES; i++)
        assert_int_equal(ask_status(nodes[i].port, NULL, "/v1/chat/completions", CHEAP), 200);
    end_in_order();
    assert_true(atomic_load(&load.refused) > 0);
    expect_one_bill();
}

/* Nobody but the database dies, so what was sent is settled, however late. */
static void test_nodes_outlive_the_database(void **state)
{
    (void)state;
    struct bill sure, maybe;
    struct load load = {.servers = {&nodes[0], &nodes[1]}, .n_servers = NODES, .alone = true};
    need_server(__func__);
    load_start(&load);
    usleep(400000);
    assert_int_equal(postgres("kill"), 0);
    usleep(200000);
    for (int i = 0; i < NODES; i++)
        assert_int_equal(ask_status(nodes[i].port, NULL, "/v1/chat/completions", CHEAP), 503);
    assert_int_equal(postgres("start"), 0);
    int64_t start_ms = clock_ms();
    for (int i = 0; i < NODES; i++)
        while (ask_status(nodes[i].port, NULL, "/v1/chat/completions", CHEAP) != 200)
            assert_true(clock_ms() - start_ms < WAIT_MS);
    usleep(400000);
    load_stop(&load);
    end_in_order();
    struct bill counted = bill_of_standin(&standin);
    bill_must_fit(&counted, address);
    bill_of_ledger(address, &sure, &maybe);
    assert_int_equal(sure.calls, counted.calls);
    assert_int_equal(sure.tokens, counted.tokens);
    assert_int_equal(sure.pico_usd, counted.pico_usd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nodes_share_keys_and_the_bill),
        TEST(test_nodes_share_requests_a_minute),
        TEST(test_nodes_share_a_budget_for_ten_of_200),
        TEST(test_nodes_account_for_one_that_is_killed),
        TEST(test_nodes_outlive_the_database),
        TEST(test_nodes_refuse_while_the_database_s_disk_is_full),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
