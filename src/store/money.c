/* Prices to money, the few operations on it that could wrap, and its text. */
#include "store/money.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define USD_DECIMALS 12
#define PRICE_MAX_USD_PER_MTOK 1e6
#define PRICE_PER_USD 1e6               /* pico-dollars a token at 1 USD per million tokens */

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
