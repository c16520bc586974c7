/* What names stand for at model hosts: manifests, lists of files, URLs; and who sees a token. */
#include "registry/remote/parse.h"
#include "support_remote.h"

static struct model_name registry_name(const struct host *h, const char *tag)
{
    struct model_name n = {.source = SOURCE_OLLAMA, .space = "library", .model = "model", .plain_http = true};
    snprintf(n.host, sizeof n.host, "127.0.0.1:%d", h->port);
    snprintf(n.tag, sizeof n.tag, "%s", tag);
    return n;
}

static struct model_name hugging_name(const char *quant, bool given)
{
    struct model_name n = {
        .source = SOURCE_HUGGING_FACE, .host = "hf.co", .space = "org", .model = "repo", .tag_given = given};
    snprintf(n.tag, sizeof n.tag, "%s", quant);
    return n;
}

static struct remote *hugging_remote(const struct host *h)
{
    struct remote *r = remote_impatient();
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%d", h->port);
    r->hf_endpoint = strdup(endpoint);
    return r;
}

static void assert_resolve_fails(struct remote *r, const struct model_name *name, enum err_code code,
                                 const char *words)
{
    struct remote_manifest *m = calloc(1, sizeof *m);
    struct err err = ERR_INIT;
    assert_false(remote_resolve(r, name, m, &err));
    if (err.code != code || !strstr(err.msg, words))
        fail_msg("error %d '%s' is not %d with '%s'", err.code, err.msg, code, words);
    free(m);
}

static void test_registry_gives_weights_and_small_layers(void **state)
{
    (void)state;
    struct host h;
    struct err err = ERR_INIT;
    struct remote_manifest m;
    host_make(&h, 5000);
    host_start(&h, "--fault", "auth", NULL); /* the token is fetched on the way */
    struct remote *r = remote_impatient();
    struct model_name name = registry_name(&h, "4b");
    assert_ok(remote_resolve(r, &name, &m, &err), err);
    assert_int_equal(m.n_layers, 4);
    assert_string_equal(m.layers[m.weights].digest, h.digest);
    assert_int_equal(m.layers[m.weights].size, h.size);
    assert_true(m.body.n > 0);
    for (int i = 0; i < m.n_layers; i++)
        assert_ok(remote_fetch(r, &m.layers[i], h.store, NULL, &err), err);
    assert_int_equal(files_in_store(&h), 4);
    remote_manifest_free(&m);
    remote_close(r);
    host_free(&h);
}

static void test_registry_names_the_tags_there_are(void **state)
{
    (void)state;
    struct host h;
    host_make(&h, 5000);
    host_start(&h, NULL);
    struct remote *r = remote_impatient();
    struct model_name name = registry_name(&h, "70b");
    assert_resolve_fails(r, &name, ERR_NOT_FOUND, "it has the tags latest, 4b");
    remote_close(r);
    host_free(&h);
}

static void test_resolve_refuses_weights_with_another_digest(void **state)
{
    (void)state;
    struct host h;
    host_make(&h, 5000);
    host_start(&h, NULL);
    struct remote *r = remote_impatient();
    struct model_name name = registry_name(&h, "4b");
    memset(name.digest, '0', DIGEST_HEX);
    assert_resolve_fails(r, &name, ERR_CORRUPT, "not for sha256:000000000000");
    remote_close(r);
    host_free(&h);
}

static void test_resolve_bounds_endless_manifests_and_lists(void **state)
{
    (void)state;
    struct host h;
    host_make(&h, 5000);
    host_start(&h, "--fault", "huge", NULL);
    struct remote *r = hugging_remote(&h);
    struct model_name name = registry_name(&h, "4b"), listed = hugging_name("Q4_K_M", true);
    assert_resolve_fails(r, &name, ERR_LIMIT, "longer than");
    assert_resolve_fails(r, &listed, ERR_LIMIT, "longer than");
    remote_close(r);
    host_free(&h);
}

static void test_hugging_face_chooses_the_quantisation_over_pages(void **state)
{
    (void)state;
    struct host h;
    struct err err = ERR_INIT;
    struct remote_manifest m;
    host_make(&h, 5000);
    host_start(&h, NULL);
    struct remote *r = hugging_remote(&h);
    r->hf_token = strdup("hf_secret");
    struct model_name name = hugging_name("q4_k_m", true);
    assert_ok(remote_resolve(r, &name, &m, &err), err);
    assert_non_null(strstr(m.layers[0].url, "/org/repo/resolve/main/model-Q4_K_M.gguf"));
    assert_string_equal(m.layers[0].digest, h.digest);
    assert_ok(remote_fetch(r, &m.layers[0], h.store, NULL, &err), err);
    assert_fetched(&h);
    assert_int_equal(host_count(&h, "auth=Bearer"), 0); /* HF_TOKEN is not this host's */
    remote_manifest_free(&m);
    remote_close(r);
    host_free(&h);
}

