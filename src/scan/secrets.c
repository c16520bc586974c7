/* Keys: those of services by their beginnings, private keys by their header, signed tokens, wallets. */
#include "scan/forms.h"

/* How many bytes from `at` are letters, digits or one of `more`. */
static size_t run_of(struct str t, size_t at, const char *more)
{
    size_t n = 0;
    while (at + n < t.n && (form_alnum(t.p[at + n]) || (t.p[at + n] && strchr(more, t.p[at + n]))))
        n++;
    return n;
}

size_t form_api_key(struct str t, size_t at)
{
    static const struct {
        const char *prefix;
        size_t least;                    /* bytes behind it */
        const char *more;
    } keys[] = {
        {"sk-", 20, "-_"},       {"rk-", 20, "-_"},        {"sk_live_", 16, ""}, {"rk_live_", 16, ""},
        {"AKIA", 16, ""},        {"ASIA", 16, ""},         {"ghp_", 36, ""},     {"gho_", 36, ""},
        {"ghu_", 36, ""},        {"ghs_", 36, ""},         {"ghr_", 36, ""},     {"github_pat_", 22, "_"},
        {"glpat-", 20, "-_"},    {"xoxb-", 10, "-"},       {"xoxp-", 10, "-"},   {"xoxa-", 10, "-"},
        {"xoxr-", 10, "-"},      {"AIza", 35, "-_"},       {"hf_", 30, ""},      {"npm_", 36, ""},
        {"dop_v1_", 64, ""},     {"SG.", 60, "-_."},
    };
    struct str rest = {t.p + at, t.n - at};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (keys[i].prefix[0] != rest.p[0] || (rest.n > 1 && keys[i].prefix[1] != rest.p[1]))
            continue;                    /* of nearly every word there is no more to ask */
        struct str prefix = str_of(keys[i].prefix);
        if (!str_starts(rest, prefix))
            continue;
        size_t n = run_of(t, at + prefix.n, keys[i].more);
        if (n >= keys[i].least)
            return prefix.n + n;
    }
    return 0;
}

#define PEM_LINE 80

size_t form_private_key(struct str t, size_t at)
{
    struct str rest = {t.p + at, t.n - at < PEM_LINE ? t.n - at : PEM_LINE};
    if (!str_starts(rest, STR("-----BEGIN ")))
        return 0;
    size_t found = str_find(rest, STR("PRIVATE KEY"));
    return found == SIZE_MAX ? 0 : found + strlen("PRIVATE KEY");
}

/* Three parts of base64url with dots between; the first two are JSON, which begins {" and hence eyJ. */
size_t form_jwt(struct str t, size_t at)
{
    size_t i = at;
    for (int part = 0; part < 3; part++) {
        struct str rest = {t.p + i, t.n - i};
        if (part < 2 && !str_starts(rest, STR("eyJ")))
            return 0;
        size_t n = run_of(t, i, "-_");
        if (n < 8)
            return 0;
        i += n;
        if (part < 2 && (i >= t.n || t.p[i++] != '.'))
            return 0;
    }
    return i - at;
}

/* Addresses that carry their own marks: 0x and 40 hexadecimal digits, bc1 and the letters of bech32. */
size_t form_wallet(struct str t, size_t at)
{
    struct str rest = {t.p + at, t.n - at};
    bool bech32 = str_starts(rest, STR("bc1"));
    if (!bech32 && !str_starts(rest, STR("0x")))
        return 0;
    size_t n = run_of(t, at, "");
    if (bech32) {
        for (size_t i = 3; i < n; i++)
            if (form_upper(rest.p[i]) || (strchr("1bio", rest.p[i])))
                return 0;
        return n >= 42 && n <= 62 ? n : 0;
    }
    if (n != 42)
        return 0;
    for (size_t i = 2; i < n; i++)
        if (!form_hex(rest.p[i]))
            return 0;
    return n;
}
