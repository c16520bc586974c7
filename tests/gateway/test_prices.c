/* Prices: the price file, which price holds when and for how long a prompt, each token charged once, and the most that a call costs. */
#include "../support.h"
#include "gateway/account/account.h"
#include "store/money.h"

#define LIST_HEAD "version: 1\nprices:\n"
#define UPSTREAM(name, more) "models: {" name ": {base_url: 'https://api.example/v1'" more "}}\ntiers: [{name: mid, model: " name "}]\n"

static char list_path[64];

/* A configuration beside a price file. */
static struct config *load(const char *list, const char *yaml)
{
    char text[4096];
    struct config *c = NULL;
    struct err err = ERR_INIT;
    snprintf(list_path, sizeof list_path, "/tmp/rung-prices-XXXXXX");
    int fd = mkstemp(list_path);
    assert_int_equal(write(fd, list, strlen(list)), (ssize_t)strlen(list));
    close(fd);
    snprintf(text, sizeof text, "prices: %s\n%s", list_path, yaml);
    assert_ok(config_parse(str_of(text), "test.yaml", &c, &err), err);
    unlink(list_path);
    return c;
}

static void expect_bad(const char *list, int line, const char *says)
{
    struct config *c = NULL, *holder = NULL;
    struct err err = ERR_INIT;
    assert_ok(config_parse(STR(""), "test.yaml", &holder, &err), err);
    assert_false(config_parse_prices(holder, str_of(list), "list.yaml", &err));
    if (!strstr(err.msg, says))
        fail_msg("'%s' is not in: %s", says, err.msg);
    assert_int_equal(err.line, line);
    config_free(holder);
    config_free(c);
}

static void test_price_file_gives_upstreams_their_prices(void **state)
{
    (void)state;
    struct config *c = load(LIST_HEAD "  - {model: big, input: 1, cached_read: 0.1, cached_write: 1.25, output: 4, reasoning: 5}\n",
                            UPSTREAM("big", ""));
    const struct price *p = &c->models[0].price;
    assert_true(p->known);
    assert_int_equal(p->input, 1000000);
    assert_int_equal(p->cached_input, 100000);
    assert_int_equal(p->cached_write, 1250000);
    assert_int_equal(p->cached_write_1h, 1250000);      /* not given: as any other */
    assert_int_equal(p->output, 4000000);
    assert_int_equal(p->reasoning, 5000000);
    assert_int_equal(strlen(c->prices_digest), CONFIG_PRICES_DIGEST);
    config_free(c);
}

static void test_price_of_the_configuration_is_stronger_than_the_file(void **state)
{
    (void)state;
    struct config *c = load(LIST_HEAD "  - {model: big, input: 1, output: 4}\n",
                            UPSTREAM("big", ", price_usd_per_mtok: {input: 7, output: 8}"));
    assert_int_equal(c->models[0].price.input, 7000000);
    config_free(c);
}

static void test_closest_pattern_and_provider_decide(void **state)
{
    (void)state;
    struct config *c = load(LIST_HEAD "  - {model: '*', input: 9, output: 9}\n"
                                      "  - {model: 'big-*', input: 8, output: 8}\n"
                                      "  - {model: 'big-mini*', input: 7, output: 7}\n"
                                      "  - {model: 'big-mini*', provider: api.example, input: 6, output: 6}\n"
                                      "  - {model: 'big-mini*', provider: other.example, input: 5, output: 5}\n"
                                      "  - {model: big-min, input: 4, output: 4}\n",
                            UPSTREAM("big-mini-2", ""));
    assert_int_equal(c->models[0].price.input, 6000000);
    config_free(c);
    c = load(LIST_HEAD "  - {model: 'big-*', input: 8, output: 8}\n  - {model: big-2, input: 4, output: 4}\n", UPSTREAM("big-2", ""));
    assert_int_equal(c->models[0].price.input, 4000000);
    config_free(c);
}

