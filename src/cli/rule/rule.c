/* Reads a rule of the command line and its files; also what the commands do with one without a model: compile it, and
 * hold an answer to what a mask leaves to the end. */
#include "cli/rule/rule.h"

#include <getopt.h>
#include <stdlib.h>

#include "base/filemap.h"
#include "data/json.h"
#include "grammar/frontends.h"

bool cli_take_rule(int option, struct cli_rule_options *o)
{
    switch (option) {
    case CLI_OPT_SCHEMA: o->schema = optarg; return true;
    case CLI_OPT_REGEX: o->regex = optarg; return true;
    case CLI_OPT_CHOICES: o->choices = optarg; return true;
    case CLI_OPT_GRAMMAR: o->grammar = optarg; return true;
    case CLI_OPT_ANY_ORDER: o->any_order = true; return true;
    case CLI_OPT_RELAXED: o->relaxed = true; return true;
    default: return false;
    }
}

const char *cli_rule_fault(const struct cli_rule_options *o)
{
    if (!!o->schema + !!o->regex + !!o->choices + !!o->grammar > 1)
        return "an answer has one rule: give --schema, --regex, --choices or --grammar";
    if (!o->schema && o->any_order)
        return "--any-order is about the properties of a --schema";
    return !o->schema && o->relaxed ? "--relaxed is about the keywords of a --schema" : NULL;
}

/* ---- reading ---- */

static bool read_schema(const struct cli_rule_options *o, struct cli_rule *rule, struct err *err)
{
    size_t n;
    if (!file_read(o->schema, SCHEMA_MAX_BYTES, &rule->text, &n, err) ||
        !json_parse((struct str){rule->text, n}, o->schema, &rule->schema, err))
        return false;
    rule->what = "a JSON Schema";
    rule->spec = (struct rule_spec){.kind = RULE_JSON_SCHEMA, .schema = rule->schema, .any_order = o->any_order,
                                    .relaxed = o->relaxed};
    return true;
}

static bool read_grammar(const struct cli_rule_options *o, struct cli_rule *rule, struct err *err)
{
    size_t n;
    if (!file_read(o->grammar, GBNF_MAX_BYTES, &rule->text, &n, err))
        return false;
    rule->what = "a grammar";
    rule->spec = (struct rule_spec){.kind = RULE_GBNF, .text = {rule->text, n}};
    return true;
}

/* Commas part the choices; white space belongs to them. */
static bool read_choices(const struct cli_rule_options *o, struct cli_rule *rule, struct err *err)
{
    size_t n = 1, at = 0;
    for (const char *c = o->choices; *c; c++)
        n += *c == ',';
    if (n > CHOICES_MAX)
        return err_set(err, ERR_LIMIT, "--choices has %zu choices; at most %d are allowed", n, CHOICES_MAX);
    rule->choices = malloc(n * sizeof *rule->choices);
    if (!rule->choices)
        return err_nomem(err, "the choices");
    for (size_t i = 0; i < n; i++) {
        size_t length = strcspn(o->choices + at, ",");
        rule->choices[i] = (struct str){o->choices + at, length};
        at += length + 1;
    }
    rule->what = "a list of choices";
    rule->spec = (struct rule_spec){.kind = RULE_CHOICES, .choices = rule->choices, .n_choices = (int)n};
    return true;
}

bool cli_rule_read(const struct cli_rule_options *o, struct cli_rule *ret, struct err *err)
{
    *ret = (struct cli_rule){0};
    if (o->schema)
        return read_schema(o, ret, err);
    if (o->grammar)
        return read_grammar(o, ret, err);
    if (o->choices)
        return read_choices(o, ret, err);
    if (o->regex) {
        ret->what = "a regular expression";
        ret->spec = (struct rule_spec){.kind = RULE_REGEX, .text = str_of(o->regex)};
    }
    return true;
}

void cli_rule_free(struct cli_rule *rule)
{
    json_decref(rule->schema);
    free(rule->text);
    free(rule->choices);
    *rule = (struct cli_rule){0};
}

/* ---- without a model ---- */

struct schema_options cli_rule_schema_options(const struct cli_rule_options *o)
{
    return (struct schema_options){.any_order = o->any_order, .relaxed = o->relaxed, .formats = true};
}

static bool open_schema(const struct rule_spec *spec, struct schema **ret, struct err *err)
{
    const struct cli_rule_options o = {.any_order = spec->any_order, .relaxed = spec->relaxed};
    const struct schema_options options = cli_rule_schema_options(&o);
    return schema_open((json_t *)spec->schema, &options, ret, err);
}

bool cli_rule_compile(const struct cli_rule *rule, struct rules **ret, struct err *err)
{
    const struct rule_spec *spec = &rule->spec;
    struct schema *schema;
    switch (spec->kind) {
    case RULE_REGEX: return rule_regex(spec->text, ret, err);
    case RULE_CHOICES: return rule_choices(spec->choices, spec->n_choices, ret, err);
    case RULE_GBNF: return rule_gbnf(spec->text, ret, err);
    default: break;
    }
    if (!open_schema(spec, &schema, err))
        return false;
    bool ok = schema_rules(schema, ret, err);
    schema_close(schema);
    return ok;
}

bool cli_rule_validate(const struct cli_rule *rule, struct str answer, struct err *err)
{
    struct schema *schema;
    json_t *value;
    if (rule->spec.kind != RULE_JSON_SCHEMA)
        return true;
    if (!json_parse(answer, "the answer", &value, err))
        return false;
    bool ok = open_schema(&rule->spec, &schema, err);
    if (ok) {
        ok = schema_validate(schema, value, err);
        schema_close(schema);
    }
    json_decref(value);
    return ok;
}
