/* Reads and writes manifests. Whether the layers they name exist is the store's business, fetching them the hosts'. */
#include "registry/manifest.h"

#include <stdio.h>

#include "data/json.h"

const char *const layer_kind_names[LAYER_KINDS] = {
    "weights", "template", "system", "params", "license", "adapter", "projector", "config", "other",
};

#define MEDIA "application/vnd.ollama.image."
#define MEDIA_DOCKER "application/vnd.docker.distribution.manifest.v2+json"
#define ANNOTATION "rung.source"

enum layer_kind layer_kind_of(struct str media_type)
{
    static const struct {
        const char *name;
        enum layer_kind kind;
    } kinds[] = {{"model", LAYER_WEIGHTS},   {"template", LAYER_TEMPLATE}, {"prompt", LAYER_TEMPLATE},
                 {"system", LAYER_SYSTEM},   {"params", LAYER_PARAMS},     {"license", LAYER_LICENSE},
                 {"adapter", LAYER_ADAPTER}, {"projector", LAYER_PROJECTOR}};
    if (!str_starts(media_type, STR(MEDIA)))
        return LAYER_OTHER;
    struct str tail = {media_type.p + strlen(MEDIA), media_type.n - strlen(MEDIA)};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (str_is(tail, kinds[i].name))
            return kinds[i].kind;
    }
    return LAYER_OTHER;
}

static bool take_layer(const json_t *object, const char *name, struct layer *ret, struct err *err)
{
    struct str media = STR(""), digest = STR("");
    int64_t size = -1;
    if (!json_is_object(object))
        return err_set(err, ERR_CORRUPT, "%s: a layer of the manifest is %s, not an object", name,
                       json_type_name(object));
    if (!json_get_str(object, "mediaType", &media, err) || !json_get_str(object, "digest", &digest, err) ||
        !json_get_i64(object, "size", 0, MANIFEST_MAX_SIZE, &size, err))
        return err_prefix(err, "%s: a layer of the manifest: ", name);
    if (size < 0)
        return err_set(err, ERR_CORRUPT, "%s: a layer of the manifest has no size", name);
    struct str hex = str_starts(digest, STR("sha256:")) ? (struct str){digest.p + 7, digest.n - 7} : STR("");
    if (!digest_parse(hex, ret->digest))
        return err_set(err, ERR_CORRUPT, "%s: the digest of a layer is not sha256: and %d hexadecimal digits", name,
                       DIGEST_HEX);
    ret->kind = layer_kind_of(media);
    ret->size = size;
    return true;
}

static bool take_layers(const json_t *array, const char *name, struct manifest *m, struct err *err)
{
    size_t n = json_array_size(array);
    if (!json_is_array(array) || n == 0)
        return err_set(err, ERR_CORRUPT, "%s: the manifest has no layers", name);
    if (n > REMOTE_MAX_LAYERS)
        return err_set(err, ERR_LIMIT, "%s: the manifest has %zu layers; at most %d are taken", name, n,
                       REMOTE_MAX_LAYERS);
    for (size_t i = 0; i < n; i++) {
        struct layer *layer = &m->layers[m->n_layers];
        if (!take_layer(json_array_get(array, i), name, layer, err))
            return false;
        if (layer->kind == LAYER_WEIGHTS) {
            if (m->weights >= 0)
                return err_set(err, ERR_UNSUPPORTED, "%s: the model is in several files, which Rung does not read",
                               name);
            m->weights = m->n_layers;
        }
        m->n_layers++;
    }
    return m->weights >= 0 || err_set(err, ERR_UNSUPPORTED, "%s: the manifest has no GGUF weights", name);
}

static bool take_source(const json_t *root, struct manifest *m, struct err *err)
{
    const json_t *notes = json_object_get(root, "annotations");
    struct str source = STR("");
    struct model_name n;
    if (!notes)
        return true;
    if (!json_is_object(notes) || !json_get_str(notes, ANNOTATION, &source, err))
        return err_set(err, ERR_CORRUPT, "the annotations of the manifest are no strings");
    if (source.n >= sizeof m->source)
        return err_set(err, ERR_LIMIT, "the source in the manifest's annotations is too long");
    snprintf(m->source, sizeof m->source, STR_FMT, STR_ARG(source));
    return source.n == 0 || model_name_parse(m->source, &n, err);
}

static bool take_all(const json_t *root, const char *name, struct manifest *m, struct err *err)
{
    const json_t *config = json_object_get(root, "config");
    if (!take_source(root, m, err) || !take_layers(json_object_get(root, "layers"), name, m, err))
        return false;
    if (!config || json_is_null(config))
        return true;
    if (!take_layer(config, name, &m->layers[m->n_layers], err))
        return false;
    m->layers[m->n_layers++].kind = LAYER_CONFIG;
    return true;
}

bool manifest_parse(struct str json, const char *name, struct manifest *ret, struct err *err)
{
    json_t *root;
    if (json.n > REMOTE_MAX_MANIFEST_BYTES)
        return err_set(err, ERR_LIMIT, "%s: a manifest of more than %u bytes is not taken", name,
                       REMOTE_MAX_MANIFEST_BYTES);
    if (!json_parse_object(json, name, &root, err))
        return false;
    struct manifest m = {.weights = -1};
    bool ok = take_all(root, name, &m, err);
    json_decref(root);
    if (ok)
        *ret = m;
    return ok;
}

void manifest_write(struct buf *out, const struct layer *weights, const char *source)
{
    struct json_writer w = JSON_WRITER(out);
    char digest[DIGEST_HEX + 8];
    snprintf(digest, sizeof digest, "sha256:%s", weights->digest);
    json_open_object(&w);
    json_put_i64(&w, "schemaVersion", 2);
    json_put_cstr(&w, "mediaType", MEDIA_DOCKER);
    json_key(&w, "layers");
    json_open_array(&w);
    json_open_object(&w);
    json_put_cstr(&w, "mediaType", MEDIA "model");
    json_put_cstr(&w, "digest", digest);
    json_put_i64(&w, "size", weights->size);
    json_close_object(&w);
    json_close_array(&w);
    if (source[0]) {
        json_key(&w, "annotations");
        json_open_object(&w);
        json_put_cstr(&w, ANNOTATION, source);
        json_close_object(&w);
    }
    json_close_object(&w);
    buf_char(out, '\n');
}

bool manifest_note_source(struct buf *manifest, const char *source, struct err *err)
{
    json_t *root, *notes;
    if (!json_parse_object(buf_view(manifest), "the manifest", &root, err))
        return false;
    notes = json_object_get(root, "annotations");
    bool ok = notes || json_object_set_new(root, "annotations", notes = json_object()) == 0;
    if (ok && !json_object_get(notes, ANNOTATION))
        ok = json_object_set_new(notes, ANNOTATION, json_string(source)) == 0;
    buf_clear(manifest);
    struct json_writer w = JSON_WRITER(manifest);
    json_value(&w, root);
    json_decref(root);
    return ok || err_nomem(err, "a manifest");
}
