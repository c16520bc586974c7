/* rung route: a file of requests down the same path as `rung serve`, several at a time; results in the order of the
 * lines. Lines, sums, results and the summary have files of their own in route/. */
#include <getopt.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/route/route.h"

#define RING 1024                         /* results that may wait for an earlier line */
#define DEFAULT_PARALLEL 4
#define DEFAULT_SHOW 3
#define DEFAULT_PER_DAY 10000
#define ROUTE_MAX_PER_DAY 1000000000
#define RESULT_MAX_BYTES (64u << 20)
#define REQUEST_ARENA_MAX (160u << 20)

static const char help[] =
    "usage: rung route FILE.jsonl [--config FILE] [--explain] [--json] [--dry-run] [--parallel N] [--output FILE]\n"
    "                  [--show N] [--per-day N]\n\n"
    "Takes a file of requests (an OpenAI chat-completions body on each line, or OpenAI's batch lines) down the same\n"
    "path as rung serve, and shows what was kept local, what climbed and why, and the bill before and after.\n"
    "FILE - is standard input. metadata.id (or custom_id) names a request in the results.\n\n"
    "  -c, --config FILE   the configuration; without it ./rung.yaml, ~/.config/rung/rung.yaml, built-in defaults\n"
    "  -e, --explain       a line for each request: kind, tier, confidence, answer, reason\n"
    "  -j, --json          a JSON object for each request on standard output; the summary goes to standard error\n"
    "  -n, --dry-run       answer nothing: kinds, tiers, shares, and costs with their assumptions\n"
    "  -p, --parallel N    requests at a time, 1 to 64; default 4\n"
    "  -o, --output FILE   write the JSON objects there\n"
    "  -s, --show N        how many answers the summary shows, from the surest to the least sure; default 3\n"
    "  -d, --per-day N     the number of requests a day that the yearly saving is counted for; default 10000\n"
    "  -h, --help          this text\n\n"
    "examples:\n"
    "  rung route examples/requests.jsonl\n"
    "  rung route requests.jsonl --dry-run --explain\n"
    "  rung route requests.jsonl --json | jq -r '[.id, .tier, .confidence] | @tsv'\n";

struct options {
    const char *file, *config, *output;
    bool explain, json, dry_run;
    int parallel, show, per_day;
};

struct slot {
    bool done;
    struct buf text;                      /* for `out` */
    struct buf complaint;                 /* for stderr */
};

struct job {
    const struct options *o;
    struct gateway *g;
    FILE *out;                            /* results; NULL: none are shown */
    bool json;                            /* their form */
    pthread_mutex_t read_lock;
    struct route_lines lines;             /* under read_lock */
    int64_t n_read;
    bool at_end;
    pthread_mutex_t lock;                 /* everything below */
    pthread_cond_t room;
    int64_t n_shown, n_done;
    struct slot ring[RING];
    struct route_sums sums;
    int64_t n_failed;                     /* requests that ended in an error */
    struct progress progress;
    bool write_failed, read_failed;
};

/* ---- one line ---- */

struct line_work {
    struct job *job;
    int64_t index, number;                /* its place in the output; its line number */
    struct buf text;
    struct err read_err;                  /* a line that could not be read */
};

static void complain(struct slot *slot, const struct job *job, int64_t number, const struct err *err)
{
    buf_printf(&slot->complaint, "rung route: %s:%lld: %s\n", job->lines.name, (long long)number, err->msg);
}

/* Results that are complete up to here leave in order. Under the lock. */
static void show_ready(struct job *job)
{
    for (struct slot *s; (s = &job->ring[job->n_shown % RING])->done; job->n_shown++) {
        if (s->complaint.n || s->text.n)
            progress_hide(&job->progress);
        if (s->complaint.n)
            fwrite(s->complaint.p, 1, s->complaint.n, stderr);
        if (s->text.n && job->out && fwrite(s->text.p, 1, s->text.n, job->out) != s->text.n)
            job->write_failed = true;
        buf_free(&s->text);
        buf_free(&s->complaint);
        s->done = false;
    }
    if (job->out && fflush(job->out) != 0)
        job->write_failed = true;
    pthread_cond_broadcast(&job->room);
}

static void finish_line(struct job *job, int64_t index, struct slot *made)
{
    job->ring[index % RING] = *made;
    job->ring[index % RING].done = true;
    job->n_done++;
    show_ready(job);
    progress_step(&job->progress, job->n_done);
}

static void bad_line(struct line_work *w, const struct err *err)
{
    struct job *job = w->job;
    struct slot made = {.text = BUF_INIT(RESULT_MAX_BYTES), .complaint = BUF_INIT(RESULT_MAX_BYTES)};
    complain(&made, job, w->number, err);
    if (job->json)
        route_write_bad_json(w->number, err, &made.text);
    pthread_mutex_lock(&job->lock);
    job->sums.bad_lines++;
    finish_line(job, w->index, &made);
    pthread_mutex_unlock(&job->lock);
}

