/* Finds the stores of this machine and reads them: where they are, what names they hold, what a name stands for.
 * Writing is in store_write.c; what a name means across stores, and pins, are registry.c's. */
#include "registry/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/filemap.h"

#define LEVELS 4   /* HOST/NAMESPACE/MODEL/TAG */

/* ---- where they are ---- */

static bool set_root(struct model_store *s, const char *folder, const char *below, struct err *err)
{
    if (snprintf(s->root, sizeof s->root, "%s%s", folder, below) >= (int)sizeof s->root)
        return err_set(err, ERR_LIMIT, "the path of the store of models is too long: %.200s...", folder);
    return true;
}

bool model_store_own(struct model_store *ret, struct err *err)
{
    const char *own = getenv("RUNG_MODELS"), *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    struct model_store s = {.own = true};
    bool ok;
    if (own && own[0])
        ok = set_root(&s, own, "", err);
    else if (data && data[0] == '/')
        ok = set_root(&s, data, "/rung/models", err);
    else if (home && home[0] == '/')
        ok = set_root(&s, home, "/.local/share/rung/models", err);
    else
        ok = err_set(err, ERR_INVALID, "there is no place for models: set RUNG_MODELS to a folder, or HOME");
    if (ok)
        *ret = s;
    return ok;
}

static bool same_folder(const char *a, const char *b)
{
    struct stat x, y;
    return strcmp(a, b) == 0 ||
           (stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

static bool has_manifests(const struct model_store *s)
{
    char path[MODEL_STORE_MAX_PATH];
    struct stat st;
    snprintf(path, sizeof path, "%s/manifests", s->root);
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int model_store_ollama(const struct model_store *own, struct model_store ret[MODEL_STORE_OLLAMA_ROOTS])
{
    const char *folders[MODEL_STORE_OLLAMA_ROOTS] = {getenv("OLLAMA_MODELS"), getenv("HOME"), "/usr/share/ollama"};
    int n = 0;
    for (int i = 0; i < MODEL_STORE_OLLAMA_ROOTS; i++) {
        struct model_store s = {0};
        if (!folders[i] || folders[i][0] != '/' || !set_root(&s, folders[i], i ? "/.ollama/models" : "", NULL))
            continue;
        bool known = same_folder(s.root, own->root);
        for (int j = 0; j < n; j++)
            known = known || same_folder(s.root, ret[j].root);
        if (!known && has_manifests(&s))
            ret[n++] = s;
    }
    return n;
}

/* ---- reading ---- */

void model_store_blob_path(const struct model_store *s, const char digest[DIGEST_HEX + 1],
                           char buf[MODEL_STORE_MAX_PATH])
{
    snprintf(buf, MODEL_STORE_MAX_PATH, "%s/blobs/sha256-%s", s->root, digest);
}

/* Ollama keeps a Hugging Face type as it was typed: the file in folder that differs from *tag in capitals only. */
static void find_tag(const char *folder, char tag[MODEL_NAME_MAX_PART + 1])
{
    DIR *dir = opendir(folder);
    if (!dir)
        return;
    for (struct dirent *e; (e = readdir(dir));) {
        if (!str_eq_nocase(str_of(e->d_name), str_of(tag)))
            continue;
        memcpy(tag, e->d_name, strlen(tag));
        break;
    }
    closedir(dir);
}

void model_store_manifest_path(const struct model_store *s, const struct model_name *name,
                               char buf[MODEL_STORE_MAX_PATH])
{
    char tag[MODEL_NAME_MAX_PART + 1];
    snprintf(tag, sizeof tag, "%s", name->tag);
    int n = snprintf(buf, MODEL_STORE_MAX_PATH, "%s/manifests/%s/%s/%s", s->root, name->host, name->space, name->model);
    if (name->source == SOURCE_HUGGING_FACE && !s->own)
        find_tag(buf, tag);
    snprintf(buf + n, (size_t)(MODEL_STORE_MAX_PATH - n), "/%s", tag);
}

bool model_store_read(const struct model_store *s, const struct model_name *name, struct manifest *ret,
                      int64_t *ret_modified_ms, struct buf *body, struct err *err)
{
    char path[MODEL_STORE_MAX_PATH], *json;
    struct stat st;
    size_t n;
    model_store_manifest_path(s, name, path);
    if (stat(path, &st) != 0)
        return errno == ENOENT || errno == ENOTDIR ? err_set(err, ERR_NOT_FOUND, "there is no %s", path)
                                                   : err_errno(err, ERR_IO, "%s: cannot read the manifest", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_CORRUPT, "%s is no file, so it is no manifest", path);
    if (!file_read(path, REMOTE_MAX_MANIFEST_BYTES, &json, &n, err))
        return false;
    bool ok = manifest_parse((struct str){json, n}, path, ret, err);
    if (ok && body)
        buf_add(body, json, n);
    free(json);
    if (ok)
        *ret_modified_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    return ok && (!body || buf_check(body, path, err));
}

/* ---- all names ---- */

struct walk {
    bool (*each)(void *ctx, const struct model_name *name);
    void *ctx;
    int n;
    bool ended;
};

static bool name_from_parts(char parts[LEVELS][MODEL_NAME_MAX_PART + 1], struct model_name *ret)
{
    char text[LEVELS * (MODEL_NAME_MAX_PART + 2) + 16];
    snprintf(text, sizeof text, "%s/%s/%s:%s", parts[0], parts[1], parts[2], parts[3]);
    if (!model_name_parse(text, ret, NULL) || ret->source == SOURCE_URL || ret->source == SOURCE_FILE)
        return false;
    snprintf(ret->tag, sizeof ret->tag, "%s", parts[3]);
    return true;
}

static bool walk(const char *folder, int level, char parts[LEVELS][MODEL_NAME_MAX_PART + 1], struct walk *w,
                 struct err *err)
{
    char path[MODEL_STORE_MAX_PATH];
    struct model_name name;
    DIR *dir = opendir(folder);
    bool ok = true;
    if (!dir)
        return true;
    for (struct dirent *e; ok && !w->ended && (e = readdir(dir));) {
        size_t n = strlen(e->d_name);
        if (e->d_name[0] == '.' || n > MODEL_NAME_MAX_PART)
            continue;
        memcpy(parts[level], e->d_name, n + 1);
        if (level + 1 < LEVELS) {
            if (snprintf(path, sizeof path, "%s/%s", folder, e->d_name) < (int)sizeof path)
                ok = walk(path, level + 1, parts, w, err);
        } else if (w->n++ == MODEL_STORE_MAX_MODELS) {
            ok = err_set(err, ERR_LIMIT, "%s: a store of more than %d models is not read", folder,
                         MODEL_STORE_MAX_MODELS);
        } else if (name_from_parts(parts, &name)) {
            w->ended = !w->each(w->ctx, &name);
        }
    }
    closedir(dir);
    return ok;
}

bool model_store_each(const struct model_store *s, bool (*each)(void *ctx, const struct model_name *name), void *ctx,
                      struct err *err)
{
    char folder[MODEL_STORE_MAX_PATH], parts[LEVELS][MODEL_NAME_MAX_PART + 1];
    struct walk w = {.each = each, .ctx = ctx};
    snprintf(folder, sizeof folder, "%s/manifests", s->root);
    return walk(folder, 0, parts, &w, err);
}
