/* GGUF v2 and v3: a mapped model file as checked metadata and tensor views. (Specification: ggml docs/gguf.md.)
 *
 * Invariants after gguf_open: every string, array and tensor lies inside the file; every count is under its limit;
 * tensors do not overlap each other nor the metadata; sizes are products that did not wrap; names are unique.
 * Nothing is trusted before it was checked; an error names the field and its byte offset. Read-only, so any thread
 * may read. */
#ifndef RUNG_MODEL_GGUF_H
#define RUNG_MODEL_GGUF_H

#include "base/err.h"
#include "base/filemap.h"
#include "base/str.h"
#include "tensor/tensor.h"

#define GGUF_MAX_TENSORS 65536
#define GGUF_MAX_KEYS 65536
#define GGUF_MAX_KEY_BYTES 1024
#define GGUF_MAX_NAME_BYTES 256
#define GGUF_MAX_STRING_BYTES (16u << 20)
#define GGUF_MAX_ARRAY (16u << 20)      /* elements of one array */
#define GGUF_MAX_METADATA_BYTES (512u << 20)
#define GGUF_MAX_ALIGNMENT 65536

enum gguf_type {
    GGUF_U8, GGUF_I8, GGUF_U16, GGUF_I16, GGUF_U32, GGUF_I32, GGUF_F32, GGUF_BOOL, GGUF_STRING, GGUF_ARRAY,
    GGUF_U64, GGUF_I64, GGUF_F64,
};

struct gguf;

/* Opens, maps and checks the whole header. The map is closed by gguf_close; on failure it is closed too. */
bool gguf_open(const char *path, struct gguf **ret, struct err *err);
bool gguf_open_map(struct filemap *map, struct gguf **ret, struct err *err);
void gguf_close(struct gguf *g);

const char *gguf_path(const struct gguf *g);
uint32_t gguf_version(const struct gguf *g);
bool gguf_broken(const struct gguf *g);            /* the file shrank under the map and lost pages were read */

/* ---- metadata ---- */
int64_t gguf_key_count(const struct gguf *g);
struct str gguf_key_at(const struct gguf *g, int64_t i, enum gguf_type *ret_type);
bool gguf_has(const struct gguf *g, const char *key);
/* Absent keys leave *ret as it is and return true (so the caller's default stands); a key of another kind or out of
 * range is an error naming it. Integers of any width convert when the value fits. */
bool gguf_get_u32(const struct gguf *g, const char *key, uint32_t *ret, struct err *err);
bool gguf_get_i64(const struct gguf *g, const char *key, int64_t *ret, struct err *err);
bool gguf_get_f32(const struct gguf *g, const char *key, float *ret, struct err *err);
bool gguf_get_bool(const struct gguf *g, const char *key, bool *ret, struct err *err);
bool gguf_get_str(const struct gguf *g, const char *key, struct str *ret, struct err *err);
/* The same, but the key must be there. */
bool gguf_need_u32(const struct gguf *g, const char *key, uint32_t *ret, struct err *err);
bool gguf_need_f32(const struct gguf *g, const char *key, float *ret, struct err *err);
bool gguf_need_str(const struct gguf *g, const char *key, struct str *ret, struct err *err);

/* An array; n is 0 when the key is absent. Number arrays are packed as in the file and may be unaligned: read with
 * the getters. */
struct gguf_array {
    enum gguf_type type;
    int64_t n;
    const char *p;
    const struct str *strings;   /* for GGUF_STRING: views into the file, made at open */
};
bool gguf_get_array(const struct gguf *g, const char *key, enum gguf_type type, struct gguf_array *ret,
                    struct err *err);
/* Whatever it holds; false for what is no array, or one of arrays. */
bool gguf_any_array(const struct gguf *g, const char *key, struct gguf_array *ret);
int64_t gguf_array_i64(const struct gguf_array *a, int64_t i);   /* integer and bool arrays */
float gguf_array_f32(const struct gguf_array *a, int64_t i);

/* ---- tensors ---- */
int64_t gguf_tensor_count(const struct gguf *g);
const struct tensor *gguf_tensor_at(const struct gguf *g, int64_t i);
const struct tensor *gguf_tensor(const struct gguf *g, const char *name);   /* NULL when absent */

#endif
