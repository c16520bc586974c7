/* What becomes of answers that must be in form, over real HTTP with a stand-in upstream: told in every reply, tried again,
 * climbed with, held until it is known, and never passed off in silence. */
#include "data/json.h"
#include "support_gateway.h"

#define TWO_TIERS                                                                                                      \
    "models: {starter: {file: starter}, big: {base_url: 'http://127.0.0.1:%u/v1', model: big-2}}\n"                     \
    "tiers: [{name: local, model: starter}, {name: frontier, model: big}]\n"                                           \
    "confidence: {default: 0, classify: 0}\n"

#define QUOTED(text) "\"" text "\""
#define PLAIN(content)                                                                                                 \
    "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":" content "},\"finish_reason\":\"stop\"}]," \
    "\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":2}}"
#define EVENT(delta, finish) "data: {\"choices\":[{\"index\":0,\"delta\":{" delta "},\"finish_reason\":" finish "}]}\n\n"
#define END "|" EVENT("", "\"stop\"") "|data: [DONE]\n\n"

/* A schema that no mask can say in full, which no answer satisfies: what a local model writes under it is never valid. */
#define HOPELESS                                                                                                       \
    "\"format\":{\"type\":\"array\",\"items\":{\"enum\":[\"x\",\"y\"]},\"minItems\":1,\"maxItems\":2,"                   \
    "\"contains\":{\"const\":\"z\"}}"
#define LABEL "\"format\":{\"type\":\"object\",\"properties\":{\"a\":{\"enum\":[\"x\",\"y\"]}},\"required\":[\"a\"],\"additionalProperties\":false}"
#define IN_FORM QUOTED("{\\\"a\\\": \\\"x\\\"}")
#define NOT_IN_FORM QUOTED("{\\\"a\\\": \\\"z\\\"}")

static struct stand_in upstream;

static int setup(void **state)
{
    (void)state;
    stand_in_open(&upstream);
    stand_in_play(&upstream, (struct stand_in_script){.body = PLAIN(IN_FORM)});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    stand_in_close(&upstream);
    return 0;
}

/* A request with these members beside a short question; one of 4 buffers. */
static const char *body_of(const char *model, const char *more)
{
    static __thread char texts[4][4096];
    static __thread int next;
    char *text = texts[next++ % 4];
    snprintf(text, sizeof texts[0],
             "{\"model\":\"%s\",\"max_tokens\":40,\"messages\":[{\"role\":\"user\",\"content\":\"My new card has not come "
             "yet.\"}],%s}", model, more);
    return text;
}

static json_t *ask(struct house *h, const char *model, const char *more, struct plain_reply *r)
{
    house_chat(h, body_of(model, more), r);
    if (r->status != 200)
        fail_msg("%s", r->raw);
    return strstr(r->body, "data: ") == r->body ? last_event(r) : reply_json(r);
}

static void done(json_t *v, struct plain_reply *r)
{
    json_decref(v);
    plain_free(r);
}

static void test_every_constrained_reply_says_whether_it_is_valid(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, TWO_TIERS, upstream.port);
    json_t *v = ask(&h, "big", LABEL, &r);
    assert_string_equal(json_at(v, "rung.valid"), "true");
    assert_string_equal(json_at(v, "rung.attempts.0.outcome"), "ok");
    done(v, &r);
    stand_in_play(&upstream, (struct stand_in_script){.body = PLAIN(NOT_IN_FORM)});
    v = ask(&h, "big", LABEL, &r);
    assert_string_equal(json_at(v, "rung.valid"), "false");
    assert_string_equal(json_at(v, "choices.0.message.content"), "{\"a\": \"z\"}");
    assert_string_equal(json_at(v, "rung.attempts.0.outcome"), "failed");
    assert_non_null(strstr(json_at(v, "rung.attempts.0.error"), "/a"));
    assert_string_equal(json_at(v, "rung.attempts.1.outcome"), "");
    assert_string_equal(json_at(v, "rung.escalation"), "null");
    done(v, &r);
    v = ask(&h, "big", "\"temperature\":0", &r);
    assert_string_equal(json_at(v, "rung.valid"), "");
    done(v, &r);
    house_close(&h);
}

