/* rung run: reads its options, opens the model, and answers once, as text or JSON, or starts a chat. */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "base/rng.h"
#include "cli/cli.h"
#include "cli/run/run.h"
#include "cli/store/store.h"

/* For models that chat; the starter's narrow tasks have one right answer, so it is greedy. */
#define DEFAULT_TEMPERATURE 0.6f
#define DEFAULT_TOP_P 0.95f
#define DEFAULT_TOP_K 20

static const char help[] =
    "usage: rung run [OPTIONS] MODEL [PROMPT]\n\n"
    "Answers PROMPT with a model in this process, and connects to nothing. Without PROMPT it reads one from\n"
    "standard input, or starts a chat where that is a terminal. MODEL is a name of the configuration or of the store\n"
    "(qwen3:4b; rung list), the path of a GGUF file, or starter, the embedded model; rung run starter shows what that\n"
    "one can do. What is not here is offered to be fetched where a person is at the terminal. The answer goes to\n"
    "standard output, timing to standard error. Reasoning is shown (dimmed) on a terminal only, and with --json.\n\n"
    "  -s, --system TEXT     the system prompt\n"
    "  -n, --max-tokens N    end the answer after N tokens\n"
    "  -t, --temp T          temperature, 0.6 unless given (the starter: 0); 0 always takes the likeliest token\n"
    "      --top-p P         of the likeliest tokens only those that make up P, 0.95 unless given; 1 is off\n"
    "      --top-k K         only the K likeliest tokens, 20 unless given; 0 is off\n"
    "      --think HOW       reasoning on, off, low, medium or high, where the model lets one choose\n"
    "      --seed N          the same seed gives the same answer; a random one unless given\n"
    "  -c, --context N       tokens of context; the model's own, at most 8192, unless given\n"
    "      --kv-cache TYPE   how keys and values are kept: f16, or q8_0 in half of the memory\n"
    "      --kv-memory SIZE  most memory for them, such as 2GB\n"
    "      --threads N       compute threads, one per CPU unless given\n"
    "      --config FILE     the configuration that names models\n"
    "      --schema FILE     hold the answer to a JSON Schema; rung check explains what that means\n"
    "      --any-order       its properties in any order, not as declared\n"
    "      --relaxed         ignore what of the schema is not understood, which else is refused\n"
    "      --choices A,B,C   the answer is one of these, to the letter\n"
    "      --regex R         the whole answer matches a regular expression\n"
    "      --grammar FILE    hold it to a grammar (GBNF, as llama.cpp writes it)\n"
    "  -j, --json            one JSON object: text, reasoning, finish_reason, valid, confidence, usage, timings; with\n"
    "                        --choices also the probability of each\n"
    "  -h, --help            this text\n\n"
    "Exit status: 0 with an answer, 1 without one, 2 for wrong options, 3 when a rule was given and the answer was\n"
    "cut or breaks it.\n\n"
    "examples:\n"
    "  rung run starter\n"
    "  rung run starter --system 'Name the intent of this request.' 'what is the weather in Rome'\n"
    "  rung run ./qwen3-4b-q4_k_m.gguf 'Why is the sky blue?'\n"
    "  rung run --choices yes,no ./qwen3-4b-q4_k_m.gguf 'Is Rome older than London?'\n"
    "  rung run --schema person.json ./qwen3-4b-q4_k_m.gguf 'Ann Lee, 34, of Bern'\n"
    "  rung run --json --seed 1 ./qwen3-4b-q4_k_m.gguf < question.txt\n";

enum { OPT_TOP_P = 256, OPT_TOP_K, OPT_SEED, OPT_THREADS, OPT_CONFIG, OPT_THINK, OPT_KV_CACHE, OPT_KV_MEMORY };

static const struct option long_options[] = {
    {"system", required_argument, NULL, 's'},    {"max-tokens", required_argument, NULL, 'n'},
    {"temp", required_argument, NULL, 't'},      {"top-p", required_argument, NULL, OPT_TOP_P},
    {"top-k", required_argument, NULL, OPT_TOP_K}, {"seed", required_argument, NULL, OPT_SEED},
    {"context", required_argument, NULL, 'c'},   {"threads", required_argument, NULL, OPT_THREADS},
    {"config", required_argument, NULL, OPT_CONFIG}, {"json", no_argument, NULL, 'j'},
    {"kv-cache", required_argument, NULL, OPT_KV_CACHE}, {"kv-memory", required_argument, NULL, OPT_KV_MEMORY},
    {"think", required_argument, NULL, OPT_THINK}, {"help", no_argument, NULL, 'h'},
    CLI_RULE_LONG_OPTIONS,
    {0},
};

