/* A circuit breaker: closed, open for a time after failures in a row, then half open for one probe at a time. Pure: the
 * caller brings the clock and the lock. Source of the pattern: M. Nygard, Release It!, 2007. */
#ifndef RUNG_GATEWAY_POOL_BREAKER_H
#define RUNG_GATEWAY_POOL_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

struct breaker {
    bool open, probing;
    int failures;                        /* in a row */
    int64_t until_ms;                    /* open: when a probe may go */
    int64_t opened;                      /* how often */
};

static inline bool breaker_is_half_open(const struct breaker *b, int64_t now_ms)
{
    return b->open && now_ms >= b->until_ms;
}

static inline bool breaker_allows(const struct breaker *b, int64_t now_ms)
{
    return !b->open || (now_ms >= b->until_ms && !b->probing);
}

/* A call goes; true: it is the probe. */
static inline bool breaker_take(struct breaker *b)
{
    b->probing |= b->open;
    return b->open;
}

static inline void breaker_well(struct breaker *b)
{
    b->open = b->probing = false;
    b->failures = 0;
}

/* Calls that began before it opened may fail after it did: they change nothing. */
static inline void breaker_failed(struct breaker *b, bool probe, int max_failures, int64_t open_ms, int64_t now_ms)
{
    b->failures++;
    if (probe ? !b->open : b->open || b->failures < max_failures)
        return;
    b->open = true;
    b->probing = false;
    b->until_ms = now_ms + open_ms;
    b->opened++;
}

/* The probe told nothing: another may go. */
static inline void breaker_untold(struct breaker *b, bool probe)
{
    if (probe)
        b->probing = false;
}

#endif
