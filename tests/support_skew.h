/* A wall clock that a test sets: what asks for the time in this program gets the true one and what was added to it. Include it in
 * one file. The monotonic clock stays as it is. */
#ifndef RUNG_TESTS_SUPPORT_SKEW_H
#define RUNG_TESTS_SUPPORT_SKEW_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Atomic int64_t skew_ms;

/* In place of libc's, for the floors are linked into this program. */
int clock_gettime(clockid_t id, struct timespec *ts)
{
    int rc = (int)syscall(SYS_clock_gettime, id, ts);
    if (rc != 0 || id != CLOCK_REALTIME)
        return rc;
    int64_t ms = atomic_load(&skew_ms), ns = ts->tv_nsec + ms % 1000 * 1000000;
    ts->tv_sec += ms / 1000 + (ns < 0 ? -1 : ns / 1000000000);
    ts->tv_nsec = ns < 0 ? ns + 1000000000 : ns % 1000000000;
    return 0;
}

/* From now on it is wall_ms, and goes on. */
static inline void skew_set(int64_t wall_ms)
{
    struct timespec ts;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &ts);
    atomic_store(&skew_ms, wall_ms - ((int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000));
}

#endif
