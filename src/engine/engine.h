/* Tokens to logits. The engine runs an architecture's operation list over the weights of one model file; it never sees
 * a string.
 *
 * Invariants: the result for a session depends on its own tokens, wants and samplers alone, bit for bit: not on the
 * company in a step, the number of threads, the CPU's level, or how the tokens were cut into steps. A step that fails
 * leaves every session as it was. A step allocates nothing once its sizes have been seen. Threads: one at a time per
 * engine (the engine thread). */
#ifndef RUNG_ENGINE_ENGINE_H
#define RUNG_ENGINE_ENGINE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/pool.h"
#include "engine/record.h"
#include "engine/sample.h"
#include "model/gguf.h"

#define ENGINE_MAX_STEP_TOKENS 512       /* over all items of a step; callers cut longer prompts */
#define ENGINE_MAX_STEP_ITEMS 256
#define ENGINE_MAX_CONTEXT (1 << 20)
#define ENGINE_WINDOW_SLACK 256          /* how far a session with a sliding window can certainly be truncated */

struct engine;

struct engine_info {
    const char *architecture;            /* "qwen3" */
    int n_layer, n_head, n_kv_head, head_dim;
    int64_t n_embd, n_ff, n_vocab, n_ctx_train;
    int64_t parameters, weight_bytes;
    int n_expert, n_expert_used;         /* 0: no mixture of experts */
    int64_t kv_bytes_per_token;          /* at F16, of the layers that keep every position */
    int64_t window_bytes_per_token;      /* at F16, of the layers that keep a window */
    int64_t window;                      /* positions that these see; 0: there are none */
};

/* Binds the tensors of g (which must outlive the engine) to the architecture it names and checks every shape.
 * An unknown architecture is ERR_UNSUPPORTED with the list of known ones. */
bool engine_open(const struct gguf *g, struct pool *pool, struct engine **ret, struct err *err);
void engine_close(struct engine *e);     /* after its sessions */
const struct engine_info *engine_info(const struct engine *e);
/* Bytes of a session's keys and values at so many tokens: layers with a window hold it, a page beside it, and
 * ENGINE_WINDOW_SLACK tokens behind it. */
int64_t engine_session_bytes(const struct engine_info *info, enum tensor_type kv_type, int64_t tokens);
/* Bytes of pages that sessions hold now; those that several share count once. */
int64_t engine_kv_bytes(const struct engine *e);
/* Bytes of the largest step, beside the sessions. */
int64_t engine_step_bytes(const struct engine *e);

/* ---- session state: a list of layer groups, each a table of reference-counted pages of KV_PAGE positions ---- */
struct session;
/* context: most positions it may hold. kv_type TENSOR_F16, TENSOR_Q8_0 where heads are a multiple of 32 elements (half
 * the bytes, other numbers), or TENSOR_F32 for conformance tools. Pages are taken as positions come. */
bool session_open(struct engine *e, int64_t context, enum tensor_type kv_type, struct session **ret, struct err *err);
void session_close(struct session *s);
int64_t session_length(const struct session *s);
/* The most that engine_kv_bytes grows by while n tokens are appended, step by step: new pages, and copies of shared
 * ones. */
int64_t session_growth_bytes(const struct session *s, int64_t n);
/* Bytes of keys and values that no other sessions hold: what closing these n frees. */
int64_t sessions_own_bytes(struct session *const *sessions, int n);
/* Sessions with the same one understand each other's state: model, adapter, rotation and kv type. It tells models
 * apart, not forgeries, and is the same after a restart. */
uint64_t session_fingerprint(const struct session *s);
/* A second session with the same state; whole pages are shared, the last partial one is copied when either side
 * writes. */
bool session_fork(const struct session *s, struct session **ret, struct err *err);
/* Forget positions from `length` on. ERR_UNSUPPORTED, and nothing is changed, where a layer group cannot resume there:
 * it has a sliding window and has given back positions that the window before `length` needs. Then start from an empty
 * session (0 is always possible). session_can_truncate says so beforehand. */
bool session_can_truncate(const struct session *s, int64_t length);
bool session_truncate(struct session *s, int64_t length, struct err *err);
/* The state as bytes, and back into an empty session of the same engine and kv type. Bad bytes are ERR_CORRUPT. */
bool session_snapshot(const struct session *s, struct buf *out, struct err *err);
bool session_restore(struct session *s, struct str bytes, struct err *err);

/* ---- a step says what it wants ---- */
enum want_kind {
    WANT_SAMPLE,      /* a token, with its record */
    WANT_LOGPROBS,    /* log-probabilities of given ids */
    WANT_RECORD,      /* the record of a given id, as if it had been sampled freely */
    WANT_HIDDEN,      /* the hidden state after the last norm, [n_embd] */
    WANT_LOGITS,      /* raw logits, [n_vocab]: for conformance tools */
};

struct want {
    enum want_kind kind;
    int at;                                   /* after which token of the item, 0-based; ascending in an item */
    union {
        struct {
            const struct sampler *sampler;
            const uint64_t *allowed;          /* bitset of n_vocab bits, or NULL: all */
            struct token_record *ret;
        } sample;
        struct {
            const int32_t *ids;
            int n;
            float *ret;                       /* [n] */
        } logprobs;
        struct {
            int32_t id;
            struct token_record *ret;
        } record;
        float *ret_hidden;
        float *ret_logits;
    };
};

struct step_item {
    struct session *session;                  /* a session stands in a step once */
    const int32_t *tokens;                    /* appended to the session; ids are checked against the vocabulary */
    int n;
    const struct want *wants;                 /* positions without one cost no logits */
    int n_wants;
};

/* ERR_CORRUPT when the model file shrank under the map, ERR_LIMIT when a session's context is full, ERR_NOMEM ... */
bool engine_step(struct engine *e, const struct step_item *items, int n_items, struct err *err);

#endif
