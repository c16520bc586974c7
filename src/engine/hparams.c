/* The numbers of a model, read from the file's metadata and held against declared limits, so that no later product of
 * them can wrap and no kernel meets a size it does not take. Keys that would change the mathematics in a way Rung does
 * not run are refused. */
#include <math.h>
#include <stdio.h>

#include "engine/internal.h"

#define HPARAMS_MAX_LAYERS 1024
#define HPARAMS_MAX_HEADS 1024
#define HPARAMS_MAX_EMBD (1 << 16)
#define HPARAMS_MAX_FF (1 << 20)
#define HPARAMS_MAX_WINDOW (1 << 24)
#define KEY_BYTES 128
#define EXPERT_GATING_SOFTMAX 1
#define EXPERT_GATING_SOFTMAX_OF_CHOSEN 3   /* the same once the chosen shares sum to one */

/* "ARCH.name" */
static const char *key_of(const struct arch *arch, const char *name, char buf[KEY_BYTES])
{
    snprintf(buf, KEY_BYTES, "%s.%s", arch->name, name);
    return buf;
}

static bool bad_number(const struct gguf *g, const char *key, double value, const char *should, struct err *err)
{
    return err_at_offset(err, ERR_CORRUPT, gguf_path(g), -1,
                         "%s is %g but must be %s; the file is damaged or its converter was wrong", key, value, should);
}

/* An integer in [1, max]; 0 as the fallback means that the key must be there. */
static bool read_count(const struct gguf *g, const struct arch *arch, const char *name, int64_t fallback, int64_t max,
                       int64_t *ret, struct err *err)
{
    char key[KEY_BYTES], range[64];
    uint32_t v = (uint32_t)fallback;
    key_of(arch, name, key);
    if (!(fallback ? gguf_get_u32(g, key, &v, err) : gguf_need_u32(g, key, &v, err)))
        return false;
    snprintf(range, sizeof range, "from 1 to %lld", (long long)max);
    if (v < 1 || v > max)
        return bad_number(g, key, v, range, err);
    *ret = v;
    return true;
}

/* A finite number above 0. */
static bool read_factor(const struct gguf *g, const struct arch *arch, const char *name, float *v, struct err *err)
{
    char key[KEY_BYTES];
    key_of(arch, name, key);
    if (!gguf_get_f32(g, key, v, err))
        return false;
    if (!(isfinite(*v) && *v > 0))
        return bad_number(g, key, *v, "a number above 0", err);
    return true;
}

/* A finite number, 0 or more: 0 turns the feature off. */
static bool read_cap(const struct gguf *g, const struct arch *arch, const char *name, float *v, struct err *err)
{
    char key[KEY_BYTES];
    key_of(arch, name, key);
    if (!gguf_get_f32(g, key, v, err))
        return false;
    if (!(isfinite(*v) && *v >= 0))
        return bad_number(g, key, *v, "a number, 0 or more", err);
    return true;
}

/* ---- what other members of these families have: a file that asks for it would give wrong answers without it ---- */

static bool refuse_count(const struct gguf *g, const struct arch *arch, const char *name, struct err *err)
{
    char key[KEY_BYTES];
    uint32_t v = 0;
    if (!gguf_get_u32(g, key_of(arch, name, key), &v, err))
        return false;
    if (v == 0)
        return true;
    return err_at_offset(err, ERR_UNSUPPORTED, gguf_path(g), -1, "%s is %u: Rung does not run %s models with it yet",
                         key, v, arch->name);
}

static bool refuse_key(const struct gguf *g, const struct arch *arch, const char *name, struct err *err)
{
    char key[KEY_BYTES];
    if (!gguf_has(g, key_of(arch, name, key)))
        return true;
    return err_at_offset(err, ERR_UNSUPPORTED, gguf_path(g), -1, "%s is set: Rung does not run %s models with it yet",
                         key, arch->name);
}

