/* POST /v1/completions, /tokenize and /detokenize over HTTP: prompts in every shape, echo as lm-evaluation-harness asks
 * for it, choices, streams, upstreams, and what is refused. */
#include <math.h>

#include "data/json.h"
#include "support_gateway.h"

#define LOCAL "models: {starter: {file: starter}}\ntiers: [{name: local, model: starter}]\n"
#define OWN                                                                                                       \
    "models: {starter: {file: starter}, own: {base_url: 'http://127.0.0.1:%u/v1', model: m, private: true}, "        \
    "paid: {base_url: 'http://127.0.0.1:%u/v1', model: p}}\ntiers: [{name: local, model: starter}]\n"
#define QUESTION "book me a flight from boston to denver"

static struct house house;

static int open_house(void **state)
{
    (void)state;
    house_open(&house, LOCAL);
    return 0;
}

static int close_house(void **state)
{
    (void)state;
    house_close(&house);
    return 0;
}

static void post(struct house *h, const char *path, const char *body, struct plain_reply *ret)
{
    plain_request(h->port, "POST", path, "Content-Type: application/json\r\n", body, ret);
}

static json_t *ask_at(struct house *h, const char *path, const char *body)
{
    struct plain_reply r;
    post(h, path, body, &r);
    if (r.status != 200)
        fail_msg("%d: %s", r.status, r.body);
    json_t *v = reply_json(&r);
    plain_free(&r);
    return v;
}

/* Of a value that is given up; to be freed. */
static char *text_of(json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT);
    assert_non_null(text);
    json_decref(value);
    return text;
}

static json_t *complete(const char *body) { return ask_at(&house, "/v1/completions", body); }

static void assert_refused_at(struct house *h, const char *path, const char *body, int status, const char *part)
{
    struct plain_reply r;
    post(h, path, body, &r);
    if (r.status != status || !strstr(r.body, part))
        fail_msg("%d instead of %d, without '%s': %s", r.status, status, part, r.body);
    plain_free(&r);
}

static void assert_refused(const char *body, const char *part)
{
    assert_refused_at(&house, "/v1/completions", body, 400, part);
}

static const json_t *choice_at(const json_t *reply, size_t i)
{
    return json_array_get(json_object_get(reply, "choices"), i);
}

static const json_t *logprobs_of(const json_t *choice, const char *list)
{
    return json_object_get(json_object_get(choice, "logprobs"), list);
}

/* ---- whole answers ---- */

static void test_a_text_is_gone_on_with(void **state)
{
    (void)state;
    json_t *v = complete("{\"model\":\"starter\",\"prompt\":\"" QUESTION "\",\"max_tokens\":5,\"temperature\":0,"
                         "\"logit_bias\":{\"4095\":-100}}");
    assert_string_equal(json_at(v, "object"), "text_completion");
    assert_true(strncmp(json_at(v, "id"), "cmpl-", 5) == 0);
    assert_string_equal(json_at(v, "choices.0.index"), "0");
    assert_string_equal(json_at(v, "choices.0.finish_reason"), "length");
    assert_true(json_is_null(json_object_get(choice_at(v, 0), "logprobs")));
    assert_string_equal(json_at(v, "usage.completion_tokens"), "5");
    assert_string_equal(json_at(v, "rung.tier"), "local");
    json_decref(v);
}

static void test_sixteen_tokens_are_written_where_nothing_is_said(void **state)
{
    (void)state;
    json_t *v = complete("{\"model\":\"auto\",\"prompt\":\"" QUESTION "\",\"temperature\":0,"
                         "\"logit_bias\":{\"4095\":-100}}");
    assert_string_equal(json_at(v, "usage.completion_tokens"), "16");
    json_decref(v);
}

