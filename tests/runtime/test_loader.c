/* Models that come when asked for and go when nobody asks: the loader's promises, with copies of the starter model as
 * files of their own. */
#include "../support.h"

#include <pthread.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "runtime/runtime_private.h"
#include "support_runtime.h"

#define STARTER RUNG_ROOT "/models/starter.gguf"
#define PATIENCE_MS 20000   /* far beyond what anything here takes */

static const struct load_wait plain_wait;

static struct runtime *rt;
static char dir[] = "/tmp/rung-loader-XXXXXX";

static int open_runtime(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    assert_ok(runtime_open(2, &rt, &err), err);
    return 0;
}

static int close_runtime(void **state)
{
    (void)state;
    runtime_close(rt);
    return 0;
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return rmdir(dir);
}

static void copy_starter(const char *path)
{
    struct err err = ERR_INIT;
    char *bytes;
    size_t n;
    assert_ok(file_read(STARTER, 64 << 20, &bytes, &n, &err), err);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
    free(bytes);
}

static struct local_model *declare(const char *name, const char *path, int64_t keep_alive_ms)
{
    struct err err = ERR_INIT;
    struct local_model *m = NULL;
    struct model_file file = {.path = path};
    struct local_model_options options = {.keep_alive_ms = keep_alive_ms};
    assert_ok(runtime_declare(rt, name, &file, &options, &m, &err), err);
    return m;
}

/* A model with a file of its own. */
static struct local_model *declare_copy(const char *name, int64_t keep_alive_ms)
{
    char path[100];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    copy_starter(path);
    struct local_model *m = declare(name, path, keep_alive_ms);
    return m;
}

static void remove_copies(void)
{
    for (struct local_model *m = rt->models; m; m = m->next)
        if (strncmp(m->path, dir, strlen(dir)) == 0)
            unlink(m->path);
}

static void acquire(struct local_model *m)
{
    struct err err = ERR_INIT;
    assert_ok(local_model_acquire(m, &plain_wait, &err), err);
}

static void use_once(struct local_model *m)
{
    acquire(m);
    local_model_release(m);
}

static bool is_loaded(const struct local_model *m)
{
    struct local_model_state states[16];
    int n = runtime_loaded(rt, states, 16);
    for (int i = 0; i < n; i++)
        if (states[i].info == local_model_info(m))
            return true;
    return false;
}

static bool is_absent(const struct local_model *m)
{
    pthread_mutex_lock(&rt->lock);
    bool absent = m->state == MODEL_ABSENT;
    pthread_mutex_unlock(&rt->lock);
    return absent;
}

/* Its parts are closed, too. */
static void wait_until_dropped(const struct local_model *m)
{
    for (int64_t end = clock_ms() + PATIENCE_MS; !is_absent(m) && clock_ms() < end;)
        usleep(1000);
    assert_true(is_absent(m));
}

/* Memory for so many copies of the starter. */
static void allow_copies(const struct local_model *like, int n)
{
    struct runtime_limits limits = {.memory_bytes = n * (like->own_bytes + like->identity.size),
                                    .load_timeout_ms = 100};
    runtime_limit(rt, &limits);
}

static void assert_acquire_fails(struct local_model *m, const struct load_wait *wait, enum err_code code,
                                 const char *part)
{
    struct err err = ERR_INIT;
    assert_false(local_model_acquire(m, wait, &err));
    assert_int_equal(err.code, code);
    if (!strstr(err.msg, part))
        fail_msg("'%s' is not in: %s", part, err.msg);
}

/* ---- coming ---- */

static void test_a_declared_model_is_loaded_by_its_first_request(void **state)
{
    (void)state;
    struct starter eager;
    starter_open(&eager, 1);
    struct starter lazy = {.rt = rt, .model = declare("lazy", STARTER, RUNTIME_KEEP_FOREVER)};
    assert_false(is_loaded(lazy.model));
    assert_int_equal(local_model_info(lazy.model)->context, local_model_info(eager.model)->context);
    struct chat_message messages[2];
    struct generation_request req = ask(messages, "Name the intent of this request.", "book a table");
    struct answer *a = answer_of(&eager, &req), *b = answer_of(&lazy, &req);
    assert_same_answer(a, b);
    assert_true(is_loaded(lazy.model));
    free(a);
    free(b);
    starter_close(&eager);
}

