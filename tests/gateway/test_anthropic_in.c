/* Anthropic's dialect, over real HTTP: what /v1/messages becomes on its way to a model here, to an OpenAI-compatible upstream and to one of
 * Anthropic's own API; and what comes back, whole, as the events of a stream, and as errors. */
#include "data/json.h"
#include "gateway/api/anthropic/anthropic.h"
#include "support_gateway.h"

#define HOUSE                                                                                                          \
    "models: {starter: {file: starter}, gpt: {base_url: 'http://127.0.0.1:%u/v1', price_usd_per_mtok: {input: 1, output: 5}}, "        \
    "claude: {provider: anthropic, base_url: 'http://127.0.0.1:%u', model: claude-sonnet-4-6, price_usd_per_mtok: {input: 1, output: 5}}}\n" \
    "tiers: [{name: local, model: starter}, {name: frontier, model: claude}]\n"                                        \
    "aliases: {claude-3-5-haiku-latest: starter}\n"

#define GPT_ANSWER                                                                                                     \
    "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Both.\",\"reasoning_content\":\"Hm.\",\"tool_calls\":["  \
    "{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"weather\",\"arguments\":\"{\\\"city\\\":\\\"Bern\\\"}\"}},"          \
    "{\"id\":\"c2\",\"type\":\"function\",\"function\":{\"name\":\"time\",\"arguments\":\"\"}}]},\"finish_reason\":\"tool_calls\"}],"   \
    "\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":20,\"prompt_tokens_details\":{\"cached_tokens\":40}}}"
#define CHUNK(delta, finish) "data: {\"choices\":[{\"index\":0,\"delta\":{" delta "},\"finish_reason\":" finish "}]}\n\n"
#define GPT_STREAM                                                                                                     \
    CHUNK("\"role\":\"assistant\",\"content\":\"\"", "null") CHUNK("\"reasoning_content\":\"Hm\"", "null") CHUNK("\"reasoning_content\":\".\"", "null")  \
    CHUNK("\"content\":\"Bo\"", "null") CHUNK("\"content\":\"th.\"", "null")                                           \
    CHUNK("\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"weather\",\"arguments\":\"\"}}]", "null")    \
    CHUNK("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"city\\\":\"}}]", "null")                    \
    CHUNK("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"\\\"Bern\\\"}\"}}]", "null")                     \
    CHUNK("\"tool_calls\":[{\"index\":1,\"id\":\"c2\",\"type\":\"function\",\"function\":{\"name\":\"time\",\"arguments\":\"{}\"}}]", "null")    \
    CHUNK("", "\"tool_calls\"") "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":20}}\n\ndata: [DONE]\n\n"

#define CLAUDE_ANSWER                                                                                                  \
    "{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"One.\",\"signature\":\"c2ln\"},"   \
    "{\"type\":\"redacted_thinking\",\"data\":\"aGlk\"},{\"type\":\"text\",\"text\":\"Yes\"}],\"stop_reason\":\"stop_sequence\","      \
    "\"stop_sequence\":\"END\",\"usage\":{\"input_tokens\":10,\"cache_creation_input_tokens\":30,\"cache_read_input_tokens\":60,"      \
    "\"output_tokens\":7}}"
#define EVENT(type, rest) "event: " type "\ndata: {\"type\":\"" type "\"" rest "}\n\n"
#define CLAUDE_STREAM                                                                                                  \
    EVENT("message_start", ",\"message\":{\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}")                       \
    EVENT("content_block_start", ",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}")         \
    EVENT("content_block_delta", ",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"One.\"}")         \
    EVENT("content_block_delta", ",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"c2ln\"}")       \
    EVENT("content_block_stop", ",\"index\":0")                                                                        \
    EVENT("content_block_start", ",\"index\":1,\"content_block\":{\"type\":\"redacted_thinking\",\"data\":\"aGlk\"}")  \
    EVENT("content_block_stop", ",\"index\":1")                                                                        \
    EVENT("content_block_start", ",\"index\":2,\"content_block\":{\"type\":\"text\",\"text\":\"\"}")                   \
    EVENT("content_block_delta", ",\"index\":2,\"delta\":{\"type\":\"text_delta\",\"text\":\"Yes\"}")                  \
    EVENT("content_block_stop", ",\"index\":2")                                                                        \
    EVENT("message_delta", ",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":7}") EVENT("message_stop", "")

