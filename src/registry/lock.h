/* rung.lock: which weights the names of a project stand for. Text, one model a line, lines with # are comments:
 *
 *   NAME sha256:HEX BYTES SOURCE
 *
 * NAME as model_name_show writes it, SOURCE where the bytes came from ("file" for files). Written sorted by name, so
 * that two people's changes merge. */
#ifndef RUNG_REGISTRY_LOCK_H
#define RUNG_REGISTRY_LOCK_H

#include "base/buf.h"
#include "registry/name.h"

#define LOCK_FILE "rung.lock"
#define LOCK_MAX_ENTRIES 256
#define LOCK_MAX_BYTES (2u << 20)

struct lock_entry {
    char *name, *source;   /* owned by the lock */
    char digest[DIGEST_HEX + 1];
    int64_t size;
};

struct lock {
    struct lock_entry entries[LOCK_MAX_ENTRIES];
    int n;
};

/* ret is for lock_free. file stands in errors, which carry the line. */
bool lock_parse(struct str text, const char *file, struct lock *ret, struct err *err);
void lock_free(struct lock *l);
const struct lock_entry *lock_find(const struct lock *l, const char *name);   /* NULL: not locked */
/* Adds or replaces the line of this name. */
bool lock_put(struct lock *l, const char *name, const char *digest, int64_t size, const char *source, struct err *err);
void lock_write(const struct lock *l, struct buf *out);

#endif