static void test_a_model_in_memory_needs_no_file(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct filemap *map;
    struct local_model *m;
    assert_ok(filemap_open(STARTER, &map, &err), err);
    struct model_file file = {.path = "embedded", .bytes = filemap_bytes(map)};
    struct local_model_options options = {.keep_alive_ms = 0};
    assert_ok(runtime_declare(rt, "embedded", &file, &options, &m, &err), err);
    use_once(m);
    wait_until_dropped(m);
    use_once(m);
    wait_until_dropped(m);
    filemap_close(map);
}

static void test_a_broken_file_is_told_when_it_is_declared(void **state)
{
    (void)state;
    char path[100];
    snprintf(path, sizeof path, "%s/broken", dir);
    copy_starter(path);
    assert_int_equal(truncate(path, 100000), 0);
    struct err err = ERR_INIT;
    struct local_model *m;
    struct model_file file = {.path = path};
    struct local_model_options options = {0};
    assert_false(runtime_declare(rt, "broken", &file, &options, &m, &err));
    assert_int_equal(err.code, ERR_CORRUPT);
    unlink(path);
    err = ERR_INIT;
    assert_false(runtime_declare(rt, "broken", &file, &options, &m, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void *acquire_in_thread(void *model)
{
    struct err err = ERR_INIT;
    return (void *)(uintptr_t)local_model_acquire(model, &plain_wait, &err);
}

static void test_all_who_wait_share_one_load(void **state)
{
    (void)state;
    enum { N = 12 };
    struct local_model *m = declare("shared", STARTER, RUNTIME_KEEP_FOREVER);
    pthread_t threads[N];
    void *got;
    for (int i = 0; i < N; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, acquire_in_thread, m), 0);
    for (int i = 0; i < N; i++) {
        pthread_join(threads[i], &got);
        assert_non_null(got);
        local_model_release(m);
    }
    assert_int_equal(m->loads, 1);
}

static void test_a_failed_load_says_why_and_may_be_tried_again(void **state)
{
    (void)state;
    struct local_model *m = declare_copy("mended", RUNTIME_KEEP_FOREVER);
    assert_int_equal(truncate(m->path, 100000), 0);
    assert_acquire_fails(m, &plain_wait, ERR_CORRUPT, "");
    assert_int_equal(unlink(m->path), 0);
    assert_acquire_fails(m, &plain_wait, ERR_NOT_FOUND, "mended is gone");
    copy_starter(m->path);
    use_once(m);
    remove_copies();
}

static bool refuse(void *ctx, struct err *err)
{
    return err_set(err, ERR_CORRUPT, "the digest is not %s", (const char *)ctx);
}

static void test_a_file_that_its_check_refuses_is_not_loaded(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct local_model *m;
    char digest[] = "abc";
    struct model_file file = {.path = STARTER};
    struct local_model_options options = {.check = refuse, .check_ctx = digest};
    assert_ok(runtime_declare(rt, "pinned", &file, &options, &m, &err), err);
    assert_acquire_fails(m, &plain_wait, ERR_CORRUPT, "the digest is not abc");
    assert_false(is_loaded(m));
}

static void test_a_preloaded_model_is_there_without_a_request(void **state)
{
    (void)state;
    struct local_model *m = declare("early", STARTER, RUNTIME_KEEP_FOREVER);
    local_model_preload(m);
    for (int64_t end = clock_ms() + PATIENCE_MS; !is_loaded(m) && clock_ms() < end;)
        usleep(1000);
    assert_true(local_model_try_acquire(m));
    local_model_release(m);
}

/* ---- going ---- */

static void test_a_model_kept_for_no_time_goes_with_its_last_request(void **state)
{
    (void)state;
    struct local_model *m = declare("brief", STARTER, 0);
    acquire(m);
    acquire(m);
    local_model_release(m);
    assert_true(is_loaded(m));
    local_model_release(m);
    wait_until_dropped(m);
    assert_null(m->file);
}

static void test_a_request_may_say_how_long_the_model_stays(void **state)
{
    (void)state;
    struct local_model *m = declare("asked", STARTER, RUNTIME_KEEP_FOREVER);
    struct err err = ERR_INIT;
    struct load_wait brief = {.has_keep_alive = true, .keep_alive_ms = 0};
    use_once(m);
    assert_true(is_loaded(m));
    assert_ok(local_model_acquire(m, &brief, &err), err);
    local_model_release(m);
    wait_until_dropped(m);
}

static void test_an_unloaded_model_goes_when_its_users_have(void **state)
{
    (void)state;
    struct local_model *m = declare("stopped", STARTER, RUNTIME_KEEP_FOREVER);
    acquire(m);
    local_model_unload(m);
    assert_true(is_loaded(m));
    local_model_release(m);
    wait_until_dropped(m);
    use_once(m);
    local_model_unload(m);
    wait_until_dropped(m);
}

/* ---- memory ---- */

static void test_two_names_of_one_file_share_its_map(void **state)
{
    (void)state;
    struct local_model *a = declare("one", STARTER, RUNTIME_KEEP_FOREVER);
    struct local_model *b = declare("two", STARTER, RUNTIME_KEEP_FOREVER);
    struct runtime_limits limits = {.memory_bytes = 2 * a->own_bytes + a->identity.size};
    runtime_limit(rt, &limits);
    acquire(a);
    acquire(b);
    assert_ptr_equal(a->g, b->g);
    local_model_release(a);
    local_model_release(b);
}

static void test_the_least_recently_used_model_makes_room(void **state)
{
    (void)state;
    struct local_model *a = declare_copy("a", RUNTIME_KEEP_FOREVER), *b = declare_copy("b", RUNTIME_KEEP_FOREVER),
                       *c = declare_copy("c", RUNTIME_KEEP_FOREVER);
    allow_copies(a, 2);
    use_once(a);
    usleep(2000);
    use_once(b);
    usleep(2000);
    use_once(a);
    usleep(2000);
    use_once(c);
    assert_true(is_loaded(a));
    assert_false(is_loaded(b));
    assert_true(is_loaded(c));
    remove_copies();
}

static void test_a_model_in_use_stays_and_the_other_waits_within_its_bound(void **state)
{
    (void)state;
    struct local_model *a = declare_copy("used", RUNTIME_KEEP_FOREVER),
                       *b = declare_copy("waits", RUNTIME_KEEP_FOREVER);
    allow_copies(a, 1);
    acquire(a);
    assert_acquire_fails(b, &plain_wait, ERR_BUSY, "no memory for waits");
    assert_true(is_loaded(a));
    pthread_t thread;
    void *got;
    struct runtime_limits patient = {.load_timeout_ms = PATIENCE_MS};
    runtime_limit(rt, &patient);
    assert_int_equal(pthread_create(&thread, NULL, acquire_in_thread, b), 0);
    usleep(10000);
    local_model_release(a);
    pthread_join(thread, &got);
    assert_non_null(got);
    assert_false(is_loaded(a));
    local_model_release(b);
    remove_copies();
}

static void test_a_model_that_waits_for_long_gets_its_turn(void **state)
{
    (void)state;
    struct local_model *a = declare_copy("busy", RUNTIME_KEEP_FOREVER), *b = declare_copy("turn", RUNTIME_KEEP_FOREVER);
    struct runtime_limits limits = {.memory_bytes = a->own_bytes + a->identity.size, .load_timeout_ms = PATIENCE_MS};
    pthread_t waits_for_b, comes_to_a;
    void *got;
    runtime_limit(rt, &limits);
    acquire(a);
    assert_int_equal(pthread_create(&waits_for_b, NULL, acquire_in_thread, b), 0);
    for (bool overdue = false; !overdue;) {
        pthread_mutex_lock(&rt->lock);
        overdue = b->no_room;
        b->wanted_ms = 0;   /* since long ago */
        pthread_mutex_unlock(&rt->lock);
    }
    limits.load_timeout_ms = 10;
    runtime_limit(rt, &limits);
    assert_acquire_fails(a, &plain_wait, ERR_BUSY, "wait for the memory of busy");
    limits.load_timeout_ms = PATIENCE_MS;
    runtime_limit(rt, &limits);
    assert_int_equal(pthread_create(&comes_to_a, NULL, acquire_in_thread, a), 0);
    local_model_release(a);
    pthread_join(waits_for_b, &got);
    assert_non_null(got);
    assert_false(is_loaded(a));
    local_model_release(b);
    pthread_join(comes_to_a, &got);
    assert_non_null(got);
    local_model_release(a);
    remove_copies();
}

static void test_a_model_larger_than_the_budget_is_refused_at_once(void **state)
{
    (void)state;
    struct local_model *m = declare("huge", STARTER, RUNTIME_KEEP_FOREVER);
    struct runtime_limits limits = {.memory_bytes = m->identity.size, .load_timeout_ms = PATIENCE_MS};
    runtime_limit(rt, &limits);
    assert_acquire_fails(m, &plain_wait, ERR_NOMEM, "'memory' in the configuration");
}

/* ---- waiting ---- */

static bool always_gone(void *ctx)
{
    (void)ctx;
    return true;
}

static void test_who_has_gone_away_waits_no_longer(void **state)
{
    (void)state;
    struct local_model *a = declare_copy("held", RUNTIME_KEEP_FOREVER), *b = declare_copy("left", RUNTIME_KEEP_FOREVER);
    struct load_wait wait = {.gone = always_gone};
    struct runtime_limits patient = {.memory_bytes = a->own_bytes + a->identity.size, .load_timeout_ms = PATIENCE_MS};
    runtime_limit(rt, &patient);
    acquire(a);
    assert_acquire_fails(b, &wait, ERR_CANCELLED, "nobody waits");
    local_model_release(a);
    remove_copies();
}

static void test_one_who_waits_too_many_is_turned_away(void **state)
{
    (void)state;
    struct local_model *a = declare_copy("full", RUNTIME_KEEP_FOREVER), *b = declare_copy("next", RUNTIME_KEEP_FOREVER);
    struct runtime_limits limits = {
        .memory_bytes = a->own_bytes + a->identity.size, .load_timeout_ms = PATIENCE_MS, .max_waiting = 1};
    runtime_limit(rt, &limits);
    acquire(a);
    pthread_t thread;
    void *got;
    assert_int_equal(pthread_create(&thread, NULL, acquire_in_thread, b), 0);
    for (bool waits = false; !waits;) {
        pthread_mutex_lock(&rt->lock);
        waits = rt->n_waiting == 1;
        pthread_mutex_unlock(&rt->lock);
    }
    assert_acquire_fails(b, &plain_wait, ERR_BUSY, "1 requests wait");
    local_model_release(a);
    pthread_join(thread, &got);
    assert_non_null(got);
    local_model_release(b);
    remove_copies();
}

#define WITH_RUNTIME(f) cmocka_unit_test_setup_teardown(f, open_runtime, close_runtime)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RUNTIME(test_a_declared_model_is_loaded_by_its_first_request),
        WITH_RUNTIME(test_a_model_in_memory_needs_no_file),
        WITH_RUNTIME(test_a_broken_file_is_told_when_it_is_declared),
        WITH_RUNTIME(test_all_who_wait_share_one_load),
        WITH_RUNTIME(test_a_failed_load_says_why_and_may_be_tried_again),
        WITH_RUNTIME(test_a_file_that_its_check_refuses_is_not_loaded),
        WITH_RUNTIME(test_a_preloaded_model_is_there_without_a_request),
        WITH_RUNTIME(test_a_model_kept_for_no_time_goes_with_its_last_request),
        WITH_RUNTIME(test_a_request_may_say_how_long_the_model_stays),
        WITH_RUNTIME(test_an_unloaded_model_goes_when_its_users_have),
        WITH_RUNTIME(test_two_names_of_one_file_share_its_map),
        WITH_RUNTIME(test_the_least_recently_used_model_makes_room),
        WITH_RUNTIME(test_a_model_in_use_stays_and_the_other_waits_within_its_bound),
        WITH_RUNTIME(test_a_model_that_waits_for_long_gets_its_turn),
        WITH_RUNTIME(test_a_model_larger_than_the_budget_is_refused_at_once),
        WITH_RUNTIME(test_who_has_gone_away_waits_no_longer),
        WITH_RUNTIME(test_one_who_waits_too_many_is_turned_away),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
