/* A manifest: the layers that a name stands for, as Ollama's registry serves and stores them (an OCI image manifest in
 * JSON), from outside bytes to checked values.
 *
 * Invariants: every digest is 64 hex digits, every size is from 0 to MANIFEST_MAX_SIZE, exactly one layer is the
 * weights. */
#ifndef RUNG_REGISTRY_MANIFEST_H
#define RUNG_REGISTRY_MANIFEST_H

#include "base/buf.h"
#include "registry/name.h"
#include "registry/remote.h"

#define MANIFEST_MAX_SIZE (INT64_C(1) << 50)

enum layer_kind {
    LAYER_WEIGHTS, LAYER_TEMPLATE, LAYER_SYSTEM, LAYER_PARAMS, LAYER_LICENSE, LAYER_ADAPTER, LAYER_PROJECTOR,
    LAYER_CONFIG, LAYER_OTHER, LAYER_KINDS,
};
extern const char *const layer_kind_names[LAYER_KINDS];

struct layer {
    enum layer_kind kind;
    char digest[DIGEST_HEX + 1];
    int64_t size;
};

struct manifest {
    struct layer layers[REMOTE_MAX_LAYERS + 1];   /* the config is one of them */
    int n_layers;
    int weights;                                  /* which of them; -1 in a manifest that was never filled */
    char source[MODEL_NAME_MAX];                  /* Rung's annotation: where the bytes came from; "": not said */
};

/* name stands in errors. */
bool manifest_parse(struct str json, const char *name, struct manifest *ret, struct err *err);
enum layer_kind layer_kind_of(struct str media_type);
/* A manifest for weights that came without one. source: what list and lock show, "" for none. */
void manifest_write(struct buf *out, const struct layer *weights, const char *source);
/* The same manifest with a note of its source, where it has none. */
bool manifest_note_source(struct buf *manifest, const char *source, struct err *err);

#endif
