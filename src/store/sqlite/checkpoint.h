/* Moving what was committed out of SQLite's write-ahead log (the file PATH-wal) into the ledger's file, on a thread
 * and a connection of its own, so that no commit waits for the disk to take what earlier ones wrote. Private to this
 * floor.
 *
 * Invariants: durability is the log's business, never this thread's (a process killed in a pass loses nothing, and a
 * pass makes the log durable before it touches the ledger); a log that no reader holds on to stays below `ceiling` plus
 * one transaction; a reader that stands still lets it grow, and costs the writer a short wait each `every` pages. */
#ifndef RUNG_STORE_CHECKPOINT_H
#define RUNG_STORE_CHECKPOINT_H

#include "store/sqlite/sqlite.h"

/* In pages of 4 KiB of the log. */
struct checkpoint_limits {
    int64_t every;     /* a pass begins when the log has grown by so many since the last */
    int64_t restart;   /* from here on the writer is held, after a pass, until the log can begin anew */
    int64_t ceiling;   /* from here on the writer waits for a pass that is under way */
};

struct checkpointer;
/* Of an open file, which must outlive the checkpointer. */
bool checkpointer_start(const struct sqlite *file, struct checkpoint_limits limits, struct checkpointer **ret,
                        struct err *err);
void checkpointer_stop(struct checkpointer *c);   /* NULL allowed */
/* The writer calls this between two transactions. */
void checkpointer_make_room(struct checkpointer *c, int64_t wal_pages);

#endif
