/* What was measured, as a table for people and as JSON for machines. Figures are medians of the rounds; a share is the
 * median of each round's own, against the limit measured around it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench/bench.h"
#include "data/json.h"

#define JSON_BYTES (4u << 20)

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The value at `part` of the way from the least (0) to the most (1). */
static double quantile(const double *values, int n, double part)
{
    double v[BENCH_MAX_ROUNDS];
    memcpy(v, values, (size_t)n * sizeof *v);
    qsort(v, (size_t)n, sizeof *v, ascending);
    double at = part * (n - 1);
    int below = (int)at;
    return below + 1 < n ? v[below] + (at - below) * (v[below + 1] - v[below]) : v[below];
}

static double median(const double *values, int n)
{
    return quantile(values, n, 0.5);
}

/* Of the limit; of BENCH_PREFIX: of the time without a cache. 0: not known. */
static double share(const struct bench_row *r)
{
    double v[BENCH_MAX_ROUNDS];
    for (int i = 0; i < r->rounds; i++)
        v[i] = r->kind == BENCH_PREFIX ? r->seconds[i] / r->limit[i] : r->work / r->seconds[i] / r->limit[i];
    return median(v, r->rounds);
}

static double tokens_per_s(const struct bench_row *r, double seconds)
{
    return (r->kind == BENCH_PREFILL ? (double)r->tokens : (double)r->streams) / seconds;
}

static const char *test_name(const struct bench_row *r)
{
    static const char *const names[] = {"prefill", "decode", "prefix"};
    return names[r->kind];
}

static const char *kv_name(enum tensor_type kv)
{
    return kv == TENSOR_F16 ? "f16" : "q8_0";
}

static void print_head(const struct bench *b)
{
    char bytes[32];
    printf("%s: %s of weights, %.2f billion parameters", b->options->model,
           progress_show_bytes(b->needs.weight_bytes + b->needs.embedding_bytes, bytes, sizeof bytes),
           (double)b->needs.parameters / 1e9);
    if (b->needs.active_parameters < b->needs.parameters)
        printf(", %.2f of them a token", (double)b->needs.active_parameters / 1e9);
    printf("\n%s, %d CPU%s, kernels for %s\n\n", b->machine.cpu_name[0] ? b->machine.cpu_name : "unknown processor",
           b->machine.cpus, b->machine.cpus == 1 ? "" : "s", kernels_get()->level);
}

static void print_speed(const struct bench_row *r)
{
    double speeds[3]; /* slowest, median, fastest */
    for (int i = 0; i < 3; i++)
        speeds[i] = tokens_per_s(r, quantile(r->seconds, r->rounds, 1 - 0.5 * i));
    printf("%10.1f tok/s  %8.1f to %-8.1f", speeds[1], speeds[0], speeds[2]);
    if (r->work > 0 && r->kind == BENCH_PREFILL)
        printf("  %.2f of %.0f G multiply-adds/s", share(r), median(r->limit, r->rounds) / 1e9);
    else if (r->work > 0)
        printf("  %.2f of %.1f GB/s read", share(r), median(r->limit, r->rounds) / 1e9);
    printf("\n");
}

static void print_first_token(const struct bench_row *r)
{
    printf("%10.1f ms     %8.1f to %-8.1f  %.3f of %.0f ms unseen (%lld tokens from the cache)\n",
           median(r->seconds, r->rounds) * 1e3, quantile(r->seconds, r->rounds, 0) * 1e3,
           quantile(r->seconds, r->rounds, 1) * 1e3, share(r), median(r->limit, r->rounds) * 1e3,
           (long long)r->cached_tokens);
}

static void print_row(const struct bench_row *r)
{
    char test[64];
    if (r->streams > 1)
        snprintf(test, sizeof test, "%s %lld x %d", test_name(r), (long long)r->tokens, r->streams);
    else
        snprintf(test, sizeof test, "%s %lld", test_name(r), (long long)r->tokens);
    printf("%-16s %8lld %8d  %-5s", test, (long long)r->depth, r->threads, kv_name(r->kv));
    if (r->kind == BENCH_PREFIX)
        print_first_token(r);
    else
        print_speed(r);
}

