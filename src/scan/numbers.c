/* Numbers that stand for somebody: telephone, card, social security, tax, address in a network, day of birth. Grouping
 * by spaces, hyphens and the like is followed as people write it; what has a check digit must pass it. */
#include "scan/forms.h"

#define MAX_DIGITS 19
#define CONTEXT_BYTES 40                 /* how far before a number the word may stand that says what it is */

/* Digits from a place on, with single separators between them. */
struct digits {
    char d[MAX_DIGITS + 1];
    int n;
    size_t end;                          /* behind the last digit, from the start of the text */
    int n_separators;
};

/* Reads up to `max` digits; stops before what is neither digit nor a single separator that a digit follows. */
static struct digits read_digits(struct str t, size_t at, int max, const char *separators)
{
    struct digits r = {.end = at};
    while (at < t.n && r.n <= max) {
        if (form_digit(t.p[at])) {
            if (r.n == max)
                break;
            r.d[r.n++] = (char)(t.p[at++] - '0');
            r.end = at;
        } else if (t.p[at] && strchr(separators, t.p[at]) && at + 1 < t.n && form_digit(t.p[at + 1])) {
            r.n_separators++;
            at++;
        } else {
            break;
        }
    }
    return r;
}

/* The number is not the beginning of a longer one, nor the whole part of a decimal. */
static bool ends_number(struct str t, size_t at)
{
    if (at >= t.n)
        return true;
    bool goes_on = (t.p[at] == '.' || t.p[at] == ',' || t.p[at] == '-') && at + 1 < t.n && form_digit(t.p[at + 1]);
    return !form_alnum(t.p[at]) && !goes_on;
}

/* Whether one of the words, in lower case and ending in NULL, stands shortly before `at`. */
static bool told_before(struct str t, size_t at, const char *const *words)
{
    size_t from = at > CONTEXT_BYTES ? at - CONTEXT_BYTES : 0;
    for (; *words; words++) {
        struct str word = str_of(*words);
        for (size_t i = from; i + word.n <= at; i++) {
            bool begins = i == 0 || !form_alnum(t.p[i - 1]);
            if (begins && str_eq_nocase((struct str){t.p + i, word.n}, word))
                return true;
        }
    }
    return false;
}

/* ---- telephone ---- */

/* Groups of digits with spaces, hyphens, dots, slashes and brackets between. */
static size_t read_phone(struct str t, size_t at, int *ret_digits)
{
    size_t end = at;
    int n = 0, gap = 0;
    for (; at < t.n && gap < 3 && n <= 15; at++) {
        if (form_digit(t.p[at])) {
            n++;
            gap = 0;
            end = at + 1;
        } else if (t.p[at] && strchr(" -./()", t.p[at])) {
            gap++;
        } else {
            break;
        }
    }
    *ret_digits = n;
    return end;
}

/* (212) 555-0123, 212-555-0123, 212.555.0123: area codes and exchanges do not begin with 0 or 1. */
static size_t north_american(struct str t, size_t at)
{
    bool bracket = t.p[at] == '(';
    size_t i = at + bracket;
    if (i + 8 > t.n || t.p[i] < '2' || t.p[i] > '9' || !form_digit(t.p[i + 1]) || !form_digit(t.p[i + 2]))
        return 0;
    i += 3;
    char separator = '-';
    if (bracket) {
        if (t.p[i++] != ')')
            return 0;
        i += i < t.n && t.p[i] == ' ';
    } else {
        separator = t.p[i++];
        if (separator != '-' && separator != '.' && separator != ' ')
            return 0;
    }
    if (i + 8 > t.n || t.p[i] < '2' || t.p[i] > '9' || !form_digit(t.p[i + 1]) || !form_digit(t.p[i + 2]))
        return 0;
    if (t.p[i + 3] != separator && !(bracket && t.p[i + 3] == ' '))
        return 0;
    for (int k = 4; k < 8; k++)
        if (!form_digit(t.p[i + (size_t)k]))
            return 0;
    return ends_number(t, i + 8) ? i + 8 - at : 0;
}

size_t form_phone(struct str t, size_t at)
{
    static const char *const words[] = {"phone", "tel",   "telephone", "mobile", "cell", "call", "fax",
                                        "handy", "telefon", "téléphone", "teléfono", NULL};
    int n = 0;
    if (t.p[at] == '+' && at + 1 < t.n && t.p[at + 1] >= '1' && t.p[at + 1] <= '9') {
        size_t end = read_phone(t, at + 1, &n);
        return n >= 8 && n <= 15 && form_boundary(t, end) ? end - at : 0;
    }
    if (t.p[at] == '(' || (t.p[at] >= '2' && t.p[at] <= '9')) {
        size_t length = north_american(t, at);
        if (length)
            return length;
    }
    if (!form_digit(t.p[at]))
        return 0;
    size_t end = read_phone(t, at, &n);
    return n >= 7 && n <= 15 && form_boundary(t, end) && told_before(t, at, words) ? end - at : 0;
}

/* ---- card ---- */

static bool luhn(const struct digits *c)
{
    int sum = 0;
    for (int i = 0; i < c->n; i++) {
        int d = c->d[c->n - 1 - i];
        sum += i % 2 == 0 ? d : d * 2 > 9 ? d * 2 - 9 : d * 2;
    }
    return sum % 10 == 0;
}

