/* The bounded queue: a ring under one lock. Items are the callers'; what to do when it is full they decide. */
#include "base/queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define QUEUE_CAPACITY_MAX (1 << 24)

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    int capacity, head, n;
    bool shut;
    void *items[];
};

bool queue_open(int capacity, struct queue **ret_queue, struct err *err)
{
    if (capacity < 1 || capacity > QUEUE_CAPACITY_MAX)
        return err_set(err, ERR_INVALID, "a queue of %d places is not between 1 and %d", capacity, QUEUE_CAPACITY_MAX);
    struct queue *q = calloc(1, sizeof *q + (size_t)capacity * sizeof q->items[0]);
    if (!q)
        return err_nomem(err, "a queue");
    q->capacity = capacity;
    pthread_mutex_init(&q->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* a stepped wall clock must not stretch a wait */
    pthread_cond_init(&q->filled, &attr);
    pthread_condattr_destroy(&attr);
    *ret_queue = q;
    return true;
}

void queue_close(struct queue *q)
{
    if (!q)
        return;
    pthread_cond_destroy(&q->filled);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

bool queue_push(struct queue *q, void *item)
{
    pthread_mutex_lock(&q->lock);
    bool ok = !q->shut && q->n < q->capacity;
    if (ok) {
        q->items[(int)(((int64_t)q->head + q->n) % q->capacity)] = item;
        q->n++;
        pthread_cond_signal(&q->filled);
    }
    pthread_mutex_unlock(&q->lock);
    return ok;
}

/* Sleep until something is there, the queue is shut or the time is over. The lock is held. */
static void queue_wait(struct queue *q, int64_t timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    if (timeout_ms >= 0) {
        until.tv_sec += timeout_ms / 1000;
        until.tv_nsec += timeout_ms % 1000 * 1000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
    }
    while (q->n == 0 && !q->shut) {
        if (timeout_ms < 0)
            pthread_cond_wait(&q->filled, &q->lock);
        else if (pthread_cond_timedwait(&q->filled, &q->lock, &until) != 0)
            return;
    }
}

void *queue_pop(struct queue *q, int64_t timeout_ms)
{
    void *item = NULL;
    pthread_mutex_lock(&q->lock);
    if (timeout_ms != 0)
        queue_wait(q, timeout_ms);
    if (q->n > 0) {
        item = q->items[q->head];
        q->head = (q->head + 1) % q->capacity;
        q->n--;
    }
    pthread_mutex_unlock(&q->lock);
    return item;
}

void queue_shut(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->shut = true;
    pthread_cond_broadcast(&q->filled);
    pthread_mutex_unlock(&q->lock);
}
