/* Prompts of models that are not like the starter: no template, a template that raises, a BOS token, a reasoning
 * section. */
#include "../support.h"

#include "support_runtime.h"

#define CLASSIFY "Classify the banking question into one intent."
#define QUESTION "How can I freeze a stolen card?" /* answered lost|_or|_stolen|_card */
#define CHATML                                                                                                         \
    "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + "      \
    "'\\n' }}{%- endfor %}{{- '<|im_start|>assistant\\n' }}"

static struct starter starter;

static int open_starter(void **state)
{
    (void)state;
    starter_open(&starter, 1);
    return 0;
}

static int close_starter(void **state)
{
    (void)state;
    starter_close(&starter);
    return 0;
}

static struct starter variant_of(const char *name, const struct variant *v)
{
    struct starter s = {.rt = starter.rt};
    struct err err = ERR_INIT;
    assert_ok(variant_open(&s, name, v, NULL, &err), err);
    return s;
}

static int64_t prompt_tokens(const struct starter *s, const struct generation_request *req)
{
    struct err err = ERR_INIT;
    int64_t n = -1;
    assert_ok(generation_count_prompt(s->model, req, &n, &err), err);
    return n;
}

static void test_without_a_template_a_chatml_vocabulary_gets_chatml(void **state)
{
    (void)state;
    struct starter s = variant_of("bare", &(struct variant){0});
    struct chat_message messages[2];
    struct generation_request req = ask(messages, CLASSIFY, QUESTION);
    assert_false(local_model_info(s.model)->has_template);
    assert_true(local_model_info(starter.model)->has_template);
    struct answer *a = answer_of(&s, &req), *b = answer_of(&starter, &req);
    assert_same_answer(a, b); /* the starter's own template is ChatML */
    free(a);
    free(b);
}

static void test_without_template_and_chatml_roles_stand_before_their_lines(void **state)
{
    (void)state;
    struct starter s = variant_of("lines", &(struct variant){.renames = {{"<|im_start|>", "<|begin|>", 3}}});
    struct chat_message messages[2];
    struct generation_request req = ask(messages, "Be brief.", "Hi");
    const struct str expected = STR("system: Be brief.\nuser: Hi\nassistant:");
    assert_int_equal(prompt_tokens(&s, &req), local_model_count_tokens(s.model, expected));
}

/* Gemma as Ollama keeps it. The system's text leads the first turn. */
static void test_without_a_template_a_gemma_vocabulary_gets_gemmas_turns(void **state)
{
    (void)state;
    struct variant v = {.renames = {{"<|im_start|>", "<start_of_turn>", 3}, {"<|im_end|>", "<end_of_turn>", 3}}};
    struct starter bare = variant_of("gemma", &v);
    v.template = "<start_of_turn>user\nBe brief.\n\nHi<end_of_turn>\n<start_of_turn>model{{ '\n' }}";
    struct starter spelled = variant_of("spelled", &v);
    struct chat_message messages[2];
    struct generation_request req = ask(messages, "Be brief.", " Hi ");
    assert_int_equal(prompt_tokens(&bare, &req), prompt_tokens(&spelled, &req));
    struct answer *a = answer_of(&bare, &req), *b = answer_of(&spelled, &req);
    assert_same_answer(a, b);
    free(a);
    free(b);
}

static void test_a_template_that_raises_refuses_with_its_own_words(void **state)
{
    (void)state;
    const char *template = "{%- if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{%- endif %}x";
    struct starter s = variant_of("strict", &(struct variant){.template = template});
    struct chat_message messages[2];
    struct generation_request req = ask(messages, CLASSIFY, QUESTION);
    struct generation *g;
    struct err err = ERR_INIT;
    assert_false(generation_start(s.rt, s.model, &req, &g, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.msg, "no system role"));
}

static void test_a_template_cannot_make_a_control_token_of_user_text(void **state)
{
    (void)state;
    static const struct {
        const char *content, *user; /* what the template does to the content, and what becomes <|im_end|> by it */
    } cases[] = {
        {"message.content.replace('/think', '')", "<|im_/thinkend|>"},
        {"message.content.replace('/think', '')", "</think|im_end|>"},
        {"message.content | lower", "<|IM_END|>"},
        {"message.content[2:] + message.content[:2]", "|><|im_end"},
    };
    struct starter plain = variant_of("plain", &(struct variant){.template = CHATML});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char template[600];
        snprintf(template, sizeof template,
                 "{%%- for message in messages %%}{{- '<|im_start|>' + message.role + '\n' }}{{- message.content if "
                 "message.role == 'system' else %s }}{{- '<|im_end|>\n' }}{%%- endfor %%}"
                 "{{- '<|im_start|>assistant\n' }}", cases[i].content);
        struct starter s = variant_of("mangles", &(struct variant){.template = template});
        struct chat_message messages[2];
        struct generation_request req = ask(messages, CLASSIFY, cases[i].user);
        int64_t mangled = prompt_tokens(&s, &req);
        req = ask(messages, CLASSIFY, "<|im_end|>");
        if (mangled < prompt_tokens(&plain, &req))
            fail_msg("%s makes a control token of %s", cases[i].content, cases[i].user);
    }
}

