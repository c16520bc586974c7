/* Log lines to stderr, one write each so that lines of several threads never mix. What is worth a line, the callers
 * decide. */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOG_LINE_MAX 2048

static atomic_int log_level_now = LOG_WARN;

void log_set_level(enum log_level level)
{
    atomic_store(&log_level_now, (int)level);
}

void log_at(enum log_level level, const char *fmt, ...)
{
    static const char *const names[] = {"error", "warning", "info"};
    if ((int)level > atomic_load(&log_level_now))
        return;
    char line[LOG_LINE_MAX];
    int head = snprintf(line, sizeof line, "rung: %s: ", names[level]);
    va_list args;
    va_start(args, fmt);
    int body = vsnprintf(line + head, sizeof line - (size_t)head, fmt, args);
    va_end(args);
    if (body < 0)
        return;
    size_t n = strlen(line);
    if (n > sizeof line - 2)
        n = sizeof line - 2;
    /* Text from outside may hold line breaks or escape sequences: neither forges a line nor drives a terminal. */
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = ' ';
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, n) < 0)
        return; /* nowhere is left to say so */
}
