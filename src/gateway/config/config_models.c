/* The `models` section: local files, their adapters, prices, who stands in for whom (pools of upstreams are read in
 * config_upstreams.c), and the listening address and keys, which share the rule that a secret is never written into the
 * file but named as env:NAME. */
#include "base/filemap.h"
#include "gateway/config/config_parse.h"
#include "gateway/keep_alive.h"

#include <stdlib.h>
#include <unistd.h>

#include "store/money.h"

#define SECRET_MAX_BYTES 8192

bool config_read_string(struct config_reader *r, const struct yaml_node *n, const char *what, const char **ret)
{
    struct str text;
    if (!yaml_to_str(n, r->name, what, &text, r->err))
        return false;
    const char *copy = arena_strdup(&r->c->arena, text);
    if (!copy)
        return err_nomem(r->err, "the configuration");
    *ret = copy;
    return true;
}

bool config_read_path(struct config_reader *r, const struct yaml_node *n, const char *what, const char *word,
                      const char **ret)
{
    const char *text, *home = getenv("HOME"), *slash = strrchr(r->name, '/');
    if (!config_read_string(r, n, what, &text))
        return false;
    if (strncmp(text, "~/", 2) == 0 && home)
        text = arena_printf(&r->c->arena, "%s/%s", home, text + 2);
    else if (text[0] != '/' && slash && strcmp(text, word) != 0)
        text = arena_printf(&r->c->arena, "%.*s/%s", (int)(slash - r->name), r->name, text);
    if (!text)
        return err_nomem(r->err, "the configuration");
    *ret = text;
    return true;
}

bool config_read_strings(struct config_reader *r, const struct yaml_node *n, const char *what, const char **ret,
                         int *ret_n)
{
    if (n->kind != YAML_SEQUENCE || n->n > CONFIG_MAX_LIST)
        return yaml_fail(n, r->name, r->err, "'%s' must be a list of at most %d texts", what, CONFIG_MAX_LIST);
    for (int i = 0; i < n->n; i++) {
        if (!config_read_string(r, n->items[i], what, &ret[i]))
            return false;
    }
    *ret_n = n->n;
    return true;
}

bool config_read_listen(struct config_reader *r, const struct yaml_node *n)
{
    const char *text = NULL;
    if (!config_read_string(r, n, "listen", &text))
        return false;
    if (!config_parse_address(text, &r->c->arena, &r->c->listen_host, &r->c->listen_port))
        return yaml_fail(n, r->name, r->err, "'listen' must be ADDRESS:PORT such as 127.0.0.1:11434, not '%s'", text);
    return true;
}

/* One line of a file that only its owner's program should be able to read. */
static bool read_secret_file(struct config_reader *r, const struct yaml_node *n, const char *path, const char **ret)
{
    char *text = NULL;
    size_t size = 0;
    if (access(path, F_OK) != 0) {
        *ret = NULL;
        return true;
    }
    struct err err = ERR_INIT;
    if (!file_read(path, SECRET_MAX_BYTES, &text, &size, &err))
        return yaml_fail(n, r->name, r->err, "%s", err.msg);
    struct str line = str_trim((struct str){text, size});
    bool one_line = true;
    for (size_t i = 0; i < line.n; i++)
        one_line &= (unsigned char)line.p[i] > ' ' && line.p[i] != 127;
    const char *copy = line.n && one_line ? arena_strdup(&r->c->arena, line) : NULL;
    explicit_bzero(text, size);
    free(text);
    if (!one_line)
        return yaml_fail(n, r->name, r->err, "the file %s must hold one key and nothing else", path);
    if (line.n && !copy)
        return err_nomem(r->err, "the configuration");
    *ret = copy;
    return true;
}

