/* What the adapter's rooms share: adapter.c holds and applies deltas, gguf.c and peft.c read files into
 * them. */
#ifndef RUNG_ENGINE_ADAPTER_PRIVATE_H
#define RUNG_ENGINE_ADAPTER_PRIVATE_H

#include "engine/adapter.h"
#include "engine/internal.h"

/* What one matrix gets beside it. */
struct delta {
    float *a;                      /* [rank, k] */
    float *b;                      /* [n, rank], times the scale */
    int rank;                      /* 0: nothing */
    int rank_a;                    /* of a, until b is there too */
};

struct adapter {
    struct engine *engine;
    struct arena arena;
    struct delta *deltas;          /* [n_layer, WEIGHT_ROLES] */
    char **scratch;                /* [threads] a prepared row of act_bytes, and what A made of it */
    size_t act_bytes;
    uint64_t fingerprint;
};

/* One half of a delta as a file gives it. */
struct lora_part {
    const char *path;              /* for errors */
    const char *name;              /* of the tensor, likewise */
    int layer;
    struct str module;             /* "attn_q", as in the model's tensor names */
    bool is_b;
    const struct tensor *tensor;   /* A [rank, k], B [n, rank] */
    float scale;                   /* of B */
    bool unpermute;                /* B's rows come in halves of a head, not in neighbouring pairs */
};
/* Checks it against the model and takes a copy. */
bool adapter_add(struct adapter *a, const struct lora_part *part, struct err *err);

bool adapter_read_gguf(struct adapter *a, const char *path, struct err *err);
bool adapter_read_peft(struct adapter *a, const char *folder, struct err *err);

#endif
