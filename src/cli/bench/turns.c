/* The tests that need the engine alone: prompts and steps of random tokens, timed in turns. Random, since a model with
 * experts reads other weights for other tokens. What is deep starts from sessions filled once and forked for each run;
 * every stream has keys and values of its own, as streams of different users do. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/rng.h"
#include "cli/bench/bench.h"
#include "engine/engine.h"

#define SEED 4
#define WARM_UP_STEPS 2
#define MAX_SNAPSHOT_BYTES ((size_t)64 << 30)

struct setting {
    struct bench *b;
    struct pool *pool;
    struct engine *engine;
    enum tensor_type kv;
    int64_t depth;
    struct session *bases[BENCH_MAX_STREAMS];    /* filled to the depth; none where it is 0 */
    int n_bases;
    uint64_t drawn;
};

/* One step of n tokens in each session; `sample`: the last token's logits are wanted. */
static bool step(struct setting *s, struct session **sessions, int streams, int n, bool sample, struct err *err)
{
    int32_t tokens[ENGINE_MAX_STEP_TOKENS];
    struct sampler greedy = SAMPLER_GREEDY;
    struct token_record records[BENCH_MAX_STREAMS];
    struct want wants[BENCH_MAX_STREAMS];
    struct step_item items[BENCH_MAX_STREAMS];
    for (int i = 0; i < n * streams; i++)
        tokens[i] = (int32_t)(rng_u64(SEED, 0, s->drawn++) % (uint64_t)s->b->n_vocab);
    for (int i = 0; i < streams; i++) {
        wants[i] = (struct want){.kind = WANT_SAMPLE, .at = n - 1, .sample = {.sampler = &greedy, .ret = &records[i]}};
        items[i] = (struct step_item){.session = sessions[i], .tokens = tokens + i * n, .n = n, .wants = &wants[i],
                                      .n_wants = sample ? 1 : 0};
    }
    return engine_step(s->engine, items, streams, err);
}

static bool read_prompt(struct setting *s, struct session *session, int64_t tokens, struct err *err)
{
    for (int64_t left = tokens; left > 0;) {
        int n = left < ENGINE_MAX_STEP_TOKENS ? (int)left : ENGINE_MAX_STEP_TOKENS;
        left -= n;
        if (!step(s, &session, 1, n, left == 0, err))
            return false;
    }
    return true;
}

static bool write_answers(struct setting *s, struct session **sessions, int streams, int64_t tokens, struct err *err)
{
    for (int64_t i = 0; i < tokens; i++)
        if (!step(s, sessions, streams, 1, true, err))
            return false;
    return true;
}

/* The first base reads its prompt, the others copy its bytes. */
static bool fill_bases(struct setting *s, int streams, int64_t context, struct err *err)
{
    struct buf state = BUF_INIT(MAX_SNAPSHOT_BYTES);
    bool ok = true;
    for (int i = 0; ok && i < streams; i++) {
        ok = session_open(s->engine, context, s->kv, &s->bases[i], err);
        if (!ok)
            break;
        s->n_bases++;
        if (i == 0)
            ok = read_prompt(s, s->bases[0], s->depth, err) &&
                 (streams == 1 || session_snapshot(s->bases[0], &state, err));
        else
            ok = session_restore(s->bases[i], buf_view(&state), err);
    }
    buf_free(&state);
    return ok;
}

static bool open_sessions(struct setting *s, const struct bench_row *r, struct session **ret, int *ret_n,
                          struct err *err)
{
    for (*ret_n = 0; *ret_n < r->streams; ++*ret_n) {
        bool ok = s->depth > 0 ? session_fork(s->bases[*ret_n], &ret[*ret_n], err)
                               : session_open(s->engine, r->tokens, s->kv, &ret[*ret_n], err);
        if (!ok)
            return false;
    }
    return true;
}

/* *ret_seconds of the prompt, or of one step. */
static bool run_once(struct setting *s, const struct bench_row *r, int64_t tokens, double *ret_seconds,
                     struct err *err)
{
    struct session *sessions[BENCH_MAX_STREAMS];
    int n = 0;
    bool ok = open_sessions(s, r, sessions, &n, err);
    int64_t start = clock_ns();
    if (ok && r->kind == BENCH_PREFILL)
        ok = read_prompt(s, sessions[0], tokens, err);
    else if (ok)
        ok = write_answers(s, sessions, n, tokens, err);
    double seconds = (double)(clock_ns() - start) / 1e9;
    if (ok) {
        *ret_seconds = r->kind == BENCH_PREFILL ? seconds : seconds / (double)tokens;
        bench_ran(s->b);
    }
    for (int i = 0; i < n; i++)
        session_close(sessions[i]);
    return ok;
}

static double measure_limit(const struct setting *s, const struct bench_row *r)
{
    return r->kind == BENCH_PREFILL ? bench_multiply_adds_per_s(s->pool)
                                    : bench_read_bytes_per_s(s->b->gguf, s->pool);
}

static bool run_round(struct setting *s, struct bench_row *r, struct err *err)
{
    double before = measure_limit(s, r);
    if (!run_once(s, r, r->tokens, &r->seconds[r->rounds], err))
        return false;
    r->limit[r->rounds++] = (before + measure_limit(s, r)) / 2;
    return true;
}

static bool warm_up(struct setting *s, const struct bench_row *r, struct err *err)
{
    int64_t most = r->kind == BENCH_PREFILL ? ENGINE_MAX_STEP_TOKENS : WARM_UP_STEPS;
    double seconds;
    bench_read_bytes_per_s(s->b->gguf, s->pool); /* the file's pages into the page tables */
    return run_once(s, r, r->tokens < most ? r->tokens : most, &seconds, err);
}

bool bench_run_turns(struct bench *b, int first, int end, struct err *err)
{
    struct bench_row *rows = b->rows;
    struct setting s = {.b = b, .kv = rows[first].kv, .depth = rows[first].depth};
    int64_t tokens = 0;
    int streams = 0;
    for (int i = first; i < end; i++) {
        tokens = rows[i].tokens > tokens ? rows[i].tokens : tokens;
        streams = rows[i].streams > streams ? rows[i].streams : streams;
    }
    bool ok = pool_open(rows[first].threads, &s.pool, err) && engine_open(b->gguf, s.pool, &s.engine, err) &&
              (s.depth == 0 || fill_bases(&s, streams, s.depth + tokens, err));
    for (int i = first; ok && i < end; i++)
        ok = warm_up(&s, &rows[i], err);
    for (int round = 0; ok && round < b->options->rounds; round++)
        for (int i = first; ok && i < end; i++)
            ok = run_round(&s, &rows[i], err);
    for (int i = 0; i < s.n_bases; i++)
        session_close(s.bases[i]);
    if (s.engine)
        engine_close(s.engine);
    if (s.pool)
        pool_close(s.pool);
    return ok;
}
