/* The watcher: an epoll of its own beside the HTTP library's. It knows sockets and deadlines; what a connection is
 * doing, and what a hang-up means for it, its owner knows. */
#include "net/watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define WATCH_TICK_MS 1000
#define WATCH_EVENTS 64
#define WATCH_WAKE UINT64_MAX

struct watch_place {
    int fd;              /* -1: free */
    uint32_t generation; /* an event that was fetched for an earlier owner of the place is told by it */
    bool hung_up;
    void *ctx;           /* not NULL: busy, a hang-up is reported */
    int64_t deadline_ms;
};

struct watch {
    void (*on_hangup)(void *ctx);
    int epoll_fd, wake_fd;
    pthread_t thread;
    pthread_mutex_t lock;
    bool stop;
    int max, used, top; /* places at or above top have never been used */
    struct watch_place places[];
};

static void watch_wake(struct watch *w)
{
    uint64_t one = 1;
    while (write(w->wake_fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

static void handle_event(struct watch *w, uint64_t data)
{
    if (data == WATCH_WAKE) {
        uint64_t n;
        while (read(w->wake_fd, &n, sizeof n) < 0 && errno == EINTR) {
        }
        return;
    }
    struct watch_place *place = &w->places[data & 0xFFFFFFFF];
    if (place->fd < 0 || place->generation != data >> 32)
        return;
    place->hung_up = true;
    if (place->ctx)
        w->on_hangup(place->ctx);
    else
        shutdown(place->fd, SHUT_RDWR); /* the HTTP library may not look at a half-closed socket before its time-out */
}

static void cut_late(struct watch *w)
{
    int64_t now = clock_ms();
    for (int i = 0; i < w->top; i++) {
        struct watch_place *place = &w->places[i];
        if (place->fd < 0 || place->deadline_ms == 0 || place->deadline_ms > now)
            continue;
        shutdown(place->fd, SHUT_RDWR);
        place->deadline_ms = 0;
    }
}

static void *watch_main(void *arg)
{
    struct watch *w = arg;
    struct epoll_event events[WATCH_EVENTS];
    int64_t next_tick_ms = 0;
    pthread_mutex_lock(&w->lock);
    while (!w->stop) {
        int timeout_ms = w->used > 0 ? WATCH_TICK_MS : -1;
        pthread_mutex_unlock(&w->lock);
        int n = epoll_wait(w->epoll_fd, events, WATCH_EVENTS, timeout_ms);
        pthread_mutex_lock(&w->lock);
        for (int i = 0; i < n; i++)
            handle_event(w, events[i].data.u64);
        if (clock_ms() >= next_tick_ms) {
            cut_late(w);
            next_tick_ms = clock_ms() + WATCH_TICK_MS;
        }
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

bool watch_open(int max_sockets, void (*on_hangup)(void *ctx), struct watch **ret, struct err *err)
{
    struct watch *w = calloc(1, sizeof *w + (size_t)max_sockets * sizeof w->places[0]);
    if (!w)
        return err_nomem(err, "the connection watcher");
    w->max = max_sockets;
    w->on_hangup = on_hangup;
    pthread_mutex_init(&w->lock, NULL);
    w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    w->wake_fd = eventfd(0, EFD_CLOEXEC);
    struct epoll_event wake = {.events = EPOLLIN, .data.u64 = WATCH_WAKE};
    if (w->epoll_fd < 0 || w->wake_fd < 0 || epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->wake_fd, &wake) != 0) {
        err_errno(err, ERR_IO, "cannot watch connections");
        goto out;
    }
    int failed = pthread_create(&w->thread, NULL, watch_main, w);
    if (failed) {
        errno = failed;
        err_errno(err, ERR_IO, "cannot start the connection watcher");
        goto out;
    }
    *ret = w;
    return true;
out:
    if (w->epoll_fd >= 0)
        close(w->epoll_fd);
    if (w->wake_fd >= 0)
        close(w->wake_fd);
    pthread_mutex_destroy(&w->lock);
    free(w);
    return false;
}

void watch_close(struct watch *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_mutex_unlock(&w->lock);
    watch_wake(w);
    pthread_join(w->thread, NULL);
    close(w->epoll_fd);
    close(w->wake_fd);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

/* The lock is held. */
static int free_place(struct watch *w)
{
    for (int i = 0; i < w->top; i++)
        if (w->places[i].fd < 0)
            return i;
    return w->top < w->max ? w->top++ : -1;
}

int watch_add(struct watch *w, int fd)
{
    pthread_mutex_lock(&w->lock);
    int found = free_place(w);
    if (found >= 0) {
        struct watch_place *place = &w->places[found];
        *place = (struct watch_place){.fd = fd, .generation = place->generation + 1};
        struct epoll_event event = {
            .events = EPOLLRDHUP | EPOLLONESHOT, /* errors and full hang-ups are always reported */
            .data.u64 = (uint64_t)place->generation << 32 | (uint32_t)found,
        };
        if (w->used++ == 0)
            watch_wake(w); /* from waiting for ever to ticking */
        if (epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
            place->hung_up = true; /* better unserved than unwatched */
    }
    pthread_mutex_unlock(&w->lock);
    return found;
}

void watch_remove(struct watch *w, int place)
{
    pthread_mutex_lock(&w->lock);
    struct watch_place *p = &w->places[place];
    epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, p->fd, NULL);
    p->fd = -1;
    p->ctx = NULL;
    w->used--;
    pthread_mutex_unlock(&w->lock);
}

void watch_busy(struct watch *w, int place, void *ctx)
{
    pthread_mutex_lock(&w->lock);
    struct watch_place *p = &w->places[place];
    p->ctx = ctx;
    p->deadline_ms = 0;
    if (p->hung_up)
        w->on_hangup(ctx);
    pthread_mutex_unlock(&w->lock);
}

void watch_idle(struct watch *w, int place, int64_t deadline_ms)
{
    pthread_mutex_lock(&w->lock);
    struct watch_place *p = &w->places[place];
    p->ctx = NULL;
    p->deadline_ms = deadline_ms;
    if (p->hung_up)
        shutdown(p->fd, SHUT_RDWR);
    pthread_mutex_unlock(&w->lock);
}
