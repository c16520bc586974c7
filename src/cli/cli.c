/* What the commands share: how they fail, whether to use colour, the embedded model's bytes. */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern const char rung_starter_gguf[], rung_starter_gguf_end[];

int cli_fail(const struct err *err)
{
    char text[900];
    fprintf(stderr, "rung: %s\n", err_format(err, text, sizeof text));
    return EXIT_FAILED;
}

int cli_usage(const char *command, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "rung %s: ", command);
    vfprintf(stderr, fmt, ap);
    fprintf(stderr, "; see rung %s --help\n", command);
    va_end(ap);
    return EXIT_USAGE;
}

bool cli_color(int fd)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(fd) && !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0);
}

struct str cli_starter(void)
{
    return (struct str){rung_starter_gguf, (size_t)(rung_starter_gguf_end - rung_starter_gguf)};
}
