/* Conversations that climbed: a set-associative table of 64-bit keys. The hash is salted per process, so that nobody
 * can aim at another's conversation. */
#include "gateway/answer/sticky.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/rng.h"

struct slot {
    uint64_t key, used;                   /* used 0: empty */
    int tier;
};

struct sticky {
    pthread_mutex_t lock;
    uint64_t salt, now;
    struct slot slots[STICKY_SETS][STICKY_WAYS];
};

bool sticky_open(struct sticky **ret, struct err *err)
{
    struct sticky *s = calloc(1, sizeof *s);
    if (!s)
        return err_nomem(err, "the table of conversations");
    pthread_mutex_init(&s->lock, NULL);
    s->salt = rng_entropy();
    *ret = s;
    return true;
}

void sticky_close(struct sticky *s)
{
    if (!s)
        return;
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static bool continues(const struct request *req)
{
    if (req->conversation_id.n)
        return true;
    for (int i = 0; i < req->n_messages; i++) {
        if (str_is(req->messages[i].role, "assistant"))
            return true;
    }
    return false;
}

int sticky_get(struct sticky *s, const struct request *req)
{
    if (!continues(req))
        return 0;
    uint64_t key = request_conversation(req, s->salt);
    int tier = 0;
    pthread_mutex_lock(&s->lock);
    struct slot *set = s->slots[key % STICKY_SETS];
    for (int i = 0; i < STICKY_WAYS; i++) {
        if (set[i].used && set[i].key == key) {
            set[i].used = ++s->now;
            tier = set[i].tier;
        }
    }
    pthread_mutex_unlock(&s->lock);
    return tier;
}

void sticky_put(struct sticky *s, const struct request *req, int tier)
{
    uint64_t key = request_conversation(req, s->salt);
    pthread_mutex_lock(&s->lock);
    struct slot *set = s->slots[key % STICKY_SETS], *to = &set[0];
    for (int i = 0; i < STICKY_WAYS; i++) {
        if (set[i].used && set[i].key == key) {
            to = &set[i];
            tier = to->tier > tier ? to->tier : tier;   /* an answer from a fallback brings nobody down */
            break;
        }
        if (set[i].used < to->used)
            to = &set[i];
    }
    *to = (struct slot){.key = key, .used = ++s->now, .tier = tier};
    pthread_mutex_unlock(&s->lock);
}
