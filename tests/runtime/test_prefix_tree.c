/* The radix tree of prompts against a naive model: a list of all places that were inserted. */
#include "../support.h"

#include "base/rng.h"
#include "runtime/schedule/prefix_tree.h"

#define PLACES 300
#define MAX_LENGTH 24

struct place {
    int32_t tokens[MAX_LENGTH];
    int n;
    struct prefix_node *node;
};

struct scene {
    struct prefix_forest forest;
    struct prefix_root *root;
    struct place places[PLACES];
    int n;
};

static int below(uint64_t seed, uint64_t at, int n)
{
    return (int)(rng_unit(seed, 0, at) * n);
}

/* Few different tokens, so that beginnings are shared, and often the beginning of an earlier place. */
static struct place random_place(const struct scene *x, uint64_t seed)
{
    struct place p = {.n = 1 + below(seed, 0, MAX_LENGTH)};
    for (int i = 0; i < p.n; i++)
        p.tokens[i] = below(seed, 10 + (uint64_t)i, 3);
    if (x->n > 0 && below(seed, 1, 2)) {
        const struct place *earlier = &x->places[below(seed, 2, x->n)];
        int shared = below(seed, 3, earlier->n + 1);
        memcpy(p.tokens, earlier->tokens, (size_t)(shared < p.n ? shared : p.n) * sizeof *p.tokens);
    }
    return p;
}

static int shared_tokens(const struct place *a, const struct place *b)
{
    int i = 0;
    while (i < a->n && i < b->n && a->tokens[i] == b->tokens[i])
        i++;
    return i;
}

static void assert_path(const struct prefix_node *node, const struct place *p)
{
    assert_int_equal(node->depth, p->n);
    for (; node->parent; node = node->parent) {
        assert_int_equal(node->depth, node->parent->depth + node->n);
        assert_memory_equal(node->tokens, p->tokens + node->parent->depth, (size_t)node->n * sizeof *node->tokens);
        assert_true(node->used <= node->parent->used);
    }
    assert_int_equal(node->depth, 0);
}

static void assert_sound(const struct scene *x)
{
    int64_t nodes = 0, tokens = 0;
    for (const struct prefix_node *node = &x->root->top; node; node = prefix_next(node, &x->root->top, NULL)) {
        nodes++;
        tokens += node->n;
        assert_true(!node->parent || node->file || (node->child && node->child->next));   /* nothing idle */
        for (const struct prefix_node *a = node->child; a; a = a->next) {
            assert_ptr_equal(a->parent, node);
            assert_true(a->n > 0);
            for (const struct prefix_node *b = a->next; b; b = b->next)
                assert_true(a->tokens[0] != b->tokens[0]);
        }
    }
    assert_int_equal(x->forest.n_nodes, nodes);
    assert_int_equal(x->forest.n_tokens, tokens);
    for (int i = 0; i < x->n; i++)
        assert_path(x->places[i].node, &x->places[i]);
}

static void assert_walk(const struct scene *x, const struct place *p)
{
    struct prefix_node *node;
    int longest = 0;
    for (int i = 0; i < x->n; i++) {
        int n = shared_tokens(&x->places[i], p);
        longest = n > longest ? n : longest;
    }
    assert_int_equal(prefix_walk(x->root, p->tokens, p->n, &node), longest);
    assert_true(node->depth >= longest);
    assert_true(longest == 0 ? !node->parent : node->parent->depth < longest);
}

/* A place is alive while something hangs on it: here, its own number as a file. */
static void insert(struct scene *x, const struct place *p)
{
    struct prefix_node *node = prefix_insert(&x->forest, x->root, p->tokens, p->n);
    assert_non_null(node);
    prefix_touch(&x->forest, node);
    if (node->file)
        return;
    x->places[x->n] = *p;
    x->places[x->n].node = node;
    node->file = (uint64_t)++x->n;
}

static void forget(struct scene *x, int i)
{
    struct prefix_node *node = x->places[i].node;
    node->file = 0;
    x->places[i] = x->places[--x->n];
    if (x->n == 0)
        return;   /* the tree would go with its last place */
    if (node->child)
        prefix_join(&x->forest, node);
    else
        prefix_prune(&x->forest, node);
}

