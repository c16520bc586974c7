/* Providers: the APIs that an upstream may speak, each an adapter between struct request and its wire, and between its
 * wire and the release. The call itself, its time-outs, and what is booked for it are answer/upstream.c's.
 *
 * Invariants: nothing of a request is dropped: what an API has no field for is no part of `offers`, so the planner
 * leaves its tiers out. Nothing that comes back is believed: types are checked, counts clamped, text is made valid
 * UTF-8. An adapter keeps no state of its own beyond one call. */
#ifndef RUNG_GATEWAY_PROVIDER_PROVIDER_H
#define RUNG_GATEWAY_PROVIDER_PROVIDER_H

#include "gateway/answer/upstream.h"

#define PROVIDER_MAX_URL 2048
#define PROVIDER_MAX_KEY 4096
#define PROVIDER_MAX_HEADERS 8

/* What of a request is asked, and of whom. */
struct provider_call {
    const struct request *req;
    const struct config *config;
    const struct config_upstream *upstream;
    bool want_confidence;                 /* ask for log-probabilities, whatever the request says */
    int64_t max_tokens;                   /* of the answer; 0: the provider's own limit */
};

struct provider {
    const char *name;                     /* as `provider:` says it */
    unsigned offers;                      /* bits of enum need */
    /* Where the call goes. */
    bool (*url)(const struct provider_call *call, struct buf *out, struct err *err);
    /* "Name: value" lines beside Content-Type and Accept, NUL behind each; the key is among them. */
    bool (*headers)(const struct provider_call *call, struct buf *out, struct err *err);
    bool (*body)(const struct provider_call *call, struct buf *out, struct err *err);
    /* A whole answer. false and *err when it is none. */
    bool (*read_reply)(struct upstream_reader *r, struct str body);
    /* One event of a stream. false ends it: *err is set, or the verdict or `done` is. */
    bool (*read_event)(void *reader, struct str type, struct str data);   /* of struct upstream_reader */
};

extern const struct provider provider_openai, provider_azure, provider_anthropic, provider_gemini;

/* By the name that `provider:` says; NULL: there is none. */
const struct provider *provider_find(struct str name);
/* "openai, azure ..." */
const char *provider_list(char *text, size_t size);
/* What this upstream can do: bits of enum need. */
unsigned provider_offers(const struct config_upstream *u);
/* Its base_url without slashes at the end. */
struct str provider_base(const struct config_upstream *u);
/* A line of struct provider's `headers`: the key behind these words; nothing where there is none. */
void provider_put_key(const struct provider_call *call, const char *words, struct buf *out);

#endif
