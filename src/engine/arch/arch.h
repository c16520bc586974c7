/* An architecture is data: the lists of operations that turn a token into logits, as a model's paper writes them.
 *
 * A list works on slots, which are per-token vectors of a symbolic width, and names weights by role. Nothing of a
 * model's structure stands anywhere else: the engine runs the lists, a trainer walks them backwards, a planner sums
 * their bytes and operations. A new model is a new list; a new kind of operation is a new enum value and its kernel. */
#ifndef RUNG_ENGINE_ARCH_ARCH_H
#define RUNG_ENGINE_ARCH_ARCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* Symbolic widths; arch_width turns them into numbers. */
enum width {
    WIDTH_NONE,
    WIDTH_ONE_HEAD,      /* head_dim */
    WIDTH_ROTARY_PAIRS,  /* n_rot / 2 */
    WIDTH_MODEL,         /* n_embd */
    WIDTH_HEADS,         /* n_head * head_dim */
    WIDTH_KV,            /* n_kv_head * head_dim */
    WIDTH_FF,            /* n_ff */
    WIDTH_VOCAB,         /* n_vocab */
};

/* What an operation reads and writes: one vector per token. */
enum slot {
    SLOT_NONE,
    SLOT_X,              /* the residual stream */
    SLOT_NORMED,         /* it after a norm */
    SLOT_Q,
    SLOT_K,
    SLOT_V,
    SLOT_MIXED,          /* what attention gathered */
    SLOT_GATE,
    SLOT_UP,
    SLOT_BRANCH,         /* a branch's result, before it joins the residual stream */
    SLOT_LOGITS,
    SLOTS,
};

enum weight_role {
    WEIGHT_NONE,
    WEIGHT_TOKEN_EMBD,
    WEIGHT_OUTPUT_NORM,
    WEIGHT_OUTPUT,
    WEIGHT_ROPE_FACTORS,
    WEIGHT_ATTN_NORM,
    WEIGHT_ATTN_Q,
    WEIGHT_ATTN_K,
    WEIGHT_ATTN_V,
    WEIGHT_ATTN_OUTPUT,
    WEIGHT_ATTN_Q_BIAS,
    WEIGHT_ATTN_K_BIAS,
    WEIGHT_ATTN_V_BIAS,
    WEIGHT_ATTN_OUTPUT_BIAS,
    WEIGHT_ATTN_Q_NORM,
    WEIGHT_ATTN_K_NORM,
    WEIGHT_FFN_NORM,
    WEIGHT_FFN_GATE,
    WEIGHT_FFN_UP,
    WEIGHT_FFN_DOWN,
    WEIGHT_ROLES,
};

enum op_kind {
    OP_EMBED,      /* dst = row `token` of w [vocab, dst] */
    OP_NORM,       /* dst = rms_norm(a) * w [a] */
    OP_HEAD_NORM,  /* dst = the same for each head of a by itself, w [head_dim] */
    OP_MATMUL,     /* dst = w [dst, a] a + bias [dst] */
    OP_ROPE,       /* dst, which is a: each head turned by the token's position; w [n_rot / 2] divides frequencies */
    OP_ATTENTION,  /* a, b, c are q, k, v: b and c join the session's state, dst = softmax(q k) v over it */
    OP_GATE,       /* dst = silu(a) * b */
    OP_ADD,        /* dst = a + b */
    OP_KINDS,
};

/* The kind of session state an attention keeps; layers of one kind form a layer group. */
enum state_kind {
    STATE_NONE,
    STATE_FULL,    /* every position so far */
    STATE_KINDS,
};

struct op {
    enum op_kind kind;
    enum slot dst, a, b, c;
    enum weight_role w, bias;
    bool w_optional, bias_optional;   /* files without the tensor are fine, the step then does without */
    enum state_kind state;
};

struct op_list {
    const struct op *ops;
    int n;
};
#define OP_LIST(array) ((struct op_list){(array), (int)(sizeof(array) / sizeof((array)[0]))})

enum rope_style {
    ROPE_INTERLEAVED,    /* pairs (2 i, 2 i + 1) */
    ROPE_NEOX,           /* pairs (i, i + n_rot / 2) */
};

struct arch {
    const char *name;                 /* general.architecture */
    enum rope_style rope;
    struct op_list input;             /* once, from the token id */
    struct op_list block;             /* once a layer */
    struct op_list output;            /* once, at positions that want something */
};

/* Numbers of one model, checked against the limits of hparams.c. */
struct hparams {
    int n_layer, n_head, n_kv_head, head_dim, n_rot;
    int64_t n_embd, n_ff, n_vocab, n_ctx_train;
    float norm_eps, rope_base, rope_scale;   /* rope_scale: positions are divided by it */
};

struct weight_info {
    const char *name;                 /* tensor name; with a %d for the layer when per_layer */
    bool per_layer;
    enum weight_role tied;            /* what stands in when the file lacks it; WEIGHT_NONE: nothing */
};

/* NULL when Rung does not know it. */
const struct arch *arch_find(struct str name);
/* "llama, qwen2, qwen3" */
const char *arch_names(void);
int64_t arch_width(const struct hparams *h, enum width width);
enum width arch_slot_width(enum slot slot);
const struct weight_info *arch_weight(enum weight_role role);

extern const struct arch arch_llama, arch_qwen2, arch_qwen3;

#endif
