/* When models are loaded and dropped. One thread opens what requests wait for, in the order they asked, and makes room
 * for it by dropping idle models, least recently used first; it drops what nobody asked for in time. Requests wait here
 * with a bound. What a model is made of is model.c's business. */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "runtime/runtime_private.h"

#define LOADER_POLL_MS 50   /* how often one who waits is asked whether it is still there */
#define LOADER_PATIENCE_MS 1000   /* how long a model waits for memory before newcomers to the others let it pass */
#define GIGABYTE 1e9

/* ---- files: one map for all models of the same bytes ---- */

static bool identify(const struct local_model *m, struct file_identity *ret, struct err *err)
{
    struct stat st;
    if (m->bytes.n) {
        *ret = (struct file_identity){.inode = (uintptr_t)m->bytes.p, .size = (int64_t)m->bytes.n};
        return true;
    }
    if (stat(m->path, &st) != 0)
        return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open %s", m->path);
    *ret = (struct file_identity){
        .device = st.st_dev,
        .inode = st.st_ino,
        .changed_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000 + (uint64_t)st.st_mtim.tv_nsec,
        .size = st.st_size,
    };
    return true;
}

static bool same_identity(const struct file_identity *a, const struct file_identity *b)
{
    return a->device == b->device && a->inode == b->inode && a->changed_ns == b->changed_ns && a->size == b->size;
}

/* The lock is held. */
static struct mapped_file *find_file(const struct runtime *rt, const struct file_identity *identity)
{
    for (struct mapped_file *f = rt->files; f; f = f->next)
        if (same_identity(&f->identity, identity))
            return f;
    return NULL;
}

static bool map_file(const struct local_model *m, struct filemap **ret, struct err *err)
{
    return m->bytes.n ? filemap_memory(m->path, m->bytes.p, m->bytes.n, ret, err) : filemap_open(m->path, ret, err);
}

bool model_map_header(const struct local_model *m, struct gguf **ret, struct err *err)
{
    struct filemap *map;
    return map_file(m, &map, err) && gguf_open_map(map, ret, err);
}

/* Takes the map. */
static bool mapped_file_new(struct runtime *rt, struct filemap *map, const struct file_identity *identity,
                            struct mapped_file **ret, struct err *err)
{
    struct mapped_file *f = calloc(1, sizeof *f);
    if (!f) {
        filemap_close(map);
        return err_nomem(err, "a model");
    }
    if (!gguf_open_map(map, &f->g, err)) {
        free(f);
        return false;
    }
    f->identity = *identity;
    f->refs = 1;
    pthread_mutex_lock(&rt->lock);
    f->next = rt->files;
    rt->files = f;
    pthread_mutex_unlock(&rt->lock);
    *ret = f;
    return true;
}

static bool take_file(struct local_model *m, struct err *err)
{
    struct filemap *map;
    pthread_mutex_lock(&m->rt->lock);
    struct mapped_file *f = find_file(m->rt, &m->identity);
    if (f)
        f->refs++;
    pthread_mutex_unlock(&m->rt->lock);
    if (!f && (!map_file(m, &map, err) || !mapped_file_new(m->rt, map, &m->identity, &f, err)))
        return false;
    m->file = f;
    m->g = f->g;
    return true;
}

void mapped_file_release(struct runtime *rt, struct mapped_file *file)
{
    if (!file)
        return;
    pthread_mutex_lock(&rt->lock);
    bool last = --file->refs == 0;
    for (struct mapped_file **at = &rt->files; last && *at; at = &(*at)->next) {
        if (*at == file) {
            *at = file->next;
            break;
        }
    }
    pthread_mutex_unlock(&rt->lock);
    if (last) {
        gguf_close(file->g);
        free(file);
    }
}

static void close_model(struct local_model *m)
{
    adapters_close(m);
    model_close_parts(m);
    mapped_file_release(m->rt, m->file);
    m->file = NULL;
    m->g = NULL;
}

static bool open_model(struct local_model *m, struct err *err)
{
    if ((m->check && !m->check(m->check_ctx, err)) || !take_file(m, err))
        return false;
    if (!model_open_parts(m, err)) {
        close_model(m);
        return false;
    }
    adapters_open(m);
    return true;
}

/* ---- memory; the lock is held ---- */

static bool is_idle(const struct local_model *m)
{
    return m->state == MODEL_LOADED && m->pins == 0 && m->waiting == 0;
}

