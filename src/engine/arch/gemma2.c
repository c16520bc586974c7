/* Gemma 2, 2B to 27B: "Gemma 2: Improving Open Language Models at a Practical Size" (2024). Norms before and after each
 * branch (files hold their weights plus one), soft caps on scores and on logits, a window in every other layer from the
 * first. The 27B scales scores by the width a head would have if heads parted the model's evenly. */
#include "engine/arch/arch.h"

static const struct op input[] = {
    {OP_EMBED, .dst = SLOT_X, .w = WEIGHT_TOKEN_EMBD},
    {OP_SCALE, .dst = SLOT_X, .a = SLOT_X, .factor = FACTOR_ROOT_WIDTH},
};

static const struct op block[] = {
    {OP_NORM, .dst = SLOT_NORMED, .a = SLOT_X, .w = WEIGHT_ATTN_NORM},
    {OP_MATMUL, .dst = SLOT_Q, .a = SLOT_NORMED, .w = WEIGHT_ATTN_Q},
    {OP_MATMUL, .dst = SLOT_K, .a = SLOT_NORMED, .w = WEIGHT_ATTN_K},
    {OP_MATMUL, .dst = SLOT_V, .a = SLOT_NORMED, .w = WEIGHT_ATTN_V},
    {OP_ROPE, .dst = SLOT_Q, .a = SLOT_Q},
    {OP_ROPE, .dst = SLOT_K, .a = SLOT_K},
    {OP_ATTENTION, .dst = SLOT_MIXED, .a = SLOT_Q, .b = SLOT_K, .c = SLOT_V, .state = STATE_WINDOW},
    {OP_MATMUL, .dst = SLOT_BRANCH, .a = SLOT_MIXED, .w = WEIGHT_ATTN_OUTPUT},
    {OP_NORM, .dst = SLOT_BRANCH, .a = SLOT_BRANCH, .w = WEIGHT_ATTN_POST_NORM},
    {OP_ADD, .dst = SLOT_X, .a = SLOT_X, .b = SLOT_BRANCH},

    {OP_NORM, .dst = SLOT_NORMED, .a = SLOT_X, .w = WEIGHT_FFN_NORM},
    {OP_MATMUL, .dst = SLOT_GATE, .a = SLOT_NORMED, .w = WEIGHT_FFN_GATE},
    {OP_MATMUL, .dst = SLOT_UP, .a = SLOT_NORMED, .w = WEIGHT_FFN_UP},
    {OP_GATE, .dst = SLOT_GATE, .a = SLOT_GATE, .b = SLOT_UP, .gate = GATE_GELU},
    {OP_MATMUL, .dst = SLOT_BRANCH, .a = SLOT_GATE, .w = WEIGHT_FFN_DOWN},
    {OP_NORM, .dst = SLOT_BRANCH, .a = SLOT_BRANCH, .w = WEIGHT_FFN_POST_NORM},
    {OP_ADD, .dst = SLOT_X, .a = SLOT_X, .b = SLOT_BRANCH},
};

static const struct op output[] = {
    {OP_NORM, .dst = SLOT_NORMED, .a = SLOT_X, .w = WEIGHT_OUTPUT_NORM},
    {OP_MATMUL, .dst = SLOT_LOGITS, .a = SLOT_NORMED, .w = WEIGHT_OUTPUT},
    {OP_CAP, .dst = SLOT_LOGITS, .a = SLOT_LOGITS},
};

const struct arch arch_gemma2 = {
    .name = "gemma2",
    .rope = ROPE_NEOX,
    .roped = {1, 1},
    .windowed = {1, 2},
    .traits = TRAIT_WINDOW | TRAIT_CAPS,
    .defaults = {.window = 4096, .attention_cap = 50, .logit_cap = 30},
    .wide_scale_layers = 46,
    .input = OP_LIST(input),
    .block = OP_LIST(block),
    .output = OP_LIST(output),
};
