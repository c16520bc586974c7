/* Values out of the checked metadata of a GGUF file: by key, converted where nothing is lost, refused by name where
 * not. */
#include <float.h>
#include <inttypes.h>
#include <math.h>

#include "model/gguf_private.h"

const struct gguf_key *gguf_find(const struct gguf *g, const char *key)
{
    int32_t i;
    return strmap_get(&g->key_index, str_of(key), &i) ? &g->keys[i] : NULL;
}

int64_t gguf_key_count(const struct gguf *g)
{
    return g->n_keys;
}

struct str gguf_key_at(const struct gguf *g, int64_t i, enum gguf_type *ret_type)
{
    *ret_type = g->keys[i].type;
    return g->keys[i].name;
}

bool gguf_has(const struct gguf *g, const char *key)
{
    return gguf_find(g, key) != NULL;
}

static bool wrong_kind(const struct gguf *g, const struct gguf_key *key, const char *wanted, struct err *err)
{
    return err_at_offset(err, ERR_INVALID, gguf_path(g), (int64_t)key->at,
                         "metadata key '" STR_FMT "': its value type is %s, not %s", STR_ARG(key->name),
                         gguf_type_name(key->type), wanted);
}

static bool missing(const struct gguf *g, const char *key, struct err *err)
{
    return err_at_offset(err, ERR_NOT_FOUND, gguf_path(g), -1, "metadata key '%s' is missing", key);
}

static bool is_unsigned(enum gguf_type t)
{
    return t == GGUF_U8 || t == GGUF_U16 || t == GGUF_U32 || t == GGUF_U64;
}

static bool is_signed(enum gguf_type t)
{
    return t == GGUF_I8 || t == GGUF_I16 || t == GGUF_I32 || t == GGUF_I64;
}

static bool is_float(enum gguf_type t)
{
    return t == GGUF_F32 || t == GGUF_F64;
}

bool gguf_get_u32(const struct gguf *g, const char *key, uint32_t *ret, struct err *err)
{
    const struct gguf_key *k = gguf_find(g, key);
    if (!k)
        return true;
    if (!is_unsigned(k->type) && !is_signed(k->type))
        return wrong_kind(g, k, "an integer", err);
    bool negative = is_signed(k->type) && k->v.i < 0;
    if (negative || k->v.u > UINT32_MAX)
        return err_at_offset(err, ERR_INVALID, gguf_path(g), (int64_t)k->at,
                             "metadata key '%s': its value %s%" PRIu64 " is not in 0 to 4294967295", key,
                             negative ? "-" : "", negative ? -k->v.u : k->v.u);
    *ret = (uint32_t)k->v.u;
    return true;
}

bool gguf_get_i64(const struct gguf *g, const char *key, int64_t *ret, struct err *err)
{
    const struct gguf_key *k = gguf_find(g, key);
    if (!k)
        return true;
    if (!is_unsigned(k->type) && !is_signed(k->type))
        return wrong_kind(g, k, "an integer", err);
    if (is_unsigned(k->type) && k->v.u > INT64_MAX)
        return err_at_offset(err, ERR_INVALID, gguf_path(g), (int64_t)k->at,
                             "metadata key '%s': its value %" PRIu64 " is beyond 2^63", key, k->v.u);
    *ret = k->v.i;
    return true;
}

bool gguf_get_f32(const struct gguf *g, const char *key, float *ret, struct err *err)
{
    const struct gguf_key *k = gguf_find(g, key);
    if (!k)
        return true;
    if (!is_float(k->type))
        return wrong_kind(g, k, "a float", err);
    if (!isfinite(k->v.f) || fabs(k->v.f) > FLT_MAX)
        return err_at_offset(err, ERR_INVALID, gguf_path(g), (int64_t)k->at,
                             "metadata key '%s': its value %g is no finite float", key, k->v.f);
    *ret = (float)k->v.f;
    return true;
}

