/* Azure OpenAI: OpenAI's bodies at another address, opened by another header. A base_url that ends in /openai/v1 is
 * the API without versions, where the body names the deployment; any other is the resource, and the path names it. */
#include "gateway/provider/openai.h"
#include "net/url.h"

#define DEFAULT_API_VERSION "2024-10-21"

static bool put_url(const struct provider_call *call, struct buf *out, struct err *err)
{
    const struct config_upstream *u = call->upstream;
    struct str base = provider_base(u);
    bool v1 = str_ends(base, STR("/openai/v1"));
    (void)err;
    buf_str(out, base);
    if (!v1) {
        buf_str(out, STR("/openai/deployments/"));
        url_escape(str_of(u->model), "", out);
    }
    buf_puts(out, openai_path(call->req));
    if (!v1 || u->api_version) {
        buf_str(out, STR("?api-version="));
        url_escape(str_of(u->api_version ? u->api_version : DEFAULT_API_VERSION), "", out);
    }
    return true;
}

static bool put_headers(const struct provider_call *call, struct buf *out, struct err *err)
{
    (void)err;
    provider_put_key(call, "api-key: ", out);
    return true;
}

const struct provider provider_azure = {
    .name = "azure",
    .offers = OPENAI_OFFERS,
    .url = put_url,
    .headers = put_headers,
    .body = openai_put_body,
    .read_reply = openai_read_reply,
    .read_event = openai_read_event,
};
