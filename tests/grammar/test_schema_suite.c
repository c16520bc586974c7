/* JSON-Schema-Test-Suite, drafts 2020-12 and 7, the mandatory tests: an instance passes when the mask admits its text
 * and schema_validate then accepts it. Nothing invalid may pass; what is not understood is refused, and told. */
#include "../support.h"

#include <dirent.h>

#include "base/buf.h"
#include "base/filemap.h"
#include "data/json.h"
#include "grammar/automaton.h"
#include "grammar/schema.h"

#define SUITE "vectors/schema"
#define MAX_DOCUMENTS 64

/* The documents that schemas of the suite refer to, as a web server at localhost:1234 would give them. */
static struct document {
    char name[256];
    json_t *json;
} documents[MAX_DOCUMENTS];
static int n_documents;

static json_t *load(const char *path)
{
    struct filemap *map;
    struct err err = ERR_INIT;
    json_t *json = NULL;
    assert_ok(filemap_open(path, &map, &err), err);
    assert_ok(json_parse(filemap_bytes(map), path, &json, &err), err);
    filemap_close(map);
    return json;
}

static const json_t *remote(void *ctx, struct str uri)
{
    static const char host[] = "http://localhost:1234/";
    char name[256];
    (void)ctx;
    if (!str_starts(uri, STR(host)))
        return NULL;
    snprintf(name, sizeof name, SUITE "/remotes/" STR_FMT, (int)(uri.n - strlen(host)), uri.p + strlen(host));
    for (int i = 0; i < n_documents; i++)
        if (strcmp(documents[i].name, name) == 0)
            return documents[i].json;
    const char *path = shared_path(name);
    if (!path)
        return NULL;
    assert_true(n_documents < MAX_DOCUMENTS);
    struct document *d = &documents[n_documents++];
    snprintf(d->name, sizeof d->name, "%s", name);
    d->json = load(path);
    return d->json;
}

static void forget_documents(void)
{
    while (n_documents > 0)
        json_decref(documents[--n_documents].json);
}

struct tally {
    int tests, passed, refused, mask_alone, false_accepts, false_rejects;
    int unsound; /* admitted and invalid, where the mask is said to leave nothing to validation */
};

/* Whether the rules admit the text as a whole. */
static bool mask_admits(struct automaton *a, struct str text)
{
    struct err err = ERR_INIT;
    automaton_lock(a);
    uint32_t state = automaton_start(a);
    for (size_t i = 0; i < text.n && state != STATE_DEAD; i++) {
        state = state_step(a, state, (uint8_t)text.p[i], &err);
        assert_int_equal(err.code, ERR_NONE);
    }
    bool whole = state != STATE_DEAD && state_may_end(a, state);
    automaton_unlock(a);
    return whole;
}

static void try_instance(const char *where, const struct schema *s, struct automaton *a, const json_t *test,
                         struct tally *tally)
{
    const json_t *data = json_object_get(test, "data");
    bool valid = json_is_true(json_object_get(test, "valid"));
    struct buf text = BUF_INIT(1u << 20);
    struct json_writer writer = JSON_WRITER(&text);
    struct err err = ERR_INIT;
    json_value(&writer, data);
    bool admitted = mask_admits(a, buf_view(&text)), accepted = schema_validate(s, data, &err);
    bool passes = admitted && accepted;
    tally->tests++;
    tally->passed += passes == valid;
    tally->mask_alone += admitted == valid;
    tally->false_accepts += passes && !valid;
    tally->false_rejects += !passes && valid;
    if (passes != valid || accepted != valid)
        print_message("  %s, %s: %s is %s%s\n", where, json_string_value(json_object_get(test, "description")),
                      text.p, !accepted ? "rejected: " : admitted ? "accepted" : "not admitted",
                      accepted ? "" : err.msg);
    if (admitted && !accepted && !schema_needs_validation(s)) {
        print_message("  %s: %s is admitted, validation is said to be needless, and yet: %s\n", where, text.p, err.msg);
        tally->unsound++;
    }
    buf_free(&text);
}

