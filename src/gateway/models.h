/* Which models of this machine there are, and how they come and go: those of the configuration, declared at the start
 * and loaded when asked for. Any thread. */
#ifndef RUNG_GATEWAY_MODELS_H
#define RUNG_GATEWAY_MODELS_H

#include "gateway/gateway.h"
#include "runtime/runtime.h"

/* Declares every model with a file; the first tier's starts loading in the background. starter: the embedded model. */
bool models_open(struct gateway *g, struct str starter, struct err *err);
/* The configuration's index of a model by its name, aliases not followed; -1: there is none. */
int models_find(struct gateway *g, struct str name);
/* NULL for an upstream. */
struct local_model *models_local(const struct gateway *g, int model);

#endif
