/* Keys by which people are known: what each may use, and what it has used. They live in the ledger's store, so that
 * several processes and nodes see one set; a change is seen by the next call.
 *
 * Invariants: a secret never comes here, only its digest (SHA-256, 64 hexadecimal digits); names of keys that are not
 * revoked are unique, ids and digests always; a revoked key stays, for the bill's sake. From any thread; each call
 * takes one turn of the ledger thread. */
#ifndef RUNG_STORE_KEYS_H
#define RUNG_STORE_KEYS_H

#include "store/ledger.h"

#define KEY_DIGEST_BYTES 65
#define KEYS_MAX 100000           /* keys_list gives no more */

struct key_record {
    char id[KEY_ID_BYTES];
    char name[LEDGER_NAME_BYTES];
    char prefix[24];              /* the beginning of the secret, shown to people */
    char models[1024], tiers[256];/* names with commas between; empty: all */
    char privacy[16];             /* "any", "local" */
    char rights[64];              /* names with commas between; empty: none beside asking */
    struct key_limits limits;
    int64_t created_ms;           /* since 1970; set by keys_create */
    int64_t expires_ms;           /* 0: never */
    int64_t revoked_ms;           /* 0: it is not */
    int64_t last_used_ms;         /* to the minute; 0: never */
};

struct key_usage {
    int64_t day_spent_pico_usd, day_reserved_pico_usd;       /* this day, UTC */
    int64_t month_spent_pico_usd, month_reserved_pico_usd;
    int64_t minute_requests, minute_tokens;                  /* as the limits count them */
};

/* Whether `name` stands in a list with commas between; an empty list holds nothing. */
bool key_list_has(const char *list, struct str name);

/* id, name, prefix and digest must be filled. ERR_INVALID when the name is another live key's, or the id or the digest
 * any key's. */
bool keys_create(struct ledger *l, const struct key_record *key, const char *digest, struct err *err);
/* By id or by the name of a live key; *ret (NULL allowed) is the key as it is now. ERR_NOT_FOUND for none; a revoked
 * one is left as it is. */
bool keys_revoke(struct ledger *l, const char *id_or_name, struct key_record *ret, struct err *err);
/* The live key of this digest: neither revoked nor expired. ERR_NOT_FOUND for none. */
bool keys_find(struct ledger *l, const char *digest, struct key_record *ret, struct err *err);
/* Whether a key was ever made here; revoked and expired ones count. */
bool keys_any(struct ledger *l, bool *ret, struct err *err);
/* All keys, revoked ones too, by time of creation; free(*ret). */
bool keys_list(struct ledger *l, struct key_record **ret, int64_t *ret_n, struct err *err);
bool keys_usage(struct ledger *l, const char *id, struct key_usage *ret, struct err *err);

#endif