#define LIMIT "\"max_tokens\":100"
#define SAY(text) "\"messages\":[{\"role\":\"user\",\"content\":\"" text "\"}]"
#define TOOLS                                                                                                          \
    "\"tools\":[{\"name\":\"weather\",\"description\":\"of a city\",\"input_schema\":{\"type\":\"object\",\"properties\":" \
    "{\"city\":{\"type\":\"string\"}}},\"cache_control\":{\"type\":\"ephemeral\"}},{\"type\":\"custom\",\"name\":\"time\"," \
    "\"input_schema\":{\"type\":\"object\"}}]"
#define USER_BLOCK(block) "\"messages\":[{\"role\":\"user\",\"content\":[" block "]}]"
#define BANKING "\"system\":\"Classify the banking question into one intent.\"," SAY("My new card has not come yet.") ",\"temperature\":0"

static struct stand_in gpt, claude;

static int setup(void **state)
{
    (void)state;
    stand_in_open(&gpt);
    stand_in_open(&claude);
    stand_in_play(&gpt, (struct stand_in_script){.body = GPT_ANSWER});
    stand_in_play(&claude, (struct stand_in_script){.body = CLAUDE_ANSWER});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    stand_in_close(&gpt);
    stand_in_close(&claude);
    return 0;
}

static void post(const char *path, const char *members, struct plain_reply *ret)
{
    struct house h;
    char body[8192];
    house_open(&h, HOUSE, gpt.port, claude.port);
    snprintf(body, sizeof body, "{%s}", members);
    plain_request(h.port, "POST", path, "Content-Type: application/json\r\nanthropic-version: 2023-06-01\r\nanthropic-beta: a-1,b-2\r\nx-api-key: k\r\n", body, ret);
    house_close(&h);
}

static json_t *ask(const char *members, int status)
{
    struct plain_reply r;
    post("/v1/messages", members, &r);
    if (r.status != status)
        fail_msg("status %d: %s", r.status, r.body);
    json_t *v = reply_json(&r);
    plain_free(&r);
    return v;
}

static json_t *sent_to(const struct stand_in *s)
{
    json_t *sent = NULL;
    assert_true(json_parse_object(str_of(s->body), "sent", &sent, NULL));
    return sent;
}

static void test_model_here_answers_a_message(void **state)
{
    (void)state;
    json_t *v = ask("\"model\":\"claude-3-5-haiku-latest\"," LIMIT "," BANKING ",\"context_management\":{\"edits\":[{\"type\":\"clear_thinking_20251015\"}]}", 200);
    assert_string_equal(json_at(v, "type"), "message");
    assert_string_equal(json_at(v, "role"), "assistant");
    assert_int_equal(strncmp(json_at(v, "id"), "msg_", 4), 0);
    assert_string_equal(json_at(v, "content.0.type"), "text");
    assert_string_equal(json_at(v, "content.0.text"), "card_arrival");
    assert_string_equal(json_at(v, "stop_reason"), "end_turn");
    assert_string_equal(json_at(v, "stop_sequence"), "null");
    assert_string_equal(json_at(v, "usage.input_tokens"), "29");
    assert_string_equal(json_at(v, "rung.tier"), "local");
    json_decref(v);
}

static void test_stop_sequence_that_ended_it_is_told(void **state)
{
    (void)state;
    json_t *v = ask("\"model\":\"starter\"," LIMIT "," BANKING ",\"stop_sequences\":[\"zzz\",\"_arr\"]", 200);
    assert_string_equal(json_at(v, "content.0.text"), "card");
    assert_string_equal(json_at(v, "stop_reason"), "stop_sequence");
    assert_string_equal(json_at(v, "stop_sequence"), "_arr");
    json_decref(v);
}

static void test_limit_is_told_as_max_tokens(void **state)
{
    (void)state;
    json_t *v = ask("\"model\":\"starter\",\"max_tokens\":1," BANKING, 200);
    assert_string_equal(json_at(v, "stop_reason"), "max_tokens");
    json_decref(v);
}

