/* The OpenAI parser: each documented field is honoured or refused by name, and nothing is dropped in silence. */
#include "../support.h"
#include "gateway/api/openai/openai.h"

#define USER "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]"
#define HEAD "{\"model\":\"auto\"," USER

#define WEATHER "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"weather\",\"parameters\":{\"type\":\"object\"}}}]"
/* A body up to its first message, an assistant's. */
#define ASSISTANT(members) "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\"," members "}"
#define CALLED(arguments)                                                                                              \
    ASSISTANT("\"content\":null,\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":"           \
              "\"weather\",\"arguments\":" arguments "}}]")
#define ANSWERED(id) "{\"role\":\"tool\",\"tool_call_id\":\"" id "\",\"content\":\"4\"}"

static struct arena arena;

static struct request parse(const char *body)
{
    struct request r;
    struct err err = ERR_INIT;
    assert_ok(openai_parse_chat(str_of(body), &arena, &r, &err), err);
    return r;
}

/* Refused, and the sentence begins with the field in quotes. */
static void refused(const char *body, const char *field)
{
    struct request r;
    struct err err = ERR_INIT;
    char want[100];
    snprintf(want, sizeof want, "'%s'", field);
    if (openai_parse_chat(str_of(body), &arena, &r, &err))
        fail_msg("accepted: %s", body);
    if (strncmp(err.msg, want, strlen(want)) != 0)
        fail_msg("'%s' does not begin with %s", err.msg, want);
    assert_int_equal(err.code, ERR_INVALID);
}

