/* What a thousand slow clients do to a healthy one, and what many requests on one connection do to memory. The server
 * is `rung serve` with an upstream only; the healthy client asks for a page, so that the server alone is measured. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define SLOW 1000
#define ASKED 5000
#define KEPT_ALIVE 100000
#define PORT 18555

static const char page[] = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";

static int dial(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    close(fd);
    return -1;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* One request on an open connection; false: no 200 came. */
static bool ask(int fd)
{
    char in[4096];
    return write(fd, page, sizeof page - 1) == (ssize_t)sizeof page - 1 && read(fd, in, sizeof in) > 15 &&
           memcmp(in, "HTTP/1.1 200", 12) == 0;
}

static int64_t healthy_p99_us(int64_t *ret_p50_us)
{
    static int64_t times[ASKED];
    int fd = dial();
    for (int i = 0; i < ASKED; i++) {
        int64_t from = clock_ns();
        if (!ask(fd))
            fprintf(stderr, "a healthy request failed\n");
        times[i] = (clock_ns() - from) / 1000;
        usleep(200);
    }
    close(fd);
    qsort(times, ASKED, sizeof times[0], compare);
    *ret_p50_us = times[ASKED / 2];
    return times[ASKED * 99 / 100];
}

static atomic_bool stop;

/* A third drips its header, a third its body, a third asks and never reads. */
static void *be_slow(void *arg)
{
    static int fds[SLOW];
    (void)arg;
    for (int i = 0; i < SLOW; i++) {
        static const char body[] = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000\r\n\r\n";
        fds[i] = dial();
        if (i % 3 == 1 && write(fds[i], body, sizeof body - 1) < 0)
            perror("write");
    }
    while (!atomic_load(&stop)) {
        for (int i = 0; i < SLOW; i++) {
            const char *drip = i % 3 == 0 ? "G" : i % 3 == 1 ? " " : page;
            if (send(fds[i], drip, strlen(drip), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
                continue;
        }
        usleep(500000);
    }
    for (int i = 0; i < SLOW; i++)
        close(fds[i]);
    return NULL;
}

static long resident_kb(pid_t pid)
{
    char path[64], line[200];
    long kb = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmRSS: %ld", &kb) == 1)
            break;
    if (f)
        fclose(f);
    return kb;
}

static pid_t start(const char *rung)
{
    char config[] = "/tmp/rung-bench-XXXXXX";
    int fd = mkstemp(config);
    dprintf(fd, "models: {far: {base_url: 'http://127.0.0.1:9/v1'}}\ntiers: [{name: mid, model: far}]\n"
                "listen: 127.0.0.1:%d\nledger: {path: off}\n", PORT);
    close(fd);
    pid_t pid = fork();
    if (pid == 0) {
        execl(rung, rung, "serve", "--quiet", "--config", config, NULL);
        _exit(1);
    }
    for (int i = 0; i < 1000 && (fd = dial()) < 0; i++)
        usleep(5000);
    close(fd);
    unlink(config);
    return pid;
}

int main(void)
{
    const char *b = getenv("B");
    char rung[4096];
    pthread_t slow;
    int64_t p50, p50_slow;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    snprintf(rung, sizeof rung, "%s/rung", b ? b : "build");
    pid_t pid = start(rung);
    healthy_p99_us(&p50);
    int64_t p99 = healthy_p99_us(&p50);
    pthread_create(&slow, NULL, be_slow, NULL);
    sleep(2);
    int64_t p99_slow = healthy_p99_us(&p50_slow);
    printf("%-34s p50 %5lld us   p99 %5lld us\n", "a healthy client alone", (long long)p50, (long long)p99);
    printf("%-34s p50 %5lld us   p99 %5lld us   (%.2f x)   %ld KB\n", "beside 1,000 slow clients", (long long)p50_slow,
           (long long)p99_slow, (double)p99_slow / (double)p99, resident_kb(pid));
    atomic_store(&stop, true);
    pthread_join(slow, NULL);
    sleep(1);
    int fd = dial();
    for (int i = 0; i < KEPT_ALIVE / 100; i++)
        ask(fd);
    long before = resident_kb(pid);
    for (int i = 0; i < KEPT_ALIVE; i++)
        ask(fd);
    printf("%-34s %ld KB -> %ld KB\n", "100,000 requests on a connection", before, resident_kb(pid));
    close(fd);
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    return 0;
}
