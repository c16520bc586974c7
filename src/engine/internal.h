/* The engine's rooms among themselves; nothing outside src/engine (and its tests) includes this.
 *
 *   describe.c          a file's header -> architecture and numbers; fit.c what those need of a machine
 *   hparams.c, bind.c   a model file -> struct model: numbers in range, every weight of the lists found and in shape
 *   plan.c              an operation list -> stages, each one run of the thread pool
 *   run.c, experts.c    a stage over a batch of tokens
 *   session.c           pages of keys and values; snapshot.c their bytes
 *   step.c              engine_step: items -> one batch -> wants
 *   record.c, sample.c  a row of logits -> token record, chosen token */
#ifndef RUNG_ENGINE_INTERNAL_H
#define RUNG_ENGINE_INTERNAL_H

#include "base/arena.h"
#include "engine/arch/arch.h"
#include "engine/engine.h"
#include "kernels/kernels.h"

/* ---- the model: what the file says, bound to its architecture ---- */

struct weight {
    const struct tensor *tensor;   /* NULL: optional, and not in this file */
    const float *vector;           /* norms, biases, factors: as floats */
};

#define HPARAMS_MAX_EXPERTS 1024
#define HPARAMS_MAX_EXPERTS_USED 64

enum rope_table {
    ROPE_MAIN,
    ROPE_LONG,                     /* in sessions of a context beyond the original one */
    ROPE_WINDOW,                   /* in layers with a sliding window */
    ROPE_TABLES,
};

struct layer_weights {
    struct weight w[WEIGHT_ROLES];
};

struct model {
    const struct gguf *g;
    const struct arch *arch;
    struct hparams h;
    struct weight once[WEIGHT_ROLES];       /* weights outside the layers */
    struct layer_weights *layers;           /* [n_layer] */
    int64_t act_k[ACT_FORMATS];             /* longest row prepared for matrix products, 0: none; for each chosen */
    int64_t expert_act_k[ACT_FORMATS];      /* expert by themselves */
    const double *rope_freq[ROPE_TABLES];   /* [n_rot / 2] radians a position; NULL: ROPE_MAIN stands in */
    struct engine_info info;
};

bool hparams_read(const struct gguf *g, const struct arch *arch, struct hparams *ret, struct err *err);
/* Architecture, numbers and info; no weights. */
bool model_describe(const struct gguf *g, struct model *ret, struct err *err);
/* Belongs to a part of the model that sees: in one file with the text part, which works without it. */
bool tensor_left_aside(const struct tensor *t);
/* The model's memory comes from the arena. */
bool model_bind(const struct gguf *g, const struct kernels *k, struct arena *arena, struct model *ret, struct err *err);
/* The tensor of a role, or what stands in for it; NULL when the file has neither. */
const struct tensor *model_tensor(const struct gguf *g, const struct arch *arch, enum weight_role role, int layer);
const struct weight *model_weight(const struct model *m, int layer, enum weight_role role);

/* ---- the plan: where threads meet ---- */

enum stage_kind {
    STAGE_TOKENS,      /* any operations that need one token only; then what the next stage reads is prepared */
    STAGE_MATMULS,     /* matrix products with one common input, split by rows of the weights */
    STAGE_EXPERTS,     /* the same of chosen experts, split by rows of all of them */
    STAGE_ATTENTION,   /* one attention, split by tokens and heads */
};

/* Invariant: a STAGE_TOKENS stands before every other kind. */
struct stage {
    enum stage_kind kind;
    const struct op *ops;
    int n;
};

struct plan {
    struct stage *stages;
    int n;
};

bool plan_make(struct op_list list, struct arena *arena, struct plan *ret, struct err *err);

/* ---- session state ---- */

struct kv_page {
    struct kv_page *next;          /* in the free list */
    int64_t refs;                  /* sessions that hold it */
    _Alignas(64) char bytes[];     /* [layers of the group] x (K, V) x n_kv_head x kv_head_bytes */
};

struct kv_heap {
    size_t page_bytes;
    struct kv_page *free;
    int64_t n_free, n_held;        /* pages in the free list; pages that sessions hold, a shared one once */
};

enum kv_heap_kind { KV_F16, KV_F32, KV_Q8_0, KV_HEAPS };

struct group_info {
    enum state_kind kind;
    int n_layer;
    struct kv_heap heaps[KV_HEAPS];
};

struct layer_group {
    struct kv_heap *heap;
    const char **pages;            /* [n_pages] kv_page.bytes, as the kernels take them; room for the whole context */
    int64_t first_page, n_pages;   /* pages before the first were given back: no window reaches them */
};

struct session {
    struct engine *engine;
    int64_t length, context;
    enum tensor_type kv_type;
    bool long_rope;                /* turns by ROPE_LONG */
    const struct adapter *adapter; /* NULL: none */
    struct layer_group groups[STATE_KINDS];   /* as engine.groups */
    bool in_step;
};

