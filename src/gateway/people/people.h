/* Who asks, and what they may: keys of the store (rung key) and of the configuration (`api_keys`).
 *
 * Invariants: a key's secret is never stored, only its SHA-256 (a secret of 256 random bits cannot be guessed from it,
 * so that no slow hash is needed); a key that was revoked or changed is believed for at most PEOPLE_LIFE_MS; what
 * cannot be looked up is not let in. Any thread. */
#ifndef RUNG_GATEWAY_PEOPLE_PEOPLE_H
#define RUNG_GATEWAY_PEOPLE_PEOPLE_H

#include "gateway/config.h"
#include "store/keys.h"

#define PEOPLE_LIFE_MS 1000
#define PEOPLE_SECRET_BYTES 47            /* "rk-", 43 letters and digits, NUL */

struct people;

/* ledger: NULL where none is kept; then only keys of the configuration are known. It outlives *ret. */
bool people_open(struct ledger *ledger, struct people **ret, struct err *err);
void people_close(struct people *p);      /* NULL allowed */

/* Who presents caller->key: sets `admin`, and for a key of the store `record`, which points to *record then. false: no
 * entry, with ERR_NOT_FOUND for a key that is needed and not known, ERR_BUSY when it cannot be looked up. */
bool people_know(struct people *p, const struct config *c, struct key_record *record, struct caller *caller,
                 struct err *err);

/* What a caller (NULL: nobody in particular) may use: all, but for keys of the store that say which. */
bool caller_may_use(const struct config *c, const struct caller *caller, int model);
/* The first tier whose model they may use, which `auto` begins at for them; -1: none. */
int caller_first_tier(const struct config *c, const struct caller *caller);
/* Of a model that is no entry of the configuration: one of the store of models. */
bool caller_may_use_name(const struct caller *caller, struct str name);
bool caller_may_use_alias(const struct config *c, const struct caller *caller, int alias);
/* Whether models may be pulled, copied and deleted, and other things be changed that concern everybody. */
bool caller_is_admin(const struct caller *caller);
static inline const struct key_record *caller_record(const struct caller *caller)
{
    return caller ? caller->record : NULL;
}

/* ---- making keys ---- */
bool people_make_secret(char ret[PEOPLE_SECRET_BYTES], struct err *err);
bool people_digest(struct str secret, char ret[KEY_DIGEST_BYTES]);
/* A new id and the prefix of this secret, which people tell keys apart by. */
bool people_name_key(const char *secret, struct key_record *ret, struct err *err);

#endif
