/* Which tier a conversation has climbed to. A bounded memory (the least recently used of a set is forgotten); the key
 * is metadata.conversation_id, else a hash of the first messages. Thread-safe. */
#ifndef RUNG_GATEWAY_ANSWER_STICKY_H
#define RUNG_GATEWAY_ANSWER_STICKY_H

#include "gateway/request.h"

#define STICKY_SETS 2048
#define STICKY_WAYS 4

struct sticky;

bool sticky_open(struct sticky **ret, struct err *err);
void sticky_close(struct sticky *s);
/* 0 when it never climbed. Without a conversation_id a request with no earlier answer in it begins a conversation: 0.
 */
int sticky_get(struct sticky *s, const struct request *req);
void sticky_put(struct sticky *s, const struct request *req, int tier);

#endif
