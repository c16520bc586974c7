/* Progress of a long command on stderr: a bar with rate and time left on a terminal, a plain line every few seconds
 * elsewhere. One thread at a time. */
#ifndef RUNG_CLI_PROGRESS_H
#define RUNG_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
    const char *what;       /* "requests"; of bytes what is done with them: "fetching" */
    int64_t total;          /* -1: unknown */
    /* private */
    bool bytes, terminal, color, shown;
    int64_t start_ns, drawn_ns, first;   /* first: done before the start, so no part of the rate; -1: not known yet */
};

void progress_start(struct progress *p, const char *what, int64_t total);
/* The same in bytes. What the first step says was there before: it was not done now, and does not count as speed. */
void progress_start_bytes(struct progress *p, const char *what, int64_t total);
void progress_step(struct progress *p, int64_t done);
/* Wipes the bar, so that other lines can follow; the next step draws it again. */
void progress_hide(struct progress *p);

/* "1.2 GB", as model hosts count: thousands. Returns buf. */
const char *progress_show_bytes(int64_t bytes, char *buf, size_t size);

#endif
