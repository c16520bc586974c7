/* rung bench: how fast a model runs on this machine. Reads its options, finds the model's file, and has the rooms of
 * bench/ plan, measure and report. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/bench/bench.h"
#include "cli/cli.h"
#include "cli/store/models.h"
#include "engine/engine.h"

#define DEFAULT_ROUNDS 5

static const char help[] =
    "usage: rung bench [OPTIONS] MODEL\n\n"
    "Measures how fast a model runs on this machine: reading prompts, writing answers in one and several streams, and\n"
    "what share that is of what the machine allows (memory read, multiply-adds), measured in turns with the tests.\n"
    "MODEL is a name of the configuration or of the store, the path of a GGUF file, or starter. A LIST is numbers\n"
    "with commas, and every combination is a test; 0 leaves a kind of test out. A 4B model takes about a minute.\n\n"
    "  -p, --prompt LIST       tokens of a prompt to read; 512 unless given\n"
    "  -n, --generate LIST     tokens to write; 32 unless given\n"
    "  -b, --streams LIST      answers written at once; 1,8 unless given\n"
    "  -d, --depth LIST        tokens of context before the test begins; 0 unless given\n"
    "  -k, --kv-cache LIST     how keys and values are kept: f16, q8_0; f16 unless given\n"
    "      --prefix LIST       time to first token behind an instruction of so many tokens, seen before and not\n"
    "  -t, --threads LIST      compute threads; one per CPU unless given\n"
    "  -r, --repetitions N     runs of each test, after one to warm up; 5 unless given\n"
    "      --config FILE       the configuration that names models\n"
    "  -j, --json              one JSON object, with the seconds of every run\n"
    "  -h, --help              this text\n\n"
    "examples:\n"
    "  rung bench qwen3:4b\n"
    "  rung bench ./qwen3-4b-q4_k_m.gguf -p 512,2048 -n 64 -t 1,2\n"
    "  rung bench qwen3:4b -p 0 -d 0,8192 --kv-cache f16,q8_0\n"
    "  rung bench qwen3:4b -p 0 -n 0 --prefix 1000 --json | jq '.tests[0].ratio'\n";

enum { OPT_PREFIX = 256, OPT_CONFIG };

static const struct option long_options[] = {
    {"prompt", required_argument, NULL, 'p'},      {"generate", required_argument, NULL, 'n'},
    {"streams", required_argument, NULL, 'b'},     {"depth", required_argument, NULL, 'd'},
    {"kv-cache", required_argument, NULL, 'k'},          {"prefix", required_argument, NULL, OPT_PREFIX},
    {"threads", required_argument, NULL, 't'},     {"repetitions", required_argument, NULL, 'r'},
    {"config", required_argument, NULL, OPT_CONFIG}, {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},              {0},
};

/* The next piece of a list, and where the one after it begins (NULL: nowhere). */
static struct str list_piece(const char **at)
{
    const char *begin = *at, *comma = strchr(begin, ',');
    *at = comma ? comma + 1 : NULL;
    return comma ? (struct str){begin, (size_t)(comma - begin)} : str_of(begin);
}

static bool take_numbers(const char *name, int64_t min, int64_t max, struct bench_list *ret)
{
    struct bench_list list = {0};
    for (const char *at = optarg; at; list.n++) {
        struct str piece = list_piece(&at);
        if (list.n == BENCH_MAX_VALUES) {
            cli_usage("bench", "--%s takes at most %d numbers", name, BENCH_MAX_VALUES);
            return false;
        }
        int64_t *v = &list.v[list.n];
        if (!str_to_i64(piece, v) || *v < min || *v > max) {
            cli_usage("bench", "--%s takes numbers from %lld to %lld with commas between, not '%s'", name,
                      (long long)min, (long long)max, optarg);
            return false;
        }
    }
    *ret = list;
    return true;
}

static bool take_kv(struct bench_list *ret)
{
    struct bench_list list = {0};
    for (const char *at = optarg; at && list.n < BENCH_MAX_VALUES; list.n++) {
        struct str piece = list_piece(&at);
        bool f16 = str_eq_nocase(piece, STR("f16"));
        if (!f16 && !str_eq_nocase(piece, STR("q8_0"))) {
            cli_usage("bench", "--kv-cache takes f16 and q8_0, not '%s'", optarg);
            return false;
        }
        list.v[list.n] = f16 ? TENSOR_F16 : TENSOR_Q8_0;
    }
    *ret = list;
    return true;
}

static bool take_rounds(int *ret)
{
    int64_t n;
    if (str_to_i64(str_of(optarg), &n) && n >= 1 && n <= BENCH_MAX_ROUNDS) {
        *ret = (int)n;
        return true;
    }
    cli_usage("bench", "--repetitions takes a number from 1 to %d, not '%s'", BENCH_MAX_ROUNDS, optarg);
    return false;
}

