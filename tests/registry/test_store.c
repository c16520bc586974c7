/* The store of models by names: what is found where, what pins forbid, what a changed file does, what rm and cp leave.
 * Every test has a folder of its own with Rung's store, an Ollama store beside it, and a rung.lock. */
#include "../support.h"

#include <sys/stat.h>

#include "base/buf.h"
#include "registry/digest.h"
#include "registry/pull.h"
#include "registry/registry.h"

#define STARTER RUNG_ROOT "/models/starter.gguf"
#define MEDIA "application/vnd.ollama.image."

static char home[64];

static void run_in_home(const char *command)
{
    char line[1024];
    snprintf(line, sizeof line, "cd %s && %s", home, command);
    assert_int_equal(system(line), 0);
}

static int make_home(void **state)
{
    (void)state;
    char rung[100], ollama[100];
    snprintf(home, sizeof home, "/tmp/rung-test-store-XXXXXX");
    if (!mkdtemp(home))
        return -1;
    snprintf(rung, sizeof rung, "%s/rung", home);
    snprintf(ollama, sizeof ollama, "%s/ollama", home);
    setenv("HOME", home, 1);
    setenv("RUNG_MODELS", rung, 1);
    setenv("OLLAMA_MODELS", ollama, 1);
    return 0;
}

static int drop_home(void **state)
{
    (void)state;
    char line[100];
    snprintf(line, sizeof line, "rm -rf %s", home);
    return system(line);
}

