/* Takes a name to a whole model in the store. The wire is remote.h's; this decides what is fetched, in what order it
 * becomes visible (layers, check, manifest, lock), and when a name may move. */
#include "registry/pull.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "model/gguf.h"
#include "registry/registry_private.h"

struct pull {
    struct registry *r;
    const struct pull_options *o;
    struct model_name name, kept_as;
    const char *pin;                /* "" when the name may stand for anything */
    const struct model_store *own;
    struct remote *remote;
    struct remote_manifest *found;
    struct pull_result *result;
};

/* ---- what is there ---- */

static bool read_before(struct pull *p)
{
    struct registry_model *m = &p->result->model;
    return registry_read_model(p->own, &p->kept_as, m, NULL);
}

static bool has_weights(const struct registry_model *m)
{
    return access(m->path, R_OK) == 0;
}

/* Nothing to ask for: the name is pinned, and what it is pinned to lies here, whole. */
static bool is_satisfied(struct pull *p)
{
    const struct registry_model *m = &p->result->model;
    return p->name.source != SOURCE_FILE && p->pin[0] && read_before(p) && strcmp(m->digest, p->pin) == 0 &&
           has_weights(m) && registry_verify(p->r, m, p->o->progress, NULL);
}

/* ---- fetching ---- */

struct span {
    const struct remote_progress *outer;
    int64_t before, total;
};

static bool step(void *ctx, int64_t done, int64_t total)
{
    struct span *s = ctx;
    (void)total;
    return s->outer->step(s->outer->ctx, s->before + done, s->total);
}

static int64_t total_size(const struct remote_manifest *m)
{
    int64_t total = 0;
    for (int i = 0; i < m->n_layers; i++) {
        if (m->layers[i].size < 0)
            return -1;
        total += m->layers[i].size;
    }
    return total;
}

static bool fetch_layers(struct pull *p, struct err *err)
{
    char blobs[MODEL_STORE_MAX_PATH];
    struct span span = {.outer = p->o->progress, .total = total_size(p->found)};
    const struct remote_progress progress = {.ctx = &span, .step = step};
    snprintf(blobs, sizeof blobs, "%s/blobs", p->own->root);
    if (p->o->resolved)
        p->o->resolved(p->o->ctx, span.total, p->found->layers[p->found->weights].digest);
    for (int i = 0; i < p->found->n_layers; i++) {
        struct remote_layer *layer = &p->found->layers[i];
        if (!remote_fetch(p->remote, layer, blobs, p->o->progress ? &progress : NULL, err))
            return false;
        span.before += layer->size;
        if (span.total < 0)
            span.total = total_size(p->found);
    }
    return true;
}

/* What a host offers must be what the name is pinned to; before the download where the host says its digest. */
static bool check_pin(const struct pull *p, const struct remote_layer *weights, struct err *err)
{
    char shown[MODEL_NAME_MAX];
    if (!p->pin[0] || !weights->digest[0] || strcmp(weights->digest, p->pin) == 0)
        return true;
    model_name_show(&p->name, shown, sizeof shown);
    if (p->name.digest[0])
        return err_set(err, ERR_CORRUPT, "%.200s stands for sha256:%.12s... at its host, not for sha256:%.12s... as "
                                         "asked for; nothing was changed", shown, weights->digest, p->pin);
    return err_set(err, ERR_CORRUPT, "%.200s stands for sha256:%.12s... at its host now, and is locked to "
                                     "sha256:%.12s... by %.100s; rung pull --update %.100s moves it", shown,
                   weights->digest, p->pin, p->r->lock_path, shown);
}

/* Downloads were hashed on the way, a blob that lay there before was not: one look for both, and it is remembered. */
static bool check_bytes(struct pull *p, const char *path, const char *must, struct err *err)
{
    char is[DIGEST_HEX + 1];
    if (!registry_file_digest(p->r, path, NULL, is, err))
        return false;
    if (strcmp(is, must) == 0)
        return true;
    unlink(path);
    return err_set(err, ERR_CORRUPT, "a file of that digest lay here damaged and was removed; rung pull again");
}

/* A file that is no whole GGUF is not kept; one that this Rung cannot read is kept, and the caller told. */
static bool check_weights(struct pull *p, const char *path, struct err *err)
{
    struct gguf *g;
    struct err why = ERR_INIT;
    if (gguf_open(path, &g, &why)) {
        gguf_close(g);
        return true;
    }
    if (why.code == ERR_UNSUPPORTED) {
        snprintf(p->result->unread, sizeof p->result->unread, "%s", why.msg);
        return true;
    }
    if (why.code == ERR_CORRUPT || why.code == ERR_INVALID || why.code == ERR_LIMIT) {
        unlink(path);
        return err_set(err, ERR_CORRUPT, "what was fetched is no whole GGUF file and was not kept: %.300s", why.msg);
    }
    if (err)
        *err = why;
    return false;
}

/* The manifest under which the layers are kept: the host's own bytes where they are one. */
static bool write_manifest(struct pull *p, struct err *err)
{
    struct manifest *m = malloc(sizeof *m);
    struct buf made = BUF_INIT(REMOTE_MAX_MANIFEST_BYTES);
    const struct remote_layer *weights = &p->found->layers[p->found->weights];
    bool ok = m ? true : err_nomem(err, "a manifest");
    struct str body = buf_view(&p->found->body);
    if (ok && body.n == 0) {
        struct layer layer = {.kind = LAYER_WEIGHTS, .size = weights->size};
        memcpy(layer.digest, weights->digest, sizeof layer.digest);
        manifest_write(&made, &layer, p->name.source == SOURCE_URL ? p->name.location : "");
        ok = buf_check(&made, "a manifest", err);
        body = buf_view(&made);
    }
    ok = ok && manifest_parse(body, "the manifest of the host", m, err);
    if (ok && strcmp(m->layers[m->weights].digest, weights->digest) != 0)
        ok = err_set(err, ERR_CORRUPT, "the host's manifest names other weights than were fetched");
    ok = ok && model_store_write(p->own, &p->kept_as, body, err);
    buf_free(&made);
    free(m);
    return ok;
}

