/* The misbehaving upstream. */
#include "support_faulty.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_REQUEST (1u << 20)

struct visit {
    struct faulty *f;
    int fd;
};

static void pause_ms(int ms) { nanosleep(&(struct timespec){.tv_nsec = ms * 1000000l}, NULL); }

/* Until the body is whole, as its length says. */
static void read_request(int fd)
{
    char *text = malloc(MAX_REQUEST);
    size_t n = 0;
    for (ssize_t got; n + 1 < MAX_REQUEST && (got = recv(fd, text + n, MAX_REQUEST - n - 1, 0)) > 0;) {
        n += (size_t)got;
        text[n] = 0;
        const char *end = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "content-length:");
        if (end && (!length || n >= (size_t)(end + 4 - text) + strtoul(length + 15, NULL, 10)))
            break;
    }
    free(text);
}

static bool say(int fd, const char *text, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        text += sent;
        n -= (size_t)sent;
    }
    return true;
}

static void hang(const struct faulty *f, int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};
    while (!f->stop && poll(&p, 1, 20) == 0)
        continue;
}

static void go_on(const struct faulty *f, int fd)
{
    size_t n = f->more ? strlen(f->more) : 0, at = 0;
    if (f->then == THEN_REPEAT) {
        while (!f->stop && say(fd, f->more, n))
            continue;
    } else if (f->then == THEN_DRIP) {
        for (; !f->stop && say(fd, f->more + at, 1); at = (at + 1) % n)
            pause_ms(20);
    } else if (f->then == THEN_RESET) {
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
    } else if (f->then == THEN_HANG) {
        hang(f, fd);
    }
}

static void *visit_run(void *arg)
{
    struct visit *v = arg;
    struct faulty *f = v->f;
    if (f->how == FAULTY_SAY)
        read_request(v->fd);
    if (!f->say || say(v->fd, f->say, strlen(f->say)))
        go_on(f, v->fd);
    close(v->fd);
    free(v);
    f->visits--;
    return NULL;
}

static void *accept_run(void *arg)
{
    struct faulty *f = arg;
    for (int fd; (fd = accept(f->fd, NULL, NULL)) >= 0;) {
        struct visit *v = malloc(sizeof *v);
        pthread_t thread;
        *v = (struct visit){.f = f, .fd = fd};
        f->visits++;
        pthread_create(&thread, NULL, visit_run, v);
        pthread_detach(thread);
    }
    return NULL;
}

void faulty_open(struct faulty *f, enum faulty_how how, enum faulty_then then, const char *text, const char *more)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    memset(f, 0, sizeof *f);
    f->how = how;
    f->then = then;
    f->say = text;
    f->more = more;
    f->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bind(f->fd, (struct sockaddr *)&a, sizeof a);
    getsockname(f->fd, (struct sockaddr *)&a, &n);
    f->port = ntohs(a.sin_port);
    if (how == FAULTY_REFUSE)
        return;                            /* bound, so that nobody else gets the port */
    listen(f->fd, how == FAULTY_NO_ACCEPT ? 0 : 64);
    for (int i = 0; how == FAULTY_NO_ACCEPT && i < 8; i++) {
        f->fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        connect(f->fillers[i], (struct sockaddr *)&a, sizeof a);
    }
    if (how != FAULTY_NO_ACCEPT)
        pthread_create(&f->thread, NULL, accept_run, f);
}

void faulty_close(struct faulty *f)
{
    f->stop = true;
    if (f->how == FAULTY_SAY || f->how == FAULTY_BLURT) {
        shutdown(f->fd, SHUT_RDWR);
        pthread_join(f->thread, NULL);
    }
    for (int i = 0; f->how == FAULTY_NO_ACCEPT && i < 8; i++)
        close(f->fillers[i]);
    while (f->visits > 0)
        pause_ms(1);
    close(f->fd);
}
