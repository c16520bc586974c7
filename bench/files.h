/* What the benches over data sets share: ending with a fault, and reading a file of the set whole. */
#ifndef RUNG_BENCH_FILES_H
#define RUNG_BENCH_FILES_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/filemap.h"

#define MAX_FILE_BYTES (64u << 20)

static inline void die(const struct err *err)
{
    char text[900];
    fprintf(stderr, "%s: %s\n", program_invocation_short_name, err_format(err, text, sizeof text));
    exit(1);
}

/* The caller's to free. */
static inline char *read_all(const char *dir, const char *name)
{
    char path[4096], *text;
    size_t n;
    struct err err = ERR_INIT;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (!file_read(path, MAX_FILE_BYTES, &text, &n, &err))
        die(&err);
    return text;
}

#endif