static void write_file(const char *below_home, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", home, below_home);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* A model in a store, its weights the given bytes; ret_digest gets their digest. */
static void put_model(const char *store, const char *host, const char *space, const char *model, const char *tag,
                      const char *bytes, char ret_digest[DIGEST_HEX + 1])
{
    char path[300], manifest[600], folders[400];
    struct err err = ERR_INIT;
    assert_ok(digest_of(str_of(bytes), ret_digest, &err), err);
    snprintf(folders, sizeof folders, "mkdir -p %s/blobs %s/manifests/%s/%s/%s", store, store, host, space, model);
    run_in_home(folders);
    snprintf(path, sizeof path, "%s/blobs/sha256-%s", store, ret_digest);
    write_file(path, bytes);
    snprintf(manifest, sizeof manifest,
             "{\"schemaVersion\":2,\"layers\":[{\"mediaType\":\"" MEDIA "model\",\"digest\":\"sha256:%s\",\"size\":%zu}]}",
             ret_digest, strlen(bytes));
    snprintf(path, sizeof path, "%s/manifests/%s/%s/%s/%s", store, host, space, model, tag);
    write_file(path, manifest);
}

static struct registry *open_registry(void)
{
    struct registry *r;
    struct err err = ERR_INIT;
    assert_ok(registry_open(home, &r, &err), err);
    return r;
}

static struct registry_model *find(struct registry *r, const char *name)
{
    static struct registry_model m;
    struct err err = ERR_INIT;
    assert_ok(registry_find(r, name, &m, &err), err);
    return &m;
}

static enum err_code find_fails(struct registry *r, const char *name)
{
    static struct registry_model m;
    struct err err = ERR_INIT;
    assert_false(registry_find(r, name, &m, &err));
    assert_true(err.msg[0] != '\0');
    return err.code;
}

static void test_rungs_own_store_comes_before_ollamas(void **state)
{
    (void)state;
    char own[DIGEST_HEX + 1], theirs[DIGEST_HEX + 1];
    put_model("ollama", "registry.ollama.ai", "library", "a", "latest", "theirs", theirs);
    put_model("ollama", "hf.co", "org", "repo", "q8_0", "hugging", own);
    struct registry *r = open_registry();
    assert_string_equal(find(r, "a")->digest, theirs);
    assert_int_equal(find(r, "a")->owner, OWNER_OLLAMA);
    assert_string_equal(find(r, "hf.co/org/repo:Q8_0")->digest, own);
    put_model("rung", "registry.ollama.ai", "library", "a", "latest", "own", own);
    assert_string_equal(find(r, "a")->digest, own);
    assert_int_equal(find(r, "a")->owner, OWNER_RUNG);
    assert_int_equal(find_fails(r, "b"), ERR_NOT_FOUND);
    registry_close(r);
}

static bool count(void *ctx, const struct registry_model *m)
{
    int *n = ctx;
    assert_true(m->name[0] && m->size > 0);
    ++*n;
    return true;
}

static void test_each_lists_a_name_once_and_no_broken_one(void **state)
{
    (void)state;
    char d[DIGEST_HEX + 1];
    int n = 0;
    struct err err = ERR_INIT;
    put_model("ollama", "registry.ollama.ai", "library", "a", "latest", "x", d);
    put_model("rung", "registry.ollama.ai", "library", "a", "latest", "y", d);
    put_model("rung", "registry.ollama.ai", "library", "b", "1", "z", d);
    run_in_home("mkdir -p rung/manifests/h/s/broken && echo '{}' > rung/manifests/h/s/broken/t");
    run_in_home("mkdir rung/manifests/h/s/broken/folder && touch 'rung/manifests/h/s/broken/.t' rung/manifests/'a b'");
    struct registry *r = open_registry();
    assert_ok(registry_each(r, count, &n, &err), err);
    assert_int_equal(n, 2);
    registry_close(r);
}

static void test_a_changed_file_is_refused(void **state)
{
    (void)state;
    char d[DIGEST_HEX + 1], path[200];
    struct err err = ERR_INIT;
    put_model("rung", "registry.ollama.ai", "library", "a", "latest", "weights", d);
    struct registry *r = open_registry();
    assert_ok(registry_verify(r, find(r, "a"), NULL, &err), err);
    snprintf(path, sizeof path, "rung/blobs/sha256-%s", d);
    write_file(path, "WEIGHTS");
    assert_false(registry_verify(r, find(r, "a"), NULL, &err));
    assert_int_equal(err.code, ERR_CORRUPT);
    write_file(path, "weights");
    assert_ok(registry_verify(r, find(r, "a"), NULL, &err), err);
    write_file(path, "short");
    assert_int_equal(find_fails(r, "a"), ERR_CORRUPT);
    registry_close(r);
}

static int n_steps;
static bool count_steps(void *ctx, int64_t done, int64_t total)
{
    (void)ctx;
    assert_true(done <= total);
    n_steps++;
    return true;
}

static void test_a_verified_file_is_not_read_again(void **state)
{
    (void)state;
    char d[DIGEST_HEX + 1];
    struct err err = ERR_INIT;
    const struct remote_progress progress = {.step = count_steps};
    put_model("rung", "registry.ollama.ai", "library", "a", "latest", "weights", d);
    struct registry *r = open_registry();
    n_steps = 0;
    assert_ok(registry_verify(r, find(r, "a"), &progress, &err), err);
    assert_true(n_steps > 0);
    n_steps = 0;
    assert_ok(registry_verify(r, find(r, "a"), &progress, &err), err);
    assert_int_equal(n_steps, 0);
    char touch[200];
    snprintf(touch, sizeof touch, "touch rung/blobs/sha256-%s", d);
    run_in_home(touch);
    assert_ok(registry_verify(r, find(r, "a"), &progress, &err), err);
    assert_true(n_steps > 0);
    registry_close(r);
}

static void test_pins_hold_for_names_and_files(void **state)
{
    (void)state;
    char d[DIGEST_HEX + 1], file[DIGEST_HEX + 1], text[800];
    struct err err = ERR_INIT;
    put_model("rung", "registry.ollama.ai", "library", "a", "latest", "weights", d);
    write_file("x.gguf", "a file");
    assert_ok(digest_of(STR("a file"), file, &err), err);
    struct registry *r = open_registry();
    snprintf(text, sizeof text, "a@sha256:%s", d);
    assert_true(find(r, text)->pinned);
    snprintf(text, sizeof text, "a@sha256:%s", file);
    assert_int_equal(find_fails(r, text), ERR_CORRUPT);
    registry_close(r);

    snprintf(text, sizeof text, "a sha256:%s 7 x\nx.gguf sha256:%s 6 file\n", file, file);
    write_file("rung.lock", text);
    r = open_registry();
    assert_int_equal(find_fails(r, "a"), ERR_CORRUPT);
    snprintf(text, sizeof text, "%s/./x.gguf", home);
    assert_ok(registry_verify(r, find(r, text), NULL, &err), err);
    assert_true(find(r, text)->pinned);
    write_file("x.gguf", "A file");
    assert_false(registry_verify(r, find(r, text), NULL, &err));
    registry_close(r);
    write_file("rung.lock", "nonsense\n");
    assert_false(registry_open(home, &r, &err));
}

static void test_rm_keeps_layers_that_another_name_needs(void **state)
{
    (void)state;
    char d[DIGEST_HEX + 1], other[DIGEST_HEX + 1];
    int64_t freed;
    struct err err = ERR_INIT;
    put_model("rung", "registry.ollama.ai", "library", "a", "latest", "shared", d);
    put_model("rung", "registry.ollama.ai", "library", "b", "latest", "shared", d);
    put_model("ollama", "registry.ollama.ai", "library", "c", "latest", "theirs", other);
    struct registry *r = open_registry();
    assert_ok(registry_remove(r, "a", &freed, &err), err);
    assert_int_equal(freed, 0);
    assert_int_equal(find_fails(r, "a"), ERR_NOT_FOUND);
    find(r, "b");
    assert_ok(registry_remove(r, "b", &freed, &err), err);
    assert_int_equal(freed, strlen("shared"));
    assert_false(registry_remove(r, "c", &freed, &err));
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "Ollama"));
    find(r, "c");
    assert_false(registry_remove(r, "./x.gguf", &freed, &err));
    registry_close(r);
}

