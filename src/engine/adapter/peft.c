/* An adapter as PEFT saves it: a folder with adapter_config.json and adapter_model.safetensors. What the configuration
 * asks for beyond plain LoRA is refused by name, for without it the answers would be wrong. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "data/json.h"
#include "engine/adapter/private.h"
#include "model/safetensors.h"

#define PATH_BYTES 4096

/* A projection as transformers call it, and as the model's tensors do. */
static const struct {
    const char *theirs, *ours;
} modules[] = {
    {"self_attn.q_proj", "attn_q"},     {"self_attn.k_proj", "attn_k"},      {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"}, {"self_attn.qkv_proj", "attn_qkv"}, {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},          {"mlp.down_proj", "ffn_down"},       {"mlp.gate_up_proj", "ffn_up"},
};

static const char *const prefixes[] = {
    "base_model.model.model.layers.",
    "base_model.model.model.language_model.layers.",
    "base_model.model.language_model.model.layers.",
};

static bool refuse(const char *path, struct err *err, const char *what)
{
    return err_at_offset(err, ERR_UNSUPPORTED, path, -1, "%s is not supported; plain LoRA is", what);
}

static bool is_set(const json_t *config, const char *key)
{
    const json_t *v = json_object_get(config, key);
    return v && !json_is_null(v) && !json_is_false(v) && !(json_is_array(v) && json_array_size(v) == 0) &&
           !(json_is_object(v) && json_object_size(v) == 0);
}

/* *scale: alpha / r, or alpha / sqrt(r) where the configuration says rslora. */
static bool read_config(const char *path, const json_t *config, float *scale, struct err *err)
{
    static const char *const refused[] = {"use_dora", "modules_to_save", "lora_bias", "rank_pattern",
                                          "alpha_pattern", "fan_in_fan_out", "layer_replication"};
    struct str type = STR(""), bias = STR("none");
    int64_t r = 0;
    double alpha = 0;
    bool rslora = false;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (is_set(config, refused[i]))
            return refuse(path, err, refused[i]);
    if (!json_get_str(config, "peft_type", &type, err) || !json_get_str(config, "bias", &bias, err) ||
        !json_get_i64(config, "r", 1, ADAPTER_MAX_RANK, &r, err) ||
        !json_get_f64(config, "lora_alpha", -1e6, 1e6, &alpha, err) ||
        !json_get_bool(config, "use_rslora", &rslora, err))
        return err_prefix(err, "%.200s: ", path);
    if (!str_is(type, "LORA"))
        return refuse(path, err, "a 'peft_type' other than LORA");
    if (!str_is(bias, "none"))
        return refuse(path, err, "a 'bias' other than none");
    if (r == 0 || !json_object_get(config, "lora_alpha"))
        return err_at_offset(err, ERR_INVALID, path, -1, "'r' and 'lora_alpha' must be there");
    *scale = (float)(alpha / (rslora ? sqrt((double)r) : (double)r));
    return true;
}

static bool load_config(const char *path, float *scale, struct err *err)
{
    char *text;
    size_t n;
    json_t *config = NULL;
    if (!file_read(path, ADAPTER_MAX_CONFIG_BYTES, &text, &n, err))
        return false;
    bool ok = json_parse_object((struct str){text, n}, path, &config, err) && read_config(path, config, scale, err);
    json_decref(config);
    free(text);
    return ok;
}

/* "base_model.model.model.layers.3.self_attn.q_proj.lora_A.weight" to layer, module and half. */
static bool parse_name(const char *name, struct lora_part *ret)
{
    struct str s = str_of(name);
    bool a = str_ends(s, STR(".lora_A.weight")), b = str_ends(s, STR(".lora_B.weight"));
    for (size_t i = 0; (a || b) && i < sizeof prefixes / sizeof *prefixes; i++) {
        int layer = 0, used = 0;
        size_t at = strlen(prefixes[i]);
        if (!str_starts(s, str_of(prefixes[i])) || sscanf(name + at, "%7d.%n", &layer, &used) != 1 || used == 0 ||
            layer < 0 || at + (size_t)used + strlen(".lora_A.weight") >= s.n)
            continue;
        at += (size_t)used;
        struct str module = {name + at, s.n - at - strlen(".lora_A.weight")};
        for (size_t j = 0; j < sizeof modules / sizeof *modules; j++) {
            if (!str_is(module, modules[j].theirs))
                continue;
            ret->layer = layer;
            ret->module = str_of(modules[j].ours);
            ret->is_b = b;
            return true;
        }
    }
    return false;
}

static bool read_tensor(struct adapter *a, const char *path, const struct tensor *t, float scale, struct err *err)
{
    struct lora_part part = {.path = path, .name = t->name, .tensor = t, .scale = scale};
    if (!parse_name(t->name, &part))
        return err_at_offset(err, ERR_UNSUPPORTED, path, -1,
                             "tensor %s is no half of a LoRA matrix of a layer's projection, and nothing else is "
                             "supported", t->name);
    part.unpermute = a->engine->model.arch->rope == ROPE_INTERLEAVED &&
                     (str_is(part.module, "attn_q") || str_is(part.module, "attn_k"));
    return adapter_add(a, &part, err);
}

bool adapter_read_peft(struct adapter *a, const char *folder, struct err *err)
{
    char config[PATH_BYTES], path[PATH_BYTES];
    struct safetensors *s;
    float scale = 1;
    snprintf(config, sizeof config, "%.4000s/adapter_config.json", folder);
    snprintf(path, sizeof path, "%.4000s/adapter_model.safetensors", folder);
    if (!load_config(config, &scale, err) || !safetensors_open(path, &s, err))
        return false;
    bool ok = true;
    for (int64_t i = 0; ok && i < safetensors_count(s); i++)
        ok = read_tensor(a, path, safetensors_at(s, i), scale, err);
    if (ok && safetensors_broken(s))
        ok = err_at_offset(err, ERR_CORRUPT, path, -1, "the file shrank while it was being read");
    safetensors_close(s);
    return ok;
}
