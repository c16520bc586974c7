/* What the net tests share: raw sockets with patience, a small HTTP server on a free port, and a scripted other
 * side. */
#ifndef RUNG_TESTS_SUPPORT_NET_H
#define RUNG_TESTS_SUPPORT_NET_H

#include <pthread.h>
#include <stdatomic.h>

#include "../support.h"
#include "base/buf.h"
#include "net/client.h"
#include "net/server.h"

#define PATIENCE_MS 20000 /* far beyond what anything here takes: only a fault runs into it */

/* ---- raw sockets ---- */
int dial(uint16_t port);
void send_text(int fd, const char *text);
bool send_bytes(int fd, const void *p, size_t n);        /* false: the other side is gone */
/* Reads until `needle` has arrived, the other side closes, or patience ends; true when it arrived. Appends to *in. */
bool read_until(int fd, struct buf *in, const char *needle);
bool read_to_end(int fd, struct buf *in);                /* true: closed by the other side */
bool has(const struct buf *in, const char *needle);
int count(const struct buf *in, const char *needle);
bool wait_for(bool (*what)(void *ctx), void *ctx);       /* asks until true or patience ends */
bool wait_flag(atomic_bool *flag);
bool wait_count(atomic_int *counter, int at_least);

/* ---- a server under test ---- */
struct http_server *serve(struct http_server_options o, void (*handle)(void *ctx, struct http_exchange *x), void *ctx);
void error_json(int status, const char *message, struct buf *out);

/* ---- a scripted other side: every accepted connection runs `talk` on a thread of its own ---- */
struct script {
    void (*talk)(struct script *s, int fd);
    atomic_int connections, hangups;
    uint16_t port;
    int listener;
    pthread_t thread;
};
void script_start(struct script *s, void (*talk)(struct script *s, int fd));
void script_stop(struct script *s);
bool script_read_request(int fd, struct buf *in);        /* a head and, by its Content-Length, a body */
void script_wait_hangup(struct script *s, int fd);       /* blocks until the client closes, and counts it */

/* ---- a call to its end ---- */
struct outcome {
    int status, heads, dones;
    char content_type[64];
    int64_t retry_after_s;
    struct buf body;
    bool ok, sent;
    struct err err;
};
void collect(struct http_call *call, struct outcome *ret);
const char *url_of(uint16_t port, const char *path);     /* static storage, one of 8 */

#endif
