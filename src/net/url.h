/* URLs of HTTP: which server one leads to, and what a relative one means. By the parser that later connects
 * (libcurl's), so that both read a URL alike.
 *
 * Invariants: only http and https pass, with a host and without a user name. */
#ifndef RUNG_NET_URL_H
#define RUNG_NET_URL_H

#include "base/buf.h"

#define URL_MAX_BYTES 16384
#define URL_MAX_HOST 255

struct url_origin {
    bool https;
    char host[URL_MAX_HOST + 1];    /* lower case; an IPv6 address in brackets */
    uint16_t port;
};

bool url_origin(const char *url, struct url_origin *ret, struct err *err);
bool url_origin_equal(const struct url_origin *a, const struct url_origin *b);
/* 127.0.0.0/8, [::1] and localhost. */
bool url_origin_is_loopback(const struct url_origin *o);
/* What `location` means on the page at `base`: absolute or relative to it. The caller's to free. */
bool url_join(const char *base, struct str location, char **ret, struct err *err);
/* Percent-encodes all but letters, digits and -._~ and the bytes of `keep`. */
void url_escape(struct str text, const char *keep, struct buf *out);

#endif
