/* gpt-oss, 20B and 120B: "gpt-oss-120b & gpt-oss-20b Model Card" (2025). A mixture of experts with biases everywhere; a
 * window in every other layer from the first; in each softmax over scores every head has a sink that takes a share and
 * gives nothing; gates are clamped. */
#include "engine/arch/arch.h"

static const struct op block[] = {
    {OP_NORM, .dst = SLOT_NORMED, .a = SLOT_X, .w = WEIGHT_ATTN_NORM},
    {OP_MATMUL, .dst = SLOT_Q, .a = SLOT_NORMED, .w = WEIGHT_ATTN_Q, .bias = WEIGHT_ATTN_Q_BIAS},
    {OP_MATMUL, .dst = SLOT_K, .a = SLOT_NORMED, .w = WEIGHT_ATTN_K, .bias = WEIGHT_ATTN_K_BIAS},
    {OP_MATMUL, .dst = SLOT_V, .a = SLOT_NORMED, .w = WEIGHT_ATTN_V, .bias = WEIGHT_ATTN_V_BIAS},
    {OP_ROPE, .dst = SLOT_Q, .a = SLOT_Q},
    {OP_ROPE, .dst = SLOT_K, .a = SLOT_K},
    {OP_ATTENTION, .dst = SLOT_MIXED, .a = SLOT_Q, .b = SLOT_K, .c = SLOT_V, .w = WEIGHT_ATTN_SINKS,
     .state = STATE_WINDOW},
    {OP_MATMUL, .dst = SLOT_BRANCH, .a = SLOT_MIXED, .w = WEIGHT_ATTN_OUTPUT, .bias = WEIGHT_ATTN_OUTPUT_BIAS},
    {OP_ADD, .dst = SLOT_X, .a = SLOT_X, .b = SLOT_BRANCH},

    {OP_NORM, .dst = SLOT_NORMED, .a = SLOT_X, .w = WEIGHT_ATTN_POST_NORM},
    {OP_MATMUL, .dst = SLOT_ROUTER, .a = SLOT_NORMED, .w = WEIGHT_ROUTER, .bias = WEIGHT_ROUTER_BIAS},
    {OP_ROUTE, .dst = SLOT_ROUTES, .a = SLOT_ROUTER},
    {OP_EXPERTS, .dst = SLOT_EXPERT_GATE, .a = SLOT_NORMED, .w = WEIGHT_EXPERTS_GATE,
     .bias = WEIGHT_EXPERTS_GATE_BIAS},
    {OP_EXPERTS, .dst = SLOT_EXPERT_UP, .a = SLOT_NORMED, .w = WEIGHT_EXPERTS_UP, .bias = WEIGHT_EXPERTS_UP_BIAS},
    {OP_GATE, .dst = SLOT_EXPERT_GATE, .a = SLOT_EXPERT_GATE, .b = SLOT_EXPERT_UP, .gate = GATE_CLAMPED},
    {OP_EXPERTS, .dst = SLOT_EXPERT_OUT, .a = SLOT_EXPERT_GATE, .w = WEIGHT_EXPERTS_DOWN,
     .bias = WEIGHT_EXPERTS_DOWN_BIAS},
    {OP_COMBINE, .dst = SLOT_BRANCH, .a = SLOT_EXPERT_OUT, .b = SLOT_ROUTES},
    {OP_ADD, .dst = SLOT_X, .a = SLOT_X, .b = SLOT_BRANCH},
};

const struct arch arch_gpt_oss = {
    .name = "gpt-oss",
    .rope = ROPE_NEOX,
    .roped = {1, 1},
    .windowed = {1, 2},
    .traits = TRAIT_WINDOW | TRAIT_EXPERTS,
    .input = OP_LIST(arch_plain_input),
    .block = OP_LIST(block),
    .output = OP_LIST(arch_plain_output),
};

static const struct role_name names_of_ollama[] = {
    {WEIGHT_ATTN_OUTPUT, "blk.%d.attn_out.weight"},
    {WEIGHT_ATTN_OUTPUT_BIAS, "blk.%d.attn_out.bias"},
    {WEIGHT_ATTN_SINKS, "blk.%d.attn_sinks"},
    {WEIGHT_ATTN_POST_NORM, "blk.%d.ffn_norm.weight"},
};

/* The same as Ollama writes it: YaRN without saying so, and some tensors under other names. */
const struct arch arch_gptoss = {
    .name = "gptoss",
    .rope = ROPE_NEOX,
    .roped = {1, 1},
    .windowed = {1, 2},
    .traits = TRAIT_WINDOW | TRAIT_EXPERTS,
    .defaults = {.yarn = true},
    .other_names = {names_of_ollama, sizeof names_of_ollama / sizeof names_of_ollama[0]},
    .input = OP_LIST(arch_plain_input),
    .block = OP_LIST(block),
    .output = OP_LIST(arch_plain_output),
};
