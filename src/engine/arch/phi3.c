/* Phi-3, Phi-3.5 and Phi-4: "Phi-4 Technical Report" (2024). Llama with one weight for Q, K and V and one for gate and
 * up; the long-context members divide frequencies by one table up to the original context and by another beyond it
 * (LongRoPE, Ding et al. 2024). */
#include "engine/arch/arch.h"

static const struct op block[] = {
    {OP_NORM, .dst = SLOT_NORMED, .a = SLOT_X, .w = WEIGHT_ATTN_NORM},
    {OP_MATMUL, .dst = SLOT_QKV, .a = SLOT_NORMED, .w = WEIGHT_ATTN_QKV},
    {OP_SPLIT, .a = SLOT_QKV, .dst = SLOT_Q, .b = SLOT_K, .c = SLOT_V},
    {OP_ROPE, .dst = SLOT_Q, .a = SLOT_Q, .w = WEIGHT_ROPE_SHORT, .w_long = WEIGHT_ROPE_LONG, .w_optional = true},
    {OP_ROPE, .dst = SLOT_K, .a = SLOT_K, .w = WEIGHT_ROPE_SHORT, .w_long = WEIGHT_ROPE_LONG, .w_optional = true},
    {OP_ATTENTION, .dst = SLOT_MIXED, .a = SLOT_Q, .b = SLOT_K, .c = SLOT_V, .state = STATE_WINDOW},
    {OP_MATMUL, .dst = SLOT_BRANCH, .a = SLOT_MIXED, .w = WEIGHT_ATTN_OUTPUT},
    {OP_ADD, .dst = SLOT_X, .a = SLOT_X, .b = SLOT_BRANCH},

    {OP_NORM, .dst = SLOT_NORMED, .a = SLOT_X, .w = WEIGHT_FFN_NORM},
    {OP_MATMUL, .dst = SLOT_GATE_UP, .a = SLOT_NORMED, .w = WEIGHT_FFN_UP},
    {OP_SPLIT, .a = SLOT_GATE_UP, .dst = SLOT_GATE, .b = SLOT_UP},
    {OP_GATE, .dst = SLOT_GATE, .a = SLOT_GATE, .b = SLOT_UP},
    {OP_MATMUL, .dst = SLOT_BRANCH, .a = SLOT_GATE, .w = WEIGHT_FFN_DOWN},
    {OP_ADD, .dst = SLOT_X, .a = SLOT_X, .b = SLOT_BRANCH},
};

const struct arch arch_phi3 = {
    .name = "phi3",
    .rope = ROPE_NEOX,
    .roped = {1, 1},
    .windowed = {1, 1},
    .traits = TRAIT_WINDOW,
    .input = OP_LIST(arch_plain_input),
    .block = OP_LIST(block),
    .output = OP_LIST(arch_plain_output),
};
