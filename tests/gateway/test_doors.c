/* Every path that answers, against everything that may close it: no key, a revoked one, one without the right to the model, one over its
 * rate or its budget, a private one. Nothing may reach the upstream then. */
#include "data/json.h"
#include "support_keys.h"

#define CONFIG                                                                                                         \
    "models: {starter: {file: starter}, big: {base_url: 'http://127.0.0.1:%u/v1', price_usd_per_mtok: {input: 1, output: 4}}, " \
    "own: {base_url: 'http://127.0.0.1:%u/v1', private: true}}\n"                                                      \
    "tiers: [{name: local, model: starter}, {name: frontier, model: big}]\n"
#define MESSAGES "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]"

static const struct ask {
    const char *path, *rest;       /* of the body, behind its model */
    bool billed;                   /* paid APIs are asked there; else models here and one's own servers */
    bool counted;                  /* as a request */
} asks[] = {
    {"/v1/chat/completions", MESSAGES ",\"max_tokens\":2", true, true},
    {"/v1/chat/completions", MESSAGES ",\"max_tokens\":2,\"stream\":true", true, true},
    {"/v1/chat/completions", MESSAGES ",\"max_tokens\":2,\"n\":3", true, true},
    {"/v1/chat/completions", MESSAGES ",\"max_tokens\":2,\"n\":3,\"stream\":true", true, true},
    {"/v1/responses", "\"input\":\"x\",\"max_output_tokens\":2", true, true},
    {"/v1/responses", "\"input\":\"x\",\"max_output_tokens\":2,\"stream\":true", true, true},
    {"/v1/messages", MESSAGES ",\"max_tokens\":2", true, true},
    {"/v1/messages", MESSAGES ",\"max_tokens\":2,\"stream\":true", true, true},
    {"/v1/completions", "\"prompt\":\"x\",\"max_tokens\":2", false, true},
    {"/v1/completions", "\"prompt\":[\"x\",\"y\"],\"max_tokens\":2,\"stream\":true", false, true},
    {"/v1/embeddings", "\"input\":\"x\"", true, true},
    {"/api/chat", MESSAGES ",\"options\":{\"num_predict\":2}", true, true},
    {"/api/chat", MESSAGES ",\"stream\":false,\"options\":{\"num_predict\":2}", true, true},
    {"/api/generate", "\"prompt\":\"x\",\"options\":{\"num_predict\":2}", true, true},
    {"/api/embed", "\"input\":\"x\"", true, true},
    {"/api/embeddings", "\"prompt\":\"x\"", true, true},
    {"/v1/messages/count_tokens", MESSAGES, false, false},
    {"/tokenize", "\"content\":\"x\"", false, false},
    {"/detokenize", "\"tokens\":[1]", false, false},
};
#define N_ASKS (int)(sizeof asks / sizeof asks[0])

static struct stand_in upstream;
static struct house house;

static int setup(void **state)
{
    (void)state;
    stand_in_open(&upstream);
    house_open(&house, CONFIG, upstream.port, upstream.port);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    house_close(&house);
    stand_in_close(&upstream);
    return 0;
}

static void knock(const struct ask *a, const char *secret, const char *model, int status, const char *part)
{
    struct plain_reply r;
    char body[400];
    snprintf(body, sizeof body, "{\"model\":\"%s\",%s}", model, a->rest);
    key_request(&house, secret, "POST", a->path, body, &r);
    if (r.status != status || !strstr(r.body, part))
        fail_msg("%s %s: %d, not %d with '%s': %s", a->path, body, r.status, status, part, r.body);
    plain_free(&r);
}

static void make(const char *name, const char *models, const char *privacy, struct key_limits limits,
                 char secret[PEOPLE_SECRET_BYTES])
{
    struct key_record k = {.limits = limits};
    snprintf(k.name, sizeof k.name, "%s", name);
    snprintf(k.models, sizeof k.models, "%s", models);
    snprintf(k.privacy, sizeof k.privacy, "%s", privacy);
    key_make(&house, k, secret);
}

