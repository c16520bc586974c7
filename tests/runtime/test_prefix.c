/* The cache of beginnings over real engines: what is resumed equals what was fed, bit for bit, wherever it is cut; keys
 * do not see each other; memory comes back from the ends of the least used. */
#include "runtime/schedule/prefix.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>

#include "runtime/schedule/prefix_disk.h"
#include "tests/engine/support_engine.h"

#define CONTEXT 900
#define TOKENS 800

struct scene {
    struct rig rig;
    struct prefix_cache *cache;
    int32_t ids[TOKENS], other[TOKENS];   /* two prompts without a common token */
};

static const struct prefix_key mine = {.salt = 1}, theirs = {.salt = 2};

static struct scene *open_scene(const char *path, enum tensor_type kv_type)
{
    struct scene *x = calloc(1, sizeof *x);
    struct err err = ERR_INIT;
    struct prefix_options options = {.context = CONTEXT, .kv_type = kv_type, .kv_bytes = INT64_MAX};
    assert_non_null(x);
    rig_open(&x->rig, path, 2);
    assert_ok(prefix_open(x->rig.e, &options, &x->cache, &err), err);
    random_ids(5, x->rig.n_vocab / 2, x->ids, TOKENS);
    random_ids(6, x->rig.n_vocab / 2, x->other, TOKENS);
    for (int i = 0; i < TOKENS; i++)
        x->other[i] += (int32_t)(x->rig.n_vocab / 2);
    return x;
}

static int open_plain(void **state)
{
    const char *path = tiny_write(&tiny_qwen3, NULL);
    *state = open_scene(path, TENSOR_F16);
    unlink(path);
    return 0;
}

static int open_windowed(void **state)
{
    const char *path = tiny_write(tiny_of("gemma3"), NULL);
    *state = open_scene(path, TENSOR_F16);
    unlink(path);
    return 0;
}

static int close_scene(void **state)
{
    struct scene *x = *state;
    prefix_close(x->cache);
    rig_close(&x->rig);
    free(x);
    return 0;
}

static struct prefix_resumed resume(const struct scene *x, const struct prefix_key *key, const int32_t *ids, int n)
{
    struct err err = ERR_INIT;
    struct prefix_resumed r;
    int64_t known = prefix_known(x->cache, key, ids, n);
    assert_ok(prefix_resume(x->cache, key, ids, n, &r, &err), err);
    assert_int_equal(known, session_length(r.session));
    assert_true(r.shared >= known && r.shared < n);
    return r;
}

/* Feeds what the session lacks of ids in steps of `most`; logits after the last token, or NULL. */
static void feed(const struct scene *x, struct session *s, const int32_t *ids, int n, int most, float *logits)
{
    for (int at = (int)session_length(s), take; at < n - 1; at += take) {
        take = n - 1 - at < most ? n - 1 - at : most;
        run_tokens(&x->rig, s, ids + at, take, NULL);
    }
    run_tokens(&x->rig, s, ids + n - 1, 1, logits);
}

/* A prompt as the scheduler runs it: resumed, fed in steps of `most` and kept after each; how much it began with. */
static int64_t run_prompt(const struct scene *x, const struct prefix_key *key, const int32_t *ids, int n, int most)
{
    struct prefix_resumed r = resume(x, key, ids, n);
    int64_t began = session_length(r.session);
    while (session_length(r.session) < n) {
        int left = n - (int)session_length(r.session);
        run_tokens(&x->rig, r.session, ids + session_length(r.session), left < most ? left : most, NULL);
        prefix_keep(x->cache, key, ids, r.session);
    }
    session_close(r.session);
    return began;
}

/* The first `shared` of ids, then others. */
static void mix(const struct scene *x, int shared, int n, int32_t *ret)
{
    memcpy(ret, x->ids, (size_t)shared * sizeof *ret);
    memcpy(ret + shared, x->other, (size_t)(n - shared) * sizeof *ret);
}

static void assert_equals_cold(const struct scene *x, enum tensor_type kv_type, struct session *warm,
                               const int32_t *ids, int n)
{
    float *a = alloc_floats(x->rig.n_vocab), *b = alloc_floats(x->rig.n_vocab);
    struct session *cold = rig_session(&x->rig, CONTEXT, kv_type);
    feed(x, warm, ids, n, 29, a);
    feed(x, cold, ids, n, 512, b);
    assert_same_floats(a, b, x->rig.n_vocab);
    session_close(cold);
    free(a);
    free(b);
}

