/* Changes Rung's own store: folders, its lock, manifests, files brought in and blobs that nothing names any more.
 * Downloads land in blobs/ by remote.h; which names may move is registry.c's and pull.c's. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "registry/store.h"

#define PIECE_BYTES (1u << 20)
#define SPACE_KEPT_BYTES (INT64_C(64) << 20)

/* ---- folders and the lock ---- */

/* Makes path and the folders above it; those made are for their owner to write. */
static bool make_folders(const char *path, struct err *err)
{
    char part[MODEL_STORE_MAX_PATH];
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = part + 1; *slash; slash++) {
        if (*slash != '/')
            continue;
        *slash = '\0';
        if (mkdir(part, 0755) != 0 && errno != EEXIST && access(part, F_OK) != 0)
            return err_errno(err, ERR_IO, "cannot make the folder %s", part);
        *slash = '/';
    }
    if (mkdir(part, 0755) != 0 && errno != EEXIST)
        return err_errno(err, ERR_IO, "cannot make the folder %s", part);
    return true;
}

bool model_store_is_safe(const char *root, struct err *err)
{
    struct stat st;
    if (stat(root, &st) != 0)
        return errno == ENOENT || err_errno(err, ERR_IO, "cannot read the folder %s", root);
    return !(st.st_mode & S_IWOTH) || (st.st_mode & S_ISVTX) ||
           err_set(err, ERR_INVALID, "anybody can change the models in %s: chmod o-w it, or set RUNG_MODELS to "
                                     "another folder", root);
}

bool model_store_make(const struct model_store *s, struct err *err)
{
    static const char *const folders[] = {"manifests", "blobs"};
    char path[MODEL_STORE_MAX_PATH];
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", s->root, folders[i]);
        if (!make_folders(path, err))
            return false;
    }
    return model_store_is_safe(s->root, err);
}

bool model_store_lock(const struct model_store *s, bool alone, int *ret, struct err *err)
{
    char path[MODEL_STORE_MAX_PATH];
    snprintf(path, sizeof path, "%s/lock", s->root);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return err_errno(err, ERR_IO, "cannot open %s", path);
    if (flock(fd, (alone ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0) {
        bool busy = errno == EWOULDBLOCK;
        err_errno(err, ERR_IO, "cannot lock %s", path);
        close(fd);
        return busy ? err_set(err, ERR_BUSY, "another rung is changing the models in %s; try again when it is done",
                              s->root) : false;
    }
    *ret = fd;
    return true;
}

void model_store_unlock(int lock) { close(lock); }

/* ---- whole files ---- */

static bool write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t k = write(fd, p, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

/* A new file beside path, for finish_file. */
static int start_file(const char *path, char temporary[MODEL_STORE_MAX_PATH], struct err *err)
{
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash - path) + 1 : 0;
    if (snprintf(temporary, MODEL_STORE_MAX_PATH, "%.*s.rung-XXXXXX", folder, path) >= MODEL_STORE_MAX_PATH) {
        err_set(err, ERR_LIMIT, "the path %.200s... is too long", path);
        return -1;
    }
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        err_errno(err, ERR_IO, "cannot write beside %s", path);
    return fd;
}

/* Flushes and closes fd, and gives it its name; where that fails, or ok is false already, nothing of it stays. */
static bool finish_file(int fd, const char *temporary, const char *path, bool ok, struct err *err)
{
    char folder[MODEL_STORE_MAX_PATH];
    if (ok && (fchmod(fd, 0644) != 0 || fsync(fd) != 0))
        ok = err_errno(err, ERR_IO, "cannot write %s", path);
    close(fd);
    if (ok && rename(temporary, path) != 0)
        ok = err_errno(err, ERR_IO, "cannot write %s", path);
    if (!ok) {
        unlink(temporary);
        return false;
    }
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash)
        *slash = '\0';
    int dir = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir >= 0) {
        fsync(dir);
        close(dir);
    }
    return true;
}

bool model_store_write_file(const char *path, struct str bytes, struct err *err)
{
    char temporary[MODEL_STORE_MAX_PATH];
    int fd = start_file(path, temporary, err);
    if (fd < 0)
        return false;
    bool ok = write_all(fd, bytes.p, bytes.n) || err_errno(err, ERR_IO, "cannot write %s", path);
    return finish_file(fd, temporary, path, ok, err);
}

bool model_store_write(const struct model_store *s, const struct model_name *name, struct str manifest,
                       struct err *err)
{
    char path[MODEL_STORE_MAX_PATH];
    model_store_manifest_path(s, name, path);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    if (!make_folders(path, err))
        return false;
    *slash = '/';
    return model_store_write_file(path, manifest, err);
}

