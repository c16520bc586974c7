/* Answers under rules: they are texts of the rule, what is forced is not sampled, reasoning comes first, and the same
 * rule gives the same answer alone, in company, after a cached prompt, with any threads, with and without drafts. */
#include "../support.h"

#include "data/json.h"
#include "grammar/schema.h"
#include "runtime/runtime_private.h"
#include "support_runtime.h"

#define CLASSIFY "Classify the banking question into one intent."
#define QUESTION "How can I freeze a stolen card?"   /* answered lost|_or|_stolen|_card */

static struct starter starter;

static int open_starter(void **state)
{
    (void)state;
    starter_open(&starter, 2);
    return 0;
}

static int close_starter(void **state)
{
    (void)state;
    starter_close(&starter);
    return 0;
}

static const struct str labels[] = {
    {"card_arrival", 12}, {"lost_or_stolen_card", 19}, {"lost_or_stolen_phone", 20}, {"card_linking", 12},
    {"compromised_card", 16}, {"card_not_working", 16}, {"exchange_rate", 13},
};
static const struct rule_spec choose = {.kind = RULE_CHOICES, .choices = labels,
                                        .n_choices = sizeof labels / sizeof *labels};

static struct rule_spec regex(const char *pattern)
{
    return (struct rule_spec){.kind = RULE_REGEX, .text = str_of(pattern)};
}

static struct generation_request classify(struct chat_message messages[2], const struct rule_spec *rule)
{
    struct generation_request req = ask(messages, CLASSIFY, QUESTION);
    req.rule = rule;
    return req;
}

static struct answer *held_to(struct starter *s, const struct rule_spec *rule)
{
    struct chat_message messages[2];
    struct generation_request req = classify(messages, rule);
    return answer_of(s, &req);
}

static int forced_in(const struct answer *a)
{
    int n = 0;
    for (int i = 0; i < a->n_tokens; i++)
        n += a->records[i].forced;
    return n;
}

/* ---- what comes out ---- */

static void test_the_answer_is_one_of_the_choices(void **state)
{
    (void)state;
    struct answer *a = held_to(&starter, &choose);
    assert_string_equal(a->text, "lost_or_stolen_card");
    assert_int_equal(a->finish, FINISH_STOP);
    assert_true(a->whole);
    free(a);
}

/* The starter would never say it by itself. */
static void test_a_single_choice_is_written_without_a_question(void **state)
{
    (void)state;
    struct str only = STR("exchange_rate_of_the_day");
    struct rule_spec rule = {.kind = RULE_CHOICES, .choices = &only, .n_choices = 1};
    struct answer *a = held_to(&starter, &rule);
    assert_string_equal(a->text, only.p);
    assert_true(a->whole);
    assert_int_equal(a->usage.forced_tokens, a->n_tokens - 1);   /* the end is sampled: there was nothing before it */
    assert_int_equal(a->usage.forced_tokens, forced_in(a));
    free(a);
}

static void test_forced_tokens_are_those_of_the_tokenizer(void **state)
{
    (void)state;
    struct answer *a = held_to(&starter, &choose);
    struct token_ids ids = {0};
    struct err err = ERR_INIT;
    assert_ok(tokenizer_encode(starter.model->tokenizer, str_of(a->text), TOKENIZE_PLAIN, &ids, &err), err);
    assert_true(forced_in(a) > 0);
    assert_int_equal(ids.n + 1, a->n_tokens);
    for (int i = 0; i < ids.n; i++)
        assert_int_equal(ids.p[i], a->records[i].id);
    token_ids_free(&ids);
    free(a);
}

static void test_forced_records_say_so_and_nothing_else(void **state)
{
    (void)state;
    struct answer *a = held_to(&starter, &choose);
    for (int i = 0; i < a->n_tokens; i++) {
        if (!a->records[i].forced)
            continue;
        assert_int_equal(a->records[i].n_top, 0);
        assert_true(a->records[i].logprob == 0);
    }
    assert_true(a->records[a->n_tokens - 1].forced);   /* nothing can follow the choice */
    assert_int_equal(a->usage.completion_tokens, a->n_tokens);
    free(a);
}

