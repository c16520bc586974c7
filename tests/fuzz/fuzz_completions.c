/* Fuzzes what stands beside conversations: bytes as the body of /v1/completions and of /v1/embeddings, and as what an upstream answers
 * to each. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "gateway/answer/several.h"
#include "gateway/api/completions/completions.h"
#include "gateway/embed.h"
#include "gateway/gateway.h"
#include "gateway/provider/openai.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be_json(const struct buf *text)
{
    struct err err = ERR_INIT;
    json_t *value = NULL;
    if (buf_ok(text) && !json_parse_object(buf_view(text), "text", &value, &err))
        __builtin_trap();
    json_decref(value);
}

static void as_request(struct str bytes, const struct config *c)
{
    struct arena arena = ARENA_INIT(64u << 20);
    struct request req;
    struct err err = ERR_INIT;
    struct buf out = BUF_INIT(64u << 20);
    if (completions_parse(bytes, &arena, &req, &err)) {
        const struct config_upstream u = {.name = "m", .base_url = "http://127.0.0.1/v1", .model = "m"};
        for (int i = 0; i < (req.parts ? req.n_answers : 1); i++) {
            const struct provider_call call = {
                .req = req.parts ? &req.parts[i] : &req, .config = c, .upstream = &u, .want_confidence = i % 2};
            buf_clear(&out);
            if (provider_openai.body(&call, &out, &err))
                must_be_json(&out);
        }
        request_free(&req);
    }
    buf_free(&out);
    arena_free(&arena);
}

static void as_texts(struct str bytes)
{
    struct arena arena = ARENA_INIT(64u << 20);
    struct embed_call call;
    struct err err = ERR_INIT;
    bool base64;
    if (embeddings_parse(bytes, &arena, &call, &base64, &err) && (call.n < 1 || call.n > EMBED_MAX_INPUTS))
        __builtin_trap();
    arena_free(&arena);
}

static void as_upstream(struct str bytes, const struct config *c, bool streamed, bool embed)
{
    const struct embed_input inputs[2] = {{.text = STR("a")}, {.text = STR("b")}};
    const struct embed_call call = {.inputs = inputs, .n = 2};
    struct request req = {.logprobs = true, .top_logprobs = 3, .echo = true, .embed = embed ? &call : NULL,
                          .needs = embed ? NEED_BIT(NEED_EMBEDDING) : NEED_BIT(NEED_RAW_PROMPT)};
    struct reply reply = {.confidence = -1, .text = BUF_INIT(1u << 20), .reasoning = BUF_INIT(1u << 20), .arena = ARENA_INIT(64u << 20)};
    struct attempt attempt = {0};
    struct release rel;
    struct err err = ERR_INIT;
    struct buf out = BUF_INIT(64u << 20);
    release_init(&rel, c, &req, &reply, NULL, -1);
    struct upstream_reader reader = {.rel = &rel, .attempt = &attempt, .err = &err};
    bool ok = streamed ? openai_read_event(&reader, STR(""), bytes) : openai_read_reply(&reader, bytes);
    if (ok && upstream_finish(&reader) && !embed) {
        release_end(&rel);
        const struct answers all = {.req = &req, .n = 1, .asked = &req, .replies = &reply, .failed = -1};
        completions.write_all(&all, &out);
        must_be_json(&out);
    }
    for (int64_t i = 0; reply.vectors && i < 2 * reply.dimensions; i++)
        if (!isfinite(reply.vectors[i]))
            __builtin_trap();
    buf_free(&out);
    tool_calls_free(&reader.calls);
    release_free(&rel);
    reply_free(&reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config *config;
    struct err err = ERR_INIT;
    struct str bytes = {(const char *)data, size};
    if (!config && !config_parse(STR("models: {starter: {file: starter}}\ntiers: [{name: local, model: starter}]\n"),
                                 "fuzz.yaml", &config, &err))
        abort();
    as_request(bytes, config);
    as_texts(bytes);
    for (int i = 0; i < 4; i++)
        as_upstream(bytes, config, i % 2, i / 2);
    return 0;
}
