/* Fuzzes the adapters to APIs other than OpenAI's: a chat-completions body through the parser and, where it is accepted, into the body for
 * each of them; and the same bytes as each one's answer, and as its stream of events. */
#include <stddef.h>
#include <stdint.h>

#include "gateway/api/anthropic/anthropic.h"
#include "gateway/api/openai/openai.h"
#include "gateway/gateway.h"
#include "gateway/provider/provider.h"
#include "net/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct config config = {.score = SCORE_ENTROPY};
static const struct provider *const providers[] = {&provider_anthropic, &provider_gemini};

static void check_json(const struct buf *out)
{
    json_t *value = NULL;
    struct err err = ERR_INIT;
    if (!json_parse_object(buf_view(out), "body", &value, &err))
        __builtin_trap();                 /* what goes up, or down, must be JSON again */
    json_decref(value);
}

static void as_request(struct str bytes, struct arena *arena)
{
    struct request req;
    struct err err = ERR_INIT;
    if (!openai_parse_chat(bytes, arena, &req, &err))
        return;
    for (size_t i = 0; i < sizeof providers / sizeof *providers; i++) {
        const struct config_upstream u = {.model = "m-2-5", .base_url = "http://x", .provider = providers[i]};
        const struct provider_call call = {.req = &req, .config = &config, .upstream = &u, .want_confidence = true, .max_tokens = req.max_tokens};
        struct buf out = BUF_INIT(64u << 20);
        if (!(req.needs & ~providers[i]->offers) && providers[i]->body(&call, &out, &err) && buf_ok(&out))
            check_json(&out);
        buf_free(&out);
    }
    request_free(&req);
}

static void as_answer(const struct provider *provider, struct str bytes, bool streamed)
{
    const struct request req = {.logprobs = true, .top_logprobs = 3};
    struct reply reply = {.confidence = -1, .text = BUF_INIT(1u << 20), .reasoning = BUF_INIT(1u << 20), .arena = ARENA_INIT(64u << 20)};
    struct attempt attempt = {0};
    struct release rel;
    struct err err = ERR_INIT;
    release_init(&rel, &config, &req, &reply, NULL, -1);
    struct upstream_reader reader = {.rel = &rel, .attempt = &attempt, .err = &err};
    struct sse_parser sse;
    struct buf out = BUF_INIT(64u << 20);
    sse_parser_init(&sse);
    bool ok = streamed ? sse_feed(&sse, bytes, provider->read_event, &reader, &err) : provider->read_reply(&reader, bytes);
    if (ok && reader.finished && upstream_finish(&reader)) {
        release_end(&rel);
        anthropic_messages.write(&req, &reply, &out);
        check_json(&out);
    }
    sse_parser_free(&sse);
    buf_free(&out);
    tool_calls_free(&reader.calls);
    release_free(&rel);
    reply_free(&reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = {(const char *)data, size};
    struct arena arena = ARENA_INIT(256u << 20);
    as_request(bytes, &arena);
    for (size_t i = 0; i < sizeof providers / sizeof *providers; i++) {
        as_answer(providers[i], bytes, false);
        as_answer(providers[i], bytes, true);
    }
    arena_free(&arena);
    return 0;
}
