/* safetensors: a mapped file as checked tensor views. (Format: huggingface/safetensors, README "Format".)
 *
 * Invariants after opening: the header is one JSON object of at most SAFETENSORS_MAX_HEADER_BYTES; every tensor's bytes
 * are as many as its shape and type need and lie inside the file; together they cover everything behind the header,
 * with no overlap and no hole; names are unique. An error names the tensor. Read-only, so any thread may read. */
#ifndef RUNG_MODEL_SAFETENSORS_H
#define RUNG_MODEL_SAFETENSORS_H

#include "base/filemap.h"
#include "tensor/tensor.h"

#define SAFETENSORS_MAX_HEADER_BYTES (16u << 20)
#define SAFETENSORS_MAX_TENSORS 65536
#define SAFETENSORS_MAX_NAME_BYTES 256

struct safetensors;

bool safetensors_open(const char *path, struct safetensors **ret, struct err *err);
/* The map is closed by safetensors_close; on failure too. */
bool safetensors_open_map(struct filemap *map, struct safetensors **ret, struct err *err);
void safetensors_close(struct safetensors *s);   /* NULL allowed */

int64_t safetensors_count(const struct safetensors *s);
/* In the order of their bytes. Dimensions as everywhere in Rung: ne[0] is the last of the file's shape. type is
 * TENSOR_TYPES for what Rung does not compute with (integers, doubles, eight-bit floats). */
const struct tensor *safetensors_at(const struct safetensors *s, int64_t i);
bool safetensors_broken(const struct safetensors *s);   /* the file shrank under the map */

#endif
