/* A client that hangs up stops its generation and its upstream call; the ledger says what became of each request. */
#include <stdatomic.h>

#include "gateway/api/openai/openai.h"
#include "support_gateway.h"
#include "store/report.h"

#define TIERS                                                                                               \
    "models: {starter: {file: starter}, big: {base_url: 'http://127.0.0.1:%u/v1', price_usd_per_mtok: "      \
    "{input: 1, output: 4}}}\ntiers: [{name: local, model: starter}, {name: frontier, model: big}]\n"
#define CHUNK "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"half\"},\"finish_reason\":null}]}\n\n"
#define ANSWER                                                                                              \
    "{\"choices\":[{\"message\":{\"content\":\"above\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":10," \
    "\"completion_tokens\":5}}"
#define NAMED "{\"model\":\"big\",%s\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"

static struct stand_in upstream;
static struct house house;

static int setup(void **state)
{
    (void)state;
    stand_in_open(&upstream);
    house_open(&house, TIERS, upstream.port);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    house_close(&house);
    stand_in_close(&upstream);
    return 0;
}

static bool upstream_lost_its_client(void *ctx)
{
    (void)ctx;
    return stand_in_gone(&upstream) == 1;
}

static bool upstream_was_asked(void *ctx)
{
    (void)ctx;
    return stand_in_requests(&upstream) == 1;
}

struct wanted {
    enum ledger_outcome outcome;
    int64_t n;
};

static bool ledger_has(void *ctx)
{
    struct wanted *w = ctx;
    struct ledger_report *r;
    struct err err = ERR_INIT;
    assert_ok(report_read(house.ledger, 0, REPORT_BY_TIER, &r, &err), err);
    bool ok = r->outcomes[w->outcome] == w->n;
    report_free(r);
    return ok;
}

static void hang_up_on(const char *more, struct stand_in_script script)
{
    char body[400];
    snprintf(body, sizeof body, NAMED, more);
    stand_in_play(&upstream, script);
    int fd = plain_send(house.port, "POST", "/v1/chat/completions", NULL, body);
    assert_true(eventually(upstream_was_asked, NULL));
    close(fd);
    assert_true(eventually(upstream_lost_its_client, NULL));
    assert_true(eventually(ledger_has, &(struct wanted){LEDGER_POSSIBLY_BILLED, 1}));
    assert_true(ledger_has(&(struct wanted){LEDGER_OPEN, 0}));
}

static void test_hangup_before_the_answer_ends_the_upstream_call(void **state)
{
    (void)state;
    hang_up_on("", (struct stand_in_script){.hang_first = true, .body = ANSWER});
}

static void test_hangup_in_a_stream_ends_the_upstream_call(void **state)
{
    (void)state;
    hang_up_on("\"stream\":true,", (struct stand_in_script){.streamed = true, .hang_last = true, .body = CHUNK});
}

static bool gone_after(void *ctx) { return atomic_fetch_sub((atomic_int *)ctx, 1) < 1; }

static void test_hangup_stops_a_generation_within_a_token(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT(1u << 20);
    struct request req;
    struct reply reply;
    struct err err = ERR_INIT;
    atomic_int polls = 1;
    assert_ok(openai_parse_chat(str_of(ask_starter("My new card has not come yet.", NULL)), &arena, &req, &err), err);
    req.gone = gone_after;
    req.gone_ctx = &polls;
    gateway_answer(house.gateway, &req, NULL, &reply);
    assert_int_equal(reply.outcome, REPLY_CANCELLED);
    assert_int_equal(reply.attempts[0].outcome, ATTEMPT_CANCELLED);
    assert_in_range(reply.attempts[0].usage.completion, 0, 1);
    assert_int_equal(reply.n_attempts, 1);
    reply_free(&reply);
    arena_free(&arena);
    assert_true(eventually(ledger_has, &(struct wanted){LEDGER_CANCELLED, 1}));
}

static void test_ledger_has_one_settled_row_a_request(void **state)
{
    (void)state;
    struct plain_reply r;
    struct ledger_report *report;
    struct err err = ERR_INIT;
    char named[400];
    snprintf(named, sizeof named, NAMED, "");
    stand_in_play(&upstream, (struct stand_in_script){.body = ANSWER});
    for (int i = 0; i < 3; i++) {
        house_chat(&house, ask_starter("My new card has not come yet.", NULL), &r);
        plain_free(&r);
    }
    house_chat(&house, named, &r);
    assert_int_equal(r.status, 200);
    plain_free(&r);
    house_chat(&house, "{\"model\":\"nobody\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", &r);
    assert_int_equal(r.status, 404);
    plain_free(&r);
    assert_true(eventually(ledger_has, &(struct wanted){LEDGER_OK, 4}));
    assert_ok(report_read(house.ledger, 0, REPORT_BY_TIER, &report, &err), err);
    assert_int_equal(report->total.requests, 4);
    assert_int_equal(report->outcomes[LEDGER_OPEN], 0);
    assert_int_equal(report->n_tiers, 2);
    assert_int_equal(report->tiers[0].requests, 3);
    assert_int_equal(report->tiers[1].requests, 1);
    /* 10 x 1 + 5 x 4 millionths of a dollar */
    assert_int_equal(report->total.after_pico_usd, 30000000);
    assert_true(report->total.before_pico_usd > report->total.after_pico_usd);
    assert_int_equal(report->upstream.requests, 1);
    report_free(report);
}

static void test_budget_without_a_ledger_is_refused(void **state)
{
    (void)state;
    struct config *c = NULL;
    struct gateway *g = NULL;
    struct err err = ERR_INIT;
    assert_ok(config_parse(STR("models: {big: {base_url: 'http://127.0.0.1:1/v1', price_usd_per_mtok: {input: 1, output: 1}}}\ntiers: [{name: local, model: big}]\n"
                               "ledger: {path: 'off'}\nbudget_usd_per_month: 1\n"),
                           "t.yaml", &c, &err),
              err);
    assert_false(gateway_open(c, &(struct gateway_options){0}, &g, &err));
    assert_non_null(strstr(err.msg, "budget"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hangup_before_the_answer_ends_the_upstream_call, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hangup_in_a_stream_ends_the_upstream_call, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hangup_stops_a_generation_within_a_token, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ledger_has_one_settled_row_a_request, setup, teardown),
        cmocka_unit_test(test_budget_without_a_ledger_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
