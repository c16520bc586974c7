/* The summary of a routed file: a table by kind, the reasons to climb, the bill, three answers. */
#include <stdlib.h>

#include "cli/route/route.h"
#include "store/money.h"

#define DAYS_PER_YEAR 365.25

struct paint {
    FILE *out;
    const char *bold, *dim, *green, *yellow, *off;
};

static struct paint paint_for(FILE *out, bool color)
{
    if (!color)
        return (struct paint){out, "", "", "", "", ""};
    return (struct paint){out, "\033[1m", "\033[2m", "\033[32m", "\033[33m", "\033[0m"};
}

static int compare_i64(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Nearest rank, of sorted values. */
static double percentile_ms(const struct route_kind_sums *k, int percent)
{
    int64_t rank = (k->n_latency * percent + 99) / 100;
    return (double)k->latency_us[rank > 0 ? rank - 1 : 0] / 1000;
}

static void print_kind(const struct paint *p, const char *name, struct route_kind_sums *k, bool planned)
{
    fprintf(p->out, "  %-11s %6lld %6lld %5.1f%% %8lld %12lld %11lld", name, (long long)k->n, (long long)k->kept,
            100 * (double)k->kept / (double)k->n, (long long)k->climbed, (long long)k->would_climb,
            (long long)(k->unanswered + k->failed));
    if (!planned && k->n_latency) {
        qsort(k->latency_us, (size_t)k->n_latency, sizeof *k->latency_us, compare_i64);
        fprintf(p->out, " %8.1f %8.1f", percentile_ms(k, 50), percentile_ms(k, 95));
    }
    if (k->n_confidence)
        fprintf(p->out, " %10.2f", k->confidence / (double)k->n_confidence);
    fputc('\n', p->out);
}

static void print_table(const struct paint *p, struct route_sums *s, bool planned)
{
    fprintf(p->out, "\n%s  %-11s %6s %13s %8s %12s %11s%s%s\n", p->bold, "kind", "n",
            planned ? "starts here" : "kept local", planned ? "goes up" : "climbed",
            planned ? "would go up" : "would climb", "unanswered", planned ? "" : "   p50 ms   p95 ms confidence",
            p->off);
    for (int k = 0; k <= KIND_COUNT; k++) {
        if (s->kinds[k].n)
            print_kind(p, kind_names[k], &s->kinds[k], planned);
    }
}

static void print_reasons(const struct paint *p, const struct route_sums *s)
{
    if (s->n_reasons)
        fprintf(p->out, "\n%s  why%s\n", p->bold, p->off);
    for (int i = 0; i < s->n_reasons; i++) {
        fprintf(p->out, "  %-34s", s->reasons[i].why);
        if (s->reasons[i].climbed)
            fprintf(p->out, " %lld climbed", (long long)s->reasons[i].climbed);
        if (s->reasons[i].would_climb)
            fprintf(p->out, " %lld would climb (escalation: unavailable)", (long long)s->reasons[i].would_climb);
        if (s->reasons[i].unanswered)
            fprintf(p->out, " %lld without an answer", (long long)s->reasons[i].unanswered);
        fputc('\n', p->out);
    }
}

static void print_tiers(const struct paint *p, const struct config *c, const struct route_sums *s)
{
    fprintf(p->out, "\n%s  tiers%s\n", p->bold, p->off);
    for (int t = 0; t < c->n_tiers; t++) {
        double share = s->requests ? 100 * (double)s->by_tier[t] / (double)s->requests : 0;
        fprintf(p->out, "  %-11s %6lld %5.1f%%  ", c->tiers[t].name, (long long)s->by_tier[t], share);
        for (int i = 0; i < (int)(share / 4 + 0.5); i++)
            fputs(p->bold[0] ? "█" : "#", p->out);
        fputc('\n', p->out);
    }
}

static void print_bill(const struct paint *p, const struct config *c, const struct route_sums *s)
{
    char before[MONEY_TEXT], after[MONEY_TEXT], saved[MONEY_TEXT], maybe[MONEY_TEXT];
    int64_t saving = s->before_pico_usd - s->after_pico_usd;
    double percent = s->before_pico_usd ? 100 * (double)saving / (double)s->before_pico_usd : 0;
    fprintf(p->out, "\n%s  the bill%s\n", p->bold, p->off);
    fprintf(p->out, "  %-11s %14s   every request at frontier prices (%s)\n", "before",
            money_format(s->before_pico_usd, before), c->frontier_name);
    fprintf(p->out, "  %-11s %14s   as run, failed attempts included\n", "after",
            money_format(s->after_pico_usd, after));
    fprintf(p->out, "  %s%-11s %14s   %.1f%%%s\n", p->green, "saved", money_format(saving, saved), percent, p->off);
    if (s->unclimbed_pico_usd)
        fprintf(p->out, "  %s%-11s %14s   on requests that should have climbed and could not%s\n", p->yellow, "of that",
                money_format(s->unclimbed_pico_usd, maybe), p->off);
    if (s->possibly_billed)
        fprintf(p->out, "  %s%-11s %14s   at most, beside the above: nobody knows%s\n", p->yellow, "possibly",
                money_format(s->possibly_billed, maybe), p->off);
}

/* Whole dollars with commas: "$1,265,137". */
static void format_dollars(double dollars, char *out, size_t size)
{
    char digits[40];
    size_t n = (size_t)snprintf(digits, sizeof digits, "%.0f", dollars < 0 ? -dollars : dollars), at = 0;
    at += (size_t)snprintf(out, size, "%s$", dollars <= -0.5 ? "-" : "");
    for (size_t i = 0; i < n && at + 2 < size; i++) {
        if (i && (n - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = 0;
}

/* How fast a file can be worked off says nothing of how many requests people send, so the number a day is asked for. */
static void print_per_year(const struct paint *p, const struct route_sums *s, int per_day)
{
    int64_t saving = s->before_pico_usd - s->after_pico_usd;
    if (!s->requests)
        return;
    double each = (double)saving / 1e12 / (double)s->requests;
    char year[MONEY_TEXT];
    format_dollars(each * per_day * DAYS_PER_YEAR, year, sizeof year);
    fprintf(p->out, "  %-11s %14s   saved a year at this rate, were it %d requests a day of this mix (--per-day)\n", "",
            year, per_day);
}

static void print_assumptions(const struct paint *p, const struct config *c, bool planned)
{
    const struct price *f = &c->frontier_price;
    fprintf(p->out, "%s  assumed: frontier prices of $%.2f in and $%.2f out per million tokens; ", p->dim,
            (double)f->input / 1e6, (double)f->output / 1e6);
    if (planned)
        fprintf(p->out,
                "prompt tokens estimated from the text;\n"
                "  answer tokens by kind (classify, route 6; extract 40; complete 100; qa 120; summarize 150; rewrite, "
                "unknown 200;\n"
                "  code 300; open_ended 500) or max_tokens if less; no climbing for low confidence%s\n",
                p->off);
    else
        fprintf(p->out,
                "answer tokens are the upstream's\n  where one was called, else the local visible ones x %g%s\n",
                c->reasoning_factor, p->off);
}

static int compare_examples(const void *a, const void *b)
{
    double x = ((const struct route_example *)a)->confidence, y = ((const struct route_example *)b)->confidence;
    return (x < y) - (x > y);
}

/* From the surest to the least sure, evenly: the quickest way to see what a score means. */
static void print_examples(const struct paint *p, struct route_sums *s, int show)
{
    int n = show < s->n_examples ? show : s->n_examples;
    qsort(s->examples, (size_t)s->n_examples, sizeof s->examples[0], compare_examples);
    if (n)
        fprintf(p->out, "\n%s  answers, from the surest to the least sure%s\n", p->bold, p->off);
    for (int i = 0; i < n; i++) {
        const struct route_example *e = &s->examples[n > 1 ? i * (s->n_examples - 1) / (n - 1) : 0];
        fprintf(p->out, "  %s%.2f%s  %s%s\n        %s%s%s\n", e->kept ? p->green : p->yellow, e->confidence, p->off,
                e->answer, e->kept ? "" : "   (would climb)", p->dim, e->asked, p->off);
    }
}

static void print_bad_lines(const struct paint *p, const struct route_sums *s)
{
    if (s->bad_lines)
        fprintf(p->out, "\n  %s%lld line%s could not be read as a request; see above%s\n", p->yellow,
                (long long)s->bad_lines, s->bad_lines == 1 ? "" : "s", p->off);
}

void route_print_summary(FILE *out, const struct config *c, struct route_sums *s, double seconds, int show,
                         int per_day, bool color)
{
    struct paint p = paint_for(out, color);
    fprintf(out, "\n%lld requests in %.1f s\n", (long long)s->requests, seconds);
    print_table(&p, s, false);
    print_reasons(&p, s);
    print_tiers(&p, c, s);
    print_bill(&p, c, s);
    print_per_year(&p, s, per_day);
    print_assumptions(&p, c, false);
    print_examples(&p, s, show);
    print_bad_lines(&p, s);
}

void route_print_plan(FILE *out, const struct config *c, struct route_sums *s, bool color)
{
    struct paint p = paint_for(out, color);
    fprintf(out, "\n%lld requests planned, none answered\n", (long long)s->requests);
    print_table(&p, s, true);
    print_reasons(&p, s);
    print_tiers(&p, c, s);
    print_bill(&p, c, s);
    print_assumptions(&p, c, true);
    print_bad_lines(&p, s);
}
