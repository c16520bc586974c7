/* Money, and the rows that prove it: what an attempt cost, what a call may cost at most, and the ledger's row of a
 * request from its beginning to its end.
 *
 * Invariants: every token is charged once, at one price; nothing is sent upstream before its row is committed and,
 * where there is a budget, before the most that the call can cost is set aside (account_bound); what was set aside is
 * replaced by what it cost when the row settles. Thread-safe. */
#ifndef RUNG_GATEWAY_ACCOUNT_ACCOUNT_H
#define RUNG_GATEWAY_ACCOUNT_ACCOUNT_H

#include "gateway/config.h"

struct gateway;
struct plan;

/* ---- prices (price.c) ---- */
/* At today's price. prompt = cached + cache_write + the rest, completion = reasoning + the rest: each part at its own
 * price. */
int64_t account_cost(const struct price *list, const struct token_usage *u);
/* The price that holds at that moment for a prompt of so many tokens: of the latest day that has come, the highest step
 * that the prompt passes. Not `known` where no day has come yet. */
struct price account_price_at(const struct price *p, int64_t wall_ms, int64_t prompt_tokens);
/* The time by which calls are charged: now, but not before the first day of the list, for a clock that was set back
 * makes nothing free. */
int64_t account_price_now_ms(const struct price *p);
/* What the frontier tier would have charged for the attempt's tokens. */
int64_t account_frontier_cost(const struct config *c, const struct attempt *a);

/* ---- what a call costs at most (bound.c) ---- */
struct account_bound {
    int64_t prompt_tokens;                /* it cannot have more, whatever the tokenizer */
    int64_t max_tokens;                   /* of the answer, to be sent with the call; 0: no limit is put on it */
    int64_t tokens;                       /* of prompt and answer together */
    int64_t pico_usd;
};
/* Of a call to this upstream, or (NULL) to whichever of the model's is the dearest. limited: some budget or limit of
 * tokens applies, so that an answer whose request gives no max_tokens gets one. */
struct account_bound account_bound(const struct config *c, const struct config_model *m,
                                   const struct config_upstream *u, const struct request *req, bool limited);

/* ---- rows (account.c) ---- */
/* Fills cost_pico_usd (what was possibly billed stands apart, as in the bill) and frontier_pico_usd. */
void account_total(const struct config *c, struct reply *reply);
/* Of the month's budget for all; INT64_MAX where there is none. */
int64_t account_budget_left(const struct gateway *g);
/* The name of a plan's tier; "named" for a model that is in none. */
const char *account_tier_name(const struct config *c, int tier);
/* The open row, committed before anything is sent, and counted as one request of the caller's key, whose minute it
 * notes in the reply; where the plan (NULL: none) begins with an upstream, its call is announced in the same commit.
 * false: the reply says why not (429 where the minute is used up). */
bool account_begin(struct gateway *g, const struct request *req, const struct plan *plan, struct reply *reply);
/* Before each upstream call, the reply's last attempt: announced, and the most it can cost set aside. Sets the
 * attempt's max_tokens and bound_pico_usd; false with ERR_LIMIT, and the status and the wait in the attempt, when a
 * budget or the key's minute does not reach; with ERR_BUSY when the ledger cannot note it. */
bool account_announce(struct gateway *g, const struct request *req, struct reply *reply, int model,
                      const struct config_upstream *u, struct err *err);
void account_settle(struct gateway *g, const struct request *req, const struct reply *reply);

#endif
