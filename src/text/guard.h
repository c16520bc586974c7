/* Text of a user never becomes a control token. Before a chat template sees it, each occurrence of a control token's
 * name in user text is broken by an escape of Unicode noncharacters; after rendering, the text is encoded with
 * control tokens recognised, and the escapes are taken out of the plain runs between them. Round trip is exact for
 * every text. A template that changes the text may still make a name of it: whoever renders does it a second time with
 * guard_spell and compares. */
#ifndef RUNG_TEXT_GUARD_H
#define RUNG_TEXT_GUARD_H

#include "text/tokenizer.h"

/* Append `text` to *out with control-token names broken; also a beginning of one at its very end, which the template
 * might complete. */
void guard_escape(const struct tokenizer *t, struct str text, struct buf *out);
/* The same, safe also from a template that puts a name together: one that removes the middle of "<|im_/thinkend|>", or
 * writes "<|IM_END|>" in small letters. Every character that begins a name is spelled, so the template can no longer
 * look for it. */
void guard_spell(const struct tokenizer *t, struct str text, struct buf *out);
/* Whether guard_spell would change text. */
bool guard_spells(const struct tokenizer *t, struct str text);
/* Whether two rendered templates have the same control tokens in the same order. */
bool guard_same_controls(const struct tokenizer *t, struct str a, struct str b);
/* Tokens of a rendered template: control tokens outside escapes recognised. Appends to *ids. */
bool guard_encode(const struct tokenizer *t, struct str rendered, struct token_ids *ids, struct err *err);

/* Whether text holds one of the escape characters, U+FDD0 to U+FDEF. */
bool guard_has_escape(struct str text);

#endif
