/* A file of the prefix cache: whose state it is and after which tokens, then the state as session_snapshot gives it.
 *
 *   magic, mac, version, state, salt, n_tokens, snapshot_bytes: 8 bytes each, little endian; then int32 tokens; then
 *   the snapshot, which has a checksum of its own
 *
 * Invariant: the mac (SipHash under the folder's secret, of all between it and the snapshot) is also the file's name.
 * So a file that was damaged, renamed, or written by somebody else is refused before anything of it is used. */
#ifndef RUNG_RUNTIME_SCHEDULE_PREFIX_FILE_H
#define RUNG_RUNTIME_SCHEDULE_PREFIX_FILE_H

#include "base/buf.h"
#include "engine/engine.h"

#define PREFIX_FILE_MAX_TOKENS ENGINE_MAX_CONTEXT
#define PREFIX_FILE_MAX_BYTES ((int64_t)8 << 30)
#define PREFIX_FILE_HEADER_BYTES 56

struct prefix_file {
    uint64_t state, salt;            /* the key, as in prefix_tree.h */
    const int32_t *tokens;           /* [n] */
    int64_t n;
    struct str snapshot;
    uint64_t name;
};

/* The whole file of a session's state after its tokens. */
bool prefix_file_make(const struct session *s, uint64_t salt, const int32_t *tokens, const uint64_t secret[2],
                      struct buf *out, uint64_t *ret_name, struct err *err);
/* bytes: of the whole file, aligned to 8. Views into it. Whatever they are, ERR_CORRUPT or a sound header and tokens;
 * of the snapshot only the size was looked at. */
bool prefix_file_parse(struct str bytes, const uint64_t secret[2], struct prefix_file *ret, struct err *err);
/* The key alone, from the first PREFIX_FILE_HEADER_BYTES of a file of `size` bytes; the mac is not checked. */
bool prefix_file_peek(struct str header, int64_t size, struct prefix_file *ret, struct err *err);

#endif
