/* Regular expressions as people write them (ECMA-262 with the u flag, which JSON Schema names, and what RE2 and PCRE
 * share with it) to terms of expr.h: classes, \d \w \s, \p{...} by general category and the larger scripts, groups
 * of any kind (captures are plain groups), (?i) and (?s), alternation, counted repetition (greedy and lazy alike),
 * anchors, word boundaries, look-ahead (by intersection with all that follows). Linear by construction.
 *
 * Refused, with the position and what to write instead: back references, look-behind, recursion, atomic groups, and
 * \b or look-ahead inside what is repeated more than 16 times. */
#ifndef RUNG_GRAMMAR_REGEX_H
#define RUNG_GRAMMAR_REGEX_H

#include "grammar/expr.h"

#define REGEX_MAX_BYTES (64u << 10)
#define REGEX_MAX_DEPTH 200

enum regex_mode {
    REGEX_TEXT,   /* the match is of the text as it is */
    REGEX_JSON    /* the match is of the inside of a JSON string: '"', '\\' and characters below U+0020 stand escaped,
                   * in the short form where there is one, else \u00xx in lower case; all else stands as it is */
};

/* anchored: the whole text must match, as a rule for an answer wants it; else a match anywhere will do, as JSON
 * Schema's pattern has it. ERR_INVALID with the offset; ERR_UNSUPPORTED for what is refused. */
bool regex_compile(struct exprs *x, struct str pattern, enum regex_mode mode, bool anchored, uint32_t *ret,
                   struct err *err);
/* One code point in the mode's spelling: what a class becomes. */
uint32_t regex_code_points(struct exprs *x, enum regex_mode mode, const struct code_range *ranges, int n);
/* A given text in the mode's spelling. */
uint32_t regex_text(struct exprs *x, enum regex_mode mode, struct str utf8);

#endif
