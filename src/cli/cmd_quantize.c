/* rung quantize: a model file written again in smaller types. Shows what each tensor becomes; the choice and the
 * arithmetic are the model floor's. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pool.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/run/run.h"
#include "data/json.h"
#include "model/quantize.h"

#define JSON_BYTES (64u << 20)
#define MB 1e6

static const char help_begin[] =
    "usage: rung quantize [OPTIONS] IN OUT TYPE\n\n"
    "Writes the GGUF model IN again as OUT, its weights in TYPE. OUT appears only when it is whole. Start from F16,\n"
    "BF16 or F32: what was quantised once loses more the second time.\n\n"
    "types:\n";
static const char help_end[] =
    "\n"
    "  -m, --imatrix FILE            weigh errors by an importance matrix (.dat or .gguf)\n"
    "      --output-type T           type of the output matrix, Q8_0 for example\n"
    "      --token-embedding-type T  type of the token embeddings\n"
    "      --tensor-type REGEX=T     type of tensors whose name matches, say ffn_down=Q6_K; may be repeated\n"
    "  -t, --threads N               compute threads, one per CPU unless given; the result is the same with any\n"
    "  -n, --dry-run                 only show what would be written; OUT may be left out\n"
    "  -f, --force                   write over an existing OUT\n"
    "  -j, --json                    one JSON object on standard output\n"
    "  -h, --help                    this text\n\n"
    "Exit status: 0 when OUT is written, 1 when it is not, 2 for wrong options.\n\n"
    "examples:\n"
    "  rung quantize qwen3-4b-f16.gguf qwen3-4b-q4_k_m.gguf Q4_K_M\n"
    "  rung quantize --imatrix imatrix.gguf model-bf16.gguf model-iq4_xs.gguf IQ4_XS\n"
    "  rung quantize --dry-run model-f16.gguf Q3_K_M\n";

struct arguments {
    const char *in, *out;              /* out NULL: a dry run without one */
    const char *imatrix;
    struct quantize_options options;
    int threads;
    bool dry_run, force, json;
};

static void print_help(void)
{
    fputs(help_begin, stdout);
    for (int i = 0; i < QUANTIZE_MIXES; i++) {
        const struct quantize_mix_info *info = quantize_mix_info((enum quantize_mix)i);
        printf("  %-8s %s\n", info->name, info->about);
    }
    fputs(help_end, stdout);
}

/* ---- arguments ---- */
static bool add_rule(struct quantize_options *o, char *text, struct err *err)
{
    char *equals = strrchr(text, '=');
    if (!equals || equals == text)
        return err_set(err, ERR_INVALID, "'%s' is not REGEX=TYPE", text);
    if (o->n_rules == QUANTIZE_MAX_RULES)
        return err_set(err, ERR_LIMIT, "there are more than %d of --tensor-type", QUANTIZE_MAX_RULES);
    struct quantize_rule *rule = &o->rules[o->n_rules];
    if (!quantize_type_find(equals + 1, &rule->type, err))
        return false;
    *equals = 0;
    rule->pattern = text;
    o->n_rules++;
    return true;
}

static bool set_threads(const char *text, int *ret, struct err *err)
{
    int64_t n;
    if (!str_to_i64(str_of(text), &n) || n < 1 || n > POOL_THREADS_MAX)
        return err_set(err, ERR_INVALID, "--threads is a number from 1 to %d, not '%s'", POOL_THREADS_MAX, text);
    *ret = (int)n;
    return true;
}

enum { OPTION_OUTPUT_TYPE = 256, OPTION_EMBEDDING_TYPE, OPTION_TENSOR_TYPE };

static bool take_option(struct arguments *a, int o, struct err *err)
{
    switch (o) {
    case 'm': a->imatrix = optarg; return true;
    case 'n': a->dry_run = true; return true;
    case 'f': a->force = true; return true;
    case 'j': a->json = true; return true;
    case 't': return set_threads(optarg, &a->threads, err);
    case OPTION_OUTPUT_TYPE: return quantize_type_find(optarg, &a->options.output_type, err);
    case OPTION_EMBEDDING_TYPE: return quantize_type_find(optarg, &a->options.token_embedding_type, err);
    default: return add_rule(&a->options, optarg, err);
    }
}

