/* Listening sockets: the server's, and how a check learns whether a port is free. */
#ifndef RUNG_NET_LISTEN_H
#define RUNG_NET_LISTEN_H

#include "base/err.h"

#define LISTEN_MAX 2

/* Opens non-blocking listening sockets on a numeric address; "localhost" is 127.0.0.1 and, where there is IPv6, ::1 on
 * the same port, for clients differ in which they try. Port 0: any free one. Port taken: ERR_BUSY. The caller
 * closes. */
bool listen_open(const char *host, uint16_t port, int ret_fds[LISTEN_MAX], int *ret_n, uint16_t *ret_port,
                 struct err *err);

#endif
