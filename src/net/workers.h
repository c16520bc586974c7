/* Worker threads for jobs that may block. Started as jobs come, ended after a while without any. */
#ifndef RUNG_NET_WORKERS_H
#define RUNG_NET_WORKERS_H

#include "base/err.h"

struct workers;

bool workers_open(int max_threads, int max_waiting, void (*run)(void *job), struct workers **ret, struct err *err);
/* false: as many jobs as allowed are waiting already. */
bool workers_push(struct workers *w, void *job);
void workers_close(struct workers *w);   /* runs what was pushed, then ends */

#endif
