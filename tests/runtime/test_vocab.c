/* Real vocabularies, read from model files, against the token ids of the published tokenizers. */
#include "../support.h"

#include <unistd.h>

#include "base/filemap.h"
#include "model/gguf_write.h"
#include "runtime/vocab.h"

#define CASE_LINE "\n__ggml_vocab_test__\n"
#define MAX_CASES_BYTES (1u << 20)

struct cases {
    struct gguf *g;
    struct tokenizer *t;
    char *inputs, *outputs;
    size_t n_inputs, n_outputs;
};

static void cases_open(struct cases *c, const char *path)
{
    struct err err = ERR_INIT;
    char name[4200];
    assert_ok(gguf_open(path, &c->g, &err), err);
    assert_ok(vocab_open(c->g, &c->t, &err), err);
    snprintf(name, sizeof name, "%s.inp", path);
    assert_ok(file_read(name, MAX_CASES_BYTES, &c->inputs, &c->n_inputs, &err), err);
    snprintf(name, sizeof name, "%s.out", path);
    assert_ok(file_read(name, MAX_CASES_BYTES, &c->outputs, &c->n_outputs, &err), err);
}

static void cases_close(struct cases *c)
{
    tokenizer_close(c->t);
    gguf_close(c->g);
    free(c->inputs);
    free(c->outputs);
}

/* One case: the text against a line of ids. */
static void check_case(const struct tokenizer *t, struct str text, const char *expected, int number)
{
    struct err err = ERR_INIT;
    struct token_ids ids = {0};
    assert_ok(tokenizer_encode(t, text, TOKENIZE_PLAIN, &ids, &err), err);
    char *next = (char *)expected;
    for (int64_t i = 0; i < ids.n; i++) {
        long want = strtol(next, &next, 10);
        if (want != ids.p[i])
            fail_msg("case %d, token %lld: %d instead of %ld", number, (long long)i, ids.p[i], want);
    }
    while (*next == ' ')
        next++;
    if (*next)
        fail_msg("case %d ends early: '%s' is missing", number, next);
    token_ids_free(&ids);
}

static void check_vocabulary(const char *path)
{
    struct cases c;
    cases_open(&c, path);
    struct str rest = {c.inputs, c.n_inputs};
    char *line = c.outputs;
    int number = 0;
    for (bool more = true; more; number++) {
        size_t end = str_find(rest, STR(CASE_LINE));
        more = end != SIZE_MAX;
        struct str text = {rest.p, more ? end : rest.n};
        char *newline = strchr(line, '\n');
        if (newline)
            *newline = 0;
        /* the last case ends with the file's own newline */
        if (!more && str_ends(text, STR("\n")))
            text.n--;
        check_case(c.t, text, line, number);
        if (more)
            rest = (struct str){rest.p + end + strlen(CASE_LINE), rest.n - end - strlen(CASE_LINE)};
        line = newline ? newline + 1 : line + strlen(line);
    }
    assert_true(number > 40);
    assert_int_equal(*line, 0);
    cases_close(&c);
}

static void test_gpt2_vocabulary_gives_the_published_tokens(void **state)
{
    (void)state;
    SKIP_WITHOUT_SHARED(path, "vectors/tokenizer/ggml-vocab-gpt-2.gguf");
    check_vocabulary(path);
}

static void test_qwen2_vocabulary_gives_the_published_tokens(void **state)
{
    (void)state;
    SKIP_WITHOUT_SHARED(path, "vectors/tokenizer/ggml-vocab-qwen2.gguf");
    check_vocabulary(path);
}

static void test_llama_bpe_vocabulary_gives_the_published_tokens(void **state)
{
    (void)state;
    SKIP_WITHOUT_SHARED(path, "vectors/tokenizer/ggml-vocab-llama-bpe.gguf");
    check_vocabulary(path);
}