static int setup(void **state)
{
    (void)state;
    arena = ARENA_INIT(64u << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static void test_parse_honours_every_sampling_field(void **state)
{
    (void)state;
    struct request r = parse(HEAD ",\"temperature\":0.5,\"top_p\":0.9,\"seed\":42,\"presence_penalty\":0.25,\"frequency_penalty\":-0.5,"
                                  "\"max_tokens\":7,\"stop\":[\"a\",\"bc\"],\"logprobs\":true,\"top_logprobs\":3,"
                                  "\"logit_bias\":{\"5\":-100,\"6\":1.5}}");
    assert_float_equal(r.sampler.temperature, 0.5, 1e-6);
    assert_float_equal(r.sampler.top_p, 0.9, 1e-6);
    assert_int_equal(r.sampler.seed, 42);
    assert_float_equal(r.sampler.presence_penalty, 0.25, 1e-6);
    assert_float_equal(r.sampler.frequency_penalty, -0.5, 1e-6);
    assert_int_equal(r.max_tokens, 7);
    assert_int_equal(r.n_stop, 2);
    assert_true(str_is(r.stop[1], "bc"));
    assert_true(r.logprobs);
    assert_int_equal(r.top_logprobs, 3);
    assert_int_equal(r.n_logit_bias, 2);
    assert_int_equal(r.logit_bias[0].id, 5);
    assert_float_equal(r.logit_bias[1].bias, 1.5, 1e-6);
    assert_true(r.has_temperature);
    request_free(&r);
}

static void test_parse_defaults_are_the_api_s(void **state)
{
    (void)state;
    struct request r = parse(HEAD "}"), again = parse(HEAD "}");
    assert_float_equal(r.sampler.temperature, 1, 0);
    assert_false(r.has_temperature);
    assert_int_equal(r.max_tokens, 0);
    assert_int_equal(r.enable_thinking, -1);
    assert_int_equal(r.kind, KIND_UNKNOWN);
    assert_false(r.kind_given);
    assert_int_equal(r.needs, 0);
    assert_true(r.sampler.seed != again.sampler.seed);
    assert_string_not_equal(r.id, again.id);
}

static void test_parse_null_is_as_good_as_absent(void **state)
{
    (void)state;
    struct request r = parse(HEAD ",\"temperature\":null,\"stop\":null,\"stream_options\":null,\"tools\":null,\"metadata\":null}");
    assert_int_equal(r.n_stop, 0);
    assert_int_equal(r.metadata.n, 0);
}

static void test_parse_joins_text_parts_and_maps_developer(void **state)
{
    (void)state;
    struct request r = parse("{\"model\":\"m\",\"messages\":[{\"role\":\"developer\",\"content\":\"Be brief.\"},{\"role\":\"user\","
                             "\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]}]}");
    assert_true(str_is(r.messages[0].role, "system"));
    assert_true(str_is(r.messages[1].content, "ab"));
}

static void test_parse_reads_metadata(void **state)
{
    (void)state;
    struct request r = parse(HEAD ",\"metadata\":{\"kind\":\"extract\",\"privacy\":\"local\",\"conversation_id\":\"c1\",\"id\":\"x\","
                                  "\"team\":\"legal\"}}");
    assert_int_equal(r.kind, KIND_EXTRACT);
    assert_true(r.kind_given);
    assert_int_equal(r.privacy, PRIVACY_LOCAL);
    assert_true(str_is(r.conversation_id, "c1"));
    assert_true(str_is(r.label, "x"));
    assert_true(str_find(r.metadata, STR("legal")) != SIZE_MAX);
}

static void test_parse_refuses_misspelt_kind(void **state)
{
    (void)state;
    refused(HEAD ",\"metadata\":{\"Privacy\":\"local\"}}", "metadata.Privacy");
    refused(HEAD ",\"metadata\":{\"kind\":\"sumarize\"}}", "metadata.kind");
    refused(HEAD ",\"metadata\":{\"kind\":\"unknown\"}}", "metadata.kind");
}

static void test_parse_bounds_metadata(void **state)
{
    (void)state;
    char body[4096] = HEAD ",\"metadata\":{";
    for (int i = 0; i < 17; i++)
        snprintf(body + strlen(body), sizeof body - strlen(body), "%s\"k%d\":\"v\"", i ? "," : "", i);
    strcat(body, "}}");
    refused(body, "metadata");
    refused(HEAD ",\"metadata\":{\"n\":1}}", "metadata.n");
    refused(HEAD ",\"metadata\":\"x\"}", "metadata");
}

static void test_parse_refuses_unknown_fields_by_name(void **state)
{
    (void)state;
    refused(HEAD ",\"temprature\":0}", "temprature");
    refused(HEAD ",\"mirostat\":3}", "mirostat");
    refused("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\",\"weight\":1}]}", "messages[0].weight");
    refused(HEAD ",\"stream\":true,\"stream_options\":{\"include_all\":true}}", "stream_options.include_all");
    refused(HEAD ",\"chat_template_kwargs\":{\"think\":true}}", "chat_template_kwargs");
}

static void test_parse_bounds_the_number_of_choices(void **state)
{
    (void)state;
    refused(HEAD ",\"n\":0}", "n");
    refused(HEAD ",\"n\":17}", "n");
    refused(HEAD ",\"n\":\"2\"}", "n");
    assert_int_equal(parse(HEAD ",\"n\":16}").n_answers, 16);
}

static void test_parse_takes_harmless_values_of_those(void **state)
{
    (void)state;
    struct request r = parse(HEAD ",\"n\":1,\"store\":false,\"user\":\"u\",\"service_tier\":\"auto\",\"modalities\":[\"text\"],"
                                  "\"parallel_tool_calls\":false,\"response_format\":{\"type\":\"text\"},\"safety_identifier\":\"s\"}");
    assert_int_equal(r.needs, 0);
}

static void test_parse_names_field_of_wrong_type_or_range(void **state)
{
    (void)state;
    refused(HEAD ",\"temperature\":\"hot\"}", "temperature");
    refused(HEAD ",\"temperature\":2.1}", "temperature");
    refused(HEAD ",\"top_p\":0}", "top_p");
    refused(HEAD ",\"top_p\":1.5}", "top_p");
    refused(HEAD ",\"max_tokens\":0}", "max_tokens");
    refused(HEAD ",\"max_tokens\":1.5}", "max_tokens");
    refused(HEAD ",\"max_completion_tokens\":-1}", "max_completion_tokens");
    refused(HEAD ",\"max_tokens\":5,\"max_completion_tokens\":6}", "max_tokens");
    refused(HEAD ",\"presence_penalty\":3}", "presence_penalty");
    refused(HEAD ",\"logprobs\":1}", "logprobs");
    refused(HEAD ",\"logprobs\":true,\"top_logprobs\":21}", "top_logprobs");
    refused(HEAD ",\"top_logprobs\":2}", "top_logprobs");
    refused(HEAD ",\"logit_bias\":{\"x\":1}}", "logit_bias");
    refused(HEAD ",\"logit_bias\":{\"1\":101}}", "logit_bias");
    refused(HEAD ",\"stream\":\"yes\"}", "stream");
    refused(HEAD ",\"stream_options\":{\"include_usage\":true}}", "stream_options");
    refused(HEAD ",\"seed\":1.5}", "seed");
    refused(HEAD ",\"stop\":[\"a\",1]}", "stop[1]");
    refused(HEAD ",\"stop\":\"\"}", "stop");
    refused(HEAD ",\"user\":5}", "user");
    refused(HEAD ",\"reasoning_effort\":\"huge\"}", "reasoning_effort");
    refused(HEAD ",\"response_format\":{\"type\":\"xml\"}}", "response_format.type");
}

static void test_parse_refuses_bad_messages_by_place(void **state)
{
    (void)state;
    refused("{\"model\":\"m\"}", "messages");
    refused("{" USER "}", "model");
    refused("{\"model\":\"\"," USER "}", "model");
    refused("{\"model\":\"m\",\"messages\":[]}", "messages");
    refused("{\"model\":\"m\",\"messages\":\"Hi\"}", "messages");
    refused("{\"model\":\"m\",\"messages\":[5]}", "messages[0]");
    refused("{\"model\":\"m\",\"messages\":[{\"content\":\"x\"}]}", "messages[0].role");
    refused("{\"model\":\"m\",\"messages\":[{\"role\":\"robot\",\"content\":\"x\"}]}", "messages[0].role");
    refused("{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}]}", "messages[0].content");
    refused("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":7}]}", "messages[0].content");
    refused("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"hologram\"}]}]}", "messages[0].content[0].type");
    refused("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":4}]}]}", "messages[0].content[0]");
}

