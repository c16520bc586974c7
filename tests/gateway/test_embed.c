/* Vectors over HTTP: of the model here and of an upstream, in every shape that clients ask for, under the same rules as
 * answers. */
#include <math.h>
#include <sqlite3.h>

#include "data/json.h"
#include "gateway/embed.h"
#include "support_gateway.h"

#define LOCAL "models: {starter: {file: starter, matryoshka: %s}}\ntiers: [{name: local, model: starter}]\n"
#define UPSTREAM                                                                                             \
    "models: {starter: {file: starter}, vec: {base_url: 'http://127.0.0.1:%u/v1', model: 'e-3', "    \
    "price_usd_per_mtok: {input: 2, output: 0}}}\ntiers: [{name: local, model: starter}]\n"

static void embed_post(struct house *h, const char *body, struct plain_reply *ret)
{
    plain_request(h->port, "POST", "/v1/embeddings", "Content-Type: application/json\r\n", body, ret);
}

static json_t *embedded(struct house *h, const char *body)
{
    struct plain_reply r;
    embed_post(h, body, &r);
    if (r.status != 200)
        fail_msg("%d: %s", r.status, r.body);
    json_t *v = reply_json(&r);
    plain_free(&r);
    return v;
}

static void assert_refused(struct house *h, const char *body, int status, const char *part)
{
    struct plain_reply r;
    embed_post(h, body, &r);
    if (r.status != status || !strstr(r.body, part))
        fail_msg("%d instead of %d, without '%s': %s", r.status, status, part, r.body);
    plain_free(&r);
}

static const json_t *vector_at(const json_t *reply, size_t i)
{
    return json_object_get(json_array_get(json_object_get(reply, "data"), i), "embedding");
}

static void test_a_text_becomes_a_vector_of_length_one(void **state)
{
    (void)state;
    struct house h;
    double square = 0;
    size_t i;
    json_t *number;
    house_open(&h, LOCAL, "false");
    json_t *v = embedded(&h, "{\"model\":\"starter\",\"input\":\"my card is lost\"}");
    assert_string_equal(json_at(v, "object"), "list");
    assert_string_equal(json_at(v, "data.0.object"), "embedding");
    assert_string_equal(json_at(v, "data.0.index"), "0");
    assert_string_equal(json_at(v, "model"), "starter");
    assert_true(json_number_at(v, "usage.prompt_tokens") > 2);
    assert_true(json_number_at(v, "usage.total_tokens") == json_number_at(v, "usage.prompt_tokens"));
    json_array_foreach(vector_at(v, 0), i, number)
        square += json_number_value(number) * json_number_value(number);
    assert_true(fabs(square - 1) < 1e-5);
    json_decref(v);
    house_close(&h);
}

static void test_texts_of_a_batch_keep_their_order(void **state)
{
    (void)state;
    struct house h;
    house_open(&h, LOCAL, "false");
    json_t *all = embedded(&h, "{\"model\":\"starter\",\"input\":[\"one\",\"a lost card\",\"one\"]}");
    json_t *card = embedded(&h, "{\"model\":\"starter\",\"input\":\"a lost card\"}");
    assert_int_equal(json_array_size(json_object_get(all, "data")), 3);
    assert_true(json_equal(vector_at(all, 1), vector_at(card, 0)));
    assert_true(json_equal(vector_at(all, 0), vector_at(all, 2)));
    assert_false(json_equal(vector_at(all, 0), vector_at(all, 1)));
    json_decref(all);
    json_decref(card);
    house_close(&h);
}

static void test_tokens_stand_for_the_text_they_spell(void **state)
{
    (void)state;
    struct house h;
    house_open(&h, LOCAL, "false");
    json_t *one = embedded(&h, "{\"model\":\"starter\",\"input\":[5,6,7]}");
    json_t *two = embedded(&h, "{\"model\":\"starter\",\"input\":[[9],[5,6,7]]}");
    assert_true(json_equal(vector_at(one, 0), vector_at(two, 1)));
    assert_string_equal(json_at(two, "usage.prompt_tokens"), "4");
    assert_refused(&h, "{\"model\":\"starter\",\"input\":[5,4096]}", 400, "token 1 of the prompt is 4096");
    assert_refused(&h, "{\"model\":\"starter\",\"input\":[5,\"x\"]}", 400, "'input[1]' must be the number of a token");
    json_decref(one);
    json_decref(two);
    house_close(&h);
}

static void test_base64_holds_the_same_numbers(void **state)
{
    (void)state;
    struct house h;
    house_open(&h, LOCAL, "false");
    json_t *plain = embedded(&h, "{\"model\":\"starter\",\"input\":\"a card\"}");
    json_t *packed = embedded(&h, "{\"model\":\"starter\",\"input\":\"a card\",\"encoding_format\":\"base64\"}");
    struct embed_input in = {.text = STR("a card")};
    struct embed_call call = {.model = STR("starter"), .inputs = &in, .n = 1};
    struct request req = {.embed = &call};
    struct reply read = {0};
    struct err err = ERR_INIT;
    assert_true(json_is_string(vector_at(packed, 0)));
    assert_ok(embed_read_reply(&req, packed, &read, &err), err);
    assert_int_equal(read.dimensions, json_array_size(vector_at(plain, 0)));
    for (int64_t i = 0; i < read.dimensions; i++)
        assert_true(read.vectors[i] == (float)json_number_value(json_array_get(vector_at(plain, 0), (size_t)i)));
    free(read.vectors);
    json_decref(plain);
    json_decref(packed);
    house_close(&h);
}

