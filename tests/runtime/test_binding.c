/* How an answer is held to its rule, token by token, on vocabularies small enough to reason about: which tokens the
 * masks admit around the reasoning, which are forced, and how far a draft goes. */
#include "../support.h"

#include "../text/tiny_vocab.h"
#include "grammar/frontends.h"
#include "runtime/constrain/binding.h"

struct rig {
    struct tokenizer *tokenizer;
    struct words *words;
    struct answer_state answer;
    struct binding binding;
    struct token_ids ids;
    uint64_t masks[17 * 8];
    struct buf text, thought;
};

/* Takes the rules. */
static void rig_open(struct rig *r, const struct tokenizer_spec *spec, const char *template, struct rules *rules,
                     bool space, bool headers)
{
    struct err err = ERR_INIT;
    const struct reasoning_format *reasoning = reasoning_detect(str_of(template));
    struct word_markers markers = {toolcall_detect(str_of(template)), reasoning};
    struct binding_spec binding = {.reasoning = reasoning, .space = space, .headers = headers};
    *r = (struct rig){.text = BUF_INIT(4096), .thought = BUF_INIT(4096)};
    assert_ok(tokenizer_open(spec, &r->tokenizer, &err), err);
    assert_ok(words_open(r->tokenizer, spec->n_tokens, &markers, &r->words, &err), err);
    struct answer_spec answer = {.tokenizer = r->tokenizer, .reasoning = reasoning, .at_start = space};
    assert_ok(answer_open(&r->answer, &answer, &err), err);
    if (space)
        assert_ok(rules_lead(rules, STR(" "), &err), err);
    binding.words = r->words;
    assert_ok(constraint_open(rules, r->words->vocabulary, &binding.constraint, &err), err);
    assert_ok(binding_open(&r->binding, &binding, &r->answer, &err), err);
}

static void rig_close(struct rig *r)
{
    binding_close(&r->binding);
    answer_close(&r->answer);
    words_close(r->words);
    tokenizer_close(r->tokenizer);
    token_ids_free(&r->ids);
    buf_free(&r->text);
    buf_free(&r->thought);
}

static struct rules *regex(const char *pattern)
{
    struct err err = ERR_INIT;
    struct rules *rules;
    assert_ok(rule_regex(str_of(pattern), &rules, &err), err);
    return rules;
}

static struct tiny_vocab tiny;

static void rig_tiny(struct rig *r, const char *template, struct rules *rules)
{
    tiny_vocab_init(&tiny);
    struct tokenizer_spec spec = tiny_spec(&tiny, "qwen2");
    spec.eos = TINY_END;
    rig_open(r, &spec, template, rules, false, false);
}

/* ---- what the answer's owner does ---- */

static void tell(struct rig *r, int32_t id)
{
    struct err err = ERR_INIT;
    enum answer_part part;
    struct str text;
    bool reasoning, stopped;
    if (!tokenizer_is_end(r->tokenizer, id))
        assert_ok(answer_take(&r->answer, id, &reasoning, &stopped, &err), err);
    for (; text_parts_first(&r->answer.ready, &part, &text); text_parts_drop(&r->answer.ready))
        buf_str(part == PART_ANSWER ? &r->text : &r->thought, text);
    assert_ok(binding_follow(&r->binding, answer_phase(&r->answer), &err), err);
}

static void take(struct rig *r, int32_t id)
{
    struct err err = ERR_INIT;
    bool settles;
    assert_ok(binding_take(&r->binding, id, &settles, &err), err);
    if (settles)
        answer_settle(&r->answer);
    assert_ok(token_ids_add(&r->ids, id, &err), err);
    tell(r, id);
}

static void take_bytes(struct rig *r, const char *text)
{
    for (; *text; text++)
        take(r, tokenizer_find(r->tokenizer, (struct str){text, 1}));
}

/* What is forced now: how many tokens, the last ones of r->ids. */
static int force(struct rig *r)
{
    struct err err = ERR_INIT;
    int64_t n = r->ids.n;
    assert_ok(binding_force(&r->binding, &r->ids, 64, &err), err);
    for (int64_t i = n; i < r->ids.n; i++)
        tell(r, r->ids.p[i]);
    return (int)(r->ids.n - n);
}

