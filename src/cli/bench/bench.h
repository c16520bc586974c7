/* How fast a model runs here, beside what the machine allows: the rooms of `rung bench` (cmd_bench.c). A row is one
 * test (so many tokens read or written, at a depth, in streams, with threads); the rows of one setting run in turns,
 * round by round, each between two measurements of its own limit, so that a drift of the machine meets all of them
 * alike. One thread calls; the pool computes. */
#ifndef RUNG_CLI_BENCH_BENCH_H
#define RUNG_CLI_BENCH_BENCH_H

#include "base/machine.h"
#include "base/pool.h"
#include "cli/progress.h"
#include "engine/fit.h"
#include "kernels/kernels.h"

#define BENCH_MAX_VALUES 8       /* of one option */
#define BENCH_MAX_ROUNDS 100
#define BENCH_MAX_STREAMS 64

struct bench_list {
    int n;
    int64_t v[BENCH_MAX_VALUES];
};

struct bench_options {
    struct bench_list prompts, answers, streams, depths, threads, kv, prefixes;   /* kv: enum tensor_type */
    int rounds;
    bool json;
    const char *model, *config_path;
};

enum bench_kind {
    BENCH_PREFILL,   /* a prompt of `tokens` */
    BENCH_DECODE,    /* `tokens` steps, each of one token in every stream */
    BENCH_PREFIX,    /* to the first token behind an instruction of `tokens`, seen before and not */
};

struct bench_row {
    enum bench_kind kind;
    int64_t tokens, depth;
    int streams, threads;
    enum tensor_type kv;
    int64_t cached_tokens;                /* BENCH_PREFIX: of the prompt seen before */
    double work;                          /* multiply-adds of a prompt, bytes of a step; 0: not known */
    int rounds;                           /* done so far */
    double seconds[BENCH_MAX_ROUNDS];     /* of the prompt, of one step, to the first token */
    double limit[BENCH_MAX_ROUNDS];       /* work a second that the machine gave around this round; BENCH_PREFIX: the
                                           * seconds without a cache */
};

struct bench {
    const struct bench_options *options;
    struct gguf *gguf;
    struct engine_needs needs;
    int64_t n_vocab, n_embd;
    bool experts;
    struct machine machine;
    struct bench_row *rows;               /* those of one setting side by side */
    int n_rows;
    int64_t beside_bytes;                 /* most memory held beside the mapped file */
    struct progress progress;
    int64_t runs;                         /* done, for the progress */
};

/* ---- plan.c: from options to rows ---- */
/* Every wish checked against the model and the machine. *b gets rows, the caller's to free. */
bool bench_plan(struct bench *b, struct err *err);
/* One line on stderr: what is about to happen. */
void bench_announce(const struct bench *b);

/* ---- turns.c, prefix.c: the measuring ---- */
/* Rows [first, end) are of one setting. */
bool bench_run_turns(struct bench *b, int first, int end, struct err *err);
bool bench_run_prefix(struct bench *b, struct bench_row *row, struct err *err);
/* A run is over: the progress moves, the memory is looked at. */
void bench_ran(struct bench *b);

/* ---- limits.c: what the machine allows ---- */
double bench_read_bytes_per_s(const struct gguf *g, struct pool *pool);
double bench_multiply_adds_per_s(struct pool *pool);

/* ---- report.c ---- */
void bench_print(const struct bench *b);
void bench_print_json(const struct bench *b);

#endif
