/* rung bill: reads the ledger and shows what was spent, what it would have cost, and where requests were answered. */
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/bill/conversation.h"
#include "cli/bill/ledger.h"
#include "data/json.h"
#include "store/money.h"
#include "store/report.h"

#define JSON_MAX_OUTPUT (32u << 20)
#define BAR_PER_PERCENT 0.25

static const char help[] =
    "usage: rung bill [--since WHEN] [--by tier|model|kind|day|key] [--json] [--ledger FILE | --config FILE]\n"
    "       rung bill --conversation ID [--json]\n\n"
    "The bill: before (every request at frontier prices), after (as run, failed local attempts included), saved; the\n"
    "share of each tier against 70/20/10; time to first token here and upstream. What was possibly billed stands "
    "apart.\n\n"
    "  -s, --since WHEN        24h, 7d, 2w, a day such as 2026-07-01, or all (the default)\n"
    "  -b, --by WHAT           group by tier (the default), model, kind, day or key\n"
    "  -C, --conversation ID   turn by turn: how prompt and cost of a conversation grew, and what was saved by\n"
    "                          remembering its beginning; requests name theirs in metadata.conversation_id\n"
    "  -j, --json              one JSON object\n"
    "  -l, --ledger FILE       the ledger; without it the configuration's, else ~/.local/share/rung/ledger.db\n"
    "  -c, --config FILE       the configuration\n"
    "  -h, --help              this text\n\n"
    "examples:\n"
    "  rung bill --since 7d --by day\n"
    "  rung bill --by key --since 2026-11-01\n"
    "  rung bill --conversation support-4711\n"
    "  rung bill --json | jq .saved_usd\n";

struct options {
    const char *since, *by, *ledger, *config, *conversation;
    bool json;
};

/* The goal of each tier: small here, mid-size, frontier. */
static const double goals[] = {70, 20, 10};

static double usd(int64_t pico_usd) { return (double)pico_usd / 1e12; }

static double share_of(const struct ledger_report *r, int64_t n)
{
    return r->answered ? 100 * (double)n / (double)r->answered : 0;
}

/* ---- as JSON ---- */

static void put_tokens(struct json_writer *w, const char *key, const struct ledger_tokens *t)
{
    json_key(w, key);
    json_open_object(w);
    json_put_i64(w, "prompt", t->prompt);
    json_put_i64(w, "cached", t->cached);
    json_put_i64(w, "completion", t->completion);
    json_put_i64(w, "reasoning", t->reasoning);
    json_close_object(w);
}

static void put_sums(struct json_writer *w, const struct report_sums *s)
{
    json_put_i64(w, "requests", s->requests);
    json_put_f64(w, "before_usd", usd(s->before_pico_usd));
    json_put_f64(w, "after_usd", usd(s->after_pico_usd));
    json_put_f64(w, "saved_usd", usd(s->before_pico_usd - s->after_pico_usd));
    put_tokens(w, "local_tokens", &s->local);
    put_tokens(w, "upstream_tokens", &s->upstream);
}

static void put_latency(struct json_writer *w, const char *key, const struct report_latency *l)
{
    json_key(w, key);
    json_open_object(w);
    json_put_i64(w, "requests", l->requests);
    json_put_f64(w, "p50_ms", l->requests ? (double)l->ttft_p50_us / 1000 : -1);
    json_put_f64(w, "p95_ms", l->requests ? (double)l->ttft_p95_us / 1000 : -1);
    json_close_object(w);
}

static void put_tiers(struct json_writer *w, const struct ledger_report *r)
{
    json_key(w, "tiers");
    json_open_array(w);
    for (int t = 0; t < r->n_tiers; t++) {
        json_open_object(w);
        json_put_cstr(w, "tier", r->tiers[t].tier);
        json_put_i64(w, "requests", r->tiers[t].requests);
        json_put_f64(w, "share_percent", share_of(r, r->tiers[t].requests));
        json_close_object(w);
    }
    json_close_array(w);
}

static void put_outcomes(struct json_writer *w, const struct ledger_report *r)
{
    json_key(w, "outcomes");
    json_open_object(w);
    for (int o = 0; o < LEDGER_OUTCOMES; o++)
        json_put_i64(w, ledger_outcome_names[o], r->outcomes[o]);
    json_close_object(w);
    json_key(w, "possibly_billed");
    json_open_object(w);
    json_put_i64(w, "requests", r->possibly_billed.requests);
    json_put_f64(w, "at_most_usd", usd(r->possibly_billed.pico_usd));
    json_close_object(w);
}

