/* Where calls of Anthropic's API go, with which headers, and what of a request it can do. What is said is
 * anthropic_body.c's; what comes back, anthropic_read.c's. */
#include "gateway/provider/anthropic.h"

#define MAX_BETA_BYTES 1024

static bool put_url(const struct provider_call *call, struct buf *out, struct err *err)
{
    (void)err;
    struct str base = provider_base(call->upstream);
    buf_str(out, base);
    buf_puts(out, str_ends(base, STR("/v1")) ? "/messages" : "/v1/messages");
    return true;
}

/* What a client of this API asked for beyond it goes along with its body. What a header may not hold is no name of a
 * feature. */
static void put_beta(const struct request *req, struct buf *out)
{
    struct str beta = req->anthropic_beta;
    bool ok = req->anthropic.n && beta.n && beta.n <= MAX_BETA_BYTES;
    for (size_t i = 0; ok && i < beta.n; i++)
        ok = beta.p[i] >= ' ' && beta.p[i] < 127;
    if (!ok)
        return;
    buf_puts(out, "anthropic-beta: ");
    buf_str(out, beta);
    buf_add(out, "", 1);
}

static bool put_headers(const struct provider_call *call, struct buf *out, struct err *err)
{
    static const char version[] = "anthropic-version: 2023-06-01";
    (void)err;
    buf_add(out, version, sizeof version);
    put_beta(call->req, out);
    provider_put_key(call, "x-api-key: ", out);
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
