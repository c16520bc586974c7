/* Text of a user never becomes a control token. Before a chat template sees it, each occurrence of a control token's
 * name in user text is broken by an escape of Unicode noncharacters; after rendering, the text is encoded with
 * control tokens recognised, and the escapes are taken out of the plain runs between them. Round trip is exact for
 * every text. */
#ifndef RUNG_TEXT_GUARD_H
#define RUNG_TEXT_GUARD_H

#include "text/tokenizer.h"

/* Append `text` to *out with control-token names broken; also a beginning of one at its very end, which the template
 * might complete. */
void guard_escape(const struct tokenizer *t, struct str text, struct buf *out);
/* Tokens of a rendered template: control tokens outside escapes recognised. Appends to *ids. */
bool guard_encode(const struct tokenizer *t, struct str rendered, struct token_ids *ids, struct err *err);

/* Whether text holds one of the escape characters, U+FDD0 to U+FDEF. */
bool guard_has_escape(struct str text);

#endif
