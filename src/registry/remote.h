/* Model hosts: what a name stands for there, and its bytes. Speaks the Ollama registry protocol (manifest, layers;
 * bearer tokens on 401), Hugging Face's file listing, and plain URLs.
 *
 * Invariants: https, or http to loopback only; redirects are followed here and never to a weaker scheme, at most
 * REMOTE_MAX_REDIRECTS; a token goes to the host it belongs to and to no other (HF_TOKEN to huggingface.co and hf.co);
 * every reply has a ceiling; a file appears under its final name only whole and with the digest it should have.
 * A remote belongs to one thread; its downloads run on the HTTP client's. */
#ifndef RUNG_REGISTRY_REMOTE_H
#define RUNG_REGISTRY_REMOTE_H

#include "base/buf.h"
#include "registry/name.h"

#define REMOTE_MAX_REDIRECTS 5
#define REMOTE_MAX_LAYERS 64
#define REMOTE_MAX_MANIFEST_BYTES (4u << 20)

struct remote;
bool remote_open(struct remote **ret, struct err *err);
void remote_close(struct remote *r);

/* One file of a model. */
struct remote_layer {
    char media_type[96];       /* "application/vnd.ollama.image.model", ".template", ".params", ".license" ... */
    char url[MODEL_NAME_MAX];
    char digest[DIGEST_HEX + 1];   /* "" where the host does not say: it is computed then */
    int64_t size;              /* -1: unknown */
};

struct remote_manifest {
    struct remote_layer layers[REMOTE_MAX_LAYERS];
    int n_layers;
    int weights;               /* which layer is the model file */
    struct buf body;           /* the manifest as a registry served it; for other sources one in the same form, made
                                * from the layers once their digests are known; empty until then */
};
/* What the name stands for now. ERR_NOT_FOUND says what there is instead (tags or files near it). */
bool remote_resolve(struct remote *r, const struct model_name *name, struct remote_manifest *ret, struct err *err);
void remote_manifest_free(struct remote_manifest *m);

struct remote_progress {
    void *ctx;
    /* About ten times a second and at the end; false stops the download (what is there stays for the next time). */
    bool (*step)(void *ctx, int64_t done, int64_t total);
};
/* Downloads into dir/sha256-HEX: parallel ranges, resumed from what an earlier try left (DIGEST-partial files beside
 * it, never visible under the final name), disk space checked first, digest verified while the bytes come. A file that
 * is there already is not fetched again. layer->digest and layer->size are filled where they were unknown. */
bool remote_fetch(struct remote *r, struct remote_layer *layer, const char *dir, const struct remote_progress *progress,
                  struct err *err);
/* Bytes [from, from + n) into *out, fewer at the end of the file; *ret_size: the whole file's size. */
bool remote_read(struct remote *r, const struct remote_layer *layer, int64_t from, int64_t n, struct buf *out,
                 int64_t *ret_size, struct err *err);

#endif
