/* What kind of task a request is and which traits it has, by documented rules on its text (docs/configuration.md,
 * "Kinds and traits"). */
#ifndef RUNG_GATEWAY_KIND_H
#define RUNG_GATEWAY_KIND_H

#include "gateway/request.h"

struct analysis {
    enum task_kind kind; /* KIND_UNKNOWN when no rule speaks */
    unsigned traits;     /* bits */
    const char *why;     /* the rule that decided, static text */
};

/* approx_tokens: the prompt's tokens as kind_estimate_tokens counts them. Linear in the text; looks at bounded parts
 * of long ones. */
void kind_analyse(const struct request *r, int64_t approx_tokens, struct analysis *ret);
/* Tokens of the whole prompt without a tokenizer: a documented estimate (about 4 bytes of Latin text, 1.5 characters
 * of CJK a token). */
int64_t kind_estimate_tokens(const struct request *r);

#endif