static void plan_line(struct line_work *w, struct request *req)
{
    struct job *job = w->job;
    const struct config *c = gateway_config(job->g);
    struct slot made = {.text = BUF_INIT(RESULT_MAX_BYTES), .complaint = BUF_INIT(RESULT_MAX_BYTES)};
    struct plan plan;
    gateway_plan(job->g, req, &plan);
    if (job->json)
        route_write_plan_json(c, req, &plan, w->number, &made.text);
    else if (job->out)
        route_write_plan_text(c, req, &plan, w->number, &made.text);
    pthread_mutex_lock(&job->lock);
    route_sums_add_plan(&job->sums, c, req, &plan);
    finish_line(job, w->index, &made);
    pthread_mutex_unlock(&job->lock);
}

static void answer_line(struct line_work *w, struct request *req)
{
    struct job *job = w->job;
    struct slot made = {.text = BUF_INIT(RESULT_MAX_BYTES), .complaint = BUF_INIT(RESULT_MAX_BYTES)};
    struct reply reply;
    gateway_answer(job->g, req, NULL, &reply);
    if (job->json)
        route_write_json(req, &reply, w->number, &made.text);
    else if (job->out)
        route_write_text(req, &reply, w->number, &made.text);
    if (reply.outcome == REPLY_ERROR)
        complain(&made, job, w->number, &reply.err);
    pthread_mutex_lock(&job->lock);
    job->n_failed += reply.outcome == REPLY_ERROR;
    route_sums_add(&job->sums, gateway_config(job->g), req, &reply);
    finish_line(job, w->index, &made);
    pthread_mutex_unlock(&job->lock);
    reply_free(&reply);
}

static void work_on(struct line_work *w)
{
    struct arena arena = ARENA_INIT(REQUEST_ARENA_MAX);
    struct request req = {0};
    struct err err = ERR_INIT;
    if (w->read_err.code != ERR_NONE)
        bad_line(w, &w->read_err);
    else if (!route_parse_line(str_trim(buf_view(&w->text)), &arena, &req, &err))
        bad_line(w, &err);
    else if (w->job->o->dry_run)
        plan_line(w, &req);
    else
        answer_line(w, &req);
    request_free(&req);
    arena_free(&arena);
}

/* ---- the workers ---- */

/* Results that nobody takes are not worth what the rest of the file would cost. */
static bool results_lost(struct job *job)
{
    pthread_mutex_lock(&job->lock);
    bool lost = job->write_failed;
    pthread_mutex_unlock(&job->lock);
    return lost;
}

/* false at the end of the file. */
static bool take_line(struct job *job, struct line_work *w)
{
    if (results_lost(job))
        return false;
    pthread_mutex_lock(&job->read_lock);
    w->read_err = ERR_INIT;
    bool got = !job->at_end && route_lines_next(&job->lines, &w->text, &w->read_err);
    bool too_long = !got && w->read_err.code == ERR_LIMIT;
    if (!got && !too_long) {
        job->read_failed |= w->read_err.code != ERR_NONE;
        job->at_end = true;
    } else {
        w->index = job->n_read++;
        w->number = job->lines.number;
    }
    pthread_mutex_unlock(&job->read_lock);
    return got || too_long;
}

static void *worker(void *arg)
{
    struct line_work w = {.job = arg, .text = BUF_INIT(ROUTE_MAX_LINE)};
    while (take_line(w.job, &w)) {
        pthread_mutex_lock(&w.job->lock);
        while (w.index - w.job->n_shown >= RING)
            pthread_cond_wait(&w.job->room, &w.job->lock);
        pthread_mutex_unlock(&w.job->lock);
        work_on(&w);
    }
    buf_free(&w.text);
    return NULL;
}

static bool run_workers(struct job *job, struct err *err)
{
    pthread_t threads[ROUTE_MAX_PARALLEL];
    int n = 0;
    while (n < job->o->parallel && pthread_create(&threads[n], NULL, worker, job) == 0)
        n++;
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    return n > 0 || err_set(err, ERR_NOMEM, "cannot start a thread");
}

/* ---- the command ---- */

/* Opening the results' file empties it: it must not be the requests' own. */
static bool is_input(const struct job *job, const char *path)
{
    struct stat in, out;
    return fstat(fileno(job->lines.file), &in) == 0 && stat(path, &out) == 0 && S_ISREG(out.st_mode) &&
           in.st_dev == out.st_dev && in.st_ino == out.st_ino;
}

static bool open_out(struct job *job, struct err *err)
{
    const struct options *o = job->o;
    if (o->output && is_input(job, o->output))
        return err_set(err, ERR_INVALID, "%s holds the requests; write the results to another file", o->output);
    job->json = o->json || o->output;
    if (o->output)
        job->out = fopen(o->output, "we");
    else if (o->json || o->explain)
        job->out = stdout;
    return job->out || !o->output || err_errno(err, ERR_IO, "cannot write %s", o->output);
}