static bool is_locked(void *ctx)
{
    (void)ctx;
    return key_status(&house, NULL, "GET", "/v1/models", NULL) == 401;
}

static void test_no_path_answers_without_a_key_or_with_a_revoked_one(void **state)
{
    (void)state;
    char secret[PEOPLE_SECRET_BYTES];
    make("gone", "", "", NO_LIMITS, secret);
    key_revoke(&house, "gone");
    assert_true(eventually(is_locked, NULL));
    for (int i = 0; i < N_ASKS; i++) {
        knock(&asks[i], NULL, "starter", 401, "an API key is needed");
        knock(&asks[i], secret, "starter", 401, "was revoked");
    }
    assert_int_equal(stand_in_requests(&upstream), 0);
}

static void test_no_path_asks_a_model_that_the_key_may_not_use(void **state)
{
    (void)state;
    char secret[PEOPLE_SECRET_BYTES];
    make("few", "starter", "", NO_LIMITS, secret);
    for (int i = 0; i < N_ASKS; i++)
        knock(&asks[i], secret, asks[i].billed ? "big" : "own", 404, "");
    assert_int_equal(stand_in_requests(&upstream), 0);
}

static void test_every_path_counts_the_requests_of_a_minute(void **state)
{
    (void)state;
    for (int i = 0; i < N_ASKS; i++) {
        char secret[PEOPLE_SECRET_BYTES], name[16];
        struct key_limits none = NO_LIMITS;
        none.requests_per_min = 0;
        snprintf(name, sizeof name, "slow%d", i);
        make(name, "", "", none, secret);
        knock(&asks[i], secret, "starter", asks[i].counted ? 429 : 200, "");
    }
}

static void test_no_path_spends_beyond_a_budget(void **state)
{
    (void)state;
    char secret[PEOPLE_SECRET_BYTES];
    struct key_limits nothing = NO_LIMITS;
    nothing.budget_day_pico_usd = 0;
    make("poor", "", "", nothing, secret);
    for (int i = 0; i < N_ASKS; i++)
        if (asks[i].billed)
            knock(&asks[i], secret, "big", 429, "today's budget");
    assert_int_equal(stand_in_requests(&upstream), 0);
}

static void test_no_path_lets_a_private_key_s_request_out(void **state)
{
    (void)state;
    char secret[PEOPLE_SECRET_BYTES];
    make("private", "", "local", NO_LIMITS, secret);
    for (int i = 0; i < N_ASKS; i++)
        if (asks[i].billed)
            knock(&asks[i], secret, "big", 400, "");
    assert_int_equal(stand_in_requests(&upstream), 0);
}

static void test_auto_of_a_key_is_the_first_tier_it_may_use(void **state)
{
    (void)state;
    static const char *const pages[][2] = {{"/tokenize", "{\"content\":\"x\"}"}, {"/api/generate", "{\"model\":\"auto\"}"}};
    char secret[PEOPLE_SECRET_BYTES];
    struct plain_reply r;
    make("above", "big", "", NO_LIMITS, secret);
    assert_int_equal(key_status(&house, secret, "POST", pages[0][0], pages[0][1]), 400);   /* no tokenizer of its own */
    assert_int_equal(key_status(&house, secret, "POST", pages[1][0], pages[1][1]), 200);   /* nothing to load */
    key_request(&house, secret, "POST", "/v1/messages/count_tokens", "{\"model\":\"auto\"," MESSAGES "}", &r);
    assert_non_null(strstr(r.body, "\"model\":\"big\""));
    plain_free(&r);
    key_request(&house, secret, "GET", "/v1/models/auto", NULL, &r);
    assert_non_null(strstr(r.body, "[\"frontier\"]"));
    plain_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_path_answers_without_a_key_or_with_a_revoked_one, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_path_asks_a_model_that_the_key_may_not_use, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_path_counts_the_requests_of_a_minute, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_path_spends_beyond_a_budget, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_path_lets_a_private_key_s_request_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_auto_of_a_key_is_the_first_tier_it_may_use, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
