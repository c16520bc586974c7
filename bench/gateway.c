/* Open-loop load on a chat completions URL: requests leave at fixed times whether or not earlier ones are answered, and
 * a latency counts from the time a request was due, so that a server that stalls is charged for those that had to wait.
 *
 * build/bench/gateway PORT MODEL REQUESTS_PER_SECOND SECONDS [KEY]
 *
 * Prints one line: rate, requests, errors, p50, p90, p99 and maximum in microseconds. A rate of 0 is the opposite, to
 * find the highest there is: CLOSED_CONNECTIONS ask again as soon as they are answered. bench/gateway.sh compares such
 * lines. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

#define MAX_CONNECTIONS 512
#define CLOSED_CONNECTIONS 64
#define CLOSED_LATENCIES 1000000          /* the last so many are looked at */
#define DRAIN_NS INT64_C(5000000000)
#define REPLY_MAX_BYTES ((size_t)1 << 20)

struct connection {
    int fd;             /* -1: not open */
    bool busy;
    int64_t due_ns;
    struct buf in;
};

struct load {
    uint16_t port;
    struct buf request;
    struct connection connections[MAX_CONNECTIONS];
    int n_open;         /* connections[0 .. n_open) have been opened */
    int64_t *latency_ns;
    int64_t n_latencies;
    int n_done, n_errors, n_busy;
};

static bool connection_open(struct load *l, struct connection *c)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(l->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return false;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(c->fd, (struct sockaddr *)&a, sizeof a) == 0)
        return true;
    close(c->fd);
    c->fd = -1;
    return false;
}

static void connection_fail(struct load *l, struct connection *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    if (c->busy)
        l->n_busy--;
    c->busy = false;
    l->n_errors++;
}

/* The first idle connection, so that as few as possible are used. */
static struct connection *idle_connection(struct load *l)
{
    for (int i = 0; i < l->n_open; i++)
        if (!l->connections[i].busy)
            return &l->connections[i];
    if (l->n_open == MAX_CONNECTIONS)
        return NULL;
    struct connection *c = &l->connections[l->n_open++];
    *c = (struct connection){.fd = -1, .in = BUF_INIT(REPLY_MAX_BYTES)};
    return c;
}

static void send_request(struct load *l, int64_t due_ns)
{
    struct connection *c = idle_connection(l);
    if (!c) {
        l->n_errors++;
        return;
    }
    if (c->fd < 0 && !connection_open(l, c)) {
        l->n_errors++;
        return;
    }
    if (send(c->fd, l->request.p, l->request.n, MSG_NOSIGNAL) != (ssize_t)l->request.n) {
        connection_fail(l, c);
        return;
    }
    c->busy = true;
    c->due_ns = due_ns;
    buf_clear(&c->in);
    l->n_busy++;
}

static bool reply_whole(const struct buf *in)
{
    size_t head = str_find(buf_view(in), STR("\r\n\r\n"));
    if (head == SIZE_MAX)
        return false;
    size_t at = str_find(buf_view(in), STR("Content-Length: "));
    size_t body = at < head ? strtoul(in->p + at + 16, NULL, 10) : 0;
    return in->n >= head + 4 + body;
}

static void receive(struct load *l, struct connection *c)
{
    char bytes[16384];
    ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);
    if (n <= 0 || !c->busy) {
        connection_fail(l, c);
        return;
    }
    buf_add(&c->in, bytes, (size_t)n);
    if (!reply_whole(&c->in))
        return;
    c->busy = false;
    l->n_busy--;
    if (str_starts(buf_view(&c->in), STR("HTTP/1.1 200")))
        l->latency_ns[l->n_done++ % l->n_latencies] = clock_ns() - c->due_ns;
    else
        l->n_errors++;
}

