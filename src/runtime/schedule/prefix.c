/* What is worth remembering of prompts, and for how long. Places in a radix tree of tokens (prefix_tree.c) hold frozen
 * sessions: forks, which share the pages of keys and values with whoever computed them. A session stands for every
 * place before its end that it can be truncated to, so models without sliding windows need one for each prompt's end
 * only, and the state of a shared instruction costs nothing of its own. Who may wait for whom, and how much memory
 * there is, the scheduler decides. */
#include "runtime/schedule/prefix.h"

#include <stdlib.h>

#include "base/clock.h"
#include "runtime/schedule/prefix_disk.h"
#include "runtime/schedule/prefix_tree.h"

/* The end of a prompt is given back in steps of so many tokens: an engine's page. */
#define PREFIX_TRIM_TOKENS 64

/* State comes from a file where that saves computing so many tokens at least. */
#define PREFIX_LOAD_TOKENS 64

struct prefix_cache {
    struct engine *engine;
    struct prefix_options options;
    struct prefix_forest forest;
    int64_t long_saved_ms;           /* when a prompt was last written for its length alone; 0: never */
    struct session *held[PREFIX_MAX_NODES];   /* for prefix_bytes */
};

bool prefix_open(struct engine *e, const struct prefix_options *options, struct prefix_cache **ret, struct err *err)
{
    struct prefix_cache *c = calloc(1, sizeof *c);
    if (!c)
        return err_nomem(err, "the prefix cache");
    c->engine = e;
    c->options = *options;
    *ret = c;
    return true;
}

static int64_t own_bytes(struct session *s) { return sessions_own_bytes(&s, 1); }

static void drop_session(struct prefix_node *node)
{
    session_close(node->session);
    node->session = NULL;
}

/* All that hangs on a node, and places that only it needed. */
static void drop_node(struct prefix_cache *c, struct prefix_node *node)
{
    drop_session(node);
    node->file = 0;
    prefix_prune(&c->forest, node);
}

void prefix_close(struct prefix_cache *c)
{
    if (!c)
        return;
    while (c->forest.roots) {
        struct prefix_node *node = &c->forest.roots->top;
        while (node->child)
            node = node->child;
        drop_node(c, node);
    }
    free(c);
}

/* ---- finding ---- */

static bool open_empty(struct prefix_cache *c, const struct prefix_key *key, struct session **ret, struct err *err)
{
    struct session *s;
    if (!session_open(c->engine, c->options.context, c->options.kv_type, &s, err))
        return false;
    if (!session_set_adapter(s, key->adapter, err)) {
        session_close(s);
        return false;
    }
    *ret = s;
    return true;
}

/* A session at or after `top` (and not under `skip`) that can go back to `length`. */
static struct prefix_node *holder(struct prefix_node *top, const struct prefix_node *skip, int64_t length)
{
    for (struct prefix_node *node = top; node; node = prefix_next(node, top, skip))
        if (node->session && session_can_truncate(node->session, length))
            return node;
    return NULL;
}

struct match {
    struct prefix_node *node;        /* of the last known token */
    struct prefix_node *holder;      /* whose session can go back to `length`; NULL: none */
    int64_t shared, length;          /* length <= shared */
};

/* Every place on the way back from the last known token, until some session reaches one. */
static struct match find(struct prefix_root *root, const int32_t *tokens, int64_t n)
{
    struct match m = {0};
    const struct prefix_node *skip = NULL;
    m.shared = m.length = prefix_walk(root, tokens, n, &m.node);
    for (struct prefix_node *node = m.node; m.length >= PREFIX_MIN_TOKENS; node = node->parent) {
        m.holder = holder(node, skip, m.length);
        if (m.holder)
            return m;
        skip = node;
        m.length = node->parent->depth;
    }
    m.length = 0;
    return m;
}

