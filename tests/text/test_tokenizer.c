/* Byte-level BPE on a vocabulary small enough to check by hand; real vocabularies are checked by the floor runtime. */
#include "../support.h"

#include "base/rng.h"
#include "support_tokenizer.h"
#include "tiny_vocab.h"

static struct tiny_vocab vocab;

static struct tokenizer *open_tiny(const char *pre)
{
    tiny_vocab_init(&vocab);
    struct tokenizer_spec spec = tiny_spec(&vocab, pre);
    return open_spec(&spec);
}

static void test_merges_go_by_rank(void **state)
{
    (void)state;
    struct tokenizer *t = open_tiny("gpt-2");
    ENCODES(t, "hello hello", 0, TINY_HELLO, TINY_SPACE_HELLO);
    ENCODES(t, "hell", 0, TINY_HELL);
    ENCODES(t, "hel", 0, TINY_HE, 'l');
    ENCODES(t, "hhello", 0, 'h', TINY_HELLO);
    ENCODES(t, "llll", 0, TINY_LL, TINY_LL);
    ENCODES(t, "lll", 0, TINY_LL, 'l'); /* the leftmost of equals */
    ENCODES(t, "\xC3\xA9", 0, TINY_ACUTE);
    assert_encodes(t, STR(""), 0, NULL, 0);
    tokenizer_close(t);
}

static void test_words_met_again_are_not_mistaken_for_others(void **state)
{
    (void)state;
    struct tokenizer *t = open_tiny("gpt-2");
    ENCODES(t, "in in", 0, TINY_IN, ' ', TINY_IN);
    ENCODES(t, "in\0in\0\0in\0", 0, TINY_IN, 0, TINY_IN, 0, 0, TINY_IN, 0);
    ENCODES(t, "abcdefgabcd abcdefgabce", 0, 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'a', 'b', 'c', 'd', ' ', 'a', 'b', 'c',
            'd', 'e', 'f', 'g', 'a', 'b', 'c', 'e');
    tokenizer_close(t);
}

static void test_words_never_merge_across_their_border(void **state)
{
    (void)state;
    tiny_vocab_init(&vocab);
    tiny_add_merge(&vocab, "o Ġ", "oĠ");
    struct tokenizer_spec spec = tiny_spec(&vocab, "qwen2");
    struct tokenizer *t = open_spec(&spec);
    ENCODES(t, "o o", 0, 'o', ' ', 'o');
    tokenizer_close(t);
}

static void test_control_tokens_are_text_unless_trusted(void **state)
{
    (void)state;
    struct tokenizer *t = open_tiny("qwen2");
    struct err err = ERR_INIT;
    struct token_ids ids = {0};
    assert_ok(tokenizer_encode(t, STR("<|im_end|>"), TOKENIZE_PLAIN, &ids, &err), err);
    for (int64_t i = 0; i < ids.n; i++)
        assert_int_not_equal(tokenizer_type(t, ids.p[i]), TOKEN_CONTROL);
    token_ids_free(&ids);
    ENCODES(t, "<|im_end|>", TOKENIZE_SPECIAL, TINY_END);
    ENCODES(t, "<|im_start|>hello<|im_end|>", TOKENIZE_SPECIAL, TINY_START, TINY_HELLO, TINY_END);
    tokenizer_close(t);
}

static void test_a_control_token_is_no_merge_and_no_whole_word(void **state)
{
    (void)state;
    tiny_vocab_init(&vocab);
    vocab.types[TINY_HELLO] = TOKEN_CONTROL;
    const char *pres[] = {"gpt-2", "llama-bpe"};
    for (int i = 0; i < 2; i++) {
        struct tokenizer_spec spec = tiny_spec(&vocab, pres[i]);
        struct tokenizer *t = open_spec(&spec);
        ENCODES(t, "hello", TOKENIZE_PLAIN, TINY_HELL, 'o');
        ENCODES(t, "hello", TOKENIZE_SPECIAL, TINY_HELLO);
        tokenizer_close(t);
    }
}

static void test_user_defined_tokens_are_always_recognised(void **state)
{
    (void)state;
    struct tokenizer *t = open_tiny("qwen2");
    ENCODES(t, "hello<think>in", TOKENIZE_PLAIN, TINY_HELLO, TINY_THINK, TINY_IN);
    ENCODES(t, "<<think>", TOKENIZE_PLAIN, '<', TINY_THINK);
    ENCODES(t, "<think", TOKENIZE_PLAIN, '<', 't', 'h', TINY_IN, 'k');
    tokenizer_close(t);
}

