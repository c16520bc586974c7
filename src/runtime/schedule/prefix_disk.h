/* The part of the prefix cache that outlives the process: files in one folder, for all models, written beside the
 * engine thread and read when a prompt begins with what they hold.
 *
 * Invariants: the folder is its owner's alone (0700, files 0600); what a process listed at the start and wrote since
 * stays within max_bytes, and what was used longest ago goes first; a file is whole or not there (written beside, then
 * renamed); files that cannot be trusted are removed, and no more is said than a line in the log: the cache is only a
 * shortcut. Processes may share a folder.
 * Threads: prefix_disk_find, _load and _save are the engine thread's. */
#ifndef RUNG_RUNTIME_SCHEDULE_PREFIX_DISK_H
#define RUNG_RUNTIME_SCHEDULE_PREFIX_DISK_H

#include "runtime/schedule/prefix_file.h"

#define PREFIX_DISK_MAX_FILES 1024
#define PREFIX_DISK_MAX_WAITING 4                        /* files to be written */
#define PREFIX_DISK_MAX_WAITING_BYTES ((size_t)1 << 30)  /* in memory until they are */

struct prefix_disk;

/* Makes the folder and its secret where they are missing, and lists what is there. ERR_INVALID when others may read or
 * write in it. */
bool prefix_disk_open(const char *folder, int64_t max_bytes, struct prefix_disk **ret, struct err *err);
void prefix_disk_close(struct prefix_disk *d);           /* NULL allowed; what waits is written first */
/* [2]; the same after a restart, so that owners of prompts keep their salts. */
const uint64_t *prefix_disk_secret(const struct prefix_disk *d);

/* Calls each with every file of the key that can be read; views are good during the call. */
void prefix_disk_find(struct prefix_disk *d, uint64_t state, uint64_t salt,
                      void (*each)(void *ctx, const struct prefix_file *file), void *ctx);
/* Into an empty session. When it fails, the file is of no more use. */
bool prefix_disk_load(struct prefix_disk *d, uint64_t name, struct session *s, struct err *err);
/* Takes a copy of the state, to be written soon; *ret_name: of the file. False: too large, or too many wait. */
bool prefix_disk_save(struct prefix_disk *d, const struct session *s, uint64_t salt, const int32_t *tokens,
                      uint64_t *ret_name);

#endif
