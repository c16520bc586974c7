/* maskbench DIR VOCAB.gguf: what masks cost and whether they are right, over a folder of JSON Schemas with instances
 * ({schema, tests: [{valid, data}]}, as MaskBench has them).
 *
 * Each schema is compiled, each instance written as MaskBench writes it (one line, a space behind commas and colons,
 * members in the order of the file), made into tokens, and held to the mask token by token until one is not admitted.
 * MaskBench put the members of its instances into the order that its author's engine wants, where that engine took the
 * schema; those that a mask in declared order rejects for their order alone are counted apart. Times are of the
 * processor, not of the wall. A child process does the work and this one watches it: a schema that takes longer than
 * its limit, or that crashes, costs itself alone. */
#include <dirent.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/filemap.h"
#include "base/log.h"
#include "runtime/vocab.h"
#include "tools/maskbench/maskbench.h"

#define LIMIT_S 20
#define WATCH_US 20000
#define BAR_WIDTH 40

/* ---- the worker and who watches it ---- */

static void work(struct bench *b, int from)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = from; i < b->n; i++) {
        struct err err = ERR_INIT;
        atomic_store(&b->board->since_ns, clock_ns());
        atomic_store(&b->board->at, i);
        if (run_schema(b, i, &err))
            continue;
        b->board->outcomes[i].status = REFUSED;
        snprintf(b->board->outcomes[i].why, sizeof b->board->outcomes[i].why, "%.300s", err.msg);
    }
    _exit(0);
}

static void show_progress(const struct bench *b, int at)
{
    int filled = b->n > 0 ? at * BAR_WIDTH / b->n : 0;
    fprintf(stderr, "\r[%.*s%*s] %d of %d  %-40.40s", filled, "========================================",
            BAR_WIDTH - filled, "", at, b->n, at < b->n ? b->names[at] : "");
}