static void test_a_template_that_does_not_parse_is_refused_at_load(void **state)
{
    (void)state;
    struct starter s = {.rt = starter.rt};
    struct err err = ERR_INIT;
    assert_false(variant_open(&s, "broken", &(struct variant){.template = "{% if %}"}, NULL, &err));
    assert_non_null(strstr(err.msg, "chat template of broken"));
}

static void test_bos_leads_the_prompt_once(void **state)
{
    (void)state;
    struct chat_message messages[2];
    struct generation_request req = ask(messages, CLASSIFY, QUESTION);
    struct starter adds = variant_of("adds", &(struct variant){.template = CHATML, .add_bos = true});
    struct starter both = variant_of("both", &(struct variant){.template = "{{- bos_token }}" CHATML, .add_bos = true});
    struct starter text = variant_of("text", &(struct variant){.template = "{{- bos_token }}" CHATML});
    int64_t n = prompt_tokens(&starter, &req);
    assert_int_equal(prompt_tokens(&adds, &req), n + 1);
    assert_int_equal(prompt_tokens(&both, &req), n + 1);
    assert_int_equal(prompt_tokens(&text, &req), n + 1);
    struct generation_request raw = {.prompt = STR("hello"), .sampler = SAMPLER_GREEDY};
    assert_int_equal(prompt_tokens(&adds, &raw), prompt_tokens(&starter, &raw) + 1);
}

static void test_enable_thinking_reaches_the_template_only_when_set(void **state)
{
    (void)state;
    const char *template = "{%- if enable_thinking is defined %}{{ 'a a a' if enable_thinking else 'a a' }}"
                           "{%- else %}{{ 'a' }}{%- endif %}";
    struct starter s = variant_of("switch", &(struct variant){.template = template});
    struct chat_message messages[2];
    struct generation_request req = ask(messages, CLASSIFY, QUESTION);
    const int64_t expected[] = {1, 2, 3};
    for (int i = -1; i <= 1; i++) {
        req.enable_thinking = i;
        assert_int_equal(prompt_tokens(&s, &req), expected[i + 1]);
    }
}

/* The starter's answer lost|_or|_stolen|_card, with its words made markers. */
static void test_reasoning_is_split_from_the_answer_by_the_models_tokens(void **state)
{
    (void)state;
    struct variant v = {.template = CHATML "{#- <think> -#}",
                        .renames = {{"lost", "<think>", 4}, {"_stolen", "</think>", 4}}};
    struct starter s = variant_of("thinks", &v);
    assert_true(local_model_info(s.model)->thinks);
    assert_false(local_model_info(starter.model)->thinks);
    struct chat_message messages[2];
    struct generation_request req = ask(messages, CLASSIFY, QUESTION);
    struct answer *a = answer_of(&s, &req);
    assert_string_equal(a->reasoning, "_or");
    assert_string_equal(a->text, "_card");
    assert_int_equal(a->usage.reasoning_tokens, 3);
    assert_int_equal(a->usage.completion_tokens, 5);
    struct str stop = STR("_or"); /* stops are for the answer, not for the reasoning */
    req.stop = &stop;
    req.n_stop = 1;
    struct answer *b = answer_of(&s, &req);
    assert_same_answer(a, b);
    free(a);
    free(b);
}

static void test_a_template_may_open_the_reasoning_itself(void **state)
{
    (void)state;
    struct variant v = {.template = CHATML "{{- '<think>' }}",
                        .renames = {{"lost", "<think>", 4}, {"_stolen", "</think>", 4}}};
    struct starter s = variant_of("opened", &v);
    struct chat_message messages[2];
    struct generation_request req = ask(messages, CLASSIFY, QUESTION);
    struct answer *a = answer_of(&s, &req);
    assert_string_equal(a->reasoning, "_or");
    assert_string_equal(a->text, "_card");
    assert_int_equal(a->usage.reasoning_tokens, 2);
    free(a);
}

static void test_a_marker_in_the_middle_of_an_answer_is_text(void **state)
{
    (void)state;
    struct variant v = {.template = CHATML, .renames = {{"_or", "<think>", 4}, {"_stolen", "</think>", 4}}};
    struct starter s = variant_of("late", &v);
    struct chat_message messages[2];
    struct generation_request req = ask(messages, CLASSIFY, QUESTION);
    struct answer *a = answer_of(&s, &req);
    assert_string_equal(a->reasoning, "");
    assert_string_equal(a->text, "lost<think></think>_card");
    free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_template_a_chatml_vocabulary_gets_chatml),
        cmocka_unit_test(test_without_template_and_chatml_roles_stand_before_their_lines),
        cmocka_unit_test(test_without_a_template_a_gemma_vocabulary_gets_gemmas_turns),
        cmocka_unit_test(test_a_template_that_raises_refuses_with_its_own_words),
        cmocka_unit_test(test_a_template_cannot_make_a_control_token_of_user_text),
        cmocka_unit_test(test_a_template_that_does_not_parse_is_refused_at_load),
        cmocka_unit_test(test_bos_leads_the_prompt_once),
        cmocka_unit_test(test_enable_thinking_reaches_the_template_only_when_set),
        cmocka_unit_test(test_reasoning_is_split_from_the_answer_by_the_models_tokens),
        cmocka_unit_test(test_a_template_may_open_the_reasoning_itself),
        cmocka_unit_test(test_a_marker_in_the_middle_of_an_answer_is_text),
    };
    return cmocka_run_group_tests(tests, open_starter, close_starter);
}
