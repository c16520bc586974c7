/* SentencePiece by scores, and its kin that merges characters by rank, on vocabularies made here; real ones are checked
 * by the floor runtime. A slow merge written from the definition, over whole texts, stands against the real one. */
#include "../support.h"

#include <math.h>

#include "base/rng.h"
#include "text/guard.h"
#include "support_tokenizer.h"

#define SPACE "\xE2\x96\x81" /* a space in names */
#define MAX_TOKENS 600

struct vocab {
    char names[MAX_TOKENS][32];
    struct str tokens[MAX_TOKENS];
    int32_t types[MAX_TOKENS];
    float scores[MAX_TOKENS];
    int32_t n;
};

static struct vocab vocab;

enum { UNKNOWN, BOS, EOS, BYTES, FIRST = BYTES + 256 };

static int32_t add(const char *name, enum token_type type, float score)
{
    int32_t id = vocab.n++;
    snprintf(vocab.names[id], sizeof vocab.names[id], "%s", name);
    vocab.tokens[id] = str_of(vocab.names[id]);
    vocab.types[id] = type;
    vocab.scores[id] = score;
    return id;
}

static void start_vocab(void)
{
    vocab.n = 0;
    add("<unk>", TOKEN_UNKNOWN, 0);
    add("<s>", TOKEN_CONTROL, 0);
    add("</s>", TOKEN_CONTROL, 0);
    for (int i = 0; i < 256; i++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", i);
        add(name, TOKEN_BYTE, 0);
    }
}

static struct tokenizer_spec spec_of_vocab(void)
{
    struct tokenizer_spec spec = tokenizer_spec_of(STR("llama"), STR("default"));
    spec.tokens = vocab.tokens;
    spec.types = vocab.types;
    spec.scores = vocab.scores;
    spec.n_tokens = vocab.n;
    spec.bos = BOS;
    spec.eos = EOS;
    spec.unknown = UNKNOWN;
    return spec;
}

static struct tokenizer *open_vocab(void)
{
    struct tokenizer_spec spec = spec_of_vocab();
    return open_spec(&spec);
}

static void test_the_best_score_merges_first_and_the_leftmost_of_equals(void **state)
{
    (void)state;
    start_vocab();
    int32_t space = add(SPACE, TOKEN_NORMAL, -9), a = add("a", TOKEN_NORMAL, -9), b = add("b", TOKEN_NORMAL, -9);
    int32_t ab = add("ab", TOKEN_NORMAL, -2), ba = add("ba", TOKEN_NORMAL, -1), aa = add("aa", TOKEN_NORMAL, -3);
    int32_t space_a = add(SPACE "a", TOKEN_NORMAL, -3);
    struct tokenizer *t = open_vocab();
    ENCODES(t, "bab", 0, space, ba, b);
    ENCODES(t, "ab", 0, space, ab);
    ENCODES(t, "aaa", 0, space_a, aa);
    ENCODES(t, "aba", 0, space_a, ba);
    ENCODES(t, "bb a", 0, space, b, b, space_a);
    (void)a;
    tokenizer_close(t);
}

static void test_what_no_token_holds_falls_back_to_bytes(void **state)
{
    (void)state;
    start_vocab();
    int32_t space = add(SPACE, TOKEN_NORMAL, -9), e = add("\xC3\xA9", TOKEN_NORMAL, -9);
    struct tokenizer *t = open_vocab();
    ENCODES(t, "\xC3\xA9\xE4\xBD\xA0\xFF\n", 0, space, e, BYTES + 0xE4, BYTES + 0xBD, BYTES + 0xA0, BYTES + 0xFF,
            BYTES + '\n');
    ENCODES(t, "<0x41>", 0, space, BYTES + '<', BYTES + '0', BYTES + 'x', BYTES + '4', BYTES + '1', BYTES + '>');
    assert_encodes(t, STR(""), 0, NULL, 0);
    tokenizer_close(t);
}

