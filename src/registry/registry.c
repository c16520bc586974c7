/* Finds what a name stands for, across the stores of this machine and under the pins that hold, and proves that a file
 * is what it should be. Changes are in registry_change.c, downloads in pull.c. */
#include "registry/registry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/filemap.h"
#include "registry/digest.h"
#include "registry/registry_private.h"
#include "registry/verified.h"

/* A file written this short a time ago may be written again without its times showing it. */
#define TIMES_SETTLE_MS 20
#define SHORT_DIGEST 12

const char *const registry_owner_names[] = {"rung", "ollama", "file"};

/* ---- opening ---- */

static bool read_lock(struct registry *r, struct err *err)
{
    char *text;
    size_t n;
    struct err why = ERR_INIT;
    if (!file_read(r->lock_path, LOCK_MAX_BYTES, &text, &n, &why)) {
        if (why.code == ERR_NOT_FOUND)
            return true;
        if (err)
            *err = why;
        return false;
    }
    bool ok = lock_parse((struct str){text, n}, r->lock_path, &r->lock, err);
    free(text);
    return ok;
}

bool registry_open(const char *folder, struct registry **ret, struct err *err)
{
    struct registry *r = calloc(1, sizeof *r);
    if (!r)
        return err_nomem(err, "the store of models");
    const char *slash = folder ? "/" : "";
    bool ok = snprintf(r->lock_path, sizeof r->lock_path, "%s%s" LOCK_FILE, folder ? folder : "", slash) <
                  (int)sizeof r->lock_path ||
              err_set(err, ERR_LIMIT, "the path of %s is too long", LOCK_FILE);
    /* Without a home there is no store, but there are still files. */
    model_store_own(&r->stores[0], NULL);
    r->n_stores = 1 + model_store_ollama(&r->stores[0], r->stores + 1);
    if (!ok || !read_lock(r, err)) {
        registry_close(r);
        return false;
    }
    *ret = r;
    return true;
}

void registry_close(struct registry *r)
{
    if (!r)
        return;
    lock_free(&r->lock);
    free(r);
}

const char *registry_root(const struct registry *r) { return r->stores[0].root; }
const struct lock *registry_locked(const struct registry *r) { return &r->lock; }
const char *registry_lock_path(const struct registry *r) { return r->lock_path; }

/* ---- names and pins ---- */

bool registry_store_name(const struct model_name *name, struct model_name *ret, struct err *err)
{
    if (name->source == SOURCE_URL)
        return model_name_of_url(name, ret, err);
    if (name->source == SOURCE_FILE)
        return err_set(err, ERR_INVALID, "'%.200s' is a file, not a name of the store", name->location);
    *ret = *name;
    return true;
}

