/* The rooms of the engine thread among themselves: scheduler.c (who comes and goes), turn.c (what a step holds). Every
 * call is the engine thread's. */
#ifndef RUNG_RUNTIME_SCHEDULE_SCHEDULE_H
#define RUNG_RUNTIME_SCHEDULE_SCHEDULE_H

#include "runtime/runtime_private.h"

/* A live generation ends: it leaves the list and its owner is told. */
void scheduler_drop(struct runtime *rt, struct generation *g, enum finish_reason reason, const struct err *err);

/* One engine step for what is live of the model, if anything is. */
void turn_run(struct runtime *rt, struct local_model *m);

#endif
