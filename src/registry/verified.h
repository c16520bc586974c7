/* Digests computed before, kept in ROOT/verified so that gigabytes are not read again for every start.
 *
 * A line is: DIGEST DEVICE INODE BYTES MTIME_NS CTIME_NS. The change time is the kernel's, not a program's to set, so
 * whoever writes to a file changes its line; a file without a line of its own is read. The folder is the user's, and
 * who may write there may replace the program as well. */
#ifndef RUNG_REGISTRY_VERIFIED_H
#define RUNG_REGISTRY_VERIFIED_H

#include <sys/stat.h>

#include "registry/name.h"

#define VERIFIED_MAX_LINES 1024   /* the latest */

bool verified_find(const char *root, const struct stat *st, char ret[DIGEST_HEX + 1]);
/* A store that cannot be written forgets: that is no error. */
void verified_note(const char *root, const struct stat *st, const char digest[DIGEST_HEX + 1]);

#endif
