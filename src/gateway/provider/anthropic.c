/* Where calls of Anthropic's API go, with which headers, and what of a request it can do. What is said is
 * anthropic_body.c's; what comes back, anthropic_read.c's. */
#include "gateway/provider/anthropic.h"

static bool put_url(const struct provider_call *call, struct buf *out, struct err *err)
{
    (void)err;
    struct str base = provider_base(call->upstream);
    buf_str(out, base);
    buf_puts(out, str_ends(base, STR("/v1")) ? "/messages" : "/v1/messages");
    return true;
}

static bool put_headers(const struct provider_call *call, struct buf *out, struct err *err)
{
    static const char version[] = "anthropic-version: 2023-06-01";
    (void)err;
    buf_add(out, version, sizeof version);
    if (call->upstream->api_key) {
        buf_puts(out, "x-api-key: ");
        buf_str(out, str_of(call->upstream->api_key));
        buf_add(out, "", 1);
    }
    return true;
}

const struct provider provider_anthropic = {
    .name = "anthropic",
    .offers = NEED_BIT(NEED_TOOLS) | NEED_BIT(NEED_IMAGES) | NEED_BIT(NEED_FILES) | NEED_BIT(NEED_FORM_BESIDE_TOOLS) |
              NEED_BIT(NEED_TOP_K) | NEED_BIT(NEED_ANTHROPIC),
    .url = put_url,
    .headers = put_headers,
    .body = anthropic_body,
    .read_reply = anthropic_read_reply,
    .read_event = anthropic_read_event,
};
