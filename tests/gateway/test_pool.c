/* Pools: who is asked next, who is left alone and for how long, who is never asked; and, over real HTTP, what a client sees of it. */
#include "data/json.h"
#include "gateway/answer/answer.h"
#include "gateway/pool/breaker.h"
#include "gateway/pool/pool.h"
#include "support_gateway.h"

#define ANSWER(text)                                                                                                      \
    "{\"model\":\"m-1\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"" text                \
    "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":2}}"
#define ASK(model) "{\"model\":\"" model "\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"
#define BAD {.status = 500, .body = "{\"error\":{\"message\":\"boom\"}}"}

/* ---- the parts by themselves ---- */

static void test_breaker_opens_after_failures_in_a_row_and_lets_one_probe_through(void **state)
{
    (void)state;
    struct breaker b = {0};
    breaker_failed(&b, false, 2, 100, 0);
    breaker_well(&b);
    breaker_failed(&b, false, 2, 100, 0);
    assert_true(breaker_allows(&b, 0));
    breaker_failed(&b, false, 2, 100, 0);
    assert_false(breaker_allows(&b, 99));
    assert_true(breaker_allows(&b, 100));
    assert_true(breaker_take(&b));
    assert_false(breaker_allows(&b, 100));        /* one at a time */
    breaker_failed(&b, false, 2, 100, 150);       /* one that began before */
    assert_false(breaker_allows(&b, 150));
    breaker_failed(&b, true, 2, 100, 150);
    assert_false(breaker_allows(&b, 249));
    assert_true(breaker_take(&b) && breaker_is_half_open(&b, 250));
    breaker_untold(&b, true);
    assert_true(breaker_allows(&b, 250));
    breaker_well(&b);
    assert_true(breaker_allows(&b, 0) && b.opened == 2);
}

struct bench {
    struct config *c;
    struct pools *p;
    struct request req;
};

static void bench_open(struct bench *b, const char *yaml)
{
    struct err err = ERR_INIT;
    *b = (struct bench){0};
    assert_ok(config_parse(str_of(yaml), "t.yaml", &b->c, &err), err);
    assert_ok(pools_open(b->c, NULL, NULL, &b->p, &err), err);
}

static void bench_close(struct bench *b)
{
    pools_close(b->p);
    config_free(b->c);
}

static int take(struct bench *b, struct pool_ticket *t)
{
    struct err err = ERR_INIT;
    int64_t wait_ms;
    return pool_pick(b->p, 0, &b->req, 0, 0, t, &wait_ms, &err) ? t->index : -1;
}

#define POOL(balance)                                                                                                      \
    "models: {m: {balance: " balance ", breaker: {failures: 1, open_ms: 60000}, upstreams: [{base_url: 'http://a', weight: 3}, "         \
    "{base_url: 'http://b'}, {base_url: 'http://c'}]}}\ntiers: [{name: t, model: m}]\n"

static void test_weighted_pool_gives_each_its_share_in_turns(void **state)
{
    (void)state;
    struct bench b;
    struct pool_ticket t;
    int counts[3] = {0}, in_a_row = 0, last = -1;
    bench_open(&b, POOL("weighted"));
    for (int i = 0; i < 500; i++) {
        int at = take(&b, &t);
        counts[at]++;
        in_a_row = at == last ? in_a_row + 1 : 1;
        last = at;
        assert_true(in_a_row <= 2);
        pool_done(b.p, &t, POOL_WELL, 0);
    }
    assert_int_equal(counts[0], 300);
    assert_int_equal(counts[1], 100);
    bench_close(&b);
}

static void test_least_load_goes_where_fewest_calls_are_by_weight(void **state)
{
    (void)state;
    struct bench b;
    struct pool_ticket t[5];
    int counts[3] = {0};
    bench_open(&b, POOL("least_load"));
    for (int i = 0; i < 5; i++)
        counts[take(&b, &t[i])]++;
    assert_int_equal(counts[0], 3);
    assert_int_equal(counts[1], 1);
    struct pool_ticket more;
    for (int i = 0; i < 5; i++) {
        if (t[i].index == 1)
            pool_done(b.p, &t[i], POOL_WELL, 0);
    }
    assert_int_equal(take(&b, &more), 1);
    pool_done(b.p, &more, POOL_WELL, 0);
    for (int i = 0; i < 5; i++) {
        if (t[i].index != 1)
            pool_done(b.p, &t[i], POOL_WELL, 0);
    }
    bench_close(&b);
}

