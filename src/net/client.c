/* The HTTP client: one thread around libcurl's multi handle, and a small mailbox per call from which the caller pulls
 * the reply. It carries bytes and keeps time; retries, tiers and what an upstream's answer means belong to its
 * callers. */
#include "net/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "net/url.h"

#define DEFAULT_CONNECT_TIMEOUT_MS 10000
#define DEFAULT_MAX_BODY_BYTES ((size_t)64 << 20)
#define DEFAULT_MAX_BUFFERED_BYTES ((size_t)1 << 20)
#define MAX_HEAD_BYTES ((size_t)256 << 10)
#define MAX_REQUEST_HEADERS 64
#define MAX_IDLE_CONNECTIONS 256L
#define MAX_WAIT_MS 60000
#define MAX_IDLE_HANDLES 64

/* What a call waits for, and therefore which time-out is running. */
enum phase { PHASE_CONNECT, PHASE_FIRST_BYTE, PHASE_BODY };

struct http_call {
    struct http_client *client;
    struct http_call *next_pending;          /* the driver's errands */
    struct http_call *prev, *next;           /* calls that libcurl is driving; the driver alone touches these */
    int refs;                                /* the caller, the driver, an errand; guarded by the client's lock */

    /* set before the call starts, then constant */
    CURL *easy;
    struct curl_slist *headers;
    char *body;
    char origin[300];                        /* scheme, host and port: what an error may say of the URL */
    int64_t connect_timeout_ms, first_byte_timeout_ms, idle_timeout_ms, total_timeout_ms;
    size_t max_body_bytes, max_buffered_bytes;

    /* the driver's own */
    enum phase phase;
    int64_t started_ms, phase_since_ms;      /* in PHASE_BODY: when the last bytes came */
    size_t body_bytes;
    bool added, over;
    bool has_news;                           /* the caller is to be woken */
    struct http_call *next_news;
    struct err fault;                        /* why a callback stopped the transfer */
    char curl_message[CURL_ERROR_SIZE];

    /* guarded by the client's lock */
    pthread_cond_t changed;
    bool pending, cancelled, paused, unpause, sent;
    bool head_ready, head_given, finished, done_given;
    int status;
    char content_type[128];
    int64_t retry_after_s;
    struct buf head;                         /* the reply's header lines; constant once head_ready */
    struct buf arrived;
    bool ok;
    struct err err;

    struct buf taken;                        /* the caller's own: the data it is looking at */
};

struct http_client {
    CURLM *multi;
    pthread_t thread;
    pthread_mutex_t lock;
    struct http_call *pending;               /* calls with an errand for the driver: start, unpause or cancel */
    bool stop;
    CURL *idle[MAX_IDLE_HANDLES];            /* of finished calls: setting one up costs more than a small call */
    int n_idle;
    struct http_call *active;                /* the driver's own */
    struct http_call *news;                  /* the driver's own: calls whose callers are to be woken */
};

/* ---- handles ---- */

static CURL *handle_take(struct http_client *c)
{
    CURL *easy = NULL;
    pthread_mutex_lock(&c->lock);
    if (c->n_idle)
        easy = c->idle[--c->n_idle];
    pthread_mutex_unlock(&c->lock);
    return easy ? easy : curl_easy_init();
}

/* Nothing of the call stays in it: neither its headers nor its body. */
static void handle_give(struct http_client *c, CURL *easy)
{
    if (!easy)
        return;
    curl_easy_reset(easy);
    pthread_mutex_lock(&c->lock);
    bool kept = c->n_idle < MAX_IDLE_HANDLES;
    if (kept)
        c->idle[c->n_idle++] = easy;
    pthread_mutex_unlock(&c->lock);
    if (!kept)
        curl_easy_cleanup(easy);
}

/* ---- lifetime of a call ---- */

