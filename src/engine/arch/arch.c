/* What architectures share: how most of them begin and end, the table of those known, the widths of slots, and the
 * names that files give to weights. What a model does with them stands in its own list beside this file. */
#include <stdio.h>

#include "engine/arch/arch.h"

const struct op arch_plain_input[1] = {
    {OP_EMBED, .dst = SLOT_X, .w = WEIGHT_TOKEN_EMBD},
};

const struct op arch_plain_output[2] = {
    {OP_NORM, .dst = SLOT_NORMED, .a = SLOT_X, .w = WEIGHT_OUTPUT_NORM},
    {OP_MATMUL, .dst = SLOT_LOGITS, .a = SLOT_NORMED, .w = WEIGHT_OUTPUT},
};

static const struct arch *const archs[] = {
    &arch_llama, &arch_qwen2, &arch_qwen3, &arch_gemma3, &arch_phi3, &arch_qwen3moe, &arch_gemma2, &arch_mistral3,
    &arch_smollm3, &arch_granite, &arch_olmo2, &arch_gpt_oss,
};
#define ARCHS ((int)(sizeof archs / sizeof archs[0]))

const struct arch *arch_at(int i)
{
    return i < ARCHS ? archs[i] : NULL;
}

const struct arch *arch_find(struct str name)
{
    for (int i = 0; i < ARCHS; i++)
        if (str_is(name, archs[i]->name))
            return archs[i];
    return str_is(name, arch_gptoss.name) ? &arch_gptoss : NULL;
}

const char *arch_names(char buf[ARCH_NAMES_BYTES])
{
    size_t n = 0;
    for (int i = 0; i < ARCHS && n < ARCH_NAMES_BYTES; i++)
        n += (size_t)snprintf(buf + n, ARCH_NAMES_BYTES - n, "%s%s", i > 0 ? ", " : "", archs[i]->name);
    return buf;
}

int64_t arch_width(const struct hparams *h, enum width width)
{
    switch (width) {
    case WIDTH_ONE_HEAD: return h->head_dim;
    case WIDTH_ROTARY_PAIRS: return h->n_rot / 2;
    case WIDTH_HEAD_COUNT: return h->n_head;
    case WIDTH_MODEL: return h->n_embd;
    case WIDTH_HEADS: return (int64_t)h->n_head * h->head_dim;
    case WIDTH_KV: return (int64_t)h->n_kv_head * h->head_dim;
    case WIDTH_QKV: return (int64_t)(h->n_head + 2 * h->n_kv_head) * h->head_dim;
    case WIDTH_FF: return h->n_ff;
    case WIDTH_GATE_UP: return 2 * h->n_ff;
    case WIDTH_EXPERTS: return h->n_expert;
    case WIDTH_ROUTES: return 2 * h->n_expert_used;
    case WIDTH_EXPERT_FF: return h->n_ff_expert;
    case WIDTH_VOCAB: return h->n_vocab;
    case WIDTH_NONE: break;
    }
    return 0;
}

enum width arch_slot_width(enum slot slot)
{
    static const enum width widths[SLOTS] = {
        [SLOT_X] = WIDTH_MODEL, [SLOT_NORMED] = WIDTH_MODEL, [SLOT_QKV] = WIDTH_QKV, [SLOT_Q] = WIDTH_HEADS,
        [SLOT_K] = WIDTH_KV, [SLOT_V] = WIDTH_KV, [SLOT_MIXED] = WIDTH_HEADS, [SLOT_GATE_UP] = WIDTH_GATE_UP,
        [SLOT_GATE] = WIDTH_FF, [SLOT_UP] = WIDTH_FF, [SLOT_ROUTER] = WIDTH_EXPERTS, [SLOT_ROUTES] = WIDTH_ROUTES,
        [SLOT_EXPERT_GATE] = WIDTH_EXPERT_FF, [SLOT_EXPERT_UP] = WIDTH_EXPERT_FF, [SLOT_EXPERT_OUT] = WIDTH_MODEL,
        [SLOT_BRANCH] = WIDTH_MODEL, [SLOT_LOGITS] = WIDTH_VOCAB,
    };
    return widths[slot];
}

bool arch_slot_per_expert(enum slot slot)
{
    return slot == SLOT_EXPERT_GATE || slot == SLOT_EXPERT_UP || slot == SLOT_EXPERT_OUT;
}

