/* Without a model: which one to take, here and on usual machines, and what it is good and weak at. Figures of other
 * machines are assumptions, and said to be. */
#include <stdio.h>

#include "data/json.h"
#include "cli/fit/fit.h"

#define GB_BYTES INT64_C(1000000000)
#define GIB_BYTES (INT64_C(1) << 30)
#define JSON_BYTES (1u << 20)
/* What a desktop and a browser leave of a machine's memory. */
#define OTHERS_BYTES (2 * GIB_BYTES)

struct place {
    const char *name, *note;
    int64_t usable_bytes;
    double bandwidth;
    bool measured;
};

#define PLACES 5

static void places_fill(const struct machine *m, double bandwidth, struct place out[PLACES])
{
    out[0] = (struct place){"this machine", "", m->available_bytes, bandwidth, true};
    out[1] = (struct place){"8 GB", "laptop", 8 * GIB_BYTES - OTHERS_BYTES, 40e9, false};
    out[2] = (struct place){"16 GB", "laptop", 16 * GIB_BYTES - OTHERS_BYTES, 60e9, false};
    out[3] = (struct place){"32 GB", "desktop", 32 * GIB_BYTES - OTHERS_BYTES, 70e9, false};
    out[4] = (struct place){"24 GB GPU", "behind an OpenAI-compatible server", 23 * GIB_BYTES, 900e9, false};
}

static bool goes(const struct place *p, const struct fit_known *k, struct fit_context context)
{
    return fit_total(&k->needs, context) <= p->usable_bytes &&
           fit_tokens_per_s(&k->needs, p->bandwidth) >= FIT_READING_TOKENS_PER_S;
}

/* The last, which is the ablest, that fits and answers faster than one reads; NULL when none does. */
static const struct fit_known *recommend(const struct place *p, struct fit_context context)
{
    int n;
    const struct fit_known *known = fit_known_models(&n), *best = NULL;
    for (int i = 0; i < n; i++)
        if (goes(p, &known[i], context))
            best = &known[i];
    return best;
}

static void print_places(const struct place places[PLACES], struct fit_context context)
{
    printf("%-14s %9s %10s %10s %11s  %s\n", "machine", "free", "reads", "takes", "speed", "recommended");
    for (int i = 0; i < PLACES; i++) {
        const struct place *p = &places[i];
        const struct fit_known *k = recommend(p, context);
        printf("%-14s %6.1f GB %5.0f GB/s%s ", p->name, (double)p->usable_bytes / GB_BYTES, p->bandwidth / 1e9,
               p->measured ? " " : "*");
        if (k)
            printf("%6.1f GB %5.0f tok/s  %s", (double)fit_total(&k->needs, context) / GB_BYTES,
                   fit_tokens_per_s(&k->needs, p->bandwidth), k->name);
        else
            printf("%25s", "no model fits");
        printf("%s%s%s\n", p->note[0] ? " (" : "", p->note, p->note[0] ? ")" : "");
    }
    printf("* assumed; only this machine was measured. At %lld tokens of context, 4 bits a weight.\n",
           (long long)context.tokens);
}

static void print_models(const struct place *here, struct fit_context context)
{
    int n;
    const struct fit_known *known = fit_known_models(&n), *best = recommend(here, context);
    for (int i = 0; i < n; i++) {
        const struct fit_known *k = &known[i];
        int64_t total = fit_total(&k->needs, context);
        printf("\n%s%s: %.1f GB, ", k == best ? "-> " : "   ", k->name, (double)total / GB_BYTES);
        if (total <= here->usable_bytes)
            printf("%.0f tokens/s here", fit_tokens_per_s(&k->needs, here->bandwidth));
        else
            printf("too large for here");
        printf("\n     good at  %s\n     weak at  %s\n", k->good, k->weak);
    }
    printf("\nrule of thumb: 0.6 to 0.8 GB a billion parameters at 4 bits, and 1 to 4 GB for context and program\n");
    if (best)
        printf("try: rung pull %s && rung run %s\n", best->name, best->name);
}

void fit_print_table(const struct machine *m, double bandwidth, struct fit_context context)
{
    struct place places[PLACES];
    places_fill(m, bandwidth, places);
    print_places(places, context);
    print_models(&places[0], context);
}

static void put_place(struct json_writer *w, const struct place *p, struct fit_context context)
{
    const struct fit_known *k = recommend(p, context);
    json_open_object(w);
    json_put_cstr(w, "machine", p->name);
    json_put_i64(w, "usable_bytes", p->usable_bytes);
    json_put_f64(w, "read_bytes_per_s", p->bandwidth);
    json_put_bool(w, "measured", p->measured);
    json_put_cstr(w, "recommended", k ? k->name : NULL);
    if (k)
        fit_put_needs(w, &k->needs, context, p->bandwidth);
    json_close_object(w);
}

void fit_print_table_json(const struct machine *m, double bandwidth, struct fit_context context)
{
    struct place places[PLACES];
    struct buf out = BUF_INIT(JSON_BYTES);
    struct json_writer w = JSON_WRITER(&out);
    int n;
    const struct fit_known *known = fit_known_models(&n);
    places_fill(m, bandwidth, places);
    json_open_object(&w);
    json_put_i64(&w, "context", context.tokens);
    fit_put_machine(&w, m, bandwidth);
    json_key(&w, "machines");
    json_open_array(&w);
    for (int i = 0; i < PLACES; i++)
        put_place(&w, &places[i], context);
    json_close_array(&w);
    json_key(&w, "models");
    json_open_array(&w);
    for (int i = 0; i < n; i++) {
        json_open_object(&w);
        json_put_cstr(&w, "model", known[i].name);
        json_put_cstr(&w, "type", known[i].type);
        json_put_cstr(&w, "good_at", known[i].good);
        json_put_cstr(&w, "weak_at", known[i].weak);
        fit_put_needs(&w, &known[i].needs, context, bandwidth);
        json_close_object(&w);
    }
    json_close_array(&w);
    json_close_object(&w);
    buf_char(&out, '\n');
    fwrite(out.p, 1, out.n, stdout);
    buf_free(&out);
}
