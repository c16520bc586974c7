/* Time to the first token behind an instruction that was seen before, beside one that was not: whole requests through
 * the runtime, as a server would take them. Each round has an instruction of its own, asked twice. */
#include <stdio.h>

#include "base/rng.h"
#include "cli/bench/bench.h"
#include "cli/store/models.h"
#include "runtime/generate.h"

#define SEED 5
#define ROOM_TOKENS 64                    /* for a question and its first token */
#define MAX_TEXT_BYTES ((size_t)64 << 20)

/* Words nobody saw before, until they are so many tokens. */
static bool write_instruction(const struct cli_model *m, int64_t tokens, int round, struct buf *out, struct err *err)
{
    int64_t have = 0;
    for (uint64_t word = 0; have >= 0 && have < tokens && buf_ok(out); word++) {
        buf_printf(out, "%s%u", word ? " " : "", (unsigned)(rng_u64(SEED, (uint32_t)round, word) % 1000));
        if ((int64_t)out->n >= tokens) /* no token is shorter than a byte */
            have = local_model_count_tokens(m->model, buf_view(out));
    }
    return buf_check(out, "the instruction", err) &&
           (have >= 0 || err_set(err, ERR_INTERNAL, "the instruction has no tokens"));
}

/* The question's first token; *ret_cached: tokens of the prompt that were not computed. */
static bool ask(const struct cli_model *m, const struct buf *instruction, const char *question, double *ret_seconds,
                int64_t *ret_cached, struct err *err)
{
    struct buf prompt = BUF_INIT(MAX_TEXT_BYTES);
    struct gen_event event = {0};
    struct generation *g;
    buf_str(&prompt, buf_view(instruction));
    buf_puts(&prompt, question);
    struct generation_request request = {.prompt = buf_view(&prompt), .sampler = SAMPLER_GREEDY, .max_tokens = 1};
    bool ok = buf_check(&prompt, "the prompt", err) && generation_start(m->rt, m->model, &request, &g, err);
    if (!ok)
        goto out;
    do
        generation_next(g, -1, &event);
    while (event.kind != GEN_DONE);
    generation_close(g);
    ok = event.finish != FINISH_ERROR;
    if (ok) {
        *ret_seconds = (double)event.usage.ttft_us / 1e6;
        *ret_cached = event.usage.cached_tokens;
    } else if (err) {
        *err = event.err;
    }
out:
    buf_free(&prompt);
    return ok;
}

static bool run_round(struct bench *b, const struct cli_model *m, struct bench_row *r, int round, struct err *err)
{
    struct buf instruction = BUF_INIT(MAX_TEXT_BYTES);
    double cold, warm;
    int64_t cached;
    bool ok = write_instruction(m, r->tokens, round, &instruction, err) &&
              ask(m, &instruction, " no?", &cold, &cached, err) && ask(m, &instruction, " so?", &warm, &cached, err);
    buf_free(&instruction);
    if (!ok)
        return false;
    bench_ran(b);
    if (round == 0) /* that was to warm up */
        return true;
    r->cached_tokens = cached;
    r->limit[r->rounds] = cold;
    r->seconds[r->rounds++] = warm;
    return true;
}

bool bench_run_prefix(struct bench *b, struct bench_row *row, struct err *err)
{
    struct cli_model_options options = {
        .config_path = b->options->config_path,
        .threads = row->threads,
        .context = row->tokens + ROOM_TOKENS,
        .has_kv_cache = true,
        .kv_q8 = row->kv == TENSOR_Q8_0,
    };
    struct cli_model m;
    if (!cli_open_model(b->options->model, &options, &m, err))
        return false;
    bool ok = true;
    for (int round = 0; ok && round <= b->options->rounds; round++)
        ok = run_round(b, &m, row, round, err);
    cli_close_model(&m);
    return ok;
}
