/* The form an answer is held to, as its request asks: what masks a local model, and what the finished answer is checked
 * against, whoever wrote it. A mask and the check read the schema in the same way, so what the mask says in full needs
 * no check to be valid; the answer is checked all the same.
 *
 * Immutable once opened, any thread. Views into the request's body and arena, which must outlive it. */
#ifndef RUNG_GATEWAY_FORM_H
#define RUNG_GATEWAY_FORM_H

#include "base/arena.h"
#include "grammar/schema.h"
#include "runtime/rule.h"

#define FORM_MAX_CALLS 256          /* of one answer that are looked at; more are not in form */

enum form_verdict {
    FORM_FREE,                      /* nothing was asked of it: no form, or tools that were not called */
    FORM_VALID,
    FORM_INVALID,
};

struct form {
    const char *field;              /* of the request that asked for it, for messages: "response_format" */
    struct rule_spec rule;          /* with tools set also where they may be called beside another kind of rule */
    bool by_mask;                   /* the mask says all of it: nothing is left to the check; of calls, where their
                                     * arguments are JSON (local_model_info) */
    /* Every answer that is in form, up to white space, where they can be listed; NULL where not. */
    const struct str *texts;
    int n_texts;
    /* private */
    struct schema *schema;
    struct automaton *automaton;
};

/* ERR_INVALID and ERR_UNSUPPORTED begin with the member that is at fault in single quotes, as
 * "'response_format.json_schema.schema': 'x' at /properties/a is not understood". The form lives in the arena. */
bool form_open(const char *field, const struct rule_spec *rule, struct arena *arena, struct form **ret,
               struct err *err);
void form_close(struct form *f);    /* NULL allowed */
/* After a model did not take the request: whether that is the schema's fault, so that no model here would take it. *err
 * then says what is wrong, as form_open does. It costs as much as compiling the schema. */
bool form_refused(const struct form *f, struct err *err);
/* A finished answer: its text, and the list of its calls as JSON (empty: none). FORM_INVALID with *err: why. f NULL:
 * FORM_FREE. */
enum form_verdict form_check(const struct form *f, struct str text, struct str tool_calls, struct err *err);

#endif
