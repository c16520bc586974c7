/* What is said about one model: memory by part, speed, and which quantisation fits; as text for people, as JSON for
 * programs. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/fit/fit.h"
#include "data/json.h"

#define JSON_BYTES (1u << 20)
/* Caches grow in steps of fewer tokens than this. */
#define KV_ROUND_TOKENS 128
#define RULE_GB_LOW 0.6
#define RULE_GB_HIGH 0.8
#define RULE_REST_LOW 1.0
#define RULE_REST_HIGH 4.0

static double gb(int64_t bytes)
{
    return (double)bytes / 1e9;
}

/* Bytes of the model's file in another type: as rung quantize would write it, or estimated where there is no file. */
static double bytes_at(const struct fit_report *r, const struct fit_type *type)
{
    struct quantize_options options = QUANTIZE_OPTIONS(type->mix);
    struct quantize_plan plan;
    double bytes = (double)r->needs.parameters * type->bits / 8;
    if (r->file && quantize_plan_make(r->file, &options, &plan, NULL)) {
        bytes = (double)plan.bytes_after;
        quantize_plan_free(&plan);
    }
    return bytes;
}

/* The same model in another type: weights grow with the file. Experts and embeddings are taken along. */
static struct engine_needs needs_at(const struct fit_report *r, const struct fit_type *type)
{
    struct engine_needs n = r->needs;
    double ratio = bytes_at(r, type) / (double)(n.weight_bytes + n.embedding_bytes);
    n.weight_bytes = (int64_t)((double)n.weight_bytes * ratio);
    n.embedding_bytes = (int64_t)((double)n.embedding_bytes * ratio);
    n.read_bytes = (int64_t)((double)n.read_bytes * ratio);
    return n;
}

static void print_part(const char *name, int64_t bytes, const char *note)
{
    printf("  %-14s %7.2f GB%s\n", name, gb(bytes), note);
}

static void print_memory(const struct fit_report *r)
{
    const struct engine_needs *n = &r->needs;
    char kv[120];
    int64_t each = engine_needs_kv(n, r->context.kv_type, KV_ROUND_TOKENS) / KV_ROUND_TOKENS;
    snprintf(kv, sizeof kv, "   %lld KiB a token%s", (long long)(each >> 10),
             n->window ? ", less once the sliding windows are full" : "");
    print_part("weights", n->weight_bytes, n->embedding_bytes ? "   and the rows of the embedding that are used" : "");
    print_part("KV cache", engine_needs_kv(n, r->context.kv_type, r->context.tokens), kv);
    print_part("compute", n->compute_bytes + n->vocabulary_bytes, "   a step's memory, the vocabulary");
    int64_t total = fit_total(n, r->context);
    printf("  %-14s %7.2f GB   %s", "total", gb(total), fit_fits(r) ? "fits" : "does not fit");
    if (r->machine.available_bytes)
        printf(": %.1f GB of %.1f GB are free here", gb(r->machine.available_bytes), gb(r->machine.memory_bytes));
    printf("\n");
    double billions = (double)n->parameters / 1e9;
    printf("  %-14s %.1f to %.1f GB   0.6 to 0.8 GB a billion parameters at 4 bits, and 1 to 4 GB\n", "rule of thumb",
           billions * RULE_GB_LOW + RULE_REST_LOW, billions * RULE_GB_HIGH + RULE_REST_HIGH);
}

static void print_speed(const struct fit_report *r)
{
    if (r->bandwidth <= 0)
        return;
    printf("\nspeed\n  about %.1f tokens/s: each reads %.2f GB of weights, and this machine reads %.0f GB/s\n",
           fit_tokens_per_s(&r->needs, r->bandwidth), gb(r->needs.read_bytes), r->bandwidth / 1e9);
}

static void print_types(const struct fit_report *r)
{
    int n_types;
    const struct fit_type *types = fit_types(&n_types);
    printf("\nquantisations, at %lld tokens of context%s\n", (long long)r->context.tokens,
           r->file ? "" : " (estimated)");
    for (int i = 0; i < n_types; i++) {
        struct engine_needs n = needs_at(r, &types[i]);
        const char *name = quantize_mix_info(types[i].mix)->name;
        struct fit_report other = *r;
        other.needs = n;
        printf("  %-8s %7.2f GB file  %7.2f GB memory  %-12s", name, gb(n.weight_bytes + n.embedding_bytes),
               gb(fit_total(&n, r->context)), fit_fits(&other) ? "fits" : "does not fit");
        if (r->bandwidth > 0)
            printf("  %6.1f tokens/s", fit_tokens_per_s(&n, r->bandwidth));
        printf("%s\n", r->file && str_is(str_of(r->type), name) ? "  <- this file" : "");
    }
}

