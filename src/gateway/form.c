/* Reads the schema or grammar of a request once, and holds finished answers against it. How a rule becomes masks is
 * the runtime's; what becomes of an answer that is not in form is decided in answer/. */
#include "gateway/form_private.h"

#include "data/json.h"
#include "grammar/automaton.h"
#include "grammar/toolrule.h"

/* ---- opening ---- */

static struct schema_options options_of(const struct rule_spec *rule)
{
    return (struct schema_options){.any_order = rule->any_order, .relaxed = rule->relaxed, .formats = true};
}

static struct toolrule toolrule_of(const struct rule_spec *rule)
{
    return (struct toolrule){
        .tools = rule->tools,
        .name = rule->tool_name,
        .parallel = rule->parallel_calls,
        .options = {.formats = true},
    };
}

/* The place of a schema in the request's body, for messages. */
static const char *schema_field(const char *field)
{
    return strcmp(field, "response_format") == 0 ? "response_format.json_schema.schema" : field;
}

static bool open_schema(struct form *f, struct err *err)
{
    const struct schema_options options = options_of(&f->rule);
    if (!schema_open((json_t *)f->rule.schema, &options, &f->schema, err))
        return err_prefix(err, "'%s': ", schema_field(f->field));
    f->by_mask = !schema_needs_validation(f->schema);
    return true;
}

/* A schema that is not strict and cannot be read leaves its arguments free, so nothing is left to check. */
static bool open_tool(struct form *f, size_t i, const json_t *function, struct err *err)
{
    json_t *parameters = json_object_get(function, "parameters");
    bool strict = json_is_true(json_object_get(function, "strict"));
    const struct schema_options options = {.relaxed = !strict, .formats = true};
    struct schema *schema = NULL;
    if (!parameters || json_is_null(parameters))
        return true;
    if (!schema_open(parameters, &options, &schema, strict ? err : NULL))
        return !strict || err_prefix(err, "'tools[%zu].function.parameters': ", i);
    f->by_mask = f->by_mask && !schema_needs_validation(schema);
    schema_close(schema);
    return true;
}

static bool open_tools(struct form *f, struct err *err)
{
    f->by_mask = true;
    for (size_t i = 0; i < json_array_size(f->rule.tools); i++) {
        if (!open_tool(f, i, json_object_get(json_array_get(f->rule.tools, i), "function"), err))
            return false;
    }
    return true;
}

static bool open_grammar(struct form *f, struct err *err)
{
    struct rules *rules = NULL;
    if (!rule_gbnf(f->rule.text, &rules, err)) {
        if (err && err->line)
            err_prefix(err, "line %d, column %d: ", err->line, err->col);
        return err_prefix(err, "'%s': ", f->field);
    }
    f->by_mask = true;
    return automaton_open(rules, &f->automaton, err);
}

bool form_open(const char *field, const struct rule_spec *rule, struct arena *arena, struct form **ret,
               struct err *err)
{
    struct form *f = arena_new(arena, struct form);
    bool ok = true;
    if (!f)
        return err_nomem(err, field);
    *f = (struct form){.field = field, .rule = *rule, .by_mask = true};
    if (rule->kind == RULE_JSON_SCHEMA)
        ok = open_schema(f, err);
    else if (rule->kind == RULE_TOOLS)
        ok = open_tools(f, err);
    else if (rule->kind == RULE_GBNF)
        ok = open_grammar(f, err);
    ok = ok && form_list_texts(f, arena, err);
    if (ok)
        *ret = f;
    else
        form_close(f);
    return ok;
}

bool form_refused(const struct form *f, struct err *err)
{
    struct rules *rules = NULL;
    if (!f || f->rule.kind != RULE_JSON_SCHEMA)
        return false;
    if (schema_rules(f->schema, &rules, err)) {
        rules_close(rules);
        return false;
    }
    err_prefix(err, "'%s': ", schema_field(f->field));
    return true;
}

