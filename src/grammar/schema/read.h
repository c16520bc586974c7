/* What the files that read a schema share: the schema itself, its resources and the walk over subschemas. */
#ifndef RUNG_GRAMMAR_SCHEMA_READ_H
#define RUNG_GRAMMAR_SCHEMA_READ_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/strmap.h"
#include "grammar/schema_private.h"

#define SCHEMA_MAX_URI 8192

/* ---- keywords ---- */
enum keyword_form {
    FORM_ANY, FORM_STRING, FORM_BOOLEAN, FORM_NUMBER,
    FORM_BOUND,        /* a number; draft 4 has a boolean here */
    FORM_POSITIVE,
    FORM_COUNT,        /* a whole number, also as 2.0 */
    FORM_LIST,
    FORM_NAMES,
    FORM_NAME_LISTS,   /* names to arrays of names */
    FORM_TYPE,
    FORM_SCHEMA, FORM_SCHEMAS, FORM_SCHEMA_MAP,
    FORM_ITEMS,        /* a schema; an array of them up to draft 2019-09 */
    FORM_DEFINITIONS,  /* a map whose members are looked at when they are schemas */
    FORM_DEPENDENCIES, /* names to schemas or arrays of names */
};
struct keyword_info {
    const char *name;
    enum keyword keyword;
    enum keyword_form form;
};
const struct keyword_info *keyword_find(const char *name);                      /* NULL: not known */
const struct keyword_info *keyword_number(size_t i);                            /* NULL past the last */
const char *keyword_foreign(const char *name);    /* of another vocabulary: what to write instead; NULL */
const char *keyword_meant(const char *name);      /* the keyword that an unknown name is a mistake of; NULL */
const char *keyword_wrong_form(enum keyword_form form, const json_t *value);    /* what it must be; NULL: it is */

/* The meta-schema of that URI, the caller's; NULL where there is none. */
bool meta_document(struct str uri, json_t **ret, struct err *err);

/* ---- URIs ---- */
void uri_resolve(struct str base, struct str reference, struct buf *out);       /* both without fragments */
void uri_unescape(struct str s, struct buf *out);

/* ---- a schema ---- */
struct resource {
    const char *uri;                  /* absolute where the documents say so; without a fragment */
    const struct subschema *root;
};

/* What a URI with or without a fragment names. */
struct schema_name {
    const struct subschema *sub;
    bool dynamic;                     /* by $dynamicAnchor */
};

/* A $ref or $dynamicRef as it was met. */
struct schema_ref {
    struct subschema *from;
    struct str text;
    const struct subschema *to;       /* NULL: it leads nowhere */
    bool asked_dynamic;               /* by $dynamicRef */
    bool dynamic;                     /* and it names a $dynamicAnchor */
    bool resolved;
};

struct schema {
    struct schema_options options;
    json_t *json;
    json_t *meta;                     /* the meta-schemas that were referred to */
    struct arena arena;
    struct subschema yes, no;         /* true and false */
    struct subschema **table;         /* by JSON; open addressing, at most half full */
    uint32_t n_subschemas, table_size;
    struct strmap by_uri;             /* to names */
    struct schema_name *names;
    uint32_t n_names, names_cap;
    struct strmap dynamic_counts;     /* how many resources have a $dynamicAnchor of that name */
    struct schema_ref *refs;
    uint32_t n_refs, refs_cap;
    bool has_unevaluated;
    struct patterns *patterns;
    _Atomic int need;                 /* schema_remembered_need's; changes while the rest is only read */
};

/* Where a walk is: what the subschemas below inherit. */
struct scope {
    const struct resource *resource;
    enum schema_draft draft;
    bool draft_4;                     /* or before: `id` is what $id is */
    int depth;
};

/* Reading, which for schema_explain tells of every keyword instead of ending with the first that is refused. */
struct reader {
    struct schema *s;
    void (*note)(void *ctx, const struct subschema *sub, const char *keyword, enum schema_treatment treatment,
                 const char *why);    /* NULL: the first problem is the end */
    void *note_ctx;
};

/* path: arena's. The subschema of json, and all below it. */
bool read_subschema(struct reader *r, const json_t *json, const char *path, const struct scope *scope, struct err *err);
/* A document: its root becomes the resource of that URI. */
bool read_document(struct reader *r, const json_t *json, struct str uri, const char *path, struct err *err);
struct subschema *read_find(const struct schema *s, const json_t *json);        /* NULL: not walked */
/* What is wrong with a keyword: an error, or a note of it (then true). keyword "" is the subschema itself. */
bool read_refuse(struct reader *r, const struct subschema *sub, const char *keyword, enum err_code code,
                 const char *why, struct err *err);
/* All references of the documents read, which may bring in more documents. */
bool read_resolve(struct reader *r, struct err *err);
/* Sets `reached` of each subschema that a value may come to. */
bool read_mark_reached(struct schema *s, struct err *err);
/* A schema with nothing read yet. */
bool read_new(json_t *json, const struct schema_options *options, struct schema **ret, struct err *err);

#endif
