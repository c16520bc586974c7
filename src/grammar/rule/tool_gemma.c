/* Arguments as Gemma writes them: {city:<|"|>Bonn<|"|>,days:3,tags:[<|"|>a<|"|>]}. Keys are bare, strings stand between
 * quote words, the rest is JSON without white space. What a schema says of types, properties, items and given values
 * is held to here; the rest is left to the check of the whole. text/toolcall/gemma.c reads it. */
#include "grammar/rule/tools.h"

#include <stdlib.h>

#define MAX_DEPTH 200             /* of values, as their schema nests them, references followed once each */
#define MAX_REFERENCES 512
#define ANY_DEPTH 4               /* of values about which nothing is said */
#define MAX_GIVEN_BYTES 65536     /* of one value of an enum */

struct gemma {
    struct tool_writer *w;
    const struct tool *tool;
    const char *quote;
    uint32_t open_quote;          /* node */
    /* What $ref has named so far, so that schemas may recurse. */
    struct {
        const json_t *schema;
        uint32_t node;
    } known[MAX_REFERENCES];
    int n_known;
    struct err *err;
};

static bool value_node(struct gemma *g, const json_t *schema, int depth, uint32_t *ret);

static uint32_t words(struct gemma *g, const char *text)
{
    return tool_words(g->w, str_of(text));
}

static uint32_t around(struct gemma *g, uint32_t open, uint32_t inside, uint32_t close)
{
    return rules_sequence(g->w->rules, (uint32_t[]){open, inside, close}, 3);
}

static uint32_t quoted(struct gemma *g, uint32_t term)
{
    return around(g, g->open_quote, rules_term(g->w->rules, term), g->open_quote);
}

/* ---- given values ---- */

static void write_given(const struct gemma *g, const json_t *value, struct buf *out)
{
    const char *key;
    size_t i;
    json_t *part;
    bool first = true;
    if (json_is_string(value)) {
        buf_printf(out, "%s%s%s", g->quote, json_string_value(value), g->quote);
    } else if (json_is_object(value)) {
        buf_char(out, '{');
        json_object_foreach((json_t *)value, key, part) {
            buf_printf(out, "%s%s:", first ? "" : ",", key);
            write_given(g, part, out);
            first = false;
        }
        buf_char(out, '}');
    } else if (json_is_array(value)) {
        buf_char(out, '[');
        json_array_foreach(value, i, part) {
            buf_puts(out, i ? "," : "");
            write_given(g, part, out);
        }
        buf_char(out, ']');
    } else {
        char *text = json_dumps(value, JSON_ENCODE_ANY);
        buf_puts(out, text ? text : "null");
        free(text);
    }
}

static uint32_t given_node(struct gemma *g, const json_t *value)
{
    struct buf text = BUF_INIT(MAX_GIVEN_BYTES);
    write_given(g, value, &text);
    uint32_t node = buf_ok(&text) ? tool_words(g->w, buf_view(&text)) : rules_never(g->w->rules);
    buf_free(&text);
    return node;
}

static bool given_choice(struct gemma *g, const json_t *values, uint32_t *ret)
{
    size_t n = json_array_size(values), i;
    uint32_t *ways = malloc((n + 1) * sizeof *ways);
    json_t *value;
    if (!ways)
        return err_nomem(g->err, "a tool's parameters");
    json_array_foreach(values, i, value)
        ways[i] = given_node(g, value);
    *ret = rules_choice(g->w->rules, ways, (int)n);
    free(ways);
    return true;
}

/* ---- containers ---- */

/* A key as it stands: what is no name stands between quotes. */
static uint32_t key_term(struct gemma *g, const char *key)
{
    bool bare = *key != 0;
    for (const char *c = key; *c; c++)
        bare = bare && ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
                        strchr("_-./", *c));
    struct buf text = BUF_INIT(4096);
    buf_printf(&text, "%s%s%s", bare ? "" : g->quote, key, bare ? "" : g->quote);
    uint32_t term = buf_ok(&text) ? tool_words_term(g->w, buf_view(&text)) : EXPR_NONE;
    buf_free(&text);
    return term;
}