/* Below zero: not given. */
struct given {
    struct run_options o;
    double temp, top_p;
    int64_t top_k, seed;
    struct cli_rule_options rule;
    const char *prompt;
};

static bool take_i64(const char *name, int64_t min, int64_t max, int64_t *ret)
{
    if (str_to_i64(str_of(optarg), ret) && *ret >= min && *ret <= max)
        return true;
    cli_usage("run", "--%s takes a whole number from %lld to %lld, not '%s'", name, (long long)min, (long long)max,
              optarg);
    return false;
}

static bool take_f64(const char *name, double min, double max, double *ret)
{
    if (str_to_f64(str_of(optarg), ret) && *ret >= min && *ret <= max)
        return true;
    cli_usage("run", "--%s takes a number from %g to %g, not '%s'", name, min, max, optarg);
    return false;
}

static bool take_think(struct run_options *o)
{
    static const char *const hows[] = {"off", "on", "low", "medium", "high"};
    for (int i = 0; i < 5; i++) {
        if (strcmp(optarg, hows[i]) != 0)
            continue;
        o->enable_thinking = i > 0;
        o->reasoning_effort = i > 1 ? str_of(hows[i]) : STR("");
        return true;
    }
    cli_usage("run", "--think is on, off, low, medium or high, not '%s'", optarg);
    return false;
}

static bool take_option(int option, struct given *g)
{
    int64_t n = 0;
    switch (option) {
    case 's':
        g->o.system = optarg;
        return true;
    case 'n':
        return take_i64("max-tokens", 1, ENGINE_MAX_CONTEXT, &g->o.max_tokens);
    case 't':
        return take_f64("temp", 0, 100, &g->temp);
    case OPT_TOP_P:
        return take_f64("top-p", 0.001, 1, &g->top_p);
    case OPT_TOP_K:
        return take_i64("top-k", 0, INT32_MAX, &g->top_k);
    case OPT_SEED:
        return take_i64("seed", 0, INT64_MAX, &g->seed);
    case 'c':
        return take_i64("context", 1, ENGINE_MAX_CONTEXT, &g->o.model.context);
    case OPT_THREADS:
        if (!take_i64("threads", 1, POOL_THREADS_MAX, &n))
            return false;
        g->o.model.threads = (int)n;
        return true;
    case OPT_KV_CACHE:
        return cli_take_kv_cache("run", optarg, &g->o.model);
    case OPT_KV_MEMORY:
        return cli_take_kv_memory("run", optarg, &g->o.model);
    case OPT_CONFIG:
        g->o.model.config_path = optarg;
        return true;
    case OPT_THINK:
        return take_think(&g->o);
    case 'j':
        g->o.json = true;
        return true;
    default:
        return cli_take_rule(option, &g->rule); /* false: getopt_long has said why */
    }
}

static void choose_sampler(struct given *g, bool starter)
{
    struct sampler s = SAMPLER_GREEDY;
    s.temperature = g->temp >= 0 ? (float)g->temp : starter ? 0 : DEFAULT_TEMPERATURE;
    s.top_p = g->top_p >= 0 ? (float)g->top_p : DEFAULT_TOP_P;
    s.top_k = g->top_k >= 0 ? (int)g->top_k : DEFAULT_TOP_K;
    s.seed = g->seed >= 0 ? (uint64_t)g->seed : rng_entropy() >> 11; /* 53 bits: JSON numbers hold them */
    g->o.sampler = s;
}

/* The prompt on standard input, without its last newline. */
static bool read_prompt(struct buf *out, struct err *err)
{
    char chunk[65536];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, stdin)) > 0)
        buf_add(out, chunk, n);
    if (ferror(stdin))
        return err_errno(err, ERR_IO, "cannot read standard input");
    if (out->n > 0 && out->p[out->n - 1] == '\n')
        out->n--;
    return buf_check(out, "the prompt", err);
}

