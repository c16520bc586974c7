/* The scanners. Greedy runs with the few steps back that the expressions take, written out where they happen; the
 * tests hold every scanner against its expression run by PCRE2. */
#include "text/tokenizer/scan.h"

/* Whatever is no letter, number or white space. */
#define CHAR_OTHER (CHAR_MARK | CHAR_PUNCTUATION | CHAR_SYMBOL | CHAR_REST)

/* The end of the run of at most `max` characters of the classes in mask. */
static inline size_t run_end(struct str s, size_t at, unsigned mask, size_t max)
{
    size_t len;
    while (max-- > 0 && chars_class(s, at, &len) & mask)
        at += len;
    return at;
}

/* The end of a contraction ('s 't 're 've 'm 'll 'd) that starts at the apostrophe, or `at` when there is none. */
static size_t contraction_end(struct str s, size_t at, bool any_case)
{
    if (at + 1 >= s.n || s.p[at] != '\'')
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
    while ((class = chars_class(s, at, &len)) & CHAR_WHITE) {
        last = at;
        at += len;
        if (class == CHAR_NEWLINE)
            after_newline = at;
    }
    if (newlines_first && after_newline)
        return after_newline;
    return at < s.n && last > start ? last : at;
}

size_t scan_gpt2(const struct pretokenize_stage *stage, struct str s, size_t at)
{
    (void)stage;
    size_t end = contraction_end(s, at, false);
    if (end > at)
        return end;
    size_t len, next_len, from = at;
    enum char_class class = chars_class(s, at, &len);
    if (s.p[at] == ' ') {
        enum char_class next = chars_class(s, at + 1, &next_len);
        if (next && !(next & CHAR_WHITE)) {
            class = next;
            from = at + 1;
        }
    }
    if (class & CHAR_WHITE)
        return white_end(s, at, false);
    unsigned mask = class & CHAR_LETTER ? CHAR_LETTER : class & CHAR_NUMBER ? CHAR_NUMBER : CHAR_OTHER;
    return run_end(s, from, mask, SIZE_MAX);
}

size_t scan_cased(const struct pretokenize_stage *stage, struct str s, size_t at)
{
    size_t end = contraction_end(s, at, true);
    if (end > at)
        return end;
    unsigned other = CHAR_OTHER & ~stage->letters;
    size_t len, next_len;
    enum char_class class = chars_class(s, at, &len), next = chars_class(s, at + len, &next_len);
    if (class & stage->letters || (class & (CHAR_SPACE | other) && next & stage->letters))
        return run_end(s, at + len, stage->letters, SIZE_MAX);
    if (class == CHAR_NUMBER)
        return run_end(s, at, CHAR_NUMBER, stage->digits);
    if (class & other || (s.p[at] == ' ' && next & other))
        return run_end(s, run_end(s, at + len, other, SIZE_MAX), CHAR_NEWLINE, SIZE_MAX);
    return white_end(s, at, true);
}

/* ---- words that end where small letters are followed by capitals ---- */

#define HUMP_HEAD (CHAR_UPPER | CHAR_UNCASED | CHAR_MARK)
#define HUMP_TAIL (CHAR_LOWER | CHAR_UNCASED | CHAR_MARK)

/* HEAD*TAIL+ at `at`, or `at` when it does not match. HEAD takes all it can; where no small letter follows, it gives
 * back up to the last character that may stand in a tail too. *ret_head is the end of HEAD*. */
static size_t hump_end(struct str s, size_t at, size_t *ret_head)
{
    size_t len, tail = at;
    enum char_class class;
    size_t end = at;
    while ((class = chars_class(s, end, &len)) & HUMP_HEAD) {
        end += len;
        if (class & HUMP_TAIL)
            tail = end;
    }
    *ret_head = end;
    return class == CHAR_LOWER ? run_end(s, end, HUMP_TAIL, SIZE_MAX) : tail;
}

/* A word of the two alternatives, with the character before it and without a contraction; `at` when there is none. */
static size_t hump_word_end(struct str s, size_t at)
{
    size_t len, head, capitals = at, end;
    enum char_class class = chars_class(s, at, &len);
    bool leads = !(class & (CHAR_LETTER | CHAR_NUMBER | CHAR_NEWLINE));
    if (leads) {
        end = hump_end(s, at + len, &capitals);
        if (end > at + len)
            return end;
    }
    if (!leads || class == CHAR_MARK) {
        end = hump_end(s, at, &head);
        if (end > at)
            return end;
        capitals = head;
    }
    return capitals > at + (leads ? len : 0) ? capitals : at;
}