static void test_stream_s_last_chunk_says_whether_it_is_valid(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, TWO_TIERS, upstream.port);
    stand_in_play(&upstream, (struct stand_in_script){
                                 .streamed = true, .body = EVENT("\"content\":\"{\\\"a\\\":\"", "null") "|"
                                                           EVENT("\"content\":\"\\\"x\\\"}\"", "null") END});
    json_t *v = ask(&h, "big", LABEL ",\"stream\":true", &r);
    assert_string_equal(json_at(v, "rung.valid"), "true");
    done(v, &r);
    stand_in_play(&upstream, (struct stand_in_script){
                                 .streamed = true, .body = EVENT("\"content\":\"{\\\"a\\\":\"", "null") END});
    v = ask(&h, "big", LABEL ",\"stream\":true", &r);
    assert_string_equal(json_at(v, "rung.valid"), "false");
    assert_string_not_equal(json_at(v, "rung.attempts.0.error"), "");
    done(v, &r);
    house_close(&h);
}

static void test_local_answer_not_in_form_is_tried_once_more_and_then_climbs(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, TWO_TIERS, upstream.port);
    stand_in_play(&upstream, (struct stand_in_script){.body = PLAIN(QUOTED("{}"))});
    json_t *v = ask(&h, "auto", HOPELESS, &r);
    assert_string_equal(json_at(v, "rung.attempts.0.tier"), "local");
    assert_string_equal(json_at(v, "rung.attempts.0.outcome"), "failed");
    assert_string_equal(json_at(v, "rung.attempts.1.tier"), "local");
    assert_string_equal(json_at(v, "rung.attempts.1.outcome"), "failed");
    assert_string_equal(json_at(v, "rung.attempts.2.tier"), "frontier");
    assert_string_equal(json_at(v, "rung.attempts.3.tier"), "");
    assert_non_null(strstr(json_at(v, "rung.reason"), "local not in form"));
    done(v, &r);
    house_close(&h);
}

/* Nobody above helps: the local answer is given, and says what it is. */
static void expect_local_marked(const char *more, struct stand_in_script script)
{
    struct house h;
    struct plain_reply r;
    house_open(&h, TWO_TIERS, upstream.port);
    stand_in_play(&upstream, script);
    json_t *v = ask(&h, "auto", more, &r);
    assert_string_equal(json_at(v, "rung.valid"), "false");
    assert_string_equal(json_at(v, "rung.escalation"), "unavailable");
    assert_string_equal(json_at(v, "rung.attempts.1.outcome"), "failed");
    assert_string_equal(json_at(v, "rung.attempts.2.outcome"), "failed");
    done(v, &r);
    house_close(&h);
}

static void test_answer_that_nobody_mends_is_given_marked(void **state)
{
    (void)state;
    const struct stand_in_script down = {.status = 500, .body = "{}"};
    const struct stand_in_script no_better = {.body = PLAIN(NOT_IN_FORM)};
    expect_local_marked(HOPELESS, down);
    expect_local_marked(HOPELESS, no_better);
    expect_local_marked(HOPELESS ",\"stream\":true", down);
    expect_local_marked(HOPELESS ",\"stream\":true", no_better);
}

static void test_named_model_is_tried_once_more_and_climbs_nowhere(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, TWO_TIERS, upstream.port);
    json_t *v = ask(&h, "starter", HOPELESS, &r);
    assert_string_equal(json_at(v, "rung.valid"), "false");
    assert_string_equal(json_at(v, "rung.escalation"), "null");
    assert_string_equal(json_at(v, "rung.attempts.1.outcome"), "failed");
    assert_string_equal(json_at(v, "rung.attempts.2.outcome"), "");
    assert_int_equal(stand_in_requests(&upstream), 0);
    done(v, &r);
    house_close(&h);
}

