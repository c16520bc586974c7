/* The radix tree itself: walking, splitting, joining and pruning runs of tokens. It knows nothing of sessions and
 * files, which prefix.c hangs on its nodes; every change keeps the invariants that the header names. */
#include "runtime/schedule/prefix_tree.h"

#include <stdlib.h>
#include <string.h>

/* ---- trees ---- */

struct prefix_root *prefix_root_find(const struct prefix_forest *f, uint64_t state, uint64_t salt)
{
    struct prefix_root *r = f->roots;
    while (r && (r->state != state || r->salt != salt))
        r = r->next_root;
    return r;
}

struct prefix_root *prefix_root_make(struct prefix_forest *f, uint64_t state, uint64_t salt)
{
    struct prefix_root *r = prefix_root_find(f, state, salt);
    if (r || !(r = calloc(1, sizeof *r)))
        return r;
    r->state = state;
    r->salt = salt;
    r->next_root = f->roots;
    f->roots = r;
    f->n_nodes++;
    return r;
}

static void root_free(struct prefix_forest *f, const struct prefix_node *top)
{
    struct prefix_root **at = &f->roots;
    while (&(*at)->top != top)
        at = &(*at)->next_root;
    struct prefix_root *gone = *at;
    *at = gone->next_root;
    f->n_nodes--;
    free(gone);
}

/* ---- walking ---- */

static int64_t common(const int32_t *a, const int32_t *b, int64_t n)
{
    int64_t i = 0;
    while (i < n && a[i] == b[i])
        i++;
    return i;
}

static struct prefix_node *child_for(const struct prefix_node *node, int32_t token)
{
    struct prefix_node *c = node->child;
    while (c && c->tokens[0] != token)
        c = c->next;
    return c;
}

int64_t prefix_walk(struct prefix_root *root, const int32_t *tokens, int64_t n, struct prefix_node **ret)
{
    struct prefix_node *node = &root->top, *c;
    int64_t known = 0;
    while (known == node->depth && known < n && (c = child_for(node, tokens[known]))) {
        known += common(c->tokens, tokens + known, c->n < n - known ? c->n : n - known);
        node = c;
    }
    *ret = node;
    return known;
}

struct prefix_node *prefix_next(const struct prefix_node *node, const struct prefix_node *top,
                                const struct prefix_node *skip)
{
    struct prefix_node *next = node->child;
    for (;;) {
        if (next && next == skip)
            next = next->next;
        if (next || node == top)
            return next;
        next = node->next;
        node = node->parent;
    }
}

void prefix_touch(struct prefix_forest *f, struct prefix_node *node)
{
    f->now++;
    for (; node; node = node->parent)
        node->used = f->now;
}

/* ---- changing ---- */

static struct prefix_node *node_new(struct prefix_forest *f, struct prefix_node *parent, const int32_t *tokens,
                                    int64_t n)
{
    struct prefix_node *node = calloc(1, sizeof *node);
    int32_t *copy = malloc((size_t)n * sizeof *copy);
    if (!node || !copy) {
        free(node);
        free(copy);
        return NULL;
    }
    memcpy(copy, tokens, (size_t)n * sizeof *copy);
    *node = (struct prefix_node){
        .parent = parent, .next = parent->child, .tokens = copy, .n = n, .depth = parent->depth + n};
    parent->child = node;
    f->n_nodes++;
    f->n_tokens += n;
    return node;
}

static void unlink_node(struct prefix_node *node)
{
    struct prefix_node **at = &node->parent->child;
    while (*at != node)
        at = &(*at)->next;
    *at = node->next;
}

/* The first `keep` tokens of node's edge get a node of their own above it. */
static struct prefix_node *split(struct prefix_forest *f, struct prefix_node *node, int64_t keep)
{
    struct prefix_node *above = node_new(f, node->parent, node->tokens, keep);
    if (!above)
        return NULL;
    above->used = node->used;
    unlink_node(node);
    node->parent = above;
    node->next = NULL;
    above->child = node;
    node->n -= keep;
    f->n_tokens -= keep;
    memmove(node->tokens, node->tokens + keep, (size_t)node->n * sizeof *node->tokens);
    return above;
}

struct prefix_node *prefix_insert(struct prefix_forest *f, struct prefix_root *root, const int32_t *tokens, int64_t n)
{
    struct prefix_node *node;
    int64_t known = prefix_walk(root, tokens, n, &node);
    if (known < node->depth)
        node = split(f, node, node->n - (node->depth - known));
    return !node || known == n ? node : node_new(f, node, tokens + known, n - known);
}

void prefix_cut(struct prefix_forest *f, struct prefix_node *leaf, int64_t depth)
{
    f->n_tokens -= leaf->depth - depth;
    leaf->n -= leaf->depth - depth;
    leaf->depth = depth;
    int32_t *smaller = realloc(leaf->tokens, (size_t)leaf->n * sizeof *smaller);
    if (smaller)
        leaf->tokens = smaller;
}

void prefix_join(struct prefix_forest *f, struct prefix_node *node)
{
    struct prefix_node *child = node->child;
    if (!node->parent || !child || child->next || node->session || node->file)
        return;
    int32_t *tokens = realloc(node->tokens, (size_t)(node->n + child->n) * sizeof *tokens);
    if (!tokens)
        return;
    memcpy(tokens + node->n, child->tokens, (size_t)child->n * sizeof *tokens);
    free(child->tokens);
    child->tokens = tokens;
    child->n += node->n;
    unlink_node(node);
    child->parent = node->parent;
    child->next = child->parent->child;
    child->parent->child = child;
    f->n_nodes--;
    free(node);
}

void prefix_prune(struct prefix_forest *f, struct prefix_node *node)
{
    while (node->parent && !node->child && !node->session && !node->file) {
        struct prefix_node *parent = node->parent;
        unlink_node(node);
        f->n_nodes--;
        f->n_tokens -= node->n;
        free(node->tokens);
        free(node);
        node = parent;
    }
    if (node->parent)
        prefix_join(f, node);
    else if (!node->child)
        root_free(f, node);
}
