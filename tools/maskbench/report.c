/* What was found, as a table or as JSON. */
#include <stdio.h>
#include <stdlib.h>

#include "data/json.h"
#include "tools/maskbench/maskbench.h"

#define TOP_REASONS 15
#define TOP_SLOW 5

struct tally {
    int schemas, compiled, refused, slow, crashed;
    int passing, passing_by_mask, passing_but_order, valid_rejected, by_order, invalid_admitted, unsaid;   /* schemas */
    int n_valid, n_invalid, mask_rejects, order_rejects, check_rejects, mask_admits, both_admit;   /* instances */
    int walks, walks_open, walks_left, walks_wrong;
};

static bool passes_but_order(const struct outcome *o)
{
    return o->status == COMPILED && o->mask_rejects == o->order_rejects && o->check_rejects == 0 && o->both_admit == 0;
}

static bool passes(const struct outcome *o)
{
    return passes_but_order(o) && o->order_rejects == 0;
}

static struct tally tally_up(const struct bench *b)
{
    struct tally t = {.schemas = b->n};
    for (int i = 0; i < b->n; i++) {
        const struct outcome *o = &b->board->outcomes[i];
        t.compiled += o->status == COMPILED;
        t.refused += o->status == REFUSED;
        t.slow += o->status == TOO_SLOW;
        t.crashed += o->status == CRASHED;
        t.passing += passes(o);
        t.passing_by_mask += passes(o) && o->mask_admits == 0;
        t.passing_but_order += passes_but_order(o);
        t.valid_rejected += o->mask_rejects + o->check_rejects > o->order_rejects;
        t.by_order += o->order_rejects > 0;
        t.invalid_admitted += o->both_admit > 0;
        t.unsaid += o->unsaid;
        t.n_valid += o->n_valid;
        t.n_invalid += o->n_invalid;
        t.mask_rejects += o->mask_rejects;
        t.order_rejects += o->order_rejects;
        t.check_rejects += o->check_rejects;
        t.mask_admits += o->mask_admits;
        t.both_admit += o->both_admit;
        t.walks += o->n_walks;
        t.walks_open += o->walks_open;
        t.walks_left += o->walks_left;
        t.walks_wrong += o->walks_wrong;
    }
    return t;
}

static int compare_floats(const void *a, const void *b)
{
    return (*(const float *)a > *(const float *)b) - (*(const float *)a < *(const float *)b);
}

struct spread {
    float p50, p90, p99, p999, max, mean;
};

/* Sorts. */
static struct spread spread_of(float *v, int64_t n)
{
    struct spread s = {0};
    double sum = 0;
    if (n == 0)
        return s;
    qsort(v, (size_t)n, sizeof *v, compare_floats);
    for (int64_t i = 0; i < n; i++)
        sum += (double)v[i];
    return (struct spread){v[n / 2],      v[n * 90 / 100], v[n * 99 / 100], v[n * 999 / 1000],
                           v[n - 1], (float)(sum / (double)n)};
}

enum timed { TIME_MASK, TIME_TAKE, TIME_BOTH, TIME_COMPILE, N_TIMED };
static const char *const TIMED[N_TIMED] = {"mask", "take", "mask and take", "compile"};

static int64_t samples_of(const struct bench *b)
{
    int64_t n = atomic_load(&b->board->n_samples);
    return n < MAX_SAMPLES ? n : MAX_SAMPLES;
}

static bool measure(const struct bench *b, struct spread ret[N_TIMED], struct err *err)
{
    int64_t n = samples_of(b), most = n > b->n ? n : b->n;
    float *v = malloc((size_t)(most + 1) * sizeof *v);
    if (!v)
        return err_nomem(err, "the report");
    for (int what = 0; what < TIME_COMPILE; what++) {
        for (int64_t i = 0; i < n; i++) {
            struct sample s = b->board->samples[i];
            v[i] = what == TIME_MASK ? s.mask_us : what == TIME_TAKE ? s.take_us : s.mask_us + s.take_us;
        }
        ret[what] = spread_of(v, n);
    }
    int64_t compiled = 0;
    for (int i = 0; i < b->n; i++)
        if (b->board->outcomes[i].status == COMPILED)
            v[compiled++] = b->board->outcomes[i].compile_us;
    ret[TIME_COMPILE] = spread_of(v, compiled);
    free(v);
    return true;
}

