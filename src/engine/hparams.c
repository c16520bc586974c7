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
#define KEY_BYTES 128

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

/* Features that other members of these families have. A file that asks for one would give wrong answers without it. */
static bool refuse_unknown_features(const struct gguf *g, const struct arch *arch, struct err *err)
{
    static const char *const counts[] = {"expert_count", "attention.sliding_window"};
    static const char *const others[] = {
        "attn_logit_softcapping", "final_logit_softcapping", "logit_scale", "embedding_scale", "residual_scale",
        "attention.scale", "attention.clamp_kqv", "attention.max_alibi_bias",
    };
    char key[KEY_BYTES];
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        uint32_t v = 0;
        if (!gguf_get_u32(g, key_of(arch, counts[i], key), &v, err))
            return false;
        if (v != 0)
            return err_at_offset(err, ERR_UNSUPPORTED, gguf_path(g), -1,
                                 "%s is %u: Rung does not run %s models with it yet", key, v, arch->name);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (gguf_has(g, key_of(arch, others[i], key)))
            return err_at_offset(err, ERR_UNSUPPORTED, gguf_path(g), -1,
                                 "%s is set: Rung does not run %s models with it yet", key, arch->name);
    return true;
}

static bool read_rope(const struct gguf *g, const struct arch *arch, struct hparams *h, struct err *err)
{
    char key[KEY_BYTES];
    struct str scaling = STR("none");
    if (!gguf_get_str(g, key_of(arch, "rope.scaling.type", key), &scaling, err))
        return false;
    h->rope_base = 10000;
    h->rope_scale = 1;
    if (!read_factor(g, arch, "rope.freq_base", &h->rope_base, err) ||
        !read_factor(g, arch, "rope.scale_linear", &h->rope_scale, err))
        return false;
    if (str_is(scaling, "linear"))
        return read_factor(g, arch, "rope.scaling.factor", &h->rope_scale, err);
    if (str_is(scaling, "none"))
        return true;
    return err_at_offset(err, ERR_UNSUPPORTED, gguf_path(g), -1,
                         "%s is \"" STR_FMT "\": Rung runs none, linear, and the llama-3 factors of rope_freqs.weight",
                         key, STR_ARG(utf8_clip(scaling, 40)));
}

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

bool hparams_read(const struct gguf *g, const struct arch *arch, struct hparams *ret, struct err *err)
{
    struct hparams h = {0};
    char key[KEY_BYTES];
    int64_t n_layer;
    if (!refuse_unknown_features(g, arch, err) ||
        !read_count(g, arch, "block_count", 0, HPARAMS_MAX_LAYERS, &n_layer, err) ||
        !read_count(g, arch, "embedding_length", 0, HPARAMS_MAX_EMBD, &h.n_embd, err) ||
        !read_count(g, arch, "feed_forward_length", 0, HPARAMS_MAX_FF, &h.n_ff, err) ||
        !read_count(g, arch, "context_length", 0, INT32_MAX, &h.n_ctx_train, err) || !read_heads(g, arch, &h, err) ||
        !read_rope(g, arch, &h, err))
        return false;
    h.n_layer = (int)n_layer;
    if (!gguf_need_f32(g, key_of(arch, "attention.layer_norm_rms_epsilon", key), &h.norm_eps, err))
        return false;
    if (!(h.norm_eps >= 0 && h.norm_eps < 1))
        return bad_number(g, key, h.norm_eps, "from 0 to 1", err);
    *ret = h;
    return true;
}
