/* rung key: makes, lists and revokes the keys by which people are known. It writes to the ledger beside a running
 * server, which sees the change within a second. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/key/key.h"
#include "cli/bill/ledger.h"
#include "gateway/people/people.h"

#define MAX_JSON (64u << 20)

static const char help[] =
    "usage: rung key create NAME [OPTIONS]\n"
    "       rung key list [--json]\n"
    "       rung key revoke ID|NAME\n\n"
    "Keys for the people and programs that ask rung serve: what each may use, how often, for how much. A new key's\n"
    "secret is printed once, on standard output; only its SHA-256 is kept. From the first key on every request\n"
    "needs one. A running server sees changes within a second.\n\n"
    "  -m, --models A,B        only these models; for \"auto\": only tiers with them\n"
    "  -t, --tiers A,B         only these tiers\n"
    "      --rpm N             requests a minute\n"
    "      --tpm N             tokens a minute, of prompts and answers together\n"
    "      --budget-day USD    upstream spending of a day (UTC), never passed\n"
    "      --budget-month USD  the same of a calendar month\n"
    "      --privacy CLASS     local: nothing this key asks ever leaves; any (the default): as each request says; or\n"
    "                          another class of the configuration. A request may tighten it, never loosen it\n"
    "      --expires WHEN      24h, 30d, 12w, or a day such as 2027-01-01\n"
    "      --admin             may pull, copy and delete models\n"
    "  -j, --json              one JSON object\n"
    "  -c, --config FILE       the configuration, whose ledger holds the keys\n"
    "  -h, --help              this text\n\n"
    "examples:\n"
    "  rung key create ci --models gpt-5-mini --rpm 60 --budget-month 20\n"
    "  export OPENAI_API_KEY=$(rung key create alice --tiers local,mid --expires 90d)\n"
    "  rung key list\n"
    "  rung key revoke alice\n";

struct options {
    struct key_wishes wishes;
    const char *config;
    bool json, any_wish;
};

static bool print_json(struct buf *out, struct err *err)
{
    bool ok = buf_check(out, "the list of keys", err);
    if (ok)
        printf("%s\n", out->p);
    buf_free(out);
    return ok;
}

static bool say_created(const struct key_record *k, const char *secret, bool json, struct err *err)
{
    if (!json) {
        printf("%s\n", secret);
        fflush(stdout);
        fprintf(stderr, "key '%s' (%s) was made; this is the only time it is shown\n", k->name, k->id);
        return true;
    }
    struct buf out = BUF_INIT(MAX_JSON);
    struct json_writer w = JSON_WRITER(&out);
    key_write_json(&w, k, NULL, secret);
    return print_json(&out, err);
}

static bool create_key(struct ledger *l, const struct options *o, struct err *err)
{
    struct key_record k;
    char secret[PEOPLE_SECRET_BYTES], digest[KEY_DIGEST_BYTES];
    if (!key_from_wishes(&o->wishes, clock_wall_ms(), &k, err) || !people_make_secret(secret, err) ||
        !people_name_key(secret, &k, err))
        return false;
    k.created_ms = clock_wall_ms();
    if (!people_digest(str_of(secret), digest))
        return err_set(err, ERR_INTERNAL, "the digest of the key could not be made");
    return keys_create(l, &k, digest, err) && say_created(&k, secret, o->json, err);
}

static bool list_keys(struct ledger *l, const struct options *o, struct err *err)
{
    struct key_record *keys = NULL;
    struct key_usage *usage = NULL;
    int64_t n = 0;
    bool ok = keys_list(l, &keys, &n, err);
    if (ok && !(usage = calloc((size_t)n + 1, sizeof *usage)))
        ok = err_nomem(err, "the list of keys");
    for (int64_t i = 0; ok && i < n; i++)
        ok = keys_usage(l, keys[i].id, &usage[i], err);
    if (ok && o->json) {
        struct buf out = BUF_INIT(MAX_JSON);
        struct json_writer w = JSON_WRITER(&out);
        json_open_array(&w);
        for (int64_t i = 0; i < n; i++)
            key_write_json(&w, &keys[i], &usage[i], NULL);
        json_close_array(&w);
        ok = print_json(&out, err);
    } else if (ok && n) {
        key_print_table(keys, usage, n, clock_wall_ms());
    } else if (ok) {
        printf("There is no key yet; rung key create NAME makes one.\n");
    }
    free(keys);
    free(usage);
    return ok;
}

static bool revoke_key(struct ledger *l, const struct options *o, struct err *err)
{
    struct key_record k;
    if (!keys_revoke(l, o->wishes.name, &k, err))
        return false;
    if (o->json) {
        struct buf out = BUF_INIT(MAX_JSON);
        struct json_writer w = JSON_WRITER(&out);
        key_write_json(&w, &k, NULL, NULL);
        return print_json(&out, err);
    }
    printf("key '%s' (%s) is revoked; a running server refuses it within a second\n", k.name, k.id);
    return true;
}

/* ---- the command ---- */

