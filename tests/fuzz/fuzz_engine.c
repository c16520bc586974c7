/* Fuzzes binding a model: whatever opens as an engine must take a step, sample, fork and snapshot without a fault. */
#include <stdint.h>
#include <stdlib.h>

#include "engine/engine.h"

#define STEP_TOKENS 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_session(struct session *s)
{
    struct err err = ERR_INIT;
    struct buf bytes = BUF_INIT(64u << 20);
    struct session *fork;
    if (session_fork(s, &fork, &err)) {
        if (!session_snapshot(fork, &bytes, &err) && err.code == ERR_NONE)
            abort();
        session_close(fork);
    }
    buf_free(&bytes);
}

static void use_engine(struct engine *e)
{
    struct err err = ERR_INIT;
    struct session *s;
    struct token_record record;
    struct sampler sampler = {.temperature = 1, .top_k = 3, .top_p = 0.9f, .repetition_penalty = 1};
    struct want want = {.kind = WANT_SAMPLE, .at = STEP_TOKENS - 1};
    int32_t ids[STEP_TOKENS] = {0, 0, (int32_t)engine_info(e)->n_vocab - 1};
    want.sample.sampler = &sampler;
    want.sample.ret = &record;
    if (!session_open(e, 8, TENSOR_F16, &s, &err))
        return;
    struct step_item item = {s, ids, STEP_TOKENS, &want, 1};
    if (engine_step(e, &item, 1, &err)) {
        if (record.id < 0 || record.id >= engine_info(e)->n_vocab)
            abort();
        use_session(s);
    } else if (err.code == ERR_NONE) {
        abort();
    }
    session_close(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pool *pool;
    struct err err = ERR_INIT;
    struct filemap *map;
    struct gguf *g;
    struct engine *e;
    if (!pool && !pool_open(1, &pool, &err))
        abort();
    if (size == 0 || !filemap_memory("fuzz.gguf", data, size, &map, &err) || !gguf_open_map(map, &g, &err))
        return 0;
    if (engine_open(g, pool, &e, &err)) {
        use_engine(e);
        engine_close(e);
    } else if (err.code == ERR_NONE || !err.msg[0]) {
        abort();
    }
    gguf_close(g);
    return 0;
}