/* ---- what is resumed ---- */

static void check_cuts(const struct scene *x, enum tensor_type kv_type)
{
    static const int cuts[] = {16, 17, 63, 64, 65, 127, 128, 129, 190, 199};
    run_prompt(x, &mine, x->ids, 200, 512);
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        int32_t ids[230];
        mix(x, cuts[i], 230, ids);
        struct prefix_resumed r = resume(x, &mine, ids, 230);
        assert_int_equal(session_length(r.session), cuts[i]);
        assert_int_equal(r.shared, cuts[i]);
        assert_equals_cold(x, kv_type, r.session, ids, 230);
        prefix_keep(x->cache, &mine, ids, r.session);
        session_close(r.session);
    }
    struct prefix_resumed whole = resume(x, &mine, x->ids, 200);
    assert_int_equal(session_length(whole.session), 199);   /* one is left to sample after */
    assert_equals_cold(x, kv_type, whole.session, x->ids, 200);
    session_close(whole.session);
}

static void test_a_resumed_prompt_equals_a_cold_one_wherever_it_parts(void **state)
{
    check_cuts(*state, TENSOR_F16);
}

static void test_the_same_holds_for_every_type_of_keys_and_values(void **state)
{
    (void)state;
    static const enum tensor_type types[] = {TENSOR_F16, TENSOR_F32, TENSOR_Q8_0};
    for (int i = 0; i < 3; i++) {
        void *x = open_scene(STARTER, types[i]);
        check_cuts(x, types[i]);
        close_scene(&x);
    }
}

static void test_the_same_holds_inside_a_window(void **state)
{
    check_cuts(*state, TENSOR_F16);
}

static void test_what_is_too_short_is_not_resumed(void **state)
{
    const struct scene *x = *state;
    int32_t ids[64];
    run_prompt(x, &mine, x->ids, 200, 512);
    mix(x, PREFIX_MIN_TOKENS - 1, 64, ids);
    assert_int_equal(run_prompt(x, &mine, ids, 64, 512), 0);
}

static void test_a_conversation_goes_on_where_it_ended(void **state)
{
    const struct scene *x = *state;
    for (int n = 100; n <= TOKENS; n += 100)
        assert_int_equal(run_prompt(x, &mine, x->ids, n, 512), n - 100);
    assert_int_equal(prefix_stats(x->cache).nodes, 2);   /* the top and the end: nothing else is of use */
    assert_int_equal(prefix_stats(x->cache).tokens, TOKENS);
}

static void test_keys_do_not_see_each_other(void **state)
{
    const struct scene *x = *state;
    assert_int_equal(run_prompt(x, &mine, x->ids, 200, 512), 0);
    assert_int_equal(run_prompt(x, &theirs, x->ids, 200, 512), 0);
    assert_int_equal(run_prompt(x, &mine, x->ids, 200, 512), 199);
    assert_int_equal(run_prompt(x, &theirs, x->ids, 200, 512), 199);
}

static void test_who_comes_while_a_prompt_is_fed_begins_with_what_is_there(void **state)
{
    const struct scene *x = *state;
    struct prefix_resumed first = resume(x, &mine, x->ids, 400);
    run_tokens(&x->rig, first.session, x->ids, 128, NULL);
    prefix_keep(x->cache, &mine, x->ids, first.session);
    struct prefix_resumed second = resume(x, &mine, x->ids, 400);
    assert_int_equal(session_length(second.session), 128);
    assert_equals_cold(x, TENSOR_F16, first.session, x->ids, 400);   /* in turns, each in its own pages */
    assert_equals_cold(x, TENSOR_F16, second.session, x->ids, 400);
    session_close(first.session);
    session_close(second.session);
}

/* ---- sliding windows ---- */

static void test_behind_a_window_the_second_prompt_makes_the_place_for_the_third(void **state)
{
    const struct scene *x = *state;
    int32_t ids[700];
    run_prompt(x, &mine, x->ids, 700, 512);
    mix(x, 100, 700, ids);
    struct prefix_resumed second = resume(x, &mine, ids, 700);
    assert_int_equal(session_length(second.session), 0);   /* 700 tokens on, the window has left 100 behind */
    assert_int_equal(second.shared, 100);
    feed(x, second.session, ids, 100, 512, NULL);
    prefix_keep(x->cache, &mine, ids, second.session);
    session_close(second.session);
    mix(x, 110, 700, ids);
    struct prefix_resumed third = resume(x, &mine, ids, 700);
    assert_int_equal(session_length(third.session), 100);
    assert_int_equal(third.shared, 110);
    assert_equals_cold(x, TENSOR_F16, third.session, ids, 700);
    session_close(third.session);
}