static void test_an_answer_that_is_cut_is_not_whole(void **state)
{
    (void)state;
    struct chat_message messages[2];
    struct rule_spec rule = regex("[a-z_]{150,160}");
    struct generation_request req = classify(messages, &rule);
    for (int64_t n = 1; n < 8; n++) {
        req.max_tokens = n;
        struct answer *a = answer_of(&starter, &req);
        assert_int_equal(a->finish, FINISH_LENGTH);
        assert_int_equal(a->usage.completion_tokens, n);
        assert_false(a->whole);
        free(a);
    }
}

static void test_the_length_bounds_forced_tokens_too(void **state)
{
    (void)state;
    struct chat_message messages[2];
    struct str only = STR("exchange_rate_of_the_day");
    struct rule_spec rule = {.kind = RULE_CHOICES, .choices = &only, .n_choices = 1};
    struct generation_request req = classify(messages, &rule);
    for (int64_t n = 1; n < 6; n++) {
        req.max_tokens = n;
        struct answer *a = answer_of(&starter, &req);
        assert_int_equal(a->usage.completion_tokens, n);
        assert_int_equal(a->finish, FINISH_LENGTH);
        assert_false(a->whole);
        free(a);
    }
}

static void test_a_rule_that_cannot_be_read_is_refused_at_the_start(void **state)
{
    (void)state;
    struct chat_message messages[2];
    struct rule_spec rule = regex("a(b");
    struct generation_request req = classify(messages, &rule);
    struct generation *g;
    struct err err = ERR_INIT;
    assert_false(generation_start(starter.rt, starter.model, &req, &g, &err));
    assert_int_equal(err.code, ERR_INVALID);
    rule = (struct rule_spec){.kind = RULE_CHOICES};
    assert_false(generation_start(starter.rt, starter.model, &req, &g, &err));
    assert_int_equal(err.code, ERR_INVALID);
}

/* ---- schemas and tools ---- */

#define TEXT "{\"type\":\"string\",\"maxLength\":12}"
#define BOOKING                                                                                                        \
    "{\"type\":\"object\",\"properties\":{\"date\":" TEXT ",\"people\":{\"type\":\"integer\",\"minimum\":1,"            \
    "\"maximum\":40},\"notes\":{\"type\":\"array\",\"items\":" TEXT ",\"maxItems\":3}},"                             \
    "\"required\":[\"date\",\"people\"],\"additionalProperties\":false}"

static json_t *json_of(const char *text)
{
    json_t *json = NULL;
    struct err err = ERR_INIT;
    assert_ok(json_parse(str_of(text), "the test's JSON", &json, &err), err);
    return json;
}

/* However wild the sampler is. */
static void test_an_answer_under_a_schema_is_valid(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct schema *schema;
    struct schema_options options = {.formats = true};
    struct chat_message messages[2];
    json_t *json = json_of(BOOKING);
    struct rule_spec rule = {.kind = RULE_JSON_SCHEMA, .schema = json};
    assert_ok(schema_open(json, &options, &schema, &err), err);
    for (int i = 0; i < 20; i++) {
        struct generation_request req = classify(messages, &rule);
        req.sampler.seed = (uint64_t)i;
        req.sampler.temperature = (float)i / 4;
        struct answer *a = answer_of(&starter, &req);
        json_t *value = json_of(a->text);
        assert_int_equal(a->finish, FINISH_STOP);
        assert_true(a->whole);
        assert_ok(schema_validate(schema, value, &err), err);
        json_decref(value);
        free(a);
    }
    schema_close(schema);
    json_decref(json);
}