static bool take_names(struct arguments *a, int n, char **names, struct err *err)
{
    bool without_out = n == 2 && a->dry_run;
    if (n != 3 && !without_out)
        return err_set(err, ERR_INVALID, "give IN, OUT and TYPE");
    a->in = names[0];
    a->out = without_out ? NULL : names[1];
    return quantize_mix_find(names[n - 1], &a->options.mix, err);
}

/* ---- what is shown ---- */
static void format_shape(const struct tensor *t, char *text, size_t size)
{
    size_t n = 0;
    for (int d = 0; d < t->n_dims && n < size; d++)
        n += (size_t)snprintf(text + n, size - n, "%s%lld", d ? " x " : "", (long long)t->ne[d]);
}

static void print_item(FILE *out, const struct quantize_item *item)
{
    char shape[96], types[32];
    const struct tensor *t = item->from;
    format_shape(t, shape, sizeof shape);
    snprintf(types, sizeof types, "%s -> %s", tensor_type_name(t->type), tensor_type_name(item->type));
    fprintf(out, "%-32s %18s  %-16s %10.2f MB -> %8.2f MB%s\n", t->name, shape,
            item->type == t->type ? tensor_type_name(t->type) : types, (double)t->bytes / MB, (double)item->bytes / MB,
            item->fallback ? "  (rows do not fill the mixture's blocks)" : "");
}

static double bits_per_weight(const struct quantize_plan *plan)
{
    return plan->parameters ? (double)plan->bytes_after * 8 / (double)plan->parameters : 0;
}

static void print_sums(FILE *out, const struct quantize_plan *plan, const struct arguments *a, double seconds)
{
    fprintf(out, "\n%s: %.2f MB -> %.2f MB, %.2f bits a weight", quantize_mix_info(plan->mix)->name,
            (double)plan->bytes_before / MB, (double)plan->bytes_after / MB, bits_per_weight(plan));
    if (a->dry_run)
        fprintf(out, "; nothing was written\n");
    else
        fprintf(out, ", %.1f s; wrote %s\n", seconds, a->out);
    if (plan->n_fallback)
        fprintf(out, "%lld tensors have rows that are no multiple of 256 and take a type with other blocks\n",
                (long long)plan->n_fallback);
}

static void print_warnings(const struct quantize_plan *plan)
{
    if (plan->n_requantised)
        fprintf(stderr, "rung: %lld tensors were quantised already and lose more now; start from F16 or BF16\n",
                (long long)plan->n_requantised);
    if (plan->n_without_importance)
        fprintf(stderr, "rung: the importance matrix does not name %lld quantised tensors; they are done without\n",
                (long long)plan->n_without_importance);
}

static void put_item(struct json_writer *w, const struct quantize_item *item)
{
    json_open_object(w);
    json_put_cstr(w, "name", item->from->name);
    json_key(w, "shape");
    json_open_array(w);
    for (int d = 0; d < item->from->n_dims; d++)
        json_i64(w, item->from->ne[d]);
    json_close_array(w);
    json_put_cstr(w, "from", tensor_type_name(item->from->type));
    json_put_cstr(w, "to", tensor_type_name(item->type));
    json_put_i64(w, "bytes_before", (int64_t)item->from->bytes);
    json_put_i64(w, "bytes_after", (int64_t)item->bytes);
    json_put_bool(w, "fallback", item->fallback);
    json_close_object(w);
}

static int print_json(const struct quantize_plan *plan, const struct arguments *a)
{
    struct buf out = BUF_INIT(JSON_BYTES);
    struct json_writer w = JSON_WRITER(&out);
    struct err err = ERR_INIT;
    json_open_object(&w);
    json_put_cstr(&w, "input", a->in);
    json_put_cstr(&w, "output", a->out);
    json_put_cstr(&w, "type", quantize_mix_info(plan->mix)->name);
    json_put_bool(&w, "written", !a->dry_run);
    json_put_i64(&w, "parameters", plan->parameters);
    json_put_i64(&w, "bytes_before", plan->bytes_before);
    json_put_i64(&w, "bytes_after", plan->bytes_after);
    json_put_f64(&w, "bits_per_weight", bits_per_weight(plan));
    json_put_i64(&w, "fallbacks", plan->n_fallback);
    json_put_i64(&w, "requantised", plan->n_requantised);
    json_put_i64(&w, "without_importance", plan->n_without_importance);
    json_key(&w, "tensors");
    json_open_array(&w);
    for (int64_t i = 0; i < plan->n_items; i++)
        put_item(&w, &plan->items[i]);
    json_close_array(&w);
    json_close_object(&w);
    bool ok = buf_check(&out, "the report", &err);
    if (ok)
        printf(STR_FMT "\n", STR_ARG(buf_view(&out)));
    buf_free(&out);
    return ok ? EXIT_OK : cli_fail(&err);
}