static void test_choices_come_in_the_order_of_prompts_and_their_answers(void **state)
{
    (void)state;
    json_t *v = complete("{\"model\":\"starter\",\"prompt\":[\"" QUESTION "\",\"my card is lost\"],\"n\":2,\"seed\":7,"
                         "\"max_tokens\":6,\"temperature\":1,\"echo\":true,\"logit_bias\":{\"4095\":-100}}");
    assert_int_equal(json_array_size(json_object_get(v, "choices")), 4);
    for (size_t i = 0; i < 4; i++) {
        const char *text = json_string_value(json_object_get(choice_at(v, i), "text"));
        assert_int_equal(json_integer_value(json_object_get(choice_at(v, i), "index")), i);
        assert_true(strncmp(text, i < 2 ? QUESTION : "my card is lost", 15) == 0);
    }
    assert_string_not_equal(json_at(v, "choices.0.text"), json_at(v, "choices.1.text"));
    assert_string_equal(json_at(v, "usage.completion_tokens"), "24");
    json_t *again = complete("{\"model\":\"starter\",\"prompt\":\"my card is lost\",\"n\":2,\"seed\":7,\"best_of\":2,"
                             "\"max_tokens\":6,\"temperature\":1,\"echo\":true,\"logit_bias\":{\"4095\":-100}}");
    assert_string_equal(json_at(again, "choices.0.text"), json_at(v, "choices.2.text"));
    assert_string_equal(json_at(again, "choices.1.text"), json_at(v, "choices.3.text"));
    json_decref(v);
    json_decref(again);
}

static void test_the_context_that_was_asked_for_ends_an_answer(void **state)
{
    (void)state;
    json_t *v = complete("{\"model\":\"starter\",\"prompt\":[5,6,7],\"max_tokens\":50,\"context_length\":25,"
                         "\"temperature\":0,\"logit_bias\":{\"4095\":-100}}");
    assert_string_equal(json_at(v, "usage.completion_tokens"), "22");
    assert_string_equal(json_at(v, "choices.0.finish_reason"), "length");
    json_decref(v);
}

/* ---- echo ---- */

/* As lm-evaluation-harness asks: tokens, echo, one more token, log-probabilities; it leaves out the last one. */
static void test_a_harness_reads_the_likelihood_of_what_it_asks(void **state)
{
    (void)state;
    json_t *t = ask_at(&house, "/tokenize", "{\"content\":\"" QUESTION "\"}");
    char *ids = json_dumps(json_object_get(t, "tokens"), JSON_COMPACT), body[2000];
    size_t n = json_array_size(json_object_get(t, "tokens"));
    snprintf(body, sizeof body,
             "{\"model\":\"starter\",\"prompt\":[%s,%s],\"temperature\":0,\"max_tokens\":1,\"logprobs\":1,"
             "\"seed\":1234,\"echo\":true}", ids, ids);
    json_t *v = complete(body);
    for (size_t c = 0; c < 2; c++) {
        const json_t *values = logprobs_of(choice_at(v, c), "token_logprobs");
        const json_t *tops = logprobs_of(choice_at(v, c), "top_logprobs");
        assert_int_equal(json_array_size(values), json_array_size(logprobs_of(choice_at(v, c), "tokens")));
        assert_true(json_array_size(values) == n + 1 || json_array_size(values) == n);   /* the end has no text */
        assert_true(json_is_null(json_array_get(values, 0)));
        assert_true(json_is_null(json_array_get(tops, 0)));
        for (size_t i = 1; i < n; i++) {
            double best = -INFINITY, own = json_number_value(json_array_get(values, i));
            const char *key;
            json_t *value;
            json_object_foreach(json_array_get(tops, i), key, value)
                best = fmax(best, json_number_value(value));
            assert_true(own < 0 && own <= best);
        }
        assert_true(strncmp(json_string_value(json_object_get(choice_at(v, c), "text")), QUESTION,
                            strlen(QUESTION)) == 0);
    }
    assert_true(json_equal(logprobs_of(choice_at(v, 0), "token_logprobs"),
                           logprobs_of(choice_at(v, 1), "token_logprobs")));
    free(ids);
    json_decref(t);
    json_decref(v);
}

static void test_a_prompt_can_be_looked_at_without_an_answer(void **state)
{
    (void)state;
    json_t *t = ask_at(&house, "/tokenize", "{\"content\":\"" QUESTION "\"}");
    json_t *v = complete("{\"model\":\"starter\",\"prompt\":\"" QUESTION "\",\"max_tokens\":0,\"logprobs\":20,"
                         "\"echo\":true}");
    const json_t *choice = choice_at(v, 0), *offsets = logprobs_of(choice, "text_offset");
    assert_string_equal(json_at(v, "choices.0.text"), QUESTION);
    assert_string_equal(json_at(v, "choices.0.finish_reason"), "length");
    assert_string_equal(json_at(v, "usage.completion_tokens"), "0");
    assert_int_equal(json_array_size(logprobs_of(choice, "tokens")), json_array_size(json_object_get(t, "tokens")));
    assert_true(json_object_size(json_array_get(logprobs_of(choice, "top_logprobs"), 2)) >= 20);
    for (size_t i = 0, at = 0; i < json_array_size(offsets); i++) {
        assert_int_equal(json_integer_value(json_array_get(offsets, i)), at);
        at += strlen(json_string_value(json_array_get(logprobs_of(choice, "tokens"), i)));
    }
    json_decref(t);
    json_decref(v);
}

