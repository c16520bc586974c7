/* Generations that begin with what earlier prompts left behind: the same answers, fewer tokens computed, and nothing
 * that one owner could learn of another. */
#include "../support.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "support_runtime.h"

#define WORDS "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
/* More than 100 tokens of the starter's context of 512. */
#define INSTRUCTION "Name the intent of this request. " WORDS WORDS WORDS WORDS WORDS WORDS WORDS

static struct answer *ask_about(struct starter *s, const char *owner, const char *instruction, const char *user)
{
    struct chat_message messages[2];
    struct generation_request req = ask(messages, instruction, user);
    req.owner = str_of(owner);
    req.max_tokens = 8;
    return answer_of(s, &req);
}

static struct answer *ask_as(struct starter *s, const char *owner, const char *user)
{
    return ask_about(s, owner, INSTRUCTION, user);
}

static int64_t cached(struct starter *s, const char *owner, const char *user)
{
    struct answer *a = ask_as(s, owner, user);
    int64_t n = a->usage.cached_tokens;
    assert_true(n < a->usage.prompt_tokens);
    free(a);
    return n;
}

static int open_starter(void **state)
{
    struct starter *s = calloc(1, sizeof *s);
    starter_open(s, 2);
    *state = s;
    return 0;
}

static int close_starter(void **state)
{
    starter_close(*state);
    free(*state);
    return 0;
}

static void test_a_repeated_prompt_is_cached_but_for_one_token(void **state)
{
    struct answer *cold = ask_as(*state, "", "book a flight"), *warm = ask_as(*state, "", "book a flight");
    assert_int_equal(cold->usage.cached_tokens, 0);
    assert_int_equal(warm->usage.cached_tokens, warm->usage.prompt_tokens - 1);
    assert_int_equal(warm->usage.prompt_tokens, cold->usage.prompt_tokens);
    assert_same_answer(cold, warm);
    free(cold);
    free(warm);
}

static void test_another_question_after_the_same_instruction_is_cached_as_far(void **state)
{
    struct starter other;
    starter_open(&other, 1);
    int64_t first = cached(*state, "", "book a flight");
    struct answer *warm = ask_as(*state, "", "play some jazz"), *cold = ask_as(&other, "", "play some jazz");
    assert_int_equal(first, 0);
    assert_true(warm->usage.cached_tokens > 100);
    assert_true(warm->usage.cached_tokens < warm->usage.prompt_tokens - 1);
    assert_same_answer(cold, warm);
    free(cold);
    free(warm);
    starter_close(&other);
}

static void test_owners_learn_nothing_of_each_others_prompts(void **state)
{
    assert_int_equal(cached(*state, "sk-anna", "book a flight"), 0);
    assert_int_equal(cached(*state, "sk-bert", "book a flight"), 0);
    assert_int_equal(cached(*state, "", "book a flight"), 0);
    assert_true(cached(*state, "sk-anna", "book a flight") > 100);
    assert_true(cached(*state, "sk-bert", "book a flight") > 100);
}

static void test_prompts_that_come_together_are_computed_once(void **state)
{
    static const char *const questions[] = {"book a flight", "play some jazz", "book a flight", "what is the time",
                                            "set an alarm",  "play some rock", "call my mother", "book a flight"};
    enum { N = sizeof questions / sizeof *questions };
    struct starter other;
    struct generation *all[N];
    struct chat_message messages[N][2];
    starter_open(&other, 1);
    for (int i = 0; i < N; i++) {
        struct generation_request req = ask(messages[i], INSTRUCTION, questions[i]);
        req.max_tokens = 8;
        all[i] = begin(*state, &req);
    }
    for (int i = 0; i < N; i++) {
        struct answer *together = collect(all[i]), *alone = ask_as(&other, questions[i], questions[i]);
        assert_true(i == 0 ? together->usage.cached_tokens == 0 : together->usage.cached_tokens > 100);
        assert_same_answer(together, alone);
        free(together);
        free(alone);
    }
    starter_close(&other);
}