static bool refuse_unknown_features(const struct gguf *g, const struct arch *arch, struct err *err)
{
    static const struct {
        const char *name;
        unsigned traits;               /* an architecture with one of these takes the key */
        bool count;                    /* 0 means the same as no key */
    } keys[] = {
        {"expert_count", TRAIT_EXPERTS, true},
        {"expert_shared_count", 0, true},
        {"expert_group_count", 0, true},
        {"leading_dense_block_count", 0, true},
        {"attention.sliding_window", TRAIT_WINDOW, true},
        {"attn_logit_softcapping", TRAIT_CAPS, false},
        {"final_logit_softcapping", TRAIT_CAPS, false},
        {"logit_scale", TRAIT_SCALES, false},
        {"embedding_scale", TRAIT_SCALES, false},
        {"residual_scale", TRAIT_SCALES, false},
        {"attention.temperature_scale", TRAIT_TEMPERATURE, false},
        {"rope.scaling_beta", TRAIT_TEMPERATURE, false},
        {"attention.clamp_kqv", 0, false},
        {"attention.max_alibi_bias", 0, false},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (arch->traits & keys[i].traits)
            continue;
        if (!(keys[i].count ? refuse_count(g, arch, keys[i].name, err) : refuse_key(g, arch, keys[i].name, err)))
            return false;
    }
    return true;
}

/* ---- rotary positions ---- */

/* How YaRN makes up for the flatter scores of stretched positions (Peng et al. 2023, section 3.4). */
static float yarn_magnitude(float factor, float multiplier)
{
    return factor <= 1 ? 1 : 0.1f * multiplier * logf(factor) + 1;
}

/* Ollama's files of Mistral give the numbers other names: those come first, so that the usual ones prevail. */
static bool read_yarn(const struct gguf *g, const struct arch *arch, struct hparams *h, struct err *err)
{
    char key[KEY_BYTES];
    float strength = 1, multiplier = 0, mscale = 1;
    h->yarn_fast = 32;
    h->yarn_slow = 1;
    if (!read_factor(g, arch, "rope.scaling.beta_fast", &h->yarn_fast, err) ||
        !read_factor(g, arch, "rope.scaling.beta_slow", &h->yarn_slow, err) ||
        !read_cap(g, arch, "rope.scaling.mscale", &mscale, err) ||
        !read_cap(g, arch, "rope.scaling.mscale_all_dim", &multiplier, err) ||
        !read_factor(g, arch, "rope.scaling.extrapolation_factor", &strength, err) ||
        !read_factor(g, arch, "rope.scaling.yarn_beta_fast", &h->yarn_fast, err) ||
        !read_factor(g, arch, "rope.scaling.yarn_beta_slow", &h->yarn_slow, err) ||
        !read_cap(g, arch, "rope.scaling.yarn_log_multiplier", &multiplier, err) ||
        !read_factor(g, arch, "rope.scaling.yarn_ext_factor", &strength, err))
        return false;
    if (strength != 1)
        return bad_number(g, key_of(arch, "rope.scaling.yarn_ext_factor", key), strength, "1", err);
    bool both = mscale > 0 && multiplier > 0;
    h->rope_magnitude = yarn_magnitude(h->rope_scale, both ? mscale : 1);
    if (both)
        h->rope_magnitude /= yarn_magnitude(h->rope_scale, multiplier);
    return true;
}

/* Nothing is none, as a factor of 0 is: some converters write both. The two last stand in tensors of frequency
 * divisors. */
