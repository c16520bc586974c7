/* Several answers to one question: `n` choices, or the prompts of a batch. Each is a request of its own, with its own
 * walk down the plan, its own confidence and its own row in the ledger; they are made side by side, and belong together
 * for the client: who hangs up stops them all, and one that fails ends the others.
 *
 * One answer is made on the caller's thread, without another. */
#ifndef RUNG_GATEWAY_ANSWER_SEVERAL_H
#define RUNG_GATEWAY_ANSWER_SEVERAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "gateway/api/dialect.h"
#include "gateway/gateway.h"

#define SEVERAL_MAX 1024             /* answers to one question */
#define SEVERAL_AT_ONCE 8            /* of them are made at a time; the others wait */

/* Where streamed answers go. One call at a time; `index` is the answer's. */
struct answers_sink {
    void *ctx;
    /* Once for each answer, before its first delta; false: client gone. */
    bool (*begin)(void *ctx, int index, const struct reply *r);
    bool (*delta)(void *ctx, int index, const struct answer_delta *d);
    /* It is complete: its whole reply, costs included. Not called for one that failed. */
    void (*end)(void *ctx, int index, const struct reply *r);
};

struct answers {
    struct request *req;             /* the question */
    int n;
    struct request *asked;           /* [n] what was asked for each answer: id, choice, and what req->parts say */
    struct reply *replies;           /* [n] */
    int failed;                      /* the first that is no answer; -1: all are */
    /* private */
    struct gateway *gateway;
    const struct answers_sink *sink; /* NULL: not streamed */
    pthread_mutex_t lock;
    atomic_int next;
    atomic_bool stop;
    struct arena *arenas;            /* [n] of what is found out about each request while it is answered, on threads of
                                      * their own; NULL: there is one, which keeps the question's */
    struct request one_request;
    struct reply one_reply;
};

/* Sets req->n_answers requests (0 counts as 1) beside empty replies, in the request's memory; sink NULL: no stream. */
bool answers_open(struct gateway *g, struct request *req, const struct answers_sink *sink, struct answers *ret,
                  struct err *err);
/* Answers them all; *a stays where it was opened. */
void answers_make(struct answers *a);
void answers_free(struct answers *a);

/* What the answers used, once all are made: the prompt counts once for those made here, which read it once, and for
 * each paid call, which pays for it. */
struct token_usage answers_usage(const struct answers *a);
int64_t answers_cost_pico_usd(const struct answers *a);
int64_t answers_frontier_pico_usd(const struct answers *a);

#endif
