/* rung pull: fetches models by name, or everything that rung.lock names. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/store/models.h"
#include "cli/progress.h"
#include "cli/store/store.h"
#include "data/json.h"

#define JSON_BYTES (64u << 10)

static const char help[] =
    "usage: rung pull [OPTIONS] [NAME...]\n\n"
    "Fetches models into the store, or brings a file in. What a killed pull left is continued. Without NAME: exactly\n"
    "what rung.lock names.\n\n"
    "  NAME is one of\n"
    "    qwen3:4b                     Ollama's library; HOST/NS/MODEL:TAG for another such registry\n"
    "    hf.co/ORG/REPO:Q4_K_M        Hugging Face, a type or a file's name after the colon; HF_TOKEN is sent there\n"
    "    https://HOST/PATH/x.gguf     a URL\n"
    "    ./x.gguf                     a file: linked or copied, then called local/x\n"
    "  and may end in @sha256:HEX, the digest that the weights must have.\n\n"
    "  -l, --lock          write the model into rung.lock: from then on its name means these bytes\n"
    "  -u, --update        let a name that rung.lock pins move to what its host has now\n"
    "  -q, --quiet         no progress\n"
    "  -j, --json          one JSON object a model\n"
    "  -c, --config FILE   the configuration; rung.lock lies beside it, else in the working directory\n"
    "  -h, --help          this text\n\n"
    "Exit status: 0 when everything asked for is here, 1 when not, 2 for wrong options.\n\n"
    "examples:\n"
    "  rung pull qwen3:4b\n"
    "  rung pull --lock hf.co/unsloth/gemma-3-4b-it-GGUF:Q4_K_M\n"
    "  rung pull\n";

struct options {
    struct pull_options pull;
    const char *config;
    bool quiet, json;
};

static const char *const outcome_names[] = {"fetched", "up_to_date", "moved"};

static bool print_json(const struct pull_result *res, const char *why, struct err *err)
{
    struct buf out = BUF_INIT(JSON_BYTES);
    struct json_writer w = JSON_WRITER(&out);
    json_open_object(&w);
    json_put_cstr(&w, "name", res->model.name);
    json_put_cstr(&w, "outcome", outcome_names[res->outcome]);
    json_put_cstr(&w, "digest", res->model.digest);
    json_put_cstr(&w, "was", res->outcome == PULL_MOVED ? res->was : NULL);
    json_put_i64(&w, "bytes", res->model.size);
    json_put_cstr(&w, "path", res->model.path);
    json_put_bool(&w, "runs", why[0] == '\0');
    json_put_cstr(&w, "why", why[0] ? why : NULL);
    json_close_object(&w);
    bool ok = buf_check(&out, "the answer", err);
    if (ok)
        printf("%s\n", out.p);
    buf_free(&out);
    return ok;
}

static void print_text(const struct pull_result *res, const char *why)
{
    char size[32];
    const struct registry_model *m = &res->model;
    progress_show_bytes(m->size, size, sizeof size);
    if (res->outcome == PULL_UP_TO_DATE)
        printf("%s is up to date: %s, sha256:%.12s\n", m->name, size, m->digest);
    else if (res->outcome == PULL_MOVED)
        printf("%s moved from sha256:%.12s to sha256:%.12s: %s\n", m->name, res->was, m->digest, size);
    else
        printf("%s is here: %s, sha256:%.12s\n", m->name, size, m->digest);
    if (why[0])
        fprintf(stderr, "rung: it is kept, but this Rung cannot run it: %.400s\n", why);
}

static bool pull_one(struct registry *r, const char *name, const struct options *o, struct err *err)
{
    char why[512] = "";
    struct pull_result *res = calloc(1, sizeof *res);
    if (!res)
        return err_nomem(err, "a model to pull");
    bool ok = store_pull(r, name, &o->pull, o->quiet, res, err);
    if (ok)
        store_cannot_run(res->model.path, why);
    if (ok && o->json)
        ok = print_json(res, why, err);
    else if (ok)
        print_text(res, why);
    free(res);
    return ok;
}

/* Every line of rung.lock; the names are copied, for pulling may rewrite the lines. */
static int pull_locked(struct registry *r, const struct options *o)
{
    const struct lock *lock = registry_locked(r);
    int rc = EXIT_OK;
    if (lock->n == 0)
        return cli_usage("pull", "which model? there is no %s that names any", registry_lock_path(r));
    for (int i = 0; i < lock->n; i++) {
        struct err err = ERR_INIT;
        char *name = str_dup(str_of(lock->entries[i].name));
        if (!(name ? pull_one(r, name, o, &err) : err_nomem(&err, "a name")))
            rc = cli_fail(&err);
        free(name);
    }
    return rc;
}

static int pull(const struct options *o, char **names, int n)
{
    struct registry *r;
    struct err err = ERR_INIT;
    int rc = EXIT_OK;
    if (!cli_open_registry(o->config, &r, &err))
        return cli_fail(&err);
    if (n == 0)
        rc = pull_locked(r, o);
    for (int i = 0; i < n; i++) {
        err = ERR_INIT;
        if (!pull_one(r, names[i], o, &err))
            rc = cli_fail(&err);
    }
    registry_close(r);
    return rc;
}

int cmd_pull(int argc, char **argv)
{
    static const struct option long_options[] = {{"lock", no_argument, NULL, 'l'},
                                                 {"update", no_argument, NULL, 'u'},
                                                 {"quiet", no_argument, NULL, 'q'},
                                                 {"json", no_argument, NULL, 'j'},
                                                 {"config", required_argument, NULL, 'c'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {0}};
    struct options o = {0};
    optind = 1;
    for (int ch; (ch = getopt_long(argc, argv, "luqjc:h", long_options, NULL)) != -1;) {
        switch (ch) {
        case 'l': o.pull.lock = true; break;
        case 'u': o.pull.update = true; break;
        case 'q': o.quiet = true; break;
        case 'j': o.json = true; break;
        case 'c': o.config = optarg; break;
        case 'h': fputs(help, stdout); return EXIT_OK;
        default: return EXIT_USAGE;
        }
    }
    return pull(&o, argv + optind, argc - optind);
}