static void test_records_of_an_answer_are_those_of_its_echo(void **state)
{
    (void)state;
    json_t *v = complete("{\"model\":\"starter\",\"prompt\":[40,41,42],\"max_tokens\":6,\"logprobs\":2,\"echo\":true,"
                         "\"temperature\":0,\"logit_bias\":{\"4095\":-100}}");
    const json_t *text = json_object_get(choice_at(v, 0), "text");
    char *asked = text_of(json_pack("{s:O}", "content", text));
    json_t *t = ask_at(&house, "/tokenize", asked);
    char *body = text_of(json_pack("{s:s, s:O, s:i, s:i, s:b}", "model", "starter", "prompt", json_object_get(t, "tokens"),
                             "max_tokens", 0, "logprobs", 2, "echo", 1));
    json_t *echo = complete(body);
    if (json_array_size(json_object_get(t, "tokens")) == 9)   /* the text has the tokens that it was written in */
        assert_true(json_equal(json_object_get(choice_at(v, 0), "logprobs"),
                               json_object_get(choice_at(echo, 0), "logprobs")));
    free(asked);
    free(body);
    json_decref(echo);
    json_decref(t);
    json_decref(v);
}

/* ---- streams ---- */

static void gather(const struct plain_reply *r, char *text, size_t size, size_t *ret_tokens, const char **ret_finish)
{
    static char finish[32];
    *text = finish[0] = 0;
    *ret_tokens = 0;
    for (const char *at = r->body; (at = strstr(at, "data: {")); at++) {
        json_t *v = json_loads(at + 6, JSON_DISABLE_EOF_CHECK, NULL);
        const json_t *choice = choice_at(v, 0), *said = json_object_get(choice, "text");
        if (json_is_string(said))
            snprintf(text + strlen(text), size - strlen(text), "%s", json_string_value(said));
        *ret_tokens += json_array_size(logprobs_of(choice, "tokens"));
        if (json_is_string(json_object_get(choice, "finish_reason")))
            snprintf(finish, sizeof finish, "%s", json_string_value(json_object_get(choice, "finish_reason")));
        json_decref(v);
    }
    *ret_finish = finish;
}

static void test_a_stream_says_what_the_whole_answer_says(void **state)
{
    (void)state;
#define STREAMED "{\"model\":\"starter\",\"prompt\":\"" QUESTION "\",\"max_tokens\":8,\"temperature\":0,\"echo\":true," \
                 "\"logprobs\":1,\"logit_bias\":{\"4095\":-100}"
    struct plain_reply r;
    char text[4096];
    size_t n;
    const char *finish;
    json_t *v = complete(STREAMED "}");
    post(&house, "/v1/completions", STREAMED ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}", &r);
    assert_int_equal(r.status, 200);
    gather(&r, text, sizeof text, &n, &finish);
    assert_string_equal(text, json_at(v, "choices.0.text"));
    assert_int_equal(n, json_array_size(logprobs_of(choice_at(v, 0), "tokens")));
    assert_string_equal(finish, "length");
    assert_non_null(strstr(r.body, "\"completion_tokens\":8"));
    assert_non_null(strstr(r.body, "data: [DONE]"));
    plain_free(&r);
    json_decref(v);
}

/* ---- what is refused ---- */

