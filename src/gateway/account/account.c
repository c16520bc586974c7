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

const char *account_tier_name(const struct config *c, int tier) { return tier >= 0 ? c->tiers[tier].name : "named"; }

static void start_row(const struct request *req, const struct reply *reply, struct ledger_row *row)
{
    *row = (struct ledger_row){.ttft_us = -1, .confidence = -1};
    row->conversation = req->conversation_id.n ? str_hash(req->conversation_id) : 0;
    const struct key_record *key = caller_record(req->caller);
    ledger_text(row->id, sizeof row->id, str_of(req->id));
    ledger_text(row->key, sizeof row->key, str_of(key ? key->id : ""));
    ledger_text(row->kind, sizeof row->kind, str_of(req->job ? req->job : kind_names[reply->kind]));
    ledger_text(row->model_asked, sizeof row->model_asked, req->model);
    ledger_text(row->privacy, sizeof row->privacy, str_of(req->privacy == PRIVACY_LOCAL ? "local" : "any"));
}

/* ---- what the key may still use ---- */

static const struct key_limits *limits_of(const struct request *req)
{
    const struct key_record *key = caller_record(req->caller);
    return key ? &key->limits : NULL;
}

static void note_rate(const struct ledger_verdict *v, struct reply *reply)
{
    reply->rate = (struct reply_rate){
        .known = true,
        .requests_left = v->requests_left,
        .requests_reset_s = v->requests_reset_s,
        .tokens_left = v->tokens_left,
        .tokens_reset_s = v->tokens_reset_s,
    };
}

/* The sentence for what a limit refused. */
static bool say_limit(const struct key_record *key, const struct ledger_verdict *v, struct err *err)
{
    const char *name = key ? key->name : "";
    switch (v->bound) {
    case BOUND_REQUESTS:
        return err_set(err, ERR_LIMIT, "key '%s' has used up its %lld requests a minute; ask again in %lld s", name,
                       (long long)key->limits.requests_per_min, (long long)v->retry_after_s);
    case BOUND_TOKENS:
        return err_set(err, ERR_LIMIT, "key '%s' has used up its %lld tokens a minute; ask again in %lld s", name,
                       (long long)key->limits.tokens_per_min, (long long)v->retry_after_s);
    case BOUND_KEY_DAY:
        return err_set(err, ERR_LIMIT, "what is left of today's budget of key '%s' does not pay for this call", name);
    case BOUND_KEY_MONTH:
        return err_set(err, ERR_LIMIT, "what is left of this month's budget of key '%s' does not pay for this call",
                       name);
    default:
        return err_set(err, ERR_LIMIT, "the month's budget is spent: what is left of it does not pay for this call");
    }
}

static const char *code_of(const struct ledger_verdict *v)
{
    return v->bound == BOUND_REQUESTS || v->bound == BOUND_TOKENS ? "rate_limit_exceeded" : "insufficient_quota";
}

static bool is_limited(const struct config *c, const struct key_limits *l)
{
    return c->has_budget ||
           (l && (l->budget_day_pico_usd != KEY_NO_LIMIT || l->budget_month_pico_usd != KEY_NO_LIMIT ||
                  l->tokens_per_min != KEY_NO_LIMIT));
}

/* What a call to an upstream (NULL: the model's dearest) sets aside. */
static struct ledger_reservation reserve(const struct gateway *g, const struct request *req, int model,
                                         const char *tier, const struct config_upstream *u,
                                         struct account_bound *ret_bound)
{
    const struct config *c = g->config;
    const struct key_record *key = caller_record(req->caller);
    *ret_bound = account_bound(c, &c->models[model], u, req, is_limited(c, limits_of(req)));
    return (struct ledger_reservation){
        .id = req->id,
        .tier = tier,
        .model = c->models[model].name,
        .upstream = u ? u->name : NULL,
        .key = key ? key->id : NULL,
        .pico_usd = ret_bound->pico_usd,
        .tokens = ret_bound->tokens,
        .budget_pico_usd = c->has_budget ? c->budget_pico_usd_per_month : LEDGER_NO_BUDGET,
        .limits = limits_of(req),
    };
}

/* The ledger, which may be back soon. */
static bool is_away(const struct err *err) { return err->code == ERR_BUSY || err->code == ERR_IO; }

static bool refuse_row(const struct request *req, const struct ledger_verdict *verdict, struct reply *reply)
{
    bool limited = reply->err.code == ERR_LIMIT;
    if (limited) {
        say_limit(caller_record(req->caller), verdict, &reply->err);
        reply->retry_after_s = verdict->retry_after_s;
        reply->code = code_of(verdict);
    } else {
        err_prefix(&reply->err, "the request was not sent, because the ledger cannot note it: ");
    }
    reply->http_status = limited ? 429 : is_away(&reply->err) ? 503 : 500;
    return false;
}

bool account_begin(struct gateway *g, const struct request *req, const struct plan *plan, struct reply *reply)
{
    struct ledger_row row;
    struct ledger_verdict verdict = {0};
    struct ledger_reservation first;
    struct account_bound bound;
    const struct key_limits *limits = limits_of(req);
    int model = plan && plan->n_steps ? plan->steps[0].model : -1;
    bool upstream = model >= 0 && config_is_upstream(&g->config->models[model]);
    if (!g->ledger)
        return true;
    if (upstream)
        first = reserve(g, req, model, account_tier_name(g->config, plan->steps[0].tier), NULL, &bound);
    start_row(req, reply, &row);
    bool ok = ledger_begin(g->ledger, &row, limits, upstream ? &first : NULL, &verdict, &reply->err);
    reply->announced = ok && upstream && verdict.reserved;
    if (limits && (ok || reply->err.code == ERR_LIMIT))
        note_rate(&verdict, reply);
    return ok || refuse_row(req, &verdict, reply);
}

bool account_announce(struct gateway *g, const struct request *req, struct reply *reply, int model,
                      const struct config_upstream *u, struct err *err)
{
    struct attempt *a = &reply->attempts[reply->n_attempts - 1];
    struct ledger_verdict verdict = {0};
    struct account_bound bound;
    bool announced = reply->announced;
    const struct ledger_reservation r = reserve(g, req, model, a->tier, u, &bound);
    reply->announced = false;
    a->max_tokens = bound.max_tokens;
    a->bound_pico_usd = bound.pico_usd;
    if (announced || !g->ledger || ledger_attempt(g->ledger, &r, &verdict, err))
        return true;
    if (err->code == ERR_LIMIT) {
        a->http_status = 429;
        a->retry_after_s = verdict.retry_after_s;
        a->code = code_of(&verdict);
        say_limit(caller_record(req->caller), &verdict, err);
        return false;
    }
    if (is_away(err))
        err->code = ERR_BUSY;             /* ours, not the upstream's */
    return err_prefix(err, "the call was not made, because the ledger cannot note it: ");
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
        .cache_write = a->usage.cache_write,
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
    ledger_text(ret->upstream, sizeof ret->upstream, str_of(a->upstream));
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
