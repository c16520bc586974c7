/* What an answer is held to: a rule as a request brings it, compiled beside a model's vocabulary (grammar/constraint.h)
 * and remembered, so that the next request with the same rule pays for reading its bytes only.
 *
 * A rule speaks of the answer as a user sees it: behind the reasoning of a model that thinks, without the space that
 * SentencePiece puts before a text. Invariant: a compiled rule depends on the bytes of its spec and on the model alone.
 * Threads: rule_compile from any thread, between local_model_acquire and _release. */
#ifndef RUNG_RUNTIME_RULE_H
#define RUNG_RUNTIME_RULE_H

#include <jansson.h>

#include "grammar/constraint.h"
#include "runtime/runtime.h"

#define RULES_KEPT 64                        /* compiled rules that a model remembers, the latest used */
#define RULE_MAX_SPEC_BYTES (4u << 20)       /* of a rule as text, options and all */
#define RULES_KEPT_BYTES ((size_t)128 << 20) /* that those take, with their specs, while there is more than one */

enum rule_kind {
    RULE_JSON_OBJECT,     /* any JSON object */
    RULE_JSON_SCHEMA,     /* schema */
    RULE_REGEX,           /* text: the whole answer matches */
    RULE_GBNF,            /* text: a grammar as llama.cpp writes it */
    RULE_CHOICES,         /* choices: one of them, to the letter */
    RULE_TOOLS,           /* tools: calls in the syntax of the model's family, arguments by their schemas */
};

/* All of it is borrowed for the call that takes it. What a kind does not name is not read. */
struct rule_spec {
    enum rule_kind kind;
    const json_t *schema;
    bool any_order, relaxed;                 /* of RULE_JSON_SCHEMA, as in grammar/schema.h */
    struct str text;
    const struct str *choices;
    int n_choices;
    /* Of RULE_TOOLS: what may be called is tools, in the API's shape [{type, function: {name, parameters, strict}}]. */
    const json_t *tools;
    bool tools_required;                     /* calls and nothing else; else free text, calls, or text and then calls */
    struct str tool_name;                    /* the one that may be called; empty: any */
    bool parallel_calls;                     /* several; else one */
};

/* Reads and compiles it, or finds it remembered. ERR_INVALID and ERR_UNSUPPORTED in words for whoever wrote the rule,
 * as the front ends of grammar/ say them; ERR_LIMIT for what is too large. *ret: the caller's reference. */
bool rule_compile(struct local_model *m, const struct rule_spec *spec, struct constraint **ret, struct err *err);

#endif