static void test_a_vocabulary_without_byte_tokens_has_its_unknown_token(void **state)
{
    (void)state;
    vocab.n = 0;
    add("<unk>", TOKEN_UNKNOWN, 0);
    int32_t space = add(SPACE, TOKEN_NORMAL, 0), a = add("a", TOKEN_NORMAL, 0);
    struct tokenizer_spec spec = spec_of_vocab();
    spec.bos = spec.eos = -1;
    struct tokenizer *t = open_spec(&spec);
    ENCODES(t, "aba", 0, space, a, UNKNOWN, a);
    tokenizer_close(t);
    struct err err = ERR_INIT;
    spec.unknown = -1;
    assert_false(tokenizer_open(&spec, &t, &err));
    assert_non_null(strstr(err.msg, "no token for the byte"));
}

static void test_a_space_leads_each_text_also_after_named_tokens(void **state)
{
    (void)state;
    start_vocab();
    int32_t space = add(SPACE, TOKEN_NORMAL, -9), a = add("a", TOKEN_NORMAL, -9);
    int32_t two = add(SPACE SPACE, TOKEN_NORMAL, -2), tool = add("<tool>", TOKEN_USER_DEFINED, 0);
    struct tokenizer_spec spec = spec_of_vocab();
    struct tokenizer *t = open_spec(&spec);
    ENCODES(t, "a", 0, space, a);
    ENCODES(t, " a", 0, two, a);
    ENCODES(t, SPACE "a", 0, two, a);
    ENCODES(t, "a<tool>a", 0, space, a, tool, space, a);
    ENCODES(t, "<s><s>a", TOKENIZE_SPECIAL, BOS, BOS, space, a);
    tokenizer_close(t);
    spec.space_prefix = false;
    t = open_spec(&spec);
    ENCODES(t, "a<tool> a", 0, a, tool, space, a);
    tokenizer_close(t);
}

static void test_user_text_makes_no_control_token(void **state)
{
    (void)state;
    start_vocab();
    add(SPACE, TOKEN_NORMAL, -9);
    add("<", TOKEN_NORMAL, -9);
    add("s", TOKEN_NORMAL, -9);
    add(">", TOKEN_NORMAL, -9);
    add("<s", TOKEN_NORMAL, -1);
    add("<start_of_turn>", TOKEN_CONTROL, 0);
    struct tokenizer *t = open_vocab();
    static const char *const texts[] = {"<s>", "a</s>", "<start_of_turn>", "<s><s>"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct buf rendered = BUF_INIT(4096);
        struct token_ids ids = {0};
        struct err err = ERR_INIT;
        assert_ok(tokenizer_encode(t, str_of(texts[i]), TOKENIZE_PLAIN, &ids, &err), err);
        for (int64_t k = 0; k < ids.n; k++)
            assert_int_not_equal(tokenizer_type(t, ids.p[k]), TOKEN_CONTROL);
        int64_t n_plain = ids.n;
        ids.n = 0;
        buf_puts(&rendered, "<s>");
        guard_escape(t, str_of(texts[i]), &rendered);
        buf_puts(&rendered, "</s>");
        assert_ok(guard_encode(t, buf_view(&rendered), &ids, &err), err);
        assert_int_equal(ids.n, n_plain + 2);
        assert_int_equal(ids.p[0], BOS);
        assert_int_equal(ids.p[ids.n - 1], EOS);
        for (int64_t k = 1; k + 1 < ids.n; k++)
            assert_int_not_equal(tokenizer_type(t, ids.p[k]), TOKEN_CONTROL);
        token_ids_free(&ids);
        buf_free(&rendered);
    }
    tokenizer_close(t);
}

