/* Gemma 3, 1B to 27B, the text part: "Gemma 3 Technical Report" (2025). Norms stand before and after each branch
 * (files hold their weights plus one), Q and K pass a norm per head. Five layers of six see a window and turn by a base
 * of their own; the sixth sees everything, with positions divided by 8 but in the 1B. The 27B scales scores by the
 * width a head would have if heads parted the model's evenly. Files of Ollama leave out what the family has in common,
 * and those of the 1B name a cap on logits that Gemma 3 does not have. */
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
    {OP_HEAD_NORM, .dst = SLOT_Q, .a = SLOT_Q, .w = WEIGHT_ATTN_Q_NORM},
    {OP_HEAD_NORM, .dst = SLOT_K, .a = SLOT_K, .w = WEIGHT_ATTN_K_NORM},
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

const struct arch arch_gemma3 = {
    .name = "gemma3",
    .rope = ROPE_NEOX,
    .roped = {1, 1},
    .windowed = {5, 6},
    .traits = TRAIT_WINDOW | TRAIT_CAPS,
    .defaults = {.norm_eps = 1e-6f, .rope_base = 1e6f, .window_rope_base = 1e4f},
    .wide_scale_layers = 62,
    .long_layers = 34,
    .long_rope_scale = 8,
    .uncapped_layers = 26,
    .input = OP_LIST(input),
    .block = OP_LIST(block),
    .output = OP_LIST(output),
};
