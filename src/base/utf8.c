/* UTF-8 as the Unicode standard defines well-formedness (table 3-7): no overlong forms, no surrogates, nothing past
 * U+10FFFF. What to do about bad bytes is the caller's decision. Declared in str.h. */
#include "base/str.h"

#define UTF8_LAST 0x10FFFFu

/* Bytes the lead byte announces, 0 when it cannot lead; *ret_min and *ret_max bound the second byte. */
static int utf8_lead(unsigned char c, unsigned char *ret_min, unsigned char *ret_max)
{
    *ret_min = 0x80;
    *ret_max = 0xBF;
    if (c < 0x80)
        return 1;
    if (c >= 0xC2 && c <= 0xDF)
        return 2;
    if (c >= 0xE0 && c <= 0xEF) {
        if (c == 0xE0)
            *ret_min = 0xA0; /* overlong below */
        if (c == 0xED)
            *ret_max = 0x9F; /* surrogates above */
        return 3;
    }
    if (c >= 0xF0 && c <= 0xF4) {
        if (c == 0xF0)
            *ret_min = 0x90;
        if (c == 0xF4)
            *ret_max = 0x8F; /* past U+10FFFF above */
        return 4;
    }
    return 0;
}

/* How many of the `want` bytes from s.p[at] on are there and well-formed so far. */
static int utf8_good_bytes(struct str s, size_t at, int want, unsigned char min, unsigned char max)
{
    int good = 1;
    while (good < want && at + (size_t)good < s.n) {
        unsigned char c = (unsigned char)s.p[at + (size_t)good];
        if (good == 1 ? c < min || c > max : (c & 0xC0) != 0x80)
            break;
        good++;
    }
    return good;
}

uint32_t utf8_decode(struct str s, size_t at, int *ret_len)
{
    *ret_len = 1;
    if (at >= s.n)
        return UTF8_BAD;
    unsigned char lead = (unsigned char)s.p[at], min, max;
    int want = utf8_lead(lead, &min, &max);
    if (want == 1)
        return lead;
    if (want == 0 || utf8_good_bytes(s, at, want, min, max) < want)
        return UTF8_BAD;
    uint32_t cp = lead & (0x7Fu >> want);
    for (int i = 1; i < want; i++)
        cp = cp << 6 | ((unsigned char)s.p[at + (size_t)i] & 0x3Fu);
    *ret_len = want;
    return cp;
}

int utf8_encode(uint32_t cp, char out[4])
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xC0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3F));
        return 2;
    }
    if (cp < 0x10000) {
        if (cp >= 0xD800 && cp <= 0xDFFF)
            return 0;
        out[0] = (char)(0xE0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3F));
        out[2] = (char)(0x80 | (cp & 0x3F));
        return 3;
    }
    if (cp > UTF8_LAST)
        return 0;
    out[0] = (char)(0xF0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3F));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3F));
    out[3] = (char)(0x80 | (cp & 0x3F));
    return 4;
}

bool utf8_valid(struct str s)
{
    int len;
    for (size_t at = 0; at < s.n; at += (size_t)len)
        if (utf8_decode(s, at, &len) == UTF8_BAD)
            return false;
    return true;
}

size_t utf8_complete(struct str s)
{
    /* An unfinished character is a lead byte among the last three whose bytes so far are all good. */
    for (size_t back = 1; back <= 3 && back <= s.n; back++) {
        size_t at = s.n - back;
        unsigned char min, max;
        int want = utf8_lead((unsigned char)s.p[at], &min, &max);
        if (want == 0)
            continue;
        if ((size_t)want > back && (size_t)utf8_good_bytes(s, at, want, min, max) == back)
            return at;
        return s.n;
    }
    return s.n;
}

struct str utf8_clip(struct str s, size_t max)
{
    if (s.n <= max)
        return s;
    int len;
    /* Only a whole, well-formed character that straddles the cut is taken away with it. */
    for (size_t back = 1; back <= 3 && back <= max; back++)
        if (utf8_decode(s, max - back, &len) != UTF8_BAD && (size_t)len > back)
            return (struct str){s.p, max - back};
    return (struct str){s.p, max};
}
