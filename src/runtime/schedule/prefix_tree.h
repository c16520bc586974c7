/* A radix tree over token ids: which beginnings of prompts are known, and where state is kept for them. Edges hold runs
 * of tokens and are split where two prompts part, so a walk is to the token (Morrison 1968).
 *
 * Invariants: no two children of a node begin with the same token; a node but the root has at least one token of its
 * own; `used` of a node is at least that of its children. What hangs on a node (a session, a file) is the cache's
 * business (prefix.c): the tree neither reads nor frees it. One tree for each key; the engine thread's. */
#ifndef RUNG_RUNTIME_SCHEDULE_PREFIX_TREE_H
#define RUNG_RUNTIME_SCHEDULE_PREFIX_TREE_H

#include <stdbool.h>
#include <stdint.h>

struct session;

struct prefix_node {
    struct prefix_node *parent, *child, *next;   /* child: the first; next: of the parent's children */
    int32_t *tokens;                 /* [n] of the edge that leads here */
    int64_t n, depth;                /* depth: tokens from the root to here */
    uint64_t used;                   /* when last; larger is later */
    struct session *session;         /* the state after depth tokens; NULL: none */
    uint64_t file;                   /* the same on disk; 0: none (prefix_disk.h) */
};

/* What may see what: only prompts of one key share a tree. */
struct prefix_root {
    struct prefix_root *next_root;
    uint64_t state, salt;            /* of session_fingerprint; whose prompts */
    struct prefix_node top;          /* depth 0 */
};

struct prefix_forest {
    struct prefix_root *roots;
    int64_t n_nodes, n_tokens;       /* of all trees; a top counts as a node */
    uint64_t now;                    /* counts uses */
};

/* The tree of a key: NULL when there is none, or no memory for a new one. */
struct prefix_root *prefix_root_find(const struct prefix_forest *f, uint64_t state, uint64_t salt);
struct prefix_root *prefix_root_make(struct prefix_forest *f, uint64_t state, uint64_t salt);

/* How many of the n tokens are known. *ret: the node on whose edge the last known one lies; the top when none is. */
int64_t prefix_walk(struct prefix_root *root, const int32_t *tokens, int64_t n, struct prefix_node **ret);
/* The node that ends after exactly these n > 0 tokens, made where there is none; NULL: no memory. */
struct prefix_node *prefix_insert(struct prefix_forest *f, struct prefix_root *root, const int32_t *tokens, int64_t n);
/* This node and those above it were used now. */
void prefix_touch(struct prefix_forest *f, struct prefix_node *node);
/* A leaf ends earlier: parent's depth < depth < its own. */
void prefix_cut(struct prefix_forest *f, struct prefix_node *leaf, int64_t depth);
/* A node on which nothing hangs, with one child, becomes part of that child's edge (if memory allows). */
void prefix_join(struct prefix_forest *f, struct prefix_node *node);
/* Takes the node away if nothing hangs on it and nothing comes after it, then those above it that are left so; the
 * first that stays is joined with its child, if it may be. */
void prefix_prune(struct prefix_forest *f, struct prefix_node *node);
/* Every node of the tree under `top`, itself first, parents before children: the one after `node`; NULL: the end.
 * What is under `skip`, and it, are left out (NULL: nothing is). */
struct prefix_node *prefix_next(const struct prefix_node *node, const struct prefix_node *top,
                                const struct prefix_node *skip);

#endif
