/* Opening a GGUF file: the header, the metadata, and what an opened file owns. Each count is held against its limit
 * and against the bytes left before memory is taken for it. Reading values out of the checked table is gguf_get.c,
 * tensors are gguf_tensors.c. */
#include "model/gguf.h"

#include <inttypes.h>
#include <stdlib.h>

#include "model/gguf_private.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "GGUF files and Rung's tensors are little-endian");

#define ALIGNMENT_DEFAULT 32
#define ALIGNMENT_UNIT 8                      /* the format: a multiple of 8 */
#define KEY_MIN_BYTES (8 + 1 + 4 + 1)         /* length, one byte of name, type, the smallest value */
#define TENSOR_MIN_BYTES (8 + 1 + 4 + 8 + 4 + 8)
/* A string of an array takes 8 bytes in the file and 16 here; keys and tensors are under 200 bytes each. */
#define ARENA_MAX_BYTES ((size_t)2 * GGUF_MAX_METADATA_BYTES + ((size_t)256 << 20))

static const struct {
    const char *name;
    uint8_t bytes;
} types[] = {
    [GGUF_U8] = {"u8", 1},     [GGUF_I8] = {"i8", 1},         [GGUF_U16] = {"u16", 2},     [GGUF_I16] = {"i16", 2},
    [GGUF_U32] = {"u32", 4},   [GGUF_I32] = {"i32", 4},       [GGUF_F32] = {"f32", 4},     [GGUF_BOOL] = {"bool", 1},
    [GGUF_STRING] = {"string", 0}, [GGUF_ARRAY] = {"array", 0}, [GGUF_U64] = {"u64", 8},   [GGUF_I64] = {"i64", 8},
    [GGUF_F64] = {"f64", 8},
};
#define TYPE_COUNT (sizeof types / sizeof types[0])

size_t gguf_type_bytes(uint32_t type)
{
    return type < TYPE_COUNT ? types[type].bytes : 0;
}

const char *gguf_type_name(enum gguf_type type)
{
    return types[type].name;
}

