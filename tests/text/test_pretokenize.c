/* The hand-written scanners against the published regular expressions, run by PCRE2 on random text. PCRE2 and
 * utf8proc may stand at different Unicode versions, so characters that PCRE2 takes for unassigned are left out. */
#include "../support.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/rng.h"
#include "text/pretokenize.h"

#define RANDOM_TEXTS 30000
#define MAX_CHARS 40

/* \s is written as the property White_Space: PCRE2's own \s also takes U+180E, which Unicode no longer counts. */
#define WS "\\p{White_Space}"
#define CONTRACTIONS "'s|'t|'re|'ve|'m|'ll|'d"
#define SPACES WS "+(?![^" WS "])|" WS "+"
#define CASED(digits)                                                                                                  \
    "(?i:" CONTRACTIONS ")|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits "| ?[^" WS "\\p{L}\\p{N}]+[\\r\\n]*|" WS          \
    "*[\\r\\n]+|" SPACES

static const struct {
    enum pretokenizer kind;
    const char *regex;
} published[] = {
    {PRETOKENIZE_GPT2, CONTRACTIONS "| ?\\p{L}+| ?\\p{N}+| ?[^" WS "\\p{L}\\p{N}]+|" SPACES},
    {PRETOKENIZE_QWEN2, CASED("\\p{N}")},
    {PRETOKENIZE_LLAMA_BPE, CASED("\\p{N}{1,3}")},
};

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
            'd', 'D', 'a',
        '1', '2', '9', '.', '!', '-', '_', 0x17F, 0x85, 0xA0, 0x1680, 0x180E, 0x2009, 0x2028, 0x2029, 0x202F, 0x205F,
            0x3000, 0x200B,
        0xFEFF, 0xE9, 0x301, 0x4F60, 0x3042, 0x0E01, 0x0E31, 0x661, 0x2160, 0xBD, 0x1F600, 0x1D7D8, 0x10FFFD, 0x1C,
            0x0, 0x212A,
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

static void compare(enum pretokenizer kind, pcre2_code *code, pcre2_match_data *match, struct str text)
{
    for (size_t at = 0; at < text.n;) {
        assert_true(pcre2_match(code, (PCRE2_SPTR)text.p, text.n, at, PCRE2_ANCHORED | PCRE2_NO_UTF_CHECK, match,
                                NULL) > 0);
        size_t expected = pcre2_get_ovector_pointer(match)[1], got = pretokenize_word(kind, text, at);
        if (got != expected) {
            for (size_t i = 0; i < text.n; i++)
                print_message("%02x ", (unsigned char)text.p[i]);
            fail_msg("scanner %d at byte %zu: word ends at %zu, PCRE2 says %zu", kind, at, got, expected);
        }
        at = expected;
    }
}

static void test_scanners_equal_published_regexes_on_random_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        pcre2_code *code = compile(published[i].regex);
        pcre2_match_data *match = pcre2_match_data_create_from_pattern(code, NULL);
        for (int n = 0; n < RANDOM_TEXTS; n++) {
            char text[MAX_CHARS * 4];
            compare(published[i].kind, code, match, (struct str){text, random_text(text)});
        }
        pcre2_match_data_free(match);
        pcre2_code_free(code);
    }
}

static void test_scanners_agree_on_every_character(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        pcre2_code *code = compile(published[i].regex);
        pcre2_match_data *match = pcre2_match_data_create_from_pattern(code, NULL);
        for (uint32_t cp = 0; cp < sizeof known; cp++) {
            char text[8] = " ";
            int len = utf8_encode(cp, text + 1);
            text[1 + len] = 'a';
            if (known[cp])
                compare(published[i].kind, code, match, (struct str){text, (size_t)len + 2});
        }
        pcre2_match_data_free(match);
        pcre2_code_free(code);
    }
}

static void test_bad_utf8_is_cut_into_words_to_the_end(void **state)
{
    (void)state;
    struct str text = {"ab\xFF\xFE 12\xE4\xBD\xED\xA0\x80z", 13};
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        size_t at = 0;
        while (at < text.n) {
            size_t end = pretokenize_word(published[i].kind, text, at);
            assert_true(end > at && end <= text.n);
            at = end;
        }
    }
    assert_int_equal(pretokenize_word(PRETOKENIZE_GPT2, text, 2), 4); /* the bad bytes are symbols, one word */
}

static void test_unknown_pretokenizer_is_refused_with_the_known_names(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    enum pretokenizer kind;
    assert_false(pretokenizer_named(STR("tekken"), &kind, &err));
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "tekken"));
    assert_non_null(strstr(err.msg, "llama-bpe"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scanners_equal_published_regexes_on_random_text),
        cmocka_unit_test(test_scanners_agree_on_every_character),
        cmocka_unit_test(test_bad_utf8_is_cut_into_words_to_the_end),
        cmocka_unit_test(test_unknown_pretokenizer_is_refused_with_the_known_names),
    };
    return cmocka_run_group_tests(tests, find_known_characters, NULL);
}
