/* HTTP client over libcurl's multi interface: one thread drives all outgoing calls; callers pull events on their own
 * threads.
 *
 * Invariants: only URLs handed to http_call_start are connected to (no proxies from the environment, no redirects
 * followed, http and https only); certificates are verified, or a public key; a call that is cancelled closes its
 * connection at once; every call ends with exactly one HTTP_DONE. Secrets in headers are never logged. */
#ifndef RUNG_NET_CLIENT_H
#define RUNG_NET_CLIENT_H

#include "base/err.h"
#include "base/str.h"

struct http_client;
struct http_call;

bool http_client_open(struct http_client **ret, struct err *err);
void http_client_close(struct http_client *c);    /* after its calls */

struct http_call_request {
    const char *method;              /* "GET", "POST" */
    const char *url;
    const char *const *headers;      /* "Name: value", NULL-terminated; may be NULL */
    struct str body;                 /* copied */
    int64_t connect_timeout_ms;      /* 0: 10 s */
    int64_t first_byte_timeout_ms;   /* until the first body byte after connecting; 0: none */
    int64_t idle_timeout_ms;         /* between body bytes; 0: none */
    int64_t total_timeout_ms;        /* 0: none */
    size_t max_body_bytes;           /* of the whole reply; 0: 64 MiB */
    size_t max_buffered_bytes;       /* not yet pulled; the wire waits beyond; 0: 1 MiB */
    const char *pinned_key;          /* "sha256//BASE64" of the server's public key, by which it is known in place of
                                      * certificates and names; NULL: by these */
    bool http_1;                     /* a connection to itself: ranges of one file share no HTTP/2 window */
};

enum http_event_kind { HTTP_HEAD, HTTP_DATA, HTTP_DONE };
struct http_event {
    enum http_event_kind kind;
    int status;                      /* HTTP_HEAD */
    struct str content_type;
    int64_t retry_after_s;           /* -1: none */
    struct str data;                 /* HTTP_DATA; good until the next pull */
    bool ok;                         /* HTTP_DONE: the reply came whole */
    bool sent;                       /* HTTP_DONE: the request left, at least in part: it may be billed */
    struct err err;                  /* HTTP_DONE, not ok: ERR_TIMEOUT (named), ERR_IO, ERR_LIMIT, ERR_CANCELLED */
};

bool http_call_start(struct http_client *c, const struct http_call_request *req, struct http_call **ret,
                     struct err *err);
/* false: nothing within the time, or nothing will come any more (HTTP_DONE was given). */
bool http_call_next(struct http_call *call, int64_t timeout_ms, struct http_event *ret_event);
/* A field of the reply's header, once HTTP_HEAD was given; empty when absent. Good until the call is closed. */
struct str http_call_header(const struct http_call *call, const char *name);
void http_call_cancel(struct http_call *call);    /* any thread */
void http_call_close(struct http_call *call);     /* cancels if need be */

#endif
