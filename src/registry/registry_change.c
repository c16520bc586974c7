/* Changes the store of models by name: removes, copies and brings in, and writes the lockfile. What comes from
 * elsewhere is pull.c's; the files themselves are store_write.c's. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "registry/registry_private.h"

bool registry_own(struct registry *r, bool alone, const struct model_store **ret, int *ret_lock, struct err *err)
{
    struct model_store *own = &r->stores[0];
    if ((!own->root[0] && !model_store_own(own, err)) || !model_store_make(own, err) ||
        !model_store_lock(own, alone, ret_lock, err))
        return false;
    *ret = own;
    return true;
}

/* ---- removing ---- */

static bool is_default(const struct model_name *n)
{
    return n->source == SOURCE_OLLAMA && strcmp(n->host, MODEL_NAME_HOST) == 0 &&
           strcmp(n->space, MODEL_NAME_SPACE) == 0;
}

static bool is_kept(const struct model_store *s, const struct model_name *kept_as)
{
    char path[MODEL_STORE_MAX_PATH];
    model_store_manifest_path(s, kept_as, path);
    return s->root[0] && access(path, F_OK) == 0;
}

/* The name as Rung's own store has it; an error that says who owns the model when another store does. */
static bool own_name(const struct registry *r, const char *text, struct model_name *ret, struct err *err)
{
    struct model_name name, local;
    if (!model_name_parse(text, &name, err))
        return false;
    if (name.source == SOURCE_FILE)
        return err_set(err, ERR_UNSUPPORTED, "'%.200s' is a file of your own; rung rm removes models of its store",
                       text);
    if (!registry_store_name(&name, &name, err))
        return false;
    local = name;
    snprintf(local.space, sizeof local.space, MODEL_NAME_LOCAL);
    for (int i = 0; i < r->n_stores; i++) {
        if (is_kept(&r->stores[i], &name)) {
            *ret = name;
            return i == 0 || err_set(err, ERR_UNSUPPORTED, "'%.200s' belongs to Ollama (%.200s), which Rung only "
                                                           "reads; ollama rm removes it", text, r->stores[i].root);
        }
    }
    if (is_default(&name) && is_kept(&r->stores[0], &local)) {
        *ret = local;
        return true;
    }
    return err_set(err, ERR_NOT_FOUND, "there is no model '%.200s' to remove; rung list shows what is here", text);
}

static bool remove_locked(const struct model_store *own, const struct model_name *name, int64_t *ret_freed,
                          struct err *err)
{
    struct manifest *m = malloc(sizeof *m);
    int64_t modified_ms, freed = 0;
    if (!m)
        return err_nomem(err, "a manifest");
    /* a broken manifest goes too; what it named is not known, so it stays */
    bool known = model_store_read(own, name, m, &modified_ms, NULL, NULL);
    bool ok = true;
    if (known && name->digest[0] && strcmp(name->digest, m->layers[m->weights].digest) != 0)
        ok = err_set(err, ERR_NOT_FOUND, "the model of that name has another digest, sha256:%s",
                     m->layers[m->weights].digest);
    ok = ok && model_store_unlink(own, name, err) && (!known || model_store_drop(own, m, &freed, err));
    free(m);
    if (ok)
        *ret_freed = freed;
    return ok;
}

bool registry_remove(struct registry *r, const char *text, int64_t *ret_freed, struct err *err)
{
    const struct model_store *own;
    struct model_name name;
    int lock;
    if (!own_name(r, text, &name, err) || !registry_own(r, true, &own, &lock, err))
        return false;
    bool ok = remove_locked(own, &name, ret_freed, err);
    model_store_unlock(lock);
    return ok;
}

/* ---- bringing in ---- */

/* A blob that does not hold what its name says must not count as there. */
static void drop_damaged(const struct registry *r, const char digest[DIGEST_HEX + 1])
{
    char blob[MODEL_STORE_MAX_PATH], is[DIGEST_HEX + 1];
    model_store_blob_path(&r->stores[0], digest, blob);
    if (access(blob, F_OK) == 0 && registry_file_digest(r, blob, NULL, is, NULL) && strcmp(is, digest) != 0)
        unlink(blob);
}

static bool adopt_path(struct registry *r, const char *path, const char *must, const struct remote_progress *progress,
                       char ret_digest[DIGEST_HEX + 1], struct err *err)
{
    if (!registry_file_digest(r, path, progress, ret_digest, err))
        return false;
    if (must[0] && strcmp(must, ret_digest) != 0)
        return err_set(err, ERR_CORRUPT, "%.200s was changed: it has sha256:%.12s... and must have sha256:%.12s...",
                       path, ret_digest, must);
    drop_damaged(r, ret_digest);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, ERR_IO, "cannot open %.300s", path);
    bool ok = model_store_adopt(&r->stores[0], fd, path, ret_digest, err);
    close(fd);
    return ok;
}