static bool file_in_use(const struct runtime *rt, const struct mapped_file *f)
{
    for (const struct local_model *m = rt->models; m; m = m->next)
        if (m->file == f && !is_idle(m))
            return true;
    return false;
}

/* What is loaded takes; only_in_use: what would be left with every idle model dropped. */
static int64_t memory_taken(const struct runtime *rt, bool only_in_use)
{
    int64_t bytes = 0;
    for (const struct local_model *m = rt->models; m; m = m->next)
        if (m->state == MODEL_LOADED && !(only_in_use && is_idle(m)))
            bytes += m->own_bytes;
    for (const struct mapped_file *f = rt->files; f; f = f->next)
        if (!only_in_use || file_in_use(rt, f))
            bytes += f->identity.size;
    return bytes;
}

static bool fits_beside(const struct runtime *rt, const struct local_model *m, bool only_in_use)
{
    const struct mapped_file *f = find_file(rt, &m->identity);
    bool mapped = f && (!only_in_use || file_in_use(rt, f));
    int64_t needs = m->own_bytes + (mapped ? 0 : m->identity.size);
    return memory_taken(rt, only_in_use) <= rt->memory_bytes - needs;
}

static struct local_model *least_recently_used(const struct runtime *rt)
{
    struct local_model *least = NULL;
    for (struct local_model *m = rt->models; m; m = m->next)
        if (is_idle(m) && (!least || m->used_ms < least->used_ms))
            least = m;
    return least;
}

/* ---- the loader thread; the lock is held but where something is opened or closed ---- */

static void set_expiry(struct local_model *m)
{
    m->used_ms = clock_ms();
    m->expires_ms = m->keep_now_ms < 0 ? INT64_MAX : m->used_ms + m->keep_now_ms;
}

static void drop(struct runtime *rt, struct local_model *m)
{
    m->state = MODEL_LEAVING;
    pthread_mutex_unlock(&rt->lock);
    close_model(m);
    malloc_trim(0);   /* many threads' arenas would keep what was freed */
    pthread_mutex_lock(&rt->lock);
    m->state = MODEL_ABSENT;
    pthread_cond_broadcast(&rt->model_changed);
}

/* True when m can be loaded now. Others may have become used while one was being dropped. */
static bool make_room(struct runtime *rt, struct local_model *m)
{
    while (!fits_beside(rt, m, false)) {
        struct local_model *victim = least_recently_used(rt);
        if (!victim)
            return false;
        drop(rt, victim);
    }
    return true;
}

static void load_ended(struct runtime *rt, struct local_model *m, bool ok)
{
    m->state = ok ? MODEL_LOADED : MODEL_ABSENT;
    if (ok)
        set_expiry(m);
    else
        m->failed_load = m->loads;
    if (!ok && m->waiting == 0)
        log_warn("cannot load the model %s: %s", m->name, m->fault.msg);
    pthread_cond_broadcast(&rt->model_changed);
}

static void load(struct runtime *rt, struct local_model *m)
{
    int64_t needs = m->own_bytes + m->identity.size;
    struct err err = ERR_INIT;
    bool ok = false;
    if (needs > rt->memory_bytes) {
        err_set(&err, ERR_NOMEM,
                "%s needs about %.1f GB at a context of %lld tokens, and models may take %.1f GB ('memory' in the "
                "configuration); take a smaller context, a smaller quantisation or more memory",
                m->name, (double)needs / GIGABYTE, (long long)m->info.context, (double)rt->memory_bytes / GIGABYTE);
    } else {
        if (!make_room(rt, m))
            return;
        m->state = MODEL_LOADING;
        pthread_mutex_unlock(&rt->lock);
        ok = open_model(m, &err);
        pthread_mutex_lock(&rt->lock);
    }
    m->fault = err;
    load_ended(rt, m, ok);
}

/* Models in use hold the memory that m waits for, and it has waited long enough: without this, two models that do not
 * fit together and are asked for without a pause would be the first one's for ever. */
static bool is_overdue(const struct local_model *m)
{
    return m->state == MODEL_WANTED && m->no_room && clock_ms() - m->wanted_ms >= LOADER_PATIENCE_MS;
}

