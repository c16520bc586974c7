/* One request to a model host: redirects followed and judged, tokens fetched when asked for and kept from strangers,
 * failures told apart and waited out. What is asked and what the answer means belongs to the rooms beside it. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "data/json.h"
#include "registry/remote/parse.h"
#include "registry/remote/private.h"

#define SLICE_MS 100    /* how soon a stop is heard */
#define CONNECT_TIMEOUT_MS 15000
#define MAX_TOKEN_BYTES 16384
#define MAX_TOKEN_REPLY_BYTES ((size_t)256 << 10)

bool remote_next_event(struct http_call *call, const atomic_bool *stop, struct http_event *ret, struct err *err)
{
    do {   /* also while one event follows the other: a fast host is stopped too */
        if (stop && atomic_load(stop))
            return err_set(err, ERR_CANCELLED, "stopped");
    } while (!http_call_next(call, SLICE_MS, ret));
    return true;
}

/* ---- where a request may go, and with what ---- */

static bool check_step(const struct url_origin *from, const struct url_origin *to, struct err *err)
{
    if (from && from->https && !to->https)
        return err_set(err, ERR_INVALID, "%.200s redirects from https to http at %.200s, which is refused", from->host,
                       to->host);
    if (!to->https && !url_origin_is_loopback(to))
        return err_set(err, ERR_INVALID, "models come over https, or http on this machine; http://%.200s is neither",
                       to->host);
    return true;
}

char *remote_token_for(struct remote *r, const struct url_origin *o)
{
    bool hugging_face = o->https && o->port == 443 &&
                        (strcmp(o->host, "huggingface.co") == 0 || strcmp(o->host, "hf.co") == 0);
    char *token;
    if (hugging_face)
        return str_dup(str_of(r->hf_token));
    pthread_mutex_lock(&r->lock);
    token = str_dup(str_of(r->token && url_origin_equal(&r->token_origin, o) ? r->token : ""));
    pthread_mutex_unlock(&r->lock);
    return token;
}

static bool start_call(struct remote *r, const struct remote_ask *ask, const char *url, const struct url_origin *o,
                       struct http_call **ret, struct err *err)
{
    char accept[256], range[96];
    struct buf authorization = BUF_INIT(MAX_TOKEN_BYTES + 64);
    const char *headers[4];
    int n = 0;
    bool ok = false;
    char *token = ask->anonymous ? str_dup(STR("")) : remote_token_for(r, o);
    if (!token) {
        err_nomem(err, "a token");
        goto out;
    }
    if (ask->accept) {
        snprintf(accept, sizeof accept, "Accept: %s", ask->accept);
        headers[n++] = accept;
    }
    if (ask->n > 0) {
        snprintf(range, sizeof range, "Range: bytes=%lld-%lld", (long long)ask->from,
                 (long long)(ask->from + ask->n - 1));
        headers[n++] = range;
    }
    if (token[0]) {
        buf_printf(&authorization, "Authorization: Bearer %s", token);
        if (!buf_check(&authorization, "a token", err))
            goto out;
        headers[n++] = authorization.p;
    }
    headers[n] = NULL;
    ok = http_call_start(r->http, &(struct http_call_request){
        .method = "GET", .url = url, .headers = headers, .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .first_byte_timeout_ms = r->patience.first_byte_ms, .idle_timeout_ms = r->patience.idle_ms,
        .max_body_bytes = ask->max_bytes, .http_1 = ask->n > 0}, ret, err);
out:
    buf_free(&authorization);
    free(token);
    return ok;
}

/* ---- the head of an answer ---- */

static void read_sizes(struct remote_reply *reply)
{
    int64_t end;
    reply->from = 0;
    reply->total = -1;
    struct str range = http_call_header(reply->call, "Content-Range");
    if (reply->status == 206 || reply->status == 416) {
        if (!parse_content_range(range, &reply->from, &end, &reply->total))
            reply->from = -1;
    } else if (!str_to_i64(http_call_header(reply->call, "Content-Length"), &reply->total) || reply->total < 0) {
        reply->total = -1;
    }
}

static void read_head(const struct http_event *head, struct remote_reply *reply)
{
    reply->status = head->status;
    reply->retry_after_s = head->retry_after_s;
    read_sizes(reply);
    struct str version = http_call_header(reply->call, "ETag");
    if (version.n == 0)
        version = http_call_header(reply->call, "Last-Modified");
    snprintf(reply->version, sizeof reply->version, STR_FMT, STR_ARG(version));
}

/* One call to its head, without following anything. */
static bool ask_once(struct remote *r, const struct remote_ask *ask, const char *url, struct remote_reply *reply,
                     struct err *err)
{
    struct http_event event;
    reply->call = NULL;
    if (!start_call(r, ask, url, &reply->origin, &reply->call, err))
        return false;
    if (!remote_next_event(reply->call, ask->stop, &event, err))
        goto out;
    if (event.kind == HTTP_HEAD) {
        read_head(&event, reply);
        return true;
    }
    if (err)
        *err = event.err;
out:
    http_call_close(reply->call);
    reply->call = NULL;
    return false;
}

