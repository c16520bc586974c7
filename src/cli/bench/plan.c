/* From options to rows: which tests there are, whether the model and the machine can take them, and how much work one
 * of them is. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/bench/bench.h"

#define ROOM_TOKENS 64   /* behind an instruction: a question and the first token */

/* The output matrix is multiplied once a prompt, the embedding never: its rows are only looked up. */
static double prompt_work(const struct bench *b, int64_t tokens)
{
    double matrix = (double)b->n_vocab * (double)b->n_embd;
    double each = (double)b->needs.active_parameters - matrix * (b->needs.embedding_bytes > 0 ? 2 : 1);
    return each * (double)tokens + matrix;
}

/* Which experts several streams choose, and so how many, is chance. */
static double step_work(const struct bench *b, const struct bench_row *r)
{
    if (b->experts && r->streams > 1)
        return 0;
    int64_t kv_bytes = engine_needs_kv(&b->needs, r->kv, r->depth + r->tokens / 2);
    return (double)b->needs.read_bytes + r->streams * (double)kv_bytes;
}

static void add(struct bench *b, struct bench_row row)
{
    if (row.kind != BENCH_PREFIX)
        row.work = row.kind == BENCH_PREFILL ? prompt_work(b, row.tokens) : step_work(b, &row);
    b->rows[b->n_rows++] = row;
}

/* All tests of one setting. */
static void add_setting(struct bench *b, struct bench_row row)
{
    const struct bench_options *o = b->options;
    row.streams = 1;
    for (int i = 0; i < o->prompts.n; i++) {
        row.kind = BENCH_PREFILL;
        row.tokens = o->prompts.v[i];
        if (row.tokens > 0)
            add(b, row);
    }
    for (int i = 0; i < o->answers.n; i++) {
        for (int j = 0; j < o->streams.n; j++) {
            row.kind = BENCH_DECODE;
            row.tokens = o->answers.v[i];
            row.streams = (int)o->streams.v[j];
            if (row.tokens > 0)
                add(b, row);
        }
    }
}

static bool check_row(const struct bench *b, const struct bench_row *r, struct err *err)
{
    int64_t context = r->depth + r->tokens + (r->kind == BENCH_PREFIX ? ROOM_TOKENS : 0);
    if (context > b->needs.n_ctx_train)
        return err_set(err, ERR_LIMIT,
                       "%s was trained for %lld tokens of context; this test needs %lld: ask for less depth or fewer "
                       "tokens", b->options->model, (long long)b->needs.n_ctx_train, (long long)context);
    /* streams twice: what they begin with, and what they write */
    double need = (double)engine_needs_kv(&b->needs, r->kv, context) * (r->depth > 0 ? 2 * r->streams : r->streams);
    if (b->machine.available_bytes > 0 && need > (double)b->machine.available_bytes)
        return err_set(err, ERR_LIMIT,
                       "keys and values of %d streams at %lld tokens take %.1f GB, and %.1f GB are free: ask for fewer "
                       "streams or less depth", r->streams, (long long)context, need / 1e9,
                       (double)b->machine.available_bytes / 1e9);
    return true;
}

bool bench_plan(struct bench *b, struct err *err)
{
    const struct bench_options *o = b->options;
    int most = o->threads.n *
               o->kv.n * (o->depths.n * (o->prompts.n + o->answers.n * o->streams.n) + o->prefixes.n);
    b->rows = calloc((size_t)most, sizeof *b->rows);
    if (!b->rows)
        return err_nomem(err, "the tests");
    for (int t = 0; t < o->threads.n; t++) {
        struct bench_row row = {.threads = (int)o->threads.v[t]};
        for (int k = 0; k < o->kv.n; k++) {
            row.kv = (enum tensor_type)o->kv.v[k];
            for (int d = 0; d < o->depths.n; d++) {
                row.depth = o->depths.v[d];
                add_setting(b, row);
            }
            for (int i = 0; i < o->prefixes.n; i++)
                if (o->prefixes.v[i] > 0)
                    add(b, (struct bench_row){.kind = BENCH_PREFIX, .threads = row.threads, .streams = 1, .kv = row.kv,
                                              .tokens = o->prefixes.v[i]});
        }
    }
    for (int i = 0; i < b->n_rows; i++)
        if (!check_row(b, &b->rows[i], err))
            return false;
    return true;
}

void bench_announce(const struct bench *b)
{
    fprintf(stderr, "rung bench: %d test%s of %s, each once to warm up and then %d time%s, in turns\n", b->n_rows,
            b->n_rows == 1 ? "" : "s", b->options->model, b->options->rounds, b->options->rounds == 1 ? "" : "s");
}
