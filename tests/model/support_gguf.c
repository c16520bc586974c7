/* The byte-by-byte GGUF writer of the tests. It checks nothing: that is the reader's job, and the point. */
#include "support_gguf.h"

#include <assert.h>

void image_u8(struct gguf_image *im, uint8_t v)
{
    buf_add(&im->b, &v, sizeof v);
}

void image_u16(struct gguf_image *im, uint16_t v)
{
    buf_add(&im->b, &v, sizeof v);
}

void image_u32(struct gguf_image *im, uint32_t v)
{
    buf_add(&im->b, &v, sizeof v);
}

void image_u64(struct gguf_image *im, uint64_t v)
{
    buf_add(&im->b, &v, sizeof v);
}

void image_f32(struct gguf_image *im, float v)
{
    buf_add(&im->b, &v, sizeof v);
}

void image_f64(struct gguf_image *im, double v)
{
    buf_add(&im->b, &v, sizeof v);
}

void image_str(struct gguf_image *im, const char *s)
{
    image_u64(im, strlen(s));
    buf_puts(&im->b, s);
}

void image_header(struct gguf_image *im, uint32_t version, uint64_t tensors, uint64_t keys)
{
    buf_add(&im->b, "GGUF", 4);
    image_u32(im, version);
    image_u64(im, tensors);
    image_u64(im, keys);
}

void image_key(struct gguf_image *im, const char *name, uint32_t type)
{
    image_str(im, name);
    image_u32(im, type);
}

void image_tensor(struct gguf_image *im, const char *name, uint32_t type, uint32_t n_dims, const int64_t *ne,
                  uint64_t offset)
{
    image_str(im, name);
    image_u32(im, n_dims);
    for (uint32_t d = 0; d < n_dims; d++)
        image_u64(im, (uint64_t)ne[d]);
    image_u32(im, type);
    image_u64(im, offset);
}

void image_data(struct gguf_image *im, size_t alignment, size_t n)
{
    while (im->b.n % alignment)
        buf_char(&im->b, 0);
    char *p = buf_grow(&im->b, n);
    assert(p);
    memset(p, 0, n);
}

void image_mark(struct gguf_image *im)
{
    im->mark = im->b.n;
}

bool image_open(struct gguf_image *im, struct gguf **ret, struct err *err)
{
    struct filemap *map;
    assert(buf_ok(&im->b));
    return filemap_memory("test.gguf", im->b.p, im->b.n, &map, err) && gguf_open_map(map, ret, err);
}

void image_free(struct gguf_image *im)
{
    buf_free(&im->b);
}
