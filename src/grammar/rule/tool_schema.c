/* What a tool's parameters ask for: their schema as it is read, arguments as JSON, strings as plain text, and the check
 * of arguments that were written. Families that write arguments in their own way begin from here. */
#include "data/json.h"
#include "grammar/regex.h"
#include "grammar/rule/tools.h"

#define DOCUMENT "urn:rung:parameters"
#define MAX_POINTER_BYTES 4096

/* ---- a tool ---- */

/* The parameters as a schema that only objects satisfy. A tool without any takes none. */
static json_t *object_schema(const json_t *parameters)
{
    json_t *schema = json_is_object(parameters) ? json_copy((json_t *)parameters)
                     : parameters && !json_is_null(parameters) ? json_object()
                                                                : json_pack("{s:b}", "additionalProperties", 0);
    if (schema && json_object_set_new(schema, "type", json_string("object")) != 0) {
        json_decref(schema);
        schema = NULL;
    }
    return schema;
}

static struct schema_options options_of(const struct toolrule *spec, bool strict)
{
    struct schema_options o = spec->options;
    o.relaxed = o.relaxed || !strict;
    return o;
}

bool tool_open(const struct toolrule *spec, const json_t *function, struct tool *ret, struct err *err)
{
    struct tool t = {.name = str_of(json_string_value(json_object_get(function, "name"))),
                     .strict = json_is_true(json_object_get(function, "strict"))};
    struct schema_options options = options_of(spec, t.strict);
    t.parameters = object_schema(json_object_get(function, "parameters"));
    if (!t.parameters)
        return err_nomem(err, "a tool's parameters");
    if (!schema_open(t.parameters, &options, &t.schema, t.strict ? err : NULL)) {
        t.schema = NULL;
        if (t.strict) {
            json_decref(t.parameters);
            return err_prefix(err, "the parameters of '" STR_FMT "': ", STR_ARG(t.name));
        }
    }
    *ret = t;
    return true;
}

void tool_close(struct tool *t)
{
    if (t->schema)
        schema_close(t->schema);
    json_decref(t->parameters);
    *t = (struct tool){0};
}

bool tool_requires(const json_t *schema, const char *key)
{
    size_t i;
    json_t *name;
    json_array_foreach(json_object_get(schema, "required"), i, name)
        if (json_is_string(name) && strcmp(json_string_value(name), key) == 0)
            return true;
    return false;
}

/* ---- arguments as JSON ---- */

bool tool_json(struct tool_writer *w, const struct tool *t, uint32_t *ret, struct err *err)
{
    if (t->schema && schema_node(t->schema, w->rules, ret, t->strict ? err : NULL))
        return true;
    if (t->strict)
        return err_prefix(err, "the parameters of '" STR_FMT "': ", STR_ARG(t->name));
    *ret = rules_json_object(w->rules, w->spec->options.space);
    return true;
}

/* A part of the parameters is read through a schema that refers to it, so that references inside it hold. */
static const json_t *parameters_document(void *ctx, struct str uri)
{
    return str_is(uri, DOCUMENT) ? ctx : NULL;
}

static json_t *reference_to(struct str key)
{
    struct buf uri = BUF_INIT(MAX_POINTER_BYTES);
    buf_puts(&uri, DOCUMENT "#/properties/");
    for (size_t i = 0; i < key.n; i++) {
        unsigned char c = (unsigned char)key.p[i];
        if (c == '~' || c == '/')
            buf_puts(&uri, c == '~' ? "~0" : "~1");
        else
            buf_printf(&uri, "%%%02X", c);
    }
    json_t *schema = buf_ok(&uri) ? json_pack("{s:s%}", "$ref", uri.p, uri.n) : NULL;
    buf_free(&uri);
    return schema;
}

/* Nodes outlive the schema that they were made from. */
static bool node_of(struct tool_writer *w, const struct tool *t, json_t *json, uint32_t *ret, struct err *err)
{
    struct schema_options options = options_of(w->spec, t->strict);
    struct schema *schema;
    options.document = parameters_document;
    options.document_ctx = t->parameters;
    if (!schema_open(json, &options, &schema, err))
        return false;
    bool ok = schema_node(schema, w->rules, ret, err);
    schema_close(schema);
    return ok;
}

