/* Fuzzes the safetensors reader: whatever opens must be wholly readable. */
#include <stdint.h>
#include <stdlib.h>

#include "model/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned sink; /* keeps the reads */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct filemap *map;
    struct safetensors *s;
    if (size == 0 || !filemap_memory("fuzz.safetensors", data, size, &map, &err))
        return 0;
    if (!safetensors_open_map(map, &s, &err)) {
        if (err.code == ERR_NONE || !err.msg[0])
            abort();
        return 0;
    }
    for (int64_t i = 0; i < safetensors_count(s); i++) {
        const struct tensor *t = safetensors_at(s, i);
        for (size_t j = 0; j < t->bytes; j++)
            sink += ((const uint8_t *)t->data)[j];
        for (const char *c = t->name; *c; c++)
            sink += (unsigned char)*c;
    }
    safetensors_close(s);
    return 0;
}