static bool admits(struct rig *r, int32_t id)
{
    struct err err = ERR_INIT;
    assert_ok(binding_masks(&r->binding, NULL, 0, r->masks, &err), err);
    return words_has(r->masks, id);
}

static bool shows(const struct buf *b, const char *text)
{
    return str_is(buf_view(b), text);
}

/* ---- the rule alone ---- */

static void test_masks_follow_the_rule_and_end_where_it_may(void **state)
{
    (void)state;
    struct rig r;
    rig_tiny(&r, "", regex("hello+"));
    assert_true(admits(&r, 'h') && admits(&r, TINY_HELL) && admits(&r, TINY_HELLO));
    assert_false(admits(&r, 'e') || admits(&r, TINY_SPACE_HELLO) || admits(&r, TINY_END) || admits(&r, TINY_START));
    take(&r, TINY_HELLO);
    assert_true(admits(&r, 'o') && admits(&r, TINY_END) && binding_whole(&r.binding));
    assert_false(binding_must_end(&r.binding));
    take(&r, TINY_END);
    assert_true(binding_whole(&r.binding));
    rig_close(&r);
}

static void test_masks_of_a_draft_are_those_of_its_tokens_taken(void **state)
{
    (void)state;
    struct rig r, s;
    struct err err = ERR_INIT;
    const int32_t draft[] = {'a', 'b', TINY_HELLO};
    rig_tiny(&r, "", regex("a(b|c)hello(x|yy)"));
    rig_tiny(&s, "", regex("a(b|c)hello(x|yy)"));
    size_t words = r.words->n_words;
    assert_ok(binding_masks(&r.binding, draft, 3, r.masks, &err), err);
    for (size_t i = 0; i <= 3; i++) {
        assert_ok(binding_masks(&s.binding, NULL, 0, s.masks, &err), err);
        assert_memory_equal(r.masks + i * words, s.masks, words * sizeof *s.masks);
        if (i < 3)
            take(&s, draft[i]);
    }
    rig_close(&r);
    rig_close(&s);
}

static void test_a_draft_goes_as_far_as_the_rule_admits(void **state)
{
    (void)state;
    struct rig r;
    rig_tiny(&r, "", regex("(a|b)*(hello)?"));
    assert_int_equal(binding_admits(&r.binding, (int32_t[]){'a', 'b', 'c', 'a'}, 4), 2);
    assert_int_equal(binding_admits(&r.binding, (int32_t[]){'a', TINY_HELLO, 'a'}, 3), 2);
    assert_int_equal(binding_admits(&r.binding, (int32_t[]){TINY_START, 'a'}, 2), 0);
    assert_int_equal(binding_admits(&r.binding, (int32_t[]){'a', TINY_END}, 2), 1);   /* an end is never drafted */
    rig_close(&r);
}

/* ---- forced text ---- */

static void test_a_token_that_may_be_longer_is_left_open(void **state)
{
    (void)state;
    struct rig r;
    rig_tiny(&r, "", regex("hell(o|[?])"));
    assert_int_equal(force(&r), 0);
    rig_close(&r);
    rig_tiny(&r, "", regex("hell(x|[?])"));   /* no word goes on so: it is certain */
    assert_int_equal(force(&r), 1);
    assert_int_equal(r.ids.p[0], TINY_HELL);
    assert_true(shows(&r.text, "hell"));
    rig_close(&r);
}

static void test_forced_tokens_are_the_tokenizers(void **state)
{
    (void)state;
    struct rig r;
    rig_tiny(&r, "", regex("(x|y) hello\xC3\xA9hello"));
    assert_int_equal(force(&r), 0);
    take(&r, 'y');
    assert_int_equal(force(&r), 3);
    assert_int_equal(r.ids.p[1], TINY_SPACE_HELLO);
    assert_int_equal(r.ids.p[2], TINY_ACUTE);
    assert_int_equal(r.ids.p[3], TINY_HELLO);
    assert_true(binding_must_end(&r.binding));
    rig_close(&r);
}

/* "he" by itself is sampled though "hello" is one token: what follows is the text's own tokens. */
static void test_text_that_a_token_spans_is_tokenised_by_itself(void **state)
{
    (void)state;
    struct rig r;
    rig_tiny(&r, "", regex("hello(x|hello)"));
    take(&r, TINY_HE);
    assert_true(force(&r) > 0);
    assert_true(shows(&r.text, "hello"));
    assert_int_equal(r.ids.p[1], TINY_LL);
    rig_close(&r);
}