static void test_model_without_a_price_in_the_file_has_none(void **state)
{
    (void)state;
    struct config *c = load(LIST_HEAD "  - {model: other, input: 9, output: 9}\n", UPSTREAM("big", ""));
    assert_false(c->models[0].price.known);
    config_free(c);
}

static void test_price_holds_from_its_day_and_above_its_length(void **state)
{
    (void)state;
    struct config *c = load(LIST_HEAD "  - {model: big, from: 2020-01-01, input: 1, output: 1}\n"
                                      "  - {model: big, from: 2020-01-01, above_tokens: 1000, input: 2, output: 2}\n"
                                      "  - {model: big, from: 2020-03-01, input: 3, output: 3}\n",
                            UPSTREAM("big", ""));
    const struct price *p = &c->models[0].upstreams[0].price;
    int64_t january = INT64_C(1577836800000), march = INT64_C(1583020800000);
    assert_false(account_price_at(p, january - 1, 10).known);
    assert_int_equal(account_price_at(p, january, 1000).input, 1000000);
    assert_int_equal(account_price_at(p, january, 1001).input, 2000000);
    assert_int_equal(account_price_at(p, march - 1, 1001).input, 2000000);
    assert_int_equal(account_price_at(p, march, 1001).input, 3000000);   /* the new day has no step */
    assert_int_equal(p->input, 3000000);
    config_free(c);
}

static void test_every_token_is_charged_once_at_its_own_price(void **state)
{
    (void)state;
    struct price p = {.input = 1, .cached_input = 100, .cached_write = 10000, .cached_write_1h = 7, .output = 1000000, .reasoning = 100000000};
    struct token_usage u = {.prompt = 60, .cached = 20, .cache_write = 30, .cache_write_1h = 12, .completion = 50, .reasoning = 15};
    assert_int_equal(account_cost(&p, &u), 10 + 20 * 100 + 18 * 10000 + 12 * 7 + 35 * INT64_C(1000000) + 15 * INT64_C(100000000));
}

static void test_most_is_at_the_dearest_step_that_may_hold(void **state)
{
    (void)state;
    struct config *c = load(LIST_HEAD "  - {model: big, from: 2020-01-01, input: 9, output: 9}\n"
                                      "  - {model: big, from: 2021-01-01, input: 1, cached_write: 1, cached_write_1h: 2, output: 3, reasoning: 4}\n"
                                      "  - {model: big, from: 2021-01-01, above_tokens: 100000, input: 50, output: 50}\n"
                                      "  - {model: big, from: 2999-01-01, input: 99, output: 99}\n",
                            UPSTREAM("big", ""));
    struct request req = {.body = {NULL, 488}, .max_tokens = 100};
    struct account_bound b = account_bound(c, &c->models[0], NULL, &req, true);
    assert_int_equal(b.prompt_tokens, 1000);
    assert_int_equal(b.pico_usd, 1000 * INT64_C(2000000) + 100 * INT64_C(4000000));
    config_free(c);
}

/* A clock that was set back makes no call free. */
static void test_before_its_first_day_a_price_is_that_day_s(void **state)
{
    (void)state;
    struct config *c = load(LIST_HEAD "  - {model: big, from: 2998-01-01, input: 2, output: 3}\n"
                                      "  - {model: big, from: 2999-01-01, input: 99, output: 99}\n",
                            UPSTREAM("big", ""));
    struct token_usage u = {.prompt = 10, .completion = 10};
    struct request req = {.body = {NULL, 488}, .max_tokens = 100};
    assert_false(c->models[0].price.known);
    assert_int_equal(account_cost(&c->models[0].upstreams[0].price, &u), INT64_C(50000000));
    assert_int_equal(account_bound(c, &c->models[0], NULL, &req, true).pico_usd, 1000 * INT64_C(2000000) + 100 * INT64_C(3000000));
    config_free(c);
}