static void test_conversation_becomes_a_chat(void **state)
{
    (void)state;
    json_t *v = ask("\"model\":\"gpt\",\"max_tokens\":4096,\"system\":[{\"type\":\"text\",\"text\":\"Be \"},{\"type\":\"text\",\"text\":\"brief.\","
            "\"cache_control\":{\"type\":\"ephemeral\"}}],\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"See\"},"
            "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\",\"data\":\"iVBORw0KGgo=\"}},"
            "{\"type\":\"document\",\"title\":\"T\",\"source\":{\"type\":\"text\",\"media_type\":\"text/plain\",\"data\":\"D\"}}]},"
            "{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"secret\",\"signature\":\"s\"},"
            "{\"type\":\"text\",\"text\":\"Wait.\"},{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"weather\",\"input\":{\"city\":\"Bern\"}},"
            "{\"type\":\"tool_use\",\"id\":\"t2\",\"name\":\"time\",\"input\":{}}]},"
            "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t1\",\"content\":[{\"type\":\"text\",\"text\":\"rain\"}]},"
            "{\"type\":\"tool_result\",\"tool_use_id\":\"t2\",\"is_error\":true,\"content\":\"no clock\"},{\"type\":\"text\",\"text\":\"So?\"}]}],"
            TOOLS ",\"tool_choice\":{\"type\":\"auto\",\"disable_parallel_tool_use\":true},\"stop_sequences\":[\"END\"],"
            "\"temperature\":0.5,\"metadata\":{\"user_id\":\"u1\",\"kind\":\"qa\"},\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024},"
            "\"service_tier\":\"auto\"", 200);
    json_decref(v);
    json_t *sent = sent_to(&gpt);
    assert_string_equal(gpt.beta, "");
    assert_string_equal(json_at(sent, "messages.0.role"), "system");
    assert_string_equal(json_at(sent, "messages.0.content.1.text"), "brief.");
    assert_string_equal(json_at(sent, "messages.1.content.1.image_url.url"), "data:image/png;base64,iVBORw0KGgo=");
    assert_string_equal(json_at(sent, "messages.1.content.3.text"), "D");
    assert_string_equal(json_at(sent, "messages.2.content.0.text"), "Wait.");
    assert_string_equal(json_at(sent, "messages.2.tool_calls.0.id"), "t1");
    assert_string_equal(json_at(sent, "messages.2.tool_calls.0.function.arguments"), "{\"city\":\"Bern\"}");
    assert_string_equal(json_at(sent, "messages.3.role"), "tool");
    assert_string_equal(json_at(sent, "messages.3.content"), "rain");
    assert_string_equal(json_at(sent, "messages.4.content"), "Error: no clock");
    assert_string_equal(json_at(sent, "messages.5.role"), "user");
    assert_string_equal(json_at(sent, "messages.5.content.0.text"), "So?");
    assert_string_equal(json_at(sent, "tools.0.function.parameters.properties.city.type"), "string");
    assert_string_equal(json_at(sent, "tool_choice"), "auto");
    assert_string_equal(json_at(sent, "parallel_tool_calls"), "false");
    assert_string_equal(json_at(sent, "stop.0"), "END");
    assert_string_equal(json_at(sent, "user"), "u1");
    assert_string_equal(json_at(sent, "reasoning_effort"), "low");
    assert_string_equal(json_at(sent, "metadata"), "");
    assert_null(strstr(gpt.body, "secret"));
    assert_null(strstr(gpt.body, "cache_control"));
    json_decref(sent);
}

static void test_answer_of_another_api_becomes_blocks(void **state)
{
    (void)state;
    json_t *v = ask("\"model\":\"gpt\"," LIMIT "," SAY("x") "," TOOLS, 200);
    assert_string_equal(json_at(v, "content.0.type"), "thinking");
    assert_string_equal(json_at(v, "content.0.thinking"), "Hm.");
    assert_string_equal(json_at(v, "content.0.signature"), "");
    assert_string_equal(json_at(v, "content.1.text"), "Both.");
    assert_string_equal(json_at(v, "content.2.type"), "tool_use");
    assert_string_equal(json_at(v, "content.2.id"), "c1");
    assert_string_equal(json_at(v, "content.2.input.city"), "Bern");
    assert_string_equal(json_at(v, "content.3.name"), "time");
    assert_string_equal(json_at(v, "stop_reason"), "tool_use");
    assert_string_equal(json_at(v, "usage.input_tokens"), "60");
    assert_string_equal(json_at(v, "usage.cache_read_input_tokens"), "40");
    assert_string_equal(json_at(v, "usage.output_tokens"), "20");
    json_decref(v);
}

