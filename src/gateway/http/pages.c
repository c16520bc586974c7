/* The pages beside the answers, in OpenAI's shape. They read the configuration and write JSON; they answer nothing
 * themselves. */
#include "gateway/http/pages.h"

#include <stdio.h>

#include "data/json.h"
#include "gateway/answer/answer.h"
#include "gateway/api/openai/openai.h"

/* ---- replies ---- */

void page_json(struct http_exchange *x, int status, const struct buf *body)
{
    if (buf_ok(body))
        http_reply(x, status, "application/json", buf_view(body));
    else
        http_reply(x, 500, "application/json",
                   STR("{\"error\":{\"message\":\"the reply is too long\",\"type\":\"server_error\"}}"));
}

void page_fail_later(struct http_exchange *x, write_error error, int status, const char *message, const char *param,
                     const char *code, int64_t retry_after_s)
{
    struct buf body = BUF_INIT(PAGE_MAX_BYTES);
    char text[24];
    error(status, message, param, code, &body);
    snprintf(text, sizeof text, "%lld", (long long)(retry_after_s ? retry_after_s : 1));
    if (retry_after_s || status == 503)
        http_reply_header(x, "Retry-After", text);
    page_json(x, status, &body);
    buf_free(&body);
}

void page_fail(struct http_exchange *x, write_error error, int status, const char *message, const char *param,
               const char *code)
{
    page_fail_later(x, error, status, message, param, code, 0);
}

/* Every sentence of a parser names its field in quotes first, with the kind of content behind it in parentheses. */
const char *page_param(const char *message, char *param, size_t size)
{
    const char *end = message[0] == '\'' ? strchr(message + 1, '\'') : NULL, *kind = end ? strstr(message, " (") : NULL;
    if (kind && kind < end)
        end = kind;
    if (!end || (size_t)(end - message) > size)
        return NULL;
    snprintf(param, size, "%.*s", (int)(end - message - 1), message + 1);
    return param;
}

bool page_client_gone(void *exchange) { return http_client_gone(exchange); }

static void put_tiers(const struct config *c, struct json_writer *w)
{
    json_key(w, "tiers");
    json_open_array(w);
    for (int t = 0; t < c->n_tiers; t++) {
        json_open_object(w);
        json_put_cstr(w, "tier", c->tiers[t].name);
        json_put_cstr(w, "model", c->models[c->tiers[t].model].name);
        json_put_bool(w, "usable", !c->models[c->tiers[t].model].key_missing);
        json_close_object(w);
    }
    json_close_array(w);
}

/* No key is asked for: who may come from elsewhere learns that it lives, and no names. */
void page_health(struct gateway *g, struct http_exchange *x, const struct caller *caller)
{
    (void)caller;
    const struct config *c = gateway_config(g);
    struct buf out = BUF_INIT(PAGE_MAX_BYTES);
    struct json_writer w = JSON_WRITER(&out);
    json_open_object(&w);
    json_put_cstr(&w, "status", "ok");
    json_put_cstr(&w, "server", "rung");
    json_put_cstr(&w, "version", RUNG_VERSION);
    if (config_is_loopback(c->listen_host))
        put_tiers(c, &w);
    json_close_object(&w);
    page_json(x, 200, &out);
    buf_free(&out);
}
