/* Fuzzes the adapter readers over the starter model: whatever opens must run beside it. What begins with 'G' is a GGUF
 * file; else it is adapter_config.json up to the first NUL, then adapter_model.safetensors. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/adapter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct engine *engine;
static char folder[64];

static void clean_up(void)
{
    rmdir(folder);
}

static void set_up(void)
{
    struct gguf *g;
    struct pool *pool;
    if (!gguf_open(RUNG_ROOT "/models/starter.gguf", &g, NULL) || !pool_open(1, &pool, NULL) ||
        !engine_open(g, pool, &engine, NULL))
        abort();
    snprintf(folder, sizeof folder, "/tmp/rung-fuzz-adapter-%d", (int)getpid());
    if (mkdir(folder, 0700) != 0 || atexit(clean_up) != 0)
        abort();
}

static void put(const char *name, const void *p, size_t n, char *path, size_t path_size)
{
    snprintf(path, path_size, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(p, 1, n, f) != n || fclose(f) != 0)
        abort();
}

static void run_beside(const struct adapter *a)
{
    struct session *s;
    int32_t tokens[] = {1, 2, 3};
    struct step_item item = {.tokens = tokens, .n = 3};
    if (!session_open(engine, 16, TENSOR_F16, &s, NULL) || !session_set_adapter(s, a, NULL))
        abort();
    item.session = s;
    if (!engine_step(engine, &item, 1, NULL))
        abort();
    session_close(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct adapter *a;
    char config[100], weights[100];
    if (!engine)
        set_up();
    if (size == 0)
        return 0;
    bool gguf = data[0] == 'G';
    size_t n = gguf ? 0 : strnlen((const char *)data, size);
    put("adapter_config.json", data, n, config, sizeof config);
    size_t skip = gguf ? 0 : n + (n < size);
    data += skip;
    size -= skip;
    put(gguf ? "a.gguf" : "adapter_model.safetensors", data, size, weights, sizeof weights);
    if (adapter_open(engine, gguf ? weights : folder, &a, &err)) {
        run_beside(a);
        adapter_close(a);
    } else if (err.code == ERR_NONE || !err.msg[0]) {
        abort();
    }
    unlink(config);
    unlink(weights);
    return 0;
}
