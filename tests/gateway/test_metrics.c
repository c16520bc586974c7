/* GET /metrics and GET /ready over real HTTP: what is counted, who may read it, and that nobody outside can make more of it. */
#include <pthread.h>

#include "gateway/metrics/series.h"
#include "support_gateway.h"

#define LOCAL_ONLY "models: {starter: {file: starter}}\ntiers: [{name: local, model: starter}]\n"

static void get(struct house *h, const char *path, const char *headers, struct plain_reply *ret)
{
    plain_request(h->port, "GET", path, headers, "", ret);
}

struct quiet {
    struct house *house;
    struct plain_reply page;
};

static bool is_quiet(void *ctx)
{
    struct quiet *q = ctx;
    get(q->house, "/metrics", "", &q->page);
    bool quiet = strstr(q->page.body, "\nrung_requests_in_flight 1\n") != NULL;
    if (!quiet)
        plain_free(&q->page);
    return quiet;
}

/* The metrics of a moment when nobody else is being answered: a reply is counted when its client has it already. */
static void get_metrics(struct house *h, struct plain_reply *ret)
{
    struct quiet q = {.house = h};
    assert_true(eventually(is_quiet, &q));
    *ret = q.page;
}

static void assert_says(const struct plain_reply *r, const char *line)
{
    if (!strstr(r->body, line))
        fail_msg("no line '%s' in:\n%s", line, r->body);
}