/* An error without what is a schema's own (paths, quoted names, numbers), so that equal causes are equal texts. */
static void general_reason(const char *why, char ret[sizeof(((struct outcome *)0)->why)])
{
    size_t n = 0;
    for (const char *p = why; *p;) {
        if (*p == '/' || *p == '#') {
            ret[n++] = '/';
            p += strcspn(p, " :,");
        } else if (*p >= '0' && *p <= '9') {
            ret[n++] = 'N';
            p += strspn(p, "0123456789");
        } else {
            ret[n++] = *p++;
        }
    }
    ret[n] = 0;
}

struct reason {
    char text[sizeof(((struct outcome *)0)->why)];
    int n;
};

static int compare_reasons(const void *a, const void *b)
{
    return ((const struct reason *)b)->n - ((const struct reason *)a)->n;
}

/* The reasons for refusals, most frequent first; to be freed. */
static struct reason *gather_reasons(const struct bench *b, int *ret_n)
{
    struct reason *all = calloc((size_t)b->n + 1, sizeof *all);
    *ret_n = 0;
    for (int i = 0; all && i < b->n; i++) {
        char text[sizeof all->text];
        int k = 0;
        if (b->board->outcomes[i].status != REFUSED)
            continue;
        general_reason(b->board->outcomes[i].why, text);
        while (k < *ret_n && strcmp(all[k].text, text) != 0)
            k++;
        memcpy(all[k].text, text, sizeof text);
        all[k].n++;
        *ret_n += k == *ret_n;
    }
    if (all)
        qsort(all, (size_t)*ret_n, sizeof *all, compare_reasons);
    return all;
}

/* The schemas that took longest, by compiling or by a mask. */
static void print_slowest(const struct bench *b, bool compiling)
{
    char *told = calloc((size_t)b->n + 1, 1);
    printf("slowest %s:", compiling ? "to compile" : "masks");
    for (int rank = 0; told && rank < TOP_SLOW && rank < b->n; rank++) {
        int best = -1;
        float most = -1;
        for (int i = 0; i < b->n; i++) {
            const struct outcome *o = &b->board->outcomes[i];
            float us = compiling ? o->compile_us : o->slowest_mask_us;
            if (!told[i] && us > most) {
                best = i;
                most = us;
            }
        }
        told[best] = 1;
        printf(" %s (%.0f us)", b->names[best], (double)most);
    }
    putchar('\n');
    free(told);
}

static void print_failing(const struct bench *b)
{
    static const char *const kinds[] = {"not run", "", "refused: ", "too slow", "crashed: "};
    for (int i = 0; i < b->n; i++) {
        const struct outcome *o = &b->board->outcomes[i];
        if (!passes(o) || o->unsaid)
            printf("%s: %s%s\n", b->names[i], kinds[o->status], o->status == TOO_SLOW ? "" : o->why);
    }
}

static double share(int n, int of)
{
    return of ? 100.0 * n / of : 0;
}

static void print_table(const struct bench *b, const struct spread times[N_TIMED])
{
    struct tally t = tally_up(b);
    int n;
    printf("vocabulary of %d tokens opened in %.1f ms\n", (int)vocabulary_count(b->vocabulary), b->open_ms);
    printf("%-16s %9s %9s %9s %9s %9s %9s   microseconds of the processor\n", "", "p50", "p90", "p99", "p99.9", "max",
           "mean");
    for (int i = 0; i < N_TIMED; i++)
        printf("%-16s %9.1f %9.1f %9.1f %9.1f %9.1f %9.1f\n", TIMED[i], (double)times[i].p50, (double)times[i].p90,
               (double)times[i].p99, (double)times[i].p999, (double)times[i].max, (double)times[i].mean);
    printf("tokens %lld, schemas %d, properties in %s order\n", (long long)samples_of(b), t.schemas,
           b->options.any_order ? "any" : "declared");
    printf("schemas passing whole      %6d  %5.1f%%  (%d by the mask alone)\n", t.passing, share(t.passing, t.schemas),
           t.passing_by_mask);
    printf("passing, but for the order %6d  %5.1f%%\n", t.passing_but_order, share(t.passing_but_order, t.schemas));
    printf("schemas refused            %6d  %5.1f%%\n", t.refused, share(t.refused, t.schemas));
    printf("too slow, crashed          %6d, %d\n", t.slow, t.crashed);
    printf("rejecting a valid instance %6d  %5.2f%%  (and %d for the order of members alone)\n", t.valid_rejected,
           share(t.valid_rejected, t.schemas), t.by_order);
    printf("admitting an invalid one   %6d  %5.2f%%  (mask plus validation)\n", t.invalid_admitted,
           share(t.invalid_admitted, t.schemas));
    printf("said to be all mask, not so%6d\n", t.unsaid);
    printf("valid instances   %6d: %d rejected by the mask, %d of them for their order, %d by validation\n", t.n_valid,
           t.mask_rejects, t.order_rejects, t.check_rejects);
    printf("invalid instances %6d: %d admitted by the mask, %d by mask plus validation\n", t.n_invalid, t.mask_admits,
           t.both_admit);
    if (b->walks > 0)
        printf("random walks      %6d: %d without end; not valid %d where validation is needed, %d where not\n",
               t.walks, t.walks_open, t.walks_left, t.walks_wrong);
    print_slowest(b, true);
    print_slowest(b, false);
    struct reason *reasons = gather_reasons(b, &n);
    for (int i = 0; reasons && i < n && i < TOP_REASONS; i++)
        printf("%6d refused: %s\n", reasons[i].n, reasons[i].text);
    free(reasons);
}