/* Two of two letters, and no letter twice: no mask says so, and the second draw has other luck than the first. */
static void test_second_try_draws_otherwise(void **state)
{
    (void)state;
    struct house h;
    int mended = 0;
    house_open(&h, TWO_TIERS, upstream.port);
    for (int seed = 1; seed <= 40 && !mended; seed++) {
        struct plain_reply r;
        char more[300];
        snprintf(more, sizeof more,
                 "\"seed\":%d,\"format\":{\"type\":\"array\",\"items\":{\"enum\":[\"x\",\"y\"]},\"minItems\":2,\"maxItems\":2,"
                 "\"uniqueItems\":true}", seed);
        json_t *v = ask(&h, "starter", more, &r);
        bool again = strcmp(json_at(v, "rung.attempts.0.outcome"), "failed") == 0;
        mended += again && strcmp(json_at(v, "rung.attempts.1.outcome"), "ok") == 0;
        if (mended)
            assert_string_equal(json_at(v, "rung.valid"), "true");
        done(v, &r);
    }
    assert_int_equal(mended, 1);
    house_close(&h);
}

static void test_private_answer_not_in_form_never_leaves(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    struct trap trap;
    trap_open(&trap);
    house_open(&h, TWO_TIERS, trap.port);
    json_t *v = ask(&h, "auto", HOPELESS ",\"metadata\":{\"privacy\":\"local\"}", &r);
    assert_string_equal(json_at(v, "rung.valid"), "false");
    assert_string_equal(json_at(v, "rung.tier"), "local");
    assert_int_equal(trap_connections(&trap), 0);
    done(v, &r);
    house_close(&h);
    trap_close(&trap);
}

static void test_stream_not_in_form_is_never_seen_when_another_takes_its_place(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, "models: {starter: {file: starter}, big: {base_url: 'http://127.0.0.1:%u/v1', model: big-2}}\n"
                   "tiers: [{name: local, model: starter}, {name: frontier, model: big}]\n"
                   "confidence: {default: 0, classify: 0}\nroutes: [{name: up, max_tokens: 10000, start: frontier}]\n",
               upstream.port);
    stand_in_play(&upstream, (struct stand_in_script){.streamed = true, .body = EVENT("\"content\":\"Sure! Here\"", "null") END});
    json_t *v = ask(&h, "auto", LABEL ",\"stream\":true", &r);
    assert_null(strstr(r.body, "Sure!"));
    assert_string_equal(json_at(v, "rung.attempts.0.tier"), "frontier");
    assert_string_equal(json_at(v, "rung.attempts.0.outcome"), "failed");
    assert_string_equal(json_at(v, "rung.tier"), "local");
    assert_string_equal(json_at(v, "rung.valid"), "true");
    done(v, &r);
    house_close(&h);
}

static void test_answer_cut_by_its_length_is_not_valid_and_not_tried_again(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, TWO_TIERS, upstream.port);
    house_chat(&h, "{\"model\":\"auto\",\"max_tokens\":2,\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]," LABEL "}", &r);
    json_t *v = reply_json(&r);
    assert_string_equal(json_at(v, "choices.0.finish_reason"), "length");
    assert_string_equal(json_at(v, "rung.valid"), "false");
    assert_string_equal(json_at(v, "rung.attempts.0.outcome"), "ok");
    assert_string_equal(json_at(v, "rung.attempts.1.tier"), "");
    done(v, &r);
    house_close(&h);
}

