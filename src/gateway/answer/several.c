/* The answers to one question, made by a few threads that each take the next one not yet begun. What an answer is, and
 * what it costs, is gateway_answer's business; here they are told apart and kept together. */
#include "gateway/answer/several.h"

#include <stdio.h>

#include "store/money.h"

#define ONE_ARENA_MAX (1u << 20)

/* One answer on its way to the sink of all. */
struct several_route {
    struct answers *all;
    int index;
};

static bool gone(void *ctx)
{
    struct answers *a = ctx;
    return atomic_load(&a->stop) || (a->req->gone && a->req->gone(a->req->gone_ctx));
}

static bool route_begin(void *ctx, const struct reply *r)
{
    struct several_route *to = ctx;
    struct answers *a = to->all;
    pthread_mutex_lock(&a->lock);
    bool ok = !atomic_load(&a->stop) && a->sink->begin(a->sink->ctx, to->index, r);
    pthread_mutex_unlock(&a->lock);
    return ok;
}

static bool route_delta(void *ctx, struct str text, bool reasoning, struct str tool_calls,
                        const struct reply_token *token)
{
    struct several_route *to = ctx;
    struct answers *a = to->all;
    struct answer_delta d = {.text = text, .reasoning = reasoning, .tool_calls = tool_calls, .token = token};
    pthread_mutex_lock(&a->lock);
    bool ok = !atomic_load(&a->stop) && a->sink->delta(a->sink->ctx, to->index, &d);
    pthread_mutex_unlock(&a->lock);
    return ok;
}

/* The first that is no answer speaks for all; the others are stopped by it. */
static void note_end(struct answers *a, int index)
{
    const struct reply *r = &a->replies[index];
    pthread_mutex_lock(&a->lock);
    if (r->outcome == REPLY_OK && a->sink && !atomic_load(&a->stop)) {
        a->sink->end(a->sink->ctx, index, r);
    } else if (r->outcome != REPLY_OK) {
        a->failed = a->failed < 0 ? index : a->failed;
        atomic_store(&a->stop, true);
    }
    pthread_mutex_unlock(&a->lock);
}

static void *make_some(void *ctx)
{
    struct answers *a = ctx;
    for (int i; !atomic_load(&a->stop) && (i = atomic_fetch_add(&a->next, 1)) < a->n;) {
        struct several_route to = {.all = a, .index = i};
        struct answer_sink sink = {.ctx = &to, .begin = route_begin, .delta = route_delta};
        gateway_answer(a->gateway, &a->asked[i], a->sink ? &sink : NULL, &a->replies[i]);
        note_end(a, i);
    }
    return NULL;
}

/* What is known of the question beside its body holds for every part of it. */
static void pass_on(const struct request *from, struct request *to)
{
    to->arrived_ns = from->arrived_ns;
    to->deadline_ns = from->deadline_ns;
    to->caller = from->caller;
    to->trace = from->trace;
    to->anthropic_beta = from->anthropic_beta;
}

/* The request for one answer: the question's, or the part it stands for, under a name of its own. */
static void ask(struct answers *a, int index)
{
    struct request *one = &a->asked[index];
    *one = a->req->parts ? a->req->parts[index] : *a->req;
    if (!a->req->parts)
        one->sampler.choice = (uint32_t)index;
    if (a->n > 1)
        snprintf(one->id, sizeof one->id, "%.34s-%d", a->req->id, index);
    pass_on(a->req, one);
    one->gone = gone;
    one->gone_ctx = a;
    if (a->arenas) {
        a->arenas[index] = ARENA_INIT(ONE_ARENA_MAX);
        one->arena = &a->arenas[index];
    }
}

bool answers_open(struct gateway *g, struct request *req, const struct answers_sink *sink, struct answers *ret,
                  struct err *err)
{
    int n = req->n_answers > 1 ? req->n_answers : 1;
    *ret = (struct answers){.req = req, .n = n, .gateway = g, .sink = sink, .failed = -1};
    ret->asked = n == 1 ? &ret->one_request : arena_array(req->arena, (size_t)n, sizeof *ret->asked);
    ret->replies = n == 1 ? &ret->one_reply : arena_array(req->arena, (size_t)n, sizeof *ret->replies);
    ret->arenas = n == 1 ? NULL : arena_array(req->arena, (size_t)n, sizeof *ret->arenas);
    if (!ret->asked || !ret->replies || (n > 1 && !ret->arenas))
        return err_nomem(err, "the answers");
    pthread_mutex_init(&ret->lock, NULL);
    for (int i = 0; i < n; i++)
        ask(ret, i);
    return true;
}

void answers_make(struct answers *a)
{
    pthread_t threads[SEVERAL_AT_ONCE - 1];
    int n = 0;
    while (n < SEVERAL_AT_ONCE - 1 && n + 1 < a->n && pthread_create(&threads[n], NULL, make_some, a) == 0)
        n++;
    make_some(a);
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
}

void answers_free(struct answers *a)
{
    for (int i = 0; i < a->n; i++)
        reply_free(&a->replies[i]);
    for (int i = 0; a->arenas && i < a->n; i++)
        arena_free(&a->arenas[i]);
    pthread_mutex_destroy(&a->lock);
}

struct token_usage answers_usage(const struct answers *a)
{
    struct token_usage sum = {0};
    for (int i = 0; i < a->n; i++) {
        const struct token_usage *u = &a->replies[i].usage;
        bool again = a->replies[i].local && a->asked[i].sampler.choice > 0;
        sum.prompt += again ? 0 : u->prompt;
        sum.cached += again ? 0 : u->cached;
        sum.cache_write += u->cache_write;
        sum.completion += u->completion;
        sum.reasoning += u->reasoning;
    }
    return sum;
}

int64_t answers_cost_pico_usd(const struct answers *a)
{
    int64_t sum = 0;
    for (int i = 0; i < a->n; i++)
        sum = money_add(sum, a->replies[i].cost_pico_usd);
    return sum;
}

int64_t answers_frontier_pico_usd(const struct answers *a)
{
    int64_t sum = 0;
    for (int i = 0; i < a->n; i++)
        sum = money_add(sum, a->replies[i].frontier_pico_usd);
    return sum;
}
