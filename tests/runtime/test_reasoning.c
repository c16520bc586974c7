/* Reasoning parted from the answer for every family, wherever the text is cut. */
#include "../support.h"

#include "runtime/reasoning.h"

#define TEXT_BYTES 8192

struct outcome {
    char reasoning[TEXT_BYTES], answer[TEXT_BYTES];
};

static void take(struct outcome *o, struct text_parts *parts)
{
    enum answer_part part;
    struct str text;
    while (text_parts_first(parts, &part, &text)) {
        char *to = part == PART_REASONING ? o->reasoning : o->answer;
        size_t n = strlen(to);
        assert_true(n + text.n < TEXT_BYTES);
        memcpy(to + n, text.p, text.n);
        text_parts_drop(parts);
    }
}

/* The answer in pieces that end at `first`, then every `size` bytes. */
static struct outcome *split(const char *template, bool inside, struct str answer, size_t first, size_t size)
{
    struct outcome *o = calloc(1, sizeof *o);
    struct text_parts parts = {0};
    struct reasoning r;
    assert_non_null(o);
    reasoning_open(&r, reasoning_detect(str_of(template)), inside);
    for (size_t at = 0; at < answer.n;) {
        size_t n = at == 0 && first > 0 ? first : size;
        n = n < answer.n - at ? n : answer.n - at;
        reasoning_add(&r, (struct str){answer.p + at, n}, &parts);
        take(o, &parts);
        at += n;
    }
    reasoning_end(&r, &parts);
    take(o, &parts);
    reasoning_close(&r);
    buf_free(&parts.text);
    return o;
}

struct example {
    const char *template;
    bool inside;
    const char *text, *reasoning, *answer;
};

static void check_all(const struct example *examples, size_t n_examples)
{
    for (size_t i = 0; i < n_examples; i++) {
        const struct example *e = &examples[i];
        struct str text = str_of(e->text);
        for (size_t cut = 0; cut <= text.n; cut++) {
            struct outcome *two = split(e->template, e->inside, text, cut, text.n);
            struct outcome *small = split(e->template, e->inside, text, 0, cut + 1);
            const struct outcome *all[] = {two, small};
            for (int k = 0; k < 2; k++)
                if (strcmp(all[k]->reasoning, e->reasoning) != 0 || strcmp(all[k]->answer, e->answer) != 0)
                    fail_msg("'%s' cut at %zu gave reasoning '%s' and answer '%s'", e->text, cut, all[k]->reasoning,
                             all[k]->answer);
            free(two);
            free(small);
        }
    }
}
#define CHECK_ALL(examples) check_all(examples, sizeof examples / sizeof *examples)

#define THINK "{{ '<think>' }}"
#define HARMONY "<|channel|><|message|>"

static void test_reasoning_between_tags_is_parted(void **state)
{
    static const struct example examples[] = {
        {THINK, false, "<think>\nLet me see.\n</think>\n\nFour.", "Let me see.", "Four."},
        {THINK, false, "\n <think>x</think>y", "x", "y"},
        {THINK, true, "Let me see.\n</think>\n\nFour.", "Let me see.", "Four."},
        {THINK, true, "a </thin b < c </think>d", "a </thin b < c", "d"},
        {THINK, false, "<think></think>Four.", "", "Four."},
        {THINK, true, "cut off <", "cut off <", ""},
        {"[THINK][/THINK]", false, "[THINK]a[b][/THINK]c", "a[b]", "c"},
        {"<|channel>thought", false, "<|channel>thought\nHm.<channel|>Yes.", "Hm.", "Yes."},
        {"x <response></response>", false, "<think>a</think>\n<response>b</response>\n", "a", "b\n"},
        {"x <response></response>", false, "<think>a</think>b", "a", "b"},
        {"[BEGIN FINAL RESPONSE]", true, "1. x\n[BEGIN FINAL RESPONSE]\ny\n[END FINAL RESPONSE]", "1. x", "y"},
        {"<seed:think>", false, "<seed:think>a</seed:think>b", "a", "b"},
        {"<|START_THINKING|>", true, "a<|END_THINKING|><|START_RESPONSE|>b<|END_RESPONSE|>", "a", "b"},
    };
    (void)state;
    CHECK_ALL(examples);
}

static void test_text_that_only_looks_like_a_marker_is_text(void **state)
{
    static const struct example examples[] = {
        {THINK, false, "<thing>a</thing>", "", "<thing>a</thing>"},
        {THINK, false, "<think", "", "<think"},
        {THINK, false, "\n\n a", "", "\n\n a"},
        {THINK, false, "say <think>a</think>", "", "say <think>a</think>"},
        {THINK, false, "<think>a</think>b<think>c</think>", "a", "b<think>c</think>"},
        {"no marks", false, "<think>a</think>b", "", "<think>a</think>b"},
        {HARMONY, false, "a <|chan b", "", "a <|chan b"},
    };
    (void)state;
    CHECK_ALL(examples);
}

static void test_channels_of_gpt_oss_are_parted(void **state)
{
    static const struct example examples[] = {
        {HARMONY, false, "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Four.",
         "Hm.", "Four."},
        {HARMONY, false, "<|channel|>final<|message|>Four.<|return|>", "", "Four."},
        {HARMONY, false, "<|channel|>analysis<|message|>cut", "cut", ""},
        {HARMONY, false, "Four.", "", "Four."},
        {HARMONY, false, "to be", "", "to be"},
        {HARMONY, false, "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>analysis<|message|>b<|e"
         "nd|>",
         "ab", ""},
        {HARMONY, false, "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>commentary to=functions.f "
         "<|constrain|>json<|message|>{}<|call|>", "a",
         "<|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|>"},
        {HARMONY, false, " to=functions.f<|channel|>commentary json<|message|>{}<|call|>", "",
         "<|start|>assistant to=functions.f<|channel|>commentary json<|message|>{}<|call|>"},
    };
    (void)state;
    CHECK_ALL(examples);
}

static void test_a_header_without_end_is_given_as_text(void **state)
{
    char long_header[REASONING_MAX_HELD_BYTES + 100] = "<|channel|>";
    (void)state;
    memset(long_header + 11, 'x', sizeof long_header - 12);
    struct outcome *o = split(HARMONY, false, str_of(long_header), 0, 7);
    assert_string_equal(o->reasoning, "");
    assert_true(strstr(o->answer, "<|channel|>xxx") != NULL);
    assert_true(strlen(o->answer) >= strlen(long_header)); /* nothing is lost */
    free(o);
}

static void test_the_prompt_may_open_the_section(void **state)
{
    (void)state;
    const struct reasoning_format *f = reasoning_detect(STR(THINK));
    assert_true(reasoning_opened(f, STR("<|im_start|>assistant\n<think>\n")));
    assert_false(reasoning_opened(f, STR("<|im_start|>assistant\n<think>\n\n</think>\n\n")));
    assert_false(reasoning_opened(NULL, STR("<think>")));
    assert_true(reasoning_marker(reasoning_detect(STR(HARMONY)), STR("<|channel|>")));
    assert_true(reasoning_marker(reasoning_detect(STR("[/THINK]")), STR("[THINK]")));
    assert_false(reasoning_marker(f, STR("<|im_end|>")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reasoning_between_tags_is_parted),
        cmocka_unit_test(test_text_that_only_looks_like_a_marker_is_text),
        cmocka_unit_test(test_channels_of_gpt_oss_are_parted),
        cmocka_unit_test(test_a_header_without_end_is_given_as_text),
        cmocka_unit_test(test_the_prompt_may_open_the_section),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
