/* Whether a request or a reservation is within what its key and the month may use: arithmetic on counters, and the
 * sentence when it is not. */
#include <inttypes.h>

#include "store/batch/batch_private.h"
#include "store/money.h"

#define MINUTE_MS 60000

int64_t limits_window(int64_t before, int64_t now, int64_t now_ms)
{
    int64_t left_ms = MINUTE_MS - now_ms % MINUTE_MS;
    return money_add(now, (int64_t)((__int128)before * left_ms / MINUTE_MS));
}

/* Seconds until `more` fits under the limit if nothing else comes; 0: it never will. */
static int64_t wait_s(int64_t before, int64_t now, int64_t more, int64_t limit, int64_t now_ms)
{
    for (int64_t s = 1; s <= 120; s++) {
        int64_t at_ms = now_ms + s * 1000, minutes = at_ms / MINUTE_MS - now_ms / MINUTE_MS;
        int64_t used = minutes == 0   ? limits_window(before, now, at_ms)
                       : minutes == 1 ? limits_window(now, 0, at_ms)
                                      : 0;
        if (money_add(used, more) <= limit)
            return s;
    }
    return 0;
}

static int64_t reset_s(int64_t before, int64_t now, int64_t now_ms)
{
    int64_t left_s = (MINUTE_MS - now_ms % MINUTE_MS + 999) / 1000;
    return now > 0 ? left_s + 60 : before > 0 ? left_s : 0;
}

static int64_t left_of(int64_t limit, int64_t used)
{
    return limit == KEY_NO_LIMIT ? KEY_NO_LIMIT : used < limit ? limit - used : 0;
}

static void tell_rest(const struct rate_cells *rate, const struct key_limits *l, int64_t requests, int64_t tokens,
                      int64_t now_ms, struct ledger_verdict *v)
{
    const struct rate_cell *a = rate->before, *b = rate->now;
    int64_t window = limits_window(a->requests, b->requests, now_ms);
    v->requests_left = left_of(l->requests_per_min, money_add(window, requests));
    window = limits_window(a->tokens, b->tokens, now_ms);
    v->tokens_left = left_of(l->tokens_per_min, money_add(window, tokens));
    v->requests_reset_s = reset_s(a->requests, b->requests + requests, now_ms);
    v->tokens_reset_s = reset_s(a->tokens, money_add(b->tokens, tokens), now_ms);
}

static bool refuse_rate(enum ledger_bound bound, int64_t limit, const char *what, int64_t retry_s,
                        struct ledger_verdict *v, struct err *err)
{
    v->bound = bound;
    v->retry_after_s = retry_s;
    if (retry_s == 0)
        return err_set(err, ERR_LIMIT, "this key may use no %s", what);
    return err_set(err, ERR_LIMIT, "this key's limit is %" PRId64 " %s a minute; try again in %" PRId64 " s", limit,
                   what, retry_s);
}

static bool over_tokens(const struct rate_cells *rate, const struct key_limits *l, int64_t more, int64_t now_ms,
                        struct ledger_verdict *v, struct err *err)
{
    int64_t before = rate->before->tokens, now = rate->now->tokens;
    if (l->tokens_per_min == KEY_NO_LIMIT ||
        money_add(limits_window(before, now, now_ms), more) <= l->tokens_per_min)
        return false;
    if (more > l->tokens_per_min) {
        v->bound = BOUND_TOKENS;
        err_set(err, ERR_LIMIT,
                "this call could take %" PRId64 " tokens, and this key's limit is %" PRId64
                " a minute; ask with a shorter prompt or a smaller max_tokens",
                more, l->tokens_per_min);
        return true;
    }
    int64_t retry_s = wait_s(before, now, more, l->tokens_per_min, now_ms);
    refuse_rate(BOUND_TOKENS, l->tokens_per_min, "tokens", retry_s, v, err);
    return true;
}

bool limits_allow_request(const struct rate_cells *rate, const struct key_limits *l, int64_t now_ms,
                          struct ledger_verdict *v, struct err *err)
{
    int64_t before = rate->before->requests, now = rate->now->requests;
    tell_rest(rate, l, 0, 0, now_ms, v);
    if (l->requests_per_min != KEY_NO_LIMIT && limits_window(before, now, now_ms) + 1 > l->requests_per_min)
        return refuse_rate(BOUND_REQUESTS, l->requests_per_min, "requests",
                           wait_s(before, now, 1, l->requests_per_min, now_ms), v, err);
    if (over_tokens(rate, l, 1, now_ms, v, err))
        return false;
    tell_rest(rate, l, 1, 0, now_ms, v);
    return true;
}

static bool over_budget(const struct spend_cell *c, int64_t more, int64_t budget, enum ledger_bound bound,
                        const char *whose, struct ledger_verdict *v, struct err *err)
{
    char may[MONEY_TEXT], would[MONEY_TEXT];
    int64_t wanted = money_add(money_add(c->spent, c->reserved), more);
    if (budget == LEDGER_NO_BUDGET || wanted <= budget)
        return false;
    v->bound = bound;
    err_set(err, ERR_LIMIT, "this call could bring %s to %s, over its budget of %s", whose, money_format(wanted, would),
            money_format(budget, may));
    return true;
}

bool limits_allow_reservation(const struct spend_cells *spend, const struct rate_cells *rate,
                              const struct ledger_reservation *r, int64_t now_ms, struct ledger_verdict *v,
                              struct err *err)
{
    const struct key_limits *l = r->limits;
    if (over_budget(spend->month, r->pico_usd, r->budget_pico_usd, BOUND_MONTH, "the month", v, err))
        return false;
    if (!l || !rate->now)
        return true;
    tell_rest(rate, l, 0, 0, now_ms, v);
    if (over_budget(spend->key_day, r->pico_usd, l->budget_day_pico_usd, BOUND_KEY_DAY, "this key's day", v, err) ||
        over_budget(spend->key_month, r->pico_usd, l->budget_month_pico_usd, BOUND_KEY_MONTH, "this key's month", v,
                    err) ||
        over_tokens(rate, l, r->tokens, now_ms, v, err))
        return false;
    tell_rest(rate, l, 0, r->tokens, now_ms, v);
    return true;
}
