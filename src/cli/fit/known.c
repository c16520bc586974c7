/* Small models that people run, cheapest first, with the shapes their papers and files give; what is said of their
 * use is what models of the size do well, not a test result. Files are measured by their own headers; this table
 * answers only where there is no file yet. */
#include <math.h>

#include "cli/fit/fit.h"

#define MIB ((int64_t)1 << 20)

/* layers * kv heads * head dim * (K and V) * bytes of F16 */
#define KV(layers, kv_heads, head_dim) ((int64_t)(layers) * (kv_heads) * (head_dim) * 4)
#define BILLION(b) ((int64_t)((b) * 1e9))
#define GB(b) ((int64_t)((b) * 1e9))

static const struct fit_known known[] = {
    {"qwen3:0.6b",
     {.parameters = BILLION(0.6), .active_parameters = BILLION(0.6), .weight_bytes = GB(0.48), .read_bytes = GB(0.48),
      .kv_bytes_per_token = KV(28, 8, 128), .compute_bytes = 40 * MIB, .vocabulary_bytes = 50 * MIB,
      .n_ctx_train = 40960},
     "Q4_K_M", "labels and short slots after fine-tuning, clean-up of text", "facts, reasoning, long prompts"},
    {"llama3.2:1b",
     {.parameters = BILLION(1.24), .active_parameters = BILLION(1.24), .weight_bytes = GB(0.81), .read_bytes = GB(0.81),
      .kv_bytes_per_token = KV(16, 8, 64), .compute_bytes = 60 * MIB, .vocabulary_bytes = 45 * MIB,
      .n_ctx_train = 131072},
     "Q4_K_M", "labels, routing, short summaries", "arithmetic, facts, several conditions at once"},
    {"qwen3:1.7b",
     {.parameters = BILLION(2.03), .active_parameters = BILLION(2.03), .weight_bytes = GB(1.28), .read_bytes = GB(1.28),
      .kv_bytes_per_token = KV(28, 8, 128), .compute_bytes = 60 * MIB, .vocabulary_bytes = 50 * MIB,
      .n_ctx_train = 40960},
     "Q4_K_M", "classification, extraction to a schema, short tool calls", "facts, long reasoning, rare languages"},
    {"llama3.2:3b",
     {.parameters = BILLION(3.21), .active_parameters = BILLION(3.21), .weight_bytes = GB(2.02), .read_bytes = GB(2.02),
      .kv_bytes_per_token = KV(28, 8, 128), .compute_bytes = 80 * MIB, .vocabulary_bytes = 45 * MIB,
      .n_ctx_train = 131072},
     "Q4_K_M", "summaries, rewriting, answers from given text", "arithmetic, code, deep reasoning"},
    {"gemma3:4b",
     {.parameters = BILLION(3.88), .active_parameters = BILLION(3.88), .weight_bytes = GB(2.49), .read_bytes = GB(2.49),
      .kv_bytes_per_token = KV(5, 4, 256), .window_bytes_per_token = KV(29, 4, 256), .window = 1024,
      .compute_bytes = 90 * MIB, .vocabulary_bytes = 90 * MIB, .n_ctx_train = 131072},
     "Q4_K_M", "writing and translation in many languages, summaries", "tool calls, code, long reasoning"},
    {"qwen3:4b",
     {.parameters = BILLION(4.02), .active_parameters = BILLION(4.02), .weight_bytes = GB(2.5), .read_bytes = GB(2.5),
      .kv_bytes_per_token = KV(36, 8, 128), .compute_bytes = 90 * MIB, .vocabulary_bytes = 50 * MIB,
      .n_ctx_train = 40960},
     "Q4_K_M", "classification, extraction, tool calls, code completion, answers from documents",
     "long-tail facts, large codebases, languages beyond the common ones"},
    {"qwen3:8b",
     {.parameters = BILLION(8.19), .active_parameters = BILLION(8.19), .weight_bytes = GB(4.68),
      .embedding_bytes = GB(0.35), .read_bytes = GB(4.68), .kv_bytes_per_token = KV(36, 8, 128),
      .compute_bytes = 110 * MIB, .vocabulary_bytes = 50 * MIB, .n_ctx_train = 40960},
     "Q4_K_M", "the same with fewer slips, several tools, short reasoning", "long-tail facts, large codebases"},
    {"phi4:14b",
     {.parameters = BILLION(14.66), .active_parameters = BILLION(14.66), .weight_bytes = GB(8.75),
      .embedding_bytes = GB(0.29), .read_bytes = GB(8.75), .kv_bytes_per_token = KV(40, 10, 128),
      .compute_bytes = 160 * MIB, .vocabulary_bytes = 30 * MIB, .n_ctx_train = 16384},
     "Q4_K_M", "reasoning and mathematics for its size, careful extraction", "speed on a CPU, facts, long prompts"},
    {"hf.co/ggml-org/gpt-oss-20b-GGUF:mxfp4",
     {.parameters = BILLION(20.9), .active_parameters = BILLION(3.6), .weight_bytes = GB(11.5),
      .embedding_bytes = GB(0.6), .read_bytes = GB(2.6), .kv_bytes_per_token = KV(12, 8, 64),
      .window_bytes_per_token = KV(12, 8, 64), .window = 128, .compute_bytes = 120 * MIB, .vocabulary_bytes = 70 * MIB,
      .n_ctx_train = 131072},
     "MXFP4", "reasoning with tools, code", "memory for its speed, languages beyond English"},
    {"qwen3:30b-a3b",
     {.parameters = BILLION(30.5), .active_parameters = BILLION(3.3), .weight_bytes = GB(18.3),
      .embedding_bytes = GB(0.18), .read_bytes = GB(2.0), .kv_bytes_per_token = KV(48, 4, 128),
      .compute_bytes = 120 * MIB, .vocabulary_bytes = 50 * MIB, .n_ctx_train = 40960},
     "Q4_K_M", "nearly all narrow work at the speed of a 3B, code, tools", "memory: 20 GB and more; long-tail facts"},
};

