/* What reading, validating and enforcing a schema share. Nobody else includes this.
 *
 * A subschema is an object or a boolean somewhere in the document (or in one that schema_options.document gave), known
 * by its JSON. Reading walks all of them once: it checks every keyword's form, notes base URIs and anchors, resolves
 * every reference, and so afterwards nothing can fail to be found. */
#ifndef RUNG_GRAMMAR_SCHEMA_PRIVATE_H
#define RUNG_GRAMMAR_SCHEMA_PRIVATE_H

#include "grammar/schema.h"

struct subschema {
    const json_t *json;              /* an object or a boolean */
    const char *path;                /* JSON pointer from the document's root, for messages */
    struct subschema *ref;           /* what $ref names, resolved; NULL: none */
    struct subschema *dynamic_ref;   /* what $dynamicRef names at first */
    enum schema_draft draft;         /* 7: siblings of $ref do not count */
    /* the rest is read.c's: base URI, anchors, regular expressions of validate.c ... */
    struct subschema_more *more;
};

const struct subschema *schema_root(const struct schema *s);
const struct schema_options *schema_options_of(const struct schema *s);
/* The subschema whose JSON this is: of a member's value, an array's element ... that the reader walked. Never NULL for
 * those. */
const struct subschema *schema_at(const struct schema *s, const json_t *json);

#endif
