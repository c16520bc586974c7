/* The face of the model hosts: opens the client, sends a name to whoever understands it, and reads pieces of files.
 * One request is remote/call.c's, the hosts' languages remote/ollama.c's and remote/hugging_face.c's, whole files
 * remote/fetch.c's. */
#include "registry/remote.h"

#include <stdio.h>
#include <stdlib.h>

#include "registry/remote/private.h"

#define READ_SLACK_BYTES ((size_t)16 << 20)    /* what a host that ignores ranges may send before it is cut */
#define MAX_HF_TOKEN_BYTES 4096

static const struct remote_patience default_patience = {
    .tries = 8, .small_tries = 4, .first_wait_ms = 250, .max_wait_ms = 16000,
    .first_byte_ms = 60000, .idle_ms = 30000, .note_every_ms = 500,
};

/* ---- opening ---- */

/* An address from the environment, without a slash at its end. */
static bool read_endpoint(const char *text, char **ret, struct err *err)
{
    struct url_origin o;
    struct str s = str_of(text);
    if (s.n == 0)
        return true;
    while (s.n > 0 && s.p[s.n - 1] == '/')
        s.n--;
    if (s.n > MODEL_NAME_MAX / 2 || !url_origin(text, &o, err) || strpbrk(text, "?#"))
        return err_set(err, ERR_INVALID, "HF_ENDPOINT is no address of a model host, such as https://huggingface.co");
    *ret = str_dup(s);
    return *ret || err_nomem(err, "HF_ENDPOINT");
}

static bool read_hf_token(const char *text, char **ret, struct err *err)
{
    struct str s = str_trim(str_of(text));
    if (s.n == 0)
        return true;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return err_set(err, ERR_INVALID, "HF_TOKEN holds a character that no token has");
    if (s.n > MAX_HF_TOKEN_BYTES)
        return err_set(err, ERR_LIMIT, "HF_TOKEN is longer than %d bytes", MAX_HF_TOKEN_BYTES);
    *ret = str_dup(s);
    return *ret || err_nomem(err, "HF_TOKEN");
}

bool remote_open(struct remote **ret, struct err *err)
{
    struct remote *r = calloc(1, sizeof *r);
    if (!r)
        return err_nomem(err, "the model hosts");
    r->patience = default_patience;
    pthread_mutex_init(&r->lock, NULL);
    if (!read_endpoint(getenv("HF_ENDPOINT"), &r->hf_endpoint, err) ||
        !read_hf_token(getenv("HF_TOKEN"), &r->hf_token, err) || !http_client_open(&r->http, err)) {
        remote_close(r);
        return false;
    }
    *ret = r;
    return true;
}

void remote_close(struct remote *r)
{
    if (!r)
        return;
    http_client_close(r->http);
    free(r->hf_token);
    free(r->hf_endpoint);
    free(r->token);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

/* ---- names ---- */

static bool url_resolve(struct remote *r, const struct model_name *name, struct remote_manifest *ret, struct err *err)
{
    struct remote_layer *layer = &ret->layers[0];
    struct buf start = BUF_INIT(4);
    *layer = (struct remote_layer){.size = -1};
    snprintf(layer->media_type, sizeof layer->media_type, "application/vnd.ollama.image.model");
    snprintf(layer->url, sizeof layer->url, "%s", name->location);
    bool ok = remote_read(r, layer, 0, 4, &start, &layer->size, err);
    if (ok && !str_is(buf_view(&start), "GGUF"))
        ok = err_set(err, ERR_INVALID, "what this URL leads to is no GGUF file; a download link is needed, not a page");
    ret->n_layers = 1;
    buf_free(&start);
    return ok;
}

/* The digest that the name asks for: compared where the host says one, else what the bytes must have. */
static bool pin_weights(const struct model_name *name, struct remote_layer *weights, struct err *err)
{
    if (!name->digest[0])
        return true;
    if (weights->digest[0] && strcmp(weights->digest, name->digest) != 0)
        return err_set(err, ERR_CORRUPT, "the name stands for sha256:%.12s... at its host, not for sha256:%.12s... as "
                                         "asked for; nothing was changed", weights->digest, name->digest);
    memcpy(weights->digest, name->digest, sizeof weights->digest);
    return true;
}

bool remote_resolve(struct remote *r, const struct model_name *name, struct remote_manifest *ret, struct err *err)
{
    bool ok = false;
    *ret = (struct remote_manifest){.body = BUF_INIT(REMOTE_MAX_MANIFEST_BYTES)};
    switch (name->source) {
    case SOURCE_OLLAMA: ok = ollama_resolve(r, name, ret, err); break;
    case SOURCE_HUGGING_FACE: ok = hugging_face_resolve(r, name, ret, err); break;
    case SOURCE_URL: ok = url_resolve(r, name, ret, err); break;
    case SOURCE_FILE: err_set(err, ERR_INVALID, "%.300s is a file on this machine", name->location); break;
    }
    ok = ok && pin_weights(name, &ret->layers[ret->weights], err);
    if (!ok)
        remote_manifest_free(ret);
    return ok;
}

void remote_manifest_free(struct remote_manifest *m)
{
    buf_free(&m->body);
}

/* ---- pieces ---- */

bool remote_read(struct remote *r, const struct remote_layer *layer, int64_t from, int64_t n, struct buf *out,
                 int64_t *ret_size, struct err *err)
{
    struct remote_reply head;
    const struct remote_ask ask = {
        .url = layer->url, .from = from, .n = n, .max_bytes = (size_t)n + READ_SLACK_BYTES};
    if (!remote_get(r, &ask, out, &head, NULL, err))
        return false;
    if (head.total < 0)
        return err_set(err, ERR_UNSUPPORTED, "%.200s does not say how long the file is", head.origin.host);
    if (layer->size >= 0 && head.total != layer->size)
        return err_set(err, ERR_CORRUPT, "%.200s has a file of %lld bytes where %lld were announced",
                       head.origin.host, (long long)head.total, (long long)layer->size);
    *ret_size = head.total;
    return true;
}
