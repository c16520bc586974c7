/* The Ollama registry protocol: a manifest by name and tag, and its layers as blobs. Tokens are call.c's; what a
 * manifest may say is manifest.c's. (The OCI distribution specification, version 2 of the registry API.) */
#include <stdio.h>
#include <stdlib.h>

#include "data/json.h"
#include "registry/manifest.h"
#include "registry/remote/private.h"

#define MANIFEST_TYPES \
    "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json;q=0.9"
#define MAX_TAGS_BYTES ((size_t)1 << 20)
#define MAX_TAGS_TOLD 12

static bool base_url(const struct model_name *name, char *out, size_t size, struct err *err)
{
    int n = snprintf(out, size, "%s://%s/v2/%s/%s", name->plain_http ? "http" : "https", name->host, name->space,
                     name->model);
    return (n > 0 && (size_t)n < size) || err_set(err, ERR_LIMIT, "the model's name is too long");
}

/* ", but has 0.6b, 1.7b, 4b" where the registry lists its tags, else nothing. */
static void tell_tags(struct remote *r, const char *base, char *out, size_t size)
{
    char url[MODEL_NAME_MAX];
    struct buf body = BUF_INIT(MAX_TAGS_BYTES);
    json_t *root = NULL, *tag;
    size_t i;
    int n = snprintf(url, sizeof url, "%s/tags/list", base);
    const struct remote_ask ask = {.url = url, .max_bytes = MAX_TAGS_BYTES};
    out[0] = '\0';
    if (n > 0 && (size_t)n < sizeof url && remote_get(r, &ask, &body, NULL, NULL, NULL) &&
        json_parse_object(buf_view(&body), "the list of tags", &root, NULL)) {
        json_array_foreach(json_object_get(root, "tags"), i, tag) {
            size_t at = strlen(out);
            if (json_is_string(tag) && i < MAX_TAGS_TOLD && model_part_is_valid(str_of(json_string_value(tag))))
                snprintf(out + at, size - at, "%s%.64s", i ? ", " : "; it has the tags ", json_string_value(tag));
        }
    }
    json_decref(root);
    buf_free(&body);
}

static bool fill_layers(const struct manifest *m, const char *base, struct remote_manifest *ret, struct err *err)
{
    if (m->weights < 0 || m->n_layers > REMOTE_MAX_LAYERS)
        return err_set(err, ERR_UNSUPPORTED, "this model is not one GGUF file and its settings");
    for (int i = 0; i < m->n_layers; i++) {
        struct remote_layer *layer = &ret->layers[i];
        *layer = (struct remote_layer){.size = m->layers[i].size};
        snprintf(layer->media_type, sizeof layer->media_type, "application/vnd.ollama.image.%s",
                 layer_kind_names[m->layers[i].kind]);
        memcpy(layer->digest, m->layers[i].digest, sizeof layer->digest);
        int n = snprintf(layer->url, sizeof layer->url, "%s/blobs/sha256:%s", base, m->layers[i].digest);
        if (n < 0 || (size_t)n >= sizeof layer->url)
            return err_set(err, ERR_LIMIT, "the model's name is too long");
    }
    ret->n_layers = m->n_layers;
    ret->weights = m->weights;
    return true;
}

bool ollama_resolve(struct remote *r, const struct model_name *name, struct remote_manifest *ret, struct err *err)
{
    char base[MODEL_NAME_MAX], url[MODEL_NAME_MAX + MODEL_NAME_MAX_PART + 16], shown[MODEL_NAME_MAX], tags[400];
    struct manifest *m = calloc(1, sizeof *m);
    struct err failure = ERR_INIT;
    bool ok = false;
    if (!m)
        return err_nomem(err, "a manifest");
    if (!base_url(name, base, sizeof base, err))
        goto out;
    snprintf(url, sizeof url, "%s/manifests/%s", base, name->tag);
    model_name_show(name, shown, sizeof shown);
    const struct remote_ask ask = {.url = url, .accept = MANIFEST_TYPES, .max_bytes = REMOTE_MAX_MANIFEST_BYTES};
    if (!remote_get(r, &ask, &ret->body, NULL, NULL, &failure)) {
        if (failure.code == ERR_NOT_FOUND) {
            tell_tags(r, base, tags, sizeof tags);
            err_set(&failure, ERR_NOT_FOUND, "%.200s has no model '%.200s'%s", name->host, shown, tags);
        }
        if (err)
            *err = failure;
        goto out;
    }
    ok = manifest_parse(buf_view(&ret->body), shown, m, err) && fill_layers(m, base, ret, err);
out:
    free(m);
    return ok;
}
