/* Arguments as marked up parameters, <parameter=city>Bonn</parameter>: a string stands as plain text, everything else
 * as JSON, which is how text/toolcall/xml.c reads them. */
#include "grammar/rule/tools.h"

#include <stdlib.h>

/* Whether the reader takes the value for a string whatever it looks like. */
static bool wants_string(const json_t *schema)
{
    const json_t *type = json_object_get(schema, "type"), *one;
    size_t i;
    if (json_is_string(type))
        return strcmp(json_string_value(type), "string") == 0;
    json_array_foreach(type, i, one)
        if (json_is_string(one) && strcmp(json_string_value(one), "string") == 0)
            return true;
    return false;
}

static bool key_fits(const char *key)
{
    struct str name = str_of(key);
    return name.n > 0 && str_trim(name).n == name.n && strpbrk(key, "<>\n") == NULL;
}

static bool value_node(struct tool_writer *w, const struct tool *t, const struct tool_markup *m, const char *key,
                       const json_t *schema, uint32_t *ret, struct err *err)
{
    uint32_t value;
    if (wants_string(schema))
        value = rules_term(w->rules, tool_string(w, schema, m->end));
    else if (!tool_json_property(w, t, str_of(key), &value, err))
        return false;
    const uint32_t parts[] = {value, tool_words(w, str_of(m->value_close))};
    *ret = rules_sequence(w->rules, parts, 2);
    return true;
}

static bool write_field(struct tool_writer *w, const struct tool *t, const struct tool_markup *m, const char *key,
                        const json_t *schema, struct rule_field *ret, struct err *err)
{
    struct buf words = BUF_INIT(4096);
    if (!key_fits(key))
        return err_set(err, ERR_UNSUPPORTED, "the parameter '%.64s' of '" STR_FMT "' cannot be written in this model's "
                       "calls; name it with letters and digits", key, STR_ARG(t->name));
    buf_printf(&words, "%s%s%s", m->key_open, key, m->key_close);
    *ret = (struct rule_field){.name = str_of(key), .required = tool_requires(t->parameters, key)};
    bool ok = buf_check(&words, "the name of a parameter", err) && value_node(w, t, m, key, schema, &ret->value, err);
    ret->key = ok ? tool_words_term(w, buf_view(&words)) : EXPR_NONE;
    buf_free(&words);
    return ok;
}

bool tool_xml(struct tool_writer *w, const struct tool *t, const struct tool_markup *m, uint32_t *ret, struct err *err)
{
    json_t *properties = json_object_get(t->parameters, "properties"), *schema;
    const char *key;
    size_t n = json_object_size(properties);
    if (n == 0 || n > RULES_MAX_FIELDS) {
        *ret = rules_empty(w->rules);
        return n == 0 || err_set(err, ERR_LIMIT, "'" STR_FMT "' has more than %d parameters", STR_ARG(t->name),
                                 RULES_MAX_FIELDS);
    }
    struct rule_field *fields = calloc(n, sizeof *fields);
    if (!fields)
        return err_nomem(err, "a tool's parameters");
    struct rule_object object = {.fields = fields, .max = EXPR_UNBOUNDED, .any_order = w->spec->options.any_order,
                                 .colon = tool_spaced(w, m->value_open), .separator = w->space};
    bool ok = true;
    json_object_foreach(properties, key, schema) {
        ok = write_field(w, t, m, key, schema, &fields[object.n_fields++], err);
        if (!ok)
            break;
    }
    if (ok)
        *ret = rules_members(w->rules, &object);
    free(fields);
    return ok;
}
