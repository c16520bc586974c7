/* The form of an answer in a chat-completions body: response_format of OpenAI, format of Ollama, grammar of llama.cpp,
 * choices, and what tools, tool_choice and strict ask of calls. Fields are gathered as they come and settled together
 * at the end, since their order is the sender's. What a schema or grammar means is gateway/form's to say. */
#include <stdio.h>

#include "base/strmap.h"
#include "gateway/api/openai/openai_internal.h"

#define MAX_SCHEMA_NAME 64

/* The first field that gives a form; a second contradicts it. */
static bool take_rule(struct openai_parse *p, const char *field, enum rule_kind kind)
{
    if (p->form_field)
        return err_set(p->err, ERR_INVALID, "'%s' and '%s' contradict each other; give one", field, p->form_field);
    p->form_field = field;
    p->rule.kind = kind;
    return true;
}

static bool take_schema(struct openai_parse *p, const char *field, const json_t *schema)
{
    p->rule.schema = schema;
    return take_rule(p, field, RULE_JSON_SCHEMA);
}

/* ---- response_format ---- */

static bool check_schema_name(struct openai_parse *p, const json_t *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    const char *text = json_string_value(name);
    size_t n = json_string_length(name);
    if (!name || json_is_null(name))
        return true;
    if (n == 0 || n > MAX_SCHEMA_NAME || strspn(text, letters) != n)
        return err_set(p->err, ERR_INVALID,
                       "'response_format.json_schema.name' must be a string of 1 to %d letters, digits, '_' and '-'",
                       MAX_SCHEMA_NAME);
    return true;
}

static bool parse_json_schema(struct openai_parse *p, const char *field, const json_t *value)
{
    const char *key;
    json_t *item;
    bool strict = true;
    const json_t *schema = json_object_get(value, "schema");
    if (!json_is_object(value))
        return err_set(p->err, ERR_INVALID, "'response_format.json_schema' must be an object with a schema");
    json_object_foreach((json_t *)value, key, item)
    {
        if (strcmp(key, "schema") != 0 && strcmp(key, "name") != 0 && strcmp(key, "description") != 0 &&
            strcmp(key, "strict") != 0)
            return err_set(p->err, ERR_INVALID,
                           "'response_format.json_schema.%.60s' is an unknown field; Rung refuses what it does not "
                           "honour", key);
    }
    if (!json_get_bool(value, "strict", &strict, p->err))
        return err_prefix(p->err, "'response_format.json_schema': ");
    if (!json_is_object(schema))
        return err_set(p->err, ERR_INVALID, "'response_format.json_schema.schema' must be an object, not %s",
                       schema ? json_type_name(schema) : "missing");
    p->rule.relaxed = !strict;
    return check_schema_name(p, json_object_get(value, "name")) && take_schema(p, field, schema);
}

bool openai_parse_response_format(struct openai_parse *p, const char *field, const json_t *value)
{
    const char *type = json_string_value(json_object_get(value, "type")), *key;
    json_t *item;
    if (!type)
        return err_set(p->err, ERR_INVALID, "'%s' must be an object with a type", field);
    bool schema = strcmp(type, "json_schema") == 0, object = strcmp(type, "json_object") == 0;
    if (!schema && !object && strcmp(type, "text") != 0)
        return err_set(p->err, ERR_INVALID,
                       "'response_format.type' is '%.40s'; it must be text, json_object or json_schema", type);
    json_object_foreach((json_t *)value, key, item)
    {
        if (strcmp(key, "type") != 0 && !(schema && strcmp(key, "json_schema") == 0))
            return err_set(p->err, ERR_INVALID,
                           "'response_format.%.60s' is an unknown field of the type %s; Rung refuses what it does not "
                           "honour", key, type);
    }
    if (schema)
        return parse_json_schema(p, field, json_object_get(value, "json_schema"));
    return !object || take_rule(p, field, RULE_JSON_OBJECT);
}

/* ---- the fields of others ---- */

bool openai_parse_format(struct openai_parse *p, const char *field, const json_t *value)
{
    const char *name = json_string_value(value);
    if (json_is_object(value))
        return take_schema(p, field, value);
    if (!name || strcmp(name, "json") != 0)
        return err_set(p->err, ERR_INVALID, "'format' must be \"json\" or a JSON Schema");
    return take_rule(p, field, RULE_JSON_OBJECT);
}

bool openai_parse_grammar(struct openai_parse *p, const char *field, const json_t *value)
{
    if (!openai_text(p, field, value, &p->rule.text))
        return false;
    if (p->rule.text.n == 0 || p->rule.text.n > GBNF_MAX_BYTES)
        return err_set(p->err, ERR_INVALID, "'grammar' must hold 1 to %u bytes of GBNF", GBNF_MAX_BYTES);
    return take_rule(p, field, RULE_GBNF);
}