static const struct fit_type types[] = {
    {MIX_F16, 16.0},  {MIX_Q8_0, 8.5},    {MIX_Q6_K, 6.57},   {MIX_Q5_K_M, 5.7},
    {MIX_Q4_K_M, 4.9}, {MIX_IQ4_XS, 4.35}, {MIX_Q3_K_M, 3.95}, {MIX_Q2_K, 3.2},
};

const struct fit_known *fit_known_models(int *ret_n)
{
    *ret_n = (int)(sizeof known / sizeof known[0]);
    return known;
}

const struct fit_type *fit_types(int *ret_n)
{
    *ret_n = (int)(sizeof types / sizeof types[0]);
    return types;
}

/* Nearest by ratio, among models that use all their parameters. */
const struct fit_known *fit_nearest(double parameters)
{
    const struct fit_known *best = NULL;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const struct fit_known *k = &known[i];
        if (k->needs.active_parameters != k->needs.parameters)
            continue;
        double distance = fabs(log(parameters / (double)k->needs.parameters));
        if (!best || distance < fabs(log(parameters / (double)best->needs.parameters)))
            best = k;
    }
    return best;
}

/* Weights grow with the parameters; width and depth each with about the root of it, and so the cache. */
struct engine_needs fit_needs_of_size(double parameters)
{
    struct engine_needs n = fit_nearest(parameters)->needs;
    double ratio = parameters / (double)n.parameters;
    n.parameters = n.active_parameters = (int64_t)parameters;
    n.weight_bytes = n.read_bytes = (int64_t)((double)(n.weight_bytes + n.embedding_bytes) * ratio);
    n.embedding_bytes = 0;
    n.kv_bytes_per_token = (int64_t)((double)n.kv_bytes_per_token * sqrt(ratio));
    n.window_bytes_per_token = (int64_t)((double)n.window_bytes_per_token * sqrt(ratio));
    return n;
}
