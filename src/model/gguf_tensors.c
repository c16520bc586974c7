/* The tensor table of a GGUF file: each entry's type, shape and place are checked on their own, then all places
 * against each other. What a tensor is for is left to the engine. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/gguf_private.h"

/* Where a tensor lies, for the overlap check. */
struct extent {
    uint64_t begin, end;   /* from the start of the data section */
    int64_t index;
    size_t at;             /* of the offset field */
};

static void supported_types(char *buf, size_t size)
{
    size_t n = 0;
    for (uint32_t t = 0; t < TENSOR_TYPES; t++) {
        const struct tensor_type_info *info = tensor_type_info(t);
        if (info && n < size)
            n += (size_t)snprintf(buf + n, size - n, "%s%s", n ? ", " : "", info->name);
    }
}

static bool read_tensor_type(struct gguf_cursor *c, const struct tensor_type_info **ret, uint32_t *ret_type,
                             struct err *err)
{
    size_t at = c->at;
    uint32_t type;
    if (!gguf_take_u32(c, "type", &type, err))
        return false;
    *ret = tensor_type_info(type);
    *ret_type = type;
    if (*ret)
        return true;
    char supported[160];
    supported_types(supported, sizeof supported);
    const char *name = tensor_type_name(type);
    if (name)
        return gguf_fail(c, ERR_UNSUPPORTED, at, err, "its type is %s, which Rung does not run; it runs %s", name,
                         supported);
    return gguf_fail(c, ERR_CORRUPT, at, err, "its type %" PRIu32 " is none that GGUF defines; Rung runs %s", type,
                     supported);
}

/* n_dims and ne; the product of all fits an int64. */
static bool read_shape(struct gguf_cursor *c, struct tensor *t, struct err *err)
{
    size_t at = c->at;
    uint32_t n_dims;
    if (!gguf_take_u32(c, "dimension count", &n_dims, err))
        return false;
    if (n_dims < 1 || n_dims > TENSOR_MAX_DIMS)
        return gguf_fail(c, ERR_CORRUPT, at, err, "its dimension count is %" PRIu32 ", not 1 to %d", n_dims,
                         TENSOR_MAX_DIMS);
    t->n_dims = (int)n_dims;
    int64_t elements = 1;
    for (int d = 0; d < TENSOR_MAX_DIMS; d++) {
        uint64_t ne = 1;
        at = c->at;
        if (d < t->n_dims && !gguf_take_u64(c, "dimension", &ne, err))
            return false;
        if (ne == 0)
            return gguf_fail(c, ERR_CORRUPT, at, err, "its dimension %d is 0", d);
        if (ne > INT64_MAX || __builtin_mul_overflow(elements, (int64_t)ne, &elements))
            return gguf_fail(c, ERR_CORRUPT, at, err, "its dimension %d of %" PRIu64 " makes it larger than any file",
                             d, ne);
        t->ne[d] = (int64_t)ne;
    }
    return true;
}

static bool check_size(const struct gguf_cursor *c, size_t at, const struct tensor_type_info *info, struct tensor *t,
                       struct err *err)
{
    if (t->ne[0] % info->block != 0)
        return gguf_fail(c, ERR_CORRUPT, at, err,
                         "its dimension 0 of %" PRId64 " is no multiple of %d, the block of %s", t->ne[0], info->block,
                         info->name);
    if (__builtin_mul_overflow(t->ne[0] / info->block * tensor_rows(t), (int64_t)info->block_bytes, &t->bytes))
        return gguf_fail(c, ERR_CORRUPT, at, err, "its dimensions make it larger than any file");
    return true;
}

static bool read_tensor_name(struct gguf *g, struct gguf_cursor *c, struct tensor *t, struct err *err)
{
    size_t at = c->at;
    struct str name;
    int32_t other;
    if (!gguf_take_name(c, "name", GGUF_MAX_NAME_BYTES, &name, err))
        return false;
    c->name = name;
    if (strmap_get(&g->tensor_index, name, &other))
        return gguf_fail(c, ERR_CORRUPT, at, err, "it stands twice, as tensors %d and %" PRId64, other, c->index);
    t->name = arena_strdup(&g->arena, name);
    if (!t->name)
        return err_nomem(err, "a tensor name");
    return strmap_put(&g->tensor_index, (struct str){t->name, name.n}, (int32_t)c->index, err);
}

