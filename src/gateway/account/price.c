/* What tokens cost. */
#include <math.h>

#include "gateway/account/account.h"
#include "store/money.h"

int64_t account_cost(const struct price *p, const struct token_usage *u)
{
    int64_t cost = money_times(p->input, u->prompt - u->cached - u->cache_write);
    cost = money_add(cost, money_times(p->cached_input, u->cached));
    cost = money_add(cost, money_times(p->cached_write, u->cache_write));
    cost = money_add(cost, money_times(p->output, u->completion - u->reasoning));
    return money_add(cost, money_times(p->reasoning, u->reasoning));
}

int64_t account_frontier_cost(const struct config *c, const struct attempt *a)
{
    struct token_usage u = {.prompt = a->usage.prompt, .completion = a->usage.completion};
    if (a->local) {
        u.completion = llround((double)(a->usage.completion - a->usage.reasoning) * c->reasoning_factor);
    } else {
        u.cached = a->usage.cached;
        u.cache_write = a->usage.cache_write;
        u.reasoning = a->usage.reasoning;
    }
    return account_cost(&c->frontier_price, &u);
}
