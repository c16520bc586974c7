/* An adapter in a GGUF file: its metadata, and tensors named after the model's with .lora_a and .lora_b behind. */
#include <stdio.h>

#include "engine/adapter/private.h"

static bool expect(const struct gguf *g, const char *key, const char *value, struct err *err)
{
    struct str text;
    if (!gguf_need_str(g, key, &text, err))
        return err_prefix(err, "this is no LoRA adapter: ");
    return str_is(text, value) ||
           err_at_offset(err, ERR_UNSUPPORTED, gguf_path(g), -1, "%s is \"" STR_FMT "\"; Rung takes \"%s\" here", key,
                         STR_ARG(utf8_clip(text, 60)), value);
}

/* "blk.3.attn_q.weight.lora_a" to layer, module and half. */
static bool parse_name(const char *name, struct lora_part *ret)
{
    struct str s = str_of(name);
    int layer = 0, used = 0;
    bool a = str_ends(s, STR(".weight.lora_a")), b = str_ends(s, STR(".weight.lora_b"));
    if ((!a && !b) || sscanf(name, "blk.%7d.%n", &layer, &used) != 1 || used == 0 || layer < 0)
        return false;
    ret->layer = layer;
    ret->module = (struct str){name + used, s.n - (size_t)used - strlen(".weight.lora_a")};
    ret->is_b = b;
    return (size_t)used + strlen(".weight.lora_a") < s.n;
}

static bool read_tensor(struct adapter *a, const struct gguf *g, const struct tensor *t, float alpha, struct err *err)
{
    struct lora_part part = {.path = gguf_path(g), .name = t->name, .tensor = t};
    if (!parse_name(t->name, &part))
        return err_at_offset(err, ERR_UNSUPPORTED, gguf_path(g), -1,
                             "tensor %s is no half of a LoRA matrix of a layer, and nothing else is supported",
                             t->name);
    part.scale = part.is_b && t->ne[0] > 0 ? alpha / (float)t->ne[0] : 1;
    return adapter_add(a, &part, err);
}

bool adapter_read_gguf(struct adapter *a, const char *path, struct err *err)
{
    struct gguf *g;
    float alpha = 0;
    if (!gguf_open(path, &g, err))
        return false;
    bool ok = expect(g, "general.type", "adapter", err) && expect(g, "adapter.type", "lora", err) &&
              expect(g, "general.architecture", a->engine->model.arch->name, err) &&
              gguf_need_f32(g, "adapter.lora.alpha", &alpha, err);
    for (int64_t i = 0; ok && i < gguf_tensor_count(g); i++)
        ok = read_tensor(a, g, gguf_tensor_at(g, i), alpha, err);
    if (ok && gguf_broken(g))
        ok = err_at_offset(err, ERR_CORRUPT, path, -1, "the file shrank while it was being read");
    gguf_close(g);
    return ok;
}
