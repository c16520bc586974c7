/* Pools: the upstreams of one model, each with its provider, key and time-outs, and how the pool chooses among them. A
 * model with `base_url` is a pool of one. What the model itself says is the default of all its upstreams. */
#include "gateway/config/config_parse.h"

#include <stdlib.h>

#include "gateway/provider/provider.h"

#define MAX_WEIGHT 1000

static const char *const pool_keys[] = {"upstreams", "balance", "retries", "breaker", "fallback", "context", NULL};
static const char *const upstream_keys[] = {
    "base_url", "provider", "model",     "api_version", "api_key", "private",            "logprobs",
    "region",   "retention", "health", "timeouts_ms", "weight",  "price_usd_per_mtok", NULL};
#define N_KEYS(keys) (sizeof(keys) / sizeof *(keys) - 1)

static bool only_keys(struct config_reader *r, const struct yaml_node *n, const char *const *more)
{
    const char *keys[N_KEYS(pool_keys) + N_KEYS(upstream_keys) + 1];
    size_t at = N_KEYS(upstream_keys);
    memcpy(keys, upstream_keys, sizeof upstream_keys);
    while (*more)
        keys[at++] = *more++;
    keys[at] = NULL;
    return yaml_only_keys(n, r->name, keys, r->err);
}

static bool read_timeouts(struct config_reader *r, const struct yaml_node *n, struct config_upstream *u)
{
    static const char *const keys[] = {"connect", "first_token", "idle", "total", NULL};
    int64_t *const fields[] = {&u->connect_timeout_ms, &u->first_token_timeout_ms, &u->idle_timeout_ms,
                               &u->total_timeout_ms};
    if (!yaml_only_keys(n, r->name, keys, r->err))
        return false;
    for (int i = 0; keys[i]; i++) {
        const struct yaml_node *v = yaml_get(n, keys[i]);
        if (v && !yaml_to_i64(v, r->name, keys[i], 1, 86400000, fields[i], r->err))
            return false;
    }
    return true;
}

/* A scheme and a host; a name and password in it would be a secret in a file. */
bool config_is_base_url(const char *url)
{
    size_t scheme = strncmp(url, "http://", 7) == 0 ? 7 : strncmp(url, "https://", 8) == 0 ? 8 : 0;
    size_t host = strcspn(url + scheme, "/?#");
    return scheme && host && url[scheme] != ':' && !memchr(url + scheme, '@', host);
}

static bool read_base_url(struct config_reader *r, const struct yaml_node *n, struct config_upstream *u)
{
    if (!config_read_string(r, n, "base_url", &u->base_url))
        return false;
    if (!config_is_base_url(u->base_url))
        return yaml_fail(n, r->name, r->err,
                         "'base_url' must begin with http:// or https:// and name a host, without a user or password");
    const char *host = strstr(u->base_url, "://") + 3;
    u->name = arena_strdup(&r->c->arena, (struct str){host, strcspn(host, "/?#")});
    return u->name || err_nomem(r->err, "the configuration");
}

static bool read_provider(struct config_reader *r, const struct yaml_node *n, struct config_upstream *u)
{
    struct str name;
    char known[160];
    if (!yaml_to_str(n, r->name, "provider", &name, r->err))
        return false;
    u->provider = provider_find(name);
    return u->provider || yaml_fail(n, r->name, r->err, "'provider' must be one of %s, not '" STR_FMT "'",
                                    provider_list(known, sizeof known), STR_ARG(name));
}

static bool read_key(struct config_reader *r, const struct yaml_node *n, struct config_upstream *u)
{
    if (!config_read_secret(r, n, "api_key", &u->api_key_env, &u->api_key))
        return false;
    u->key_missing = !u->api_key;
    return true;
}

