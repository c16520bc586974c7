/* What kind of character this is: the Unicode categories that pre-tokenizers and WordPiece tell apart. A byte that is
 * not UTF-8 is CHAR_REST. */
#ifndef RUNG_TEXT_TOKENIZER_CHARS_H
#define RUNG_TEXT_TOKENIZER_CHARS_H

#include "base/str.h"

enum char_class {
    CHAR_END = 0,           /* past the last character */
    CHAR_UPPER = 1,         /* Lu, Lt */
    CHAR_LOWER = 2,         /* Ll */
    CHAR_UNCASED = 4,       /* Lm, Lo */
    CHAR_MARK = 8,          /* M */
    CHAR_NUMBER = 16,       /* N */
    CHAR_NEWLINE = 32,      /* \r and \n */
    CHAR_SPACE = 64,        /* other White_Space */
    CHAR_PUNCTUATION = 128, /* P */
    CHAR_SYMBOL = 256,      /* S */
    CHAR_REST = 512,        /* control, format, private, unassigned, bad */
    CHAR_LETTER = CHAR_UPPER | CHAR_LOWER | CHAR_UNCASED,
    CHAR_WHITE = CHAR_NEWLINE | CHAR_SPACE,
    CHAR_ANY = 1023,
};

extern const uint16_t chars_ascii[128];
enum char_class chars_class_wide(uint32_t cp);

/* The class of the character at `at`, with the character and its length; CHAR_END and 0 at the end. */
static inline enum char_class chars_at(struct str s, size_t at, size_t *ret_len, uint32_t *ret_cp)
{
    if (at >= s.n) {
        *ret_len = 0;
        *ret_cp = UTF8_BAD;
        return CHAR_END;
    }
    unsigned char c = (unsigned char)s.p[at];
    *ret_len = 1;
    *ret_cp = c;
    if (c < 0x80)
        return (enum char_class)chars_ascii[c];
    int len;
    *ret_cp = utf8_decode(s, at, &len);
    *ret_len = (size_t)len;
    return chars_class_wide(*ret_cp);
}

static inline enum char_class chars_class(struct str s, size_t at, size_t *ret_len)
{
    uint32_t cp;
    return chars_at(s, at, ret_len, &cp);
}

#endif
