/* Session state: for each layer group a table of pages of KV_PAGE positions. Pages are counted: a fork shares them
 * all, and whoever writes into a shared one takes a copy first. A few pages that nobody holds wait in the engine's free
 * lists, the others go back to the system; what they hold is never read, because the kernels read positions below the
 * length only. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/internal.h"

/* Pages kept for the next session that grows; more than that is memory an idle server would hold for nothing. */
#define KV_RESERVE_BYTES ((int64_t)32 << 20)

#define HUGE_PAGE_BYTES ((size_t)2 << 20)

size_t kv_layer_bytes(const struct hparams *h, enum tensor_type kv_type)
{
    return (size_t)h->n_kv_head * kv_head_bytes(kv_type, h->head_dim);
}

static enum kv_heap_kind heap_of(enum tensor_type kv_type)
{
    return kv_type == TENSOR_F16 ? KV_F16 : kv_type == TENSOR_F32 ? KV_F32 : KV_Q8_0;
}

static bool check_kv_type(const struct engine *e, enum tensor_type kv_type, struct err *err)
{
    if (kv_type_fits(kv_type, e->model.h.head_dim))
        return true;
    if (kv_type == TENSOR_Q8_0)
        return err_set(err, ERR_UNSUPPORTED, "a key-value cache of Q8_0 needs heads of a multiple of %d elements; this "
                       "model's have %d: use F16", KV_BLOCK, e->model.h.head_dim);
    return err_set(err, ERR_UNSUPPORTED, "the key-value cache holds F16, Q8_0 or F32, not type %d", (int)kv_type);
}

static int64_t pages_for(int64_t positions)
{
    return (positions + KV_PAGE - 1) / KV_PAGE;
}

/* ---- pages ---- */

static struct kv_page *page_of(const char *bytes)
{
    return (struct kv_page *)(bytes - offsetof(struct kv_page, bytes));
}

static size_t page_span(const struct kv_heap *heap)
{
    return sizeof(struct kv_page) + heap->page_bytes;
}

/* From the system itself: what malloc gets back it keeps, and a server's memory would never fall. Where a page has room
 * for huge ones it starts like one: attention walks 16 KiB here and there, and waits for addresses otherwise. */
static struct kv_page *page_map(const struct kv_heap *heap, struct err *err)
{
    size_t span = page_span(heap), slack = span >= HUGE_PAGE_BYTES ? HUGE_PAGE_BYTES : 0;
    char *at = mmap(NULL, span + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) {
        err_nomem(err, "the key-value cache");
        return NULL;
    }
    if (slack == 0)
        return (struct kv_page *)at;
    size_t before = (HUGE_PAGE_BYTES - (uintptr_t)at % HUGE_PAGE_BYTES) % HUGE_PAGE_BYTES;
    size_t small = (size_t)sysconf(_SC_PAGESIZE), end = (before + span + small - 1) / small * small;
    if (before > 0)
        munmap(at, before);
    if (end < span + slack)
        munmap(at + end, span + slack - end);
    madvise(at + before, span, MADV_HUGEPAGE);
    return (struct kv_page *)(at + before);
}

static struct kv_page *page_take(struct kv_heap *heap, struct err *err)
{
    struct kv_page *page = heap->free;
    if (page) {
        heap->free = page->next;
        heap->n_free--;
    } else {
        page = page_map(heap, err);
        if (!page)
            return NULL;
    }
    page->refs = 1;
    heap->n_held++;
    return page;
}

static void page_drop(struct kv_heap *heap, const char *bytes)
{
    struct kv_page *page = page_of(bytes);
    if (--page->refs > 0)
        return;
    heap->n_held--;
    if ((heap->n_free + 1) * (int64_t)heap->page_bytes > KV_RESERVE_BYTES) {
        munmap(page, page_span(heap));
        return;
    }
    page->next = heap->free;
    heap->free = page;
    heap->n_free++;
}