bool gguf_get_bool(const struct gguf *g, const char *key, bool *ret, struct err *err)
{
    const struct gguf_key *k = gguf_find(g, key);
    if (!k)
        return true;
    if (k->type != GGUF_BOOL)
        return wrong_kind(g, k, "a bool", err);
    *ret = k->v.u != 0;
    return true;
}

bool gguf_get_str(const struct gguf *g, const char *key, struct str *ret, struct err *err)
{
    const struct gguf_key *k = gguf_find(g, key);
    if (!k)
        return true;
    if (k->type != GGUF_STRING)
        return wrong_kind(g, k, "a string", err);
    *ret = k->v.s;
    return true;
}

bool gguf_need_u32(const struct gguf *g, const char *key, uint32_t *ret, struct err *err)
{
    return gguf_has(g, key) ? gguf_get_u32(g, key, ret, err) : missing(g, key, err);
}

bool gguf_need_f32(const struct gguf *g, const char *key, float *ret, struct err *err)
{
    return gguf_has(g, key) ? gguf_get_f32(g, key, ret, err) : missing(g, key, err);
}

bool gguf_need_str(const struct gguf *g, const char *key, struct str *ret, struct err *err)
{
    return gguf_has(g, key) ? gguf_get_str(g, key, ret, err) : missing(g, key, err);
}

/* Any integer array may be asked for as any integer type (gguf_array_i64 widens), and any float array as f32. */
static bool same_kind(enum gguf_type have, enum gguf_type want)
{
    bool have_int = is_unsigned(have) || is_signed(have), want_int = is_unsigned(want) || is_signed(want);
    return have == want || (have_int && want_int) || (is_float(have) && is_float(want));
}

bool gguf_get_array(const struct gguf *g, const char *key, enum gguf_type type, struct gguf_array *ret, struct err *err)
{
    const struct gguf_key *k = gguf_find(g, key);
    if (!k) {
        *ret = (struct gguf_array){.type = type};
        return true;
    }
    if (k->type != GGUF_ARRAY)
        return wrong_kind(g, k, "an array", err);
    if (!same_kind(k->v.array.type, type))
        return err_at_offset(err, ERR_INVALID, gguf_path(g), (int64_t)k->at,
                             "metadata key '%s': its element type is %s, not %s", key, gguf_type_name(k->v.array.type),
                             gguf_type_name(type));
    *ret = k->v.array;
    return true;
}

bool gguf_any_array(const struct gguf *g, const char *key, struct gguf_array *ret)
{
    const struct gguf_key *k = gguf_find(g, key);
    if (!k || k->type != GGUF_ARRAY || k->v.array.type == GGUF_ARRAY)
        return false;
    *ret = k->v.array;
    return true;
}

int64_t gguf_array_i64(const struct gguf_array *a, int64_t i)
{
    union {
        uint8_t u8; int8_t i8; uint16_t u16; int16_t i16; uint32_t u32; int32_t i32; uint64_t u64; int64_t i64;
    } x = {0};
    size_t n = gguf_type_bytes(a->type);
    memcpy(&x, a->p + (size_t)i * n, n);
    switch (a->type) {
    case GGUF_I8: return x.i8;
    case GGUF_U16: return x.u16;
    case GGUF_I16: return x.i16;
    case GGUF_U32: return x.u32;
    case GGUF_I32: return x.i32;
    case GGUF_I64: return x.i64;
    case GGUF_U64: return x.u64 > INT64_MAX ? INT64_MAX : (int64_t)x.u64;
    default: return x.u8;
    }
}

float gguf_array_f32(const struct gguf_array *a, int64_t i)
{
    float f;
    double d;
    if (a->type == GGUF_F64) {
        memcpy(&d, a->p + (size_t)i * sizeof d, sizeof d);
        return (float)d;
    }
    memcpy(&f, a->p + (size_t)i * sizeof f, sizeof f);
    return f;
}