static void test_system_message_within_the_conversation_keeps_its_place(void **state)
{
    (void)state;
    json_decref(ask("\"model\":\"gpt\"," LIMIT ",\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"system\",\"content\":"
                    "[{\"type\":\"text\",\"text\":\"b\"}]},{\"role\":\"user\",\"content\":\"c\"}]", 200));
    json_t *sent = sent_to(&gpt);
    assert_string_equal(json_at(sent, "messages.1.role"), "system");
    assert_string_equal(json_at(sent, "messages.1.content.0.text"), "b");
    assert_string_equal(json_at(sent, "messages.2.content"), "c");
    json_decref(sent);
}

/* The events of a stream by type, and the JSON of the n-th. */
static json_t *event_at(const struct plain_reply *r, int n, const char *type)
{
    const char *at = r->body;
    json_t *v = NULL;
    struct err err = ERR_INIT;
    char want[64];
    for (int i = 0; at && (at = strstr(at, "event: ")) && i < n; i++)
        at++;
    if (!at)
        fail_msg("no event %d in %s", n, r->body);
    snprintf(want, sizeof want, "event: %s\ndata: ", type);
    if (strncmp(at, want, strlen(want)) != 0)
        fail_msg("event %d is not %s: %.200s", n, type, at);
    at += strlen(want);
    assert_ok(json_parse_object((struct str){at, strcspn(at, "\n")}, "event", &v, &err), err);
    return v;
}

static void check_event(const struct plain_reply *r, int n, const char *type, const char *path, const char *value)
{
    json_t *v = event_at(r, n, type);
    assert_string_equal(json_at(v, path), value);
    json_decref(v);
}

static void test_stream_of_another_api_becomes_events(void **state)
{
    (void)state;
    struct plain_reply r;
    stand_in_play(&gpt, (struct stand_in_script){.body = GPT_STREAM, .streamed = true});
    post("/v1/messages", "\"model\":\"gpt\",\"stream\":true," LIMIT "," SAY("x") "," TOOLS, &r);
    int n = 0;
    check_event(&r, n++, "message_start", "message.role", "assistant");
    check_event(&r, n++, "content_block_start", "content_block.type", "thinking");
    check_event(&r, n++, "content_block_delta", "delta.thinking", "Hm");
    check_event(&r, n++, "content_block_delta", "delta.thinking", ".");
    check_event(&r, n++, "content_block_stop", "index", "0");
    check_event(&r, n++, "content_block_start", "content_block.type", "text");
    check_event(&r, n++, "content_block_delta", "delta.text", "Bo");
    check_event(&r, n++, "content_block_delta", "delta.text", "th.");
    check_event(&r, n++, "content_block_stop", "index", "1");
    check_event(&r, n++, "content_block_start", "content_block.name", "weather");
    check_event(&r, n++, "content_block_delta", "delta.partial_json", "{\"city\":");
    check_event(&r, n++, "content_block_delta", "delta.partial_json", "\"Bern\"}");
    check_event(&r, n++, "content_block_stop", "index", "2");
    check_event(&r, n++, "content_block_start", "index", "3");
    check_event(&r, n++, "content_block_delta", "delta.partial_json", "{}");
    check_event(&r, n++, "content_block_stop", "index", "3");
    check_event(&r, n, "message_delta", "usage.output_tokens", "20");
    check_event(&r, n++, "message_delta", "delta.stop_reason", "tool_use");
    check_event(&r, n++, "message_stop", "type", "message_stop");
    plain_free(&r);
}

