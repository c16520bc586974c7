/* Looking keys up: in the configuration, then in a small memory of the store's, whose entries live for a second. One
 * thread asks again when half of that is over, while the others go on with what is known. */
#include "gateway/people/people.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"

#define SLOTS 1024
#define REFRESH_MS (PEOPLE_LIFE_MS / 2)

struct slot {
    char digest[KEY_DIGEST_BYTES];        /* empty: free */
    int64_t asked_ms;                     /* monotonic */
    bool found, asking;
    struct key_record *record;
};

struct people {
    struct ledger *ledger;
    pthread_mutex_t lock;                 /* guards everything below */
    struct slot slots[SLOTS];
    int64_t any_asked_ms;
    bool any, any_known;                  /* whether there is a key at all; once there is one it stays so */
};

bool people_open(struct ledger *ledger, struct people **ret, struct err *err)
{
    struct people *p = calloc(1, sizeof *p);
    if (!p)
        return err_nomem(err, "the memory of keys");
    p->ledger = ledger;
    pthread_mutex_init(&p->lock, NULL);
    *ret = p;
    return true;
}

void people_close(struct people *p)
{
    if (!p)
        return;
    for (int i = 0; i < SLOTS; i++)
        free(p->slots[i].record);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* ---- keys of the configuration ---- */

/* The time taken does not depend on where two keys differ. */
static bool same_key(struct str given, const char *key)
{
    struct str want = str_of(key);
    unsigned char diff = given.n != want.n;
    for (size_t i = 0; i < want.n; i++)
        diff |= (unsigned char)want.p[i] ^ (unsigned char)(i < given.n ? given.p[i] : 0);
    return diff == 0;
}

static bool is_configured(const struct config *c, struct str key)
{
    bool ok = false;
    for (int i = 0; i < c->n_api_keys; i++)
        ok |= same_key(key, c->api_keys[i]);
    return ok;
}

/* ---- keys of the store ---- */

static struct slot *slot_of(struct people *p, const char *digest)
{
    unsigned at = 0;
    for (int i = 0; i < 8; i++)
        at = at * 16 + (unsigned)(digest[i] <= '9' ? digest[i] - '0' : digest[i] - 'a' + 10);
    return &p->slots[at % SLOTS];
}

/* What is remembered of a key and not too old. false: ask the store. The first to come after half of an entry's life
 * asks too. */
static bool recall(struct people *p, const char *digest, bool *ret_found, struct key_record *record)
{
    int64_t now = clock_ms();
    pthread_mutex_lock(&p->lock);
    struct slot *s = slot_of(p, digest);
    bool known = strcmp(s->digest, digest) == 0 && now - s->asked_ms < PEOPLE_LIFE_MS;
    if (known && now - s->asked_ms >= REFRESH_MS && !s->asking) {
        s->asking = true;
        known = false;
    }
    if (known) {
        *ret_found = s->found;
        if (s->found)
            *record = *s->record;
    }
    pthread_mutex_unlock(&p->lock);
    return known;
}

static void remember(struct people *p, const char *digest, int64_t asked_ms, bool found,
                     const struct key_record *record)
{
    pthread_mutex_lock(&p->lock);
    struct slot *s = slot_of(p, digest);
    if (found && !s->record)
        s->record = malloc(sizeof *s->record);
    if (!found || s->record) {
        memcpy(s->digest, digest, sizeof s->digest);
        s->asked_ms = asked_ms;
        s->found = found;
        s->asking = false;
        if (found)
            *s->record = *record;
    }
    pthread_mutex_unlock(&p->lock);
}

/* An expired key is none, however fresh its entry. */
static bool is_live(const struct key_record *record)
{
    return !record->expires_ms || record->expires_ms > clock_wall_ms();
}

/* true: *ret_found says whether there is such a key. */
static bool find_key(struct people *p, struct str key, bool *ret_found, struct key_record *record, struct err *err)
{
    char digest[KEY_DIGEST_BYTES];
    struct err why = ERR_INIT;
    *ret_found = false;
    if (!p->ledger || !str_starts(key, STR("rk-")) || key.n != PEOPLE_SECRET_BYTES - 1)
        return true;
    if (!people_digest(key, digest))
        return err_set(err, ERR_INTERNAL, "the key cannot be looked up");
    if (!recall(p, digest, ret_found, record)) {
        int64_t asked_ms = clock_ms();
        *ret_found = keys_find(p->ledger, digest, record, &why);
        if (!*ret_found && why.code != ERR_NOT_FOUND)
            return err_set(err, ERR_BUSY, "the key cannot be looked up: %s", why.msg);
        remember(p, digest, asked_ms, *ret_found, record);
    }
    *ret_found = *ret_found && is_live(record);
    return true;
}

/* Whether the store has ever had a key: then nobody comes in without one. */
static bool any_keys(struct people *p, bool *ret, struct err *err)
{
    struct err why = ERR_INIT;
    int64_t now = clock_ms();
    bool any = false;
    if (!p->ledger) {
        *ret = false;
        return true;
    }
    pthread_mutex_lock(&p->lock);
    *ret = p->any;
    bool known = p->any || (p->any_known && now - p->any_asked_ms < PEOPLE_LIFE_MS);
    pthread_mutex_unlock(&p->lock);
    if (known)
        return true;
    if (!keys_any(p->ledger, &any, &why))
        return err_set(err, ERR_BUSY, "keys cannot be looked up: %s", why.msg);
    pthread_mutex_lock(&p->lock);
    p->any |= any;
    p->any_known = true;
    p->any_asked_ms = now;
    *ret = p->any;
    pthread_mutex_unlock(&p->lock);
    return true;
}

/* Beyond this machine everybody needs a key, whether or not one was made. */
static bool key_is_needed(struct people *p, const struct config *c, bool *ret, struct err *err)
{
    *ret = c->n_api_keys > 0 || !config_is_loopback(c->listen_host);
    return *ret || any_keys(p, ret, err);
}

bool people_know(struct people *p, const struct config *c, struct key_record *record, struct caller *caller,
                 struct err *err)
{
    bool found = false, needed = false;
    struct str key = caller->key;
    caller->record = NULL;
    caller->admin = is_configured(c, key);
    if (caller->admin)
        return true;
    if (!find_key(p, key, &found, record, err))
        return false;
    if (found) {
        caller->record = record;
        caller->admin = key_list_has(record->rights, STR("admin"));
        return true;
    }
    if (!key_is_needed(p, c, &needed, err))
        return false;
    caller->admin = !needed;
    return !needed || err_set(err, ERR_NOT_FOUND, "%s", key.n ? "the API key is not known, was revoked or has expired"
                                                              : "an API key is needed and none was given");
}

/* ---- what they may use ---- */

bool caller_may_use_name(const struct caller *caller, struct str name)
{
    const struct key_record *r = caller_record(caller);
    return !r || ((!r->models[0] || key_list_has(r->models, name)) && !r->tiers[0]);
}

bool caller_may_use(const struct config *c, const struct caller *caller, int model)
{
    const struct key_record *r = caller_record(caller);
    if (!r)
        return true;
    bool ok = !r->tiers[0];
    for (int t = 0; t < c->n_tiers && !ok; t++)
        ok = c->tiers[t].model == model && key_list_has(r->tiers, str_of(c->tiers[t].name));
    return ok && (!r->models[0] || key_list_has(r->models, str_of(c->models[model].name)));
}

int caller_first_tier(const struct config *c, const struct caller *caller)
{
    for (int t = 0; t < c->n_tiers; t++)
        if (caller_may_use(c, caller, c->tiers[t].model))
            return t;
    return -1;
}

bool caller_may_use_alias(const struct config *c, const struct caller *caller, int alias)
{
    int model = config_find_model(c, str_of(c->aliases[alias].to));
    return model < 0 || caller_may_use(c, caller, model);
}

bool caller_is_admin(const struct caller *caller) { return !caller || caller->admin; }
