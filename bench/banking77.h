/* The test set of Banking77 as the starter model sees it: a question, and the label that it was trained to give. Shared
 * by the benches that ask it. */
#ifndef RUNG_BENCH_BANKING77_H
#define RUNG_BENCH_BANKING77_H

#include "base/str.h"

#define BANKING77_SYSTEM "Classify the banking question into one intent."
#define BANKING77_FILE "banking77/test.csv"

/* One CSV field (RFC 4180), taken out of its quotes in place, from *at, which moves behind its separator. */
static inline struct str banking77_field(char **at)
{
    char *p = *at, *start = p, *out = p;
    bool quoted = *p == '"';
    for (p += quoted; *p; p++) {
        if (quoted && p[0] == '"' && p[1] == '"')
            p++;
        else if (quoted && *p == '"') {
            quoted = false;
            continue;
        } else if (!quoted && (*p == ',' || *p == '\n'))
            break;
        if (*p != '\r')
            *out++ = *p;
    }
    *at = *p ? p + 1 : p;
    return (struct str){start, (size_t)(out - start)};
}

/* Moves *at over the next row of the file's text, which begins with a row of titles; false at its end. */
static inline bool banking77_next(char **at, struct str *ret_question, struct str *ret_label)
{
    if (!**at)
        return false;
    *ret_question = banking77_field(at);
    *ret_label = banking77_field(at);
    return true;
}

#endif
