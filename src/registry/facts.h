/* What a model file says of itself, for those above who know nothing of files. */
#ifndef RUNG_REGISTRY_FACTS_H
#define RUNG_REGISTRY_FACTS_H

#include "base/buf.h"

#define FACTS_MAX_BYTES (64u << 20)

struct model_facts {
    char type[16];            /* of most weights, as people say it: "Q4_K_M"; "" when the file does not say */
    struct buf metadata;      /* an object in JSON: the file's keys and values */
    struct buf template;      /* of conversations, or empty */
    struct buf license;       /* its name, or empty */
};

/* Reads the header. bytes not empty: the file's bytes, and path is a name only. arrays: their elements too (a
 * vocabulary is megabytes), else null stands for each. *ret is for model_facts_free. */
bool model_facts_read(const char *path, struct str bytes, bool arrays, struct model_facts *ret, struct err *err);
void model_facts_free(struct model_facts *f);

#endif
