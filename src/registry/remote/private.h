/* Private to the remote: one request to a model host with its redirects and tokens, and how long to be patient.
 *
 * Invariants: an Authorization header goes only to the origin (scheme, host, port) it was given for, also along
 * redirects; https, or http to loopback; never from https to http. Any thread may ask. */
#ifndef RUNG_REGISTRY_REMOTE_PRIVATE_H
#define RUNG_REGISTRY_REMOTE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "net/client.h"
#include "net/url.h"
#include "registry/remote.h"

#define REMOTE_MAX_FILE_BYTES (INT64_C(1) << 50)
#define REMOTE_MAX_RETRY_AFTER_S 120
#define REMOTE_CONNECTIONS 8
#define REMOTE_BLOCK_BYTES ((int64_t)1 << 20)    /* what a partial file's notes count in */
#define REMOTE_RANGE_BLOCKS 64                   /* of one request, at most */

/* Set at opening; tests shorten it. */
struct remote_patience {
    int tries;                   /* in a row without a byte of progress, for the bytes of a file */
    int small_tries;             /* for manifests and lists, which somebody waits for */
    int64_t first_wait_ms;       /* doubled from try to try, up to max_wait_ms */
    int64_t max_wait_ms;
    int64_t first_byte_ms, idle_ms;
    int64_t note_every_ms;       /* how often what has come is made durable and noted */
};

struct remote {
    struct http_client *http;
    struct remote_patience patience;
    char *hf_token, *hf_endpoint;    /* NULL: none */
    pthread_mutex_t lock;            /* of the token below */
    char *token;                     /* a registry's bearer token */
    struct url_origin token_origin;
};

struct remote_ask {
    const char *url;
    const char *accept;          /* a media type, or NULL */
    int64_t from, n;             /* a range; n 0: the whole */
    size_t max_bytes;            /* of the body */
    bool anonymous;              /* send no token and fetch none */
    const atomic_bool *stop;     /* ERR_CANCELLED soon after it becomes true; may be NULL */
};

/* The head of an answer; the body is to be pulled from call. */
struct remote_reply {
    struct http_call *call;      /* the caller's to close */
    int status;
    int64_t from;                /* where the body begins in the file */
    int64_t total;               /* the file's size, -1: not said */
    int64_t retry_after_s;       /* -1: none */
    char version[160];           /* ETag or Last-Modified, "" for neither */
    struct url_origin origin;    /* who answered, after redirects */
};

/* True with any status that is no redirect. */
bool remote_ask(struct remote *r, const struct remote_ask *ask, struct remote_reply *ret, struct err *err);
/* False and a sentence unless the status is 200 or 206. ERR_NOT_FOUND, ERR_BUSY and ERR_IO tell the caller apart. */
bool remote_check_status(const struct remote *r, const struct remote_reply *reply, struct err *err);
/* The next event; false and ERR_CANCELLED once *stop. */
bool remote_next_event(struct http_call *call, const atomic_bool *stop, struct http_event *ret, struct err *err);
/* After the failure number `failures` (from 1): waits and says true when another try may help. */
bool remote_wait(const struct remote *r, const struct err *failure, int failures, int tries, int64_t retry_after_s,
                 const atomic_bool *stop);
/* A small body, whole, with retries. From a host that ignores ranges only the first n bytes are taken. The reply's
 * call is closed; link (may be NULL) gets the Link field. */
bool remote_get(struct remote *r, const struct remote_ask *ask, struct buf *out, struct remote_reply *ret_head,
                struct buf *link, struct err *err);

/* hugging_face.c, ollama.c: *ret is empty. */
bool hugging_face_resolve(struct remote *r, const struct model_name *name, struct remote_manifest *ret,
                          struct err *err);
bool ollama_resolve(struct remote *r, const struct model_name *name, struct remote_manifest *ret, struct err *err);
/* The token to show at that origin, "" for none; copied, to free. NULL: no memory. */
char *remote_token_for(struct remote *r, const struct url_origin *o);

#endif