static void put_reasons(const struct bench *b, struct json_writer *w)
{
    int n;
    struct reason *reasons = gather_reasons(b, &n);
    json_key(w, "refusals");
    json_open_array(w);
    for (int i = 0; reasons && i < n && i < TOP_REASONS; i++) {
        json_open_object(w);
        json_put_cstr(w, "reason", reasons[i].text);
        json_put_i64(w, "schemas", reasons[i].n);
        json_close_object(w);
    }
    json_close_array(w);
    free(reasons);
}

static bool print_json(const struct bench *b, const struct spread times[N_TIMED], struct err *err)
{
    static const char *const keys[N_TIMED] = {"mask_us", "take_us", "mask_and_take_us", "compile_us"};
    struct tally t = tally_up(b);
    const struct { const char *key; int64_t n; } counts[] = {
        {"tokens", samples_of(b)}, {"schemas", t.schemas}, {"passing", t.passing},
        {"passing_by_mask_alone", t.passing_by_mask}, {"passing_but_order", t.passing_but_order},
        {"refused", t.refused}, {"too_slow", t.slow},
        {"crashed", t.crashed}, {"rejecting_valid", t.valid_rejected},
        {"rejecting_by_order", t.by_order}, {"admitting_invalid", t.invalid_admitted},
        {"not_all_mask_as_said", t.unsaid}, {"valid_instances", t.n_valid}, {"valid_rejected_by_mask", t.mask_rejects},
        {"valid_rejected_by_order", t.order_rejects},
        {"valid_rejected_by_validation", t.check_rejects}, {"invalid_instances", t.n_invalid},
        {"invalid_admitted_by_mask", t.mask_admits}, {"invalid_admitted_by_both", t.both_admit},
        {"walks", t.walks}, {"walks_without_end", t.walks_open}, {"walks_left_to_validation", t.walks_left},
        {"walks_wrong", t.walks_wrong}};
    struct buf out = BUF_INIT(1u << 20);
    struct json_writer w = JSON_WRITER(&out);
    json_open_object(&w);
    for (int i = 0; i < N_TIMED; i++) {
        json_key(&w, keys[i]);
        json_open_object(&w);
        json_put_f64(&w, "p50", (double)times[i].p50);
        json_put_f64(&w, "p90", (double)times[i].p90);
        json_put_f64(&w, "p99", (double)times[i].p99);
        json_put_f64(&w, "p99.9", (double)times[i].p999);
        json_put_f64(&w, "max", (double)times[i].max);
        json_put_f64(&w, "mean", (double)times[i].mean);
        json_close_object(&w);
    }
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        json_put_i64(&w, counts[i].key, counts[i].n);
    put_reasons(b, &w);
    json_close_object(&w);
    bool ok = buf_check(&out, "the report", err);
    if (ok)
        puts(out.p);
    buf_free(&out);
    return ok;
}

bool print_report(const struct bench *b, struct err *err)
{
    struct spread times[N_TIMED];
    if (!measure(b, times, err))
        return false;
    if (b->failing)
        print_failing(b);
    if (b->json)
        return print_json(b, times, err);
    print_table(b, times);
    return true;
}
