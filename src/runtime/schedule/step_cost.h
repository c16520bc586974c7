/* What steps of a model cost here and now: the time of a step of so many tokens over one of a single token, learnt from
 * the steps that were run. Decisions by it change how fast an answer comes, never what it says. The engine thread's
 * alone. */
#ifndef RUNG_RUNTIME_SCHEDULE_STEP_COST_H
#define RUNG_RUNTIME_SCHEDULE_STEP_COST_H

#include <stdint.h>

#define STEP_COST_KNOTS 22

struct step_cost {
    /* private */
    double token_ns;                 /* a step of one token; 0: none was seen */
    float shape[STEP_COST_KNOTS];    /* steps of step_cost.c's sizes over it */
    uint32_t seen[STEP_COST_KNOTS];
};

void step_cost_open(struct step_cost *p);
/* A step of so many tokens took so long. */
void step_cost_saw(struct step_cost *p, int tokens, int64_t ns);
/* Relative to a step of one token. */
double step_cost_of(const struct step_cost *p, int tokens);

#endif