static uint32_t members_node(struct gemma *g, const struct rule_field *fields, int n)
{
    const struct rule_object object = {.fields = fields, .n_fields = n, .max = EXPR_UNBOUNDED,
                                       .any_order = g->w->spec->options.any_order, .colon = words(g, ":"),
                                       .separator = words(g, ",")};
    return around(g, words(g, "{"), rules_members(g->w->rules, &object), words(g, "}"));
}

static bool object_node(struct gemma *g, const json_t *schema, int depth, uint32_t *ret)
{
    json_t *properties = json_object_get(schema, "properties"), *property;
    const char *key;
    size_t n = json_object_size(properties);
    if (n > RULES_MAX_FIELDS)
        return err_set(g->err, ERR_LIMIT, "an object has more than %d properties", RULES_MAX_FIELDS);
    struct rule_field *fields = calloc(n + 1, sizeof *fields);
    if (!fields)
        return err_nomem(g->err, "a tool's parameters");
    int count = 0;
    bool ok = true;
    json_object_foreach(properties, key, property) {
        fields[count] = (struct rule_field){.key = key_term(g, key), .name = str_of(key),
                                            .required = tool_requires(schema, key)};
        ok = value_node(g, property, depth + 1, &fields[count++].value);
        if (!ok)
            break;
    }
    if (ok)
        *ret = n > 0 ? members_node(g, fields, count) : words(g, "{}");
    free(fields);
    return ok;
}

static int64_t count_of(const json_t *schema, const char *keyword, int64_t otherwise)
{
    const json_t *n = json_object_get(schema, keyword);
    return json_is_integer(n) && json_integer_value(n) >= 0 ? json_integer_value(n) : otherwise;
}

static bool array_node(struct gemma *g, const json_t *schema, int depth, uint32_t *ret)
{
    uint32_t item;
    if (!value_node(g, json_object_get(schema, "items"), depth + 1, &item))
        return false;
    uint32_t items = rules_repeat(g->w->rules, item, words(g, ","), count_of(schema, "minItems", 0),
                                  count_of(schema, "maxItems", EXPR_UNBOUNDED));
    *ret = around(g, words(g, "["), items, words(g, "]"));
    return true;
}

/* ---- values ---- */

/* A number, true, false or null: they are written as in JSON. */
static bool plain_node(struct gemma *g, const json_t *schema, const char *type, uint32_t *ret)
{
    static const char *const kept[] = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"};
    json_t *only = json_pack("{s:s}", "type", type);
    for (size_t i = 0; only && i < sizeof kept / sizeof *kept; i++) {
        json_t *bound = json_object_get(schema, kept[i]);
        if (bound)
            json_object_set(only, kept[i], bound);
    }
    bool ok = only ? tool_json_value(g->w, g->tool, only, ret, g->err) : err_nomem(g->err, "a tool's parameters");
    json_decref(only);
    return ok;
}

