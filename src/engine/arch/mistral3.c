/* Mistral Small 3.1 and later, Ministral 3, the text part. Llama with YaRN (Peng et al. 2023) and, in some files,
 * queries that grow with the logarithm of their position. */
#include "engine/arch/arch.h"

static const struct op block[] = {
    {OP_NORM, .dst = SLOT_NORMED, .a = SLOT_X, .w = WEIGHT_ATTN_NORM},
    {OP_MATMUL, .dst = SLOT_Q, .a = SLOT_NORMED, .w = WEIGHT_ATTN_Q},
    {OP_MATMUL, .dst = SLOT_K, .a = SLOT_NORMED, .w = WEIGHT_ATTN_K},
    {OP_MATMUL, .dst = SLOT_V, .a = SLOT_NORMED, .w = WEIGHT_ATTN_V},
    {OP_ROPE, .dst = SLOT_Q, .a = SLOT_Q},
    {OP_ROPE, .dst = SLOT_K, .a = SLOT_K},
    {OP_POSITION_SCALE, .dst = SLOT_Q, .a = SLOT_Q},
    {OP_ATTENTION, .dst = SLOT_MIXED, .a = SLOT_Q, .b = SLOT_K, .c = SLOT_V, .state = STATE_FULL},
    {OP_MATMUL, .dst = SLOT_BRANCH, .a = SLOT_MIXED, .w = WEIGHT_ATTN_OUTPUT},
    {OP_ADD, .dst = SLOT_X, .a = SLOT_X, .b = SLOT_BRANCH},

    {OP_NORM, .dst = SLOT_NORMED, .a = SLOT_X, .w = WEIGHT_FFN_NORM},
    {OP_MATMUL, .dst = SLOT_GATE, .a = SLOT_NORMED, .w = WEIGHT_FFN_GATE},
    {OP_MATMUL, .dst = SLOT_UP, .a = SLOT_NORMED, .w = WEIGHT_FFN_UP},
    {OP_GATE, .dst = SLOT_GATE, .a = SLOT_GATE, .b = SLOT_UP},
    {OP_MATMUL, .dst = SLOT_BRANCH, .a = SLOT_GATE, .w = WEIGHT_FFN_DOWN},
    {OP_ADD, .dst = SLOT_X, .a = SLOT_X, .b = SLOT_BRANCH},
};

const struct arch arch_mistral3 = {
    .name = "mistral3",
    .rope = ROPE_INTERLEAVED,
    .roped = {1, 1},
    .traits = TRAIT_TEMPERATURE,
    .input = OP_LIST(arch_plain_input),
    .block = OP_LIST(block),
    .output = OP_LIST(arch_plain_output),
};
