/* Budgets under fire: 200 requests at once through real HTTP, against an upstream that bills the most it may. What it billed is never more
 * than the budget, of all, of a key's day and of its month, streamed or not. */
#include <pthread.h>
#include <sqlite3.h>

#include "data/json.h"
#include "support_keys.h"

#define CALLERS 200
#define MICRO_USD INT64_C(1000000)
#define MODELS                                                                                                        \
    "models: {starter: {file: starter}, big: {base_url: 'http://127.0.0.1:%u/v1', retries: 0, price_usd_per_mtok: {input: %s, output: 4}}}\n" \
    "tiers: [{name: local, model: starter}, {name: frontier, model: big}]\nlimits: {queue: 1000}\n"

/* Bills a token for each byte of the question's text, and every token it was allowed to write. */
struct biller {
    struct http_server *server;
    uint16_t port;
    pthread_mutex_t lock;
    int calls;
    int64_t prompt, completion;
    int64_t last_max_tokens;
};

static struct biller biller;
static struct house house;

static int64_t bill_call(json_t *body, int64_t *ret_completion)
{
    const char *text = json_string_value(json_object_get(json_array_get(json_object_get(body, "messages"), 0), "content"));
    int64_t prompt = text ? (int64_t)strlen(text) + 10 : 10;
    int64_t completion = json_integer_value(json_object_get(body, "max_tokens"));
    pthread_mutex_lock(&biller.lock);
    biller.calls++;
    biller.prompt += prompt;
    biller.completion += completion;
    biller.last_max_tokens = completion;
    pthread_mutex_unlock(&biller.lock);
    *ret_completion = completion;
    return prompt;
}

static void biller_handle(void *ctx, struct http_exchange *x)
{
    char text[1024];
    json_t *body = NULL;
    struct err err = ERR_INIT;
    int64_t completion = 0;
    (void)ctx;
    if (!json_parse_object(http_body(x), "body", &body, &err)) {
        http_reply(x, 400, "application/json", STR("{}"));
        return;
    }
    int64_t prompt = bill_call(body, &completion);
    bool streamed = json_is_true(json_object_get(body, "stream"));
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);      /* so that calls overlap */
    snprintf(text, sizeof text,
             "%s{\"choices\":[{\"index\":0,\"%s\":{\"role\":\"assistant\",\"content\":\"yes\"},\"finish_reason\":\"length\"}],"
             "\"usage\":{\"prompt_tokens\":%lld,\"completion_tokens\":%lld}}%s",
             streamed ? "data: " : "", streamed ? "delta" : "message", (long long)prompt, (long long)completion,
             streamed ? "\n\ndata: [DONE]\n\n" : "");
    http_reply(x, 200, streamed ? "text/event-stream" : "application/json", str_of(text));
    json_decref(body);
}

static int setup(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    biller = (struct biller){.lock = PTHREAD_MUTEX_INITIALIZER};
    struct http_server_options o = {.host = "127.0.0.1", .handle = biller_handle};
    assert_ok(http_server_open(&o, &biller.server, &err), err);
    biller.port = http_server_port(biller.server);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    house_close(&house);
    http_server_close(biller.server, 100);
    return 0;
}

struct client {
    pthread_t thread;
    const char *secret, *body;
    int status;
};

static void *client_main(void *arg)
{
    struct client *c = arg;
    c->status = key_status(&house, c->secret, "POST", "/v1/chat/completions", c->body);
    return NULL;
}

