/* Classes of characters: a table for ASCII, utf8proc's categories for the rest. */
#include "text/tokenizer/chars.h"

#include <utf8proc.h>

enum {
    U = CHAR_UPPER, L = CHAR_LOWER, N = CHAR_NUMBER, R = CHAR_NEWLINE, W = CHAR_SPACE, P = CHAR_PUNCTUATION,
    S = CHAR_SYMBOL, C = CHAR_REST,
};

const uint16_t chars_ascii[128] = {
    C, C, C, C, C, C, C, C, C, W, R, W, W, R, C, C,
    C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C,
    W, P, P, P, S, P, P, P, P, P, P, S, P, P, P, P,
    N, N, N, N, N, N, N, N, N, N, P, P, S, S, S, P,
    P, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U,
    U, U, U, U, U, U, U, U, U, U, U, P, P, P, S, P,
    S, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
    L, L, L, L, L, L, L, L, L, L, L, P, S, P, S, C,
};

/* The property White_Space is not quite the category Z, so it is spelt out. */
static bool is_white_space(uint32_t cp)
{
    return cp == 0x85 || cp == 0xA0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 || cp == 0x2029 ||
           cp == 0x202F || cp == 0x205F || cp == 0x3000;
}

enum char_class chars_class_wide(uint32_t cp)
{
    static const uint16_t of_category[] = {
        [UTF8PROC_CATEGORY_LU] = U, [UTF8PROC_CATEGORY_LL] = L, [UTF8PROC_CATEGORY_LT] = U,
        [UTF8PROC_CATEGORY_LM] = CHAR_UNCASED, [UTF8PROC_CATEGORY_LO] = CHAR_UNCASED,
        [UTF8PROC_CATEGORY_MN] = CHAR_MARK, [UTF8PROC_CATEGORY_MC] = CHAR_MARK, [UTF8PROC_CATEGORY_ME] = CHAR_MARK,
        [UTF8PROC_CATEGORY_ND] = N, [UTF8PROC_CATEGORY_NL] = N, [UTF8PROC_CATEGORY_NO] = N,
        [UTF8PROC_CATEGORY_PC] = P, [UTF8PROC_CATEGORY_PD] = P, [UTF8PROC_CATEGORY_PS] = P,
        [UTF8PROC_CATEGORY_PE] = P, [UTF8PROC_CATEGORY_PI] = P, [UTF8PROC_CATEGORY_PF] = P,
        [UTF8PROC_CATEGORY_PO] = P, [UTF8PROC_CATEGORY_SM] = S, [UTF8PROC_CATEGORY_SC] = S,
        [UTF8PROC_CATEGORY_SK] = S, [UTF8PROC_CATEGORY_SO] = S, [UTF8PROC_CATEGORY_CO] = C,
    };
    if (cp == UTF8_BAD)
        return CHAR_REST;
    if (is_white_space(cp))
        return CHAR_SPACE;
    uint16_t class = of_category[utf8proc_category((utf8proc_int32_t)cp)];
    return class ? (enum char_class)class : CHAR_REST;
}