/* The lock is not held. */
static void call_unref(struct http_call *call)
{
    struct http_client *c = call->client;
    pthread_mutex_lock(&c->lock);
    bool last = --call->refs == 0;
    pthread_mutex_unlock(&c->lock);
    if (!last)
        return;
    handle_give(c, call->easy);
    curl_slist_free_all(call->headers);
    free(call->body);
    buf_free(&call->head);
    buf_free(&call->arrived);
    buf_free(&call->taken);
    pthread_cond_destroy(&call->changed);
    free(call);
}

/* Ask the driver to look at the call. The lock is held. */
static void call_errand(struct http_call *call)
{
    struct http_client *c = call->client;
    if (call->pending)
        return;
    call->pending = true;
    call->refs++;
    call->next_pending = c->pending;
    c->pending = call;
}

/* The caller is woken once, after all that libcurl has to do now is done: at once, it would wait for the lock again.
 * The driver only. */
static void call_tell(struct http_call *call)
{
    struct http_client *c = call->client;
    if (call->has_news)
        return;
    call->has_news = true;
    call->next_news = c->news;
    c->news = call;
}

static void tell_callers(struct http_client *c)
{
    while (c->news) {
        struct http_call *call = c->news;
        c->news = call->next_news;
        call->has_news = false;
        pthread_cond_signal(&call->changed);
        if (call->over)
            call_unref(call);
    }
}

/* ---- libcurl's callbacks: the driver ---- */

static void take_content_type(struct http_call *call)
{
    char *type = NULL;
    curl_easy_getinfo(call->easy, CURLINFO_CONTENT_TYPE, &type);
    struct str s = str_trim(str_of(type));
    size_t n = s.n < sizeof call->content_type ? s.n : sizeof call->content_type - 1;
    memcpy(call->content_type, s.p, n);
    call->content_type[n] = '\0';
}

static void head_complete(struct http_call *call)
{
    long status = 0;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200) {
        buf_clear(&call->head);
        return; /* an interim reply: the real one follows */
    }
    curl_off_t wait_s = -1;
    if (http_call_header(call, "Retry-After").n > 0)
        curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &wait_s);
    pthread_mutex_lock(&call->client->lock);
    call->status = (int)status;
    take_content_type(call);
    call->retry_after_s = wait_s;
    call->head_ready = true;
    pthread_mutex_unlock(&call->client->lock);
    call_tell(call);
}

static size_t on_header(char *bytes, size_t size, size_t count, void *ctx)
{
    struct http_call *call = ctx;
    size_t n = size * count;
    if (call->head_ready)
        return n; /* a trailer */
    buf_add(&call->head, bytes, n);
    if (!buf_check(&call->head, "the header of a reply", &call->fault)) {
        err_prefix(&call->fault, "%s: ", call->origin);
        return 0;
    }
    if (str_trim((struct str){bytes, n}).n == 0)
        head_complete(call);
    return n;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct http_call *call = ctx;
    size_t n = size * count;
    if (n > call->max_body_bytes - call->body_bytes) {
        err_set(&call->fault, ERR_LIMIT, "%s sent a reply longer than %zu bytes", call->origin, call->max_body_bytes);
        return 0;
    }
    call->phase = PHASE_BODY;
    call->phase_since_ms = clock_ms();
    size_t ret = n;
    pthread_mutex_lock(&call->client->lock);
    if (call->arrived.n > 0 && call->arrived.n + n > call->max_buffered_bytes) {
        call->paused = true;
        ret = CURL_WRITEFUNC_PAUSE;
    } else {
        buf_add(&call->arrived, bytes, n);
        if (!buf_check(&call->arrived, "the unread part of a reply", &call->fault))
            ret = 0;
    }
    pthread_mutex_unlock(&call->client->lock);
    call_tell(call);
    if (ret == n)
        call->body_bytes += n;
    return ret;
}

