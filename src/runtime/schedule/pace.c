/* The speed of a model's prompts, learnt from the steps it makes: the time of a step beyond what writing alone takes,
 * over its prompt tokens. Steps with few prompt tokens say nothing about prompts and are left out. */
#include "runtime/schedule/pace.h"

#define WEIGHT_OF_NEW 0.25

static void mean_add(double *mean, double x)
{
    *mean = *mean > 0 ? *mean + WEIGHT_OF_NEW * (x - *mean) : x;
}

int64_t pace_room(const struct pace *p, int64_t most)
{
    double tokens = p->prompt_token_us > 0 ? PACE_ADDED_US / p->prompt_token_us : PACE_FIRST_TOKENS;
    int64_t room = tokens < (double)most ? (int64_t)tokens : most;
    return room > PACE_LEAST_TOKENS ? room : PACE_LEAST_TOKENS;
}

void pace_note(struct pace *p, int64_t n_writing, int64_t n_prompt, int64_t us)
{
    if (n_prompt == 0) {
        mean_add(&p->writing_us, (double)us);
    } else if (n_prompt >= PACE_LEAST_TOKENS) {
        double added = (double)us - (n_writing > 0 ? p->writing_us : 0);
        double share = (double)us * (double)n_prompt / (double)(n_writing + n_prompt);
        /* a mean from slower steps than this one must not make prompts look free */
        mean_add(&p->prompt_token_us, (added > share / 2 ? added : share / 2) / (double)n_prompt);
    }
}
