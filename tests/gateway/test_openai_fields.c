/* Every documented field of chat completions: honoured anywhere, sent to the tiers that can, or refused by name. */
#include "../support.h"
#include "gateway/api/openai/openai.h"

#define HEAD "{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]"
#define TOOLS "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]"
#define F "{\"type\":\"function\",\"function\":{\"name\":\"f\"}}"
#define CUSTOM "{\"type\":\"custom\",\"custom\":{\"name\":\"c\"}}"
#define ANYWHERE 0
#define REFUSED (1u << 31)

static const struct {
    const char *members;
    unsigned needs;          /* bits; ANYWHERE; REFUSED */
    const char *field;       /* that is named for it */
} fields[] = {
    {"\"audio\":{\"voice\":\"x\",\"format\":\"mp3\"}", REFUSED, "audio"},
    {"\"frequency_penalty\":0", ANYWHERE, NULL},
    {"\"frequency_penalty\":1", NEED_BIT(NEED_PENALTIES), "frequency_penalty"},
    {"\"function_call\":\"auto\"", REFUSED, "function_call"},
    {"\"functions\":[]", REFUSED, "functions"},
    {"\"logit_bias\":{\"5\":1}", NEED_BIT(NEED_LOGIT_BIAS), "logit_bias"},
    {"\"logit_bias\":{\"a\":1}", REFUSED, "logit_bias"},
    {"\"logprobs\":true", NEED_BIT(NEED_LOGPROBS), "logprobs"},
    {"\"logprobs\":true,\"top_logprobs\":20", NEED_BIT(NEED_LOGPROBS), "logprobs"},
    {"\"top_logprobs\":3", REFUSED, "top_logprobs"},
    {"\"max_completion_tokens\":5", ANYWHERE, NULL},
    {"\"max_tokens\":5", ANYWHERE, NULL},
    {"\"metadata\":{\"a\":\"b\"}", ANYWHERE, NULL},
    {"\"modalities\":[\"text\"]", ANYWHERE, NULL},
    {"\"modalities\":[\"text\",\"audio\"]", REFUSED, "modalities"},
    {"\"moderation\":{}", REFUSED, "moderation"},
    {"\"n\":16", ANYWHERE, NULL},
    {"\"n\":17", REFUSED, "n"},
    {"\"parallel_tool_calls\":true", ANYWHERE, NULL},
    {"\"prediction\":{\"type\":\"content\",\"content\":\"a\"}", NEED_BIT(NEED_OPENAI), "prediction"},
    {"\"prediction\":{\"type\":\"content\"}", REFUSED, "prediction"},
    {"\"presence_penalty\":-1", NEED_BIT(NEED_PENALTIES), "presence_penalty"},
    {"\"prompt_cache_key\":\"k\"", ANYWHERE, NULL},
    {"\"prompt_cache_options\":{}", NEED_BIT(NEED_OPENAI), "prompt_cache_options"},
    {"\"prompt_cache_retention\":\"in_memory\"", ANYWHERE, NULL},
    {"\"prompt_cache_retention\":\"24h\"", NEED_BIT(NEED_OPENAI), "prompt_cache_retention"},
    {"\"prompt_cache_retention\":\"1y\"", REFUSED, "prompt_cache_retention"},
    {"\"reasoning_effort\":\"minimal\"", ANYWHERE, NULL},
    {"\"reasoning_effort\":\"huge\"", REFUSED, "reasoning_effort"},
    {"\"response_format\":{\"type\":\"text\"}", ANYWHERE, NULL},
    {"\"response_format\":{\"type\":\"json_object\"}", ANYWHERE, NULL},
    {"\"response_format\":{\"type\":\"xml\"}", REFUSED, "response_format.type"},
    {"\"response_format\":{\"type\":\"json_object\"}," TOOLS, NEED_BIT(NEED_TOOLS) | NEED_BIT(NEED_FORM_BESIDE_TOOLS),
     "response_format (beside tools)"},
    {"\"safety_identifier\":\"s\"", ANYWHERE, NULL},
    {"\"seed\":1", NEED_BIT(NEED_SEED), "seed"},
    {"\"service_tier\":\"default\"", ANYWHERE, NULL},
    {"\"service_tier\":\"priority\"", REFUSED, "service_tier"},
    {"\"stop\":[\"a\"]", ANYWHERE, NULL},
    {"\"store\":false", ANYWHERE, NULL},
    {"\"store\":true", REFUSED, "store"},
    {"\"stream\":true,\"stream_options\":{\"include_usage\":true,\"include_obfuscation\":false}", ANYWHERE, NULL},
    {"\"stream\":true,\"stream_options\":{\"include_obfuscation\":\"no\"}", REFUSED, "stream_options.include_obfuscation"},
    {"\"stream\":true,\"stream_options\":{\"include_obfuscation\":true}", REFUSED, "stream_options.include_obfuscation"},
    {"\"temperature\":0.5", ANYWHERE, NULL},
    {"\"temperature\":1.5", NEED_BIT(NEED_HIGH_TEMPERATURE), "temperature (above 1)"},
    {TOOLS, NEED_BIT(NEED_TOOLS), "tools"},
    {"\"tools\":[" CUSTOM "]", NEED_BIT(NEED_TOOLS) | NEED_BIT(NEED_OPENAI), "tools[0].type"},
    {TOOLS ",\"tool_choice\":\"required\"", NEED_BIT(NEED_TOOLS), "tools"},
    {TOOLS ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}", NEED_BIT(NEED_TOOLS), "tools"},
    {TOOLS ",\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"auto\",\"tools\":[" F "]}}",
     NEED_BIT(NEED_TOOLS), "tools"},
    {TOOLS ",\"tool_choice\":{\"type\":\"allowed_tools\"}", REFUSED, "tool_choice.allowed_tools.mode"},
    {TOOLS ",\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"auto\",\"tools\":[" F "],\"x\":1}}", REFUSED,
     "tool_choice.allowed_tools.x"},
    {TOOLS ",\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"auto\",\"tools\":[]}}", REFUSED,
     "tool_choice.allowed_tools.tools"},
    {TOOLS ",\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"auto\",\"tools\":[" CUSTOM "]}}", REFUSED,
     "tool_choice.allowed_tools.tools[0]"},
    {"\"tools\":[" CUSTOM "],\"tool_choice\":{\"type\":\"custom\",\"custom\":{\"name\":\"c\"}}",
     NEED_BIT(NEED_TOOLS) | NEED_BIT(NEED_OPENAI), "tools[0].type"},
    {TOOLS ",\"tool_choice\":\"sometimes\"", REFUSED, "tool_choice"},
    {"\"top_p\":0.5", ANYWHERE, NULL},
    {"\"user\":\"u\"", ANYWHERE, NULL},
    {"\"verbosity\":\"medium\"", ANYWHERE, NULL},
    {"\"verbosity\":\"low\"", NEED_BIT(NEED_OPENAI), "verbosity"},
    {"\"verbosity\":\"loud\"", REFUSED, "verbosity"},
    {"\"web_search_options\":{}", REFUSED, "web_search_options"},
    {"\"undocumented\":1", REFUSED, "undocumented"},
};

