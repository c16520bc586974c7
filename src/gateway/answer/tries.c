/* Trying again: which failures another try may mend, of whom they tell, and the pause before it. */
#include "gateway/answer/tries.h"

#include <time.h>

#include "base/clock.h"
#include "base/rng.h"

/* The request is at fault, wherever it goes. */
static bool is_refusal(int status) { return status == 400 || status == 413 || status == 422; }

/* It may pass: the same upstream may do better in a moment. */
static bool is_passing(int status)
{
    return status == 408 || status == 409 || status == 425 || status == 429 || status >= 500;
}

bool tries_again(struct tries *t, int upstream, const struct attempt *a, const struct err *err)
{
    bool late = err->code == ERR_TIMEOUT, other = a->http_status && !is_passing(a->http_status);
    bool paid = a->outcome == ATTEMPT_FAILED && a->usage.prompt > 0;   /* for an answer that is none */
    t->made++;
    t->tried |= 1ull << upstream;
    if (late || other || paid || a->retry_after_s * 1000 > TRIES_MAX_PAUSE_MS)
        t->barred |= 1ull << upstream;    /* the same again would be the same again */
    bool unpaid = a->http_status == 429 && err->code == ERR_LIMIT;   /* it was not asked: our own budget */
    bool unnoted = err->code == ERR_BUSY;                            /* nor here: our own ledger */
    bool ours = unpaid || unnoted || err->code == ERR_INTERNAL || err->code == ERR_NOMEM;
    if (t->left == 0 || ours || is_refusal(a->http_status))
        return false;
    t->left--;
    return true;
}

bool tries_pause(const struct tries *t, const struct request *req, int64_t rest_ms)
{
    int64_t most_ms = TRIES_PAUSE_MS << (t->made - 1), now = clock_ns();
    if (most_ms > TRIES_MAX_PAUSE_MS)
        most_ms = TRIES_MAX_PAUSE_MS;
    int64_t pause_ms = rest_ms + (int64_t)(rng_entropy() % (uint64_t)most_ms), until = now + pause_ms * 1000000;
    if (req->deadline_ns && until >= req->deadline_ns)
        return false;
    while (clock_ns() < until) {
        if (answer_client_gone(req))
            return false;
        nanosleep(&(struct timespec){.tv_nsec = ANSWER_POLL_MS * 1000000l}, NULL);
    }
    return true;
}

enum pool_end tries_verdict(enum attempt_end end, const struct attempt *a, const struct request *req,
                            const struct err *err)
{
    bool ours = err->code == ERR_INTERNAL || err->code == ERR_NOMEM || answer_late(req);
    if (end == END_GONE || (end == END_FAILED && (ours || a->http_status == 429)))
        return POOL_UNTOLD;
    return end != END_FAILED || is_refusal(a->http_status) || a->http_status == 404 ? POOL_WELL : POOL_FAILED;
}
