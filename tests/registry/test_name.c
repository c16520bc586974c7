/* Names of models: every spelling people use comes out as one checked shape, and nothing else does. */
#include "../support.h"

#include "registry/digest.h"
#include "registry/name.h"

#define HEX "132b3a8d647b997d26ff818d4c60ba8cdcef5fcc2460b9c4b3bd74cd56f035cc"

static struct model_name parse(const char *text)
{
    struct err err = ERR_INIT;
    struct model_name n;
    assert_ok(model_name_parse(text, &n, &err), err);
    return n;
}

static const char *shown(const char *text)
{
    static char buf[MODEL_NAME_MAX];
    struct model_name n = parse(text);
    return model_name_show(&n, buf, sizeof buf);
}

static void refuses(const char *text)
{
    struct err err = ERR_INIT;
    struct model_name n;
    if (model_name_parse(text, &n, &err))
        fail_msg("'%s' was taken", text);
    assert_true(err.msg[0] != '\0');
}

static void test_short_names_mean_ollamas_library(void **state)
{
    (void)state;
    struct model_name n = parse("qwen3:4b");
    assert_int_equal(n.source, SOURCE_OLLAMA);
    assert_string_equal(n.host, "registry.ollama.ai");
    assert_string_equal(n.space, "library");
    assert_string_equal(n.model, "qwen3");
    assert_string_equal(n.tag, "4b");
    assert_true(n.tag_given);
    assert_string_equal(parse("qwen3").tag, "latest");
    assert_false(parse("qwen3").tag_given);
    assert_string_equal(parse("someone/model:tag").space, "someone");
    assert_string_equal(parse("ghcr.io/team/model").host, "ghcr.io");
}

static void test_a_host_may_have_a_port_and_plain_http_only_here(void **state)
{
    (void)state;
    struct model_name n = parse("http://127.0.0.1:8080/library/qwen3:4b");
    assert_int_equal(n.source, SOURCE_OLLAMA);
    assert_true(n.plain_http);
    assert_string_equal(n.host, "127.0.0.1:8080");
    assert_false(parse("example.org:5000/a/b:c").plain_http);
    assert_string_equal(parse("localhost:5000/b").host, "localhost:5000");
    assert_true(parse("localhost:5000/b").plain_http);
    assert_false(parse("https://localhost:5000/a/b:c").plain_http);
    refuses("http://example.org/a/b:c");
    refuses("http://127.0.0.1.example.org/a/b:c");
    refuses("http://example.org/x.gguf");
    refuses("ftp://example.org/x.gguf");
    refuses("example.org:99999/a/b");
}

static void test_hugging_face_has_one_spelling(void **state)
{
    (void)state;
    struct model_name n = parse("hf.co/unsloth/gemma-3-4b-it-GGUF:q4_k_m");
    assert_int_equal(n.source, SOURCE_HUGGING_FACE);
    assert_string_equal(n.host, "hf.co");
    assert_string_equal(n.tag, "Q4_K_M");
    assert_string_equal(parse("huggingface.co/org/repo").tag, "Q4_K_M");
    assert_false(parse("huggingface.co/org/repo").tag_given);
    assert_string_equal(shown("https://huggingface.co/org/repo"), "hf.co/org/repo:Q4_K_M");
    assert_string_equal(shown("https://huggingface.co/org/repo/blob/main/a-Q8_0.gguf"), "hf.co/org/repo:a-Q8_0.gguf");
    assert_string_equal(shown("https://hf.co/org/repo/resolve/main/a.gguf?download=true"), "hf.co/org/repo:a.gguf");
    refuses("hf.co/org");
    refuses("hf.co/org/repo/more");
}

