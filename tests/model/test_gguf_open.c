/* Good GGUF files: what the reader says about them equals what was written, and every vector and model opens. */
#include "../support.h"

#include <dirent.h>
#include <fcntl.h>

#include "model/gguf.h"
#include "support_gguf.h"

/* One of each: every scalar type, an array, a string, two tensors. */
static void write_sample(struct gguf_image *im, uint32_t version)
{
    image_header(im, version, 2, 12);
    image_key(im, "a.u8", GGUF_U8), image_u8(im, 200);
    image_key(im, "a.i8", GGUF_I8), image_u8(im, (uint8_t)-5);
    image_key(im, "a.u16", GGUF_U16), image_u16(im, 65535);
    image_key(im, "a.i32", GGUF_I32), image_u32(im, (uint32_t)-7);
    image_key(im, "a.u32", GGUF_U32), image_u32(im, 4000000000u);
    image_key(im, "a.f32", GGUF_F32), image_f32(im, 1.5f);
    image_key(im, "a.bool", GGUF_BOOL), image_u8(im, 1);
    image_key(im, "a.str", GGUF_STRING), image_str(im, "h\xc3\xa9");
    image_key(im, "a.u64", GGUF_U64), image_u64(im, 1ull << 40);
    image_key(im, "a.f64", GGUF_F64), image_f64(im, 1e300);
    image_key(im, "a.strs", GGUF_ARRAY), image_u32(im, GGUF_STRING), image_u64(im, 3);
    image_str(im, "x"), image_str(im, ""), image_str(im, "yz");
    image_key(im, "a.i16s", GGUF_ARRAY), image_u32(im, GGUF_I16), image_u64(im, 2);
    image_u16(im, (uint16_t)-3), image_u16(im, 9);
    image_tensor(im, "t.q", TENSOR_Q8_0, 2, (const int64_t[]){64, 3}, 0);
    image_tensor(im, "t.f", TENSOR_F32, 1, (const int64_t[]){5}, 224);
    image_data(im, 32, 224 + 20);
}

static struct gguf *open_sample(struct gguf_image *im, uint32_t version)
{
    struct err err = ERR_INIT;
    struct gguf *g = NULL;
    write_sample(im, version);
    assert_ok(image_open(im, &g, &err), err);
    return g;
}

static void test_gguf_reads_version_2_and_3(void **state)
{
    (void)state;
    for (uint32_t version = 2; version <= 3; version++) {
        struct gguf_image im = IMAGE_INIT;
        struct gguf *g = open_sample(&im, version);
        assert_int_equal(gguf_version(g), version);
        assert_int_equal(gguf_key_count(g), 12);
        assert_int_equal(gguf_tensor_count(g), 2);
        assert_false(gguf_broken(g));
        gguf_close(g);
        image_free(&im);
    }
}

static void test_gguf_integers_of_any_width_convert_when_they_fit(void **state)
{
    (void)state;
    struct gguf_image im = IMAGE_INIT;
    struct err err = ERR_INIT;
    struct gguf *g = open_sample(&im, 3);
    uint32_t v = 0;
    assert_ok(gguf_get_u32(g, "a.u8", &v, &err), err);
    assert_int_equal(v, 200);
    assert_ok(gguf_get_u32(g, "a.u16", &v, &err), err);
    assert_int_equal(v, 65535);
    assert_ok(gguf_need_u32(g, "a.u32", &v, &err), err);
    assert_true(v == 4000000000u);
    assert_false(gguf_get_u32(g, "a.i32", &v, &err));
    assert_non_null(strstr(err.msg, "metadata key 'a.i32': its value -7 is not in 0"));
    assert_false(gguf_get_u32(g, "a.u64", &v, &err));
    assert_non_null(strstr(err.msg, "its value 1099511627776 is not in 0"));
    assert_true(v == 4000000000u);
    gguf_close(g);
    image_free(&im);
}

