/* Decides from late jobs how many threads to use. Who measures them, and what the threads do, is the pool's
 * business. */
#include "base/crowd.h"

struct crowd crowd_of(int most)
{
    return (struct crowd){.most = most, .active = most, .late_ns = INT64_MIN, .rest_ns = CROWD_REST_NS};
}

bool crowd_grow(struct crowd *c, int64_t now)
{
    if (c->active == c->most || now < c->back_ns)
        return false;
    c->active++;
    c->back_ns = now + c->rest_ns;
    c->grown = true;
    return true;
}

void crowd_late(struct crowd *c, int64_t work_ns, int64_t waited_ns, int64_t now)
{
    if (waited_ns < CROWD_LATE_NS || waited_ns < work_ns / CROWD_LATE_SHARE)
        return;
    bool paired = c->late_ns != INT64_MIN && now - c->late_ns <= CROWD_PAIR_NS;
    c->late_ns = paired ? INT64_MIN : now;
    if (!paired || c->active == 1)
        return;
    if (c->grown && now < c->back_ns)
        c->rest_ns = c->rest_ns < CROWD_REST_MAX_NS / 2 ? 2 * c->rest_ns : CROWD_REST_MAX_NS;
    else if (c->grown)
        c->rest_ns = CROWD_REST_NS;
    c->active--;
    c->back_ns = now + c->rest_ns;
    c->grown = false;
}