static void fill(struct scene *x, uint64_t seed, int n)
{
    for (int i = 0; i < n; i++) {
        struct place p = random_place(x, seed + (uint64_t)i);
        assert_walk(x, &p);
        insert(x, &p);
    }
    assert_sound(x);
}

static int open_scene(void **state)
{
    struct scene *x = calloc(1, sizeof *x);
    assert_non_null(x);
    x->root = prefix_root_make(&x->forest, 1, 2);
    assert_non_null(x->root);
    *state = x;
    return 0;
}

static int close_scene(void **state)
{
    struct scene *x = *state;
    while (x->n > 1)
        forget(x, x->n - 1);
    if (x->n == 1) {
        x->places[0].node->file = 0;
        prefix_prune(&x->forest, x->places[0].node);
    } else {
        prefix_prune(&x->forest, &x->root->top);
    }
    assert_null(x->forest.roots);
    assert_int_equal(x->forest.n_nodes, 0);
    assert_int_equal(x->forest.n_tokens, 0);
    free(x);
    return 0;
}

static void test_walks_find_the_longest_shared_beginning(void **state)
{
    fill(*state, 1000, PLACES);
}

static void test_places_come_and_go_in_any_order(void **state)
{
    struct scene *x = *state;
    fill(x, 2000, 100);
    for (int round = 0; round < 400; round++) {
        if (x->n > 1 && (x->n == PLACES || below(3000, (uint64_t)round, 2)))
            forget(x, below(4000, (uint64_t)round, x->n));
        else
            fill(x, 5000 + (uint64_t)round, 1);
        if (round % 16 == 0)
            assert_sound(x);
    }
    assert_sound(x);
}

static void test_a_cut_leaf_keeps_its_beginning(void **state)
{
    struct scene *x = *state;
    fill(x, 6000, 50);
    for (int i = 0; i < x->n; i++) {
        struct place *p = &x->places[i];
        if (p->node->child || p->node->n < 2)
            continue;
        prefix_cut(&x->forest, p->node, p->node->depth - 1);
        p->n--;
    }
    assert_sound(x);
}

static void test_what_is_skipped_is_not_visited(void **state)
{
    struct scene *x = *state;
    fill(x, 7000, PLACES / 2);
    for (int i = 0; i < x->n; i++) {
        const struct prefix_node *skip = x->places[i].node, *top = skip->parent;
        int all = 0, under = 0, rest = 0;
        for (const struct prefix_node *node = top; node; node = prefix_next(node, top, NULL))
            all++;
        for (const struct prefix_node *node = skip; node; node = prefix_next(node, skip, NULL))
            under++;
        for (const struct prefix_node *node = top; node; node = prefix_next(node, top, skip))
            rest++;
        assert_int_equal(rest, all - under);
    }
}

static void test_keys_have_trees_of_their_own(void **state)
{
    struct scene *x = *state;
    assert_ptr_equal(prefix_root_find(&x->forest, 1, 2), x->root);
    assert_ptr_equal(prefix_root_make(&x->forest, 1, 2), x->root);
    assert_null(prefix_root_find(&x->forest, 1, 3));
    assert_null(prefix_root_find(&x->forest, 2, 2));
    struct prefix_root *other = prefix_root_make(&x->forest, 1, 3);
    assert_true(other && other != x->root);
    prefix_prune(&x->forest, &other->top);
    assert_null(prefix_root_find(&x->forest, 1, 3));
    assert_ptr_equal(prefix_root_find(&x->forest, 1, 2), x->root);
}

int main(void)
{
#define SCENE_TEST(f) cmocka_unit_test_setup_teardown(f, open_scene, close_scene)
    const struct CMUnitTest tests[] = {
        SCENE_TEST(test_walks_find_the_longest_shared_beginning),
        SCENE_TEST(test_places_come_and_go_in_any_order),
        SCENE_TEST(test_a_cut_leaf_keeps_its_beginning),
        SCENE_TEST(test_what_is_skipped_is_not_visited),
        SCENE_TEST(test_keys_have_trees_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
