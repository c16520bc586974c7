/* rung fit: will a model run here. Finds its header (a file, the store, a host far away) or takes a number of
 * parameters, measures this machine, and says what memory and speed to expect. */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/fit/fit.h"
#include "cli/store/models.h"

#define MAX_CONTEXT (INT64_C(1) << 24)
#define MIN_PARAMETERS 1e6
#define MAX_PARAMETERS 1e13

static const char help[] =
    "usage: rung fit [MODEL | PARAMETERS] [--context N] [--kv-cache TYPE] [--json]\n\n"
    "Says whether a model runs on this machine: memory for weights, context and computing, the speed that the\n"
    "measured memory bandwidth allows, and which quantisation fits. Reads the header of the model's file only, also\n"
    "of one that is still on its host. Without a model: a recommendation for this machine and for usual ones.\n\n"
    "  MODEL               a file, a name of the store, or any name that rung pull takes\n"
    "  PARAMETERS          such as 4b or 1.7b, for an estimate\n"
    "  -n, --context N     tokens of context to count with; default 8192, at most the model's own\n"
    "      --kv-cache TYPE how keys and values are kept: f16, or q8_0 in half of the memory\n"
    "  -j, --json          one JSON object\n"
    "  -h, --help          this text\n\n"
    "Exit status: 0 when it fits, 1 when it does not or could not be found out, 2 for wrong options.\n\n"
    "examples:\n"
    "  rung fit\n"
    "  rung fit qwen3:4b --context 32768\n"
    "  rung fit hf.co/unsloth/gemma-3-4b-it-GGUF:Q4_K_M\n"
    "  rung fit 14b --json | jq '.quantisations[] | select(.fits)'\n";

/* "4b", "1.7B", "600m": a number of parameters. */
static bool parse_parameters(const char *text, double *ret)
{
    char *end;
    double v = strtod(text, &end);
    double unit = *end == 'b' || *end == 'B' ? 1e9 : *end == 'm' || *end == 'M' ? 1e6 : 0;
    if (end == text || unit == 0 || end[1] != '\0' || !isfinite(v) || v * unit < MIN_PARAMETERS ||
        v * unit > MAX_PARAMETERS || access(text, F_OK) == 0)
        return false;
    *ret = v * unit;
    return true;
}

/* The mixture that the file names, else the type that most bytes of the weights have. */
static const char *type_of(const struct gguf *g)
{
    uint32_t file_type = UINT32_MAX;
    gguf_get_u32(g, "general.file_type", &file_type, NULL);
    for (int mix = 0; mix < QUANTIZE_MIXES; mix++)
        if (quantize_mix_info((enum quantize_mix)mix)->file_type == file_type)
            return quantize_mix_info((enum quantize_mix)mix)->name;
    int64_t bytes[TENSOR_TYPES] = {0};
    uint32_t best = 0;
    for (int64_t i = 0; i < gguf_tensor_count(g); i++) {
        const struct tensor *t = gguf_tensor_at(g, i);
        bytes[t->type] += (int64_t)t->bytes;
        best = bytes[t->type] > bytes[best] ? t->type : best;
    }
    return tensor_type_name(best);
}

static bool report_file(const char *name, struct gguf *g, struct fit_report *r, char *display, size_t size,
                        struct err *err)
{
    struct str title = STR("");
    if (!engine_needs_of(g, r->machine.cpus, &r->needs, err) || !gguf_get_str(g, "general.name", &title, err))
        return false;
    struct buf safe = BUF_INIT(4096);
    cli_make_safe(utf8_clip(title, 200), &safe);
    snprintf(display, size, STR_FMT, STR_ARG(buf_view(&safe)));
    buf_free(&safe);
    r->name = name;
    r->display = display;
    r->type = type_of(g);
    r->file = g;
    return true;
}

/* *ret_file: the opened header, or NULL for an estimate; the caller's to close. */
static bool report_model(const char *name, struct fit_report *r, char *display, size_t size, struct gguf **ret_file,
                         struct err *err)
{
    double parameters;
    if (parse_parameters(name, &parameters)) {
        r->name = name;
        r->type = "Q4_K_M";
        r->needs = fit_needs_of_size(parameters);
        return true;
    }
    return fit_open_header(name, ret_file, err) && report_file(name, *ret_file, r, display, size, err);
}

static bool choose_context(struct fit_report *r, struct fit_context c, struct err *err)
{
    int64_t trained = r->needs.n_ctx_train;
    if (c.tokens > trained)
        return err_set(err, ERR_INVALID, "%s was trained for %lld tokens of context; %lld were asked for", r->name,
                       (long long)trained, (long long)c.tokens);
    r->context = c;
    if (c.tokens == 0)
        r->context.tokens = trained < FIT_DEFAULT_CONTEXT ? trained : FIT_DEFAULT_CONTEXT;
    return true;
}

static int fit_model(const char *name, struct fit_context context, bool json)
{
    char display[1024] = "";
    struct err err = ERR_INIT;
    struct gguf *file = NULL;
    struct fit_report r = {.display = display};
    int rc = EXIT_FAILED;
    machine_read(&r.machine);
    if (!report_model(name, &r, display, sizeof display, &file, &err) || !choose_context(&r, context, &err)) {
        cli_fail(&err);
        goto out;
    }
    r.bandwidth = fit_measure_bandwidth(0);
    if (json)
        fit_print_json(&r);
    else
        fit_print(&r);
    rc = fit_fits(&r) ? EXIT_OK : EXIT_FAILED;
out:
    gguf_close(file);
    return rc;
}

static int fit_machines(struct fit_context context, bool json)
{
    struct machine m;
    machine_read(&m);
    double bandwidth = fit_measure_bandwidth(0);
    context.tokens = context.tokens ? context.tokens : FIT_DEFAULT_CONTEXT;
    if (json)
        fit_print_table_json(&m, bandwidth, context);
    else
        fit_print_table(&m, bandwidth, context);
    return EXIT_OK;
}

int cmd_fit(int argc, char **argv)
{
    enum { OPT_KV_CACHE = 256 };
    static const struct option options[] = {{"context", required_argument, NULL, 'n'},
                                            {"kv-cache", required_argument, NULL, OPT_KV_CACHE},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct cli_model_options counted = {0};
    bool json = false;
    optind = 1;
    for (int o; (o = getopt_long(argc, argv, "n:jh", options, NULL)) != -1;) {
        switch (o) {
        case 'n':
            if (!str_to_i64(str_of(optarg), &counted.context) || counted.context < 1 || counted.context > MAX_CONTEXT)
                return cli_usage("fit", "--context '%s' is no number of tokens from 1 to %lld", optarg,
                                 (long long)MAX_CONTEXT);
            break;
        case OPT_KV_CACHE:
            if (!cli_take_kv_cache("fit", optarg, &counted))
                return EXIT_USAGE;
            break;
        case 'j': json = true; break;
        case 'h': fputs(help, stdout); return EXIT_OK;
        default: return EXIT_USAGE;
        }
    }
    if (argc - optind > 1)
        return cli_usage("fit", "one model at a time; '%s' is not expected", argv[optind + 1]);
    struct fit_context context = {counted.context, counted.kv_q8 ? TENSOR_Q8_0 : TENSOR_F16};
    return optind < argc ? fit_model(argv[optind], context, json) : fit_machines(context, json);
}
