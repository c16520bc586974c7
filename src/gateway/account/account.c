/* The row of a request in the ledger: begun, its upstream calls announced, settled. */
#include <stdio.h>

#include "base/log.h"
#include "gateway/account/account.h"
#include "gateway/answer/answer.h"
#include "store/money.h"

/* The attempt whose tokens the frontier would have been charged for: the last of an upstream, else the last there is.
 */
static const struct attempt *measured_attempt(const struct reply *reply)
{
    const struct attempt *best = NULL;
    for (int i = 0; i < reply->n_attempts; i++) {
        const struct attempt *a = &reply->attempts[i];
        if (!a->usage.prompt && !a->usage.completion)
            continue;
        if (!best || best->local || !a->local)
            best = a;
    }
    return best;
}

void account_total(const struct config *c, struct reply *reply)
{
    const struct attempt *a = measured_attempt(reply);
    reply->cost_pico_usd = 0;
    for (int i = 0; i < reply->n_attempts; i++) {
        if (reply->attempts[i].outcome != ATTEMPT_POSSIBLY_BILLED)
            reply->cost_pico_usd = money_add(reply->cost_pico_usd, reply->attempts[i].cost_pico_usd);
    }
    bool counts = reply->outcome == REPLY_OK || reply->outcome == REPLY_CANCELLED;
    reply->frontier_pico_usd = a && counts ? account_frontier_cost(c, a) : 0;
}

int64_t account_budget_left(const struct gateway *g)
{
    if (!g->config->has_budget)
        return INT64_MAX;
    int64_t left = g->config->budget_pico_usd_per_month - (g->ledger ? ledger_spent(g->ledger) : 0);
    return left > 0 ? left : 0;
}

static void start_row(const struct request *req, const struct reply *reply, struct ledger_row *row)
{
    *row = (struct ledger_row){.ttft_us = -1, .confidence = -1};
    row->conversation = req->conversation_id.n ? str_hash(req->conversation_id) : 0;
    ledger_text(row->id, sizeof row->id, str_of(req->id));
    ledger_text(row->kind, sizeof row->kind, str_of(req->job ? req->job : kind_names[reply->kind]));
    ledger_text(row->model_asked, sizeof row->model_asked, req->model);
    ledger_text(row->privacy, sizeof row->privacy, str_of(req->privacy == PRIVACY_LOCAL ? "local" : "any"));
}

bool account_begin(struct gateway *g, const struct request *req, const struct reply *reply, struct err *err)
{
    struct ledger_row row;
    if (!g->ledger)
        return true;
    start_row(req, reply, &row);
    return ledger_begin(g->ledger, &row, NULL, NULL, NULL, err) ||
           err_prefix(err, "the request was not sent, because the ledger cannot note it: ");
}

bool account_announce(struct gateway *g, const struct request *req, struct attempt *a, int model, struct err *err)
{
    const struct config *c = g->config;
    const struct config_model *m = &c->models[model];
    struct account_bound bound = account_bound(c, m, req, c->has_budget);
    int64_t budget = c->has_budget ? c->budget_pico_usd_per_month : LEDGER_NO_BUDGET;
    a->max_tokens = bound.max_tokens;
    a->bound_pico_usd = bound.pico_usd;
    struct ledger_reservation r = {
        .id = req->id, .tier = a->tier, .model = a->model, .pico_usd = bound.pico_usd, .budget_pico_usd = budget,
    };
    return !g->ledger || ledger_attempt(g->ledger, &r, NULL, err);
}

static enum ledger_outcome row_outcome(const struct reply *reply)
{
    bool unknown = false;
    for (int i = 0; i < reply->n_attempts; i++)
        unknown |= reply->attempts[i].outcome == ATTEMPT_POSSIBLY_BILLED;
    switch (reply->outcome) {
    case REPLY_OK:
        return LEDGER_OK;
    case REPLY_UNANSWERED:
        return LEDGER_UNANSWERED;
    case REPLY_CANCELLED:
        return unknown ? LEDGER_POSSIBLY_BILLED : LEDGER_CANCELLED;
    default:
        return unknown ? LEDGER_POSSIBLY_BILLED : LEDGER_ERROR;
    }
}

static const enum ledger_attempt_outcome attempt_outcomes[] = {
    [ATTEMPT_OK] = LEDGER_ATTEMPT_OK,
    [ATTEMPT_LOW_CONFIDENCE] = LEDGER_ATTEMPT_LOW_CONFIDENCE,
    [ATTEMPT_FAILED] = LEDGER_ATTEMPT_FAILED,
    [ATTEMPT_TIMEOUT] = LEDGER_ATTEMPT_TIMEOUT,
    [ATTEMPT_CANCELLED] = LEDGER_ATTEMPT_CANCELLED,
    [ATTEMPT_POSSIBLY_BILLED] = LEDGER_ATTEMPT_POSSIBLY_BILLED,
};

static void fill_attempt(const struct attempt *a, struct ledger_attempt *ret)
{
    ret->local = a->local;
    ret->outcome = attempt_outcomes[a->outcome];
    ret->tokens = (struct ledger_tokens){
        .prompt = a->usage.prompt,
        .cached = a->usage.cached,
        .completion = a->usage.completion - a->usage.reasoning,
        .reasoning = a->usage.reasoning,
    };
    /* Of what broke off nobody knows how much was written after the last byte that came. */
    bool unknown = a->outcome == ATTEMPT_POSSIBLY_BILLED && a->bound_pico_usd > a->cost_pico_usd;
    ret->cost_pico_usd = unknown ? a->bound_pico_usd : a->cost_pico_usd;
    ret->ttft_us = a->ttft_us ? a->ttft_us : -1;
    ret->total_us = a->total_us;
    ret->confidence = a->confidence;
    ledger_text(ret->tier, sizeof ret->tier, str_of(a->tier));
    ledger_text(ret->model, sizeof ret->model, str_of(a->model));
}

static int tier_rank(const struct config *c, const char *tier)
{
    for (int t = 0; t < c->n_tiers; t++) {
        if (tier && strcmp(tier, c->tiers[t].name) == 0)
            return t;
    }
    return 0;
}

void account_settle(struct gateway *g, const struct request *req, const struct reply *reply)
{
    struct ledger_row row;
    struct err err = ERR_INIT;
    if (!g->ledger)
        return;
    start_row(req, reply, &row);
    size_t path = 0;
    for (int i = 0; i < reply->n_attempts && i < LEDGER_MAX_ATTEMPTS; i++) {
        fill_attempt(&reply->attempts[i], &row.attempts[row.n_attempts++]);
        if (path < sizeof row.tier_path)
            path += (size_t)snprintf(row.tier_path + path, sizeof row.tier_path - path, "%s%s", i ? ">" : "",
                                     reply->attempts[i].tier);
    }
    if (reply->outcome == REPLY_OK) {
        ledger_text(row.tier, sizeof row.tier, str_of(reply->tier));
        ledger_text(row.model, sizeof row.model, str_of(reply->model));
        row.tier_rank = tier_rank(g->config, reply->tier);
        row.local = reply->local;
        row.ttft_us = reply->ttft_us;
    }
    ledger_text(row.reason, sizeof row.reason, str_of(reply->reason));
    row.hold_us = reply->hold_us;
    row.total_us = reply->total_us;
    row.confidence = reply->confidence;
    row.frontier_pico_usd = reply->frontier_pico_usd;
    row.outcome = row_outcome(reply);
    if (!ledger_settle(g->ledger, &row, false, &err))
        log_error("the ledger did not take request %s: %s", req->id, err.msg);
}
