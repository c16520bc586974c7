/* rung check: what becomes of a rule for answers, before any model answers under it: which keywords of a schema are
 * enforced while decoding, which are checked on the finished answer, which are refused; and with a model, whether its
 * vocabulary can write such answers. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cli/check/check.h"
#include "cli/store/models.h"
#include "runtime/constrain/words.h"
#include "runtime/vocab.h"

static const char help[] =
    "usage: rung check (--schema FILE | --regex R | --choices A,B,C | --grammar FILE) [OPTIONS]\n\n"
    "Explains a rule that answers may be held to (rung run --schema, response_format of the API): what of it is\n"
    "enforced while decoding, what is checked on the finished answer, what is refused.\n\n"
    "      --schema FILE     a JSON Schema (draft 2020-12 or 7)\n"
    "      --any-order       its properties in any order, not as declared\n"
    "      --relaxed         ignore what is not understood, as strict: false does\n"
    "      --regex R         a regular expression that the whole answer matches\n"
    "      --choices A,B,C   the answer is one of these\n"
    "      --grammar FILE    a grammar (GBNF, as llama.cpp writes it)\n"
    "  -m, --model MODEL     also try it beside the vocabulary of a model: a name, a GGUF file, or starter\n"
    "      --config FILE     the configuration that names models\n"
    "  -j, --json            one JSON object\n"
    "  -h, --help            this text\n\n"
    "Exit status: 0 when answers can be held to the rule, 1 when it is refused, 2 for wrong options.\n\n"
    "examples:\n"
    "  rung check --schema booking.json\n"
    "  rung check --schema booking.json --model qwen3:4b\n"
    "  rung check --regex '[A-Z]{3}-[0-9]{4}'\n"
    "  rung check --json --schema booking.json | jq '.keywords[] | select(.treatment != \"enforced\")'\n";

struct arguments {
    struct cli_rule_options rule;
    struct cli_model_options model_options;
    const char *model;
    bool json;
};

static double ms_since(int64_t start_ns)
{
    return (double)(clock_ns() - start_ns) / 1e6;
}

/* ---- the rule alone ---- */

static bool explain_schema(const struct arguments *a, const struct cli_rule *rule, struct check_result *r,
                           struct err *err)
{
    struct schema_options options = cli_rule_schema_options(&a->rule);
    struct schema *schema;
    r->notes = calloc(CHECK_MAX_NOTES, sizeof *r->notes);
    if (!r->notes)
        return err_nomem(err, "the report");
    int n = schema_explain((json_t *)rule->spec.schema, &options, r->notes, CHECK_MAX_NOTES);
    r->n_notes = n < CHECK_MAX_NOTES ? n : CHECK_MAX_NOTES;
    r->n_left_out = n - r->n_notes;
    if (schema_open((json_t *)rule->spec.schema, &options, &schema, &r->refused)) {
        r->validated = schema_needs_validation(schema);
        schema_close(schema);
    }
    return true;
}

static bool compile(const struct cli_rule *rule, struct check_result *r)
{
    struct rules *rules;
    int64_t start = clock_ns();
    r->refused = ERR_INIT;
    r->usable = cli_rule_compile(rule, &rules, &r->refused);
    r->compile_ms = ms_since(start);
    if (r->usable)
        rules_close(rules);
    return r->usable;
}

/* ---- beside a model ---- */

/* Bytes of UTF-8 that no token has alone: who lacks none can write every text. */
static int missing_bytes(const struct tokenizer *t)
{
    bool there[256] = {false};
    int missing = 0;
    for (int32_t id = 0; id < tokenizer_count(t); id++) {
        struct str piece = tokenizer_piece(t, id);
        enum token_type type = tokenizer_type(t, id);
        if (piece.n == 1 && (type == TOKEN_NORMAL || type == TOKEN_BYTE || type == TOKEN_USER_DEFINED))
            there[(unsigned char)*piece.p] = true;
    }
    for (int byte = 1; byte <= 0xF4; byte++)
        missing += !there[byte] && byte != 0xC0 && byte != 0xC1;
    return missing;
}

