/* The `residency` and `audit` sections: patterns, classes and rules, the class of a route, the log of all that.
 * Whatever is not understood is an
 * error, and so is a class that asks for a region or a retention no upstream declares: a rule that cannot be kept must
 * not look kept. */
#include "gateway/config/config_parse.h"
#include "gateway/residency/residency.h"

int config_find_class(const struct config *c, struct str name)
{
    for (int i = 0; c->residency && i < c->residency->n_classes; i++)
        if (str_is(name, c->residency->classes[i].name))
            return i;
    return -1;
}

static struct residency *section(struct config_reader *r)
{
    struct config *c = r->c;
    if (!c->residency) {
        c->residency = arena_alloc(&c->arena, sizeof *c->residency);
        if (c->residency)
            *c->residency = (struct residency){.default_class = -1};
        else
            err_nomem(r->err, "the configuration");
    }
    return c->residency;
}

/* ---- patterns ---- */

static bool read_patterns(struct config_reader *r, const struct yaml_node *n, struct residency *s)
{
    enum pii_kind form;
    if (n->kind != YAML_MAPPING || n->n > DETECTORS_MAX)
        return yaml_fail(n, r->name, r->err, "'patterns' must map at most %d names to regular expressions",
                         DETECTORS_MAX);
    if (!detectors_open(&s->patterns, r->err))
        return false;
    for (int i = 0; i < n->n; i++) {
        struct str expression;
        struct err why = ERR_INIT;
        const char **name = &s->pattern_names[i];
        if (!config_read_string(r, n->keys[i], "patterns", name) ||
            !yaml_to_str(n->items[i], r->name, *name, &expression, r->err))
            return false;
        if (pii_from_name(str_of(*name), &form) || strcmp(*name, "pii") == 0 || strcmp(*name, "secret") == 0)
            return yaml_fail(n->keys[i], r->name, r->err, "there is a form '%s' already; name the pattern otherwise",
                             *name);
        if (!detectors_add(s->patterns, expression, &why))
            return yaml_fail(n->items[i], r->name, r->err, "'%s': %s", *name, why.msg);
    }
    return true;
}

/* ---- classes ---- */

static bool read_words(struct config_reader *r, const struct yaml_node *n, const char *what, const char **ret,
                       int *ret_n)
{
    int count = n->kind == YAML_SEQUENCE ? n->n : 1;
    if (n->kind == YAML_MAPPING || count == 0 || count > RESIDENCY_MAX_WORDS)
        return yaml_fail(n, r->name, r->err, "'%s' must be a text or a list of 1 to %d texts", what,
                         RESIDENCY_MAX_WORDS);
    for (int i = 0; i < count; i++)
        if (!config_read_string(r, n->kind == YAML_SEQUENCE ? n->items[i] : n, what, &ret[i]))
            return false;
    *ret_n = count;
    return true;
}

static bool declares(const struct config *c, const char *region, const char *retention)
{
    for (int i = 0; i < c->n_models; i++) {
        for (int k = 0; k < c->models[i].n_upstreams; k++) {
            const struct config_upstream *u = &c->models[i].upstreams[k];
            if (region && u->region && strcmp(u->region, region) == 0)
                return true;
            if (retention && u->retention && strcmp(u->retention, retention) == 0)
                return true;
        }
    }
    return false;
}

/* A misspelt region would leave everything out, or seem to hold what it does not. */
static bool check_declared(struct config_reader *r, const struct yaml_node *n, const struct residency_class *class)
{
    for (int i = 0; i < class->n_regions; i++)
        if (!declares(r->c, class->regions[i], NULL))
            return yaml_fail(n, r->name, r->err, "class '%s' asks for the region '%s', which no upstream declares",
                             class->name, class->regions[i]);
    for (int i = 0; i < class->n_retentions; i++)
        if (!declares(r->c, NULL, class->retentions[i]))
            return yaml_fail(n, r->name, r->err, "class '%s' asks for the retention '%s', which no upstream declares",
                             class->name, class->retentions[i]);
    return true;
}

