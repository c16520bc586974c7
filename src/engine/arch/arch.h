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
    WIDTH_HEAD_COUNT,    /* n_head */
    WIDTH_MODEL,         /* n_embd */
    WIDTH_HEADS,         /* n_head * head_dim */
    WIDTH_KV,            /* n_kv_head * head_dim */
    WIDTH_QKV,           /* heads, keys and values in one */
    WIDTH_FF,            /* n_ff */
    WIDTH_GATE_UP,       /* 2 n_ff */
    WIDTH_EXPERTS,       /* n_expert */
    WIDTH_ROUTES,        /* 2 n_expert_used */
    WIDTH_EXPERT_FF,     /* n_ff_expert */
    WIDTH_VOCAB,         /* n_vocab */
};

/* What an operation reads and writes: one vector per token, or one per token and chosen expert. */
enum slot {
    SLOT_NONE,
    SLOT_X,              /* the residual stream */
    SLOT_NORMED,         /* it after a norm */
    SLOT_QKV,            /* of one fused weight */
    SLOT_Q,
    SLOT_K,
    SLOT_V,
    SLOT_MIXED,          /* what attention gathered */
    SLOT_GATE_UP,        /* of one fused weight */
    SLOT_GATE,
    SLOT_UP,
    SLOT_ROUTER,         /* a logit for each expert */
    SLOT_ROUTES,         /* the chosen experts' shares, then their numbers, best first */
    SLOT_EXPERT_GATE,    /* per chosen expert, as are the next two */
    SLOT_EXPERT_UP,
    SLOT_EXPERT_OUT,
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
    WEIGHT_ROPE_SHORT,
    WEIGHT_ROPE_LONG,
    WEIGHT_ATTN_NORM,
    WEIGHT_ATTN_QKV,
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
    WEIGHT_ATTN_SINKS,
    WEIGHT_ATTN_POST_NORM,
    WEIGHT_FFN_NORM,
    WEIGHT_FFN_GATE,
    WEIGHT_FFN_UP,           /* with the gate's rows before its own where an architecture fuses them */
    WEIGHT_FFN_DOWN,
    WEIGHT_FFN_POST_NORM,
    WEIGHT_ROUTER,
    WEIGHT_ROUTER_BIAS,
    WEIGHT_EXPERTS_GATE,
    WEIGHT_EXPERTS_GATE_BIAS,
    WEIGHT_EXPERTS_UP,
    WEIGHT_EXPERTS_UP_BIAS,
    WEIGHT_EXPERTS_DOWN,
    WEIGHT_EXPERTS_DOWN_BIAS,
    WEIGHT_ROLES,
};

enum op_kind {
    OP_EMBED,      /* dst = row `token` of w [vocab, dst] */
    OP_NORM,       /* dst = rms_norm(a) * w [a] */
    OP_HEAD_NORM,  /* dst = the same for each head of a by itself, w [head_dim] */
    OP_MATMUL,     /* dst = w [dst, a] a + bias [dst] */
    OP_SPLIT,      /* a in pieces, in this order: dst, b and, if there is a third, c (b and c are written too) */
    OP_ROPE,       /* dst, which is a: each head turned by the token's position, in the layers that arch.roped names;
                      w [n_rot / 2] divides frequencies, in sessions of a long context w_long [n_rot / 2] does */
    OP_POSITION_SCALE, /* dst = a scaled by 1 + temperature * log(1 + floor(position / original context)) */
    OP_ATTENTION,  /* a, b, c are q, k, v: b and c join the session's state, dst = softmax(q k) v over it; w [n_head] is
                      a score per head that takes a share of the softmax and brings no value */
    OP_GATE,       /* dst = gate(a) * b, see enum gate */
    OP_ADD,        /* dst = a + b */
    OP_SCALE,      /* dst = a times a factor of the model, see enum factor */
    OP_CAP,        /* dst = cap * tanh(a / cap), the model's logit_cap; none when that is 0 */
    OP_ROUTE,      /* dst = the n_expert_used largest of a and the softmax over them */
    OP_EXPERTS,    /* dst = w [dst, a, n_expert] a + bias [dst, n_expert], of each chosen expert */
    OP_COMBINE,    /* dst = the sum over chosen experts of a times their share in b, best first */
    OP_KINDS,
};

/* The kind of session state an attention keeps; layers of one kind form a layer group. */
enum state_kind {
    STATE_NONE,
    STATE_FULL,    /* every position so far */
    STATE_WINDOW,  /* the last `window` positions; in a list: in the layers that arch.windowed names */
    STATE_KINDS,
};

enum gate {
    GATE_SILU,     /* a / (1 + exp(-a)) */
    GATE_GELU,     /* with the tanh approximation */
    GATE_CLAMPED,  /* gpt-oss: a bounded above, b on both sides, b + 1 */
};

