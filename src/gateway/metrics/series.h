/* Labelled numbers that many threads add to and one now and then reads: counters and histograms, in Prometheus' text
 * format. Adding to a series that is there takes no lock. A family holds a bounded number of series; what comes beyond
 * is counted in one whose labels all say "other". */
#ifndef RUNG_GATEWAY_METRICS_SERIES_H
#define RUNG_GATEWAY_METRICS_SERIES_H

#include "base/buf.h"
#include "base/err.h"

#define SERIES_LABELS 4
#define SERIES_MAX 512                   /* of a family */
#define SERIES_BUCKETS 20

struct series_family {
    const char *name, *help;
    const char *labels[SERIES_LABELS + 1];   /* their names; ends with NULL */
    int64_t unit;                        /* what is added is counted in 1/unit of what is shown */
    const int64_t *bounds;               /* of a histogram, ascending, in that small unit; NULL: a counter */
    int n_bounds;                        /* at most SERIES_BUCKETS */
};

struct series_table;

/* The family must outlive the table. */
bool series_open(const struct series_family *family, struct series_table **ret, struct err *err);
void series_close(struct series_table *t);   /* NULL allowed */
/* values: one for each label; NULL is "". A histogram takes one observation of n. */
void series_add(struct series_table *t, const char *const values[], int64_t n);
void series_write(const struct series_table *t, struct buf *out);

/* # HELP and # TYPE; "gauge", "counter", "histogram". */
void series_head(struct buf *out, const char *name, const char *type, const char *help);
/* name="value", escaped. */
void series_label(struct buf *out, const char *name, const char *value);
/* n / unit in decimal, exactly. */
void series_number(struct buf *out, int64_t n, int64_t unit);

#endif