/* What else people hold in their hands, by its first bytes. */
static const char *other_format(const char *p, size_t n)
{
    static const struct {
        const char *magic, *name;
    } known[] = {
        {"FUGG", "a byte-swapped GGUF file"},          {"lmgg", "an old GGML file from before GGUF"},
        {"fmgg", "an old GGML file from before GGUF"}, {"tjgg", "an old GGML file from before GGUF"},
        {"algg", "an old GGML adapter from before GGUF"}, {"PK\3\4", "a zip archive, perhaps a PyTorch checkpoint"},
        {"<htm", "a web page"}, {"<!DO", "a web page"}, {"vers", "a Git LFS pointer, not the file itself"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (n >= 4 && memcmp(p, known[i].magic, 4) == 0)
            return known[i].name;
    return n > 8 && p[8] == '{' ? "perhaps a safetensors file" : NULL;
}

static bool read_magic(struct gguf_cursor *c, struct err *err)
{
    if (c->n >= 4 && memcmp(c->p, "GGUF", 4) == 0) {
        c->at = 4;
        return true;
    }
    const char *other = other_format(c->p, c->n);
    if (other)
        return gguf_fail(c, ERR_UNSUPPORTED, 0, err, "its magic is not 'GGUF': this is %s; give a GGUF file", other);
    return gguf_fail(c, ERR_INVALID, 0, err, "its magic is not 'GGUF': this is no GGUF file");
}

static bool read_version(struct gguf *g, struct gguf_cursor *c, struct err *err)
{
    size_t at = c->at;
    uint32_t version = 0;
    if (!gguf_take_u32(c, "version", &version, err))
        return false;
    if (version == 2 || version == 3) {
        g->version = version;
        return true;
    }
    if (version == 1)
        return gguf_fail(c, ERR_UNSUPPORTED, at, err, "its version is 1; Rung reads 2 and 3, convert the model again");
    uint32_t swapped = __builtin_bswap32(version);
    if (swapped >= 1 && swapped <= 3)
        return gguf_fail(
            c, ERR_UNSUPPORTED, at, err,
            "its version %" PRIu32 " is byte-swapped: the file is big-endian; Rung reads little-endian files", swapped);
    return gguf_fail(c, ERR_UNSUPPORTED, at, err, "its version is %" PRIu32 "; Rung reads 2 and 3", version);
}

/* A count of things of at least min_bytes each. */
static bool read_count(struct gguf_cursor *c, const char *what, uint64_t max, size_t min_bytes, int64_t *ret,
                       struct err *err)
{
    size_t at = c->at;
    uint64_t n = 0;
    if (!gguf_take_u64(c, what, &n, err))
        return false;
    if (n > max)
        return gguf_fail(c, ERR_LIMIT, at, err, "its %s %" PRIu64 " is over the limit of %" PRIu64, what, n, max);
    if (n > (c->n - c->at) / min_bytes)
        return gguf_fail(c, ERR_CORRUPT, at, err, "its %s %" PRIu64 " does not fit into the %zu bytes left", what, n,
                         c->n - c->at);
    *ret = (int64_t)n;
    return true;
}

static bool read_type(struct gguf_cursor *c, const char *what, enum gguf_type *ret, struct err *err)
{
    size_t at = c->at;
    uint32_t type = 0;
    if (!gguf_take_u32(c, what, &type, err))
        return false;
    if (type >= TYPE_COUNT)
        return gguf_fail(c, ERR_CORRUPT, at, err, "its %s %" PRIu32 " is none that GGUF defines (0 to %zu)", what, type,
                         TYPE_COUNT - 1);
    *ret = type;
    return true;
}

static bool check_bool(const struct gguf_cursor *c, size_t at, uint8_t v, struct err *err)
{
    return v <= 1 || gguf_fail(c, ERR_CORRUPT, at, err, "its bool value is %u, neither 0 nor 1", v);
}

static bool read_number(struct gguf_cursor *c, struct gguf_key *key, struct err *err)
{
    const char *p = NULL;
    union {
        uint8_t u8; int8_t i8; uint16_t u16; int16_t i16; uint32_t u32; int32_t i32; float f32;
        uint64_t u64; int64_t i64; double f64;
    } x = {0};
    size_t n = gguf_type_bytes(key->type);
    if (!gguf_take(c, "value", n, &p, err))
        return false;
    memcpy(&x, p, n);
    switch (key->type) {
    case GGUF_U8: key->v.u = x.u8; break;
    case GGUF_U16: key->v.u = x.u16; break;
    case GGUF_U32: key->v.u = x.u32; break;
    case GGUF_U64: key->v.u = x.u64; break;
    case GGUF_I8: key->v.i = x.i8; break;
    case GGUF_I16: key->v.i = x.i16; break;
    case GGUF_I32: key->v.i = x.i32; break;
    case GGUF_I64: key->v.i = x.i64; break;
    case GGUF_F32: key->v.f = x.f32; break;
    case GGUF_F64: key->v.f = x.f64; break;
    default:
        key->v.u = x.u8;
        return check_bool(c, key->at, x.u8, err);
    }
    return true;
}

/* One allocation for all views of an array: vocabularies have 150,000 strings. */
static bool read_strings(struct gguf *g, struct gguf_cursor *c, struct gguf_array *array, struct err *err)
{
    struct str *strings = arena_array(&g->arena, (size_t)array->n, sizeof *strings);
    if (!strings)
        return err_nomem(err, "the strings of a GGUF file");
    for (c->element = 0; c->element < array->n; c->element++)
        if (!gguf_take_str(c, "string", GGUF_MAX_STRING_BYTES, &strings[c->element], err))
            return false;
    c->element = -1;
    array->strings = strings;
    return true;
}

static bool read_array(struct gguf *g, struct gguf_cursor *c, struct gguf_array *ret, struct err *err)
{
    struct gguf_array array = {0};
    size_t at = c->at;
    if (!read_type(c, "element type", &array.type, err))
        return false;
    if (array.type == GGUF_ARRAY)
        return gguf_fail(c, ERR_UNSUPPORTED, at, err, "its element type is array; Rung reads no arrays of arrays");
    size_t size = gguf_type_bytes(array.type);
    if (!read_count(c, "element count", GGUF_MAX_ARRAY, size ? size : 8, &array.n, err))
        return false;
    array.p = c->p + c->at;
    at = c->at;
    if (array.type == GGUF_STRING) {
        if (!read_strings(g, c, &array, err))
            return false;
    } else if (!gguf_take(c, "array", (size_t)array.n * size, &array.p, err)) {
        return false;
    }
    for (c->element = 0; array.type == GGUF_BOOL && c->element < array.n; c->element++)
        if (!check_bool(c, at + (size_t)c->element, (uint8_t)array.p[c->element], err))
            return false;
    c->element = -1;
    *ret = array;
    return true;
}

static bool read_key(struct gguf *g, struct gguf_cursor *c, struct gguf_key *key, struct err *err)
{
    size_t at = c->at;
    int32_t other;
    if (!gguf_take_name(c, "name", GGUF_MAX_KEY_BYTES, &key->name, err))
        return false;
    c->name = key->name;
    if (strmap_get(&g->key_index, key->name, &other))
        return gguf_fail(c, ERR_CORRUPT, at, err, "it stands twice, as metadata keys %d and %" PRId64, other, c->index);
    if (!strmap_put(&g->key_index, key->name, (int32_t)c->index, err) || !read_type(c, "value type", &key->type, err))
        return false;
    key->at = c->at;
    if (key->type == GGUF_STRING)
        return gguf_take_str(c, "value", GGUF_MAX_STRING_BYTES, &key->v.s, err);
    if (key->type == GGUF_ARRAY)
        return read_array(g, c, &key->v.array, err);
    return read_number(c, key, err);
}

static bool read_metadata(struct gguf *g, struct gguf_cursor *c, struct err *err)
{
    g->keys = arena_array(&g->arena, (size_t)g->n_keys, sizeof *g->keys);
    if (!g->keys)
        return err_nomem(err, "the metadata of a GGUF file");
    if (!strmap_reserve(&g->key_index, (uint32_t)g->n_keys, err))
        return false;
    c->kind = "metadata key";
    for (c->index = 0; c->index < g->n_keys; c->index++) {
        c->name = STR("");
        if (!read_key(g, c, &g->keys[c->index], err))
            return false;
        if (c->at > GGUF_MAX_METADATA_BYTES)
            return gguf_fail(c, ERR_LIMIT, c->at, err, "with it the metadata passes the limit of %u bytes",
                             GGUF_MAX_METADATA_BYTES);
    }
    return true;
}

static bool read_alignment(struct gguf *g, struct gguf_cursor *c, struct err *err)
{
    g->alignment = ALIGNMENT_DEFAULT;
    const struct gguf_key *key = gguf_find(g, "general.alignment");
    if (!key)
        return true;
    c->name = key->name;
    if (key->type != GGUF_U32)
        return gguf_fail(c, ERR_CORRUPT, key->at, err, "its value type is %s, not u32", gguf_type_name(key->type));
    uint64_t v = key->v.u;
    if (v < ALIGNMENT_UNIT || v > GGUF_MAX_ALIGNMENT || (v & (v - 1)) != 0)
        return gguf_fail(c, ERR_CORRUPT, key->at, err, "its value %" PRIu64 " is no power of two from %d to %d", v,
                         ALIGNMENT_UNIT, GGUF_MAX_ALIGNMENT);
    g->alignment = (uint32_t)v;
    return true;
}

static bool read_all(struct gguf *g, struct err *err)
{
    struct str bytes = filemap_bytes(g->map);
    struct gguf_cursor c = {
        .file = filemap_path(g->map), .p = bytes.p, .n = bytes.n, .kind = "header", .index = -1, .element = -1,
    };
    return read_magic(&c, err) && read_version(g, &c, err) &&
           read_count(&c, "tensor count", GGUF_MAX_TENSORS, TENSOR_MIN_BYTES, &g->n_tensors, err) &&
           read_count(&c, "metadata key count", GGUF_MAX_KEYS, KEY_MIN_BYTES, &g->n_keys, err) &&
           read_metadata(g, &c, err) && read_alignment(g, &c, err) && gguf_read_tensors(g, &c, err);
}

bool gguf_open_map(struct filemap *map, struct gguf **ret, struct err *err)
{
    struct gguf *g = calloc(1, sizeof *g);
    if (!g) {
        filemap_close(map);
        return err_nomem(err, "an open GGUF file");
    }
    g->map = map;
    g->arena = ARENA_INIT(ARENA_MAX_BYTES);
    bool ok = read_all(g, err);
    /* What was read as zeros says nothing about the file: the shrinking is the error, not what followed from it. */
    if (filemap_broken(map))
        ok = err_at_offset(err, ERR_IO, filemap_path(map), -1,
                           "the file became shorter while it was read; fetch it again");
    if (!ok) {
        gguf_close(g);
        return false;
    }
    *ret = g;
    return true;
}

bool gguf_open(const char *path, struct gguf **ret, struct err *err)
{
    struct filemap *map;
    return filemap_open(path, &map, err) && gguf_open_map(map, ret, err);
}

void gguf_close(struct gguf *g)
{
    if (!g)
        return;
    strmap_free(&g->key_index);
    strmap_free(&g->tensor_index);
    arena_free(&g->arena);
    filemap_close(g->map);
    free(g);
}

const char *gguf_path(const struct gguf *g)
{
    return filemap_path(g->map);
}

uint32_t gguf_version(const struct gguf *g)
{
    return g->version;
}

bool gguf_broken(const struct gguf *g)
{
    return filemap_broken(g->map);
}
