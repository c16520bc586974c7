/* Stand-ins for the outside world, over real HTTP on loopback: an upstream that answers what a test tells it to, a trap that counts
 * connections and never answers, and a plain client that shows every byte of a reply. */
#ifndef RUNG_TESTS_GATEWAY_SUPPORT_UPSTREAM_H
#define RUNG_TESTS_GATEWAY_SUPPORT_UPSTREAM_H

#include <pthread.h>

#include "net/server.h"

#define STAND_IN_MAX_BODY (1u << 20)

/* What the stand-in does with each request. */
struct stand_in_script {
    int status;                    /* 0: 200 */
    const char *content_type;      /* NULL: application/json */
    const char *retry_after;       /* NULL: none */
    const char *body;              /* a whole reply; or, streamed, parts separated by "|": each is sent by itself */
    bool streamed;
    bool hang_first, hang_last;    /* wait until the client is gone, before or after the parts */
    int health;                    /* the status of whatever is got by GET; 0: 200 */
    int pause_ms;                  /* before each part */
    bool by_bytes;                 /* the body is sent byte by byte, whatever it holds */
};

struct stand_in {
    struct http_server *server;
    uint16_t port;
    pthread_mutex_t lock;
    struct stand_in_script script;
    int n_requests, n_gone;        /* n_gone: clients that hung up on a hanging script */
    char body[STAND_IN_MAX_BODY];  /* of the last request */
    char authorization[256];
    char path[256], api_key[256];  /* api_key: of x-api-key, x-goog-api-key or api-key */
    char beta[256];                /* of anthropic-beta */
};

void stand_in_open(struct stand_in *s);
void stand_in_close(struct stand_in *s);
void stand_in_play(struct stand_in *s, struct stand_in_script script);
int stand_in_requests(struct stand_in *s);
int stand_in_gone(struct stand_in *s);

/* A listening port nobody answers at. */
struct trap {
    int fd;
    uint16_t port;
    pthread_t thread;
    int n_connections;             /* atomic */
};
void trap_open(struct trap *t);
int trap_connections(struct trap *t);
void trap_close(struct trap *t);

/* One request, the whole reply as it came: status, headers as text, body with chunking undone. */
struct plain_reply {
    int status;
    char *raw;                     /* everything */
    const char *headers;           /* NUL-terminated, in raw */
    char *body;                    /* NUL-terminated */
    size_t n_body;
};
void plain_request(uint16_t port, const char *method, const char *path, const char *headers, const char *body, struct plain_reply *ret);
/* The value of a header, or NULL; static storage, one of 8. */
const char *plain_header(const struct plain_reply *r, const char *name);
void plain_free(struct plain_reply *r);
/* Sends a request and returns the socket, for tests that hang up; `headers` as above. */
int plain_send(uint16_t port, const char *method, const char *path, const char *headers, const char *body);

#endif
