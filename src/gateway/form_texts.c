/* The answers that a form leaves, where they can be listed: choices, an enum at the root of a schema, and the object
 * with one property that wraps such an enum where an API wants objects. Anything wider has no list. */
#include <stdlib.h>

#include "data/json.h"
#include "gateway/form_private.h"

/* What `schema` refers to within the document, as generators of schemas write it. */
static const json_t *follow(const json_t *root, const json_t *schema)
{
    static const char *const places[] = {"$defs", "definitions"};
    const char *ref = json_string_value(json_object_get(schema, "$ref"));
    for (size_t i = 0; ref && i < sizeof places / sizeof places[0]; i++) {
        size_t n = strlen(places[i]);
        if (strncmp(ref, "#/", 2) == 0 && strncmp(ref + 2, places[i], n) == 0 && ref[2 + n] == '/')
            return json_object_get(json_object_get(root, places[i]), ref + 3 + n);
    }
    return schema;
}

/* The one property of an object that has no other; NULL for wider objects. */
static const char *only_property(const json_t *schema)
{
    static const char *const known[] = {"type",    "properties",  "required", "additionalProperties", "title",
                                        "$schema", "description", "$defs",    "definitions"};
    const json_t *properties = json_object_get(schema, "properties"), *required = json_object_get(schema, "required");
    const char *type = json_string_value(json_object_get(schema, "type")), *key;
    json_t *value;
    json_object_foreach((json_t *)schema, key, value)
    {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            found |= strcmp(key, known[i]) == 0;
        if (!found)
            return NULL;
    }
    const char *name = json_object_iter_key(json_object_iter((json_t *)properties));
    const char *needed = json_string_value(json_array_get(required, 0));
    bool one = type && strcmp(type, "object") == 0 && json_object_size(properties) == 1 && needed &&
               json_is_false(json_object_get(schema, "additionalProperties"));
    return one && strcmp(name, needed) == 0 ? name : NULL;
}

/* One of the enum's values as an answer: wrapped where it has a name, in the usual writing. An empty text for a value
 * that the rest of the schema does not allow. */
static bool text_of(const struct form *f, const char *name, json_t *value, struct arena *arena, struct str *ret,
                    struct err *err)
{
    json_t *answer = name ? json_pack("{s:O}", name, value) : json_incref(value);
    char *text = NULL;
    bool ok = answer != NULL;
    *ret = STR("");
    if (ok && schema_validate(f->schema, answer, NULL)) {
        text = json_dumps(answer, JSON_ENCODE_ANY);
        *ret = text ? arena_str(arena, str_of(text)) : STR("");
        ok = text && ret->p;
    }
    free(text);
    json_decref(answer);
    return ok || err_nomem(err, "the answers of a schema");
}

static bool list_enum(struct form *f, const char *name, const json_t *values, struct arena *arena, struct err *err)
{
    size_t n = json_array_size(values);
    struct str *texts = arena_array(arena, n, sizeof *texts);
    int n_texts = 0;
    if (!texts)
        return err_nomem(err, "the answers of a schema");
    for (size_t i = 0; i < n; i++) {
        if (!text_of(f, name, json_array_get(values, i), arena, &texts[n_texts], err))
            return false;
        n_texts += texts[n_texts].n > 0;
    }
    f->texts = n_texts ? texts : NULL;
    f->n_texts = n_texts;
    return true;
}

bool form_list_texts(struct form *f, struct arena *arena, struct err *err)
{
    const json_t *schema = f->rule.schema;
    const char *name = NULL;
    if (f->rule.kind == RULE_CHOICES) {
        f->texts = f->rule.choices;
        f->n_texts = f->rule.n_choices;
        return true;
    }
    if (f->rule.kind != RULE_JSON_SCHEMA)
        return true;
    if (!json_object_get(schema, "enum"))
        name = only_property(schema);
    const json_t *inner = name ? follow(schema, json_object_get(json_object_get(schema, "properties"), name)) : schema;
    const json_t *values = json_object_get(inner, "enum");
    size_t n = json_array_size(values);
    return n < 2 || n > CHOICES_MAX || list_enum(f, name, values, arena, err);
}