/* The connection stands; the request is about to be written. */
static int on_connected(void *ctx, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
    struct http_call *call = ctx;
    (void)remote_ip, (void)local_ip, (void)remote_port, (void)local_port;
    call->phase = PHASE_FIRST_BYTE;
    call->phase_since_ms = clock_ms();
    pthread_mutex_lock(&call->client->lock);
    call->sent = true;
    pthread_mutex_unlock(&call->client->lock);
    return CURL_PREREQFUNC_OK;
}

/* ---- the driver ---- */

static void call_finish(struct http_call *call, bool ok, const struct err *err)
{
    struct http_client *c = call->client;
    if (call->added) {
        curl_multi_remove_handle(c->multi, call->easy);
        if (call->prev)
            call->prev->next = call->next;
        else
            c->active = call->next;
        if (call->next)
            call->next->prev = call->prev;
    }
    handle_give(c, call->easy);
    call->easy = NULL;
    pthread_mutex_lock(&c->lock);
    call->finished = true;
    call->ok = ok;
    if (!ok)
        call->err = *err;
    pthread_mutex_unlock(&c->lock);
    call->over = true;
    call_tell(call);
}

static void fail_cancelled(struct http_call *call)
{
    struct err err = ERR_INIT;
    err_set(&err, ERR_CANCELLED, "the call to %s was cancelled", call->origin);
    call_finish(call, false, &err);
}

static void fail_transfer(struct http_call *call, CURLcode code)
{
    struct err err = call->fault;
    if (err.code == ERR_NONE)
        err_set(&err, code == CURLE_OPERATION_TIMEDOUT ? ERR_TIMEOUT : ERR_IO, "the call to %s failed: %s",
                call->origin, call->curl_message[0] ? call->curl_message : curl_easy_strerror(code));
    call_finish(call, false, &err);
}

static void call_begin(struct http_call *call)
{
    struct http_client *c = call->client;
    struct err err = ERR_INIT;
    call->started_ms = call->phase_since_ms = clock_ms();
    CURLMcode code = curl_multi_add_handle(c->multi, call->easy);
    if (code != CURLM_OK) {
        err_set(&err, ERR_IO, "cannot call %s: %s", call->origin, curl_multi_strerror(code));
        call_finish(call, false, &err);
        return;
    }
    call->added = true;
    call->next = c->active;
    if (call->next)
        call->next->prev = call;
    c->active = call;
}

static void run_errand(struct http_call *call)
{
    struct http_client *c = call->client;
    pthread_mutex_lock(&c->lock);
    bool cancelled = call->cancelled, unpause = call->unpause, finished = call->finished;
    call->unpause = false;
    if (unpause)
        call->paused = false;
    pthread_mutex_unlock(&c->lock);
    if (finished)
        return;
    if (cancelled) {
        fail_cancelled(call);
    } else if (!call->added) {
        call_begin(call);
    } else if (unpause) {
        call->phase_since_ms = clock_ms(); /* the wait was ours, not the upstream's */
        CURLcode code = curl_easy_pause(call->easy, CURLPAUSE_CONT);
        if (code != CURLE_OK)
            fail_transfer(call, code);
    }
}

/* False when the client is closing. */
static bool run_errands(struct http_client *c)
{
    for (;;) {
        pthread_mutex_lock(&c->lock);
        struct http_call *call = c->pending;
        if (call) {
            c->pending = call->next_pending;
            call->pending = false;
        }
        bool stop = c->stop;
        pthread_mutex_unlock(&c->lock);
        if (!call)
            return !stop;
        run_errand(call);
        call_unref(call);
    }
}

static void run_finished(struct http_client *c)
{
    int left;
    CURLMsg *msg;
    while ((msg = curl_multi_info_read(c->multi, &left))) {
        if (msg->msg != CURLMSG_DONE)
            continue;
        struct http_call *call = NULL;
        CURLcode code = msg->data.result; /* msg is gone once the handle is removed */
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &call);
        if (code == CURLE_OK)
            call_finish(call, true, NULL);
        else
            fail_transfer(call, code);
    }
}

