/* Keywords that look at arrays. */
#include <stdlib.h>

#include "grammar/validate/validate.h"

static bool check_element(struct validation *v, const struct visit *at, const json_t *schema, size_t i)
{
    struct place place = {.up = at->place, .index = i};
    validate_saw(v, at, i);
    return validate_child(v, at, schema, json_array_get(at->value, i), &place, at->err);
}

/* The elements from `from` on, all under one schema. */
static bool check_rest(struct validation *v, const struct visit *at, const json_t *schema, size_t from)
{
    for (size_t i = from; i < json_array_size(at->value); i++)
        if (!check_element(v, at, schema, i))
            return false;
    return true;
}

bool validate_prefix_items(struct validation *v, const struct visit *at, const json_t *rule)
{
    for (size_t i = 0; i < json_array_size(rule) && i < json_array_size(at->value); i++)
        if (!check_element(v, at, json_array_get(rule, i), i))
            return false;
    return true;
}

bool validate_items(struct validation *v, const struct visit *at, const json_t *rule)
{
    if (json_is_array(rule))
        return validate_prefix_items(v, at, rule);
    return !json_is_array(at->value) || check_rest(v, at, rule, json_array_size(schema_get(at->sub, "prefixItems")));
}

/* Means something beside an array of items only. */
bool validate_additional_items(struct validation *v, const struct visit *at, const json_t *rule)
{
    const json_t *items = schema_get(at->sub, "items");
    return !json_is_array(at->value) || !json_is_array(items) || check_rest(v, at, rule, json_array_size(items));
}

/* With minContains and maxContains, which mean nothing without it. */
bool validate_contains(struct validation *v, const struct visit *at, const json_t *rule)
{
    if (!json_is_array(at->value))
        return true;
    const json_t *min_rule = schema_get(at->sub, "minContains"), *max_rule = schema_get(at->sub, "maxContains");
    int64_t min = min_rule ? validate_count(min_rule) : 1, max = max_rule ? validate_count(max_rule) : INT64_MAX;
    int64_t n = 0;
    for (size_t i = 0; i < json_array_size(at->value); i++) {
        struct place place = {.up = at->place, .index = i};
        if (!validate_child(v, at, rule, json_array_get(at->value, i), &place, NULL))
            continue;
        n++;
        validate_saw(v, at, i);
    }
    if (n < min)
        return validate_fail(at, "%lld elements are as contains asks, fewer than %lld", (long long)n, (long long)min);
    return n <= max ||
           validate_fail(at, "%lld elements are as contains asks, more than %lld", (long long)n, (long long)max);
}

bool validate_min_items(struct validation *v, const struct visit *at, const json_t *rule)
{
    size_t n = json_array_size(at->value);
    (void)v;
    return !json_is_array(at->value) || (int64_t)n >= validate_count(rule) ||
           validate_fail(at, "%zu elements are fewer than %lld", n, (long long)validate_count(rule));
}

bool validate_max_items(struct validation *v, const struct visit *at, const json_t *rule)
{
    size_t n = json_array_size(at->value);
    (void)v;
    return !json_is_array(at->value) || (int64_t)n <= validate_count(rule) ||
           validate_fail(at, "%zu elements are more than %lld", n, (long long)validate_count(rule));
}

/* ---- uniqueItems ---- */

struct hashed {
    uint64_t hash;
    size_t index;
};

static int by_hash(const void *a, const void *b)
{
    uint64_t x = ((const struct hashed *)a)->hash, y = ((const struct hashed *)b)->hash;
    return (x > y) - (x < y);
}

/* Equal values have equal hashes, so only neighbours in the order of hashes are compared. */
static bool find_twins(struct validation *v, const json_t *array, const struct hashed *list, size_t n, size_t twins[2])
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n && list[k].hash == list[i].hash; k++) {
            twins[0] = list[i].index;
            twins[1] = list[k].index;
            if (value_equal(v, json_array_get(array, twins[0]), json_array_get(array, twins[1])))
                return true;
        }
    return false;
}

bool validate_unique_items(struct validation *v, const struct visit *at, const json_t *rule)
{
    size_t n = json_array_size(at->value), twins[2];
    if (n < 2 || !json_is_true(rule))
        return true;
    struct hashed *list = calloc(n, sizeof *list);
    if (!list) {
        struct err err = ERR_INIT;
        err_nomem(&err, "validating");
        return validate_stop(v, &err);
    }
    for (size_t i = 0; i < n; i++)
        list[i] = (struct hashed){value_hash(v, json_array_get(at->value, i)), i};
    qsort(list, n, sizeof *list, by_hash);
    bool found = find_twins(v, at->value, list, n, twins);
    free(list);
    return !found || validate_fail(at, "elements %zu and %zu are equal", twins[0], twins[1]);
}

bool validate_unevaluated_items(struct validation *v, const struct visit *at, const json_t *rule)
{
    for (size_t i = 0; i < json_array_size(at->value); i++)
        if (!validate_was_seen(v, at, i) && !check_element(v, at, rule, i))
            return false;
    return true;
}