static bool known_scaling(struct str type)
{
    static const char *const known[] = {"", "none", "linear", "yarn", "longrope", "llama3"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (str_is(type, known[i]))
            return true;
    return false;
}

static bool read_rope_scaling(const struct gguf *g, const struct arch *arch, struct hparams *h, struct err *err)
{
    char key[KEY_BYTES], key_factor[KEY_BYTES];
    struct str scaling = h->yarn ? STR("yarn") : STR("linear");
    key_of(arch, "rope.scaling.type", key);
    key_of(arch, "rope.scaling.factor", key_factor);
    bool silent = !gguf_has(g, key) && !gguf_has(g, key_factor);
    h->rope_scale = silent && arch->long_layers > 0 && h->n_layer >= arch->long_layers ? arch->long_rope_scale : 1;
    h->rope_magnitude = 1;
    if (!gguf_get_str(g, key, &scaling, err) || !read_factor(g, arch, "rope.scale_linear", &h->rope_scale, err) ||
        !read_cap(g, arch, "rope.scaling.factor", &h->rope_scale, err) ||
        !read_count(g, arch, "rope.scaling.original_context_length", h->n_ctx_train, INT32_MAX, &h->n_ctx_original,
                    err))
        return false;
    h->yarn = str_is(scaling, "yarn");
    if (!known_scaling(scaling))
        return err_at_offset(err, ERR_UNSUPPORTED, gguf_path(g), -1,
                             "%s is \"" STR_FMT "\": Rung runs none, linear, yarn, longrope and llama3", key,
                             STR_ARG(utf8_clip(scaling, 40)));
    if (h->rope_scale == 0 || (!h->yarn && !str_is(scaling, "linear")))
        h->rope_scale = 1;
    if (h->yarn && !read_yarn(g, arch, h, err))
        return false;
    /* yarn_attn_factor stands for the magnitude that was just worked out, where a file has it. */
    float attention = 1;
    if (!read_factor(g, arch, "rope.scaling.attn_factor", &attention, err))
        return false;
    h->rope_magnitude *= attention;
    return true;
}

static bool read_rope(const struct gguf *g, const struct arch *arch, struct hparams *h, struct err *err)
{
    h->rope_base = h->rope_base > 0 ? h->rope_base : 10000;
    if (!read_factor(g, arch, "rope.freq_base", &h->rope_base, err) || !read_rope_scaling(g, arch, h, err))
        return false;
    if (h->window_rope_base > 0)
        return read_factor(g, arch, "rope.global.freq_base", &h->rope_base, err) &&
               read_factor(g, arch, "rope.local.freq_base", &h->window_rope_base, err) &&
               read_factor(g, arch, "rope.freq_base_swa", &h->window_rope_base, err);
    return refuse_key(g, arch, "rope.freq_base_swa", err);
}

/* ---- attention ---- */

static bool read_heads(const struct gguf *g, const struct arch *arch, struct hparams *h, struct err *err)
{
    char key[KEY_BYTES];
    int64_t n_head, n_kv_head, head_dim, value_dim, n_rot;
    if (!read_count(g, arch, "attention.head_count", 0, HPARAMS_MAX_HEADS, &n_head, err) ||
        !read_count(g, arch, "attention.head_count_kv", n_head, HPARAMS_MAX_HEADS, &n_kv_head, err))
        return false;
    if (n_head % n_kv_head != 0)
        return bad_number(g, key_of(arch, "attention.head_count_kv", key), (double)n_kv_head,
                          "a divisor of the head count", err);
    int64_t even_split = h->n_embd / n_head;
    if (even_split < 1)
        return bad_number(g, key_of(arch, "attention.head_count", key), (double)n_head,
                          "at most the embedding length", err);
    if (!read_count(g, arch, "attention.key_length", even_split, ATTENTION_MAX_HEAD_DIM, &head_dim, err) ||
        !read_count(g, arch, "attention.value_length", head_dim, ATTENTION_MAX_HEAD_DIM, &value_dim, err) ||
        !read_count(g, arch, "rope.dimension_count", head_dim, ATTENTION_MAX_HEAD_DIM, &n_rot, err))
        return false;
    if (value_dim != head_dim)
        return bad_number(g, key_of(arch, "attention.value_length", key), (double)value_dim,
                          "equal to the key length", err);
    if (n_rot % 2 != 0 || n_rot > head_dim)
        return bad_number(g, key_of(arch, "rope.dimension_count", key), (double)n_rot,
                          "even and at most the key length", err);
    h->n_head = (int)n_head;
    h->n_kv_head = (int)n_kv_head;
    h->head_dim = (int)head_dim;
    h->n_rot = (int)n_rot;
    return true;
}

/* Some files say which layers see the window only; it must be those that the family is known for. */
static bool check_window_pattern(const struct gguf *g, const struct arch *arch, const struct hparams *h,
                                 struct err *err)
{
    char key[KEY_BYTES];
    uint32_t period = (uint32_t)arch->windowed.of;
    struct gguf_array layers;
    key_of(arch, "attention.sliding_window_pattern", key);
    if (gguf_get_u32(g, key, &period, NULL)) {
        bool same = period == (uint32_t)arch->windowed.of;
        return same || bad_number(g, key, period, "what the architecture is known for", err);
    }
    if (!gguf_get_array(g, key, GGUF_BOOL, &layers, err))
        return false;
    for (int i = 0; i < h->n_layer; i++)
        if (i >= layers.n || gguf_array_i64(&layers, i) != layers_have(arch->windowed, i))
            return err_at_offset(err, ERR_UNSUPPORTED, gguf_path(g), -1,
                                 "%s has other layers than %s models are known for; Rung does not run it", key,
                                 arch->name);
    return true;
}

static bool read_window(const struct gguf *g, const struct arch *arch, struct hparams *h, struct err *err)
{
    char key[KEY_BYTES];
    uint32_t window = (uint32_t)h->window;
    if (!(arch->traits & TRAIT_WINDOW))
        return refuse_key(g, arch, "attention.sliding_window_pattern", err);
    if (!gguf_get_u32(g, key_of(arch, "attention.sliding_window", key), &window, err))
        return false;
    if (window > HPARAMS_MAX_WINDOW)
        return bad_number(g, key, window, "at most 16777216", err);
    h->window = window;
    if (window == 0) {          /* then no layer is a windowed one, in its rotation neither */
        h->window_rope_base = 0;
        return true;
    }
    return check_window_pattern(g, arch, h, err);
}

static bool read_attention(const struct gguf *g, const struct arch *arch, struct hparams *h, struct err *err)
{
    bool wide = arch->wide_scale_layers > 0 && arch->wide_scale_layers == h->n_layer;
    h->attention_scale = (float)(1 / sqrt(wide ? (double)(h->n_embd / h->n_head) : h->head_dim));
    return read_factor(g, arch, "attention.scale", &h->attention_scale, err) && read_window(g, arch, h, err) &&
           read_cap(g, arch, "attn_logit_softcapping", &h->attention_cap, err) &&
           read_cap(g, arch, "rope.scaling_beta", &h->position_temperature, err) &&
           read_cap(g, arch, "attention.temperature_scale", &h->position_temperature, err);
}

/* ---- experts, factors ---- */

/* The chosen experts' shares sum to one; a file may say so. */
static bool check_normed(const struct gguf *g, const struct arch *arch, const char *name, struct err *err)
{
    char key[KEY_BYTES];
    bool normed = true;
    return gguf_get_bool(g, key_of(arch, name, key), &normed, err) &&
           (normed || err_at_offset(err, ERR_UNSUPPORTED, gguf_path(g), -1,
                                    "%s is false: Rung does not run %s models so yet", key, arch->name));
}

/* Some files give the width of an expert in their tensors only. */
static int64_t expert_width(const struct gguf *g, const struct arch *arch)
{
    const struct tensor *down = model_tensor(g, arch, WEIGHT_EXPERTS_DOWN, 0);
    return down ? down->ne[0] : 0;
}

static bool read_experts(const struct gguf *g, const struct arch *arch, struct hparams *h, struct err *err)
{
    char key[KEY_BYTES];
    int64_t n_expert, n_used;
    uint32_t gating = EXPERT_GATING_SOFTMAX;
    float scale = 1;
    if (!(arch->traits & TRAIT_EXPERTS))
        return true;
    if (!read_count(g, arch, "expert_count", 0, HPARAMS_MAX_EXPERTS, &n_expert, err) ||
        !read_count(g, arch, "expert_used_count", 0, HPARAMS_MAX_EXPERTS_USED, &n_used, err) ||
        !read_count(g, arch, "expert_feed_forward_length", expert_width(g, arch), HPARAMS_MAX_FF, &h->n_ff_expert,
                    err) ||
        !read_factor(g, arch, "expert_weights_scale", &scale, err))
        return false;
    if (n_used > n_expert)
        return bad_number(g, key_of(arch, "expert_used_count", key), (double)n_used, "at most the expert count", err);
    if (scale != 1)
        return bad_number(g, key_of(arch, "expert_weights_scale", key), scale, "1", err);
    if (!gguf_get_u32(g, key_of(arch, "expert_gating_func", key), &gating, err) ||
        !check_normed(g, arch, "expert_weights_norm", err) || !check_normed(g, arch, "norm_top_k_prob", err))
        return false;
    if (gating != EXPERT_GATING_SOFTMAX && gating != EXPERT_GATING_SOFTMAX_OF_CHOSEN)
        return bad_number(g, key, gating, "1 or 3, a softmax", err);
    h->n_expert = (int)n_expert;
    h->n_expert_used = (int)n_used;
    return true;
}

static bool read_factors(const struct gguf *g, const struct arch *arch, struct hparams *h, struct err *err)
{
    float logit_scale = 1;
    h->factors[FACTOR_ROOT_WIDTH] = sqrtf((float)h->n_embd);
    h->factors[FACTOR_EMBEDDING] = h->factors[FACTOR_RESIDUAL] = 1;
    if (!read_factor(g, arch, "embedding_scale", &h->factors[FACTOR_EMBEDDING], err) ||
        !read_factor(g, arch, "residual_scale", &h->factors[FACTOR_RESIDUAL], err) ||
        !read_factor(g, arch, "logit_scale", &logit_scale, err))
        return false;
    h->factors[FACTOR_LOGITS] = 1 / logit_scale;
    if (!read_cap(g, arch, "final_logit_softcapping", &h->logit_cap, err))
        return false;
    if (arch->uncapped_layers > 0 && arch->uncapped_layers == h->n_layer)
        h->logit_cap = 0;
    return true;
}

bool hparams_read(const struct gguf *g, const struct arch *arch, struct hparams *ret, struct err *err)
{
    struct hparams h = arch->defaults;
    char key[KEY_BYTES];
    int64_t n_layer;
    if (!refuse_unknown_features(g, arch, err) ||
        !read_count(g, arch, "block_count", 0, HPARAMS_MAX_LAYERS, &n_layer, err) ||
        !read_count(g, arch, "embedding_length", 0, HPARAMS_MAX_EMBD, &h.n_embd, err) ||
        !read_count(g, arch, "feed_forward_length", 0, HPARAMS_MAX_FF, &h.n_ff, err) ||
        !read_count(g, arch, "context_length", 0, INT32_MAX, &h.n_ctx_train, err))
        return false;
    h.n_layer = (int)n_layer;
    if (!read_heads(g, arch, &h, err) || !read_rope(g, arch, &h, err) || !read_attention(g, arch, &h, err) ||
        !read_experts(g, arch, &h, err) || !read_factors(g, arch, &h, err))
        return false;
    key_of(arch, "attention.layer_norm_rms_epsilon", key);
    if (!(h.norm_eps > 0 ? gguf_get_f32(g, key, &h.norm_eps, err) : gguf_need_f32(g, key, &h.norm_eps, err)))
        return false;
    if (!(h.norm_eps >= 0 && h.norm_eps < 1))
        return bad_number(g, key, h.norm_eps, "from 0 to 1", err);
    *ret = h;
    return true;
}