/* Which prices calls are charged by now. */
static void put_prices(struct json_writer *w, const struct config *c)
{
    json_key(w, "prices");
    if (!c || !c->prices_path) {
        json_null_value(w);
        return;
    }
    json_open_object(w);
    json_put_cstr(w, "file", c->prices_path);
    json_put_cstr(w, "sha256", c->prices_digest);
    json_close_object(w);
}

static bool print_json(const struct ledger_report *r, const char *path, const struct config *c, const char *by,
                       struct err *err)
{
    struct buf out = BUF_INIT(JSON_MAX_OUTPUT);
    struct json_writer w = JSON_WRITER(&out);
    char day[25];
    json_open_object(&w);
    json_put_cstr(&w, "ledger", path);
    put_prices(&w, c);
    clock_iso8601(r->since_ms, day);
    json_put_cstr(&w, "since", r->since_ms ? day : NULL);
    put_sums(&w, &r->total);
    put_tiers(&w, r);
    json_key(&w, "ttft");
    json_open_object(&w);
    put_latency(&w, "local", &r->local);
    put_latency(&w, "upstream", &r->upstream);
    json_close_object(&w);
    put_outcomes(&w, r);
    json_put_cstr(&w, "by", by);
    json_key(&w, "groups");
    json_open_array(&w);
    for (int64_t i = 0; i < r->n_groups; i++) {
        json_open_object(&w);
        json_put_cstr(&w, "name", r->groups[i].name);
        put_sums(&w, &r->groups[i].sums);
        json_close_object(&w);
    }
    json_close_array(&w);
    json_close_object(&w);
    bool ok = buf_check(&out, "the bill", err);
    if (ok)
        printf("%s\n", out.p);
    buf_free(&out);
    return ok;
}

/* ---- for people ---- */

static void print_totals(const struct report_sums *s, bool color)
{
    char text[MONEY_TEXT];
    int64_t saved = s->before_pico_usd - s->after_pico_usd;
    printf("\n  %-10s %14s   every request at frontier prices\n", "before", money_format(s->before_pico_usd, text));
    printf("  %-10s %14s   as run, failed local attempts included\n", "after", money_format(s->after_pico_usd, text));
    printf("  %s%-10s %14s", color ? "\033[32m" : "", "saved", money_format(saved, text));
    if (s->before_pico_usd)
        printf("   %.1f%%", 100 * (double)saved / (double)s->before_pico_usd);
    printf("%s\n", color ? "\033[0m" : "");
}

static void print_shares(const struct ledger_report *r, bool color)
{
    if (!r->answered)
        return;
    printf("\n  %-14s %9s %8s %6s\n", "answered by", "requests", "share", "goal");
    for (int t = 0; t < r->n_tiers; t++) {
        double share = share_of(r, r->tiers[t].requests);
        int rank = r->tiers[t].rank;
        printf("  %-14.40s %9lld %7.1f%%", r->tiers[t].tier, (long long)r->tiers[t].requests, share);
        if (rank >= 0 && rank < (int)(sizeof goals / sizeof goals[0]))
            printf(" %5.0f%%  ", goals[rank]);
        else
            printf(" %6s  ", "");
        for (int i = 0; i < (int)(share * BAR_PER_PERCENT + 0.5); i++)
            fputs(color ? "█" : "#", stdout);
        putchar('\n');
    }
}

static void print_latency(const char *name, const struct report_latency *l)
{
    if (l->requests)
        printf("  %-14s %9.1f %9.1f   of %lld requests\n", name, (double)l->ttft_p50_us / 1000,
               (double)l->ttft_p95_us / 1000, (long long)l->requests);
}

static void print_groups(const struct ledger_report *r, const char *by)
{
    char before[MONEY_TEXT], after[MONEY_TEXT], saved[MONEY_TEXT];
    printf("\n  %-20s %9s %14s %14s %14s\n", by, "requests", "before", "after", "saved");
    for (int64_t i = 0; i < r->n_groups; i++) {
        const struct report_sums *s = &r->groups[i].sums;
        printf("  %-20.60s %9lld %14s %14s %14s\n", r->groups[i].name, (long long)s->requests,
               money_format(s->before_pico_usd, before), money_format(s->after_pico_usd, after),
               money_format(s->before_pico_usd - s->after_pico_usd, saved));
    }
}

