/* Between the files of `rung route`: lines of requests, what became of each, and the sums that the summary shows. */
#ifndef RUNG_CLI_ROUTE_ROUTE_H
#define RUNG_CLI_ROUTE_ROUTE_H

#include <stdio.h>

#include "cli/progress.h"
#include "gateway/api/openai/openai.h"
#include "gateway/gateway.h"

#define ROUTE_MAX_LINE (64u << 20)
#define ROUTE_MAX_PARALLEL 64
#define ROUTE_MAX_REASONS 24
#define ROUTE_MAX_EXAMPLES 256

/* ---- lines (lines.c) ---- */
struct route_lines {
    FILE *file;
    const char *name;
    int64_t number;                       /* of the line last read, from 1 */
    int64_t total;                        /* lines with anything on them, -1: unknown (a pipe) */
};

bool route_lines_open(const char *path, struct route_lines *ret, struct err *err);
void route_lines_close(struct route_lines *l);
/* The next line that is not blank, into *line (cleared first); false at the end, or with *err set. A line over the
 * limit is skipped with its *err, and reading may go on. */
bool route_lines_next(struct route_lines *l, struct buf *line, struct err *err);
/* A request body, or a line of OpenAI's batch format ({"custom_id", "body": {...}}). */
bool route_parse_line(struct str line, struct arena *arena, struct request *ret, struct err *err);

/* ---- sums (sums.c) ---- */
struct route_kind_sums {
    int64_t n, kept, climbed, would_climb, unanswered, failed;
    int64_t *latency_us, n_latency, cap_latency;
    double confidence;                    /* sum over those that have one */
    int64_t n_confidence;
};

struct route_example {
    bool kept;
    char asked[120], answer[120];
    double confidence;
};

struct route_sums {
    struct route_kind_sums kinds[KIND_COUNT + 1];
    struct {
        char why[64];
        int64_t climbed, would_climb, unanswered;
    } reasons[ROUTE_MAX_REASONS];
    int n_reasons;
    int64_t by_tier[CONFIG_MAX_TIERS];
    int64_t before_pico_usd, after_pico_usd, possibly_billed;
    int64_t unclimbed_pico_usd;           /* the part of the saving on requests that should have climbed */
    int64_t requests, bad_lines;
    struct route_example examples[ROUTE_MAX_EXAMPLES];
    int n_examples;
};

/* The answer given, or (dry run) where the plan starts. */
void route_sums_add(struct route_sums *s, const struct config *c, const struct request *req, const struct reply *reply);
void route_sums_add_plan(struct route_sums *s, const struct config *c, const struct request *req,
                         const struct plan *plan);
void route_sums_free(struct route_sums *s);
/* Answer tokens that a dry run assumes, by kind; less when the request says so. */
int64_t route_assumed_output(const struct request *req, enum task_kind kind);

/* ---- the summary (summary.c) ---- */
/* show: so many answers at the end, from the surest to the least sure. */
void route_print_summary(FILE *out, const struct config *c, struct route_sums *s, double seconds, int show,
                         int per_day, bool color);
void route_print_plan(FILE *out, const struct config *c, struct route_sums *s, bool color);

/* ---- one line's result (result.c) ---- */
void route_write_json(const struct request *req, const struct reply *reply, int64_t line, struct buf *out);
void route_write_plan_json(const struct config *c, const struct request *req, const struct plan *plan, int64_t line,
                           struct buf *out);
void route_write_bad_json(int64_t line, const struct err *err, struct buf *out);
void route_write_text(const struct request *req, const struct reply *reply, int64_t line, struct buf *out);
void route_write_plan_text(const struct config *c, const struct request *req, const struct plan *plan, int64_t line,
                           struct buf *out);
/* The last message of the user, for showing. */
struct str route_asked(const struct request *req);
/* On one line, clipped: "..." at the end when it was longer. */
void route_clip(struct str text, char *out, size_t size);

#endif
