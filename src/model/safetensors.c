/* Reads the header of a safetensors file and checks every claim of it against the file. What the tensors mean is the
 * caller's business. */
#include "model/safetensors.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "data/json.h"

#define PREFIX_BYTES 8
#define ARENA_MAX_BYTES (64u << 20)

struct safetensors {
    struct filemap *map;
    struct arena arena;
    struct tensor *tensors;
    int64_t n;
};

static const struct dtype {
    const char *name;
    int bytes;
    enum tensor_type type;
} dtypes[] = {
    {"F32", 4, TENSOR_F32}, {"F16", 2, TENSOR_F16}, {"BF16", 2, TENSOR_BF16}, {"F64", 8, TENSOR_TYPES},
    {"I64", 8, TENSOR_TYPES}, {"I32", 4, TENSOR_TYPES}, {"I16", 2, TENSOR_TYPES}, {"I8", 1, TENSOR_TYPES},
    {"U64", 8, TENSOR_TYPES}, {"U32", 4, TENSOR_TYPES}, {"U16", 2, TENSOR_TYPES}, {"U8", 1, TENSOR_TYPES},
    {"BOOL", 1, TENSOR_TYPES}, {"F8_E4M3", 1, TENSOR_TYPES}, {"F8_E5M2", 1, TENSOR_TYPES},
};

/* One tensor's claim, on its way to a view. */
struct entry {
    const struct safetensors *s;
    const char *name;
    struct str data;               /* everything behind the header */
    struct err *err;
};

static bool bad(const struct entry *e, enum err_code code, const char *what)
{
    return err_at_offset(e->err, code, filemap_path(e->s->map), -1, "tensor %.*s %s",
                         SAFETENSORS_MAX_NAME_BYTES, e->name, what);
}

static const struct dtype *find_dtype(const json_t *object)
{
    const char *name = json_string_value(json_object_get(object, "dtype"));
    for (size_t i = 0; name && i < sizeof dtypes / sizeof *dtypes; i++)
        if (strcmp(name, dtypes[i].name) == 0)
            return &dtypes[i];
    return NULL;
}

/* *elements, 1 so far: their product. The last dimension of the file is ne[0]. */
static bool read_shape(const struct entry *e, const json_t *object, struct tensor *t, uint64_t *elements)
{
    const json_t *shape = json_object_get(object, "shape");
    size_t n = json_array_size(shape);
    if (!json_is_array(shape) || n > TENSOR_MAX_DIMS)
        return bad(e, ERR_UNSUPPORTED, "has no 'shape' of at most 4 dimensions");
    for (int i = 0; i < TENSOR_MAX_DIMS; i++)
        t->ne[i] = 1;
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(shape, i);
        json_int_t dim = json_integer_value(v);
        if (!json_is_integer(v) || dim < 0 || __builtin_mul_overflow(*elements, (uint64_t)dim, elements))
            return bad(e, ERR_CORRUPT, "has a shape that no tensor can have");
        t->ne[n - 1 - i] = dim;
    }
    t->n_dims = (int)n;
    return true;
}

static bool read_place(const struct entry *e, const json_t *object, uint64_t need, struct tensor *t)
{
    const json_t *offsets = json_object_get(object, "data_offsets");
    const json_t *from = json_array_get(offsets, 0), *to = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(from) || !json_is_integer(to))
        return bad(e, ERR_CORRUPT, "has no 'data_offsets' of two numbers");
    json_int_t begin = json_integer_value(from), end = json_integer_value(to);
    if (begin < 0 || end < begin || (uint64_t)end > e->data.n)
        return bad(e, ERR_CORRUPT, "lies outside the file; the file is cut short or damaged");
    if ((uint64_t)(end - begin) != need)
        return bad(e, ERR_CORRUPT, "has another number of bytes than its shape and type need");
    t->data = e->data.p + begin;
    t->bytes = (size_t)need;
    return true;
}

static bool read_entry(const struct entry *e, const json_t *object, struct tensor *t)
{
    uint64_t elements = 1, need;
    const struct dtype *dtype = find_dtype(object);
    if (!dtype)
        return bad(e, ERR_UNSUPPORTED, "has an unknown 'dtype'");
    if (!read_shape(e, object, t, &elements))
        return false;
    if (__builtin_mul_overflow(elements, (uint64_t)dtype->bytes, &need))
        return bad(e, ERR_CORRUPT, "has a shape that no tensor can have");
    t->name = e->name;
    t->type = dtype->type;
    return read_place(e, object, need, t);
}

