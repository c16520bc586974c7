/* Mapped files: a file that shrinks under its map is an error the caller sees, never the end of the process. */
#include "../support.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/filemap.h"

#define PAGE 4096

struct place {
    char dir[64];
    char path[128], other[128];
};

static int make_place(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    if (!p)
        return -1;
    snprintf(p->dir, sizeof p->dir, "/tmp/rung-test-XXXXXX");
    if (!mkdtemp(p->dir))
        return -1;
    snprintf(p->path, sizeof p->path, "%s/file", p->dir);
    snprintf(p->other, sizeof p->other, "%s/other", p->dir);
    *state = p;
    return 0;
}

static int drop_place(void **state)
{
    struct place *p = *state;
    unlink(p->path);
    rmdir(p->dir);
    free(p);
    return 0;
}

static void write_file(const char *path, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    for (size_t i = 0; i < n; i++)
        fputc('a' + (int)(i % 26), f);
    assert_int_equal(fclose(f), 0);
}

static struct filemap *map_file(const char *path)
{
    struct err err = ERR_INIT;
    struct filemap *map = NULL;
    assert_ok(filemap_open(path, &map, &err), err);
    return map;
}

static void test_filemap_shows_the_bytes(void **state)
{
    struct place *place = *state;
    write_file(place->path, 30);
    struct filemap *map = map_file(place->path);
    assert_string_equal(filemap_path(map), place->path);
    assert_true(str_is(filemap_bytes(map), "abcdefghijklmnopqrstuvwxyzabcd"));
    assert_false(filemap_broken(map));
    filemap_close(map);
}

static unsigned sum_of(struct str s)
{
    unsigned sum = 0;
    for (size_t i = 0; i < s.n; i++)
        sum += (unsigned char)*(const volatile char *)(s.p + i);
    return sum;
}

static void test_filemap_outlives_a_file_that_shrinks(void **state)
{
    struct place *place = *state;
    write_file(place->path, 10 * PAGE);
    struct filemap *map = map_file(place->path), *other;
    write_file(place->other, 10 * PAGE);
    other = map_file(place->other);
    assert_int_equal(truncate(place->path, 3 * PAGE), 0);
    struct str kept = {filemap_bytes(map).p, 3 * PAGE};
    struct str lost = {filemap_bytes(map).p + 3 * PAGE, 7 * PAGE};
    assert_int_equal(sum_of(lost), 0);
    assert_true(sum_of(kept) > 0);
    assert_true(filemap_broken(map));
    assert_false(filemap_broken(other));
    filemap_close(map);
    assert_true(sum_of(filemap_bytes(other)) > 0);
    filemap_close(other);
    unlink(place->other);

    /* the place in the table starts anew with the next file */
    write_file(place->path, PAGE);
    map = map_file(place->path);
    assert_false(filemap_broken(map));
    filemap_close(map);
}

static void test_filemap_sees_a_cut_inside_the_last_page(void **state)
{
    struct place *place = *state;
    write_file(place->path, 100);
    struct filemap *map = map_file(place->path);
    assert_int_equal(truncate(place->path, 50), 0);
    assert_true(filemap_broken(map));
    filemap_close(map);
}

/* Touch a page behind the end of a file that is mapped without filemap: whoever is asked to handle that, it is not
 * us. */
static void touch_foreign_lost_page(const char *path)
{
    int fd = open(path, O_RDWR);
    const volatile char *bytes = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
    if (fd >= 0 && bytes != MAP_FAILED)
        _exit(bytes[PAGE]);
}

static void test_filemap_leaves_other_faults_alone(void **state)
{
    struct place *place = *state;
    write_file(place->path, PAGE);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGBUS, SIG_DFL);
        struct filemap *map = NULL;
        if (filemap_open(place->path, &map, NULL))
            touch_foreign_lost_page(place->path);
        _exit(1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGBUS);
}