static void test_llama_spm_vocabulary_gives_the_published_tokens(void **state)
{
    (void)state;
    SKIP_WITHOUT_SHARED(path, "vectors/tokenizer/ggml-vocab-llama-spm.gguf");
    check_vocabulary(path);
}

static void test_phi3_vocabulary_gives_the_published_tokens(void **state)
{
    (void)state;
    SKIP_WITHOUT_SHARED(path, "vectors/tokenizer/ggml-vocab-phi-3.gguf");
    check_vocabulary(path);
}

static void test_gemma4_vocabulary_gives_the_published_tokens(void **state)
{
    (void)state;
    SKIP_WITHOUT_SHARED(path, "vectors/tokenizer/ggml-vocab-gemma-4.gguf");
    check_vocabulary(path);
}

static void test_bert_vocabulary_gives_the_published_tokens(void **state)
{
    (void)state;
    SKIP_WITHOUT_SHARED(path, "vectors/tokenizer/ggml-vocab-bert-bge.gguf");
    check_vocabulary(path);
}

static void test_starter_vocabulary_is_read_with_its_ends(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct gguf *g;
    struct tokenizer *t;
    assert_ok(gguf_open(RUNG_ROOT "/models/starter.gguf", &g, &err), err);
    assert_ok(vocab_open(g, &t, &err), err);
    assert_int_equal(tokenizer_count(t), 4096);
    assert_int_equal(tokenizer_eos(t), 4095);
    assert_false(tokenizer_adds_bos(t));
    assert_true(tokenizer_is_end(t, tokenizer_find(t, STR("<|im_end|>"))));
    assert_false(tokenizer_is_end(t, tokenizer_find(t, STR("<|im_start|>"))));
    tokenizer_close(t);
    gguf_close(g);
}

static void open_shared(const char *path, struct gguf **g, struct tokenizer **t)
{
    struct err err = ERR_INIT;
    assert_ok(gguf_open(path, g, &err), err);
    assert_ok(vocab_open(*g, t, &err), err);
}

static void test_sentencepiece_begins_with_bos_and_ends_at_its_ends(void **state)
{
    (void)state;
    SKIP_WITHOUT_SHARED(path, "vectors/tokenizer/ggml-vocab-phi-3.gguf");
    struct gguf *g;
    struct tokenizer *t;
    open_shared(path, &g, &t);
    assert_true(tokenizer_adds_bos(t));
    assert_false(tokenizer_adds_eos(t));
    assert_int_equal(tokenizer_bos(t), 1);
    assert_true(tokenizer_is_end(t, tokenizer_find(t, STR("<|end|>"))));
    assert_true(tokenizer_is_end(t, tokenizer_find(t, STR("<|endoftext|>"))));
    assert_true(tokenizer_is_end(t, tokenizer_find(t, STR("</s>"))));
    assert_false(tokenizer_is_end(t, tokenizer_find(t, STR("<|user|>"))));
    tokenizer_close(t);
    gguf_close(g);
}

static void test_phi3_names_take_white_space_along(void **state)
{
    (void)state;
    SKIP_WITHOUT_SHARED(path, "vectors/tokenizer/ggml-vocab-phi-3.gguf");
    struct gguf *g;
    struct tokenizer *t;
    struct token_ids with = {0}, without = {0};
    struct err err = ERR_INIT;
    open_shared(path, &g, &t);
    assert_ok(tokenizer_encode(t, STR("<|user|> \n\tHello<|end|>\n"), TOKENIZE_SPECIAL, &with, &err), err);
    assert_ok(tokenizer_encode(t, STR("<|user|>Hello<|end|>"), TOKENIZE_SPECIAL, &without, &err), err);
    assert_int_equal(without.n, 3);
    assert_int_equal(with.n, 3);
    assert_memory_equal(with.p, without.p, 3 * sizeof *with.p);
    token_ids_free(&with);
    token_ids_free(&without);
    tokenizer_close(t);
    gguf_close(g);
}

