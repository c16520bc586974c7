/* What a chat template sees of a request: its variables as JSON, every string of a user made safe by the guard. */
#ifndef RUNG_RUNTIME_CONTEXT_H
#define RUNG_RUNTIME_CONTEXT_H

#include "runtime/runtime_private.h"

/* How a user's text is made safe: guard_escape or guard_spell. */
typedef void guard_fn(const struct tokenizer *t, struct str text, struct buf *out);

struct context_spec {
    const struct local_model *model;
    guard_fn *guard;
    const struct generation_request *req;    /* checked */
    bool arguments_as_text;                  /* of calls in the history: as they came, not as an object */
};

bool context_build(const struct context_spec *spec, json_t **ret, struct err *err);
/* Whether guard_spell would change any text of the request. */
bool context_spells(const struct local_model *m, const struct generation_request *req);
bool context_has_calls(const struct generation_request *req);

#endif