/* Memory for one full context: what is remembered goes, running answers are preempted, and all come out the same. */
static void test_answers_stay_the_same_when_memory_is_short(void **state)
{
    (void)state;
    enum { ROUNDS = 3, N = 12 };
    static const char *const words[] = {"red", "green", "blue", "white"};
    static const char *const questions[] = {"book a flight", "play some jazz", "what is the time"};
    struct starter tight = {0}, cold;
    struct err err = ERR_INIT;
    struct filemap *map;
    starter_open(&cold, 1);
    int64_t one = engine_session_bytes(&local_model_info(cold.model)->engine, TENSOR_F16, 512);
    struct local_model_options options = {.kv_bytes = one};
    assert_ok(runtime_open(2, &tight.rt, &err), err);
    assert_ok(filemap_open(RUNG_ROOT "/models/starter.gguf", &map, &err), err);
    assert_ok(runtime_load(tight.rt, "starter", map, &options, &tight.model, &err), err);
    for (int i = 0; i < ROUNDS * N; i += N) {
        struct generation *all[N];
        struct chat_message messages[N][2];
        char instructions[N][1024];
        for (int k = 0; k < N; k++) {
            snprintf(instructions[k], sizeof instructions[k], "%s " INSTRUCTION, words[(i + k) % 4]);
            struct generation_request req = ask(messages[k], instructions[k], questions[k % 3]);
            req.max_tokens = 8;
            all[k] = begin(&tight, &req);
        }
        for (int k = 0; k < N; k++) {
            char owner[24];   /* a new one each time: nothing is known */
            snprintf(owner, sizeof owner, "%d", i + k);
            struct answer *a = collect(all[k]), *alone = ask_about(&cold, owner, instructions[k], questions[k % 3]);
            assert_int_equal(alone->usage.cached_tokens, 0);
            assert_same_answer(a, alone);
            free(a);
            free(alone);
        }
    }
    starter_close(&tight);
    starter_close(&cold);
}

static void test_a_conversation_goes_on_from_its_last_answer(void **state)
{
    struct starter *s = *state;
    struct answer *first = ask_as(s, "", "book a flight");
    struct chat_message messages[4];
    struct generation_request req = ask(messages, INSTRUCTION, "book a flight");
    messages[2] = (struct chat_message){.role = STR("assistant"), .content = str_of(first->text)};
    messages[3] = (struct chat_message){.role = STR("user"), .content = STR("and a hotel")};
    req.n_messages = 4;
    struct answer *second = answer_of(s, &req);
    assert_int_equal(second->finish, FINISH_STOP);
    assert_true(second->usage.cached_tokens >= first->usage.prompt_tokens + first->n_tokens - 1);
    free(first);
    free(second);
}

/* ---- across restarts ---- */

struct folder {
    char path[64];
};

static int make_folder(void **state)
{
    struct folder *f = calloc(1, sizeof *f);
    snprintf(f->path, sizeof f->path, "/tmp/rung-prefixes-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    *state = f;
    return 0;
}

/* Calls each with every file of prompts; returns their number. */
static int each_file(const struct folder *f, void (*each)(const char *path))
{
    int n = 0;
    DIR *dir = opendir(f->path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", f->path, entry->d_name);
        if (!strstr(entry->d_name, ".prefix"))
            continue;
        n++;
        if (each)
            each(path);
    }
    closedir(dir);
    return n;
}

static void remove_file(const char *path) { unlink(path); }

static int remove_folder(void **state)
{
    struct folder *f = *state;
    char path[100];
    each_file(f, remove_file);
    snprintf(path, sizeof path, "%s/secret", f->path);
    unlink(path);
    assert_int_equal(rmdir(f->path), 0);
    free(f);
    return 0;
}

static void open_on_disk(struct starter *s, const struct folder *f, int64_t max_bytes)
{
    struct err err = ERR_INIT;
    struct model_file file = {.path = RUNG_ROOT "/models/starter.gguf"};
    struct local_model_options options = {.keep_alive_ms = RUNTIME_KEEP_FOREVER};
    assert_ok(runtime_open(2, &s->rt, &err), err);
    assert_ok(runtime_remember_on_disk(s->rt, f->path, max_bytes, &err), err);
    assert_ok(runtime_declare(s->rt, "starter", &file, &options, &s->model, &err), err);
}

#define PLENTY (1 << 30)

/* A process that answers two questions after the same instruction: the second one shows that it is one. */
static void live_once(const struct folder *f, int64_t max_bytes)
{
    struct starter s;
    open_on_disk(&s, f, max_bytes);
    cached(&s, "sk-anna", "book a flight");
    cached(&s, "sk-anna", "play some jazz");
    starter_close(&s);
}

static void assert_mode(const char *path, mode_t mode)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, mode);
}

