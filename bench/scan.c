/* What looking for personal data costs: the pass over a file's text, beside the checksum of the same bytes byte by byte
 * (FNV-1a), which does the least a pass over single bytes can; in turns, the least of ROUNDS each.
 *
 * build/bench/scan FILE */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/filemap.h"
#include "scan/pii.h"

#define ROUNDS 40

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
    struct filemap *map = NULL;
    struct err err = ERR_INIT;
    if (argc != 2 || !filemap_open(argv[1], &map, &err)) {
        fprintf(stderr, argc == 2 ? "scan: %s\n" : "usage: scan FILE%s\n", argc == 2 ? err.msg : "");
        return 2;
    }
    struct str text = filemap_bytes(map);
    double least_scan = 1e18, least_sum = 1e18;
    uint64_t sum = 0;
    struct pii_found found = {0};
    for (int i = 0; i < ROUNDS; i++) {
        double began = cpu_ns();
        pii_scan(text, &found);
        double between = cpu_ns();
        sum += str_hash(text);
        double ended = cpu_ns();
        least_scan = between - began < least_scan ? between - began : least_scan;
        least_sum = ended - between < least_sum ? ended - between : least_sum;
    }
    printf("%zu bytes: %.2f ns a byte, %.1f times a checksum's (%.2f ns; %llx)\n", text.n, least_scan / (double)text.n,
           least_scan / least_sum, least_sum / (double)text.n, (unsigned long long)sum);
    filemap_close(map);
    return 0;
}
