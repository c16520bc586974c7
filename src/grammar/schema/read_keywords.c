/* The keywords of both drafts: their names, the form each one's value has, and whether an unknown name looks like a
 * mistake of one of them. What a keyword means is for those who validate and enforce. */
#include "grammar/schema/read.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>

#include "data/json.h"

#define NEAR_MISS_MAX 24 /* bytes of a name that is compared letter by letter */

/* In the order of strcmp, for bsearch. */
static const struct keyword_info keywords[] = {
    {"$anchor", KEYWORD_OTHER, FORM_STRING},
    {"$comment", KEYWORD_OTHER, FORM_ANY},
    {"$defs", KEYWORD_OTHER, FORM_DEFINITIONS},
    {"$dynamicAnchor", KEYWORD_OTHER, FORM_STRING},
    {"$dynamicRef", KEYWORD_DYNAMIC_REF, FORM_STRING},
    {"$id", KEYWORD_OTHER, FORM_STRING},
    {"$ref", KEYWORD_REF, FORM_STRING},
    {"$schema", KEYWORD_OTHER, FORM_STRING},
    {"$vocabulary", KEYWORD_OTHER, FORM_ANY},
    {"additionalItems", KEYWORD_ADDITIONAL_ITEMS, FORM_SCHEMA},
    {"additionalProperties", KEYWORD_ADDITIONAL_PROPERTIES, FORM_SCHEMA},
    {"allOf", KEYWORD_ALL_OF, FORM_SCHEMAS},
    {"anyOf", KEYWORD_ANY_OF, FORM_SCHEMAS},
    {"const", KEYWORD_CONST, FORM_ANY},
    {"contains", KEYWORD_CONTAINS, FORM_SCHEMA},
    {"contentEncoding", KEYWORD_OTHER, FORM_ANY},
    {"contentMediaType", KEYWORD_OTHER, FORM_ANY},
    {"contentSchema", KEYWORD_OTHER, FORM_SCHEMA},
    {"default", KEYWORD_OTHER, FORM_ANY},
    {"definitions", KEYWORD_OTHER, FORM_DEFINITIONS},
    {"dependencies", KEYWORD_DEPENDENCIES, FORM_DEPENDENCIES},
    {"dependentRequired", KEYWORD_DEPENDENT_REQUIRED, FORM_NAME_LISTS},
    {"dependentSchemas", KEYWORD_DEPENDENT_SCHEMAS, FORM_SCHEMA_MAP},
    {"deprecated", KEYWORD_OTHER, FORM_ANY},
    {"description", KEYWORD_OTHER, FORM_ANY},
    {"else", KEYWORD_ELSE, FORM_SCHEMA},
    {"enum", KEYWORD_ENUM, FORM_LIST},
    {"examples", KEYWORD_OTHER, FORM_ANY},
    {"exclusiveMaximum", KEYWORD_EXCLUSIVE_MAXIMUM, FORM_BOUND},
    {"exclusiveMinimum", KEYWORD_EXCLUSIVE_MINIMUM, FORM_BOUND},
    {"format", KEYWORD_FORMAT, FORM_STRING},
    {"id", KEYWORD_OTHER, FORM_ANY},
    {"if", KEYWORD_IF, FORM_SCHEMA},
    {"items", KEYWORD_ITEMS, FORM_ITEMS},
    {"maxContains", KEYWORD_MAX_CONTAINS, FORM_COUNT},
    {"maxItems", KEYWORD_MAX_ITEMS, FORM_COUNT},
    {"maxLength", KEYWORD_MAX_LENGTH, FORM_COUNT},
    {"maxProperties", KEYWORD_MAX_PROPERTIES, FORM_COUNT},
    {"maximum", KEYWORD_MAXIMUM, FORM_NUMBER},
    {"minContains", KEYWORD_MIN_CONTAINS, FORM_COUNT},
    {"minItems", KEYWORD_MIN_ITEMS, FORM_COUNT},
    {"minLength", KEYWORD_MIN_LENGTH, FORM_COUNT},
    {"minProperties", KEYWORD_MIN_PROPERTIES, FORM_COUNT},
    {"minimum", KEYWORD_MINIMUM, FORM_NUMBER},
    {"multipleOf", KEYWORD_MULTIPLE_OF, FORM_POSITIVE},
    {"not", KEYWORD_NOT, FORM_SCHEMA},
    {"oneOf", KEYWORD_ONE_OF, FORM_SCHEMAS},
    {"pattern", KEYWORD_PATTERN, FORM_STRING},
    {"patternProperties", KEYWORD_PATTERN_PROPERTIES, FORM_SCHEMA_MAP},
    {"prefixItems", KEYWORD_PREFIX_ITEMS, FORM_SCHEMAS},
    {"properties", KEYWORD_PROPERTIES, FORM_SCHEMA_MAP},
    {"propertyNames", KEYWORD_PROPERTY_NAMES, FORM_SCHEMA},
    {"readOnly", KEYWORD_OTHER, FORM_ANY},
    {"required", KEYWORD_REQUIRED, FORM_NAMES},
    {"then", KEYWORD_THEN, FORM_SCHEMA},
    {"title", KEYWORD_OTHER, FORM_ANY},
    {"type", KEYWORD_TYPE, FORM_TYPE},
    {"unevaluatedItems", KEYWORD_UNEVALUATED_ITEMS, FORM_SCHEMA},
    {"unevaluatedProperties", KEYWORD_UNEVALUATED_PROPERTIES, FORM_SCHEMA},
    {"uniqueItems", KEYWORD_UNIQUE_ITEMS, FORM_BOOLEAN},
    {"writeOnly", KEYWORD_OTHER, FORM_ANY},
};

