/* Fuzzes the GGUF reader: whatever opens must be wholly readable, every string, array and tensor of it. */
#include <stdint.h>
#include <stdlib.h>

#include "model/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned sink; /* keeps the reads */

static void read_bytes(const void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sink += ((const uint8_t *)p)[i];
}

static void read_array(const struct gguf *g, const char *key)
{
    struct gguf_array a;
    if (gguf_get_array(g, key, GGUF_STRING, &a, NULL))
        for (int64_t i = 0; i < a.n; i++)
            read_bytes(a.strings[i].p, a.strings[i].n);
    if (gguf_get_array(g, key, GGUF_I32, &a, NULL))
        for (int64_t i = 0; i < a.n; i++)
            sink += (unsigned)gguf_array_i64(&a, i);
    if (gguf_get_array(g, key, GGUF_F32, &a, NULL))
        for (int64_t i = 0; i < a.n; i++)
            sink += gguf_array_f32(&a, i) > 0;
}

static void read_keys(const struct gguf *g)
{
    for (int64_t i = 0; i < gguf_key_count(g); i++) {
        enum gguf_type type;
        char *key = str_dup(gguf_key_at(g, i, &type));
        uint32_t u;
        float f;
        bool b;
        struct str s;
        if (!key)
            abort();
        gguf_get_u32(g, key, &u, NULL);
        gguf_get_f32(g, key, &f, NULL);
        gguf_get_bool(g, key, &b, NULL);
        if (gguf_get_str(g, key, &s, NULL))
            read_bytes(s.p, s.n);
        read_array(g, key);
        free(key);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct filemap *map;
    struct gguf *g;
    if (size == 0 || !filemap_memory("fuzz.gguf", data, size, &map, &err))
        return 0;
    if (!gguf_open_map(map, &g, &err)) {
        if (err.code == ERR_NONE || !err.msg[0])
            abort();
        return 0;
    }
    read_keys(g);
    for (int64_t i = 0; i < gguf_tensor_count(g); i++) {
        const struct tensor *t = gguf_tensor_at(g, i);
        read_bytes(t->data, t->bytes);
        if (gguf_tensor(g, t->name) != t)
            abort();
    }
    gguf_close(g);
    return 0;
}