static void test_vectors_are_shortened_only_where_the_model_was_made_for_it(void **state)
{
    (void)state;
    struct house h;
    double square = 0;
    house_open(&h, LOCAL, "false");
    assert_refused(&h, "{\"model\":\"starter\",\"input\":\"a\",\"dimensions\":8}", 400, "'dimensions' is 8");
    house_close(&h);
    house_open(&h, LOCAL, "true");
    json_t *v = embedded(&h, "{\"model\":\"starter\",\"input\":[\"a\",\"b\"],\"dimensions\":8}");
    assert_int_equal(json_array_size(vector_at(v, 1)), 8);
    for (size_t i = 0; i < 8; i++)
        square += pow(json_number_value(json_array_get(vector_at(v, 1), i)), 2);
    assert_true(fabs(square - 1) < 1e-5);
    json_decref(v);
    house_close(&h);
}

static void test_what_cannot_be_embedded_is_refused_by_name(void **state)
{
    (void)state;
    static char body[9000];
    struct house h;
    house_open(&h, LOCAL, "false");
    assert_refused(&h, "{\"model\":\"auto\",\"input\":\"a\"}", 400, "'model' is auto");
    assert_refused(&h, "{\"model\":\"nobody\",\"input\":\"a\"}", 404, "model_not_found");
    assert_refused(&h, "{\"model\":\"starter\"}", 400, "'input' is missing");
    assert_refused(&h, "{\"model\":\"starter\",\"input\":\"\"}", 400, "'input' holds an empty text");
    assert_refused(&h, "{\"model\":\"starter\",\"input\":[]}", 400, "'input' has 0 texts");
    assert_refused(&h, "{\"model\":\"starter\",\"input\":[[]]}", 400, "'input[0]' must hold 1 to");
    assert_refused(&h, "{\"model\":\"starter\",\"input\":{}}", 400, "'input' must be a text or an array of tokens");
    assert_refused(&h, "{\"model\":\"starter\",\"input\":\"a\",\"temperature\":1}", 400, "'temperature' is an unknown");
    assert_refused(&h, "{\"model\":\"starter\",\"input\":\"a\",\"encoding_format\":\"int8\"}", 400, "'encoding_format'");
    int n = snprintf(body, sizeof body, "{\"model\":\"starter\",\"input\":\"");
    memset(body + n, 'q', 8000);
    snprintf(body + n + 8000, sizeof body - (size_t)n - 8000, "\"}");
    assert_refused(&h, body, 400, "the context of starter holds");
    house_close(&h);
}

/* ---- upstream ---- */

static void test_an_upstream_is_asked_and_paid(void **state)
{
    (void)state;
    struct stand_in up;
    struct house h;
    struct embed_reply r;
    stand_in_open(&up);
    house_open(&h, UPSTREAM, up.port);
    stand_in_play(&up, (struct stand_in_script){
        .body = "{\"data\":[{\"index\":1,\"embedding\":[0,1]},{\"index\":0,\"embedding\":\"AACAPwAAAAA=\"}],"
                "\"usage\":{\"prompt_tokens\":7,\"total_tokens\":7}}"});
    struct embed_input in[] = {{.text = STR("a")}, {.text = STR("b")}};
    struct embed_call call = {.model = STR("vec"), .inputs = in, .n = 2, .user = STR("u1")};
    gateway_embed(h.gateway, &call, &r);
    assert_ok(r.ok, r.err);
    assert_int_equal(r.dimensions, 2);
    assert_true(r.vectors[0] == 1 && r.vectors[1] == 0 && r.vectors[2] == 0 && r.vectors[3] == 1);
    assert_int_equal(r.prompt_tokens, 7);
    assert_int_equal(r.cost_pico_usd, 14000000);
    assert_false(r.local);
    assert_string_equal(up.body,
                        "{\"model\":\"e-3\",\"input\":[\"a\",\"b\"],\"encoding_format\":\"float\",\"user\":\"u1\"}");
    embed_reply_free(&r);
    call.privacy = PRIVACY_LOCAL;
    gateway_embed(h.gateway, &call, &r);
    assert_false(r.ok);
    assert_int_equal(r.http_status, 400);
    assert_int_equal(stand_in_requests(&up), 1);
    embed_reply_free(&r);
    house_close(&h);
    stand_in_close(&up);
}

