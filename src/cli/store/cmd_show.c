/* rung show: what a model's file says of itself, and what it would take to run it. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/store/models.h"
#include "cli/progress.h"
#include "cli/store/store.h"

static const char help[] =
    "usage: rung show MODEL [--template | --metadata | --license | --json]\n\n"
    "What a model is: architecture, parameters, types, context, memory, digest, where it came from. MODEL is a name\n"
    "of the store, a file, or starter.\n\n"
    "  -t, --template   its chat template, alone\n"
    "  -m, --metadata   every key of the file's metadata; of long arrays the number of elements\n"
    "  -l, --license    its license, alone\n"
    "  -j, --json       one JSON object\n"
    "  -h, --help       this text\n\n"
    "examples:\n"
    "  rung show qwen3:4b\n"
    "  rung show --template ./model.gguf > model.jinja\n"
    "  rung show --json qwen3:4b | jq .memory\n";

static bool open_starter(struct registry_model *ret_model, struct gguf **ret, struct err *err)
{
    *ret_model = (struct registry_model){.name = CLI_STARTER, .owner = OWNER_FILE, .source = "embedded in the program"};
    ret_model->size = (int64_t)cli_starter().n;
    return cli_open_starter(ret, err);
}

static bool open_named(const char *name, struct registry_model *ret_model, struct gguf **ret, struct err *err)
{
    struct registry *r = NULL;
    if (strcmp(name, CLI_STARTER) == 0)
        return open_starter(ret_model, ret, err);
    bool ok = cli_open_registry(NULL, &r, err) && registry_find(r, name, ret_model, err) &&
              gguf_open(ret_model->path, ret, err);
    registry_close(r);
    return ok;
}

static int show(const char *name, enum show_what what)
{
    struct registry_model *m = calloc(1, sizeof *m);
    struct gguf *g = NULL;
    struct buf out = BUF_INIT(SHOW_MAX_BYTES);
    struct err err = ERR_INIT;
    bool ok = m ? open_named(name, m, &g, &err) : err_nomem(&err, "a model");
    ok = ok && show_model(m, g, what, &out, &err) && buf_check(&out, "what there is to show", &err);
    if (ok)
        fwrite(out.p, 1, out.n, stdout);
    gguf_close(g);
    buf_free(&out);
    free(m);
    return ok ? EXIT_OK : cli_fail(&err);
}

int cmd_show(int argc, char **argv)
{
    static const struct option options[] = {{"template", no_argument, NULL, 't'}, {"metadata", no_argument, NULL, 'm'},
                                            {"license", no_argument, NULL, 'l'},  {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},     {0}};
    enum show_what what = SHOW_SUMMARY;
    optind = 1;
    for (int o; (o = getopt_long(argc, argv, "tmljh", options, NULL)) != -1;) {
        switch (o) {
        case 't': what = SHOW_TEMPLATE; break;
        case 'm': what = SHOW_METADATA; break;
        case 'l': what = SHOW_LICENSE; break;
        case 'j': what = SHOW_JSON; break;
        case 'h': fputs(help, stdout); return EXIT_OK;
        default: return EXIT_USAGE;
        }
    }
    if (optind == argc)
        return cli_usage("show", "which model? rung list shows those of this machine");
    if (argc - optind > 1)
        return cli_usage("show", "one model at a time; '%s' is not expected", argv[optind + 1]);
    return show(argv[optind], what);
}
