/* Privacy classes: what puts a request into one, where it may go then, and that mistakes of configuration close doors and never
 * open them. Every upstream is a stand-in or a trap that counts connections. */
#include "data/json.h"
#include "gateway/residency/residency.h"
#include "support_gateway.h"

#define ANSWER "{\"choices\":[{\"message\":{\"content\":\"yes\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}"
#define HOUSE                                                                                                         \
    "models:\n"                                                                                                       \
    "  starter: {file: starter}\n"                                                                                    \
    "  us: {base_url: 'http://127.0.0.1:%u/v1', region: us, retention: 30d}\n"                                        \
    "  eu: {base_url: 'http://127.0.0.1:%u/v1', region: eu, retention: none}\n"                                       \
    "tiers: [{name: local, model: starter}, {name: mid, model: us}, {name: frontier, model: eu}]\n"                   \
    "confidence: {default: 1.0, classify: 1.0, extract: 1.0, qa: 1.0}\n"                                              \
    "residency:\n"                                                                                                    \
    "  patterns: {employee: 'EMP-[0-9]{5}'}\n"                                                                        \
    "  classes:\n"                                                                                                    \
    "    eu_only: {region: [eu], retention: none}\n"                                                                  \
    "    inside: {private: true}\n"                                                                                   \
    "    cheap: {tiers: [local, mid]}\n"                                                                              \
    "  rules:\n"                                                                                                      \
    "    - {name: personal, detect: [pii, employee], class: eu_only}\n"                                               \
    "    - {name: keys, detect: secret, class: inside}\n"                                                             \
    "    - {name: hr, metadata: {team: hr}, class: local}\n"                                                          \
    "    - {name: unseen, unread: true, class: eu_only}\n"                                                            \
    "routes:\n"                                                                                                       \
    "  - {name: legal, metadata: {team: legal}, start: mid, require: {region: eu}}\n"

struct world {
    struct house house;
    struct stand_in us, eu;
};

static void world_open(struct world *w)
{
    stand_in_open(&w->us);
    stand_in_open(&w->eu);
    stand_in_play(&w->us, (struct stand_in_script){.body = ANSWER});
    stand_in_play(&w->eu, (struct stand_in_script){.body = ANSWER});
    house_open(&w->house, HOUSE, w->us.port, w->eu.port);
}

static void world_close(struct world *w)
{
    house_close(&w->house);
    stand_in_close(&w->us);
    stand_in_close(&w->eu);
}

static const char *body_of(const char *model, const char *content, const char *more)
{
    static char body[2048];
    snprintf(body, sizeof body, "{\"model\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":%s}]%s}", model, content, more);
    return body;
}

/* Asks, and tells how often each upstream was called for it. */
static int ask(struct world *w, const char *headers, const char *body, int *ret_us, int *ret_eu)
{
    struct plain_reply r;
    int us = stand_in_requests(&w->us), eu = stand_in_requests(&w->eu);
    plain_request(w->house.port, "POST", "/v1/chat/completions", headers, body, &r);
    *ret_us = stand_in_requests(&w->us) - us;
    *ret_eu = stand_in_requests(&w->eu) - eu;
    plain_free(&r);
    return r.status;
}

static void expect(struct world *w, const char *body, int want_us, int want_eu)
{
    int us, eu;
    assert_int_equal(ask(w, NULL, body, &us, &eu), 200);
    if (us != want_us || eu != want_eu)
        fail_msg("asked us %d and eu %d times, not %d and %d, for: %s", us, eu, want_us, want_eu, body);
}

static void test_what_is_found_in_a_text_decides_where_it_goes(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    expect(&w, body_of("auto", "\"Is it raining?\"", ""), 1, 0);
    expect(&w, body_of("auto", "\"Is anna@example.org a customer?\"", ""), 0, 1);
    expect(&w, body_of("auto", "\"Is EMP-12345 a customer?\"", ""), 0, 1);
    expect(&w, body_of("auto", "\"Is anna\\u0040example.org a customer?\"", ""), 0, 1);
    expect(&w, body_of("auto", "[{\"type\":\"text\",\"text\":\"card 4111 1111 \"},{\"type\":\"text\",\"text\":\"1111 1111?\"}]", ""), 0, 1);
    expect(&w, body_of("auto", "\"Is sk-proj-abcdefghij0123456789 a good key?\"", ""), 0, 0);
    expect(&w, body_of("auto", "\"Which tool?\"", ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"asks anna@example.org\"}}]"), 0, 1);
    world_close(&w);
}

static void test_what_is_found_beside_the_texts_decides_too(void **state)
{
    (void)state;
    static const char *const members[] = {"user", "stop", "safety_identifier", "prompt_cache_key"};
    struct world w;
    char more[100];
    world_open(&w);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        snprintf(more, sizeof more, ",\"%s\":\"anna\\u0040example.org\"", members[i]);
        expect(&w, body_of("auto", "\"Is it raining?\"", more), 0, 1);
    }
    expect(&w, body_of("auto", "\"Is it raining?\"", ",\"user\":\"anna\""), 1, 0);
    world_close(&w);
}

