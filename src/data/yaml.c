/* YAML text to a node tree, over libyaml's events. This room bounds what a document may cost (nodes counted as a
 * reader of the tree meets them, so that aliases cannot multiply; depth likewise) and keeps positions; meaning is
 * left to yaml_get.c's callers. */
#include <yaml.h>

#include "data/yaml.h"

#include <stdlib.h>

#include "base/strmap.h"

struct yaml_anchor {
    const char *name;
    struct yaml_node *node;
    bool open;   /* its node is still being built: an alias now would be a cycle */
    int weight;  /* nodes below and including it, aliases counted as what they stand for */
    int height;  /* levels below it */
};

struct yaml_builder {
    yaml_parser_t parser;
    struct arena *arena;
    const char *name;
    struct str text;
    struct err *err;
    int nodes, aliases;
    struct yaml_anchor *anchors; /* [YAML_MAX_ALIASES] */
    int n_anchors;
    struct yaml_node **stack;    /* children of the collections that are still open */
    size_t n_stack, cap_stack;
};

static bool build_node(struct yaml_builder *b, yaml_event_t *event, int depth, struct yaml_node **ret_node,
                       int *ret_height);

static bool fail_at(struct yaml_builder *b, const yaml_mark_t *mark, enum err_code code, const char *problem)
{
    return err_at_line(b->err, code, b->name, (int)mark->line + 1, (int)mark->column + 1, "%s", problem);
}

/* libyaml's reader knows only the byte: find its line and column. */
static bool reader_fail(struct yaml_builder *b)
{
    int line = 1, col = 1, len;
    for (size_t at = 0; at < b->text.n && at < b->parser.problem_offset; at += (size_t)len) {
        bool newline = utf8_decode(b->text, at, &len) == '\n';
        line += newline;
        col = newline ? 1 : col + 1;
    }
    return err_at_line(b->err, ERR_INVALID, b->name, line, col, "invalid YAML: %s", b->parser.problem);
}

static bool parser_fail(struct yaml_builder *b)
{
    const yaml_parser_t *p = &b->parser;
    if (p->error == YAML_MEMORY_ERROR || !p->problem)
        return err_nomem(b->err, b->name);
    if (p->error == YAML_READER_ERROR)
        return reader_fail(b);
    bool start = strstr(p->problem, "cannot start any token");
    return err_at_line(b->err, ERR_INVALID, b->name, (int)p->problem_mark.line + 1, (int)p->problem_mark.column + 1,
                       "invalid YAML: %s%s%s%s", p->problem, p->context ? ", " : "", p->context ? p->context : "",
                       start ? "; indent with spaces, not tabs, and quote a text that starts with @, ` or %" : "");
}

/* The caller deletes the event. */
static bool next_event(struct yaml_builder *b, yaml_event_t *event)
{
    return yaml_parser_parse(&b->parser, event) ? true : parser_fail(b);
}

static bool count_nodes(struct yaml_builder *b, const yaml_mark_t *mark, int more)
{
    if (more > YAML_MAX_NODES - b->nodes)
        return err_at_line(b->err, ERR_LIMIT, b->name, (int)mark->line + 1, (int)mark->column + 1,
                           "more than %d nodes (an alias counts as all it stands for)", YAML_MAX_NODES);
    b->nodes += more;
    return true;
}

static struct yaml_node *new_node(struct yaml_builder *b, const yaml_event_t *event, enum yaml_kind kind)
{
    if (!count_nodes(b, &event->start_mark, 1))
        return NULL;
    struct yaml_node *node = arena_new(b->arena, struct yaml_node);
    if (!node) {
        err_nomem(b->err, b->name);
        return NULL;
    }
    node->kind = kind;
    node->line = (int)event->start_mark.line + 1;
    node->col = (int)event->start_mark.column + 1;
    return node;
}

static bool push_child(struct yaml_builder *b, struct yaml_node *node)
{
    if (b->n_stack == b->cap_stack) {
        size_t cap = b->cap_stack ? b->cap_stack * 2 : 64;
        struct yaml_node **stack = realloc(b->stack, cap * sizeof *stack);
        if (!stack)
            return err_nomem(b->err, b->name);
        b->stack = stack;
        b->cap_stack = cap;
    }
    b->stack[b->n_stack++] = node;
    return true;
}

/* Every `step`-th child from `first` on, into the arena. */
static struct yaml_node **take_children(struct yaml_builder *b, size_t first, size_t step, int n)
{
    struct yaml_node **list = arena_array(b->arena, (size_t)n, sizeof *list);
    if (!list)
        err_nomem(b->err, b->name);
    for (int i = 0; list && i < n; i++)
        list[i] = b->stack[first + (size_t)i * step];
    return list;
}

/* ---- anchors ---- */