static bool read_health(struct config_reader *r, const struct yaml_node *n, struct config_upstream *u)
{
    static const char *const keys[] = {"path", "every_ms", NULL};
    const struct yaml_node *path, *every;
    if (n->kind != YAML_MAPPING || !(path = yaml_get(n, "path")))
        return yaml_fail(n, r->name, r->err, "'health' must be {path: /health}, with every_ms where wanted");
    if (!yaml_only_keys(n, r->name, keys, r->err) || !config_read_string(r, path, "path", &u->health))
        return false;
    u->health_every_ms = 5000;
    every = yaml_get(n, "every_ms");
    if (every && !yaml_to_i64(every, r->name, "every_ms", 10, 3600000, &u->health_every_ms, r->err))
        return false;
    return u->health[0] == '/' ||
           yaml_fail(path, r->name, r->err, "'path' of 'health' must be a path on that host, such as /health");
}

/* What is given replaces the default that *u holds. */
static bool read_upstream(struct config_reader *r, const struct yaml_node *n, struct config_upstream *u)
{
    const struct {
        const char *key;
        const char **to;
    } texts[] = {{"model", &u->model}, {"api_version", &u->api_version}, {"region", &u->region},
                 {"retention", &u->retention}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const struct yaml_node *v = yaml_get(n, texts[i].key);
        if (v && !config_read_string(r, v, texts[i].key, texts[i].to))
            return false;
    }
    const struct yaml_node *v;
    int64_t weight = u->weight;
    if (((v = yaml_get(n, "base_url")) && !read_base_url(r, v, u)) ||
        ((v = yaml_get(n, "provider")) && !read_provider(r, v, u)) ||
        ((v = yaml_get(n, "api_key")) && !read_key(r, v, u)) ||
        ((v = yaml_get(n, "health")) && !read_health(r, v, u)) ||
        ((v = yaml_get(n, "timeouts_ms")) && !read_timeouts(r, v, u)) ||
        ((v = yaml_get(n, "private")) && !yaml_to_bool(v, r->name, "private", &u->own_machine, r->err)) ||
        ((v = yaml_get(n, "logprobs")) && !yaml_to_bool(v, r->name, "logprobs", &u->logprobs, r->err)) ||
        ((v = yaml_get(n, "weight")) && !yaml_to_i64(v, r->name, "weight", 1, MAX_WEIGHT, &weight, r->err)))
        return false;
    u->weight = (int)weight;
    return true;
}

static bool read_member(struct config_reader *r, const struct yaml_node *n, struct config_model *m)
{
    static const char *const more[] = {"name", NULL};
    struct config_upstream *u = &m->upstreams[m->n_upstreams];
    const struct yaml_node *name, *price;
    if (n->kind != YAML_MAPPING || !yaml_get(n, "base_url"))
        return yaml_fail(n, r->name, r->err, "an entry of 'upstreams' needs 'base_url'");
    if (!only_keys(r, n, more) || !read_upstream(r, n, u) ||
        ((name = yaml_get(n, "name")) && !config_read_string(r, name, "name", &u->name)) ||
        ((price = yaml_get(n, "price_usd_per_mtok")) && !config_read_price(r, price, &u->price)))
        return false;
    for (int i = 0; i < m->n_upstreams; i++) {
        if (strcmp(m->upstreams[i].name, u->name) == 0)
            return yaml_fail(n, r->name, r->err, "two upstreams of '%s' are called '%s'; give each a 'name'", m->name,
                             u->name);
    }
    m->n_upstreams++;
    return true;
}

static bool read_members(struct config_reader *r, const struct yaml_node *list, const struct config_upstream *usual,
                         struct config_model *m)
{
    if (list->kind != YAML_SEQUENCE || list->n < 1 || list->n > CONFIG_MAX_UPSTREAMS)
        return yaml_fail(list, r->name, r->err, "'upstreams' must be a list of 1 to %d entries {base_url: ...}",
                         CONFIG_MAX_UPSTREAMS);
    m->upstreams = arena_array(&r->c->arena, (size_t)list->n, sizeof *m->upstreams);
    if (!m->upstreams)
        return err_nomem(r->err, "the configuration");
    for (int i = 0; i < list->n; i++) {
        m->upstreams[i] = *usual;
        if (!read_member(r, list->items[i], m))
            return false;
    }
    return true;
}