/* Sessions before this one that it can go back to are of no more use, nor places that only they needed. */
static void drop_covered(struct prefix_cache *c, struct prefix_node *node)
{
    for (struct prefix_node *p = node->parent, *above; p; p = above) {
        above = p->parent;
        if (!p->session || !session_can_truncate(node->session, p->depth))
            continue;
        drop_session(p);
        prefix_join(&c->forest, p);
    }
}

/* ---- files ---- */

struct attach {
    struct prefix_cache *cache;
    struct prefix_root *root;
};

static void attach_file(void *ctx, const struct prefix_file *file)
{
    struct attach *a = ctx;
    struct prefix_forest *f = &a->cache->forest;
    if (file->n > a->cache->options.context || f->n_tokens + file->n > PREFIX_MAX_TOKENS ||
        f->n_nodes >= PREFIX_MAX_NODES)
        return;
    struct prefix_node *node = prefix_insert(f, a->root, file->tokens, file->n);
    if (node)
        node->file = file->name;
}

/* The key's tree. One that is new begins with what lies on disk; NULL: nothing is known. */
static struct prefix_root *root_of(struct prefix_cache *c, const struct session *s, const struct prefix_key *key)
{
    uint64_t state = session_fingerprint(s);
    struct prefix_root *root = prefix_root_find(&c->forest, state, key->salt);
    if (root || !c->options.disk || !(root = prefix_root_make(&c->forest, state, key->salt)))
        return root;
    struct attach a = {c, root};
    prefix_disk_find(c->options.disk, state, key->salt, attach_file, &a);
    prefix_prune(&c->forest, &root->top);   /* nothing was found */
    return prefix_root_find(&c->forest, state, key->salt);
}

/* The file that would help most, as find() does it for sessions. State of windows reaches back a page at most, so there
 * a file serves its own length only. */
static struct match find_file(const struct prefix_cache *c, struct prefix_root *root, const int32_t *tokens, int64_t n)
{
    struct match m = {0};
    const struct prefix_node *skip = NULL;
    bool windowed = engine_info(c->engine)->window > 0;
    m.shared = m.length = prefix_walk(root, tokens, n, &m.node);
    for (struct prefix_node *node = m.node; m.length >= PREFIX_MIN_TOKENS; node = node->parent) {
        for (struct prefix_node *at = node; at; at = prefix_next(at, node, skip)) {
            if (at->file && (!windowed || at->depth == m.length)) {
                m.holder = at;
                return m;
            }
        }
        skip = node;
        m.length = node->parent->depth;
    }
    m.length = 0;
    return m;
}

static bool make_room(struct prefix_cache *c, int64_t tokens)
{
    int64_t bytes = engine_session_bytes(engine_info(c->engine), c->options.kv_type, tokens);
    int64_t over = engine_kv_bytes(c->engine) + bytes - c->options.kv_bytes;
    return over <= 0 || (prefix_bytes(c) >= over && prefix_evict(c, over) >= over);
}

/* Its state becomes a remembered session like any other. */
static bool load_file(struct prefix_cache *c, const struct prefix_key *key, struct prefix_node *node)
{
    struct session *s;
    if (!open_empty(c, key, &s, NULL))
        return false;
    if (!prefix_disk_load(c->options.disk, node->file, s, NULL) || session_length(s) != node->depth) {
        session_close(s);
        return false;
    }
    node->session = s;
    prefix_touch(&c->forest, node);
    drop_covered(c, node);
    return true;
}

/* Does it save enough over what is in memory? */
static bool pays(struct prefix_root *root, const struct match *file, const int32_t *tokens, int64_t n)
{
    return file->holder && file->length >= find(root, tokens, n).length + PREFIX_LOAD_TOKENS;
}