/* Serves replies until the given time. */
static void poll_until(struct load *l, int64_t until_ns)
{
    struct pollfd fds[MAX_CONNECTIONS];
    do {
        int64_t wait_ns = until_ns - clock_ns();
        struct timespec wait = {.tv_sec = wait_ns / 1000000000, .tv_nsec = wait_ns % 1000000000};
        if (wait_ns < 0)
            wait = (struct timespec){0};
        for (int i = 0; i < l->n_open; i++)
            fds[i] = (struct pollfd){.fd = l->connections[i].fd, .events = POLLIN};
        if (ppoll(fds, (nfds_t)l->n_open, &wait, NULL) <= 0)
            continue;
        for (int i = 0; i < l->n_open; i++)
            if (fds[i].revents)
                receive(l, &l->connections[i]);
    } while (clock_ns() < until_ns);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static long long percentile_us(const struct load *l, int n, double share)
{
    return n ? (long long)(l->latency_ns[(int)((n - 1) * share)] / 1000) : 0;
}

static void drain(struct load *l)
{
    int64_t drain_ns = clock_ns() + DRAIN_NS;
    while (l->n_busy > 0 && clock_ns() < drain_ns)
        poll_until(l, clock_ns() + 1000000);
}

static void run_open(struct load *l, int rate, int total)
{
    int64_t start_ns = clock_ns();
    for (int i = 0; i < total; i++) {
        int64_t due_ns = start_ns + (int64_t)i * 1000000000 / rate;
        poll_until(l, due_ns);
        send_request(l, due_ns);
    }
    drain(l);
}

static void run_closed(struct load *l, int seconds)
{
    int64_t end_ns = clock_ns() + (int64_t)seconds * 1000000000;
    while (clock_ns() < end_ns && l->n_errors < CLOSED_CONNECTIONS) {
        while (l->n_busy < CLOSED_CONNECTIONS && l->n_errors < CLOSED_CONNECTIONS)
            send_request(l, clock_ns());
        poll_until(l, clock_ns());
    }
    drain(l);
}

static void print_result(struct load *l, int rate, int total)
{
    int n = l->n_done < l->n_latencies ? l->n_done : (int)l->n_latencies;
    qsort(l->latency_ns, (size_t)n, sizeof l->latency_ns[0], by_value);
    printf("rate=%d requests=%d errors=%d connections=%d p50_us=%lld p90_us=%lld p99_us=%lld max_us=%lld\n", rate,
           total, l->n_errors + l->n_busy, l->n_open, percentile_us(l, n, 0.5), percentile_us(l, n, 0.9),
           percentile_us(l, n, 0.99), percentile_us(l, n, 1));
}

int main(int argc, char **argv)
{
    static struct load l;
    if (argc != 5 && argc != 6) {
        fprintf(stderr, "usage: gateway PORT MODEL REQUESTS_PER_SECOND SECONDS [KEY]\n");
        return 2;
    }
    int rate = atoi(argv[3]), seconds = atoi(argv[4]), total = rate * seconds;
    char body[512];
    int n = snprintf(body, sizeof body,
                     "{\"model\":\"%s\",\"max_tokens\":64,\"messages\":[{\"role\":\"user\","
                     "\"content\":\"Which of our plans fits a shop of ten?\"}]}", argv[2]);
    l.port = (uint16_t)atoi(argv[1]);
    l.request = BUF_INIT(4096);
    buf_printf(&l.request,
               "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
               "Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", argc == 6 ? argv[5] : "none", n, body);
    l.n_latencies = rate ? total : CLOSED_LATENCIES;
    l.latency_ns = calloc((size_t)l.n_latencies + 1, sizeof l.latency_ns[0]);
    if (rate < 0 || seconds <= 0 || !l.latency_ns || !buf_ok(&l.request)) {
        fprintf(stderr, "gateway: wrong rate or time\n");
        return 2;
    }
    if (rate)
        run_open(&l, rate, total);
    else
        run_closed(&l, seconds);
    print_result(&l, rate ? rate : (int)(l.n_done / seconds), rate ? total : l.n_done);
    for (int i = 0; i < l.n_open; i++)
        buf_free(&l.connections[i].in);
    free(l.latency_ns);
    buf_free(&l.request);
    return 0;
}
