/* Money: an int64 of 1e-12 USD ("pico-dollars", `_pico_usd`), so that sums of tiny prices are exact. Largest: about
 * 9.2 million USD. A price is pico-dollars a token: 1 USD per million tokens is 1,000,000. */
#ifndef RUNG_STORE_MONEY_H
#define RUNG_STORE_MONEY_H

#include "base/err.h"
#include "base/str.h"

#define MONEY_USD INT64_C(1000000000000)   /* one dollar */
#define MONEY_TEXT 40

/* A price in USD per million tokens to the nearest that can be represented: 0.15 is 150,000 pico-dollars a token. It
 * must be finite, not negative, and no more than 1,000,000 USD per million tokens. */
bool money_price_of(double usd_per_mtok, int64_t *ret_pico_usd_per_token, struct err *err);
/* tokens x price, and sums; both stop at INT64_MAX instead of wrapping. Neither argument is negative. */
int64_t money_times(int64_t pico_usd_per_token, int64_t tokens);
int64_t money_add(int64_t a_pico_usd, int64_t b_pico_usd);
/* "$0.000123", "$12.3400", "$1234.50", "-$0.50..." : two decimals from $100, four from $1, six below, twelve under a
 * millionth; 0 is "$0.00". Returns out. */
const char *money_format(int64_t pico_usd, char out[MONEY_TEXT]);

#endif
