/* The mixtures: some tensors hurt more when they lose bits (values, the way down from the feed-forward, the output),
 * the first and last layers more than those between. Applying a choice is plan.c's business. */
#include "model/quantize/mixture.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static const struct quantize_mix_info mixes[QUANTIZE_MIXES] = {
    [MIX_F32] = {"F32", TENSOR_F32, 0, "32 bits a weight, nothing lost from F16 or BF16"},
    [MIX_F16] = {"F16", TENSOR_F16, 1, "16 bits"},
    [MIX_BF16] = {"BF16", TENSOR_BF16, 32, "16 bits, the range of F32"},
    [MIX_Q8_0] = {"Q8_0", TENSOR_Q8_0, 7, "8.5 bits, hardly to be told from F16"},
    [MIX_Q6_K] = {"Q6_K", TENSOR_Q6_K, 18, "6.6 bits"},
    [MIX_Q5_K_M] = {"Q5_K_M", TENSOR_Q5_K, 17, "5.7 bits"},
    [MIX_Q5_K_S] = {"Q5_K_S", TENSOR_Q5_K, 16, "5.5 bits"},
    [MIX_Q5_1] = {"Q5_1", TENSOR_Q5_1, 9, "6 bits, blocks of 32"},
    [MIX_Q5_0] = {"Q5_0", TENSOR_Q5_0, 8, "5.5 bits, blocks of 32"},
    [MIX_Q4_K_M] = {"Q4_K_M", TENSOR_Q4_K, 15, "4.9 bits, the usual choice"},
    [MIX_Q4_K_S] = {"Q4_K_S", TENSOR_Q4_K, 14, "4.6 bits"},
    [MIX_Q4_1] = {"Q4_1", TENSOR_Q4_1, 3, "5 bits, blocks of 32"},
    [MIX_Q4_0] = {"Q4_0", TENSOR_Q4_0, 2, "4.5 bits, blocks of 32"},
    [MIX_IQ4_NL] = {"IQ4_NL", TENSOR_IQ4_NL, 25, "4.5 bits on uneven steps, blocks of 32"},
    [MIX_IQ4_XS] = {"IQ4_XS", TENSOR_IQ4_XS, 30, "4.3 bits on uneven steps"},
    [MIX_MXFP4] = {"MXFP4", TENSOR_MXFP4, 38, "experts in 4.25 bits as gpt-oss has them, the rest Q8_0"},
    [MIX_Q3_K_L] = {"Q3_K_L", TENSOR_Q3_K, 13, "4.2 bits"},
    [MIX_Q3_K_M] = {"Q3_K_M", TENSOR_Q3_K, 12, "3.9 bits"},
    [MIX_Q3_K_S] = {"Q3_K_S", TENSOR_Q3_K, 11, "3.5 bits"},
    [MIX_Q2_K] = {"Q2_K", TENSOR_Q2_K, 10, "3 bits; answers suffer"},
};

static const struct {
    const char *name;
    enum quantize_mix mix;
} other_names[] = {
    {"Q3_K", MIX_Q3_K_M}, {"Q4_K", MIX_Q4_K_M}, {"Q5_K", MIX_Q5_K_M}, {"MXFP4_MOE", MIX_MXFP4},
};

const struct quantize_mix_info *quantize_mix_info(enum quantize_mix mix)
{
    return &mixes[mix];
}

bool quantize_mix_find(const char *name, enum quantize_mix *ret, struct err *err)
{
    for (int i = 0; i < QUANTIZE_MIXES; i++) {
        if (strcasecmp(name, mixes[i].name) == 0) {
            *ret = (enum quantize_mix)i;
            return true;
        }
    }
    for (size_t i = 0; i < sizeof other_names / sizeof other_names[0]; i++) {
        if (strcasecmp(name, other_names[i].name) == 0) {
            *ret = other_names[i].mix;
            return true;
        }
    }
    return err_set(err, ERR_INVALID, "there is no mixture '%s'; Q4_K_M is the usual one", name);
}

bool quantize_type_find(const char *name, enum tensor_type *ret, struct err *err)
{
    for (uint32_t t = 0; t < TENSOR_TYPES; t++) {
        if (quantize_can(t) && strcasecmp(name, tensor_type_name(t)) == 0) {
            *ret = t;
            return true;
        }
    }
    return err_set(err, ERR_INVALID, "'%s' is no element type that Rung writes; Q8_0, Q4_K and F16 are some", name);
}

/* ---- what a tensor is ---- */
enum role { ROLE_OTHER, ROLE_VALUE, ROLE_KEY, ROLE_ATTENTION_OUTPUT, ROLE_DOWN };

