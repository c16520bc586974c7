/* What the files that validate share: one walk of a value beside a schema, its budget, and exact comparison. */
#ifndef RUNG_GRAMMAR_VALIDATE_VALIDATE_H
#define RUNG_GRAMMAR_VALIDATE_VALIDATE_H

#include "grammar/schema_private.h"

#define VALIDATE_MAX_DEPTH 1024      /* subschemas inside each other; values nest at most JSON_MAX_DEPTH deep */

#define VALIDATE_LOOKUP_STEPS 16     /* what looking for an anchor costs: URIs are long */
#define VALIDATE_MAX_HOPS 16         /* references followed to a branch's type, for messages */

/* Where a value stands in the instance. */
struct place {
    const struct place *up;          /* NULL: the top */
    struct str key;                  /* key.p NULL: an element of an array */
    size_t index;
};

/* The resources that were entered on the way, for $dynamicRef. */
struct entered {
    const struct entered *outer;
    const struct resource *resource;
};

/* Which members or elements a subschema has looked at: a bit each, in the validation's stack of words. Kept only where
 * the schema has unevaluated keywords. */
struct seen {
    size_t first_word, n_words;      /* n_words 0: not kept */
};

struct validation {
    const struct schema *s;
    int64_t steps;
    int depth;
    uint64_t *words;                 /* of all seen sets that are open */
    size_t n_words, words_cap;
    bool stopped;                    /* past a limit: all is false from here on */
    struct err stop;
};

/* One subschema beside one value. */
struct visit {
    const struct subschema *sub;
    const json_t *value;
    const struct place *place;
    const struct entered *entered;
    struct seen seen;
    struct err *err;                 /* NULL: nobody reads why */
};

/* Each keyword: true when at->value is as `rule`, the keyword's value, wants it. Values of other types are. */
bool validate_type(struct validation *v, const struct visit *at, const json_t *rule);
bool validate_enum(struct validation *v, const struct visit *at, const json_t *rule);
bool validate_const(struct validation *v, const struct visit *at, const json_t *rule);
bool validate_multiple_of(struct validation *v, const struct visit *at, const json_t *rule);
bool validate_minimum(struct validation *v, const struct visit *at, const json_t *rule);
bool validate_maximum(struct validation *v, const struct visit *at, const json_t *rule);
bool validate_exclusive_minimum(struct validation *v, const struct visit *at, const json_t *rule);
bool validate_exclusive_maximum(struct validation *v, const struct visit *at, const json_t *rule);
bool validate_min_length(struct validation *v, const struct visit *at, const json_t *rule);
bool validate_max_length(struct validation *v, const struct visit *at, const json_t *rule);
bool validate_pattern(struct validation *v, const struct visit *at, const json_t *rule);
bool validate_format(struct validation *v, const struct visit *at, const json_t *rule);
bool validate_items(struct validation *v, const struct visit *at, const json_t *rule);
bool validate_prefix_items(struct validation *v, const struct visit *at, const json_t *rule);
bool validate_additional_items(struct validation *v, const struct visit *at, const json_t *rule);
bool validate_contains(struct validation *v, const struct visit *at, const json_t *rule);
bool validate_min_items(struct validation *v, const struct visit *at, const json_t *rule);
bool validate_max_items(struct validation *v, const struct visit *at, const json_t *rule);
bool validate_unique_items(struct validation *v, const struct visit *at, const json_t *rule);
bool validate_unevaluated_items(struct validation *v, const struct visit *at, const json_t *rule);
bool validate_properties(struct validation *v, const struct visit *at, const json_t *rule);
bool validate_pattern_properties(struct validation *v, const struct visit *at, const json_t *rule);
bool validate_additional_properties(struct validation *v, const struct visit *at, const json_t *rule);
bool validate_property_names(struct validation *v, const struct visit *at, const json_t *rule);
bool validate_required(struct validation *v, const struct visit *at, const json_t *rule);
bool validate_min_properties(struct validation *v, const struct visit *at, const json_t *rule);
bool validate_max_properties(struct validation *v, const struct visit *at, const json_t *rule);
bool validate_dependencies(struct validation *v, const struct visit *at, const json_t *rule);
bool validate_unevaluated_properties(struct validation *v, const struct visit *at, const json_t *rule);

/* ---- the walk ---- */
/* A value below at->value; why it fails goes to err. */
bool validate_child(struct validation *v, const struct visit *at, const json_t *schema, const json_t *value,
                    const struct place *place, struct err *err);
/* The same value under another subschema; what that looked at counts as looked at here when it holds. */
bool validate_here(struct validation *v, const struct visit *at, const struct subschema *sub, struct err *err);
void validate_saw(struct validation *v, const struct visit *at, size_t index);
bool validate_was_seen(const struct validation *v, const struct visit *at, size_t index);
/* Takes n steps from the budget; false when it is spent. */
bool validate_spend(struct validation *v, size_t n);
bool validate_stop(struct validation *v, const struct err *why);
/* "/a/b: ..." to at->err; false. */
bool validate_fail(const struct visit *at, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Whether text matches the pattern; where that cannot be said the validation stops. */
bool validate_matches(struct validation *v, struct str pattern, bool anchored, struct str text);
/* A short spelling of a value, for messages. Returns out. */
#define SHOWN_MAX 48
const char *validate_show(const json_t *value, char out[SHOWN_MAX]);
int64_t validate_count(const json_t *rule);     /* the value of a keyword such as minItems */

/* ---- exact values ---- */
int number_compare(const json_t *a, const json_t *b);                     /* -1, 0, 1 */
bool number_is_whole(const json_t *number);
bool number_is_multiple(const json_t *number, const json_t *of);          /* in decimal, as both are written */
bool value_equal(struct validation *v, const json_t *a, const json_t *b); /* as JSON Schema has it: 1 is 1.0 */
uint64_t value_hash(struct validation *v, const json_t *value);           /* equal values have equal hashes */

#endif
