/* Keys made, revoked and presented. */
#include "support_keys.h"

static struct ledger *open_ledger(struct house *h)
{
    struct ledger *l = NULL;
    struct err err = ERR_INIT;
    assert_ok(ledger_open(h->ledger, &(struct ledger_options){0}, &l, &err), err);
    return l;
}

void key_make(struct house *h, struct key_record wish, char secret[PEOPLE_SECRET_BYTES])
{
    char digest[KEY_DIGEST_BYTES];
    struct err err = ERR_INIT;
    struct ledger *l = open_ledger(h);
    assert_ok(people_make_secret(secret, &err), err);
    assert_ok(people_name_key(secret, &wish, &err), err);
    assert_true(people_digest(str_of(secret), digest));
    if (!wish.privacy[0])
        snprintf(wish.privacy, sizeof wish.privacy, "any");
    assert_ok(keys_create(l, &wish, digest, &err), err);
    ledger_close(l);
}

void key_revoke(struct house *h, const char *name)
{
    struct err err = ERR_INIT;
    struct ledger *l = open_ledger(h);
    assert_ok(keys_revoke(l, name, NULL, &err), err);
    ledger_close(l);
}

struct key_usage key_usage_of(struct house *h, const char *name)
{
    struct key_record *keys;
    struct key_usage usage = {0};
    struct err err = ERR_INIT;
    struct ledger *l = open_ledger(h);
    int64_t n;
    assert_ok(keys_list(l, &keys, &n, &err), err);
    for (int64_t i = 0; i < n; i++) {
        if (strcmp(keys[i].name, name) == 0)
            assert_ok(keys_usage(l, keys[i].id, &usage, &err), err);
    }
    free(keys);
    ledger_close(l);
    return usage;
}

void key_request(struct house *h, const char *secret, const char *method, const char *path, const char *body, struct plain_reply *ret)
{
    char headers[256];
    snprintf(headers, sizeof headers, "%s%s%sContent-Type: application/json\r\n", secret ? "Authorization: Bearer " : "",
             secret ? secret : "", secret ? "\r\n" : "");
    plain_request(h->port, method, path, headers, body, ret);
}

int key_status(struct house *h, const char *secret, const char *method, const char *path, const char *body)
{
    struct plain_reply r;
    key_request(h, secret, method, path, body, &r);
    int status = r.status;
    plain_free(&r);
    return status;
}