/* Until what is in memory is the best there is; the tree may be gone then. */
static void load_files(struct prefix_cache *c, const struct prefix_key *key, struct prefix_root *root,
                       const int32_t *tokens, int64_t n)
{
    while (root) {
        uint64_t state = root->state;
        struct match file = find_file(c, root, tokens, n);
        if (!pays(root, &file, tokens, n) || !make_room(c, file.holder->depth) ||
            load_file(c, key, file.holder))
            return;
        file.holder->file = 0;
        prefix_prune(&c->forest, file.holder);
        root = prefix_root_find(&c->forest, state, key->salt);
    }
}

/* ---- resuming ---- */

int64_t prefix_known(struct prefix_cache *c, const struct prefix_key *key, const int32_t *tokens, int64_t n)
{
    struct session *s;
    if (!open_empty(c, key, &s, NULL))
        return 0;
    struct prefix_root *root = root_of(c, s, key);
    session_close(s);
    if (!root)
        return 0;
    struct match file = find_file(c, root, tokens, n - 1);
    return pays(root, &file, tokens, n - 1) ? file.length : find(root, tokens, n - 1).length;
}

/* In place of *session, which is empty. */
static bool take_state(const struct match *m, struct session **session, struct err *err)
{
    struct session *s;
    if (!session_fork(m->holder->session, &s, err))
        return false;
    if (!session_truncate(s, m->length, err)) {
        session_close(s);
        return false;
    }
    session_close(*session);
    *session = s;
    return true;
}

bool prefix_resume(struct prefix_cache *c, const struct prefix_key *key, const int32_t *tokens, int64_t n,
                   struct prefix_resumed *ret, struct err *err)
{
    struct prefix_resumed r = {0};
    if (!open_empty(c, key, &r.session, err))
        return false;
    load_files(c, key, root_of(c, r.session, key), tokens, n - 1);
    struct prefix_root *root = prefix_root_find(&c->forest, session_fingerprint(r.session), key->salt);
    struct match m = root ? find(root, tokens, n - 1) : (struct match){0};
    if (m.node)
        prefix_touch(&c->forest, m.node);
    if (m.holder && !take_state(&m, &r.session, err)) {
        session_close(r.session);
        return false;
    }
    r.shared = m.shared;
    *ret = r;
    return true;
}

/* ---- keeping ---- */

static bool can_go(const struct prefix_node *node, bool frees_memory)
{
    return frees_memory ? node->session && own_bytes(node->session) > 0 : node->session || node->file;
}

static struct prefix_node *oldest(const struct prefix_cache *c, bool frees_memory)
{
    struct prefix_node *best = NULL;
    for (struct prefix_root *r = c->forest.roots; r; r = r->next_root)
        for (struct prefix_node *node = &r->top; node; node = prefix_next(node, &r->top, NULL))
            if ((!best || node->used < best->used || (node->used == best->used && node->depth > best->depth)) &&
                can_go(node, frees_memory))
                best = node;
    return best;
}

/* Files go out of the tree like sessions: else those that the folder lost long ago would fill it in the end. */
static void keep_within_limits(struct prefix_cache *c)
{
    struct prefix_node *node;
    while ((c->forest.n_nodes > PREFIX_MAX_NODES || c->forest.n_tokens > PREFIX_MAX_TOKENS) &&
           (node = oldest(c, false)))
        drop_node(c, node);
}

void prefix_keep(struct prefix_cache *c, const struct prefix_key *key, const int32_t *tokens,
                 const struct session *session)
{
    int64_t length = session_length(session);
    struct prefix_node *node;
    if (length < PREFIX_MIN_TOKENS)
        return;
    struct prefix_root *root = prefix_root_make(&c->forest, session_fingerprint(session), key->salt);
    if (!root)
        return;
    if (prefix_walk(root, tokens, length, &node) == length && holder(node, NULL, length)) {
        prefix_touch(&c->forest, node);
        return;
    }
    node = prefix_insert(&c->forest, root, tokens, length);
    if (node && session_fork(session, &node->session, NULL)) {
        prefix_touch(&c->forest, node);
        drop_covered(c, node);
        keep_within_limits(c);
    } else {
        prefix_prune(&c->forest, node ? node : &root->top);
    }
}

