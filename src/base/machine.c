/* Reads a few small files of the kernel's and keeps the smaller figure wherever two of them speak of the same thing.
 * What is not there stays unknown; what to do about that is the caller's business. */
#include "base/machine.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

#define LINE_BYTES 256
#define CGROUP_BYTES 512
#define NO_LIMIT (INT64_MAX / 2)   /* version 1 writes "none" as a number near the largest */

/* The number behind "Name:" in a file of such lines, in KiB there; 0: none. */
static int64_t read_meminfo(const char *name)
{
    char line[LINE_BYTES];
    long long kib = 0;
    FILE *f = fopen("/proc/meminfo", "re");
    while (f && kib == 0 && fgets(line, sizeof line, f))
        if (strncmp(line, name, strlen(name)) == 0)
            sscanf(line + strlen(name), " %lld", &kib);
    if (f)
        fclose(f);
    return (int64_t)kib * 1024;
}

/* The only number of a file; -1 where there is none ("max", no such file). */
static int64_t read_number(const char *directory, const char *name)
{
    char path[CGROUP_BYTES + 128];
    long long n = -1;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *f = fopen(path, "re");
    if (!f)
        return -1;
    if (fscanf(f, "%lld", &n) != 1 || n >= NO_LIMIT)
        n = -1;
    fclose(f);
    return n;
}

/* A "name N" line of memory.stat; 0: none. */
static int64_t read_stat(const char *directory, const char *name)
{
    char path[CGROUP_BYTES + 128], line[LINE_BYTES];
    long long n = 0;
    size_t length = strlen(name);
    snprintf(path, sizeof path, "%s/memory.stat", directory);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, name, length) == 0 && line[length] == ' ')
            sscanf(line + length, " %lld", &n);
    if (f)
        fclose(f);
    return n;
}

/* One control group with a limit makes both figures smaller. What its page cache holds can be given back. */
static void apply_group(const char *directory, const char *limit_name, const char *usage_name, const char *cache_name,
                        struct machine *m)
{
    int64_t limit = read_number(directory, limit_name), used = read_number(directory, usage_name);
    if (limit <= 0)
        return;
    if (m->memory_bytes == 0 || limit < m->memory_bytes)
        m->memory_bytes = limit;
    if (used < 0)
        return;
    int64_t left = limit - used + read_stat(directory, cache_name);
    left = left < 0 ? 0 : left > limit ? limit : left;
    if (m->available_bytes == 0 || left < m->available_bytes)
        m->available_bytes = left;
}

/* The process's own groups, as /proc/self/cgroup names them, and those of a container's root. */
static void apply_groups(struct machine *m)
{
    char line[CGROUP_BYTES], directory[CGROUP_BYTES + 64];
    apply_group("/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file", m);
    apply_group("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file", m);
    FILE *f = fopen("/proc/self/cgroup", "re");
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        char *path = strrchr(line, ':');
        if (!path || path[1] == '\0' || path[2] == '\0')
            continue;
        if (strncmp(line, "0::", 3) == 0) {
            snprintf(directory, sizeof directory, "/sys/fs/cgroup%s", path + 1);
            apply_group(directory, "memory.max", "memory.current", "inactive_file", m);
        } else if (strstr(line, ":memory:")) {
            snprintf(directory, sizeof directory, "/sys/fs/cgroup/memory%s", path + 1);
            apply_group(directory, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file", m);
        }
    }
    if (f)
        fclose(f);
}

static void read_cpu_name(char *out, size_t size)
{
    char line[LINE_BYTES];
    FILE *f = fopen("/proc/cpuinfo", "re");
    while (f && fgets(line, sizeof line, f)) {
        const char *colon = strchr(line, ':');
        if (!colon || strncmp(line, "model name", 10) != 0)
            continue;
        struct str name = str_trim(str_of(colon + 1));
        snprintf(out, size, STR_FMT, STR_ARG(name));
        break;
    }
    if (f)
        fclose(f);
}

void machine_read(struct machine *ret)
{
    cpu_set_t set;
    *ret = (struct machine){
        .memory_bytes = read_meminfo("MemTotal:"),
        .available_bytes = read_meminfo("MemAvailable:"),
        .cpus = 1,
    };
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        ret->cpus = CPU_COUNT(&set);
    apply_groups(ret);
    read_cpu_name(ret->cpu_name, sizeof ret->cpu_name);
}