enum factor {
    FACTOR_NONE,
    FACTOR_ROOT_WIDTH,   /* of n_embd */
    FACTOR_EMBEDDING,
    FACTOR_RESIDUAL,
    FACTOR_LOGITS,
    FACTORS,
};

struct op {
    enum op_kind kind;
    enum slot dst, a, b, c;
    enum weight_role w, bias, w_long;
    bool w_optional, bias_optional;   /* files without the tensor are fine, the step then does without */
    enum state_kind state;
    enum gate gate;
    enum factor factor;
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

/* Numbers of one model, checked against the limits of hparams.c. */
struct hparams {
    int n_layer, n_head, n_kv_head, head_dim, n_rot;
    int64_t n_embd, n_ff, n_vocab, n_ctx_train;
    float norm_eps;
    float rope_base, rope_scale;             /* positions are divided by rope_scale */
    float window_rope_base;                  /* windowed layers turn by this base, unscaled; 0: like the others */
    bool yarn;                               /* rope_scale after YaRN: high frequencies keep their pace */
    float yarn_fast, yarn_slow;              /* turns over the original context between which it blends */
    float rope_magnitude;                    /* what rotated vectors are multiplied by */
    int64_t n_ctx_original;                  /* what rope scaling stretches; longer sessions take long factors */
    int64_t window;                          /* 0: none */
    float attention_scale, attention_cap;    /* of scores; cap 0: none */
    float position_temperature;              /* 0: none */
    float logit_cap;                         /* 0: none */
    float factors[FACTORS];
    int n_expert, n_expert_used;
    int64_t n_ff_expert;
};

/* Of every `of` layers the first `first`; {0}: none. */
struct layers {
    int first, of;
};

/* Metadata keys that only some architectures take; elsewhere they are refused. */
enum trait {
    TRAIT_WINDOW = 1,           /* attention.sliding_window */
    TRAIT_CAPS = 2,             /* attn_logit_softcapping, final_logit_softcapping */
    TRAIT_SCALES = 4,           /* embedding_scale, residual_scale, logit_scale, attention.scale */
    TRAIT_EXPERTS = 8,          /* expert_count and its relatives */
    TRAIT_TEMPERATURE = 16,     /* attention.temperature_scale */
};

/* Names of tensors in files of one converter, before those of arch_weight. */
struct role_names {
    const struct role_name {
        enum weight_role role;
        const char *name;
    } *names;
    int n;
};

struct arch {
    const char *name;                 /* general.architecture */
    enum rope_style rope;
    struct layers roped;              /* where OP_ROPE turns */
    struct layers windowed;           /* where STATE_WINDOW forgets, if the model has a window */
    unsigned traits;
    struct hparams defaults;          /* for keys that files may leave out; 0: the house's own default, or needed */
    int wide_scale_layers;            /* the size with so many layers scales scores by n_embd / n_head; 0: none does */
    int long_layers;                  /* sizes of so many layers and more take long_rope_scale if the file is silent */
    float long_rope_scale;
    int uncapped_layers;              /* the size with so many layers has no logit_cap, whatever the file says */
    struct role_names other_names;    /* tensors that its files call otherwise */
    struct op_list input;             /* once, from the token id */
    struct op_list block;             /* once a layer */
    struct op_list output;            /* once, at positions that want something */
};

struct weight_info {
    const char *name;                 /* tensor name; with a %d for the layer when per_layer */
    bool per_layer;
    enum weight_role tied;            /* what stands in when the file lacks it; WEIGHT_NONE: nothing */
};

/* NULL when Rung does not know it. Also finds gptoss, which is Ollama's spelling of gpt-oss. */
const struct arch *arch_find(struct str name);
/* The i-th known, NULL past the last. */
const struct arch *arch_at(int i);
/* "llama, qwen2, ...", into buf. */
#define ARCH_NAMES_BYTES 256
const char *arch_names(char buf[ARCH_NAMES_BYTES]);

int64_t arch_width(const struct hparams *h, enum width width);
enum width arch_slot_width(enum slot slot);
/* One row for each chosen expert of a token, instead of one a token. */
bool arch_slot_per_expert(enum slot slot);
bool arch_uses_slot(const struct arch *arch, enum slot slot);
const struct weight_info *arch_weight(enum weight_role role);
bool layers_have(struct layers layers, int layer);
/* What the attention of this layer keeps; STATE_NONE when the block has none. */
enum state_kind arch_state(const struct arch *arch, const struct hparams *h, int layer);

/* How most begin, with the token's row, and end, with a norm and the product that makes logits. */
extern const struct op arch_plain_input[1], arch_plain_output[2];

extern const struct arch arch_llama, arch_qwen2, arch_qwen3, arch_gemma3, arch_phi3, arch_qwen3moe, arch_gemma2,
    arch_mistral3, arch_smollm3, arch_granite, arch_olmo2, arch_gpt_oss, arch_gptoss;

#endif
