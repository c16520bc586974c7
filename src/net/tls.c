/* Certificates: read, checked against their key, shown. What is replaced is kept until the server ends, for handshakes
 * may still use it; that costs a few kilobytes at each renewal. */
#include "net/tls.h"

#include <gnutls/x509.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CHAIN 16
#define KEY_ID_BYTES 64

struct identity {
    struct identity *before;
    gnutls_pcert_st certs[MAX_CHAIN];
    unsigned int n;
    gnutls_privkey_t key;
};

struct tls {
    _Atomic(struct identity *) now;
};

static _Thread_local struct tls *thread_tls;

static void identity_free(struct identity *id)
{
    for (unsigned int i = 0; i < id->n; i++)
        gnutls_pcert_deinit(&id->certs[i]);
    if (id->key)
        gnutls_privkey_deinit(id->key);
    free(id);
}

static bool fail(struct err *err, const char *path, int code)
{
    return err_set(err, ERR_INVALID, "cannot use %s for TLS: %s", path, gnutls_strerror(code));
}

static bool read_certs(const char *path, struct identity *id, struct err *err)
{
    unsigned int n = MAX_CHAIN;
    int code = gnutls_pcert_list_import_x509_file(id->certs, &n, path, GNUTLS_X509_FMT_PEM, NULL, NULL, 0);
    if (code < 0)
        return fail(err, path, code);
    id->n = n;
    return n > 0 || err_set(err, ERR_INVALID, "%s holds no certificate", path);
}

static bool read_key(const char *path, struct identity *id, struct err *err)
{
    gnutls_datum_t text = {0};
    int code = gnutls_load_file(path, &text);
    if (code < 0)
        return fail(err, path, code);
    code = gnutls_privkey_init(&id->key);
    if (code >= 0)
        code = gnutls_privkey_import_x509_raw(id->key, &text, GNUTLS_X509_FMT_PEM, NULL, 0);
    explicit_bzero(text.data, text.size);
    gnutls_free(text.data);
    return code >= 0 || fail(err, path, code);
}

static bool belong_together(const struct identity *id)
{
    unsigned char of_cert[KEY_ID_BYTES], of_key[KEY_ID_BYTES];
    size_t n_cert = sizeof of_cert, n_key = sizeof of_key;
    gnutls_pubkey_t public_key;
    if (gnutls_pubkey_init(&public_key) < 0)
        return false;
    bool same = gnutls_pubkey_import_privkey(public_key, id->key, 0, 0) >= 0 &&
                gnutls_pubkey_get_key_id(public_key, GNUTLS_KEYID_USE_SHA256, of_key, &n_key) >= 0 &&
                gnutls_pubkey_get_key_id(id->certs[0].pubkey, GNUTLS_KEYID_USE_SHA256, of_cert, &n_cert) >= 0 &&
                n_key == n_cert && memcmp(of_key, of_cert, n_key) == 0;
    gnutls_pubkey_deinit(public_key);
    return same;
}

static bool identity_open(const char *cert, const char *key, struct identity **ret, struct err *err)
{
    struct identity *id = calloc(1, sizeof *id);
    if (!id)
        return err_nomem(err, "a certificate");
    bool ok = read_certs(cert, id, err) && read_key(key, id, err) &&
              (belong_together(id) || err_set(err, ERR_INVALID, "the key in %s is not that of the certificate in %s",
                                              key, cert));
    if (!ok) {
        identity_free(id);
        return false;
    }
    *ret = id;
    return true;
}

bool tls_open(const char *cert, const char *key, struct tls **ret, struct err *err)
{
    struct tls *t = calloc(1, sizeof *t);
    if (!t)
        return err_nomem(err, "TLS");
    if (!tls_renew(t, cert, key, err)) {
        free(t);
        return false;
    }
    *ret = t;
    return true;
}

bool tls_renew(struct tls *t, const char *cert, const char *key, struct err *err)
{
    struct identity *id;
    if (!identity_open(cert, key, &id, err))
        return false;
    id->before = atomic_load(&t->now);
    atomic_store(&t->now, id);
    return true;
}

void tls_close(struct tls *t)
{
    struct identity *id = t ? atomic_load(&t->now) : NULL;
    while (id) {
        struct identity *before = id->before;
        identity_free(id);
        id = before;
    }
    free(t);
}

void tls_of_this_thread(struct tls *t) { thread_tls = t; }

int tls_retrieve(gnutls_session_t session, const gnutls_datum_t *authorities, int n_authorities,
                 const gnutls_pk_algorithm_t *algorithms, int n_algorithms, gnutls_pcert_st **ret_certs,
                 unsigned int *ret_n, gnutls_privkey_t *ret_key)
{
    (void)session;
    (void)authorities;
    (void)n_authorities;
    (void)algorithms;
    (void)n_algorithms;
    struct identity *id = thread_tls ? atomic_load(&thread_tls->now) : NULL;
    if (!id)
        return -1;
    *ret_certs = id->certs;
    *ret_n = id->n;
    *ret_key = id->key;
    return 0;
}