static bool print_json(const struct cli_model *m, const struct run_options *o, const struct chat_message *messages,
                       int n, const struct run_answer *a, struct err *err)
{
    struct run_posterior posterior;
    bool ok = run_posterior(m, o, messages, n, &posterior, err) && run_print_json(o, a, &posterior, err);
    run_posterior_free(&posterior);
    return ok;
}

static int answer_once(const struct cli_model *m, const struct run_options *o, struct str prompt)
{
    const struct chat_message all[2] = {{STR("system"), str_of(o->system)}, {STR("user"), prompt}};
    const struct chat_message *messages = o->system ? all : all + 1;
    int n = o->system ? 2 : 1;
    struct err err = ERR_INIT;
    struct run_answer a;
    if (m->starter && !o->system)
        fprintf(stderr,
                "rung: the starter knows three tasks, each named by --system; without it the answer means little "
                        "(rung run starter shows them)\n");
    bool ok = run_answer(m, o, messages, n, !o->json, &a, &err);
    if (ok && o->json)
        ok = print_json(m, o, messages, n, &a, &err);
    else if (ok)
        run_print_timing(&a);
    int rc = !ok ? cli_fail(&err) : a.finish == FINISH_CANCELLED ? EXIT_FAILED : EXIT_OK;
    if (rc == EXIT_OK && !a.valid) {
        err_prefix(&a.why, "the answer is not what the rule asks for: ");
        cli_fail(&a.why);
        rc = EXIT_UNFIT;
    }
    run_answer_free(&a);
    return rc;
}

static bool open_or_offer(const struct run_options *o, struct cli_model *m, struct err *err)
{
    if (cli_open_model(o->name, &o->model, m, err))
        return true;
    return err->code == ERR_NOT_FOUND && store_offer_pull(o->model.config_path, o->name) &&
           cli_open_model(o->name, &o->model, m, err);
}

static int run(struct given *g)
{
    struct cli_model m = {0};
    struct cli_rule rule;
    struct err err = ERR_INIT;
    struct buf input = BUF_INIT(RUN_MAX_TEXT_BYTES);
    bool terminal = isatty(STDIN_FILENO);
    int rc = EXIT_FAILED;
    if (!cli_rule_read(&g->rule, &rule, &err) || !open_or_offer(&g->o, &m, &err) ||
        (!g->prompt && !terminal && !read_prompt(&input, &err))) {
        cli_fail(&err);
        goto out;
    }
    g->o.rule = rule.what ? &rule : NULL;
    choose_sampler(g, m.starter);
    run_catch_interrupts();
    struct str prompt = g->prompt ? str_of(g->prompt) : buf_view(&input);
    if (prompt.n > 0)
        rc = answer_once(&m, &g->o, prompt);
    else if (m.starter && !g->prompt && !g->o.json && !g->o.rule)
        rc = run_examples(&m, &g->o);
    else if (!g->prompt && terminal && !g->o.json)
        rc = run_chat(&m, &g->o);
    else
        rc = cli_usage("run", "the prompt is empty");
out:
    if (m.rt)
        cli_close_model(&m);
    cli_rule_free(&rule);
    buf_free(&input);
    return rc;
}

int cmd_run(int argc, char **argv)
{
    struct given g = {.temp = -1, .top_p = -1, .top_k = -1, .seed = -1, .o.enable_thinking = -1};
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "s:n:t:c:jh", long_options, NULL)) != -1;) {
        if (option == 'h') {
            fputs(help, stdout);
            return EXIT_OK;
        }
        if (!take_option(option, &g))
            return EXIT_USAGE;
    }
    if (optind == argc)
        return cli_usage("run", "which model? give a path, a name of the configuration, or starter");
    if (argc - optind > 2)
        return cli_usage("run", "'%s' is not expected; a prompt of several words needs quotes", argv[optind + 2]);
    if (cli_rule_fault(&g.rule))
        return cli_usage("run", "%s", cli_rule_fault(&g.rule));
    g.o.name = argv[optind];
    g.prompt = optind + 1 < argc ? argv[optind + 1] : NULL;
    return run(&g);
}