/* ---- tokens ---- */

static bool token_url(const struct challenge *c, struct buf *out, struct err *err)
{
    buf_puts(out, c->realm);
    buf_puts(out, strchr(c->realm, '?') ? "&service=" : "?service=");
    url_escape(str_of(c->service), "", out);
    buf_puts(out, "&scope=");
    url_escape(str_of(c->scope), "", out);
    return buf_check(out, "the URL of a token", err);
}

static bool token_is_plain(struct str token)
{
    for (size_t i = 0; i < token.n; i++)
        if (token.p[i] <= ' ' || token.p[i] > '~')
            return false;
    return token.n > 0 && token.n <= MAX_TOKEN_BYTES;
}

static bool read_token(struct str body, char **ret, struct err *err)
{
    json_t *root;
    struct str token = {"", 0};
    if (!json_parse_object(body, "the registry's token", &root, err))
        return false;
    bool ok = json_get_str(root, "token", &token, err) &&
              (token.n > 0 || json_get_str(root, "access_token", &token, err));
    if (ok && !token_is_plain(token))
        ok = err_set(err, ERR_CORRUPT, "the registry's token service gave no usable token");
    if (ok) {
        *ret = str_dup(token);
        ok = *ret || err_nomem(err, "a token");
    }
    json_decref(root);
    return ok;
}

static bool fetch_token(struct remote *r, const struct challenge *c, const struct url_origin *owner,
                        const atomic_bool *stop, struct err *err)
{
    struct buf url = BUF_INIT(URL_MAX_BYTES), body = BUF_INIT(MAX_TOKEN_REPLY_BYTES);
    char *token;
    bool ok = token_url(c, &url, err);
    const struct remote_ask ask = {
        .url = url.p, .max_bytes = MAX_TOKEN_REPLY_BYTES, .anonymous = true, .stop = stop};
    ok = ok && remote_get(r, &ask, &body, NULL, NULL, err) && read_token(buf_view(&body), &token, err);
    if (ok) {
        pthread_mutex_lock(&r->lock);
        free(r->token);
        r->token = token;
        r->token_origin = *owner;
        pthread_mutex_unlock(&r->lock);
    }
    buf_free(&url);
    buf_free(&body);
    return ok;
}

/* ---- redirects ---- */

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* Whether the answer asks for a token that its own server would take, and the token is there now. */
static bool answer_challenge(struct remote *r, const struct remote_ask *ask, const struct remote_reply *reply,
                             bool *ret_again, struct err *err)
{
    struct challenge c;
    *ret_again = false;
    if (reply->status != 401 || ask->anonymous ||
        !parse_challenge(http_call_header(reply->call, "WWW-Authenticate"), &c))
        return true;
    *ret_again = true;
    return fetch_token(r, &c, &reply->origin, ask->stop, err);
}

bool remote_ask(struct remote *r, const struct remote_ask *ask, struct remote_reply *ret, struct err *err)
{
    struct remote_reply reply = {0};
    struct url_origin first, before;
    bool asked_token = false, again, ok = false;
    int hops = 0;
    char *url = str_dup(str_of(ask->url)), *next;
    if (!url || !url_origin(url, &first, err))
        goto out;
    before = first;
    for (;;) {
        if (!url_origin(url, &reply.origin, err) || !check_step(hops ? &before : NULL, &reply.origin, err) ||
            !ask_once(r, ask, url, &reply, err))
            goto out;
        if (!asked_token && url_origin_equal(&reply.origin, &first)) {
            if (!answer_challenge(r, ask, &reply, &again, err))
                goto out;
            if (again) {
                asked_token = true;
                http_call_close(reply.call);
                reply.call = NULL;
                continue;
            }
        }
        if (!is_redirect(reply.status))
            break;
        if (++hops > REMOTE_MAX_REDIRECTS) {
            err_set(err, ERR_LIMIT, "%.200s redirects more than %d times, at last from %.200s", first.host,
                    REMOTE_MAX_REDIRECTS, reply.origin.host);
            goto out;
        }
        if (!url_join(url, http_call_header(reply.call, "Location"), &next, err))
            goto out;
        free(url);
        url = next;
        before = reply.origin;
        http_call_close(reply.call);
        reply.call = NULL;
    }
    *ret = reply;
    reply.call = NULL;
    ok = true;
out:
    http_call_close(reply.call);
    free(url);
    return ok;
}

/* ---- failures ---- */

static bool refuse_access(const struct remote *r, const struct remote_reply *reply, struct err *err)
{
    const char *host = reply->origin.host;
    if (strcmp(host, "huggingface.co") != 0 && strcmp(host, "hf.co") != 0)
        return err_set(err, ERR_INVALID, "%.200s does not give this to everybody (HTTP %d)", host, reply->status);
    return err_set(err, ERR_INVALID, r->hf_token
        ? "%s does not give this to the holder of HF_TOKEN (HTTP %d); accept the model's terms on its page"
        : "%s does not give this to everybody (HTTP %d); accept the model's terms on its page and set HF_TOKEN",
        host, reply->status);
}