enum { OPT_RPM = 256, OPT_TPM, OPT_DAY, OPT_MONTH, OPT_PRIVACY, OPT_EXPIRES, OPT_ADMIN };

static bool take_wish(struct options *o, int option)
{
    struct key_wishes *w = &o->wishes;
    o->any_wish = true;
    switch (option) {
    case 'm': w->models = optarg; break;
    case 't': w->tiers = optarg; break;
    case OPT_RPM: w->rpm = optarg; break;
    case OPT_TPM: w->tpm = optarg; break;
    case OPT_DAY: w->budget_day = optarg; break;
    case OPT_MONTH: w->budget_month = optarg; break;
    case OPT_PRIVACY: w->privacy = optarg; break;
    case OPT_EXPIRES: w->expires = optarg; break;
    case OPT_ADMIN: w->admin = true; break;
    default: return false;
    }
    return true;
}

/* EXIT_OK: go on; *ret_help: the help was asked for. */
static int read_options(int argc, char **argv, struct options *o, bool *ret_help)
{
    static const struct option long_options[] = {{"models", required_argument, NULL, 'm'},
                                                 {"tiers", required_argument, NULL, 't'},
                                                 {"rpm", required_argument, NULL, OPT_RPM},
                                                 {"tpm", required_argument, NULL, OPT_TPM},
                                                 {"budget-day", required_argument, NULL, OPT_DAY},
                                                 {"budget-month", required_argument, NULL, OPT_MONTH},
                                                 {"privacy", required_argument, NULL, OPT_PRIVACY},
                                                 {"expires", required_argument, NULL, OPT_EXPIRES},
                                                 {"admin", no_argument, NULL, OPT_ADMIN},
                                                 {"json", no_argument, NULL, 'j'},
                                                 {"config", required_argument, NULL, 'c'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {0}};
    optind = 1;
    for (int ch; (ch = getopt_long(argc, argv, "m:t:jc:h", long_options, NULL)) != -1;) {
        if (ch == 'j')
            o->json = true;
        else if (ch == 'c')
            o->config = optarg;
        else if (ch == 'h')
            *ret_help = true;
        else if (!take_wish(o, ch))
            return EXIT_USAGE;
    }
    return EXIT_OK;
}

static const struct action {
    const char *name;
    bool wants_name, wants_wishes;
    bool (*run)(struct ledger *l, const struct options *o, struct err *err);
} actions[] = {
    {"create", true, true, create_key},
    {"list", false, false, list_keys},
    {"revoke", true, false, revoke_key},
};

static int run_action(const struct action *a, const struct options *o)
{
    struct ledger *l = NULL;
    struct config *c = NULL;
    struct err err = ERR_INIT;
    struct key_record k;
    struct ledger_options options = {0};
    char where[4096];
    bool makes = a->run == create_key;
    if (makes && !key_from_wishes(&o->wishes, clock_wall_ms(), &k, &err))
        return cli_usage("key", "%s", err.msg);
    bool ok = config_load(o->config, &c, &err) && (!makes || key_check_names(c, &k, &err)) &&
              cli_ledger_of(c, where, sizeof where, &err) && ledger_open(where, &options, &l, &err) &&
              a->run(l, o, &err);
    ledger_close(l);
    config_free(c);
    return ok ? EXIT_OK : cli_fail(&err);
}

int cmd_key(int argc, char **argv)
{
    struct options o = {0};
    const struct action *a = NULL;
    bool wants_help = false;
    if (read_options(argc, argv, &o, &wants_help) != EXIT_OK)
        return EXIT_USAGE;
    if (wants_help)
        return fputs(help, stdout) < 0 ? EXIT_FAILED : EXIT_OK;
    for (size_t i = 0; optind < argc && i < sizeof actions / sizeof *actions; i++) {
        if (strcmp(argv[optind], actions[i].name) == 0)
            a = &actions[i];
    }
    if (optind >= argc)
        return cli_usage("key", "say create, list or revoke");
    if (!a)
        return cli_usage("key", "'%s' is not create, list or revoke", argv[optind]);
    optind++;
    if (a->wants_name && optind >= argc)
        return cli_usage("key", "%s needs a name%s", a->name, a->run == revoke_key ? " or an id" : "");
    if (a->wants_name)
        o.wishes.name = argv[optind++];
    if (optind < argc)
        return cli_usage("key", "'%s' is not expected", argv[optind]);
    if (o.any_wish && !a->wants_wishes)
        return cli_usage("key", "%s takes no limits; they are set when a key is made", a->name);
    return run_action(a, &o);
}
