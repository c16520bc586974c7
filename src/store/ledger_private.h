/* What keys.c asks of the ledger thread. */
#ifndef RUNG_STORE_LEDGER_PRIVATE_H
#define RUNG_STORE_LEDGER_PRIVATE_H

#include "store/batch/batch.h"

/* Queue a job that lives on the caller's stack and wait for its answer. While the queue is full: ERR_BUSY, or wait. */
bool ledger_ask(struct ledger *l, struct job *job, bool wait_for_room, struct err *err);

#endif
