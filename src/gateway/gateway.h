/* The gateway: who answers. Holds the configuration, the runtime with its local models, the HTTP client and the
 * ledger, and takes a request down its plan. Any thread may call; the answer is made on the caller's thread. */
#ifndef RUNG_GATEWAY_GATEWAY_H
#define RUNG_GATEWAY_GATEWAY_H

#include "gateway/config.h"
#include "gateway/policy/route.h"
#include "net/server.h"

struct gateway;

struct gateway_options {
    struct str starter;            /* the embedded model's bytes; empty when there is none */
    bool no_ledger;                /* nothing is noted: for plans that are only looked at */
};

/* Takes the configuration (freed with the gateway; on failure too). */
bool gateway_open(struct config *c, const struct gateway_options *o, struct gateway **ret, struct err *err);
/* Another generation of the same gateway: by another configuration (taken), with the runtime, the ledger, connections
 * and memory of `old`, whose requests go on by theirs. What cannot change while it runs (config_keep_fixed) must be as
 * in old's. On failure nothing has changed. */
bool gateway_renew(struct gateway *old, struct config *c, const struct gateway_options *o, struct gateway **ret,
                   struct err *err);
/* A hold on a generation, each ended by one gateway_close, as is the one that open and renew give. */
struct gateway *gateway_hold(struct gateway *g);
void gateway_close(struct gateway *g);
const struct config *gateway_config(const struct gateway *g);

/* The loaded model behind an entry of the configuration; NULL for an upstream. */
const struct local_model_info *gateway_local_model(const struct gateway *g, int model);

/* What a model can do of what this request, or one that asks for nothing in particular, may ask for: bits of enum
 * need. */
unsigned gateway_offers(const struct gateway *g, const struct request *req, int model);

/* Plan only. A configuration that keeps everything here makes the request private, whatever it says. */
void gateway_plan(struct gateway *g, struct request *r, struct plan *ret);
/* The whole life: plan, attempts, climbing, ledger. *ret is filled in any case and lives until reply_free. sink
 * NULL: not streamed. */
void gateway_answer(struct gateway *g, struct request *req, const struct answer_sink *sink, struct reply *ret);
void reply_free(struct reply *r);

/* What a configured address needs before it may be listened on: keys, unless it is loopback. */
bool gateway_may_listen(const struct config *c, const char *host, struct err *err);
/* The HTTP side: all routes of the API (give it to http_server_options.handle with the gateway as ctx). */
void gateway_handle(void *gateway, struct http_exchange *x);
void gateway_error_body(int status, const char *message, struct buf *out);

#endif