static enum role role_of(const char *name)
{
    if (strstr(name, "attn_qkv.weight") || strstr(name, "attn_kv_b.weight") || strstr(name, "attn_v.weight"))
        return ROLE_VALUE;
    if (strstr(name, "attn_k.weight"))
        return ROLE_KEY;
    if (strstr(name, "attn_output.weight"))
        return ROLE_ATTENTION_OUTPUT;
    return strstr(name, "ffn_down") ? ROLE_DOWN : ROLE_OTHER;
}

bool mixture_is_embedding(const struct tensor *t)
{
    return strcmp(t->name, "token_embd.weight") == 0 || strcmp(t->name, "per_layer_token_embd.weight") == 0;
}

bool mixture_is_output(const struct mixture *m, const struct tensor *t)
{
    return strcmp(t->name, "output.weight") == 0 || (m->tied && mixture_is_embedding(t));
}

bool mixture_quantises(const struct tensor *t)
{
    static const char *const kept[] = {
        "_norm.weight", "ffn_gate_inp.weight", "altup", "laurel", "per_layer_model_proj", "ssm_conv1d",
        "shortconv.conv.weight", "attn_rel_b.weight", "position_embd", "token_types",
    };
    struct str name = str_of(t->name);
    if (t->ne[1] * t->ne[2] * t->ne[3] < 2 || !str_ends(name, STR("weight")))
        return false;
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        if (strstr(t->name, kept[i]))
            return false;
    }
    return true;
}

int mixture_layer(const char *name)
{
    char *end = NULL;
    if (strncmp(name, "blk.", 4) != 0 || name[4] < '0' || name[4] > '9')
        return -1;
    long layer = strtol(name + 4, &end, 10);
    return *end == '.' && layer < INT_MAX ? (int)layer : -1;
}

/* ---- the model ---- */
/* A count that some models give for each layer: the first layer's. */
static bool get_count(const struct gguf *g, struct str arch, const char *what, uint32_t *ret, struct err *err)
{
    char key[GGUF_MAX_KEY_BYTES];
    struct gguf_array each = {0};
    snprintf(key, sizeof key, STR_FMT ".%s", STR_ARG(arch), what);
    struct err not_an_array = ERR_INIT;
    if (gguf_get_array(g, key, GGUF_I32, &each, &not_an_array)) {
        if (each.n > 0)
            *ret = (uint32_t)gguf_array_i64(&each, 0);
        return true;
    }
    return gguf_get_u32(g, key, ret, err);
}

bool mixture_open(const struct gguf *from, const struct quantize_options *options, struct mixture *ret, struct err *err)
{
    struct str arch = STR("");
    uint32_t layers = 0, experts = 0, heads = 0, kv_heads = 0;
    if (!gguf_need_str(from, "general.architecture", &arch, err) ||
        !get_count(from, arch, "block_count", &layers, err) ||
        !get_count(from, arch, "expert_count", &experts, err) ||
        !get_count(from, arch, "attention.head_count", &heads, err))
        return false;
    kv_heads = heads;
    if (!get_count(from, arch, "attention.head_count_kv", &kv_heads, err))
        return false;
    *ret = (struct mixture){
        .mix = options->mix,
        .has_imatrix = options->imatrix != NULL,
        .tied = gguf_tensor(from, "output.weight") == NULL,
        .n_layers = layers < INT_MAX ? (int)layers : INT_MAX,
        .n_experts = experts < INT_MAX ? (int)experts : INT_MAX,
        .queries_per_kv = kv_heads ? (int)(heads / kv_heads) : 0,
    };
    for (int64_t i = 0; i < gguf_tensor_count(from); i++) {
        const struct tensor *t = gguf_tensor_at(from, i);
        ret->n_values += !mixture_is_output(ret, t) && !mixture_is_embedding(t) && role_of(t->name) == ROLE_VALUE;
    }
    return true;
}

/* ---- the rules ---- */
/* The first and last eighth, and every third between. */
static bool more_bits(int i, int n)
{
    return i < n / 8 || i >= 7 * (int64_t)n / 8 || (i - n / 8) % 3 == 2;
}

static enum tensor_type output_type(const struct mixture *m, const struct tensor *t, enum tensor_type type)
{
    if (m->mix == MIX_MXFP4 || t->ne[0] % tensor_type_info(type)->block != 0 || type == TENSOR_Q8_0)
        return TENSOR_Q8_0;
    return TENSOR_Q6_K;
}

