/* Keys in texts that were not made here: an upstream's error may repeat the key it was given, and goes into logs, into
 * replies and into the reasons that are stored. */
#ifndef RUNG_GATEWAY_SECRETS_H
#define RUNG_GATEWAY_SECRETS_H

#include "gateway/config.h"

#define SECRETS_HIDDEN "[hidden]"

/* Takes out of the text (of `size` bytes with its NUL, changed in place) every key of the configuration, `presented`
 * (what the caller came with; may be empty), and whatever looks like a key. */
void secrets_scrub(const struct config *c, struct str presented, char *text, size_t size);

#endif