static void test_cp_shares_bytes_and_overwrites_nothing(void **state)
{
    (void)state;
    char d[DIGEST_HEX + 1], other[DIGEST_HEX + 1];
    static struct registry_model m;
    int64_t freed;
    struct err err = ERR_INIT;
    put_model("ollama", "registry.ollama.ai", "library", "theirs", "latest", "bytes", d);
    put_model("rung", "registry.ollama.ai", "library", "own", "latest", "others", other);
    struct registry *r = open_registry();
    assert_ok(registry_copy(r, "theirs", "team/mine:v1", NULL, &m, &err), err);
    assert_int_equal(m.owner, OWNER_RUNG);
    assert_string_equal(m.digest, d);
    assert_ok(registry_verify(r, find(r, "team/mine:v1"), NULL, &err), err);
    assert_false(registry_copy(r, "theirs", "own", NULL, &m, &err));
    assert_string_equal(find(r, "own")->digest, other);
    assert_false(registry_copy(r, "theirs", "./file.gguf", NULL, &m, &err));
    assert_ok(registry_remove(r, "team/mine:v1", &freed, &err), err);
    assert_string_equal(find(r, "theirs")->digest, d);
    assert_ok(registry_verify(r, find(r, "theirs"), NULL, &err), err);
    registry_close(r);
}

static void test_a_file_is_brought_in_locked_and_found(void **state)
{
    (void)state;
    static struct pull_result res;
    struct err err = ERR_INIT;
    const struct pull_options lock = {.lock = true}, plain = {0}, update = {.update = true};
    char path[200];
    run_in_home("cp " STARTER " s.gguf");
    snprintf(path, sizeof path, "%s/s.gguf", home);
    struct registry *r = open_registry();
    assert_ok(registry_pull(r, path, &lock, &res, &err), err);
    assert_int_equal(res.outcome, PULL_FETCHED);
    assert_string_equal(res.model.name, "local/s:latest");
    assert_true(find(r, "s")->pinned);
    assert_ok(registry_pull(r, path, &plain, &res, &err), err);
    assert_int_equal(res.outcome, PULL_UP_TO_DATE);
    registry_close(r);
    /* another file under the same name: refused while locked, moved when asked */
    run_in_home("rm s.gguf && cp " STARTER " s.gguf && printf X >> s.gguf");
    r = open_registry();
    assert_false(registry_pull(r, path, &plain, &res, &err));
    assert_int_equal(err.code, ERR_CORRUPT);
    assert_ok(registry_verify(r, find(r, "s"), NULL, &err), err);
    assert_ok(registry_pull(r, path, &update, &res, &err), err);
    assert_int_equal(res.outcome, PULL_MOVED);
    registry_close(r);
    r = open_registry();
    assert_string_equal(find(r, "s")->digest, res.model.digest);
    assert_true(find(r, "s")->pinned);
    registry_close(r);
}

static void test_what_is_no_gguf_is_not_brought_in(void **state)
{
    (void)state;
    static struct pull_result res;
    struct err err = ERR_INIT;
    const struct pull_options o = {0};
    char path[200];
    write_file("x.gguf", "no model at all, though long enough to be looked at");
    snprintf(path, sizeof path, "%s/x.gguf", home);
    struct registry *r = open_registry();
    assert_false(registry_pull(r, path, &o, &res, &err));
    assert_int_equal(find_fails(r, "x"), ERR_NOT_FOUND);
    assert_false(registry_pull(r, "local/x", &o, &res, &err));
    registry_close(r);
}

static void test_a_store_that_anybody_can_write_is_refused(void **state)
{
    (void)state;
    static struct pull_result res;
    struct err err = ERR_INIT;
    const struct pull_options o = {0};
    run_in_home("mkdir rung && chmod 777 rung");
    struct registry *r = open_registry();
    assert_false(registry_pull(r, STARTER, &o, &res, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.msg, "chmod"));
    registry_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rungs_own_store_comes_before_ollamas, make_home, drop_home),
        cmocka_unit_test_setup_teardown(test_each_lists_a_name_once_and_no_broken_one, make_home, drop_home),
        cmocka_unit_test_setup_teardown(test_a_changed_file_is_refused, make_home, drop_home),
        cmocka_unit_test_setup_teardown(test_a_verified_file_is_not_read_again, make_home, drop_home),
        cmocka_unit_test_setup_teardown(test_pins_hold_for_names_and_files, make_home, drop_home),
        cmocka_unit_test_setup_teardown(test_rm_keeps_layers_that_another_name_needs, make_home, drop_home),
        cmocka_unit_test_setup_teardown(test_cp_shares_bytes_and_overwrites_nothing, make_home, drop_home),
        cmocka_unit_test_setup_teardown(test_a_file_is_brought_in_locked_and_found, make_home, drop_home),
        cmocka_unit_test_setup_teardown(test_what_is_no_gguf_is_not_brought_in, make_home, drop_home),
        cmocka_unit_test_setup_teardown(test_a_store_that_anybody_can_write_is_refused, make_home, drop_home),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