static bool bring_file(struct registry *r, const struct registry_model *m, const struct remote_progress *progress,
                       struct buf *manifest, struct err *err)
{
    struct layer weights = {.kind = LAYER_WEIGHTS, .size = m->size};
    char source[PATH_MAX];
    if (!realpath(m->path, source) || strlen(source) >= MODEL_NAME_MAX)
        source[0] = '\0';
    if (!adopt_path(r, m->path, m->digest, progress, weights.digest, err))
        return false;
    manifest_write(manifest, &weights, source);
    return true;
}

static bool bring_layers(struct registry *r, const struct registry_model *m, const struct remote_progress *progress,
                         struct err *err)
{
    char path[REGISTRY_MAX_PATH], digest[DIGEST_HEX + 1];
    for (int i = 0; i < m->manifest.n_layers; i++) {
        const struct layer *layer = &m->manifest.layers[i];
        if (snprintf(path, sizeof path, "%s/blobs/sha256-%s", m->root, layer->digest) >= (int)sizeof path)
            return err_set(err, ERR_LIMIT, "the path %.200s... is too long", path);
        if (!adopt_path(r, path, layer->digest, progress, digest, err))
            return false;
    }
    return true;
}

/* The manifest's bytes as the model's own store has them. */
static bool read_body(const struct registry *r, const struct registry_model *m, struct buf *body, struct err *err)
{
    struct manifest *again = malloc(sizeof *again);
    struct model_name name;
    int64_t modified_ms;
    bool ok = again ? model_name_parse(m->name, &name, err) && registry_store_name(&name, &name, err)
                    : err_nomem(err, "a manifest");
    for (int i = 0; ok && i < r->n_stores; i++) {
        if (strcmp(r->stores[i].root, m->root) == 0)
            ok = model_store_read(&r->stores[i], &name, again, &modified_ms, body, err);
    }
    free(again);
    return ok;
}

bool registry_bring_in(struct registry *r, const struct registry_model *m, const struct model_name *kept_as,
                       const struct remote_progress *progress, struct err *err)
{
    struct buf manifest = BUF_INIT(REMOTE_MAX_MANIFEST_BYTES);
    bool ok = m->owner == OWNER_FILE ? bring_file(r, m, progress, &manifest, err) : read_body(r, m, &manifest, err);
    if (ok && m->owner == OWNER_OLLAMA)
        ok = bring_layers(r, m, progress, err);
    if (ok && m->owner != OWNER_FILE)   /* its new name does not tell where it came from */
        ok = manifest_note_source(&manifest, m->source, err);
    ok = ok && buf_check(&manifest, "the manifest", err) &&
         model_store_write(&r->stores[0], kept_as, buf_view(&manifest), err);
    buf_free(&manifest);
    return ok;
}

static bool parse_target(const char *text, struct model_name *ret, struct err *err)
{
    if (!model_name_parse(text, ret, err))
        return false;
    if (ret->source == SOURCE_OLLAMA && !ret->digest[0] && !ret->plain_http)
        return true;
    return err_set(err, ERR_INVALID, "'%.200s' is no name to give; it is like mine, mine:4b or team/mine:4b", text);
}

bool registry_copy(struct registry *r, const char *from, const char *to, const struct remote_progress *progress,
                   struct registry_model *ret, struct err *err)
{
    struct registry_model *m = calloc(1, sizeof *m);
    struct model_name target;
    const struct model_store *own;
    int lock = -1;
    bool ok = m ? parse_target(to, &target, err) && registry_find(r, from, m, err) : err_nomem(err, "a model");
    ok = ok && registry_own(r, false, &own, &lock, err);
    if (ok && is_kept(own, &target))
        ok = err_set(err, ERR_BUSY, "there is a model '%.200s' already; rung rm it first, or give another name", to);
    ok = ok && registry_bring_in(r, m, &target, progress, err) && registry_read_model(own, &target, ret, err);
    if (lock >= 0)
        model_store_unlock(lock);
    free(m);
    return ok;
}

/* ---- the lockfile ---- */

bool registry_lock_model(struct registry *r, const struct registry_model *m, struct err *err)
{
    struct buf text = BUF_INIT(LOCK_MAX_BYTES);
    struct model_name source;
    bool from_file = m->owner == OWNER_FILE ||
                     (model_name_parse(m->source, &source, NULL) && source.source == SOURCE_FILE);
    int64_t size = m->manifest.weights >= 0 ? m->manifest.layers[m->manifest.weights].size : m->size;
    if (!lock_put(&r->lock, m->name, m->digest, size, from_file ? "file" : m->source, err))
        return false;
    lock_write(&r->lock, &text);
    bool ok = buf_check(&text, LOCK_FILE, err) && model_store_write_file(r->lock_path, buf_view(&text), err);
    buf_free(&text);
    return ok;
}
