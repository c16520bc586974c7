/* The choices as a tree of tokens, level by level, so that the children of a node lie side by side. */
#include <math.h>
#include <stdlib.h>

#include "runtime/posterior/job.h"

/* A choice's tokens; p lies in one list of all. */
struct spelled {
    const int32_t *p;
    int64_t n;
    int choice;
};

/* The choices that begin alike, while the tree is built. */
struct span {
    int first, last, depth;   /* in order; last is past the end */
};

static int by_tokens(const void *a, const void *b)
{
    const struct spelled *p = a, *q = b;
    for (int64_t i = 0; i < p->n && i < q->n; i++)
        if (p->p[i] != q->p[i])
            return p->p[i] < q->p[i] ? -1 : 1;
    if (p->n != q->n)
        return p->n < q->n ? -1 : 1;
    return (p->choice > q->choice) - (p->choice < q->choice);
}

static bool check_choices(const struct str *choices, int n, struct err *err)
{
    size_t bytes = 0;
    if (n < 1 || n > POSTERIOR_MAX_CHOICES)
        return err_set(err, ERR_INVALID, "%d choices are given; there must be from 1 to %d", n, POSTERIOR_MAX_CHOICES);
    for (int i = 0; i < n; i++) {
        bytes += choices[i].n;
        if (choices[i].n == 0 || !utf8_valid(choices[i]))
            return err_set(err, ERR_INVALID, "choice %d is %s", i + 1, choices[i].n ? "not valid UTF-8" : "empty");
        if (bytes > POSTERIOR_MAX_BYTES)
            return err_set(err, ERR_LIMIT, "the choices have more than %u bytes", POSTERIOR_MAX_BYTES);
    }
    return true;
}

/* All choices' tokens in *ids, and where each one's are, in order. */
static bool spell(const struct tokenizer *t, const struct str *choices, int n, struct token_ids *ids,
                  struct spelled *spelled, struct err *err)
{
    for (int i = 0; i < n; i++) {
        int64_t before = ids->n;
        if (!tokenizer_encode(t, choices[i], TOKENIZE_PLAIN, ids, err))
            return false;
        spelled[i] = (struct spelled){.n = ids->n - before, .choice = i};
        if (spelled[i].n < 1 || spelled[i].n > POSTERIOR_MAX_TOKENS)
            return err_set(err, ERR_LIMIT, "choice %d has %lld tokens; a choice may have up to %d", i + 1,
                           (long long)spelled[i].n, POSTERIOR_MAX_TOKENS);
    }
    for (int64_t i = 0, at = 0; i < n; at += spelled[i++].n)
        spelled[i].p = ids->p + at;   /* the list has moved while it grew */
    qsort(spelled, (size_t)n, sizeof *spelled, by_tokens);
    for (int i = 1; i < n; i++)
        if (spelled[i].n == spelled[i - 1].n &&
            memcmp(spelled[i].p, spelled[i - 1].p, (size_t)spelled[i].n * sizeof *spelled[i].p) == 0)
            return err_set(err, ERR_INVALID, "choices %d and %d are the same to the model; leave one out",
                           spelled[i - 1].choice + 1, spelled[i].choice + 1);
    return true;
}

static void add_node(struct label_tree *tree, struct span *spans, int parent, int32_t token, struct span span)
{
    tree->nodes[tree->n] = (struct label_node){.parent = parent, .choice = -1, .first_child = -1};
    tree->tokens[tree->n] = token;
    spans[tree->n++] = span;
}

/* Node i's children, one for each token that comes next in its span. */
static void add_children(struct label_tree *tree, struct span *spans, const struct spelled *spelled, int i)
{
    struct span span = spans[i];
    if (spelled[span.first].n == span.depth)   /* the shortest comes first */
        tree->nodes[i].choice = spelled[span.first++].choice;
    tree->nodes[i].first_child = tree->n;
    for (int from = span.first, to; from < span.last; from = to) {
        int32_t token = spelled[from].p[span.depth];
        for (to = from + 1; to < span.last && spelled[to].p[span.depth] == token;)
            to++;
        add_node(tree, spans, i, token, (struct span){from, to, span.depth + 1});
    }
    tree->nodes[i].n_children = tree->nodes[i].n_unread = tree->n - tree->nodes[i].first_child;
}

static void find_ends(const struct tokenizer *t, struct label_tree *tree)
{
    for (int32_t id = 0; id < tokenizer_count(t) && tree->n_ends < POSTERIOR_MAX_ENDS; id++)
        if (tokenizer_is_end(t, id))
            tree->ends[tree->n_ends++] = id;
}

bool label_tree_open(const struct tokenizer *t, const struct str *choices, int n, struct label_tree *ret,
                     struct err *err)
{
    struct label_tree tree = {.n_choices = n};
    struct token_ids ids = {0};
    struct span *spans = NULL;
    if (!check_choices(choices, n, err))
        return false;
    struct spelled *spelled = malloc((size_t)n * sizeof *spelled);
    bool ok = spelled ? spell(t, choices, n, &ids, spelled, err) : err_nomem(err, "choices");
    if (!ok)
        goto out;
    tree.nodes = malloc((size_t)(ids.n + 1) * sizeof *tree.nodes);
    tree.tokens = malloc((size_t)(ids.n + 1) * sizeof *tree.tokens);
    tree.log_choice = malloc((size_t)n * sizeof *tree.log_choice);
    spans = malloc((size_t)(ids.n + 1) * sizeof *spans);
    ok = (tree.nodes && tree.tokens && tree.log_choice && spans) || err_nomem(err, "choices");
    if (!ok)
        goto out;
    for (int i = 0; i < n; i++)
        tree.log_choice[i] = -INFINITY;
    find_ends(t, &tree);
    add_node(&tree, spans, -1, -1, (struct span){0, n, 0});
    for (int i = 0; i < tree.n; i++)
        add_children(&tree, spans, spelled, i);
    ok = tree.n_ends > 0 || err_set(err, ERR_UNSUPPORTED, "the vocabulary has no end token");
out:
    free(spans);
    free(spelled);
    token_ids_free(&ids);
    if (ok)
        *ret = tree;
    else
        label_tree_close(&tree);
    return ok;
}

void label_tree_close(struct label_tree *tree)
{
    free(tree->nodes);
    free(tree->tokens);
    free(tree->log_choice);
    *tree = (struct label_tree){0};
}