/* How many got an answer; all others were told that the money is spent. */
static int ask_all(const char *secret, const char *const bodies[], int n_bodies)
{
    static struct client clients[CALLERS];
    int answered = 0;
    for (int i = 0; i < CALLERS; i++) {
        clients[i] = (struct client){.secret = secret, .body = bodies[i % n_bodies]};
        assert_int_equal(pthread_create(&clients[i].thread, NULL, client_main, &clients[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(clients[i].thread, NULL);
        if (clients[i].status != 200)
            assert_int_equal(clients[i].status, 429);
        answered += clients[i].status == 200;
    }
    return answered;
}

#define PLAIN "{\"model\":\"big\",\"max_tokens\":1000,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"
#define STREAMED "{\"model\":\"big\",\"stream\":true,\"max_tokens\":1000,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"

static void expect_ten(int answered)
{
    assert_int_equal(answered, 10);
    assert_int_equal(biller.calls, 10);
    assert_int_equal(biller.completion, 10 * 1000);
}

static void test_budget_for_ten_of_the_month_pays_ten_of_200(void **state)
{
    (void)state;
    house_open(&house, MODELS "budget_usd_per_month: 0.04\n", biller.port, "0");
    expect_ten(ask_all(NULL, (const char *const[]){PLAIN, STREAMED}, 2));
}

static void test_budget_for_ten_of_a_key_s_day_pays_ten_of_200(void **state)
{
    (void)state;
    char secret[PEOPLE_SECRET_BYTES];
    struct key_limits limits = NO_LIMITS;
    house_open(&house, MODELS, biller.port, "0");
    limits.budget_day_pico_usd = 40000 * MICRO_USD;
    key_make(&house, (struct key_record){.name = "a", .limits = limits}, secret);
    expect_ten(ask_all(secret, (const char *const[]){PLAIN, STREAMED}, 2));
}

static void test_budget_for_ten_of_a_key_s_month_pays_ten_of_200(void **state)
{
    (void)state;
    char secret[PEOPLE_SECRET_BYTES];
    struct key_limits limits = NO_LIMITS;
    house_open(&house, MODELS, biller.port, "0");
    limits.budget_month_pico_usd = 40000 * MICRO_USD;
    key_make(&house, (struct key_record){.name = "a", .limits = limits}, secret);
    expect_ten(ask_all(secret, (const char *const[]){PLAIN}, 1));
}

/* Prompts that cost, and answers without a limit of their own: what is billed may be less than what was set aside, so that more than the
 * first get through; the sum never passes. */
static void test_budget_holds_where_the_request_sets_no_limit(void **state)
{
    (void)state;
    static const char open_end[] = "{\"model\":\"big\",\"messages\":[{\"role\":\"user\",\"content\":\"tell me all\"}]}";
    house_open(&house, MODELS "budget_usd_per_month: 0.05\nbudget_max_tokens: 700\n", biller.port, "3");
    int answered = ask_all(NULL, (const char *const[]){open_end}, 1);
    int64_t billed = biller.prompt * 3 * MICRO_USD + biller.completion * 4 * MICRO_USD;
    assert_int_equal(biller.last_max_tokens, 700);
    assert_int_equal(answered, biller.calls);
    assert_in_range(answered, 9, 17);
    assert_true(billed <= 50000 * MICRO_USD);
    assert_true(billed > 30000 * MICRO_USD);
}

/* What was set aside is given back: one after the other, the budget pays for what was billed. */
static void test_what_was_set_aside_is_settled(void **state)
{
    (void)state;
    int answered = 0;
    house_open(&house, MODELS "budget_usd_per_month: 0.041\n", biller.port, "0");
    while (answered < 20 && key_status(&house, NULL, "POST", "/v1/chat/completions", PLAIN) == 200)
        answered++;
    expect_ten(answered);
}

/* The budget of one key is not another's, and the month's holds for both together. */
static void test_key_and_month_hold_at_once(void **state)
{
    (void)state;
    char a[PEOPLE_SECRET_BYTES], b[PEOPLE_SECRET_BYTES];
    struct key_limits limits = NO_LIMITS;
    house_open(&house, MODELS "budget_usd_per_month: 0.04\n", biller.port, "0");
    limits.budget_day_pico_usd = 28000 * MICRO_USD;
    key_make(&house, (struct key_record){.name = "a", .limits = limits}, a);
    key_make(&house, (struct key_record){.name = "b", .limits = limits}, b);
    assert_int_equal(ask_all(a, (const char *const[]){PLAIN}, 1), 7);
    assert_int_equal(ask_all(b, (const char *const[]){PLAIN}, 1), 3);
}

/* The first call is announced and paid for with the row; when nobody of its pool may be asked, who stands in for it is paid for anew. */
static void test_fallback_of_a_resting_pool_needs_money_of_its_own(void **state)
{
    (void)state;
    struct stand_in down;
    char secret[PEOPLE_SECRET_BYTES];
    struct key_limits limits = NO_LIMITS;
    stand_in_open(&down);
    stand_in_play(&down, (struct stand_in_script){.status = 500, .body = "{}"});
    house_open(&house,
               "models: {cheap: {base_url: 'http://127.0.0.1:%u/v1', retries: 0, breaker: {failures: 1, open_ms: 600000}, fallback: [dear], "
               "price_usd_per_mtok: {input: 0, output: 0.001}}, "
               "dear: {base_url: 'http://127.0.0.1:%u/v1', price_usd_per_mtok: {input: 0, output: 4000}}}\n"
               "tiers: [{name: frontier, model: cheap}]\n", down.port, biller.port);
    limits.budget_day_pico_usd = 40000 * MICRO_USD;
    key_make(&house, (struct key_record){.name = "a", .limits = limits}, secret);
    for (int i = 0; i < 3; i++)
        assert_int_equal(key_status(&house, secret, "POST", "/v1/chat/completions",
                                    "{\"model\":\"cheap\",\"max_tokens\":1000,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"), 429);
    assert_int_equal(biller.calls, 0);
    stand_in_close(&down);
}

/* A model without a price seems free: under a budget of a key it is not asked. */
static void test_key_s_budget_admits_no_model_without_a_price(void **state)
{
    (void)state;
    char secret[PEOPLE_SECRET_BYTES], free_key[PEOPLE_SECRET_BYTES];
    struct key_limits limits = NO_LIMITS;
    house_open(&house, "models: {big: {base_url: 'http://127.0.0.1:%u/v1'}}\ntiers: [{name: frontier, model: big}]\n", biller.port);
    key_make(&house, (struct key_record){.name = "b", .limits = limits}, free_key);
    limits.budget_month_pico_usd = 40000 * MICRO_USD;
    key_make(&house, (struct key_record){.name = "a", .limits = limits}, secret);
    assert_int_equal(key_status(&house, secret, "POST", "/v1/chat/completions", PLAIN), 403);
    assert_int_equal(biller.calls, 0);
    assert_int_equal(key_status(&house, free_key, "POST", "/v1/chat/completions", PLAIN), 200);
}

/* Fails, and leaves the ledger locked by another program. */
static void lock_ledger(void *ctx, struct http_exchange *x)
{
    sqlite3 **db = ctx;
    if (!*db && sqlite3_open(house.ledger, db) == SQLITE_OK)
        sqlite3_exec(*db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    biller.calls++;
    http_reply(x, 500, "application/json", STR("{}"));
}

/* A call that the ledger cannot note is not made, and asked for no second time. */
static void test_call_that_the_ledger_cannot_note_is_not_made(void **state)
{
    (void)state;
    sqlite3 *db = NULL;
    struct plain_reply r;
    struct err err = ERR_INIT;
    struct http_server *server;
    struct http_server_options o = {.host = "127.0.0.1", .handle = lock_ledger, .ctx = &db};
    assert_ok(http_server_open(&o, &server, &err), err);
    house_open(&house, "models: {big: {base_url: 'http://127.0.0.1:%u/v1', retries: 3}}\ntiers: [{name: frontier, model: big}]\n",
               http_server_port(server));
    house_chat(&house, PLAIN, &r);
    assert_int_equal(r.status, 503);
    assert_non_null(strstr(r.body, "the ledger cannot note it"));
    plain_free(&r);
    assert_int_equal(biller.calls, 1);
    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_close(db);
    http_server_close(server, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_budget_for_ten_of_the_month_pays_ten_of_200, setup, teardown),
        cmocka_unit_test_setup_teardown(test_budget_for_ten_of_a_key_s_day_pays_ten_of_200, setup, teardown),
        cmocka_unit_test_setup_teardown(test_budget_for_ten_of_a_key_s_month_pays_ten_of_200, setup, teardown),
        cmocka_unit_test_setup_teardown(test_budget_holds_where_the_request_sets_no_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_was_set_aside_is_settled, setup, teardown),
        cmocka_unit_test_setup_teardown(test_key_and_month_hold_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_call_that_the_ledger_cannot_note_is_not_made, setup, teardown),
        cmocka_unit_test_setup_teardown(test_key_s_budget_admits_no_model_without_a_price, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fallback_of_a_resting_pool_needs_money_of_its_own, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