#define PART(part) \
    "{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}," part "]}]}"
#define IMAGE(url, more) PART("{\"type\":\"image_url\",\"image_url\":{\"url\":\"" url "\"" more "}}")
#define AUDIO(data, format) \
    PART("{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"" data "\",\"format\":\"" format "\"}}")
#define A_FILE(members) PART("{\"type\":\"file\",\"file\":{" members "}}")
#define AT "messages[0].content[1]"

static const struct {
    const char *body;
    unsigned needs;
    const char *field;
} parts[] = {
    {IMAGE("https://example.com/a.png", ""), NEED_BIT(NEED_IMAGES), AT " (image_url)"},
    {IMAGE("data:image/png;base64,iVBORw0KGgo=", ",\"detail\":\"high\""), NEED_BIT(NEED_IMAGES), AT " (image_url)"},
    {IMAGE("http://example.com/a.png", ""), REFUSED, AT ".image_url.url"},
    {IMAGE("file:///etc/passwd", ""), REFUSED, AT ".image_url.url"},
    {IMAGE("https://example.com/a b", ""), REFUSED, AT ".image_url.url"},
    {IMAGE("data:image/svg+xml;base64,AAAA", ""), REFUSED, AT ".image_url.url"},
    {IMAGE("data:image/png;base64,", ""), REFUSED, AT ".image_url.url"},
    {IMAGE("data:image/png;base64,@@@@", ""), REFUSED, AT ".image_url.url"},
    {IMAGE("", ""), REFUSED, AT ".image_url.url"},
    {IMAGE("https://example.com/a.png", ",\"detail\":\"sharp\""), REFUSED, AT ".image_url.detail"},
    {IMAGE("https://example.com/a.png", ",\"size\":1"), REFUSED, AT ".image_url.size"},
    {PART("{\"type\":\"image_url\",\"image_url\":\"https://example.com/a.png\"}"), REFUSED, AT ".image_url"},
    {PART("{\"type\":\"image_url\"}"), REFUSED, AT},
    {AUDIO("AAAA", "wav"), NEED_BIT(NEED_AUDIO), AT " (input_audio)"},
    {AUDIO("AAAA", "ogg"), REFUSED, AT ".input_audio.format"},
    {AUDIO("", "mp3"), REFUSED, AT ".input_audio.data"},
    {A_FILE("\"file_data\":\"data:application/pdf;base64,AAAA\",\"filename\":\"a.pdf\""), NEED_BIT(NEED_FILES), AT " (file)"},
    {A_FILE("\"file_id\":\"file-1\""), NEED_BIT(NEED_FILES) | NEED_BIT(NEED_OPENAI), AT " (file)"},
    {A_FILE("\"filename\":\"a.pdf\""), REFUSED, AT ".file.file_data"},
    {A_FILE("\"file_data\":1"), REFUSED, AT ".file.file_data"},
    {PART("{\"type\":\"video\"}"), REFUSED, AT ".type"},
    {PART("\"text\""), REFUSED, AT},
};

