/* The hand-written scanners against the published regular expressions, run by PCRE2 on random text. PCRE2 and
 * utf8proc may stand at different Unicode versions, so characters that PCRE2 takes for unassigned are left out. */
#include "../support.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/rng.h"
#include "text/tokenizer/pretokenize.h"

#define RANDOM_TEXTS 30000
#define MAX_CHARS 40

/* \s is written as the property White_Space: PCRE2's own \s also takes U+180E, which Unicode no longer counts. */
#define WS "\\p{White_Space}"
#define CONTRACTIONS "'s|'t|'re|'ve|'m|'ll|'d"
#define SPACES WS "+(?![^" WS "])|" WS "+"
#define GPT2 CONTRACTIONS "| ?\\p{L}+| ?\\p{N}+| ?[^" WS "\\p{L}\\p{N}]+|" SPACES
#define CASED(word, digits, other)                                                                                     \
    "(?i:" CONTRACTIONS ")|[^\\r\\n\\p{L}\\p{N}]?" word "|" digits "| ?" other "[\\r\\n]*|" WS "*[\\r\\n]+|" SPACES
#define OTHER "[^" WS "\\p{L}\\p{N}]+"
#define HEAD "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define TAIL "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define HUMPS(end, digits)                                                                                             \
    "[^\\r\\n\\p{L}\\p{N}]?" HEAD "*" TAIL "+" end "|[^\\r\\n\\p{L}\\p{N}]?" HEAD "+" TAIL "*" end "|" digits          \
    "| ?" OTHER "[\\r\\n/]*|" WS "*[\\r\\n]+|" SPACES
#define DEEPSEEK_LETTERS \
    "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ" \
    "-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\\x{1F7D}ᾀ-ᾴ" \
    "ᾶ-ᾼ\\x{1FBE}ῂ-ῄῆ-ῌῐ-\\x{1FD3}ῖ-\\x{1FDB}ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ" \
    "\\x{2126}ℨ\\x{212A}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-" \
    "ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-" \
    "𑣟𞤀-𞥃"

/* The published expressions of each family, which cut one after another. */
static const struct {
    const char *name;
    const char *regexes[PRETOKENIZE_MAX_STAGES];
} published[] = {
    {"gpt-2", {GPT2}},
    {"qwen2", {CASED("\\p{L}+", "\\p{N}", OTHER)}},
    {"qwen35", {CASED("[\\p{L}\\p{M}]+", "\\p{N}", "[^" WS "\\p{L}\\p{M}\\p{N}]+")}},
    {"llama-bpe", {CASED("\\p{L}+", "\\p{N}{1,3}", OTHER)}},
    {"gpt-4o", {HUMPS("(?i:" CONTRACTIONS ")?", "\\p{N}{1,3}")}},
    {"tekken", {HUMPS("", "\\p{N}")}},
    {"starcoder", {"\\p{N}", GPT2}},
    {"falcon", {"[\\p{P}$+<=>\\^~|`]+", GPT2, "[0-9][0-9][0-9]"}},
    {"default", {"[\\p{P}$+<=>\\^~|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"}},
    {"deepseek-llm",
     {"[\r\n]", WS "?[" DEEPSEEK_LETTERS "]+", WS "?[!-/:-~！-／：-～‘-‟　-。]+", WS "+\\z",
      "[一-龥ࠀ-一가-\\x{D7FF}]+", "\\p{N}+"}},
    {"deepseek-coder",
     {"[\r\n]", WS "?\\p{L}+", WS "?\\p{P}+", "[一-龥ࠀ-一가-\\x{D7FF}]+", "\\p{N}"}},
    {"deepseek-v3",
     {"\\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
      "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
      "| ?[\\p{P}\\p{S}]+[\r\n]*|" WS "*[\r\n]+|" SPACES}},
};
#define N_PUBLISHED (sizeof published / sizeof *published)

static uint64_t dice;
static uint32_t roll(uint32_t n)
{
    return (uint32_t)(rng_u64(7, 0, dice++) % n);
}

static pcre2_code *compile(const char *regex)
{
    int error;
    PCRE2_SIZE offset;
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)regex, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &error, &offset, NULL);
    assert_non_null(code);
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    return code;
}

