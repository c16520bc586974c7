/* A ledger in a folder of its own, and rows to put into it. */
#ifndef RUNG_TESTS_STORE_SUPPORT_LEDGER_H
#define RUNG_TESTS_STORE_SUPPORT_LEDGER_H

#include "store/ledger.h"

/* Path of the test's ledger in a fresh folder that ledger_remove takes away, or the address of an emptied database.
 * Static storage. */
const char *ledger_fresh(void);
void ledger_remove(void);
struct ledger *ledger_must_open(void);

/* Row number i, settled: ok, one local attempt of low confidence and one upstream attempt that cost cost_pico_usd. */
struct ledger_row ledger_sample(int i, int64_t cost_pico_usd);
/* An attempt of tier "mid" for which no key pays. */
bool ledger_reserve(struct ledger *l, const char *id, int64_t pico_usd, int64_t budget_pico_usd, struct err *err);
/* A single number from the file, by another connection. */
int64_t ledger_query(const char *sql);

#endif
