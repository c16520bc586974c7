/* The embedded model's engine, for fuzzers of what sessions are restored from. */
#ifndef RUNG_TESTS_FUZZ_STARTER_ENGINE_H
#define RUNG_TESTS_FUZZ_STARTER_ENGINE_H

#include <stdlib.h>

#include "engine/engine.h"

static inline struct engine *open_engine(void)
{
    struct err err = ERR_INIT;
    struct pool *pool;
    struct gguf *g;
    struct engine *e;
    if (!pool_open(1, &pool, &err) || !gguf_open(RUNG_ROOT "/models/starter.gguf", &g, &err) ||
        !engine_open(g, pool, &e, &err))
        abort();
    return e;
}


#endif