static bool first_mask(struct constraint *c, int64_t n_tokens, int64_t *ret_n, struct err *err)
{
    size_t n_words = VOCABULARY_WORDS(n_tokens);
    uint64_t *mask = calloc(n_words, sizeof *mask);
    struct matcher *m = NULL;
    bool ok = mask ? matcher_open(c, &m, err) && matcher_mask(m, mask, err) : err_nomem(err, "a mask");
    *ret_n = 0;
    for (size_t i = 0; ok && i < n_words; i++)
        *ret_n += __builtin_popcountll(mask[i]);
    matcher_close(m);
    free(mask);
    return ok;
}

static bool try_vocabulary(const struct cli_rule *rule, const struct words *words, struct check_model *ret,
                           struct err *err)
{
    struct rules *rules;
    struct constraint *c;
    int64_t start = clock_ns();
    if (!cli_rule_compile(rule, &rules, err) || !constraint_open(rules, words->vocabulary, &c, err))
        return false;
    ret->n_tokens = vocabulary_count(words->vocabulary);
    bool ok = first_mask(c, ret->n_tokens, &ret->n_first, err);
    ret->compile_ms = ms_since(start);
    constraint_release(c);
    return ok;
}

static bool try_model(const struct arguments *a, const struct cli_rule *rule, struct check_model *ret, struct err *err)
{
    struct filemap *map;
    struct gguf *g;
    struct tokenizer *t = NULL;
    struct words *words = NULL;
    if (!cli_map_model(a->model, &a->model_options, &map, err) || !gguf_open_map(map, &g, err))
        return false;
    bool ok = vocab_open(g, &t, err) && words_open(t, tokenizer_count(t), &(struct word_markers){0}, &words, err) &&
              try_vocabulary(rule, words, ret, err);
    if (ok) {
        ret->name = a->model;
        ret->missing_bytes = missing_bytes(t);
    }
    words_close(words);
    tokenizer_close(t);
    gguf_close(g);
    return ok;
}

/* ---- the command ---- */

static int report(const struct arguments *a, const struct check_result *r)
{
    struct err err = ERR_INIT;
    if (a->json && !check_print_json(r, &err))
        return cli_fail(&err);
    if (!a->json)
        check_print(r);
    return r->usable ? EXIT_OK : cli_fail(&r->refused);
}

static int check(const struct arguments *a)
{
    struct cli_rule rule;
    struct check_result r = {.from = a->rule.schema ? a->rule.schema : a->rule.grammar};
    struct err err = ERR_INIT;
    bool ok = cli_rule_read(&a->rule, &rule, &err) && (!rule.spec.schema || explain_schema(a, &rule, &r, &err));
    r.what = rule.what;
    if (ok && compile(&rule, &r) && a->model)
        ok = try_model(a, &rule, &r.model, &err);
    int rc = ok ? report(a, &r) : cli_fail(&err);
    free(r.notes);
    cli_rule_free(&rule);
    return rc;
}

int cmd_check(int argc, char **argv)
{
    static const struct option options[] = {
        CLI_RULE_LONG_OPTIONS,
        {"model", required_argument, NULL, 'm'}, {"config", required_argument, NULL, 'c'},
        {"json", no_argument, NULL, 'j'},        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct arguments a = {0};
    optind = 1;
    for (int o; (o = getopt_long(argc, argv, "m:jh", options, NULL)) != -1;) {
        switch (o) {
        case 'm': a.model = optarg; break;
        case 'c': a.model_options.config_path = optarg; break;
        case 'j': a.json = true; break;
        case 'h': fputs(help, stdout); return EXIT_OK;
        default:
            if (!cli_take_rule(o, &a.rule))
                return EXIT_USAGE;
        }
    }
    if (optind < argc)
        return cli_usage("check", "'%s' is not expected; a schema is named by --schema", argv[optind]);
    if (!cli_rule_given(&a.rule))
        return cli_usage("check", "what shall be checked? give --schema, --regex, --choices or --grammar");
    if (cli_rule_fault(&a.rule))
        return cli_usage("check", "%s", cli_rule_fault(&a.rule));
    return check(&a);
}