/* Some files of Gemma 3 call the marks of its turns user-defined: a user's text must not make them all the same. */
static void test_marks_of_turns_are_control_tokens_whatever_the_file_says(void **state)
{
    (void)state;
    static const char *const marks[] = {"<start_of_turn>", "<end_of_turn>"};
    for (int i = 0; i < 2; i++) {
        tiny_vocab_init(&vocab);
        tiny_add_token(&vocab, marks[i], TOKEN_USER_DEFINED);
        struct tokenizer_spec spec = tiny_spec(&vocab, "qwen2");
        struct tokenizer *t = open_spec(&spec);
        struct token_ids ids = {0};
        struct err err = ERR_INIT;
        assert_encodes(t, str_of(marks[i]), TOKENIZE_SPECIAL, (int32_t[]){TINY_COUNT}, 1);
        assert_ok(tokenizer_encode(t, str_of(marks[i]), TOKENIZE_PLAIN, &ids, &err), err);
        assert_true(ids.n > 1);
        assert_true(tokenizer_is_end(t, TINY_COUNT) == (i == 1));
        token_ids_free(&ids);
        tokenizer_close(t);
    }
}

static void test_the_longest_name_wins(void **state)
{
    (void)state;
    tiny_vocab_init(&vocab);
    tiny_add_token(&vocab, "<<", TOKEN_USER_DEFINED);
    tiny_add_token(&vocab, "<<<<", TOKEN_USER_DEFINED);
    struct tokenizer_spec spec = tiny_spec(&vocab, "qwen2");
    struct tokenizer *t = open_spec(&spec);
    ENCODES(t, "<<<<<<<", 0, TINY_COUNT + 1, TINY_COUNT, '<');
    tokenizer_close(t);
}

static void test_llama_bpe_takes_a_whole_word_past_the_merges(void **state)
{
    (void)state;
    tiny_vocab_init(&vocab);
    tiny_add_token(&vocab, "xyz", TOKEN_NORMAL);
    struct tokenizer_spec spec = tiny_spec(&vocab, "llama-bpe");
    struct tokenizer *t = open_spec(&spec);
    ENCODES(t, "xyz", 0, TINY_COUNT);
    tokenizer_close(t);
    spec = tiny_spec(&vocab, "qwen2");
    t = open_spec(&spec);
    ENCODES(t, "xyz", 0, 'x', 'y', 'z');
    tokenizer_close(t);
}

static void test_every_byte_string_round_trips(void **state)
{
    (void)state;
    const char *pres[] = {"gpt-2", "qwen2", "llama-bpe"};
    uint64_t dice = 0;
    for (int i = 0; i < 3; i++) {
        struct tokenizer *t = open_tiny(pres[i]);
        for (int round = 0; round < 2000; round++) {
            char text[64];
            size_t n = rng_u64(1, 0, dice++) % sizeof text, at = 0;
            for (size_t k = 0; k < n; k++)
                text[k] = rng_u64(1, 0, dice++) % 2 ? "hello in\n"[rng_u64(1, 0, dice++) % 9] : (char)rng_u64(1, 0,
                                                                                                              dice++);
            struct err err = ERR_INIT;
            struct token_ids ids = {0};
            assert_ok(tokenizer_encode(t, (struct str){text, n}, 0, &ids, &err), err);
            for (int64_t k = 0; k < ids.n; k++) {
                struct str piece = tokenizer_piece(t, ids.p[k]);
                assert_true(at + piece.n <= n);
                assert_memory_equal(text + at, piece.p, piece.n);
                at += piece.n;
            }
            assert_int_equal(at, n);
            token_ids_free(&ids);
        }
        tokenizer_close(t);
    }
}

/* A quadratic merge would take minutes here. */
static void test_a_megabyte_without_spaces_is_encoded(void **state)
{
    (void)state;
    struct tokenizer *t = open_tiny("qwen2");
    size_t n = 1 << 20;
    char *text = malloc(n);
    assert_non_null(text);
    for (size_t i = 0; i < n; i++)
        text[i] = "hello"[i % 5];
    struct err err = ERR_INIT;
    struct token_ids ids = {0};
    assert_ok(tokenizer_encode(t, (struct str){text, n}, 0, &ids, &err), err);
    assert_int_equal(ids.n, n / 5 + 1); /* the rest of one byte is h */
    token_ids_free(&ids);
    free(text);
    tokenizer_close(t);
}

static void test_detokenizer_gives_whole_characters_only(void **state)
{
    (void)state;
    struct tokenizer *t = open_tiny("qwen2");
    struct token_ids ids = {0};
    struct err err = ERR_INIT;
    struct buf out = BUF_INIT(1024);
    struct detokenizer d = {0};
    assert_ok(tokenizer_encode(t, STR("\xF0\x9F\x98\x81!"), 0, &ids, &err), err);
    assert_int_equal(ids.n, 5);
    for (int i = 0; i < 3; i++)
        detokenizer_add(&d, t, ids.p[i], &out);
    assert_int_equal(out.n, 0);
    detokenizer_add(&d, t, ids.p[3], &out);
    assert_true(str_is(buf_view(&out), "\xF0\x9F\x98\x81"));
    detokenizer_add(&d, t, TINY_END, &out); /* control tokens are no text */
    detokenizer_add(&d, t, ids.p[4], &out);
    assert_true(str_is(buf_view(&out), "\xF0\x9F\x98\x81!"));
    token_ids_free(&ids);
    buf_free(&out);
    tokenizer_close(t);
}

