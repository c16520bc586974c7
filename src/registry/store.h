/* One store of models on disk, in Ollama's layout:
 *
 *   ROOT/manifests/HOST/NAMESPACE/MODEL/TAG   a manifest; the name exists when this file does
 *   ROOT/blobs/sha256-HEX                     a layer, shared by all manifests that name it
 *   ROOT/verified                             digests computed before (Rung's own store only)
 *   ROOT/lock                                 held shared by who adds, alone by who removes (likewise)
 *
 * Paths are made from checked names and digests only. Files appear whole: written beside their place, flushed, renamed.
 * A link in a store is followed for reading (a digest says what it must hold) and replaced, never followed, for
 * writing. */
#ifndef RUNG_REGISTRY_STORE_H
#define RUNG_REGISTRY_STORE_H

#include "registry/manifest.h"

#define MODEL_STORE_MAX_PATH 4096
#define MODEL_STORE_MAX_MODELS 4096
#define MODEL_STORE_OLLAMA_ROOTS 3

struct model_store {
    char root[MODEL_STORE_MAX_PATH - 1024];   /* so that every path inside fits */
    bool own;                                 /* Rung's, else Ollama's */
};

/* Rung's own store, which need not exist. */
bool model_store_own(struct model_store *ret, struct err *err);
/* Ollama's that exist and are not the same folder as `own`; how many. */
int model_store_ollama(const struct model_store *own, struct model_store ret[MODEL_STORE_OLLAMA_ROOTS]);

/* ---- reading ---- */
void model_store_blob_path(const struct model_store *s, const char digest[DIGEST_HEX + 1],
                           char buf[MODEL_STORE_MAX_PATH]);
void model_store_manifest_path(const struct model_store *s, const struct model_name *name,
                               char buf[MODEL_STORE_MAX_PATH]);
/* ERR_NOT_FOUND when there is no such name. body (NULL allowed) gets the bytes as they stand. */
bool model_store_read(const struct model_store *s, const struct model_name *name, struct manifest *ret,
                      int64_t *ret_modified_ms, struct buf *body, struct err *err);
/* Every name that has the shape of one; each returning false ends it. */
bool model_store_each(const struct model_store *s, bool (*each)(void *ctx, const struct model_name *name), void *ctx,
                      struct err *err);

/* ERR_INVALID when another user could change what lies there; a folder that is not there yet is no fault. */
bool model_store_is_safe(const char *root, struct err *err);

/* ---- writing: Rung's own store only, under its lock ---- */
/* Makes the folders, and asks model_store_is_safe. */
bool model_store_make(const struct model_store *s, struct err *err);
/* ERR_BUSY when it is held the other way; *ret is for model_store_unlock. */
bool model_store_lock(const struct model_store *s, bool alone, int *ret, struct err *err);
void model_store_unlock(int lock);
bool model_store_write(const struct model_store *s, const struct model_name *name, struct str manifest,
                       struct err *err);
bool model_store_unlink(const struct model_store *s, const struct model_name *name, struct err *err);
/* Brings an open file in as a blob, linked where the file system allows, else copied; path is where fd was opened. */
bool model_store_adopt(const struct model_store *s, int fd, const char *path, const char digest[DIGEST_HEX + 1],
                       struct err *err);
/* Removes those layers of m that no manifest names any more; *ret_freed: their bytes. Needs the lock alone. */
bool model_store_drop(const struct model_store *s, const struct manifest *m, int64_t *ret_freed, struct err *err);

/* A whole file, flushed, then renamed to path; its folder must exist. */
bool model_store_write_file(const char *path, struct str bytes, struct err *err);

#endif
