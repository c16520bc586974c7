/* YAML (libyaml events) into a bounded, read-only node tree with positions, and typed getters that name file, line
 * and column. */
#ifndef RUNG_DATA_YAML_H
#define RUNG_DATA_YAML_H

#include "base/arena.h"
#include "base/err.h"

#define YAML_MAX_BYTES (4u << 20)
#define YAML_MAX_NODES 200000
#define YAML_MAX_DEPTH 64
#define YAML_MAX_ALIASES 1000   /* an alias shares the anchored node; a cycle is an error */

enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_node {
    enum yaml_kind kind;
    int line, col;                /* 1-based */
    struct str text;              /* scalar: its text */
    bool quoted;                  /* scalar: written in quotes (never null, a number or a boolean) */
    int n;                        /* sequence: items; mapping: pairs */
    struct yaml_node **keys;      /* mapping: scalars, in order, no key twice */
    struct yaml_node **items;     /* sequence: items; mapping: values */
};

/* One document. Nodes live in the arena. An empty document is an empty mapping. */
bool yaml_parse(struct str text, const char *name, struct arena *arena, const struct yaml_node **ret_root,
                struct err *err);

/* NULL when absent or null (`~`, `null`, empty). */
const struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key);
/* ERR_INVALID naming the node's position. `name` is the file; `what` names the field in the sentence. */
bool yaml_fail(const struct yaml_node *node, const char *name, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
bool yaml_to_str(const struct yaml_node *n, const char *name, const char *what, struct str *ret, struct err *err);
bool yaml_to_i64(const struct yaml_node *n, const char *name, const char *what, int64_t min, int64_t max, int64_t *ret,
                 struct err *err);
bool yaml_to_f64(const struct yaml_node *n, const char *name, const char *what, double min, double max, double *ret,
                 struct err *err);
bool yaml_to_bool(const struct yaml_node *n, const char *name, const char *what, bool *ret, struct err *err);
/* Every key of the mapping is one of `allowed` (NULL-terminated); else "unknown key 'x'; known keys: ..." with the
 * nearest one named. */
bool yaml_only_keys(const struct yaml_node *mapping, const char *name, const char *const *allowed, struct err *err);

#endif
