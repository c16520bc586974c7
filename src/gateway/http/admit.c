/* Who may ask. Names are compared with what the configuration allows, keys with those there are; what a request is
 * about is not looked at. */
#include "gateway/http/admit.h"

#include <stdio.h>

#include "base/log.h"
#include "gateway/answer/answer.h"
#include "gateway/audit/audit.h"

#define HEADER_TEXT 200

/* What a web page may read of a reply's headers. */
static const char exposed_headers[] = "x-rung-tier, x-rung-model, x-rung-confidence, x-rung-reason, x-rung-request-id, "
                                      "x-rung-cost-usd, x-rung-privacy, x-request-id, request-id, retry-after, "
                                      "x-ratelimit-limit-requests, "
                                      "x-ratelimit-remaining-requests, x-ratelimit-reset-requests, "
                                      "x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, "
                                      "x-ratelimit-reset-tokens";

static bool is_loopback_name(struct str host)
{
    return str_eq_nocase(host, STR("localhost")) || str_is(host, "127.0.0.1") || str_is(host, "[::1]") ||
           str_is(host, "::1");
}

/* "localhost:11434" -> "localhost"; "[::1]:80" -> "[::1]". */
static struct str without_port(struct str host)
{
    for (size_t i = host.n; i > 0; i--) {
        char ch = host.p[i - 1];
        if (ch == ':')
            return (struct str){host.p, i - 1};
        if (ch < '0' || ch > '9')
            break;
    }
    return host;
}

/* "[::1]" -> "::1", as addresses to listen on are written. */
static struct str without_brackets(struct str name)
{
    bool has = name.n > 2 && name.p[0] == '[' && name.p[name.n - 1] == ']';
    return has ? (struct str){name.p + 1, name.n - 2} : name;
}

/* A page of the network may point a name of its own at 127.0.0.1 (DNS rebinding): the name asked for must be one of
 * ours. */
static bool host_allowed(const struct config *c, struct str host)
{
    struct str name = without_port(host);
    if (is_loopback_name(name) || str_eq_nocase(without_brackets(name), str_of(c->listen_host)))
        return true;
    for (int i = 0; i < c->n_allowed_hosts; i++) {
        if (str_eq_nocase(name, str_of(c->allowed_hosts[i])) || str_eq_nocase(host, str_of(c->allowed_hosts[i])))
            return true;
    }
    return false;
}

static bool origin_allowed(const struct config *c, struct str origin)
{
    struct str rest = origin;
    for (int i = 0; i < c->n_allowed_origins; i++) {
        if (str_eq_nocase(origin, str_of(c->allowed_origins[i])))
            return true;
    }
    if (str_starts(origin, STR("http://")))
        rest = (struct str){origin.p + 7, origin.n - 7};
    else if (str_starts(origin, STR("https://")))
        rest = (struct str){origin.p + 8, origin.n - 8};
    else
        return false;
    return is_loopback_name(without_port(rest));
}

struct str presented_key(const struct http_exchange *x)
{
    struct str authorization = http_header(x, "Authorization"), plain = http_header(x, "x-api-key");
    if (!authorization.p && plain.p)
        return str_trim(plain);
    if (authorization.n < 7 || !str_eq_nocase((struct str){authorization.p, 7}, STR("Bearer ")))
        return STR("");
    return str_trim((struct str){authorization.p + 7, authorization.n - 7});
}

bool gateway_may_listen(const struct config *c, const char *host, struct err *err)
{
    bool no_ledger = c->ledger_path && strcmp(c->ledger_path, "off") == 0;
    if (config_is_loopback(host) || c->n_api_keys > 0 || !no_ledger)
        return true;
    return err_set(err, ERR_INVALID,
                   "on %s everybody needs a key, and without a ledger there are none but 'api_keys'; configure them, "
                   "or a ledger (rung key create), or listen on 127.0.0.1",
                   host);
}

/* Whoever is not let in is noted too, where that is wished; that it cannot be noted lets nobody in. */
static void note_denied(struct gateway *g, const struct caller *caller, const char *why)
{
    struct err err = ERR_INIT;
    if (!audit_denied(g->commons->audit, caller->endpoint, why, &err))
        log_error("%s", err.msg);
}

/* Who asks, where that is asked for. */
static bool admit_caller(struct gateway *g, struct http_exchange *x, write_error error, struct key_record *record,
                         struct caller *caller)
{
    struct err err = ERR_INIT;
    if (people_know(g->commons->people, g->config, record, caller, &err))
        return true;
    bool unknown = err.code == ERR_NOT_FOUND;
    note_denied(g, caller, "key");
    page_fail(x, error, unknown ? 401 : 503, err.msg, NULL, unknown ? "invalid_api_key" : NULL);
    return false;
}

bool admit(struct gateway *g, struct http_exchange *x, bool needs_key, write_error error, struct key_record *record,
           struct caller *caller)
{
    const struct config *c = g->config;
    struct str host = http_header(x, "Host"), origin = http_header(x, "Origin");
    char text[HEADER_TEXT];
    if (!host_allowed(c, host)) {
        note_denied(g, caller, "host");
        page_fail(x, error, 403,
                  "the Host header names a host that is not this one; add it to 'allowed_hosts' if it is",
                  NULL, "host_not_allowed");
        return false;
    }
    if (origin.p && !origin_allowed(c, origin)) {
        note_denied(g, caller, "origin");
        page_fail(x, error, 403, "pages of this origin may not use Rung; add it to 'allowed_origins' if they should",
                  NULL, "origin_not_allowed");
        return false;
    }
    if (origin.p && origin.n < sizeof text) {
        snprintf(text, sizeof text, STR_FMT, STR_ARG(origin));
        http_reply_header(x, "Access-Control-Allow-Origin", text);
        http_reply_header(x, "Access-Control-Expose-Headers", exposed_headers);
        http_reply_header(x, "Vary", "Origin");
    }
    return !needs_key || admit_caller(g, x, error, record, caller);
}
