/* Llama 2, 3, 3.1 and 3.2, and what shares their shape (Mistral 7B, SmolLM2, ...): "The Llama 3 Herd of Models"
 * (2024). Files hold Q and K with the rows of each head reordered so that rotation pairs are neighbours; the
 * long-context frequency divisors of 3.1 and later stand in a tensor of their own. */
#include "engine/arch/arch.h"

static const struct op block[] = {
    {OP_NORM, .dst = SLOT_NORMED, .a = SLOT_X, .w = WEIGHT_ATTN_NORM},
    {OP_MATMUL, .dst = SLOT_Q, .a = SLOT_NORMED, .w = WEIGHT_ATTN_Q, .bias = WEIGHT_ATTN_Q_BIAS, .bias_optional = true},
    {OP_MATMUL, .dst = SLOT_K, .a = SLOT_NORMED, .w = WEIGHT_ATTN_K, .bias = WEIGHT_ATTN_K_BIAS, .bias_optional = true},
    {OP_MATMUL, .dst = SLOT_V, .a = SLOT_NORMED, .w = WEIGHT_ATTN_V, .bias = WEIGHT_ATTN_V_BIAS, .bias_optional = true},
    {OP_ROPE, .dst = SLOT_Q, .a = SLOT_Q, .w = WEIGHT_ROPE_FACTORS, .w_optional = true},
    {OP_ROPE, .dst = SLOT_K, .a = SLOT_K, .w = WEIGHT_ROPE_FACTORS, .w_optional = true},
    {OP_ATTENTION, .dst = SLOT_MIXED, .a = SLOT_Q, .b = SLOT_K, .c = SLOT_V, .state = STATE_FULL},
    {OP_MATMUL, .dst = SLOT_BRANCH, .a = SLOT_MIXED, .w = WEIGHT_ATTN_OUTPUT, .bias = WEIGHT_ATTN_OUTPUT_BIAS,
     .bias_optional = true},
    {OP_ADD, .dst = SLOT_X, .a = SLOT_X, .b = SLOT_BRANCH},

    {OP_NORM, .dst = SLOT_NORMED, .a = SLOT_X, .w = WEIGHT_FFN_NORM},
    {OP_MATMUL, .dst = SLOT_GATE, .a = SLOT_NORMED, .w = WEIGHT_FFN_GATE},
    {OP_MATMUL, .dst = SLOT_UP, .a = SLOT_NORMED, .w = WEIGHT_FFN_UP},
    {OP_GATE, .dst = SLOT_GATE, .a = SLOT_GATE, .b = SLOT_UP},
    {OP_MATMUL, .dst = SLOT_BRANCH, .a = SLOT_GATE, .w = WEIGHT_FFN_DOWN},
    {OP_ADD, .dst = SLOT_X, .a = SLOT_X, .b = SLOT_BRANCH},
};

const struct arch arch_llama = {
    .name = "llama",
    .rope = ROPE_INTERLEAVED,
    .roped = {1, 1},
    .input = OP_LIST(arch_plain_input),
    .block = OP_LIST(block),
    .output = OP_LIST(arch_plain_output),
};
