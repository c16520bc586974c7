/* What run.c and experts.c share: one stage on its way over a batch. Nobody else includes this. */
#ifndef RUNG_ENGINE_RUN_H
#define RUNG_ENGINE_RUN_H

#include "engine/internal.h"

#define RUN_ROWS_GRAIN 32   /* rows of weights in the smallest piece: whole tiles of every kernel */

struct run {
    const struct engine *e;
    const struct batch *b;
    const struct stage *stage;
    const struct stage *next;          /* what a STAGE_TOKENS prepares for; NULL at the end */
    int layer;
};

static inline int64_t width_of(const struct run *r, enum slot slot)
{
    return arch_width(&r->e->model.h, arch_slot_width(slot));
}

/* A token's vector; where there is one per chosen expert, that of the choice-th. */
static inline float *row_of(const struct run *r, enum slot slot, int64_t token, int choice)
{
    int64_t row = token;
    if (arch_slot_per_expert(slot))
        row = r->b->routes->row_of[token * r->e->model.h.n_expert_used + choice];
    return r->b->slots[slot] + row * width_of(r, slot);
}

static inline const struct weight *weight_of(const struct run *r, enum weight_role role)
{
    return model_weight(&r->e->model, r->layer, role);
}

/* Rows [begin, end) of one matrix (of the expert's, where w holds several) times prepared rows, plus the bias. */
struct product {
    const struct op *op;
    int expert;
    const char *act;                   /* [tokens] prepared rows */
    float *y;                          /* [tokens, width of op->dst] */
    int tokens;
    int64_t begin, end;
};
void run_product(const struct run *r, const struct product *p, int thread);

/* dst = the chosen experts' shares and numbers, from a logit for each. */
void experts_choose(const struct kernels *k, const float *logits, int n_expert, int n_used, float *routes);
/* dst [n] = shares' sum over the token's rows. */
void experts_combine(const struct run *r, const struct op *op, int64_t token);
/* Behind a STAGE_MATMULS: what the sessions' adapters add. */
void adapter_run(const struct run *r);
/* A STAGE_EXPERTS. */
void experts_run(const struct run *r);

#endif