/* A key in clear text is refused: configurations are copied and committed. */
bool config_read_secret(struct config_reader *r, const struct yaml_node *n, const char *what, const char **ret_where,
                        const char **ret_secret)
{
    const char *text, *slash = strrchr(r->name, '/'), *value;
    if (!config_read_string(r, n, what, &text))
        return false;
    if (strncmp(text, "file:", 5) == 0 && text[5]) {
        const char *path = text[5] == '/' || !slash ? text + 5
                           : arena_printf(&r->c->arena, "%.*s/%s", (int)(slash - r->name), r->name, text + 5);
        *ret_where = text;
        return path ? read_secret_file(r, n, path, ret_secret) : err_nomem(r->err, "the configuration");
    }
    if (strncmp(text, "env:", 4) != 0 || text[4] == 0)
        return yaml_fail(n, r->name, r->err,
                         "'%s' must name an environment variable, as env:NAME, or a file, as file:PATH; keys do not "
                         "belong in configurations", what);
    *ret_where = text + 4;
    value = getenv(text + 4);
    *ret_secret = value && *value ? arena_strdup(&r->c->arena, str_of(value)) : NULL;
    return *ret_secret || !value || !*value || err_nomem(r->err, "the configuration");
}

bool config_read_secrets(struct config_reader *r, const struct yaml_node *n)
{
    struct config *c = r->c;
    if (n->kind != YAML_SEQUENCE || n->n > CONFIG_MAX_LIST)
        return yaml_fail(n, r->name, r->err, "'api_keys' must be a list of at most %d entries env:NAME or file:PATH",
                         CONFIG_MAX_LIST);
    for (int i = 0; i < n->n; i++) {
        const char *where;
        if (!config_read_secret(r, n->items[i], "api_keys", &where, &c->api_keys[c->n_api_keys]))
            return false;
        /* One that is not set must not silently open the door that the owner meant to lock. */
        if (!c->api_keys[c->n_api_keys])
            return yaml_fail(n->items[i], r->name, r->err, "'api_keys' names %s, which is not set or empty",
                             where);
        c->n_api_keys++;
    }
    return true;
}

static bool read_dollars(struct config_reader *r, const struct yaml_node *prices, const char *key, int64_t *ret)
{
    const struct yaml_node *n = yaml_get(prices, key);
    double usd_per_mtok = 0;
    if (!n)
        return true;
    if (!yaml_to_f64(n, r->name, key, 0, 1e6, &usd_per_mtok, r->err))
        return false;
    return money_price_of(usd_per_mtok, ret, r->err);
}

bool config_read_prices(struct config_reader *r, const struct yaml_node *n, const char *cached, struct price *ret)
{
    struct price p = {.cached_input = -1, .cached_write = -1, .cached_write_1h = -1, .reasoning = -1,
                      .known = true};
    if (!read_dollars(r, n, "input", &p.input) || !read_dollars(r, n, cached, &p.cached_input) ||
        !read_dollars(r, n, "cached_write", &p.cached_write) ||
        !read_dollars(r, n, "cached_write_1h", &p.cached_write_1h) || !read_dollars(r, n, "output", &p.output) ||
        !read_dollars(r, n, "reasoning", &p.reasoning))
        return false;
    if (!yaml_get(n, "input") || !yaml_get(n, "output"))
        return yaml_fail(n, r->name, r->err, "a price needs 'input' and 'output', in USD per million tokens");
    p.cached_input = p.cached_input < 0 ? p.input : p.cached_input;
    p.cached_write = p.cached_write < 0 ? p.input : p.cached_write;
    p.cached_write_1h = p.cached_write_1h < 0 ? p.cached_write : p.cached_write_1h;
    p.reasoning = p.reasoning < 0 ? p.output : p.reasoning;
    *ret = p;
    return true;
}

bool config_read_price(struct config_reader *r, const struct yaml_node *n, struct price *ret)
{
    static const char *const keys[] = {"input",  "cached_input", "cached_write", "cached_write_1h",
                                       "output", "reasoning",    NULL};
    return yaml_only_keys(n, r->name, keys, r->err) && config_read_prices(r, n, "cached_input", ret);
}

