/* How many prompt tokens may join a step without holding running answers up: measured, model by model. Timings choose
 * the size of a step and nothing else; no token depends on it. The engine thread's. */
#ifndef RUNG_RUNTIME_SCHEDULE_PACE_H
#define RUNG_RUNTIME_SCHEDULE_PACE_H

#include <stdint.h>

#define PACE_ADDED_US 200000     /* what a step's prompts may add to the time between two tokens of an answer */
#define PACE_LEAST_TOKENS 16     /* even so: a prompt that crawls is worse */
#define PACE_FIRST_TOKENS 64     /* before anything was measured */

/* Running means; 0: nothing measured yet. All zero is a fresh one. */
struct pace {
    double writing_us;             /* of a step that only writes */
    double prompt_token_us;
};

/* Prompt tokens for a step in which answers are being written; as many as `most` where they are cheap. */
int64_t pace_room(const struct pace *p, int64_t most);
/* A step took so long, with so many tokens of answers and of prompts. */
void pace_note(struct pace *p, int64_t n_writing, int64_t n_prompt, int64_t us);

#endif
