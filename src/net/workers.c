/* The request workers: a bounded queue and as many threads as there are unfinished jobs, up to a ceiling. What a job
 * is, and who is told that the queue is full, belongs to the server. */
#include "net/workers.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/queue.h"

#define WORKER_IDLE_MS 10000
/* Rules and answers that requests bring nest to limits of their own, which are to be met before the stack's end: a
 * schema that refers to itself 1,024 deep. Only what is touched takes memory. */
#ifdef RUNG_DEBUG
#define WORKER_STACK_BYTES ((size_t)32 << 20) /* unoptimised and instrumented frames are several times larger */
#else
#define WORKER_STACK_BYTES ((size_t)4 << 20)
#endif

struct workers {
    void (*run)(void *job);
    struct queue *queue;
    pthread_attr_t attr;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    int threads, max_threads;
    atomic_int unfinished; /* jobs waiting or running */
};

/* The next job. NULL: this thread ends; the count is taken down under the lock that workers_push decides under, so that
 * no job is left to a thread that has just given up. */
static void *next_job(struct workers *w)
{
    void *job = queue_pop(w->queue, WORKER_IDLE_MS);
    if (job)
        return job;
    pthread_mutex_lock(&w->lock);
    job = queue_pop(w->queue, 0);
    if (!job) {
        bool last = --w->threads == 0;
        if (last)
            malloc_trim(0);              /* after a rush: what many threads held need not stay */
        pthread_cond_signal(&w->ended);
    }
    pthread_mutex_unlock(&w->lock);
    return job;
}

static void *worker_main(void *arg)
{
    struct workers *w = arg;
    void *job;
    while ((job = next_job(w))) {
        w->run(job);
        atomic_fetch_sub(&w->unfinished, 1);
    }
    return NULL;
}

bool workers_open(int max_threads, int max_waiting, void (*run)(void *job), struct workers **ret, struct err *err)
{
    struct workers *w = calloc(1, sizeof *w);
    if (!w)
        return err_nomem(err, "the request workers");
    if (!queue_open(max_waiting, &w->queue, err)) {
        free(w);
        return false;
    }
    w->run = run;
    w->max_threads = max_threads;
    pthread_attr_init(&w->attr);
    pthread_attr_setstacksize(&w->attr, WORKER_STACK_BYTES);
    pthread_attr_setdetachstate(&w->attr, PTHREAD_CREATE_DETACHED);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->ended, NULL);
    *ret = w;
    return true;
}

bool workers_push(struct workers *w, void *job)
{
    pthread_mutex_lock(&w->lock);
    if (w->unfinished >= w->threads && w->threads < w->max_threads) {
        pthread_t thread;
        if (pthread_create(&thread, &w->attr, worker_main, w) == 0)
            w->threads++;
    }
    bool ok = w->threads > 0 && queue_push(w->queue, job);
    if (ok)
        w->unfinished++;
    pthread_mutex_unlock(&w->lock);
    return ok;
}

void workers_close(struct workers *w)
{
    if (!w)
        return;
    queue_shut(w->queue);
    pthread_mutex_lock(&w->lock);
    while (w->threads > 0)
        pthread_cond_wait(&w->ended, &w->lock);
    pthread_mutex_unlock(&w->lock);
    queue_close(w->queue);
    pthread_attr_destroy(&w->attr);
    pthread_cond_destroy(&w->ended);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
