/* What the commands share: how they fail, what a terminal may see, whether to use colour, the embedded model's
 * bytes. */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern const char rung_starter_gguf[], rung_starter_gguf_end[];

void cli_make_safe(struct str text, struct buf *out)
{
    int len;
    for (size_t at = 0; at < text.n; at += (size_t)len) {
        uint32_t c = utf8_decode(text, at, &len);
        if (c == '\r')
            continue;
        if (c == UTF8_BAD || (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7F && c < 0xA0))
            buf_puts(out, "\xEF\xBF\xBD");
        else
            buf_add(out, text.p + at, (size_t)len);
    }
}

int cli_fail(const struct err *err)
{
    char text[900];
    struct buf safe = BUF_INIT(4 * sizeof text);
    cli_make_safe(str_of(err_format(err, text, sizeof text)), &safe);
    fprintf(stderr, "rung: " STR_FMT "\n", STR_ARG(buf_view(&safe)));
    buf_free(&safe);
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
