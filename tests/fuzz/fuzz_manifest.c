/* Manifests of models: whatever is taken holds checked digests, sizes in range and one layer of weights. */
#include <stdlib.h>
#include <string.h>

#include "registry/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct manifest *m = calloc(1, sizeof *m);
    struct err err = ERR_INIT;
    char hex[DIGEST_HEX + 1];
    int weights = 0;
    if (!m)
        return 0;
    bool ok = manifest_parse((struct str){(const char *)data, size}, "fuzz", m, &err);
    if (!ok && (err.code == ERR_NONE || err.msg[0] == '\0'))
        abort();
    if (ok && (m->n_layers < 1 || m->n_layers > REMOTE_MAX_LAYERS + 1))
        abort();
    for (int i = 0; ok && i < m->n_layers; i++) {
        const struct layer *l = &m->layers[i];
        weights += l->kind == LAYER_WEIGHTS;
        if (l->size < 0 || l->size > MANIFEST_MAX_SIZE || !digest_parse(str_of(l->digest), hex))
            abort();
    }
    if (ok && (weights != 1 || m->layers[m->weights].kind != LAYER_WEIGHTS))
        abort();
    free(m);
    return 0;
}
