/* The price file: what providers charge, by model and by date, as the owner wrote it down. It is read with the
 * configuration and never fetched. An upstream that gives no price of its own gets the entries of the pattern that
 * names its model most closely. */
#include "gateway/config/config_parse.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "base/clock.h"
#include "base/filemap.h"
#include "gateway/account/account.h"
#include "gateway/provider/provider.h"
#include "store/report.h"

#define MAX_ENTRIES 4096
#define MAX_NAME 200
#define FORMAT_VERSION 1

struct price_entry {
    const char *provider, *model;        /* provider NULL: any; model may hold `*` */
    struct price_step step;
};

struct price_sheet {
    struct price_entry *entries;
    int n;
};

/* `*` stands for any bytes. */
static bool matches(const char *pattern, const char *text)
{
    const char *star = NULL, *retry = text;
    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            retry = text;
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

static bool read_name(struct config_reader *r, const struct yaml_node *n, const char *what, const char **ret)
{
    if (!config_read_string(r, n, what, ret))
        return false;
    size_t length = strlen(*ret);
    return (length > 0 && length <= MAX_NAME) ||
           yaml_fail(n, r->name, r->err, "'%s' must have 1 to %d bytes", what, MAX_NAME);
}

static bool read_date(struct config_reader *r, const struct yaml_node *n, int64_t *ret_ms)
{
    struct str text;
    if (!yaml_to_str(n, r->name, "from", &text, r->err))
        return false;
    bool day = text.n == 10 && text.p[4] == '-';
    return (day && report_since(text, 0, ret_ms, NULL)) ||
           yaml_fail(n, r->name, r->err, "'from' must be a day such as 2026-07-01 (UTC)");
}

static bool read_entry(struct config_reader *r, const struct yaml_node *n, struct price_entry *e)
{
    static const char *const keys[] = {"model",       "provider",     "from",            "above_tokens", "input",
                                       "cached_read", "cached_write", "cached_write_1h", "output",       "reasoning",
                                       NULL};
    const struct yaml_node *v;
    if (n->kind != YAML_MAPPING || !yaml_get(n, "model"))
        return yaml_fail(n, r->name, r->err, "a price is {model, input, output, ...}");
    return yaml_only_keys(n, r->name, keys, r->err) && read_name(r, yaml_get(n, "model"), "model", &e->model) &&
           (!(v = yaml_get(n, "provider")) || read_name(r, v, "provider", &e->provider)) &&
           (!(v = yaml_get(n, "from")) || read_date(r, v, &e->step.from_ms)) &&
           (!(v = yaml_get(n, "above_tokens")) ||
            yaml_to_i64(v, r->name, "above_tokens", 1, 100000000, &e->step.above_tokens, r->err)) &&
           config_read_prices(r, n, "cached_read", &e->step.price);
}

static bool same_name(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

static bool same_pattern(const struct price_entry *a, const struct price_entry *b)
{
    return same_name(a->provider, b->provider) && strcmp(a->model, b->model) == 0;
}

static bool read_entries(struct config_reader *r, const struct yaml_node *list, struct price_sheet *sheet)
{
    if (!list || list->kind != YAML_SEQUENCE || list->n > MAX_ENTRIES)
        return err_at_line(r->err, ERR_INVALID, r->name, list ? list->line : 1, list ? list->col : 1,
                           "'prices' must be a list of at most %d prices", MAX_ENTRIES);
    sheet->entries = arena_array(&r->c->arena, (size_t)list->n + 1, sizeof *sheet->entries);
    if (!sheet->entries)
        return err_nomem(r->err, "the prices");
    for (; sheet->n < list->n; sheet->n++) {
        struct price_entry *e = &sheet->entries[sheet->n];
        if (!read_entry(r, list->items[sheet->n], e))
            return false;
        for (int i = 0; i < sheet->n; i++) {
            const struct price_step *s = &sheet->entries[i].step;
            if (same_pattern(&sheet->entries[i], e) && s->from_ms == e->step.from_ms &&
                s->above_tokens == e->step.above_tokens)
                return yaml_fail(list->items[sheet->n], r->name, r->err,
                                 "this price of '%s' stands on line %d already; a later one needs a 'from'", e->model,
                                 list->items[i]->line);
        }
    }
    return true;
}

static bool read_sheet(struct config_reader *r, struct str text)
{
    static const char *const keys[] = {"version", "prices", NULL};
    const struct yaml_node *root, *version;
    int64_t number = 0;
    if (!yaml_parse(text, r->name, &r->c->arena, &root, r->err))
        return false;
    if (root->kind != YAML_MAPPING)
        return yaml_fail(root, r->name, r->err, "a price file is a mapping of 'version' and 'prices'");
    version = yaml_get(root, "version");
    if (!version)
        return yaml_fail(root, r->name, r->err, "a price file begins with 'version: %d'", FORMAT_VERSION);
    if (!yaml_only_keys(root, r->name, keys, r->err) ||
        !yaml_to_i64(version, r->name, "version", FORMAT_VERSION, FORMAT_VERSION, &number, r->err))
        return false;
    struct price_sheet *sheet = arena_alloc(&r->c->arena, sizeof *sheet);
    if (!sheet)
        return err_nomem(r->err, "the prices");
    r->c->prices = sheet;
    return read_entries(r, yaml_get(root, "prices"), sheet);
}

/* Two files of one digest charge the same. */
static void note_digest(struct config *c, struct str text)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    if (EVP_Digest(text.p, text.n, digest, NULL, EVP_sha256(), NULL) != 1)
        return;
    for (int i = 0; i < CONFIG_PRICES_DIGEST / 2; i++)
        snprintf(c->prices_digest + 2 * i, 3, "%02x", digest[i]);
}

bool config_parse_prices(struct config *c, struct str text, const char *name, struct err *err)
{
    struct config_reader r = {.c = c, .name = name, .err = err};
    note_digest(c, text);
    return read_sheet(&r, text);
}

bool config_read_price_file(struct config_reader *r, const struct yaml_node *n)
{
    char *text = NULL;
    size_t size = 0;
    if (!config_read_path(r, n, "prices", "", &r->c->prices_path) ||
        !file_read(r->c->prices_path, CONFIG_MAX_BYTES, &text, &size, r->err))
        return false;
    bool ok = config_parse_prices(r->c, (struct str){text, size}, r->c->prices_path, r->err);
    free(text);
    return ok;
}

/* An entry's provider is that of the upstream, or the host it is asked at. */
static bool entry_is_for(const struct price_entry *e, const struct config_upstream *u)
{
    const char *host = strstr(u->base_url, "://");
    size_t n = host ? strcspn(host + 3, "/?#") : 0;
    bool here = !e->provider || strcmp(e->provider, u->provider->name) == 0 ||
                (host && str_is((struct str){host + 3, n}, e->provider));
    return here && matches(e->model, u->model);
}

/* A whole name is closer than a pattern, a longer pattern than a shorter one, one that names the provider than one that
 * does not. */
static size_t closeness(const struct price_entry *e)
{
    return (strchr(e->model, '*') ? 0 : 4 * MAX_NAME) + 2 * strlen(e->model) + (e->provider ? 1 : 0);
}

bool config_find_price(struct config_reader *r, struct config_upstream *u)
{
    const struct price_sheet *sheet = r->c->prices;
    const struct price_entry *best = NULL;
    int n = 0;
    for (int i = 0; sheet && i < sheet->n; i++) {
        const struct price_entry *e = &sheet->entries[i];
        if (entry_is_for(e, u) && (!best || closeness(e) > closeness(best)))
            best = e;
    }
    if (!best || u->price.known)
        return true;
    struct price_step *steps = arena_array(&r->c->arena, (size_t)sheet->n, sizeof *steps);
    if (!steps)
        return err_nomem(r->err, "the prices");
    for (int i = 0; i < sheet->n; i++) {
        if (same_pattern(&sheet->entries[i], best))
            steps[n++] = sheet->entries[i].step;
    }
    u->price = (struct price){.steps = steps, .n_steps = n};
    struct price now = account_price_at(&u->price, clock_wall_ms(), 0);
    now.steps = steps;
    now.n_steps = n;
    u->price = now;
    return true;
}
