/* Plans: the precedence of privacy, fit, explicit names, traits, budget and confidence, each shown by a case that would fail without it. */
#include "tests/support.h"

#include "gateway/policy/route.h"
#include "gateway/provider/provider.h"

static const char yaml[] =
    "models:\n"
    "  small: {file: starter}\n"
    "  own: {base_url: \"http://10.0.0.2/v1\", private: true}\n"
    "  mid: {base_url: \"http://h/v1\", price_usd_per_mtok: {input: 1, output: 1}}\n"
    "  big: {base_url: \"http://h/v1\", api_key: env:RUNG_TEST_BIG, price_usd_per_mtok: {input: 10, output: 10}}\n"
    "tiers: [{name: local, model: small}, {name: mid, model: mid}, {name: frontier, model: big}]\n"
    "routes:\n"
    "  - {name: legal, metadata: {team: legal}, start: frontier}\n"
    "  - {name: summaries, kind: summarize, start: mid}\n"
    "aliases: {gpt-4o: auto, tiny: small}\n";

struct fixture {
    struct config *c;
    struct request r;
    struct route_facts f;
    struct chat_message m[2];
    struct plan p;
};

static struct fixture fixture(const char *system, const char *user)
{
    struct fixture x = {0};
    struct err err = ERR_INIT;
    setenv("RUNG_TEST_BIG", "sk", 1);
    assert_ok(config_parse(STR(yaml), "t.yaml", &x.c, &err), err);
    x.r = (struct request){.model = STR("auto"), .kind = KIND_UNKNOWN, .n_messages = 2};
    x.m[0] = (struct chat_message){STR("system"), str_of(system)};
    x.m[1] = (struct chat_message){STR("user"), str_of(user)};
    x.f.budget_left_pico_usd = INT64_MAX;
    for (int i = 0; i < x.c->n_models; i++)
        x.f.tokens[i] = 50;
    x.f.context[0] = 512;
    for (int i = 0; i < 4; i++)
        x.f.offers[i] = x.c->models[i].n_upstreams ? provider_offers(&x.c->models[i].upstreams[0]) : LOCAL_OFFERS & ~NEED_BIT(NEED_TOOLS);
    x.f.context[2] = x.f.context[3] = 400000;
    return x;
}

static void plan(struct fixture *x)
{
    x->r.messages = x->m;
    route_plan(x->c, &x->r, &x->f, &x->p);
}

static void expect_steps(struct fixture *x, int n, const int *tiers)
{
    assert_int_equal(x->p.verdict, PLAN_OK);
    assert_int_equal(x->p.n_steps, n);
    for (int i = 0; i < n; i++)
        assert_int_equal(x->p.steps[i].tier, tiers[i]);
    config_free(x->c);
}

#define BANKING "Classify the banking question into one intent."

static void test_narrow_task_starts_local_and_may_climb(void **state)
{
    (void)state;
    struct fixture x = fixture(BANKING, "Where is my card?");
    plan(&x);
    assert_int_equal(x.p.analysis.kind, KIND_CLASSIFY);
    assert_true(x.p.steps[0].threshold > 0.69 && x.p.steps[2].threshold < 0);
    expect_steps(&x, 3, (int[]){0, 1, 2});
}

static void test_privacy_leaves_only_the_owners_machines(void **state)
{
    (void)state;
    struct fixture x = fixture("", "Prove that the square root of two is irrational, step by step.");
    x.r.privacy = PRIVACY_LOCAL;
    plan(&x);
    expect_steps(&x, 1, (int[]){0});
    x = fixture("", "hello");
    x.r.privacy = PRIVACY_LOCAL;
    x.r.model = STR("mid");
    plan(&x);
    assert_int_equal(x.p.verdict, PLAN_UNSUPPORTED);
    config_free(x.c);
    x = fixture("", "hello");
    x.r.privacy = PRIVACY_LOCAL;
    x.r.model = STR("own");
    plan(&x);
    assert_int_equal(x.p.steps[0].tier, -1);
    assert_int_equal(x.p.verdict, PLAN_OK);
    config_free(x.c);
}

static void test_what_does_not_fit_starts_higher(void **state)
{
    (void)state;
    struct fixture x = fixture(BANKING, "Where is my card?");
    x.f.tokens[0] = 5000;
    plan(&x);
    expect_steps(&x, 2, (int[]){1, 2});
    x = fixture(BANKING, "Where is my card?");
    x.f.tokens[0] = x.f.tokens[2] = x.f.tokens[3] = 5000000;
    plan(&x);
    assert_int_equal(x.p.verdict, PLAN_NO_FIT);
    assert_non_null(strstr(x.p.err.msg, "do not fit"));
    config_free(x.c);
}

static void test_named_models_and_aliases(void **state)
{
    (void)state;
    struct fixture x = fixture("", "Prove it.");
    x.r.model = STR("tiny");
    plan(&x);
    assert_false(x.p.routed);
    assert_true(x.p.steps[0].threshold < 0);
    expect_steps(&x, 1, (int[]){0});
    x = fixture(BANKING, "Where is my card?");
    x.r.model = STR("gpt-4o");
    plan(&x);
    assert_true(x.p.routed);
    expect_steps(&x, 3, (int[]){0, 1, 2});
    x = fixture("", "x");
    x.r.model = STR("nope");
    plan(&x);
    assert_int_equal(x.p.verdict, PLAN_UNKNOWN_MODEL);
    assert_non_null(strstr(x.p.err.msg, "auto, small, own, mid, big, gpt-4o, tiny"));
    config_free(x.c);
}