static void test_prefix_keeps_a_conversation_where_it_was_unless_that_is_overloaded(void **state)
{
    (void)state;
    struct bench b;
    struct pool_ticket t, held[8];
    char ids[200][16];
    int home[200], counts[3] = {0}, moved = 0;
    bench_open(&b, POOL("prefix"));
    for (int i = 0; i < 200; i++) {
        snprintf(ids[i], sizeof ids[i], "c%d", i);
        b.req.conversation_id = str_of(ids[i]);
        home[i] = take(&b, &t);
        counts[home[i]]++;
        pool_done(b.p, &t, POOL_WELL, 0);
        assert_int_equal(take(&b, &t), home[i]);
        pool_done(b.p, &t, POOL_WELL, 0);
    }
    assert_true(counts[0] > 90 && counts[0] < 150 && counts[1] > 20 && counts[2] > 20);
    for (int i = 0; i < 8; i++)
        moved += take(&b, &held[i]) != home[199];
    assert_true(moved > 0);                       /* one conversation does not fill one upstream alone */
    for (int i = 0; i < 8; i++)
        pool_done(b.p, &held[i], POOL_WELL, 0);
    b.req.conversation_id = str_of(ids[0]);
    take(&b, &t);
    pool_done(b.p, &t, POOL_FAILED, 0);           /* its home is left alone: the others' conversations stay */
    for (int i = 1, others = 0; i < 200; i++) {
        b.req.conversation_id = str_of(ids[i]);
        int at = take(&b, &t);
        assert_int_not_equal(at, home[0]);
        if (home[i] != home[0])
            assert_int_equal(at, home[i] + 0 * others++);
        pool_done(b.p, &t, POOL_WELL, 0);
    }
    bench_close(&b);
}

static void test_upstream_that_asks_for_rest_gets_it(void **state)
{
    (void)state;
    struct bench b;
    struct pool_ticket t;
    struct err err = ERR_INIT;
    int64_t wait_ms = 0;
    bench_open(&b, "models: {m: {base_url: 'http://a'}}\ntiers: [{name: t, model: m}]\n");
    assert_int_equal(take(&b, &t), 0);
    pool_done(b.p, &t, POOL_UNTOLD, 30000);
    assert_false(pool_pick(b.p, 0, &b.req, 0, 0, &t, &wait_ms, &err));
    assert_int_equal(err.code, ERR_BUSY);
    assert_true(wait_ms > 20000 && wait_ms <= 30000);
    bench_close(&b);
}

static void test_state_outlives_a_reload_by_name(void **state)
{
    (void)state;
    struct bench b;
    struct err err = ERR_INIT;
    struct config *c;
    struct pools *p;
    struct pool_ticket t, late;
    int64_t wait_ms;
    bench_open(&b, POOL("weighted"));
    assert_int_equal(take(&b, &t), 0);
    take(&b, &late);
    pool_done(b.p, &t, POOL_FAILED, 0);
    assert_ok(config_parse(STR("models: {m: {upstreams: [{base_url: 'http://new'}, {base_url: 'http://a'}]}}\n"
                               "tiers: [{name: t, model: m}]\n"), "t.yaml", &c, &err), err);
    assert_ok(pools_open(c, NULL, b.p, &p, &err), err);
    pool_done(b.p, &late, POOL_WELL, 0);          /* of a request that ran on by the old configuration */
    bench_close(&b);
    for (int i = 0; i < 4; i++) {
        assert_ok(pool_pick(p, 0, &b.req, 0, 0, &t, &wait_ms, &err), err);
        assert_string_equal(t.upstream->name, "new");
        pool_done(p, &t, POOL_WELL, 0);
    }
    pools_close(p);
    config_free(c);
}

/* ---- over HTTP ---- */

static struct stand_in first, second;

static int setup(void **state)
{
    (void)state;
    stand_in_open(&first);
    stand_in_open(&second);
    stand_in_play(&first, (struct stand_in_script){.body = ANSWER("one")});
    stand_in_play(&second, (struct stand_in_script){.body = ANSWER("two")});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    stand_in_close(&first);
    stand_in_close(&second);
    return 0;
}

#define TWO(more)                                                                                                          \
    "models: {big: {balance: weighted, " more "upstreams: [{name: one, base_url: 'http://127.0.0.1:%u/v1', weight: 1000, "   \
    "price_usd_per_mtok: {input: 1, output: 1}}, {name: two, base_url: 'http://127.0.0.1:%u/v1', price_usd_per_mtok: {input: 2, output: 2}}]}, " \
    "spare: {base_url: 'http://127.0.0.1:%u/v1'}}\ntiers: [{name: far, model: big}]\n"

