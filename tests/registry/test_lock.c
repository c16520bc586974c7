/* The lockfile's text: what is written is read again, and a line that cannot be read is never passed over. */
#include "../support.h"

#include "registry/lock.h"

#define HEX "132b3a8d647b997d26ff818d4c60ba8cdcef5fcc2460b9c4b3bd74cd56f035cc"
#define OTHER "232b3a8d647b997d26ff818d4c60ba8cdcef5fcc2460b9c4b3bd74cd56f035cc"

static void refuses(const char *text, int line)
{
    struct err err = ERR_INIT;
    struct lock l;
    if (lock_parse(str_of(text), "rung.lock", &l, &err))
        fail_msg("'%s' was taken", text);
    assert_int_equal(err.line, line);
}

static void test_lock_is_read_as_it_was_written(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct lock l = {0}, again;
    struct buf out = BUF_INIT(LOCK_MAX_BYTES);
    assert_ok(lock_put(&l, "qwen3:4b", HEX, 5, "registry.ollama.ai/library/qwen3:4b", &err), err);
    assert_ok(lock_put(&l, "a:latest", OTHER, 7, "file", &err), err);
    assert_ok(lock_put(&l, "qwen3:4b", OTHER, 6, "elsewhere", &err), err);
    lock_write(&l, &out);
    assert_ok(lock_parse(buf_view(&out), "rung.lock", &again, &err), err);
    assert_int_equal(again.n, 2);
    assert_string_equal(again.entries[0].name, "a:latest");
    assert_string_equal(lock_find(&again, "qwen3:4b")->digest, OTHER);
    assert_int_equal(lock_find(&again, "qwen3:4b")->size, 6);
    assert_string_equal(lock_find(&again, "qwen3:4b")->source, "elsewhere");
    assert_null(lock_find(&again, "qwen3"));
    lock_free(&l);
    lock_free(&again);
    buf_free(&out);
}

static void test_lock_names_are_one_however_they_are_written(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct lock l;
    assert_ok(lock_parse(STR("\n# words\n  huggingface.co/o/r:q8_0\tsha256:" HEX "  5 x\r\nqwen3 sha256:" OTHER " 6 y"),
                         "rung.lock", &l, &err), err);
    assert_string_equal(lock_find(&l, "hf.co/o/r:Q8_0")->digest, HEX);
    assert_string_equal(lock_find(&l, "qwen3:latest")->digest, OTHER);
    lock_free(&l);
}

static void test_lock_refuses_lines_it_cannot_read(void **state)
{
    (void)state;
    refuses("qwen3:4b", 1);
    refuses("# ok\nqwen3:4b sha256:" HEX " 5", 2);
    refuses("qwen3:4b sha256:" HEX " 5 x y", 1);
    refuses("qwen3:4b md5:" HEX " 5 x", 1);
    refuses("qwen3:4b sha256:12 5 x", 1);
    refuses("qwen3:4b sha256:" HEX " -5 x", 1);
    refuses("qwen3 sha256:" HEX " 5 \1x", 1);
    refuses("a//b sha256:" HEX " 5 x", 1);
    refuses("qwen3@sha256:" HEX " sha256:" HEX " 5 x", 1);
    refuses("qwen3 sha256:" HEX " 5 x\nqwen3:latest sha256:" OTHER " 5 x", 2);
}

static void test_lock_holds_no_more_than_its_limit(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct lock l = {0};
    char name[32];
    for (int i = 0; i < LOCK_MAX_ENTRIES; i++) {
        snprintf(name, sizeof name, "m%d:latest", i);
        assert_ok(lock_put(&l, name, HEX, 1, "x", &err), err);
    }
    assert_false(lock_put(&l, "one-more:latest", HEX, 1, "x", &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_false(lock_put(&l, "white space", HEX, 1, "x", &err));
    lock_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lock_is_read_as_it_was_written),
        cmocka_unit_test(test_lock_names_are_one_however_they_are_written),
        cmocka_unit_test(test_lock_refuses_lines_it_cannot_read),
        cmocka_unit_test(test_lock_holds_no_more_than_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
