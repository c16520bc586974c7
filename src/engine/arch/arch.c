/* What all architectures share: the table of those known, the widths of slots, and the names that files give to
 * weights. What a model does with them stands in its own list beside this file. */
#include "engine/arch/arch.h"

static const struct arch *const archs[] = {&arch_llama, &arch_qwen2, &arch_qwen3};

const struct arch *arch_find(struct str name)
{
    for (size_t i = 0; i < sizeof archs / sizeof archs[0]; i++)
        if (str_is(name, archs[i]->name))
            return archs[i];
    return NULL;
}

const char *arch_names(void)
{
    return "llama, qwen2, qwen3";
}

int64_t arch_width(const struct hparams *h, enum width width)
{
    switch (width) {
    case WIDTH_ONE_HEAD: return h->head_dim;
    case WIDTH_ROTARY_PAIRS: return h->n_rot / 2;
    case WIDTH_MODEL: return h->n_embd;
    case WIDTH_HEADS: return (int64_t)h->n_head * h->head_dim;
    case WIDTH_KV: return (int64_t)h->n_kv_head * h->head_dim;
    case WIDTH_FF: return h->n_ff;
    case WIDTH_VOCAB: return h->n_vocab;
    case WIDTH_NONE: break;
    }
    return 0;
}

enum width arch_slot_width(enum slot slot)
{
    static const enum width widths[SLOTS] = {
        [SLOT_X] = WIDTH_MODEL, [SLOT_NORMED] = WIDTH_MODEL, [SLOT_Q] = WIDTH_HEADS, [SLOT_K] = WIDTH_KV,
        [SLOT_V] = WIDTH_KV, [SLOT_MIXED] = WIDTH_HEADS, [SLOT_GATE] = WIDTH_FF, [SLOT_UP] = WIDTH_FF,
        [SLOT_BRANCH] = WIDTH_MODEL, [SLOT_LOGITS] = WIDTH_VOCAB,
    };
    return widths[slot];
}

const struct weight_info *arch_weight(enum weight_role role)
{
    static const struct weight_info infos[WEIGHT_ROLES] = {
        [WEIGHT_TOKEN_EMBD] = {"token_embd.weight", false, WEIGHT_NONE},
        [WEIGHT_OUTPUT_NORM] = {"output_norm.weight", false, WEIGHT_NONE},
        [WEIGHT_OUTPUT] = {"output.weight", false, WEIGHT_TOKEN_EMBD},
        [WEIGHT_ROPE_FACTORS] = {"rope_freqs.weight", false, WEIGHT_NONE},
        [WEIGHT_ATTN_NORM] = {"blk.%d.attn_norm.weight", true, WEIGHT_NONE},
        [WEIGHT_ATTN_Q] = {"blk.%d.attn_q.weight", true, WEIGHT_NONE},
        [WEIGHT_ATTN_K] = {"blk.%d.attn_k.weight", true, WEIGHT_NONE},
        [WEIGHT_ATTN_V] = {"blk.%d.attn_v.weight", true, WEIGHT_NONE},
        [WEIGHT_ATTN_OUTPUT] = {"blk.%d.attn_output.weight", true, WEIGHT_NONE},
        [WEIGHT_ATTN_Q_BIAS] = {"blk.%d.attn_q.bias", true, WEIGHT_NONE},
        [WEIGHT_ATTN_K_BIAS] = {"blk.%d.attn_k.bias", true, WEIGHT_NONE},
        [WEIGHT_ATTN_V_BIAS] = {"blk.%d.attn_v.bias", true, WEIGHT_NONE},
        [WEIGHT_ATTN_OUTPUT_BIAS] = {"blk.%d.attn_output.bias", true, WEIGHT_NONE},
        [WEIGHT_ATTN_Q_NORM] = {"blk.%d.attn_q_norm.weight", true, WEIGHT_NONE},
        [WEIGHT_ATTN_K_NORM] = {"blk.%d.attn_k_norm.weight", true, WEIGHT_NONE},
        [WEIGHT_FFN_NORM] = {"blk.%d.ffn_norm.weight", true, WEIGHT_NONE},
        [WEIGHT_FFN_GATE] = {"blk.%d.ffn_gate.weight", true, WEIGHT_NONE},
        [WEIGHT_FFN_UP] = {"blk.%d.ffn_up.weight", true, WEIGHT_NONE},
        [WEIGHT_FFN_DOWN] = {"blk.%d.ffn_down.weight", true, WEIGHT_NONE},
    };
    return &infos[role];
}