static void test_own_api_gets_the_body_as_it_came(void **state)
{
    (void)state;
    json_t *v = ask("\"model\":\"claude\",\"max_tokens\":5000,\"system\":[{\"type\":\"text\", \"text\":\"Be brief.\",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}],"
            "\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":\"s1\"},"
            "{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":{\"a\":1.50}}]},{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t1\","
            "\"is_error\":true,\"content\":[{\"type\":\"image\",\"source\":{\"type\":\"file\",\"file_id\":\"file_1\"}}]}]}],"
            "\"metadata\":{\"user_id\":\"u\",\"conversation_id\":\"mine\"},\"context_length\":100000,"
            "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2000,\"display\":\"omitted\"},"
            "\"output_format\":{\"type\":\"json_schema\",\"schema\":{}}", 200);
    assert_string_equal(json_at(v, "content.0.thinking"), "One.");
    assert_string_equal(json_at(v, "content.0.signature"), "c2ln");
    assert_string_equal(json_at(v, "content.1.type"), "redacted_thinking");
    assert_string_equal(json_at(v, "content.1.data"), "aGlk");
    assert_string_equal(json_at(v, "content.2.text"), "Yes");
    assert_string_equal(json_at(v, "stop_reason"), "stop_sequence");
    assert_string_equal(json_at(v, "stop_sequence"), "END");
    assert_string_equal(json_at(v, "usage.input_tokens"), "10");
    assert_string_equal(json_at(v, "usage.cache_creation_input_tokens"), "30");
    assert_string_equal(json_at(v, "usage.cache_read_input_tokens"), "60");
    json_decref(v);
    assert_non_null(strstr(claude.body, "{\"type\":\"text\", \"text\":\"Be brief.\",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}"));
    assert_non_null(strstr(claude.body, "\"signature\":\"s1\""));
    assert_non_null(strstr(claude.body, "{\"a\":1.50}"));
    assert_non_null(strstr(claude.body, "\"model\":\"claude-sonnet-4-6\""));
    assert_non_null(strstr(claude.body, "\"metadata\":{\"user_id\":\"u\"}"));
    assert_non_null(strstr(claude.body, "\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{}}}"));
    assert_string_equal(claude.beta, "a-1,b-2");
    assert_null(strstr(claude.body, "context_length"));
    assert_null(strstr(claude.body, "output_format"));
}

static void test_signatures_are_streamed_at_the_end_of_their_thoughts(void **state)
{
    (void)state;
    struct plain_reply r;
    stand_in_play(&claude, (struct stand_in_script){.body = CLAUDE_STREAM, .streamed = true});
    post("/v1/messages", "\"model\":\"claude\",\"stream\":true," LIMIT "," SAY("x"), &r);
    check_event(&r, 1, "content_block_start", "content_block.type", "thinking");
    check_event(&r, 2, "content_block_delta", "delta.thinking", "One.");
    check_event(&r, 3, "content_block_delta", "delta.signature", "c2ln");
    check_event(&r, 4, "content_block_stop", "index", "0");
    check_event(&r, 5, "content_block_start", "content_block.data", "aGlk");
    check_event(&r, 6, "content_block_stop", "index", "1");
    check_event(&r, 7, "content_block_start", "content_block.type", "text");
    check_event(&r, 8, "content_block_delta", "delta.text", "Yes");
    check_event(&r, 10, "message_delta", "delta.stop_reason", "end_turn");
    plain_free(&r);
}

static void test_what_only_anthropic_can_do_goes_there_or_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *members, *field;
    } rows[] = {
        {USER_BLOCK("{\"type\":\"document\",\"source\":{\"type\":\"url\",\"url\":\"https://example.org/a.pdf\"}}"), "messages[0].content[0].source"},
        {USER_BLOCK("{\"type\":\"search_result\",\"source\":\"s\",\"title\":\"t\",\"content\":[]}"), "messages[0].content[0]"},
        {"\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\",\"content\":\"It\"}]", "messages[1] (the beginning of the answer)"},
        {SAY("x") ",\"context_management\":{\"edits\":[{\"type\":\"clear_tool_uses_20250919\"}]}", "context_management"},
        {SAY("x") ",\"output_config\":{\"effort\":\"low\"}", "output_config.effort (without thinking)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char members[1024];
        snprintf(members, sizeof members, "\"model\":\"gpt\"," LIMIT ",%s", rows[i].members);
        json_t *v = ask(members, 400);
        if (!strstr(json_at(v, "error.message"), rows[i].field))
            fail_msg("%s", json_at(v, "error.message"));
        json_decref(v);
        snprintf(members, sizeof members, "\"model\":\"auto\"," LIMIT ",%s", rows[i].members);
        v = ask(members, 200);
        assert_string_equal(json_at(v, "rung.model"), "claude");
        json_decref(v);
    }
    assert_int_equal(stand_in_requests(&gpt), 0);
}