static void test_parse_notes_what_only_an_upstream_can_do(void **state)
{
    (void)state;
    struct request r = parse("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://example.org/x\"}}]}]}");
    assert_string_equal(r.need_fields[NEED_IMAGES], "messages[0].content[0] (image_url)");
    request_free(&r);
    r = parse(HEAD ",\"tools\":[{\"type\":\"custom\",\"custom\":{\"name\":\"f\"}}]}");
    assert_string_equal(r.need_fields[NEED_OPENAI], "tools[0].type");
    request_free(&r);
    r = parse(HEAD "," WEATHER ",\"tool_choice\":{\"type\":\"some_tools\"}}");
    assert_string_equal(r.need_fields[NEED_OPENAI], "tool_choice (some_tools)");
    request_free(&r);
}

/* The others are not there for this answer, wherever it is made. */
static void test_parse_leaves_only_the_tools_that_are_allowed(void **state)
{
    (void)state;
    struct request r = parse(HEAD ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}},"
                             "{\"type\":\"function\",\"function\":{\"name\":\"g\"}}],\"tool_choice\":{\"type\":\"allowed_tools\","
                             "\"allowed_tools\":{\"mode\":\"required\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"g\"}}]}}}");
    assert_int_equal(r.needs, NEED_BIT(NEED_TOOLS));
    assert_int_equal(r.n_tools, 1);
    assert_true(str_find(r.body, STR("\"f\"")) == SIZE_MAX);
    assert_true(str_find(r.body, STR("\"tool_choice\":\"required\"")) != SIZE_MAX);
    assert_string_equal(r.form->field, "tool_choice");
    request_free(&r);
}

static void test_parse_takes_tools_and_their_history(void **state)
{
    (void)state;
    struct request r = parse(HEAD "," WEATHER ",\"parallel_tool_calls\":false,\"tool_choice\":\"auto\"}");
    assert_int_equal(r.needs, NEED_BIT(NEED_TOOLS));
    assert_true(r.one_tool_call);
    assert_int_equal(json_array_size(r.tools), 1);
    request_free(&r);
    r = parse(HEAD "," WEATHER ",\"tool_choice\":\"none\"}");
    assert_null(r.tools);
    assert_int_equal(r.needs, 0);
    request_free(&r);
    r = parse(CALLED("\"{\\\"city\\\":\\\"Bern\\\"}\"") "," ANSWERED("c1") "]}");
    assert_int_equal(r.needs, NEED_BIT(NEED_TOOLS));
    assert_true(r.messages[0].no_content);
    assert_int_equal(json_array_size(r.messages[0].tool_calls), 1);
    assert_true(str_is(r.messages[1].tool_call_id, "c1"));
    request_free(&r);
}

/* Some models write no arguments at all for a function without parameters. */
static void test_parse_takes_empty_arguments_as_none(void **state)
{
    (void)state;
    struct request r = parse(CALLED("\"\"") "]}");
    assert_int_equal(json_array_size(r.messages[0].tool_calls), 1);
    request_free(&r);
}