static json_t *ask(struct house *h, const char *body, int status)
{
    struct plain_reply r;
    house_chat(h, body, &r);
    assert_int_equal(r.status, status);
    json_t *v = reply_json(&r);
    plain_free(&r);
    return v;
}

static void test_failed_call_is_tried_at_another_upstream_first_and_both_are_booked(void **state)
{
    (void)state;
    struct house h;
    house_open(&h, TWO(""), first.port, second.port, 1);
    stand_in_play(&first, (struct stand_in_script)BAD);
    json_t *v = ask(&h, ASK("big"), 200);
    assert_string_equal(json_at(v, "choices.0.message.content"), "two");
    assert_string_equal(json_at(v, "rung.attempts.0.upstream"), "one");
    assert_string_equal(json_at(v, "rung.attempts.0.outcome"), "failed");
    assert_string_equal(json_at(v, "rung.attempts.1.upstream"), "two");
    assert_string_equal(json_at(v, "rung.attempts.1.upstream_model"), "m-1");
    assert_float_equal(json_number_at(v, "rung.cost_usd"), 24e-6, 1e-12);   /* at its own price */
    assert_int_equal(stand_in_requests(&first), 1);
    json_decref(v);
    house_close(&h);
}

static void test_request_s_own_fault_is_not_tried_again(void **state)
{
    (void)state;
    struct house h;
    house_open(&h, TWO(""), first.port, second.port, 1);
    stand_in_play(&first, (struct stand_in_script){.status = 400, .body = "{\"error\":{\"message\":\"bad temperature\"}}"});
    json_decref(ask(&h, ASK("big"), 400));
    assert_int_equal(stand_in_requests(&second), 0);
    house_close(&h);
}

static void test_refused_key_is_tried_elsewhere_but_not_again(void **state)
{
    (void)state;
    struct house h;
    house_open(&h, TWO("retries: 5, "), first.port, second.port, 1);
    stand_in_play(&first, (struct stand_in_script){.status = 401, .body = "{}"});
    stand_in_play(&second, (struct stand_in_script){.status = 403, .body = "{}"});
    json_decref(ask(&h, ASK("big"), 502));
    assert_int_equal(stand_in_requests(&first), 1);
    assert_int_equal(stand_in_requests(&second), 1);
    house_close(&h);
}

static void test_open_breaker_fails_at_once_and_says_when_to_come_back(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, "models: {big: {base_url: 'http://127.0.0.1:%u/v1', retries: 0, breaker: {failures: 2, open_ms: 60000}}}\n"
                   "tiers: [{name: far, model: big}]\n", first.port);
    stand_in_play(&first, (struct stand_in_script)BAD);
    json_decref(ask(&h, ASK("big"), 502));
    json_decref(ask(&h, ASK("big"), 502));
    house_chat(&h, ASK("big"), &r);
    assert_int_equal(r.status, 503);
    assert_non_null(strstr(r.body, "left alone"));
    assert_true(strtol(plain_header(&r, "Retry-After"), NULL, 10) > 50);
    assert_int_equal(stand_in_requests(&first), 2);
    plain_free(&r);
    house_close(&h);
}

static void test_breaker_closes_after_a_probe_that_went_well(void **state)
{
    (void)state;
    struct house h;
    house_open(&h, "models: {big: {base_url: 'http://127.0.0.1:%u/v1', retries: 3, breaker: {failures: 1, open_ms: 20}}}\n"
                   "tiers: [{name: far, model: big}]\n", first.port);
    stand_in_play(&first, (struct stand_in_script)BAD);
    json_decref(ask(&h, ASK("big"), 502));
    stand_in_play(&first, (struct stand_in_script){.body = ANSWER("back")});
    for (int i = 0; i < 100; i++) {
        struct plain_reply r;
        house_chat(&h, ASK("big"), &r);
        plain_free(&r);
        if (r.status == 200)
            break;
        usleep(10000);
    }
    json_decref(ask(&h, ASK("big"), 200));
    house_close(&h);
}

static void test_long_retry_after_is_passed_on_not_waited_for(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, "models: {big: {base_url: 'http://127.0.0.1:%u/v1'}}\ntiers: [{name: far, model: big}]\n", first.port);
    stand_in_play(&first, (struct stand_in_script){.status = 429, .retry_after = "30", .body = "{}"});
    house_chat(&h, ASK("big"), &r);
    assert_int_equal(r.status, 429);
    assert_string_equal(plain_header(&r, "Retry-After"), "30");
    plain_free(&r);
    house_chat(&h, ASK("big"), &r);               /* and it is left alone for so long */
    assert_int_equal(r.status, 503);
    plain_free(&r);
    assert_int_equal(stand_in_requests(&first), 1);
    house_close(&h);
}

