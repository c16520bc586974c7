/* What comes inside a request that is not text: images, sound, files. */
#ifndef RUNG_GATEWAY_API_MEDIA_H
#define RUNG_GATEWAY_API_MEDIA_H

#include "base/err.h"
#include "base/str.h"

#define MEDIA_MAX_PARTS 256              /* of one request */
#define MEDIA_MAX_BYTES (24u << 20)      /* of one of them, in base64 */
#define MEDIA_MAX_URL 4096               /* of an address that is to be fetched */

/* Letters, digits, '+' and '/', with at most two '=' at the end. */
bool media_is_base64(struct str text);
/* An image's address: "https://..." or "data:image/png;base64,..." (PNG, JPEG, GIF, WebP). The sentence begins with the
 * field in single quotes. */
bool media_check_image(const char *field, struct str url, struct err *err);

#endif
