/* Who writes into a ledger file, and who of them lives. A writer lives as long as it holds a lock on "its" byte of a
 * file beside the ledger, PATH-owners: the kernel lets go for it. Private to this floor. */
#ifndef RUNG_STORE_SQLITE_OWNERS_H
#define RUNG_STORE_SQLITE_OWNERS_H

#include "base/err.h"

struct owners {
    int fd;
};

/* Opens the file of locks and waits for the turn to open the ledger: one at a time, and the others wait. */
bool owners_open(const char *ledger_path, struct owners *ret, struct err *err);
/* Ends the turn. */
void owners_opened(const struct owners *o);
/* Until the process ends or owners_close. */
bool owners_live(const struct owners *o, int64_t owner, struct err *err);
bool owners_lives(const struct owners *o, int64_t owner);
/* Whether no other writer has the file open. From any thread. */
bool owners_alone(const struct owners *o);
void owners_close(struct owners *o);

#endif