/* Keywords of other drafts and vocabularies that hold a value to something, and what to write in their place. */
static const struct foreign_keyword {
    const char *name, *instead;
} foreign_keywords[] = {
    {"$recursiveAnchor", "is of draft 2019-09; write $dynamicAnchor"},
    {"$recursiveRef", "is of draft 2019-09; write $dynamicRef"},
    {"disallow", "is of draft 3; write not"},
    {"divisibleBy", "is of draft 3; write multipleOf"},
    {"extends", "is of draft 3; write allOf"},
    {"formatMaximum", "is no keyword of JSON Schema; write pattern"},
    {"formatMinimum", "is no keyword of JSON Schema; write pattern"},
    {"nullable", "is OpenAPI's; write null among the types"},
};

static int keyword_compare(const void *name, const void *info)
{
    return strcmp(name, ((const struct keyword_info *)info)->name);
}

const struct keyword_info *keyword_find(const char *name)
{
    return bsearch(name, keywords, sizeof keywords / sizeof keywords[0], sizeof keywords[0], keyword_compare);
}

const struct keyword_info *keyword_number(size_t i)
{
    return i < sizeof keywords / sizeof keywords[0] ? &keywords[i] : NULL;
}

enum keyword schema_keyword(const char *name)
{
    const struct keyword_info *info = keyword_find(name);
    return info ? info->keyword : KEYWORD_UNKNOWN;
}

const char *keyword_foreign(const char *name)
{
    for (size_t i = 0; i < sizeof foreign_keywords / sizeof foreign_keywords[0]; i++)
        if (strcmp(foreign_keywords[i].name, name) == 0)
            return foreign_keywords[i].instead;
    return NULL;
}

/* ---- mistakes ---- */

static int min3(int a, int b, int c)
{
    int least = a < b ? a : b;
    return least < c ? least : c;
}

/* How many letters must be put in, left out, exchanged or swapped with their neighbour; case does not count. Both at
 * most NEAR_MISS_MAX long. Source: optimal string alignment, Damerau 1964. */
static int letters_apart(const char *a, int n_a, const char *b, int n_b)
{
    int rows[3][NEAR_MISS_MAX + 1];
    int *before = rows[0], *last = rows[1], *now = rows[2];
    for (int j = 0; j <= n_b; j++)
        last[j] = j;
    for (int i = 1; i <= n_a; i++) {
        now[0] = i;
        for (int j = 1; j <= n_b; j++) {
            int same = tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[j - 1]);
            now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + !same);
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
        int *free_row = before;
        before = last;
        last = now;
        now = free_row;
    }
    return last[n_b];
}

