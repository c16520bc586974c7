/* Money and memory of the answering half: what an answer cost, what the frontier would have taken, and which tier a conversation is on. */
#include "../support.h"
#include "gateway/account/account.h"
#include "gateway/answer/answer.h"
#include "gateway/api/anthropic/anthropic.h"

static struct config config;

static struct reply reply_with(struct attempt first, struct attempt second, int n)
{
    struct reply r = {.outcome = REPLY_OK, .n_attempts = n};
    r.attempts[0] = first;
    r.attempts[1] = second;
    return r;
}

static int setup(void **state)
{
    (void)state;
    memset(&config, 0, sizeof config);
    config.frontier_price = (struct price){.input = 10, .cached_input = 1, .cached_write = 10, .output = 100, .reasoning = 100, .known = true};
    config.reasoning_factor = 1;
    return 0;
}

static void test_account_cached_input_has_its_own_price(void **state)
{
    (void)state;
    struct price p = {.input = 10, .cached_input = 1, .output = 100, .reasoning = 100};
    assert_int_equal(account_cost(&p, &(struct token_usage){.prompt = 7, .cached = 3, .completion = 2}), 4 * 10 + 3 * 1 + 2 * 100);
}

static void test_account_local_answer_is_compared_by_visible_tokens(void **state)
{
    (void)state;
    struct attempt local = {.local = true, .usage = {.prompt = 5, .completion = 12, .reasoning = 8}};
    struct reply r = reply_with(local, (struct attempt){0}, 1);
    account_total(&config, &r);
    assert_int_equal(r.frontier_pico_usd, 5 * 10 + 4 * 100);
    config.reasoning_factor = 2.5;
    account_total(&config, &r);
    assert_int_equal(r.frontier_pico_usd, 5 * 10 + 10 * 100);
}

static void test_account_upstream_answer_is_compared_by_its_own_tokens(void **state)
{
    (void)state;
    config.reasoning_factor = 9;
    struct attempt local = {.local = true, .usage = {.prompt = 5, .completion = 12}, .cost_pico_usd = 3};
    struct attempt up = {.usage = {.prompt = 6, .cached = 2, .completion = 20, .reasoning = 15}, .cost_pico_usd = 40};
    struct reply r = reply_with(local, up, 2);
    account_total(&config, &r);
    assert_int_equal(r.frontier_pico_usd, 4 * 10 + 2 * 1 + 20 * 100);
    assert_int_equal(r.cost_pico_usd, 43);
}

static void test_account_possibly_billed_stands_apart(void **state)
{
    (void)state;
    struct attempt up = {.outcome = ATTEMPT_POSSIBLY_BILLED, .cost_pico_usd = 40};
    struct attempt local = {.local = true, .cost_pico_usd = 3};
    struct reply r = reply_with(up, local, 2);
    account_total(&config, &r);
    assert_int_equal(r.cost_pico_usd, 3);
}

static void test_account_unanswered_would_have_cost_nothing(void **state)
{
    (void)state;
    struct reply r = {.outcome = REPLY_UNANSWERED};
    account_total(&config, &r);
    assert_int_equal(r.frontier_pico_usd, 0);
    r = reply_with((struct attempt){.usage = {.prompt = 5}}, (struct attempt){0}, 1);
    r.outcome = REPLY_ERROR;
    account_total(&config, &r);
    assert_int_equal(r.frontier_pico_usd, 0);
}

static struct request talk(const char *id, const char *first, bool has_answer, struct chat_message *messages)
{
    messages[0] = (struct chat_message){.role = STR("user"), .content = str_of(first)};
    messages[1] = (struct chat_message){.role = STR("assistant"), .content = STR("hm")};
    messages[2] = (struct chat_message){.role = STR("user"), .content = STR("and?")};
    return (struct request){.conversation_id = str_of(id), .messages = messages, .n_messages = has_answer ? 3 : 1};
}