static void test_fields_that_are_not_honoured_are_refused_by_name(void **state)
{
    (void)state;
    assert_refused("{\"model\":\"starter\"}", "'prompt' is missing");
    assert_refused("{\"prompt\":\"x\"}", "'model' is missing");
    assert_refused("{\"model\":\"starter\",\"prompt\":[]}", "'prompt' has 0 texts");
    assert_refused("{\"model\":\"starter\",\"prompt\":[[1],\"x\",{}]}", "'prompt[2]' must be a text");
    assert_refused("{\"model\":\"starter\",\"prompt\":[1,-1]}", "'prompt[1]' must be the number of a token");
    assert_refused("{\"model\":\"starter\",\"prompt\":\"x\",\"suffix\":\"y\"}", "'suffix' is not supported by the model");
    assert_refused("{\"model\":\"starter\",\"prompt\":[1],\"suffix\":\"y\"}", "'suffix' goes with a prompt of text");
    assert_refused("{\"model\":\"starter\",\"prompt\":\"x\",\"suffix\":\"y\",\"echo\":true}", "'suffix' and 'echo'");
    assert_refused("{\"model\":\"starter\",\"prompt\":\"x\",\"logprobs\":21}", "'logprobs'");
    assert_refused("{\"model\":\"starter\",\"prompt\":\"x\",\"logprobs\":true}", "'logprobs'");
    assert_refused("{\"model\":\"starter\",\"prompt\":\"x\",\"n\":2,\"best_of\":3}", "'best_of'");
    assert_refused("{\"model\":\"starter\",\"prompt\":\"x\",\"max_tokens\":0}", "'max_tokens' is 0");
    assert_refused("{\"model\":\"starter\",\"prompt\":\"x\",\"messages\":[]}", "'messages' is an unknown field");
    assert_refused("{\"model\":\"starter\",\"prompt\":\"x\",\"tools\":[]}", "'tools' is an unknown field");
    assert_refused("{\"model\":\"starter\",\"prompt\":\"x\",\"echo\":true,\"choices\":[\"a\",\"b\"]}", "'echo' and");
    assert_refused("{\"model\":\"auto\",\"prompt\":[1,2]}", "'model' is auto; name one: tokens are of one model");
    assert_refused("{\"model\":\"starter\",\"prompt\":\"\"}", "the prompt is empty");
    assert_refused_at(&house, "/v1/completions", "{\"model\":\"nobody\",\"prompt\":\"x\"}", 404, "model_not_found");
}

/* ---- upstreams ---- */

static void test_an_own_server_is_asked_at_its_completions(void **state)
{
    (void)state;
    struct stand_in up;
    struct house h;
    stand_in_open(&up);
    house_open(&h, OWN, up.port, up.port);
    stand_in_play(&up, (struct stand_in_script){
        .body = "{\"choices\":[{\"index\":0,\"text\":\"ab c\",\"finish_reason\":\"length\",\"logprobs\":{\"tokens\":"
                "[\"ab\",\" c\"],\"token_logprobs\":[null,-0.5],\"top_logprobs\":[null,{\" d\":-0.4,\" c\":-0.5}]}}],"
                "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}"});
    json_t *v = ask_at(&h, "/v1/completions", "{\"model\":\"own\",\"prompt\":[7],\"echo\":true,\"logprobs\":2,"
                                              "\"max_tokens\":1,\"user\":\"u\",\"n\":1}");
    assert_string_equal(up.body, "{\"model\":\"m\",\"prompt\":[7],\"echo\":true,\"logprobs\":2,\"max_tokens\":1,"
                                 "\"user\":\"u\"}");
    assert_string_equal(json_at(v, "choices.0.text"), "ab c");
    assert_string_equal(json_at(v, "choices.0.finish_reason"), "length");
    assert_string_equal(json_at(v, "choices.0.logprobs.tokens.1"), " c");
    assert_true(json_is_null(json_array_get(logprobs_of(choice_at(v, 0), "token_logprobs"), 0)));
    assert_true(json_number_at(v, "choices.0.logprobs.token_logprobs.1") == -0.5);
    json_decref(v);
    assert_refused_at(&h, "/v1/completions", "{\"model\":\"paid\",\"prompt\":\"x\"}", 400, "'prompt' is not supported");
    house_close(&h);
    stand_in_close(&up);
}

static void test_an_own_servers_stream_is_passed_on(void **state)
{
    (void)state;
    struct stand_in up;
    struct house h;
    struct plain_reply r;
    char text[100];
    size_t n;
    const char *finish;
    stand_in_open(&up);
    house_open(&h, OWN, up.port, up.port);
    stand_in_play(&up, (struct stand_in_script){
        .streamed = true,
        .body = "data: {\"choices\":[{\"index\":0,\"text\":\"on\",\"finish_reason\":null}]}\n\n|"
                "data: {\"choices\":[{\"index\":0,\"text\":\" and\",\"finish_reason\":\"stop\"}]}\n\n|"
                "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n|data: [DONE]\n\n"});
    post(&h, "/v1/completions", "{\"model\":\"own\",\"prompt\":\"go\",\"stream\":true,\"suffix\":\"!\"}", &r);
    assert_int_equal(r.status, 200);
    gather(&r, text, sizeof text, &n, &finish);
    assert_string_equal(text, "on and");
    assert_string_equal(finish, "stop");
    assert_non_null(strstr(up.body, "\"suffix\":\"!\""));
    assert_non_null(strstr(up.body, "\"max_tokens\":16"));
    plain_free(&r);
    house_close(&h);
    stand_in_close(&up);
}