static void test_an_upstream_that_answers_nonsense_is_an_error(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{}", "{\"data\":[]}", "{\"data\":[{\"index\":0,\"embedding\":[]}]}",
        "{\"data\":[{\"index\":1,\"embedding\":[1]}]}", "{\"data\":[{\"index\":0,\"embedding\":[1,null]}]}",
        "{\"data\":[{\"index\":0,\"embedding\":\"AAA\"}]}", "{\"data\":[{\"index\":0,\"embedding\":\"!!!!!!==\"}]}",
        "{\"data\":[{\"index\":0,\"embedding\":[1e300]}]}", "{\"data\":{\"index\":0}}",
        "{\"data\":[{\"index\":0,\"embedding\":\"AADAfw==\"}]}",
    };
    struct stand_in up;
    struct house h;
    stand_in_open(&up);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        house_open(&h, UPSTREAM, up.port);
        stand_in_play(&up, (struct stand_in_script){.body = bodies[i]});
        assert_refused(&h, "{\"model\":\"vec\",\"input\":\"a\"}", 502, "its answer");
        house_close(&h);
    }
    stand_in_close(&up);
}

/* What is said beside the body holds for vectors as for answers, on both paths. */
static void test_headers_say_the_same_as_of_answers(void **state)
{
    (void)state;
    static const char *const paths[] = {"/v1/embeddings", "/api/embed"};
    static const char json[] = "Content-Type: application/json\r\n";
    struct stand_in up;
    struct house h;
    struct plain_reply r;
    stand_in_open(&up);
    house_open(&h, UPSTREAM, up.port);
    stand_in_play(&up, (struct stand_in_script){
        .body = "{\"data\":[{\"index\":0,\"embedding\":[0,1]}],\"usage\":{\"prompt_tokens\":7,\"total_tokens\":7}}"});
    for (size_t i = 0; i < 2; i++) {
        char headers[128];
        plain_request(h.port, "POST", paths[i], json, "{\"model\":\"vec\",\"input\":\"a\"}", &r);
        assert_int_equal(r.status, 200);
        assert_string_equal(plain_header(&r, "x-rung-model"), "vec");
        assert_string_equal(plain_header(&r, "x-rung-cost-usd"), "0.000014000000");
        assert_non_null(plain_header(&r, "x-request-id"));
        plain_free(&r);
        snprintf(headers, sizeof headers, "%sx-rung-privacy: local\r\n", json);
        plain_request(h.port, "POST", paths[i], headers, "{\"model\":\"starter\",\"input\":\"a\"}", &r);
        assert_int_equal(r.status, 200);
        assert_string_equal(plain_header(&r, "x-rung-privacy"), "local");
        plain_free(&r);
        snprintf(headers, sizeof headers, "%sx-rung-deadline-ms: soon\r\n", json);
        plain_request(h.port, "POST", paths[i], headers, "{\"model\":\"vec\",\"input\":\"a\"}", &r);
        assert_int_equal(r.status, 400);
        plain_free(&r);
    }
    stand_in_play(&up, (struct stand_in_script){.hang_first = true});
    for (size_t i = 0; i < 2; i++) {
        char headers[128];
        snprintf(headers, sizeof headers, "%sx-rung-deadline-ms: 50\r\n", json);
        plain_request(h.port, "POST", paths[i], headers, "{\"model\":\"vec\",\"input\":\"a\"}", &r);
        assert_int_equal(r.status, 504);
        plain_free(&r);
    }
    house_close(&h);
    stand_in_close(&up);
}

/* ---- the ledger ---- */

static void test_a_row_says_that_vectors_were_made(void **state)
{
    (void)state;
    struct house h;
    sqlite3 *db;
    sqlite3_stmt *s;
    house_open(&h, LOCAL, "false");
    json_decref(embedded(&h, "{\"model\":\"starter\",\"input\":[\"a\",\"b\"],\"metadata\":{\"privacy\":\"local\"}}"));
    http_server_close(h.server, 1000);
    gateway_close(h.gateway);
    assert_int_equal(sqlite3_open(h.ledger, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT kind, privacy, model, outcome FROM request", -1, &s, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(s, 0), "embed");
    assert_string_equal((const char *)sqlite3_column_text(s, 1), "local");
    assert_string_equal((const char *)sqlite3_column_text(s, 2), "starter");
    assert_int_equal(sqlite3_step(s), SQLITE_DONE);
    sqlite3_finalize(s);
    sqlite3_close(db);
    unlink(h.ledger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_text_becomes_a_vector_of_length_one),
        cmocka_unit_test(test_texts_of_a_batch_keep_their_order),
        cmocka_unit_test(test_tokens_stand_for_the_text_they_spell),
        cmocka_unit_test(test_base64_holds_the_same_numbers),
        cmocka_unit_test(test_vectors_are_shortened_only_where_the_model_was_made_for_it),
        cmocka_unit_test(test_what_cannot_be_embedded_is_refused_by_name),
        cmocka_unit_test(test_an_upstream_is_asked_and_paid),
        cmocka_unit_test(test_an_upstream_that_answers_nonsense_is_an_error),
        cmocka_unit_test(test_headers_say_the_same_as_of_answers),
        cmocka_unit_test(test_a_row_says_that_vectors_were_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
