/* Upstreams, on request: each is asked for its list of models with the key it gets. Says what came of it, never the
 * key. */
#include <stdio.h>

#include "cli/doctor/doctor.h"
#include "gateway/provider/provider.h"
#include "net/client.h"

#define CONNECT_MS 5000
#define TOTAL_MS 15000
#define WAIT_MS 20000
#define URL_BYTES 2048

/* The status of GET base_url/models; 0 when none came, with the reason. */
static int ask(struct http_client *http, const struct config_upstream *u, struct err *err)
{
    struct provider_call asked = {.upstream = u};
    struct buf own = BUF_INIT(PROVIDER_MAX_KEY);
    char url[URL_BYTES];
    const char *headers[PROVIDER_MAX_HEADERS + 1] = {NULL};
    int n = 0;
    struct http_call *call;
    struct http_event ev;
    int status = 0;
    if (!u->provider->headers(&asked, &own, err) || !buf_check(&own, "the headers of the upstream", err)) {
        buf_free(&own);
        return 0;
    }
    for (size_t at = 0; at < own.n && n < PROVIDER_MAX_HEADERS; at += strlen(own.p + at) + 1)
        headers[n++] = own.p + at;
    snprintf(url, sizeof url, "%s/models", u->base_url);
    struct http_call_request req = {
        .method = "GET", .url = url, .headers = headers, .connect_timeout_ms = CONNECT_MS, .total_timeout_ms = TOTAL_MS,
    };
    bool started = http_call_start(http, &req, &call, err);
    buf_free(&own);
    if (!started)
        return 0;
    while (http_call_next(call, WAIT_MS, &ev)) {
        if (ev.kind == HTTP_HEAD)
            status = ev.status;
        if (ev.kind == HTTP_DONE && !ev.ok && !status)
            *err = ev.err;
    }
    http_call_close(call);
    return status;
}

static void judge(struct doctor *d, const struct config_model *m, const struct config_upstream *u, int status,
                  const struct err *err)
{
    char todo[200];
    snprintf(todo, sizeof todo, "check the key in %s", u->api_key_env ? u->api_key_env : "'api_key'");
    if (status == 0)
        doctor_add_err(d, FINDING_PROBLEM, "upstream", "check 'base_url', the network and the server", err);
    else if (status == 401 || status == 403)
        doctor_add(d, FINDING_PROBLEM, "upstream", todo, "%s at %s refuses the key (HTTP %d)", m->name, u->base_url,
                   status);
    else if (status == 404)
        doctor_add(d, FINDING_WARNING, "upstream", "check that 'base_url' ends where the API begins, mostly in /v1",
                   "%s at %s answers, but lists no models there (HTTP 404)", m->name, u->base_url);
    else if (status >= 400)
        doctor_add(d, FINDING_WARNING, "upstream", "try again later", "%s at %s answers HTTP %d", m->name, u->base_url,
                   status);
    else
        doctor_add(d, FINDING_OK, "upstream", NULL, "%s at %s answers", m->name, u->base_url);
}

void doctor_check_upstreams(struct doctor *d, const struct config *c)
{
    struct http_client *http;
    struct err err = ERR_INIT;
    if (!http_client_open(&http, &err)) {
        doctor_add_err(d, FINDING_PROBLEM, "upstream", NULL, &err);
        return;
    }
    for (int i = 0; i < c->n_models; i++) {
        const struct config_model *m = &c->models[i];
        for (int k = 0; k < m->n_upstreams; k++) {
            const struct config_upstream *u = &m->upstreams[k];
            if (u->key_missing)
                continue;
            err = ERR_INIT;
            int status = ask(http, u, &err);
            judge(d, m, u, status, &err);
        }
    }
    http_client_close(http);
}