static void test_half_a_character_is_not_forced(void **state)
{
    (void)state;
    struct rig r;
    rig_tiny(&r, "", regex("\xC3\xA9|\xC3\xA8"));   /* both begin with the same byte */
    assert_int_equal(force(&r), 0);
    rig_close(&r);
}

static void test_no_more_is_forced_than_asked_for(void **state)
{
    (void)state;
    struct rig r;
    struct err err = ERR_INIT;
    rig_tiny(&r, "", regex("hello\xC3\xA9hello\xC3\xA9"));
    assert_ok(binding_force(&r.binding, &r.ids, 2, &err), err);
    assert_int_equal(r.ids.n, 2);
    assert_ok(binding_force(&r.binding, &r.ids, 0, &err), err);
    assert_int_equal(r.ids.n, 2);
    rig_close(&r);
}

/* ---- markers of calls ---- */

static void test_a_marker_is_forced_as_its_token(void **state)
{
    (void)state;
    struct rig r;
    struct err err = ERR_INIT;
    struct rules *rules;
    tiny_vocab_init(&tiny);
    tiny.tokens[TINY_START] = STR("<tool_call>");
    struct tokenizer_spec spec = tiny_spec(&tiny, "qwen2");
    spec.eos = TINY_END;
    assert_ok(rules_open(&rules, &err), err);
    uint32_t text = expr_literal(rules_exprs(rules), STR("hello\xFF<tool_call>\xFFhello"));
    assert_ok(rules_finish(rules, rules_term(rules, text), &err), err);
    rig_open(&r, &spec, "<tool_call> {{ tools }} \"arguments\"", rules, false, false);
    assert_int_equal(r.words->n_markers, 1);
    assert_int_equal(force(&r), 1);
    assert_int_equal(force(&r), 1);
    assert_int_equal(force(&r), 1);
    assert_int_equal(r.ids.p[0], TINY_HELLO);
    assert_int_equal(r.ids.p[1], TINY_START);
    assert_int_equal(r.ids.p[2], TINY_HELLO);
    rig_close(&r);
}

/* ---- the space of SentencePiece ---- */

static void test_the_space_before_a_text_is_not_the_rules(void **state)
{
    (void)state;
    static const char *const names[] = {"<unk>", "<s>", "</s>", "\xE2\x96\x81", "yes", "no", "\xE2\x96\x81yes",
                                        "\xE2\x96\x81no", "y", "e", "s", "n", "o", "\xE2\x96\x81y", "\xE2\x96\x81ye",
                                        "\xE2\x96\x81n"};
    enum { N = sizeof names / sizeof *names, YES = 4, SPACE_YES = 6, SPACE_NO, BARE = 3 };
    struct str tokens[N];
    int32_t types[N] = {TOKEN_UNKNOWN, TOKEN_CONTROL, TOKEN_CONTROL};
    float scores[N] = {0};
    for (int i = 0; i < N; i++) {
        tokens[i] = str_of(names[i]);
        types[i] = i < 3 ? types[i] : TOKEN_NORMAL;
        scores[i] = -(float)i;
    }
    struct tokenizer_spec spec = tokenizer_spec_of(STR("llama"), STR("default"));
    spec.tokens = tokens;
    spec.types = types;
    spec.scores = scores;
    spec.n_tokens = N;
    spec.unknown = 0;
    spec.eos = 2;
    struct rig r;
    rig_open(&r, &spec, "", regex("yes|no"), true, false);
    assert_true(admits(&r, SPACE_YES) && admits(&r, SPACE_NO) && admits(&r, BARE));
    assert_false(admits(&r, YES));
    take(&r, SPACE_YES);
    assert_true(shows(&r.text, "yes") && binding_whole(&r.binding));
    rig_close(&r);
    rig_open(&r, &spec, "", regex("yes"), true, false);
    assert_int_equal(force(&r), 1);
    assert_int_equal(r.ids.p[0], SPACE_YES);
    assert_true(shows(&r.text, "yes"));
    rig_close(&r);
}

/* ---- reasoning first ---- */