static bool take_option(int option, struct bench_options *o)
{
    switch (option) {
    case 'p': return take_numbers("prompt", 0, ENGINE_MAX_CONTEXT, &o->prompts);
    case 'n': return take_numbers("generate", 0, ENGINE_MAX_CONTEXT, &o->answers);
    case 'b': return take_numbers("streams", 1, BENCH_MAX_STREAMS, &o->streams);
    case 'd': return take_numbers("depth", 0, ENGINE_MAX_CONTEXT, &o->depths);
    case 'k': return take_kv(&o->kv);
    case OPT_PREFIX: return take_numbers("prefix", 0, ENGINE_MAX_CONTEXT, &o->prefixes);
    case 't': return take_numbers("threads", 1, POOL_THREADS_MAX, &o->threads);
    case 'r': return take_rounds(&o->rounds);
    case OPT_CONFIG: o->config_path = optarg; return true;
    case 'j': o->json = true; return true;
    default: return false; /* getopt_long has said why */
    }
}

/* Bytes of this process that are no file's; 0: not known. */
static int64_t bytes_beside_files(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];
    long long kib = 0;
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "RssAnon: %lld kB", &kib) == 1)
            break;
    if (status)
        fclose(status);
    return (int64_t)kib * 1024;
}

void bench_ran(struct bench *b)
{
    int64_t bytes = bytes_beside_files();
    b->beside_bytes = bytes > b->beside_bytes ? bytes : b->beside_bytes;
    progress_step(&b->progress, ++b->runs);
}

static bool same_setting(const struct bench_row *a, const struct bench_row *b)
{
    return a->kind != BENCH_PREFIX && b->kind != BENCH_PREFIX && a->threads == b->threads && a->kv == b->kv &&
           a->depth == b->depth;
}

static bool measure(struct bench *b, struct err *err)
{
    bool ok = true;
    progress_start(&b->progress, "runs", (int64_t)b->n_rows * (b->options->rounds + 1));
    for (int first = 0, end; ok && first < b->n_rows; first = end) {
        for (end = first + 1; end < b->n_rows && same_setting(&b->rows[first], &b->rows[end]);)
            end++;
        ok = b->rows[first].kind == BENCH_PREFIX ? bench_run_prefix(b, &b->rows[first], err)
                                                 : bench_run_turns(b, first, end, err);
    }
    progress_hide(&b->progress);
    return ok;
}

static bool describe(struct bench *b, struct err *err)
{
    struct pool *pool;
    struct engine *engine;
    if (!engine_needs_of(b->gguf, b->machine.cpus, &b->needs, err) || !pool_open(1, &pool, err))
        return false;
    bool ok = engine_open(b->gguf, pool, &engine, err);
    if (ok) {
        const struct engine_info *info = engine_info(engine);
        b->n_vocab = info->n_vocab;
        b->n_embd = info->n_embd;
        b->experts = info->n_expert > 0;
        engine_close(engine);
    }
    pool_close(pool);
    return ok;
}

static int bench(struct bench_options *o)
{
    struct bench b = {.options = o};
    struct cli_model_options options = {.config_path = o->config_path, .threads = 0};
    struct filemap *map;
    struct err err = ERR_INIT;
    int rc = EXIT_FAILED;
    machine_read(&b.machine);
    if (o->threads.n == 0)
        o->threads = (struct bench_list){1, {b.machine.cpus}};
    if (!cli_map_model(o->model, &options, &map, &err) || !gguf_open_map(map, &b.gguf, &err) || !describe(&b, &err) ||
        !bench_plan(&b, &err))
        goto out;
    bench_announce(&b);
    if (!measure(&b, &err))
        goto out;
    if (o->json)
        bench_print_json(&b);
    else
        bench_print(&b);
    rc = EXIT_OK;
out:
    if (rc != EXIT_OK)
        cli_fail(&err);
    free(b.rows);
    gguf_close(b.gguf);
    return rc;
}

static bool all_zero(const struct bench_list *list)
{
    for (int i = 0; i < list->n; i++)
        if (list->v[i] > 0)
            return false;
    return true;
}

int cmd_bench(int argc, char **argv)
{
    struct bench_options o = {
        .prompts = {1, {512}}, .answers = {1, {32}}, .streams = {2, {1, 8}}, .depths = {1, {0}},
        .kv = {1, {TENSOR_F16}}, .rounds = DEFAULT_ROUNDS,
    };
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "p:n:b:d:k:t:r:jh", long_options, NULL)) != -1;) {
        if (option == 'h') {
            fputs(help, stdout);
            return EXIT_OK;
        }
        if (!take_option(option, &o))
            return EXIT_USAGE;
    }
    if (optind == argc)
        return cli_usage("bench", "which model? give a path, a name of the configuration or of the store, or starter");
    if (argc - optind > 1)
        return cli_usage("bench", "one model at a time; '%s' is not expected", argv[optind + 1]);
    if (all_zero(&o.prompts) && all_zero(&o.answers) && all_zero(&o.prefixes))
        return cli_usage("bench", "there is nothing to measure: --prompt, --generate and --prefix are all 0");
    o.model = argv[optind];
    return bench(&o);
}
