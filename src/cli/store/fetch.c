/* Pulls a model as commands do it: a progress bar, an offer to fetch what is missing, a word on what cannot run. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/store/models.h"
#include "cli/progress.h"
#include "cli/run/run.h"
#include "cli/store/store.h"

struct bar {
    struct progress progress;
    bool begun;
};

static bool step(void *ctx, int64_t done, int64_t total)
{
    struct bar *b = ctx;
    if (!b->begun) {
        run_catch_interrupts();   /* from here on there is something to say */
        progress_start_bytes(&b->progress, "fetching", total);
        b->begun = true;
        if (done > 0 && done < total) {
            char text[32];
            fprintf(stderr, "rung: %s are here from before; fetching the rest\n",
                    progress_show_bytes(done, text, sizeof text));
        }
    }
    b->progress.total = total;
    progress_step(&b->progress, done);
    return !run_interrupted();
}

bool store_pull(struct registry *r, const char *name, const struct pull_options *options, bool quiet,
                struct pull_result *ret, struct err *err)
{
    struct bar bar = {0};
    const struct remote_progress progress = {.ctx = &bar, .step = step};
    struct pull_options o = *options;
    o.progress = quiet ? NULL : &progress;
    bool ok = registry_pull(r, name, &o, ret, err);
    if (bar.begun)
        progress_hide(&bar.progress);
    if (!ok && run_interrupted())
        err_set(err, ERR_CANCELLED, "stopped by Ctrl-C; what has come is kept, and the next pull goes on from there");
    return ok;
}

bool store_cannot_run(const char *path, char why[512])
{
    struct gguf *g;
    struct engine_needs needs;
    struct err err = ERR_INIT;
    if (!gguf_open(path, &g, &err)) {
        snprintf(why, 512, "%s", err.msg);
        return true;
    }
    bool ok = engine_needs_of(g, 1, &needs, &err);
    gguf_close(g);
    if (!ok)
        snprintf(why, 512, "%s", err.msg);
    return !ok;
}

static bool agrees(const char *name)
{
    char answer[16];
    fprintf(stderr, "rung: there is no model '%.200s' here. Fetch it? [y/N] ", name);
    fflush(stderr);
    return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

bool store_offer_pull(const char *config_path, const char *name)
{
    struct model_name n;
    struct registry *r = NULL;
    struct pull_result *result;
    struct err err = ERR_INIT;
    const struct pull_options o = {0};
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO) || !model_name_parse(name, &n, NULL) ||
        n.source == SOURCE_FILE || !agrees(name))
        return false;
    result = calloc(1, sizeof *result);
    bool ok = result ? cli_open_registry(config_path, &r, &err) && store_pull(r, name, &o, false, result, &err)
                     : err_nomem(&err, "a model");
    if (!ok)
        cli_fail(&err);
    registry_close(r);
    free(result);
    return ok;
}
