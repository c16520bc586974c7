/* What this machine has: memory and processors, as far as this process may use them. A container's limits count: the
 * smaller of the machine's and the control group's (v2, then v1). Linux: /proc/meminfo, cgroup(7). Any thread. */
#ifndef RUNG_BASE_MACHINE_H
#define RUNG_BASE_MACHINE_H

#include <stdint.h>

struct machine {
    int64_t memory_bytes;      /* in all; 0: unknown */
    int64_t available_bytes;   /* without swapping, page cache counted as free; 0: unknown */
    int cpus;                  /* this process may run on, at least 1 */
    char cpu_name[96];         /* "AMD EPYC 9B45 ..."; "" when the system does not say */
};

void machine_read(struct machine *ret);

#endif