void kv_heap_close(struct kv_heap *heap)
{
    for (struct kv_page *page = heap->free, *next; page; page = next) {
        next = page->next;
        munmap(page, page_span(heap));
    }
    heap->free = NULL;
    heap->n_free = 0;
}

static void group_trim(struct layer_group *group, int64_t n_pages)
{
    while (group->n_pages > n_pages && group->n_pages > group->first_page)
        page_drop(group->heap, group->pages[--group->n_pages]);
    if (n_pages == 0)
        group->first_page = group->n_pages = 0;
}

static void group_forget(struct layer_group *group, int64_t first_page)
{
    while (group->first_page < first_page && group->first_page < group->n_pages)
        page_drop(group->heap, group->pages[group->first_page++]);
}

int64_t group_first_position(const struct engine *e, int group, int64_t length)
{
    int64_t first = length + 1 - e->model.h.window;
    return e->groups[group].kind == STATE_WINDOW && first > 0 ? first : 0;
}

/* The page becomes this session's alone. */
static bool group_own(struct layer_group *group, int64_t i, struct err *err)
{
    if (page_of(group->pages[i])->refs == 1)
        return true;
    struct kv_page *copy = page_take(group->heap, err);
    if (!copy)
        return false;
    memcpy(copy->bytes, group->pages[i], group->heap->page_bytes);
    page_drop(group->heap, group->pages[i]);
    group->pages[i] = copy->bytes;
    return true;
}

static bool group_reserve(struct layer_group *group, int64_t from, int64_t to, struct err *err)
{
    int64_t last = pages_for(to), first = from / KV_PAGE;
    for (int64_t i = first > group->first_page ? first : group->first_page; i < group->n_pages; i++)
        if (!group_own(group, i, err))
            return false;
    while (group->n_pages < last) {
        struct kv_page *page = page_take(group->heap, err);
        if (!page)
            return false;
        group->pages[group->n_pages++] = page->bytes;
    }
    return true;
}

bool session_reserve(struct session *s, int64_t n, struct err *err)
{
    for (int i = 0; i < s->engine->n_groups; i++)
        if (!group_reserve(&s->groups[i], s->length, s->length + n, err))
            return false;
    return true;
}

void session_trim(struct session *s)
{
    for (int i = 0; i < s->engine->n_groups; i++) {
        int64_t first = group_first_position(s->engine, i, s->length) - ENGINE_WINDOW_SLACK;
        group_trim(&s->groups[i], pages_for(s->length));
        group_forget(&s->groups[i], first > 0 ? first / KV_PAGE : 0);
    }
}

/* ---- bytes ---- */

int64_t engine_kv_bytes(const struct engine *e)
{
    int64_t bytes = 0;
    for (int i = 0; i < e->n_groups; i++)
        for (int kind = 0; kind < KV_HEAPS; kind++)
            bytes += e->groups[i].heaps[kind].n_held * (int64_t)e->groups[i].heaps[kind].page_bytes;
    return bytes;
}

/* New pages, but of a window no more than are held at once; and copies of shared ones that are written to. */
static int64_t group_growth(const struct session *s, int i, int64_t n)
{
    const struct layer_group *group = &s->groups[i];
    int64_t pages = pages_for(s->length + n) - group->n_pages;
    int64_t first = s->length / KV_PAGE;
    if (s->engine->groups[i].kind == STATE_WINDOW) {
        int64_t held = pages_for(s->engine->model.h.window + ENGINE_WINDOW_SLACK + ENGINE_MAX_STEP_TOKENS) + 1;
        pages = pages < held ? pages : held;
    }
    for (int64_t j = first > group->first_page ? first : group->first_page; n > 0 && j < group->n_pages; j++)
        pages += page_of(group->pages[j])->refs > 1;
    return pages;
}

int64_t session_growth_bytes(const struct session *s, int64_t n)
{
    int64_t bytes = 0;
    for (int i = 0; i < s->engine->n_groups; i++)
        bytes += group_growth(s, i, n) * (int64_t)s->groups[i].heap->page_bytes;
    return bytes;
}