const char *keyword_meant(const char *name)
{
    size_t n = strlen(name);
    if (n > NEAR_MISS_MAX)
        return NULL;
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        const char *known = keywords[i].name;
        if (keywords[i].keyword == KEYWORD_OTHER)
            continue;
        if (strcasecmp(name, known) == 0)
            return known;
        int n_known = (int)strlen(known), allowed = n_known >= 10 ? 2 : n_known >= 5 ? 1 : 0;
        if (n < 5 || abs((int)n - n_known) > allowed || tolower((unsigned char)*name) != *known)
            continue;
        if (letters_apart(name, (int)n, known, n_known) <= allowed)
            return known;
    }
    return NULL;
}

/* ---- forms ---- */

static bool is_schema(const json_t *v)
{
    return json_is_object(v) || json_is_boolean(v);
}

static bool is_names(const json_t *v)
{
    size_t i;
    json_t *name;
    json_array_foreach((json_t *)v, i, name)
        if (!json_is_string(name))
            return false;
    return json_is_array(v);
}

static bool is_schemas(const json_t *v)
{
    size_t i;
    json_t *one;
    json_array_foreach((json_t *)v, i, one)
        if (!is_schema(one))
            return false;
    return json_is_array(v);
}

static bool is_map_of(const json_t *v, bool schemas, bool names)
{
    const char *key;
    json_t *one;
    json_object_foreach((json_t *)v, key, one)
        if (!(schemas && is_schema(one)) && !(names && is_names(one)))
            return false;
    return json_is_object(v);
}

static bool is_count(const json_t *v)
{
    if (json_is_integer(v))
        return json_integer_value(v) >= 0;
    return json_is_real(v) && json_real_value(v) >= 0 && json_real_value(v) <= 0x1p62 &&
           floor(json_real_value(v)) == json_real_value(v);
}

static bool is_type(const json_t *v)
{
    static const char *const types[] = {"array", "boolean", "integer", "null", "number", "object", "string"};
    if (json_is_string(v))
        for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
            if (strcmp(types[i], json_string_value(v)) == 0)
                return true;
    return false;
}

static bool is_types(const json_t *v)
{
    size_t i;
    json_t *one;
    json_array_foreach((json_t *)v, i, one)
        if (!is_type(one))
            return false;
    return json_is_array(v);
}

const char *keyword_wrong_form(enum keyword_form form, const json_t *v)
{
    switch (form) {
    case FORM_ANY: return NULL;
    case FORM_STRING: return json_is_string(v) ? NULL : "a string";
    case FORM_BOOLEAN: return json_is_boolean(v) ? NULL : "true or false";
    case FORM_NUMBER: return json_is_number(v) ? NULL : "a number";
    case FORM_BOUND: return json_is_number(v) || json_is_boolean(v) ? NULL : "a number";
    case FORM_POSITIVE: return json_is_number(v) && json_number_value(v) > 0 ? NULL : "a number above 0";
    case FORM_COUNT: return is_count(v) ? NULL : "a whole number from 0 on";
    case FORM_LIST: return json_is_array(v) ? NULL : "an array";
    case FORM_NAMES: return is_names(v) ? NULL : "an array of names";
    case FORM_NAME_LISTS: return is_map_of(v, false, true) ? NULL : "an object of arrays of names";
    case FORM_TYPE:
        return is_type(v) || is_types(v)
                   ? NULL : "array, boolean, integer, null, number, object, string, or an array of these";
    case FORM_SCHEMA: return is_schema(v) ? NULL : "a schema (an object, true or false)";
    case FORM_SCHEMAS: return is_schemas(v) ? NULL : "an array of schemas (objects, true or false)";
    case FORM_ITEMS: return is_schema(v) || is_schemas(v) ? NULL : "a schema (an object, true or false)";
    case FORM_SCHEMA_MAP: return is_map_of(v, true, false) ? NULL : "an object of schemas";
    case FORM_DEFINITIONS: return json_is_object(v) ? NULL : "an object of schemas";
    case FORM_DEPENDENCIES: return is_map_of(v, true, true) ? NULL : "an object of schemas and arrays of names";
    }
    return "something else";
}
