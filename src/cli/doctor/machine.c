/* Processor and memory: what Rung makes of this machine. */
#include "base/machine.h"

#include "cli/doctor/doctor.h"
#include "kernels/kernels.h"

#define GB 1e9
#define LITTLE_MEMORY INT64_C(2000000000)

static void check_cpu(struct doctor *d, const struct machine *m)
{
    const char *level = kernels_get()->level;
    if (str_is(str_of(level), "ref"))
        doctor_add(d, FINDING_WARNING, "cpu",
                   "unset RUNG_CPU if it is set; else use a machine with AVX2: plain C is many times slower",
                   "%d processors (%s), computing with plain C", m->cpus, m->cpu_name[0] ? m->cpu_name : "unknown");
    else
        doctor_add(d, FINDING_OK, "cpu", NULL, "%d processors (%s), computing with %s", m->cpus,
                   m->cpu_name[0] ? m->cpu_name : "unknown", level);
}

void doctor_check_machine(struct doctor *d)
{
    struct machine m;
    machine_read(&m);
    check_cpu(d, &m);
    if (m.available_bytes == 0)
        doctor_add(d, FINDING_NOTE, "memory", NULL, "this system does not say how much memory is free");
    else if (m.available_bytes < LITTLE_MEMORY)
        doctor_add(d, FINDING_WARNING, "memory", "close other programs, or take a smaller model: rung fit shows which",
                   "%.1f GB of %.1f GB are free", (double)m.available_bytes / GB, (double)m.memory_bytes / GB);
    else
        doctor_add(d, FINDING_OK, "memory", NULL, "%.1f GB of %.1f GB are free", (double)m.available_bytes / GB,
                   (double)m.memory_bytes / GB);
}