/* The clock_ms at which the call is late, INT64_MAX for never, and in *ret_err what to say then. */
static int64_t call_deadline(const struct http_call *call, struct err *ret_err)
{
    static const struct {
        const char *what, *name;
    } words[] = {
        [PHASE_CONNECT] = {"did not accept a connection within", "connect"},
        [PHASE_FIRST_BYTE] = {"did not begin to answer within", "first-byte"},
        [PHASE_BODY] = {"stopped in the middle of its answer for", "idle"},
    };
    const int64_t limits_ms[] = {call->connect_timeout_ms, call->first_byte_timeout_ms, call->idle_timeout_ms};
    int64_t limit_ms = limits_ms[call->phase];
    int64_t deadline = INT64_MAX;
    if (limit_ms > 0 && !call->paused) {
        deadline = call->phase_since_ms + limit_ms;
        err_set(ret_err, ERR_TIMEOUT, "%s %s %lld ms (%s time-out)", call->origin, words[call->phase].what,
                (long long)limit_ms, words[call->phase].name);
    }
    if (call->total_timeout_ms > 0 && call->started_ms + call->total_timeout_ms < deadline) {
        deadline = call->started_ms + call->total_timeout_ms;
        err_set(ret_err, ERR_TIMEOUT, "%s had not answered in full after %lld ms (total time-out)", call->origin,
                (long long)call->total_timeout_ms);
    }
    return deadline;
}

/* Ends the calls that are late; returns how long the others allow the driver to sleep. */
static int run_deadlines(struct http_client *c)
{
    int64_t now = clock_ms(), wait_ms = MAX_WAIT_MS;
    struct http_call *next;
    for (struct http_call *call = c->active; call; call = next) {
        struct err err = ERR_INIT;
        int64_t deadline = call_deadline(call, &err);
        next = call->next;
        if (deadline <= now)
            call_finish(call, false, &err);
        else if (deadline - now < wait_ms)
            wait_ms = deadline - now;
    }
    return (int)wait_ms;
}

static void *client_main(void *arg)
{
    struct http_client *c = arg;
    sigset_t pipe_only;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_only, NULL); /* TLS libraries write to sockets that may be closed */
    while (run_errands(c)) {
        int running;
        curl_multi_perform(c->multi, &running);
        run_finished(c);
        int wait_ms = run_deadlines(c);
        tell_callers(c);
        curl_multi_poll(c->multi, NULL, 0, wait_ms, NULL);
    }
    while (c->active)
        fail_cancelled(c->active);
    tell_callers(c);
    return NULL;
}

/* ---- opening and closing ---- */

static void init_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

bool http_client_open(struct http_client **ret, struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_curl);
    struct http_client *c = calloc(1, sizeof *c);
    if (!c)
        return err_nomem(err, "the HTTP client");
    pthread_mutex_init(&c->lock, NULL);
    c->multi = curl_multi_init();
    if (!c->multi) {
        err_nomem(err, "the HTTP client");
        goto out;
    }
    curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, MAX_IDLE_CONNECTIONS);
    int failed = pthread_create(&c->thread, NULL, client_main, c);
    if (failed) {
        errno = failed;
        err_errno(err, ERR_IO, "cannot start the HTTP client");
        goto out;
    }
    *ret = c;
    return true;
out:
    if (c->multi)
        curl_multi_cleanup(c->multi);
    pthread_mutex_destroy(&c->lock);
    free(c);
    return false;
}

