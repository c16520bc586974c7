/* WordPiece on a vocabulary made here; a real one is checked by the floor runtime. */
#include "../support.h"

#include "support_tokenizer.h"

#define SPACE "\xE2\x96\x81" /* begins a word's first piece */

enum { UNK, CLS, SEP, THE, ING, S, COMMA, RUN, E, NI, HASH_A, DE, LESS, N_TOKENS };

static const struct str tokens[N_TOKENS] = {
    [UNK] = STR("[UNK]"), [CLS] = STR("[CLS]"), [SEP] = STR("[SEP]"), [THE] = STR(SPACE "the"), [ING] = STR("ing"),
    [S] = STR("s"), [COMMA] = STR(SPACE ","), [RUN] = STR(SPACE "run"), [E] = STR(SPACE "e"),
    [NI] = STR(SPACE "\xE4\xBD\xA0"), [HASH_A] = STR("a"), [DE] = STR(SPACE "\xC3\xA9"), [LESS] = STR(SPACE "<"),
};
static const int32_t types[N_TOKENS] = {
    [UNK] = TOKEN_UNKNOWN, [CLS] = TOKEN_CONTROL, [SEP] = TOKEN_CONTROL, [THE] = 1, [ING] = 1, [S] = 1, [COMMA] = 1,
    [RUN] = 1, [E] = 1, [NI] = 1, [HASH_A] = 1, [DE] = 1, [LESS] = 1,
};

static struct tokenizer_spec bert_spec(void)
{
    struct tokenizer_spec spec = tokenizer_spec_of(STR("bert"), STR(""));
    spec.tokens = tokens;
    spec.types = types;
    spec.n_tokens = N_TOKENS;
    spec.bos = CLS;
    spec.eos = SEP;
    spec.unknown = UNK;
    return spec;
}

static void test_words_take_the_longest_pieces_from_the_left(void **state)
{
    (void)state;
    struct tokenizer_spec spec = bert_spec();
    struct tokenizer *t = open_spec(&spec);
    ENCODES(t, "The runnings", 0, THE, UNK); /* no piece "n" */
    ENCODES(t, "the runings\n\tthe", 0, THE, RUN, ING, S, THE);
    ENCODES(t, "thex the", 0, UNK, THE);
    assert_encodes(t, STR(" \n"), 0, NULL, 0);
    tokenizer_close(t);
}

static void test_punctuation_and_chinese_stand_alone(void **state)
{
    (void)state;
    struct tokenizer_spec spec = bert_spec();
    struct tokenizer *t = open_spec(&spec);
    ENCODES(t, "the,the<", 0, THE, COMMA, THE, LESS);
    ENCODES(t, "the\xE4\xBD\xA0the", 0, THE, NI, THE);
    ENCODES(t, "[CLS]", 0, UNK, UNK, UNK); /* user text is no control token */
    tokenizer_close(t);
}

static void test_accents_case_and_control_characters_go(void **state)
{
    (void)state;
    struct tokenizer_spec spec = bert_spec();
    struct tokenizer *t = open_spec(&spec);
    ENCODES(t, "\xC3\xA9 \xC3\x89 e\xCC\x81 TH\x01" "E\xE2\x80\x8B \xEF\xBF\xBD\xFF", 0, E, E, E, THE);
    tokenizer_close(t);
    spec.lowercase = spec.strip_accents = false;
    t = open_spec(&spec);
    ENCODES(t, "\xC3\xA9 THE", 0, DE, UNK);
    tokenizer_close(t);
}

static void test_a_megabyte_without_spaces_is_encoded(void **state)
{
    (void)state;
    struct tokenizer_spec spec = bert_spec();
    struct tokenizer *t = open_spec(&spec);
    size_t n = 1 << 20;
    char *text = malloc(n);
    assert_non_null(text);
    memset(text, 'a', n);
    text[0] = 'e';
    struct token_ids ids = {0};
    struct err err = ERR_INIT;
    assert_ok(tokenizer_encode(t, (struct str){text, n}, 0, &ids, &err), err);
    assert_int_equal(ids.n, n);
    assert_int_equal(ids.p[0], E);
    assert_int_equal(ids.p[n - 1], HASH_A);
    token_ids_free(&ids);
    free(text);
    tokenizer_close(t);
}

static void test_pieces_join_to_words(void **state)
{
    (void)state;
    struct tokenizer_spec spec = bert_spec();
    struct tokenizer *t = open_spec(&spec);
    struct detokenizer d = {.at_start = true};
    struct buf out = BUF_INIT(1024);
    const int32_t ids[] = {CLS, THE, RUN, ING, S, SEP};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        detokenizer_add(&d, t, ids[i], &out);
    detokenizer_end(&d, &out);
    assert_string_equal(out.p, "the runings");
    buf_free(&out);
    tokenizer_close(t);
}

static void test_a_vocabulary_without_an_unknown_token_is_refused(void **state)
{
    (void)state;
    struct tokenizer_spec spec = bert_spec();
    struct tokenizer *t;
    struct err err = ERR_INIT;
    spec.unknown = -1;
    assert_false(tokenizer_open(&spec, &t, &err));
    assert_int_equal(err.code, ERR_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_take_the_longest_pieces_from_the_left),
        cmocka_unit_test(test_punctuation_and_chinese_stand_alone),
        cmocka_unit_test(test_accents_case_and_control_characters_go),
        cmocka_unit_test(test_a_megabyte_without_spaces_is_encoded),
        cmocka_unit_test(test_pieces_join_to_words),
        cmocka_unit_test(test_a_vocabulary_without_an_unknown_token_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
