/* Is a text in a language that small models handle (English, Chinese), or in another? By script, then by common
 * words. */
#ifndef RUNG_GATEWAY_POLICY_LANGUAGE_H
#define RUNG_GATEWAY_POLICY_LANGUAGE_H

#include "base/str.h"

/* folded: the same text as cue_fold leaves it. true: another language than English and Chinese. */
bool language_is_other(struct str text, const char *folded);

#endif