/* ---- the sessions ---- */

bool session_open(struct engine *e, int64_t context, enum tensor_type kv_type, struct session **ret, struct err *err)
{
    if (context < 1 || context > ENGINE_MAX_CONTEXT)
        return err_set(err, ERR_LIMIT, "a context of %lld tokens is not between 1 and %d", (long long)context,
                       ENGINE_MAX_CONTEXT);
    if (!check_kv_type(e, kv_type, err))
        return false;
    struct session *s = calloc(1, sizeof *s);
    if (!s)
        return err_nomem(err, "a session");
    *s = (struct session){.engine = e, .context = context, .kv_type = kv_type};
    s->long_rope = e->model.rope_freq[ROPE_LONG] && context > e->model.h.n_ctx_original;
    for (int i = 0; i < e->n_groups; i++) {
        s->groups[i].heap = &e->groups[i].heaps[heap_of(kv_type)];
        s->groups[i].pages = calloc((size_t)pages_for(context), sizeof *s->groups[i].pages);
        if (!s->groups[i].pages) {
            session_close(s);
            return err_nomem(err, "a session");
        }
    }
    *ret = s;
    return true;
}

void session_close(struct session *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->engine->n_groups; i++) {
        group_trim(&s->groups[i], 0);
        free(s->groups[i].pages);
    }
    free(s);
}

int64_t session_length(const struct session *s)
{
    return s->length;
}

/* Lets go of every page (or takes them all again); the bytes that nobody holds then. */
static int64_t count_down(const struct session *s, int64_t by)
{
    int64_t bytes = 0;
    for (int i = 0; i < s->engine->n_groups; i++) {
        const struct layer_group *group = &s->groups[i];
        for (int64_t j = group->first_page; j < group->n_pages; j++)
            if ((page_of(group->pages[j])->refs -= by) == 0)
                bytes += (int64_t)group->heap->page_bytes;
    }
    return bytes;
}

int64_t sessions_own_bytes(struct session *const *sessions, int n)
{
    int64_t bytes = 0;
    for (int i = 0; i < n; i++)
        bytes += count_down(sessions[i], 1);
    for (int i = 0; i < n; i++)
        count_down(sessions[i], -1);
    return bytes;
}

bool session_fork(const struct session *s, struct session **ret, struct err *err)
{
    struct session *fork;
    if (!session_open(s->engine, s->context, s->kv_type, &fork, err))
        return false;
    fork->length = s->length;
    fork->adapter = s->adapter;
    for (int i = 0; i < s->engine->n_groups; i++) {
        fork->groups[i].first_page = s->groups[i].first_page;
        fork->groups[i].n_pages = s->groups[i].n_pages;
        for (int64_t j = s->groups[i].first_page; j < s->groups[i].n_pages; j++) {
            fork->groups[i].pages[j] = s->groups[i].pages[j];
            page_of(s->groups[i].pages[j])->refs++;
        }
    }
    *ret = fork;
    return true;
}

bool session_can_truncate(const struct session *s, int64_t length)
{
    if (length < 0 || length > s->length)
        return false;
    for (int i = 0; length > 0 && i < s->engine->n_groups; i++)
        if (group_first_position(s->engine, i, length) < s->groups[i].first_page * KV_PAGE)
            return false;
    return true;
}

bool session_truncate(struct session *s, int64_t length, struct err *err)
{
    if (length < 0 || length > s->length)
        return err_set(err, ERR_INVALID, "cannot truncate a session of %lld tokens to %lld", (long long)s->length,
                       (long long)length);
    if (!session_can_truncate(s, length))
        return err_set(err, ERR_UNSUPPORTED, "the session of %lld tokens has given back what its window of %lld needs "
                       "at %lld; start it anew", (long long)s->length, (long long)s->engine->model.h.window,
                       (long long)length);
    s->length = length;
    session_trim(s);
    return true;
}