static void print_apart(const struct ledger_report *r)
{
    char text[MONEY_TEXT];
    if (r->possibly_billed.requests)
        printf("\n  possibly billed: %lld requests, at most %s, beside the above; the upstream's own bill knows\n",
               (long long)r->possibly_billed.requests, money_format(r->possibly_billed.pico_usd, text));
    if (r->outcomes[LEDGER_OPEN] || r->outcomes[LEDGER_LOST])
        printf("\n  still open: %lld; lost with a killed process, nothing sent: %lld\n",
               (long long)r->outcomes[LEDGER_OPEN], (long long)r->outcomes[LEDGER_LOST]);
}

static void print_text(const struct ledger_report *r, const char *path, const struct config *c, const char *by)
{
    bool color = cli_color(STDOUT_FILENO);
    char from[25], to[25];
    clock_iso8601(r->first_ms, from);
    clock_iso8601(r->last_ms, to);
    printf("%s: %lld requests", path, (long long)r->total.requests);
    if (r->total.requests)
        printf(", %.10s to %.10s", from, to);
    putchar('\n');
    if (c && c->prices_path)
        printf("prices of %s, SHA-256 %s...\n", c->prices_path, c->prices_digest);
    print_totals(&r->total, color);
    print_shares(r, color);
    if (r->local.requests || r->upstream.requests)
        printf("\n  %-14s %9s %9s   ms to the first token\n", "", "p50", "p95");
    print_latency("local", &r->local);
    print_latency("upstream", &r->upstream);
    if (r->n_groups)
        print_groups(r, by);
    print_apart(r);
}

/* ---- the command ---- */

/* The ledger to read; the configuration too, unless the ledger alone was named. */
static bool find_ledger(const struct options *o, char *path, size_t size, struct config **ret, struct err *err)
{
    if ((!o->ledger || o->config) && !config_load(o->config, ret, err))
        return false;
    if (!o->ledger)
        return cli_ledger_of(*ret, path, size, err);
    return snprintf(path, size, "%s", o->ledger) < (int)size ||
           err_set(err, ERR_LIMIT, "the path of the ledger is too long");
}

static bool bill(const struct options *o, const char *path, const struct config *c, int64_t since_ms,
                 enum report_by by, struct err *err)
{
    struct ledger_report *report = NULL;
    bool ok = true;
    if (o->conversation)
        return bill_conversation(path, o->conversation, c, o->json, err);
    if (!report_read(path, since_ms, by, &report, err)) {
        if (err->code != ERR_NOT_FOUND || o->json)
            return false;
        printf("There is no bill yet: %s notes no request. It begins with the first one to rung serve or rung route.\n",
               path);
        return true;
    }
    if (o->json)
        ok = print_json(report, path, c, o->by, err);
    else
        print_text(report, path, c, o->by);
    report_free(report);
    return ok;
}

static int run_bill(const struct options *o, int64_t since_ms, enum report_by by)
{
    char path[4096];
    struct config *c = NULL;
    struct err err = ERR_INIT;
    bool ok = find_ledger(o, path, sizeof path, &c, &err) && bill(o, path, c, since_ms, by, &err);
    config_free(c);
    return ok ? EXIT_OK : cli_fail(&err);
}

int cmd_bill(int argc, char **argv)
{
    static const struct option long_options[] = {{"since", required_argument, NULL, 's'},
                                                 {"by", required_argument, NULL, 'b'},
                                                 {"conversation", required_argument, NULL, 'C'},
                                                 {"json", no_argument, NULL, 'j'},
                                                 {"ledger", required_argument, NULL, 'l'},
                                                 {"config", required_argument, NULL, 'c'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {0}};
    struct options o = {.since = "all", .by = "tier"};
    struct err err = ERR_INIT;
    enum report_by by;
    int64_t since_ms;
    optind = 1;
    for (int ch; (ch = getopt_long(argc, argv, "s:b:C:jl:c:h", long_options, NULL)) != -1;) {
        if (ch == 's')
            o.since = optarg;
        else if (ch == 'b')
            o.by = optarg;
        else if (ch == 'C')
            o.conversation = optarg;
        else if (ch == 'j')
            o.json = true;
        else if (ch == 'l')
            o.ledger = optarg;
        else if (ch == 'c')
            o.config = optarg;
        else if (ch == 'h')
            return fputs(help, stdout) < 0 ? EXIT_FAILED : EXIT_OK;
        else
            return EXIT_USAGE;
    }
    if (optind < argc)
        return cli_usage("bill", "'%s' is not expected", argv[optind]);
    if (!report_by_from_name(str_of(o.by), &by))
        return cli_usage("bill", "--by takes tier, model, kind, day or key, not '%s'", o.by);
    if (!report_since(str_of(o.since), clock_wall_ms(), &since_ms, &err))
        return cli_usage("bill", "--since: %s", err.msg);
    return run_bill(&o, since_ms, by);
}
