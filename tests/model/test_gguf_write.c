/* What the writer wrote, the reader reads back; what it must not write, it refuses and leaves no file behind. */
#include "../support.h"

#include <sys/stat.h>

#include "model/gguf_write.h"

static char path[64];

static int name_file(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/tmp/rung-write-%ld.gguf", (long)getpid());
    return 0;
}

static int remove_file(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static bool exists(const char *suffix)
{
    char name[96];
    snprintf(name, sizeof name, "%s%s", path, suffix);
    return access(name, F_OK) == 0;
}

static void test_gguf_written_is_read_back(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct gguf_writer *w = NULL;
    struct gguf *g = NULL;
    const struct str words[] = {STR("a"), STR(""), STR("\xe2\x82\xac")};
    const int32_t ints[] = {-1, 7};
    const float floats[] = {0.5f, -2}, data[] = {1, 2, 3, 4, 5};
    uint8_t blocks[68];
    memset(blocks, 9, sizeof blocks);
    assert_ok(gguf_writer_open(path, &w, &err), err);
    gguf_write_u32(w, "k.u32", 5);
    gguf_write_f32(w, "k.f32", 0.25f);
    gguf_write_bool(w, "k.bool", true);
    gguf_write_str(w, "k.str", STR("text"));
    gguf_write_strs(w, "k.strs", words, 3);
    gguf_write_i32s(w, "k.i32s", ints, 2);
    gguf_write_f32s(w, "k.f32s", floats, 2);
    gguf_write_tensor(w, "first", TENSOR_F32, 1, (const int64_t[]){5});
    gguf_write_tensor(w, "second", TENSOR_Q8_0, 2, (const int64_t[]){32, 2});
    assert_ok(gguf_write_data(w, data, 3, &err), err); /* pieces may cut anywhere */
    assert_ok(gguf_write_data(w, (const char *)data + 3, sizeof data - 3, &err), err);
    assert_ok(gguf_write_data(w, blocks, sizeof blocks, &err), err);
    assert_false(exists(""));
    assert_ok(gguf_writer_finish(w, &err), err);
    gguf_writer_close(w);

    assert_ok(gguf_open(path, &g, &err), err);
    uint32_t u = 0;
    struct str s = STR("");
    struct gguf_array a;
    assert_ok(gguf_need_u32(g, "k.u32", &u, &err) && gguf_need_str(g, "k.str", &s, &err), err);
    assert_int_equal(u, 5);
    assert_true(str_is(s, "text"));
    assert_ok(gguf_get_array(g, "k.strs", GGUF_STRING, &a, &err), err);
    assert_true(a.n == 3 && str_eq(a.strings[2], words[2]));
    assert_ok(gguf_get_array(g, "k.i32s", GGUF_I32, &a, &err), err);
    assert_int_equal(gguf_array_i64(&a, 0), -1);
    assert_ok(gguf_get_array(g, "k.f32s", GGUF_F32, &a, &err), err);
    assert_true(gguf_array_f32(&a, 1) == -2);
    assert_memory_equal(gguf_tensor(g, "first")->data, data, sizeof data);
    assert_memory_equal(gguf_tensor(g, "second")->data, blocks, sizeof blocks);
    gguf_close(g);
    assert_false(exists(".part"));
}

static void test_gguf_writer_refuses_to_finish_without_all_bytes(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct gguf_writer *w = NULL;
    assert_ok(gguf_writer_open(path, &w, &err), err);
    gguf_write_tensor(w, "short", TENSOR_F32, 1, (const int64_t[]){4});
    assert_ok(gguf_write_data(w, "1234", 4, &err), err);
    assert_false(gguf_writer_finish(w, &err));
    assert_string_equal(err.msg, "tensor 'short' got 4 of its 16 bytes");
    gguf_writer_close(w);
    assert_false(exists("") || exists(".part"));
}

static void test_gguf_writer_refuses_bytes_beyond_the_last_tensor(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct gguf_writer *w = NULL;
    assert_ok(gguf_writer_open(path, &w, &err), err);
    gguf_write_tensor(w, "one", TENSOR_F32, 1, (const int64_t[]){1});
    assert_false(gguf_write_data(w, "123456", 6, &err));
    gguf_writer_close(w);
    assert_false(exists("") || exists(".part"));
}

static void test_gguf_writer_reports_a_bad_declaration_at_the_first_data(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct gguf_writer *w = NULL;
    assert_ok(gguf_writer_open(path, &w, &err), err);
    gguf_write_tensor(w, "odd", TENSOR_Q8_0, 1, (const int64_t[]){33});
    gguf_write_tensor(w, "fine", TENSOR_F32, 1, (const int64_t[]){1});
    assert_false(gguf_write_data(w, "1234", 4, &err));
    assert_non_null(strstr(err.msg, "'odd'"));
    gguf_writer_close(w);
}

static void test_gguf_writer_names_a_folder_that_is_not_there(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct gguf_writer *w = NULL;
    assert_false(gguf_writer_open("/tmp/no/such/folder/x.gguf", &w, &err));
    assert_non_null(strstr(err.msg, "/tmp/no/such/folder/x.gguf.part"));
}

static void test_gguf_writer_refuses_what_another_writes(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct gguf_writer *first = NULL, *second = NULL;
    assert_ok(gguf_writer_open(path, &first, &err), err);
    gguf_write_u32(first, "k", 1);
    assert_false(gguf_writer_open(path, &second, &err));
    assert_int_equal(err.code, ERR_BUSY);
    assert_true(exists(".part"));
    err = ERR_INIT;
    assert_ok(gguf_writer_finish(first, &err), err);
    gguf_writer_close(first);
    assert_ok(gguf_writer_open(path, &second, &err), err);
    gguf_writer_close(second);
    assert_true(exists("") && !exists(".part"));
}

static void test_gguf_writer_follows_no_link(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct gguf_writer *w = NULL;
    char part[96];
    snprintf(part, sizeof part, "%s.part", path);
    assert_int_equal(symlink("/tmp/rung-write-elsewhere", part), 0);
    assert_false(gguf_writer_open(path, &w, &err));
    assert_int_equal(unlink(part), 0);
    assert_int_not_equal(access("/tmp/rung-write-elsewhere", F_OK), 0);
}

static void test_gguf_writer_writes_over_what_a_stopped_one_left(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct gguf_writer *w = NULL;
    struct gguf *g = NULL;
    char part[96];
    snprintf(part, sizeof part, "%s.part", path);
    FILE *f = fopen(part, "wb");
    assert_non_null(f);
    for (int i = 0; i < 4096; i++)
        fputs("left", f);
    fclose(f);
    assert_ok(gguf_writer_open(path, &w, &err), err);
    gguf_write_str(w, "general.architecture", STR("llama"));
    assert_ok(gguf_writer_finish(w, &err), err);
    gguf_writer_close(w);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size < 1024);
    assert_ok(gguf_open(path, &g, &err), err);
    gguf_close(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_gguf_written_is_read_back, remove_file),
        cmocka_unit_test_teardown(test_gguf_writer_refuses_to_finish_without_all_bytes, remove_file),
        cmocka_unit_test_teardown(test_gguf_writer_refuses_bytes_beyond_the_last_tensor, remove_file),
        cmocka_unit_test_teardown(test_gguf_writer_reports_a_bad_declaration_at_the_first_data, remove_file),
        cmocka_unit_test_teardown(test_gguf_writer_names_a_folder_that_is_not_there, remove_file),
        cmocka_unit_test_teardown(test_gguf_writer_refuses_what_another_writes, remove_file),
        cmocka_unit_test_teardown(test_gguf_writer_follows_no_link, remove_file),
        cmocka_unit_test_teardown(test_gguf_writer_writes_over_what_a_stopped_one_left, remove_file),
    };
    return cmocka_run_group_tests(tests, name_file, NULL);
}
