/* What tokens cost: which price holds, and what it makes of them. */
#include <math.h>

#include "base/clock.h"
#include "gateway/account/account.h"
#include "store/money.h"

struct price account_price_at(const struct price *p, int64_t wall_ms, int64_t prompt_tokens)
{
    const struct price_step *best = NULL;
    if (!p->n_steps)
        return *p;
    for (int i = 0; i < p->n_steps; i++) {
        const struct price_step *s = &p->steps[i];
        if (s->from_ms > wall_ms || (s->above_tokens && prompt_tokens <= s->above_tokens))
            continue;
        bool later = !best || s->from_ms > best->from_ms;
        if (later || (s->from_ms == best->from_ms && s->above_tokens > best->above_tokens))
            best = s;
    }
    return best ? best->price : (struct price){.known = false};
}

int64_t account_price_now_ms(const struct price *p)
{
    int64_t now_ms = clock_wall_ms(), first_ms = p->n_steps ? p->steps[0].from_ms : now_ms;
    for (int i = 1; i < p->n_steps; i++)
        first_ms = p->steps[i].from_ms < first_ms ? p->steps[i].from_ms : first_ms;
    return now_ms > first_ms ? now_ms : first_ms;
}

int64_t account_cost(const struct price *list, const struct token_usage *u)
{
    struct price now = account_price_at(list, account_price_now_ms(list), u->prompt), *p = &now;
    int64_t cost = money_times(p->input, u->prompt - u->cached - u->cache_write);
    cost = money_add(cost, money_times(p->cached_input, u->cached));
    cost = money_add(cost, money_times(p->cached_write, u->cache_write - u->cache_write_1h));
    cost = money_add(cost, money_times(p->cached_write_1h, u->cache_write_1h));
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
        u.cache_write_1h = a->usage.cache_write_1h;
        u.reasoning = a->usage.reasoning;
    }
    return account_cost(&c->frontier_price, &u);
}
