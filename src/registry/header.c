/* Fetches the beginning of a remote file and opens it as if the rest were zeros. A header cut short fails to parse, or
 * its tensors would begin past what was fetched; then four times as much is fetched. */
#include "registry/header.h"

/* Whether the table of tensors ended inside the first n bytes of the map that starts at base. */
static bool header_is_whole(const struct gguf *g, const char *base, size_t n)
{
    for (int64_t i = 0; i < gguf_tensor_count(g); i++)
        if ((const char *)gguf_tensor_at(g, i)->data - base < (int64_t)n)
            return true;
    return false;
}

static bool open_start(const struct remote_layer *layer, struct str first, int64_t size, struct gguf **ret,
                       struct err *err)
{
    struct filemap *map;
    struct gguf *g;
    if (!filemap_start(layer->url, first, (size_t)size, &map, err))
        return false;
    const char *base = filemap_bytes(map).p;
    if (!gguf_open_map(map, &g, err))
        return false;
    if (first.n < (size_t)size && !header_is_whole(g, base, first.n)) {
        gguf_close(g);
        return err_at_offset(err, ERR_LIMIT, layer->url, -1, "the header of this file is longer than %lld MiB",
                             (long long)(first.n >> 20));
    }
    *ret = g;
    return true;
}

bool remote_open_header(struct remote *r, const struct remote_layer *layer, struct gguf **ret, struct err *err)
{
    struct buf first = BUF_INIT((size_t)HEADER_MAX_BYTES);
    int64_t size = 0;
    bool ok = false;
    for (int64_t n = HEADER_FIRST_BYTES; !ok && n <= HEADER_MAX_BYTES; n *= 4) {
        if (!remote_read(r, layer, (int64_t)first.n, n - (int64_t)first.n, &first, &size, err))
            break;
        ok = open_start(layer, buf_view(&first), size, ret, err);
        if ((int64_t)first.n >= size)
            break;
    }
    buf_free(&first);
    return ok;
}
