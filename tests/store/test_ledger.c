/* The ledger's promises while its process lives: rows committed before they are acknowledged, settled once, budgets
 * never passed. */
#include "../support.h"

#include <pthread.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "store/money.h"
#include "support_ledger.h"

static int fresh(void **state)
{
    (void)state;
    ledger_fresh();
    return 0;
}

static int gone(void **state)
{
    (void)state;
    ledger_remove();
    return 0;
}

static void test_ledger_begun_row_is_on_disk_before_it_is_acknowledged(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct ledger *l = ledger_must_open();
    struct ledger_row row = ledger_sample(1, 0);
    assert_ok(ledger_begin(l, &row, NULL, NULL, NULL, &err), err);
    assert_int_equal(ledger_query("SELECT count(*) FROM request WHERE outcome = 'open' AND wall_ms > 1700000000000"),
                     1);
    assert_ok(ledger_reserve(l, row.id, 7, LEDGER_NO_BUDGET, &err), err);
    assert_int_equal(ledger_query("SELECT reserved_pico_usd FROM attempt WHERE outcome = 'announced'"), 7);
    ledger_close(l);
}

static void test_ledger_settled_row_holds_what_was_said(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct ledger *l = ledger_must_open();
    struct ledger_row row = ledger_sample(1, 500);
    assert_ok(ledger_begin(l, &row, NULL, NULL, NULL, &err), err);
    assert_ok(ledger_reserve(l, row.id, 900, LEDGER_NO_BUDGET, &err), err);
    assert_int_equal(ledger_spent(l), 900);
    assert_ok(ledger_settle(l, &row, true, &err), err);
    assert_int_equal(ledger_spent(l), 500);
    assert_int_equal(
        ledger_query("SELECT count(*) FROM request WHERE outcome = 'ok' AND tier_path = 'local>mid' AND"
                     " tier = 'mid' AND model = 'mid-model' AND cost_pico_usd = 500 AND hold_us = 1000 AND"
                     " ttft_us = 2001 AND local_prompt = 10 AND local_cached = 4 AND local_completion = 3 AND"
                     " local_reasoning = 1 AND upstream_prompt = 11 AND upstream_cached = 5 AND"
                     " upstream_completion = 4 AND upstream_reasoning = 2 AND confidence = -1"),
        1);
    assert_int_equal(ledger_query("SELECT count(*) FROM attempt"), 2);
    assert_int_equal(ledger_query("SELECT count(*) FROM attempt WHERE n = 0 AND local = 1 AND outcome = 'low_confidence'"),
                     1);
    ledger_close(l);
}