static bool another_is_overdue(const struct runtime *rt, const struct local_model *m)
{
    for (const struct local_model *other = rt->models; other; other = other->next)
        if (other != m && is_overdue(other) && (m->state != MODEL_WANTED || other->wanted_at < m->wanted_at))
            return true;
    return false;
}

/* The one wanted longest of those that can be loaded now. */
static struct local_model *next_wanted(struct runtime *rt)
{
    struct local_model *next = NULL;
    for (struct local_model *m = rt->models; m; m = m->next) {
        if (m->state != MODEL_WANTED)
            continue;
        bool never = m->own_bytes + m->identity.size > rt->memory_bytes;
        m->no_room = !never && !fits_beside(rt, m, true);
        if (!m->no_room && (!next || m->wanted_at < next->wanted_at))
            next = m;
    }
    return next && another_is_overdue(rt, next) ? NULL : next;
}

/* The idle model that is dropped first; NULL when none ever is. */
static struct local_model *next_to_expire(const struct runtime *rt)
{
    struct local_model *next = NULL;
    for (struct local_model *m = rt->models; m; m = m->next)
        if (is_idle(m) && m->expires_ms < INT64_MAX && (!next || m->expires_ms < next->expires_ms))
            next = m;
    return next;
}

static void wait_until(pthread_cond_t *cond, struct runtime *rt, int64_t deadline_ms)
{
    struct timespec until = {.tv_sec = deadline_ms / 1000, .tv_nsec = deadline_ms % 1000 * 1000000};
    pthread_cond_timedwait(cond, &rt->lock, &until);
}

void *loader_run(void *runtime)
{
    struct runtime *rt = runtime;
    pthread_mutex_lock(&rt->lock);
    while (!rt->stop) {
        struct local_model *wanted = next_wanted(rt), *expiring = next_to_expire(rt);
        if (wanted)
            load(rt, wanted);
        else if (expiring && expiring->expires_ms <= clock_ms())
            drop(rt, expiring);
        else if (expiring)
            wait_until(&rt->load_wake, rt, expiring->expires_ms);
        else
            pthread_cond_wait(&rt->load_wake, &rt->lock);
    }
    pthread_mutex_unlock(&rt->lock);
    return NULL;
}

/* ---- waiting for a model; the lock is held ---- */

static void want(struct runtime *rt, struct local_model *m, const struct file_identity *identity)
{
    m->state = MODEL_WANTED;
    m->identity = *identity;
    m->loads++;
    m->wanted_at = ++rt->wanted;
    m->wanted_ms = clock_ms();
    m->no_room = false;
    pthread_cond_signal(&rt->load_wake);
}

static bool give_up(const struct runtime *rt, const struct local_model *m, struct err *err)
{
    if (m->state == MODEL_LOADED)
        return err_set(err, ERR_BUSY, "other models wait for the memory of %s; ask again in a moment, or raise "
                       "'memory'", m->name);
    if (m->no_room)
        return err_set(err, ERR_BUSY, "there is no memory for %s (about %.1f GB) while the models that are loaded are "
                       "in use; ask again in a moment, or raise 'memory'",
                       m->name, (double)(m->own_bytes + m->identity.size) / GIGABYTE);
    return err_set(err, ERR_BUSY, "%s was still loading after %lld s; ask again in a moment", m->name,
                   (long long)rt->load_timeout_ms / 1000);
}

/* Until some model changes; false when the wait is over. */
static bool wait_change(struct runtime *rt, const struct local_model *m, const struct load_wait *wait,
                        int64_t deadline_ms, struct err *err)
{
    int64_t now = clock_ms();
    if (rt->stop || (wait->gone && wait->gone(wait->gone_ctx)))
        return err_set(err, ERR_CANCELLED, rt->stop ? "Rung is stopping" : "nobody waits for the answer any more");
    if (now >= deadline_ms)
        return give_up(rt, m, err);
    int64_t poll_ms = wait->gone ? now + LOADER_POLL_MS : deadline_ms;
    wait_until(&rt->model_changed, rt, poll_ms < deadline_ms ? poll_ms : deadline_ms);
    return true;
}

/* Who comes to a loaded model while another is overdue; such a one does not keep it loaded. */
static bool let_pass(struct runtime *rt, const struct local_model *m, const struct load_wait *wait,
                     int64_t deadline_ms, struct err *err)
{
    while (m->state == MODEL_LOADED && another_is_overdue(rt, m))
        if (!wait_change(rt, m, wait, deadline_ms, err))
            return false;
    return true;
}