/* ---- memory ---- */

#define EVERYTHING INT64_MAX

static int64_t page_bytes(const struct scene *x)
{
    struct session *s = rig_session(&x->rig, CONTEXT, TENSOR_F16);
    run_tokens(&x->rig, s, x->ids, 1, NULL);
    int64_t bytes = sessions_own_bytes(&s, 1);
    session_close(s);
    return bytes;
}

static void test_what_was_used_longest_ago_loses_its_end_first(void **state)
{
    const struct scene *x = *state;
    int64_t page = page_bytes(x);
    run_prompt(x, &mine, x->ids, 640, 512);
    run_prompt(x, &mine, x->other, 640, 512);
    assert_int_equal(prefix_evict(x->cache, 1), page);
    assert_int_equal(prefix_known(x->cache, &mine, x->ids, 640), 576);
    assert_int_equal(prefix_evict(x->cache, 2 * page), 2 * page);
    assert_int_equal(prefix_known(x->cache, &mine, x->ids, 640), 448);
    assert_int_equal(prefix_known(x->cache, &mine, x->other, 640), 639);
    struct prefix_resumed r = resume(x, &mine, x->ids, 640);
    assert_equals_cold(x, TENSOR_F16, r.session, x->ids, 640);
    session_close(r.session);
    assert_int_equal(prefix_evict(x->cache, EVERYTHING), (7 + 10) * page);
    assert_int_equal(prefix_stats(x->cache).nodes, 0);
    assert_int_equal(prefix_evict(x->cache, EVERYTHING), 0);
}

static void test_a_shared_instruction_outlives_the_questions_after_it(void **state)
{
    const struct scene *x = *state;
    int64_t page = page_bytes(x);
    int32_t ids[350];
    mix(x, 320, 350, ids);
    for (int i = 0; i < 3; i++) {
        ids[320] = x->other[i];
        run_prompt(x, &mine, ids, 350, 512);
    }
    assert_int_equal(prefix_evict(x->cache, 3 * page), 3 * page);
    assert_int_equal(prefix_known(x->cache, &mine, ids, 350), 320);
    assert_int_equal(prefix_evict(x->cache, EVERYTHING), 5 * page);
    assert_int_equal(prefix_known(x->cache, &mine, ids, 350), 0);
}

static void test_what_live_sessions_hold_too_is_left(void **state)
{
    const struct scene *x = *state;
    int64_t page = page_bytes(x);
    run_prompt(x, &mine, x->ids, 640, 512);
    struct prefix_resumed live = resume(x, &mine, x->ids, 449);   /* 448 tokens: seven pages */
    assert_int_equal(prefix_evict(x->cache, EVERYTHING), 3 * page);
    assert_int_equal(prefix_known(x->cache, &mine, x->ids, 640), 448);
    session_close(live.session);
    assert_int_equal(prefix_evict(x->cache, EVERYTHING), 7 * page);
}

static void test_the_tree_has_a_ceiling_and_forgets_the_oldest(void **state)
{
    const struct scene *x = *state;
    struct session *s = rig_session(&x->rig, CONTEXT, TENSOR_F16);
    int32_t ids[20] = {0};
    run_tokens(&x->rig, s, x->ids, 20, NULL);
    for (int i = 0; i < PREFIX_MAX_NODES + 500; i++) {   /* what the tokens are is no matter here */
        ids[0] = i;
        prefix_keep(x->cache, &mine, ids, s);
    }
    assert_int_equal(prefix_stats(x->cache).nodes, PREFIX_MAX_NODES);
    assert_int_equal(prefix_known(x->cache, &mine, ids, 20), 19);
    ids[0] = 0;
    assert_int_equal(prefix_known(x->cache, &mine, ids, 20), 0);
    session_close(s);
}

/* ---- files ---- */

#define LONG_CONTEXT 2200

struct shelf {
    struct scene *scene;
    struct prefix_disk *disk;
    char folder[64];
    int32_t ids[LONG_CONTEXT], other[LONG_CONTEXT];
};

