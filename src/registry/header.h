/* The header of a model file that is still elsewhere: read in growing ranges until it is whole. */
#ifndef RUNG_REGISTRY_HEADER_H
#define RUNG_REGISTRY_HEADER_H

#include "model/gguf.h"
#include "registry/remote.h"

#define HEADER_FIRST_BYTES ((int64_t)2 << 20)
#define HEADER_MAX_BYTES ((int64_t)128 << 20)

/* *ret has checked metadata and tensor shapes; the tensors' data reads as zeros. The caller's to gguf_close. */
bool remote_open_header(struct remote *r, const struct remote_layer *layer, struct gguf **ret, struct err *err);

#endif