/* ---- the work ---- */
struct show {
    const struct quantize_plan *plan;
    struct progress progress;
    int64_t shown;                     /* items */
    bool lines;
};

static bool show_step(void *ctx, int64_t items, int64_t bytes)
{
    struct show *s = ctx;
    if (s->shown < items && s->lines)
        progress_hide(&s->progress);
    for (; s->shown < items; s->shown++)
        if (s->lines)
            print_item(stdout, &s->plan->items[s->shown]);
    if (s->lines)
        fflush(stdout);
    progress_step(&s->progress, bytes / (int64_t)MB);
    return !run_interrupted();
}

static bool check_out(const struct arguments *a, struct err *err)
{
    return a->force || access(a->out, F_OK) != 0 ||
           err_set(err, ERR_INVALID, "%s exists already; --force writes over it", a->out);
}

static bool write_file(const struct arguments *a, const struct quantize_plan *plan, struct err *err)
{
    struct show show = {.plan = plan, .lines = !a->json};
    run_catch_interrupts();   /* so that Ctrl-C leaves nothing half-written */
    progress_start(&show.progress, "MB", plan->bytes_before / (int64_t)MB);
    bool ok = quantize_write(plan, a->out, a->threads, show_step, &show, err);
    progress_hide(&show.progress);
    if (!ok && err->code == ERR_CANCELLED)
        err_set(err, ERR_CANCELLED, "stopped by Ctrl-C; %s was not written", a->out);
    return ok;
}

static int report(const struct arguments *a, const struct quantize_plan *plan, double seconds)
{
    if (a->json)
        return print_json(plan, a);
    for (int64_t i = 0; a->dry_run && i < plan->n_items; i++)
        print_item(stdout, &plan->items[i]);
    print_sums(stdout, plan, a, seconds);
    return EXIT_OK;
}

static int quantize(struct arguments *a)
{
    struct err err = ERR_INIT;
    struct gguf *from = NULL;
    struct imatrix *imatrix = NULL;
    struct quantize_plan plan = {0};
    int rc = EXIT_FAILED;
    if ((!a->dry_run && !check_out(a, &err)) || !gguf_open(a->in, &from, &err) ||
        (a->imatrix && !imatrix_open(a->imatrix, &imatrix, &err)))
        goto out;
    a->options.imatrix = imatrix;
    if (!quantize_plan_make(from, &a->options, &plan, &err))
        goto out;
    print_warnings(&plan);
    int64_t start = clock_ns();
    if (a->dry_run || write_file(a, &plan, &err))
        rc = report(a, &plan, (double)(clock_ns() - start) / 1e9);
out:
    quantize_plan_free(&plan);
    imatrix_close(imatrix);
    gguf_close(from);
    return err.code == ERR_NONE ? rc : cli_fail(&err);
}

int cmd_quantize(int argc, char **argv)
{
    static const struct option options[] = {
        {"imatrix", required_argument, NULL, 'm'},
        {"output-type", required_argument, NULL, OPTION_OUTPUT_TYPE},
        {"token-embedding-type", required_argument, NULL, OPTION_EMBEDDING_TYPE},
        {"tensor-type", required_argument, NULL, OPTION_TENSOR_TYPE},
        {"threads", required_argument, NULL, 't'},
        {"dry-run", no_argument, NULL, 'n'},
        {"force", no_argument, NULL, 'f'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct arguments a = {.options = QUANTIZE_OPTIONS(MIX_Q4_K_M)};
    struct err err = ERR_INIT;
    optind = 1;
    for (int o; (o = getopt_long(argc, argv, "m:t:nfjh", options, NULL)) != -1;) {
        if (o == 'h') {
            print_help();
            return EXIT_OK;
        }
        if (o == '?')
            return EXIT_USAGE;
        if (!take_option(&a, o, &err))
            return cli_usage("quantize", "%s", err.msg);
    }
    if (!take_names(&a, argc - optind, argv + optind, &err))
        return cli_usage("quantize", "%s", err.msg);
    return quantize(&a);
}
