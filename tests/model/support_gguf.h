/* A GGUF file built byte by byte in memory, right or wrong on purpose. Deliberately apart from model/gguf_write.h:
 * it must be able to write what no honest writer would. */
#ifndef RUNG_TESTS_MODEL_SUPPORT_GGUF_H
#define RUNG_TESTS_MODEL_SUPPORT_GGUF_H

#include "base/buf.h"
#include "model/gguf.h"

struct gguf_image {
    struct buf b;
    size_t mark;   /* where the reader is expected to complain */
};

#define IMAGE_INIT ((struct gguf_image){.b = BUF_INIT(64u << 20)})

void image_u8(struct gguf_image *im, uint8_t v);
void image_u16(struct gguf_image *im, uint16_t v);
void image_u32(struct gguf_image *im, uint32_t v);
void image_u64(struct gguf_image *im, uint64_t v);
void image_f32(struct gguf_image *im, float v);
void image_f64(struct gguf_image *im, double v);
void image_str(struct gguf_image *im, const char *s);
void image_header(struct gguf_image *im, uint32_t version, uint64_t tensors, uint64_t keys);
void image_key(struct gguf_image *im, const char *name, uint32_t type);   /* the value comes next */
void image_tensor(struct gguf_image *im, const char *name, uint32_t type, uint32_t n_dims, const int64_t *ne,
                  uint64_t offset);
void image_data(struct gguf_image *im, size_t alignment, size_t n);       /* pad, then n zero bytes */
void image_mark(struct gguf_image *im);                                   /* the next field is the wrong one */
/* Open what was built so far from memory; the image must outlive *ret. */
bool image_open(struct gguf_image *im, struct gguf **ret, struct err *err);
void image_free(struct gguf_image *im);

#endif
