/* Private to net: the certificate that a server shows, from PEM files, and another in its place while it serves. */
#ifndef RUNG_NET_TLS_H
#define RUNG_NET_TLS_H

#include <gnutls/abstract.h>

#include "base/err.h"

struct tls;

/* cert: the certificate, and behind it those that lead to a known one. key: its private key, without a password. */
bool tls_open(const char *cert, const char *key, struct tls **ret, struct err *err);
/* For connections from now on. On failure nothing has changed. */
bool tls_renew(struct tls *t, const char *cert, const char *key, struct err *err);
void tls_close(struct tls *t);   /* NULL allowed; behind the last connection */

/* libmicrohttpd asks for the certificate without saying of which server, but on the thread that serves its
 * connections: that thread says it here first. */
void tls_of_this_thread(struct tls *t);
int tls_retrieve(gnutls_session_t session, const gnutls_datum_t *authorities, int n_authorities,
                 const gnutls_pk_algorithm_t *algorithms, int n_algorithms, gnutls_pcert_st **ret_certs,
                 unsigned int *ret_n, gnutls_privkey_t *ret_key);

#endif