static void test_gguf_absent_keys_leave_the_default(void **state)
{
    (void)state;
    struct gguf_image im = IMAGE_INIT;
    struct err err = ERR_INIT;
    struct gguf *g = open_sample(&im, 3);
    uint32_t v = 77;
    struct gguf_array a;
    assert_ok(gguf_get_u32(g, "no.such", &v, &err), err);
    assert_int_equal(v, 77);
    assert_ok(gguf_get_array(g, "no.such", GGUF_STRING, &a, &err), err);
    assert_int_equal(a.n, 0);
    assert_false(gguf_need_u32(g, "no.such", &v, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_string_equal(err.msg, "metadata key 'no.such' is missing");
    gguf_close(g);
    image_free(&im);
}

static void test_gguf_getters_refuse_another_kind_by_name(void **state)
{
    (void)state;
    struct gguf_image im = IMAGE_INIT;
    struct err err = ERR_INIT;
    struct gguf *g = open_sample(&im, 3);
    uint32_t u;
    float f;
    bool b;
    struct str s;
    struct gguf_array a;
    assert_false(gguf_get_u32(g, "a.str", &u, &err));
    assert_string_equal(err.msg, "metadata key 'a.str': its value type is string, not an integer");
    assert_true(err.offset > 0);
    assert_false(gguf_get_f32(g, "a.u8", &f, &err));
    assert_false(gguf_get_f32(g, "a.f64", &f, &err)); /* 1e300 is no float */
    assert_false(gguf_get_bool(g, "a.u8", &b, &err));
    assert_false(gguf_get_str(g, "a.bool", &s, &err));
    assert_false(gguf_get_array(g, "a.str", GGUF_STRING, &a, &err));
    assert_false(gguf_get_array(g, "a.i16s", GGUF_STRING, &a, &err));
    assert_string_equal(err.msg, "metadata key 'a.i16s': its element type is i16, not string");
    gguf_close(g);
    image_free(&im);
}

static void test_gguf_strings_and_arrays_come_out_as_written(void **state)
{
    (void)state;
    struct gguf_image im = IMAGE_INIT;
    struct err err = ERR_INIT;
    struct gguf *g = open_sample(&im, 3);
    struct str s;
    struct gguf_array a;
    float f;
    bool b;
    assert_ok(gguf_get_str(g, "a.str", &s, &err), err);
    assert_true(str_is(s, "h\xc3\xa9"));
    assert_ok(gguf_get_f32(g, "a.f32", &f, &err), err);
    assert_true(f == 1.5f);
    assert_ok(gguf_get_bool(g, "a.bool", &b, &err), err);
    assert_true(b);
    assert_ok(gguf_get_array(g, "a.strs", GGUF_STRING, &a, &err), err);
    assert_int_equal(a.n, 3);
    assert_true(str_is(a.strings[0], "x") && a.strings[1].n == 0 && str_is(a.strings[2], "yz"));
    assert_ok(gguf_get_array(g, "a.i16s", GGUF_I32, &a, &err), err);
    assert_int_equal(gguf_array_i64(&a, 0), -3);
    assert_int_equal(gguf_array_i64(&a, 1), 9);
    gguf_close(g);
    image_free(&im);
}

static void test_gguf_tensors_have_their_shape_and_place(void **state)
{
    (void)state;
    struct gguf_image im = IMAGE_INIT;
    struct gguf *g = open_sample(&im, 3);
    const struct tensor *q = gguf_tensor(g, "t.q"), *f = gguf_tensor(g, "t.f");
    assert_non_null(q);
    assert_ptr_equal(f, gguf_tensor_at(g, 1));
    assert_null(gguf_tensor(g, "t"));
    assert_int_equal(q->type, TENSOR_Q8_0);
    assert_int_equal(q->ne[0], 64);
    assert_int_equal(q->ne[1], 3);
    assert_int_equal(q->ne[3], 1);
    assert_int_equal(q->bytes, 3 * 2 * 34);
    assert_int_equal((const char *)f->data - (const char *)q->data, 224);
    gguf_close(g);
    image_free(&im);
}

static void test_gguf_fails_when_the_file_shrinks_under_the_map(void **state)
{
    (void)state;
    struct gguf_image im = IMAGE_INIT;
    struct err err = ERR_INIT;
    struct gguf *g = NULL;
    image_header(&im, 3, 1, 0);
    image_tensor(&im, "t", TENSOR_F32, 1, (const int64_t[]){1 << 16}, 0);
    image_data(&im, 32, sizeof(float) << 16);
    char path[] = "/tmp/rung-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, im.b.p, im.b.n) == (ssize_t)im.b.n);
    assert_ok(gguf_open(path, &g, &err), err);
    assert_false(gguf_broken(g));
    assert_int_equal(ftruncate(fd, 4096), 0);
    const volatile char *data = gguf_tensor(g, "t")->data;
    assert_int_equal(data[200000], 0);
    assert_true(gguf_broken(g));
    gguf_close(g);
    close(fd);
    unlink(path);
    image_free(&im);
}

static int open_folder(const char *folder)
{
    int n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        size_t len = strlen(e->d_name);
        if (len < 5 || strcmp(e->d_name + len - 5, ".gguf") != 0)
            continue;
        char path[4600];
        struct err err = ERR_INIT;
        struct gguf *g = NULL;
        struct str arch;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        assert_ok(gguf_open(path, &g, &err), err);
        assert_ok(gguf_need_str(g, "general.architecture", &arch, &err), err);
        gguf_close(g);
        n++;
    }
    closedir(dir);
    return n;
}

static void test_gguf_opens_every_architecture(void **state)
{
    (void)state;
    SKIP_WITHOUT_SHARED(folder, "vectors/arch");
    assert_int_equal(open_folder(folder), 13);
}

static void test_gguf_opens_vocabularies_without_tensors(void **state)
{
    (void)state;
    SKIP_WITHOUT_SHARED(folder, "vectors/tokenizer");
    assert_int_equal(open_folder(folder), 7);
}

static void test_gguf_opens_the_models(void **state)
{
    (void)state;
    SKIP_WITHOUT_SHARED(folder, "models");
    assert_int_equal(open_folder(folder), 2);
}

static void test_gguf_opens_every_type_that_rung_runs(void **state)
{
    (void)state;
    static const char *const types[] = {"BF16", "F16",  "Q2_K",   "Q3_K_M", "Q4_0", "Q4_1",   "Q4_K_M", "Q4_K_S",
                                        "Q5_0", "Q5_1", "Q5_K_M", "Q6_K",   "Q8_0", "IQ4_NL", "IQ4_XS"};
    SKIP_WITHOUT_SHARED(folder, "vectors/quant");
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        char path[4600];
        struct err err = ERR_INIT;
        struct gguf *g = NULL;
        snprintf(path, sizeof path, "%s/qwen3-%s.gguf", folder, types[i]);
        assert_ok(gguf_open(path, &g, &err), err);
        assert_int_equal(gguf_tensor_count(g), 35);
        gguf_close(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gguf_reads_version_2_and_3),
        cmocka_unit_test(test_gguf_integers_of_any_width_convert_when_they_fit),
        cmocka_unit_test(test_gguf_absent_keys_leave_the_default),
        cmocka_unit_test(test_gguf_getters_refuse_another_kind_by_name),
        cmocka_unit_test(test_gguf_strings_and_arrays_come_out_as_written),
        cmocka_unit_test(test_gguf_tensors_have_their_shape_and_place),
        cmocka_unit_test(test_gguf_fails_when_the_file_shrinks_under_the_map),
        cmocka_unit_test(test_gguf_opens_every_architecture),
        cmocka_unit_test(test_gguf_opens_vocabularies_without_tensors),
        cmocka_unit_test(test_gguf_opens_the_models),
        cmocka_unit_test(test_gguf_opens_every_type_that_rung_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