/* *ret_at is -1 when the node has no anchor. A name may be used again; the nearest one above counts. */
static bool open_anchor(struct yaml_builder *b, const yaml_char_t *name, const yaml_mark_t *mark,
                        struct yaml_node *node, int *ret_at)
{
    *ret_at = -1;
    if (!name)
        return true;
    if (b->n_anchors == YAML_MAX_ALIASES)
        return fail_at(b, mark, ERR_LIMIT, "too many anchors");
    char *copy = arena_strdup(b->arena, str_of((const char *)name));
    if (!copy)
        return err_nomem(b->err, b->name);
    b->anchors[b->n_anchors] = (struct yaml_anchor){.name = copy, .node = node, .open = true, .weight = b->nodes - 1};
    *ret_at = b->n_anchors++;
    return true;
}

static void close_anchor(struct yaml_builder *b, int at, int height)
{
    if (at < 0)
        return;
    b->anchors[at].open = false;
    b->anchors[at].weight = b->nodes - b->anchors[at].weight;
    b->anchors[at].height = height;
}

static bool build_alias(struct yaml_builder *b, yaml_event_t *event, int depth, struct yaml_node **ret_node,
                        int *ret_height)
{
    const char *name = (const char *)event->data.alias.anchor;
    const yaml_mark_t *mark = &event->start_mark;
    int line = (int)mark->line + 1, col = (int)mark->column + 1, at = b->n_anchors - 1;
    while (at >= 0 && strcmp(b->anchors[at].name, name) != 0)
        at--;
    if (at < 0)
        return err_at_line(b->err, ERR_INVALID, b->name, line, col, "no anchor '&%s' stands above this alias", name);
    if (b->anchors[at].open)
        return err_at_line(b->err, ERR_INVALID, b->name, line, col, "'*%s' would contain itself", name);
    if (++b->aliases > YAML_MAX_ALIASES)
        return err_at_line(b->err, ERR_LIMIT, b->name, line, col, "more than %d aliases", YAML_MAX_ALIASES);
    if (depth + b->anchors[at].height > YAML_MAX_DEPTH)
        return err_at_line(b->err, ERR_LIMIT, b->name, line, col, "nested deeper than %d levels", YAML_MAX_DEPTH);
    if (!count_nodes(b, mark, b->anchors[at].weight))
        return false;
    *ret_node = b->anchors[at].node;
    *ret_height = b->anchors[at].height;
    return true;
}

/* ---- nodes ---- */

static bool build_scalar(struct yaml_builder *b, yaml_event_t *event, struct yaml_node **ret_node)
{
    struct str text = {(const char *)event->data.scalar.value, event->data.scalar.length};
    struct yaml_node *node = new_node(b, event, YAML_SCALAR);
    int anchor;
    if (!node || !open_anchor(b, event->data.scalar.anchor, &event->start_mark, node, &anchor))
        return false;
    if (text.n && memchr(text.p, '\0', text.n))
        return fail_at(b, &event->start_mark, ERR_INVALID, "a text may not hold a NUL character");
    node->text = arena_str(b->arena, text);
    if (!node->text.p)
        return err_nomem(b->err, b->name);
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    close_anchor(b, anchor, 0);
    *ret_node = node;
    return true;
}

static bool check_keys(struct yaml_builder *b, const struct yaml_node *mapping)
{
    struct strmap seen = {0};
    bool ok = strmap_reserve(&seen, (uint32_t)mapping->n, b->err);
    for (int i = 0; ok && i < mapping->n; i++) {
        const struct yaml_node *key = mapping->keys[i];
        int32_t before;
        if (key->kind != YAML_SCALAR)
            ok = yaml_fail(key, b->name, b->err, "a key must be plain text, not %s",
                           key->kind == YAML_MAPPING ? "a mapping" : "a list");
        else if (strmap_get(&seen, key->text, &before))
            ok = yaml_fail(key, b->name, b->err, "the key '%.100s' stands here twice, first in line %d", key->text.p,
                           mapping->keys[before]->line);
        else
            ok = strmap_put(&seen, key->text, i, b->err);
    }
    strmap_free(&seen);
    return ok;
}

static bool finish_collection(struct yaml_builder *b, struct yaml_node *node, size_t first)
{
    size_t n = b->n_stack - first;
    b->n_stack = first;
    if (node->kind == YAML_SEQUENCE) {
        node->n = (int)n;
        node->items = take_children(b, first, 1, node->n);
        return node->items;
    }
    node->n = (int)(n / 2);
    node->keys = take_children(b, first, 2, node->n);
    node->items = node->keys ? take_children(b, first + 1, 2, node->n) : NULL;
    return node->items && check_keys(b, node);
}

