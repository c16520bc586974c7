/* SmolLM3: Llama in which every fourth layer does not rotate at all (NoPE, "Rope to Nope and Back Again", Yang et al.
 * 2025). */
#include "engine/arch/arch.h"

static const struct op block[] = {
    {OP_NORM, .dst = SLOT_NORMED, .a = SLOT_X, .w = WEIGHT_ATTN_NORM},
    {OP_MATMUL, .dst = SLOT_Q, .a = SLOT_NORMED, .w = WEIGHT_ATTN_Q},
    {OP_MATMUL, .dst = SLOT_K, .a = SLOT_NORMED, .w = WEIGHT_ATTN_K},
    {OP_MATMUL, .dst = SLOT_V, .a = SLOT_NORMED, .w = WEIGHT_ATTN_V},
    {OP_ROPE, .dst = SLOT_Q, .a = SLOT_Q},
    {OP_ROPE, .dst = SLOT_K, .a = SLOT_K},
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

const struct arch arch_smollm3 = {
    .name = "smollm3",
    .rope = ROPE_INTERLEAVED,
    .roped = {3, 4},
    .input = OP_LIST(arch_plain_input),
    .block = OP_LIST(block),
    .output = OP_LIST(arch_plain_output),
};
