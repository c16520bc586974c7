/* rung init: writes the commented configuration, never over an existing file unless told to. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"
#include "gateway/config.h"

static const char help[] =
    "usage: rung init [--output FILE] [--force]\n\n"
    "Writes a commented configuration, ./rung.yaml unless told otherwise. Without changes it runs the embedded\n"
    "starter model and connects to nothing.\n\n"
    "  -o, --output FILE   where to write; - is standard output\n"
    "  -f, --force         write over an existing file\n"
    "  -h, --help          this text\n\n"
    "examples:\n"
    "  rung init && rung serve\n"
    "  mkdir -p ~/.config/rung && rung init -o ~/.config/rung/rung.yaml\n";

static int write_config(const char *path, bool force)
{
    struct err err = ERR_INIT;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (force ? O_TRUNC : O_EXCL), 0644);
    if (fd < 0 && errno == EEXIST) {
        err_set(&err, ERR_INVALID, "%s exists already; --force writes over it, --output FILE writes elsewhere", path);
        return cli_fail(&err);
    }
    if (fd < 0) {
        err_errno(&err, ERR_IO, "cannot write %s", path);
        return cli_fail(&err);
    }
    size_t n = strlen(config_template_yaml);
    bool written = write(fd, config_template_yaml, n) == (ssize_t)n;
    if (close(fd) != 0 || !written) {
        err_errno(&err, ERR_IO, "cannot write %s", path);
        return cli_fail(&err);
    }
    printf("wrote %s; start with: rung serve%s%s\n", path, strcmp(path, "rung.yaml") == 0 ? "" : " --config ",
           strcmp(path, "rung.yaml") == 0 ? "" : path);
    return EXIT_OK;
}

int cmd_init(int argc, char **argv)
{
    static const struct option options[] = {{"output", required_argument, NULL, 'o'},
                                            {"force", no_argument, NULL, 'f'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    const char *path = "rung.yaml";
    bool force = false;
    optind = 1;
    for (int o; (o = getopt_long(argc, argv, "o:fh", options, NULL)) != -1;) {
        if (o == 'o') {
            path = optarg;
        } else if (o == 'f') {
            force = true;
        } else if (o == 'h') {
            fputs(help, stdout);
            return EXIT_OK;
        } else {
            return EXIT_USAGE;
        }
    }
    if (optind < argc)
        return cli_usage("init", "'%s' is not expected", argv[optind]);
    if (strcmp(path, "-") == 0) {
        fputs(config_template_yaml, stdout);
        return EXIT_OK;
    }
    return write_config(path, force);
}
