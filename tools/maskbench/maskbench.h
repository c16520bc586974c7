/* What the files of maskbench share: the work, and the board on which a worker process leaves what it found. */
#ifndef RUNG_TOOLS_MASKBENCH_H
#define RUNG_TOOLS_MASKBENCH_H

#include <stdatomic.h>
#include <time.h>

#include "grammar/constraint.h"
#include "grammar/schema.h"
#include "text/tokenizer.h"

#define MAX_SCHEMAS 65536
#define MAX_SAMPLES (1 << 25)
#define MAX_FILE_BYTES (16u << 20)

enum status { WAITING, COMPILED, REFUSED, TOO_SLOW, CRASHED };

struct sample {
    float mask_us, take_us;
};

struct outcome {
    enum status status;
    float compile_us, slowest_mask_us;
    int n_valid, n_invalid;
    int mask_rejects, check_rejects;   /* valid instances */
    int order_rejects;                 /* of mask_rejects those that are admitted when members may come in any order */
    int mask_admits, both_admit;       /* invalid ones */
    int n_walks, walks_open;           /* random walks; of them without an end */
    int walks_left, walks_wrong;       /* not valid, where the mask leaves something to validation; where it does not */
    bool unsaid;      /* the mask was said to say all, and validation found more */
    char why[400];    /* the error of compiling, or the first instance that went wrong */
};

/* Shared by the worker and who watches it. */
struct board {
    atomic_int at;                /* the schema in work */
    atomic_llong since_ns;        /* it was begun then */
    atomic_llong n_samples;
    struct outcome outcomes[MAX_SCHEMAS];
    struct sample samples[MAX_SAMPLES];
};

struct bench {
    const char *folder;
    char **names;
    int n;
    struct tokenizer *tokenizer;
    struct vocabulary *vocabulary;
    double open_ms;   /* of the vocabulary */
    uint64_t *mask;
    struct schema_options options;
    int limit_s, walks;
    bool json, failing;
    struct board *board;
};

static inline double processor_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Compiles schema `at` and holds its instances to masks and validation; b->board->outcomes[at]. false: its file cannot
 * be read. */
bool run_schema(struct bench *b, int at, struct err *err);
/* b->walks random walks through the masks of c; *o counts what became of them. */
void run_walks(struct bench *b, struct constraint *c, const struct schema *schema, struct outcome *o);
/* The figures on standard output. */
bool print_report(const struct bench *b, struct err *err);

#endif