static struct arena arena;

static void check(const char *body, unsigned needs, const char *field)
{
    struct request r;
    struct err err = ERR_INIT;
    char want[120];
    snprintf(want, sizeof want, "'%s'", field ? field : "");
    bool ok = openai_parse_chat(str_of(body), &arena, &r, &err);
    if (needs == REFUSED) {
        if (ok || strncmp(err.msg, want, strlen(want)) != 0)
            fail_msg("%s: %s, not refused as %s", body, ok ? "accepted" : err.msg, want);
        return;
    }
    if (!ok)
        fail_msg("%s: %s", body, err.msg);
    if (r.needs != needs)
        fail_msg("%s: needs %x, not %x", body, r.needs, needs);
    bool named = !field;
    for (int n = 0; n < NEED_COUNT && !named; n++)
        named = (r.needs & NEED_BIT(n)) && strcmp(r.need_fields[n], field) == 0;
    if (!named)
        fail_msg("%s: the need is not named %s", body, field);
    request_free(&r);
}

static void test_fields_are_honoured_climb_or_are_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        char body[600];
        snprintf(body, sizeof body, "%s,%s}", HEAD, fields[i].members);
        check(body, fields[i].needs, fields[i].field);
    }
}

static void test_parts_go_to_tiers_that_take_them_or_are_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        check(parts[i].body, parts[i].needs, parts[i].field);
}

static void test_parts_that_are_no_text_are_counted(void **state)
{
    (void)state;
    struct buf body = BUF_INIT(1u << 20);
    buf_puts(&body, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[");
    for (int i = 0; i < 257; i++)
        buf_printf(&body, "%s{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://example.com/%d\"}}", i ? "," : "", i);
    buf_puts(&body, "]}]}");
    check(body.p, REFUSED, "messages[0].content[256]");
    buf_free(&body);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_are_honoured_climb_or_are_refused_by_name),
        cmocka_unit_test(test_parts_go_to_tiers_that_take_them_or_are_refused_by_name),
        cmocka_unit_test(test_parts_that_are_no_text_are_counted),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
