/* Where calls of Gemini's API go, with which headers, and what of a request it can do. What is said is gemini_body.c's;
 * what comes back, gemini_read.c's. */
#include "gateway/provider/gemini.h"

static bool put_url(const struct provider_call *call, struct buf *out, struct err *err)
{
    (void)err;
    struct str base = provider_base(call->upstream), model = str_of(call->upstream->model);
    bool versioned = str_ends(base, STR("/v1beta")) || str_ends(base, STR("/v1"));
    buf_str(out, base);
    buf_puts(out, versioned ? "/" : "/v1beta/");
    if (!str_starts(model, STR("models/")))
        buf_puts(out, "models/");
    buf_str(out, model);
    buf_puts(out, call->req->stream ? ":streamGenerateContent?alt=sse" : ":generateContent");
    return true;
}

static bool put_headers(const struct provider_call *call, struct buf *out, struct err *err)
{
    (void)err;
    provider_put_key(call, "x-goog-api-key: ", out);
    return true;
}

const struct provider provider_gemini = {
    .name = "gemini",
    .offers = NEED_BIT(NEED_TOOLS) | NEED_BIT(NEED_IMAGES) | NEED_BIT(NEED_FILES) | NEED_BIT(NEED_AUDIO) |
              NEED_BIT(NEED_LOGPROBS) | NEED_BIT(NEED_PENALTIES) | NEED_BIT(NEED_SEED) | NEED_BIT(NEED_TOP_K) |
              NEED_BIT(NEED_HIGH_TEMPERATURE),
    .url = put_url,
    .headers = put_headers,
    .body = gemini_body,
    .read_reply = gemini_read_reply,
    .read_event = gemini_read_event,
};