static void run_group(const char *file, const struct schema_options *options, json_t *group, struct tally *tally)
{
    struct schema *s = NULL;
    struct rules *rules;
    struct automaton *a;
    struct err err = ERR_INIT;
    size_t i;
    json_t *test, *tests = json_object_get(group, "tests");
    char where[400];
    snprintf(where, sizeof where, "%s, %s", file, json_string_value(json_object_get(group, "description")));
    bool opened = schema_open(json_object_get(group, "schema"), options, &s, &err);
    if (!opened || !schema_rules(s, &rules, &err)) {
        bool nothing_fits = opened && err.code == ERR_INVALID; /* which is then the right answer to all of them */
        json_array_foreach(tests, i, test) {
            bool right = nothing_fits && json_is_false(json_object_get(test, "valid"));
            tally->passed += right;
            tally->refused += !nothing_fits;
            tally->false_rejects += nothing_fits && !right;
            tally->tests++;
        }
        print_message("  %s: %s: %s\n", where, nothing_fits ? "nothing fits" : "refused", err.msg);
    } else {
        assert_ok(automaton_open(rules, &a, &err), err);
        json_array_foreach(tests, i, test)
            try_instance(where, s, a, test, tally);
        automaton_close(a);
    }
    schema_close(s);
}

static int is_json(const struct dirent *entry)
{
    return str_ends(str_of(entry->d_name), STR(".json"));
}

/* Every mandatory file of a draft. */
static struct tally run_draft(const char *name, enum schema_draft draft)
{
    struct schema_options options = {.draft = draft, .any_order = true, .document = remote};
    struct tally tally = {0};
    char folder[256], root[4096], path[4400];
    struct dirent **entries;
    snprintf(folder, sizeof folder, SUITE "/tests/%s", name);
    assert_non_null(shared_path(folder));
    snprintf(root, sizeof root, "%s", shared_path(folder)); /* shared_path keeps the last few only */
    int n = scandir(root, &entries, is_json, alphasort);
    assert_true(n > 0);
    for (int i = 0; i < n; i++) {
        size_t k;
        json_t *group;
        snprintf(path, sizeof path, "%s/%s", root, entries[i]->d_name);
        json_t *groups = load(path);
        json_array_foreach(groups, k, group)
            run_group(entries[i]->d_name, &options, group, &tally);
        json_decref(groups);
        free(entries[i]);
    }
    free(entries);
    forget_documents();
    print_message("%s: %d of %d tests pass (%.1f%%; mask alone %d), %d in schemas refused, %d invalid accepted, "
                  "%d valid rejected\n", name, tally.passed, tally.tests, 100.0 * tally.passed / tally.tests,
                  tally.mask_alone, tally.refused, tally.false_accepts, tally.false_rejects);
    return tally;
}

static void test_suite_of_draft_2020_12_passes_and_accepts_nothing_invalid(void **state)
{
    (void)state;
    SKIP_WITHOUT_SHARED(path, SUITE);
    struct tally tally = run_draft("draft2020-12", SCHEMA_DRAFT_2020_12);
    assert_int_equal(tally.false_accepts, 0);
    assert_int_equal(tally.unsound, 0);
    assert_true(tally.passed * 100 >= tally.tests * 99);
}

static void test_suite_of_draft_7_passes_and_accepts_nothing_invalid(void **state)
{
    (void)state;
    SKIP_WITHOUT_SHARED(path, SUITE);
    struct tally tally = run_draft("draft7", SCHEMA_DRAFT_7);
    assert_int_equal(tally.false_accepts, 0);
    assert_int_equal(tally.unsound, 0);
    assert_true(tally.passed * 100 >= tally.tests * 99);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suite_of_draft_2020_12_passes_and_accepts_nothing_invalid),
        cmocka_unit_test(test_suite_of_draft_7_passes_and_accepts_nothing_invalid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
