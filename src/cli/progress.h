/* Progress of a long command on stderr: a bar with rate and time left on a terminal, a plain line every few seconds
 * elsewhere. One thread at a time. */
#ifndef RUNG_CLI_PROGRESS_H
#define RUNG_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *what;       /* "requests" */
    int64_t total;          /* -1: unknown */
    /* private */
    bool terminal, color, shown;
    int64_t start_ns, drawn_ns;
};

void progress_start(struct progress *p, const char *what, int64_t total);
void progress_step(struct progress *p, int64_t done);
/* Wipes the bar, so that other lines can follow; the next step draws it again. */
void progress_hide(struct progress *p);

#endif