/* ---- tokens ---- */

static void test_tokens_and_texts_turn_into_each_other(void **state)
{
    (void)state;
    json_t *t = ask_at(&house, "/tokenize", "{\"model\":\"starter\",\"content\":\"" QUESTION "\"}");
    json_t *vllm = ask_at(&house, "/tokenize", "{\"prompt\":\"" QUESTION "\",\"return_token_strs\":true}");
    json_t *pieces = ask_at(&house, "/tokenize", "{\"content\":\"a \\u00fc\",\"with_pieces\":true}");
    char *body = text_of(json_pack("{s:O}", "tokens", json_object_get(t, "tokens")));
    json_t *text = ask_at(&house, "/detokenize", body);
    assert_string_equal(json_at(text, "content"), QUESTION);
    assert_string_equal(json_at(text, "prompt"), QUESTION);
    assert_true(json_equal(json_object_get(t, "tokens"), json_object_get(vllm, "tokens")));
    assert_int_equal(json_integer_value(json_object_get(vllm, "count")),
                     json_array_size(json_object_get(vllm, "token_strs")));
    assert_string_equal(json_at(vllm, "max_model_len"), "512");
    assert_true(json_number_at(pieces, "tokens.0.id") > 0);
    assert_string_equal(json_at(pieces, "tokens.0.piece"), "a");
    free(body);
    json_decref(t);
    json_decref(vllm);
    json_decref(pieces);
    json_decref(text);
}

static void test_a_conversation_is_tokenised_through_its_template(void **state)
{
    (void)state;
    json_t *t = ask_at(&house, "/tokenize", "{\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}");
    char *body = text_of(json_pack("{s:O}", "tokens", json_object_get(t, "tokens")));
    json_t *text = ask_at(&house, "/detokenize", body);
    assert_non_null(strstr(json_at(text, "content"), "<|im_start|>user\nhello<|im_end|>"));
    free(body);
    json_decref(t);
    json_decref(text);
}

static void test_tokens_that_are_none_are_refused(void **state)
{
    (void)state;
    assert_refused_at(&house, "/detokenize", "{\"tokens\":[4096]}", 400, "token 0 is 4096");
    assert_refused_at(&house, "/detokenize", "{\"tokens\":\"x\"}", 400, "'tokens' must be an array");
    assert_refused_at(&house, "/detokenize", "{}", 400, "'tokens' must be an array of tokens, not missing");
    assert_refused_at(&house, "/tokenize", "{}", 400, "'content' is missing");
    assert_refused_at(&house, "/tokenize", "{\"content\":\"a\",\"prompt\":\"b\"}", 400, "are both given");
    assert_refused_at(&house, "/tokenize", "{\"content\":\"a\",\"extra\":1}", 400, "'extra' is an unknown field");
    assert_refused_at(&house, "/tokenize", "{\"model\":\"nobody\",\"content\":\"a\"}", 404, "nobody");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_text_is_gone_on_with),
        cmocka_unit_test(test_sixteen_tokens_are_written_where_nothing_is_said),
        cmocka_unit_test(test_choices_come_in_the_order_of_prompts_and_their_answers),
        cmocka_unit_test(test_the_context_that_was_asked_for_ends_an_answer),
        cmocka_unit_test(test_a_harness_reads_the_likelihood_of_what_it_asks),
        cmocka_unit_test(test_a_prompt_can_be_looked_at_without_an_answer),
        cmocka_unit_test(test_records_of_an_answer_are_those_of_its_echo),
        cmocka_unit_test(test_a_stream_says_what_the_whole_answer_says),
        cmocka_unit_test(test_fields_that_are_not_honoured_are_refused_by_name),
        cmocka_unit_test(test_an_own_server_is_asked_at_its_completions),
        cmocka_unit_test(test_an_own_servers_stream_is_passed_on),
        cmocka_unit_test(test_tokens_and_texts_turn_into_each_other),
        cmocka_unit_test(test_a_conversation_is_tokenised_through_its_template),
        cmocka_unit_test(test_tokens_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, open_house, close_house);
}
