/* An operation list as stages: the fewest runs of the thread pool in which no thread reads what another still writes.
 * Operations on one token each are gathered into one stage, neighbouring matrix products with a common input into
 * another. How a stage runs is run.c's business. */
#include "engine/internal.h"

static enum stage_kind kind_of(const struct op *op)
{
    switch (op->kind) {
    case OP_MATMUL: return STAGE_MATMULS;
    case OP_EXPERTS: return STAGE_EXPERTS;
    case OP_ATTENTION: return STAGE_ATTENTION;
    default: return STAGE_TOKENS;
    }
}

static bool joins(const struct stage *s, const struct op *op)
{
    if (s->kind != kind_of(op) || s->kind == STAGE_ATTENTION)
        return false;
    return s->kind == STAGE_TOKENS || s->ops[0].a == op->a;
}

bool plan_make(struct op_list list, struct arena *arena, struct plan *ret, struct err *err)
{
    struct plan plan = {arena_array(arena, 2 * (size_t)list.n, sizeof(struct stage)), 0};
    if (!plan.stages)
        return err_nomem(err, "the engine's plan");
    for (int i = 0; i < list.n; i++) {
        const struct op *op = &list.ops[i];
        struct stage *last = plan.n > 0 ? &plan.stages[plan.n - 1] : NULL;
        if (last && joins(last, op)) {
            last->n++;
            continue;
        }
        if (kind_of(op) != STAGE_TOKENS && !(last && last->kind == STAGE_TOKENS))
            plan.stages[plan.n++] = (struct stage){STAGE_TOKENS, op, 0};
        plan.stages[plan.n++] = (struct stage){kind_of(op), op, 1};
    }
    *ret = plan;
    return true;
}
