/* Texts to vectors: each becomes a generation that reads its prompt and answers nothing, so that it waits, shares steps
 * and memory, and is preempted like any other. */
#include "runtime/embed.h"

#include <math.h>

#include "runtime/runtime_private.h"

#define EMBED_AT_ONCE 16   /* texts of one request in the engine's hands: enough to fill its steps with short ones */

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

static bool encode(const struct local_model *m, const struct embed_text *text, bool truncate, struct token_ids *ids,
                   struct err *err)
{
    struct generation_request prompt = {
        .prompt = text->text, .prompt_tokens = text->tokens, .n_prompt_tokens = text->n_tokens};
    bool reasoning;
    if (!prompt_build(m, &prompt, ids, &reasoning, err) || (!text->tokens && !add_end(m, ids, err)))
        return false;
    if (truncate)
        cut(m, ids);
    return ids->n > 0 || err_set(err, ERR_INVALID, "the text is empty");
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

/* A generation that reads one text; *ret_tokens: how long it is. */
static bool start(struct runtime *rt, struct local_model *m, const struct embed_request *r, int i,
                  struct generation **ret, int64_t *ret_tokens, struct err *err)
{
    struct token_ids ids = {0};
    struct generation_request req = {
        .sampler = SAMPLER_GREEDY,
        .reading = m->info.pooling == POOLING_LAST ? READ_LAST : READ_MEAN,
        .no_answer = true,
        .off_disk = true,
        .gone = r->gone,
        .gone_ctx = r->gone_ctx,
        .load = r->load,
    };
    bool ok = encode(m, &r->texts[i], r->truncate, &ids, err);
    req.prompt_tokens = ids.p;
    req.n_prompt_tokens = *ret_tokens = ids.n;
    ok = ok && generation_start(rt, m, &req, ret, err);
    token_ids_free(&ids);
    return ok || (r->n == 1 ? false : err_prefix(err, "text %d: ", i));
}

static bool finish(struct generation *g, float *ret, struct err *err)
{
    struct gen_event done;
    generation_next(g, -1, &done);
    if (done.finish == FINISH_LENGTH)
        return scale(g, ret, err);
    if (done.finish == FINISH_CANCELLED)
        return err_set(err, ERR_CANCELLED, "nobody waits for the vector any more");
    if (err)
        *err = done.err;
    return false;
}

static bool embed_all(struct runtime *rt, struct local_model *m, const struct embed_request *r, float *ret_vectors,
                      int64_t *ret_tokens, struct err *err)
{
    struct generation *live[EMBED_AT_ONCE] = {NULL};
    int64_t tokens = 0, sum = 0;
    int started = 0, finished = 0;
    bool ok = true;
    while (ok && finished < r->n) {
        if (started < r->n && started - finished < EMBED_AT_ONCE) {
            ok = start(rt, m, r, started, &live[started % EMBED_AT_ONCE], &tokens, err);
            started += ok;
            sum += tokens;
            continue;
        }
        struct generation *g = live[finished % EMBED_AT_ONCE];
        ok = finish(g, ret_vectors + finished * m->info.engine.n_embd, err);
        generation_close(g);
        finished++;
    }
    for (; finished < started; finished++)
        generation_close(live[finished % EMBED_AT_ONCE]);
    *ret_tokens = sum;
    return ok;
}

bool embed(struct runtime *rt, struct local_model *m, const struct embed_request *r, float *ret_vectors,
           int64_t *ret_tokens, struct err *err)
{
    if (m->info.pooling == POOLING_OTHER)
        return err_set(err, ERR_UNSUPPORTED,
                       "%s pools its states in a way that Rung does not know; it knows the mean and the last", m->name);
    if (!local_model_acquire(m, &r->load, err))
        return false;
    bool ok = embed_all(rt, m, r, ret_vectors, ret_tokens, err);
    local_model_release(m);
    return ok;
}
