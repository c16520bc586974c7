/* Importance matrices in both forms: means come out, and what contradicts itself is refused with its place. */
#include <math.h>

#include "../support.h"
#include "model/imatrix.h"
#include "support_gguf.h"

static void put_i32(struct buf *b, int32_t v)
{
    buf_add(b, &v, sizeof v);
}

static void put_entry(struct buf *b, const char *name, int32_t calls, int32_t n, const float *values)
{
    put_i32(b, (int32_t)strlen(name));
    buf_puts(b, name);
    put_i32(b, calls);
    put_i32(b, n);
    buf_add(b, values, (size_t)n * sizeof *values);
}

static bool parse(const struct buf *b, struct imatrix **ret, struct err *err)
{
    assert_true(buf_ok(b));
    return imatrix_parse(buf_view(b), "test.dat", ret, err);
}

static void test_old_files_give_means_dataset_and_chunks(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct imatrix *m = NULL;
    struct buf b = BUF_INIT(4096);
    const float a[] = {2, 4, 8}, c[] = {1};
    put_i32(&b, 2);
    put_entry(&b, "blk.0.attn_q.weight", 2, 3, a);
    put_entry(&b, "blk.1.attn_q.weight", 0, 1, c);   /* the oldest files hold means already */
    put_i32(&b, 17);
    put_i32(&b, 4);
    buf_puts(&b, "wiki");
    assert_ok(parse(&b, &m, &err), err);
    assert_int_equal(imatrix_count(m), 2);
    const struct imatrix_entry *e = imatrix_find(m, "blk.0.attn_q.weight");
    assert_true(e && e == imatrix_at(m, 0) && e->n == 3);
    assert_true(e->values[0] == 1 && e->values[2] == 4);
    assert_true(imatrix_find(m, "blk.1.attn_q.weight")->values[0] == 1);
    assert_null(imatrix_find(m, "blk.2.attn_q.weight"));
    assert_int_equal(imatrix_chunks(m), 17);
    assert_true(str_is(imatrix_dataset(m), "wiki"));
    assert_string_equal(imatrix_path(m), "test.dat");
    imatrix_close(m);
    buf_free(&b);
}

static void test_old_files_may_end_after_the_entries(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct imatrix *m = NULL;
    struct buf b = BUF_INIT(4096);
    put_i32(&b, 1);
    put_entry(&b, "x.weight", 1, 1, (const float[]){3});
    assert_ok(parse(&b, &m, &err), err);
    assert_int_equal(imatrix_chunks(m), 0);
    assert_int_equal(imatrix_dataset(m).n, 0);
    imatrix_close(m);
    buf_free(&b);
}

/* ---- spoilt old files ---- */
static void expect_bad(struct buf *b, const char *words)
{
    struct err err = ERR_INIT;
    struct imatrix *m = NULL;
    assert_false(parse(b, &m, &err));
    if (!strstr(err.msg, words))
        fail_msg("'%s' does not say '%s'", err.msg, words);
    buf_free(b);
}

static void test_spoilt_old_files_are_refused(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(4096);
    buf_puts(&b, "hello, this is no matrix");
    expect_bad(&b, "number of entries");
    put_i32(&b, 0);
    expect_bad(&b, "no importance matrix");
    put_i32(&b, 1000);
    put_entry(&b, "x", 1, 1, (const float[]){1});
    expect_bad(&b, "no importance matrix");
    put_i32(&b, 1);
    put_i32(&b, -5);
    put_i32(&b, 1);
    put_i32(&b, 1);
    expect_bad(&b, "its name -5 is not in");
    put_i32(&b, 1);
    put_entry(&b, "", 1, 1, (const float[]){1});
    expect_bad(&b, "its name is empty");
    put_i32(&b, 1);
    put_entry(&b, "x\xff", 1, 1, (const float[]){1});
    expect_bad(&b, "no UTF-8");
    put_i32(&b, 1);
    put_entry(&b, "x.weight", 1, 0, (const float[]){1});
    put_i32(&b, 0);
    expect_bad(&b, "no values");
    put_i32(&b, 1);
    put_i32(&b, 1);
    buf_puts(&b, "x");
    put_i32(&b, 1);
    put_i32(&b, INT32_MAX);
    put_i32(&b, 1);
    expect_bad(&b, "values");
}

