/* Private to net: whether a request's head means the same to everybody who reads it. Where two readers on the way (a
 * proxy and this server) could see different requests, one can be smuggled inside another: such heads are refused. */
#ifndef RUNG_NET_HEAD_H
#define RUNG_NET_HEAD_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/* Of a field: a name; a value without control characters. */
bool head_is_token(struct str name);
bool head_is_text(struct str value);
/* The target's path: of "http://HOST/path" too, where HOST is the one that the Host field names; else NULL. Points into
 * target, or is "/". */
const char *head_path(struct MHD_Connection *conn, const char *target);
/* Whether the head may be answered. target: as head_path gives it. *ret_closes: its body's framing is one that readers
 * have differed on, so nothing behind it on the same connection is to be read. */
bool head_is_plain(struct MHD_Connection *conn, const char *method, const char *target, const char *version,
                   bool *ret_closes);
/* libmicrohttpd's unescape callback: %XX once. What cannot stand in a path becomes a target that head_is_plain
 * refuses. */
size_t head_unescape(void *ctx, struct MHD_Connection *conn, char *text);

#endif
