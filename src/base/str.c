/* String views: comparing, searching, reading numbers. UTF-8 has its own file (utf8.c). */
#include "base/str.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>

#define FLOAT_TEXT_MAX 400 /* longer numbers are not written by honest hands */

bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && str_eq((struct str){s.p, prefix.n}, prefix);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.n >= suffix.n && str_eq((struct str){s.p + (s.n - suffix.n), suffix.n}, suffix);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str str_trim(struct str s)
{
    while (s.n && is_space(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n && is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

size_t str_find(struct str s, struct str needle)
{
    if (needle.n == 0)
        return 0;
    if (needle.n > s.n)
        return SIZE_MAX;
    const char *at = memmem(s.p, s.n, needle.p, needle.n);
    return at ? (size_t)(at - s.p) : SIZE_MAX;
}

static char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
            return false;
    return true;
}

char *str_dup(struct str s)
{
    char *p = s.n < SIZE_MAX ? malloc(s.n + 1) : NULL;
    if (!p)
        return NULL;
    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return p;
}

bool str_to_i64(struct str s, int64_t *ret)
{
    size_t at = 0;
    bool negative = false;
    if (s.n && (s.p[0] == '-' || s.p[0] == '+')) {
        negative = s.p[0] == '-';
        at = 1;
    }
    if (at == s.n)
        return false;
    int64_t v = 0; /* counted downwards: the negative side is one longer */
    for (; at < s.n; at++) {
        if (s.p[at] < '0' || s.p[at] > '9')
            return false;
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, s.p[at] - '0', &v))
            return false;
    }
    if (!negative && v == INT64_MIN)
        return false;
    *ret = negative ? v : -v;
    return true;
}

/* digits [. digits] [e digits], with a sign: strtod alone would also take "inf", "0x1p3" and leading space. */
static bool is_decimal(struct str s)
{
    size_t at = 0, digits = 0;
    if (at < s.n && (s.p[at] == '-' || s.p[at] == '+'))
        at++;
    for (; at < s.n && s.p[at] >= '0' && s.p[at] <= '9'; at++)
        digits++;
    if (at < s.n && s.p[at] == '.')
        for (at++; at < s.n && s.p[at] >= '0' && s.p[at] <= '9'; at++)
            digits++;
    if (digits == 0)
        return false;
    if (at < s.n && (s.p[at] == 'e' || s.p[at] == 'E')) {
        at++;
        if (at < s.n && (s.p[at] == '-' || s.p[at] == '+'))
            at++;
        size_t first = at;
        while (at < s.n && s.p[at] >= '0' && s.p[at] <= '9')
            at++;
        if (at == first)
            return false;
    }
    return at == s.n;
}

/* One locale for the life of the process: a user's decimal comma must not change what a file says. */
static locale_t plain_locale(void)
{
    static locale_t kept;
    locale_t now = __atomic_load_n(&kept, __ATOMIC_ACQUIRE);
    if (now)
        return now;
    locale_t fresh = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (fresh && !__atomic_compare_exchange_n(&kept, &now, fresh, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        freelocale(fresh);
        return now;
    }
    return fresh;
}

bool str_to_f64(struct str s, double *ret)
{
    char text[FLOAT_TEXT_MAX + 1];
    locale_t locale = plain_locale();
    if (s.n > FLOAT_TEXT_MAX || !locale || !is_decimal(s))
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    double v = strtod_l(text, NULL, locale);
    if (!isfinite(v))
        return false;
    *ret = v;
    return true;
}

/* FNV-1a with a final mix, so that the low bits are fit for a table. */
uint64_t str_hash(struct str s)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return h ^ h >> 32;
}
