/* What earlier prompts left behind: the state of a model after the longest known beginning of a new prompt, so that
 * only the rest is computed. One cache for each loaded base model, which its adapters share.
 *
 * Invariants: a resumed session equals one that was fed those tokens, bit for bit. Only prompts of one key (model,
 * adapter, kv type, salt) see each other. Memory is shared with live sessions by pages, and given back by prefix_evict
 * alone. Every call but opening and closing is the engine thread's. */
#ifndef RUNG_RUNTIME_SCHEDULE_PREFIX_H
#define RUNG_RUNTIME_SCHEDULE_PREFIX_H

#include "engine/adapter.h"

#define PREFIX_MIN_TOKENS 16         /* shorter beginnings cost less than they save */
#define PREFIX_MAX_NODES 4096        /* of the tree: ends and branches of what is known */
#define PREFIX_MAX_TOKENS (4 << 20)  /* token ids in the tree, whatever memory their state takes */
/* What is seen twice is an instruction, and will be seen again: worth a file as soon as reading is quicker than
 * computing. What was seen once may never come back: only where computing it again would be felt, and seldom, for
 * a stream of ever new documents would wear the disk out. */
#define PREFIX_SAVE_SHARED 64
#define PREFIX_SAVE_LONG 1024
#define PREFIX_SAVE_LONG_EVERY_MS 60000

struct prefix_cache;
struct prefix_disk;                  /* prefix_disk.h */

struct prefix_key {
    const struct adapter *adapter;   /* NULL: the base alone */
    uint64_t salt;                   /* whose prompts */
};

struct prefix_options {
    int64_t context;                 /* of every session */
    enum tensor_type kv_type;
    int64_t kv_bytes;                /* what engine_kv_bytes should stay within when state comes from a file */
    struct prefix_disk *disk;        /* NULL: nothing outlives the process */
};
/* Nobody uses the engine's sessions when the cache is opened or closed. */
bool prefix_open(struct engine *e, const struct prefix_options *options, struct prefix_cache **ret, struct err *err);
void prefix_close(struct prefix_cache *c);               /* NULL allowed; before its engine */

/* How many of these tokens a session would start with, were it resumed now: at most n - 1. */
int64_t prefix_known(struct prefix_cache *c, const struct prefix_key *key, const int32_t *tokens, int64_t n);

struct prefix_resumed {
    struct session *session;         /* the caller's; ready for tokens + session_length */
    /* Earlier prompts share so many tokens with this one; where it is more than the session holds (a sliding window
     * could not go back there), a step that ends there and a prefix_keep make it a place to resume from. */
    int64_t shared;
};
/* A session that holds the longest known beginning of these tokens, at most n - 1 so that one is left to sample after;
 * an empty one where nothing is known. */
bool prefix_resume(struct prefix_cache *c, const struct prefix_key *key, const int32_t *tokens, int64_t n,
                   struct prefix_resumed *ret, struct err *err);
/* Remembers the state after the session's tokens, which are tokens[0 .. session_length). The session goes on unharmed
 * and may be closed. Cheap: call it where a prompt's prefill ends, where an answer ends, before a session is given up,
 * and while prefilling whenever somebody waits for what is known so far. What cannot be kept is not an error. */
void prefix_keep(struct prefix_cache *c, const struct prefix_key *key, const int32_t *tokens,
                 const struct session *session);
/* Writes the state after these n tokens to disk where that pays, or after the first `shared` of them, which an earlier
 * prompt began with too. For prompts that may be written down; after prefix_keep. */
void prefix_save(struct prefix_cache *c, const struct prefix_key *key, const int32_t *tokens, int64_t n,
                 int64_t shared);
/* Frees at least so many bytes of keys and values if it can, least recently used first and from the ends of prompts
 * towards their beginnings; returns how many. What live sessions hold too is left: it would free nothing. */
int64_t prefix_evict(struct prefix_cache *c, int64_t bytes);
int64_t prefix_bytes(struct prefix_cache *c);            /* what prefix_evict can free at most */

struct prefix_stats {
    int64_t nodes, tokens;           /* in the tree */
};
struct prefix_stats prefix_stats(const struct prefix_cache *c);

#endif