static bool list_uses(struct op_list list, enum slot slot)
{
    for (int i = 0; i < list.n; i++) {
        const struct op *op = &list.ops[i];
        if (op->dst == slot || op->a == slot || op->b == slot || op->c == slot)
            return true;
    }
    return false;
}

bool arch_uses_slot(const struct arch *arch, enum slot slot)
{
    return list_uses(arch->input, slot) || list_uses(arch->block, slot) || list_uses(arch->output, slot);
}

bool layers_have(struct layers layers, int layer)
{
    return layers.of > 0 && layer % layers.of < layers.first;
}

enum state_kind arch_state(const struct arch *arch, const struct hparams *h, int layer)
{
    for (int i = 0; i < arch->block.n; i++) {
        enum state_kind state = arch->block.ops[i].state;
        if (state == STATE_WINDOW)
            return h->window > 0 && layers_have(arch->windowed, layer) ? STATE_WINDOW : STATE_FULL;
        if (state != STATE_NONE)
            return state;
    }
    return STATE_NONE;
}

const struct weight_info *arch_weight(enum weight_role role)
{
    static const struct weight_info infos[WEIGHT_ROLES] = {
        [WEIGHT_TOKEN_EMBD] = {"token_embd.weight", false, WEIGHT_NONE},
        [WEIGHT_OUTPUT_NORM] = {"output_norm.weight", false, WEIGHT_NONE},
        [WEIGHT_OUTPUT] = {"output.weight", false, WEIGHT_TOKEN_EMBD},
        [WEIGHT_ROPE_FACTORS] = {"rope_freqs.weight", false, WEIGHT_NONE},
        [WEIGHT_ROPE_SHORT] = {"rope_factors_short.weight", false, WEIGHT_NONE},
        [WEIGHT_ROPE_LONG] = {"rope_factors_long.weight", false, WEIGHT_NONE},
        [WEIGHT_ATTN_NORM] = {"blk.%d.attn_norm.weight", true, WEIGHT_NONE},
        [WEIGHT_ATTN_QKV] = {"blk.%d.attn_qkv.weight", true, WEIGHT_NONE},
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
        [WEIGHT_ATTN_SINKS] = {"blk.%d.attn_sinks.weight", true, WEIGHT_NONE},
        [WEIGHT_ATTN_POST_NORM] = {"blk.%d.post_attention_norm.weight", true, WEIGHT_NONE},
        [WEIGHT_FFN_NORM] = {"blk.%d.ffn_norm.weight", true, WEIGHT_NONE},
        [WEIGHT_FFN_GATE] = {"blk.%d.ffn_gate.weight", true, WEIGHT_NONE},
        [WEIGHT_FFN_UP] = {"blk.%d.ffn_up.weight", true, WEIGHT_NONE},
        [WEIGHT_FFN_DOWN] = {"blk.%d.ffn_down.weight", true, WEIGHT_NONE},
        [WEIGHT_FFN_POST_NORM] = {"blk.%d.post_ffw_norm.weight", true, WEIGHT_NONE},
        [WEIGHT_ROUTER] = {"blk.%d.ffn_gate_inp.weight", true, WEIGHT_NONE},
        [WEIGHT_ROUTER_BIAS] = {"blk.%d.ffn_gate_inp.bias", true, WEIGHT_NONE},
        [WEIGHT_EXPERTS_GATE] = {"blk.%d.ffn_gate_exps.weight", true, WEIGHT_NONE},
        [WEIGHT_EXPERTS_GATE_BIAS] = {"blk.%d.ffn_gate_exps.bias", true, WEIGHT_NONE},
        [WEIGHT_EXPERTS_UP] = {"blk.%d.ffn_up_exps.weight", true, WEIGHT_NONE},
        [WEIGHT_EXPERTS_UP_BIAS] = {"blk.%d.ffn_up_exps.bias", true, WEIGHT_NONE},
        [WEIGHT_EXPERTS_DOWN] = {"blk.%d.ffn_down_exps.weight", true, WEIGHT_NONE},
        [WEIGHT_EXPERTS_DOWN_BIAS] = {"blk.%d.ffn_down_exps.bias", true, WEIGHT_NONE},
    };
    return &infos[role];
}
