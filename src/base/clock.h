/* Time: monotonic for measuring and deadlines; wall clock only for people and ledger rows. */
#ifndef RUNG_BASE_CLOCK_H
#define RUNG_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t clock_ns(void);                      /* monotonic */
static inline int64_t clock_us(void) { return clock_ns() / 1000; }
static inline int64_t clock_ms(void) { return clock_ns() / 1000000; }
int64_t clock_wall_ms(void);                 /* since 1970, UTC */
void clock_iso8601(int64_t wall_ms, char out[25]);  /* 2026-07-26T09:30:00.000Z */

#endif
