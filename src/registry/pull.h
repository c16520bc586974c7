/* Fetching a model by name into Rung's own store: resolves, downloads its layers, checks the GGUF header, and only
 * then writes its manifest. A name that is pinned gets exactly its weights or none. */
#ifndef RUNG_REGISTRY_PULL_H
#define RUNG_REGISTRY_PULL_H

#include "registry/registry.h"

struct pull_options {
    bool update;   /* a name that rung.lock pins may move, and its line with it */
    bool lock;     /* write the model into rung.lock */
    /* Both NULL allowed. progress runs over the bytes of all layers; resolved is told of the whole size (-1: not known)
     * and of the weights' digest ("": not known) before the first. */
    const struct remote_progress *progress;
    void (*resolved)(void *ctx, int64_t bytes, const char *digest);
    void *ctx;
};

enum pull_outcome { PULL_FETCHED, PULL_UP_TO_DATE, PULL_MOVED };

struct pull_result {
    enum pull_outcome outcome;
    struct registry_model model;
    char was[DIGEST_HEX + 1];   /* PULL_MOVED: the digest before */
    char unread[512];           /* why this Rung cannot read the file, "" when it can */
};

/* name: any that model_name_parse takes; a file is brought in under local/. */
bool registry_pull(struct registry *r, const char *name, const struct pull_options *o, struct pull_result *ret,
                   struct err *err);

#endif