static void test_a_schema_that_makes_no_sense_is_refused_with_its_path(void **state)
{
    (void)state;
    struct chat_message messages[2];
    json_t *json = json_of("{\"type\":\"object\",\"properties\":{\"a\":{\"minimum\":\"one\"}}}");
    struct rule_spec rule = {.kind = RULE_JSON_SCHEMA, .schema = json};
    struct generation_request req = classify(messages, &rule);
    struct generation *g;
    struct err err = ERR_INIT;
    assert_false(generation_start(starter.rt, starter.model, &req, &g, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.msg, "/properties/a"));
    json_decref(json);
}

#define TOOLED                                                                                                         \
    "{%- for m in messages %}{{- '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{%- endfor %}"          \
    "{{- '<|im_start|>assistant\n' }}{#- {{ tools }} <tool_call> -#}"                                                  \
    "{%- if tools and tools[0].function.name == 'rung_probe_tool' %}{{- tools | tojson }}{%- endif %}"

static void test_required_calls_come_whole_with_arguments_of_their_schema(void **state)
{
    (void)state;
    struct variant v = {.template = TOOLED};
    struct starter s = {.rt = starter.rt};
    struct err err = ERR_INIT;
    struct chat_message messages[2];
    assert_ok(variant_open(&s, "tooled", &v, NULL, &err), err);
    json_t *tools = json_of("[{\"type\":\"function\",\"function\":{\"name\":\"book\",\"strict\":true,\"parameters\":"
                            BOOKING "}}]");
    struct rule_spec rule = {.kind = RULE_TOOLS, .tools = tools, .tools_required = true};
    for (int i = 0; i < 6; i++) {
        struct generation_request req = classify(messages, &rule);
        req.tools = tools;
        req.sampler.seed = (uint64_t)i;
        req.sampler.temperature = (float)i / 3;
        struct answer *a = answer_of(&s, &req);
        assert_int_equal(a->finish, FINISH_TOOL_CALLS);
        assert_true(a->whole);
        assert_true(a->usage.forced_tokens > 2);
        assert_string_equal(a->text, "");
        free(a);
    }
    rule.tool_name = STR("cook");
    struct generation_request req = classify(messages, &rule);
    struct generation *g;
    req.tools = tools;
    assert_false(generation_start(s.rt, s.model, &req, &g, &err));
    assert_non_null(strstr(err.msg, "cook"));
    json_decref(tools);
}

static void test_tools_are_refused_where_the_template_knows_none(void **state)
{
    (void)state;
    struct chat_message messages[2];
    struct rule_spec rule = {.kind = RULE_TOOLS};
    struct generation_request req = classify(messages, &rule);
    struct generation *g;
    struct err err = ERR_INIT;
    assert_false(generation_start(starter.rt, starter.model, &req, &g, &err));
    assert_int_equal(err.code, ERR_UNSUPPORTED);
}

/* ---- the same answer ---- */

static void test_an_answer_is_the_same_in_company_and_after_a_cached_prompt(void **state)
{
    (void)state;
    enum { N = 6 };
    struct chat_message messages[N][2];
    struct rule_spec rules[N] = {choose, regex("[a-z_]{40,60}"), choose, regex("[A-Z][a-z ]{5,9}[.]"),
                                 regex("(yes|no), because [a-z ]{10,40}[.]"), choose};
    struct generation_request reqs[N];
    json_t *booking = json_of(BOOKING);
    rules[0] = (struct rule_spec){.kind = RULE_JSON_SCHEMA, .schema = booking};
    struct answer *alone[N];
    struct generation *together[N];
    for (int i = 0; i < N; i++) {
        reqs[i] = classify(messages[i], i == 2 ? NULL : &rules[i]);   /* one is free */
        reqs[i].sampler.seed = (uint64_t)i;
        reqs[i].sampler.temperature = i % 2 ? 0.8f : 0;
        alone[i] = answer_of(&starter, &reqs[i]);
    }
    for (int i = 0; i < N; i++)
        together[i] = begin(&starter, &reqs[i]);
    for (int i = 0; i < N; i++) {
        struct answer *a = collect(together[i]);
        assert_same_answer(alone[i], a);
        assert_int_equal(alone[i]->whole, a->whole);
        free(a);
        free(alone[i]);
    }
    json_decref(booking);
}