void fit_print(const struct fit_report *r)
{
    printf("%s%s%s%s: %.2f billion parameters", r->name, r->display[0] ? " (" : "", r->display,
           r->display[0] ? ")" : "", (double)r->needs.parameters / 1e9);
    if (r->needs.active_parameters < r->needs.parameters)
        printf(", %.2f of them a token", (double)r->needs.active_parameters / 1e9);
    printf(", %s\n\nmemory at %lld tokens of context%s\n", r->type, (long long)r->context.tokens,
           r->file ? "" : " (estimated from the size; name a file or model for its own figures)");
    print_memory(r);
    print_speed(r);
    print_types(r);
}

void fit_put_needs(struct json_writer *w, const struct engine_needs *n, struct fit_context c, double bandwidth)
{
    json_put_i64(w, "parameters", n->parameters);
    json_put_i64(w, "active_parameters", n->active_parameters);
    json_put_i64(w, "weight_bytes", n->weight_bytes);
    json_put_i64(w, "embedding_bytes", n->embedding_bytes);
    json_put_cstr(w, "kv_cache", c.kv_type == TENSOR_Q8_0 ? "q8_0" : "f16");
    json_put_i64(w, "kv_cache_bytes", engine_needs_kv(n, c.kv_type, c.tokens));
    json_put_i64(w, "compute_bytes", n->compute_bytes);
    json_put_i64(w, "vocabulary_bytes", n->vocabulary_bytes);
    json_put_i64(w, "total_bytes", fit_total(n, c));
    json_put_i64(w, "read_bytes_per_token", n->read_bytes);
    json_put_f64(w, "tokens_per_s", fit_tokens_per_s(n, bandwidth));
}

void fit_put_machine(struct json_writer *w, const struct machine *m, double bandwidth)
{
    json_key(w, "machine");
    json_open_object(w);
    json_put_cstr(w, "cpu", m->cpu_name);
    json_put_i64(w, "cpus", m->cpus);
    json_put_i64(w, "memory_bytes", m->memory_bytes);
    json_put_i64(w, "available_bytes", m->available_bytes);
    json_put_f64(w, "read_bytes_per_s", bandwidth);
    json_close_object(w);
}

static void put_types(struct json_writer *w, const struct fit_report *r)
{
    int n_types;
    const struct fit_type *types = fit_types(&n_types);
    json_key(w, "quantisations");
    json_open_array(w);
    for (int i = 0; i < n_types; i++) {
        struct fit_report other = *r;
        other.needs = needs_at(r, &types[i]);
        json_open_object(w);
        json_put_cstr(w, "type", quantize_mix_info(types[i].mix)->name);
        json_put_bool(w, "fits", fit_fits(&other));
        fit_put_needs(w, &other.needs, r->context, r->bandwidth);
        json_close_object(w);
    }
    json_close_array(w);
}

void fit_print_json(const struct fit_report *r)
{
    struct buf out = BUF_INIT(JSON_BYTES);
    struct json_writer w = JSON_WRITER(&out);
    json_open_object(&w);
    json_put_cstr(&w, "model", r->name);
    json_put_cstr(&w, "type", r->type);
    json_put_bool(&w, "estimated", !r->file);
    json_put_i64(&w, "context", r->context.tokens);
    json_put_bool(&w, "fits", fit_fits(r));
    fit_put_needs(&w, &r->needs, r->context, r->bandwidth);
    double billions = (double)r->needs.parameters / 1e9;
    json_key(&w, "rule_of_thumb_gb");
    json_open_array(&w);
    json_f64(&w, billions * RULE_GB_LOW + RULE_REST_LOW);
    json_f64(&w, billions * RULE_GB_HIGH + RULE_REST_HIGH);
    json_close_array(&w);
    fit_put_machine(&w, &r->machine, r->bandwidth);
    put_types(&w, r);
    json_close_object(&w);
    buf_char(&out, '\n');
    fwrite(out.p, 1, out.n, stdout);
    buf_free(&out);
}
