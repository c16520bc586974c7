/* Money in and out of text, exactly, and the few operations on it that could wrap. */
#include "store/money.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define USD_DECIMALS 12
#define PRICE_DECIMALS 6
#define PRICE_MAX_USD_PER_MTOK 1e6
#define PRICE_PER_USD 1e6               /* pico-dollars a token at 1 USD per million tokens */

/* Digits with at most `decimals` behind the point, as a whole number of the last decimal. */
static bool parse_decimal(struct str s, int decimals, int64_t *ret)
{
    int64_t value = 0;
    int behind = -1, digits = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '.' && behind < 0) {
            behind = 0;
            continue;
        }
        if (s.p[i] < '0' || s.p[i] > '9' || (behind >= 0 && ++behind > decimals) ||
            __builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, s.p[i] - '0', &value))
            return false;
        digits++;
    }
    for (int i = behind < 0 ? 0 : behind; i < decimals; i++)
        if (__builtin_mul_overflow(value, 10, &value))
            return false;
    if (digits == 0)
        return false;
    *ret = value;
    return true;
}

bool money_parse_usd(struct str text, int64_t *ret_pico_usd, struct err *err)
{
    struct str digits = str_starts(text, STR("$")) ? (struct str){text.p + 1, text.n - 1} : text;
    if (parse_decimal(digits, USD_DECIMALS, ret_pico_usd))
        return true;
    struct str shown = utf8_clip(text, 40);
    return err_set(err, ERR_INVALID,
                   "'" STR_FMT
                   "' is no amount in USD; write it like 12.50, with at most %d decimals and below 9 million",
                   STR_ARG(shown), USD_DECIMALS);
}

bool money_parse_price(struct str text, int64_t *ret_pico_usd_per_token, struct err *err)
{
    int64_t price;
    if (parse_decimal(text, PRICE_DECIMALS, &price) && price <= (int64_t)(PRICE_MAX_USD_PER_MTOK * PRICE_PER_USD)) {
        *ret_pico_usd_per_token = price;
        return true;
    }
    struct str shown = utf8_clip(text, 40);
    return err_set(err, ERR_INVALID,
                   "'" STR_FMT "' is no price in USD per million tokens; write it like 0.15, with at most %d decimals",
                   STR_ARG(shown), PRICE_DECIMALS);
}

bool money_price_of(double usd_per_mtok, int64_t *ret_pico_usd_per_token, struct err *err)
{
    if (!(usd_per_mtok >= 0 && usd_per_mtok <= PRICE_MAX_USD_PER_MTOK))
        return err_set(err, ERR_INVALID, "%g is no price in USD per million tokens; it must be from 0 to %.0f",
                       usd_per_mtok, PRICE_MAX_USD_PER_MTOK);
    *ret_pico_usd_per_token = llround(usd_per_mtok * PRICE_PER_USD);
    return true;
}

int64_t money_times(int64_t pico_usd_per_token, int64_t tokens)
{
    int64_t product;
    return __builtin_mul_overflow(pico_usd_per_token, tokens, &product) ? INT64_MAX : product;
}

int64_t money_add(int64_t a_pico_usd, int64_t b_pico_usd)
{
    int64_t sum;
    return __builtin_add_overflow(a_pico_usd, b_pico_usd, &sum) ? INT64_MAX : sum;
}

const char *money_format(int64_t pico_usd, char out[MONEY_TEXT])
{
    uint64_t value = pico_usd < 0 ? -(uint64_t)pico_usd : (uint64_t)pico_usd;
    int decimals = value == 0 || value >= 100 * MONEY_USD ? 2
                   : value >= MONEY_USD                   ? 4
                   : value >= MONEY_USD / 1000000         ? 6
                                                          : 12;
    uint64_t unit = 1;
    for (int i = decimals; i < USD_DECIMALS; i++)
        unit *= 10;
    value = (value + unit / 2) / unit;
    uint64_t one = MONEY_USD / unit;
    snprintf(out, MONEY_TEXT, "%s$%" PRIu64 ".%0*" PRIu64, pico_usd < 0 ? "-" : "", value / one, decimals, value % one);
    return out;
}
