/* The simple ways to say a rule. Each gives finished rules (grammar/rules.h), the caller's to pass to constraint_open
 * or to rules_close. Errors say where: an offset, or line and column for GBNF. */
#ifndef RUNG_GRAMMAR_FRONTENDS_H
#define RUNG_GRAMMAR_FRONTENDS_H

#include "base/err.h"
#include "base/str.h"
#include "grammar/rules.h"

#define GBNF_MAX_BYTES (1u << 20)
#define CHOICES_MAX 4096
#define CHOICES_MAX_BYTES (256u << 10)   /* over all of them */
#define JSON_ANY_MAX_DEPTH 32            /* levels of a value about which nothing else is said */

/* White space between JSON's parts: what JSON allows, but bounded, so that no answer fills itself with it. */
enum json_space {
    JSON_SPACE_SOME,      /* nothing, one space, or a line break and up to 32 spaces or tabs: the default */
    JSON_SPACE_NONE,
};
/* The nodes for a place where white space may stand, and for any JSON value or object: nested at most
 * JSON_ANY_MAX_DEPTH, no key twice in an object, strings in the one spelling of REGEX_JSON and without U+0000, numbers
 * that 64 bits hold. Each call makes them anew: a caller with many such places keeps the number. */
uint32_t rules_json_space(struct rules *r, enum json_space space);
uint32_t rules_json_value(struct rules *r, enum json_space space);
uint32_t rules_json_object(struct rules *r, enum json_space space);

bool rule_any_json(bool object_only, struct rules **ret, struct err *err);   /* response_format json_object */
bool rule_regex(struct str pattern, struct rules **ret, struct err *err);    /* the whole answer matches */
bool rule_choices(const struct str *choices, int n, struct rules **ret, struct err *err);
bool rule_gbnf(struct str text, struct rules **ret, struct err *err);        /* root is the start */

#endif