bool model_store_unlink(const struct model_store *s, const struct model_name *name, struct err *err)
{
    char path[MODEL_STORE_MAX_PATH];
    model_store_manifest_path(s, name, path);
    if (unlink(path) != 0)
        return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot remove %s", path);
    /* the folders above, as far as they are empty now */
    for (int i = 0; i < 3; i++) {
        *strrchr(path, '/') = '\0';
        if (rmdir(path) != 0)
            break;
    }
    return true;
}

/* ---- blobs ---- */

static bool copy_bytes(int from, int to, const char *path, struct err *err)
{
    char *piece = malloc(PIECE_BYTES);
    if (!piece)
        return err_nomem(err, "copying a file");
    bool ok = true;
    int64_t at = 0;
    for (ssize_t n; ok && (n = pread(from, piece, PIECE_BYTES, at)) != 0;) {
        if (n < 0 && errno == EINTR)
            continue;
        ok = n > 0 && write_all(to, piece, (size_t)n);
        at += n;
    }
    if (!ok)
        err_errno(err, ERR_IO, "cannot copy %s into the store of models", path);
    free(piece);
    return ok;
}

static bool has_space(const struct model_store *s, int64_t bytes, struct err *err)
{
    struct statvfs v;
    if (statvfs(s->root, &v) != 0)
        return true;
    int64_t there = (int64_t)v.f_bavail * (int64_t)v.f_frsize;
    return there - SPACE_KEPT_BYTES >= bytes ||
           err_set(err, ERR_IO, "%s has %lld MiB left and the copy needs %lld MiB; make room, or set RUNG_MODELS to "
                                "another disk", s->root, (long long)(there >> 20), (long long)(bytes >> 20));
}

/* The file that fd is, and no other that took its place since. */
static bool link_same(int fd, const char *path, const char *blob)
{
    struct stat opened, linked;
    if (linkat(AT_FDCWD, path, AT_FDCWD, blob, AT_SYMLINK_FOLLOW) != 0)
        return false;
    if (fstat(fd, &opened) == 0 && stat(blob, &linked) == 0 && opened.st_ino == linked.st_ino &&
        opened.st_dev == linked.st_dev)
        return true;
    unlink(blob);
    return false;
}

bool model_store_adopt(const struct model_store *s, int fd, const char *path, const char digest[DIGEST_HEX + 1],
                       struct err *err)
{
    char blob[MODEL_STORE_MAX_PATH], temporary[MODEL_STORE_MAX_PATH];
    struct stat st, there;
    model_store_blob_path(s, digest, blob);
    if (fstat(fd, &st) != 0)
        return err_errno(err, ERR_IO, "%s: cannot read the file's state", path);
    if (stat(blob, &there) == 0 && there.st_size == st.st_size)
        return true;
    if (link_same(fd, path, blob))
        return true;
    if (!has_space(s, st.st_size, err))
        return false;
    int to = start_file(blob, temporary, err);
    return to >= 0 && finish_file(to, temporary, blob, copy_bytes(fd, to, path, err), err);
}

struct used {
    const struct model_store *store;
    const struct manifest *m;
    bool *used;   /* by layer of m */
    bool unsure;  /* a manifest could not be read: what it names is not known */
};

static bool mark_used(void *ctx, const struct model_name *name)
{
    struct used *u = ctx;
    struct manifest *other = malloc(sizeof *other);
    int64_t modified_ms;
    struct err err = ERR_INIT;
    u->unsure = !other || !model_store_read(u->store, name, other, &modified_ms, NULL, &err);
    for (int i = 0; !u->unsure && i < other->n_layers; i++)
        for (int j = 0; j < u->m->n_layers; j++)
            if (strcmp(other->layers[i].digest, u->m->layers[j].digest) == 0)
                u->used[j] = true;
    free(other);
    return !u->unsure;
}

bool model_store_drop(const struct model_store *s, const struct manifest *m, int64_t *ret_freed, struct err *err)
{
    bool used[REMOTE_MAX_LAYERS + 1] = {false};
    struct used u = {.store = s, .m = m, .used = used};
    char path[MODEL_STORE_MAX_PATH];
    int64_t freed = 0;
    if (!model_store_each(s, mark_used, &u, err))
        return false;
    for (int i = 0; !u.unsure && i < m->n_layers; i++) {
        if (used[i])
            continue;
        model_store_blob_path(s, m->layers[i].digest, path);
        struct stat st;
        if (lstat(path, &st) == 0 && unlink(path) == 0)
            freed += st.st_size;
    }
    *ret_freed = freed;
    return true;
}