void http_client_close(struct http_client *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->stop = true;
    pthread_mutex_unlock(&c->lock);
    curl_multi_wakeup(c->multi);
    pthread_join(c->thread, NULL);
    while (c->n_idle)
        curl_easy_cleanup(c->idle[--c->n_idle]);
    curl_multi_cleanup(c->multi);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* ---- starting a call ---- */

/* Check the URL, and keep of it what may be shown. */
static bool read_origin(const char *url, char *out, size_t size, struct err *err)
{
    struct url_origin o;
    if (!url_origin(url, &o, err))
        return false;
    snprintf(out, size, "%s://%s:%u", o.https ? "https" : "http", o.host, (unsigned)o.port);
    return true;
}

static bool add_headers(struct http_call *call, const char *const *headers, struct err *err)
{
    /* Large bodies go without asking first: an upstream that ignores the question costs a second. */
    const char *const own[] = {"Expect:", NULL};
    const char *const *lists[] = {own, headers};
    for (size_t i = 0; i < 2; i++) {
        for (int n = 0; lists[i] && lists[i][n]; n++) {
            if (n == MAX_REQUEST_HEADERS)
                return err_set(err, ERR_LIMIT, "a call to %s has more than %d headers", call->origin,
                               MAX_REQUEST_HEADERS);
            if (strpbrk(lists[i][n], "\r\n"))
                return err_set(err, ERR_INVALID, "a header of a call to %s holds a line end", call->origin);
            struct curl_slist *longer = curl_slist_append(call->headers, lists[i][n]);
            if (!longer)
                return err_nomem(err, "the headers of a call");
            call->headers = longer;
        }
    }
    return true;
}

static bool set_request(struct http_call *call, const struct http_call_request *req)
{
    CURL *e = call->easy;
    bool ok = curl_easy_setopt(e, CURLOPT_URL, req->url) == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_HTTPHEADER, call->headers) == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_USERAGENT, "rung/" RUNG_VERSION) == CURLE_OK;
    if (ok && strcmp(req->method, "GET") != 0) {
        ok = curl_easy_setopt(e, CURLOPT_POST, 1L) == CURLE_OK &&
             curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body.n) == CURLE_OK &&
             curl_easy_setopt(e, CURLOPT_POSTFIELDS, call->body) == CURLE_OK &&
             curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, req->method) == CURLE_OK;
    }
    return ok;
}

static bool set_conduct(struct http_call *call, const struct http_call_request *req)
{
    CURL *e = call->easy;
    long version = req->http_1 ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS;
    return curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_PROXY, "") == CURLE_OK && /* not from the environment either */
           curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, req->pinned_key ? 0L : 1L) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, req->pinned_key ? 0L : 2L) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_PINNEDPUBLICKEY, req->pinned_key) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_HTTP_VERSION, version) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_TCP_NODELAY, 1L) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK && /* nor wait for name lookups */
           curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)call->connect_timeout_ms + 1000) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_ERRORBUFFER, call->curl_message) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_PRIVATE, call) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_connected) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_PREREQDATA, call) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_HEADERDATA, call) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_WRITEDATA, call) == CURLE_OK;
}

static struct http_call *call_new(struct http_client *c, const struct http_call_request *req)
{
    struct http_call *call = calloc(1, sizeof *call);
    if (!call)
        return NULL;
    call->client = c;
    call->refs = 1;
    call->connect_timeout_ms = req->connect_timeout_ms ? req->connect_timeout_ms : DEFAULT_CONNECT_TIMEOUT_MS;
    call->first_byte_timeout_ms = req->first_byte_timeout_ms;
    call->idle_timeout_ms = req->idle_timeout_ms;
    call->total_timeout_ms = req->total_timeout_ms;
    call->max_body_bytes = req->max_body_bytes ? req->max_body_bytes : DEFAULT_MAX_BODY_BYTES;
    call->max_buffered_bytes = req->max_buffered_bytes ? req->max_buffered_bytes : DEFAULT_MAX_BUFFERED_BYTES;
    call->arrived = call->taken = BUF_INIT(call->max_buffered_bytes + CURL_MAX_WRITE_SIZE);
    call->head = BUF_INIT(MAX_HEAD_BYTES);
    call->retry_after_s = -1;
    call->fault = call->err = ERR_INIT;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&call->changed, &attr);
    pthread_condattr_destroy(&attr);
    return call;
}

