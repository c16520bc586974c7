/* Writing GGUF v3: metadata first, then tensors, then their bytes in the order declared. Used by tools and tests. */
#ifndef RUNG_MODEL_GGUF_WRITE_H
#define RUNG_MODEL_GGUF_WRITE_H

#include <stdio.h>

#include "base/buf.h"
#include "model/gguf.h"

struct gguf_writer;

/* Writes PATH.part, which becomes PATH when it is finished; ERR_BUSY while another writer does. */
bool gguf_writer_open(const char *path, struct gguf_writer **ret, struct err *err);
void gguf_writer_close(struct gguf_writer *w);     /* without gguf_writer_finish: removes the unfinished file */
void gguf_write_u32(struct gguf_writer *w, const char *key, uint32_t v);
void gguf_write_f32(struct gguf_writer *w, const char *key, float v);
void gguf_write_bool(struct gguf_writer *w, const char *key, bool v);
void gguf_write_str(struct gguf_writer *w, const char *key, struct str v);
void gguf_write_strs(struct gguf_writer *w, const char *key, const struct str *v, int64_t n);
void gguf_write_i32s(struct gguf_writer *w, const char *key, const int32_t *v, int64_t n);
void gguf_write_f32s(struct gguf_writer *w, const char *key, const float *v, int64_t n);
/* Key i of an opened file as it stands, whatever its kind. */
void gguf_write_copy(struct gguf_writer *w, const struct gguf *g, int64_t i);
void gguf_write_tensor(struct gguf_writer *w, const char *name, enum tensor_type type, int n_dims, const int64_t *ne);
/* Bytes of the declared tensors, in order, in pieces of any size; the writer pads. The first call ends the
 * declarations. */
bool gguf_write_data(struct gguf_writer *w, const void *p, size_t n, struct err *err);
/* Checks that every tensor got its bytes, flushes and renames into place. */
bool gguf_writer_finish(struct gguf_writer *w, struct err *err);

#endif