void bench_print(const struct bench *b)
{
    char bytes[32];
    print_head(b);
    printf("%-16s %8s %8s  %-5s%16s  %20s  %s\n", "test", "depth", "threads", "kv", "median", "slowest to fastest",
           "of the limit");
    for (int i = 0; i < b->n_rows; i++)
        print_row(&b->rows[i]);
    if (b->beside_bytes > 0)
        printf("\nmost memory beside the mapped file, keys and values included: %s\n",
               progress_show_bytes(b->beside_bytes, bytes, sizeof bytes));
}

static void put_seconds(struct json_writer *w, const char *key, const double *values, int n)
{
    json_key(w, key);
    json_open_array(w);
    for (int i = 0; i < n; i++)
        json_f64(w, values[i]);
    json_close_array(w);
}

static void put_speed(struct json_writer *w, const struct bench_row *r)
{
    json_put_f64(w, "tokens_per_s", tokens_per_s(r, median(r->seconds, r->rounds)));
    json_put_f64(w, "tokens_per_s_min", tokens_per_s(r, quantile(r->seconds, r->rounds, 1)));
    json_put_f64(w, "tokens_per_s_max", tokens_per_s(r, quantile(r->seconds, r->rounds, 0)));
    json_put_f64(w, r->kind == BENCH_PREFILL ? "multiply_adds_per_s" : "read_bytes_per_s",
                 median(r->limit, r->rounds));
    if (r->work > 0)
        json_put_f64(w, "share", share(r));
}

static void put_row(struct json_writer *w, const struct bench_row *r)
{
    json_open_object(w);
    json_put_cstr(w, "test", test_name(r));
    json_put_i64(w, "tokens", r->tokens);
    json_put_i64(w, "streams", r->streams);
    json_put_i64(w, "depth", r->depth);
    json_put_i64(w, "threads", r->threads);
    json_put_cstr(w, "kv", kv_name(r->kv));
    put_seconds(w, "seconds", r->seconds, r->rounds);
    if (r->kind == BENCH_PREFIX) {
        put_seconds(w, "seconds_unseen", r->limit, r->rounds);
        json_put_i64(w, "cached_tokens", r->cached_tokens);
        json_put_f64(w, "ratio", share(r));
    } else {
        put_speed(w, r);
    }
    json_close_object(w);
}

static void put_machine(struct json_writer *w, const struct machine *m)
{
    json_key(w, "machine");
    json_open_object(w);
    json_put_cstr(w, "cpu", m->cpu_name);
    json_put_i64(w, "cpus", m->cpus);
    json_put_i64(w, "memory_bytes", m->memory_bytes);
    json_put_cstr(w, "level", kernels_get()->level);
    json_close_object(w);
}

void bench_print_json(const struct bench *b)
{
    struct buf out = BUF_INIT(JSON_BYTES);
    struct json_writer w = JSON_WRITER(&out);
    json_open_object(&w);
    json_put_cstr(&w, "model", b->options->model);
    json_put_cstr(&w, "version", RUNG_VERSION);
    json_put_i64(&w, "parameters", b->needs.parameters);
    json_put_i64(&w, "weight_bytes", b->needs.weight_bytes + b->needs.embedding_bytes);
    json_put_i64(&w, "read_bytes_per_token", b->needs.read_bytes);
    put_machine(&w, &b->machine);
    json_key(&w, "tests");
    json_open_array(&w);
    for (int i = 0; i < b->n_rows; i++)
        put_row(&w, &b->rows[i]);
    json_close_array(&w);
    if (b->beside_bytes > 0)
        json_put_i64(&w, "beside_file_bytes", b->beside_bytes);
    json_close_object(&w);
    buf_char(&out, '\n');
    fwrite(out.p, 1, out.n, stdout);
    buf_free(&out);
}
