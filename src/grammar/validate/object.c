/* Keywords that look at objects. Members are numbered in the order they stand in the value. */
#include "grammar/validate/validate.h"

struct member {
    struct str key;
    const json_t *value;
    size_t index;
};

static bool check_member(struct validation *v, const struct visit *at, const json_t *schema, const struct member *m)
{
    struct place place = {.up = at->place, .key = m->key};
    validate_saw(v, at, m->index);
    return validate_child(v, at, schema, m->value, &place, at->err);
}

static bool check_property(struct validation *v, const struct visit *at, const json_t *rule, const struct member *m)
{
    const json_t *schema = json_object_getn(rule, m->key.p, m->key.n);
    return !schema || check_member(v, at, schema, m);
}

static bool check_patterns(struct validation *v, const struct visit *at, const json_t *rule, const struct member *m)
{
    const char *pattern;
    size_t n;
    json_t *schema;
    json_object_keylen_foreach((json_t *)rule, pattern, n, schema)
        if (validate_matches(v, (struct str){pattern, n}, false, m->key) && !check_member(v, at, schema, m))
            return false;
    return true;
}

/* What neither properties names nor a pattern of patternProperties matches. */
static bool check_additional(struct validation *v, const struct visit *at, const json_t *rule, const struct member *m)
{
    const char *pattern;
    size_t n;
    json_t *schema;
    if (json_object_getn(schema_get(at->sub, "properties"), m->key.p, m->key.n))
        return true;
    json_object_keylen_foreach((json_t *)schema_get(at->sub, "patternProperties"), pattern, n, schema)
        if (validate_matches(v, (struct str){pattern, n}, false, m->key))
            return true;
    if (json_is_false(rule))
        return validate_fail(at, "the property '" STR_FMT "' is not allowed", STR_ARG(utf8_clip(m->key, SHOWN_MAX)));
    return check_member(v, at, rule, m);
}

static bool check_unevaluated(struct validation *v, const struct visit *at, const json_t *rule, const struct member *m)
{
    if (validate_was_seen(v, at, m->index))
        return true;
    if (json_is_false(rule))
        return validate_fail(at, "the property '" STR_FMT "' is not allowed", STR_ARG(utf8_clip(m->key, SHOWN_MAX)));
    return check_member(v, at, rule, m);
}

static bool check_name(struct validation *v, const struct visit *at, const json_t *rule, const struct member *m)
{
    struct place place = {.up = at->place, .key = m->key};
    json_t *name = json_stringn_nocheck(m->key.p, m->key.n);
    if (!name) {
        struct err err = ERR_INIT;
        err_nomem(&err, "validating");
        return validate_stop(v, &err);
    }
    bool ok = validate_child(v, at, rule, name, &place, at->err);
    json_decref(name);
    return ok;
}

/* check for each member, with the keyword's value. */
static bool check_members(struct validation *v, const struct visit *at, const json_t *rule,
                          bool (*check)(struct validation *, const struct visit *, const json_t *,
                                        const struct member *))
{
    struct member m = {.index = 0};
    const char *key;
    size_t n;
    json_t *value;
    json_object_keylen_foreach((json_t *)at->value, key, n, value) {
        m.key = (struct str){key, n};
        m.value = value;
        if (!validate_spend(v, 1) || !check(v, at, rule, &m))
            return false;
        m.index++;
    }
    return true;
}

bool validate_properties(struct validation *v, const struct visit *at, const json_t *rule)
{
    return check_members(v, at, rule, check_property);
}

bool validate_pattern_properties(struct validation *v, const struct visit *at, const json_t *rule)
{
    return check_members(v, at, rule, check_patterns);
}

bool validate_additional_properties(struct validation *v, const struct visit *at, const json_t *rule)
{
    return check_members(v, at, rule, check_additional);
}

bool validate_unevaluated_properties(struct validation *v, const struct visit *at, const json_t *rule)
{
    return check_members(v, at, rule, check_unevaluated);
}

bool validate_property_names(struct validation *v, const struct visit *at, const json_t *rule)
{
    return check_members(v, at, rule, check_name);
}

/* The names of the list are all there; because: the property that wants them, or NULL. */
static bool has_names(struct validation *v, const struct visit *at, const json_t *names, const char *because)
{
    size_t i;
    json_t *name;
    json_array_foreach((json_t *)names, i, name) {
        if (!validate_spend(v, 1))
            return false;
        if (json_object_getn(at->value, json_string_value(name), json_string_length(name)))
            continue;
        struct str shown = utf8_clip(str_of(json_string_value(name)), SHOWN_MAX);
        return validate_fail(at, "the property '" STR_FMT "' is missing%s%.48s%s", STR_ARG(shown),
                             because ? ", which '" : "", because ? because : "", because ? "' needs" : "");
    }
    return true;
}

bool validate_required(struct validation *v, const struct visit *at, const json_t *rule)
{
    return !json_is_object(at->value) || has_names(v, at, rule, NULL);
}

bool validate_min_properties(struct validation *v, const struct visit *at, const json_t *rule)
{
    size_t n = json_object_size(at->value);
    (void)v;
    return !json_is_object(at->value) || (int64_t)n >= validate_count(rule) ||
           validate_fail(at, "%zu properties are fewer than %lld", n, (long long)validate_count(rule));
}

bool validate_max_properties(struct validation *v, const struct visit *at, const json_t *rule)
{
    size_t n = json_object_size(at->value);
    (void)v;
    return !json_is_object(at->value) || (int64_t)n <= validate_count(rule) ||
           validate_fail(at, "%zu properties are more than %lld", n, (long long)validate_count(rule));
}

/* Also dependentRequired and dependentSchemas, which draft 7 had in one. */
bool validate_dependencies(struct validation *v, const struct visit *at, const json_t *rule)
{
    const char *key;
    size_t n;
    json_t *one;
    if (!json_is_object(at->value))
        return true;
    json_object_keylen_foreach((json_t *)rule, key, n, one) {
        if (!validate_spend(v, 1))
            return false;
        if (!json_object_getn(at->value, key, n))
            continue;
        bool ok = json_is_array(one) ? has_names(v, at, one, key)
                                     : validate_here(v, at, schema_at(v->s, one), at->err);
        if (!ok)
            return false;
    }
    return true;
}