static void test_text_comes_back_without_the_space_that_led_it(void **state)
{
    (void)state;
    start_vocab();
    int32_t space = add(SPACE, TOKEN_NORMAL, -9);
    add("a", TOKEN_NORMAL, -9);
    struct tokenizer *t = open_vocab();
    struct token_ids ids = {0};
    struct err err = ERR_INIT;
    assert_ok(tokenizer_encode(t, STR(" a \xE4\xBD\xA0 a"), 0, &ids, &err), err);
    assert_int_equal(ids.p[0], space);
    for (int at_start = 0; at_start <= 1; at_start++) {
        struct detokenizer d = {.at_start = at_start};
        struct buf out = BUF_INIT(1024);
        for (int64_t i = 0; i < ids.n; i++)
            detokenizer_add(&d, t, ids.p[i], &out);
        detokenizer_end(&d, &out);
        assert_string_equal(out.p, at_start ? " a \xE4\xBD\xA0 a" : "  a \xE4\xBD\xA0 a");
        buf_free(&out);
    }
    token_ids_free(&ids);
    tokenizer_close(t);
}

/* ---- against the definition ---- */

static uint64_t dice;
static uint32_t roll(uint32_t n)
{
    return (uint32_t)(rng_u64(11, 0, dice++) % n);
}

static const char *const alphabet[] = {SPACE, "a", "b", "c", ".", "\n", "\xC3\xA9", "\xE4\xBD\xA0"};
#define N_ALPHABET (sizeof alphabet / sizeof *alphabet)

/* All characters but one, and tokens of two to four characters with few different scores, so that equals are common. */
static void random_vocab(void)
{
    start_vocab();
    for (size_t i = 0; i + 1 < N_ALPHABET; i++)
        add(alphabet[i], TOKEN_NORMAL, -100);
    for (uint32_t n = 20 + roll(40); n > 0; n--) {
        char name[32] = "";
        for (uint32_t chars = 2 + roll(3); chars > 0; chars--)
            strncat(name, alphabet[roll(N_ALPHABET - 1)], sizeof name - strlen(name) - 1);
        bool twice = false;
        for (int32_t id = 0; id < vocab.n; id++)
            twice |= str_is(vocab.tokens[id], name);
        if (!twice)
            add(name, TOKEN_NORMAL, -(float)roll(6));
    }
}

struct symbol {
    const char *p;
    size_t n;
};

static int32_t find(const char *p, size_t n)
{
    for (int32_t id = FIRST; id < vocab.n; id++)
        if (str_eq(vocab.tokens[id], (struct str){p, n}))
            return id;
    return -1;
}

/* The pair to merge next, or -1. */
static int best_pair(const struct symbol *symbols, int n)
{
    int best = -1;
    float best_score = 0;
    for (int i = 0; i + 1 < n; i++) {
        int32_t id = find(symbols[i].p, symbols[i].n + symbols[i + 1].n);
        if (id >= 0 && (best < 0 || vocab.scores[id] > best_score)) {
            best = i;
            best_score = vocab.scores[id];
        }
    }
    return best;
}

static int slow_encode(const char *escaped, int32_t *ids)
{
    struct symbol symbols[256];
    struct str text = str_of(escaped);
    int n = 0, n_ids = 0;
    for (size_t at = 0; at < text.n;) {
        int len;
        utf8_decode(text, at, &len);
        symbols[n++] = (struct symbol){text.p + at, (size_t)len};
        at += (size_t)len;
    }
    for (int i; (i = best_pair(symbols, n)) >= 0; n--) {
        symbols[i].n += symbols[i + 1].n;
        memmove(&symbols[i + 1], &symbols[i + 2], (size_t)(n - i - 2) * sizeof *symbols);
    }
    for (int i = 0; i < n; i++) {
        int32_t id = find(symbols[i].p, symbols[i].n);
        if (id >= 0)
            ids[n_ids++] = id;
        for (size_t k = 0; id < 0 && k < symbols[i].n; k++)
            ids[n_ids++] = BYTES + (unsigned char)symbols[i].p[k];
    }
    return n_ids;
}

static void test_merging_equals_its_definition_on_random_vocabularies(void **state)
{
    (void)state;
    for (int v = 0; v < 60; v++) {
        random_vocab();
        struct tokenizer *t = open_vocab();
        for (int round = 0; round < 60; round++) {
            char escaped[256] = SPACE;
            for (uint32_t chars = 1 + roll(40); chars > 0; chars--)
                strcat(escaped, alphabet[roll(N_ALPHABET)]);
            int32_t expected[256];
            int n = slow_encode(escaped, expected);
            assert_encodes(t, str_of(escaped + strlen(SPACE)), 0, expected, n);
        }
        tokenizer_close(t);
    }
}