/* The cache of the process that comes next: only the folder is left of the last one. */
static void reopen(struct shelf *x, const char *arch)
{
    struct err err = ERR_INIT;
    const char *path = tiny_write(tiny_of(arch), NULL);
    if (x->scene)
        close_scene(&(void *){x->scene});
    prefix_disk_close(x->disk);
    x->scene = open_scene(path, TENSOR_F16);
    unlink(path);
    assert_ok(prefix_disk_open(x->folder, 1 << 30, &x->disk, &err), err);
    struct prefix_options options = {
        .context = LONG_CONTEXT, .kv_type = TENSOR_F16, .kv_bytes = INT64_MAX, .disk = x->disk};
    prefix_close(x->scene->cache);
    assert_ok(prefix_open(x->scene->rig.e, &options, &x->scene->cache, &err), err);
}

static int open_shelf(void **state)
{
    struct shelf *x = calloc(1, sizeof *x);
    assert_non_null(x);
    snprintf(x->folder, sizeof x->folder, "/tmp/rung-shelf-XXXXXX");
    assert_non_null(mkdtemp(x->folder));
    random_ids(8, 90, x->ids, LONG_CONTEXT);
    random_ids(9, 90, x->other, LONG_CONTEXT);
    *state = x;
    return 0;
}

static int close_shelf(void **state)
{
    struct shelf *x = *state;
    char command[100];
    close_scene(&(void *){x->scene});
    prefix_disk_close(x->disk);
    snprintf(command, sizeof command, "rm -r %s", x->folder);
    assert_int_equal(system(command), 0);
    free(x);
    return 0;
}

static int64_t known(const struct shelf *x, const int32_t *ids, int n)
{
    return prefix_known(x->scene->cache, &mine, ids, n);
}

static void test_long_prompts_are_written_though_seen_once_but_not_one_after_the_other(void **state)
{
    struct shelf *x = *state;
    reopen(x, "qwen3");
    run_prompt(x->scene, &mine, x->ids, 1100, 512);
    prefix_save(x->scene->cache, &mine, x->ids, 1100, 0);
    run_prompt(x->scene, &mine, x->other, 1100, 512);
    prefix_save(x->scene->cache, &mine, x->other, 1100, 0);
    reopen(x, "qwen3");
    assert_int_equal(known(x, x->ids, 1200), 1100);
    assert_int_equal(known(x, x->other, 1200), 0);
    struct prefix_resumed r = resume(x->scene, &mine, x->ids, 800);
    assert_int_equal(session_length(r.session), 799);   /* a longer state serves what is shorter */
    session_close(r.session);
}

static void test_state_of_windows_is_written_where_two_prompts_parted(void **state)
{
    struct shelf *x = *state;
    reopen(x, "gemma3");
    memcpy(x->other, x->ids, 500 * sizeof *x->ids);
    for (int i = 0; i < 2; i++) {
        const int32_t *ids = i ? x->other : x->ids;
        struct prefix_resumed r = resume(x->scene, &mine, ids, 1000);
        feed(x->scene, r.session, ids, 500, 512, NULL);
        prefix_keep(x->scene->cache, &mine, ids, r.session);
        feed(x->scene, r.session, ids, 1000, 512, NULL);
        prefix_keep(x->scene->cache, &mine, ids, r.session);
        session_close(r.session);
        prefix_save(x->scene->cache, &mine, ids, 1000, i ? 500 : 0);
    }
    reopen(x, "gemma3");
    assert_int_equal(known(x, x->other, 700), 500);
    assert_int_equal(known(x, x->ids, 490), 0);   /* not to be reached from 500: the window is not in the file */
}

static void test_files_of_another_model_are_not_used(void **state)
{
    struct shelf *x = *state;
    reopen(x, "qwen3");
    run_prompt(x->scene, &mine, x->ids, 1100, 512);
    prefix_save(x->scene->cache, &mine, x->ids, 1100, 0);
    reopen(x, "llama");
    assert_int_equal(known(x, x->ids, 1100), 0);
    reopen(x, "qwen3");
    assert_int_equal(known(x, x->ids, 1100), 1099);
}

/* How many of the folder's files end so; the path of one of them goes to `path` where that is given. */
static int files_of(const struct shelf *x, const char *ending, char *path, size_t size)
{
    int n = 0;
    DIR *dir = opendir(x->folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (!str_ends(str_of(entry->d_name), str_of(ending)))
            continue;
        n++;
        if (path)
            snprintf(path, size, "%s/%s", x->folder, entry->d_name);
    }
    closedir(dir);
    return n;
}

