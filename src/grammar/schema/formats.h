/* The formats of JSON Schema that Rung knows, as regular expressions over the whole text: the one source for the mask
 * and for the validator, so that neither is stricter than the other. */
#ifndef RUNG_GRAMMAR_SCHEMA_FORMATS_H
#define RUNG_GRAMMAR_SCHEMA_FORMATS_H

#include "base/str.h"

/* For regex.h, anchored; NULL for a format that is not known (an annotation then) or is no regular language. */
const char *schema_format_pattern(struct str name);

#endif
