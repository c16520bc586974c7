/* How many threads a job is worth on a machine that others use too. A thread that the system takes off its CPU keeps
 * all others waiting for a time slice, so it is better left out for a while.
 *
 * Two late jobs close together cost one thread; it comes back after a rest, which doubles each time it is late again at
 * once. Times are clock_ns; the caller reads the clock. Threads: one at a time. */
#ifndef RUNG_BASE_CROWD_H
#define RUNG_BASE_CROWD_H

#include <stdbool.h>
#include <stdint.h>

#define CROWD_LATE_NS 1000000        /* shorter waits are no time slices */
#define CROWD_LATE_SHARE 4           /* nor are those shorter than a quarter of the job */
#define CROWD_PAIR_NS 50000000       /* two waits within count, one alone is chance */
#define CROWD_REST_NS 20000000
#define CROWD_REST_MAX_NS 1280000000

struct crowd {
    int most, active;                /* threads: at most, now; active is at least 1 */
    int64_t late_ns;                 /* when the last late job ended that had no pair; INT64_MIN: none */
    int64_t rest_ns, back_ns;        /* how long a thread stays out; when the next one may come back */
    bool grown;                      /* one came back since the last was left out */
};

struct crowd crowd_of(int most);
/* For the next job; true when there are more than for the last one. */
bool crowd_grow(struct crowd *c, int64_t now);
/* A job was done in work_ns but for a thread that was waited for so long and had been taken off its CPU. */
void crowd_late(struct crowd *c, int64_t work_ns, int64_t waited_ns, int64_t now);

#endif
