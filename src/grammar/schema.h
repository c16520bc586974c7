/* JSON Schema (drafts 2020-12 and 7) to a grammar, honestly: what a mask can enforce it enforces, what it cannot is
 * left to schema_validate on the finished answer, and what is not understood is an error that names keyword and path.
 *
 * A schema is read once (struct schema: bounded, references resolved, immutable, any thread), and serves both. */
#ifndef RUNG_GRAMMAR_SCHEMA_H
#define RUNG_GRAMMAR_SCHEMA_H

#include <jansson.h>

#include "grammar/frontends.h"

#define SCHEMA_MAX_BYTES (2u << 20)
#define SCHEMA_MAX_DEPTH 128
#define SCHEMA_MAX_NODES 65536          /* subschemas, after references are followed once each */
#define SCHEMA_MAX_BRANCHES 1024        /* of anyOf, oneOf, allOf multiplied out at one place */
#define VALIDATE_MAX_STEPS (1 << 22)

/* What a document that has no $schema is taken for (auto: 2020-12); one that has says so itself. Each draft understands
 * the keywords of the others. */
enum schema_draft { SCHEMA_DRAFT_AUTO, SCHEMA_DRAFT_7, SCHEMA_DRAFT_2020_12 };
struct schema_options {
    enum schema_draft draft;
    bool any_order;         /* of properties; else as declared */
    bool relaxed;           /* strict: false: what is not understood is ignored, and told by schema_explain */
    bool formats;           /* assert the formats that are known */
    enum json_space space;
    /* Another document that a $ref names; NULL where there is none (nothing is ever fetched). Borrowed, until the
     * schema is closed. The meta-schemas of the drafts are known without it. */
    const json_t *(*document)(void *ctx, struct str uri);
    void *document_ctx;
};

struct schema;
/* Keeps a reference to json. ERR_INVALID / ERR_UNSUPPORTED: "'minitems' at /properties/a is not understood; did you
 * mean 'minItems'?". By the standard a name that is no keyword is an annotation; only what looks like a mistake
 * of a keyword or holds values to something in another vocabulary is refused. */
bool schema_open(json_t *json, const struct schema_options *options, struct schema **ret, struct err *err);
void schema_close(struct schema *s);

/* ---- validating: all keywords of both drafts ---- */
/* false, with *err the first failure ("/a/b: 7 is above the maximum 5"), also for what takes too many steps (ERR_LIMIT)
 * and for patterns that regex.h refuses. Integers are those of json_parse, 64 bits wide; 1.0 is one, but in draft 4. */
bool schema_validate(const struct schema *s, const json_t *instance, struct err *err);

/* ---- enforcing ---- */
/* Finished rules. ERR_INVALID "no value can satisfy ..." where that is known. */
bool schema_rules(const struct schema *s, struct rules **ret, struct err *err);
/* The node of a value under the schema inside rules that somebody else builds (tool calls). */
bool schema_node(const struct schema *s, struct rules *r, uint32_t *ret_node, struct err *err);
/* Whether the mask leaves anything to schema_validate; where not, whatever the mask admits is valid. */
bool schema_needs_validation(const struct schema *s);

enum schema_treatment { SCHEMA_ENFORCED, SCHEMA_VALIDATED_AFTER, SCHEMA_IGNORED, SCHEMA_REFUSED };
struct schema_note {
    enum schema_treatment treatment;
    char path[256];          /* JSON pointer, cut with "..." */
    char keyword[64];
    char why[160];           /* for people; empty where it is enforced */
};
/* What becomes of each keyword, in the order of the schema; returns how many there are, at most max are stored. Works
 * also for a schema that schema_open refuses (then some are SCHEMA_REFUSED). */
int schema_explain(json_t *json, const struct schema_options *options, struct schema_note *ret, int max);

#endif
