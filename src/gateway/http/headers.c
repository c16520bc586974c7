/* Headers of requests and replies. Values that come from outside are cleaned before they stand in a reply: no line of
 * theirs can become one of its head. */
#include "gateway/http/headers.h"

#include <stdio.h>

#include "gateway/people/people.h"
#include "gateway/residency/residency.h"
#include "store/money.h"

#define HEADER_TEXT 200

bool headers_deadline(const struct gateway *g, const struct http_exchange *x, int64_t *ret_ns, struct err *err)
{
    int64_t ms = gateway_config(g)->deadline_ms, own_ms;
    struct str own = http_header(x, "x-rung-deadline-ms");
    if (own.p && (!str_to_i64(own, &own_ms) || own_ms < 1 || own_ms > REQUEST_MAX_DEADLINE_MS))
        return err_set(err, ERR_INVALID, "the header x-rung-deadline-ms must be a number of milliseconds from 1 to %d",
                       REQUEST_MAX_DEADLINE_MS);
    if (own.p && (!ms || own_ms < ms))
        ms = own_ms;
    *ret_ns = ms ? http_arrived_ns(x) + ms * 1000000 : 0;
    return true;
}

static void put_header(struct http_exchange *x, const char *name, const char *value)
{
    char clean[HEADER_TEXT];
    size_t n = 0;
    for (; value[n] && n + 1 < sizeof clean; n++)
        clean[n] = value[n] >= ' ' && value[n] < 127 ? value[n] : '?';
    clean[n] = 0;
    http_reply_header(x, name, clean);
}

/* How much of the key's minute is left, in OpenAI's words. */
static void put_rate(struct http_exchange *x, const char *what, int64_t limit, int64_t left, int64_t reset_s)
{
    char name[48], text[32];
    if (limit == KEY_NO_LIMIT)
        return;
    snprintf(name, sizeof name, "x-ratelimit-limit-%s", what);
    snprintf(text, sizeof text, "%lld", (long long)limit);
    http_reply_header(x, name, text);
    snprintf(name, sizeof name, "x-ratelimit-remaining-%s", what);
    snprintf(text, sizeof text, "%lld", (long long)(left > 0 ? left : 0));
    http_reply_header(x, name, text);
    snprintf(name, sizeof name, "x-ratelimit-reset-%s", what);
    snprintf(text, sizeof text, "%llds", (long long)reset_s);
    http_reply_header(x, name, text);
}

static void put_rates(struct http_exchange *x, const struct caller *caller, const struct reply_rate *rate)
{
    const struct key_record *key = caller_record(caller);
    if (!key || !rate->known)
        return;
    put_rate(x, "requests", key->limits.requests_per_min, rate->requests_left, rate->requests_reset_s);
    put_rate(x, "tokens", key->limits.tokens_per_min, rate->tokens_left, rate->tokens_reset_s);
}

/* Which classes held, and why. */
static void put_privacy(struct http_exchange *x, const struct request *asked)
{
    char text[HEADER_TEXT];
    residency_describe(asked, text, sizeof text);
    if (text[0])
        put_header(x, "x-rung-privacy", text);
}

void headers_put(struct http_exchange *x, const char *id, const struct request *asked, const struct reply *r)
{
    char text[64];
    put_header(x, "x-rung-request-id", id);
    put_header(x, "request-id", id);       /* where clients of Anthropic's API look for it, and */
    put_header(x, "x-request-id", id);     /* those of OpenAI's */
    put_rates(x, asked->caller, &r->rate);
    if (r->tier)
        put_header(x, "x-rung-tier", r->tier);
    if (r->model)
        put_header(x, "x-rung-model", r->model);
    if (r->reason[0])
        put_header(x, "x-rung-reason", r->reason);
    put_privacy(x, asked);
    if (r->confidence >= 0) {
        snprintf(text, sizeof text, "%.4f", r->confidence);
        put_header(x, "x-rung-confidence", text);
    }
}

void headers_put_cost(struct http_exchange *x, int64_t pico_usd)
{
    char text[64];
    snprintf(text, sizeof text, "%lld.%012lld", (long long)(pico_usd / MONEY_USD), (long long)(pico_usd % MONEY_USD));
    put_header(x, "x-rung-cost-usd", text);
}
