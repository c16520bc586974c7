/* A file that is on its way: its bytes under a name of their own, and beside them notes of which blocks have come, so
 * that a later process goes on where this one ended.
 *
 * Invariants: a block is noted only after its bytes are durable; one process at a time holds a partial file; the final
 * name appears by one rename, of a whole file. */
#ifndef RUNG_REGISTRY_PARTIAL_H
#define RUNG_REGISTRY_PARTIAL_H

#include "registry/remote.h"

#define PARTIAL_MAX_PATH 4096

enum block_state { BLOCK_MISSING, BLOCK_TAKEN, BLOCK_WRITTEN, BLOCK_NOTED };

struct partial {
    int fd, notes_fd;               /* -1: none */
    char path[PARTIAL_MAX_PATH], notes_path[PARTIAL_MAX_PATH + 8];
    int64_t size;                   /* -1: unknown; then there are no blocks and no notes */
    int64_t n_blocks;
    unsigned char *blocks;          /* enum block_state; guarded by its user */
};

/* Opens dir/STEM-partial and locks it, else ERR_BUSY: another process is fetching it. Nothing is known of its blocks
 * yet. */
bool partial_open(const char *dir, const char *stem, struct partial *ret, struct err *err);
/* Says how long the file is, and takes over what an earlier try noted for a file of the same size and version. */
bool partial_begin(struct partial *p, int64_t size, const char *version, struct err *err);
/* Forgets what has come. */
bool partial_restart(struct partial *p, struct err *err);
bool partial_write(struct partial *p, int64_t at, struct str bytes, struct err *err);
/* Makes the blocks first to end durable and notes them. */
bool partial_note(struct partial *p, int64_t first, int64_t end, struct err *err);
int64_t partial_noted_bytes(const struct partial *p);
/* Whether need more bytes have room beside it. */
bool partial_check_space(const struct partial *p, int64_t need, struct err *err);
/* The whole file to its final name. */
bool partial_publish(struct partial *p, const char *dir, const char *final_path, struct err *err);
void partial_remove(struct partial *p);
void partial_close(struct partial *p);

#endif