static void test_bad_bodies_are_refused_in_the_dialect_s_words(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {SAY("x"), "'max_tokens' is missing"},
        {LIMIT, "'messages' is missing"},
        {LIMIT "," SAY("x") ",\"frobnicate\":1", "'frobnicate' is an unknown field"},
        {LIMIT "," SAY("x") ",\"temperature\":1.5", "'temperature' must be a number from 0 to 1"},
        {LIMIT "," SAY("x") ",\"stop_sequences\":[7]", "'stop_sequences[0]'"},
        {LIMIT "," SAY("x") ",\"tools\":[{\"type\":\"web_search_20250305\",\"name\":\"web_search\"}]", "'tools[0].type' is 'web_search_20250305'"},
        {LIMIT "," SAY("x") ",\"tools\":[{\"name\":\"f\"}]", "'tools[0].input_schema' must be an object, not missing"},
        {LIMIT "," SAY("x") ",\"tool_choice\":{\"type\":\"some\"}", "'tool_choice.type' is 'some'"},
        {LIMIT "," SAY("x") ",\"mcp_servers\":[{}]", "'mcp_servers' is not supported"},
        {LIMIT "," SAY("x") ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2000}", "'thinking.budget_tokens' must be less than max_tokens"},
        {LIMIT "," SAY("x") ",\"speed\":\"fast\"", "'speed' is not supported"},
        {LIMIT "," SAY("x") ",\"container\":\"c1\"", "'container' is not supported"},
        {LIMIT "," SAY("x") ",\"tools\":[{\"name\":\"f\",\"input_schema\":{},\"defer_loading\":true}]", "'tools[0].defer_loading' is an unknown field"},
        {LIMIT ",\"messages\":[{\"role\":\"tool\",\"content\":\"x\"}]", "'messages[0].role' is 'tool'"},
        {LIMIT "," USER_BLOCK("{\"type\":\"tool_result\",\"tool_use_id\":\"t9\"}"), "'messages[0].content[0].tool_use_id' is 't9'"},
        {LIMIT "," USER_BLOCK("{\"type\":\"thinking\",\"thinking\":\"x\"}"), "'messages[0].content[0].type' is 'thinking'"},
        {LIMIT "," USER_BLOCK("{\"type\":\"text\"}"), "'messages[0].content[0].text' must be a string"},
        {LIMIT "," USER_BLOCK("{\"type\":\"document\",\"citations\":{\"enabled\":true},\"source\":{\"type\":\"text\",\"data\":\"x\"}}"), "'messages[0].content[0].citations'"},
        {LIMIT "," USER_BLOCK("{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\",\"data\":\"@\"}}"),
         "'messages[0].content[0].source' is not base64"},
        {LIMIT ",\"system\":[{\"type\":\"image\"}]," SAY("x"), "'system[0]'"},
        {LIMIT "," SAY("x") ",\"output_config\":{\"format\":{\"type\":\"json_object\"}}", "'output_config.format' must have the type json_schema"},
        {LIMIT "," SAY("x") ",\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{\"type\":\"nothing\"}}}", "'output_config.format"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char members[1024];
        snprintf(members, sizeof members, "\"model\":\"starter\",%s", rows[i][0]);
        json_t *v = ask(members, 400);
        if (!strstr(json_at(v, "error.message"), rows[i][1]))
            fail_msg("%s: %s", rows[i][0], json_at(v, "error.message"));
        assert_string_equal(json_at(v, "type"), "error");
        assert_string_equal(json_at(v, "error.type"), "invalid_request_error");
        json_decref(v);
    }
}

