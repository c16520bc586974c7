/* Regular expressions applied to finished values, compiled once and remembered. */
#ifndef RUNG_GRAMMAR_VALIDATE_PATTERNS_H
#define RUNG_GRAMMAR_VALIDATE_PATTERNS_H

#include "grammar/schema_private.h"

/* Whether text matches: as a whole (anchored) or somewhere. The pattern's bytes must outlive p. Any thread. false for a
 * pattern that regex.h refuses, and past its ceilings. */
bool patterns_match(struct patterns *p, struct str pattern, bool anchored, struct str text, bool *ret_match,
                    struct err *err);
/* Format "regex": whether it is one, also of a kind that Rung does not match with. */
bool pattern_is_understood(struct str pattern);

#endif