/* The same file, though its path may be written in other ways; a lockfile's paths begin at its folder. */
static bool is_same_file(const struct registry *r, const char *locked, const char *path)
{
    char at[REGISTRY_MAX_PATH];
    struct stat a, b;
    const char *slash = strrchr(r->lock_path, '/');
    int folder = locked[0] == '/' || !slash ? 0 : (int)(slash - r->lock_path) + 1;
    if (snprintf(at, sizeof at, "%.*s%s", folder, r->lock_path, locked) >= (int)sizeof at)
        return false;
    return stat(at, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

const char *registry_pin_of(const struct registry *r, const struct model_name *name)
{
    char shown[MODEL_NAME_MAX];
    if (name->digest[0])
        return name->digest;
    const struct lock_entry *e = lock_find(&r->lock, model_name_show(name, shown, sizeof shown));
    for (int i = 0; !e && name->source == SOURCE_FILE && i < r->lock.n; i++) {
        struct model_name locked;
        if (model_name_parse(r->lock.entries[i].name, &locked, NULL) && locked.source == SOURCE_FILE &&
            is_same_file(r, locked.location, name->location))
            e = &r->lock.entries[i];
    }
    return e ? e->digest : "";
}

/* ---- finding ---- */

static void set_names(const struct model_name *kept_as, struct registry_model *m)
{
    struct model_name source;
    bool url = m->manifest.source[0] && model_name_parse(m->manifest.source, &source, NULL) &&
               source.source == SOURCE_URL;
    model_name_show(kept_as, m->name, sizeof m->name);
    if (m->manifest.source[0])
        snprintf(m->source, sizeof m->source, "%s", m->manifest.source);
    else
        snprintf(m->source, sizeof m->source, "%s/%s/%s:%s", kept_as->host, kept_as->space, kept_as->model,
                 kept_as->tag);
    /* a copy of a download has a name of its own, the download itself is called by its URL */
    if (url && strcmp(kept_as->space, "url") == 0)
        snprintf(m->name, sizeof m->name, "%s", m->source);
}

bool registry_read_model(const struct model_store *s, const struct model_name *kept_as, struct registry_model *ret,
                         struct err *err)
{
    struct registry_model *m = calloc(1, sizeof *m);
    if (!m)
        return err_nomem(err, "a model's description");
    bool ok = model_store_read(s, kept_as, &m->manifest, &m->modified_ms, NULL, err);
    if (ok) {
        const struct layer *weights = &m->manifest.layers[m->manifest.weights];
        m->owner = s->own ? OWNER_RUNG : OWNER_OLLAMA;
        snprintf(m->root, sizeof m->root, "%s", s->root);
        memcpy(m->digest, weights->digest, sizeof m->digest);
        model_store_blob_path(s, weights->digest, m->path);
        for (int i = 0; i < m->manifest.n_layers; i++)
            m->size += m->manifest.layers[i].size;
        set_names(kept_as, m);
        *ret = *m;
    }
    free(m);
    return ok;
}

bool registry_file_model(const struct registry *r, const struct model_name *name, struct registry_model *ret,
                         struct err *err)
{
    struct stat st;
    const char *pin = registry_pin_of(r, name);
    if (stat(name->location, &st) != 0)
        return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open %.300s", name->location);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "%.300s is no file", name->location);
    memset(ret, 0, sizeof *ret);
    ret->manifest.weights = -1;
    snprintf(ret->name, sizeof ret->name, "%s", name->location);
    snprintf(ret->path, sizeof ret->path, "%s", name->location);
    memcpy(ret->digest, pin, strlen(pin) + 1);
    ret->pinned = pin[0] != '\0';
    ret->owner = OWNER_FILE;
    ret->size = st.st_size;
    ret->modified_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    return true;
}

static bool pin_broken(const struct registry *r, const struct registry_model *m, const struct model_name *name,
                       const char *pin, struct err *err)
{
    if (name->digest[0])
        return err_set(err, ERR_CORRUPT, "%.200s is here with sha256:%.*s..., not with the digest asked for "
                                         "(sha256:%.*s...); rung pull it with that digest", m->name, SHORT_DIGEST,
                       m->digest, SHORT_DIGEST, pin);
    return err_set(err, ERR_CORRUPT, "%.200s is locked to sha256:%.*s... by %.100s, and here with sha256:%.*s...; "
                                     "rung pull fetches what is locked, rung pull --update %.100s moves the lock",
                   m->name, SHORT_DIGEST, pin, r->lock_path, SHORT_DIGEST, m->digest, m->name);
}

static bool weights_are_there(const struct registry_model *m, struct err *err)
{
    struct stat st;
    struct model_name source;
    int64_t size = m->manifest.layers[m->manifest.weights].size;
    bool file = model_name_parse(m->source, &source, NULL) && source.source == SOURCE_FILE;
    const char *again = file ? m->source : m->name;
    if (stat(m->path, &st) != 0)
        return err_errno(err, ERR_CORRUPT, "rung pull %.200s brings the weights of %.200s again: they cannot be read",
                         again, m->name);
    return (S_ISREG(st.st_mode) && st.st_size == size) ||
           err_set(err, ERR_CORRUPT, "the weights of %.200s are %lld bytes and should be %lld; rung pull %.200s "
                                     "brings them again", m->name, (long long)st.st_size, (long long)size, again);
}

/* The first store that has the name with the weights it must have. ERR_NOT_FOUND when none has the name at all. */
static bool find_kept(const struct registry *r, const struct model_name *name, const char *pin,
                      struct registry_model *ret, struct err *err)
{
    struct model_name kept_as;
    struct err first = ERR_INIT;
    if (!registry_store_name(name, &kept_as, err))
        return false;
    for (int i = 0; i < r->n_stores; i++) {
        struct err e = ERR_INIT;
        bool ok = r->stores[i].root[0] && registry_read_model(&r->stores[i], &kept_as, ret, &e);
        if (ok && pin[0] && strcmp(pin, ret->digest) != 0)
            ok = pin_broken(r, ret, name, pin, &e);
        if (ok && weights_are_there(ret, &e)) {
            ret->pinned = pin[0] != '\0';
            return true;
        }
        if (e.code != ERR_NONE && e.code != ERR_NOT_FOUND && first.code == ERR_NONE)
            first = e;
    }
    if (first.code == ERR_NONE)
        err_set(&first, ERR_NOT_FOUND, "there is no such model");
    if (err)
        *err = first;
    return false;
}

static bool not_found(const char *text, const struct model_name *name, struct err *err)
{
    char shown[MODEL_NAME_MAX];
    if (strcmp(name->space, MODEL_NAME_LOCAL) == 0)
        return err_set(err, ERR_NOT_FOUND, "there is no model '%.200s'; rung list shows those of this machine, rung "
                                           "pull FILE brings one in", text);
    return err_set(err, ERR_NOT_FOUND, "there is no model '%.200s' on this machine; rung pull %.200s fetches it, rung "
                                       "list shows what is here", text, model_name_show(name, shown, sizeof shown));
}

/* Short names mean what was pulled under them, else the file that was brought in. */
static bool find_name(const struct registry *r, const char *text, const struct model_name *name,
                      struct registry_model *ret, struct err *err)
{
    struct err why = ERR_INIT;
    struct model_name local = *name, file = {.source = SOURCE_FILE};
    if (find_kept(r, name, registry_pin_of(r, name), ret, &why))
        return true;
    if (why.code == ERR_NOT_FOUND && name->source == SOURCE_OLLAMA && strcmp(name->host, MODEL_NAME_HOST) == 0 &&
        strcmp(name->space, MODEL_NAME_SPACE) == 0) {
        snprintf(local.space, sizeof local.space, MODEL_NAME_LOCAL);
        if (find_kept(r, &local, registry_pin_of(r, &local), ret, &why))
            return true;
    }
    if (why.code != ERR_NOT_FOUND) {
        if (err)
            *err = why;
        return false;
    }
    /* a path without a sign of being one */
    snprintf(file.location, sizeof file.location, "%.*s", (int)strcspn(text, "@"), text);
    memcpy(file.digest, name->digest, sizeof file.digest);
    return registry_file_model(r, &file, ret, NULL) || not_found(text, name, err);
}

bool registry_find(struct registry *r, const char *text, struct registry_model *ret, struct err *err)
{
    struct model_name name, file = {.source = SOURCE_FILE};
    struct registry_model *m = calloc(1, sizeof *m);
    if (!m)
        return err_nomem(err, "a model's description");
    bool ok;
    if (!model_name_parse(text, &name, err)) {
        snprintf(file.location, sizeof file.location, "%s", text);
        ok = registry_file_model(r, &file, m, NULL);
    } else if (name.source == SOURCE_FILE) {
        ok = registry_file_model(r, &name, m, err);
    } else {
        ok = find_name(r, text, &name, m, err);
    }
    if (ok)
        *ret = *m;
    free(m);
    return ok;
}

/* ---- proving ---- */

static int64_t ctime_ms(const struct stat *st)
{
    return (int64_t)st->st_ctim.tv_sec * 1000 + st->st_ctim.tv_nsec / 1000000;
}

static bool same_state(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static bool compute(const struct registry *r, int fd, const char *path, const struct remote_progress *progress,
                    char ret[DIGEST_HEX + 1], struct err *err)
{
    const char *root = r->stores[0].root;
    struct stat before, after;
    if (fstat(fd, &before) != 0)
        return err_errno(err, ERR_IO, "cannot read the state of %.300s", path);
    if (!S_ISREG(before.st_mode))
        return err_set(err, ERR_INVALID, "%.300s is no file", path);
    if (root[0] && verified_find(root, &before, ret))
        return true;
    if (clock_wall_ms() - ctime_ms(&before) < TIMES_SETTLE_MS)
        nanosleep(&(struct timespec){.tv_nsec = TIMES_SETTLE_MS * 1000000}, NULL);
    if (!digest_fd(fd, path, progress, ret, err))
        return false;
    if (fstat(fd, &after) != 0 || !same_state(&before, &after))
        return err_set(err, ERR_CORRUPT, "%.300s changed while it was read; try again when nothing writes to it", path);
    if (root[0])
        verified_note(root, &after, ret);
    return true;
}

bool registry_file_digest(const struct registry *r, const char *path, const struct remote_progress *progress,
                          char ret[DIGEST_HEX + 1], struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open %.300s", path);
    bool ok = compute(r, fd, path, progress, ret, err);
    close(fd);
    return ok;
}

bool registry_verify(struct registry *r, const struct registry_model *m, const struct remote_progress *progress,
                     struct err *err)
{
    char is[DIGEST_HEX + 1];
    if (!m->digest[0])
        return true;
    if (!registry_file_digest(r, m->path, progress, is, err))
        return false;
    return strcmp(is, m->digest) == 0 ||
           err_set(err, ERR_CORRUPT, "%.200s is not loaded: its file (%.200s) was changed. It has sha256:%.*s... and "
                                     "must have sha256:%.*s...", m->name, m->path, SHORT_DIGEST, is, SHORT_DIGEST,
                   m->digest);
}

/* ---- listing ---- */

struct listing {
    const struct registry *r;
    int store;
    bool (*each)(void *ctx, const struct registry_model *m);
    void *ctx;
    struct registry_model model;
    bool ended;
};

static bool list_one(void *ctx, const struct model_name *kept_as)
{
    struct listing *l = ctx;
    char path[MODEL_STORE_MAX_PATH];
    for (int i = 0; i < l->store; i++) {
        model_store_manifest_path(&l->r->stores[i], kept_as, path);
        if (access(path, F_OK) == 0)
            return true;
    }
    if (!registry_read_model(&l->r->stores[l->store], kept_as, &l->model, NULL))
        return true;
    struct model_name name;
    const char *pin = model_name_parse(l->model.name, &name, NULL) ? registry_pin_of(l->r, &name) : "";
    l->model.pinned = pin[0] != '\0';
    l->ended = !l->each(l->ctx, &l->model);
    return !l->ended;
}

bool registry_each(struct registry *r, bool (*each)(void *ctx, const struct registry_model *m), void *ctx,
                   struct err *err)
{
    struct listing *l = calloc(1, sizeof *l);
    if (!l)
        return err_nomem(err, "the list of models");
    *l = (struct listing){.r = r, .each = each, .ctx = ctx};
    bool ok = true;
    for (; ok && !l->ended && l->store < r->n_stores; l->store++)
        ok = r->stores[l->store].root[0] == '\0' || model_store_each(&r->stores[l->store], list_one, l, err);
    free(l);
    return ok;
}

bool registry_layer_path(const struct registry_model *m, enum layer_kind kind, char *buf, size_t size)
{
    for (int i = 0; i < m->manifest.n_layers; i++) {
        if (m->manifest.layers[i].kind == kind)
            return snprintf(buf, size, "%s/blobs/sha256-%s", m->root, m->manifest.layers[i].digest) < (int)size;
    }
    return false;
}
