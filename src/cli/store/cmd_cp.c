/* rung cp: gives a model of the store, or a file, another name. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/store/models.h"

static const char help[] =
    "usage: rung cp MODEL NAME\n\n"
    "Gives a model another name. The bytes are shared, not copied; those of a file or of Ollama's store are linked\n"
    "where the file system allows, else copied. A name that is taken is not overwritten.\n\n"
    "  -h, --help   this text\n\n"
    "examples:\n"
    "  rung cp qwen3:4b mine\n"
    "  rung cp ./tuned.gguf team/tuned:v2\n";

static int copy(const char *from, const char *to)
{
    struct registry *r = NULL;
    struct registry_model *m = calloc(1, sizeof *m);
    struct err err = ERR_INIT;
    bool ok = m ? registry_open(NULL, &r, &err) && registry_copy(r, from, to, NULL, m, &err)
                : err_nomem(&err, "a model");
    if (ok)
        printf("%s is %s now: sha256:%.12s\n", from, m->name, m->digest);
    registry_close(r);
    free(m);
    return ok ? EXIT_OK : cli_fail(&err);
}

int cmd_cp(int argc, char **argv)
{
    static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {0}};
    optind = 1;
    for (int o; (o = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (o != 'h')
            return EXIT_USAGE;
        fputs(help, stdout);
        return EXIT_OK;
    }
    if (argc - optind != 2)
        return cli_usage("cp", "it takes a model and the name to give it");
    return copy(argv[optind], argv[optind + 1]);
}