static void test_what_a_killed_process_began_to_write_is_written_anew(void **state)
{
    struct shelf *x = *state;
    char whole[400], begun[420];
    reopen(x, "qwen3");
    run_prompt(x->scene, &mine, x->ids, 1100, 512);
    prefix_save(x->scene->cache, &mine, x->ids, 1100, 0);
    reopen(x, "qwen3");
    assert_int_equal(files_of(x, ".prefix", whole, sizeof whole), 1);
    snprintf(begun, sizeof begun, "%.*s.begun", (int)(strlen(whole) - strlen(".prefix")), whole);
    unlink(whole);
    reopen(x, "qwen3");
    assert_int_equal(close(open(begun, O_WRONLY | O_CREAT, 0600)), 0);
    assert_int_equal(truncate(begun, 1 << 20), 0);
    run_prompt(x->scene, &mine, x->ids, 1100, 512);
    prefix_save(x->scene->cache, &mine, x->ids, 1100, 0);
    reopen(x, "qwen3");
    assert_int_equal(known(x, x->ids, 1200), 1100);
    assert_int_equal(close(open(begun, O_WRONLY | O_CREAT, 0600)), 0);
    reopen(x, "qwen3");
    assert_int_equal(files_of(x, ".begun", NULL, 0), 0);
}

static void test_what_another_process_is_writing_is_left_alone(void **state)
{
    struct shelf *x = *state;
    char begun[100];
    reopen(x, "qwen3");
    snprintf(begun, sizeof begun, "%s/0123456789abcdef.begun", x->folder);
    int fd = open(begun, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    reopen(x, "qwen3");
    assert_int_equal(files_of(x, ".begun", NULL, 0), 1);
    close(fd);
}

static void test_a_secret_that_could_not_be_written_is_not_left_half(void **state)
{
    struct shelf *x = *state;
    char secret[100];
    struct rlimit whole, none;
    struct err err = ERR_INIT;
    struct prefix_disk *disk;
    reopen(x, "qwen3");
    snprintf(secret, sizeof secret, "%s/secret", x->folder);
    assert_int_equal(unlink(secret), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &whole), 0);
    none = (struct rlimit){0, whole.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);   /* as a full disk */
    bool opened = prefix_disk_open(x->folder, 1 << 30, &disk, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &whole), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_false(opened);
    assert_non_null(strstr(err.msg, "cannot write"));
    assert_int_equal(access(secret, F_OK), -1);
}

static void test_a_file_where_the_folder_should_be_is_named(void **state)
{
    struct shelf *x = *state;
    char path[100];
    struct err err = ERR_INIT;
    struct prefix_disk *disk;
    reopen(x, "qwen3");
    snprintf(path, sizeof path, "%s/file", x->folder);
    assert_int_equal(close(open(path, O_WRONLY | O_CREAT, 0600)), 0);
    assert_false(prefix_disk_open(path, 1 << 30, &disk, &err));
    assert_non_null(strstr(err.msg, "is no folder"));
}

/* What the tokens are is no matter here: a state of its own is remembered for these, and saved. */
static void keep_and_save(const struct scene *x, struct str state, const int32_t *ids)
{
    struct err err = ERR_INIT;
    struct session *s = rig_session(&x->rig, LONG_CONTEXT, TENSOR_F16);
    assert_ok(session_restore(s, state, &err), err);
    prefix_keep(x->cache, &mine, ids, s);
    session_close(s);
    prefix_save(x->cache, &mine, ids, PREFIX_SAVE_SHARED, PREFIX_SAVE_SHARED);
}

static void test_files_make_way_in_the_tree_for_new_prompts(void **state)
{
    struct shelf *x = *state;
    struct err err = ERR_INIT;
    struct buf bytes = BUF_INIT(1 << 20);
    int32_t ids[PREFIX_SAVE_SHARED + 1] = {0};
    reopen(x, "qwen3");
    struct session *s = rig_session(&x->scene->rig, LONG_CONTEXT, TENSOR_F16);
    run_tokens(&x->scene->rig, s, x->ids, PREFIX_SAVE_SHARED, NULL);
    assert_ok(session_snapshot(s, &bytes, &err), err);
    session_close(s);
    for (int i = 0; i < PREFIX_MAX_NODES + 100; i++) {
        ids[0] = i;
        for (int tries = 0; known(x, ids, PREFIX_SAVE_SHARED + 1) == 0; tries++) {   /* the writer has enough to do */
            assert_true(tries < 100000 && usleep(tries > 0 ? 100 : 0) == 0);
            keep_and_save(x->scene, buf_view(&bytes), ids);
            prefix_evict(x->scene->cache, EVERYTHING);
        }
    }
    assert_true(prefix_stats(x->scene->cache).nodes <= PREFIX_MAX_NODES);
    buf_free(&bytes);
}

