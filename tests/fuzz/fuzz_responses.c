/* Fuzzes the Responses dialect both ways: a request body through its parser and, where it is accepted, into the body for an upstream and
 * the response that repeats it; and the same bytes as the calls of a streamed answer, whole and in deltas. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "gateway/answer/several.h"
#include "gateway/api/responses/responses.h"
#include "gateway/provider/openai.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever came in, JSON goes out. */
static void must_be_json(const struct buf *out)
{
    json_t *value = NULL;
    struct err err = ERR_INIT;
    if (!buf_ok(out) || !json_parse_object(buf_view(out), "output", &value, &err))
        __builtin_trap();
    json_decref(value);
}

static struct reply answer_of(void)
{
    struct reply r = {.confidence = -1, .text = BUF_INIT(1u << 20), .reasoning = BUF_INIT(1u << 20), .arena = ARENA_INIT(64u << 20)};
    buf_puts(&r.text, "said");
    buf_puts(&r.reasoning, "thought");
    r.finish_reason = "stop";
    return r;
}

static void as_request(struct str bytes, struct arena *arena)
{
    static const struct config c = {.score = SCORE_ENTROPY};
    static const struct config_upstream u = {.name = "m"};
    struct request req;
    struct err err = ERR_INIT;
    struct buf out = BUF_INIT(128u << 20);
    if (!openai_responses.parse(bytes, arena, &req, &err))
        return;
    const struct provider_call call = {.req = &req, .config = &c, .upstream = &u};
    struct reply reply = answer_of();
    if (provider_openai.body(&call, &out, &err))
        must_be_json(&out);
    buf_clear(&out);
    openai_responses.write(&req, &reply, &out);
    must_be_json(&out);
    buf_free(&out);
    reply_free(&reply);
    request_free(&req);
}

static void as_calls(struct str bytes)
{
    struct request req = {.id = "resp_0", .repeated = STR("\"user\":null")};
    struct reply reply = answer_of();
    struct answers all = {.req = &req, .n = 1, .asked = &req, .replies = &reply, .failed = -1};
    void *state = calloc(1, openai_responses.state_bytes);
    struct answer_stream s = {.req = &req, .reply = &reply, .state = state, .all = &all};
    struct answer_delta text = {.text = STR("sa")}, calls = {.tool_calls = bytes}, more = {.text = STR("id")};
    struct buf out = BUF_INIT(128u << 20);
    openai_responses.first(&s, &out);
    openai_responses.delta(&s, &text, &out);
    openai_responses.delta(&s, &calls, &out);
    openai_responses.delta(&s, &calls, &out);
    openai_responses.delta(&s, &more, &out);
    openai_responses.last(&s, &out);
    openai_responses.close(&s);
    free(state);
    buf_free(&out);
    buf_clear(&reply.text);
    reply.tool_calls = bytes;
    openai_responses.write(&req, &reply, &out);
    buf_free(&out);
    reply_free(&reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = {(const char *)data, size};
    struct arena arena = ARENA_INIT(256u << 20);
    as_request(bytes, &arena);
    as_calls(bytes);
    arena_free(&arena);
    return 0;
}
