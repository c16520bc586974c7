/* WordPiece (BERT): text made plain (control characters away, accents and case too where the vocabulary has none), cut
 * at white space, around punctuation and around Chinese characters; then each word takes the longest pieces from the
 * left. A word no pieces spell is one unknown token. (Devlin et al. 2018; the published BasicTokenizer.) */
#include <utf8proc.h>

#include "text/tokenizer/chars.h"
#include "text/tokenizer/internal.h"

#define MAX_DECOMPOSED 8 /* characters that one character comes apart into; Unicode's own limit is lower */

static bool is_chinese(uint32_t cp)
{
    return (cp >= 0x4E00 && cp <= 0x9FFF) || (cp >= 0x3400 && cp <= 0x4DBF) || (cp >= 0x20000 && cp <= 0x2A6DF) ||
           (cp >= 0x2A700 && cp <= 0x2B81F) || (cp >= 0x2B920 && cp <= 0x2CEAF) || (cp >= 0xF900 && cp <= 0xFAFF) ||
           (cp >= 0x2F800 && cp <= 0x2FA1F);
}

/* Control, format and private characters, the replacement character and bad bytes are left out. */
static bool is_dropped(uint32_t cp)
{
    if (cp == UTF8_BAD || cp == 0xFFFD)
        return true;
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)cp);
    return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_CO;
}

/* A character of a word, which stands alone where it is punctuation or Chinese. */
static void add_char(uint32_t cp, bool *in_word, struct buf *out)
{
    char bytes[4];
    bool alone = is_chinese(cp);
    if (!alone)
        alone = cp < 0x80 ? (chars_ascii[cp] & (CHAR_PUNCTUATION | CHAR_SYMBOL)) != 0
                          : chars_class_wide(cp) == CHAR_PUNCTUATION;
    if (alone || !*in_word)
        buf_char(out, ' ');
    buf_add(out, bytes, (size_t)utf8_encode(cp, bytes));
    *in_word = !alone;
}

/* A character past ASCII: its accents off, in small letters. */
static void add_wide(const struct tokenizer *t, uint32_t cp, bool *in_word, struct buf *out)
{
    utf8proc_int32_t parts[MAX_DECOMPOSED] = {(utf8proc_int32_t)cp};
    utf8proc_ssize_t n = 1;
    if (t->strip_accents)
        n = utf8proc_decompose_char((utf8proc_int32_t)cp, parts, MAX_DECOMPOSED, UTF8PROC_DECOMPOSE, NULL);
    for (utf8proc_ssize_t i = 0; i < n && i < MAX_DECOMPOSED; i++) {
        if (t->strip_accents && utf8proc_category(parts[i]) == UTF8PROC_CATEGORY_MN)
            continue;
        add_char((uint32_t)(t->lowercase ? utf8proc_tolower(parts[i]) : parts[i]), in_word, out);
    }
}

void wordpiece_normalise(const struct tokenizer *t, struct str text, struct buf *out)
{
    bool in_word = false;
    size_t len;
    uint32_t cp;
    for (size_t at = 0; at < text.n; at += len) {
        enum char_class class = chars_at(text, at, &len, &cp);
        if (class == CHAR_NEWLINE || cp == '\t' || (class == CHAR_SPACE && !is_dropped(cp)))
            in_word = false;
        else if (class & (CHAR_REST | CHAR_SPACE) && is_dropped(cp))
            continue;
        else if (cp < 0x80)
            add_char(t->lowercase && class == CHAR_UPPER ? cp | 0x20 : cp, &in_word, out);
        else if (cp != 0xFFFD)
            add_wide(t, cp, &in_word, out);
    }
}

/* The longest piece at `at`; *ret_len is its bytes. -1 when there is none. */
static int32_t longest_piece(const struct tokenizer *t, struct str word, size_t at, size_t *ret_len)
{
    size_t len = word.n - at < t->max_piece ? word.n - at : t->max_piece;
    int32_t id;
    for (; len > 0; len--) {
        bool whole = at + len == word.n || begins_char(word.p[at + len]);
        if (whole && tokenizer_find_plain(t, (struct str){word.p + at, len}, &id)) {
            *ret_len = len;
            return id;
        }
    }
    return -1;
}

bool wordpiece_encode_word(const struct tokenizer *t, struct str word, struct token_ids *ids, struct err *err)
{
    int64_t n_before = ids->n;
    size_t len;
    for (size_t at = 0; at < word.n; at += len) {
        int32_t id = longest_piece(t, word, at, &len);
        if (id < 0) {
            ids->n = n_before;
            return token_ids_add(ids, t->unknown, err);
        }
        if (!token_ids_add(ids, id, err))
            return false;
    }
    return true;
}
