/* Rigs, sessions and tokens for the engine's tests. */
#include "tests/engine/support_engine.h"

#include "base/rng.h"

void rig_open(struct rig *rig, const char *path, int threads)
{
    struct err err = ERR_INIT;
    *rig = (struct rig){0};
    assert_ok(gguf_open(path, &rig->g, &err), err);
    assert_ok(pool_open(threads, &rig->pool, &err), err);
    pool_use_all(rig->pool);
    assert_ok(engine_open(rig->g, rig->pool, &rig->e, &err), err);
    rig->n_vocab = engine_info(rig->e)->n_vocab;
}

void rig_close(struct rig *rig)
{
    engine_close(rig->e);
    pool_close(rig->pool);
    gguf_close(rig->g);
}

struct session *rig_session(const struct rig *rig, int64_t context, enum tensor_type kv_type)
{
    struct err err = ERR_INIT;
    struct session *s;
    assert_ok(session_open(rig->e, context, kv_type, &s, &err), err);
    return s;
}

int random_below(uint64_t seed, uint64_t position, int n)
{
    return (int)(rng_unit(seed, 0, position) * n);
}

void random_ids(uint64_t seed, int64_t n_vocab, int32_t *ids, int n)
{
    for (int i = 0; i < n; i++)
        ids[i] = random_below(seed, (uint64_t)i, (int)n_vocab);
}

float *alloc_floats(int64_t n)
{
    float *p = calloc((size_t)n, sizeof *p);
    assert_non_null(p);
    return p;
}

void run_tokens(const struct rig *rig, struct session *s, const int32_t *ids, int n, float *logits)
{
    struct err err = ERR_INIT;
    struct want wants[ENGINE_MAX_STEP_TOKENS];
    for (int i = 0; logits && i < n; i++)
        wants[i] = (struct want){.kind = WANT_LOGITS, .at = i, .ret_logits = logits + i * rig->n_vocab};
    struct step_item item = {s, ids, n, wants, logits ? n : 0};
    assert_ok(engine_step(rig->e, &item, 1, &err), err);
}
