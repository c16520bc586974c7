/* The store, and every model that is to run here: its file, whether Rung runs it, whether it fits the memory, whether
 * it is what it should be. Digests are read again only of files that changed since. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/machine.h"
#include "cli/doctor/doctor.h"
#include "engine/fit.h"
#include "registry/registry.h"
#include "registry/store.h"

#define GB 1e9
#define LITTLE_DISK INT64_C(5000000000)
#define DEFAULT_CONTEXT 8192

static void check_memory(struct doctor *d, const char *name, const struct gguf *g, int64_t context)
{
    struct machine m;
    struct engine_needs n;
    struct err err = ERR_INIT;
    machine_read(&m);
    if (!engine_needs_of(g, m.cpus, &n, &err)) {
        doctor_add_err(d, FINDING_PROBLEM, "model", "take another model; rung fit recommends one", &err);
        return;
    }
    context = context ? context : n.n_ctx_train < DEFAULT_CONTEXT ? n.n_ctx_train : DEFAULT_CONTEXT;
    int64_t total = n.weight_bytes + engine_needs_kv(&n, TENSOR_F16, context) + n.compute_bytes + n.vocabulary_bytes;
    if (m.available_bytes && total > m.available_bytes)
        doctor_add(d, FINDING_WARNING, "model", "take a smaller one or less context: rung fit says what fits",
                   "%s needs %.1f GB at %lld tokens of context; %.1f GB are free", name, (double)total / GB,
                   (long long)context, (double)m.available_bytes / GB);
    else
        doctor_add(d, FINDING_OK, "model", NULL, "%s: %.1f GB at %lld tokens of context", name, (double)total / GB,
                   (long long)context);
}

static void check_file(struct doctor *d, struct registry *r, const char *name, const struct registry_model *m,
                       int64_t context)
{
    struct err err = ERR_INIT;
    struct gguf *g;
    if (m->digest[0] && !registry_verify(r, m, NULL, &err)) {
        doctor_add_err(d, FINDING_PROBLEM, "model", "fetch it again: rung rm and rung pull, or mend rung.lock", &err);
        return;
    }
    if (!gguf_open(m->path, &g, &err)) {
        doctor_add_err(d, FINDING_PROBLEM, "model", "fetch it again with rung pull", &err);
        return;
    }
    check_memory(d, name, g, context);
    gguf_close(g);
}

/* Whether it fits its base is seen when both are loaded. */
static void check_adapter(struct doctor *d, const struct config *c, const struct config_model *m)
{
    char todo[300];
    if (access(m->adapter, R_OK) == 0) {
        doctor_add(d, FINDING_OK, "model", NULL, "%s: an adapter beside %s", m->name, c->models[m->base].name);
        return;
    }
    snprintf(todo, sizeof todo, "mend 'file' of adapter '%.40s'", m->name);
    doctor_add(d, FINDING_PROBLEM, "model", todo, "cannot read the adapter %s: %s", m->adapter, strerror(errno));
}

static void check_missing(struct doctor *d, const struct config_model *m, const struct err *err)
{
    struct model_name name;
    char todo[300];
    bool a_file = !model_name_parse(m->file, &name, NULL) || name.source == SOURCE_FILE;
    if (a_file)
        snprintf(todo, sizeof todo, "mend 'file' of model '%.40s'", m->name);
    else
        snprintf(todo, sizeof todo, "rung pull %.200s, or mend 'file' of model '%.40s'", m->file, m->name);
    doctor_add_err(d, FINDING_PROBLEM, "model", todo, err);
}

void doctor_check_models(struct doctor *d, const struct config *c)
{
    struct err err = ERR_INIT;
    struct registry *r;
    static struct registry_model model;
    if (!registry_open(NULL, &r, &err)) {
        doctor_add_err(d, FINDING_PROBLEM, "models", "mend rung.lock, or remove it to unpin", &err);
        return;
    }
    for (int i = 0; i < c->n_models; i++) {
        const struct config_model *m = &c->models[i];
        err = ERR_INIT;
        if (!m->file)
            continue;
        if (m->adapter)
            check_adapter(d, c, m);
        else if (str_is(str_of(m->file), "starter"))
            doctor_add(d, FINDING_OK, "model", NULL, "%s: the embedded starter model", m->name);
        else if (registry_find(r, m->file, &model, &err))
            check_file(d, r, m->name, &model, m->context);
        else
            check_missing(d, m, &err);
    }
    registry_close(r);
}

/* ---- the store ---- */

struct count {
    int models;
    int64_t bytes;
};

static bool count_model(void *ctx, const struct registry_model *m)
{
    struct count *n = ctx;
    n->models++;
    n->bytes += m->size;
    return true;
}

/* Room on the disk of the store, or of the nearest folder above it that exists. */
static int64_t free_bytes(const char *root)
{
    char path[REGISTRY_MAX_PATH];
    struct statvfs disk;
    snprintf(path, sizeof path, "%s", root);
    doctor_nearest(path);
    return statvfs(path, &disk) == 0 ? (int64_t)disk.f_bavail * (int64_t)disk.f_frsize : -1;
}

void doctor_check_store(struct doctor *d)
{
    struct err err = ERR_INIT;
    struct registry *r;
    struct count n = {0};
    if (!registry_open(NULL, &r, &err)) {
        doctor_add_err(d, FINDING_PROBLEM, "store", "mend rung.lock, or remove it to unpin", &err);
        return;
    }
    const char *root = registry_root(r);
    bool there = access(root, F_OK) == 0;
    int64_t room = free_bytes(root);
    if (!registry_each(r, count_model, &n, &err))
        doctor_add_err(d, FINDING_PROBLEM, "store", "check the folder and who owns it", &err);
    else if (!model_store_is_safe(root, &err))
        doctor_add_err(d, FINDING_PROBLEM, "store", "until then nothing is pulled into it", &err);
    else if (there && access(root, W_OK) != 0)
        doctor_add(d, FINDING_WARNING, "store", "make it writable, or set RUNG_MODELS to another folder",
                   "%s cannot be written, so nothing can be pulled into it", root);
    else
        doctor_add(d, FINDING_OK, "store", NULL, "%s%s: %d model%s, %.1f GB", root,
                   there ? "" : " (made by the first rung pull)", n.models, n.models == 1 ? "" : "s",
                   (double)n.bytes / GB);
    if (room >= 0 && room < LITTLE_DISK)
        doctor_add(d, FINDING_WARNING, "store", "free some space, or set RUNG_MODELS to a folder on a larger disk",
                   "only %.1f GB are free on its disk", (double)room / GB);
    registry_close(r);
}