static void test_fallback_answers_for_a_named_model_whose_pool_failed(void **state)
{
    (void)state;
    struct house h;
    house_open(&h, "models: {big: {base_url: 'http://127.0.0.1:%u/v1', retries: 0, fallback: [spare]}, "
                   "spare: {base_url: 'http://127.0.0.1:%u/v1'}}\ntiers: [{name: far, model: big}]\n", first.port, second.port);
    json_t *v = ask(&h, ASK("big"), 200);
    assert_string_equal(json_at(v, "choices.0.message.content"), "one");
    assert_int_equal(stand_in_requests(&second), 0);
    json_decref(v);
    stand_in_play(&first, (struct stand_in_script)BAD);
    v = ask(&h, ASK("big"), 200);
    assert_string_equal(json_at(v, "choices.0.message.content"), "two");
    assert_string_equal(json_at(v, "rung.model"), "spare");
    assert_string_equal(json_at(v, "rung.attempts.1.model"), "spare");
    assert_non_null(strstr(json_at(v, "rung.reason"), "far failed"));
    json_decref(v);
    house_close(&h);
}

/* Retries, the fallback and a pool with a private member: what is private reaches that member and nobody else. */
static void test_private_request_reaches_private_upstreams_only(void **state)
{
    (void)state;
    struct house h;
    struct trap out;
    struct plain_reply r;
    trap_open(&out);
    house_open(&h,
               "models: {big: {retries: 5, fallback: [spare], upstreams: [{name: out, base_url: 'http://127.0.0.1:%u/v1', weight: 1000}, "
               "{name: own, base_url: 'http://127.0.0.1:%u/v1', private: true}]}, spare: {base_url: 'http://127.0.0.1:%u/v1'}}\n"
               "tiers: [{name: far, model: big}]\n", out.port, first.port, out.port);
    const char *private = "{\"model\":\"big\",\"metadata\":{\"privacy\":\"local\"},\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}";
    for (int i = 0; i < 5; i++) {
        json_t *v = ask(&h, private, 200);
        assert_string_equal(json_at(v, "rung.attempts.0.upstream"), "own");
        json_decref(v);
    }
    stand_in_play(&first, (struct stand_in_script)BAD);
    house_chat(&h, private, &r);
    assert_int_equal(r.status, 502);
    assert_int_equal(trap_connections(&out), 0);
    plain_free(&r);
    house_close(&h);
    trap_close(&out);
}

static void test_deadline_bounds_all_attempts_together(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, TWO("fallback: [spare], "), first.port, second.port, second.port);
    stand_in_play(&first, (struct stand_in_script){.hang_first = true, .body = ""});
    stand_in_play(&second, (struct stand_in_script){.hang_first = true, .body = ""});
    plain_request(h.port, "POST", "/v1/chat/completions", "x-rung-deadline-ms: 300\r\n", ASK("big"), &r);
    assert_int_equal(r.status, 504);
    assert_int_equal(stand_in_requests(&second), 0);   /* neither the other upstream nor the fallback was asked after it */
    plain_free(&r);
    plain_request(h.port, "POST", "/v1/chat/completions", "x-rung-deadline-ms: soon\r\n", ASK("big"), &r);
    assert_int_equal(r.status, 400);
    assert_non_null(strstr(r.body, "x-rung-deadline-ms"));
    plain_free(&r);
    house_close(&h);
}

static void test_deadline_ends_a_local_answer_too(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, "deadline_ms: 1\n");
    house_chat(&h, "{\"model\":\"starter\",\"messages\":[{\"role\":\"user\",\"content\":\"Tell a long story.\"}]}", &r);
    assert_int_equal(r.status, 504);
    assert_non_null(strstr(r.body, "deadline"));
    plain_free(&r);
    house_close(&h);
}

static void count_changes(void *ctx, const struct pool_status *s)
{
    *(int64_t *)ctx += s->changes;
    assert_int_equal(s->outstanding, 0);
}