static void test_explicit_kind_is_stronger_than_traits(void **state)
{
    (void)state;
    const char *text = "Solve this puzzle step by step and prove the theorem.";
    struct fixture x = fixture("", text);
    plan(&x);
    expect_steps(&x, 3, (int[]){2, 1, 0});
    assert_true(x.p.steps[1].fallback && x.p.steps[2].fallback && !x.p.steps[0].fallback);
    x = fixture("", text);
    x.r.kind = KIND_CLASSIFY;
    x.r.kind_given = true;
    plan(&x);
    expect_steps(&x, 3, (int[]){0, 1, 2});
}

static void test_routes_match_kind_and_metadata(void **state)
{
    (void)state;
    struct fixture x = fixture("", "Summarize this report in one sentence.");
    plan(&x);
    assert_non_null(strstr(x.p.reason, "summaries"));
    expect_steps(&x, 3, (int[]){1, 2, 0});
    x = fixture(BANKING, "Where is my card?");
    x.r.metadata = STR("{\"team\":\"legal\"}");
    plan(&x);
    expect_steps(&x, 3, (int[]){2, 1, 0});
}

static void test_missing_key_and_spent_budget_leave_tiers_out(void **state)
{
    (void)state;
    struct fixture x = fixture(BANKING, "Where is my card?");
    x.c->models[3].key_missing = true;
    plan(&x);
    assert_non_null(strstr(x.p.skipped, "RUNG_TEST_BIG"));
    expect_steps(&x, 2, (int[]){0, 1});
    x = fixture(BANKING, "Where is my card?");
    x.r.max_tokens = INT64_C(1) << 31;
    x.c->models[2].price.output = x.c->models[3].price.output = INT64_C(1) << 33;
    x.f.budget_left_pico_usd = INT64_C(1) << 60;       /* 2^64 in all: beyond 64 bits, and beyond any budget */
    plan(&x);
    assert_non_null(strstr(x.p.skipped, "budget"));
    x.f.budget_left_pico_usd = 0;
    plan(&x);
    assert_non_null(strstr(x.p.skipped, "budget"));
    assert_true(x.p.steps[0].threshold > 0);
    expect_steps(&x, 1, (int[]){0});
}

static void test_conversation_that_climbed_stays_up(void **state)
{
    (void)state;
    struct fixture x = fixture(BANKING, "Where is my card?");
    x.f.sticky_tier = 1;
    plan(&x);
    expect_steps(&x, 3, (int[]){1, 2, 0});
}

static void test_tools_go_only_where_they_can_be_used(void **state)
{
    (void)state;
    struct fixture x = fixture("", "What is the weather?");
    x.r.needs = NEED_BIT(NEED_TOOLS);
    x.r.need_fields[NEED_TOOLS] = "tools";
    plan(&x);
    expect_steps(&x, 2, (int[]){1, 2});
    x = fixture("", "What is the weather?");
    x.r.needs = NEED_BIT(NEED_TOOLS);
    x.r.need_fields[NEED_TOOLS] = "tools";
    x.r.privacy = PRIVACY_LOCAL;
    plan(&x);
    assert_int_equal(x.p.verdict, PLAN_UNSUPPORTED);
    assert_non_null(strstr(x.p.err.msg, "'tools'"));
    x.f.offers[0] = LOCAL_OFFERS;
    plan(&x);
    assert_int_equal(x.p.verdict, PLAN_OK);
    expect_steps(&x, 1, (int[]){0});
}

static void ask_grammar(struct fixture *x)
{
    x->r.needs = NEED_BIT(NEED_GRAMMAR);
    x->r.need_fields[NEED_GRAMMAR] = "grammar";
}

static void test_grammar_stays_on_the_owners_machines(void **state)
{
    (void)state;
    struct fixture x = fixture(BANKING, "Where is my card?");
    ask_grammar(&x);
    plan(&x);
    expect_steps(&x, 1, (int[]){0});
    assert_non_null(strstr(x.p.skipped, "mid: cannot do 'grammar'"));
    x = fixture(BANKING, "Where is my card?");
    ask_grammar(&x);
    x.r.model = STR("big");
    plan(&x);
    assert_int_equal(x.p.verdict, PLAN_UNSUPPORTED);
    config_free(x.c);
    x = fixture(BANKING, "Where is my card?");
    ask_grammar(&x);
    x.r.model = STR("own");
    plan(&x);
    expect_steps(&x, 1, (int[]){-1});
}

static void test_choices_make_a_request_one_of_classifying(void **state)
{
    (void)state;
    const struct str choices[] = {STR("a"), STR("b")};
    struct form form = {.field = "choices", .rule = {.kind = RULE_CHOICES}, .texts = choices, .n_texts = 2};
    struct fixture x = fixture("", "Write a poem about the sea.");
    x.r.form = &form;
    plan(&x);
    assert_int_equal(x.p.analysis.kind, KIND_CLASSIFY);
    config_free(x.c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_narrow_task_starts_local_and_may_climb),
        cmocka_unit_test(test_privacy_leaves_only_the_owners_machines),
        cmocka_unit_test(test_what_does_not_fit_starts_higher),
        cmocka_unit_test(test_named_models_and_aliases),
        cmocka_unit_test(test_explicit_kind_is_stronger_than_traits),
        cmocka_unit_test(test_routes_match_kind_and_metadata),
        cmocka_unit_test(test_missing_key_and_spent_budget_leave_tiers_out),
        cmocka_unit_test(test_conversation_that_climbed_stays_up),
        cmocka_unit_test(test_tools_go_only_where_they_can_be_used),
        cmocka_unit_test(test_grammar_stays_on_the_owners_machines),
        cmocka_unit_test(test_choices_make_a_request_one_of_classifying),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