static void test_filemap_refuses_what_is_not_a_file(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    struct filemap *map = NULL;
    assert_false(filemap_open(place->path, &map, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_false(filemap_open(place->dir, &map, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.msg, "is a directory"));
    assert_false(filemap_open("/dev/zero", &map, &err));
    assert_non_null(strstr(err.msg, "is not a regular file"));
    write_file(place->path, 0);
    assert_false(filemap_open(place->path, &map, &err));
    assert_int_equal(err.code, ERR_CORRUPT);
    unlink(place->path);
    assert_int_equal(mkfifo(place->path, 0600), 0);
    assert_false(filemap_open(place->path, &map, &err));
    assert_null(map);
}

static void test_filemap_memory_has_the_same_face(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct filemap *map = NULL;
    assert_false(filemap_memory("starter", "", 0, &map, &err));
    assert_ok(filemap_memory("starter", "abc", 3, &map, &err), err);
    assert_true(str_is(filemap_bytes(map), "abc"));
    assert_string_equal(filemap_path(map), "starter");
    assert_false(filemap_broken(map));
    filemap_close(map);
    filemap_close(NULL);
}

static void test_filemap_table_is_bounded_and_reused(void **state)
{
    struct place *place = *state;
    enum { TRIES = 300 };
    static struct filemap *maps[TRIES];
    write_file(place->path, 10);
    struct err err = ERR_INIT;
    int n = 0;
    while (n < TRIES && filemap_open(place->path, &maps[n], &err))
        n++;
    assert_true(n >= 64 && n < TRIES);
    assert_int_equal(err.code, ERR_LIMIT);
    for (int i = 0; i < n; i++)
        filemap_close(maps[i]);
    filemap_close(map_file(place->path));
}

static void test_file_read_reads_whole_files_up_to_the_limit(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    char *bytes = NULL;
    size_t n = 0;
    static const size_t sizes[] = {0, 1, 65535, 65536, 131072, 500000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        write_file(place->path, sizes[i]);
        assert_ok(file_read(place->path, sizes[i], &bytes, &n, &err), err);
        assert_int_equal(n, sizes[i]);
        assert_int_equal(bytes[n], 0);
        free(bytes);
        bytes = NULL;
        if (sizes[i] == 0)
            continue;
        assert_false(file_read(place->path, sizes[i] - 1, &bytes, &n, &err));
        assert_int_equal(err.code, ERR_LIMIT);
    }
    assert_false(file_read(place->dir, 10, &bytes, &n, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_false(file_read("/nowhere/at/all", 10, &bytes, &n, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_null(bytes);
}

static void test_filemap_start_is_followed_by_zeros_to_the_files_size(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct filemap *map;
    size_t size = (size_t)64 << 30;
    assert_ok(filemap_start("far.gguf", STR("GGUF"), size, &map, &err), err);
    struct str bytes = filemap_bytes(map);
    assert_int_equal(bytes.n, size);
    assert_memory_equal(bytes.p, "GGUF", 4);
    assert_int_equal(bytes.p[4], 0);
    assert_int_equal(bytes.p[size - 1], 0);
    assert_string_equal(filemap_path(map), "far.gguf");
    assert_false(filemap_broken(map));
    filemap_close(map);
    assert_false(filemap_start("far.gguf", STR("GGUF"), 3, &map, &err));
    assert_int_equal(err.code, ERR_CORRUPT);
}

int main(void)
{
#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, make_place, drop_place)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filemap_start_is_followed_by_zeros_to_the_files_size),
        IN_PLACE(test_filemap_shows_the_bytes),
        IN_PLACE(test_filemap_outlives_a_file_that_shrinks),
        IN_PLACE(test_filemap_sees_a_cut_inside_the_last_page),
        IN_PLACE(test_filemap_leaves_other_faults_alone),
        IN_PLACE(test_filemap_refuses_what_is_not_a_file),
        cmocka_unit_test(test_filemap_memory_has_the_same_face),
        IN_PLACE(test_filemap_table_is_bounded_and_reused),
        IN_PLACE(test_file_read_reads_whole_files_up_to_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
