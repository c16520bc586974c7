/* Keywords that look at a value alone: types, given values, numbers and strings. */
#include "grammar/schema/formats.h"
#include "grammar/validate/patterns.h"
#include "grammar/validate/validate.h"

#include "data/json.h"

/* ---- any value ---- */

static bool is_of_type(const json_t *value, const char *type, bool draft_4)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT: return strcmp(type, "object") == 0;
    case JSON_ARRAY: return strcmp(type, "array") == 0;
    case JSON_STRING: return strcmp(type, "string") == 0;
    case JSON_TRUE:
    case JSON_FALSE: return strcmp(type, "boolean") == 0;
    case JSON_NULL: return strcmp(type, "null") == 0;
    case JSON_INTEGER: return strcmp(type, "number") == 0 || strcmp(type, "integer") == 0;
    case JSON_REAL:
        return strcmp(type, "number") == 0 || (strcmp(type, "integer") == 0 && number_is_whole(value) && !draft_4);
    }
    return false;
}

bool validate_type(struct validation *v, const struct visit *at, const json_t *rule)
{
    size_t i;
    json_t *one;
    char shown[SHOWN_MAX];
    (void)v;
    if (json_is_string(rule))
        return is_of_type(at->value, json_string_value(rule), at->sub->draft_4) ||
               validate_fail(at, "%s is not of type %s", validate_show(at->value, shown), json_string_value(rule));
    json_array_foreach((json_t *)rule, i, one)
        if (is_of_type(at->value, json_string_value(one), at->sub->draft_4))
            return true;
    return validate_fail(at, "%s is of none of the types asked for", validate_show(at->value, shown));
}

bool validate_enum(struct validation *v, const struct visit *at, const json_t *rule)
{
    size_t i;
    json_t *one;
    char shown[SHOWN_MAX];
    json_array_foreach((json_t *)rule, i, one)
        if (value_equal(v, at->value, one))
            return true;
    return validate_fail(at, "%s is none of the values listed", validate_show(at->value, shown));
}

bool validate_const(struct validation *v, const struct visit *at, const json_t *rule)
{
    char shown[SHOWN_MAX], wanted[SHOWN_MAX];
    return value_equal(v, at->value, rule) ||
           validate_fail(at, "%s is not %s", validate_show(at->value, shown), validate_show(rule, wanted));
}

/* ---- numbers ---- */

bool validate_multiple_of(struct validation *v, const struct visit *at, const json_t *rule)
{
    char shown[SHOWN_MAX], wanted[SHOWN_MAX];
    (void)v;
    return !json_is_number(at->value) || number_is_multiple(at->value, rule) ||
           validate_fail(at, "%s is not a multiple of %s", validate_show(at->value, shown),
                         validate_show(rule, wanted));
}

/* sign 1: the value must be at least the rule, -1: at most; strict: not equal. */
static bool within_bound(const struct visit *at, const json_t *rule, int sign, bool strict)
{
    char shown[SHOWN_MAX], wanted[SHOWN_MAX];
    if (!json_is_number(at->value) || !json_is_number(rule))
        return true;
    int order = number_compare(at->value, rule) * sign;
    if (order > 0 || (order == 0 && !strict))
        return true;
    return validate_fail(at, "%s is %s the %s%s %s", validate_show(at->value, shown),
                         order == 0 ? "at" : sign > 0 ? "below" : "above", strict ? "exclusive " : "",
                         sign > 0 ? "minimum" : "maximum", validate_show(rule, wanted));
}

bool validate_minimum(struct validation *v, const struct visit *at, const json_t *rule)
{
    (void)v;
    return within_bound(at, rule, 1, json_is_true(schema_get(at->sub, "exclusiveMinimum")));
}

bool validate_maximum(struct validation *v, const struct visit *at, const json_t *rule)
{
    (void)v;
    return within_bound(at, rule, -1, json_is_true(schema_get(at->sub, "exclusiveMaximum")));
}

/* The booleans of draft 4 are looked at by minimum and maximum. */
bool validate_exclusive_minimum(struct validation *v, const struct visit *at, const json_t *rule)
{
    (void)v;
    return within_bound(at, rule, 1, true);
}

bool validate_exclusive_maximum(struct validation *v, const struct visit *at, const json_t *rule)
{
    (void)v;
    return within_bound(at, rule, -1, true);
}

/* ---- strings ---- */

static struct str text_of(const json_t *string)
{
    return (struct str){json_string_value(string), json_string_length(string)};
}

/* In code points. */
static int64_t length_of(const json_t *string)
{
    struct str text = text_of(string);
    int64_t n = 0;
    for (size_t i = 0; i < text.n; i++)
        n += ((unsigned char)text.p[i] & 0xC0) != 0x80;
    return n;
}

bool validate_min_length(struct validation *v, const struct visit *at, const json_t *rule)
{
    if (!json_is_string(at->value) || !validate_spend(v, json_string_length(at->value) / 64))
        return !json_is_string(at->value);
    int64_t n = length_of(at->value), min = validate_count(rule);
    return n >= min || validate_fail(at, "%lld characters are fewer than %lld", (long long)n, (long long)min);
}

bool validate_max_length(struct validation *v, const struct visit *at, const json_t *rule)
{
    if (!json_is_string(at->value) || !validate_spend(v, json_string_length(at->value) / 64))
        return !json_is_string(at->value);
    int64_t n = length_of(at->value), max = validate_count(rule);
    return n <= max || validate_fail(at, "%lld characters are more than %lld", (long long)n, (long long)max);
}

bool validate_pattern(struct validation *v, const struct visit *at, const json_t *rule)
{
    char shown[SHOWN_MAX], wanted[SHOWN_MAX];
    return !json_is_string(at->value) || validate_matches(v, text_of(rule), false, text_of(at->value)) ||
           validate_fail(at, "%s does not match the pattern %s", validate_show(at->value, shown),
                         validate_show(rule, wanted));
}

bool validate_format(struct validation *v, const struct visit *at, const json_t *rule)
{
    char shown[SHOWN_MAX];
    if (!json_is_string(at->value) || !schema_options_of(v->s)->formats)
        return true;
    const char *pattern = schema_format_pattern(text_of(rule));
    bool ok = pattern                            ? validate_matches(v, str_of(pattern), true, text_of(at->value))
              : str_is(text_of(rule), "regex") ? pattern_is_understood(text_of(at->value))
                                                 : true;
    return ok || validate_fail(at, "%s is not of the format %s", validate_show(at->value, shown),
                               json_string_value(rule));
}