static bool close_out(struct job *job, struct err *err)
{
    bool ok = !job->write_failed;
    if (job->out && job->out != stdout)
        ok = fclose(job->out) == 0 && ok;
    if (!ok)
        err_set(err, ERR_IO, "the results could not all be written%s%s", job->o->output ? " to " : "",
                job->o->output ? job->o->output : "");
    return ok && (!job->read_failed || err_set(err, ERR_IO, "%s could not be read to its end", job->lines.name));
}

static void summarize(struct job *job, double seconds)
{
    bool to_stderr = job->json && !job->o->output;
    FILE *out = to_stderr ? stderr : stdout;
    bool color = cli_color(to_stderr ? STDERR_FILENO : STDOUT_FILENO);
    progress_hide(&job->progress);
    if (job->o->dry_run)
        route_print_plan(out, gateway_config(job->g), &job->sums, color);
    else
        route_print_summary(out, gateway_config(job->g), &job->sums, seconds, job->o->show, job->o->per_day,
                            color);
}

static int run_job(struct job *job)
{
    struct err err = ERR_INIT;
    if (!route_lines_open(job->o->file, &job->lines, &err))
        return cli_fail(&err);
    int64_t start_ns = clock_ns();
    int rc = EXIT_FAILED;
    pthread_mutex_init(&job->read_lock, NULL);
    pthread_mutex_init(&job->lock, NULL);
    pthread_cond_init(&job->room, NULL);
    progress_start(&job->progress, "requests", job->lines.total);
    if (open_out(job, &err) && run_workers(job, &err)) {
        summarize(job, (double)(clock_ns() - start_ns) / 1e9);
        rc = close_out(job, &err) && !job->sums.bad_lines && !job->n_failed ? EXIT_OK : EXIT_FAILED;
    }
    if (err.code != ERR_NONE)
        cli_fail(&err);
    route_sums_free(&job->sums);
    route_lines_close(&job->lines);
    pthread_cond_destroy(&job->room);
    pthread_mutex_destroy(&job->lock);
    pthread_mutex_destroy(&job->read_lock);
    return rc;
}

static int route(const struct options *o)
{
    struct err err = ERR_INIT;
    struct config *c = NULL;
    struct job *job = calloc(1, sizeof *job);
    if (!job || !config_load(o->config, &c, &err)) {
        free(job);
        return cli_fail(&err);
    }
    struct gateway_options options = {.starter = cli_starter(), .no_ledger = o->dry_run};
    int rc = EXIT_FAILED;
    job->o = o;
    if (gateway_open(c, &options, &job->g, &err)) {
        rc = run_job(job);
        gateway_close(job->g);
    } else {
        cli_fail(&err);
    }
    free(job);
    return rc;
}

static bool parse_number(const char *text, int min, int max, int *ret)
{
    int64_t n;
    if (!str_to_i64(str_of(text), &n) || n < min || n > max)
        return false;
    *ret = (int)n;
    return true;
}

int cmd_route(int argc, char **argv)
{
    static const struct option long_options[] = {{"config", required_argument, NULL, 'c'},
                                                 {"explain", no_argument, NULL, 'e'},
                                                 {"json", no_argument, NULL, 'j'},
                                                 {"dry-run", no_argument, NULL, 'n'},
                                                 {"parallel", required_argument, NULL, 'p'},
                                                 {"output", required_argument, NULL, 'o'},
                                                 {"show", required_argument, NULL, 's'},
                                                 {"per-day", required_argument, NULL, 'd'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {0}};
    struct options o = {.parallel = DEFAULT_PARALLEL, .show = DEFAULT_SHOW, .per_day = DEFAULT_PER_DAY};
    optind = 1;
    for (int ch; (ch = getopt_long(argc, argv, "c:ejnp:o:s:d:h", long_options, NULL)) != -1;) {
        if (ch == 'c')
            o.config = optarg;
        else if (ch == 'e')
            o.explain = true;
        else if (ch == 'j')
            o.json = true;
        else if (ch == 'n')
            o.dry_run = true;
        else if (ch == 'o')
            o.output = optarg;
        else if (ch == 'p' && !parse_number(optarg, 1, ROUTE_MAX_PARALLEL, &o.parallel))
            return cli_usage("route", "--parallel takes a number from 1 to %d", ROUTE_MAX_PARALLEL);
        else if (ch == 's' && !parse_number(optarg, 0, ROUTE_MAX_EXAMPLES, &o.show))
            return cli_usage("route", "--show takes a number from 0 to %d", ROUTE_MAX_EXAMPLES);
        else if (ch == 'd' && !parse_number(optarg, 1, ROUTE_MAX_PER_DAY, &o.per_day))
            return cli_usage("route", "--per-day takes a number from 1 to %d", ROUTE_MAX_PER_DAY);
        else if (ch == 'h')
            return fputs(help, stdout) < 0 ? EXIT_FAILED : EXIT_OK;
        else if (ch == '?')
            return EXIT_USAGE;
    }
    if (optind >= argc)
        return cli_usage("route", "name a file of requests, or - for standard input");
    if (optind + 1 < argc)
        return cli_usage("route", "'%s' is not expected", argv[optind + 1]);
    o.file = argv[optind];
    return route(&o);
}
