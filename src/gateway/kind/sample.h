/* The texts of a request that the rules look at, split and measured once for kind.c and traits.c. */
#ifndef RUNG_GATEWAY_KIND_SAMPLE_H
#define RUNG_GATEWAY_KIND_SAMPLE_H

#include "gateway/kind/instruction.h"
#include "gateway/request.h"

struct sample {
    struct str user;                  /* the last user message, trimmed, whole */
    struct str head;                  /* its first bytes, where marks of form are looked for */
    int user_turns;
    struct instruction system, said;  /* of the first system prompt and of the last user message */
};

void sample_take(const struct request *r, struct sample *ret);
/* More braces, semicolons, brackets and operators than prose has, in the first bytes? */
bool sample_looks_like_code(const struct sample *s);
/* A word such as TypeError or NullPointerException? */
bool sample_names_an_error(const struct sample *s);
/* Does the text stop in the middle of a sentence? 0: no; 1: no mark ends it; 2: nobody ends a sentence so. */
int sample_ends_open(const struct sample *s);

#endif