static void test_values_that_cannot_be_means_are_refused(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -1};
    for (size_t i = 0; i < 3; i++) {
        struct buf b = BUF_INIT(4096);
        put_i32(&b, 1);
        put_entry(&b, "x.weight", 1, 2, (const float[]){1, bad[i]});
        expect_bad(&b, "value 1 of entry 'x.weight'");
    }
}

static void test_an_entry_that_stands_twice_is_refused(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(4096);
    put_i32(&b, 2);
    put_entry(&b, "x.weight", 1, 1, (const float[]){1});
    put_entry(&b, "x.weight", 1, 1, (const float[]){1});
    expect_bad(&b, "stands twice");
}

/* ---- GGUF ---- */
/* Sums [3, 2] and counts of one entry with two experts. */
static void build(struct gguf_image *im, const char *type, int64_t counts)
{
    const float sums[6] = {2, 4, 6, 5, 5, 5}, n[2] = {2, 0};
    *im = IMAGE_INIT;
    image_header(im, 3, 2, 3);
    image_key(im, "general.type", GGUF_STRING);
    image_str(im, type);
    image_key(im, "imatrix.chunk_count", GGUF_U32);
    image_u32(im, 9);
    image_key(im, "imatrix.datasets", GGUF_ARRAY);
    image_u32(im, GGUF_STRING);
    image_u64(im, 1);
    image_str(im, "wiki.txt");
    image_tensor(im, "e.weight.in_sum2", TENSOR_F32, 2, (const int64_t[]){3, 2}, 0);
    image_tensor(im, "e.weight.counts", TENSOR_F32, 2, (const int64_t[]){1, counts}, 32);
    image_data(im, 32, 64);
    memcpy(im->b.p + im->b.n - 64, sums, sizeof sums);
    memcpy(im->b.p + im->b.n - 32, n, sizeof n);
}

static void test_gguf_files_give_means_for_each_expert(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct imatrix *m = NULL;
    struct gguf_image im;
    build(&im, "imatrix", 2);
    assert_ok(imatrix_parse(buf_view(&im.b), "test.gguf", &m, &err), err);
    assert_int_equal(imatrix_count(m), 1);
    const struct imatrix_entry *e = imatrix_find(m, "e.weight");
    assert_true(e && e->n == 6);
    assert_true(e->values[0] == 1 && e->values[2] == 3);
    assert_true(e->values[3] == 1 && e->values[5] == 1);   /* never asked: all alike */
    assert_int_equal(imatrix_chunks(m), 9);
    assert_true(str_is(imatrix_dataset(m), "wiki.txt"));
    imatrix_close(m);
    image_free(&im);
}

static void test_gguf_files_of_other_kinds_are_refused(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct imatrix *m = NULL;
    struct gguf_image im;
    build(&im, "model", 2);
    assert_false(imatrix_parse(buf_view(&im.b), "test.gguf", &m, &err));
    assert_string_equal(err.msg, "test.gguf is no importance matrix: its general.type is 'model'");
    image_free(&im);
    build(&im, "imatrix", 3);
    assert_false(imatrix_parse(buf_view(&im.b), "test.gguf", &m, &err));
    assert_non_null(strstr(err.msg, "'e.weight' lacks sums and counts"));
    image_free(&im);
}

static void test_a_missing_file_is_named(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct imatrix *m = NULL;
    char text[900];
    assert_false(imatrix_open("/tmp/no-such-imatrix", &m, &err));
    assert_non_null(strstr(err_format(&err, text, sizeof text), "/tmp/no-such-imatrix"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_old_files_give_means_dataset_and_chunks),
        cmocka_unit_test(test_old_files_may_end_after_the_entries),
        cmocka_unit_test(test_spoilt_old_files_are_refused),
        cmocka_unit_test(test_values_that_cannot_be_means_are_refused),
        cmocka_unit_test(test_an_entry_that_stands_twice_is_refused),
        cmocka_unit_test(test_gguf_files_give_means_for_each_expert),
        cmocka_unit_test(test_gguf_files_of_other_kinds_are_refused),
        cmocka_unit_test(test_a_missing_file_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
