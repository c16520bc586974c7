/* The calls about keys: each is one job of the ledger thread. */
#include "store/keys.h"

#include <stdlib.h>

#include "store/ledger_private.h"

bool key_list_has(const char *list, struct str name)
{
    for (const char *p = list; *p;) {
        size_t n = strcspn(p, ",");
        if (str_eq((struct str){p, n}, name))
            return true;
        p += n + (p[n] == ',');
    }
    return false;
}

bool keys_create(struct ledger *l, const struct key_record *key, const char *digest, struct err *err)
{
    struct key_record k = *key;
    struct job job = {.kind = JOB_KEY_CREATE, .key = &k, .text = digest, .err = ERR_INIT};
    if (!k.id[0] || !k.name[0] || strlen(digest) != KEY_DIGEST_BYTES - 1)
        return err_set(err, ERR_INTERNAL, "a key has no id, no name or no digest");
    return ledger_ask(l, &job, true, err);
}

bool keys_revoke(struct ledger *l, const char *id_or_name, struct key_record *ret, struct err *err)
{
    struct key_record k;
    struct job job = {.kind = JOB_KEY_REVOKE, .key = &k, .text = id_or_name, .err = ERR_INIT};
    if (!ledger_ask(l, &job, true, err))
        return false;
    if (ret)
        *ret = k;
    return true;
}

bool keys_find(struct ledger *l, const char *digest, struct key_record *ret, struct err *err)
{
    struct key_record k;
    struct job job = {.kind = JOB_KEY_FIND, .key = &k, .text = digest, .err = ERR_INIT};
    if (!ledger_ask(l, &job, false, err))
        return false;
    *ret = k;
    return true;
}

bool keys_any(struct ledger *l, bool *ret, struct err *err)
{
    struct job job = {.kind = JOB_KEYS_ANY, .err = ERR_INIT};
    if (!ledger_ask(l, &job, false, err))
        return false;
    *ret = job.number > 0;
    return true;
}

bool keys_list(struct ledger *l, struct key_record **ret, int64_t *ret_n, struct err *err)
{
    struct key_list list = {0};
    struct job job = {.kind = JOB_KEYS_LIST, .list = &list, .err = ERR_INIT};
    if (!ledger_ask(l, &job, false, err)) {
        free(list.keys);
        return false;
    }
    *ret = list.keys;
    *ret_n = list.n;
    return true;
}

bool keys_usage(struct ledger *l, const char *id, struct key_usage *ret, struct err *err)
{
    struct key_usage used;
    struct job job = {.kind = JOB_KEY_USAGE, .text = id, .usage = &used, .err = ERR_INIT};
    if (!id[0])
        return err_set(err, ERR_INVALID, "a key's usage is asked for without its id");
    if (!ledger_ask(l, &job, false, err))
        return false;
    *ret = used;
    return true;
}