static void assert_private(const char *path) { assert_mode(path, 0600); }

static void test_a_new_process_begins_with_what_the_last_one_knew(void **state)
{
    const struct folder *f = *state;
    struct starter s, other;
    live_once(f, PLENTY);
    assert_true(each_file(f, assert_private) > 0);
    starter_open(&other, 1);
    open_on_disk(&s, f, PLENTY);
    struct answer *warm = ask_as(&s, "sk-anna", "what is the time"), *cold = ask_as(&other, "", "what is the time");
    assert_true(warm->usage.cached_tokens > 100);
    assert_same_answer(warm, cold);
    assert_int_equal(cached(&s, "sk-bert", "what is the time"), 0);   /* whose prompt it is outlives the process too */
    free(warm);
    free(cold);
    starter_close(&s);
    starter_close(&other);
}

static void test_what_must_not_be_written_is_not(void **state)
{
    const struct folder *f = *state;
    struct starter s;
    struct chat_message messages[2];
    struct generation_request req = ask(messages, INSTRUCTION, "book a flight");
    req.max_tokens = 2;
    req.off_disk = true;
    open_on_disk(&s, f, PLENTY);
    for (int i = 0; i < 3; i++) {
        struct answer *a = answer_of(&s, &req);
        assert_int_equal(a->usage.cached_tokens, i ? a->usage.prompt_tokens - 1 : 0);
        free(a);
    }
    starter_close(&s);
    assert_int_equal(each_file(f, NULL), 0);
}

static void test_a_prompt_seen_once_is_not_written(void **state)
{
    const struct folder *f = *state;
    struct starter s;
    open_on_disk(&s, f, PLENTY);
    cached(&s, "", "book a flight");
    starter_close(&s);
    assert_int_equal(each_file(f, NULL), 0);
}

static void damage(const char *path)
{
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    fseek(file, -100, SEEK_END);   /* in the state, which is read last */
    int c = fgetc(file);
    fseek(file, -1, SEEK_CUR);
    fputc(c ^ 1, file);
    fclose(file);
}

static void cut_short(const char *path) { assert_int_equal(truncate(path, 200), 0); }

static void overwrite(const char *path)
{
    FILE *file = fopen(path, "wb");
    fputs("not a file of the prefix cache, but long enough to hold the header of one, and then some", file);
    fclose(file);
}

static void test_files_that_cannot_be_trusted_are_removed(void **state)
{
    static void (*const spoil[])(const char *) = {damage, cut_short, overwrite};
    const struct folder *f = *state;
    for (size_t i = 0; i < sizeof spoil / sizeof *spoil; i++) {
        struct starter s;
        live_once(f, PLENTY);
        assert_true(each_file(f, spoil[i]) > 0);
        open_on_disk(&s, f, PLENTY);
        assert_int_equal(cached(&s, "sk-anna", "what is the time"), 0);
        assert_int_equal(each_file(f, NULL), 0);
        starter_close(&s);
    }
}

static void test_what_is_larger_than_the_folder_may_be_is_not_written(void **state)
{
    const struct folder *f = *state;
    live_once(f, 1000);
    assert_int_equal(each_file(f, NULL), 0);
}

static off_t largest;

static void measure(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    largest = st.st_size > largest ? st.st_size : largest;
}

/* Instructions that differ from their first word on. */
static int64_t cached_behind(struct starter *s, const char *word, const char *user)
{
    char instruction[1024];
    snprintf(instruction, sizeof instruction, "%s " INSTRUCTION, word);
    struct answer *a = ask_about(s, "", instruction, user);
    int64_t n = a->usage.cached_tokens;
    free(a);
    return n;
}