static bool read_class(struct config_reader *r, const struct yaml_node *n, const char *name,
                       struct residency_class *ret)
{
    static const char *const keys[] = {"private", "region", "retention", "tiers", NULL};
    struct residency_class class = {.name = name};
    const struct yaml_node *own, *region, *retention, *tiers;
    if (n->kind != YAML_MAPPING || n->n == 0)
        return yaml_fail(n, r->name, r->err, "class '%s' must ask for something: private, region, retention or tiers",
                         name);
    if (!yaml_only_keys(n, r->name, keys, r->err))
        return false;
    own = yaml_get(n, "private");
    region = yaml_get(n, "region");
    retention = yaml_get(n, "retention");
    tiers = yaml_get(n, "tiers");
    if ((own && !yaml_to_bool(own, r->name, "private", &class.own_machine, r->err)) ||
        (region && !read_words(r, region, "region", class.regions, &class.n_regions)) ||
        (retention && !read_words(r, retention, "retention", class.retentions, &class.n_retentions)) ||
        (tiers && !config_read_tier_bits(r, tiers, "tiers", &class.tiers)) || !check_declared(r, n, &class))
        return false;
    if (!class.own_machine && !class.n_regions && !class.n_retentions && !class.tiers)
        return yaml_fail(n, r->name, r->err, "class '%s' asks for nothing", name);
    *ret = class;
    return true;
}

static bool add_class(struct config_reader *r, const struct yaml_node *n, struct residency *s, const char *name)
{
    if (s->n_classes == RESIDENCY_MAX_CLASSES)
        return yaml_fail(n, r->name, r->err, "there are more than %d classes", RESIDENCY_MAX_CLASSES);
    if (!read_class(r, n, name, &s->classes[s->n_classes]))
        return false;
    s->n_classes++;
    return true;
}

static bool read_classes(struct config_reader *r, const struct yaml_node *n, struct residency *s)
{
    if (n->kind != YAML_MAPPING)
        return yaml_fail(n, r->name, r->err, "'classes' must map names to what they ask for");
    for (int i = 0; i < n->n; i++) {
        const char *name;
        if (!config_read_string(r, n->keys[i], "classes", &name))
            return false;
        if (strcmp(name, "any") == 0 || strcmp(name, "local") == 0 || config_find_class(r->c, str_of(name)) >= 0)
            return yaml_fail(n->keys[i], r->name, r->err, "there is a class '%s' already", name);
        if (!add_class(r, n->items[i], s, name))
            return false;
    }
    return true;
}

/* `local` needs no line of its own. */
static bool class_named(struct config_reader *r, const struct yaml_node *n, struct residency *s, int *ret)
{
    struct str name;
    if (!yaml_to_str(n, r->name, "class", &name, r->err))
        return false;
    *ret = config_find_class(r->c, name);
    if (*ret < 0 && str_is(name, "local") && s->n_classes < RESIDENCY_MAX_CLASSES) {
        *ret = s->n_classes;
        s->classes[s->n_classes++] = (struct residency_class){.name = "local", .own_machine = true};
    }
    return *ret >= 0 ||
           yaml_fail(n, r->name, r->err, "there is no class '" STR_FMT "' in 'residency'", STR_ARG(name));
}

bool config_read_route_class(struct config_reader *r, const struct yaml_node *class, const struct yaml_node *require,
                             int *ret)
{
    struct residency *s = section(r);
    *ret = -1;
    if (!s)
        return false;
    if (class && require)
        return yaml_fail(require, r->name, r->err, "a route has either 'class' or 'require'");
    if (class)
        return class_named(r, class, s, ret);
    *ret = s->n_classes;
    return add_class(r, require, s, "of its route");
}

/* ---- rules ---- */

static bool read_detected(struct config_reader *r, const struct yaml_node *n, const struct residency *s,
                          struct residency_rule *rule)
{
    struct str name;
    enum pii_kind form;
    uint32_t forms = 0;
    if (!yaml_to_str(n, r->name, "detect", &name, r->err))
        return false;
    for (int k = 0; k < PII_COUNT; k++) {
        bool secret = pii_infos[k].secret;
        if ((str_is(name, "pii") && !secret) || (str_is(name, "secret") && secret))
            forms |= 1u << k;
    }
    if (pii_from_name(name, &form))
        forms = 1u << form;
    rule->forms |= forms;
    for (int k = 0; !forms && s->patterns && k < detectors_count(s->patterns); k++) {
        if (str_is(name, s->pattern_names[k])) {
            rule->patterns |= UINT64_C(1) << k;
            return true;
        }
    }
    return forms || yaml_fail(n, r->name, r->err, "there is no form and no pattern '" STR_FMT "'; see docs/privacy.md",
                              STR_ARG(name));
}