/* Until it is loaded, or its load failed, or the wait is over. */
static bool wait_loaded(struct runtime *rt, struct local_model *m, const struct file_identity *identity,
                        const struct load_wait *wait, int64_t deadline_ms, struct err *err)
{
    uint64_t mine = 0;
    while (m->state != MODEL_LOADED) {
        if (mine && m->failed_load == mine) {
            if (err)
                *err = m->fault;
            return false;
        }
        if (m->state == MODEL_ABSENT)
            want(rt, m, identity);
        if (m->state != MODEL_LEAVING)
            mine = m->loads;
        if (!wait_change(rt, m, wait, deadline_ms, err))
            return false;
    }
    return true;
}

static void pin(struct local_model *m, const struct load_wait *wait)
{
    m->pins++;
    m->rt->users++;
    m->keep_now_ms = wait->has_keep_alive ? wait->keep_alive_ms : m->keep_alive_ms;
}

static bool may_pin(const struct runtime *rt, const struct local_model *m)
{
    return m->state == MODEL_LOADED && !another_is_overdue(rt, m);
}

static bool wait_and_pin(struct runtime *rt, struct local_model *m, const struct file_identity *identity,
                         const struct load_wait *wait, struct err *err)
{
    int64_t deadline_ms = clock_ms() + rt->load_timeout_ms;
    if (!may_pin(rt, m) && rt->n_waiting >= rt->max_waiting)
        return err_set(err, ERR_BUSY, "%d requests wait for models to load already; ask again in a moment",
                       rt->n_waiting);
    rt->n_waiting++;
    bool ok = let_pass(rt, m, wait, deadline_ms, err);
    m->waiting++;
    ok = ok && wait_loaded(rt, m, identity, wait, deadline_ms, err);
    m->waiting--;
    rt->n_waiting--;
    if (ok) {
        pin(m, wait);
    } else if (m->state == MODEL_WANTED && m->waiting == 0) {
        m->state = MODEL_ABSENT;
        pthread_cond_broadcast(&rt->model_changed);
    }
    pthread_cond_signal(&rt->load_wake);
    return ok;
}

/* Its base is held. */
static bool check_adapter_open(struct local_model *m, struct err *err)
{
    if (m->adapter)
        return true;
    local_model_release(m->base);
    if (err)
        *err = m->fault;
    return false;
}

bool local_model_acquire(struct local_model *m, const struct load_wait *wait, struct err *err)
{
    struct runtime *rt = m->rt;
    if (m->base)
        return local_model_acquire(m->base, wait, err) && check_adapter_open(m, err);
    struct file_identity identity;
    pthread_mutex_lock(&rt->lock);
    bool loaded = may_pin(rt, m);
    if (loaded)
        pin(m, wait);
    pthread_mutex_unlock(&rt->lock);
    if (loaded)
        return true;
    if (!identify(m, &identity, err)) /* those who ask are not told where files lie */
        return err_set(err, ERR_NOT_FOUND,
                       "the file of %.100s is gone: fetch it again, or start Rung again if its name moved", m->name);
    pthread_mutex_lock(&rt->lock);
    bool ok = wait_and_pin(rt, m, &identity, wait, err);
    pthread_mutex_unlock(&rt->lock);
    return ok;
}

bool local_model_try_acquire(struct local_model *m)
{
    if (m->base)
        return local_model_try_acquire(m->base) && check_adapter_open(m, NULL);
    pthread_mutex_lock(&m->rt->lock);
    bool loaded = m->state == MODEL_LOADED;
    m->pins += loaded;
    m->rt->users += loaded;
    pthread_mutex_unlock(&m->rt->lock);
    return loaded;
}

void local_model_release(struct local_model *m)
{
    struct runtime *rt = m->rt;
    m = model_base(m);
    pthread_mutex_lock(&rt->lock);
    if (--m->pins == 0) {
        set_expiry(m);
        pthread_cond_signal(&rt->load_wake);
    }
    bool last = --rt->users == 0 && rt->closed;
    pthread_mutex_unlock(&rt->lock);
    if (last)
        runtime_free(rt);
}

void local_model_preload(struct local_model *m)
{
    struct file_identity identity;
    m = model_base(m);
    if (!identify(m, &identity, NULL))
        return;   /* the first request is told */
    pthread_mutex_lock(&m->rt->lock);
    if (m->state == MODEL_ABSENT) {
        m->keep_now_ms = m->keep_alive_ms;
        want(m->rt, m, &identity);
    }
    pthread_mutex_unlock(&m->rt->lock);
}

