/* GET /ready: whether a load balancer may send requests here. Who is stopping is not asked any more: the server refuses
 * by itself then. */
#include "data/json.h"
#include "gateway/answer/answer.h"
#include "gateway/http/pages.h"

/* Seen loaded once is enough: later it comes and goes as it is asked for. */
static bool first_tier_ready(struct gateway *g, const char **ret_why)
{
    int model = g->config->tiers[0].model;
    const struct config_model *m = &g->config->models[model];
    if (m->key_missing)
        *ret_why = "the API key of the first tier's model is not set";
    if (!g->local[model] || m->keep_alive_ms == 0 || atomic_load(&g->warm))
        return !m->key_missing;
    if (local_model_try_acquire(g->local[model])) {
        local_model_release(g->local[model]);
        atomic_store(&g->warm, true);
        return true;
    }
    local_model_preload(g->local[model]);
    *ret_why = "the first tier's model is not loaded yet";
    return false;
}

/* What cannot be noted is not answered. */
static bool can_note(struct gateway *g, const char **ret_why)
{
    bool ok = !g->ledger || ledger_writable(g->ledger, NULL);
    if (!ok)
        *ret_why = "the ledger cannot be written";
    return ok;
}

void page_ready(struct gateway *g, struct http_exchange *x, const struct caller *caller)
{
    const char *why = NULL;
    bool ready = can_note(g, &why) && first_tier_ready(g, &why);
    struct buf out = BUF_INIT(PAGE_MAX_BYTES);
    struct json_writer w = JSON_WRITER(&out);
    (void)caller;
    json_open_object(&w);
    json_put_cstr(&w, "status", ready ? "ready" : "not ready");
    if (!ready)
        json_put_cstr(&w, "reason", why);
    json_close_object(&w);
    page_json(x, ready ? 200 : 503, &out);
    buf_free(&out);
}