void form_close(struct form *f)
{
    if (!f)
        return;
    schema_close(f->schema);
    automaton_close(f->automaton);
    f->schema = NULL;
    f->automaton = NULL;
}

/* ---- checking ---- */

static bool check_json(const struct form *f, struct str text, struct err *err)
{
    json_t *value = NULL;
    bool object = f->rule.kind == RULE_JSON_OBJECT;
    bool ok = object ? json_parse_object(text, "the answer", &value, err)
                     : json_parse(text, "the answer", &value, err);
    ok = ok && (object || schema_validate(f->schema, value, err));
    json_decref(value);
    return ok;
}

static bool check_choice(const struct form *f, struct str text, struct err *err)
{
    for (int i = 0; i < f->rule.n_choices; i++) {
        if (str_eq(f->rule.choices[i], text))
            return true;
    }
    return err_set(err, ERR_INVALID, "the answer is none of the %d choices", f->rule.n_choices);
}

static bool check_grammar(const struct form *f, struct str text, struct err *err)
{
    automaton_lock(f->automaton);
    uint32_t state = automaton_start(f->automaton);
    size_t at = 0;
    while (at < text.n && state != STATE_DEAD)
        state = state_step(f->automaton, state, (uint8_t)text.p[at++], NULL);
    bool dead = state == STATE_DEAD, ended = !dead && state_may_end(f->automaton, state);
    automaton_unlock(f->automaton);
    if (dead)
        return err_set(err, ERR_INVALID, "the answer leaves the grammar at byte %zu", at - 1);
    return ended || err_set(err, ERR_INVALID, "the answer ends before the grammar does");
}

static bool check_call(const struct form *f, size_t i, const json_t *call, struct err *err)
{
    const struct toolrule tools = toolrule_of(&f->rule);
    const json_t *function = json_object_get(call, "function");
    const json_t *name = json_object_get(function, "name"), *arguments = json_object_get(function, "arguments");
    if (!json_is_string(name) || !json_is_string(arguments))
        return err_set(err, ERR_INVALID, "call %zu has no name or no arguments", i);
    struct str called = {json_string_value(name), json_string_length(name)};
    struct str given = {json_string_value(arguments), json_string_length(arguments)};
    if (f->rule.tool_name.n && !str_eq(f->rule.tool_name, called))
        return err_set(err, ERR_INVALID, "call %zu is of '" STR_FMT "', not of the tool named", i,
                       STR_ARG(utf8_clip(called, 80)));
    return toolrule_check(&tools, called, given, err) || err_prefix(err, "call %zu: ", i);
}

static bool check_calls(const struct form *f, struct str tool_calls, struct err *err)
{
    json_t *calls = NULL;
    bool ok = json_parse(tool_calls, "the calls", &calls, err);
    if (ok && json_array_size(calls) > FORM_MAX_CALLS)
        ok = err_set(err, ERR_INVALID, "the answer has more than %d calls", FORM_MAX_CALLS);
    for (size_t i = 0; ok && i < json_array_size(calls); i++)
        ok = check_call(f, i, json_array_get(calls, i), err);
    json_decref(calls);
    return ok;
}

static bool check_text(const struct form *f, struct str text, struct err *err)
{
    switch (f->rule.kind) {
    case RULE_JSON_OBJECT:
    case RULE_JSON_SCHEMA:
        return check_json(f, text, err);
    case RULE_CHOICES:
        return check_choice(f, text, err);
    case RULE_GBNF:
        return check_grammar(f, text, err);
    default:
        return err_set(err, ERR_INVALID, "the answer calls no tool");
    }
}

enum form_verdict form_check(const struct form *f, struct str text, struct str tool_calls, struct err *err)
{
    if (!f || (f->rule.kind == RULE_TOOLS && !f->rule.tools_required && !tool_calls.n))
        return FORM_FREE;
    bool ok = tool_calls.n ? check_calls(f, tool_calls, err) : check_text(f, text, err);
    return ok ? FORM_VALID : FORM_INVALID;
}