static void test_ledger_settles_an_id_once(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct ledger *l = ledger_must_open();
    struct ledger_row row = ledger_sample(1, 500), again = ledger_sample(1, 800);
    assert_ok(ledger_begin(l, &row, NULL, NULL, NULL, &err), err);
    assert_ok(ledger_settle(l, &row, true, &err), err);
    assert_ok(ledger_settle(l, &again, true, &err), err);
    assert_int_equal(ledger_spent(l), 500);
    assert_int_equal(ledger_query("SELECT sum(cost_pico_usd) FROM request"), 500);
    assert_int_equal(ledger_query("SELECT count(*) FROM attempt"), 2);
    assert_false(ledger_begin(l, &row, NULL, NULL, NULL, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_false(ledger_reserve(l, row.id, 1, LEDGER_NO_BUDGET, &err));
    assert_int_equal(err.code, ERR_INVALID);
    ledger_close(l);
}

static void test_ledger_refuses_rows_that_are_not_settled(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct ledger *l = ledger_must_open();
    struct ledger_row row = ledger_sample(1, 5);
    row.outcome = LEDGER_OPEN;
    assert_false(ledger_settle(l, &row, false, &err));
    row = ledger_sample(1, 5);
    row.n_attempts = LEDGER_MAX_ATTEMPTS + 1;
    assert_false(ledger_settle(l, &row, false, &err));
    row = ledger_sample(1, 5);
    row.id[0] = '\0';
    assert_false(ledger_begin(l, &row, NULL, NULL, NULL, &err));
    assert_int_equal(err.code, ERR_INTERNAL);
    ledger_close(l);
}

static void test_ledger_close_commits_what_is_queued(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct ledger *l = ledger_must_open();
    for (int i = 0; i < 500; i++) {
        struct ledger_row row = ledger_sample(i, 3);
        assert_ok(ledger_settle(l, &row, false, &err), err);
    }
    ledger_close(l);
    assert_int_equal(ledger_query("SELECT count(*) FROM request WHERE outcome = 'ok'"), 500);
    l = ledger_must_open();
    assert_int_equal(ledger_spent(l), 1500);
    ledger_close(l);
}

static void test_ledger_flush_commits_what_is_queued(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct ledger *l = ledger_must_open();
    for (int i = 0; i < 100; i++) {
        struct ledger_row row = ledger_sample(i, 3);
        assert_ok(ledger_settle(l, &row, false, &err), err);
    }
    assert_ok(ledger_flush(l, &err), err);
    assert_int_equal(ledger_query("SELECT count(*) FROM request WHERE outcome = 'ok'"), 100);
    ledger_close(l);
}

static void test_ledger_budget_counts_spent_and_reserved(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct ledger *l = ledger_must_open();
    struct ledger_row a = ledger_sample(1, 60), b = ledger_sample(2, 30);
    assert_ok(ledger_begin(l, &a, NULL, NULL, NULL, &err) && ledger_begin(l, &b, NULL, NULL, NULL, &err), err);
    assert_ok(ledger_reserve(l, a.id, 70, 100, &err), err);
    assert_false(ledger_reserve(l, b.id, 31, 100, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_non_null(strstr(err.msg, "budget of $0.000000000100"));
    assert_int_equal(ledger_query("SELECT count(*) FROM attempt WHERE request = 'chatcmpl-2'"), 0);
    assert_ok(ledger_settle(l, &a, true, &err), err); /* cost 60 of the 70 set aside */
    assert_ok(ledger_reserve(l, b.id, 40, 100, &err), err);
    assert_int_equal(ledger_spent(l), 100);
    ledger_close(l);
}

static void test_ledger_last_month_is_not_this_months_money(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct ledger *l = ledger_must_open();
    struct ledger_row row = ledger_sample(1, 60);
    row.wall_ms = clock_wall_ms() - INT64_C(32) * 24 * 3600 * 1000;
    assert_ok(ledger_begin(l, &row, NULL, NULL, NULL, &err) && ledger_settle(l, &row, true, &err), err);
    assert_int_equal(ledger_spent(l), 0);
    ledger_close(l);
    l = ledger_must_open();
    assert_int_equal(ledger_spent(l), 0);
    ledger_close(l);
}

#define RACERS 8
#define RACES 40
#define RACE_BUDGET 1000

struct racer {
    struct ledger *l;
    int number, allowed;
};

/* Each tries to announce calls of 9; together they may get 111 of them. */
static void *race(void *arg)
{
    struct racer *r = arg;
    for (int i = 0; i < RACES; i++) {
        struct ledger_row row = ledger_sample(r->number * RACES + i, 9);
        if (!ledger_begin(r->l, &row, NULL, NULL, NULL, NULL))
            return NULL;
        if (ledger_reserve(r->l, row.id, 9, RACE_BUDGET, NULL))
            r->allowed++;
        else
            row.n_attempts = 1; /* stays local */
        ledger_settle(r->l, &row, i % 2 == 0, NULL);
    }
    return r;
}

static void test_ledger_concurrent_requests_never_pass_the_budget(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct ledger *ledgers[2] = {ledger_must_open(), ledger_must_open()}; /* as two processes would */
    struct racer racers[RACERS];
    pthread_t threads[RACERS];
    for (int i = 0; i < RACERS; i++) {
        racers[i] = (struct racer){.l = ledgers[i % 2], .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    int allowed = 0;
    for (int i = 0; i < RACERS; i++) {
        void *finished;
        pthread_join(threads[i], &finished);
        assert_non_null(finished);
        allowed += racers[i].allowed;
    }
    assert_ok(ledger_flush(ledgers[0], &err) && ledger_flush(ledgers[1], &err), err);
    assert_int_equal(allowed, RACE_BUDGET / 9);
    assert_int_equal(ledger_query("SELECT sum(cost_pico_usd) FROM request"), RACE_BUDGET / 9 * 9);
    assert_int_equal(ledger_query("SELECT count(*) FROM request WHERE outcome = 'ok'"), RACERS * RACES);
    assert_int_equal(ledger_spent(ledgers[0]), RACE_BUDGET / 9 * 9);
    ledger_close(ledgers[0]);
    ledger_close(ledgers[1]);
}

static void test_ledger_a_second_writer_leaves_the_firsts_open_rows_alone(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct ledger *first = ledger_must_open();
    struct ledger_row row = ledger_sample(1, 60);
    assert_ok(ledger_begin(first, &row, NULL, NULL, NULL, &err), err);
    assert_ok(ledger_reserve(first, row.id, 70, LEDGER_NO_BUDGET, &err), err);
    struct ledger *second = ledger_must_open();
    assert_int_equal(ledger_query("SELECT count(*) FROM request WHERE outcome = 'open'"), 1);
    assert_int_equal(ledger_spent(second), 70);
    assert_ok(ledger_settle(first, &row, true, &err), err);
    assert_ok(ledger_flush(second, &err), err);
    assert_int_equal(ledger_spent(second), 60);
    ledger_close(second);
    ledger_close(first);
}

static void test_ledger_marks_what_a_gone_owner_left_open(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct ledger *l = ledger_must_open();
    struct ledger_row quiet = ledger_sample(1, 0), announced = ledger_sample(2, 0);
    assert_ok(ledger_begin(l, &quiet, NULL, NULL, NULL, &err) && ledger_begin(l, &announced, NULL, NULL, NULL, &err), err);
    assert_ok(ledger_reserve(l, announced.id, 70, LEDGER_NO_BUDGET, &err), err);
    ledger_close(l);
    l = ledger_must_open();
    assert_int_equal(ledger_query("SELECT count(*) FROM request WHERE id = 'chatcmpl-1' AND outcome = 'lost'"), 1);
    assert_int_equal(ledger_query("SELECT count(*) FROM request WHERE id = 'chatcmpl-2' AND outcome = 'possibly_billed'"
                                  " AND uncertain_pico_usd = 70 AND uncertain_attempts = 1"),
                     1);
    assert_int_equal(ledger_query("SELECT cost_pico_usd FROM attempt WHERE outcome = 'possibly_billed'"), 70);
    assert_int_equal(ledger_spent(l), 70);
    ledger_close(l);
}

static void test_ledger_is_for_its_owners_eyes_only(void **state)
{
    (void)state;
    char folder[] = "/tmp/rung-ledger-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/new/ledger.db", folder);
    struct err err = ERR_INIT;
    struct ledger *l = NULL;
    struct stat file, dir;
    assert_ok(ledger_open(path, &(struct ledger_options){.power = true}, &l, &err), err);
    ledger_close(l);
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0600);
    *strrchr(path, '/') = '\0';
    assert_int_equal(stat(path, &dir), 0);
    assert_int_equal(dir.st_mode & 0777, 0700);
    char command[64];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
}

static void test_ledger_text_is_cut_on_a_character(void **state)
{
    (void)state;
    char field[6];
    ledger_text(field, sizeof field, STR("abcd\xc3\xa9"));
    assert_string_equal(field, "abcd");
    ledger_text(field, sizeof field, STR("abc\xc3\xa9"));
    assert_string_equal(field, "abc\xc3\xa9");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, gone)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_ledger_begun_row_is_on_disk_before_it_is_acknowledged),
        TEST(test_ledger_settled_row_holds_what_was_said),
        TEST(test_ledger_settles_an_id_once),
        TEST(test_ledger_refuses_rows_that_are_not_settled),
        TEST(test_ledger_close_commits_what_is_queued),
        TEST(test_ledger_flush_commits_what_is_queued),
        TEST(test_ledger_budget_counts_spent_and_reserved),
        TEST(test_ledger_last_month_is_not_this_months_money),
        TEST(test_ledger_concurrent_requests_never_pass_the_budget),
        TEST(test_ledger_a_second_writer_leaves_the_firsts_open_rows_alone),
        TEST(test_ledger_marks_what_a_gone_owner_left_open),
        TEST(test_ledger_is_for_its_owners_eyes_only),
        TEST(test_ledger_text_is_cut_on_a_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
