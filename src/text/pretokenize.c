/* The pre-tokenizers as scanners: one look at each character, no backtracking beyond one character. What a character
 * is (letter, number, white space) comes from utf8proc's Unicode tables; what becomes of a word is the business of
 * tokenizer_bpe.c. */
#include "text/pretokenize.h"

#include <utf8proc.h>

enum char_class {
    CLASS_END = 0,      /* past the last character */
    CLASS_LETTER = 1,   /* \p{L} */
    CLASS_NUMBER = 2,   /* \p{N} */
    CLASS_NEWLINE = 4,  /* \r and \n */
    CLASS_SPACE = 8,    /* other White_Space */
    CLASS_OTHER = 16,
    CLASS_WHITE = CLASS_NEWLINE | CLASS_SPACE,
};

static const struct {
    const char *name;
    enum pretokenizer kind;
} pretokenizers[] = {
    {"gpt-2", PRETOKENIZE_GPT2},          {"gpt2", PRETOKENIZE_GPT2},         {"default", PRETOKENIZE_GPT2},
    {"", PRETOKENIZE_GPT2},               {"qwen2", PRETOKENIZE_QWEN2},       {"llama-bpe", PRETOKENIZE_LLAMA_BPE},
    {"llama3", PRETOKENIZE_LLAMA_BPE},    {"llama-v3", PRETOKENIZE_LLAMA_BPE},
};

bool pretokenizer_named(struct str name, enum pretokenizer *ret, struct err *err)
{
    for (size_t i = 0; i < sizeof pretokenizers / sizeof *pretokenizers; i++) {
        if (str_is(name, pretokenizers[i].name)) {
            *ret = pretokenizers[i].kind;
            return true;
        }
    }
    struct str shown = utf8_clip(name, 64);
    return err_set(err, ERR_UNSUPPORTED,
                   "the pre-tokenizer '" STR_FMT "' is unknown; Rung knows gpt-2, qwen2 and llama-bpe",
                   STR_ARG(shown));
}

static enum char_class class_of_ascii(unsigned char c)
{
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
        return CLASS_LETTER;
    if (c >= '0' && c <= '9')
        return CLASS_NUMBER;
    if (c == '\r' || c == '\n')
        return CLASS_NEWLINE;
    return c == ' ' || (c >= '\t' && c <= '\f') ? CLASS_SPACE : CLASS_OTHER;
}

/* The property White_Space is not quite the category Z, so it is spelt out. */
static bool is_white_space(uint32_t cp)
{
    return cp == 0x85 || cp == 0xA0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 || cp == 0x2029 ||
           cp == 0x202F || cp == 0x205F || cp == 0x3000;
}

static enum char_class class_of_wide(uint32_t cp)
{
    if (cp == UTF8_BAD)
        return CLASS_OTHER;
    if (is_white_space(cp))
        return CLASS_SPACE;
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return CLASS_LETTER;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return CLASS_NUMBER;
    default:
        return CLASS_OTHER;
    }
}

/* The class of the character at `at` and its length; CLASS_END and 0 at the end. */
static inline enum char_class class_at(struct str s, size_t at, size_t *ret_len)
{
    if (at >= s.n) {
        *ret_len = 0;
        return CLASS_END;
    }
    *ret_len = 1;
    unsigned char c = (unsigned char)s.p[at];
    if (c < 0x80)
        return class_of_ascii(c);
    int len;
    uint32_t cp = utf8_decode(s, at, &len);
    *ret_len = (size_t)len;
    return class_of_wide(cp);
}

/* The end of the run of at most `max` characters of the classes in mask. */
static size_t run_end(struct str s, size_t at, unsigned mask, size_t max)
{
    size_t len;
    while (max-- > 0 && class_at(s, at, &len) & mask)
        at += len;
    return at;
}

/* The end of a contraction ('s 't 're 've 'm 'll 'd) that starts at the apostrophe, or `at` when there is none. */
static size_t contraction_end(struct str s, size_t at, bool any_case)
{
    if (s.p[at] != '\'' || at + 1 >= s.n)
        return at;
    char fold = any_case ? 0x20 : 0;
    char a = (char)(s.p[at + 1] | fold), b = at + 2 < s.n ? (char)(s.p[at + 2] | fold) : 0;
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return at + 2;
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l'))
        return at + 3;
    /* U+017F, the long s, is an s to a case-insensitive expression. */
    if (any_case && at + 2 < s.n && memcmp(s.p + at + 1, "\xC5\xBF", 2) == 0)
        return at + 3;
    return at;
}

/* White space that no word takes: \s+(?!\S)|\s+, after \s*[\r\n]+ where newlines_first. The last space before a word
 * is left to it. */
static size_t white_end(struct str s, size_t at, bool newlines_first)
{
    size_t start = at, last = at, after_newline = 0, len;
    enum char_class class;
    while ((class = class_at(s, at, &len)) & CLASS_WHITE) {
        last = at;
        at += len;
        if (class == CLASS_NEWLINE)
            after_newline = at;
    }
    if (newlines_first && after_newline)
        return after_newline;
    return at < s.n && last > start ? last : at;
}

static size_t word_gpt2(struct str s, size_t at)
{
    size_t end = contraction_end(s, at, false);
    if (end > at)
        return end;
    size_t len, next_len, from = at;
    enum char_class class = class_at(s, at, &len);
    if (s.p[at] == ' ') {
        enum char_class next = class_at(s, at + 1, &next_len);
        if (next & (CLASS_LETTER | CLASS_NUMBER | CLASS_OTHER)) {
            class = next;
            from = at + 1;
        }
    }
    if (class & CLASS_WHITE)
        return white_end(s, at, false);
    return run_end(s, from, class, SIZE_MAX);
}

/* qwen2 and llama-bpe, which differ in how many digits stand together. */
static size_t word_cased(struct str s, size_t at, size_t max_digits)
{
    size_t end = contraction_end(s, at, true);
    if (end > at)
        return end;
    size_t len, next_len;
    enum char_class class = class_at(s, at, &len), next = class_at(s, at + len, &next_len);
    if (class == CLASS_LETTER || (class & (CLASS_SPACE | CLASS_OTHER) && next == CLASS_LETTER))
        return run_end(s, at + len, CLASS_LETTER, SIZE_MAX);
    if (class == CLASS_NUMBER)
        return run_end(s, at, CLASS_NUMBER, max_digits);
    if (class == CLASS_OTHER || (s.p[at] == ' ' && next == CLASS_OTHER))
        return run_end(s, run_end(s, at + len, CLASS_OTHER, SIZE_MAX), CLASS_NEWLINE, SIZE_MAX);
    return white_end(s, at, true);
}

size_t pretokenize_word(enum pretokenizer kind, struct str text, size_t at)
{
    switch (kind) {
    case PRETOKENIZE_QWEN2:
        return word_cased(text, at, 1);
    case PRETOKENIZE_LLAMA_BPE:
        return word_cased(text, at, 3);
    default:
        return word_gpt2(text, at);
    }
}