static bool read_tensor(struct gguf *g, struct gguf_cursor *c, struct tensor *t, struct extent *ret_extent,
                        struct err *err)
{
    const struct tensor_type_info *info;
    uint32_t type;
    if (!read_tensor_name(g, c, t, err))
        return false;
    size_t shape_at = c->at;
    if (!read_shape(c, t, err) || !read_tensor_type(c, &info, &type, err) || !check_size(c, shape_at, info, t, err))
        return false;
    t->type = type;
    size_t at = c->at;
    uint64_t offset;
    if (!gguf_take_u64(c, "offset", &offset, err))
        return false;
    if (offset % g->alignment != 0)
        return gguf_fail(c, ERR_CORRUPT, at, err, "its offset %" PRIu64 " is no multiple of the alignment %" PRIu32,
                         offset, g->alignment);
    *ret_extent = (struct extent){.begin = offset, .index = c->index, .at = at};
    if (__builtin_add_overflow(offset, (uint64_t)t->bytes, &ret_extent->end))
        return gguf_fail(c, ERR_CORRUPT, at, err, "its offset %" PRIu64 " and size of %zu bytes pass any file", offset,
                         t->bytes);
    return true;
}

/* Known only once the whole table was read: where the data section starts, and so what fits into it. */
static bool place_tensor(const struct gguf *g, struct gguf_cursor *c, uint64_t data_at, const struct extent *e,
                         struct err *err)
{
    struct tensor *t = &g->tensors[e->index];
    c->index = e->index;
    c->name = str_of(t->name);
    uint64_t room = data_at < c->n ? c->n - data_at : 0;
    if (e->end > room)
        return gguf_fail(c, ERR_CORRUPT, e->at, err,
                         "its offset %" PRIu64 " and size of %zu bytes pass the end of the file, which holds %" PRIu64
                         " bytes of tensors; the file is cut short, fetch it again",
                         e->begin, t->bytes, room);
    t->data = c->p + data_at + e->begin;
    return true;
}

static int extent_order(const void *pa, const void *pb)
{
    const struct extent *a = pa, *b = pb;
    return (a->begin > b->begin) - (a->begin < b->begin);
}

static bool check_overlaps(const struct gguf *g, struct gguf_cursor *c, struct extent *extents, struct err *err)
{
    qsort(extents, (size_t)g->n_tensors, sizeof *extents, extent_order);
    for (int64_t i = 1; i < g->n_tensors; i++) {
        const struct extent *a = &extents[i - 1], *b = &extents[i];
        if (b->begin >= a->end)
            continue;
        c->index = b->index;
        c->name = str_of(g->tensors[b->index].name);
        struct str other = utf8_clip(str_of(g->tensors[a->index].name), 100);
        return gguf_fail(c, ERR_CORRUPT, b->at, err, "its offset %" PRIu64 " lies inside tensor '" STR_FMT "'",
                         b->begin, STR_ARG(other));
    }
    return true;
}

bool gguf_read_tensors(struct gguf *g, struct gguf_cursor *c, struct err *err)
{
    bool ok = false;
    size_t n = (size_t)g->n_tensors;
    struct extent *extents = calloc(n + 1, sizeof *extents);
    g->tensors = arena_array(&g->arena, n, sizeof *g->tensors);
    if (!extents || !g->tensors) {
        err_nomem(err, "the tensor table of a GGUF file");
        goto out;
    }
    if (!strmap_reserve(&g->tensor_index, (uint32_t)n, err))
        goto out;
    c->kind = "tensor";
    for (c->index = 0; c->index < g->n_tensors; c->index++) {
        c->name = STR("");
        if (!read_tensor(g, c, &g->tensors[c->index], &extents[c->index], err))
            goto out;
    }
    uint64_t data_at = (c->at + (uint64_t)g->alignment - 1) / g->alignment * g->alignment;
    for (size_t i = 0; i < n; i++)
        if (!place_tensor(g, c, data_at, &extents[i], err))
            goto out;
    ok = check_overlaps(g, c, extents, err);
out:
    free(extents);
    return ok;
}

int64_t gguf_tensor_count(const struct gguf *g)
{
    return g->n_tensors;
}

const struct tensor *gguf_tensor_at(const struct gguf *g, int64_t i)
{
    return &g->tensors[i];
}

const struct tensor *gguf_tensor(const struct gguf *g, const char *name)
{
    int32_t i;
    return strmap_get(&g->tensor_index, str_of(name), &i) ? &g->tensors[i] : NULL;
}