static bool fetch(struct pull *p, struct err *err)
{
    if (p->name.source == SOURCE_OLLAMA && strcmp(p->name.host, MODEL_NAME_HOST) == 0 &&
        strcmp(p->name.space, MODEL_NAME_LOCAL) == 0)
        return err_set(err, ERR_UNSUPPORTED, "'%.200s' was brought in from a file and has no host; rung pull FILE "
                                             "brings it in", p->name.model);
    char path[MODEL_STORE_MAX_PATH];
    if (!remote_open(&p->remote, err) || !remote_resolve(p->remote, &p->name, p->found, err))
        return false;
    struct remote_layer *weights = &p->found->layers[p->found->weights];
    if (!check_pin(p, weights, err))
        return false;
    if (read_before(p)) {
        memcpy(p->result->was, p->result->model.digest, sizeof p->result->was);
        /* a file that was damaged is fetched again: it is taken away, or it would count as there */
        if (has_weights(&p->result->model) && !registry_verify(p->r, &p->result->model, p->o->progress, NULL))
            unlink(p->result->model.path);
    }
    if (!fetch_layers(p, err) || !check_pin(p, weights, err))
        return false;
    model_store_blob_path(p->own, weights->digest, path);
    return check_bytes(p, path, weights->digest, err) && check_weights(p, path, err) && write_manifest(p, err);
}

/* ---- files ---- */

static bool import(struct pull *p, struct err *err)
{
    struct registry_model *file = calloc(1, sizeof *file);
    bool ok = file ? registry_file_model(p->r, &p->name, file, err) : err_nomem(err, "a model");
    struct gguf *g = NULL;
    struct err why = ERR_INIT;
    if (ok && !gguf_open(file->path, &g, &why)) {
        snprintf(p->result->unread, sizeof p->result->unread, "%s", why.msg);
        ok = why.code == ERR_UNSUPPORTED;
        if (!ok && err)
            *err = why;
    }
    gguf_close(g);
    if (ok && read_before(p))
        memcpy(p->result->was, p->result->model.digest, sizeof p->result->was);
    if (ok)
        memcpy(file->digest, p->pin, strlen(p->pin) + 1);
    ok = ok && registry_bring_in(p->r, file, &p->kept_as, p->o->progress, err);
    free(file);
    return ok;
}

/* ---- the whole ---- */

/* The bytes that a name has moved away from go, where nothing else needs them and nobody else is at work. */
static void drop_old(struct pull *p, const struct manifest *old)
{
    const struct model_store *own;
    int64_t freed;
    int lock;
    if (!registry_own(p->r, true, &own, &lock, NULL))
        return;
    model_store_drop(own, old, &freed, NULL);
    model_store_unlock(lock);
}

/* An imported file may be locked by its path or by the name it is kept under. */
static const char *pin_of(const struct pull *p)
{
    const char *pin = registry_pin_of(p->r, &p->name);
    return pin[0] ? pin : registry_pin_of(p->r, &p->kept_as);
}

static bool prepare(struct pull *p, const char *text, struct err *err)
{
    if (!model_name_parse(text, &p->name, err))
        return false;
    if (p->name.source == SOURCE_FILE)
        model_name_of_file(&p->name, &p->kept_as);
    else if (!registry_store_name(&p->name, &p->kept_as, err))
        return false;
    p->pin = p->o->update ? p->name.digest : pin_of(p);
    return true;
}

/* A name that moved takes its line in rung.lock with it. */
static bool settle(struct pull *p, bool fetched, struct err *err)
{
    struct pull_result *res = p->result;
    if (!registry_read_model(p->own, &p->kept_as, &res->model, err))
        return false;
    bool moved = res->was[0] && strcmp(res->was, res->model.digest) != 0;
    res->outcome = moved ? PULL_MOVED : fetched && !res->was[0] ? PULL_FETCHED : PULL_UP_TO_DATE;
    bool locked = p->o->update && lock_find(&p->r->lock, res->model.name);
    return !(p->o->lock || locked) || registry_lock_model(p->r, &res->model, err);
}

bool registry_pull(struct registry *r, const char *text, const struct pull_options *o, struct pull_result *ret,
                   struct err *err)
{
    struct pull p = {.r = r, .o = o, .found = calloc(1, sizeof *p.found), .result = calloc(1, sizeof *p.result)};
    struct manifest *old = calloc(1, sizeof *old);
    int lock = -1;
    bool ok = p.found && p.result && old ? prepare(&p, text, err) : err_nomem(err, "a model to pull");
    ok = ok && registry_own(r, false, &p.own, &lock, err);
    bool satisfied = ok && is_satisfied(&p);
    int64_t modified_ms;
    bool had = ok && !satisfied && model_store_read(p.own, &p.kept_as, old, &modified_ms, NULL, NULL);
    if (ok && !satisfied)
        ok = p.name.source == SOURCE_FILE ? import(&p, err) : fetch(&p, err);
    ok = ok && settle(&p, !satisfied, err);
    if (lock >= 0)
        model_store_unlock(lock);
    if (ok && had && p.result->outcome == PULL_MOVED)
        drop_old(&p, old);
    if (ok)
        *ret = *p.result;
    if (p.remote)
        remote_close(p.remote);
    if (p.found)
        remote_manifest_free(p.found);
    free(p.found);
    free(p.result);
    free(old);
    return ok;
}
