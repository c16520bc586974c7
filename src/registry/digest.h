/* SHA-256, the digest that names a file's content: of bytes as they come, and of whole files. (FIPS 180-4, by
 * OpenSSL.) */
#ifndef RUNG_REGISTRY_DIGEST_H
#define RUNG_REGISTRY_DIGEST_H

#include "registry/name.h"
#include "registry/remote.h"

struct digest;

bool digest_new(struct digest **ret, struct err *err);
void digest_add(struct digest *d, const void *p, size_t n);
/* Lower-case hex of everything added; d takes no more after it. A failure anywhere before is told here. */
bool digest_end(struct digest *d, char ret[DIGEST_HEX + 1], struct err *err);
void digest_free(struct digest *d);   /* NULL allowed */

/* Of bytes in memory. */
bool digest_of(struct str bytes, char ret[DIGEST_HEX + 1], struct err *err);
/* Of what an open file holds from its beginning, whatever its position; path stands in errors. progress may be NULL;
 * when its step says false the error is ERR_CANCELLED. */
bool digest_fd(int fd, const char *path, const struct remote_progress *progress, char ret[DIGEST_HEX + 1],
               struct err *err);

#endif