static void test_local_answers_are_in_form(void **state)
{
    (void)state;
    static const char *const forms[] = {
        LABEL,
        "\"response_format\":{\"type\":\"json_object\"},\"max_completion_tokens\":40,\"seed\":3",
        "\"choices\":[\"card_arrival\",\"lost_card\"]",
        "\"grammar\":\"root ::= \\\"<\\\" [a-z]{3} \\\">\\\"\"",
    };
    struct house h;
    struct plain_reply r;
    house_open(&h, TWO_TIERS, upstream.port);
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        json_t *v = ask(&h, "starter", forms[i], &r);
        bool cut = strcmp(json_at(v, "choices.0.finish_reason"), "length") == 0;
        if (strcmp(json_at(v, "rung.valid"), cut ? "false" : "true") != 0)
            fail_msg("%s: %s", forms[i], r.body);
        done(v, &r);
    }
    house_close(&h);
}

static void test_schema_goes_up_as_received(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    const char *format = "\"response_format\":{ \"type\":\"json_schema\", \"json_schema\":{\"name\":\"n\",\"strict\":true,\"schema\":{\"type\":\"object\"}}}";
    house_open(&h, TWO_TIERS, upstream.port);
    json_t *v = ask(&h, "big", format, &r);
    assert_non_null(strstr(upstream.body, format));
    assert_string_equal(json_at(v, "rung.valid"), "true");
    done(v, &r);
    house_close(&h);
}

static json_t *sent_by(struct house *h, const char *more)
{
    struct plain_reply r;
    json_t *sent = NULL;
    json_decref(ask(h, "big", more, &r));
    plain_free(&r);
    assert_true(json_parse_object(str_of(upstream.body), "sent", &sent, NULL));
    return sent;
}

static void test_ollama_s_format_goes_up_as_response_format(void **state)
{
    (void)state;
    struct house h;
    house_open(&h, TWO_TIERS, upstream.port);
    json_t *sent = sent_by(&h, "\"property_order\":\"any\"," LABEL);
    assert_string_equal(json_at(sent, "response_format.type"), "json_schema");
    assert_string_equal(json_at(sent, "response_format.json_schema.schema.required.0"), "a");
    assert_null(json_object_get(sent, "format"));
    assert_null(json_object_get(sent, "property_order"));
    json_decref(sent);
    sent = sent_by(&h, "\"format\":\"json\"");
    assert_string_equal(json_at(sent, "response_format.type"), "json_object");
    json_decref(sent);
    house_close(&h);
}

static void test_choices_go_up_as_a_schema_and_come_back_as_text(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    const char *choices = "\"choices\":[\"lost \\\"card\\\"\",\"other\"]";
    house_open(&h, TWO_TIERS, upstream.port);
    stand_in_play(&upstream, (struct stand_in_script){.body = PLAIN(QUOTED("{\\\"choice\\\": \\\"other\\\"}"))});
    json_t *v = ask(&h, "big", choices, &r), *sent = NULL;
    assert_string_equal(json_at(v, "choices.0.message.content"), "other");
    assert_string_equal(json_at(v, "rung.valid"), "true");
    assert_true(json_parse_object(str_of(upstream.body), "sent", &sent, NULL));
    assert_null(json_object_get(sent, "choices"));
    assert_string_equal(json_at(sent, "response_format.json_schema.schema.properties.choice.enum.0"), "lost \"card\"");
    assert_string_equal(json_at(sent, "response_format.json_schema.strict"), "true");
    json_decref(sent);
    done(v, &r);
    stand_in_play(&upstream, (struct stand_in_script){
                                 .streamed = true, .body = EVENT("\"content\":\"{\\\"choice\\\": \\\"lost \"", "null") "|"
                                                           EVENT("\"content\":\"\\\\\\\"card\\\\\\\"\\\"}\"", "null") END});
    v = ask(&h, "big", "\"choices\":[\"lost \\\"card\\\"\",\"other\"],\"stream\":true", &r);
    assert_non_null(strstr(r.body, "\"content\":\"lost \\\"card\\\"\""));
    assert_null(strstr(r.body, "choice\\\""));
    assert_string_equal(json_at(v, "rung.valid"), "true");
    done(v, &r);
    stand_in_play(&upstream, (struct stand_in_script){.body = PLAIN(QUOTED("It is other."))});
    v = ask(&h, "big", choices, &r);
    assert_string_equal(json_at(v, "choices.0.message.content"), "It is other.");
    assert_string_equal(json_at(v, "rung.valid"), "false");
    done(v, &r);
    house_close(&h);
}