/* Each result looks for its call: what is too much is refused before all have looked. */
static void test_results_are_counted_as_messages(void **state)
{
    (void)state;
    struct buf body = BUF_INIT(1u << 20);
    struct arena arena = ARENA_INIT(8u << 20);
    struct request r;
    struct err err = ERR_INIT;
    buf_puts(&body, "{\"model\":\"m\",\"max_tokens\":1,\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"t\","
                    "\"name\":\"f\",\"input\":{}}]},{\"role\":\"user\",\"content\":[");
    for (int i = 0; i < GENERATION_MAX_MESSAGES; i++)
        buf_printf(&body, "%s{\"type\":\"tool_result\",\"tool_use_id\":\"t\"}", i ? "," : "");
    buf_puts(&body, "]}]}");
    assert_false(anthropic_parse_messages(buf_view(&body), &arena, &r, &err));
    assert_non_null(strstr(err.msg, "more than 4096 messages and results"));
    buf_free(&body);
    arena_free(&arena);
}

static void test_errors_have_the_dialect_s_types(void **state)
{
    (void)state;
    json_t *v = ask("\"model\":\"nobody\"," LIMIT "," SAY("x"), 404);
    assert_string_equal(json_at(v, "error.type"), "not_found_error");
    json_decref(v);
    stand_in_play(&claude, (struct stand_in_script){
        .status = 429, .body = "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"slow down\"}}", .retry_after = "7"});
    struct plain_reply r;
    post("/v1/messages", "\"model\":\"claude\"," LIMIT "," SAY("x"), &r);
    assert_int_equal(r.status, 429);
    assert_non_null(plain_header(&r, "Retry-After"));
    v = reply_json(&r);
    assert_string_equal(json_at(v, "error.type"), "rate_limit_error");
    json_decref(v);
    plain_free(&r);
}

static void test_error_inside_a_stream_is_an_event(void **state)
{
    (void)state;
    struct plain_reply r;
    stand_in_play(&gpt, (struct stand_in_script){.body = CHUNK("\"content\":\"Half\"", "null") "|data: {\"error\":{\"message\":\"broken\"}}\n\n", .streamed = true});
    post("/v1/messages", "\"model\":\"gpt\",\"stream\":true," LIMIT "," SAY("x"), &r);
    assert_non_null(strstr(r.body, "Half"));
    assert_non_null(strstr(r.body, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\""));
    assert_null(strstr(r.body, "message_stop"));
    plain_free(&r);
}

static void test_tokens_are_counted_as_they_will_be_read(void **state)
{
    (void)state;
    struct plain_reply r;
    post("/v1/messages/count_tokens", "\"model\":\"starter\"," BANKING, &r);
    assert_int_equal(r.status, 200);
    json_t *v = reply_json(&r);
    assert_string_equal(json_at(v, "input_tokens"), "29");
    assert_string_equal(json_at(v, "rung.estimate"), "false");
    json_decref(v);
    plain_free(&r);
    post("/v1/messages/count_tokens", "\"model\":\"claude\"," BANKING, &r);
    v = reply_json(&r);
    assert_string_equal(json_at(v, "rung.estimate"), "true");
    assert_true(json_number_at(v, "input_tokens") > 10);
    json_decref(v);
    plain_free(&r);
    assert_int_equal(stand_in_requests(&claude), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_model_here_answers_a_message, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop_sequence_that_ended_it_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limit_is_told_as_max_tokens, setup, teardown),
        cmocka_unit_test_setup_teardown(test_conversation_becomes_a_chat, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer_of_another_api_becomes_blocks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_system_message_within_the_conversation_keeps_its_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stream_of_another_api_becomes_events, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own_api_gets_the_body_as_it_came, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signatures_are_streamed_at_the_end_of_their_thoughts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_only_anthropic_can_do_goes_there_or_is_refused_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_bodies_are_refused_in_the_dialect_s_words, setup, teardown),
        cmocka_unit_test(test_results_are_counted_as_messages),
        cmocka_unit_test_setup_teardown(test_errors_have_the_dialect_s_types, setup, teardown),
        cmocka_unit_test_setup_teardown(test_error_inside_a_stream_is_an_event, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tokens_are_counted_as_they_will_be_read, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
