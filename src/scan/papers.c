/* Numbers of papers and accounts that hold letters: bank account, national insurance, the lines of a passport. */
#include "scan/forms.h"

/* ---- bank account ---- */

#define IBAN_MAX 34

static const struct {
    char country[3];
    int length;
} iban_lengths[] = {
    {"AD", 24}, {"AE", 23}, {"AL", 28}, {"AT", 20}, {"AZ", 28}, {"BA", 20}, {"BE", 16}, {"BG", 22}, {"BH", 22},
    {"BR", 29}, {"BY", 28}, {"CH", 21}, {"CR", 22}, {"CY", 28}, {"CZ", 24}, {"DE", 22}, {"DK", 18}, {"DO", 28},
    {"EE", 20}, {"EG", 29}, {"ES", 24}, {"FI", 18}, {"FO", 18}, {"FR", 27}, {"GB", 22}, {"GE", 22}, {"GI", 23},
    {"GL", 18}, {"GR", 27}, {"GT", 28}, {"HR", 21}, {"HU", 28}, {"IE", 22}, {"IL", 23}, {"IQ", 23}, {"IS", 26},
    {"IT", 27}, {"JO", 30}, {"KW", 30}, {"KZ", 20}, {"LB", 28}, {"LC", 32}, {"LI", 21}, {"LT", 20}, {"LU", 20},
    {"LV", 21}, {"LY", 25}, {"MC", 27}, {"MD", 24}, {"ME", 22}, {"MK", 19}, {"MR", 27}, {"MT", 31}, {"MU", 30},
    {"NL", 18}, {"NO", 15}, {"PK", 24}, {"PL", 28}, {"PS", 29}, {"PT", 25}, {"QA", 29}, {"RO", 24}, {"RS", 22},
    {"SA", 24}, {"SC", 31}, {"SE", 24}, {"SI", 19}, {"SK", 24}, {"SM", 27}, {"ST", 25}, {"SV", 28}, {"TL", 23},
    {"TN", 24}, {"TR", 26}, {"UA", 29}, {"VA", 22}, {"VG", 24}, {"XK", 20},
};

static int iban_length(const char *country)
{
    for (size_t i = 0; i < sizeof iban_lengths / sizeof iban_lengths[0]; i++)
        if (memcmp(country, iban_lengths[i].country, 2) == 0)
            return iban_lengths[i].length;
    return 0;
}

/* The first four characters go to the end, letters become 10 to 35, and the number is 1 modulo 97 (ISO 13616). */
static bool iban_check(const char *c, int n)
{
    unsigned rest = 0;
    for (int i = 0; i < n; i++) {
        char ch = c[(i + 4) % n];
        rest = form_digit(ch) ? (rest * 10 + (unsigned)(ch - '0')) % 97 : (rest * 100 + (unsigned)(ch - 'A') + 10) % 97;
    }
    return rest == 1;
}

size_t form_iban(struct str t, size_t at)
{
    char c[IBAN_MAX];
    int n = 0;
    if (at + 4 > t.n || !form_upper(t.p[at]) || !form_upper(t.p[at + 1]) || !form_digit(t.p[at + 2]) ||
        !form_digit(t.p[at + 3]))
        return 0;
    int length = iban_length(t.p + at);
    size_t i = at;
    for (; i < t.n && n < length; i++) {
        if (form_digit(t.p[i]) || form_upper(t.p[i]))
            c[n++] = t.p[i];
        else if (t.p[i] != ' ' || (i > at && t.p[i - 1] == ' '))
            break;
    }
    return length && n == length && form_boundary(t, i) && iban_check(c, n) ? i - at : 0;
}

/* ---- national insurance (United Kingdom) ---- */

size_t form_nino(struct str t, size_t at)
{
    char c[9];
    int n = 0;
    size_t i = at;
    for (; i < t.n && n < 9; i++) {
        if (form_digit(t.p[i]) || form_upper(t.p[i]))
            c[n++] = t.p[i];
        else if (t.p[i] != ' ' || t.p[i - 1] == ' ')
            break;
    }
    if (n < 9 || !form_boundary(t, i) || !form_upper(c[0]) || !form_upper(c[1]) || c[8] < 'A' || c[8] > 'D')
        return 0;
    for (int k = 2; k < 8; k++)
        if (!form_digit(c[k]))
            return 0;
    static const char *const never[] = {"BG", "GB", "NK", "KN", "TN", "NT", "ZZ", NULL};
    for (int k = 0; never[k]; k++)
        if (memcmp(c, never[k], 2) == 0)
            return 0;
    return strchr("DFIQUV", c[0]) || strchr("DFIQUVO", c[1]) ? 0 : i - at;
}

/* ---- the first line of a passport's machine-readable zone ---- */

#define PASSPORT_LINE 44

size_t form_passport(struct str t, size_t at)
{
    if (t.p[at] != 'P' || at + PASSPORT_LINE > t.n || !form_boundary(t, at + PASSPORT_LINE))
        return 0;
    int fill = 0;
    for (size_t i = 0; i < PASSPORT_LINE; i++) {
        if (!form_upper(t.p[at + i]) && t.p[at + i] != '<')
            return 0;
        fill += t.p[at + i] == '<';
    }
    struct str names = {t.p + at + 5, PASSPORT_LINE - 5};
    return fill >= 3 && str_find(names, STR("<<")) != SIZE_MAX ? PASSPORT_LINE : 0;
}
