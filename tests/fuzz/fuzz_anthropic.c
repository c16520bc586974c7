/* Fuzzes Anthropic's dialect: a body through its parser and, where it is accepted, into the bodies for upstreams of its own API and of
 * OpenAI's; and the same bytes as a stream of that API, told on in the dialect, whole and as events. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "gateway/api/anthropic/anthropic.h"
#include "gateway/provider/provider.h"
#include "net/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct config config = {.score = SCORE_ENTROPY};

static void check_json(struct str text)
{
    json_t *value = NULL;
    struct err err = ERR_INIT;
    if (!json_parse_object(text, "body", &value, &err))
        __builtin_trap();                 /* what goes up, or down, must be JSON again */
    json_decref(value);
}

static bool check_event(void *ctx, struct str type, struct str data)
{
    (void)ctx;
    (void)type;
    check_json(data);
    return true;
}

static void as_request(struct str bytes, struct arena *arena)
{
    static const struct provider *const providers[] = {&provider_anthropic, &provider_openai, &provider_gemini};
    struct request req;
    struct err err = ERR_INIT;
    if (!anthropic_parse_count(bytes, arena, &req, &err))
        return;
    for (size_t i = 0; i < sizeof providers / sizeof *providers; i++) {
        const struct config_upstream u = {.model = "m-4-5", .base_url = "http://x", .provider = providers[i]};
        const struct provider_call call = {.req = &req, .config = &config, .upstream = &u, .max_tokens = req.max_tokens};
        struct buf out = BUF_INIT(64u << 20);
        if (!(req.needs & ~providers[i]->offers) && providers[i]->body(&call, &out, &err) && buf_ok(&out))
            check_json(buf_view(&out));
        buf_free(&out);
    }
    request_free(&req);
}

struct teller {
    struct answer_stream stream;
    struct buf out;
};

static bool tell_begin(void *ctx, const struct reply *r)
{
    struct teller *t = ctx;
    (void)r;
    anthropic_messages.first(&t->stream, &t->out);
    return true;
}

static bool tell_delta(void *ctx, struct str text, bool reasoning, struct str tool_calls, const struct reply_token *token)
{
    struct teller *t = ctx;
    const struct answer_delta d = {.text = text, .reasoning = reasoning, .tool_calls = tool_calls, .token = token};
    anthropic_messages.delta(&t->stream, &d, &t->out);
    return true;
}

static void as_stream(struct str bytes)
{
    static const struct request req = {.id = "msg_1", .stream = true};
    void *state = calloc(1, anthropic_messages.state_bytes);
    struct reply reply = {.confidence = -1, .text = BUF_INIT(1u << 20), .reasoning = BUF_INIT(1u << 20), .arena = ARENA_INIT(64u << 20)};
    struct teller teller = {.stream = {.req = &req, .reply = &reply, .state = state}, .out = BUF_INIT(64u << 20)};
    const struct answer_sink sink = {.ctx = &teller, .begin = tell_begin, .delta = tell_delta};
    struct attempt attempt = {0};
    struct release rel;
    struct err err = ERR_INIT;
    release_init(&rel, &config, &req, &reply, &sink, -1);
    struct upstream_reader reader = {.rel = &rel, .attempt = &attempt, .err = &err};
    struct sse_parser sse;
    struct buf whole = BUF_INIT(64u << 20);
    sse_parser_init(&sse);
    bool ok = sse_feed(&sse, bytes, provider_anthropic.read_event, &reader, &err);
    if (ok && reader.finished && upstream_finish(&reader) && release_end(&rel) == RELEASE_ON) {
        anthropic_messages.last(&teller.stream, &teller.out);
        anthropic_messages.write(&req, &reply, &whole);
        check_json(buf_view(&whole));
        sse_parser_free(&sse);
        sse_parser_init(&sse);
        sse_feed(&sse, buf_view(&teller.out), check_event, NULL, &err);
    }
    sse_parser_free(&sse);
    buf_free(&whole);
    buf_free(&teller.out);
    tool_calls_free(&reader.calls);
    release_free(&rel);
    reply_free(&reply);
    free(state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = {(const char *)data, size};
    struct arena arena = ARENA_INIT(256u << 20);
    as_request(bytes, &arena);
    as_stream(bytes);
    arena_free(&arena);
    return 0;
}