static void test_reasoning_is_free_but_may_not_end_the_answer(void **state)
{
    (void)state;
    struct rig r;
    rig_tiny(&r, "<think>", regex("hello"));
    assert_int_equal(force(&r), 0);           /* reasoning may come first */
    assert_true(admits(&r, TINY_THINK) && admits(&r, TINY_HELLO));
    assert_false(admits(&r, 'x') || admits(&r, TINY_END));
    take(&r, TINY_THINK);
    assert_true(admits(&r, 'x') && admits(&r, TINY_THINK) && !admits(&r, TINY_END));
    take_bytes(&r, "xyz</think>");
    assert_true(shows(&r.thought, "xyz"));
    assert_false(admits(&r, 'x') || admits(&r, TINY_END));
    assert_true(admits(&r, TINY_HELLO));
    take(&r, TINY_HELLO);
    assert_true(shows(&r.text, "hello") && binding_must_end(&r.binding));
    rig_close(&r);
}

static void test_a_little_white_space_may_stand_before_the_answer(void **state)
{
    (void)state;
    struct rig r;
    int32_t newline = -1;
    rig_tiny(&r, "<think>", regex("hello"));
    newline = tokenizer_find(r.tokenizer, STR("\n"));
    assert_false(admits(&r, newline));
    take(&r, TINY_THINK);
    take_bytes(&r, "x</think>");
    for (int i = 0; i < BINDING_MAX_WHITE; i++) {
        assert_true(admits(&r, newline));
        take(&r, newline);
    }
    assert_false(admits(&r, newline));
    take(&r, TINY_HELLO);
    assert_false(admits(&r, newline));
    assert_true(shows(&r.text, "hello"));
    rig_close(&r);
}

/* White space that the rule itself wants is the answer's. */
static void test_white_space_of_the_rule_is_shown(void **state)
{
    (void)state;
    struct rig r;
    rig_tiny(&r, "<think>", regex(" hello"));
    take(&r, TINY_THINK);
    take_bytes(&r, "x</think>");
    take(&r, TINY_SPACE_HELLO);
    assert_true(shows(&r.text, " hello"));
    rig_close(&r);
}

static void test_marker_and_answer_may_begin_alike(void **state)
{
    (void)state;
    struct rig r;
    rig_tiny(&r, "[THINK] [/THINK]", regex("\\[T[a-z]{1,9}"));   /* the marker is bytes here */
    take_bytes(&r, "[T");
    assert_true(admits(&r, 'H') && admits(&r, 'a'));
    assert_false(admits(&r, 'I'));
    take_bytes(&r, "ab");
    assert_true(shows(&r.text, "[Tab") && binding_whole(&r.binding));
    rig_close(&r);
    rig_tiny(&r, "[THINK] [/THINK]", regex("\\[T[a-z]{1,9}"));
    take_bytes(&r, "[THINK]so[/THINK][Tx");
    assert_true(shows(&r.thought, "so") && shows(&r.text, "[Tx") && binding_whole(&r.binding));
    rig_close(&r);
}

static void test_a_draft_stops_where_the_reasoning_may_end(void **state)
{
    (void)state;
    struct rig r;
    rig_tiny(&r, "<think>", regex("hello"));
    assert_int_equal(binding_admits(&r.binding, (int32_t[]){TINY_THINK}, 1), 0);
    take(&r, TINY_THINK);
    assert_int_equal(binding_admits(&r.binding, (int32_t[]){'a', 'b', '<', '/', 't', '>', 'c'}, 7), 5);
    assert_int_equal(binding_admits(&r.binding, (int32_t[]){'a', TINY_END}, 2), 1);
    rig_close(&r);
}

enum { START = TINY_COUNT, CHANNEL, MESSAGE, END, RETURN };

static void rig_channels(struct rig *r, struct rules *rules, bool headers)
{
    static const char *const controls[] = {"<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|return|>",
                                           "<|call|>"};
    tiny_vocab_init(&tiny);
    for (int i = 0; i < 6; i++)
        tiny_add_token(&tiny, controls[i], TOKEN_CONTROL);
    struct tokenizer_spec spec = tiny_spec(&tiny, "qwen2");
    spec.eos = RETURN;
    rig_open(r, &spec, "<|channel|> <|message|> {{ tools }} to=functions.", rules, false, headers);
}

static void think_in_channel(struct rig *r)
{
    take(r, CHANNEL);
    take_bytes(r, "analysis");
    take(r, MESSAGE);
    take_bytes(r, "hmm");
    take(r, END);
}