static bool build_collection(struct yaml_builder *b, yaml_event_t *event, int depth, struct yaml_node **ret_node,
                             int *ret_height)
{
    bool mapping = event->type == YAML_MAPPING_START_EVENT;
    int anchor, height = 0;
    if (depth >= YAML_MAX_DEPTH)
        return err_at_line(b->err, ERR_LIMIT, b->name, (int)event->start_mark.line + 1,
                           (int)event->start_mark.column + 1, "nested deeper than %d levels", YAML_MAX_DEPTH);
    struct yaml_node *node = new_node(b, event, mapping ? YAML_MAPPING : YAML_SEQUENCE);
    const yaml_char_t *name = mapping ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
    if (!node || !open_anchor(b, name, &event->start_mark, node, &anchor))
        return false;
    size_t first = b->n_stack;
    for (;;) {
        yaml_event_t child;
        struct yaml_node *below;
        int below_height = 0;
        if (!next_event(b, &child))
            return false;
        bool end = child.type == YAML_MAPPING_END_EVENT || child.type == YAML_SEQUENCE_END_EVENT;
        bool ok = end || (build_node(b, &child, depth + 1, &below, &below_height) && push_child(b, below));
        yaml_event_delete(&child);
        if (!ok)
            return false;
        if (end)
            break;
        if (below_height + 1 > height)
            height = below_height + 1;
    }
    if (!finish_collection(b, node, first))
        return false;
    close_anchor(b, anchor, height);
    *ret_node = node;
    *ret_height = height;
    return true;
}

static const yaml_char_t *tag_of(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT: return event->data.scalar.tag;
    case YAML_SEQUENCE_START_EVENT: return event->data.sequence_start.tag;
    case YAML_MAPPING_START_EVENT: return event->data.mapping_start.tag;
    default: return NULL;
    }
}

/* depth: levels above this node. *ret_height: levels below it. */
static bool build_node(struct yaml_builder *b, yaml_event_t *event, int depth, struct yaml_node **ret_node,
                       int *ret_height)
{
    *ret_height = 0;
    if (tag_of(event))
        return fail_at(b, &event->start_mark, ERR_UNSUPPORTED, "tags (!...) mean nothing here; remove it");
    switch (event->type) {
    case YAML_SCALAR_EVENT: return build_scalar(b, event, ret_node);
    case YAML_ALIAS_EVENT: return build_alias(b, event, depth, ret_node, ret_height);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT: return build_collection(b, event, depth, ret_node, ret_height);
    default: return fail_at(b, &event->start_mark, ERR_INTERNAL, "libyaml gave an event out of order");
    }
}

/* ---- documents ---- */

static struct yaml_node *empty_mapping(struct yaml_builder *b)
{
    struct yaml_node *node = arena_new(b->arena, struct yaml_node);
    if (!node) {
        err_nomem(b->err, b->name);
        return NULL;
    }
    *node = (struct yaml_node){.kind = YAML_MAPPING, .line = 1, .col = 1};
    return node;
}

/* What stands between the start and the end of the stream: nothing, or one document. */
static bool build_stream(struct yaml_builder *b, struct yaml_node **ret_root)
{
    struct yaml_node *root = NULL;
    for (bool ok = true, done = false; !done;) {
        yaml_event_t event;
        int height;
        if (!next_event(b, &event))
            return false;
        switch (event.type) {
        case YAML_DOCUMENT_START_EVENT:
            if (root)
                ok = fail_at(b, &event.start_mark, ERR_INVALID, "a second document starts here; only one is read");
            break;
        case YAML_STREAM_START_EVENT:
        case YAML_DOCUMENT_END_EVENT: break;
        case YAML_STREAM_END_EVENT: done = true; break;
        default: ok = build_node(b, &event, 0, &root, &height);
        }
        yaml_event_delete(&event);
        if (!ok)
            return false;
    }
    bool empty = !root || (root->kind == YAML_SCALAR && root->text.n == 0 && !root->quoted);
    *ret_root = empty ? empty_mapping(b) : root;
    return *ret_root;
}

bool yaml_parse(struct str text, const char *name, struct arena *arena, const struct yaml_node **ret_root,
                struct err *err)
{
    struct yaml_builder b = {.arena = arena, .name = name, .text = text, .err = err};
    struct yaml_node *root = NULL;
    if (text.n > YAML_MAX_BYTES)
        return err_set(err, ERR_LIMIT, "%s is longer than %u bytes", name, YAML_MAX_BYTES);
    if (!yaml_parser_initialize(&b.parser))
        return err_nomem(err, name);
    bool ok = false;
    b.anchors = calloc(YAML_MAX_ALIASES, sizeof *b.anchors);
    if (!b.anchors) {
        err_nomem(err, name);
        goto out;
    }
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)(text.p ? text.p : ""), text.n);
    if (!build_stream(&b, &root))
        goto out;
    *ret_root = root;
    ok = true;
out:
    free(b.stack);
    free(b.anchors);
    yaml_parser_delete(&b.parser);
    return ok;
}
