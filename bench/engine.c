/* A whole model's speed beside what the machine allows: decode (one token a step) in bytes of weights a second, as a
 * share of a plain read loop over the same mapped bytes, the two in turns so that a drift of the machine meets both;
 * eight sessions decoding in one step; and prefill in tokens and multiply-adds a second.
 *
 *   build/bench/engine MODEL.gguf [THREADS] [ROUNDS]
 *
 * Random weights of real shapes (bench/mkmodel) do: the engine's work does not depend on their values. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "engine/engine.h"

#define PROMPT_TOKENS 512
#define DECODE_TOKENS 8
#define STREAMS 8
#define MAX_ROUNDS 64

struct bench {
    struct gguf *gguf;
    struct pool *pool;
    struct engine *engine;
    const struct engine_info *info;
};

static void die(const struct err *err)
{
    char text[900];
    fprintf(stderr, "engine: %s\n", err_format(err, text, sizeof text));
    exit(1);
}

/* ---- the things timed, each giving seconds ---- */
/* One word of every cache line: what the memory gives, not what an adder does. */
static void read_range(void *ctx, int64_t begin, int64_t end, int thread)
{
    const uint64_t *p = ctx;
    uint64_t a = 0, b = 0, c = 0, d = 0;
    (void)thread;
    for (int64_t i = begin; i + 32 <= end; i += 32) {
        a += p[i];
        b += p[i + 8];
        c += p[i + 16];
        d += p[i + 24];
    }
    __asm__ volatile("" ::"r"(a), "r"(b), "r"(c), "r"(d));
}

static double read_weights(struct bench *b)
{
    int64_t start = clock_ns();
    for (int64_t i = 0; i < gguf_tensor_count(b->gguf); i++) {
        const struct tensor *t = gguf_tensor_at(b->gguf, i);
        pool_run(b->pool, (int64_t)(t->bytes / 8), 1 << 17, read_range, (void *)(uintptr_t)t->data);
    }
    return (double)(clock_ns() - start) / 1e9;
}

static struct session *new_session(struct bench *b, int64_t context)
{
    struct session *s;
    struct err err = ERR_INIT;
    if (!session_open(b->engine, context, TENSOR_F16, &s, &err))
        die(&err);
    return s;
}

/* One step of n tokens for each of `streams` sessions, a sample wanted after the last. */
static void step(struct bench *b, struct session **sessions, int streams, int n)
{
    static int32_t tokens[PROMPT_TOKENS];
    struct sampler greedy = SAMPLER_GREEDY;
    struct token_record records[STREAMS];
    struct want wants[STREAMS];
    struct step_item items[STREAMS];
    struct err err = ERR_INIT;
    for (int i = 0; i < n; i++)
        tokens[i] = (int32_t)(i * 37 % (b->info->n_vocab < 256 ? b->info->n_vocab : 256));
    for (int i = 0; i < streams; i++) {
        wants[i] = (struct want){.kind = WANT_SAMPLE, .at = n - 1, .sample = {.sampler = &greedy, .ret = &records[i]}};
        items[i] =
            (struct step_item){.session = sessions[i], .tokens = tokens, .n = n, .wants = &wants[i], .n_wants = 1};
    }
    if (!engine_step(b->engine, items, streams, &err))
        die(&err);
}

static double decode(struct bench *b, int streams)
{
    struct session *sessions[STREAMS];
    for (int i = 0; i < streams; i++)
        sessions[i] = new_session(b, 64);
    step(b, sessions, streams, 4);
    int64_t start = clock_ns();
    for (int i = 0; i < DECODE_TOKENS; i++)
        step(b, sessions, streams, 1);
    double seconds = (double)(clock_ns() - start) / 1e9 / DECODE_TOKENS;
    for (int i = 0; i < streams; i++)
        session_close(sessions[i]);
    return seconds;
}

static double prefill(struct bench *b)
{
    int64_t context = b->info->n_ctx_train < PROMPT_TOKENS ? b->info->n_ctx_train : PROMPT_TOKENS;
    struct session *s = new_session(b, context);
    int64_t start = clock_ns();
    step(b, &s, 1, (int)context);
    double seconds = (double)(clock_ns() - start) / 1e9 / (double)context;
    session_close(s);
    return seconds;
}

/* ---- medians ---- */
static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, ascending);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static void measure(struct bench *b, int rounds)
{
    double gb = (double)b->info->weight_bytes / 1e9, share[MAX_ROUNDS], reads[MAX_ROUNDS], one[MAX_ROUNDS],
           eight[MAX_ROUNDS], prompt[MAX_ROUNDS];
    read_weights(b);
    for (int i = 0; i < rounds; i++) {
        double before = read_weights(b);
        one[i] = decode(b, 1);
        double after = read_weights(b);
        reads[i] = (before + after) / 2;
        share[i] = reads[i] / one[i];
        eight[i] = decode(b, STREAMS);
        prompt[i] = prefill(b);
    }
    double s_read = median(reads, rounds), s_one = median(one, rounds), s_eight = median(eight, rounds),
           s_prompt = median(prompt, rounds);
    printf("%s, %.2f GB of weights, %d threads, medians of %d rounds\n", gguf_path(b->gguf), gb, pool_threads(b->pool),
           rounds);
    printf("  read loop            %7.2f GB/s\n", gb / s_read);
    printf("  decode, one stream   %7.2f GB/s  %7.2f tok/s, %.2f of the read loop (pairwise median)\n", gb / s_one,
           1 / s_one, median(share, rounds));
    printf("  decode, %d streams    %7.2f tok/s in all, %.2f times one stream\n", STREAMS, STREAMS / s_eight,
           STREAMS * s_one / s_eight);
    printf("  prefill, %d tokens  %7.2f tok/s, %.3f T multiply-adds/s\n", PROMPT_TOKENS, 1 / s_prompt,
           (double)b->info->parameters / s_prompt / 1e12);
}

int main(int argc, char **argv)
{
    struct bench b = {0};
    struct err err = ERR_INIT;
    if (argc < 2) {
        fprintf(stderr, "usage: engine MODEL.gguf [THREADS] [ROUNDS]\n");
        return 2;
    }
    int rounds = argc > 3 ? atoi(argv[3]) : 5;
    if (rounds < 1 || rounds > MAX_ROUNDS)
        rounds = 5;
    if (!gguf_open(argv[1], &b.gguf, &err) || !pool_open(argc > 2 ? atoi(argv[2]) : 0, &b.pool, &err) ||
        !engine_open(b.gguf, b.pool, &b.engine, &err))
        die(&err);
    b.info = engine_info(b.engine);
    measure(&b, rounds);
    engine_close(b.engine);
    pool_close(b.pool);
    gguf_close(b.gguf);
    return 0;
}