/* A quadratic merge would take minutes here: every place may join, so the line is one stretch. */
static void test_a_megabyte_without_a_cut_is_encoded(void **state)
{
    (void)state;
    start_vocab();
    add(SPACE, TOKEN_NORMAL, -9);
    add("a", TOKEN_NORMAL, -9);
    int32_t two = add("aa", TOKEN_NORMAL, -2), four = add("aaaa", TOKEN_NORMAL, -1);
    struct tokenizer *t = open_vocab();
    size_t n = 1 << 20;
    char *text = malloc(n);
    assert_non_null(text);
    memset(text, 'a', n);
    struct token_ids ids = {0};
    struct err err = ERR_INIT;
    assert_ok(tokenizer_encode(t, (struct str){text, n}, 0, &ids, &err), err);
    assert_int_equal(ids.n, 1 + n / 4);
    assert_int_equal(ids.p[1], four);
    assert_int_not_equal(ids.p[ids.n - 1], two);
    token_ids_free(&ids);
    free(text);
    tokenizer_close(t);
}

/* ---- merges by rank of characters ---- */

static void test_gemma4_keeps_lines_apart_and_takes_runs_of_newlines_whole(void **state)
{
    (void)state;
    start_vocab();
    int32_t space = add(SPACE, TOKEN_NORMAL, 0), a = add("a", TOKEN_NORMAL, 0), newline = add("\n", TOKEN_NORMAL, 0);
    int32_t three = add("\n\n\n", TOKEN_NORMAL, 0), space_a = add(SPACE "a", TOKEN_NORMAL, 0);
    add("a\n", TOKEN_NORMAL, 0);
    const struct str merges[] = {STR("a \n"), STR(SPACE " a")};
    struct tokenizer_spec spec = spec_of_vocab();
    spec.model = STR("gemma4");
    spec.merges = merges;
    spec.n_merges = 2;
    struct tokenizer *t = open_spec(&spec);
    ENCODES(t, "a a\n\n\na", 0, a, space_a, three, a);
    ENCODES(t, " \n\n\xC3\xA9", 0, space, newline, newline, BYTES + 0xC3, BYTES + 0xA9);
    tokenizer_close(t);
}

static void test_bad_vocabularies_are_refused(void **state)
{
    (void)state;
    start_vocab();
    int32_t a = add("a", TOKEN_NORMAL, 0);
    struct tokenizer_spec spec = spec_of_vocab();
    struct tokenizer *t;
    struct err err = ERR_INIT;
    vocab.scores[a] = NAN;
    assert_false(tokenizer_open(&spec, &t, &err));
    assert_non_null(strstr(err.msg, "not a number"));
    vocab.scores[a] = 0;
    spec.scores = NULL;
    assert_false(tokenizer_open(&spec, &t, &err));
    assert_non_null(strstr(err.msg, "no scores"));
    spec.scores = vocab.scores;
    vocab.tokens[BYTES + 1] = STR("<0xG1>");
    assert_false(tokenizer_open(&spec, &t, &err));
    assert_non_null(strstr(err.msg, "names no byte"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_best_score_merges_first_and_the_leftmost_of_equals),
        cmocka_unit_test(test_what_no_token_holds_falls_back_to_bytes),
        cmocka_unit_test(test_a_vocabulary_without_byte_tokens_has_its_unknown_token),
        cmocka_unit_test(test_a_space_leads_each_text_also_after_named_tokens),
        cmocka_unit_test(test_user_text_makes_no_control_token),
        cmocka_unit_test(test_text_comes_back_without_the_space_that_led_it),
        cmocka_unit_test(test_merging_equals_its_definition_on_random_vocabularies),
        cmocka_unit_test(test_a_megabyte_without_a_cut_is_encoded),
        cmocka_unit_test(test_gemma4_keeps_lines_apart_and_takes_runs_of_newlines_whole),
        cmocka_unit_test(test_bad_vocabularies_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