bool tool_json_value(struct tool_writer *w, const struct tool *t, json_t *schema, uint32_t *ret, struct err *err)
{
    if (node_of(w, t, schema, ret, t->strict ? err : NULL))
        return true;
    if (t->strict)
        return err_prefix(err, "the parameters of '" STR_FMT "': ", STR_ARG(t->name));
    *ret = rules_json_value(w->rules, w->spec->options.space);
    return true;
}

bool tool_json_property(struct tool_writer *w, const struct tool *t, struct str key, uint32_t *ret, struct err *err)
{
    json_t *schema = reference_to(key);
    if (!schema)
        return err_nomem(err, "a tool's parameters");
    bool ok = tool_json_value(w, t, schema, ret, err);
    json_decref(schema);
    return ok;
}

/* ---- strings as plain text ---- */

static uint32_t given_strings(struct exprs *x, const json_t *values, const char *end)
{
    uint32_t term = EXPR_NONE;
    size_t i;
    json_t *value;
    json_array_foreach(values, i, value) {
        struct str text = {json_string_value(value), json_string_length(value)};
        if (json_is_string(value) && str_find(text, str_of(end)) == SIZE_MAX)
            term = expr_or(x, term, expr_literal(x, text));
    }
    return term;
}

/* The keyword where it is a count that terms can hold. */
static int count_of(const json_t *schema, const char *keyword, int otherwise)
{
    json_int_t n = json_integer_value(json_object_get(schema, keyword));
    return json_is_integer(json_object_get(schema, keyword)) && n >= 0 && n <= EXPR_MAX_REPEAT ? (int)n : otherwise;
}

uint32_t tool_string(struct tool_writer *w, const json_t *schema, const char *end)
{
    static const struct code_range all = {1, 0x10FFFF};
    struct exprs *x = rules_exprs(w->rules);
    const json_t *constant = json_object_get(schema, "const"), *choices = json_object_get(schema, "enum");
    const char *pattern = json_string_value(json_object_get(schema, "pattern"));
    uint32_t text = tool_text_without(w, str_of(end)), matching;
    if (json_is_string(constant))
        text = expr_literal(x, str_of(json_string_value(constant)));
    else if (json_is_array(choices))
        text = given_strings(x, choices, end);
    int min = count_of(schema, "minLength", 0), max = count_of(schema, "maxLength", EXPR_UNBOUNDED);
    if (min > 0 || max != EXPR_UNBOUNDED)
        text = expr_and(x, text, expr_repeat(x, expr_code_points(x, &all, 1), min, max));
    /* A pattern that is refused here is left to the check of the whole. */
    if (pattern && regex_compile(x, str_of(pattern), REGEX_TEXT, false, &matching, NULL))
        text = expr_and(x, text, matching);
    return text;
}

/* ---- the check afterwards ---- */

static const json_t *find_function(const struct toolrule *spec, struct str name)
{
    size_t i;
    json_t *tool;
    json_array_foreach(spec->tools, i, tool) {
        const json_t *function = json_object_get(tool, "function");
        if (str_eq(name, str_of(json_string_value(json_object_get(function, "name")))))
            return function;
    }
    return NULL;
}

bool toolrule_check(const struct toolrule *spec, struct str name, struct str arguments, struct err *err)
{
    const json_t *function = find_function(spec, name);
    struct tool t;
    json_t *value;
    if (!function)
        return err_set(err, ERR_INVALID, "no tool is named '" STR_FMT "'", STR_ARG(utf8_clip(name, 64)));
    if (!json_parse_object(arguments, "the arguments", &value, err))
        return false;
    bool ok = tool_open(spec, function, &t, err);
    if (ok) {
        ok = !t.schema || schema_validate(t.schema, value, err);
        tool_close(&t);
    }
    json_decref(value);
    return ok;
}