static void test_another_model_behind_an_upstream_is_noticed(void **state)
{
    (void)state;
    struct house h;
    int64_t changes = 0;
    house_open(&h, "models: {big: {base_url: 'http://127.0.0.1:%u/v1'}}\ntiers: [{name: far, model: big}]\n", first.port);
    json_decref(ask(&h, ASK("big"), 200));
    json_decref(ask(&h, ASK("big"), 200));
    pools_each(h.gateway->pools, count_changes, &changes);
    assert_int_equal(changes, 0);
    stand_in_play(&first, (struct stand_in_script){
        .body = "{\"model\":\"m-2\",\"system_fingerprint\":\"fp_9\",\"choices\":[{\"message\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}"});
    json_t *v = ask(&h, ASK("big"), 200);
    assert_string_equal(json_at(v, "rung.attempts.0.upstream_model"), "m-2");
    assert_string_equal(json_at(v, "rung.attempts.0.system_fingerprint"), "fp_9");
    json_decref(v);
    pools_each(h.gateway->pools, count_changes, &changes);
    assert_int_equal(changes, 1);
    house_close(&h);
}

/* Each API has a place of its own for it. */
static void test_every_provider_tells_which_model_answered(void **state)
{
    (void)state;
    static const struct {
        const char *provider, *body;
    } rows[] = {
        {"anthropic", "{\"type\":\"message\",\"model\":\"%s\",\"content\":[],\"stop_reason\":\"end_turn\",\"usage\":{}}"},
        {"gemini", "{\"modelVersion\":\"%s\",\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"x\"}]},\"finishReason\":\"STOP\"}]}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct house h;
        int64_t changes = 0;
        char body[300];
        house_open(&h, "models: {big: {provider: %s, base_url: 'http://127.0.0.1:%u'}}\ntiers: [{name: far, model: big}]\n", rows[i].provider,
                   first.port);
        for (int k = 0; k < 2; k++) {
            snprintf(body, sizeof body, rows[i].body, k ? "m-2" : "m-1");
            stand_in_play(&first, (struct stand_in_script){.body = body});
            json_t *v = ask(&h, ASK("big"), 200);
            assert_string_equal(json_at(v, "rung.attempts.0.upstream_model"), k ? "m-2" : "m-1");
            json_decref(v);
        }
        pools_each(h.gateway->pools, count_changes, &changes);
        assert_int_equal(changes, 1);
        house_close(&h);
    }
}

static bool second_alone(void *ctx)
{
    json_t *v = ask(ctx, ASK("big"), 200);
    bool two = strcmp(json_at(v, "choices.0.message.content"), "two") == 0;
    json_decref(v);
    return two;
}

static void test_upstream_whose_health_fails_is_not_asked(void **state)
{
    (void)state;
    struct house h;
    house_open(&h, "models: {big: {balance: weighted, upstreams: [{name: one, base_url: 'http://127.0.0.1:%u/v1', weight: 1000, health: {path: /up, "
                   "every_ms: 20}}, {name: two, base_url: 'http://127.0.0.1:%u/v1'}]}}\ntiers: [{name: far, model: big}]\n",
               first.port, second.port);
    json_t *v = ask(&h, ASK("big"), 200);
    assert_string_equal(json_at(v, "choices.0.message.content"), "one");
    json_decref(v);
    stand_in_play(&first, (struct stand_in_script){.health = 503, .body = ANSWER("one")});
    assert_true(eventually(second_alone, &h));
    house_close(&h);
}

int main(void)
{
#define OVER_HTTP(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_breaker_opens_after_failures_in_a_row_and_lets_one_probe_through),
        cmocka_unit_test(test_weighted_pool_gives_each_its_share_in_turns),
        cmocka_unit_test(test_least_load_goes_where_fewest_calls_are_by_weight),
        cmocka_unit_test(test_prefix_keeps_a_conversation_where_it_was_unless_that_is_overloaded),
        cmocka_unit_test(test_upstream_that_asks_for_rest_gets_it),
        cmocka_unit_test(test_state_outlives_a_reload_by_name),
        OVER_HTTP(test_failed_call_is_tried_at_another_upstream_first_and_both_are_booked),
        OVER_HTTP(test_request_s_own_fault_is_not_tried_again),
        OVER_HTTP(test_refused_key_is_tried_elsewhere_but_not_again),
        OVER_HTTP(test_open_breaker_fails_at_once_and_says_when_to_come_back),
        OVER_HTTP(test_breaker_closes_after_a_probe_that_went_well),
        OVER_HTTP(test_long_retry_after_is_passed_on_not_waited_for),
        OVER_HTTP(test_fallback_answers_for_a_named_model_whose_pool_failed),
        OVER_HTTP(test_private_request_reaches_private_upstreams_only),
        OVER_HTTP(test_deadline_bounds_all_attempts_together),
        OVER_HTTP(test_deadline_ends_a_local_answer_too),
        OVER_HTTP(test_another_model_behind_an_upstream_is_noticed),
        OVER_HTTP(test_every_provider_tells_which_model_answered),
        OVER_HTTP(test_upstream_whose_health_fails_is_not_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