static void test_urls_and_files_are_kept_as_they_are(void **state)
{
    (void)state;
    struct model_name n = parse("https://example.org/models/x.gguf?v=2");
    assert_int_equal(n.source, SOURCE_URL);
    assert_string_equal(n.location, "https://example.org/models/x.gguf?v=2");
    assert_int_equal(parse("https://example.org/a/x.gguf").source, SOURCE_URL);
    assert_int_equal(parse("./a b.gguf").source, SOURCE_FILE);
    assert_int_equal(parse("x.gguf").source, SOURCE_FILE);
    assert_int_equal(parse("/models/x").source, SOURCE_FILE);
    assert_int_equal(parse("../x").source, SOURCE_FILE);
    refuses("https://user:secret@example.org/x.gguf");
    refuses("https://example.org/a b.gguf");
    refuses("./a\nb.gguf");
}

static void test_a_digest_pins_a_name(void **state)
{
    (void)state;
    struct model_name n = parse("qwen3:4b@sha256:" HEX);
    assert_string_equal(n.digest, HEX);
    assert_string_equal(n.tag, "4b");
    assert_string_equal(shown("qwen3:4b@sha256:" HEX), "qwen3:4b");
    assert_string_equal(parse("./x.gguf@sha256:" HEX).location, "./x.gguf");
    refuses("qwen3:4b@sha256:123");
    refuses("qwen3:4b@sha256:" HEX "0");
    refuses("qwen3:4b@sha256:../../../../../../../../../../../../../../../../../etc/passwd");
    refuses("@sha256:" HEX);
}

static void test_no_part_can_leave_a_folder(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "a/..:x", "a:..", "..", "a/../b:c", "a//b", "a:", ":b", "a/b/c/d", ".hidden",
                                      "a:.b", "-x", "a b", "a\\b", "a/b:c/d", "hf.co/../x", "hf.co/a/b:../c",
                                      "hf.co/a/.b", "a%2e%2e/b", "\xC3\xA4"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refuses(bad[i]);
    char longest[MODEL_NAME_MAX_PART + 2];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    refuses(longest);
    longest[MODEL_NAME_MAX_PART] = '\0';
    assert_string_equal(parse(longest).model, longest);
}

static void test_what_is_shown_parses_to_the_same(void **state)
{
    (void)state;
    static const char *const names[] = {"qwen3", "a/b", "h.io/a/b:c", "http://127.0.0.1:9/a/b:c", "hf.co/o/r:q8_0",
                                        "https://example.org/p/q/x.gguf", "./x.gguf", "hf.co/o/r:f.gguf"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char once[MODEL_NAME_MAX];
        snprintf(once, sizeof once, "%s", shown(names[i]));
        assert_string_equal(shown(once), once);
    }
}

static void test_urls_and_files_get_names_of_their_own(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct model_name kept, other;
    struct model_name a = parse("https://example.org/p/m.gguf"), b = parse("https://example.org/q/m.gguf");
    assert_ok(model_name_of_url(&a, &kept, &err), err);
    assert_ok(model_name_of_url(&b, &other, &err), err);
    assert_string_equal(kept.host, "example.org");
    assert_string_equal(kept.model, "m");
    assert_string_not_equal(kept.tag, other.tag);
    struct model_name file = parse("./dir/..weird name.gguf");
    model_name_of_file(&file, &kept);
    assert_true(model_part_is_valid(str_of(kept.model)));
    assert_string_equal(kept.space, "local");
}

static void test_digests_are_those_of_the_standard(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    char hex[DIGEST_HEX + 1];
    assert_ok(digest_of(STR("abc"), hex, &err), err);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_true(digest_parse(STR("BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"), hex));
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_false(digest_parse(STR("xa7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"), hex));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_names_mean_ollamas_library),
        cmocka_unit_test(test_a_host_may_have_a_port_and_plain_http_only_here),
        cmocka_unit_test(test_hugging_face_has_one_spelling),
        cmocka_unit_test(test_urls_and_files_are_kept_as_they_are),
        cmocka_unit_test(test_a_digest_pins_a_name),
        cmocka_unit_test(test_no_part_can_leave_a_folder),
        cmocka_unit_test(test_what_is_shown_parses_to_the_same),
        cmocka_unit_test(test_urls_and_files_get_names_of_their_own),
        cmocka_unit_test(test_digests_are_those_of_the_standard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
