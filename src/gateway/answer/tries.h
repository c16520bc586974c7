/* Which of a pool's upstreams is tried again, and when: another before the same, the same only after a pause that grows
 * and is drawn at random (full jitter: M. Brooker, Exponential Backoff And Jitter, 2015), nothing beyond the request's
 * deadline, and nothing that the request itself is to blame for. Only while nothing of an answer has been seen. */
#ifndef RUNG_GATEWAY_ANSWER_TRIES_H
#define RUNG_GATEWAY_ANSWER_TRIES_H

#include "gateway/answer/answer.h"

#define TRIES_PAUSE_MS 100                /* the first pause is up to this, each further up to twice that before */
#define TRIES_MAX_PAUSE_MS 2000           /* and no longer; an upstream that asks for more is not waited for */

struct tries {
    int left, made;
    uint64_t tried, barred;               /* of the pool's upstreams, as pool_pick has them */
};

/* After a failed attempt at `upstream` of the pool: may the pool be asked once more? */
bool tries_again(struct tries *t, int upstream, const struct attempt *a, const struct err *err);
/* Before the same upstream is asked again, or when the pool rests for `rest_ms`. false: the client is gone, or the
 * deadline would pass meanwhile. */
bool tries_pause(const struct tries *t, const struct request *req, int64_t rest_ms);
/* What the end of an attempt tells of its upstream. */
enum pool_end tries_verdict(enum attempt_end end, const struct attempt *a, const struct request *req,
                            const struct err *err);

#endif