void kv_heap_close(struct kv_heap *heap);   /* no session holds a page */
/* Makes positions [length, length + n) writable: pages exist and are this session's alone. */
bool session_reserve(struct session *s, int64_t n, struct err *err);
/* Gives back pages past the length, and those that no window will reach again. */
void session_trim(struct session *s);
/* The first position that layers of the group read once `length` are there. */
int64_t group_first_position(const struct engine *e, int group, int64_t length);
/* A layer's keys in a page, and as many bytes of its values. */
size_t kv_layer_bytes(const struct hparams *h, enum tensor_type kv_type);
uint64_t adapter_fingerprint(const struct adapter *a);   /* NULL: 0 */

/* ---- a row of logits ---- */

/* What LOGITS_PART neighbouring logits say. The parts of a row are looked at by whichever threads are free; what is
 * made of them, in their order, does not depend on that. */
#define LOGITS_PART 16384
struct logits_part {
    float max, sum;                /* NaN if there is one; of exp(x - max) */
    int n_top;
    struct {
        int32_t id;
        float logit;
    } top[RECORD_TOP];             /* descending, of equals the lower id first */
};

struct logits_row {
    const float *x;                /* [n] */
    int64_t n;
    const struct logits_part *parts;   /* [logits_parts(n)] */
};

int64_t logits_parts(int64_t n);
/* One part of the n logits at x. */
void logits_scan(const struct kernels *k, const float *x, int64_t n, int64_t part, struct logits_part *ret);

/* log p(i) = logits[i] - max - log_sum */
struct logits_norm {
    float max;
    double sum, log_sum;
};
bool logits_normalise(const struct logits_row *row, struct logits_norm *ret, struct err *err);
float logits_logprob(const struct logits_norm *norm, float logit);
/* The record's top and entropy; the chosen token is the sampler's business. */
void record_fill(const struct logits_row *row, const struct logits_norm *norm, struct token_record *ret);

/* ---- a batch on its way through the lists ---- */

struct batch_item {
    struct session *session;
    int64_t pos0;
    int first, n;                  /* its tokens in the batch */
};

/* Who chose which expert, and where its rows lie in slots that hold one for each chosen expert: by expert. */
struct routes {
    int32_t *expert_of;            /* [tokens, n_expert_used], best first */
    int32_t *row_of;               /* the same */
    int32_t *token_of;             /* [rows] */
    int first[HPARAMS_MAX_EXPERTS + 1];   /* an expert's first row; the next one's is its end */
};

struct batch {
    int tokens;
    float *slots[SLOTS];           /* [tokens, width], or [tokens * n_expert_used, width] */
    char *act[ACT_FORMATS];        /* prepared rows of what the next matrix products read */
    char *expert_act[ACT_FORMATS]; /* the same for each chosen expert */
    struct routes *routes;
    const int32_t *ids;            /* [tokens] */
    const int *item_of;            /* [tokens] */
    const float *rotations[2];     /* [tokens, n_rot / 2, 2] cosine and sine; the second in arch.windowed layers */
    const struct batch_item *items;
    const int64_t *attention_units; /* [n_items + 1] running sum */
    int n_items;
};

#define OUT_CHUNK 32   /* rows of logits that exist at a time */

/* A position that wants something. */
struct out_row {
    const struct step_item *item;
    int token;                     /* in the batch */
    int first_want, n_wants;
};

/* Memory of a step, kept from step to step and only ever growing. */
struct step_memory {
    struct arena arena;
    int tokens;                    /* room for so many */
    bool logits;                   /* room for a chunk of logits too */
    struct batch batch;
    int32_t *ids;                  /* as in batch, to be written */
    int *item_of;
    float *rotations[2];
    struct routes routes;
    struct batch_item items[ENGINE_MAX_STEP_ITEMS];
    int64_t attention_units[ENGINE_MAX_STEP_ITEMS + 1];
    struct out_row *rows;          /* [tokens] */
    int n_rows;
    struct logits_part *parts;     /* [OUT_CHUNK, logits_parts(n_vocab)] */
    struct err faults[OUT_CHUNK];
};

struct engine {
    struct pool *pool;
    const struct kernels *k;
    struct arena arena;
    struct model model;
    struct plan input, block, output;
    int logits_stage;              /* of output: makes the logits from what a hidden state is */
    struct group_info groups[STATE_KINDS];
    int n_groups;
    int *group_of;                 /* [n_layer] */
    int *index_in_group;           /* [n_layer] */
    uint64_t fingerprint;          /* of the model, for snapshots */
    int threads;
    char **matmul_scratch;         /* [threads] */
    char **attention_scratch;      /* the same */
    struct sample_scratch **sample_scratch;   /* [threads] */
    struct step_memory memory;
};

/* Runs the stages [first, end) of a plan over the batch; layer is -1 outside the layers. */
void run_plan(const struct engine *e, const struct plan *plan, int first, int end, int layer, const struct batch *b);

#endif