static void test_detokenizer_replaces_what_cannot_become_a_character(void **state)
{
    (void)state;
    struct tokenizer *t = open_tiny("qwen2");
    struct token_ids ids = {0};
    struct err err = ERR_INIT;
    struct buf out = BUF_INIT(1024);
    struct detokenizer d = {0};
    /* a lone continuation, a character cut by a letter, a surrogate, a character cut by the end */
    assert_ok(tokenizer_encode(t, STR("\x80|\xE4\xBDx\xED\xA0|\xF0\x9F"), 0, &ids, &err), err);
    for (int64_t i = 0; i < ids.n; i++)
        detokenizer_add(&d, t, ids.p[i], &out);
    detokenizer_end(&d, &out);
#define FFFD "\xEF\xBF\xBD"
    assert_string_equal(out.p, FFFD "|" FFFD "x" FFFD FFFD "|" FFFD);
    token_ids_free(&ids);
    buf_free(&out);
    tokenizer_close(t);
}

static void test_ends_are_the_named_ids_and_control_tokens_of_known_names(void **state)
{
    (void)state;
    tiny_vocab_init(&vocab);
    tiny_add_token(&vocab, "</s>", TOKEN_NORMAL); /* a name alone does not make an end */
    struct tokenizer_spec spec = tiny_spec(&vocab, "qwen2");
    spec.eos = TINY_HELLO;
    struct tokenizer *t = open_spec(&spec);
    assert_true(tokenizer_is_end(t, TINY_HELLO));
    assert_true(tokenizer_is_end(t, TINY_END));
    assert_true(tokenizer_is_end(t, TINY_TEXT_END));
    assert_false(tokenizer_is_end(t, TINY_START));
    assert_false(tokenizer_is_end(t, TINY_COUNT));
    assert_false(tokenizer_is_end(t, -1));
    assert_false(tokenizer_is_end(t, 1 << 30));
    tokenizer_close(t);
}

static void assert_refused(const struct tokenizer_spec *spec, enum err_code code, const char *words)
{
    struct err err = ERR_INIT;
    struct tokenizer *t = NULL;
    assert_false(tokenizer_open(spec, &t, &err));
    assert_int_equal(err.code, code);
    if (!strstr(err.msg, words))
        fail_msg("'%s' does not say '%s'", err.msg, words);
}

static void test_bad_vocabularies_are_refused(void **state)
{
    (void)state;
    tiny_vocab_init(&vocab);
    struct tokenizer_spec good = tiny_spec(&vocab, "qwen2"), spec = good;
    spec.model = STR("t5");
    assert_refused(&spec, ERR_UNSUPPORTED, "t5");
    spec = good;
    spec.n_tokens = 0;
    assert_refused(&spec, ERR_LIMIT, "0 tokens");
    spec = good;
    spec.n_tokens = TOKENIZER_MAX_VOCAB + 1;
    assert_refused(&spec, ERR_LIMIT, "1048577 tokens");
    spec = good;
    spec.eos = vocab.n_tokens;
    assert_refused(&spec, ERR_CORRUPT, "eos");
    spec = good;
    spec.n_tokens = 255; /* a byte is missing, which the unknown token does not stand in for */
    spec.unknown = 0;
    assert_refused(&spec, ERR_UNSUPPORTED, "no token for the byte");
    vocab.types[3] = 9;
    assert_refused(&good, ERR_CORRUPT, "type 9");
    vocab.types[3] = TOKEN_NORMAL;
    vocab.merges[0] = STR("nospace");
    assert_refused(&good, ERR_CORRUPT, "merge 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merges_go_by_rank),
        cmocka_unit_test(test_words_met_again_are_not_mistaken_for_others),
        cmocka_unit_test(test_words_never_merge_across_their_border),
        cmocka_unit_test(test_control_tokens_are_text_unless_trusted),
        cmocka_unit_test(test_a_control_token_is_no_merge_and_no_whole_word),
        cmocka_unit_test(test_user_defined_tokens_are_always_recognised),
        cmocka_unit_test(test_marks_of_turns_are_control_tokens_whatever_the_file_says),
        cmocka_unit_test(test_the_longest_name_wins),
        cmocka_unit_test(test_llama_bpe_takes_a_whole_word_past_the_merges),
        cmocka_unit_test(test_every_byte_string_round_trips),
        cmocka_unit_test(test_a_megabyte_without_spaces_is_encoded),
        cmocka_unit_test(test_detokenizer_gives_whole_characters_only),
        cmocka_unit_test(test_detokenizer_replaces_what_cannot_become_a_character),
        cmocka_unit_test(test_ends_are_the_named_ids_and_control_tokens_of_known_names),
        cmocka_unit_test(test_bad_vocabularies_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