static void test_grammar_goes_to_own_machines_only(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    const char *grammar = "\"grammar\":\"root ::= \\\"yes\\\" | \\\"no\\\"\"";
    house_open(&h, TWO_TIERS, upstream.port);
    house_chat(&h, body_of("big", grammar), &r);
    assert_int_equal(r.status, 400);
    assert_non_null(strstr(r.body, "grammar"));
    assert_int_equal(stand_in_requests(&upstream), 0);
    plain_free(&r);
    house_close(&h);
    house_open(&h, "models: {mine: {base_url: 'http://127.0.0.1:%u/v1', private: true}}\n"
                   "tiers: [{name: own, model: mine}]\n", upstream.port);
    stand_in_play(&upstream, (struct stand_in_script){.body = PLAIN(QUOTED("no"))});
    json_t *v = ask(&h, "mine", grammar, &r);
    assert_non_null(strstr(upstream.body, grammar));
    assert_string_equal(json_at(v, "rung.valid"), "true");
    done(v, &r);
    house_close(&h);
}

#define TOOLS "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"strict\":true,\"parameters\":" \
    "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}},\"required\":[\"n\"],\"additionalProperties\":false}}}]"
#define CALL_EVENTS(value)                                                                                             \
    EVENT("\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]", \
          "null") "|"                                                                                                  \
    EVENT("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"n\\\":\"}}]", "null") "|"                    \
    EVENT("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"" value "}\"}}]", "null") "|"                     \
    EVENT("", "\"tool_calls\"") "|data: [DONE]\n\n"

static void test_streamed_calls_of_an_upstream_are_checked(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, TWO_TIERS, upstream.port);
    stand_in_play(&upstream, (struct stand_in_script){.streamed = true, .body = CALL_EVENTS("7")});
    json_t *v = ask(&h, "big", TOOLS ",\"stream\":true", &r);
    assert_string_equal(json_at(v, "rung.valid"), "true");
    done(v, &r);
    stand_in_play(&upstream, (struct stand_in_script){.streamed = true, .body = CALL_EVENTS("7.5")});
    v = ask(&h, "big", TOOLS ",\"stream\":true", &r);
    assert_string_equal(json_at(v, "rung.valid"), "false");
    done(v, &r);
    stand_in_play(&upstream, (struct stand_in_script){.body = PLAIN(QUOTED("I need not call."))});
    v = ask(&h, "big", TOOLS, &r);
    assert_string_equal(json_at(v, "rung.valid"), "");
    done(v, &r);
    v = ask(&h, "big", TOOLS ",\"tool_choice\":\"required\"", &r);
    assert_string_equal(json_at(v, "rung.valid"), "false");
    done(v, &r);
    house_close(&h);
}

static void test_request_with_choices_is_one_of_classifying(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, TWO_TIERS, upstream.port);
    json_t *v = ask(&h, "starter", "\"choices\":[\"card_arrival\",\"lost_card\"]", &r);
    assert_string_equal(json_at(v, "rung.kind"), "classify");
    done(v, &r);
    v = ask(&h, "starter", "\"choices\":[\"card_arrival\",\"lost_card\"],\"metadata\":{\"kind\":\"route\"}", &r);
    assert_string_equal(json_at(v, "rung.kind"), "route");
    done(v, &r);
    house_close(&h);
}