static void remember(struct starter *s, const char *word)
{
    cached_behind(s, word, "book a flight");
    cached_behind(s, word, "play some jazz");
}

static void test_a_full_folder_loses_what_was_used_longest_ago(void **state)
{
    const struct folder *f = *state;
    struct starter s;
    open_on_disk(&s, f, PLENTY);
    remember(&s, "red");
    starter_close(&s);
    assert_int_equal(each_file(f, measure), 1);
    int64_t three = largest * 7 / 2;
    open_on_disk(&s, f, three);
    remember(&s, "green");
    remember(&s, "blue");
    starter_close(&s);
    assert_int_equal(each_file(f, NULL), 3);
    open_on_disk(&s, f, three);
    assert_true(cached_behind(&s, "red", "what is the time") > 100);   /* the oldest file, and used again */
    remember(&s, "white");
    starter_close(&s);
    assert_int_equal(each_file(f, NULL), 3);
    open_on_disk(&s, f, three);
    assert_true(cached_behind(&s, "red", "set an alarm") > 100);
    assert_true(cached_behind(&s, "blue", "set an alarm") > 100);
    assert_true(cached_behind(&s, "white", "set an alarm") > 100);
    assert_int_equal(cached_behind(&s, "green", "set an alarm"), 0);
    starter_close(&s);
}

static char newest[400];
static int64_t age_s;

/* The first that is met is the newest. */
static void grow_old(const char *path)
{
    struct timespec at = {.tv_sec = 1700000000 - age_s};
    assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[]){at, at}, 0), 0);
    if (age_s++ == 0)
        snprintf(newest, sizeof newest, "%s", path);
}

static void test_a_folder_that_may_hold_less_keeps_what_was_used_last(void **state)
{
    const struct folder *f = *state;
    struct starter s;
    open_on_disk(&s, f, PLENTY);
    remember(&s, "red");
    remember(&s, "green");
    remember(&s, "blue");
    starter_close(&s);
    largest = age_s = 0;
    assert_int_equal(each_file(f, measure), 3);
    each_file(f, grow_old);
    open_on_disk(&s, f, largest * 3 / 2);
    starter_close(&s);
    assert_int_equal(each_file(f, NULL), 1);
    assert_int_equal(access(newest, F_OK), 0);
    open_on_disk(&s, f, largest / 2);
    starter_close(&s);
    assert_int_equal(each_file(f, NULL), 0);
}

static void test_a_folder_that_others_can_read_is_refused(void **state)
{
    const struct folder *f = *state;
    struct err err = ERR_INIT;
    struct runtime *rt;
    assert_ok(runtime_open(1, &rt, &err), err);
    assert_int_equal(chmod(f->path, 0755), 0);
    assert_false(runtime_remember_on_disk(rt, f->path, PLENTY, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.msg, "chmod 700"));
    runtime_close(rt);
}

int main(void)
{
#define STARTER_TEST(f) cmocka_unit_test_setup_teardown(f, open_starter, close_starter)
#define FOLDER_TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        STARTER_TEST(test_a_repeated_prompt_is_cached_but_for_one_token),
        STARTER_TEST(test_another_question_after_the_same_instruction_is_cached_as_far),
        STARTER_TEST(test_owners_learn_nothing_of_each_others_prompts),
        STARTER_TEST(test_prompts_that_come_together_are_computed_once),
        cmocka_unit_test(test_answers_stay_the_same_when_memory_is_short),
        STARTER_TEST(test_a_conversation_goes_on_from_its_last_answer),
        FOLDER_TEST(test_a_new_process_begins_with_what_the_last_one_knew),
        FOLDER_TEST(test_what_must_not_be_written_is_not),
        FOLDER_TEST(test_a_prompt_seen_once_is_not_written),
        FOLDER_TEST(test_files_that_cannot_be_trusted_are_removed),
        FOLDER_TEST(test_what_is_larger_than_the_folder_may_be_is_not_written),
        FOLDER_TEST(test_a_full_folder_loses_what_was_used_longest_ago),
        FOLDER_TEST(test_a_folder_that_may_hold_less_keeps_what_was_used_last),
        FOLDER_TEST(test_a_folder_that_others_can_read_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
