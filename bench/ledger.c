/* How many requests a second the ledger takes, each begun with its first reservation and settled, with a key that has
 * limits and a budget for the month; on each store that is named, in one run.
 *
 *   build/bench/ledger [SECONDS [CALLERS [STORE ...]]]     STORE: a path or postgresql://... ; without one a fresh file */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/ledger.h"

#define CALLERS_MAX 256

static const struct key_limits limits = {INT64_MAX - 1, INT64_MAX - 1, INT64_MAX - 1, INT64_MAX - 1};
static atomic_bool stop;

struct caller {
    struct ledger *ledger;
    int64_t run;
    int number;
    int64_t requests, waited_us;
};

static void *call(void *arg)
{
    struct caller *c = arg;
    while (!atomic_load(&stop)) {
        struct ledger_row row = {.key = "bench", .kind = "qa", .model_asked = "auto", .outcome = LEDGER_OK,
                                 .tier = "mid", .model = "mid-model", .tier_path = "mid", .n_attempts = 1,
                                 .attempts = {{.tier = "mid", .model = "mid-model", .cost_pico_usd = 700,
                                               .tokens = {.prompt = 900, .completion = 100}}}};
        snprintf(row.id, sizeof row.id, "bench-%lld-%d-%lld", (long long)c->run, c->number, (long long)c->requests);
        struct ledger_reservation first = {.id = row.id, .tier = "mid", .model = "mid-model", .key = "bench",
                                           .pico_usd = 900, .tokens = 1200, .budget_pico_usd = INT64_MAX - 1,
                                           .limits = &limits};
        int64_t before = clock_us();
        if (!ledger_begin(c->ledger, &row, &limits, &first, NULL, NULL) || !ledger_settle(c->ledger, &row, false, NULL))
            return NULL;
        c->waited_us += clock_us() - before;
        c->requests++;
    }
    return c;
}

static double cpu_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static int measure(const char *store, int seconds, int n)
{
    static struct caller callers[CALLERS_MAX];
    pthread_t threads[CALLERS_MAX];
    struct err err = ERR_INIT;
    struct ledger *l;
    if (!ledger_open(store, &(struct ledger_options){0}, &l, &err)) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    atomic_store(&stop, false);
    double cpu = cpu_s();
    int64_t began = clock_us(), requests = 0, waited = 0, run = clock_wall_ms();
    for (int i = 0; i < n; i++) {
        callers[i] = (struct caller){.ledger = l, .number = i, .run = run};
        pthread_create(&threads[i], NULL, call, &callers[i]);
    }
    sleep((unsigned)seconds);
    atomic_store(&stop, true);
    for (int i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
        requests += callers[i].requests;
        waited += callers[i].waited_us;
    }
    bool ok = ledger_flush(l, &err);
    double elapsed = (double)(clock_us() - began) / 1e6;
    cpu = cpu_s() - cpu;
    ledger_close(l);
    printf("%-12s %3d callers  %8.0f requests/s  %6.0f us of processor here a request  %7.2f ms a begin%s\n",
           ledger_is_address(store) ? "PostgreSQL" : "SQLite", n, (double)requests / elapsed,
           cpu * 1e6 / (double)(requests ? requests : 1), (double)waited / 1e3 / (double)(requests ? requests : 1),
           ok ? "" : "  (some rows were not written)");
    return ok && requests ? 0 : 1;
}

int main(int argc, char **argv)
{
    int seconds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 3, n = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 64;
    char fresh[64];
    int failed = 0;
    if (seconds < 1 || n < 1 || n > CALLERS_MAX) {
        fprintf(stderr, "usage: ledger [SECONDS [CALLERS (to %d) [STORE ...]]]\n", CALLERS_MAX);
        return 2;
    }
    snprintf(fresh, sizeof fresh, "/tmp/rung-bench-ledger-%d.db", (int)getpid());
    failed |= measure(fresh, seconds, n);
    for (int i = 3; i < argc; i++)
        failed |= measure(argv[i], seconds, n);
    static const char *const ends[] = {"", "-wal", "-shm", "-owners"};
    for (int i = 0; i < 4; i++) {
        char path[96];
        snprintf(path, sizeof path, "%s%s", fresh, ends[i]);
        unlink(path);
    }
    return failed;
}
