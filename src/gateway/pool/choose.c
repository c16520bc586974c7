/* Choosing among upstreams that may all be asked: by load, in turns, or by the conversation's hash. */
#include <math.h>

#include "gateway/pool/member.h"

#define BOUND 1.25 /* how far above its share of the load an upstream may be before a conversation moves on */

static int weight_of(const struct pool *p, int i) { return p->model->upstreams[i].weight; }

/* Smooth weighted round robin, as nginx has it: each gains its weight, the richest pays the round. */
static int choose_turn(struct pool *p, uint64_t fit)
{
    int best = -1;
    int64_t sum = 0;
    for (int i = 0; i < p->model->n_upstreams; i++) {
        if (!(fit >> i & 1))
            continue;
        p->members[i]->turn += weight_of(p, i);
        sum += weight_of(p, i);
        if (best < 0 || p->members[i]->turn > p->members[best]->turn)
            best = i;
    }
    p->members[best]->turn -= sum;
    return best;
}

/* The least load for its weight; equals take turns. */
static int choose_least(struct pool *p, uint64_t fit)
{
    double least = INFINITY;
    uint64_t equals = 0;
    for (int i = 0; i < p->model->n_upstreams; i++) {
        double load = (double)p->members[i]->outstanding / weight_of(p, i);
        if (!(fit >> i & 1) || load > least)
            continue;
        equals = load < least ? 1ull << i : equals | 1ull << i;
        least = load;
    }
    return choose_turn(p, equals);
}

static uint64_t mix(uint64_t h)
{
    h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdull;
    h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53ull;
    return h ^ (h >> 33);
}

/* Weighted rendezvous hashing (Thaler and Ravishankar 1998; the weights as Schindelhauer and Schomaker 2005) with
 * bounded loads (Mirrokni, Thorup, Zadimoghaddam 2016): an upstream that comes or goes moves its own conversations
 * only, and a popular one spills over to its second choice. */
static int choose_prefix(struct pool *p, uint64_t fit, uint64_t key)
{
    double load = 1, weights = 0, best_score = -1;
    int best = -1;
    for (int i = 0; i < p->model->n_upstreams; i++) {
        if (fit >> i & 1) {
            load += (double)p->members[i]->outstanding;
            weights += weight_of(p, i);
        }
    }
    for (int i = 0; i < p->model->n_upstreams; i++) {
        double room = ceil(BOUND * load * weight_of(p, i) / weights);
        uint64_t h = mix(key ^ mix(str_hash(str_of(p->model->upstreams[i].name))));
        double unit = ((double)(h >> 11) + 0.5) * 0x1p-53, score = weight_of(p, i) / -log(unit);
        if ((fit >> i & 1) && (double)p->members[i]->outstanding < room && score > best_score) {
            best_score = score;
            best = i;
        }
    }
    return best;
}

int pool_choose(struct pool *p, uint64_t fit, uint64_t key)
{
    switch (p->model->balance) {
    case BALANCE_PREFIX:
        return choose_prefix(p, fit, key);
    case BALANCE_WEIGHTED:
        return choose_turn(p, fit);
    default:
        return choose_least(p, fit);
    }
}