/* Waits for the worker; the schema that it stopped at, or b->n. */
static int watch(struct bench *b, pid_t worker)
{
    struct board *board = b->board;
    bool terminal = isatty(STDERR_FILENO);
    int status = 0;
    while (waitpid(worker, &status, WNOHANG) == 0) {
        if (clock_ns() - atomic_load(&board->since_ns) > b->limit_s * 1000000000LL) {
            kill(worker, SIGKILL);
            waitpid(worker, &status, 0);
            board->outcomes[atomic_load(&board->at)].status = TOO_SLOW;
            return atomic_load(&board->at);
        }
        if (terminal)
            show_progress(b, atomic_load(&board->at));
        usleep(WATCH_US);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return b->n;
    struct outcome *o = &board->outcomes[atomic_load(&board->at)];
    o->status = CRASHED;
    snprintf(o->why, sizeof o->why, "ended by signal %d", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    return atomic_load(&board->at);
}

static bool run_all(struct bench *b, struct err *err)
{
    for (int next = 0; next < b->n; next++) {
        atomic_store(&b->board->at, next);
        atomic_store(&b->board->since_ns, clock_ns());
        fflush(NULL);
        pid_t worker = fork();
        if (worker < 0)
            return err_errno(err, ERR_IO, "cannot start a process");
        if (worker == 0)
            work(b, next);
        next = watch(b, worker);
    }
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    return true;
}

/* ---- the command ---- */

static struct str piece_of(void *ctx, int32_t id)
{
    enum token_type type = tokenizer_type(ctx, id);
    return type == TOKEN_CONTROL || type == TOKEN_UNUSED || type == TOKEN_UNKNOWN ? STR("") : tokenizer_piece(ctx, id);
}

static bool is_end_of(void *ctx, int32_t id)
{
    return tokenizer_is_end(ctx, id);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool add_name(struct bench *b, struct str name, struct err *err)
{
    if (b->n == MAX_SCHEMAS)
        return err_set(err, ERR_LIMIT, "more than %d schemas", MAX_SCHEMAS);
    b->names[b->n] = str_dup(name);
    if (!b->names[b->n])
        return err_nomem(err, "the names of schemas");
    b->n++;
    return true;
}

static bool list_folder(struct bench *b, const char *only, struct err *err)
{
    DIR *dir = opendir(b->folder);
    struct dirent *entry;
    bool ok = true;
    if (!dir)
        return err_errno(err, ERR_IO, "cannot read the folder %s", b->folder);
    while (ok && (entry = readdir(dir)))
        if (str_ends(str_of(entry->d_name), STR(".json")) && (!only || strstr(entry->d_name, only)))
            ok = add_name(b, str_of(entry->d_name), err);
    closedir(dir);
    qsort(b->names, (size_t)b->n, sizeof *b->names, compare_names);
    return ok;
}

/* One name a line. */
static bool read_names(struct bench *b, const char *path, struct err *err)
{
    char *bytes;
    size_t n;
    bool ok = file_read(path, MAX_FILE_BYTES, &bytes, &n, err);
    if (!ok)
        return false;
    for (char *line = bytes, *end; ok && *line; line = end + (*end == '\n')) {
        end = line + strcspn(line, "\n");
        struct str name = str_trim((struct str){line, (size_t)(end - line)});
        ok = name.n == 0 || add_name(b, name, err);
    }
    free(bytes);
    return ok;
}

static bool list_schemas(struct bench *b, const char *only, const char *names, struct err *err)
{
    b->names = calloc(MAX_SCHEMAS, sizeof *b->names);
    if (!b->names)
        return err_nomem(err, "the names of schemas");
    if (!(names ? read_names(b, names, err) : list_folder(b, only, err)))
        return false;
    return b->n > 0 || err_set(err, ERR_NOT_FOUND, "no schema to run in %s", b->folder);
}

static bool run(struct bench *b, const char *vocabulary, const char *only, const char *names, struct err *err)
{
    struct gguf *g = NULL;
    bool ok = list_schemas(b, only, names, err) && gguf_open(vocabulary, &g, err) && vocab_open(g, &b->tokenizer, err);
    struct vocabulary_spec spec = {ok ? tokenizer_count(b->tokenizer) : 0, piece_of, is_end_of, b->tokenizer};
    double begun = processor_us();
    ok = ok && vocabulary_open(&spec, &b->vocabulary, err);
    b->open_ms = (processor_us() - begun) / 1e3;
    if (ok) {
        b->mask = malloc(VOCABULARY_WORDS(spec.n_tokens) * sizeof *b->mask);
        b->board = mmap(NULL, sizeof *b->board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
                        -1, 0);
        ok = (b->mask && b->board != MAP_FAILED) || err_nomem(err, "the results");
    }
    ok = ok && run_all(b, err) && print_report(b, err);
    for (int i = 0; i < b->n; i++)
        free(b->names[i]);
    free(b->names);
    free(b->mask);
    vocabulary_close(b->vocabulary);
    tokenizer_close(b->tokenizer);
    gguf_close(g);
    return ok;
}

static const char USAGE[] =
    "usage: maskbench [OPTION]... DIR VOCAB.gguf\n"
    "  --only TEXT     schemas whose file name holds TEXT\n"
    "  --names FILE    the schemas that FILE names, one a line\n"
    "  --any-order     properties in any order; else as declared\n"
    "  --walks N       also N random walks through the masks of each\n"
    "  --limit-s N     seconds for a schema with its instances (20)\n"
    "  --failing       name each schema that does not pass whole, and why\n"
    "  --json          the figures as JSON\n";

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"only", required_argument, NULL, 'o'},    {"names", required_argument, NULL, 'n'},
        {"any-order", no_argument, NULL, 'a'},     {"walks", required_argument, NULL, 'w'},
        {"limit-s", required_argument, NULL, 'l'}, {"json", no_argument, NULL, 'j'},
        {"failing", no_argument, NULL, 'f'},       {NULL, 0, NULL, 0}};
    struct bench b = {.limit_s = LIMIT_S, .options = {.formats = true}};
    struct err err = ERR_INIT;
    const char *only = NULL, *names = NULL;
    int64_t limit = LIMIT_S, walks = 0;
    bool ok = true;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'o')
            only = optarg;
        else if (c == 'n')
            names = optarg;
        else if (c == 'l')
            ok = ok && str_to_i64(str_of(optarg), &limit) && limit > 0 && limit < 86400;
        else if (c == 'w')
            ok = ok && str_to_i64(str_of(optarg), &walks) && walks >= 0 && walks < 1000000;
        else if (c == '?')
            ok = false;
        b.options.any_order |= c == 'a';
        b.json |= c == 'j';
        b.failing |= c == 'f';
    }
    if (!ok || argc - optind != 2) {
        fputs(USAGE, stderr);
        return 2;
    }
    b.limit_s = (int)limit;
    b.walks = (int)walks;
    b.folder = argv[optind];
    if (run(&b, argv[optind + 1], only, names, &err))
        return 0;
    char text[1024];
    log_error("%s", err_format(&err, text, sizeof text));
    return 1;
}