static size_t slashes_end(struct str s, size_t at)
{
    while (at < s.n && (s.p[at] == '\r' || s.p[at] == '\n' || s.p[at] == '/'))
        at++;
    return at;
}

size_t scan_humps(const struct pretokenize_stage *stage, struct str s, size_t at)
{
    size_t len, next_len, end = hump_word_end(s, at);
    if (end > at)
        return stage->contractions ? contraction_end(s, end, true) : end;
    enum char_class class = chars_class(s, at, &len);
    if (class == CHAR_NUMBER)
        return run_end(s, at, CHAR_NUMBER, stage->digits);
    if (class & CHAR_OTHER || (s.p[at] == ' ' && chars_class(s, at + 1, &next_len) & CHAR_OTHER))
        return slashes_end(s, run_end(s, at + len, CHAR_OTHER, SIZE_MAX));
    return white_end(s, at, true);
}

/* ---- deepseek ---- */

static bool is_ascii_letter(struct str s, size_t at)
{
    return at < s.n && (s.p[at] | 0x20) >= 'a' && (s.p[at] | 0x20) <= 'z';
}

/* The end of a match at `at`; `at` when there is none. */
static size_t deepseek_match_end(struct str s, size_t at)
{
    const unsigned letters = CHAR_LETTER | CHAR_MARK, marks = CHAR_PUNCTUATION | CHAR_SYMBOL;
    size_t len, next_len;
    enum char_class class = chars_class(s, at, &len);
    if (class & marks && len == 1 && is_ascii_letter(s, at + 1)) {
        do
            at++;
        while (is_ascii_letter(s, at));
        return at;
    }
    enum char_class next = chars_class(s, at + len, &next_len);
    if (class & letters || (next & letters && !(class & (CHAR_NEWLINE | marks))))
        return run_end(s, at + len, letters, SIZE_MAX);
    if (class & marks || (s.p[at] == ' ' && next & marks))
        return run_end(s, run_end(s, at + len, marks, SIZE_MAX), CHAR_NEWLINE, SIZE_MAX);
    return class & CHAR_WHITE ? white_end(s, at, true) : at;
}

size_t scan_deepseek(const struct pretokenize_stage *stage, struct str s, size_t at)
{
    (void)stage;
    size_t end = deepseek_match_end(s, at), len;
    while (end == at && at < s.n) {
        chars_class(s, at, &len);
        at += len;
        if (at == s.n || deepseek_match_end(s, at) > at)
            return at;
        end = at;
    }
    return end;
}

/* ---- runs ---- */

/* The end of a run without its \s?, or `at`. */
static size_t bare_run_end(const struct pretokenize_stage *stage, struct str s, size_t at)
{
    size_t end = at, n = 0, len;
    uint32_t cp;
    enum char_class class;
    while (n < stage->most && (class = chars_at(s, end, &len, &cp)) != CHAR_END && stage->has(class, cp)) {
        end += len;
        n++;
    }
    return n >= stage->least ? end : at;
}

static size_t run_match_end(const struct pretokenize_stage *stage, struct str s, size_t at)
{
    size_t len;
    if (stage->led && chars_class(s, at, &len) & CHAR_WHITE) {
        size_t end = bare_run_end(stage, s, at + len);
        if (end > at + len)
            return end;
    }
    return bare_run_end(stage, s, at);
}

size_t scan_runs(const struct pretokenize_stage *stage, struct str s, size_t at)
{
    size_t end = run_match_end(stage, s, at), len;
    if (end > at)
        return end;
    do {
        chars_class(s, at, &len);
        at += len;
    } while (at < s.n && run_match_end(stage, s, at) == at);
    return at;
}

size_t scan_last_white(const struct pretokenize_stage *stage, struct str s, size_t at)
{
    (void)stage;
    size_t start = at, white = at, len;
    enum char_class class;
    while ((class = chars_class(s, at, &len)) != CHAR_END) {
        at += len;
        if (!(class & CHAR_WHITE))
            white = at;
    }
    return white > start ? white : at;
}
