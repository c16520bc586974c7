/* Qwen3 with a mixture of experts (30B-A3B, 235B-A22B): "Qwen3 Technical Report" (2025). Attention as in the dense
 * ones; of many small feed-forward networks each token passes the few that its router likes best, whose shares sum to
 * one. */
#include "engine/arch/arch.h"

static const struct op block[] = {
    {OP_NORM, .dst = SLOT_NORMED, .a = SLOT_X, .w = WEIGHT_ATTN_NORM},
    {OP_MATMUL, .dst = SLOT_Q, .a = SLOT_NORMED, .w = WEIGHT_ATTN_Q},
    {OP_MATMUL, .dst = SLOT_K, .a = SLOT_NORMED, .w = WEIGHT_ATTN_K},
    {OP_MATMUL, .dst = SLOT_V, .a = SLOT_NORMED, .w = WEIGHT_ATTN_V},
    {OP_HEAD_NORM, .dst = SLOT_Q, .a = SLOT_Q, .w = WEIGHT_ATTN_Q_NORM},
    {OP_HEAD_NORM, .dst = SLOT_K, .a = SLOT_K, .w = WEIGHT_ATTN_K_NORM},
    {OP_ROPE, .dst = SLOT_Q, .a = SLOT_Q},
    {OP_ROPE, .dst = SLOT_K, .a = SLOT_K},
    {OP_ATTENTION, .dst = SLOT_MIXED, .a = SLOT_Q, .b = SLOT_K, .c = SLOT_V, .state = STATE_FULL},
    {OP_MATMUL, .dst = SLOT_BRANCH, .a = SLOT_MIXED, .w = WEIGHT_ATTN_OUTPUT},
    {OP_ADD, .dst = SLOT_X, .a = SLOT_X, .b = SLOT_BRANCH},

    {OP_NORM, .dst = SLOT_NORMED, .a = SLOT_X, .w = WEIGHT_FFN_NORM},
    {OP_MATMUL, .dst = SLOT_ROUTER, .a = SLOT_NORMED, .w = WEIGHT_ROUTER},
    {OP_ROUTE, .dst = SLOT_ROUTES, .a = SLOT_ROUTER},
    {OP_EXPERTS, .dst = SLOT_EXPERT_GATE, .a = SLOT_NORMED, .w = WEIGHT_EXPERTS_GATE},
    {OP_EXPERTS, .dst = SLOT_EXPERT_UP, .a = SLOT_NORMED, .w = WEIGHT_EXPERTS_UP},
    {OP_GATE, .dst = SLOT_EXPERT_GATE, .a = SLOT_EXPERT_GATE, .b = SLOT_EXPERT_UP},
    {OP_EXPERTS, .dst = SLOT_EXPERT_OUT, .a = SLOT_EXPERT_GATE, .w = WEIGHT_EXPERTS_DOWN},
    {OP_COMBINE, .dst = SLOT_BRANCH, .a = SLOT_EXPERT_OUT, .b = SLOT_ROUTES},
    {OP_ADD, .dst = SLOT_X, .a = SLOT_X, .b = SLOT_BRANCH},
};

const struct arch arch_qwen3moe = {
    .name = "qwen3moe",
    .rope = ROPE_NEOX,
    .roped = {1, 1},
    .traits = TRAIT_EXPERTS,
    .input = OP_LIST(arch_plain_input),
    .block = OP_LIST(block),
    .output = OP_LIST(arch_plain_output),
};