static void test_metrics_count_an_answer_with_its_tokens_and_times(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, LOCAL_ONLY);
    house_chat(&h, ask_starter("My new card has not come yet, when will it arrive?", NULL), &r);
    assert_int_equal(r.status, 200);
    plain_free(&r);
    house_chat(&h, "{\"model\":\"none\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", &r);
    assert_int_equal(r.status, 404);
    plain_free(&r);
    get_metrics(&h, &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(plain_header(&r, "content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_says(&r, "# TYPE rung_requests_total counter\n");
    assert_says(&r, "rung_requests_total{endpoint=\"/v1/chat/completions\",tier=\"local\",model=\"starter\",outcome=\"ok\"} 1\n");
    assert_says(&r, "rung_requests_total{endpoint=\"/v1/chat/completions\",tier=\"\",model=\"\",outcome=\"refused\"} 1\n");
    assert_says(&r, "rung_http_responses_total{endpoint=\"/v1/chat/completions\",status=\"404\"} 1\n");
    assert_says(&r, "rung_tokens_total{tier=\"local\",model=\"starter\",type=\"input\"} ");
    assert_says(&r, "rung_attempts_total{tier=\"local\",model=\"starter\",outcome=\"ok\"} 1\n");
    assert_says(&r, "rung_request_duration_seconds_bucket{endpoint=\"/v1/chat/completions\",tier=\"local\",le=\"+Inf\"} 1\n");
    assert_says(&r, "rung_request_duration_seconds_count{endpoint=\"/v1/chat/completions\",tier=\"local\"} 1\n");
    assert_says(&r, "rung_model_loaded{model=\"starter\"} 1\n");
    assert_says(&r, "rung_build_info{version=\"");
    assert_says(&r, "rung_requests_in_flight 1\n");
    assert_says(&r, "\nprocess_resident_memory_bytes ");
    plain_free(&r);
    house_close(&h);
}

static bool budget_is_settled(void *house)
{
    struct plain_reply r;
    get(house, "/metrics", "", &r);
    bool settled = strstr(r.body, "rung_budget_left_usd 4.99832\n") != NULL;
    plain_free(&r);
    return settled;
}

static void test_metrics_count_what_was_paid_and_what_followed(void **state)
{
    (void)state;
    static struct stand_in far;
    struct house h;
    struct plain_reply r;
    stand_in_open(&far);
    stand_in_play(&far, (struct stand_in_script){.body = "{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"yes\"},"
        "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":10,"
        "\"prompt_tokens_details\":{\"cached_tokens\":400},\"completion_tokens_details\":{\"reasoning_tokens\":4}}}"});
    house_open(&h, "models:\n  far: {base_url: 'http://127.0.0.1:%u/v1', price_usd_per_mtok: {input: 2, cached_input: 1, output: 8}}\n"
               "tiers: [{name: mid, model: far}]\nbudget_usd_per_month: 5\n", far.port);
    house_chat(&h, "{\"model\":\"far\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", &r);
    assert_int_equal(r.status, 200);
    plain_free(&r);
    get_metrics(&h, &r);
    assert_says(&r, "rung_tokens_total{tier=\"mid\",model=\"far\",type=\"cached\"} 400\n");
    assert_says(&r, "rung_tokens_total{tier=\"mid\",model=\"far\",type=\"reasoning\"} 4\n");
    assert_says(&r, "rung_cost_usd_total{tier=\"mid\",model=\"far\"} 0.00168\n");
    plain_free(&r);
    assert_true(eventually(budget_is_settled, &h));
    house_close(&h);
    stand_in_close(&far);
}

static void test_metrics_may_want_a_key_or_not_be_there(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    setenv("RUNG_TEST_KEY", "opensesame", 1);
    house_open(&h, LOCAL_ONLY "api_keys: [env:RUNG_TEST_KEY]\nmetrics: key\n");
    get(&h, "/metrics", "", &r);
    assert_int_equal(r.status, 401);
    plain_free(&r);
    get(&h, "/metrics", "Authorization: Bearer opensesame\r\n", &r);
    assert_int_equal(r.status, 200);
    plain_free(&r);
    house_close(&h);
    house_open(&h, LOCAL_ONLY "api_keys: [env:RUNG_TEST_KEY]\n");
    get(&h, "/metrics", "", &r);
    assert_int_equal(r.status, 200);
    plain_free(&r);
    house_close(&h);
    house_open(&h, LOCAL_ONLY "metrics: off\n");
    get(&h, "/metrics", "", &r);
    assert_int_equal(r.status, 404);
    plain_free(&r);
    house_close(&h);
}

static void test_metrics_of_paths_that_are_not_there_are_one_series(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    char path[64];
    house_open(&h, LOCAL_ONLY);
    for (int i = 0; i < 50; i++) {
        snprintf(path, sizeof path, "/no/such/%d", i);
        get(&h, path, "", &r);
        assert_int_equal(r.status, 404);
        plain_free(&r);
    }
    get_metrics(&h, &r);
    assert_says(&r, "rung_http_responses_total{endpoint=\"other\",status=\"404\"} 50\n");
    assert_null(strstr(r.body, "/no/such"));
    plain_free(&r);
    house_close(&h);
}

static const struct series_family families_family = {"x_total", "X.", {"a", "b"}, 1};
static const int64_t bounds[] = {10, 20};
static const struct series_family times_family = {"t_seconds", "T.", {"a"}, 10, bounds, 2};

static void test_series_beyond_the_limit_are_counted_as_other(void **state)
{
    (void)state;
    struct series_table *t = NULL;
    struct err err = ERR_INIT;
    struct buf out = BUF_INIT(1 << 20);
    char value[32];
    assert_ok(series_open(&families_family, &t, &err), err);
    for (int i = 0; i < SERIES_MAX + 100; i++) {
        snprintf(value, sizeof value, "v%d", i);
        series_add(t, (const char *const[]){value, NULL}, 2);
    }
    series_add(t, (const char *const[]){"v0", NULL}, 5);
    series_write(t, &out);
    assert_non_null(strstr(out.p, "x_total{a=\"v0\",b=\"\"} 7\n"));
    assert_non_null(strstr(out.p, "x_total{a=\"other\",b=\"other\"} 200\n"));
    buf_free(&out);
    series_close(t);
}

static void test_series_write_histograms_and_escape_labels(void **state)
{
    (void)state;
    struct series_table *t = NULL;
    struct err err = ERR_INIT;
    struct buf out = BUF_INIT(1 << 20);
    assert_ok(series_open(&times_family, &t, &err), err);
    const char *const who[] = {"a\"b\\c\nd"};
    series_add(t, who, 10);
    series_add(t, who, 11);
    series_add(t, who, 99);
    series_write(t, &out);
    assert_string_equal(out.p, "# HELP t_seconds T.\n# TYPE t_seconds histogram\n"
                               "t_seconds_bucket{a=\"a\\\"b\\\\c\\nd\",le=\"1\"} 1\n"
                               "t_seconds_bucket{a=\"a\\\"b\\\\c\\nd\",le=\"2\"} 2\n"
                               "t_seconds_bucket{a=\"a\\\"b\\\\c\\nd\",le=\"+Inf\"} 3\n"
                               "t_seconds_sum{a=\"a\\\"b\\\\c\\nd\"} 12\n"
                               "t_seconds_count{a=\"a\\\"b\\\\c\\nd\"} 3\n");
    buf_free(&out);
    series_close(t);
}

static void *add_many(void *table)
{
    char value[32];
    for (int i = 0; i < 20000; i++) {
        snprintf(value, sizeof value, "v%d", i % 200);
        series_add(table, (const char *const[]){value, "x"}, 1);
    }
    return NULL;
}

static void test_series_of_many_threads_lose_nothing(void **state)
{
    (void)state;
    struct series_table *t = NULL;
    struct err err = ERR_INIT;
    struct buf out = BUF_INIT(1 << 20);
    pthread_t threads[8];
    assert_ok(series_open(&families_family, &t, &err), err);
    for (int i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, add_many, t);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    series_write(t, &out);
    int lines = 0;
    for (const char *p = out.p; (p = strstr(p, "} 800\n")); p++)
        lines++;
    assert_int_equal(lines, 200);
    buf_free(&out);
    series_close(t);
}


static bool is_ready(void *arg)
{
    struct plain_reply r;
    get(arg, "/ready", "", &r);
    bool ready = r.status == 200 && strstr(r.body, "\"ready\"");
    assert_true(ready || (r.status == 503 && strstr(r.body, "not loaded yet")));
    plain_free(&r);
    return ready;
}

static void test_ready_waits_for_the_first_tiers_model(void **state)
{
    (void)state;
    struct house h;
    house_open(&h, LOCAL_ONLY);
    assert_true(eventually(is_ready, &h));
    house_close(&h);
}

static void test_ready_misses_the_key_of_the_first_tier(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, "models: {far: {base_url: 'http://127.0.0.1:9/v1', api_key: 'env:RUNG_TEST_NOT_SET'}}\ntiers: [{name: mid, model: far}]\n");
    get(&h, "/ready", "", &r);
    assert_int_equal(r.status, 503);
    assert_non_null(strstr(r.body, "API key of the first tier"));
    plain_free(&r);
    get(&h, "/health", "", &r);
    assert_int_equal(r.status, 200);
    plain_free(&r);
    house_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics_count_an_answer_with_its_tokens_and_times),
        cmocka_unit_test(test_metrics_count_what_was_paid_and_what_followed),
        cmocka_unit_test(test_metrics_may_want_a_key_or_not_be_there),
        cmocka_unit_test(test_metrics_of_paths_that_are_not_there_are_one_series),
        cmocka_unit_test(test_series_beyond_the_limit_are_counted_as_other),
        cmocka_unit_test(test_series_write_histograms_and_escape_labels),
        cmocka_unit_test(test_series_of_many_threads_lose_nothing),
        cmocka_unit_test(test_ready_waits_for_the_first_tiers_model),
        cmocka_unit_test(test_ready_misses_the_key_of_the_first_tier),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