static void test_bert_texts_stand_between_class_and_separator(void **state)
{
    (void)state;
    SKIP_WITHOUT_SHARED(path, "vectors/tokenizer/ggml-vocab-bert-bge.gguf");
    struct gguf *g;
    struct tokenizer *t;
    open_shared(path, &g, &t);
    assert_true(tokenizer_adds_bos(t) && tokenizer_adds_eos(t));
    assert_int_equal(tokenizer_bos(t), 101);
    assert_int_equal(tokenizer_eos(t), 102);
    tokenizer_close(t);
    gguf_close(g);
}

/* A SentencePiece vocabulary of n tokens beside weights of so many rows. */
static void open_written(int n, int64_t rows, struct gguf **g, struct tokenizer **t)
{
    char path[] = "/tmp/rung-vocab-XXXXXX", names[512][16];
    struct str tokens[512];
    float scores[512] = {0}, row[512] = {0};
    int32_t types[512];
    struct err err = ERR_INIT;
    struct gguf_writer *w;
    for (int i = 0; i < n; i++) {
        snprintf(names[i], sizeof names[i], "<%d>", i);
        tokens[i] = str_of(names[i]);
        types[i] = i == 0 ? TOKEN_UNKNOWN : TOKEN_CONTROL;
    }
    close(mkstemp(path));
    assert_ok(gguf_writer_open(path, &w, &err), err);
    gguf_write_str(w, "tokenizer.ggml.model", STR("llama"));
    gguf_write_strs(w, "tokenizer.ggml.tokens", tokens, n);
    gguf_write_f32s(w, "tokenizer.ggml.scores", scores, n);
    gguf_write_i32s(w, "tokenizer.ggml.token_type", types, n);
    gguf_write_tensor(w, "token_embd.weight", TENSOR_F32, 2, (int64_t[]){1, rows});
    assert_ok(gguf_write_data(w, row, (size_t)rows * sizeof *row, &err), err);
    assert_ok(gguf_writer_finish(w, &err), err);
    gguf_writer_close(w);
    assert_ok(gguf_open(path, g, &err), err);
    unlink(path);
    assert_ok(vocab_open(*g, t, &err), err);
}

/* Gemma 3 as Ollama keeps it: one token of images more than the weights have rows. */
static void test_spare_tokens_behind_the_rows_are_left_out(void **state)
{
    static const struct {
        int tokens, rows, taken;
    } cases[] = {{6, 5, 5}, {5, 8, 5}, {500, 200, 500 /* not spare: the vocabulary of another model */}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gguf *g;
        struct tokenizer *t;
        open_written(cases[i].tokens, cases[i].rows, &g, &t);
        assert_int_equal(tokenizer_count(t), cases[i].taken);
        assert_int_equal(tokenizer_find(t, STR("<4>")), 4);
        assert_int_equal(tokenizer_find(t, STR("<5>")), cases[i].taken > 5 ? 5 : -1);
        tokenizer_close(t);
        gguf_close(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpt2_vocabulary_gives_the_published_tokens),
        cmocka_unit_test(test_qwen2_vocabulary_gives_the_published_tokens),
        cmocka_unit_test(test_llama_bpe_vocabulary_gives_the_published_tokens),
        cmocka_unit_test(test_llama_spm_vocabulary_gives_the_published_tokens),
        cmocka_unit_test(test_phi3_vocabulary_gives_the_published_tokens),
        cmocka_unit_test(test_gemma4_vocabulary_gives_the_published_tokens),
        cmocka_unit_test(test_bert_vocabulary_gives_the_published_tokens),
        cmocka_unit_test(test_starter_vocabulary_is_read_with_its_ends),
        cmocka_unit_test(test_sentencepiece_begins_with_bos_and_ends_at_its_ends),
        cmocka_unit_test(test_phi3_names_take_white_space_along),
        cmocka_unit_test(test_bert_texts_stand_between_class_and_separator),
        cmocka_unit_test(test_spare_tokens_behind_the_rows_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