static void test_parse_names_the_message_of_a_malformed_call(void **state)
{
    (void)state;
    refused(CALLED("\"{city: 1\"") "]}", "messages[0].tool_calls[0].function.arguments");
    refused(CALLED("\"[1]\"") "]}", "messages[0].tool_calls[0].function.arguments");
    refused(CALLED("{\"city\":1}") "]}", "messages[0].tool_calls[0].function.arguments");
    refused(ASSISTANT("\"tool_calls\":[{}]") "]}", "messages[0].tool_calls[0].id");
    refused(ASSISTANT("\"tool_calls\":[7]") "]}", "messages[0].tool_calls[0]");
    refused(ASSISTANT("\"tool_calls\":7") "]}", "messages[0].tool_calls");
    refused(ASSISTANT("\"tool_calls\":[{\"type\":\"function\",\"id\":\"a\",\"function\":{\"name\":\"a b\"}}]") "]}",
            "messages[0].tool_calls[0].function.name");
    refused(ASSISTANT("\"content\":null") "]}", "messages[0].content");
    refused(CALLED("\"{}\"") "," ANSWERED("c2") "]}", "messages[1].tool_call_id");
    refused(CALLED("\"{}\"") ",{\"role\":\"tool\",\"content\":\"4\"}]}", "messages[1].tool_call_id");
    refused("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\",\"tool_calls\":[{}]}]}",
            "messages[0].tool_calls");
}

static void test_parse_refuses_malformed_tools_by_name(void **state)
{
    (void)state;
    refused(HEAD ",\"tools\":{}}", "tools");
    refused(HEAD ",\"tools\":[1]}", "tools[0]");
    refused(HEAD ",\"tools\":[{}]}", "tools[0]");
    refused(HEAD ",\"tools\":[{\"type\":\"function\"}]}", "tools[0]");
    refused(HEAD ",\"tools\":[{\"type\":\"function\",\"function\":{}}]}", "tools[0].function.name");
    refused(HEAD ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"\"}}]}", "tools[0].function.name");
    refused(HEAD ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":[]}}]}",
            "tools[0].function.parameters");
    refused(HEAD ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"color\":1}}]}",
            "tools[0].function.color");
    refused(HEAD ",\"tool_choice\":\"maybe\"}", "tool_choice");
}

static void test_parse_reads_thinking_from_either_field(void **state)
{
    (void)state;
    assert_int_equal(parse(HEAD ",\"reasoning_effort\":\"none\"}").enable_thinking, 0);
    assert_int_equal(parse(HEAD ",\"reasoning_effort\":\"high\"}").enable_thinking, 1);
    assert_int_equal(parse(HEAD ",\"chat_template_kwargs\":{\"enable_thinking\":false}}").enable_thinking, 0);
}

static void test_parse_bounds_messages_and_stops(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(4u << 20);
    buf_puts(&b, "{\"model\":\"m\",\"messages\":[");
    for (int i = 0; i < GENERATION_MAX_MESSAGES + 1; i++)
        buf_puts(&b, i ? ",{\"role\":\"user\",\"content\":\"x\"}" : "{\"role\":\"user\",\"content\":\"x\"}");
    buf_puts(&b, "]}");
    refused(b.p, "messages");
    buf_free(&b);
    refused(HEAD ",\"stop\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12\",\"13\",\"14\",\"15\",\"16\",\"17\"]}",
            "stop");
}

static void test_parse_says_where_broken_json_breaks(void **state)
{
    (void)state;
    struct request r;
    struct err err = ERR_INIT;
    assert_false(openai_parse_chat(STR("{\"model\": \"m\",\n \"messages\": [}"), &arena, &r, &err));
    assert_int_equal(err.line, 2);
    assert_false(openai_parse_chat(STR("[]"), &arena, &r, &err));
    assert_false(openai_parse_chat(STR(""), &arena, &r, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_parse_honours_every_sampling_field, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parse_defaults_are_the_api_s, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parse_null_is_as_good_as_absent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parse_joins_text_parts_and_maps_developer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parse_reads_metadata, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parse_refuses_misspelt_kind, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parse_bounds_metadata, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parse_refuses_unknown_fields_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parse_bounds_the_number_of_choices, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parse_takes_harmless_values_of_those, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parse_names_field_of_wrong_type_or_range, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parse_refuses_bad_messages_by_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parse_notes_what_only_an_upstream_can_do, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parse_leaves_only_the_tools_that_are_allowed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parse_takes_tools_and_their_history, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parse_takes_empty_arguments_as_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parse_names_the_message_of_a_malformed_call, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parse_refuses_malformed_tools_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parse_reads_thinking_from_either_field, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parse_bounds_messages_and_stops, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parse_says_where_broken_json_breaks, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