/* How many of a prompt's n tokens are worth a file; 0: none are. */
static int64_t worth_saving(const struct prefix_cache *c, int64_t n, int64_t shared)
{
    bool rested = c->long_saved_ms == 0 || clock_ms() - c->long_saved_ms >= PREFIX_SAVE_LONG_EVERY_MS;
    if (n - shared >= PREFIX_SAVE_LONG && rested)
        return n;
    return shared >= PREFIX_SAVE_SHARED ? shared : 0;
}

/* A file that covers most of it will do: else every turn of a conversation would be written anew. */
static bool is_saved(const struct prefix_cache *c, struct prefix_root *root, const int32_t *tokens, int64_t n)
{
    return find_file(c, root, tokens, n).length >= n - n / 4;
}

void prefix_save(struct prefix_cache *c, const struct prefix_key *key, const int32_t *tokens, int64_t n,
                 int64_t shared)
{
    struct session *s;
    if (!c->options.disk || (n = worth_saving(c, n, shared)) == 0 || !open_empty(c, key, &s, NULL))
        return;
    struct prefix_root *root = root_of(c, s, key);
    struct match m = root ? find(root, tokens, n) : (struct match){0};
    struct prefix_node *node;
    uint64_t name;
    if (m.holder && m.length == n && !is_saved(c, root, tokens, n) && take_state(&m, &s, NULL) &&
        prefix_disk_save(c->options.disk, s, key->salt, tokens, &name) &&
        (node = prefix_insert(&c->forest, root, tokens, n))) {
        node->file = name;
        if (n > shared)
            c->long_saved_ms = clock_ms();
    }
    session_close(s);
}

/* ---- giving memory back ---- */

/* Gives back the end of a prompt, page by page until `bytes` are free or the place before it is reached, which then
 * takes the session over unless it has one. Where something comes after the node, or it lies on disk, its session goes
 * as a whole. Returns the bytes freed. */
static int64_t shrink(struct prefix_cache *c, struct prefix_node *node, int64_t bytes)
{
    struct session *s = node->session;
    struct prefix_node *parent = node->parent;
    int64_t own = own_bytes(s), left = own, length = node->depth;
    bool whole = node->child || node->file;
    while (!whole && length > parent->depth && left > 0 && own - left < bytes) {
        int64_t back = (length - 1) / PREFIX_TRIM_TOKENS * PREFIX_TRIM_TOKENS;
        length = back > parent->depth ? back : parent->depth;
        whole = length < PREFIX_MIN_TOKENS || !session_truncate(s, length, NULL);
        left = whole ? left : own_bytes(s);
    }
    whole = whole || (length == parent->depth && holder(parent, node, length));
    if (!whole && length > parent->depth) {
        prefix_cut(&c->forest, node, length);
        return own - left;
    }
    if (whole) {
        drop_session(node);
        left = 0;
    } else {
        parent->session = s;
        node->session = NULL;
    }
    prefix_prune(&c->forest, node);
    return own - left;
}

int64_t prefix_evict(struct prefix_cache *c, int64_t bytes)
{
    int64_t freed = 0;
    struct prefix_node *node;
    while (freed < bytes && (node = oldest(c, true)))
        freed += shrink(c, node, bytes - freed);
    return freed;
}

int64_t prefix_bytes(struct prefix_cache *c)
{
    int n = 0;
    for (struct prefix_root *r = c->forest.roots; r; r = r->next_root)
        for (struct prefix_node *node = &r->top; node; node = prefix_next(node, &r->top, NULL))
            if (node->session && n < PREFIX_MAX_NODES)
                c->held[n++] = node->session;
    return sessions_own_bytes(c->held, n);
}

struct prefix_stats prefix_stats(const struct prefix_cache *c)
{
    return (struct prefix_stats){c->forest.n_nodes, c->forest.n_tokens};
}
