/* Stop texts across token boundaries. Text goes in as it is written and comes out once it can no longer be the
 * beginning of a stop text; what may still become one is held back. Only the engine thread uses a filter. */
#ifndef RUNG_RUNTIME_STOP_H
#define RUNG_RUNTIME_STOP_H

#include "base/buf.h"
#include "base/str.h"
#include "runtime/generate.h"

struct stop_filter {
    struct str found;                         /* the stop text that was completed; good until the filter is closed */
    /* private */
    struct str texts[GENERATION_MAX_STOPS];   /* into bytes */
    int n;
    char *bytes;
    struct buf held;
};

/* The texts are copied. Empty ones, longer ones and bad UTF-8 are ERR_INVALID. */
bool stop_filter_open(struct stop_filter *f, const struct str *texts, int n, struct err *err);
void stop_filter_close(struct stop_filter *f);
/* Appends what became certain to *out. true when a stop text was completed: the answer ends before it. */
bool stop_filter_add(struct stop_filter *f, struct str text, struct buf *out);
/* What is still held, when the answer ends for another reason. */
void stop_filter_end(struct stop_filter *f, struct buf *out);

#endif
