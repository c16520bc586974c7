/* A tensor: a named, typed, read-only view of bytes somebody else owns (usually a mapped model file).
 * ne[0] is the fastest dimension (k, the length of a row); unused dimensions are 1. */
#ifndef RUNG_TENSOR_TENSOR_H
#define RUNG_TENSOR_TENSOR_H

#include "tensor/types.h"

#define TENSOR_MAX_DIMS 4

struct tensor {
    const char *name;
    enum tensor_type type;
    int n_dims;
    int64_t ne[TENSOR_MAX_DIMS];
    const void *data;
    size_t bytes;
};

static inline int64_t tensor_rows(const struct tensor *t) { return t->ne[1] * t->ne[2] * t->ne[3]; }
static inline const void *tensor_row(const struct tensor *t, int64_t row)
{
    return (const char *)t->data + (size_t)row * tensor_row_bytes(t->type, t->ne[0]);
}

#endif