bool remote_check_status(const struct remote *r, const struct remote_reply *reply, struct err *err)
{
    const char *host = reply->origin.host;
    int status = reply->status;
    if (status == 200 || status == 206)
        return true;
    if (status == 401 || status == 403)
        return refuse_access(r, reply, err);
    if (status == 404 || status == 410)
        return err_set(err, ERR_NOT_FOUND, "%.200s does not have it (HTTP %d)", host, status);
    if (status == 429 || status == 503)
        return err_set(err, ERR_BUSY, "%.200s is busy (HTTP %d); try again later", host, status);
    if (status == 408 || status >= 500)
        return err_set(err, ERR_IO, "%.200s failed (HTTP %d); try again later", host, status);
    return err_set(err, ERR_INVALID, "%.200s answered with HTTP %d, which is no file", host, status);
}

bool remote_wait(const struct remote *r, const struct err *failure, int failures, int tries, int64_t retry_after_s,
                 const atomic_bool *stop)
{
    bool passing = failure->code == ERR_IO || failure->code == ERR_TIMEOUT || failure->code == ERR_BUSY;
    if (!passing || failures >= tries || retry_after_s > REMOTE_MAX_RETRY_AFTER_S)
        return false;
    int64_t wait_ms = r->patience.first_wait_ms;
    for (int i = 1; i < failures && wait_ms < r->patience.max_wait_ms; i++)
        wait_ms *= 2;
    if (wait_ms > r->patience.max_wait_ms)
        wait_ms = r->patience.max_wait_ms;
    if (retry_after_s >= 0)
        wait_ms = retry_after_s * 1000;
    int64_t until_ms = clock_ms() + wait_ms;
    while (clock_ms() < until_ms) {
        if (stop && atomic_load(stop))
            return false;
        int64_t left_ms = until_ms - clock_ms();
        struct timespec slice = {.tv_nsec = (left_ms < SLICE_MS ? left_ms + 1 : SLICE_MS) * 1000000};
        nanosleep(&slice, NULL);
    }
    return true;
}

/* ---- small bodies ---- */

static bool read_body(const struct remote_ask *ask, struct http_call *call, bool cut, struct buf *out, struct err *err)
{
    struct http_event event;
    for (;;) {
        if (!remote_next_event(call, ask->stop, &event, err))
            return false;
        if (event.kind == HTTP_DONE) {
            if (!event.ok && err)
                *err = event.err;
            return event.ok;
        }
        struct str piece = event.data;
        if (cut && out->n + piece.n > (size_t)ask->n)
            piece.n = (size_t)ask->n - out->n;
        buf_str(out, piece);
        if (!buf_check(out, "a model host's answer", err))
            return false;
        if (cut && out->n == (size_t)ask->n)
            return true;
    }
}

static bool get_once(struct remote *r, const struct remote_ask *ask, struct buf *out, struct remote_reply *head,
                     struct buf *link, struct err *err)
{
    bool ok = false;
    head->retry_after_s = -1;
    if (!remote_ask(r, ask, head, err))
        return false;
    if (ask->n > 0 && head->status == 416 && head->total >= 0) {
        ok = true; /* nothing at or after ask->from */
    } else if (remote_check_status(r, head, err)) {
        if (ask->n > 0 && head->status == 206 && head->from != ask->from)
            err_set(err, ERR_CORRUPT, "%.200s sent another range than it was asked for", head->origin.host);
        else if (ask->from > 0 && head->status == 200)
            err_set(err, ERR_UNSUPPORTED, "%.200s sends files only from their beginning", head->origin.host);
        else
            ok = read_body(ask, head->call, ask->n > 0, out, err);
    }
    if (link && ok)
        buf_str(link, http_call_header(head->call, "Link"));
    http_call_close(head->call);
    head->call = NULL;
    return ok;
}

bool remote_get(struct remote *r, const struct remote_ask *ask, struct buf *out, struct remote_reply *ret_head,
                struct buf *link, struct err *err)
{
    for (int failures = 1;; failures++) {
        struct buf body = BUF_INIT(ask->max_bytes);
        struct remote_reply head = {0};
        struct err failure = ERR_INIT;
        bool ok = get_once(r, ask, &body, &head, link, &failure);
        if (ok)
            buf_str(out, buf_view(&body));
        buf_free(&body);
        if (ok) {
            if (ret_head)
                *ret_head = head;
            return buf_check(out, "a model host's answer", err);
        }
        if (!remote_wait(r, &failure, failures, r->patience.small_tries, head.retry_after_s, ask->stop)) {
            if (err)
                *err = failure;
            return false;
        }
    }
}