static void test_bytes_of_images_are_not_tokens(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct config *c = NULL;
    struct config_model m = {.name = "m"};
    assert_ok(config_parse(STR(""), "test.yaml", &c, &err), err);
    json_t *body = json_loads("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":"
                              "\"data:image/png;base64,AAAA\"}}]}]}", 0, NULL);
    struct request req = {.body = {NULL, 1000026}, .json = body, .needs = NEED_BIT(NEED_IMAGES)};
    assert_int_equal(account_bound(c, &m, NULL, &req, false).prompt_tokens, 512 + 1000000 + 50000);
    req.needs |= NEED_BIT(NEED_FILES);
    m.context = 200000;
    assert_int_equal(account_bound(c, &m, NULL, &req, false).prompt_tokens, 200000);
    json_decref(body);
    config_free(c);
}

static void test_answer_is_limited_only_where_a_budget_applies(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct config *c = NULL;
    struct config_model m = {.name = "m"};
    assert_ok(config_parse(STR("budget_max_tokens: 300\n"), "test.yaml", &c, &err), err);
    struct request req = {.body = STR("{}")};
    assert_int_equal(account_bound(c, &m, NULL, &req, false).max_tokens, 0);
    assert_int_equal(account_bound(c, &m, NULL, &req, true).max_tokens, 300);
    req.max_tokens = 7;
    assert_int_equal(account_bound(c, &m, NULL, &req, true).max_tokens, 7);
    config_free(c);
}

static void test_bad_price_files_name_their_line(void **state)
{
    (void)state;
    expect_bad("prices: []\n", 1, "version: 1");
    expect_bad("version: 2\nprices: []\n", 1, "version");
    expect_bad("version: 1\nprices: {}\n", 2, "'prices' must be a list");
    expect_bad("version: 1\n", 1, "'prices' must be a list");
    expect_bad(LIST_HEAD "  - {input: 1, output: 1}\n", 3, "a price is");
    expect_bad(LIST_HEAD "  - {model: a, input: 1}\n", 3, "'input' and 'output'");
    expect_bad(LIST_HEAD "  - {model: a, input: -1, output: 1}\n", 3, "input");
    expect_bad(LIST_HEAD "  - {model: a, input: 1, output: 1, cached_input: 2}\n", 3, "unknown key 'cached_input'");
    expect_bad(LIST_HEAD "  - {model: a, from: 2026-02-31, input: 1, output: 1}\n", 3, "'from' must be a day");
    expect_bad(LIST_HEAD "  - {model: a, from: 24h, input: 1, output: 1}\n", 3, "'from' must be a day");
    expect_bad(LIST_HEAD "  - {model: a, input: 1, output: 1}\n  - {model: a, input: 2, output: 2}\n", 4, "on line 3 already");
}

static void test_price_file_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    struct config *c = NULL;
    struct err err = ERR_INIT;
    assert_false(config_parse(STR("prices: /nonexistent/prices.yaml\n"), "test.yaml", &c, &err));
    assert_non_null(strstr(err.msg, "/nonexistent/prices.yaml"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_price_file_gives_upstreams_their_prices),
        cmocka_unit_test(test_price_of_the_configuration_is_stronger_than_the_file),
        cmocka_unit_test(test_closest_pattern_and_provider_decide),
        cmocka_unit_test(test_model_without_a_price_in_the_file_has_none),
        cmocka_unit_test(test_price_holds_from_its_day_and_above_its_length),
        cmocka_unit_test(test_every_token_is_charged_once_at_its_own_price),
        cmocka_unit_test(test_most_is_at_the_dearest_step_that_may_hold),
        cmocka_unit_test(test_before_its_first_day_a_price_is_that_day_s),
        cmocka_unit_test(test_bytes_of_images_are_not_tokens),
        cmocka_unit_test(test_answer_is_limited_only_where_a_budget_applies),
        cmocka_unit_test(test_bad_price_files_name_their_line),
        cmocka_unit_test(test_price_file_that_is_not_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