static enum tensor_type value_type(struct mixture *m, enum tensor_type type)
{
    int i = m->i_value++;
    bool shared = m->queries_per_kv >= 4;   /* few values serve many heads: small and dear */
    switch (m->mix) {
    case MIX_Q2_K: type = shared ? TENSOR_Q4_K : TENSOR_Q3_K; break;
    case MIX_Q3_K_M: type = i < 2 ? TENSOR_Q5_K : TENSOR_Q4_K; break;
    case MIX_Q3_K_L: type = TENSOR_Q5_K; break;
    case MIX_IQ4_NL:
    case MIX_IQ4_XS: type = shared ? TENSOR_Q5_K : type; break;
    case MIX_Q4_K_M:
    case MIX_Q5_K_M: type = more_bits(i, m->n_values) ? TENSOR_Q6_K : type; break;
    case MIX_Q4_K_S: type = i < 4 ? TENSOR_Q5_K : type; break;
    default: break;
    }
    /* 70B models share so much that the field spends a bit more on them. */
    if (m->n_layers == 80 && (type == TENSOR_Q3_K || type == TENSOR_Q4_K))
        type = TENSOR_Q5_K;
    return m->n_experts == 8 ? TENSOR_Q8_0 : type;
}

static enum tensor_type down_type(struct mixture *m, const struct tensor *t, enum tensor_type type)
{
    int i = m->n_experts > 1 ? mixture_layer(t->name) : m->i_down, n = m->n_layers;
    bool first = i < n / 8;
    m->i_down++;
    switch (m->mix) {
    case MIX_Q2_K: return TENSOR_Q3_K;
    case MIX_Q3_K_M: return i < n / 16 ? TENSOR_Q5_K : TENSOR_Q4_K;
    case MIX_Q3_K_L: return TENSOR_Q5_K;
    case MIX_Q4_K_M:
    case MIX_Q5_K_M: return more_bits(i, n) ? TENSOR_Q6_K : type;
    case MIX_Q4_K_S: return first ? TENSOR_Q5_K : type;
    case MIX_IQ4_NL:
    case MIX_IQ4_XS: return first && !m->has_imatrix ? TENSOR_Q5_K : type;
    case MIX_Q4_0: return first && m->has_imatrix ? TENSOR_Q4_1 : type;
    case MIX_Q5_0: return first && m->has_imatrix ? TENSOR_Q5_1 : type;
    default: return type;
    }
}

static enum tensor_type attention_output_type(const struct mixture *m, enum tensor_type type)
{
    bool experts = m->n_experts == 8;
    switch (m->mix) {
    case MIX_Q2_K: return experts ? TENSOR_Q5_K : TENSOR_Q3_K;
    case MIX_Q3_K_M: return experts ? TENSOR_Q5_K : TENSOR_Q4_K;
    case MIX_Q3_K_L: return experts ? type : TENSOR_Q5_K;
    case MIX_Q3_K_S:
    case MIX_Q4_K_S:
    case MIX_Q4_K_M:
    case MIX_IQ4_NL:
    case MIX_IQ4_XS: return experts ? TENSOR_Q5_K : type;
    default: return type;
    }
}

enum tensor_type mixture_type(struct mixture *m, const struct tensor *t)
{
    enum tensor_type type = mixes[m->mix].type;
    if (tensor_type_info(type)->block == 1)
        return type;
    if (mixture_is_output(m, t))
        return output_type(m, t, type);
    if (m->mix == MIX_MXFP4)
        return t->ne[2] > 1 ? TENSOR_MXFP4 : TENSOR_Q8_0;
    if (mixture_is_embedding(t))
        return type;
    switch (role_of(t->name)) {
    case ROLE_VALUE: return value_type(m, type);
    case ROLE_KEY: return m->n_experts == 8 ? TENSOR_Q8_0 : type;
    case ROLE_DOWN: return down_type(m, t, type);
    case ROLE_ATTENTION_OUTPUT: return attention_output_type(m, type);
    default: return type;
    }
}

enum tensor_type mixture_fallback(enum tensor_type type, int64_t row)
{
    if (row % tensor_type_info(type)->block == 0)
        return type;
    switch (type) {
    case TENSOR_Q2_K:
    case TENSOR_Q3_K: type = TENSOR_Q4_0; break;
    case TENSOR_Q4_K: type = TENSOR_Q5_0; break;
    case TENSOR_Q5_K: type = TENSOR_Q5_1; break;
    case TENSOR_Q6_K: type = TENSOR_Q8_0; break;
    case TENSOR_IQ4_XS: type = TENSOR_IQ4_NL; break;
    default: break;
    }
    return row % tensor_type_info(type)->block == 0 ? type : TENSOR_F16;
}
