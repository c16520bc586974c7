/* A ledger in a PostgreSQL database that several nodes share. Private to this floor.
 *
 * Invariants: transactions of all nodes take turns by one advisory lock, so what a batch read is still so when it
 * writes; times that nodes must agree on are the server's; a node that has not shown itself for POSTGRES_DEAD_MS is
 * dead for the others (if it lives after all, what it settles later counts). A connection that is lost is made anew
 * with patience; until then begin says ERR_BUSY. No wait for the server is longer than POSTGRES_WAIT_MS. */
#ifndef RUNG_STORE_POSTGRES_H
#define RUNG_STORE_POSTGRES_H

#include "store/sql/sql.h"

#define POSTGRES_DEAD_MS 20000
#define POSTGRES_WAIT_MS 10000

bool postgres_check_address(const char *address, struct err *err);
/* Connects, migrates and takes an owner number. The address may not hold a password. */
bool postgres_open(const char *address, struct sql **ret, struct err *err);
/* One that only reads, inside a transaction that sees one moment. */
bool postgres_open_reader(const char *address, struct sql **ret, struct err *err);

#endif