static bool read_balance(struct config_reader *r, const struct yaml_node *n, struct config_model *m)
{
    static const char *const names[] = {
        [BALANCE_LEAST_LOAD] = "least_load", [BALANCE_WEIGHTED] = "weighted", [BALANCE_PREFIX] = "prefix"};
    struct str text;
    if (!yaml_to_str(n, r->name, "balance", &text, r->err))
        return false;
    for (int i = 0; i < BALANCE_COUNT; i++) {
        if (str_is(text, names[i])) {
            m->balance = (enum config_balance)i;
            return true;
        }
    }
    return yaml_fail(n, r->name, r->err, "'balance' must be least_load, weighted or prefix");
}

static bool read_conduct(struct config_reader *r, const struct yaml_node *n, struct config_model *m)
{
    static const char *const keys[] = {"failures", "open_ms", NULL};
    const struct yaml_node *balance = yaml_get(n, "balance"), *retries = yaml_get(n, "retries"),
                           *breaker = yaml_get(n, "breaker"), *failures, *open;
    int64_t n_retries = 2, n_failures = 5;
    m->breaker_open_ms = 10000;
    if ((balance && !read_balance(r, balance, m)) ||
        (retries && !yaml_to_i64(retries, r->name, "retries", 0, 5, &n_retries, r->err)) ||
        (breaker && !yaml_only_keys(breaker, r->name, keys, r->err)))
        return false;
    if (breaker && (((failures = yaml_get(breaker, "failures")) &&
                     !yaml_to_i64(failures, r->name, "failures", 1, 1000, &n_failures, r->err)) ||
                    ((open = yaml_get(breaker, "open_ms")) &&
                     !yaml_to_i64(open, r->name, "open_ms", 1, 3600000, &m->breaker_open_ms, r->err))))
        return false;
    m->retries = (int)n_retries;
    m->breaker_failures = (int)n_failures;
    return true;
}

static int64_t dearer(int64_t a, int64_t b) { return a > b ? a : b; }

/* What the pool is, from what its upstreams are. */
static void sum_up(struct config_model *m)
{
    m->own_machine = m->key_missing = true;
    m->api_key_env = m->upstreams[0].api_key_env;
    m->price = m->upstreams[0].price;
    for (int i = 0; i < m->n_upstreams; i++) {
        const struct config_upstream *u = &m->upstreams[i];
        m->own_machine &= u->own_machine;
        m->some_own_machine |= u->own_machine;
        m->key_missing &= u->key_missing;
        m->price.known &= u->price.known || u->own_machine;
        m->price.input = dearer(m->price.input, u->price.input);
        m->price.cached_input = dearer(m->price.cached_input, u->price.cached_input);
        m->price.cached_write = dearer(m->price.cached_write, u->price.cached_write);
        m->price.cached_write_1h = dearer(m->price.cached_write_1h, u->price.cached_write_1h);
        m->price.output = dearer(m->price.output, u->price.output);
        m->price.reasoning = dearer(m->price.reasoning, u->price.reasoning);
    }
}

bool config_read_pool(struct config_reader *r, const struct yaml_node *n, struct config_model *m)
{
    const struct yaml_node *list = yaml_get(n, "upstreams");
    struct config_upstream usual = {
        .provider = &provider_openai,
        .model = m->name,
        .weight = 1,
        .price = m->price,
        .connect_timeout_ms = 5000,
        .first_token_timeout_ms = 60000,
        .idle_timeout_ms = 60000,
        .total_timeout_ms = 600000,
    };
    if (!only_keys(r, n, pool_keys) || !read_upstream(r, n, &usual) || !read_conduct(r, n, m))
        return false;
    if (list) {
        if (!read_members(r, list, &usual, m))
            return false;
    } else {
        m->upstreams = arena_alloc(&r->c->arena, sizeof usual);
        if (!m->upstreams)
            return err_nomem(r->err, "the configuration");
        m->upstreams[m->n_upstreams++] = usual;
    }
    for (int i = 0; i < m->n_upstreams; i++) {
        if (!config_find_price(r, &m->upstreams[i]))
            return false;
    }
    sum_up(m);
    return true;
}
