/* Keys for the tests of the gateway: made beside the server, in its own ledger, as `rung key create` does. */
#ifndef RUNG_TESTS_GATEWAY_SUPPORT_KEYS_H
#define RUNG_TESTS_GATEWAY_SUPPORT_KEYS_H

#include "gateway/people/people.h"
#include "support_gateway.h"

#define NO_LIMITS ((struct key_limits){KEY_NO_LIMIT, KEY_NO_LIMIT, KEY_NO_LIMIT, KEY_NO_LIMIT})

/* Makes a key with what `wish` says (its id, prefix and empty fields are filled in) and gives its secret. */
void key_make(struct house *h, struct key_record wish, char secret[PEOPLE_SECRET_BYTES]);
void key_revoke(struct house *h, const char *name);
struct key_usage key_usage_of(struct house *h, const char *name);

/* One request with a key (NULL: none). */
void key_request(struct house *h, const char *secret, const char *method, const char *path, const char *body, struct plain_reply *ret);
int key_status(struct house *h, const char *secret, const char *method, const char *path, const char *body);

#endif
