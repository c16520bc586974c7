/* Safetensors files, sound and spoilt in one place: every claim of the header is checked. */
#include "../support.h"

#include "model/safetensors.h"

#define MAX_FILE 4096

/* The header's JSON, then n bytes that count up. */
static bool open_made(const char *json, size_t n, struct safetensors **ret, struct err *err)
{
    static char file[MAX_FILE];
    struct filemap *map;
    size_t length = strlen(json);
    assert_true(8 + length + n <= sizeof file);
    for (int i = 0; i < 8; i++)
        file[i] = (char)((uint64_t)length >> 8 * i);
    memcpy(file + 8, json, length);
    for (size_t i = 0; i < n; i++)
        file[8 + length + i] = (char)i;
    *err = ERR_INIT;
    assert_true(filemap_memory("made.safetensors", file, 8 + length + n, &map, err));
    return safetensors_open_map(map, ret, err);
}

static void assert_refused(const char *json, size_t n, enum err_code code, const char *part)
{
    struct safetensors *s;
    struct err err;
    assert_false(open_made(json, n, &s, &err));
    if (!strstr(err.msg, part))
        fail_msg("'%s' is not in: %s", part, err.msg);
    assert_int_equal(err.code, code);
}

static void test_safetensors_gives_views_in_the_order_of_their_bytes(void **state)
{
    (void)state;
    struct safetensors *s;
    struct err err;
    const char *json = "{\"b\":{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":[24,32]},"
                       "\"__metadata__\":{\"format\":\"pt\"},"
                       "\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}}   ";
    assert_ok(open_made(json, 32, &s, &err), err);
    assert_int_equal(safetensors_count(s), 2);
    const struct tensor *a = safetensors_at(s, 0), *b = safetensors_at(s, 1);
    assert_string_equal(a->name, "a");
    assert_int_equal(a->type, TENSOR_F32);
    assert_int_equal(a->n_dims, 2);
    assert_int_equal(a->ne[0], 3); /* rows are contiguous in both, the order of naming differs */
    assert_int_equal(a->ne[1], 2);
    assert_int_equal(((const char *)a->data)[0], 0);
    assert_string_equal(b->name, "b");
    assert_int_equal(b->type, TENSOR_BF16);
    assert_int_equal(b->bytes, 8);
    assert_int_equal(((const char *)b->data)[0], 24);
    safetensors_close(s);
}

static void test_safetensors_marks_types_that_rung_does_not_compute_with(void **state)
{
    (void)state;
    struct safetensors *s;
    struct err err;
    assert_ok(open_made("{\"n\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]}}", 8, &s, &err), err);
    assert_int_equal(safetensors_at(s, 0)->type, TENSOR_TYPES);
    safetensors_close(s);
}

static void test_safetensors_rejects_places_outside_the_file(void **state)
{
    (void)state;
    assert_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 7, ERR_CORRUPT, "outside");
    assert_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, ERR_CORRUPT, "outside");
    assert_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", 8, ERR_CORRUPT, "outside");
}

static void test_safetensors_rejects_overlaps_and_holes(void **state)
{
    (void)state;
    assert_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                   "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, ERR_CORRUPT, "overlaps");
    assert_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, ERR_CORRUPT, "hole");
    assert_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 8, ERR_CORRUPT,
                   "4 bytes at the end");
}

static void test_safetensors_rejects_shapes_that_do_not_match_their_bytes(void **state)
{
    (void)state;
    assert_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8, ERR_CORRUPT,
                   "number of bytes");
    assert_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,4],\"data_offsets\":[0,8]}}", 8,
                   ERR_CORRUPT, "no tensor can have");
    assert_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8, ERR_CORRUPT, "shape");
    assert_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,2],\"data_offsets\":[0,8]}}", 8, ERR_UNSUPPORTED,
                   "4 dim");
    assert_refused("{\"a\":{\"dtype\":\"Q9\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, ERR_UNSUPPORTED, "dtype");
}

static void test_safetensors_rejects_headers_that_are_none(void **state)
{
    (void)state;
    struct safetensors *s;
    struct err err = ERR_INIT;
    struct filemap *map;
    static const char past_end[] = "\xff\xff\xff\xff\xff\xff\xff\xff{}";
    assert_refused("[]", 0, ERR_CORRUPT, "no JSON object");
    assert_refused("{\"a\":1}", 0, ERR_UNSUPPORTED, "dtype");
    assert_refused("{\"a\":", 0, ERR_INVALID, "");
    assert_true(filemap_memory("x", past_end, sizeof past_end - 1, &map, &err));
    assert_false(safetensors_open_map(map, &s, &err));
    assert_int_equal(err.code, ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_safetensors_gives_views_in_the_order_of_their_bytes),
        cmocka_unit_test(test_safetensors_marks_types_that_rung_does_not_compute_with),
        cmocka_unit_test(test_safetensors_rejects_places_outside_the_file),
        cmocka_unit_test(test_safetensors_rejects_overlaps_and_holes),
        cmocka_unit_test(test_safetensors_rejects_shapes_that_do_not_match_their_bytes),
        cmocka_unit_test(test_safetensors_rejects_headers_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
