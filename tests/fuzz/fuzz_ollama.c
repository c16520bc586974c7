/* Fuzzes the Ollama dialect: a body of /api/chat and of /api/generate through the translation, and where it is accepted into the body
 * for an upstream; and the same bytes as the text and as the calls of an answer, whole and in lines. */
#include <stddef.h>
#include <stdint.h>

#include "data/json.h"
#include "gateway/api/ollama/ollama.h"
#include "gateway/gateway.h"
#include "gateway/provider/openai.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One JSON object a line, each ended. */
static void check_lines(struct str text)
{
    while (text.n > 0) {
        const char *end = memchr(text.p, '\n', text.n);
        json_t *value = NULL;
        if (!end || !json_parse_object((struct str){text.p, (size_t)(end - text.p)}, "line", &value, NULL))
            __builtin_trap();
        json_decref(value);
        text = (struct str){end + 1, text.n - (size_t)(end + 1 - text.p)};
    }
}

static void as_request(const struct dialect *dialect, struct str bytes, const struct config *c)
{
    struct arena arena = ARENA_INIT(256u << 20);
    struct request req;
    struct err err = ERR_INIT;
    if (dialect->parse(bytes, &arena, &req, &err)) {
        const struct config_upstream u = {.name = "m"};
        const struct provider_call call = {.req = &req, .config = c, .upstream = &u};
        struct buf out = BUF_INIT(64u << 20);
        json_t *value = NULL;
        if (provider_openai.body(&call, &out, &err) && buf_ok(&out) && !json_parse_object(buf_view(&out), "body", &value, &err))
            __builtin_trap();             /* what goes up must be JSON again */
        json_decref(value);
        buf_free(&out);
        request_free(&req);
    } else if (!err.msg[0]) {
        __builtin_trap();                 /* no refusal without a sentence */
    }
    arena_free(&arena);
}

static void as_answer(const struct dialect *dialect, struct str bytes, struct str calls)
{
    const struct request req = {.logprobs = true};
    struct reply reply = {.model = "m", .finish_reason = "stop", .text = BUF_INIT(1u << 20), .tool_calls = calls, .confidence = -1};
    const struct answer_stream stream = {.req = &req, .reply = &reply};
    const struct answer_delta delta = {.text = bytes, .reasoning = bytes.n % 2};
    struct buf out = BUF_INIT(64u << 20);
    buf_str(&reply.text, bytes);
    dialect->write(&req, &reply, &out);
    buf_char(&out, '\n');
    dialect->first(&stream, &out);
    dialect->delta(&stream, &delta, &out);
    dialect->last(&stream, &out);
    dialect->broken(&stream, 500, "a sentence", &out);
    if (buf_ok(&out))
        check_lines(buf_view(&out));
    buf_free(&out);
    buf_free(&reply.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct config c = {.score = SCORE_ENTROPY};
    struct str bytes = {(const char *)data, size};
    json_t *value = NULL;
    bool calls = json_parse(bytes, "calls", &value, NULL);
    as_request(&ollama_chat, bytes, &c);
    as_request(&ollama_generate, bytes, &c);
    as_answer(&ollama_chat, bytes, calls ? bytes : STR(""));
    as_answer(&ollama_generate, bytes, STR(""));
    json_decref(value);
    return 0;
}
