/* Patterns of the owner's own, beside the forms of pii.h: regular expressions (PCRE2, UTF-8) that say which texts
 * count as what. A pattern that works too long on a text counts as found there, for what could not be looked at must
 * not pass.
 *
 * Immutable once all are added, then any thread. */
#ifndef RUNG_SCAN_PATTERNS_H
#define RUNG_SCAN_PATTERNS_H

#include "base/err.h"
#include "base/str.h"

#define PATTERNS_MAX 64
#define PATTERN_MAX_BYTES 4096
#define PATTERN_MAX_FOUND 10000          /* of one pattern in one text; more are not counted */

struct patterns;

bool patterns_open(struct patterns **ret, struct err *err);
void patterns_close(struct patterns *p);   /* NULL allowed */
/* ERR_INVALID: what is wrong and at which byte of the expression, or it matches the empty text; ERR_LIMIT: too many,
 * too long. */
bool patterns_add(struct patterns *p, struct str expression, struct err *err);
int patterns_count(const struct patterns *p);
/* Adds to counts[i] how often pattern i is found. Bytes that are no UTF-8 match nothing, what stands around them is
 * looked at. */
void patterns_scan(const struct patterns *p, struct str text, uint32_t counts[]);

#endif
