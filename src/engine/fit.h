/* What a model needs before it is loaded, from the header of its file alone: the architecture's lists are summed, no
 * weight is read. Bytes unless said. Any thread. */
#ifndef RUNG_ENGINE_FIT_H
#define RUNG_ENGINE_FIT_H

#include "model/gguf.h"

struct engine_needs {
    int64_t parameters;
    int64_t active_parameters;     /* that one token passes through: fewer than all with experts */
    int64_t weight_bytes;          /* in memory while it answers: all but the rows of a separate embedding */
    int64_t embedding_bytes;       /* of that embedding, read by rows; 0 when it is the output's too */
    int64_t read_bytes;            /* weights that one decoded token reads */
    int64_t kv_bytes_per_token;    /* layers that keep every position, as F16 */
    int64_t window_bytes_per_token;   /* layers with a sliding window */
    int64_t window;                /* positions those keep at most; 0: there are none */
    int64_t compute_bytes;         /* a step's memory, and vectors as floats */
    int64_t vocabulary_bytes;      /* the tokenizer and the file's metadata */
    int64_t n_ctx_train;
};

/* ERR_UNSUPPORTED and ERR_CORRUPT as engine_open would say them, as far as a header shows it. */
bool engine_needs_of(const struct gguf *g, int threads, struct engine_needs *ret, struct err *err);
/* The key-value cache at so many tokens. */
int64_t engine_needs_kv(const struct engine_needs *n, enum tensor_type kv_type, int64_t context);

#endif