/* ---- which characters both libraries know ---- */

static bool known[0x110000];

static int find_known_characters(void **state)
{
    (void)state;
    pcre2_code *code = compile("\\P{Cn}");
    pcre2_match_data *match = pcre2_match_data_create_from_pattern(code, NULL);
    for (uint32_t cp = 0; cp < sizeof known; cp++) {
        char text[4];
        int len = utf8_encode(cp, text);
        known[cp] = len > 0 && pcre2_match(code, (PCRE2_SPTR)text, (size_t)len, 0, 0, match, NULL) > 0;
    }
    pcre2_match_data_free(match);
    pcre2_code_free(code);
    return 0;
}

/* ---- the comparison ---- */

/* Mostly characters at which the expressions change their mind, sometimes any character at all. */
static uint32_t random_char(void)
{
    static const uint32_t edges[] = {
        ' ', ' ', ' ', '\n', '\r', '\t', '\v', '\f', '\'', '\'', 's', 'S', 't', 'T', 'r', 'e', 'E', 'v', 'l', 'L', 'm',
        'd', 'D', 'a', 'A', 'B', '1', '2', '9', '.', '!', '-', '_', '/', '$', '`', '+', 0x17F, 0x85, 0xA0, 0x1680,
        0x180E, 0x2009, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000, 0x3001, 0x200B, 0xFEFF, 0xE9, 0xC9, 0x1C5, 0xAA, 0x2B0,
        0x301, 0x300, 0x903, 0x4F60, 0x3042, 0x30A2, 0xD55C, 0x0E01, 0x0E31, 0x661, 0x2160, 0xBD, 0x1F600, 0x1D7D8,
        0x10FFFD, 0x1C, 0x0, 0x212A, 0xFF01, 0xFF21, 0x20AC, 0x378,
    };
    if (roll(8) > 0)
        return edges[roll(sizeof edges / sizeof *edges)];
    for (;;) {
        uint32_t cp = roll(roll(2) ? 0x3000 : 0x110000);
        if (known[cp])
            return cp;
    }
}

static size_t random_text(char *out)
{
    size_t n = 0;
    for (uint32_t chars = 1 + roll(MAX_CHARS); chars > 0; chars--)
        n += (size_t)utf8_encode(random_char(), out + n);
    return n;
}

struct oracle {
    pcre2_code *codes[PRETOKENIZE_MAX_STAGES];
    pcre2_match_data *match;
    const char *name;
    const struct pretokenizer *pre;
};

static struct oracle oracle_open(size_t i)
{
    struct oracle o = {.name = published[i].name};
    struct err err = ERR_INIT;
    assert_ok(pretokenizer_named(str_of(o.name), &o.pre, &err), err);
    for (int k = 0; k < PRETOKENIZE_MAX_STAGES && published[i].regexes[k]; k++)
        o.codes[k] = compile(published[i].regexes[k]);
    o.match = pcre2_match_data_create(32, NULL);
    return o;
}

static void oracle_close(struct oracle *o)
{
    for (int k = 0; k < PRETOKENIZE_MAX_STAGES && o->codes[k]; k++)
        pcre2_code_free(o->codes[k]);
    pcre2_match_data_free(o->match);
}

/* Append the ends of the pieces of text[from..to) to ends: those of this stage, each cut by the later ones. */
static int oracle_split(struct oracle *o, int stage, struct str text, size_t from, size_t to, size_t *ends, int n)
{
    if (from == to)
        return n;
    if (stage == PRETOKENIZE_MAX_STAGES || !o->codes[stage]) {
        ends[n] = to;
        return n + 1;
    }
    struct str piece = {text.p + from, to - from};
    size_t at = 0;
    while (at < piece.n && pcre2_match(o->codes[stage], (PCRE2_SPTR)piece.p, piece.n, at, PCRE2_NO_UTF_CHECK, o->match,
                                       NULL) > 0) {
        size_t first = pcre2_get_ovector_pointer(o->match)[0], last = pcre2_get_ovector_pointer(o->match)[1];
        n = oracle_split(o, stage + 1, text, from + at, from + first, ends, n);
        n = oracle_split(o, stage + 1, text, from + first, from + last, ends, n);
        at = last;
    }
    return oracle_split(o, stage + 1, text, from + at, to, ends, n);
}

