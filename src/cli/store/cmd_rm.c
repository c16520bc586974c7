/* rung rm: takes names out of the store, and what nothing else needs of their files. */
#include <getopt.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/store/models.h"
#include "cli/progress.h"

static const char help[] =
    "usage: rung rm NAME...\n\n"
    "Removes models from Rung's store. Layers that another name needs stay. Models of an Ollama on this machine are\n"
    "Ollama's to remove; files outside the store are yours.\n\n"
    "  -h, --help   this text\n\n"
    "examples:\n"
    "  rung rm qwen3:4b\n";

static int remove_all(char **names, int n)
{
    struct registry *r;
    struct err err = ERR_INIT;
    int rc = EXIT_OK;
    if (!registry_open(NULL, &r, &err))
        return cli_fail(&err);
    for (int i = 0; i < n; i++) {
        int64_t freed;
        char text[32];
        err = ERR_INIT;
        if (!registry_remove(r, names[i], &freed, &err))
            rc = cli_fail(&err);
        else
            printf("removed %s: %s freed\n", names[i], progress_show_bytes(freed, text, sizeof text));
    }
    registry_close(r);
    return rc;
}

int cmd_rm(int argc, char **argv)
{
    static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {0}};
    optind = 1;
    for (int o; (o = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (o != 'h')
            return EXIT_USAGE;
        fputs(help, stdout);
        return EXIT_OK;
    }
    if (optind == argc)
        return cli_usage("rm", "which model? rung list shows those of this machine");
    return remove_all(argv + optind, argc - optind);
}