static void test_refusals_name_field_keyword_and_path(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, TWO_TIERS, upstream.port);
    house_chat(&h, body_of("auto", "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":"
                                   "{\"properties\":{\"a\":{\"minLength\":\"x\"}}}}}"), &r);
    assert_int_equal(r.status, 400);
    json_t *v = reply_json(&r);
    assert_string_equal(json_at(v, "error.type"), "invalid_request_error");
    assert_string_equal(json_at(v, "error.param"), "response_format.json_schema.schema");
    assert_non_null(strstr(json_at(v, "error.message"), "minLength"));
    assert_non_null(strstr(json_at(v, "error.message"), "/properties/a"));
    done(v, &r);
    house_close(&h);
}

/* What only compiling shows is refused like what reading shows, and no tier above is paid for it. */
static void test_schema_that_cannot_be_compiled_is_refused_and_climbs_nowhere(void **state)
{
    (void)state;
    static const char *const schemas[][2] = {
        {"{\"type\":\"string\",\"pattern\":\"(a)\\\\1\"}", "pattern"},
        {"{\"type\":\"string\",\"minLength\":5,\"maxLength\":2}", "no answer"},
    };
    struct house h;
    struct plain_reply r;
    char more[200];
    house_open(&h, TWO_TIERS, upstream.port);
    for (int i = 0; i < 2; i++) {
        snprintf(more, sizeof more, "\"format\":%s", schemas[i][0]);
        house_chat(&h, body_of("auto", more), &r);
        assert_int_equal(r.status, 400);
        json_t *v = reply_json(&r);
        assert_string_equal(json_at(v, "error.param"), "format");
        assert_non_null(strstr(json_at(v, "error.message"), schemas[i][1]));
        done(v, &r);
    }
    house_chat(&h, body_of("auto", "\"grammar\":\"root ::= \\\"a\\\"\\nx ::= [a-z\""), &r);
    assert_non_null(strstr(r.body, "'grammar': line 2, column 7"));
    plain_free(&r);
    assert_int_equal(stand_in_requests(&upstream), 0);
    house_close(&h);
}

/* Deeper than the check goes, and for that it needs stack. */
static void test_answer_under_a_schema_that_refers_to_itself_is_given_marked(void **state)
{
    (void)state;
    struct house h;
    struct plain_reply r;
    house_open(&h, TWO_TIERS, upstream.port);
    json_t *v = ask(&h, "starter", "\"format\":{\"const\":1,\"allOf\":[{\"$ref\":\"#\"}]}", &r);
    assert_string_equal(json_at(v, "rung.valid"), "false");
    assert_non_null(strstr(json_at(v, "rung.attempts.0.error"), "refer to itself"));
    done(v, &r);
    house_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_constrained_reply_says_whether_it_is_valid, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stream_s_last_chunk_says_whether_it_is_valid, setup, teardown),
        cmocka_unit_test_setup_teardown(test_local_answer_not_in_form_is_tried_once_more_and_then_climbs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer_that_nobody_mends_is_given_marked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_named_model_is_tried_once_more_and_climbs_nowhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_second_try_draws_otherwise, setup, teardown),
        cmocka_unit_test_setup_teardown(test_private_answer_not_in_form_never_leaves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stream_not_in_form_is_never_seen_when_another_takes_its_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer_cut_by_its_length_is_not_valid_and_not_tried_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_local_answers_are_in_form, setup, teardown),
        cmocka_unit_test_setup_teardown(test_schema_goes_up_as_received, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ollama_s_format_goes_up_as_response_format, setup, teardown),
        cmocka_unit_test_setup_teardown(test_choices_go_up_as_a_schema_and_come_back_as_text, setup, teardown),
        cmocka_unit_test_setup_teardown(test_grammar_goes_to_own_machines_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_streamed_calls_of_an_upstream_are_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_request_with_choices_is_one_of_classifying, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals_name_field_keyword_and_path, setup, teardown),
        cmocka_unit_test_setup_teardown(test_schema_that_cannot_be_compiled_is_refused_and_climbs_nowhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer_under_a_schema_that_refers_to_itself_is_given_marked, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
