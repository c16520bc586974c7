/* Between the files of `rung run`: what was asked for, one streamed answer, and the two ways to talk to a model. */
#ifndef RUNG_CLI_RUN_RUN_H
#define RUNG_CLI_RUN_RUN_H

#include "base/buf.h"
#include "cli/rule/rule.h"
#include "cli/store/models.h"
#include "data/json.h"
#include "runtime/generate.h"
#include "runtime/posterior.h"

#define RUN_MAX_TEXT_BYTES (64u << 20)
#define RUN_MAX_TURNS (GENERATION_MAX_MESSAGES / 2 - 1)

struct run_options {
    const char *name;               /* of the model */
    struct cli_model_options model;
    const char *system;             /* NULL: none */
    int64_t max_tokens;
    struct sampler sampler;
    int enable_thinking;            /* -1: as the model does by itself */
    struct str reasoning_effort;    /* empty: as the model does by itself */
    const struct cli_rule *rule;    /* what the answer is held to; NULL: it is free */
    bool json;
};

/* ---- how likely each of --choices is (choices.c) ---- */
struct run_posterior {
    double *probability;            /* [n] in the order of the choices; NULL: not known */
    int *order;                     /* [n] the likeliest first */
    struct posterior found;
};
/* Leaves it not known where there are no choices, or the model thinks before it answers. *ret is the caller's to
 * run_posterior_free, also on failure. */
bool run_posterior(const struct cli_model *m, const struct run_options *o, const struct chat_message *messages, int n,
                   struct run_posterior *ret, struct err *err);
void run_posterior_free(struct run_posterior *p);
void run_put_posterior(struct json_writer *w, const struct run_options *o, const struct run_posterior *p);

/* ---- one answer (answer.c) ---- */
struct run_answer {
    struct buf text, reasoning;
    enum finish_reason finish;
    struct generation_usage usage;
    bool valid;                     /* whole, and what its rule asks for; true without a rule */
    struct err why;                 /* why it is not */
    double logprob_sum;             /* of the answer's own tokens, the end token included, reasoning not */
    int64_t n_logprobs;
};

/* Ctrl-C since run_catch_interrupts or the last run_take_interrupt. */
void run_catch_interrupts(void);
bool run_interrupted(void);
bool run_take_interrupt(void);   /* the same, and it is done with */

/* Asks, and where `stream` is set writes the answer to standard output as it comes. Ctrl-C ends it (FINISH_CANCELLED).
 * ret is the caller's to run_answer_free, also on failure. */
bool run_answer(const struct cli_model *m, const struct run_options *o, const struct chat_message *messages, int n,
                bool stream,
                struct run_answer *ret, struct err *err);
void run_answer_free(struct run_answer *a);
double run_confidence(const struct run_answer *a);   /* geometric mean token probability; 0 without tokens */
void run_print_timing(const struct run_answer *a);   /* one line on stderr */
bool run_print_json(const struct run_options *o, const struct run_answer *a, const struct run_posterior *posterior,
                    struct err *err);

/* ---- chat (chat.c) and what the starter can do (examples.c); exit codes ---- */
int run_chat(const struct cli_model *m, const struct run_options *o);
int run_examples(const struct cli_model *m, const struct run_options *o);

#endif
