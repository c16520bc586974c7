/* Two things are learnt from each step: how fast the machine is just now, which moves with its load and with the length
 * of contexts, and the shape, which hardly does. A size that was found slow once is forgotten slowly, so that it is
 * tried again. */
#include "runtime/schedule/step_cost.h"

#include <string.h>

/* Sizes between these are interpolated; the last is the largest step there is. */
static const int16_t knots[STEP_COST_KNOTS] = {
    1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 20, 24, 32, 40, 48, 64, 96, 128, 192, 256, 512};

#define STEP_COST_FIRST_SLOPE 0.13f   /* of each token after the first, until some were seen */
#define STEP_COST_SPEED_RATE 0.2      /* how much of a difference to what was expected counts, for the speed ... */
#define STEP_COST_SHAPE_RATE 0.06     /* ... and for the shape, once that has been seen a few times */
#define STEP_COST_FORGET 0.002f       /* of the way back to what was assumed at first, each step */
#define STEP_COST_MOST 3.0            /* times the expected: what is more counts as this */

static float first_shape(int knot)
{
    return 1 + STEP_COST_FIRST_SLOPE * (float)(knots[knot] - 1);
}

void step_cost_open(struct step_cost *p)
{
    memset(p, 0, sizeof *p);
    for (int i = 0; i < STEP_COST_KNOTS; i++)
        p->shape[i] = first_shape(i);
}

/* The knot at or before a size, and how far the size is on the way to the next. */
static int knot_before(int tokens, double *ret_part)
{
    int i = 0;
    while (i < STEP_COST_KNOTS - 2 && knots[i + 1] <= tokens)
        i++;
    *ret_part = (double)(tokens - knots[i]) / (knots[i + 1] - knots[i]);
    return i;
}

double step_cost_of(const struct step_cost *p, int tokens)
{
    double part;
    int i = knot_before(tokens, &part);
    return p->shape[i] + part * (p->shape[i + 1] - p->shape[i]);
}

static void learn_shape(struct step_cost *p, int knot, double weight, double difference)
{
    double rate = 1.0 / (2 + p->seen[knot]);
    if (knot == 0 || weight <= 0)
        return;
    if (rate < STEP_COST_SHAPE_RATE)
        rate = STEP_COST_SHAPE_RATE;
    p->shape[knot] *= (float)(1 + rate * weight * difference);
    p->seen[knot]++;
}

void step_cost_saw(struct step_cost *p, int tokens, int64_t ns)
{
    double part, expected = p->token_ns * step_cost_of(p, tokens);
    int i = knot_before(tokens, &part);
    if (ns <= 0)
        return;
    if (expected == 0) {
        p->token_ns = (double)ns / step_cost_of(p, tokens);
        return;
    }
    double ratio = (double)ns / expected, difference = (ratio < STEP_COST_MOST ? ratio : STEP_COST_MOST) - 1;
    for (int k = 1; k < STEP_COST_KNOTS; k++)
        p->shape[k] += STEP_COST_FORGET * (first_shape(k) - p->shape[k]);
    learn_shape(p, i, 1 - part, difference);
    learn_shape(p, i + 1, part, difference);
    p->token_ns *= 1 + STEP_COST_SPEED_RATE * difference;
}