static void test_an_answer_is_the_same_with_one_thread(void **state)
{
    (void)state;
    struct starter one;
    struct rule_spec rule = regex("(yes|no), because [a-z ]{10,40}[.]");
    starter_open(&one, 1);
    struct answer *a = held_to(&starter, &rule), *b = held_to(&one, &rule);
    assert_same_answer(a, b);
    free(a);
    free(b);
    starter_close(&one);
}

static void set_speculation(enum speculate_mode mode)
{
    starter.model->speculator.mode = mode;
}

static void test_an_answer_is_the_same_with_and_without_drafts(void **state)
{
    (void)state;
    static const char *const patterns[] = {
        "card [a-z_]{0,30} card [a-z_]{5,30} card", "(card_arrival, ){3,12}", "[a-z_ ]{60,90}",
        "(I think somebody took my card, |I think somebody took my phone, ){2,5}what do I do[?]",
    };
    struct chat_message messages[2];
    int64_t drafted = starter.model->speculator.drafted;
    for (int i = 0; i < 12; i++) {
        struct rule_spec rule = regex(patterns[i % 4]);
        struct generation_request req = classify(messages, &rule);
        req.sampler.seed = (uint64_t)i;
        req.sampler.temperature = i < 4 ? 0 : 0.7f;
        set_speculation(SPECULATE_OFF);
        struct answer *without = answer_of(&starter, &req);
        set_speculation(SPECULATE_ALWAYS);
        struct answer *with = answer_of(&starter, &req);
        set_speculation(SPECULATE_WHERE_IT_PAYS);
        assert_same_answer(without, with);
        assert_true(with->whole);
        free(without);
        free(with);
    }
    assert_true(starter.model->speculator.drafted > drafted);
}

/* ---- reasoning first ---- */

#define CHATML "{%- for m in messages %}{{- '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{%- endfor %}" \
               "{{- '<|im_start|>assistant\n' }}"

/* Its free answer is <think>_or</think>_card. */
static struct starter open_thinker(const char *template)
{
    struct variant v = {.template = template, .renames = {{"lost", "<think>", 4}, {"_stolen", "</think>", 4}}};
    struct starter s = {.rt = starter.rt};
    struct err err = ERR_INIT;
    static int n;
    char name[32];
    snprintf(name, sizeof name, "thinker-%d", n++);
    assert_ok(variant_open(&s, name, &v, NULL, &err), err);
    return s;
}

static void test_the_rule_begins_where_the_reasoning_ends(void **state)
{
    (void)state;
    struct starter s = open_thinker(CHATML "{#- <think> -#}");
    struct str texts[] = {STR("_card"), STR("_care"), STR("nothing")};
    struct rule_spec rule = {.kind = RULE_CHOICES, .choices = texts, .n_choices = 3};
    struct answer *a = held_to(&s, &rule);
    assert_string_equal(a->reasoning, "_or");
    assert_string_equal(a->text, "_card");
    assert_true(a->whole);
    assert_int_equal(a->usage.reasoning_tokens, 3);
    free(a);
}

static void test_a_prompt_may_have_opened_the_reasoning(void **state)
{
    (void)state;
    struct starter s = open_thinker(CHATML "{{- '<think>' }}");
    struct str texts[] = {STR("_card"), STR("_care"), STR("nothing")};
    struct rule_spec rule = {.kind = RULE_CHOICES, .choices = texts, .n_choices = 3};
    struct answer *a = held_to(&s, &rule);
    assert_string_equal(a->text, "_card");
    assert_true(a->whole);
    free(a);
}