static int by_place(const void *a, const void *b)
{
    const struct tensor *x = a, *y = b;
    if (x->data != y->data)
        return (const char *)x->data < (const char *)y->data ? -1 : 1;
    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

/* One behind the other, from the first byte to the last. */
static bool check_cover(struct safetensors *s, struct str data, struct err *err)
{
    struct entry e = {.s = s, .err = err};
    const char *at = data.p;
    qsort(s->tensors, (size_t)s->n, sizeof *s->tensors, by_place);
    for (int64_t i = 0; i < s->n; i++) {
        const struct tensor *t = &s->tensors[i];
        e.name = t->name;
        if ((const char *)t->data != at)
            return bad(&e, ERR_CORRUPT, (const char *)t->data < at ? "overlaps another" : "has a hole in front of it");
        at += t->bytes;
    }
    if (at != data.p + data.n)
        return err_at_offset(err, ERR_CORRUPT, filemap_path(s->map), -1, "%lld bytes at the end belong to no tensor",
                             (long long)(data.p + data.n - at));
    return true;
}

static bool read_tensors(struct safetensors *s, json_t *header, struct str data, struct err *err)
{
    const char *key;
    json_t *value;
    if (json_object_size(header) > SAFETENSORS_MAX_TENSORS)
        return err_at_offset(err, ERR_LIMIT, filemap_path(s->map), -1, "more than %d tensors",
                             SAFETENSORS_MAX_TENSORS);
    s->tensors = arena_array(&s->arena, json_object_size(header) + 1, sizeof *s->tensors);
    if (!s->tensors)
        return err_nomem(err, "a safetensors file");
    json_object_foreach(header, key, value) {
        if (strcmp(key, "__metadata__") == 0)
            continue;
        struct entry e = {s, arena_strdup(&s->arena, str_of(key)), data, err};
        if (!e.name)
            return err_nomem(err, "a safetensors file");
        if (strlen(key) > SAFETENSORS_MAX_NAME_BYTES)
            return bad(&e, ERR_LIMIT, "has a longer name than Rung reads");
        if (!read_entry(&e, value, &s->tensors[s->n]))
            return false;
        s->n++;
    }
    return check_cover(s, data, err);
}

static bool read_header(struct safetensors *s, struct err *err)
{
    struct str file = filemap_bytes(s->map);
    uint64_t n = 0;
    json_t *header;
    for (size_t i = 0; i < PREFIX_BYTES && file.n >= PREFIX_BYTES; i++)
        n |= (uint64_t)(unsigned char)file.p[i] << 8 * i;
    if (file.n < PREFIX_BYTES || n > file.n - PREFIX_BYTES || n == 0)
        return err_at_offset(err, ERR_CORRUPT, filemap_path(s->map), 0,
                             "the file is shorter than its header says; it is no safetensors file or was cut");
    if (n > SAFETENSORS_MAX_HEADER_BYTES)
        return err_at_offset(err, ERR_LIMIT, filemap_path(s->map), 0, "the header has %llu bytes; Rung reads %u",
                             (unsigned long long)n, SAFETENSORS_MAX_HEADER_BYTES);
    struct str json = {file.p + PREFIX_BYTES, (size_t)n}, data = {json.p + n, file.n - PREFIX_BYTES - (size_t)n};
    if (json.p[0] != '{')
        return err_at_offset(err, ERR_CORRUPT, filemap_path(s->map), PREFIX_BYTES, "the header is no JSON object");
    if (!json_parse_object(json, filemap_path(s->map), &header, err))
        return false;
    bool ok = read_tensors(s, header, data, err);
    json_decref(header);
    return ok;
}

bool safetensors_open_map(struct filemap *map, struct safetensors **ret, struct err *err)
{
    struct safetensors *s = calloc(1, sizeof *s);
    if (!s) {
        filemap_close(map);
        return err_nomem(err, "a safetensors file");
    }
    s->map = map;
    s->arena = ARENA_INIT(ARENA_MAX_BYTES);
    if (!read_header(s, err)) {
        safetensors_close(s);
        return false;
    }
    *ret = s;
    return true;
}

bool safetensors_open(const char *path, struct safetensors **ret, struct err *err)
{
    struct filemap *map;
    return filemap_open(path, &map, err) && safetensors_open_map(map, ret, err);
}

void safetensors_close(struct safetensors *s)
{
    if (!s)
        return;
    arena_free(&s->arena);
    filemap_close(s->map);
    free(s);
}

int64_t safetensors_count(const struct safetensors *s)
{
    return s->n;
}

const struct tensor *safetensors_at(const struct safetensors *s, int64_t i)
{
    return &s->tensors[i];
}

bool safetensors_broken(const struct safetensors *s)
{
    return filemap_broken(s->map);
}