static bool add_choice(struct openai_parse *p, const json_t *item, struct strmap *seen, struct str *choices,
                       size_t *bytes)
{
    char name[32];
    int n = p->rule.n_choices;
    int32_t before;
    snprintf(name, sizeof name, "choices[%d]", n);
    if (!openai_text(p, name, item, &choices[n]))
        return false;
    *bytes += choices[n].n;
    if (choices[n].n == 0)
        return err_set(p->err, ERR_INVALID, "'%s' is empty", name);
    if (*bytes > CHOICES_MAX_BYTES)
        return err_set(p->err, ERR_INVALID, "'choices' holds more than %u bytes", CHOICES_MAX_BYTES);
    if (strmap_get(seen, choices[n], &before))
        return err_set(p->err, ERR_INVALID, "'%s' is the same as choices[%d]", name, (int)before);
    p->rule.n_choices++;
    return strmap_put(seen, choices[n], n, p->err);
}

bool openai_parse_choices(struct openai_parse *p, const char *field, const json_t *value)
{
    struct strmap seen = {0};
    size_t n = json_array_size(value), bytes = 0;
    if (!json_is_array(value) || n == 0 || n > CHOICES_MAX)
        return err_set(p->err, ERR_INVALID, "'choices' must be an array of 1 to %d strings", CHOICES_MAX);
    struct str *choices = arena_array(p->arena, n, sizeof *choices);
    bool ok = choices || err_nomem(p->err, field);
    p->rule.n_choices = 0;
    for (size_t i = 0; ok && i < n; i++)
        ok = add_choice(p, json_array_get(value, i), &seen, choices, &bytes);
    strmap_free(&seen);
    p->rule.choices = choices;
    return ok && take_rule(p, field, RULE_CHOICES);
}

bool openai_parse_property_order(struct openai_parse *p, const char *field, const json_t *value)
{
    struct str text;
    if (!openai_text(p, field, value, &text))
        return false;
    p->any_order = str_is(text, "any");
    return p->any_order || str_is(text, "declared") ||
           err_set(p->err, ERR_INVALID, "'property_order' must be \"declared\" or \"any\"");
}

/* ---- all fields are known ---- */

static bool any_strict(const json_t *tools)
{
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *function = json_object_get(json_array_get(tools, i), "function");
        if (json_is_true(json_object_get(function, "strict")))
            return true;
    }
    return false;
}

static bool is_tool(const json_t *tools, struct str name)
{
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *is = json_object_get(json_object_get(json_array_get(tools, i), "function"), "name");
        if (str_is(name, json_string_value(is)))
            return true;
    }
    return false;
}

/* Tools beside a form of the text: a call that must come leaves no text to be in form; calls that may come leave both,
 * which no mask here says. */
static bool settle_tools(struct openai_parse *p)
{
    const json_t *tools = p->r->tools;
    if (p->tools_required && !tools)
        return err_set(p->err, ERR_INVALID, "'tool_choice' asks for a call, and there are no 'tools'");
    if (p->tool_name.n && tools && !is_tool(tools, p->tool_name))
        return err_set(p->err, ERR_INVALID, "'tool_choice.function.name' is '" STR_FMT "', which is none of 'tools'",
                       STR_ARG(utf8_clip(p->tool_name, 80)));
    if (!tools || p->other_tools)
        return true;
    bool text = p->form_field != NULL;
    if (text && p->rule.kind != RULE_JSON_SCHEMA && p->rule.kind != RULE_JSON_OBJECT)
        return err_set(p->err, ERR_INVALID, "'%s' and 'tools' contradict each other; give one, or tool_choice none",
                       p->form_field);
    if (!p->tools_required && !text && !any_strict(tools))
        return true;
    if (text && !p->tools_required)
        request_needs(p->r, NEED_FORM_BESIDE_TOOLS, "%s (beside tools)", p->form_field);
    else
        p->rule.kind = RULE_TOOLS;
    if (!text)
        p->form_field = p->tools_required ? "tool_choice" : "tools";
    p->rule.tools = tools;
    p->rule.tools_required = p->tools_required;
    p->rule.tool_name = p->tool_name;
    p->rule.parallel_calls = !p->r->one_tool_call;
    return true;
}

bool openai_settle_form(struct openai_parse *p)
{
    bool schema = p->form_field && p->rule.kind == RULE_JSON_SCHEMA;
    if (p->any_order && !schema)
        return err_set(p->err, ERR_INVALID, "'property_order' needs a schema in 'response_format' or 'format'");
    p->rule.any_order = p->any_order;
    if (!settle_tools(p))
        return false;
    return !p->form_field || form_open(p->form_field, &p->rule, p->arena, &p->r->form, p->err);
}