/* Beginnings and lengths as issuers use them. */
static bool is_issued(const struct digits *c)
{
    static const struct {
        int from, to, least, most;
    } issuers[] = {
        {4000, 4999, 13, 19}, {5100, 5599, 16, 16}, {2221, 2720, 16, 16}, {3400, 3499, 15, 15}, {3700, 3799, 15, 15},
        {6011, 6011, 16, 19}, {6440, 6599, 16, 19}, {3528, 3589, 16, 19}, {3000, 3059, 14, 19}, {3600, 3699, 14, 19},
        {3800, 3999, 14, 19}, {5000, 5099, 13, 19}, {5600, 5899, 13, 19}, {6200, 6299, 16, 19},
    };
    int begin = c->d[0] * 1000 + c->d[1] * 100 + c->d[2] * 10 + c->d[3];
    for (size_t i = 0; i < sizeof issuers / sizeof issuers[0]; i++)
        if (begin >= issuers[i].from && begin <= issuers[i].to && c->n >= issuers[i].least && c->n <= issuers[i].most)
            return true;
    return false;
}

size_t form_card(struct str t, size_t at)
{
    if (t.p[at] < '2' || t.p[at] > '6')
        return 0;
    struct digits c = read_digits(t, at, MAX_DIGITS, " -");
    return c.n >= 13 && c.n_separators <= 5 && ends_number(t, c.end) && is_issued(&c) && luhn(&c) ? c.end - at : 0;
}

/* ---- numbers of states ---- */

/* AAA-GG-SSSS, never issued: areas 000, 666 and 9xx, group 00, serial 0000. */
size_t form_ssn(struct str t, size_t at)
{
    if (at + 11 > t.n || !ends_number(t, at + 11))
        return 0;
    for (size_t i = 0; i < 11; i++) {
        bool separator = i == 3 || i == 6;
        if (separator ? t.p[at + i] != '-' : !form_digit(t.p[at + i]))
            return 0;
    }
    const char *p = t.p + at;
    bool issued = p[0] != '9' && memcmp(p, "000", 3) != 0 && memcmp(p, "666", 3) != 0 && memcmp(p + 4, "00", 2) != 0 &&
                  memcmp(p + 7, "0000", 4) != 0;
    return issued ? 11 : 0;
}

/* ISO 7064, MOD 11,10. */
static bool steuer_check(const struct digits *c)
{
    int product = 10;
    for (int i = 0; i < 10; i++) {
        int sum = (c->d[i] + product) % 10;
        product = (sum ? sum : 10) * 2 % 11;
    }
    int check = 11 - product;
    return c->d[10] == (check == 10 ? 0 : check);
}

/* Eleven digits are many things: the number must be told to be one. */
size_t form_steuer_id(struct str t, size_t at)
{
    static const char *const words[] = {"steuer", "steuerid", "steuernummer", "steueridentifikationsnummer", "idnr",
                                        "tin", "tax", NULL};
    if (t.p[at] < '1' || t.p[at] > '9')
        return 0;
    struct digits c = read_digits(t, at, 11, " ");
    return c.n == 11 && ends_number(t, c.end) && steuer_check(&c) && told_before(t, at, words) ? c.end - at : 0;
}

/* ---- addresses in a network ---- */

static size_t ipv4(struct str t, size_t at)
{
    int octets[4];
    size_t i = at;
    for (int k = 0; k < 4; k++) {
        int value = 0, n = 0;
        for (; i < t.n && form_digit(t.p[i]) && n < 4; n++)
            value = value * 10 + (t.p[i++] - '0');
        if (n == 0 || n > 3 || value > 255 || (k < 3 && (i >= t.n || t.p[i++] != '.')))
            return 0;
        octets[k] = value;
    }
    bool whole = ends_number(t, i) && (at == 0 || (t.p[at - 1] != '.' && t.p[at - 1] != 'v'));
    bool nobody = octets[0] == 0 || octets[0] == 127 || octets[0] >= 224;
    return whole && !nobody ? i - at : 0;
}

/* Groups of hexadecimal digits with colons: all eight, or four and more with one gap, so that no time of day counts. */
static size_t ipv6(struct str t, size_t at)
{
    int groups = 0, gaps = 0;
    size_t i = at;
    while (i < t.n && groups < 9) {
        size_t n = 0;
        while (i + n < t.n && n < 5 && form_hex(t.p[i + n]))
            n++;
        if (n == 0 || n > 4)
            break;
        groups++;
        i += n;
        if (i >= t.n || t.p[i] != ':')
            break;
        bool gap = i + 1 < t.n && t.p[i + 1] == ':';
        if (!gap && (i + 1 >= t.n || !form_alnum(t.p[i + 1])))
            break;
        gaps += gap;
        i += gap ? 2 : 1;
    }
    return (groups == 8 && gaps == 0) || (groups >= 4 && groups < 8 && gaps == 1) ? i - at : 0;
}

size_t form_ip(struct str t, size_t at)
{
    size_t n = form_digit(t.p[at]) ? ipv4(t, at) : 0;
    return n ? n : ipv6(t, at);
}

/* ---- day of birth ---- */

static size_t read_date(struct str t, size_t at)
{
    struct digits c = read_digits(t, at, 8, "-./");
    if (c.n_separators != 2 || c.n < 6 || !ends_number(t, c.end))
        return 0;
    return c.end - at;
}

/* Any date is no secret: it must be told to be that of a birth. */
size_t form_birth_date(struct str t, size_t at)
{
    static const char *const words[] = {"born", "dob", "birth", "birthday", "birthdate", "geboren", "geb.",
                                        "geburtsdatum", "geburtstag", "né", "née", "naissance", "nacido", "nacida",
                                        "nacimiento", "nato", "nata", "nascita", NULL};
    size_t n = form_digit(t.p[at]) ? read_date(t, at) : 0;
    return n && told_before(t, at, words) ? n : 0;
}
