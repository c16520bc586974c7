/* What gguf.c, gguf_get.c and gguf_tensors.c share: the opened file. Private to this floor. */
#ifndef RUNG_MODEL_GGUF_PRIVATE_H
#define RUNG_MODEL_GGUF_PRIVATE_H

#include "base/arena.h"
#include "base/strmap.h"
#include "model/gguf.h"
#include "model/gguf_cursor.h"

/* Numbers and booleans are copies, so that a file changed under the map cannot change a checked value. */
struct gguf_key {
    struct str name;      /* view into the file */
    enum gguf_type type;
    size_t at;            /* of the value in the file */
    union {
        uint64_t u;       /* GGUF_U8 .. GGUF_U64, GGUF_BOOL (0 or 1) */
        int64_t i;        /* GGUF_I8 .. GGUF_I64 */
        double f;         /* GGUF_F32, GGUF_F64 */
        struct str s;
        struct gguf_array array;
    } v;
};

struct gguf {
    struct filemap *map;
    struct arena arena;        /* key table, strings of arrays, tensors and their names */
    uint32_t version;
    uint32_t alignment;
    struct gguf_key *keys;
    int64_t n_keys;
    struct strmap key_index;
    struct tensor *tensors;    /* in the order of the file */
    int64_t n_tensors;
    struct strmap tensor_index;
};

/* Bytes of one value in the file; 0 for strings, arrays and numbers that name no type. */
size_t gguf_type_bytes(uint32_t type);
const char *gguf_type_name(enum gguf_type type);
/* The key, or NULL. */
const struct gguf_key *gguf_find(const struct gguf *g, const char *key);

/* Read g->n_tensors entries of the tensor table at the cursor, check each against the file and the others. */
bool gguf_read_tensors(struct gguf *g, struct gguf_cursor *c, struct err *err);

#endif
