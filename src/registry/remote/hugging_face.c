/* Hugging Face: a repository's list of files, and among them the one that a name means. (Hub API: /api/models/.../tree,
 * and /resolve/ for the bytes.) */
#include <stdio.h>
#include <stdlib.h>

#include "registry/remote/parse.h"
#include "registry/remote/private.h"

#define HUGGING_FACE "https://huggingface.co"
#define MAX_PAGES 64
#define MAX_PAGE_BYTES ((size_t)16 << 20)
#define MAX_LINK_BYTES 8192

/* The page after this one, by its Link field; *url becomes NULL after the last. Only the list's own host is asked. */
static bool next_page(char **url, struct str link, struct err *err)
{
    struct str target;
    struct url_origin here, there;
    char *next = NULL;
    bool more = parse_link_next(link, &target);
    bool ok = !more || (url_join(*url, target, &next, err) && url_origin(*url, &here, err) &&
                        url_origin(next, &there, err));
    if (ok && more && !url_origin_equal(&here, &there))
        ok = err_set(err, ERR_INVALID, "%.200s continues its list of files at %.200s, which is refused", here.host,
                     there.host);
    free(*url);
    *url = ok ? next : NULL;
    if (!ok)
        free(next);
    return ok;
}

static bool list_files(struct remote *r, const char *first, const char *where, struct listing *l, struct err *err)
{
    struct buf page = BUF_INIT(MAX_PAGE_BYTES), link = BUF_INIT(MAX_LINK_BYTES);
    char *url = str_dup(str_of(first));
    bool ok = url || err_nomem(err, "a URL");
    for (int pages = 1; ok && url; pages++) {
        const struct remote_ask ask = {.url = url, .accept = "application/json", .max_bytes = MAX_PAGE_BYTES};
        buf_clear(&page);
        buf_clear(&link);
        ok = remote_get(r, &ask, &page, NULL, &link, err);
        if (!ok && err && err->code == ERR_NOT_FOUND)
            err_set(err, ERR_NOT_FOUND, "%.200s: there is no such repository, or it is not public", where);
        ok = ok && listing_add_page(l, buf_view(&page), err) && next_page(&url, buf_view(&link), err);
        if (ok && url && pages == MAX_PAGES)
            ok = err_set(err, ERR_LIMIT, "%.200s lists its files on more than %d pages", where, MAX_PAGES);
    }
    free(url);
    buf_free(&page);
    buf_free(&link);
    return ok;
}

static bool fill_layer(const char *endpoint, const struct model_name *name, const struct listed_file *f,
                       struct remote_layer *ret, struct err *err)
{
    struct buf url = BUF_INIT(sizeof ret->url - 1);
    buf_printf(&url, "%s/%s/%s/resolve/main/", endpoint, name->space, name->model);
    url_escape(str_of(f->path), "/", &url);
    bool ok = buf_check(&url, "the URL of a model", err);
    if (ok) {
        *ret = (struct remote_layer){.size = f->size};
        snprintf(ret->media_type, sizeof ret->media_type, "application/vnd.ollama.image.model");
        snprintf(ret->url, sizeof ret->url, "%s", url.p);
        memcpy(ret->digest, f->digest, sizeof ret->digest);
    }
    buf_free(&url);
    return ok;
}

bool hugging_face_resolve(struct remote *r, const struct model_name *name, struct remote_manifest *ret,
                          struct err *err)
{
    const char *endpoint = r->hf_endpoint ? r->hf_endpoint : HUGGING_FACE;
    char url[MODEL_NAME_MAX], where[MODEL_NAME_MAX_PART * 2 + 16];
    struct listing list = {0};
    const struct listed_file *file;
    snprintf(where, sizeof where, "hf.co/%s/%s", name->space, name->model);
    int n = snprintf(url, sizeof url, "%s/api/models/%s/%s/tree/main?recursive=true", endpoint, name->space,
                     name->model);
    if (n < 0 || (size_t)n >= sizeof url)
        return err_set(err, ERR_LIMIT, "HF_ENDPOINT is longer than %d bytes", MODEL_NAME_MAX / 2);
    bool ok = list_files(r, url, where, &list, err) &&
              listing_choose(&list, name->tag, name->tag_given, where, &file, err) &&
              fill_layer(endpoint, name, file, &ret->layers[0], err);
    if (ok)
        ret->n_layers = 1;
    listing_free(&list);
    return ok;
}