static bool any_node(struct gemma *g, uint32_t *ret)
{
    static const char *const plain[] = {"number", "boolean", "null"};
    uint32_t ways[6] = {quoted(g, tool_string(g->w, NULL, g->quote))};
    for (int i = 0; i < 3; i++)
        if (!plain_node(g, NULL, plain[i], &ways[i + 1]))
            return false;
    struct exprs *x = rules_exprs(g->w->rules);
    static const struct code_range letters[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
    uint32_t name = expr_repeat(x, expr_code_points(x, letters, 4), 1, EXPR_UNBOUNDED);
    *ret = rules_choice(g->w->rules, ways, 4);
    for (int i = 0; i < ANY_DEPTH; i++) {
        const struct rule_field any = {.key = name, .value = *ret, .many = true};
        uint32_t items = rules_repeat(g->w->rules, *ret, words(g, ","), 0, EXPR_UNBOUNDED);
        ways[4] = around(g, words(g, "["), items, words(g, "]"));
        ways[5] = members_node(g, &any, 1);
        *ret = rules_choice(g->w->rules, ways, 6);
    }
    return true;
}

static bool typed_node(struct gemma *g, const json_t *schema, const char *type, int depth, uint32_t *ret)
{
    if (strcmp(type, "object") == 0 && json_object_get(schema, "properties"))
        return object_node(g, schema, depth, ret);
    if (strcmp(type, "array") == 0)
        return array_node(g, schema, depth, ret);
    if (strcmp(type, "object") == 0)
        return any_node(g, ret);
    if (strcmp(type, "string") != 0)
        return plain_node(g, schema, type, ret);
    *ret = quoted(g, tool_string(g->w, schema, g->quote));
    return true;
}

/* One of several: the types of a list, or the branches of anyOf and oneOf. */
static bool one_of(struct gemma *g, const json_t *schema, const json_t *list, bool types, int depth, uint32_t *ret)
{
    uint32_t *ways = malloc((json_array_size(list) + 1) * sizeof *ways);
    int n = 0;
    size_t i;
    json_t *one;
    if (!ways)
        return err_nomem(g->err, "a tool's parameters");
    bool ok = true;
    json_array_foreach(list, i, one) {
        ok = !types ? value_node(g, one, depth + 1, &ways[n++])
             : json_is_string(one) ? typed_node(g, schema, json_string_value(one), depth, &ways[n++])
                                   : ok;
        if (!ok)
            break;
    }
    *ret = ok ? rules_choice(g->w->rules, ways, n) : RULES_NONE;
    free(ways);
    return ok;
}

static bool described_node(struct gemma *g, const json_t *schema, int depth, uint32_t *ret)
{
    const json_t *type = json_object_get(schema, "type"), *values = json_object_get(schema, "enum");
    const json_t *constant = json_object_get(schema, "const"), *any = json_object_get(schema, "anyOf");
    if (!any)
        any = json_object_get(schema, "oneOf");
    if (constant) {
        *ret = given_node(g, constant);
        return true;
    }
    if (json_array_size(values) > 0)
        return given_choice(g, values, ret);
    if (json_array_size(any) > 0)
        return one_of(g, schema, any, false, depth, ret);
    if (json_is_array(type))
        return one_of(g, schema, type, true, depth, ret);
    return json_is_string(type) ? typed_node(g, schema, json_string_value(type), depth, ret) : any_node(g, ret);
}

/* What "#/$defs/x" or "#/definitions/x" names; NULL for all others. */
static const json_t *resolve(const struct gemma *g, const char *ref)
{
    static const char *const places[] = {"$defs", "definitions"};
    for (int i = 0; i < 2; i++) {
        size_t n = strlen(places[i]);
        if (strncmp(ref, "#/", 2) == 0 && strncmp(ref + 2, places[i], n) == 0 && ref[2 + n] == '/')
            return json_object_get(json_object_get(g->tool->parameters, places[i]), ref + 3 + n);
    }
    return NULL;
}

static bool referred_node(struct gemma *g, const char *ref, int depth, uint32_t *ret)
{
    const json_t *schema = resolve(g, ref);
    uint32_t node;
    for (int i = 0; i < g->n_known; i++) {
        if (g->known[i].schema == schema) {
            *ret = g->known[i].node;
            return true;
        }
    }
    if (!json_is_object(schema) || g->n_known == MAX_REFERENCES)
        return any_node(g, ret);
    *ret = rules_reference(g->w->rules);
    g->known[g->n_known].schema = schema;
    g->known[g->n_known++].node = *ret;
    if (!value_node(g, schema, depth + 1, &node))
        return false;
    rules_define(g->w->rules, *ret, node);
    return true;
}

static bool value_node(struct gemma *g, const json_t *schema, int depth, uint32_t *ret)
{
    const char *ref = json_string_value(json_object_get(schema, "$ref"));
    if (depth > MAX_DEPTH || !json_is_object(schema))
        return any_node(g, ret);
    return ref ? referred_node(g, ref, depth, ret) : described_node(g, schema, depth, ret);
}

bool tool_gemma(struct tool_writer *w, const struct tool *t, const char *quote, uint32_t *ret, struct err *err)
{
    struct gemma *g = calloc(1, sizeof *g);
    if (!g)
        return err_nomem(err, "a tool's parameters");
    *g = (struct gemma){.w = w, .tool = t, .quote = quote, .open_quote = tool_words(w, str_of(quote)), .err = err};
    bool ok = object_node(g, t->parameters, 0, ret);
    free(g);
    return ok;
}
