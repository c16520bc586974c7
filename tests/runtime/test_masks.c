/* Masks of real vocabularies, held to what each token's bytes do, along a text that the rules admit. */
#include "../support.h"

#include "grammar/constraint.h"
#include "grammar/frontends.h"
#include "runtime/vocab.h"

static struct str piece_of(void *ctx, int32_t id)
{
    return tokenizer_type(ctx, id) == TOKEN_CONTROL ? STR("") : tokenizer_piece(ctx, id);
}

static bool is_end_of(void *ctx, int32_t id)
{
    return tokenizer_is_end(ctx, id);
}

static void assert_mask_is_true(struct matcher *m, int32_t n, uint64_t *mask)
{
    struct err err = ERR_INIT;
    assert_ok(matcher_mask(m, mask, &err), err);
    for (int32_t id = 0; id < n; id++)
        if ((mask[id / 64] >> id % 64 & 1) != matcher_admits(m, id))
            fail_msg("token %d", (int)id);
}

/* At each token of the text, and at its end, where the rules must let it end. */
static void follow(const struct tokenizer *t, const struct vocabulary *v, struct rules *rules, struct str text)
{
    struct token_ids ids = {0};
    struct constraint *c;
    struct matcher *m;
    struct err err = ERR_INIT;
    uint64_t *mask = test_malloc(VOCABULARY_WORDS(vocabulary_count(v)) * sizeof *mask);
    assert_ok(constraint_open(rules, v, &c, &err), err);
    assert_ok(matcher_open(c, &m, &err), err);
    assert_ok(tokenizer_encode(t, text, TOKENIZE_PLAIN, &ids, &err), err);
    for (int64_t i = 0; i < ids.n; i++) {
        assert_mask_is_true(m, vocabulary_count(v), mask);
        assert_ok(matcher_take(m, ids.p[i], &err), err);
    }
    assert_mask_is_true(m, vocabulary_count(v), mask);
    assert_true(matcher_may_end(m));
    matcher_close(m);
    constraint_release(c);
    token_ids_free(&ids);
    test_free(mask);
}

/* `lead`: what the tokenizer puts before a text. */
static void follow_all(const char *path, const char *lead)
{
    struct gguf *g;
    struct tokenizer *t;
    struct vocabulary *v;
    struct rules *rules;
    struct err err = ERR_INIT;
    assert_ok(gguf_open(path, &g, &err), err);
    assert_ok(vocab_open(g, &t, &err), err);
    struct vocabulary_spec spec = {tokenizer_count(t), piece_of, is_end_of, t};
    assert_ok(vocabulary_open(&spec, &v, &err), err);
    assert_ok(rule_any_json(true, &rules, &err) && rules_lead(rules, str_of(lead), &err), err);
    follow(t, v, rules, STR("{\"name\": \"Caf\xC3\xA9 \\\"M\xC3\xBCller\\\" \xF0\x9F\x8D\xB0\", \"n\": [1, -2.5e3, true]}"));
    assert_ok(rule_regex(STR("[a-z ]{0,20}(\xE4\xBD\xA0|\xE5\xA5\xBD)+!"), &rules, &err), err);
    follow(t, v, rules, STR("hello to \xE4\xBD\xA0\xE5\xA5\xBD!"));
    vocabulary_close(v);
    tokenizer_close(t);
    gguf_close(g);
}

static void test_masks_of_byte_level_tokens_are_true(void **state)
{
    (void)state;
    SKIP_WITHOUT_SHARED(path, "vectors/tokenizer/ggml-vocab-llama-bpe.gguf");
    follow_all(path, "");
}

static void test_masks_of_sentencepiece_tokens_are_true(void **state)
{
    (void)state;
    SKIP_WITHOUT_SHARED(path, "vectors/tokenizer/ggml-vocab-phi-3.gguf");
    follow_all(path, " ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_masks_of_byte_level_tokens_are_true),
        cmocka_unit_test(test_masks_of_sentencepiece_tokens_are_true),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