bool config_parse_size(struct str text, int64_t *ret_bytes)
{
    static const struct {
        const char *name;
        double bytes;
    } units[] = {{"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        double value;
        struct str unit = str_of(units[i].name);
        if (!str_ends(text, unit) || !str_to_f64(str_trim((struct str){text.p, text.n - unit.n}), &value) ||
            value <= 0 || value * units[i].bytes > 0x1p60)
            continue;
        *ret_bytes = (int64_t)(value * units[i].bytes);
        return true;
    }
    return false;
}

bool config_read_size(struct config_reader *r, const struct yaml_node *n, const char *what, int64_t *ret_bytes)
{
    struct str text;
    if (!yaml_to_str(n, r->name, what, &text, r->err))
        return false;
    return config_parse_size(text, ret_bytes) ||
           yaml_fail(n, r->name, r->err, "'%s' must be a size such as 8GB or 500MiB", what);
}

bool config_parse_kv_cache(struct str text, bool *ret_q8)
{
    *ret_q8 = str_is(text, "q8_0");
    return *ret_q8 || str_is(text, "f16");
}

static bool read_kv_cache(struct config_reader *r, const struct yaml_node *n, struct config_model *m)
{
    struct str text;
    if (!yaml_to_str(n, r->name, "kv_cache", &text, r->err))
        return false;
    return config_parse_kv_cache(text, &m->cache.kv_q8) ||
           yaml_fail(n, r->name, r->err, "'kv_cache' must be f16 or q8_0, not '" STR_FMT "'", STR_ARG(text));
}

static bool read_keep_alive(struct config_reader *r, const struct yaml_node *n, struct config_model *m)
{
    struct str text;
    struct err err = ERR_INIT;
    if (!yaml_to_str(n, r->name, "keep_alive", &text, r->err))
        return false;
    return keep_alive_parse(text, &m->keep_alive_ms, &err) || yaml_fail(n, r->name, r->err, "%s", err.msg);
}

/* A name that is free, for a model or an adapter. */
static bool read_name(struct config_reader *r, const struct yaml_node *n, const char **ret)
{
    const char *name;
    if (!config_read_string(r, n, "model name", &name))
        return false;
    if (!*name)
        return yaml_fail(n, r->name, r->err, "a model needs a name");
    if (strcmp(name, "auto") == 0)
        return yaml_fail(n, r->name, r->err, "a model cannot be called 'auto': that name asks for routing");
    if (config_find_model(r->c, str_of(name)) >= 0)
        return yaml_fail(n, r->name, r->err, "there is a model '%s' already", name);
    if (r->c->n_models >= CONFIG_MAX_GIVEN)
        return yaml_fail(n, r->name, r->err, "more than %d models and adapters", CONFIG_MAX_GIVEN);
    *ret = name;
    return true;
}

static bool read_speculation(struct config_reader *r, const struct yaml_node *n, struct config_model *m)
{
    struct str text;
    if (!yaml_to_str(n, r->name, "speculation", &text, r->err))
        return false;
    if (!str_is(text, "on") && !str_is(text, "off"))
        return yaml_fail(n, r->name, r->err, "'speculation' must be on or off");
    m->no_speculation = str_is(text, "off");
    return true;
}

static bool read_file(struct config_reader *r, const struct yaml_node *n, struct config_model *m)
{
    const struct yaml_node *file = yaml_get(n, "file"), *keep = yaml_get(n, "keep_alive"),
                           *type = yaml_get(n, "kv_cache"), *memory = yaml_get(n, "kv_memory"),
                           *speculation = yaml_get(n, "speculation"), *parts = yaml_get(n, "matryoshka");
    m->keep_alive_ms = RUNTIME_KEEP_ALIVE_MS;
    return config_read_path(r, file, "file", "starter", &m->file) &&
           config_read_string(r, file, "file", &m->file_as_given) && (!keep || read_keep_alive(r, keep, m)) &&
           (!type || read_kv_cache(r, type, m)) &&
           (!memory || config_read_size(r, memory, "kv_memory", &m->cache.kv_bytes)) &&
           (!speculation || read_speculation(r, speculation, m)) &&
           (!parts || yaml_to_bool(parts, r->name, "matryoshka", &m->matryoshka, r->err));
}

/* Each adapter is a model of its own name, beside its base. */
static bool read_adapters(struct config_reader *r, const struct yaml_node *n, int base)
{
    static const char *const keys[] = {"name", "file", NULL};
    struct config *c = r->c;
    if (n->kind != YAML_SEQUENCE)
        return yaml_fail(n, r->name, r->err, "'adapters' must be a list of {name, file}");
    for (int i = 0; i < n->n; i++) {
        const struct yaml_node *item = n->items[i];
        if (item->kind != YAML_MAPPING || !yaml_get(item, "name") || !yaml_get(item, "file"))
            return yaml_fail(item, r->name, r->err, "an adapter needs 'name' and 'file'");
        struct config_model m = c->models[base];
        m.base = base;
        if (!yaml_only_keys(item, r->name, keys, r->err) || !read_name(r, yaml_get(item, "name"), &m.name) ||
            !config_read_path(r, yaml_get(item, "file"), "file", "", &m.adapter))
            return false;
        c->models[c->n_models++] = m;
    }
    return true;
}

/* What both a file and a pool may have, and what each has alone. */
static bool read_model(struct config_reader *r, const struct yaml_node *name, const struct yaml_node *n)
{
    static const char *const file_keys[] = {"file",       "context",   "price_usd_per_mtok", "keep_alive",
                                            "kv_cache",   "kv_memory", "adapters",           "speculation",
                                            "matryoshka", "fallback",  NULL};
    struct config *c = r->c;
    struct config_model *m = &c->models[c->n_models];
    *m = (struct config_model){0};
    if (!read_name(r, name, &m->name))
        return false;
    if (n->kind != YAML_MAPPING)
        return yaml_fail(n, r->name, r->err, "model '%s' must be a mapping with 'file', 'base_url' or 'upstreams'",
                         m->name);
    const struct yaml_node *file = yaml_get(n, "file"), *context = yaml_get(n, "context"),
                           *price = yaml_get(n, "price_usd_per_mtok"), *adapters = yaml_get(n, "adapters");
    if (!!file + !!yaml_get(n, "base_url") + !!yaml_get(n, "upstreams") != 1)
        return yaml_fail(n, r->name, r->err,
                         "model '%s' needs either 'file' (here), 'base_url' (elsewhere) or 'upstreams' (a pool)",
                         m->name);
    if ((price && !config_read_price(r, price, &m->price)) ||
        (context && !yaml_to_i64(context, r->name, "context", 16, 100000000, &m->context, r->err)))
        return false;
    if (file ? !yaml_only_keys(n, r->name, file_keys, r->err) || !read_file(r, n, m) : !config_read_pool(r, n, m))
        return false;
    if (file && !price)
        m->price.known = true; /* what runs here costs nothing a token */
    int base = c->n_models++;
    return !adapters || read_adapters(r, adapters, base);
}

/* Models that stand in for others may be listed before or after them. */
static bool read_fallback(struct config_reader *r, const struct yaml_node *n, struct config_model *m)
{
    if (n->kind != YAML_SEQUENCE || n->n > CONFIG_MAX_FALLBACKS)
        return yaml_fail(n, r->name, r->err, "'fallback' must be a list of at most %d models", CONFIG_MAX_FALLBACKS);
    for (int i = 0; i < n->n; i++) {
        const char *name;
        if (!config_read_string(r, n->items[i], "fallback", &name))
            return false;
        int model = config_find_model(r->c, str_of(name));
        if (model < 0)
            return yaml_fail(n->items[i], r->name, r->err, "'fallback' names '%s', which is no model", name);
        if (&r->c->models[model] == m)
            return yaml_fail(n->items[i], r->name, r->err, "model '%s' cannot stand in for itself", name);
        m->fallback[m->n_fallback++] = model;
    }
    return true;
}

bool config_read_models(struct config_reader *r, const struct yaml_node *n)
{
    if (n->kind != YAML_MAPPING)
        return yaml_fail(n, r->name, r->err, "'models' must be a mapping from names to models");
    for (int i = 0; i < n->n; i++) {
        if (!read_model(r, n->keys[i], n->items[i]))
            return false;
    }
    for (int i = 0; i < n->n; i++) {
        const struct yaml_node *fallback = yaml_get(n->items[i], "fallback");
        int model = config_find_model(r->c, n->keys[i]->text);
        if (fallback && !read_fallback(r, fallback, &r->c->models[model]))
            return false;
    }
    return true;
}
