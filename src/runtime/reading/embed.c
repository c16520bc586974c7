/* A text to a vector: its tokens become a generation that reads its prompt and answers nothing, so that it waits,
 * shares steps and memory, and is preempted like any other. */
#include "runtime/embed.h"

#include <math.h>

#include "runtime/runtime_private.h"

static bool add_end(const struct local_model *m, struct token_ids *ids, struct err *err)
{
    int32_t eos = tokenizer_eos(m->tokenizer);
    bool needed = tokenizer_adds_eos(m->tokenizer) && eos >= 0 && (ids->n == 0 || ids->p[ids->n - 1] != eos);
    return !needed || token_ids_add(ids, eos, err);
}

/* Cut at its end, where the tokenizer's own last token stays. */
static void cut(const struct local_model *m, struct token_ids *ids)
{
    int64_t most = m->info.context;
    if (ids->n <= most)
        return;
    if (tokenizer_adds_eos(m->tokenizer))
        ids->p[most - 1] = ids->p[ids->n - 1];
    ids->n = most;
}

static bool encode(const struct local_model *m, const struct embed_request *r, struct token_ids *ids, struct err *err)
{
    struct generation_request prompt = {
        .prompt = r->text, .prompt_tokens = r->tokens, .n_prompt_tokens = r->n_tokens};
    bool reasoning;
    if (!prompt_build(m, &prompt, ids, &reasoning, err) || (!r->tokens && !add_end(m, ids, err)))
        return false;
    if (r->truncate)
        cut(m, ids);
    return true;
}

static bool scale(const struct generation *g, float *ret, struct err *err)
{
    int64_t n = g->model->info.engine.n_embd;
    const double *sum = g->reading.sum;
    double square = 0;
    for (int64_t i = 0; i < n; i++)
        square += sum[i] * sum[i];
    if (!isfinite(square))
        return err_set(err, ERR_CORRUPT, "the model produced states that are not finite; its weights are damaged");
    double length = square > 0 ? sqrt(square) : 1;
    for (int64_t i = 0; i < n; i++)
        ret[i] = (float)(sum[i] / length);
    return true;
}

static bool read_states(struct runtime *rt, struct local_model *m, const struct embed_request *r,
                        const struct token_ids *ids, float *ret, struct err *err)
{
    struct generation_request req = {
        .prompt_tokens = ids->p,
        .n_prompt_tokens = ids->n,
        .sampler = SAMPLER_GREEDY,
        .reading = m->info.pooling == POOLING_LAST ? READ_LAST : READ_MEAN,
        .no_answer = true,
        .off_disk = true,
        .gone = r->gone,
        .gone_ctx = r->gone_ctx,
        .load = r->load,
    };
    struct generation *g;
    struct gen_event done;
    if (!generation_start(rt, m, &req, &g, err))
        return false;
    generation_next(g, -1, &done);
    bool ok = done.finish == FINISH_LENGTH ? scale(g, ret, err)
              : done.finish == FINISH_ERROR ? err_set(err, done.err.code, "%s", done.err.msg)
                                            : err_set(err, ERR_CANCELLED, "nobody waits for the vector any more");
    generation_close(g);
    return ok;
}

bool embed(struct runtime *rt, struct local_model *m, const struct embed_request *r, float *ret_vector,
           int64_t *ret_tokens, struct err *err)
{
    struct token_ids ids = {0};
    if (m->info.pooling == POOLING_OTHER)
        return err_set(err, ERR_UNSUPPORTED, "%s pools its states in a way that Rung does not know; it knows mean and "
                       "last", m->name);
    if (!local_model_acquire(m, &r->load, err))
        return false;
    bool ok = encode(m, r, &ids, err);
    if (ok && ids.n == 0)
        ok = err_set(err, ERR_INVALID, "the text is empty");
    ok = ok && read_states(rt, m, r, &ids, ret_vector, err);
    if (ok)
        *ret_tokens = ids.n;
    token_ids_free(&ids);
    local_model_release(m);
    return ok;
}
