/* Fuzzes the OpenAI dialect both ways: a request body, the form of its answer included, through the parser and, where it is accepted,
 * into the body for an upstream; and the same bytes as an upstream's reply and as its whole stream, where choices were asked for. */
#include <stddef.h>
#include <stdint.h>

#include "gateway/answer/several.h"
#include "gateway/api/openai/openai.h"
#include "gateway/gateway.h"
#include "gateway/provider/openai.h"
#include "net/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void as_request(struct str bytes, struct arena *arena, const struct config *c)
{
    struct request req;
    struct err err = ERR_INIT;
    if (!openai_parse_chat(bytes, arena, &req, &err))
        return;
    const struct config_upstream m = {.name = "m"};
    const struct provider_call call = {.req = &req, .config = c, .upstream = &m, .want_confidence = true};
    struct buf out = BUF_INIT(64u << 20);
    json_t *value = NULL;
    if (provider_openai.body(&call, &out, &err) && buf_ok(&out) && !json_parse_object(buf_view(&out), "body", &value, &err))
        __builtin_trap();                 /* what goes up must be JSON again */
    json_decref(value);
    buf_free(&out);
    request_free(&req);
}

static void as_upstream(struct str bytes, const struct config *c, bool streamed)
{
    const struct str choices[] = {STR("a"), STR("b")};
    struct form form = {.field = "choices", .rule = {.kind = RULE_CHOICES, .choices = choices, .n_choices = 2}};
    struct request req = {.logprobs = true, .top_logprobs = 3, .form = &form};
    struct reply reply = {.confidence = -1, .text = BUF_INIT(1u << 20), .reasoning = BUF_INIT(1u << 20), .arena = ARENA_INIT(64u << 20)};
    struct attempt attempt = {0};
    struct release rel;
    struct err err = ERR_INIT;
    release_init(&rel, c, &req, &reply, NULL, -1);
    struct upstream_reader reader = {.rel = &rel, .attempt = &attempt, .err = &err, .wrapped = true};
    struct buf out = BUF_INIT(64u << 20);
    struct sse_parser sse;
    sse_parser_init(&sse);
    bool ok = streamed ? sse_feed(&sse, bytes, openai_read_event, &reader, &err) : openai_read_reply(&reader, bytes);
    sse_parser_free(&sse);
    ok = ok && upstream_finish(&reader);
    if (ok) {
        json_t *value = NULL;
        release_end(&rel);
        const struct answers all = {.req = &req, .n = 1, .asked = &req, .replies = &reply, .failed = -1};
        openai_chat.write_all(&all, &out);
        if (!json_parse_object(buf_view(&out), "reply", &value, &err))
            __builtin_trap();             /* whatever an upstream says, the client gets JSON */
        json_decref(value);
    }
    char text[200];
    upstream_read_error(500, bytes, text, sizeof text);
    buf_free(&out);
    tool_calls_free(&reader.calls);
    release_free(&rel);
    reply_free(&reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct config c = {.score = SCORE_ENTROPY};
    struct str bytes = {(const char *)data, size};
    struct arena arena = ARENA_INIT(256u << 20);
    as_request(bytes, &arena, &c);
    as_upstream(bytes, &c, false);
    as_upstream(bytes, &c, true);
    arena_free(&arena);
    return 0;
}
