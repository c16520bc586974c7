/* What the engine's tests share: an engine over one file, tokens that look random, sessions run in given cuts, and
 * tiny models written for the occasion, sound or spoilt in one place. */
#ifndef RUNG_TESTS_ENGINE_SUPPORT_ENGINE_H
#define RUNG_TESTS_ENGINE_SUPPORT_ENGINE_H

#include "engine/internal.h"
#include "model/quantize.h"
#include "tests/support.h"

#define STARTER RUNG_ROOT "/models/starter.gguf"

struct rig {
    struct gguf *g;
    struct pool *pool;
    struct engine *e;
    int64_t n_vocab;
};

void rig_open(struct rig *rig, const char *path, int threads);
void rig_close(struct rig *rig);
struct session *rig_session(const struct rig *rig, int64_t context, enum tensor_type kv_type);

/* Ids in [0, n_vocab), the same for the same seed. */
void random_ids(uint64_t seed, int64_t n_vocab, int32_t *ids, int n);
/* A number in [0, n). */
int random_below(uint64_t seed, uint64_t position, int n);

/* Appends ids in one step; logits [n, n_vocab] after every token, or NULL. */
void run_tokens(const struct rig *rig, struct session *s, const int32_t *ids, int n, float *logits);
float *alloc_floats(int64_t n);
#define assert_same_floats(a, b, n) assert_memory_equal((a), (b), (size_t)(n) * sizeof(float))

/* ---- tiny models ---- */

/* What the papers say of a model, and its keys and tensors follow: the engine's own lists are not consulted. */
struct tiny {
    const char *arch;
    int n_layer, n_embd, n_head, n_kv_head, head_dim, n_ff, n_vocab;
    bool untied, biases, output_bias, qk_norm, rope_factors;
    float rope_scale;              /* 0: no scaling keys */
    bool interleaved;              /* rotation pairs are neighbours */
    bool wide_qk_norm;             /* over all heads at once */
    bool post_norms, no_pre_norms; /* norms after branches, none before */
    bool fused;                    /* one weight for q, k, v and one for gate and up; long-RoPE */
    bool gelu, root_embedding;
    int unroped;                   /* every so many-th layer does not rotate */
    int window, windowed, of;      /* the first `windowed` layers of every `of` see so many positions */
    float window_base;             /* and turn by this base, unscaled */
    float attention_cap, logit_cap;
    float embedding_scale, residual_scale, attention_scale, logit_scale;
    float yarn_log, temperature;   /* rope_scale is YaRN's over original_context when yarn */
    bool yarn;
    int original_context;
    float attention_factor;
    int n_expert, n_expert_used, n_ff_expert;
    bool gpt_oss;                  /* sinks, biases in experts, clamped gates */
};

#define TINIES 12
extern const struct tiny tinies[TINIES];
#define tiny_llama tinies[0]
#define tiny_qwen2 tinies[1]
#define tiny_qwen3 tinies[2]

enum tiny_spoil_kind {
    SPOIL_NOTHING,
    SPOIL_DROP_TENSOR,
    SPOIL_SHAPE,
    SPOIL_EXTRA_TENSOR,
    SPOIL_KEY_U32,
    SPOIL_KEY_F32,
    SPOIL_KEY_STR,
    SPOIL_DROP_KEY,
    SPOIL_WEIGHTS,
};

struct tiny_spoil {
    enum tiny_spoil_kind kind;
    const char *name;              /* of the tensor, or of the key after "ARCH." */
    int64_t ne[3];
    uint32_t u32;
    float f32;                     /* the key's value, or every weight of the tensor */
    const char *str;
};

/* Writes the model to a temporary file; the path is good until the next call. */
const char *tiny_write(const struct tiny *t, const struct tiny_spoil *spoil);

const struct tiny *tiny_of(const char *arch);
/* The same, wide enough for blocks of 256 and quantised; the path is good until the next call. */
const char *tiny_write_quantised(const char *arch, enum quantize_mix mix);

/* Logits after every token, [n, n_vocab], of a session whose context is n, by plain double arithmetic from the papers,
 * without Rung's lists and kernels. F32 models only. */
void naive_logits(const struct gguf *g, const struct tiny *t, const int32_t *ids, int n, double *logits);

#endif