static void test_without_thinking_the_rule_holds_from_the_start(void **state)
{
    (void)state;
    struct starter s = open_thinker(CHATML "{#- <think> -#}");
    struct chat_message messages[2];
    struct str texts[] = {STR("<thing"), STR("_or"), STR("nothing")};
    struct rule_spec rule = {.kind = RULE_CHOICES, .choices = texts, .n_choices = 3};
    struct generation_request req = classify(messages, &rule);
    req.enable_thinking = 0;
    struct answer *a = answer_of(&s, &req);
    assert_string_equal(a->reasoning, "");
    assert_true(a->whole);
    free(a);
}

/* ---- remembered rules ---- */

static void test_a_rule_is_compiled_once(void **state)
{
    (void)state;
    struct rule_spec rule = regex("[0-9]{3}"), other = regex("[0-9]{4}");
    struct constraint *a, *b, *c;
    struct err err = ERR_INIT;
    assert_true(local_model_try_acquire(starter.model));
    assert_ok(rule_compile(starter.model, &rule, &a, &err), err);
    assert_ok(rule_compile(starter.model, &rule, &b, &err), err);
    assert_ok(rule_compile(starter.model, &other, &c, &err), err);
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    constraint_release(a);
    constraint_release(b);
    constraint_release(c);
    local_model_release(starter.model);
}

static void test_the_rules_remembered_are_bounded(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct constraint *first, *c;
    struct rule_spec rule = regex("first");
    assert_true(local_model_try_acquire(starter.model));
    assert_ok(rule_compile(starter.model, &rule, &first, &err), err);
    for (int i = 0; i < RULES_KEPT; i++) {
        char pattern[32];
        snprintf(pattern, sizeof pattern, "x{%d}", i + 1);
        struct rule_spec next = regex(pattern);
        assert_ok(rule_compile(starter.model, &next, &c, &err), err);
        constraint_release(c);
    }
    assert_ok(rule_compile(starter.model, &rule, &c, &err), err);
    assert_ptr_not_equal(first, c);   /* forgotten, and good still for who holds it */
    constraint_release(c);
    constraint_release(first);
    local_model_release(starter.model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_answer_is_one_of_the_choices),
        cmocka_unit_test(test_a_single_choice_is_written_without_a_question),
        cmocka_unit_test(test_forced_tokens_are_those_of_the_tokenizer),
        cmocka_unit_test(test_forced_records_say_so_and_nothing_else),
        cmocka_unit_test(test_an_answer_that_is_cut_is_not_whole),
        cmocka_unit_test(test_the_length_bounds_forced_tokens_too),
        cmocka_unit_test(test_a_rule_that_cannot_be_read_is_refused_at_the_start),
        cmocka_unit_test(test_an_answer_under_a_schema_is_valid),
        cmocka_unit_test(test_a_schema_that_makes_no_sense_is_refused_with_its_path),
        cmocka_unit_test(test_required_calls_come_whole_with_arguments_of_their_schema),
        cmocka_unit_test(test_tools_are_refused_where_the_template_knows_none),
        cmocka_unit_test(test_an_answer_is_the_same_in_company_and_after_a_cached_prompt),
        cmocka_unit_test(test_an_answer_is_the_same_with_one_thread),
        cmocka_unit_test(test_an_answer_is_the_same_with_and_without_drafts),
        cmocka_unit_test(test_the_rule_begins_where_the_reasoning_ends),
        cmocka_unit_test(test_a_prompt_may_have_opened_the_reasoning),
        cmocka_unit_test(test_without_thinking_the_rule_holds_from_the_start),
        cmocka_unit_test(test_a_rule_is_compiled_once),
        cmocka_unit_test(test_the_rules_remembered_are_bounded),
    };
    return cmocka_run_group_tests(tests, open_starter, close_starter);
}
