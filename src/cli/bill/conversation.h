/* The bill of one conversation, turn by turn. */
#ifndef RUNG_CLI_BILL_CONVERSATION_H
#define RUNG_CLI_BILL_CONVERSATION_H

#include "gateway/config.h"

/* Prints it, as JSON or for people. prices: for what caching saved; NULL: that is not said. ERR_NOT_FOUND where the
 * ledger has no turn of it. */
bool bill_conversation(const char *ledger, const char *id, const struct config *prices, bool json, struct err *err);

#endif