static bool read_detect(struct config_reader *r, const struct yaml_node *n, const struct residency *s,
                        struct residency_rule *rule)
{
    int count = n->kind == YAML_SEQUENCE ? n->n : 1;
    rule->detects = true;
    for (int i = 0; i < count; i++)
        if (!read_detected(r, n->kind == YAML_SEQUENCE ? n->items[i] : n, s, rule))
            return false;
    return count > 0 || yaml_fail(n, r->name, r->err, "'detect' names nothing");
}

static bool read_rule(struct config_reader *r, const struct yaml_node *n, struct residency *s)
{
    static const char *const keys[] = {"name", "metadata", "key", "kind", "detect", "unread", "class", NULL};
    struct residency_rule rule = {0};
    if (n->kind != YAML_MAPPING || !yaml_get(n, "class"))
        return yaml_fail(n, r->name, r->err, "a rule needs conditions and 'class'");
    rule.name = arena_printf(&r->c->arena, "rule %d", s->n_rules + 1);
    const struct yaml_node *name = yaml_get(n, "name"), *meta = yaml_get(n, "metadata"), *key = yaml_get(n, "key"),
                           *kind = yaml_get(n, "kind"), *detect = yaml_get(n, "detect"),
                           *unread = yaml_get(n, "unread");
    if (!rule.name)
        return err_nomem(r->err, "the configuration");
    if (!yaml_only_keys(n, r->name, keys, r->err) || (name && !config_read_string(r, name, "name", &rule.name)) ||
        (meta && !config_read_pair(r, meta, &rule.metadata_key, &rule.metadata_value)) ||
        (key && !config_read_string(r, key, "key", &rule.key)) ||
        (kind && !config_read_kinds(r, kind, &rule.kinds)) || (detect && !read_detect(r, detect, s, &rule)) ||
        (unread && !yaml_to_bool(unread, r->name, "unread", &rule.unread, r->err)) ||
        !class_named(r, yaml_get(n, "class"), s, &rule.class))
        return false;
    if (!meta && !key && !kind && !detect && !rule.unread)
        return yaml_fail(n, r->name, r->err, "%s has no condition; 'default' is the class of every request", rule.name);
    s->looks |= rule.detects;
    s->has_unread |= rule.unread;
    s->has_kinds |= rule.kinds != 0;
    s->rules[s->n_rules++] = rule;
    return true;
}

static bool read_rules(struct config_reader *r, const struct yaml_node *n, struct residency *s)
{
    if (n->kind != YAML_SEQUENCE || n->n > RESIDENCY_MAX_RULES)
        return yaml_fail(n, r->name, r->err, "'rules' must be a list of at most %d rules", RESIDENCY_MAX_RULES);
    for (int i = 0; i < n->n; i++)
        if (!read_rule(r, n->items[i], s))
            return false;
    return true;
}

bool config_read_residency(struct config_reader *r, const struct yaml_node *n)
{
    static const char *const keys[] = {"patterns", "classes", "rules", "default", NULL};
    const struct yaml_node *v;
    struct residency *s = section(r);
    struct str name;
    if (!s || !yaml_only_keys(n, r->name, keys, r->err) ||
        ((v = yaml_get(n, "patterns")) && !read_patterns(r, v, s)) ||
        ((v = yaml_get(n, "classes")) && !read_classes(r, v, s)) ||
        ((v = yaml_get(n, "rules")) && !read_rules(r, v, s)))
        return false;
    if (!(v = yaml_get(n, "default")))
        return true;
    if (!yaml_to_str(v, r->name, "default", &name, r->err))
        return false;
    return str_is(name, "any") || class_named(r, v, s, &s->default_class);
}

bool config_read_audit(struct config_reader *r, const struct yaml_node *n)
{
    static const char *const keys[] = {"path", "sync", NULL};
    const struct yaml_node *path = yaml_get(n, "path"), *sync = yaml_get(n, "sync");
    if (!yaml_only_keys(n, r->name, keys, r->err))
        return false;
    if (!path)
        return yaml_fail(n, r->name, r->err, "'audit' needs 'path', the file to append to");
    return config_read_path(r, path, "path", "", &r->c->audit_path) &&
           (!sync || yaml_to_bool(sync, r->name, "sync", &r->c->audit_sync, r->err));
}
