/* What rung key create was told, checked: numbers, lists of names, money, a time to end. */
#include <math.h>
#include <stdio.h>

#include "cli/key/key.h"
#include "store/money.h"
#include "store/report.h"

#define MAX_USD 1e6
#define MAX_PER_MINUTE INT64_C(1000000000)

static bool read_count(const char *text, const char *option, int64_t *ret, struct err *err)
{
    return !text || (str_to_i64(str_of(text), ret) && *ret >= 0 && *ret <= MAX_PER_MINUTE) ||
           err_set(err, ERR_INVALID, "%s takes a whole number up to %lld, not '%s'", option, (long long)MAX_PER_MINUTE,
                   text);
}

static bool read_usd(const char *text, const char *option, int64_t *ret, struct err *err)
{
    double usd;
    if (!text)
        return true;
    if (!str_to_f64(str_of(text), &usd) || usd < 0 || usd > MAX_USD)
        return err_set(err, ERR_INVALID, "%s takes an amount of USD up to %.0f, not '%s'", option, MAX_USD, text);
    *ret = llround(usd * (double)MONEY_USD);
    return true;
}

/* A list with commas, its names trimmed. */
static bool read_list(const char *text, const char *option, char *ret, size_t size, struct err *err)
{
    size_t n = 0;
    struct str rest = str_of(text);
    while (rest.n) {
        const char *comma = memchr(rest.p, ',', rest.n);
        size_t length = comma ? (size_t)(comma - rest.p) : rest.n;
        struct str name = str_trim((struct str){rest.p, length});
        length += comma != NULL;
        rest = (struct str){rest.p + length, rest.n - length};
        if (!name.n || (comma && !rest.n))
            return err_set(err, ERR_INVALID, "%s takes names with commas between; one of '%s' is empty", option, text);
        if (n + name.n + 2 > size)
            return err_set(err, ERR_LIMIT, "the list of %s is longer than %zu bytes", option, size - 2);
        n += (size_t)snprintf(ret + n, size - n, "%s" STR_FMT, n ? "," : "", STR_ARG(name));
    }
    return true;
}

/* "30d" from now, or a day. */
static bool read_expires(const char *text, int64_t now_ms, int64_t *ret_ms, struct err *err)
{
    int64_t ms = 0;
    if (!text)
        return true;
    bool day = strlen(text) == 10 && text[4] == '-';
    if (strcmp(text, "all") == 0 || !report_since(str_of(text), now_ms, &ms, NULL))
        return err_set(err, ERR_INVALID, "--expires takes 24h, 30d, 12w or a day such as 2027-01-01, not '%s'", text);
    *ret_ms = day ? ms : now_ms + (now_ms - ms);
    return *ret_ms > now_ms || err_set(err, ERR_INVALID, "--expires: '%s' is over already", text);
}

static bool read_name(const char *text, struct key_record *k, struct err *err)
{
    if (!text[0] || strlen(text) >= sizeof k->name || !utf8_valid(str_of(text)))
        return err_set(err, ERR_INVALID, "a key's name has 1 to %zu bytes of UTF-8", sizeof k->name - 1);
    for (const char *at = text; *at; at++) {
        if ((unsigned char)*at < ' ' || *at == 127)
            return err_set(err, ERR_INVALID, "a key's name holds no control characters");
    }
    snprintf(k->name, sizeof k->name, "%s", text);
    return true;
}

bool key_from_wishes(const struct key_wishes *w, int64_t now_ms, struct key_record *ret, struct err *err)
{
    struct key_record k = {.limits = {KEY_NO_LIMIT, KEY_NO_LIMIT, KEY_NO_LIMIT, KEY_NO_LIMIT}};
    const char *privacy = w->privacy ? w->privacy : "any";
    if (!read_name(w->name, &k, err) ||
        !read_list(w->models ? w->models : "", "--models", k.models, sizeof k.models, err) ||
        !read_list(w->tiers ? w->tiers : "", "--tiers", k.tiers, sizeof k.tiers, err) ||
        !read_count(w->rpm, "--rpm", &k.limits.requests_per_min, err) ||
        !read_count(w->tpm, "--tpm", &k.limits.tokens_per_min, err) ||
        !read_usd(w->budget_day, "--budget-day", &k.limits.budget_day_pico_usd, err) ||
        !read_usd(w->budget_month, "--budget-month", &k.limits.budget_month_pico_usd, err) ||
        !read_expires(w->expires, now_ms, &k.expires_ms, err))
        return false;
    if (!privacy[0] || strlen(privacy) >= sizeof k.privacy || strpbrk(privacy, " ,\"'\t\n"))
        return err_set(err, ERR_INVALID, "--privacy takes any, local or the name of a class of the configuration, at "
                                         "most %zu bytes", sizeof k.privacy - 1);
    snprintf(k.privacy, sizeof k.privacy, "%s", privacy);
    snprintf(k.rights, sizeof k.rights, "%s", w->admin ? "admin" : "");
    *ret = k;
    return true;
}
