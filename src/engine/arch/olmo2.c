/* OLMo 2: "2 OLMo 2 Furious" (2025). Norms stand after each branch only; Q and K are normed over all their heads at
 * once. */
#include "engine/arch/arch.h"

static const struct op block[] = {
    {OP_MATMUL, .dst = SLOT_Q, .a = SLOT_X, .w = WEIGHT_ATTN_Q},
    {OP_MATMUL, .dst = SLOT_K, .a = SLOT_X, .w = WEIGHT_ATTN_K},
    {OP_MATMUL, .dst = SLOT_V, .a = SLOT_X, .w = WEIGHT_ATTN_V},
    {OP_NORM, .dst = SLOT_Q, .a = SLOT_Q, .w = WEIGHT_ATTN_Q_NORM},
    {OP_NORM, .dst = SLOT_K, .a = SLOT_K, .w = WEIGHT_ATTN_K_NORM},
    {OP_ROPE, .dst = SLOT_Q, .a = SLOT_Q},
    {OP_ROPE, .dst = SLOT_K, .a = SLOT_K},
    {OP_ATTENTION, .dst = SLOT_MIXED, .a = SLOT_Q, .b = SLOT_K, .c = SLOT_V, .state = STATE_FULL},
    {OP_MATMUL, .dst = SLOT_BRANCH, .a = SLOT_MIXED, .w = WEIGHT_ATTN_OUTPUT},
    {OP_NORM, .dst = SLOT_BRANCH, .a = SLOT_BRANCH, .w = WEIGHT_ATTN_POST_NORM},
    {OP_ADD, .dst = SLOT_X, .a = SLOT_X, .b = SLOT_BRANCH},

    {OP_MATMUL, .dst = SLOT_GATE, .a = SLOT_X, .w = WEIGHT_FFN_GATE},
    {OP_MATMUL, .dst = SLOT_UP, .a = SLOT_X, .w = WEIGHT_FFN_UP},
    {OP_GATE, .dst = SLOT_GATE, .a = SLOT_GATE, .b = SLOT_UP},
    {OP_MATMUL, .dst = SLOT_BRANCH, .a = SLOT_GATE, .w = WEIGHT_FFN_DOWN},
    {OP_NORM, .dst = SLOT_BRANCH, .a = SLOT_BRANCH, .w = WEIGHT_FFN_POST_NORM},
    {OP_ADD, .dst = SLOT_X, .a = SLOT_X, .b = SLOT_BRANCH},
};

const struct arch arch_olmo2 = {
    .name = "olmo2",
    .rope = ROPE_NEOX,
    .roped = {1, 1},
    .input = OP_LIST(arch_plain_input),
    .block = OP_LIST(block),
    .output = OP_LIST(arch_plain_output),
};