static void test_channels_lead_to_the_answers_own(void **state)
{
    (void)state;
    struct rig r;
    rig_channels(&r, regex("hello+"), false);
    assert_true(admits(&r, CHANNEL));
    assert_false(admits(&r, 'h') || admits(&r, TINY_HELLO));
    think_in_channel(&r);
    assert_true(force(&r) > 4);               /* <|start|>assistant<|channel|>final<|message|> */
    assert_int_equal(r.ids.p[r.ids.n - 1], MESSAGE);
    assert_false(admits(&r, 'x') || admits(&r, RETURN));
    assert_int_equal(force(&r), 1);
    assert_true(shows(&r.thought, "hmm") && shows(&r.text, "hello") && admits(&r, RETURN));
    rig_close(&r);
}

static void test_channel_s_header_is_not_forced_past_the_last_token(void **state)
{
    (void)state;
    struct rig r;
    struct err err = ERR_INIT;
    rig_channels(&r, regex("hello+"), false);
    think_in_channel(&r);
    int64_t n = r.ids.n;
    assert_ok(binding_force(&r.binding, &r.ids, 2, &err), err);
    assert_true(r.ids.n - n <= 2);
    rig_close(&r);
}

static struct rules *either(const char *a, const char *b)
{
    struct err err = ERR_INIT;
    struct rules *rules;
    assert_ok(rules_open(&rules, &err), err);
    struct exprs *x = rules_exprs(rules);
    uint32_t texts = expr_or(x, expr_literal(x, str_of(a)), expr_literal(x, str_of(b)));
    assert_ok(rules_finish(rules, rules_term(rules, texts), &err), err);
    return rules;
}

#define MARK "\xFF"
#define FINAL MARK "<|channel|>" MARK "final" MARK "<|message|>" MARK "hello"

static void test_a_rule_with_headers_begins_with_or_behind_the_reasoning(void **state)
{
    (void)state;
    struct rig r;
    const char *after = MARK "<|start|>" MARK "assistant" FINAL;
    rig_channels(&r, either(FINAL, after), true);
    take(&r, CHANNEL);
    assert_true(admits(&r, 'f') && admits(&r, 'a'));
    assert_false(admits(&r, 'c'));
    take(&r, 'f');
    assert_true(force(&r) > 0);
    rig_close(&r);
    rig_channels(&r, either(FINAL, after), true);
    think_in_channel(&r);
    assert_true(admits(&r, START) && admits(&r, CHANNEL));
    assert_false(admits(&r, 'h') || admits(&r, RETURN));
    take(&r, START);
    while (force(&r) > 0)
        ;
    assert_true(shows(&r.thought, "hmm") && shows(&r.text, "hello") && binding_whole(&r.binding));
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_masks_follow_the_rule_and_end_where_it_may),
        cmocka_unit_test(test_masks_of_a_draft_are_those_of_its_tokens_taken),
        cmocka_unit_test(test_a_draft_goes_as_far_as_the_rule_admits),
        cmocka_unit_test(test_a_token_that_may_be_longer_is_left_open),
        cmocka_unit_test(test_forced_tokens_are_the_tokenizers),
        cmocka_unit_test(test_text_that_a_token_spans_is_tokenised_by_itself),
        cmocka_unit_test(test_half_a_character_is_not_forced),
        cmocka_unit_test(test_no_more_is_forced_than_asked_for),
        cmocka_unit_test(test_a_marker_is_forced_as_its_token),
        cmocka_unit_test(test_the_space_before_a_text_is_not_the_rules),
        cmocka_unit_test(test_reasoning_is_free_but_may_not_end_the_answer),
        cmocka_unit_test(test_a_little_white_space_may_stand_before_the_answer),
        cmocka_unit_test(test_white_space_of_the_rule_is_shown),
        cmocka_unit_test(test_marker_and_answer_may_begin_alike),
        cmocka_unit_test(test_a_draft_stops_where_the_reasoning_may_end),
        cmocka_unit_test(test_channels_lead_to_the_answers_own),
        cmocka_unit_test(test_channel_s_header_is_not_forced_past_the_last_token),
        cmocka_unit_test(test_a_rule_with_headers_begins_with_or_behind_the_reasoning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
