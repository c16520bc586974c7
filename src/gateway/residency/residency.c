/* Rules to classes, and classes to upstreams. What stands in a text is look.c's, what the configuration says
 * config/config_residency.c's. */
#include "gateway/residency/residency.h"

#include <stdio.h>

#include "data/json.h"
#include "gateway/people/people.h"

static bool metadata_is(const struct request *req, const char *key, const char *value)
{
    json_t *metadata = NULL;
    struct str given = {0};
    bool ok = req->metadata.n && json_parse_object(req->metadata, "metadata", &metadata, NULL) &&
              json_get_str(metadata, key, &given, NULL) && str_is(given, value);
    json_decref(metadata);
    return ok;
}

static bool detected(const struct residency *r, const struct residency_rule *rule, const struct residency_verdict *v)
{
    for (int k = 0; k < PII_COUNT; k++)
        if ((rule->forms >> k & 1) && v->found.n[k])
            return true;
    for (int k = 0; k < DETECTORS_MAX; k++)
        if ((rule->patterns >> k & 1) && v->patterns[k])
            return true;
    return v->unread && !r->has_unread;   /* who can say that it is not there? */
}

static bool is_key(const struct key_record *key, const char *name)
{
    return key && (strcmp(key->name, name) == 0 || strcmp(key->id, name) == 0);
}

static bool rule_matches(const struct residency *r, const struct residency_rule *rule, const struct request *req,
                         enum task_kind kind, const struct residency_verdict *v)
{
    return (!rule->metadata_key || metadata_is(req, rule->metadata_key, rule->metadata_value)) &&
           (!rule->key || is_key(caller_record(req->caller), rule->key)) &&
           (!rule->kinds || (kind < KIND_COUNT && (rule->kinds >> kind & 1))) &&
           (!rule->detects || detected(r, rule, v)) && (!rule->unread || v->unread);
}

static void set_class(struct residency_verdict *v, const struct residency_class *class, const char *rule)
{
    for (int i = 0; i < v->n_classes; i++)
        if (v->classes[i] == class)
            return;
    if (v->n_classes == RESIDENCY_MAX_CLASSES)
        return;                          /* cannot be: there are no more */
    v->rules[v->n_classes] = rule;
    v->classes[v->n_classes++] = class;
}

/* A class by its name, as a request or a key may say it. */
static bool set_named(const struct config *c, struct request *req, struct residency_verdict *v, struct str name,
                      const char *field, struct err *err)
{
    if (name.n == 0 || str_is(name, "any"))
        return true;
    if (str_is(name, "local")) {
        req->privacy = PRIVACY_LOCAL;
        return true;
    }
    for (int i = 0; c->residency && i < c->residency->n_classes; i++) {
        if (str_is(name, c->residency->classes[i].name)) {
            set_class(v, &c->residency->classes[i], NULL);
            return true;
        }
    }
    return err_set(err, ERR_INVALID, "'%s' is '" STR_FMT "'; it must be local, any or a class of 'residency'", field,
                   STR_ARG(utf8_clip(name, 60)));
}

static void apply_rules(const struct residency *r, const struct request *req, enum task_kind kind,
                        struct residency_verdict *v)
{
    if (r->default_class >= 0)
        set_class(v, &r->classes[r->default_class], NULL);
    if (r->looks || r->has_unread) {
        v->looked = true;
        residency_look(r, req, v);
    }
    for (int i = 0; i < r->n_rules; i++)
        if (rule_matches(r, &r->rules[i], req, kind, v))
            set_class(v, &r->classes[r->rules[i].class], r->rules[i].name);
}

bool residency_judge(const struct config *c, struct request *req, enum task_kind kind, struct err *err)
{
    struct residency_verdict v = {0};
    const struct key_record *key = caller_record(req->caller);
    struct str key_class = str_of(key ? key->privacy : NULL);
    if (!set_named(c, req, &v, req->privacy_class, "metadata.privacy", err) ||
        !set_named(c, req, &v, req->caller ? req->caller->privacy : STR(""), "x-rung-privacy", err) ||
        !set_named(c, req, &v, key_class, "the privacy of the API key", err))
        return false;
    if (c->residency)
        apply_rules(c->residency, req, kind, &v);
    for (int i = 0; i < v.n_classes; i++)
        if (v.classes[i]->own_machine)
            req->privacy = PRIVACY_LOCAL;
    if (v.n_classes == 0 && !v.looked)
        return true;
    struct residency_verdict *kept = arena_alloc(req->arena, sizeof *kept);
    if (!kept)
        return err_nomem(err, "the privacy of a request");
    *kept = v;
    req->residency = kept;
    return true;
}

bool residency_add(const struct config *c, struct request *req, int class, const char *route, struct err *err)
{
    struct residency_verdict *kept = arena_alloc(req->arena, sizeof *kept);
    if (!kept)
        return err_nomem(err, "the privacy of a request");
    *kept = req->residency ? *req->residency : (struct residency_verdict){0};
    set_class(kept, &c->residency->classes[class], route);
    if (c->residency->classes[class].own_machine)
        req->privacy = PRIVACY_LOCAL;
    req->residency = kept;
    return true;
}

static bool is_one_of(const char *word, const char *const words[], int n)
{
    for (int i = 0; i < n; i++)
        if (word && strcmp(word, words[i]) == 0)
            return true;
    return n == 0;
}

bool residency_allows(const struct request *req, const struct config_upstream *u)
{
    const struct residency_verdict *v = req->residency;
    if (u->own_machine)
        return true;
    if (req->privacy == PRIVACY_LOCAL)
        return false;
    for (int i = 0; v && i < v->n_classes; i++) {
        const struct residency_class *class = v->classes[i];
        if (class->own_machine || !is_one_of(u->region, class->regions, class->n_regions) ||
            !is_one_of(u->retention, class->retentions, class->n_retentions))
            return false;
    }
    return true;
}

bool residency_allows_tier(const struct request *req, int tier)
{
    const struct residency_verdict *v = req->residency;
    for (int i = 0; v && i < v->n_classes; i++)
        if (v->classes[i]->tiers && (tier < 0 || !(v->classes[i]->tiers >> tier & 1)))
            return false;
    return true;
}

/* A class that keeps requests here says so itself. */
static bool is_local_beside(const struct request *req)
{
    const struct residency_verdict *v = req->residency;
    for (int i = 0; v && i < v->n_classes; i++)
        if (v->classes[i]->own_machine)
            return false;
    return req->privacy == PRIVACY_LOCAL;
}

void residency_describe(const struct request *req, char *text, size_t size)
{
    const struct residency_verdict *v = req->residency;
    size_t used = (size_t)snprintf(text, size, "%s", is_local_beside(req) ? "local" : "");
    for (int i = 0; v && i < v->n_classes && used < size; i++) {
        bool by_rule = v->rules[i] != NULL;
        used += (size_t)snprintf(text + used, size - used, "%s%s%s%s%s", used ? ", " : "", v->classes[i]->name,
                                 by_rule ? " (rule '" : "", by_rule ? v->rules[i] : "", by_rule ? "')" : "");
    }
}
