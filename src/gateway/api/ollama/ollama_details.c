/* Gathers what is known of a model without opening its weights, and writes it in Ollama's shape. */
#include "gateway/api/ollama/ollama_details.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/filemap.h"
#include "gateway/answer/answer.h"
#include "registry/digest.h"

#define CONFIG_LAYER_MAX_BYTES (64u << 10)

static void set_digest(struct ollama_details *d, const char *digest, const char *name)
{
    if (digest[0])
        memcpy(d->digest, digest, sizeof d->digest);
    else if (!digest_of(str_of(name), d->digest, NULL))
        memset(d->digest, '0', DIGEST_HEX);
}

static void copy_member(const json_t *object, const char *key, char text[DETAILS_TEXT])
{
    struct str value = STR("");
    json_get_str(object, key, &value, NULL);
    snprintf(text, DETAILS_TEXT, STR_FMT, STR_ARG(utf8_clip(value, DETAILS_TEXT - 1)));
}

/* Ollama's registry describes a model in a small layer of its own. */
static void read_config_layer(const struct registry_model *m, struct ollama_details *d)
{
    char path[REGISTRY_MAX_PATH], *text = NULL;
    size_t n = 0;
    json_t *layer = NULL;
    if (registry_layer_path(m, LAYER_CONFIG, path, sizeof path) &&
        file_read(path, CONFIG_LAYER_MAX_BYTES, &text, &n, NULL) &&
        json_parse_object((struct str){text, n}, "config", &layer, NULL)) {
        copy_member(layer, "model_family", d->family);
        copy_member(layer, "model_type", d->parameters);
        copy_member(layer, "file_type", d->type);
    }
    json_decref(layer);
    free(text);
}

void ollama_details_stored(const struct registry_model *m, struct ollama_details *ret)
{
    struct model_name name;
    *ret = (struct ollama_details){.file = true, .size = m->size, .modified_ms = m->modified_ms};
    set_digest(ret, m->digest, m->name);
    read_config_layer(m, ret);
    if (!ret->type[0] && model_name_parse(m->name, &name, NULL) && name.source == SOURCE_HUGGING_FACE)
        snprintf(ret->type, sizeof ret->type, "%s", name.tag);
}

void ollama_details_of(const struct gateway *g, int model, struct ollama_details *ret)
{
    if (model >= 0 && gateway_local_model(g, model)) {
        ollama_details_loaded(g, gateway_local_model(g, model), ret);
        return;
    }
    *ret = (struct ollama_details){.file = false};
    set_digest(ret, "", model < 0 ? "auto" : g->config->models[model].name);
    snprintf(ret->family, sizeof ret->family, "%s", model < 0 ? "rung" : "upstream");
}

void ollama_details_loaded(const struct gateway *g, const struct local_model_info *info, struct ollama_details *ret)
{
    struct registry_model *m = malloc(sizeof *m);
    *ret = (struct ollama_details){.file = true};
    set_digest(ret, "", info->name);
    if (m && models_registered(g, info, m))
        ollama_details_stored(m, ret);
    free(m);
    ret->size = info->engine.weight_bytes;
    snprintf(ret->family, sizeof ret->family, "%s", info->engine.architecture);
    if (info->engine.parameters < 1000000000)
        snprintf(ret->parameters, sizeof ret->parameters, "%.1fM", (double)info->engine.parameters / 1e6);
    else
        snprintf(ret->parameters, sizeof ret->parameters, "%.1fB", (double)info->engine.parameters / 1e9);
}

void ollama_write_details(struct json_writer *w, const struct ollama_details *d)
{
    json_key(w, "details");
    json_open_object(w);
    json_put_cstr(w, "parent_model", "");
    json_put_cstr(w, "format", d->file ? "gguf" : "");
    json_put_cstr(w, "family", d->family);
    json_key(w, "families");
    json_open_array(w);
    if (d->family[0])
        json_cstr(w, d->family);
    json_close_array(w);
    json_put_cstr(w, "parameter_size", d->parameters);
    json_put_cstr(w, "quantization_level", d->type);
    json_close_object(w);
}

void ollama_write_model(struct json_writer *w, const char *name, const struct ollama_details *d)
{
    char modified[25];
    json_put_cstr(w, "name", name);
    json_put_cstr(w, "model", name);
    json_put_i64(w, "size", d->size);
    json_put_cstr(w, "digest", d->digest);
    if (d->modified_ms) {
        clock_iso8601(d->modified_ms, modified);
        json_put_cstr(w, "modified_at", modified);
    }
}