/* ---- against a naive model: every prompt so far ---- */

#define ROUNDS 150
#define MOST 260

static int longest_shared(int32_t (*prompts)[MOST], const int *lengths, int n, const int32_t *ids, int n_ids)
{
    int longest = 0;
    for (int i = 0; i < n; i++) {
        int shared = 0;
        while (shared < lengths[i] && shared < n_ids - 1 && prompts[i][shared] == ids[shared])
            shared++;
        longest = shared > longest ? shared : longest;
    }
    return longest >= PREFIX_MIN_TOKENS ? longest : 0;
}

static void test_random_prompts_begin_with_the_longest_one_known(void **state)
{
    const struct scene *x = *state;
    static int32_t prompts[ROUNDS][MOST];
    int lengths[ROUNDS];
    bool evicted = false;
    for (int i = 0; i < ROUNDS; i++) {
        int n = lengths[i] = 1 + random_below(70, (uint64_t)i, MOST);
        random_ids(100 + (uint64_t)i, x->rig.n_vocab, prompts[i], n);
        if (i > 0 && random_below(71, (uint64_t)i, 4)) {
            int of = random_below(72, (uint64_t)i, i), shared = random_below(73, (uint64_t)i, lengths[of] + 1);
            memcpy(prompts[i], prompts[of], (size_t)(shared < n ? shared : n) * sizeof(int32_t));
        }
        int expected = longest_shared(prompts, lengths, i, prompts[i], n);
        struct prefix_resumed r = resume(x, &mine, prompts[i], n);
        assert_true(evicted ? session_length(r.session) <= expected : session_length(r.session) == expected);
        assert_equals_cold(x, TENSOR_F16, r.session, prompts[i], n);
        prefix_keep(x->cache, &mine, prompts[i], r.session);
        session_close(r.session);
        evicted = evicted || i >= ROUNDS / 2;
        if (evicted)
            prefix_evict(x->cache, random_below(74, (uint64_t)i, 5) * page_bytes(x));
    }
}

int main(void)
{
#define PLAIN_TEST(f) cmocka_unit_test_setup_teardown(f, open_plain, close_scene)
#define SHELF_TEST(f) cmocka_unit_test_setup_teardown(f, open_shelf, close_shelf)
#define WINDOWED_TEST(f) cmocka_unit_test_setup_teardown(f, open_windowed, close_scene)
    const struct CMUnitTest tests[] = {
        PLAIN_TEST(test_a_resumed_prompt_equals_a_cold_one_wherever_it_parts),
        cmocka_unit_test(test_the_same_holds_for_every_type_of_keys_and_values),
        WINDOWED_TEST(test_the_same_holds_inside_a_window),
        PLAIN_TEST(test_what_is_too_short_is_not_resumed),
        PLAIN_TEST(test_a_conversation_goes_on_where_it_ended),
        PLAIN_TEST(test_keys_do_not_see_each_other),
        PLAIN_TEST(test_who_comes_while_a_prompt_is_fed_begins_with_what_is_there),
        WINDOWED_TEST(test_behind_a_window_the_second_prompt_makes_the_place_for_the_third),
        PLAIN_TEST(test_what_was_used_longest_ago_loses_its_end_first),
        PLAIN_TEST(test_a_shared_instruction_outlives_the_questions_after_it),
        PLAIN_TEST(test_what_live_sessions_hold_too_is_left),
        PLAIN_TEST(test_the_tree_has_a_ceiling_and_forgets_the_oldest),
        SHELF_TEST(test_long_prompts_are_written_though_seen_once_but_not_one_after_the_other),
        SHELF_TEST(test_state_of_windows_is_written_where_two_prompts_parted),
        SHELF_TEST(test_files_of_another_model_are_not_used),
        SHELF_TEST(test_what_a_killed_process_began_to_write_is_written_anew),
        SHELF_TEST(test_what_another_process_is_writing_is_left_alone),
        SHELF_TEST(test_a_secret_that_could_not_be_written_is_not_left_half),
        SHELF_TEST(test_a_file_where_the_folder_should_be_is_named),
        SHELF_TEST(test_files_make_way_in_the_tree_for_new_prompts),
        PLAIN_TEST(test_random_prompts_begin_with_the_longest_one_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