static void test_metadata_routes_and_headers_set_classes(void **state)
{
    (void)state;
    struct world w;
    int us, eu;
    world_open(&w);
    expect(&w, body_of("auto", "\"Is it raining?\"", ",\"metadata\":{\"team\":\"hr\"}"), 0, 0);
    expect(&w, body_of("auto", "\"Is it raining?\"", ",\"metadata\":{\"team\":\"legal\"}"), 0, 1);
    expect(&w, body_of("auto", "\"Is it raining?\"", ",\"metadata\":{\"privacy\":\"eu_only\"}"), 0, 1);
    expect(&w, body_of("auto", "\"Is it raining?\"", ",\"metadata\":{\"privacy\":\"cheap\"}"), 1, 0);
    assert_int_equal(ask(&w, "x-rung-privacy: local\r\n", body_of("auto", "\"Is it raining?\"", ""), &us, &eu), 200);
    assert_int_equal(us + eu, 0);
    world_close(&w);
}

static void test_a_request_makes_nothing_looser(void **state)
{
    (void)state;
    struct world w;
    int us, eu;
    world_open(&w);
    expect(&w, body_of("auto", "\"Is anna@example.org a customer?\"", ",\"metadata\":{\"privacy\":\"any\"}"), 0, 1);
    expect(&w, body_of("auto", "\"Is anna@example.org a customer?\"", ",\"metadata\":{\"privacy\":\"cheap\"}"), 0, 0);
    assert_int_equal(ask(&w, "x-rung-privacy: any\r\n", body_of("us", "\"Is anna@example.org a customer?\"", ""), &us, &eu), 400);
    assert_int_equal(us + eu, 0);
    assert_int_equal(ask(&w, NULL, body_of("auto", "\"Is it raining?\"", ",\"metadata\":{\"privacy\":\"eu\"}"), &us, &eu), 400);
    assert_int_equal(ask(&w, "x-rung-privacy: Local\r\n", body_of("auto", "\"Is it raining?\"", ""), &us, &eu), 400);
    assert_int_equal(us + eu, 0);
    world_close(&w);
}

static void test_what_cannot_be_looked_at_counts_as_its_rule_says(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    expect(&w, body_of("auto", "[{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://example.org/x.png\"}}]", ""), 0, 1);
    world_close(&w);
}

static void test_without_a_rule_for_it_the_unread_is_found_by_every_rule(void **state)
{
    (void)state;
    struct residency r = {.looks = true, .default_class = -1, .n_classes = 1, .n_rules = 1};
    struct config *c = calloc(1, sizeof *c);
    struct arena arena = ARENA_INIT(1u << 20);
    struct err err = ERR_INIT;
    struct request req = {.arena = &arena, .needs = NEED_BIT(NEED_IMAGES)};
    const struct config_upstream anywhere = {.region = "us"}, eu = {.region = "eu"};
    assert_non_null(c);
    r.classes[0] = (struct residency_class){.name = "eu_only", .regions = {"eu"}, .n_regions = 1};
    r.rules[0] = (struct residency_rule){.name = "mail", .detects = true, .forms = 1u << PII_EMAIL};
    c->residency = &r;
    assert_true(residency_judge(c, &req, KIND_UNKNOWN, &err));
    assert_false(residency_allows(&req, &anywhere));
    assert_true(residency_allows(&req, &eu));
    free(c);
    arena_free(&arena);
}

static void refused(const char *yaml, const char *what)
{
    struct config *c = NULL;
    struct err err = ERR_INIT;
    if (config_parse(str_of(yaml), "rung.yaml", &c, &err))
        fail_msg("taken: %s", yaml);
    if (!strstr(err.msg, what) || err.line < 1)
        fail_msg("'%s' does not say '%s'", err.msg, what);
}

static void test_mistakes_of_configuration_are_errors(void **state)
{
    (void)state;
    refused("residency: {rules: [{detect: pii, class: nowhere}]}", "there is no class 'nowhere'");
    refused("residency: {classes: {eu: {region: eu}}}", "region 'eu', which no upstream declares");
    refused("residency: {classes: {x: {retention: none}}}", "retention 'none', which no upstream declares");
    refused("residency: {classes: {x: {}}}", "must ask for something");
    refused("residency: {classes: {x: {private: false}}}", "asks for nothing");
    refused("residency: {classes: {local: {private: true}}}", "there is a class 'local' already");
    refused("residency: {rules: [{detect: emial, class: local}]}", "no form and no pattern 'emial'");
    refused("residency: {rules: [{class: local}]}", "has no condition");
    refused("residency: {rules: [{detect: [], class: local}]}", "names nothing");
    refused("residency: {rules: [{unread: false, class: local}]}", "has no condition");
    refused("residency: {patterns: {p: 'a('}}", "'p': the pattern is wrong at byte 2");
    refused("residency: {patterns: {email: 'a'}}", "there is a form 'email' already");
    refused("residency: {clases: {}}", "clases");
    refused("residency: {default: nowhere}", "there is no class 'nowhere'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_found_in_a_text_decides_where_it_goes),
        cmocka_unit_test(test_what_is_found_beside_the_texts_decides_too),
        cmocka_unit_test(test_metadata_routes_and_headers_set_classes),
        cmocka_unit_test(test_a_request_makes_nothing_looser),
        cmocka_unit_test(test_what_cannot_be_looked_at_counts_as_its_rule_says),
        cmocka_unit_test(test_without_a_rule_for_it_the_unread_is_found_by_every_rule),
        cmocka_unit_test(test_mistakes_of_configuration_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
