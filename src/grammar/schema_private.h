/* What reading, validating and enforcing a schema share. Nobody else includes this.
 *
 * A subschema is an object or a boolean somewhere in the document (or in one that schema_options.document gave), known
 * by its JSON. Reading walks all of them once: it checks every keyword's form, notes base URIs and anchors, resolves
 * every reference, and so afterwards nothing can fail to be found.
 *
 * Forms that older documents have are let through, so who enforces must know them: exclusiveMinimum and
 * exclusiveMaximum may be booleans (draft 4: they sharpen minimum and maximum), items may be an array (with
 * additionalItems for the rest), counts and bounds may be written as 2.0, lists of branches and enum may be empty. */
#ifndef RUNG_GRAMMAR_SCHEMA_PRIVATE_H
#define RUNG_GRAMMAR_SCHEMA_PRIVATE_H

#include "grammar/schema.h"

#define SCHEMA_PATH_MAX 255             /* bytes of a path; longer ones end in "..." */

struct resource;                        /* a document, or a part of one with a URI of its own */

struct subschema {
    const json_t *json;              /* an object or a boolean */
    const char *path;                /* JSON pointer from the document's root, for messages */
    const struct subschema *ref;     /* what $ref names, resolved; NULL: none, or it cannot be reached from the root */
    /* What $dynamicRef names at first. NULL where the choice cannot depend on how one came here: then ref is set, or,
     * where there is a $ref too, both_ref. */
    const struct subschema *dynamic_ref;
    const struct subschema *both_ref;
    const struct resource *resource;
    enum schema_draft draft;
    bool ref_alone;                  /* draft 7, where siblings of $ref do not count */
    bool draft_4;                    /* whose integers have no fraction at all, not even .0 */
    bool reached;                    /* the reader's */
};

const struct subschema *schema_root(const struct schema *s);
const struct schema_options *schema_options_of(const struct schema *s);
/* The subschema whose JSON this is: of a member's value, an array's element ... that the reader walked. Never NULL for
 * those. All `true` are one subschema, and all `false`. */
const struct subschema *schema_at(const struct schema *s, const json_t *json);
/* The keyword's value where it counts: NULL when it is absent, and for the siblings of $ref in draft 7. */
const json_t *schema_get(const struct subschema *sub, const char *keyword);
/* What a $dynamicRef to `anchor` means when `scope` is among the resources that were entered; NULL: nothing there. */
const struct subschema *schema_dynamic_anchor(const struct schema *s, const struct resource *scope, const char *anchor);
/* Whether a given value obeys one subschema; false where that cannot be said in VALIDATE_TRY_STEPS. */
#define VALIDATE_TRY_STEPS 65536
bool schema_try(const struct schema *s, const struct subschema *sub, const json_t *value, bool *ret_holds);
/* Making rules and throwing them away: *ret_any is whether they leave anything to schema_validate. Each keyword that
 * does may be told, also more than once; keyword NULL: that sub shall not hold. */
bool schema_leftovers(const struct schema *s, void (*tell)(void *ctx, const struct subschema *sub, const char *keyword),
                      void *ctx, bool *ret_any, struct err *err);
/* What the first making of rules told, so that schema_needs_validation makes none: 0 not known yet, 1 no, 2 yes. */
_Atomic int *schema_remembered_need(const struct schema *s);
/* Somewhere in the schema stands unevaluatedProperties or unevaluatedItems. */
bool schema_has_unevaluated(const struct schema *s);
/* The regular expressions of the schema as they are applied to finished values: made when first met, any thread. */
struct patterns;
bool patterns_open(struct patterns **ret, struct err *err);
void patterns_close(struct patterns *p);
struct patterns *schema_patterns(const struct schema *s);

/* ---- keywords ---- */
enum keyword {
    KEYWORD_UNKNOWN,
    KEYWORD_OTHER,                   /* annotations, identifiers, definitions: nothing to hold a value to */
    KEYWORD_REF, KEYWORD_DYNAMIC_REF,
    KEYWORD_TYPE, KEYWORD_ENUM, KEYWORD_CONST,
    KEYWORD_MULTIPLE_OF, KEYWORD_MINIMUM, KEYWORD_MAXIMUM, KEYWORD_EXCLUSIVE_MINIMUM, KEYWORD_EXCLUSIVE_MAXIMUM,
    KEYWORD_MIN_LENGTH, KEYWORD_MAX_LENGTH, KEYWORD_PATTERN, KEYWORD_FORMAT,
    KEYWORD_ITEMS, KEYWORD_PREFIX_ITEMS, KEYWORD_ADDITIONAL_ITEMS, KEYWORD_CONTAINS, KEYWORD_MIN_CONTAINS,
    KEYWORD_MAX_CONTAINS, KEYWORD_MIN_ITEMS, KEYWORD_MAX_ITEMS, KEYWORD_UNIQUE_ITEMS, KEYWORD_UNEVALUATED_ITEMS,
    KEYWORD_PROPERTIES, KEYWORD_PATTERN_PROPERTIES, KEYWORD_ADDITIONAL_PROPERTIES, KEYWORD_PROPERTY_NAMES,
    KEYWORD_REQUIRED, KEYWORD_MIN_PROPERTIES, KEYWORD_MAX_PROPERTIES, KEYWORD_DEPENDENCIES,
    KEYWORD_DEPENDENT_REQUIRED, KEYWORD_DEPENDENT_SCHEMAS, KEYWORD_UNEVALUATED_PROPERTIES,
    KEYWORD_ALL_OF, KEYWORD_ANY_OF, KEYWORD_ONE_OF, KEYWORD_NOT, KEYWORD_IF, KEYWORD_THEN, KEYWORD_ELSE,
};
enum keyword schema_keyword(const char *name);

#endif
