/* A rule for answers as the command line takes it: --schema FILE, --regex R, --choices a,b,c or --grammar FILE, read
 * into what the runtime takes (runtime/rule.h). */
#ifndef RUNG_CLI_RULE_RULE_H
#define RUNG_CLI_RULE_RULE_H

#include "cli/cli.h"
#include "grammar/schema.h"
#include "runtime/rule.h"

/* As given; NULL: not given. */
struct cli_rule_options {
    const char *schema, *regex, *choices, *grammar;
    bool any_order, relaxed;           /* of a schema */
};

/* The numbers of the long options, for getopt_long; clear of the commands' own. */
enum { CLI_OPT_SCHEMA = 1024, CLI_OPT_REGEX, CLI_OPT_CHOICES, CLI_OPT_GRAMMAR, CLI_OPT_ANY_ORDER, CLI_OPT_RELAXED };
#define CLI_RULE_LONG_OPTIONS                                                                                        \
    {"schema", required_argument, NULL, CLI_OPT_SCHEMA}, {"regex", required_argument, NULL, CLI_OPT_REGEX},          \
    {"choices", required_argument, NULL, CLI_OPT_CHOICES}, {"grammar", required_argument, NULL, CLI_OPT_GRAMMAR},    \
    {"any-order", no_argument, NULL, CLI_OPT_ANY_ORDER}, {"relaxed", no_argument, NULL, CLI_OPT_RELAXED}

/* Whether the option is one of these, kept if so; optarg is read. */
bool cli_take_rule(int option, struct cli_rule_options *o);
/* What is wrong with them together, for cli_usage; NULL: nothing. */
const char *cli_rule_fault(const struct cli_rule_options *o);
static inline bool cli_rule_given(const struct cli_rule_options *o)
{
    return o->schema || o->regex || o->choices || o->grammar;
}

struct cli_rule {
    struct rule_spec spec;
    const char *what;                  /* "a JSON Schema", "a regular expression" ...; NULL: there is no rule */
    /* private */
    json_t *schema;
    char *text;
    struct str *choices;
};

/* Reads the files. *ret is the caller's to cli_rule_free, also on failure and without a rule. The options, without a
 * fault, must outlive it. */
bool cli_rule_read(const struct cli_rule_options *o, struct cli_rule *ret, struct err *err);
void cli_rule_free(struct cli_rule *rule);
struct schema_options cli_rule_schema_options(const struct cli_rule_options *o);
/* Finished rules, beside no model. */
bool cli_rule_compile(const struct cli_rule *rule, struct rules **ret, struct err *err);
/* A whole answer against what the mask leaves to the end. */
bool cli_rule_validate(const struct cli_rule *rule, struct str answer, struct err *err);

#endif