static void test_hugging_face_tells_what_there_is(void **state)
{
    (void)state;
    struct host h;
    host_make(&h, 5000);
    host_start(&h, NULL);
    struct remote *r = hugging_remote(&h);
    struct model_name none = hugging_name("Q2_K", true), split = hugging_name("BF16", true),
                      missing = hugging_name("Q4_K_M", true);
    snprintf(missing.model, sizeof missing.model, "missing");
    assert_resolve_fails(r, &none, ERR_NOT_FOUND, "model-Q4_K_M.gguf");
    assert_resolve_fails(r, &split, ERR_UNSUPPORTED, "in 2 pieces");
    assert_resolve_fails(r, &missing, ERR_NOT_FOUND, "no such repository");
    remote_close(r);
    host_free(&h);
}

static void test_token_of_hugging_face_goes_to_hugging_face_alone(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        bool gets;
    } cases[] = {
        {"https://huggingface.co/a", true}, {"https://hf.co/a", true}, {"https://HF.co/a", true},
        {"https://cdn-lfs.huggingface.co/a", false}, {"https://huggingface.co.example.com/a", false},
        {"https://huggingface.co:8443/a", false}, {"http://huggingface.co/a", false},
        {"https://example.com/huggingface.co", false}, {"http://127.0.0.1/a", false},
    };
    struct remote *r = remote_impatient();
    r->hf_token = strdup("hf_secret");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct url_origin o;
        struct err err = ERR_INIT;
        assert_ok(url_origin(cases[i].url, &o, &err), err);
        char *token = remote_token_for(r, &o);
        assert_string_equal(token, cases[i].gets ? "hf_secret" : "");
        free(token);
    }
    remote_close(r);
}

static void test_url_must_lead_to_a_gguf_file(void **state)
{
    (void)state;
    struct host h;
    struct err err = ERR_INIT;
    struct remote_manifest m;
    host_make(&h, 5000);
    host_start(&h, NULL);
    struct remote *r = remote_impatient();
    struct model_name name = {.source = SOURCE_URL};
    snprintf(name.location, sizeof name.location, "http://127.0.0.1:%d/files/model.gguf", h.port);
    assert_ok(remote_resolve(r, &name, &m, &err), err);
    assert_int_equal(m.layers[0].size, h.size);
    remote_manifest_free(&m);
    snprintf(name.location, sizeof name.location, "http://127.0.0.1:%d/elsewhere", h.port);
    assert_resolve_fails(r, &name, ERR_NOT_FOUND, "does not have it");
    snprintf(name.location, sizeof name.location, "http://192.0.2.1/x.gguf");
    assert_resolve_fails(r, &name, ERR_INVALID, "is neither");
    remote_close(r);
    host_free(&h);
}

static void test_read_gives_pieces_and_the_size(void **state)
{
    (void)state;
    struct host h;
    struct err err = ERR_INIT;
    struct buf out = BUF_INIT(1 << 20);
    int64_t size = 0;
    host_make(&h, 5000);
    host_start(&h, NULL);
    struct remote *r = remote_impatient();
    struct remote_layer layer = plain_file(&h);
    assert_ok(remote_read(r, &layer, 4990, 100, &out, &size, &err), err);
    assert_int_equal(out.n, 10);
    assert_int_equal(size, 5000);
    assert_ok(remote_read(r, &layer, 6000, 100, &out, &size, &err), err);
    assert_int_equal(out.n, 10);
    host_start(&h, "--fault", "norange", NULL);
    buf_clear(&out);
    assert_ok(remote_read(r, &layer, 0, 4, &out, &size, &err), err);
    assert_true(str_is(buf_view(&out), "GGUF"));
    buf_free(&out);
    remote_close(r);
    host_free(&h);
}

static void test_content_range_is_read_strictly(void **state)
{
    (void)state;
    int64_t from, end, total;
    assert_true(parse_content_range(STR("bytes 0-99/1234"), &from, &end, &total));
    assert_int_equal(end, 100);
    assert_int_equal(total, 1234);
    assert_true(parse_content_range(STR("bytes */1234"), &from, &end, &total));
    assert_int_equal(from, -1);
    assert_false(parse_content_range(STR("bytes 9-3/1234"), &from, &end, &total));
    assert_false(parse_content_range(STR("bytes 0-1234/1234"), &from, &end, &total));
    assert_false(parse_content_range(STR("0-99/1234"), &from, &end, &total));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registry_gives_weights_and_small_layers),
        cmocka_unit_test(test_registry_names_the_tags_there_are),
        cmocka_unit_test(test_resolve_refuses_weights_with_another_digest),
        cmocka_unit_test(test_resolve_bounds_endless_manifests_and_lists),
        cmocka_unit_test(test_hugging_face_chooses_the_quantisation_over_pages),
        cmocka_unit_test(test_hugging_face_tells_what_there_is),
        cmocka_unit_test(test_token_of_hugging_face_goes_to_hugging_face_alone),
        cmocka_unit_test(test_url_must_lead_to_a_gguf_file),
        cmocka_unit_test(test_read_gives_pieces_and_the_size),
        cmocka_unit_test(test_content_range_is_read_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
