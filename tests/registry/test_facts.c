/* What a model file says of itself, as JSON: every kind of value, files and bytes, and a file that is none. */
#include "../support.h"
#include "data/json.h"
#include "model/gguf_write.h"
#include "registry/facts.h"

static char path[64];

static int make_file(void **state)
{
    static const struct str words[] = {{"a", 1}, {"\"", 1}};
    static const int32_t numbers[] = {-1, 2};
    static const float floats[] = {1e-6f, 0.5f};
    struct gguf_writer *w;
    struct err err = ERR_INIT;
    (void)state;
    snprintf(path, sizeof path, "/tmp/rung-facts-%d.gguf", (int)getpid());
    assert_ok(gguf_writer_open(path, &w, &err), err);
    gguf_write_str(w, "general.architecture", STR("qwen3"));
    gguf_write_str(w, "general.license", STR("mit"));
    gguf_write_str(w, "tokenizer.chat_template", STR("{{ \"x\"\n }}"));
    gguf_write_u32(w, "general.file_type", 15);
    gguf_write_f32(w, "eps", 1e-6f);
    gguf_write_bool(w, "flag", true);
    gguf_write_strs(w, "words", words, 2);
    gguf_write_i32s(w, "numbers", numbers, 2);
    gguf_write_f32s(w, "floats", floats, 2);
    gguf_write_tensor(w, "t", TENSOR_F32, 1, &(int64_t){1});
    assert_ok(gguf_write_data(w, &(float){1}, sizeof(float), &err), err);
    assert_ok(gguf_writer_finish(w, &err), err);
    gguf_writer_close(w);
    return 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void test_facts_spell_every_kind_of_value(void **state)
{
    (void)state;
    struct model_facts f;
    struct err err = ERR_INIT;
    assert_ok(model_facts_read(path, STR(""), true, &f, &err), err);
    assert_string_equal(f.type, "Q4_K_M");
    assert_string_equal(f.license.p, "mit");
    assert_string_equal(f.template.p, "{{ \"x\"\n }}");
    assert_string_equal(f.metadata.p,
                        "{\"general.architecture\":\"qwen3\",\"general.license\":\"mit\","
                        "\"tokenizer.chat_template\":\"{{ \\\"x\\\"\\n }}\",\"general.file_type\":15,\"eps\":0.000001,\"flag\":true,"
                        "\"words\":[\"a\",\"\\\"\"],\"numbers\":[-1,2],\"floats\":[0.000001,0.5]}");
    model_facts_free(&f);
}

static void test_facts_leave_arrays_out_unless_asked(void **state)
{
    (void)state;
    struct model_facts f;
    struct err err = ERR_INIT;
    assert_ok(model_facts_read(path, STR(""), false, &f, &err), err);
    assert_non_null(strstr(f.metadata.p, "\"words\":null,\"numbers\":null,\"floats\":null}"));
    model_facts_free(&f);
}

static void test_facts_of_bytes_are_those_of_the_file(void **state)
{
    (void)state;
    struct model_facts a, b;
    struct err err = ERR_INIT;
    char *bytes;
    size_t n;
    assert_ok(file_read(path, 1u << 20, &bytes, &n, &err), err);
    assert_ok(model_facts_read("embedded", (struct str){bytes, n}, true, &a, &err), err);
    assert_ok(model_facts_read(path, STR(""), true, &b, &err), err);
    assert_string_equal(a.metadata.p, b.metadata.p);
    model_facts_free(&a);
    model_facts_free(&b);
    free(bytes);
}

static void test_facts_of_what_is_no_model_are_an_error(void **state)
{
    (void)state;
    struct model_facts f;
    struct err err = ERR_INIT;
    assert_false(model_facts_read("x", STR("not a model at all, not even by far"), true, &f, &err));
    assert_true(err.msg[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_facts_spell_every_kind_of_value),
        cmocka_unit_test(test_facts_leave_arrays_out_unless_asked),
        cmocka_unit_test(test_facts_of_bytes_are_those_of_the_file),
        cmocka_unit_test(test_facts_of_what_is_no_model_are_an_error),
    };
    return cmocka_run_group_tests_name("facts", tests, make_file, remove_file);
}