static void compare(struct oracle *o, struct str text)
{
    size_t ends[MAX_CHARS * 4];
    int n = oracle_split(o, 0, text, 0, text.n, ends, 0);
    struct pretokenize walk = pretokenize_start(o->pre, text);
    for (int i = 0; i < n; i++) {
        pretokenize_next(&walk);
        if (walk.at == ends[i])
            continue;
        for (size_t k = 0; k < text.n; k++)
            print_message("%02x ", (unsigned char)text.p[k]);
        fail_msg("%s: word %d ends at byte %zu, PCRE2 says %zu", o->name, i, walk.at, ends[i]);
    }
    assert_int_equal(pretokenize_next(&walk).n, 0);
}

static void test_scanners_equal_published_regexes_on_random_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_PUBLISHED; i++) {
        struct oracle o = oracle_open(i);
        for (int n = 0; n < RANDOM_TEXTS; n++) {
            char text[MAX_CHARS * 4];
            compare(&o, (struct str){text, random_text(text)});
        }
        oracle_close(&o);
    }
}

static void test_scanners_agree_on_every_character(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_PUBLISHED; i++) {
        struct oracle o = oracle_open(i);
        for (uint32_t cp = 0; cp < sizeof known; cp++) {
            char text[8] = " ";
            int len = utf8_encode(cp, text + 1);
            text[1 + len] = 'a';
            if (known[cp])
                compare(&o, (struct str){text, (size_t)len + 2});
        }
        oracle_close(&o);
    }
}

static void test_bad_utf8_is_cut_into_words_to_the_end(void **state)
{
    (void)state;
    struct str text = {"ab\xFF\xFE 12\xE4\xBD\xED\xA0\x80z", 13};
    struct err err = ERR_INIT;
    for (size_t i = 0; i < N_PUBLISHED; i++) {
        const struct pretokenizer *pre;
        assert_ok(pretokenizer_named(str_of(published[i].name), &pre, &err), err);
        struct pretokenize walk = pretokenize_start(pre, text);
        while (walk.at < text.n) {
            size_t at = walk.at;
            struct str word = pretokenize_next(&walk);
            assert_true(word.n > 0 && walk.at == at + word.n && walk.at <= text.n);
        }
    }
}

static void test_other_names_mean_the_same_families(void **state)
{
    (void)state;
    static const char *const names[][2] = {
        {"llama3", "llama-bpe"}, {"llama-v3", "llama-bpe"}, {"falcon3", "llama-bpe"}, {"smaug-bpe", "dbrx"},
        {"deepseek-r1-qwen", "qwen2"}, {"smollm", "starcoder"}, {"refact", "starcoder"}, {"llama4", "gpt-4o"},
        {"joyai-llm", "deepseek-v3"}, {"phi-2", "gpt-2"}, {"olmo", "gpt-2"}, {"", "default"},
    };
    struct err err = ERR_INIT;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct pretokenizer *a, *b;
        assert_ok(pretokenizer_named(str_of(names[i][0]), &a, &err), err);
        assert_ok(pretokenizer_named(str_of(names[i][1]), &b, &err), err);
        assert_ptr_equal(a, b);
    }
}

static void test_unknown_pretokenizer_is_refused_with_the_known_names(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    const struct pretokenizer *pre;
    assert_false(pretokenizer_named(STR("kimi-k2"), &pre, &err));
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "kimi-k2"));
    for (size_t i = 0; i < N_PUBLISHED; i++)
        assert_non_null(strstr(err.msg, published[i].name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scanners_equal_published_regexes_on_random_text),
        cmocka_unit_test(test_scanners_agree_on_every_character),
        cmocka_unit_test(test_bad_utf8_is_cut_into_words_to_the_end),
        cmocka_unit_test(test_other_names_mean_the_same_families),
        cmocka_unit_test(test_unknown_pretokenizer_is_refused_with_the_known_names),
    };
    return cmocka_run_group_tests(tests, find_known_characters, NULL);
}
