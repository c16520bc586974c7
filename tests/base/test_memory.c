/* Arena, buffer and map: ceilings hold, what is handed out stays apart, failures stick. */
#include "../support.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/strmap.h"

static void test_arena_memory_is_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    struct arena a = ARENA_INIT(64 << 20);
    unsigned char *last = NULL;
    size_t last_n = 0;
    for (size_t i = 0; i < 3000; i++) {
        size_t n = i * 7 % 900, align = (size_t)16 << i % 9;
        unsigned char *p = arena_alloc_aligned(&a, n, align);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % align, 0);
        for (size_t j = 0; j < n; j++)
            assert_int_equal(p[j], 0);
        memset(p, 0xEE, n);
        if (last_n)
            assert_int_equal(last[last_n - 1], 0xEE);
        assert_true(p >= last + last_n || p + n <= last);
        last = p;
        last_n = n;
    }
    arena_free(&a);
}

static void test_arena_stops_at_its_ceiling(void **state)
{
    (void)state;
    struct arena a = ARENA_INIT(1000);
    assert_non_null(arena_alloc(&a, 600));
    assert_null(arena_alloc(&a, 401));
    assert_non_null(arena_alloc(&a, 400));
    assert_null(arena_alloc(&a, 1));
    assert_int_equal(arena_used(&a), 1000);
    arena_reset(&a);
    assert_int_equal(arena_used(&a), 0);
    assert_non_null(arena_alloc(&a, 1000));
    arena_free(&a);
}

static void test_arena_refuses_absurd_sizes(void **state)
{
    (void)state;
    struct arena a = ARENA_INIT(SIZE_MAX);
    assert_null(arena_array(&a, SIZE_MAX / 2, 3));
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_alloc(&a, SIZE_MAX - 64));
    assert_null(arena_alloc_aligned(&a, 16, 8192));
    assert_null(arena_alloc_aligned(&a, 16, 48));
    assert_non_null(arena_array(&a, 100, 100));
    arena_free(&a);
}

static void test_arena_reset_gives_zeroed_memory_again(void **state)
{
    (void)state;
    struct arena a = ARENA_INIT(1 << 20);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 20; i++) {
            char *p = arena_alloc(&a, 1000);
            assert_non_null(p);
            assert_int_equal(p[999], 0);
            memset(p, 1, 1000);
        }
        arena_reset(&a);
    }
    arena_free(&a);
}

static void test_arena_copies_strings(void **state)
{
    (void)state;
    struct arena a = ARENA_INIT(100);
    assert_string_equal(arena_strdup(&a, (struct str){"hello", 4}), "hell");
    assert_string_equal(arena_printf(&a, "%d-%s", 42, "x"), "42-x");
    struct str s = arena_str(&a, (struct str){NULL, 0});
    assert_non_null(s.p);
    assert_int_equal(s.n, 0);
    char big[200] = {0};
    s = arena_str(&a, (struct str){big, sizeof big});
    assert_null(s.p);
    assert_int_equal(s.n, 0);
    assert_null(arena_printf(&a, "%0200d", 1));
    arena_free(&a);
}

static void test_buf_fault_sticks_at_the_ceiling(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct buf b = BUF_INIT(10);
    buf_puts(&b, "12345");
    buf_printf(&b, "%d", 678);
    assert_true(buf_ok(&b));
    buf_puts(&b, "901");
    assert_false(buf_ok(&b));
    buf_char(&b, '9');
    assert_true(str_is(buf_view(&b), "12345678"));
    assert_false(buf_check(&b, "the reply", &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_string_equal(err.msg, "the reply is longer than 10 bytes");
    assert_null(buf_take(&b));
    assert_true(buf_ok(&b));
    buf_puts(&b, "1234567890");
    assert_true(buf_check(&b, "the reply", &err));
    buf_printf(&b, "%s", "");
    assert_true(buf_ok(&b));
    buf_printf(&b, "x");
    assert_false(buf_ok(&b));
    buf_free(&b);
}

static void test_buf_ends_in_nul_and_keeps_nul_inside(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1 << 20);
    assert_true(str_is(buf_view(&b), ""));
    for (int i = 0; i < 10000; i++) {
        buf_add(&b, "a\0b", 3);
        assert_int_equal(b.p[b.n], 0);
    }
    assert_int_equal(b.n, 30000);
    buf_drop(&b, 29998);
    assert_memory_equal(b.p, "\0b", 3);
    buf_drop(&b, 99);
    assert_int_equal(b.n, 0);
    buf_clear(&b);
    char *at = buf_grow(&b, 4);
    memcpy(at, "wxyz", 4);
    char *taken = buf_take(&b);
    assert_string_equal(taken, "wxyz");
    assert_int_equal(b.n, 0);
    free(taken);
    taken = buf_take(&b);
    assert_string_equal(taken, "");
    free(taken);
}

static void test_strmap_finds_every_key_and_no_other(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    static char keys[COUNT][8];
    struct strmap m = {0};
    struct err err = ERR_INIT;
    int32_t v = -1;
    assert_false(strmap_get(&m, STR("x"), &v));
    for (int i = 0; i < COUNT; i++) {
        snprintf(keys[i], sizeof keys[i], "%x", (unsigned)i);
        assert_ok(strmap_put(&m, str_of(keys[i]), i, &err), err);
    }
    assert_ok(strmap_put(&m, STR("5"), 500, &err), err);
    assert_ok(strmap_put(&m, STR(""), 7, &err), err);
    assert_ok(strmap_put(&m, (struct str){NULL, 0}, 8, &err), err);
    assert_ok(strmap_put(&m, STR("a\0b"), 9, &err), err);
    assert_int_equal(strmap_count(&m), COUNT + 2);
    for (int i = 0; i < COUNT; i++) {
        assert_true(strmap_get(&m, str_of(keys[i]), &v));
        assert_int_equal(v, i == 5 ? 500 : i);
    }
    assert_true(strmap_get(&m, STR(""), &v));
    assert_int_equal(v, 8);
    assert_false(strmap_get(&m, STR("nothing"), &v));
    assert_false(strmap_reserve(&m, UINT32_MAX, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    strmap_free(&m);
    assert_int_equal(strmap_count(&m), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena_memory_is_zeroed_aligned_and_apart),
        cmocka_unit_test(test_arena_stops_at_its_ceiling),
        cmocka_unit_test(test_arena_refuses_absurd_sizes),
        cmocka_unit_test(test_arena_reset_gives_zeroed_memory_again),
        cmocka_unit_test(test_arena_copies_strings),
        cmocka_unit_test(test_buf_fault_sticks_at_the_ceiling),
        cmocka_unit_test(test_buf_ends_in_nul_and_keeps_nul_inside),
        cmocka_unit_test(test_strmap_finds_every_key_and_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