void local_model_unload(struct local_model *m)
{
    m = model_base(m);
    pthread_mutex_lock(&m->rt->lock);
    m->keep_now_ms = 0;
    if (is_idle(m)) {
        m->expires_ms = 0;
        pthread_cond_signal(&m->rt->load_wake);
    }
    pthread_mutex_unlock(&m->rt->lock);
}

/* ---- declaring, and what there is ---- */

static void enlist(struct runtime *rt, struct local_model *m)
{
    pthread_mutex_lock(&rt->lock);
    m->next = rt->models;
    rt->models = m;
    pthread_mutex_unlock(&rt->lock);
}

bool runtime_declare(struct runtime *rt, const char *name, const struct model_file *file,
                     const struct local_model_options *options, struct local_model **ret, struct err *err)
{
    struct gguf *g = NULL;
    struct local_model *m = model_new(rt, name, file->path);
    if (!m)
        return err_nomem(err, "a model");
    m->bytes = file->bytes;
    m->check = options->check;
    m->check_ctx = options->check_ctx;
    m->keep_alive_ms = m->keep_now_ms = options->keep_alive_ms;
    bool ok = identify(m, &m->identity, err) && model_map_header(m, &g, err) &&
              model_read_header(m, g, options, err);
    gguf_close(g);
    if (!ok) {
        model_free(m);
        return false;
    }
    enlist(rt, m);
    *ret = m;
    return true;
}

bool runtime_load(struct runtime *rt, const char *name, struct filemap *map, const struct local_model_options *options,
                  struct local_model **ret, struct err *err)
{
    static const struct local_model_options plain;
    struct str bytes = filemap_bytes(map);
    struct local_model *m = model_new(rt, name, filemap_path(map));
    if (!m) {
        filemap_close(map);
        return err_nomem(err, "a model");
    }
    m->identity = (struct file_identity){.inode = (uintptr_t)bytes.p, .size = (int64_t)bytes.n};
    if (!mapped_file_new(rt, map, &m->identity, &m->file, err))
        goto fail;
    m->g = m->file->g;
    if (!model_read_header(m, m->g, options ? options : &plain, err) || !model_open_parts(m, err))
        goto fail;
    m->state = MODEL_LOADED;
    m->pins = 1;   /* the runtime's own, so it stays */
    m->keep_alive_ms = m->keep_now_ms = RUNTIME_KEEP_FOREVER;
    enlist(rt, m);
    *ret = m;
    return true;
fail:
    model_free(m);
    return false;
}

void runtime_limit(struct runtime *rt, const struct runtime_limits *limits)
{
    pthread_mutex_lock(&rt->lock);
    if (limits->memory_bytes > 0)
        rt->memory_bytes = limits->memory_bytes;
    if (limits->load_timeout_ms > 0)
        rt->load_timeout_ms = limits->load_timeout_ms;
    if (limits->max_waiting > 0)
        rt->max_waiting = limits->max_waiting;
    pthread_mutex_unlock(&rt->lock);
}

int runtime_loaded(struct runtime *rt, struct local_model_state *ret, int max)
{
    int n = 0;
    int64_t now = clock_ms();
    pthread_mutex_lock(&rt->lock);
    for (const struct local_model *m = rt->models; m && n < max; m = m->next) {
        if (m->state != MODEL_LOADED)
            continue;
        int64_t left_ms = m->pins > 0 ? m->keep_now_ms : m->expires_ms > now ? m->expires_ms - now : 0;
        ret[n++] = (struct local_model_state){
            .info = &m->info,
            .bytes = m->own_bytes + m->identity.size,
            .left_ms = m->keep_now_ms < 0 ? RUNTIME_KEEP_FOREVER : left_ms,
            .users = m->pins,
            .running = atomic_load(&m->n_running),
            .waiting = atomic_load(&m->n_waiting),
            .kv_bytes = m->kv_bytes,
            .kv_held = atomic_load(&m->kv_held),
            .kv_q8 = m->kv_type == TENSOR_Q8_0,
            .preemptions = atomic_load(&m->preemptions),
        };
    }
    pthread_mutex_unlock(&rt->lock);
    return n;
}