static void test_sticky_knows_conversations_by_id_or_beginning(void **state)
{
    (void)state;
    struct sticky *s;
    struct err err = ERR_INIT;
    struct chat_message m[3], other[3];
    assert_ok(sticky_open(&s, &err), err);
    struct request by_id = talk("c1", "x", false, m);
    sticky_put(s, &by_id, 2);
    assert_int_equal(sticky_get(s, &by_id), 2);
    sticky_put(s, &by_id, 1);
    assert_int_equal(sticky_get(s, &by_id), 2);        /* an answer from below does not bring it down */
    struct request another = talk("c2", "x", false, other);
    assert_int_equal(sticky_get(s, &another), 0);
    struct request begins = talk("", "hello", false, m), goes_on = talk("", "hello", true, other);
    sticky_put(s, &begins, 1);
    assert_int_equal(sticky_get(s, &begins), 0);       /* the same first question again is a new conversation */
    assert_int_equal(sticky_get(s, &goes_on), 1);
    sticky_close(s);
}

static void test_sticky_is_bounded_and_forgets_the_oldest(void **state)
{
    (void)state;
    struct sticky *s;
    struct err err = ERR_INIT;
    struct chat_message m[3];
    char id[32];
    int known = 0, n = 4 * STICKY_SETS * STICKY_WAYS;
    assert_ok(sticky_open(&s, &err), err);
    for (int i = 0; i < n; i++) {
        snprintf(id, sizeof id, "c%d", i);
        struct request r = talk(id, "x", false, m);
        sticky_put(s, &r, 1);
        assert_int_equal(sticky_get(s, &r), 1);
    }
    for (int i = 0; i < n; i++) {
        snprintf(id, sizeof id, "c%d", i);
        struct request r = talk(id, "x", false, m);
        known += sticky_get(s, &r);
    }
    assert_in_range(known, 1, STICKY_SETS * STICKY_WAYS);
    sticky_close(s);
}

static int64_t most_prompt_tokens(const char *content)
{
    char body[2000];
    struct arena arena = ARENA_INIT(1u << 20);
    struct request req;
    struct err err = ERR_INIT;
    struct config_model m = {.context = 200000};
    snprintf(body, sizeof body,
             "{\"model\":\"m\",\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\",\"content\":"
             "[{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{}}]},{\"role\":\"user\",\"content\":[%s]}]}", content);
    assert_ok(anthropic_parse_messages(str_of(body), &arena, &req, &err), err);
    int64_t tokens = account_bound(&config, &m, NULL, &req, true).prompt_tokens;
    request_free(&req);
    arena_free(&arena);
    return tokens;
}

/* What only the body as Anthropic gets it holds is set aside too. */
static void test_account_bounds_what_only_the_native_body_holds(void **state)
{
    (void)state;
#define RESULT(block) "{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":[" block "]}"
    int64_t image = most_prompt_tokens(RESULT("{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\",\"data\":\"AAAA\"}}"));
    assert_in_range(image, 50000, 60000);
    assert_int_equal(most_prompt_tokens("{\"type\":\"document\",\"source\":{\"type\":\"url\",\"url\":\"https://a.b/c.pdf\"}}"), 200000);
    assert_int_equal(most_prompt_tokens(RESULT("{\"type\":\"document\",\"source\":{\"type\":\"file\",\"file_id\":\"f\"}}")), 200000);
    assert_in_range(most_prompt_tokens(RESULT("{\"type\":\"search_result\",\"source\":\"s\",\"title\":\"t\",\"content\":[{\"type\":\"text\","
                                              "\"text\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}]}")),
                    512 + 300, 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_account_cached_input_has_its_own_price, setup),
        cmocka_unit_test_setup(test_account_local_answer_is_compared_by_visible_tokens, setup),
        cmocka_unit_test_setup(test_account_upstream_answer_is_compared_by_its_own_tokens, setup),
        cmocka_unit_test_setup(test_account_possibly_billed_stands_apart, setup),
        cmocka_unit_test_setup(test_account_unanswered_would_have_cost_nothing, setup),
        cmocka_unit_test(test_sticky_knows_conversations_by_id_or_beginning),
        cmocka_unit_test_setup(test_account_bounds_what_only_the_native_body_holds, setup),
        cmocka_unit_test(test_sticky_is_bounded_and_forgets_the_oldest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