bool http_call_start(struct http_client *c, const struct http_call_request *req, struct http_call **ret,
                     struct err *err)
{
    struct http_call *call = call_new(c, req);
    if (!call)
        return err_nomem(err, "a call");
    if (!read_origin(req->url, call->origin, sizeof call->origin, err) || !add_headers(call, req->headers, err))
        goto out;
    call->body = str_dup(req->body);
    call->easy = handle_take(c);
    if (!call->body || !call->easy || !set_request(call, req) || !set_conduct(call, req)) {
        err_nomem(err, "a call");
        goto out;
    }
    pthread_mutex_lock(&c->lock);
    call->refs++; /* the driver's */
    call_errand(call);
    pthread_mutex_unlock(&c->lock);
    curl_multi_wakeup(c->multi);
    *ret = call;
    return true;
out:
    call_unref(call);
    return false;
}

/* ---- pulling the reply ---- */

/* The lock is held. The next event, if there is one. */
static bool take_event(struct http_call *call, struct http_event *ret_event, bool *ret_unpause)
{
    struct http_event event = {.retry_after_s = -1, .err = ERR_INIT};
    if (call->head_ready && !call->head_given) {
        call->head_given = true;
        event.kind = HTTP_HEAD;
        event.status = call->status;
        event.content_type = str_of(call->content_type);
        event.retry_after_s = call->retry_after_s;
    } else if (call->arrived.n > 0) {
        struct buf read = call->taken;
        call->taken = call->arrived;
        call->arrived = read;
        buf_clear(&call->arrived);
        event.kind = HTTP_DATA;
        event.data = buf_view(&call->taken);
        if (call->paused && !call->unpause) {
            call->unpause = true;
            call_errand(call);
            *ret_unpause = true;
        }
    } else if (call->finished && !call->done_given) {
        call->done_given = true;
        event.kind = HTTP_DONE;
        event.ok = call->ok;
        event.sent = call->sent;
        event.err = call->err;
    } else {
        return false;
    }
    *ret_event = event;
    return true;
}

bool http_call_next(struct http_call *call, int64_t timeout_ms, struct http_event *ret_event)
{
    struct http_client *c = call->client;
    bool unpause = false, got;
    int64_t until_ns = clock_ns() + timeout_ms * 1000000;
    struct timespec until = {.tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};
    pthread_mutex_lock(&c->lock);
    while (!(got = take_event(call, ret_event, &unpause)) && !call->done_given && timeout_ms > 0)
        if (pthread_cond_timedwait(&call->changed, &c->lock, &until) != 0)
            timeout_ms = 0;
    pthread_mutex_unlock(&c->lock);
    if (unpause)
        curl_multi_wakeup(c->multi);
    return got;
}

struct str http_call_header(const struct http_call *call, const char *name)
{
    struct str rest = buf_view(&call->head), wanted = str_of(name);
    while (rest.n > 0) {
        const char *end = memchr(rest.p, '\n', rest.n);
        struct str line = {rest.p, end ? (size_t)(end - rest.p) + 1 : rest.n};
        rest = (struct str){rest.p + line.n, rest.n - line.n};
        if (line.n > wanted.n && line.p[wanted.n] == ':' && str_eq_nocase((struct str){line.p, wanted.n}, wanted))
            return str_trim((struct str){line.p + wanted.n + 1, line.n - wanted.n - 1});
    }
    return (struct str){"", 0};
}

void http_call_cancel(struct http_call *call)
{
    struct http_client *c = call->client;
    pthread_mutex_lock(&c->lock);
    bool first = !call->cancelled && !call->finished;
    call->cancelled = true;
    if (first)
        call_errand(call);
    pthread_mutex_unlock(&c->lock);
    if (first)
        curl_multi_wakeup(c->multi);
}

void http_call_close(struct http_call *call)
{
    if (!call)
        return;
    http_call_cancel(call);
    call_unref(call);
}
